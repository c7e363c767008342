// Medians and their bootstrap intervals, to the bit those of `src/measure/statistics.rs`.

import { sha256 } from "./digest.js";
import { key, philox4x32 } from "./philox.js";

const RESAMPLES = 2000;
/** Resamples at or beyond each end of a 95% interval. */
const TAIL = 50;

/** The middle value, or the mean of the two middle values; null of nothing. */
export function median(values) {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return null;
  const upper = sorted[sorted.length >> 1];
  return sorted.length % 2 === 1 ? upper : (sorted[(sorted.length >> 1) - 1] + upper) / 2;
}

/** The median of `values` with its 95% interval, `{low, mid, high}`; null of nothing. `seed` is a BigInt. */
export function medianInterval(values, seed) {
  if (values.length === 0) return null;
  const words = key(seed);
  const estimates = new Float64Array(RESAMPLES);
  const resample = new Float64Array(values.length);
  for (let r = 0; r < RESAMPLES; r += 1) {
    for (let at = 0; at < values.length; at += 4) {
      const draws = philox4x32([at / 4, r, 0, 0], words);
      for (let j = 0; j < 4 && at + j < values.length; j += 1) {
        resample[at + j] = values[Math.floor((draws[j] * values.length) / 2 ** 32)];
      }
    }
    estimates[r] = median(resample);
  }
  estimates.sort();
  return { low: estimates[TAIL - 1], mid: median(values), high: estimates[RESAMPLES - TAIL] };
}

/** Seed of a row's bootstrap: the first 8 bytes, big-endian, of the SHA-256 of `case/arm/policy/replica`. */
export async function bootstrapSeed({ case: name, arm, policy, replica }) {
  const digest = await sha256(new TextEncoder().encode(`${name}/${arm}/${policy}/${replica}`));
  return BigInt(`0x${digest.slice(0, 16)}`);
}
