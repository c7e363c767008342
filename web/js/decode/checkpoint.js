// Reads a Hugging Face GPT-2 checkpoint. The twin of `src/workload/decode/checkpoint.rs`.

import { Refusal } from "../refusal.js";
import { readSafetensors } from "../safetensors.js";
import { parseConfig } from "./config.js";
import { elements, tensors } from "./tensors.js";

/** Faults that one message lists before it says that there are more. */
const LISTED = 6;

/**
 * A model from the text of its `config.json` and its `model.safetensors` (an ArrayBuffer or a Blob): `{config, endToken,
 * weights}`, where `weights(name)` gives the elements of a tensor in f32. A `Refusal` names every fault, or the first few.
 */
export async function loadCheckpoint(configText, file) {
  const { config, endToken } = parseConfig(configText);
  const found = new Map();
  const faults = [];
  for (const [name, tensor] of await readSafetensors(file)) {
    const bare = name.replace(/^transformer\./, "");
    if (found.has(bare)) faults.push(`tensor ${bare} is there twice, with and without the prefix \`transformer.\``);
    found.set(bare, tensor);
  }
  const weights = new Map();
  const take = async ({ name, shape }) => {
    const tensor = found.get(name);
    found.delete(name);
    if (!tensor) return void faults.push(`tensor ${name} [${shape.join(", ")}] is missing`);
    if (tensor.shape.join() !== shape.join()) {
      return void faults.push(`tensor ${name} has shape [${tensor.shape.join(", ")}], expected [${shape.join(", ")}]`);
    }
    if (!["F32", "F16", "BF16"].includes(tensor.dtype)) {
      return void faults.push(`tensor ${name} is of type ${tensor.dtype}; F32, F16 and BF16 are read`);
    }
    const values = await tensor.read();
    const wrong = values.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) return void faults.push(`tensor ${name} has ${values[wrong]} at ${wrong}; every element must be finite`);
    weights.set(name, values);
  };
  for (const tensor of tensors(config)) {
    await take(tensor);
    // Stopping at a few faults keeps an absurd n_layer from walking layers that no file can hold.
    if (faults.length >= LISTED) throw report(faults, "; and perhaps more");
  }
  if (found.has("lm_head.weight")) await checkHead(config, take, weights, faults);
  for (const name of found.keys()) {
    if (!isCausalMask(name, config)) faults.push(`tensor ${name.slice(0, 60)} is not part of this model`);
  }
  if (faults.length > 0) throw report(faults, faults.length > LISTED ? `; and ${faults.length - LISTED} more` : "");
  return { config, endToken, weights: (name) => weights.get(name) };
}

/** Only a head tied to the embedding is computed. */
async function checkHead({ vocab_size, n_embd }, take, weights, faults) {
  const name = "lm_head.weight";
  await take({ name, shape: [vocab_size, n_embd] });
  const [head, wte] = [weights.get(name), weights.get("wte.weight")];
  if (head && wte && !head.every((value, i) => value === wte[i])) {
    faults.push(`tensor ${name} differs from wte.weight; only a head tied to it is supported`);
  }
  weights.delete(name);
}

/** Buffers that older versions of `transformers` saved beside the weights. */
function isCausalMask(name, config) {
  const [, layer] = /^h\.(\d+)\.attn\.(?:bias|masked_bias)$/.exec(name) ?? [];
  return layer !== undefined && Number(layer) < config.n_layer;
}

function report(faults, more) {
  const listed = faults.slice(0, LISTED).join("; ");
  return new Refusal(`${listed}${more}; config.json and model.safetensors must be of the same GPT-2 model`);
}

/** Parameters of a model. */
export const parameterCount = (config) => [...tensors(config)].reduce((sum, { shape }) => sum + elements(shape), 0);
