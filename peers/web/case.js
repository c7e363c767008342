// A case that `onedispatch export` wrote, as peers in JavaScript read it, and the check of an output. The twin of
// `peer/case.py`.

import { check } from "../../web/js/gate.js";
import { Refusal } from "../../web/js/refusal.js";
import { readSafetensors } from "../../web/js/safetensors.js";

const FORMAT = "onedispatch-case-1";

export class Case {
  /** `read(name)` resolves to the bytes of a file of the case's directory, as an ArrayBuffer. */
  static async read(read) {
    const json = async (name) => JSON.parse(new TextDecoder().decode(await read(name)));
    const spec = await json("case.json");
    if (spec.format !== FORMAT) throw new Refusal(`the case is of format ${spec.format}, known here: ${FORMAT}; export it anew`);
    const weights = new Map();
    for (const [name, { shape, read: elements }] of await readSafetensors(await read("model.safetensors"))) {
      weights.set(name.replace(/^transformer\./, ""), { shape, data: await elements() });
    }
    const logits = await (await readSafetensors(await read("expected.safetensors"))).get("logits").read();
    return new Case(spec, await json("config.json"), weights, logits);
  }

  constructor(spec, config, weights, logits) {
    Object.assign(this, { spec, config, weights });
    this.name = spec.case;
    this.prompt = spec.prompt;
    this.newTokens = spec.new_tokens;
    /** Tokens fed to the model, and so positions of the KV cache: all but the last new one. */
    this.positions = this.prompt.length + this.newTokens - 1;
    this.attentionScale = config.scale_attn_weights ? 1 / Math.sqrt(config.n_embd / config.n_head) : 1;
    this.expected = { tokens: spec.expected_tokens, last_logits: [...logits.subarray(-config.vocab_size)] };
  }

  /** Of an output `{tokens, logits}` (the new ones, and those that chose the last): what the result has of it, its error and
   * why it fails. */
  judge({ tokens, logits }) {
    const { expected, config, spec: { tolerance } } = this;
    const file = { workload: "decode", expected, request: { prompt: this.prompt }, tolerance, config };
    const outputs = { tokens: Uint32Array.from([...this.prompt, ...tokens]).buffer, logits: Float32Array.from(logits).buffer };
    const { error, reason } = check(file, null, outputs);
    return { units: tokens.length, tokens: [...tokens], last_logits: [...logits], check_error: error, reason };
  }
}
