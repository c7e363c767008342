// How fast a program is, roughly and soon: what a tuning is chosen by.

/** How long a program is tried. */
const TRIAL_NS = 30e6;

/** For how long code may be what a driver compiled in haste, until it puts better in its place; see `calibration.rs`. */
const SETTLED_MS = 300;

/** Runs that follow each other at most, for a clock that stands still. */
const MOST_RUNS = 4096;

/**
 * Nanoseconds of a run under a policy, by the last and longest of several batches. Twice as many runs as before follow each
 * other each time, with one wait after the last: a browser may notice only milliseconds later that a run has ended, and it
 * rounds timestamps to tenths of a millisecond, which is more than tunings differ by.
 */
export async function trial(prepared, policy) {
  // A first run may still compile.
  await prepared.run(policy);
  const begun = performance.now();
  let [elapsed, count] = [0, 1];
  for (;;) {
    const wall_ns = await prepared.runInARow(policy, count);
    elapsed += wall_ns;
    const isLong = elapsed >= TRIAL_NS || count >= MOST_RUNS;
    if (!isLong) count *= 2;
    else if (performance.now() - begun >= SETTLED_MS) return Math.max(wall_ns, 1) / count;
  }
}
