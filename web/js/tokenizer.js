// Token ids as text, by a model's `tokenizer.json` or by hand.

import { Tokenizer } from "./core.js";
import { Refusal } from "./refusal.js";

/** A tokenizer from the text of `tokenizer.json`: see `wrapped`. */
export function loadTokenizer(json) {
  try {
    return wrapped(new Tokenizer(json));
  } catch (error) {
    throw new Refusal(`tokenizer.json cannot be read (${error.message}); give the prompt as token ids.`, { cause: error });
  }
}

/** `{encode(text), encodeAsWritten(text), decode(ids), continuation(promptIds, ids, moreToCome)}` of the core's tokenizer. */
export function wrapped(tokenizer) {
  return {
    encode: (text) => Array.from(tokenizer.encode(text)),
    encodeAsWritten: (text) => Array.from(tokenizer.encodeAsWritten(text)),
    decode: (ids) => (ids.length === 0 ? "" : tokenizer.decode(Uint32Array.from(ids))),
    continuation: (promptIds, ids, moreToCome) =>
      tokenizer.continuation(Uint32Array.from(promptIds), Uint32Array.from(ids), moreToCome),
  };
}

/** Token ids as a visitor writes them, between spaces or commas. */
export function parseIds(text) {
  const words = text.split(/[\s,;]+/).filter(Boolean);
  const wrong = words.find((word) => !/^\d+$/.test(word));
  if (wrong !== undefined) {
    throw new Refusal(`“${wrong}” is no token id; without tokenizer.json, give whole numbers between spaces.`);
  }
  return words.map(Number);
}
