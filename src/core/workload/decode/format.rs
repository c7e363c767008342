//! How a weight of a matrix is written: in four bytes, or rounded to two.

use super::model::Weights;
use super::tensors::{self, Kind};

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

    /// The model whose matrices (the embedding among them) are rounded: what a kernel in this format computes exactly, and
    /// so what the oracle follows.
    pub fn rounded(self, weights: &Weights) -> Weights {
        let mut rounded = weights.clone();
        tensors::change(&mut rounded, |entry, values| {
            if matches!(entry.kind, Kind::Matrix { .. } | Kind::Embedding { .. }) {
                values.iter_mut().for_each(|weight| *weight = self.round(*weight));
            }
        });
        rounded
    }
}
