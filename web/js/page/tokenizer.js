// Text to token ids and back, by a model's `tokenizer.json`: `vendor/tokenizers.js` is the npm package @huggingface/tokenizers,
// which `npm ci` in web/ puts there.

import { Refusal } from "../refusal.js";

const AS_IT_IS = { skip_special_tokens: false, clean_up_tokenization_spaces: false };

/** `{encode(text), decode(ids)}` from the text of `tokenizer.json` and, if there is one, of `tokenizer_config.json`. */
export async function loadTokenizer(json, configJson = "{}") {
  let library;
  try {
    library = await import("../vendor/tokenizers.js");
  } catch (error) {
    throw new Refusal("This copy of the page was made without its tokenizer; give the prompt as token ids.", { cause: error });
  }
  let tokenizer;
  try {
    tokenizer = new library.Tokenizer(JSON.parse(json), JSON.parse(configJson));
  } catch (error) {
    throw new Refusal(`tokenizer.json cannot be read (${error.message}); give the prompt as token ids.`, { cause: error });
  }
  return {
    encode: (text) => Array.from(tokenizer.encode(text, { add_special_tokens: false }).ids),
    decode: (ids) => (ids.length === 0 ? "" : tokenizer.decode(ids, AS_IT_IS)),
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
