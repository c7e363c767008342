//! How a weight of a matrix is written: in four bytes, or rounded to two.

use super::model::{Config, Weights};
use super::tensor_source::index;
use super::tensors::{self, Kind};
use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    #[default]
    F32,
    /// IEEE 754 binary16: 11 significant bits, up to 65,504.
    F16,
    /// The upper half of an f32: 8 significant bits.
    Bf16,
}

/// What there is to know of a format, beside the arithmetic of rounding to it.
struct About {
    format: Format,
    name: &'static str,
    bytes: u64,
    /// Vec4f in a chunk of 16 bytes.
    vec4_in_chunk: u32,
    /// Of the block that holds weights so, `[out][in]`.
    block: &'static str,
    /// By matplotlib's letters; an arm in f32 has that of its algorithm.
    marker: Option<char>,
}

const FORMATS: [About; Format::ALL.len()] = [
    About { format: Format::F32, name: "f32", bytes: 4, vec4_in_chunk: 1, block: "weights-out-in", marker: None },
    About {
        format: Format::F16,
        name: "f16",
        bytes: 2,
        vec4_in_chunk: 2,
        block: "weights-out-in-f16",
        marker: Some('x'),
    },
    About {
        format: Format::Bf16,
        name: "bf16",
        bytes: 2,
        vec4_in_chunk: 2,
        block: "weights-out-in-bf16",
        marker: Some('v'),
    },
];

const fn is_in_order() -> bool {
    let mut index = 0;
    while index < FORMATS.len() {
        if FORMATS[index].format as usize != index || Format::ALL[index] as usize != index {
            return false;
        }
        index += 1;
    }
    true
}

impl Format {
    /// As kernels number them: FORMAT of `shaders/modules/rows.wgsl`.
    pub const ALL: [Format; 3] = [Format::F32, Format::F16, Format::Bf16];

    fn about(self) -> &'static About {
        const { assert!(is_in_order(), "FORMATS has each format at its place") };
        &FORMATS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.about().name
    }

    /// Vec4f in a chunk of 16 bytes.
    pub fn vec4_in_chunk(self) -> u32 {
        self.about().vec4_in_chunk
    }

    pub fn bytes(self) -> u64 {
        self.about().bytes
    }

    /// Name of the block that holds weights so, `[out][in]`.
    pub fn block(self) -> &'static str {
        self.about().block
    }

    /// How arms in this format are marked in figures, by matplotlib's letters; nothing for the format that all have.
    pub fn marker(self) -> Option<char> {
        self.about().marker
    }

    /// The bits of `value` rounded to the nearest of a two-byte format, ties to even; of f32, the upper half.
    pub fn bits(self, value: f32) -> u16 {
        match self {
            Format::F16 => half::f16::from_f32(value).to_bits(),
            Format::F32 | Format::Bf16 => half::bf16::from_f32(value).to_bits(),
        }
    }

    /// `value` rounded to this format.
    pub fn round(self, value: f32) -> f32 {
        match self {
            Format::F32 => value,
            Format::F16 => half::f16::from_f32(value).to_f32(),
            Format::Bf16 => half::bf16::from_f32(value).to_f32(),
        }
    }

    /// The largest number that this format has.
    pub fn largest(self) -> f32 {
        match self {
            Format::F32 => f32::MAX,
            Format::F16 => half::f16::MAX.to_f32(),
            Format::Bf16 => half::bf16::MAX.to_f32(),
        }
    }

    /// Refuses a model with a weight in a matrix that this format has no number for: it would become infinite.
    pub fn check(self, config: &Config, weights: &Weights) -> Result<()> {
        let all = tensors::tensors(config).zip(tensors::values(weights));
        for (tensor, values) in all.filter(|(tensor, _)| self != Format::F32 && is_rounded(tensor.entry.kind)) {
            if let Some(i) = values.iter().position(|&weight| !self.round(weight).is_finite()) {
                let (name, largest) = (self.name(), self.largest());
                let largest = if largest < 1e6 { format!("{largest}") } else { format!("{largest:e}") };
                let mend = if self == Format::F16 { "use -bf16 or f32" } else { "use f32" };
                return Err(Error::input(format!(
                    "{} {:?} is {}, beyond {name}'s {largest}; {mend}",
                    tensor.name,
                    index(i, &tensor.shape),
                    values[i]
                )));
            }
        }
        Ok(())
    }

    /// The model whose matrices (the embedding among them) are rounded: what a kernel in this format computes exactly, and
    /// so what the oracle follows.
    pub fn rounded(self, weights: &Weights) -> Weights {
        let mut rounded = weights.clone();
        tensors::change(&mut rounded, |entry, values| {
            if is_rounded(entry.kind) {
                values.iter_mut().for_each(|weight| *weight = self.round(*weight));
            }
        });
        rounded
    }
}

/// Whether a tensor's elements are written in an arm's format; all others are in f32.
fn is_rounded(kind: Kind) -> bool {
    matches!(kind, Kind::Matrix { .. } | Kind::Embedding { .. })
}

#[cfg(test)]
mod tests {
    use super::super::random;
    use super::*;

    /// What a format cannot hold is found in any matrix, and nowhere else.
    #[test]
    fn weights_beyond_a_format_are_refused() {
        let config = Config {
            vocab_size: 5,
            n_positions: 4,
            n_embd: 4,
            n_head: 2,
            n_layer: 2,
            n_inner: 6,
            layer_norm_epsilon: 1e-5,
            scale_attn_weights: true,
            block: Default::default(),
        };
        let mut weights = random::weights(&config, 1);
        weights.ln_f.weight[0] = 1e5;
        weights.wpe[0] = 1e39_f64 as f32;
        weights.layers[0].mlp_c_fc.weight[3] = -65_519.0;
        assert_eq!(Format::ALL.map(|format| format.check(&config, &weights)), [Ok(()), Ok(()), Ok(())]);
        weights.layers[1].mlp_c_fc.weight[7] = 70_000.0;
        let line = Format::F16.check(&config, &weights).unwrap_err();
        assert_eq!(line.exit_code(), 2);
        assert_eq!(line.to_string(), "h.1.mlp.c_fc.weight [1, 1] is 70000, beyond f16's 65504; use -bf16 or f32");
        assert_eq!(Format::Bf16.check(&config, &weights), Ok(()));
        weights.wte[6] = -f32::MAX;
        let line = Format::Bf16.check(&config, &weights).unwrap_err().to_string();
        assert!(
            line.starts_with("wte.weight [1, 2] is -3402823")
                && line.ends_with(", beyond bf16's 3.3895314e38; use f32"),
            "{line}"
        );
    }
}
