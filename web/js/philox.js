// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw (SC 2011). The twin of `src/philox.rs`.

/** Four random words for a counter of four under a key of two; all 32-bit. */
export function philox4x32(counter, key) {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round += 1) {
    const aHigh = highProduct(0xd2511f53, c0);
    const aLow = Math.imul(0xd2511f53, c0);
    const bHigh = highProduct(0xcd9e8d57, c2);
    const bLow = Math.imul(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [bHigh ^ c1 ^ k0, bLow, aHigh ^ c3 ^ k1, aLow];
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** The upper word of a 64-bit product, in halves whose products are exact. */
function highProduct(a, b) {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const crossA = aHigh * bLow + ((aLow * bLow) >>> 16 >>> 0);
  const crossB = aLow * bHigh + (crossA % 0x10000);
  return (aHigh * bHigh + Math.floor(crossA / 0x10000) + Math.floor(crossB / 0x10000)) | 0;
}

/** The two key words of a 64-bit seed (a number up to 2^53, or a BigInt), low word first. */
export function key(seed) {
  const bits = BigInt.asUintN(64, BigInt(seed));
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}
