// The rounding to f16 that peers in JavaScript check their outputs with.

import assert from "node:assert/strict";
import { test } from "node:test";
import { halves, rounded } from "../../peers/web/half.js";

const ROUNDED = [
  [0, 0, 0x0000],
  [-0, -0, 0x8000],
  [1, 1, 0x3c00],
  [-2.5, -2.5, 0xc100],
  [0.1, 0.0999755859375, 0x2e66],
  [65504, 65504, 0x7bff],
  // Between two neighbours, the even one.
  [1 + 2 ** -11, 1, 0x3c00],
  [1 + 3 * 2 ** -11, 1 + 2 ** -9, 0x3c02],
  [1 + 2 ** -11 + 2 ** -20, 1 + 2 ** -10, 0x3c01],
  // Steps of 2^-24 below 2^-14.
  [2 ** -14, 2 ** -14, 0x0400],
  [2 ** -14 - 2 ** -26, 2 ** -14, 0x0400],
  [-3 * 2 ** -24, -3 * 2 ** -24, 0x8003],
  [2 ** -25, 0, 0x0000],
  [3 * 2 ** -25, 2 ** -23, 0x0002],
];

test("numbers are rounded to the nearest f16, of two to the even one", () => {
  const numbers = Float32Array.from(ROUNDED, ([number]) => number);
  assert.deepEqual([...rounded(numbers)], ROUNDED.map(([, nearest]) => nearest));
  assert.deepEqual([...halves(numbers)], ROUNDED.map(([, , bits]) => bits));
});

test("what is rounded stays as it is", () => {
  const once = rounded(Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i) * 2 ** ((i % 40) - 26)));
  assert.deepEqual(rounded(once), once);
});
