// Measures a case: its arms are tuned by short trials, checked, warmed up, timed in turn, and checked again. The twin of
// `src/measure/case.rs`; what is run and what judges it are the core's.

import { toBase64 } from "./base64.js";
import { Case, medianInterval, traffic } from "./core.js";
import { Prepared } from "./executor.js";
import { LARGEST_SOFTWARE_WORKGROUP } from "./gpu.js";
import { interleaved, samplesWithinCap, warmUp } from "./protocol.js";
import { trial } from "./trial.js";

/** Bytes of a control's output that are kept: what is expected of it. */
const KEPT_OF_CONTROL = 256;

/** What a rollout's single steps leave, and how it is called beside the outputs of whole episodes. */
const SINGLE = { episodes: "single_episodes", states: "single_states" };

/**
 * Measures a case of a site (of `casesOf`): `{case, weights_sha256, rows}`, as `results.js` saves it. A row that has no times has a
 * `reason`.
 *
 * `progress({case, arm, policy, done, total})` is told before each step of the way and after each timed run. Throws a
 * `Refusal` if the device is lost.
 */
export async function measureCase(gpu, outline, { progress = () => {} } = {}) {
  const made = new Case(outline.spec, outline.case);
  try {
    return await new Measurement(gpu, outline, made, progress).run();
  } finally {
    made.free();
  }
}

class Measurement {
  constructor(gpu, outline, made, progress) {
    Object.assign(this, { gpu, outline, made, progress }, JSON.parse(made.about()));
    this.done = 0;
    this.total = this.plan.samples * outline.entries.length;
    /** Tuned arms by name. */
    this.arms = new Map();
    /** Constants of programs by name, made once. */
    this.blocks = {};
  }

