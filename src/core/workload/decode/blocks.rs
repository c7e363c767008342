//! Blocks of 32 weights with a scale of their own, as ggml writes them: `quantize_row_q*_ref` and `dequantize_row_q*` of its
//! `ggml-quants.c`. Each operation is rounded to f32, as there.

use half::f16;

/// Weights in a block.
pub const BLOCK: usize = 32;

/// The 32 numbers of four bits in 16 bytes: the low halves, then the high ones.
pub fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|byte| byte & 15).chain(bytes.iter().map(|byte| byte >> 4))
}

/// The half-precision float at a byte of a block.
pub fn float(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

pub fn unpack_q8_0(block: &[u8], out: &mut [f32]) {
    let scale = float(block, 0);
    out.iter_mut().zip(&block[2..]).for_each(|(out, &q)| *out = scale * f32::from(q as i8));
}

pub fn unpack_q4_0(block: &[u8], out: &mut [f32]) {
    let scale = float(block, 0);
    unpack_nibbles(&block[2..], out, |q| scale * (f32::from(q) - 8.0));
}

pub fn unpack_q4_1(block: &[u8], out: &mut [f32]) {
    let (scale, least) = (float(block, 0), float(block, 2));
    unpack_nibbles(&block[4..], out, |q| scale * f32::from(q) + least);
}

/// As [`nibbles`], in loops that the compiler turns into vectors.
fn unpack_nibbles(bytes: &[u8], out: &mut [f32], weight: impl Fn(u8) -> f32) {
    let (low, high) = out.split_at_mut(BLOCK / 2);
    low.iter_mut().zip(bytes).for_each(|(out, byte)| *out = weight(byte & 15));
    high.iter_mut().zip(bytes).for_each(|(out, byte)| *out = weight(byte >> 4));
}

/// Whole numbers from -127 to 127, times a scale.
pub fn pack_q8_0(values: &[f32; BLOCK], out: &mut Vec<u8>) {
    let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    out.extend(f16::from_f32(scale).to_le_bytes());
    let inverse = inverse(scale);
    out.extend(values.iter().map(|value| (value * inverse).round() as i8 as u8));
}

/// Whole numbers from -8 to 7, times a scale of which the largest weight is -8.
pub fn pack_q4_0(values: &[f32; BLOCK], out: &mut Vec<u8>) {
    let largest = values.iter().fold(0f32, |largest, &value| if value.abs() > largest.abs() { value } else { largest });
    let scale = largest / -8.0;
    out.extend(f16::from_f32(scale).to_le_bytes());
    let inverse = inverse(scale);
    paired(values, |value| value * inverse + 8.5, out);
}

/// Whole numbers from 0 to 15, times a scale, above the least weight.
pub fn pack_q4_1(values: &[f32; BLOCK], out: &mut Vec<u8>) {
    let least = values.iter().copied().fold(f32::INFINITY, f32::min);
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scale = (most - least) / 15.0;
    out.extend(f16::from_f32(scale).to_le_bytes());
    out.extend(f16::from_f32(least).to_le_bytes());
    let inverse = inverse(scale);
    paired(values, |value| (value - least) * inverse + 0.5, out);
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// Numbers of four bits, rounded down: two halves of a block in the halves of its bytes.
fn paired(values: &[f32; BLOCK], number: impl Fn(f32) -> f32, out: &mut Vec<u8>) {
    let number = |value: f32| number(value).clamp(0.0, 15.0) as u8;
    let (low, high) = values.split_at(BLOCK / 2);
    out.extend(low.iter().zip(high).map(|(&low, &high)| number(low) | number(high) << 4));
}
