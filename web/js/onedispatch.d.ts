// Types of `onedispatch.js`.

/** `fetch`: files that cannot be had. `model`: files that are damaged, or of no model that is read. `gpu`: no WebGPU, no GPU, or
 * one that the model does not fit. `request`: what is asked cannot be. `busy`: one answer at a time. `disposed`: after `dispose()`.
 * `lost`: the device is gone; dispose of the model and load it again. */
export type Code = "fetch" | "model" | "gpu" | "request" | "busy" | "disposed" | "lost";

export declare class OnedispatchError extends Error {
  readonly code: Code;
}

export interface LoadOptions {
  /** Told of the weights' bytes so far, which never become fewer, and of how many there are where that is known. */
  progress?: (bytes: number, total: number | null) => void;
  signal?: AbortSignal;
  /** Milliseconds without a byte after which a connection counts as broken off: 30,000 by default. */
  stallMs?: number;
  /** `navigator.gpu` by default. */
  gpu?: unknown;
}

export interface GenerateOptions {
  /** New tokens at most: 128 by default, and no more than the context leaves. */
  tokens?: number;
  /** 0, the default, takes the likeliest token each time. */
  temperature?: number;
  /** 40 by default. */
  topK?: number;
  /** The same seed gives the same text: 1 by default. */
  seed?: number | bigint;
  /** What a dispatch covers: as many tokens as take some 50 ms by default. */
  span?: "generation" | "token" | "operation" | `chunk:${number}`;
  /** Ends the answer with an AbortError. */
  signal?: AbortSignal;
}

export interface Model {
  readonly config: { vocab_size: number; n_positions: number; n_embd: number; n_layer: number; n_head: number };
  /** The kernel in use. */
  readonly arm: string;
  /** What was made of the files that one may not expect. */
  readonly notes: readonly string[];
  readonly parameters: number;
  readonly adapter: { name: string; is_software: boolean };
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
  /** Pieces of text as they are made. Breaking off the loop stops the GPU after the dispatch at hand. While the tab is in the
   * background the answer rests; a worker goes on. */
  generate(prompt: string, options?: GenerateOptions): AsyncGenerator<string, void, void>;
  /** New token ids as they are made. */
  generateIds(prompt: readonly number[], options?: GenerateOptions): AsyncGenerator<number[], void, void>;
  dispose(): void;
}

/** A model from the address of a `.gguf`, of a folder with `config.json`, `model.safetensors` and `tokenizer.json`, or from such files. */
export declare function load(source: string | URL | File[], options?: LoadOptions): Promise<Model>;
