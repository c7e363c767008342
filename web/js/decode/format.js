// How a weight is written in two bytes. The twin of `src/workload/decode/format.rs`.

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** FORMAT of the shaders. */
export const FORMATS = ["f32", "f16", "bf16"];

/** The bits of a finite `value` rounded to the nearest of `f16` or `bf16`, ties to even. */
export function bits(format, value) {
  float[0] = value;
  const [x] = word;
  if (format === "bf16") return ((x + 0x7fff + ((x >>> 16) & 1)) >>> 16) & 0xffff;
  const sign = (x >>> 16) & 0x8000;
  const exponent = (x >>> 23) & 0xff;
  const mantissa = x & 0x7fffff;
  if (exponent >= 143) return sign | 0x7c00;
  if (exponent > 112) {
    const half = ((exponent - 112) << 10) | (mantissa >>> 13);
    return sign + (half + roundsUp(mantissa, 13, half));
  }
  // Subnormal, or too small.
  const shift = 126 - exponent;
  if (shift > 24) return sign;
  const whole = mantissa | 0x800000;
  const half = whole >>> shift;
  return sign + (half + roundsUp(whole, shift, half));
}

function roundsUp(mantissa, shift, kept) {
  const rest = mantissa & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  return rest > tie || (rest === tie && (kept & 1) === 1) ? 1 : 0;
}

/** The value of a two-byte float: exact. */
export function widened(format, half) {
  if (format === "bf16") {
    word[0] = half << 16;
    return float[0];
  }
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}
