// A case that `onedispatch export` wrote, as peers in JavaScript read it, and the check of an output. The twin of
// `peer/case.py`.

import { loadModel } from "../../web/js/generate.js";
import { Refusal } from "../../web/js/refusal.js";

const FORMAT = "onedispatch-case-1";

export class Case {
  /** `read(name)` resolves to the bytes of a file of the case's directory, as an ArrayBuffer. */
  static async read(read) {
    const json = async (name) => JSON.parse(new TextDecoder().decode(await read(name)));
    const spec = await json("case.json");
    if (spec.format !== FORMAT) throw new Refusal(`the case is of format ${spec.format}, known here: ${FORMAT}; export it anew`);
    const config = new TextDecoder().decode(await read("config.json"));
    return new Case(spec, loadModel(config, await read("model.safetensors")));
  }

  constructor(spec, model) {
    const { config, tensors } = JSON.parse(model.about());
    if (config.block) throw new Refusal(`${spec.case}: peers in JavaScript compute the layout of GPT-2 alone`);
    Object.assign(this, { spec, config, model });
    this.weights = new Map(tensors.map(({ name, shape }) => [name, { shape, data: model.tensor(name) }]));
    this.name = spec.case;
    this.prompt = spec.prompt;
    this.newTokens = spec.new_tokens;
    /** Tokens fed to the model, and so positions of the KV cache: all but the last new one. */
    this.positions = this.prompt.length + this.newTokens - 1;
    this.attentionScale = config.scale_attn_weights ? 1 / Math.sqrt(config.n_embd / config.n_head) : 1;
  }

  /** Of an output `{tokens, logits}` (the new ones, and those that chose the last): what the result has of it, its error and
   * why it fails. */
  judge({ tokens, logits }) {
    const request = JSON.stringify({ prompt: this.prompt, new_tokens: this.newTokens, sampling: null, end_tokens: [] });
    const judged = this.model.check(request, Uint32Array.from(tokens), Float32Array.from(logits), this.spec.tolerance);
    const { error, reason } = JSON.parse(judged);
    return { units: tokens.length, tokens: [...tokens], last_logits: [...logits], check_error: error, reason };
  }
}
