// How arms are timed: warm-up until it settles, samples interleaved in a seeded order, caps for what would take minutes. The
// twin of `src/measure/protocol.rs`. A plan is `{samples, fewest_samples, warmup_s, arm_cap_s, seed}`.

import { key, philox4x32 } from "./philox.js";
import { median } from "./statistics.js";

/** Runs counted as settled differ by less than this, as medians of three. */
const SETTLED = 0.05;

/** Warm-up gives up waiting for an arm to settle after this many times its shortest length. */
const PATIENCE = 4;

/** Runs until it settles (`run` resolves to nanoseconds), and gives the median of the last three runs. */
export async function warmUp(plan, run) {
  const times = [];
  let elapsed_s = 0;
  for (;;) {
    const wall_ns = await run();
    elapsed_s += wall_ns * 1e-9;
    times.push(wall_ns);
    const typical = median(times.slice(-3));
    const before = times.slice(0, -3).slice(-3);
    const settled = before.length === 3 && Math.abs(median(before) / typical - 1) < SETTLED;
    if (elapsed_s >= plan.warmup_s && (settled || times.length === 1 || elapsed_s >= PATIENCE * plan.warmup_s)) return typical;
  }
}

/** How many samples of `typical_ns` fit the cap, and why there are fewer than planned: `[samples, cap]`. */
export function samplesWithinCap(plan, typical_ns) {
  const fitting = Math.floor(plan.arm_cap_s / (typical_ns * 1e-9));
  const samples = Math.min(Math.max(fitting, plan.fewest_samples), plan.samples);
  if (samples === plan.samples) return [samples, ""];
  return [samples, `${samples} of ${plan.samples} samples, since more would take over ${plan.arm_cap_s} s`];
}

/** The order in which arms are sampled, arm `i` `counts[i]` times: round by round, each round in a new order. */
export function interleaved(counts, seed) {
  const words = key(seed);
  const order = [];
  for (let round = 0; round < Math.max(0, ...counts); round += 1) {
    const arms = counts.flatMap((count, arm) => (round < count ? [arm] : []));
    for (let last = arms.length - 1; last > 0; last -= 1) {
      const [word] = philox4x32([round, last, 0, 0], words);
      const other = Math.floor((word * (last + 1)) / 2 ** 32);
      [arms[last], arms[other]] = [arms[other], arms[last]];
    }
    order.push(...arms);
  }
  return order;
}
