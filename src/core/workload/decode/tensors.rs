//! The tensors of a GPT-2 model in one fixed order: what checkpoints are read by, random weights are numbered by, and
//! digests are taken over.
//!
//! `wte`, `wpe`, then per layer `ln_1`, `attn.c_attn`, `attn.c_proj`, `ln_2`, `mlp.c_fc`, `mlp.c_proj` (each weight,
//! then bias), then `ln_f` (weight, bias).

use sha2::{Digest, Sha256};

use super::model::{Config, Layer, Linear, Norm, Weights};

/// A tensor's name in Hugging Face's layout, without the `transformer.` prefix, and its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    pub name: String,
    /// One or two sizes; matrices are `[in, out]`, embeddings `[rows, n_embd]`.
    pub shape: Vec<usize>,
}

impl Tensor {
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Every tensor of the model in the fixed order. Lazy, so that an absurd `n_layer` costs nothing until it is walked.
pub fn tensors(config: &Config) -> impl Iterator<Item = Tensor> {
    let [vocab_size, n_positions, n_embd, n_inner] =
        [config.vocab_size, config.n_positions, config.n_embd, config.n_inner].map(|size| size as usize);
    let norm =
        move |name: String| vec![(format!("{name}.weight"), vec![n_embd]), (format!("{name}.bias"), vec![n_embd])];
    let linear = |name: String, inputs, outputs| {
        vec![(format!("{name}.weight"), vec![inputs, outputs]), (format!("{name}.bias"), vec![outputs])]
    };
    let embeddings = vec![
        ("wte.weight".to_string(), vec![vocab_size, n_embd]),
        ("wpe.weight".to_string(), vec![n_positions, n_embd]),
    ];
    let layers = (0..config.n_layer).flat_map(move |layer| {
        [
            norm(format!("h.{layer}.ln_1")),
            linear(format!("h.{layer}.attn.c_attn"), n_embd, 3 * n_embd),
            linear(format!("h.{layer}.attn.c_proj"), n_embd, n_embd),
            norm(format!("h.{layer}.ln_2")),
            linear(format!("h.{layer}.mlp.c_fc"), n_embd, n_inner),
            linear(format!("h.{layer}.mlp.c_proj"), n_inner, n_embd),
        ]
        .concat()
    });
    let last = std::iter::once(()).flat_map(move |()| norm("ln_f".to_string()));
    embeddings.into_iter().chain(layers).chain(last).map(|(name, shape)| Tensor { name, shape })
}

/// Weights from the values that `value` gives for each tensor, asked for in the fixed order.
pub fn build<E>(config: &Config, mut value: impl FnMut(&Tensor) -> Result<Vec<f32>, E>) -> Result<Weights, E> {
    let mut tensors = tensors(config);
    // `tensors` yields exactly as many as are taken below.
    let mut next = || value(&tensors.next().expect("one tensor per field"));
    Ok(Weights {
        wte: next()?,
        wpe: next()?,
        layers: (0..config.n_layer)
            .map(|_| {
                Ok(Layer {
                    ln_1: Norm { weight: next()?, bias: next()? },
                    attn_c_attn: Linear { weight: next()?, bias: next()? },
                    attn_c_proj: Linear { weight: next()?, bias: next()? },
                    ln_2: Norm { weight: next()?, bias: next()? },
                    mlp_c_fc: Linear { weight: next()?, bias: next()? },
                    mlp_c_proj: Linear { weight: next()?, bias: next()? },
                })
            })
            .collect::<Result<_, E>>()?,
        ln_f: Norm { weight: next()?, bias: next()? },
    })
}

/// Every tensor's elements in the fixed order.
pub fn values(weights: &Weights) -> impl Iterator<Item = &[f32]> {
    let layers = weights.layers.iter().flat_map(|layer| {
        [
            &layer.ln_1.weight,
            &layer.ln_1.bias,
            &layer.attn_c_attn.weight,
            &layer.attn_c_attn.bias,
            &layer.attn_c_proj.weight,
            &layer.attn_c_proj.bias,
            &layer.ln_2.weight,
            &layer.ln_2.bias,
            &layer.mlp_c_fc.weight,
            &layer.mlp_c_fc.bias,
            &layer.mlp_c_proj.weight,
            &layer.mlp_c_proj.bias,
        ]
    });
    [&weights.wte, &weights.wpe]
        .into_iter()
        .chain(layers)
        .chain([&weights.ln_f.weight, &weights.ln_f.bias])
        .map(Vec::as_slice)
}

/// SHA-256, in lower-case hexadecimal, of the model: `vocab_size`, `n_positions`, `n_embd`, `n_head`, `n_layer`,
/// `n_inner` and `scale_attn_weights` (0 or 1) as little-endian u32, `layer_norm_epsilon` as little-endian f64, then
/// every tensor's elements in the fixed order as little-endian f32.
pub fn weights_sha256(config: &Config, weights: &Weights) -> String {
    let mut digest = Sha256::new();
    for size in [
        config.vocab_size,
        config.n_positions,
        config.n_embd,
        config.n_head,
        config.n_layer,
        config.n_inner,
        u32::from(config.scale_attn_weights),
    ] {
        digest.update(size.to_le_bytes());
    }
    digest.update(config.layer_norm_epsilon.to_le_bytes());
    for chunk in values(weights).flat_map(|tensor| tensor.chunks(4096)) {
        digest.update(chunk.iter().flat_map(|element| element.to_le_bytes()).collect::<Vec<u8>>());
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