  #tell(entry = {}) {
    const { outline, done, total } = this;
    this.progress({ case: outline.case, arm: entry.arm, policy: entry.policy, done, total });
  }

  async run() {
    const { outline, plan, arms } = this;
    this.#tell();
    const candidates = [];
    try {
      for (const entry of outline.entries) {
        const { index, prepared, single, objection } = await this.#arm(entry);
        const row = { arm: entry.arm, policy: entry.policy, replica: entry.replica, ...this.#blank(index, entry.policy), case: outline.case };
        if (objection) row.reason = objection;
        candidates.push({ entry, row, prepared, index, single });
      }
      const counts = [];
      for (const candidate of candidates) {
        this.#tell(candidate.entry);
        counts.push(await this.#begin(candidate));
        this.done += plan.samples - counts.at(-1);
      }
      for (const [order, at] of interleaved(plan, counts).entries()) {
        const { entry, row, prepared } = candidates[at];
        row.samples.push({ order, ...(await prepared.run(entry.policy)) });
        if (row.samples.length === counts[at]) await this.#judge(candidates[at]);
        this.done += 1;
        this.#tell(entry);
      }
    } finally {
      for (const { prepared } of arms.values()) prepared?.destroy();
    }
    for (const { row } of candidates) {
      if (row.reason) row.samples = [];
      summarise(row);
    }
    return { case: outline.case, weights_sha256: this.weights_sha256, rows: candidates.map(({ row }) => row) };
  }

  /**
   * An arm as it will be timed. The rungs of a ladder are one kernel: all have workgroups of the size that suits the whole of it
   * best.
   */
  async #arm(entry) {
    // Controls run each under a policy of its own, with a program of its own.
    const own = this.outline.workload === "control" ? `${entry.arm} ${entry.policy}` : entry.arm;
    if (!this.arms.has(own)) {
      const whole = wholeOf(entry.arm);
      const isRung = whole !== entry.arm && this.programs.some(({ arm }) => arm === whole);
      const size = isRung ? this.programs[(await this.#arm({ ...entry, arm: whole })).index]?.workgroup_size : undefined;
      this.#tell(entry);
      const tuned = await this.#tuned(entry, size);
      this.arms.set(own, tuned);
      if (tuned.prepared) tuned.single = await this.#singleSteps(tuned.index);
    }
    return this.arms.get(own);
  }

  async #prepare(index) {
    const program = JSON.parse(this.made.program(index));
    const named = program.buffers.map(({ contents }) => contents.constant).filter(Boolean);
    if (this.outline.workload === "control" || named.some((name) => !this.blocks[name])) {
      Object.assign(this.blocks, this.made.blocks(index));
    }
    return Prepared.of(this.gpu, program, { blocks: this.blocks });
  }

  /**
   * An arm's fastest program on this device, with workgroups of `size` where that is given, prepared: `{prepared, index}`; or
   * its `objection`.
   */
  async #tuned({ arm, policy }, size) {
    const { is_software, subgroup_min_size } = this.gpu.info;
    const suits = (program) =>
      program.arm === arm &&
      (size === undefined || program.workgroup_size === size) &&
      (program.policy === null || program.policy === policy) &&
      (program.for_software === null || program.for_software === is_software) &&
      (program.for_subgroup === null || program.for_subgroup === subgroup_min_size);
    let objection = subgroup_min_size === 0
      ? "needs subgroups, which the device does not have"
      : `no program is made for this device's subgroups of ${subgroup_min_size}`;
    const objected = (index) => this.gpu.objection(JSON.parse(this.made.program(index)));
    const suitable = this.programs.map((program, index) => ({ ...program, index })).filter(suits);
    let fitting = suitable.filter(({ index }) => !objected(index));
    // What the smallest of them meets, no larger one gets round.
    if (suitable.length > 0) objection = objected(suitable[0].index);
    // As natively: first the size of the workgroup, then how that one deals out rows to threads.
    let sizes = fitting.filter(({ least_lanes }) => least_lanes === fitting[0].least_lanes);
    const small = sizes.filter((program) => program.workgroup_size <= LARGEST_SOFTWARE_WORKGROUP);
    if (is_software && small.length > 0) fitting = sizes = [small.at(-1)];
    if (fitting.length === 0) return { objection: `does not run on this device: ${objection}` };
    if (fitting.length === 1) return { index: fitting[0].index, prepared: await this.#prepare(fitting[0].index) };
    let best = null;
    const attempt = async (program) => {
      const prepared = await this.#prepare(program.index);
      const ns = await trial(prepared, "one-submit").catch((error) => {
        prepared.destroy();
        throw error;
      });
      if (best && best.ns <= ns) {
        prepared.destroy();
      } else {
        best?.prepared.destroy();
        best = { ns, index: program.index, prepared };
      }
    };
    try {
      for (const program of sizes) await attempt(program);
      const { workgroup_size } = this.programs[best.index];
      const dealt = fitting.filter((program) => program.workgroup_size === workgroup_size && !sizes.includes(program));
      for (const program of dealt) await attempt(program);
    } catch (error) {
      best?.prepared.destroy();
      throw error;
    }
    return best;
  }

  /**
   * What an arm makes of single steps from states that the oracle visited; nothing of other work than rollouts. Whole episodes can
   * be chaotic; in one step no rounding error has had time to grow.
   */
  async #singleSteps(index) {
    const program = this.made.single(index);
    if (program === undefined) return {};
    const prepared = await Prepared.of(this.gpu, JSON.parse(program), { blocks: this.made.singleBlocks() });
    try {
      await prepared.run("one-submit");
      const outputs = {};
      for (const [name, single] of Object.entries(SINGLE)) outputs[single] = await prepared.read(name);
      return outputs;
    } finally {
      prepared.destroy();
    }
  }

  /** What is known of a row before it has run. */
  #blank(index, policy) {
    const program = this.programs[index];
    const { unit = "", units = null, workgroup_size = 0, subgroup_size = 0, sha256: program_sha256 = "" } = program ?? {};
    const { shaders_sha256 = "", multiply_adds = 0, min_bytes = 0, barriers = 0 } = program ?? {};
    const counts = program ? JSON.parse(traffic(this.made.program(index), policy)) : { dispatches: 0, submits: 0, waits: 0 };
    return {
      unit, units, workgroup_size, subgroup_size, ...counts, multiply_adds, min_bytes, barriers, program_sha256, shaders_sha256,
      gate: "fail", gate_error: null, typical_ns: null, cap: "", reason: "", samples: [], outputs: {},
    };
  }

  /** Checks and warms up an arm; gives the number of its samples, 0 where it fails. */
  async #begin(candidate) {
    const { row, prepared, entry } = candidate;
    if (row.reason) return 0;
    await prepared.run(entry.policy);
    await this.#judge(candidate);
    if (row.reason) return 0;
    const typical = await warmUp(this.plan, async () => (await prepared.run(entry.policy)).wall_ns);
    const [count, cap] = samplesWithinCap(this.plan, typical);
    Object.assign(row, { cap, typical_ns: typical });
    return count;
  }

  /** Checks the last output; a failure is not undone by a later pass. */
  async #judge({ row, prepared, index, single }) {
    const outputs = { ...single };
    // A rollout's trajectory is kept by nobody here.
    const names = this.outline.workload === "rollout" ? Object.keys(SINGLE) : prepared.program.outputs;
    for (const name of names) outputs[name] = await prepared.read(name);
    const { error, reason, units } = JSON.parse(this.made.judge(index, outputs));
    const before = row.gate === "pass" ? row.gate_error : null;
    row.gate_error = before === null || error === null ? error : Math.max(before, error);
    row.reason ||= reason;
    row.gate = row.reason ? "fail" : "pass";
    row.units = units;
    for (const [name, bytes] of Object.entries(outputs)) {
      row.outputs[name] = toBase64(this.outline.workload === "control" ? bytes.slice(0, KEPT_OF_CONTROL) : bytes);
    }
  }
}

/** The arm that does at once what a rung of its ladder does in several dispatches: `fused` of `fused@step`. */
const wholeOf = (arm) => arm.split("@")[0];

/** What a page shows of a row: `wall_median_ns`, `wall_low_ns`, `wall_high_ns`, `units_per_s`; null without samples. */
function summarise(row) {
  const times = Float64Array.from(row.samples, ({ wall_ns }) => wall_ns);
  const [low = null, mid = null, high = null] = medianInterval(times, `${row.case}/${row.arm}/${row.policy}/${row.replica}`);
  Object.assign(row, { wall_median_ns: mid, wall_low_ns: low, wall_high_ns: high });
  row.units_per_s = mid === null ? null : (row.units / mid) * 1e9;
}
