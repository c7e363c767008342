// Reads Hugging Face's `config.json`, and refuses models that are not computed here. The twin of
// `src/workload/decode/config.rs`: the same keys, defaults and refusals.

import { Refusal } from "../refusal.js";

const MOST = 0xffffffff;

/** Sizes, with the names of `config.json`, and the end token (or null) from its text: `{config, endToken}`. */
export function parseConfig(text) {
  let keys;
  try {
    keys = JSON.parse(text);
  } catch (error) {
    throw new Refusal(`config.json: not a JSON object (${error.message}); give a model's config.json`);
  }
  if (keys === null || typeof keys !== "object" || Array.isArray(keys)) {
    throw new Refusal("config.json: not a JSON object; give a model's config.json");
  }
  only(keys, "model_type", ["gpt2"]);
  only(keys, "activation_function", ["gelu_new", "gelu_pytorch_tanh"], "gelu_new");
  expect(keys, "tie_word_embeddings", true);
  expect(keys, "scale_attn_by_inverse_layer_idx", false);
  expect(keys, "add_cross_attention", false);
  const n_embd = size(keys, "n_embd", true);
  const config = {
    vocab_size: size(keys, "vocab_size", true),
    n_positions: size(keys, "n_positions", true),
    n_embd,
    n_head: size(keys, "n_head", true),
    n_layer: size(keys, "n_layer", true),
    n_inner: size(keys, "n_inner") ?? 4 * n_embd,
    layer_norm_epsilon: epsilon(keys),
    scale_attn_weights: flag(keys, "scale_attn_weights") ?? true,
  };
  validate(config);
  return { config, endToken: endToken(keys, config.vocab_size) };
}

export const headDim = (config) => config.n_embd / config.n_head;

export const attentionScale = (config) => (config.scale_attn_weights ? 1 / Math.sqrt(headDim(config)) : 1);

/** Refuses sizes that are zero, that do not divide, or whose products exceed what 32-bit indices can hold. */
function validate(config) {
  const { vocab_size, n_positions, n_embd, n_head, n_inner } = config;
  for (const key of ["vocab_size", "n_positions", "n_embd", "n_head", "n_layer", "n_inner"]) {
    if (config[key] === 0) throw new Refusal(`config.json: ${key} is 0; it must be at least 1`);
  }
  if (n_embd % n_head !== 0) {
    throw new Refusal(`config.json: n_embd is ${n_embd} and n_head is ${n_head}; n_head must divide n_embd`);
  }
  const tensors = {
    "vocab_size * n_embd": vocab_size * n_embd,
    "n_positions * n_embd": n_positions * n_embd,
    "n_embd * 3 n_embd": 3 * n_embd * n_embd,
    "n_embd * n_inner": n_embd * n_inner,
  };
  for (const [name, elements] of Object.entries(tensors)) {
    if (elements > MOST) {
      throw new Refusal(`config.json: ${name} is ${elements} elements; a tensor may have at most ${MOST}`);
    }
  }
}

const shown = (value) => JSON.stringify(value).slice(0, 60);
const isThere = (value) => value !== undefined && value !== null;

function only(keys, key, supported, byDefault) {
  const names = supported.map((name) => `\`${name}\``).join(" or ");
  const found = keys[key];
  if (!isThere(found)) {
    if (byDefault === undefined) throw new Refusal(`config.json: ${key} is missing; supported: ${names}`);
  } else if (!supported.includes(found)) {
    throw new Refusal(`config.json: ${key} is ${shown(found)}; supported: ${names}`);
  }
}

function expect(keys, key, supported) {
  const found = flag(keys, key);
  if (found !== null && found !== supported) throw new Refusal(`config.json: ${key} is ${found}; supported: ${supported}`);
}

function flag(keys, key) {
  const found = keys[key];
  if (!isThere(found)) return null;
  if (typeof found !== "boolean") throw new Refusal(`config.json: ${key} is ${shown(found)}; it must be true or false`);
  return found;
}

function size(keys, key, required = false) {
  const found = keys[key];
  if (!isThere(found)) {
    if (required) throw new Refusal(`config.json: ${key} is missing; it must be a whole number from 1`);
    return null;
  }
  if (!Number.isInteger(found) || found < 0 || found > MOST) {
    throw new Refusal(`config.json: ${key} is ${shown(found)}; it must be a whole number from 1 to ${MOST}`);
  }
  return found;
}

function epsilon(keys) {
  const found = keys.layer_norm_epsilon;
  if (!isThere(found)) return 1e-5;
  if (typeof found === "number" && found > 0 && found < 1) return found;
  throw new Refusal(`config.json: layer_norm_epsilon is ${shown(found)}; it must be a number between 0 and 1`);
}

/** An end token outside the vocabulary is never made, so it is dropped. */
function endToken(keys, vocab_size) {
  let found = keys.eos_token_id;
  if (Array.isArray(found) && found.length <= 1) [found] = found;
  if (!isThere(found)) return null;
  if (!Number.isInteger(found)) throw new Refusal(`config.json: eos_token_id is ${shown(found)}; one token id is supported`);
  return found >= 0 && found < vocab_size ? found : null;
}
