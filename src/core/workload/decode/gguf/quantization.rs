//! Blocks of quantized weights unpacked to f32, with the roundings of ggml's `dequantize_row_*`.
//!
//! ggml multiplies and subtracts in f32, each rounded; so does this, with no fused operation.

use half::bf16;

use super::super::blocks::{float, nibbles, unpack_q4_0, unpack_q4_1, unpack_q8_0};

/// Fills elements from the bytes of their block.
type Unpack = fn(&[u8], &mut [f32]);

/// A type of tensor: its number and name in ggml, the elements and bytes of a block, and how a block is unpacked (none
/// where this project does not).
#[derive(Debug)]
pub struct Type {
    pub number: u32,
    pub name: &'static str,
    pub elements: usize,
    pub bytes: usize,
    unpack: Option<Unpack>,
}

const fn unpacked(n: u32, name: &'static str, elements: usize, bytes: usize, f: fn(&[u8], &mut [f32])) -> Type {
    Type { number: n, name, elements, bytes, unpack: Some(f) }
}

const fn packed(number: u32, name: &'static str, elements: usize, bytes: usize) -> Type {
    Type { number, name, elements, bytes, unpack: None }
}

/// All that ggml has written, so that a file with one that is not unpacked still says which.
static TYPES: [Type; 34] = [
    unpacked(0, "F32", 1, 4, |block, out| out[0] = f32::from_le_bytes(first(block))),
    unpacked(1, "F16", 1, 2, |block, out| out[0] = float(block, 0)),
    unpacked(2, "Q4_0", 32, 18, unpack_q4_0),
    unpacked(3, "Q4_1", 32, 20, unpack_q4_1),
    unpacked(6, "Q5_0", 32, 22, q5_0),
    unpacked(7, "Q5_1", 32, 24, q5_1),
    unpacked(8, "Q8_0", 32, 34, unpack_q8_0),
    packed(9, "Q8_1", 32, 40),
    unpacked(10, "Q2_K", 256, 84, q2_k),
    unpacked(11, "Q3_K", 256, 110, q3_k),
    unpacked(12, "Q4_K", 256, 144, q4_k),
    unpacked(13, "Q5_K", 256, 176, q5_k),
    unpacked(14, "Q6_K", 256, 210, q6_k),
    unpacked(15, "Q8_K", 256, 292, q8_k),
    packed(16, "IQ2_XXS", 256, 66),
    packed(17, "IQ2_XS", 256, 74),
    packed(18, "IQ3_XXS", 256, 98),
    packed(19, "IQ1_S", 256, 50),
    unpacked(20, "IQ4_NL", 32, 18, iq4_nl),
    packed(21, "IQ3_S", 256, 110),
    packed(22, "IQ2_S", 256, 82),
    unpacked(23, "IQ4_XS", 256, 136, iq4_xs),
    packed(24, "I8", 1, 1),
    packed(25, "I16", 1, 2),
    packed(26, "I32", 1, 4),
    packed(27, "I64", 1, 8),
    unpacked(28, "F64", 1, 8, |block, out| out[0] = f64::from_le_bytes(first(block)) as f32),
    packed(29, "IQ1_M", 256, 56),
    unpacked(30, "BF16", 1, 2, |block, out| out[0] = bf16::from_le_bytes(first(block)).to_f32()),
    packed(34, "TQ1_0", 256, 54),
    packed(35, "TQ2_0", 256, 66),
    packed(39, "MXFP4", 32, 17),
    packed(40, "NVFP4", 64, 36),
    packed(41, "Q1_0", 128, 18),
];

/// The type of a number in the file.
pub fn find(number: u32) -> Option<&'static Type> {
    TYPES.iter().find(|kind| kind.number == number)
}

impl Type {
    /// All elements of whole blocks.
    ///
    /// # Errors
    ///
    /// One line where the type is not unpacked.
    pub fn unpack(&self, bytes: &[u8]) -> Result<Vec<f32>, String> {
        let Some(unpack) = self.unpack else {
            let known = TYPES.iter().filter(|kind| kind.unpack.is_some()).map(|kind| kind.name).collect::<Vec<_>>();
            return Err(format!(
                "is of type {}, which is not unpacked; quantize the model to one of {}",
                self.name,
                known.join(", ")
            ));
        };
        let mut values = vec![0.0; bytes.len() / self.bytes * self.elements];
        for (block, out) in bytes.chunks_exact(self.bytes).zip(values.chunks_exact_mut(self.elements)) {
            unpack(block, out);
        }
        Ok(values)
    }
}

fn first<const N: usize>(block: &[u8]) -> [u8; N] {
    *block.first_chunk().expect("a block is as long as its type says")
}

/// The same with a fifth bit each, from four bytes.
fn fifths(high: &[u8], low: &[u8]) -> impl Iterator<Item = u8> {
    let high = u32::from_le_bytes(first(high));
    nibbles(low).enumerate().map(move |(i, low)| low | ((high >> i & 1) << 4) as u8)
}

fn fill(out: &mut [f32], values: impl Iterator<Item = f32>) {
    out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
}

fn q5_0(block: &[u8], out: &mut [f32]) {
    let scale = float(block, 0);
    fill(out, fifths(&block[2..6], &block[6..]).map(|q| scale * (f32::from(q) - 16.0)));
}

fn q5_1(block: &[u8], out: &mut [f32]) {
    let (scale, least) = (float(block, 0), float(block, 2));
    fill(out, fifths(&block[4..8], &block[8..]).map(|q| scale * f32::from(q) + least));
}

