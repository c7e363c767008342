//! Seeded random weights and prompts that anyone can regenerate, in any language, to the bit.
//!
//! Element i (row-major) of tensor t (counted from 0 in the order of [`tensors`](super::tensors)) is
//!
//! ```text
//! w0, w1, w2, w3 = philox4x32-10(counter = [i, t, 0, 0], key = [seed mod 2^32, seed / 2^32])
//! z              = sqrt(3) * (w0 + w1 + w2 + w3 - 2^33) / 2^32        in f64
//! element        = f32(mean + sigma * z)                              in f64, rounded to nearest even
//! ```
//!
//! z is a sum of four uniform numbers brought to mean 0 and variance 1 (the Irwin-Hall distribution): near enough to a
//! normal one, and made of integer sums, one multiplication and one square root only, which IEEE 754 rounds the same
//! everywhere.
//!
//! | tensor | mean | sigma |
//! |---|---|---|
//! | `wte.weight` | 0 | 2 / sqrt(n_embd) |
//! | `wpe.weight` | 0 | 1 |
//! | other matrices `[in, out]` | 0 | 2 / sqrt(in) |
//! | norm weights | 1 | 0.1 |
//! | biases | 0 | 0.1; 0 where norms are by root mean square, since such models have none |
//!
//! The cosines and sines of a model whose positions turn queries and keys are no weights, and are computed.
//!
//! Each sigma is the f64 quotient shown. The final norm gives rows of length near sqrt(n_embd), so logits have a
//! standard deviation near 2. What the layers and positions add outweighs the token's own embedding, which the tied
//! head would otherwise find again: a greedy continuation keeps moving instead of repeating one token.
//!
//! Token i of a prompt is w0 * vocab_size / 2^32, rounded down, of the counter [i, 2^32 - 1, 0, 0].

use std::convert::Infallible;

use super::model::{Config, Weights};
use super::tensors::{self, Elements, Kind, Tensor};
use crate::philox::{key, philox4x32};

/// The place of prompts in the second counter word; no model has as many tensors.
const PROMPT: u32 = u32::MAX;

/// Weights for `config` by the recipe of this module. `config` is valid (see [`super::config::validate`]).
pub fn weights(config: &Config, seed: u64) -> Weights {
    let mut t = 0;
    let built = tensors::build(config, |tensor| {
        let (mean, sigma) = distribution(config, tensor);
        let drawn = |i| (mean + sigma * normal(i as u32, t, seed)) as f32;
        let values = match tensors::computed(config, tensor) {
            Some(values) => values,
            None => (0..tensor.elements()).map(drawn).collect(),
        };
        t += 1;
        Ok::<_, Infallible>(Elements::of(tensor, values))
    });
    match built {
        Ok(weights) => weights,
        Err(never) => match never {},
    }
}

/// `len` token ids below `vocab_size`.
pub fn prompt(config: &Config, seed: u64, len: u32) -> Vec<u32> {
    (0..len)
        .map(|i| {
            let word = philox4x32([i, PROMPT, 0, 0], key(seed))[0];
            ((u64::from(word) * u64::from(config.vocab_size)) >> 32) as u32
        })
        .collect()
}

/// z of the recipe: mean 0, variance 1, within +-2 sqrt(3).
fn normal(i: u32, t: u32, seed: u64) -> f64 {
    let sum: i64 = philox4x32([i, t, 0, 0], key(seed)).into_iter().map(i64::from).sum();
    3f64.sqrt() * (sum - (1 << 33)) as f64 / 4_294_967_296.0
}

/// Mean and sigma of the recipe's table.
fn distribution(config: &Config, tensor: &Tensor) -> (f64, f64) {
    match (tensor.entry.kind, tensor.shape.as_slice()) {
        (Kind::Embedding { .. }, [_, inputs]) | (Kind::Matrix { .. }, [inputs, _]) => {
            (0.0, 2.0 / (*inputs as f64).sqrt())
        }
        (Kind::Scale(_), _) => (1.0, 0.1),
        (Kind::Bias(_), _) if config.block.root_mean_square => (0.0, 0.0),
        (Kind::Bias(_), _) => (0.0, 0.1),
        _ => (0.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::model_shapes;
    use super::super::oracle::Oracle;
    use super::super::sampling::argmax;
    use super::super::tensors::weights_sha256;
    use super::*;
    use crate::pause::at_once;

    fn config() -> Config {
        Config { vocab_size: 64, n_positions: 96, n_embd: 32, n_head: 2, n_layer: 2, n_inner: 128, ..Config::default() }
    }

    /// Bits from an independent implementation of the recipe in Python.
    #[test]
    fn elements_are_the_documented_ones() {
        let weights = weights(&config(), 0x0123_4567_89ab_cdef);
        let bits: Vec<u32> = [
            weights.wte.by_outputs()[0],
            weights.wte.by_outputs()[33],
            weights.wpe[95 * 32 + 31],
            weights.layers[0].ln_1.weight[0],
            weights.layers[0].ln_1.bias[5],
            weights.layers[0].attn_c_attn.weight.by_inputs()[96],
            weights.layers[1].attn_c_proj.bias[31],
            weights.layers[1].mlp_c_proj.weight.by_inputs()[128 * 32 - 1],
            weights.ln_f.weight[1],
            weights.ln_f.bias[31],
        ]
        .map(f32::to_bits)
        .to_vec();
        assert_eq!(
            bits,
            [
                0x3cff_7859,
                0xbf34_19e9,
                0xbfc8_ea3a,
                0x3f8e_73ae,
                0xbde4_51e7,
                0xbc39_5fde,
                0xbdba_0343,
                0x3dec_7310,
                0x3f85_8b6a,
                0xbccc_e4cd
            ]
        );
        assert_eq!(prompt(&config(), 0x0123_4567_89ab_cdef, 6), [2, 38, 23, 1, 49, 49]);
        // Changes with any tensor, their order, or any size.
        let digest = weights_sha256(&config(), &weights);
        assert_eq!(digest, "d08cd2dd31bd50a317ad8790be1562cda1be4783c6df5cc778dacf8fa08a33b1");
    }

    /// A setting that is new to `Block` is not written where a family does without it: rows of other families keep their digest.
    #[test]
    fn the_digest_of_a_family_stays() {
        let config = (model_shapes::named(model_shapes::LEAST).unwrap().config)(8);
        let digest = weights_sha256(&config, &weights(&config, 1));
        assert_eq!(digest, "ff836acf90e8954339ecc5e83cc17ff76da65d72756bc012a3a355f3671a6780");
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let draws: Vec<f64> = (0..100_000).map(|i| normal(i, 0, 1)).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|z| z * z).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.015, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }

    #[test]
    fn greedy_continuations_move() {
        let config = config();
        for seed in 0..10 {
            let weights = weights(&config, seed);
            let mut oracle = Oracle::new(&config, &weights);
            let mut tokens = prompt(&config, seed, 1);
            for step in 0..64 {
                let logits = at_once(oracle.step(tokens[step]));
                tokens.push(argmax(logits.iter().copied()));
            }
            tokens.sort_unstable();
            tokens.dedup();
            assert!(tokens.len() >= 8, "seed {seed} makes only {} different tokens of 64", tokens.len());
        }
    }
}
