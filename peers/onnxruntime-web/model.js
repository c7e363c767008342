// One step of GPT-2 as an ONNX graph with ONNX Runtime's own operators, as its model builder writes decoders: attention that
// appends to a static KV cache, and normalisation that adds the residual.

import { attentionScale, headDim } from "../../web/js/decode/config.js";
import { tensors } from "../../web/js/decode/tensors.js";
import { FLOAT, Graph, INT32, INT64 } from "./onnx.js";

/** Names of the caches, each `[1, n_head, positions, head_dim]`: what a step takes as `keys_0`, it leaves as `new_keys_0`. */
export const caches = ({ n_layer }) => Array.from({ length: n_layer }, (_, layer) => [`keys_${layer}`, `values_${layer}`]).flat();

/** The model's bytes: it takes `token` and `position` (and `total`, one more), and leaves `next`, the token of the largest of `logits`. */
export function step(config, weights) {
  const { vocab_size, n_embd, n_head, n_layer, layer_norm_epsilon } = config;
  const graph = new Graph();
  for (const { name, shape } of tensors(config)) graph.constant(name, shape, weights(name));
  const row = graph.constant("row", [2], BigInt64Array.of(1n, BigInt(n_embd)));
  const packed = graph.constant("packed", [3], BigInt64Array.of(1n, 1n, 3n * BigInt(n_embd)));
  const epsilon = { float: layer_norm_epsilon };

  const linear = (x, name) => graph.op("Gemm", [x, `${name}.weight`, `${name}.bias`]);
  /** The sum of two, and its normalisation. */
  let sums = 0;
  const added = (x, skip, name) => {
    const sum = `sum_${(sums += 1)}`;
    const inputs = [x, skip, `${name}.weight`, `${name}.bias`];
    return [sum, graph.op("com.microsoft.SkipLayerNormalization", inputs, { out: [`normal_${sums}`, "", "", sum], epsilon })];
  };

  let [x, skip] = [graph.op("Gather", ["wte.weight", "token"], { axis: 0 }), graph.op("Gather", ["wpe.weight", "position"], { axis: 0 })];
  let normal;
  for (let layer = 0; layer < n_layer; layer += 1) {
    const here = `h.${layer}`;
    [x, normal] = added(x, skip, `${here}.ln_1`);
    const attended = graph.op(
      "com.microsoft.GroupQueryAttention",
      [graph.op("Reshape", [linear(normal, `${here}.attn.c_attn`), packed]), "", "", `keys_${layer}`, `values_${layer}`, "position", "total"],
      { out: [`attended_${layer}`, `new_keys_${layer}`, `new_values_${layer}`], num_heads: n_head, kv_num_heads: n_head, scale: { float: attentionScale(config) } },
    );
    [x, normal] = added(x, linear(graph.op("Reshape", [attended, row]), `${here}.attn.c_proj`), `${here}.ln_2`);
    const inner = graph.op("com.microsoft.FastGelu", [linear(normal, `${here}.mlp.c_fc`)]);
    skip = linear(inner, `${here}.mlp.c_proj`);
  }
  [, normal] = added(x, skip, "ln_f");
  graph.op("Gemm", [normal, "wte.weight"], { out: "logits", transB: 1 });
  graph.op("ArgMax", ["logits"], { out: "next", axis: 1, keepdims: 0 });

  const cache = (positions) => (name) => [name, FLOAT, [1, n_head, positions, headDim(config)]];
  const inputs = [["token", INT64, [1]], ["position", INT32, [1]], ["total", INT32, [1]], ...caches(config).map(cache("past"))];
  const outputs = [["next", INT64, [1]], ["logits", FLOAT, [1, vocab_size]], ...caches(config).map((name) => cache("present")(`new_${name}`))];
  return graph.model("step", inputs, outputs);
}

/** A model without operators, whose outputs are zeros: each `[name, type, dims]`. */
export function zeros(outputs) {
  const graph = new Graph();
  const kinds = { float32: [FLOAT, Float32Array], int32: [INT32, Int32Array], int64: [INT64, BigInt64Array] };
  for (const [name, kind, dims] of outputs) {
    graph.constant(name, dims, new kinds[kind][1](dims.reduce((product, dim) => product * dim, 1)));
  }
  return graph.model("zeros", [], outputs.map(([name, kind, dims]) => [name, kinds[kind][0], dims]));
}
