//! How a weight of a matrix is written: in four bytes, or rounded to two.

use super::model::Weights;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    #[default]
    F32,
    /// IEEE 754 binary16: 11 significant bits, up to 65,504.
    F16,
    /// The upper half of an f32: 8 significant bits.
    Bf16,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::F32, Format::F16, Format::Bf16];

    pub fn name(self) -> &'static str {
        match self {
            Format::F32 => "f32",
            Format::F16 => "f16",
            Format::Bf16 => "bf16",
        }
    }

    /// Vec4f in a chunk of 16 bytes.
    pub fn vec4_in_chunk(self) -> u32 {
        if self == Format::F32 { 1 } else { 2 }
    }

    pub fn bytes(self) -> u64 {
        if self == Format::F32 { 4 } else { 2 }
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
        let layers = rounded.layers.iter_mut().flat_map(|layer| {
            [&mut layer.attn_c_attn, &mut layer.attn_c_proj, &mut layer.mlp_c_fc, &mut layer.mlp_c_proj]
                .map(|linear| &mut linear.weight)
        });
        for weight in layers.chain([&mut rounded.wte]).flatten() {
            *weight = self.round(*weight);
        }
        rounded
    }
}
