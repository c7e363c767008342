// Measures a case: its arms are tuned by short trials, checked, warmed up, timed in turn, and checked again. The twin of
// `src/measure/case.rs`.

import { fromBase64, toBase64 } from "./base64.js";
import { randomWeights } from "./decode/random.js";
import { layoutNamed, pack } from "./decode/packing.js";
import { sha256 } from "./digest.js";
import { Prepared } from "./executor.js";
import { check, checkedOutputs, episodesOf } from "./gate.js";
import { LARGEST_SOFTWARE_WORKGROUP } from "./gpu.js";
import { traffic } from "./program.js";
import { interleaved, samplesWithinCap, warmUp } from "./protocol.js";
import { Refusal } from "./refusal.js";
import { singleSteps } from "./rollout/single.js";
import { bootstrapSeed, medianInterval } from "./statistics.js";
import { trial } from "./trial.js";

/** Bytes of a control's output that are kept: what is expected of it. */
const KEPT_OF_CONTROL = 256;

/**
 * Measures a case of a site: `{case, weights_sha256, rows}`, as `results.js` saves it. A row that has no times has a `reason`.
 *
 * `progress({case, arm, policy, done, total})` is told before each step of the way and after each timed run. Throws a
 * `Refusal` if the device is lost.
 */
export async function measureCase(gpu, file, { source, progress = () => {} }) {
  const total = file.protocol.samples * file.entries.length;
  let done = 0;
  const tell = (entry = {}) => progress({ case: file.case, arm: entry.arm, policy: entry.policy, done, total });
  tell();
  const blocks = await blocksOf(file);
  const single = file.single && await bytesOf(file, "single steps", file.single.initial);
  const arms = new Map();
  const candidates = [];
  // The rungs of a ladder are one kernel: all have workgroups of the size that suits the whole of it best.
  const armOf = async (entry) => {
    // Controls run each under a policy of its own, with a program of its own.
    const own = file.workload === "control" ? `${entry.arm} ${entry.policy}` : entry.arm;
    if (!arms.has(own)) {
      const whole = wholeOf(entry.arm);
      const isRung = whole !== entry.arm && file.programs.some(({ arm }) => arm === whole);
      const size = isRung ? (await armOf({ ...entry, arm: whole })).program?.workgroup_size : undefined;
      tell(entry);
      arms.set(own, await tuned(gpu, file, entry, { source, blocks, size }));
    }
    return arms.get(own);
  };
  try {
    for (const entry of file.entries) {
      const arm = await armOf(entry);
      const { prepared, program, objection } = arm;
      if (file.single && program) arm.single ??= await singleSteps(gpu, file, program, { source, blocks, initial: single });
      const row = { arm: entry.arm, policy: entry.policy, replica: entry.replica, ...blank(program, entry.policy), case: file.case };
      if (objection) row.reason = objection;
      candidates.push({ entry, row, prepared, program, single: arm.single });
    }
    const counts = [];
    for (const candidate of candidates) {
      tell(candidate.entry);
      counts.push(await begin(file, candidate));
      done += file.protocol.samples - counts.at(-1);
    }
    for (const [order, index] of interleaved(counts, file.protocol.seed).entries()) {
      const { entry, row, prepared } = candidates[index];
      row.samples.push({ order, ...(await prepared.run(entry.policy)) });
      if (row.samples.length === counts[index]) await judge(file, candidates[index]);
      done += 1;
      tell(entry);
    }
  } finally {
    for (const { prepared } of arms.values()) prepared?.destroy();
  }
  for (const { row } of candidates) {
    if (row.reason) row.samples = [];
    await summarise(row);
  }
  return { case: file.case, weights_sha256: file.weights_sha256, rows: candidates.map(({ row }) => row) };
}

/** The bytes of a case's constants by name: as they are in it, or made from its seed and compared with their digest. */
async function blocksOf(file) {
  const blocks = {};
  const made = new Map();
  const weights = file.config && randomWeights(file.config, file.seed);
  const tensor = (name) => {
    if (!made.has(name)) made.set(name, weights(name));
    return made.get(name);
  };
  for (const [name, block] of Object.entries(file.blocks)) {
    blocks[name] = await bytesOf(file, name, block, () => pack(file.config, tensor, layoutNamed(name)));
  }
  return blocks;
}

async function bytesOf(file, name, block, seeded) {
  const bytes = block.seeded ? seeded() : fromBase64(block.base64);
  if (bytes.byteLength !== block.bytes || (await sha256(bytes)) !== block.sha256) {
    throw new Refusal(`${file.case}: the block \`${name}\` is not what the case says; reload the page to get its newest version.`);
  }
  return bytes;
}

/** The arm that does at once what a rung of its ladder does in several dispatches: `fused` of `fused@step`. */
const wholeOf = (arm) => arm.split("@")[0];

/**
 * An arm's fastest program on this device, with workgroups of `size` where that is given, prepared: `{prepared, program}`; or
 * its `objection`.
 */
