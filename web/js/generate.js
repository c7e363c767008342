// Text generation on the visitor's GPU: picks a kernel and a chunk for a model, yields tokens as they are made, and has the f64
// oracle check them.

import { breathing } from "./breathe.js";
import { FileBytes, Model } from "./core.js";
import { pipelineOf, Prepared, upload } from "./executor.js";
import { LARGEST_SOFTWARE_WORKGROUP } from "./gpu.js";
import { Refusal } from "./refusal.js";
import { trial } from "./trial.js";

/** Longest that a dispatch should take: a tab feels it from some tens of milliseconds on, a GPU's watchdog from seconds on. */
const CHUNK_MS = 50;

/** Tokens of the dispatches that find out how fast a model is. */
const TRIAL_TOKENS = 8;

/** Threads of a model that is not tried first: what was fastest on most GPUs for models of its size. */
const AT_ONCE_WORKGROUP = 512;

/** Largest error that a check lets pass, relative to the range of the logits: that of the experiments. */
const TOLERANCE = 1e-3;

/** New tokens that a check looks at: the oracle keeps the logits of each. */
const CHECKED_TOKENS = 256;

/** A model's file of `bytesOf`, or as bytes. */
function fileOf(bytes) {
  if (bytes instanceof FileBytes) return bytes;
  const all = new Uint8Array(bytes);
  const file = new FileBytes(all.byteLength);
  file.add(all);
  return file;
}

/**
 * A model from the text of its `config.json`, the bytes of its `model.safetensors`, and the text of its `generation_config.json`
 * where it has one. A `Refusal` names every fault.
 */
export const loadModel = (configText, bytes, generationConfigText) =>
  new Model(configText, fileOf(bytes), generationConfigText);

/** A model from the bytes of a GGUF file, which messages name. A `Refusal` names every fault. */
export const loadGguf = (bytes, name) => Model.ofGguf(fileOf(bytes), name);

/** A request as the core reads it: `{prompt, new_tokens, sampling: null | {temperature, top_k, seed}, end_tokens}`. */
const asJson = (request) => JSON.stringify(request, (key, value) => (key === "seed" ? String(value) : value));

/** A model on a GPU, ready to answer requests, one at a time. */
export class Generator {
  /**
   * Packs and uploads a model of `loadModel` or `loadGguf`, which is this one's from then on. Picks the fastest of `arms` (by default
   * the model's) and workgroup sizes by short trials; with `atOnce`, the sampling of its requests, it takes what suits most GPUs,
   * and has the kernel of such requests compiled. `progress(text)` is told what is going on. Throws a `Refusal` where no kernel
   * fits the device.
   */
  static async of(gpu, model, { arms, atOnce, progress = () => {} } = {}) {
    const generator = new Generator(gpu, model);
    try {
      const fastest = await generator.#choose(arms ?? generator.arms, atOnce, progress);
      /** Tokens fed by a dispatch. */
      generator.chunk = Math.max(1, Math.floor(CHUNK_MS / fastest));
      model.follow(generator.arm);
    } catch (error) {
      generator.destroy();
      throw error;
    }
    return generator;
  }

  constructor(gpu, model) {
    this.gpu = gpu;
    this.model = model;
    /** `config`, `end_tokens`, `notes`, `parameters` and `arms`. */
    Object.assign(this, JSON.parse(model.about()));
    /** The weights on the GPU, as the arm in use reads them. */
    this.blocks = {};
  }

