// A case that `onedispatch export` wrote, as peers in JavaScript read it, and the check of an output. The twin of
// `peer/case.py`.

import { loadModel } from "../../web/js/generate.js";
import { Refusal } from "../../web/js/refusal.js";
import { rounded } from "./half.js";

const FORMAT = "onedispatch-case-1";

/** Largest error of a peer's logit by the format of its weights, where that is more than the case's: as in
 * `src/core/workload/decode/format.rs`. */
const ENGINE_ERROR = { f32: 0, f16: 5e-3 };

export class Case {
  /** `read(name)` resolves to the bytes of a file of the case's directory, as an ArrayBuffer. */
  static async read(read) {
    const json = async (name) => JSON.parse(new TextDecoder().decode(await read(name)));
    const spec = await json("case.json");
    if (spec.format !== FORMAT) throw new Refusal(`the case is of format ${spec.format}, known here: ${FORMAT}; export it anew`);
    const config = new TextDecoder().decode(await read("config.json"));
    const load = async (change) => loadModel(config, change(await read("model.safetensors")));
    const made = new Case(spec, await load((bytes) => bytes));
    // The oracle of the weights that are left in a format.
    made.oracles = { f32: made.model };
    made.oracle = async (format) => (made.oracles[format] ??= await load(inHalves));
    return made;
  }

  constructor(spec, model) {
    const { config, tensors } = JSON.parse(model.about());
    if (config.block && !isLlama(config.block)) throw new Refusal(`${spec.case}: peers in JavaScript compute the layouts of GPT-2 and Llama alone`);
    Object.assign(this, { spec, config, model });
    this.weights = new Map(tensors.map(({ name, shape }) => [name, { shape, data: model.tensor(name) }]));
    this.name = spec.case;
    this.prompt = spec.prompt;
    this.newTokens = spec.new_tokens;
    /** Tokens fed to the model, and so positions of the KV cache: all but the last new one. */
    this.positions = this.prompt.length + this.newTokens - 1;
    this.attentionScale = config.scale_attn_weights ? 1 / Math.sqrt(config.block?.head_dim ?? config.n_embd / config.n_head) : 1;
  }

  /** Of an output `{tokens, logits}` (the new ones, and those that chose the last), of weights in a format: what the result has of
   * it, its error and why it fails. */
  async judge({ tokens, logits }, weights = "f32") {
    const request = JSON.stringify({ prompt: this.prompt, new_tokens: this.newTokens, sampling: null, end_tokens: [] });
    const oracle = await this.oracle(weights);
    const tolerance = Math.max(this.spec.tolerance, ENGINE_ERROR[weights]);
    const check = oracle.check(request, Uint32Array.from(tokens), Float32Array.from(logits), tolerance);
    const { error, reason } = JSON.parse(check.finish());
    return { units: tokens.length, tokens: [...tokens], last_logits: [...logits], check_error: error, reason };
  }
}

const isLlama = ({ root_mean_square, rotary, gated, activation, query_key_norm, scale_by_layer }) =>
  root_mean_square && rotary && gated && activation === "silu" && !query_key_norm && !scale_by_layer;

/** A checkpoint in f32 whose matrices are rounded to f16: 8 bytes of the header's length, a JSON header, then the tensors' bytes. */
function inHalves(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const { __metadata__, ...tensors } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  for (const { shape, data_offsets: offsets } of Object.values(tensors)) {
    if (shape.length !== 2) continue;
    const [begin, end] = offsets.map((offset) => 8 + length + offset);
    new Uint8Array(buffer).set(new Uint8Array(rounded(new Float32Array(buffer.slice(begin, end))).buffer), begin);
  }
  return buffer;
}