async function tuned(gpu, file, { arm, policy }, { source, blocks, size }) {
  const { is_software, subgroup_min_size } = gpu.info;
  const suits = (program) =>
    program.arm === arm &&
    (size === undefined || program.workgroup_size === size) &&
    (program.policy === null || program.policy === policy) &&
    (program.for_software === null || program.for_software === is_software) &&
    (program.for_subgroup === null || program.for_subgroup === subgroup_min_size);
  let objection = subgroup_min_size === 0
    ? "needs subgroups, which the device does not have"
    : `no program is made for this device's subgroups of ${subgroup_min_size}`;
  const suitable = file.programs.filter(suits);
  let fitting = suitable.filter(({ program }) => !gpu.objection(program));
  // What the smallest of them meets, no larger one gets round.
  if (suitable.length > 0) objection = gpu.objection(suitable[0].program);
  // As natively: first the size of the workgroup, then how that one deals out rows to threads.
  let sizes = fitting.filter(({ least_lanes }) => least_lanes === fitting[0].least_lanes);
  const small = sizes.filter((program) => program.workgroup_size <= LARGEST_SOFTWARE_WORKGROUP);
  if (is_software && small.length > 0) fitting = sizes = [small.at(-1)];
  if (fitting.length === 0) return { objection: `does not run on this device: ${objection}` };
  const prepare = (program) => Prepared.of(gpu, program.program, { blocks, source });
  if (fitting.length === 1) return { program: fitting[0], prepared: await prepare(fitting[0]) };
  let best = null;
  const attempt = async (program) => {
    const prepared = await prepare(program);
    const ns = await trial(prepared, "one-submit").catch((error) => {
      prepared.destroy();
      throw error;
    });
    if (best && best.ns <= ns) {
      prepared.destroy();
    } else {
      best?.prepared.destroy();
      best = { ns, program, prepared };
    }
  };
  try {
    for (const program of sizes) await attempt(program);
    const { workgroup_size } = best.program;
    const dealt = fitting.filter((program) => program.workgroup_size === workgroup_size && !sizes.includes(program));
    for (const program of dealt) await attempt(program);
  } catch (error) {
    best?.prepared.destroy();
    throw error;
  }
  return best;
}

/** What is known of a row before it has run. */
function blank(program, policy) {
  const { unit = "", units = null, workgroup_size = 0, subgroup_size = 0, sha256: program_sha256 = "" } = program ?? {};
  const { shaders_sha256 = "", multiply_adds = 0, min_bytes = 0, barriers = 0 } = program ?? {};
  const counts = program ? traffic(program.program, policy) : { dispatches: 0, submits: 0, waits: 0 };
  return {
    unit, units, workgroup_size, subgroup_size, ...counts, multiply_adds, min_bytes, barriers, program_sha256, shaders_sha256,
    gate: "fail", gate_error: null, typical_ns: null, cap: "", reason: "", samples: [], outputs: {},
  };
}

/** Checks and warms up an arm; gives the number of its samples, 0 where it fails. */
async function begin(file, candidate) {
  const { row, prepared, entry } = candidate;
  if (row.reason) return 0;
  await prepared.run(entry.policy);
  await judge(file, candidate);
  if (row.reason) return 0;
  const typical = await warmUp(file.protocol, async () => (await prepared.run(entry.policy)).wall_ns);
  const [count, cap] = samplesWithinCap(file.protocol, typical);
  Object.assign(row, { cap, typical_ns: typical });
  return count;
}

/** Checks the last output; a failure is not undone by a later pass. */
async function judge(file, { row, prepared, program, single }) {
  const outputs = { ...single };
  for (const name of checkedOutputs(file, program)) outputs[name] = await prepared.read(name);
  const { error, reason } = check(file, program, outputs);
  const before = row.gate === "pass" ? row.gate_error : null;
  row.gate_error = before === null || error === null ? error : Math.max(before, error);
  row.reason ||= reason;
  row.gate = row.reason ? "fail" : "pass";
  if (file.workload === "rollout") {
    row.units = episodesOf(outputs.episodes).reduce((sum, { length }) => sum + length, 0);
  }
  for (const [name, bytes] of Object.entries(outputs)) {
    row.outputs[name] = toBase64(file.workload === "control" ? bytes.slice(0, KEPT_OF_CONTROL) : bytes);
  }
}

/** What a page shows of a row: `wall_median_ns`, `wall_low_ns`, `wall_high_ns`, `units_per_s`; null without samples. */
async function summarise(row) {
  const wall = medianInterval(row.samples.map(({ wall_ns }) => wall_ns), await bootstrapSeed(row));
  row.wall_median_ns = wall?.mid ?? null;
  row.wall_low_ns = wall?.low ?? null;
  row.wall_high_ns = wall?.high ?? null;
  row.units_per_s = wall ? (row.units / wall.mid) * 1e9 : null;
}