fn q8_k(block: &[u8], out: &mut [f32]) {
    let scale = f32::from_le_bytes(first(block));
    fill(out, block[4..260].iter().map(|&q| scale * f32::from(q as i8)));
}

/// Numbers of two bits: of each 32 bytes first the lowest pairs of bits, then the next ones.
fn pair(bytes: &[u8], i: usize) -> u8 {
    bytes[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3
}

/// Numbers of four bits: of each 32 bytes first the low halves.
fn nibble(bytes: &[u8], i: usize) -> u8 {
    bytes[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15
}

fn q2_k(block: &[u8], out: &mut [f32]) {
    let (scales, pairs) = (&block[..16], &block[16..80]);
    let (scale, least) = (float(block, 80), float(block, 82));
    for (i, out) in out.iter_mut().enumerate() {
        let group = scales[i / 16];
        *out = scale * f32::from(group & 15) * f32::from(pair(pairs, i)) - least * f32::from(group >> 4);
    }
}

fn q3_k(block: &[u8], out: &mut [f32]) {
    let (high, pairs, packed) = (&block[..32], &block[32..96], &block[96..108]);
    let scale = float(block, 108);
    for (i, out) in out.iter_mut().enumerate() {
        let group = i / 16;
        let low = packed[group % 8] >> (group / 8 * 4) & 15;
        let top = packed[8 + group % 4] >> (group / 4 * 2) & 3;
        // The third bit is kept upside down: where it is 0, four is taken away.
        let missing = if high[i % 32] >> (i / 32) & 1 == 0 { 4.0 } else { 0.0 };
        *out = scale * (f32::from(low | top << 4) - 32.0) * (f32::from(pair(pairs, i)) - missing);
    }
}

/// Scale and least of the eight groups of a block, six bits each, of 12 bytes.
fn six_bits(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, least) = match group {
        0..4 => (packed[group] & 63, packed[group + 4] & 63),
        _ => (packed[group + 4] & 15 | packed[group - 4] >> 6 << 4, packed[group + 4] >> 4 | packed[group] >> 6 << 4),
    };
    (scale.into(), least.into())
}

fn q4_k(block: &[u8], out: &mut [f32]) {
    let (scale, least) = (float(block, 0), float(block, 2));
    for (i, out) in out.iter_mut().enumerate() {
        let group = six_bits(&block[4..16], i / 32);
        *out = scale * group.0 * f32::from(nibble(&block[16..], i)) - least * group.1;
    }
}

fn q5_k(block: &[u8], out: &mut [f32]) {
    let (scale, least, high) = (float(block, 0), float(block, 2), &block[16..48]);
    for (i, out) in out.iter_mut().enumerate() {
        let group = six_bits(&block[4..16], i / 32);
        let q = nibble(&block[48..], i) | (high[i % 32] >> (i / 32) & 1) << 4;
        *out = scale * group.0 * f32::from(q) - least * group.1;
    }
}

fn q6_k(block: &[u8], out: &mut [f32]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let scale = float(block, 208);
    for (i, out) in out.iter_mut().enumerate() {
        let low = low[i / 128 * 64 + i % 64] >> (i / 64 % 2 * 4) & 15;
        let q = f32::from(low | pair(high, i) << 4) - 32.0;
        *out = scale * f32::from(scales[i / 16] as i8) * q;
    }
}

/// What four bits stand for where steps are finer near zero.
const UNEVEN: [f32; 16] =
    [-127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0];

fn iq4_nl(block: &[u8], out: &mut [f32]) {
    let scale = float(block, 0);
    fill(out, nibbles(&block[2..]).map(|q| scale * UNEVEN[usize::from(q)]));
}

fn iq4_xs(block: &[u8], out: &mut [f32]) {
    let (scale, high) = (float(block, 0), u16::from_le_bytes(first(&block[2..])));
    for (group, out) in out.chunks_exact_mut(32).enumerate() {
        let low = block[4 + group / 2] >> (group % 2 * 4) & 15;
        let top = (high >> (2 * group) & 3) as u8;
        let scale = scale * (f32::from(low | top << 4) - 32.0);
        fill(out, nibbles(&block[8 + group * 16..][..16]).map(|q| scale * UNEVEN[usize::from(q)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &serde_json::Value) -> Vec<u8> {
        let hex = hex.as_str().unwrap();
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn blocks_unpack_bit_for_bit_as_in_the_reference() {
        let golden = include_str!("../../../../../tests/golden/gguf/blocks.json");
        let golden: serde_json::Map<String, serde_json::Value> = serde_json::from_str(golden).unwrap();
        for kind in TYPES.iter().filter(|kind| kind.unpack.is_some()) {
            let expected = golden.get(kind.name).unwrap_or_else(|| panic!("{} has golden blocks", kind.name));
            let values = kind.unpack(&bytes(&expected["blocks"])).unwrap();
            let found: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert!(found == bytes(&expected["values"]), "{}", kind.name);
        }
    }

    #[test]
    fn other_types_are_refused_by_name() {
        let error = find(16).unwrap().unpack(&[]).unwrap_err();
        let expected = "is of type IQ2_XXS, which is not unpacked; quantize the model to one of F32, F16, Q4_0, Q4_1, Q5_0, \
                        Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Q8_K, IQ4_NL, IQ4_XS, F64, BF16";
        assert_eq!(error, expected);
        assert!(find(5).is_none());
    }
}
