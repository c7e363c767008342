// How fast a program is, roughly and soon: what a tuning is chosen by.

/** How long a program is tried. */
const TRIAL_NS = 30e6;

/**
 * Nanoseconds of a run under a policy, the least that was seen. Twice as many runs as before follow each other each time, with one wait after the
 * last: a browser may notice only milliseconds later that a run has ended, and it rounds timestamps to tenths of a millisecond,
 * which is more than tunings differ by.
 */
export async function trial(prepared, policy) {
  // A first run may still compile.
  await prepared.run(policy);
  let [least, elapsed] = [Infinity, 0];
  for (let count = 1; elapsed < TRIAL_NS; count *= 2) {
    const wall_ns = await prepared.runInARow(policy, count);
    // Where a coarse clock stands still, the loop has to end nevertheless.
    elapsed += Math.max(wall_ns, 1e5);
    least = Math.min(least, wall_ns / count);
  }
  return least;
}
