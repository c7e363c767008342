// Numbers in f16 where JavaScript need not have them.

/** Each number rounded to the nearest f16, of two to the even one, still in f32. */
export function rounded(data) {
  const bits = new Uint32Array(Float32Array.from(data).buffer);
  for (const [i, value] of bits.entries()) {
    // Below 2^-14 f16 has steps of 2^-24, which half an ulp of 0.5 adds in f32; above, 13 bits of the fraction go.
    const magnitude = value & 0x7fffffff;
    const small = magnitude < 0x38800000;
    if (small) bits[i] = (value & 0x80000000) | bitsOf(Math.fround(floatOf(magnitude) + 0.5) - 0.5);
    else bits[i] = value + 0xfff + ((value >>> 13) & 1) & ~0x1fff;
  }
  return new Float32Array(bits.buffer);
}

/** The bits of each number in f16, rounded. */
export function halves(data) {
  const bits = new Uint32Array(rounded(data).buffer);
  return Uint16Array.from(bits, (value) => {
    const magnitude = value & 0x7fffffff;
    const half = magnitude < 0x38800000 ? floatOf(magnitude) * 2 ** 24 : (magnitude - 0x38000000) >>> 13;
    return ((value >>> 16) & 0x8000) | Math.min(half, INFINITE);
  });
}

const INFINITE = 0x7c00;

const one = new Float32Array(1);
const oneBits = new Uint32Array(one.buffer);
const bitsOf = (number) => ((one[0] = number), oneBits[0]);
const floatOf = (bits) => ((oneBits[0] = bits), one[0]);
