// A case as the files that WebLLM asks for: its configuration, a tokenizer whose words are the tokens' numbers, and the weights in f16
// with the names and shapes of the model library.

import { halves } from "../web/half.js";

/** What the model library of GPT-2 is compiled for. */
export const LIBRARY_SHAPE = { n_embd: 768, n_head: 12, n_layer: 12, n_inner: 3072 };
const POSITIONS = 1024;

/** By each file's name: what makes its bytes or text. */
export function files(made) {
  const { config: { vocab_size }, weights } = made;
  // The head is tied to the embedding, and a tensor of its own there.
  const tensors = [...weights].map(([name, tensor]) => stored(`transformer.${name}`, tensor));
  tensors.push(stored("lm_head.weight", weights.get("wte.weight")));
  const records = tensors.map(({ name, shape, nbytes }) => {
    const record = { name, shape, dtype: "float16", format: "raw", nbytes, byteOffset: 0 };
    return { dataPath: `${name}.bin`, format: "raw-shard", nbytes, records: [record] };
  });
  return {
    "mlc-chat-config.json": () => JSON.stringify(chatConfig(vocab_size)),
    "tokenizer.json": () => JSON.stringify(tokenizer(vocab_size)),
    "ndarray-cache.json": () => JSON.stringify({ metadata: { ParamSize: records.length }, records }),
    ...Object.fromEntries(tensors.map(({ name, make }) => [`${name}.bin`, make])),
  };
}

/** A tensor under the model library's name: matrices are [out, in] there, and there is a row for each of its positions. */
function stored(name, { shape, data }) {
  const of = (shape, values) => ({ name, shape, nbytes: 2 * shape.reduce((a, b) => a * b), make: () => halves(values()) });
  if (name === "transformer.wpe.weight") {
    const padded = new Float32Array(POSITIONS * shape[1]);
    return of([POSITIONS, shape[1]], () => (padded.set(data.subarray(0, padded.length)), padded));
  }
  const isLinear = shape.length === 2 && name.startsWith("transformer.h.");
  return isLinear ? of(shape.toReversed(), () => transposed(data, shape)) : of(shape, () => data);
}

function transposed(data, [rows, columns]) {
  const turned = new Float32Array(data.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) turned[column * rows + row] = data[row * columns + column];
  }
  return turned;
}

function chatConfig(vocabSize) {
  return {
    model_type: "gpt2", vocab_size: vocabSize, context_window_size: POSITIONS, sliding_window_size: -1, attention_sink_size: -1,
    prefill_chunk_size: POSITIONS, tokenizer_files: ["tokenizer.json"], tokenizer_info: { token_postproc_method: "raw", prepend_space_in_encode: false },
    temperature: 0, top_p: 1, repetition_penalty: 1, presence_penalty: 0, frequency_penalty: 0,
    conv_template: {
      name: "case", system_template: "{system_message}", system_message: "", roles: { user: "", assistant: "" }, role_templates: {},
      messages: [], seps: [""], role_content_sep: "", role_empty_sep: "", stop_str: [], stop_token_ids: [],
    },
  };
}

function tokenizer(vocabSize) {
  const vocab = Object.fromEntries(Array.from({ length: vocabSize }, (_, token) => [String(token), token]));
  return {
    version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: null, decoder: null, model: { type: "WordLevel", vocab, unk_token: "0" },
  };
}
