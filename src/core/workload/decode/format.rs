//! How the weights of a matrix are written: in four bytes each, rounded to two, or packed in blocks that share a scale.

use half::slice::HalfFloatSliceExt;

use super::blocks::{self, BLOCK};

/// Chunks of a row that a thread asks for ahead, as in `shaders/modules/rows.wgsl`: of weights as they are, and of packed ones, which
/// take more code.
pub const LONG_STEP: u32 = 16;
pub const PACKED_STEP: u32 = 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    #[default]
    F32,
    /// IEEE 754 binary16: 11 significant bits, up to 65,504.
    F16,
    /// The upper half of an f32: 8 significant bits.
    Bf16,
    /// Blocks of 32 whole numbers of 8 bits, times a scale in f16.
    Q8_0,
    /// Of 4 bits.
    Q4_0,
    /// Of 4 bits, above a least weight in f16.
    Q4_1,
}

/// What there is to know of a format, beside the arithmetic of rounding to it.
struct About {
    format: Format,
    name: &'static str,
    /// Weights in a block, and its bytes in a file.
    block: usize,
    block_bytes: usize,
    /// Vec4f in a chunk of 16 bytes.
    vec4_in_chunk: u32,
    /// Bytes of scales that go with a block: 0 where it has none.
    scale_bytes: u32,
    /// A bound of weights that surely have a number.
    largest: f32,
    /// Largest error of a logit of engines that round what a product takes in as they round its weights, as `peer/case.rs` tells.
    engine_error: f64,
    /// By matplotlib's letters; an arm in f32 has that of its algorithm.
    marker: Option<char>,
}

const F16_LARGEST: f32 = 65_504.0;
const BF16_LARGEST: f32 = 3.389_531_4e38;

const FORMATS: [About; Format::ALL.len()] = [
    About {
        format: Format::F32,
        name: "f32",
        block: 1,
        block_bytes: 4,
        vec4_in_chunk: 1,
        scale_bytes: 0,
        largest: f32::MAX,
        marker: None,
        engine_error: 0.0,
    },
    About {
        format: Format::F16,
        name: "f16",
        block: 1,
        block_bytes: 2,
        vec4_in_chunk: 2,
        scale_bytes: 0,
        largest: F16_LARGEST,
        marker: Some('x'),
        engine_error: 5e-3,
    },
    About {
        format: Format::Bf16,
        name: "bf16",
        block: 1,
        block_bytes: 2,
        vec4_in_chunk: 2,
        scale_bytes: 0,
        largest: BF16_LARGEST,
        marker: Some('v'),
        engine_error: 5e-3,
    },
    About {
        format: Format::Q8_0,
        name: "q8_0",
        block: BLOCK,
        block_bytes: 34,
        vec4_in_chunk: 4,
        scale_bytes: 2,
        largest: 127.0 * F16_LARGEST,
        marker: Some('p'),
        engine_error: 5e-2,
    },
    About {
        format: Format::Q4_0,
        name: "q4_0",
        block: BLOCK,
        block_bytes: 18,
        vec4_in_chunk: 8,
        scale_bytes: 2,
        largest: 8.0 * F16_LARGEST,
        marker: Some('P'),
        engine_error: 5e-2,
    },
    About {
        format: Format::Q4_1,
        name: "q4_1",
        block: BLOCK,
        block_bytes: 20,
        vec4_in_chunk: 8,
        scale_bytes: 4,
        largest: F16_LARGEST,
        marker: Some('*'),
        engine_error: 5e-2,
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
    /// As kernels number them in `shaders/modules/formats.wgsl`.
    pub const ALL: [Format; 6] = [Format::F32, Format::F16, Format::Bf16, Format::Q8_0, Format::Q4_0, Format::Q4_1];

    fn about(self) -> &'static About {
        const { assert!(is_in_order(), "FORMATS has each format at its place") };
        &FORMATS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.about().name
    }

    pub fn named(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Vec4f in a chunk of 16 bytes.
    pub fn vec4_in_chunk(self) -> u32 {
        self.about().vec4_in_chunk
    }

    /// Chunks of a row that a thread asks for ahead.
    pub fn step_chunks(self) -> u32 {
        if self.has_scales() { PACKED_STEP } else { LONG_STEP }
    }

    /// Weights that are packed together.
    pub fn block(self) -> usize {
        self.about().block
    }

    /// Whether blocks have scales.
    pub fn has_scales(self) -> bool {
        self.about().scale_bytes > 0
    }

    /// Bytes of scales that go with a block.
    pub fn scale_bytes(self) -> u32 {
        self.about().scale_bytes
    }

    /// Bytes of a row of `width` weights, its last block filled up.
    pub fn row_bytes(self, width: usize) -> usize {
        width.div_ceil(self.about().block) * self.about().block_bytes
    }

    /// Bytes that so many weights take, whole blocks of them.
    pub fn bytes_of(self, weights: u64) -> u64 {
        weights * self.about().block_bytes as u64 / self.about().block as u64
    }

    /// How arms in this format are marked in figures, by matplotlib's letters; nothing for the format that all have.
    pub fn marker(self) -> Option<char> {
        self.about().marker
    }

    /// Packs a row, its last block filled up with zeros. A number is the nearest of the format, ties to even; a block is packed as
    /// ggml packs it.
    pub fn pack(self, row: &[f32], out: &mut Vec<u8>) {
        let in_blocks = |out: &mut Vec<u8>, pack: fn(&[f32; BLOCK], &mut Vec<u8>)| {
            let (blocks, rest) = row.as_chunks();
            blocks.iter().for_each(|block| pack(block, out));
            if !rest.is_empty() {
                let mut last = [0.0; BLOCK];
                last[..rest.len()].copy_from_slice(rest);
                pack(&last, out);
            }
        };
        match self {
            Format::F32 => out.extend(row.iter().flat_map(|weight| weight.to_le_bytes())),
            Format::F16 => out.extend(row.iter().flat_map(|&weight| half::f16::from_f32(weight).to_le_bytes())),
            Format::Bf16 => out.extend(row.iter().flat_map(|&weight| half::bf16::from_f32(weight).to_le_bytes())),
            Format::Q8_0 => in_blocks(out, blocks::pack_q8_0),
            Format::Q4_0 => in_blocks(out, blocks::pack_q4_0),
            Format::Q4_1 => in_blocks(out, blocks::pack_q4_1),
        }
    }

    /// Unpacks a row of `width` weights.
    pub fn unpack(self, bytes: &[u8], width: usize, out: &mut Vec<f32>) {
        let first = out.len();
        let mut in_blocks = |unpack: fn(&[u8], &mut [f32])| {
            out.resize(first + width.next_multiple_of(BLOCK), 0.0);
            let blocks = bytes.chunks_exact(self.about().block_bytes);
            blocks.zip(out[first..].chunks_exact_mut(BLOCK)).for_each(|(block, out)| unpack(block, out));
            out.truncate(first + width);
        };
        match self {
            Format::F32 => out.extend(bytes.as_chunks().0.iter().map(|&weight| f32::from_le_bytes(weight))),
            Format::F16 => {
                // One by one, each would ask again what the processor can do.
                out.resize(first + width, 0.0);
                let mut halves = [half::f16::ZERO; 64];
                for (bytes, out) in bytes.chunks(128).zip(out[first..].chunks_mut(64)) {
                    let halves = &mut halves[..out.len()];
                    halves
                        .iter_mut()
                        .zip(bytes.as_chunks().0)
                        .for_each(|(half, &weight)| *half = half::f16::from_le_bytes(weight));
                    halves.convert_to_f32_slice(out);
                }
            }
            Format::Bf16 => {
                out.extend(bytes.as_chunks().0.iter().map(|&weight| half::bf16::from_le_bytes(weight).to_f32()));
            }
            Format::Q8_0 => in_blocks(blocks::unpack_q8_0),
            Format::Q4_0 => in_blocks(blocks::unpack_q4_0),
            Format::Q4_1 => in_blocks(blocks::unpack_q4_1),
        }
    }

    /// Weights up to this have a number.
    pub fn largest(self) -> f32 {
        self.about().largest
    }

    /// As [`About::engine_error`].
    pub fn engine_error(self) -> f64 {
        self.about().engine_error
    }
}

/// The format of each matrix of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    pub embedding: Format,
    pub query_key_value: Format,
    pub projection: Format,
    pub fc: Format,
    pub mlp: Format,
    /// The embedding's, where the head is tied to it.
    pub head: Format,
}

