// One step of GPT-2 as an ONNX graph, from the operators that ONNX Runtime's own exporter of language models uses.
//
// It takes the token, its position and the caches, and gives the next token, the next position, the caches and the logits. All
// shapes are fixed and nothing of it runs on the CPU, so the host has nothing to read between two tokens.

import { Graph } from "./onnx.js";

const OPSETS = { "": 20, "com.microsoft": 1 };
const CONTRIB = { domain: "com.microsoft" };

/** `{bytes, state, caches, logits}`: the model, and what it takes and gives, as `[{name, type, dims}]`. An output has the name
 * of its input after `new_`. */
export function step({ config, weights, positions, attentionScale }) {
  const { n_embd: width, n_head: heads, n_layer: layers, layer_norm_epsilon: epsilon, vocab_size } = config;
  const g = new Graph();
  const known = new Set();
  const weight = (name) => {
    if (!known.has(name)) g.constant(name, weights.get(name).shape, weights.get(name).data);
    known.add(name);
    return name;
  };
  const linear = (x, name) => g.op("Gemm", [x, weight(`${name}.weight`), weight(`${name}.bias`)]);
  const one = g.constant("one", [1], Int32Array.of(1));
  const total = g.constant("total", [1], Int32Array.of(positions));
  const packed = g.constant("packed", [3], BigInt64Array.of(1n, 1n, BigInt(3 * width)));
  const row = g.constant("row", [2], BigInt64Array.of(1n, BigInt(width)));

  // The residual stream, and what the next block adds to it: an addition and the norm that follows it are one operator.
  let x = g.op("Gather", [weight("wte.weight"), "token"], { axis: 0 });
  let added = g.op("Gather", [weight("wpe.weight"), "position"], { axis: 0 });
  const normed = (name) => {
    const sum = `sum_${name}`;
    const outputs = [`normed_${name}`, "", "", sum];
    const inputs = [x, added, weight(`${name}.weight`), weight(`${name}.bias`)];
    g.op("SkipLayerNormalization", inputs, { ...CONTRIB, outputs, epsilon: { float: epsilon } });
    x = sum;
    return outputs[0];
  };
  for (let layer = 0; layer < layers; layer += 1) {
    const of = (name) => `h.${layer}.${name}`;
    const qkv = g.op("Reshape", [linear(normed(of("ln_1")), of("attn.c_attn")), packed]);
    // The position is the number of keys before this one. New keys and values go into the caches in place.
    const attended = g.op("GroupQueryAttention", [qkv, "", "", `keys_${layer}`, `values_${layer}`, "position", total], {
      ...CONTRIB, outputs: [`attended_${layer}`, `new_keys_${layer}`, `new_values_${layer}`],
      num_heads: heads, kv_num_heads: heads, scale: { float: attentionScale },
    });
    added = linear(g.op("Reshape", [attended, row]), of("attn.c_proj"));
    const inner = g.op("Gelu", [linear(normed(of("ln_2")), of("mlp.c_fc"))], { approximate: "tanh" });
    added = linear(inner, of("mlp.c_proj"));
  }
  g.op("Gemm", [normed("ln_f"), weight("wte.weight")], { outputs: ["logits"], transB: 1 });
  g.op("ArgMax", ["logits"], { outputs: ["new_token"], axis: 1, keepdims: 0 });
  g.op("Add", ["position", one], { outputs: ["new_position"] });

  const state = [{ name: "token", type: "int64", dims: [1] }, { name: "position", type: "int32", dims: [1] }];
  const dims = [1, heads, positions, width / heads];
  const caches = Array.from({ length: layers }, (_, layer) => ["keys", "values"].map((what) => `${what}_${layer}`)).flat()
    .map((name) => ({ name, type: "float32", dims }));
  const logits = { name: "logits", type: "float32", dims: [1, vocab_size] };
  const outputs = [...state, ...caches].map(({ name, ...rest }) => ({ name: `new_${name}`, ...rest }));
  return { bytes: g.model([...state, ...caches], [...outputs, logits], OPSETS), state, caches, logits };
}