  async #block(arm) {
    const name = this.model.blockOf(arm);
    if (!this.blocks[name]) {
      this.#forget();
      await this.gpu.freed();
      this.blocks = { [name]: await upload(this.gpu, "the weights", this.model.block(name)) };
    }
    return this.blocks;
  }

  #forget() {
    Object.values(this.blocks).forEach((buffer) => buffer.destroy());
    this.blocks = {};
  }

  /** Lets go of the model, here and on the GPU. */
  destroy() {
    this.#forget();
    this.model?.free();
    this.model = null;
  }

  #program(arm, span, request, sizes) {
    const { subgroup_min_size, limits, is_software } = this.gpu.info;
    const device = { subgroup_size: subgroup_min_size, memory: limits.max_compute_workgroup_storage_size, is_software };
    return JSON.parse(this.model.program(arm, span, asJson(request), JSON.stringify({ ...sizes, ...device })));
  }

  /**
   * Has the kernels of these spans compiled beside what goes on, so that a first answer by them need not wait. What fails here is
   * told of when an answer is asked for.
   */
  compile(spans, sampling) {
    for (const span of spans) {
      const program = this.#program(this.arm, span, { prompt: [0], new_tokens: 1, sampling, end_tokens: [] }, this.sizes);
      for (const kernel of program.kernels) pipelineOf(this.gpu, kernel).catch(() => {});
    }
  }

  /** Settles on an arm and sizes, and gives the milliseconds that a token takes so. */
  async #choose(arms, atOnce, progress) {
    const { gpu, config } = this;
    const new_tokens = Math.min(TRIAL_TOKENS, config.n_positions);
    const request = { prompt: [0], new_tokens, sampling: atOnce ?? null, end_tokens: [] };
    let objection = "no kernel is there";
    let fastest = Infinity;
    const attempt = async (arm, workgroup_size, least_lanes) => {
      const program = this.#program(arm, "token", request, { workgroup_size, least_lanes });
      const why = gpu.objection(program);
      if (why) {
        objection = why;
        return;
      }
      progress(`Trying ${arm} with ${workgroup_size} threads`);
      const prepared = await Prepared.of(gpu, program, { blocks: await this.#block(arm) });
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
    const most = gpu.info.is_software ? LARGEST_SOFTWARE_WORKGROUP : atOnce ? AT_ONCE_WORKGROUP : Infinity;
    for (const arm of arms) {
      const sizes = Array.from(Model.workgroupSizes(arm)).filter((size) => size <= most);
      for (const size of atOnce ? sizes.reverse() : sizes) {
        await attempt(arm, size, Model.leastLanes(arm)[0]);
        if (atOnce && this.arm) return fastest;
      }
    }
    if (!this.arm) throw new Refusal(`This model does not fit ${gpu.info.name}: ${objection}; choose a smaller one.`);
    if (!gpu.info.is_software) {
      const { arm, sizes } = this;
      for (const least_lanes of Model.leastLanes(arm).subarray(1)) await attempt(arm, sizes.workgroup_size, least_lanes);
    }
    return fastest;
  }

  /**
   * Yields `{tokens, wall_ns, dispatches}` after each submit: the new tokens that it made (none while it reads the prompt), the
   * time since the first, and the dispatches so far. Ends with an end token, or once all are made; the last yield is followed by
   * nothing. `span` is what a dispatch covers: `generation`, `token`, `operation`, or `chunk:N` of N tokens.
   */
  async *generate(request, { span = `chunk:${this.chunk}` } = {}) {
    const { gpu, model, arm, sizes } = this;
    const json = asJson(request);
    model.validate(json);
    const program = this.#program(arm, span, request, sizes);
    const prepared = await Prepared.of(gpu, program, { blocks: await this.#block(arm) });
    let seen = 0;
    try {
      for await (const { wall_ns, dispatches, bytes } of prepared.stream("tokens")) {
        const made = model.newTokens(json, new Uint32Array(bytes));
        const tokens = Array.from(made.subarray(seen));
        seen = made.length;
        yield { tokens, wall_ns, dispatches };
        if (tokens.some((token) => request.end_tokens.includes(token))) return;
      }
    } finally {
      prepared.destroy();
    }
  }

  /**
   * Asks the f64 oracle whether the new `tokens` are right, as far as it looks: `{error, reason, checked}`, or null where `go_on()`
   * says no, which may take its time. `progress(done, all)` is told after each token. The page may do other things all the while.
   */
  async check(request, tokens, { progress = () => {}, go_on = () => true } = {}) {
    const checked = Math.min(tokens.length, CHECKED_TOKENS);
    const ends = checked === tokens.length && request.end_tokens.includes(tokens.at(-1));
    const asked = asJson({ ...request, new_tokens: checked, end_tokens: ends ? request.end_tokens : [] });
    const check = this.model.check(asked, Uint32Array.from(tokens.slice(0, checked)), new Float32Array(0), TOLERANCE);
    try {
      const breath = breathing();
      let followed = 0;
      for (;;) {
        await breath();
        if (!(await go_on()) || !this.model) return null;
        const found = check.goOn();
        if (check.followed > followed) {
          followed = check.followed;
          progress(followed, checked);
        }
        if (found) return { ...JSON.parse(found), checked };
      }
    } finally {
      check.free();
    }
  }
}