impl Formats {
    pub fn all(format: Format) -> Formats {
        Formats {
            embedding: format,
            query_key_value: format,
            projection: format,
            fc: format,
            mlp: format,
            head: format,
        }
    }

    /// Whether every matrix is in f32.
    pub fn is_f32(&self) -> bool {
        *self == Formats::all(Format::F32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is packed and unpacked is near, takes the bytes that the table says, and is told apart from other formats by its name.
    #[test]
    fn packed_weights_are_near() {
        let row: Vec<f32> = (0..BLOCK + 3).map(|i| ((i * 37 % 32) as f32 - 13.5) / 8.0).collect();
        for format in Format::ALL {
            let (mut bytes, mut out) = (Vec::new(), Vec::new());
            format.pack(&row, &mut bytes);
            assert_eq!(bytes.len(), format.row_bytes(row.len()), "bytes of {}", format.name());
            format.unpack(&bytes, row.len(), &mut out);
            assert_eq!(out.len(), row.len(), "{}", format.name());
            // Two steps of the range in as many bits as a weight takes; of more than 8 some may be an exponent's.
            let bits = (8 * format.about().block_bytes / format.block()).min(8);
            let near = 31.0 / 8.0 * 2.0 / (1 << bits) as f32;
            for (out, weight) in out.iter().zip(&row) {
                assert!((out - weight).abs() <= near, "{}: {out} for {weight}", format.name());
            }
            let mut zeros = Vec::new();
            bytes.clear();
            format.pack(&[0.0; BLOCK], &mut bytes);
            format.unpack(&bytes, BLOCK, &mut zeros);
            assert_eq!(zeros, [0.0; BLOCK], "{}", format.name());
            assert_eq!(Format::named(format.name()), Some(format));
        }
    }
}
