// A model as nodes of an ONNX graph, of GPT-2's layout or Llama's, from the operators that ONNX Runtime's own exporter of language
// models uses. The core names and lays out the weights of both alike.

export const OPSETS = { "": 20, "com.microsoft": 1 };
const CONTRIB = { domain: "com.microsoft" };

/** Heads of queries, heads of keys and of values, and the channels of each. */
export function heads({ n_embd: width, n_head: queries, block }) {
  return { queries, keys: block?.n_key_head ?? queries, channels: block?.head_dim ?? width / queries };
}

/**
 * From `token`, and `position` where positions are learned, `[n]` each, to `logits`, all by the names that they have in the graph `g`.
 *
 *     past(layer), present(layer)   names of the keys and the values, before and with those of these tokens
 *     before, total                 `[1]`, i32: keys before the last token, and the most that there are
 *     chosen(x)                     of the rows of x, those whose logits are asked for; all, unless given
 *     stored(data)                  a tensor's elements as the graph is to hold them; f32, unless given
 */
export function network(g, made, { token, position, logits, past, present, before, total, chosen = (x) => x, stored = (data) => data }) {
  const { config, weights, attentionScale } = made;
  const { n_layer: layers, layer_norm_epsilon, block } = config;
  const { queries, keys, channels } = heads(config);
  const epsilon = { float: layer_norm_epsilon };
  const known = new Set();
  const constant = (name, shape, data) => {
    if (!known.has(name)) g.constant(name, shape, stored(data));
    known.add(name);
    return name;
  };
  const weight = (name) => constant(name, weights.get(name).shape, weights.get(name).data);
  // The core has zeros where a Llama has no bias.
  const has = (bias) => !block || weights.get(bias).data.some((value) => value !== 0);
  const linear = (x, name) => g.op("Gemm", [x, weight(`${name}.weight`), ...(has(`${name}.bias`) ? [weight(`${name}.bias`)] : [])]);
  const packed = g.constant("packed", [3], BigInt64Array.of(1n, -1n, BigInt((queries + 2 * keys) * channels)));
  const rows = g.constant("rows", [2], BigInt64Array.of(-1n, BigInt(queries * channels)));

  // The residual stream, and what the next block adds to it: an addition and the norm that follows it are one operator.
  let x = g.op("Gather", [weight("wte.weight"), token], { axis: 0 });
  let added = block ? null : g.op("Gather", [weight("wpe.weight"), position], { axis: 0 });
  const normed = (name) => {
    const sum = `sum_${name}`;
    const outputs = [`normed_${name}`, "", "", sum];
    if (!block) g.op("SkipLayerNormalization", [x, added, weight(`${name}.weight`), weight(`${name}.bias`)], { ...CONTRIB, outputs, epsilon });
    else if (added) g.op("SkipSimplifiedLayerNormalization", [x, added, weight(`${name}.weight`)], { ...CONTRIB, outputs, epsilon });
    else return g.op("SimplifiedLayerNormalization", [x, weight(`${name}.weight`)], { axis: -1, epsilon });
    x = sum;
    return outputs[0];
  };
  // The core's table has a cosine and a sine for each pair of channels.
  const table = (name, at) => {
    const { shape: [positions, width], data } = weights.get("wpe.weight");
    return constant(name, [positions, width / 2], data.filter((_, i) => i % 2 === at));
  };
  const turns = block ? [table("cosines", 0), table("sines", 1)] : [];
  const attend = (layer, qkv) => g.op("GroupQueryAttention", [qkv, "", "", ...past(layer), before, total, ...turns], {
    ...CONTRIB, outputs: [`attended_${layer}`, ...present(layer)], num_heads: queries, kv_num_heads: keys, scale: { float: attentionScale },
    ...(block ? { do_rotary: 1 } : {}),
  });
  const activated = (inner) => {
    if (!block) return g.op("Gelu", [inner], { approximate: "tanh" });
    const [gate, other] = [`gate_${inner}`, `other_${inner}`];
    g.op("Split", [inner], { outputs: [gate, other], axis: 1, num_outputs: 2 });
    return g.op("Mul", [g.op("Mul", [gate, g.op("Sigmoid", [gate])]), other]);
  };
  for (let layer = 0; layer < layers; layer += 1) {
    const of = (name) => `h.${layer}.${name}`;
    const attended = attend(layer, g.op("Reshape", [linear(normed(of("ln_1")), of("attn.c_attn")), packed]));
    added = linear(g.op("Reshape", [attended, rows]), of("attn.c_proj"));
    added = linear(activated(linear(normed(of("ln_2")), of("mlp.c_fc"))), of("mlp.c_proj"));
  }
  g.op("Gemm", [chosen(normed("ln_f")), weight(block?.untied ? "lm_head.weight" : "wte.weight")], { outputs: [logits], transB: 1 });
}
