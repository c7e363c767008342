// Text generation on the visitor's GPU: picks a kernel and a chunk for a model, and yields tokens as they are made.

import { Prepared, upload } from "../executor.js";
import { LARGEST_SOFTWARE_WORKGROUP } from "../gpu.js";
import { Refusal } from "../refusal.js";
import { trial } from "../trial.js";
import { layoutOf, LEAST_LANES, programOf, workgroupSizes } from "./kernel.js";
import { pack } from "./packing.js";
import { newTokens, positionsOf, validateRequest } from "./request.js";

/** Longest that a dispatch should take: a tab feels it from some tens of milliseconds on, a GPU's watchdog from seconds on. */
const CHUNK_MS = 50;

/** Tokens of the dispatches that find out how fast a model is. */
const TRIAL_TOKENS = 8;

/** A model on a GPU, ready to answer requests, one at a time. */
export class Generator {
  /**
   * Packs and uploads a model (`{config, weights}` of `loadCheckpoint`). Picks the fastest of `arms` and workgroup sizes by
   * short trials; `progress(text)` is told what is going on. Throws a `Refusal` where no kernel fits the device.
   */
  static async of(gpu, model, { source, arms = ["fused-subgroup", "fused-workgroup"], progress = () => {} }) {
    const generator = new Generator(gpu, model, source);
    try {
      await generator.#calibrate(arms, progress);
    } catch (error) {
      generator.destroy();
      throw error;
    }
    return generator;
  }

  constructor(gpu, { config, weights }, source) {
    this.gpu = gpu;
    this.config = config;
    this.weights = weights;
    this.source = source;
    /** The weights on the GPU, as the arm in use reads them. */
    this.blocks = {};
  }

  async #block(layout) {
    if (!this.blocks[layout.block]) {
      this.destroy();
      const packed = pack(this.config, this.weights, layout);
      this.blocks = { [layout.block]: await upload(this.gpu, "the weights", packed) };
    }
    return this.blocks;
  }

  /** Lets go of the weights on the GPU; a later answer brings them there again. */
  destroy() {
    Object.values(this.blocks).forEach((buffer) => buffer.destroy());
    this.blocks = {};
  }

  async #calibrate(arms, progress) {
    const { gpu, config } = this;
    const new_tokens = Math.min(TRIAL_TOKENS, config.n_positions);
    const request = { prompt: [0], new_tokens, sampling: null, end_token: null };
    let objection = "no kernel is there";
    let fastest = Infinity;
    const attempt = async (arm, workgroup_size, least_lanes) => {
      const program = programOf(arm, "token", config, request, this.#tuning({ workgroup_size, least_lanes }, request));
      const why = gpu.objection(program);
      if (why) {
        objection = why;
        return;
      }
      progress(`Trying ${arm} with ${workgroup_size} threads`);
      const prepared = await Prepared.of(gpu, program, { blocks: await this.#block(layoutOf(arm)), source: this.source });
      try {
        // A submit for each token, so that a slow GPU's watchdog is not met.
        const ms = (await trial(prepared, "submit-each")) / 1e6 / new_tokens;
        if (ms < fastest) {
          fastest = ms;
          this.arm = arm;
          this.sizes = { workgroup_size, least_lanes };
        }
      } finally {
        prepared.destroy();
      }
    };
    for (const arm of arms) {
      for (const workgroup_size of workgroupSizes(arm)) {
        if (gpu.info.is_software && workgroup_size > LARGEST_SOFTWARE_WORKGROUP) continue;
        await attempt(arm, workgroup_size, LEAST_LANES[0]);
      }
    }
    if (this.arm?.startsWith("fused-subgroup") && !gpu.info.is_software) {
      const { workgroup_size } = this.sizes;
      for (const least_lanes of LEAST_LANES.slice(1)) await attempt(this.arm, workgroup_size, least_lanes);
    }
    if (!this.arm) throw new Refusal(`This model does not fit ${gpu.info.name}: ${objection}; choose a smaller one.`);
    /** Tokens fed by a dispatch. */
    this.chunk = Math.max(1, Math.floor(CHUNK_MS / fastest));
  }

  #tuning(sizes, request) {
    return {
      ...sizes,
      subgroup_size: this.gpu.info.subgroup_min_size,
      keep_logits: false,
      capacity: positionsOf(request),
      memory: this.gpu.info.limits.max_compute_workgroup_storage_size,
    };
  }

  /**
   * Yields `{tokens, wall_ns}` after each dispatch: the new tokens that it made (none while it reads the prompt), and the time
   * since the first. Ends with the end token, or once all are made; the last yield is followed by nothing. With `chunk` null,
   * the whole answer is one dispatch.
   */
  async *generate(request, { chunk = this.chunk } = {}) {
    const { gpu, config, arm, sizes } = this;
    validateRequest(config, request);
    const span = chunk === null ? "generation" : `chunk:${chunk}`;
    const program = programOf(arm, span, config, request, this.#tuning(sizes, request));
    const prepared = await Prepared.of(gpu, program, { blocks: await this.#block(layoutOf(arm)), source: this.source });
    let seen = 0;
    try {
      for await (const { wall_ns, bytes } of prepared.stream("tokens")) {
        const made = newTokens(request, new Uint32Array(bytes));
        const tokens = made.slice(seen);
        seen = made.length;
        yield { tokens, wall_ns };
        if (request.end_token !== null && tokens.includes(request.end_token)) return;
      }
    } finally {
      prepared.destroy();
    }
  }
}
