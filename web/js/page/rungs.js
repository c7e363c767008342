// From measured rows to what the figures show: rungs `{rung, rate, low, high}`, slowest way first.

import { isOneDispatch, RUNGS } from "./words.js";

/** Rungs of the visitor's rows of a case. Only rows that passed their check count. */
export function ownRungs(rows) {
  const passed = rows.filter((row) => row.gate === "pass" && row.replica === 0 && row.units_per_s !== null);
  return rungsOf(passed.map((row) => ({ arm: row.arm, policy: row.policy, rate: row.units_per_s, ...rateInterval(row) })));
}

/** A timed row's interval as rates, `{low, high}`: the slowest time is the lowest rate. */
export const rateInterval = ({ units, wall_low_ns, wall_high_ns }) =>
  ({ low: (units / wall_high_ns) * 1e9, high: (units / wall_low_ns) * 1e9 });

/**
 * Rungs of committed devices for a case and its arms: `[{label, rungs}]`, one for each device and each browser on it.
 * Software devices are there only where the visitor's is one too.
 */
export function otherRungs(devices, file, { is_software }) {
  const arms = new Set(file.entries.map(({ arm }) => arm));
  return devices.filter((device) => is_software || !device.is_software).flatMap((device) => {
    const rows = device.rows.map(asNow).filter((row) => arms.has(row.arm) && isOfCase(row, file));
    const hosts = new Set(rows.map(({ browser }) => browser));
    return [...hosts].map((browser) => {
      const here = rows.filter((row) => row.browser === browser);
      // The page's own experiment where the device ran it, else the one with the most ways.
      const experiments = [...new Set(here.map(({ experiment }) => experiment))].map((experiment) =>
        here.filter((row) => row.experiment === experiment));
      const chosen = experiments.find(([row]) => row.experiment === file.experiment) ??
        experiments.reduce((a, b) => (b.length > a.length ? b : a));
      const newest = chosen.map(({ date }) => date).sort().at(-1);
      const rungs = rungsOf(chosen.filter(({ date }) => date === newest).map((row) => ({ ...row, rate: row.units_per_s })));
      return { label: `${plain(device.device)}, ${browser ?? "native"}`, rungs };
    });
  }).filter(({ rungs }) => rungs.length > 0);
}

/** A row as rows are now: a step of a rollout once had a kernel of its own. */
const asNow = (row) => (row.workload === "rollout" && row.arm === "stepwise" ? { ...row, arm: "fused@step" } : row);

/** Some drivers add what they were built with, in brackets. */
const plain = (device) => device.replace(/ \(.*\)$/, "");

function isOfCase(row, { workload, config, ...outline }) {
  if (row.workload !== workload) return false;
  if (workload === "decode") {
    return row.n_embd === config.n_embd && row.n_layer === config.n_layer && row.new_tokens === outline.new_tokens;
  }
  return workload === "rollout" && ["environment", "population", "steps"].every((size) => row[size] === outline[size]);
}

function rungsOf(rows) {
  const faster = (a, b) => (a === null || b.rate > a.rate ? b : a);
  return RUNGS.flatMap((rung) => {
    const fused = ({ arm }) => isOneDispatch(arm);
    const found = rows.filter((row) => (rung === "fused" ? fused(row) : !fused(row) && row.policy === rung));
    // A rollout can be cut by operations, by steps, and by several steps; the ladder shows what is cut by steps.
    const stepwise = found.filter(({ arm }) => arm === "stepwise" || arm === "fused@step");
    const best = (stepwise.length > 0 ? stepwise : found).reduce(faster, null);
    return best ? [{ rung, rate: best.rate, low: best.low, high: best.high }] : [];
  });
}
