// How arms are timed: warm-up until it settles, caps for what would take minutes. A plan is `{samples, warmup_s, arm_cap_s, seed}`.

import * as core from "./core.js";

/** Runs until it settles (`run` resolves to nanoseconds), and gives the median of the last three runs. */
export async function warmUp(plan, run) {
  const warming = new core.WarmUp(JSON.stringify(plan));
  try {
    for (;;) {
      const typical = warming.add(await run());
      if (typical !== undefined) return typical;
    }
  } finally {
    warming.free();
  }
}

/** How many samples of `typical_ns` fit the cap, and why there are fewer than planned: `[samples, cap]`. */
export function samplesWithinCap(plan, typical_ns) {
  const json = JSON.stringify(plan);
  return [core.samplesWithinCap(json, typical_ns), core.whySamplesAreCut(json, typical_ns)];
}

/** The order in which arms are sampled, arm `i` `counts[i]` times: round by round, each round in a new order. */
export const interleaved = (plan, counts) => Array.from(core.interleaved(JSON.stringify(plan), Uint32Array.from(counts)));
