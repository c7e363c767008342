// GPT-2 as nodes of an ONNX graph, from the operators that ONNX Runtime's own exporter of language models uses.

export const OPSETS = { "": 20, "com.microsoft": 1 };
export const CONTRIB = { domain: "com.microsoft" };

/**
 * From tokens and their positions, `[n]` each, to `logits`, all by the names that they have in the graph `g`.
 *
 *     attend(layer, qkv)   adds the attention over `qkv` [1, n, 3 n_embd] and gives its output's name
 *     chosen(x)            of the rows of x, those whose logits are asked for; all, unless given
 *     stored(data)         a tensor's elements as the graph is to hold them; f32, unless given
 */
export function network(g, { config, weights }, { token, position, logits, attend, chosen = (x) => x, stored = (data) => data }) {
  const { n_embd: width, n_layer: layers, layer_norm_epsilon: epsilon } = config;
  const known = new Set();
  const weight = (name) => {
    if (!known.has(name)) g.constant(name, weights.get(name).shape, stored(weights.get(name).data));
    known.add(name);
    return name;
  };
  const linear = (x, name) => g.op("Gemm", [x, weight(`${name}.weight`), weight(`${name}.bias`)]);
  const packed = g.constant("packed", [3], BigInt64Array.of(1n, -1n, BigInt(3 * width)));
  const rows = g.constant("rows", [2], BigInt64Array.of(-1n, BigInt(width)));

  // The residual stream, and what the next block adds to it: an addition and the norm that follows it are one operator.
  let x = g.op("Gather", [weight("wte.weight"), token], { axis: 0 });
  let added = g.op("Gather", [weight("wpe.weight"), position], { axis: 0 });
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
    const attended = attend(layer, g.op("Reshape", [linear(normed(of("ln_1")), of("attn.c_attn")), packed]));
    added = linear(g.op("Reshape", [attended, rows]), of("attn.c_proj"));
    const inner = g.op("Gelu", [linear(normed(of("ln_2")), of("mlp.c_fc"))], { approximate: "tanh" });
    added = linear(inner, of("mlp.c_proj"));
  }
  g.op("Gemm", [chosen(normed("ln_f")), weight("wte.weight")], { outputs: [logits], transB: 1 });
}
