// A model as an ONNX file with the names that transformers.js asks for: it hands in all new tokens at once, with the keys and values
// that the last call gave, and reads the logits of the last token.

import { halves } from "../web/half.js";
import { heads, network, OPSETS } from "../web/network.js";
import { FLOAT, Graph, INT32 } from "../web/onnx.js";

/** The file's bytes, with weights, keys and values in `float32` or `float16`. */
export function decoder(made, type) {
  const { config, config: { n_layer: layers, vocab_size } } = made;
  const g = new Graph();
  const flat = g.constant("flat", [1], BigInt64Array.of(-1n));
  const rows = (name) => g.op("Reshape", [name, flat]);
  const one = g.constant("one", [1], Int32Array.of(1));
  const total = g.op("Cast", [g.op("Shape", ["attention_mask"], { start: 1 })], { to: INT32 });
  const before = g.op("Sub", [total, one]);
  const [last, end, axis] = [-1n, 2n ** 63n - 1n, 0n].map((at, i) => g.constant(`slice_${i}`, [1], BigInt64Array.of(at)));
  network(g, made, {
    token: rows("input_ids"), position: rows("position_ids"), logits: "last_logits",
    before, total, past: (layer) => cached(layer, "past_key_values"), present: (layer) => cached(layer, "present"),
    chosen: (x) => g.op("Slice", [x, last, end, axis]),
    stored: type === "float16" ? halves : undefined,
  });
  const shape = g.constant("shape", [3], BigInt64Array.of(1n, 1n, BigInt(vocab_size)));
  g.op("Cast", [g.op("Reshape", ["last_logits", shape])], { outputs: ["logits"], to: FLOAT });

  const numbers = (name, length) => ({ name, type: "int64", dims: ["batch_size", length] });
  const { keys, channels } = heads(config);
  const caches = (prefix, length) => Array.from({ length: layers }, (_, layer) => cached(layer, prefix)).flat()
    .map((name) => ({ name, type, dims: ["batch_size", keys, length, channels] }));
  const inputs = [numbers("input_ids", "sequence_length"), numbers("attention_mask", "total_sequence_length"), numbers("position_ids", "sequence_length")];
  const logits = { name: "logits", type: "float32", dims: ["batch_size", 1, vocab_size] };
  return g.model([...inputs, ...caches("past_key_values", "past_sequence_length")], [logits, ...caches("present", "total_sequence_length")], OPSETS);
}

const cached = (layer, prefix) => ["key", "value"].map((what) => `${prefix}.${layer}.${what}`);
