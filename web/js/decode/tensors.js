// The tensors of a GPT-2 model in one fixed order, as in `src/workload/decode/tensors.rs`.

/** Every tensor as `{name, shape}`: names without the prefix `transformer.`, matrices `[in, out]`, embeddings `[rows, n_embd]`. */
export function* tensors(config) {
  const { vocab_size, n_positions, n_embd, n_layer, n_inner } = config;
  const norm = (name) => [{ name: `${name}.weight`, shape: [n_embd] }, { name: `${name}.bias`, shape: [n_embd] }];
  const linear = (name, inputs, outputs) => [
    { name: `${name}.weight`, shape: [inputs, outputs] },
    { name: `${name}.bias`, shape: [outputs] },
  ];
  yield { name: "wte.weight", shape: [vocab_size, n_embd] };
  yield { name: "wpe.weight", shape: [n_positions, n_embd] };
  for (let layer = 0; layer < n_layer; layer += 1) {
    yield* norm(`h.${layer}.ln_1`);
    yield* linear(`h.${layer}.attn.c_attn`, n_embd, 3 * n_embd);
    yield* linear(`h.${layer}.attn.c_proj`, n_embd, n_embd);
    yield* norm(`h.${layer}.ln_2`);
    yield* linear(`h.${layer}.mlp.c_fc`, n_embd, n_inner);
    yield* linear(`h.${layer}.mlp.c_proj`, n_inner, n_embd);
  }
  yield* norm("ln_f");
}

export const elements = (shape) => shape.reduce((product, size) => product * size, 1);
