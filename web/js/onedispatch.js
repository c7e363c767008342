// A language model on the visitor's GPU, for any page: loads one from an address, and gives its text as it is made.
//
//   import { load } from "./onedispatch.js";
//   const model = await load("models/prose-3m.gguf");
//   for await (const text of model.generate("The morning was")) document.body.append(text);

import { breathe } from "./breathe.js";
import { bytesOf, fromFiles, fromUrl } from "./checkpoint.js";
import { Generator, loadGguf, loadModel } from "./generate.js";
import { Gpu } from "./gpu.js";
import { seen } from "./seen.js";
import { loadTokenizer, wrapped } from "./tokenizer.js";

/** What went wrong, as a sentence; `code` says of which kind it is: see `onedispatch.d.ts`. */
export class OnedispatchError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = "OnedispatchError";
    this.code = code;
  }
}

/**
 * Loads a model of the GPT-2 or Llama family onto the GPU: from the address of a `.gguf` or of a folder with `config.json` and
 * `model.safetensors`, or from such files. The fastest kernel is found by trials of a second or so.
 */
export async function load(source, { progress = () => {}, signal, stallMs, gpu = globalThis.navigator?.gpu } = {}) {
  const parts = await as("fetch", () =>
    Array.isArray(source) ? fromFiles(source) : fromUrl(String(source), { progress, signal, stallMs }));
  signal?.throwIfAborted();
  const device = await as("gpu", () => Gpu.open({ gpu }));
  let generator;
  try {
    const bytes = await as("fetch", () => bytesOf(parts.gguf ?? parts.weights, () => {}));
    const model = await as("model", () =>
      parts.gguf ? loadGguf(bytes, parts.name) : loadModel(parts.config, bytes, parts.generationConfig ?? undefined));
    await breathe();
    const readTokenizer = () => (parts.gguf ? wrapped(model.takeTokenizer()) : parts.tokenizer && loadTokenizer(parts.tokenizer));
    const tokenizer = await as("model", readTokenizer);
    await breathe();
    generator = await as("gpu", () => Generator.of(device, model));
    signal?.throwIfAborted();
    return new Model(device, generator, tokenizer ?? null);
  } catch (error) {
    generator?.destroy();
    device.close();
    throw error;
  }
}

class Model {
  #gpu;
  #generator;
  #tokenizer;
  #isBusy = false;

  constructor(gpu, generator, tokenizer) {
    this.#gpu = gpu;
    this.#generator = generator;
    this.#tokenizer = tokenizer;
    const { config, arm, notes, parameters } = generator;
    Object.assign(this, { config, arm, notes, parameters, adapter: gpu.info });
    Object.freeze(this);
  }

  /** Token ids of a text, and the text of token ids. */
  encode(text) {
    return this.#needTokenizer().encode(text);
  }

  decode(ids) {
    return this.#needTokenizer().decode(ids);
  }

  #needTokenizer() {
    if (!this.#tokenizer) throw new OnedispatchError("request", "This model came without a tokenizer; give token ids, to generateIds.");
    return this.#tokenizer;
  }

  /** Yields the text of an answer piece by piece: whole letters, spaces as the tokenizer has them. */
  async *generate(prompt, options = {}) {
    const tokenizer = this.#needTokenizer();
    const ids = await as("request", () => tokenizer.encode(prompt));
    const [made, ends] = [[], this.#generator?.end_tokens ?? []];
    let shown = "";
    for await (const tokens of this.generateIds(ids, options)) {
      made.push(...tokens.filter((token) => !ends.includes(token)));
      const text = tokenizer.continuation(ids, made, true);
      if (text.length > shown.length) yield text.slice(shown.length);
      shown = text;
    }
    const whole = tokenizer.continuation(ids, made, false);
    if (whole.length > shown.length) yield whole.slice(shown.length);
  }

  /** Yields the new token ids of each dispatch, the end token too. Rests while the tab is in the background. */
  async *generateIds(prompt, { tokens = 128, temperature = 0, topK = 40, seed = 1, span, signal } = {}) {
    const generator = this.#generator;
    if (!generator) throw new OnedispatchError("disposed", "This model was disposed of; load it again.");
    if (this.#isBusy) throw new OnedispatchError("busy", "This model is answering already; wait for its end, or stop it.");
    const request = await as("request", () => asked(generator, { prompt, tokens, temperature, topK, seed }));
    this.#isBusy = true;
    const pieces = generator.generate(request, span ? { span } : {});
    try {
      for (;;) {
        signal?.throwIfAborted();
        const { done, value } = await as("request", () => pieces.next(), () => this.#gpu.isLost);
        if (done) return;
        if (value.tokens.length > 0) yield value.tokens;
        await seen(signal);
      }
    } finally {
      await pieces.return().catch(() => {});
      this.#isBusy = false;
    }
  }

  /** Gives everything on the GPU back. A model that answers is stopped. */
  dispose() {
    this.#generator?.destroy();
    this.#generator = null;
    this.#gpu.close();
  }
}

/** A request as kernels have it. The last new token is never fed back, so it takes no position. */
function asked({ config, end_tokens }, { prompt, tokens, temperature, topK, seed }) {
  const left = config.n_positions + 1 - prompt.length;
  const top_k = Math.min(topK, config.vocab_size);
  const sampling = temperature === 0 ? null : { temperature, top_k, seed: BigInt(seed) };
  return { prompt: Array.from(prompt), new_tokens: Math.max(1, Math.min(tokens, left)), sampling, end_tokens };
}

/** Runs `work`, whose errors are of this kind; of a lost device where `isLost` says so, which loading again can meet. */
async function as(code, work, isLost = () => false) {
  try {
    return await work();
  } catch (error) {
    if (error.name === "AbortError" || error instanceof OnedispatchError) throw error;
    throw new OnedispatchError(isLost() ? "lost" : code, error.message, { cause: error });
  }
}
