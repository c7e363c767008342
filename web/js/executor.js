// Runs a program on a GPU under a policy, and times it. The twin of `src/device/executor.rs`: the same contents of buffers,
// the same policies, the same checks.

import { breathing } from "./breathe.js";
import { shader, traffic } from "./core.js";
import { oneLine } from "./gpu.js";
import { Refusal } from "./refusal.js";

// As numbers, since Node has no global constants of WebGPU.
const USAGE = { STORAGE: 0x80, COPY_SRC: 0x4, COPY_DST: 0x8, MAP_READ: 0x1, QUERY_RESOLVE: 0x200 };

/** A program with its pipelines, buffers and bind groups on a GPU. */
export class Prepared {
  /**
   * Compiles and uploads. `blocks` holds each constant by name, as bytes or as a buffer of `upload`, which stays its owner's;
   * `source(file)` gives the composed text of a file under `shaders/`. A `Refusal` names the limit that is too small, the shader that does
   * not compile or the memory that is missing.
   */
  static async of(gpu, program, { blocks = {}, source = shader } = {}) {
    const objection = gpu.objection(program);
    if (objection) throw new Refusal(`${program.name} does not fit ${gpu.info.name}: ${objection}`);
    const prepared = new Prepared(gpu, program);
    try {
      await prepared.#prepare(blocks, source);
    } catch (error) {
      prepared.destroy();
      throw error;
    }
    return prepared;
  }

  constructor(gpu, program) {
    this.gpu = gpu;
    this.program = program;
    this.json = JSON.stringify(program);
    this.buffers = [];
    /** Those of `buffers` that are destroyed with this. */
    this.owned = [];
    /** What is written before every run: index and bytes. */
    this.fills = [];
    /** Indices of buffers that are cleared before every run. */
    this.cleared = [];
    /** By phase, repetition and dispatch. */
    this.steps = [];
    this.stamps = null;
  }

  async #prepare(blocks, source) {
    const { gpu, program } = this;
    const { device } = gpu;
    const there = ({ contents }) => (isBuffer(blocks[contents.constant]) ? blocks[contents.constant] : null);
    this.owned = await created(gpu, program.name, program.buffers.filter((buffer) => !there(buffer)));
    const own = [...this.owned];
    this.buffers = program.buffers.map((buffer) => there(buffer) ?? own.shift());
    program.buffers.forEach(({ name, bytes, contents }, index) => {
      if (contents === "zero" || contents === "scratch") this.cleared.push(index);
      else if (contents === "poison") this.fills.push([index, new Uint8Array(bytes).fill(0xff)]);
      else if (contents.words) this.fills.push([index, Uint32Array.from(contents.words)]);
      else {
        const block = blocks[contents.constant];
        if ((block?.byteLength ?? block?.size) !== bytes) {
          throw new Refusal(`${program.name}: no block \`${contents.constant}\` of ${bytes} bytes was given for \`${name}\``);
        }
        if (!isBuffer(block)) gpu.queue.writeBuffer(this.buffers[index], 0, block);
      }
    });
    const pipelines = await Promise.all(program.kernels.map((kernel) => pipelineOf(gpu, kernel, source)));
    device.pushErrorScope("validation");
    this.steps = program.phases.map(({ repeat, dispatches }) => this.#repetitions(repeat, dispatches, pipelines));
    const invalid = await device.popErrorScope();
    if (invalid) throw new Refusal(`${program.name}: ${oneLine(invalid.message)}`);
    if (gpu.hasTimestamps) this.stamps = new Stamps(gpu);
    await this.reset();
    gpu.check();
  }

  /** The steps of each repetition of a phase; a dispatch whose bindings stay where they are has the same step in all. */
  #repetitions(repeat, dispatches, pipelines) {
    const steps = dispatches.map((dispatch) => {
      const moves = dispatch.bindings.some(({ stride }) => stride > 0);
      return Array.from({ length: moves ? repeat : 1 }, (_, repetition) => this.#step(dispatch, repetition, pipelines));
    });
    return Array.from({ length: repeat }, (_, repetition) => steps.map((all) => all[repetition % all.length]));
  }

  #step(dispatch, repetition, pipelines) {
    const pipeline = pipelines[dispatch.kernel];
    const entries = dispatch.bindings.map(({ buffer, offset, bytes, stride = 0 }, binding) => ({
      binding,
      resource: { buffer: this.buffers[buffer], offset: offset + repetition * stride, size: bytes },
    }));
    const bindGroup = this.gpu.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    return { pipeline, bindGroup, workgroups: dispatch.workgroups };
  }

  /** Gives every buffer its initial contents, and waits for it. */
  async reset() {
    this.#refill();
    await this.gpu.done();
  }

  #refill() {
    for (const [index, bytes] of this.fills) this.gpu.queue.writeBuffer(this.buffers[index], 0, bytes);
    // What an earlier run left behind is right, so it would hide a kernel that misses a write.
    const encoder = this.gpu.device.createCommandEncoder();
    for (const index of this.cleared) encoder.clearBuffer(this.buffers[index]);
    this.gpu.queue.submit([encoder.finish()]);
  }

  /**
   * Nanoseconds in which the program runs `count` times, each from its initial contents, with one wait after the last beside
   * those of the policy.
   */
  async runInARow(policy, count) {
    await this.gpu.done();
    this.gpu.check();
    const begun = performance.now();
    for (let run = 0; run < count; run += 1) {
      this.#refill();
      await this.#submitAll(policy);
    }
    await this.gpu.done();
    const wall_ns = (performance.now() - begun) * 1e6;
    this.gpu.check();
    return wall_ns;
  }

  /**
   * Runs the program once from its initial contents: `{wall_ns, gpu_ns, gpu_flag}`. Wall time is from the first encoder call to
   * the end of the last wait. `gpu_ns` is null without timestamps, or where `gpu_flag` says why the reading cannot be.
   */
  async run(policy) {
    await this.reset();
    this.gpu.check();
    const begun = performance.now();
    await this.#submitAll(policy);
    if (policy !== "wait-each") await this.gpu.done();
    const wall_ns = Math.round((performance.now() - begun) * 1e6);
    this.gpu.check();
    const reading = this.stamps ? await this.stamps.read(wall_ns) : { gpu_ns: null, gpu_flag: "" };
    return { wall_ns, ...reading };
  }

  /** Waits after each dispatch where the policy says so, and not at the end. */
  async #submitAll(policy) {
    const { gpu, program } = this;
    // A pass is what one submit carries: a dispatch, a token, some tokens, or everything.
    const passes = JSON.parse(traffic(this.json, policy)).submits;
    let pass = 0;
    const submit = (steps) => {
      const timestampWrites = this.stamps?.writes(pass, passes);
      pass += 1;
      const encoder = gpu.device.createCommandEncoder();
      encodePass(encoder, steps, timestampWrites);
      gpu.queue.submit([encoder.finish()]);
    };
    const tokens = this.#tokens();
    switch (policy) {
      case "wait-each":
        for (const step of tokens.flat()) {
          submit([step]);
          await gpu.done();
        }
        break;
      case "submit-each":
        for (const step of tokens.flat()) submit([step]);
        break;
      case "submit-per-token":
        for (const steps of tokens) submit(steps);
        break;
      case "submit-ahead":
        // Twice as many tokens as in the submit before; in the last one what is left.
        for (let index = 0; index < passes; index += 1) submit(tokens.slice(2 ** index - 1, 2 ** (index + 1) - 1).flat());
        break;
      case "one-submit":
        submit(tokens.flat());
        break;
      default:
        throw new Refusal(`no policy is called \`${policy}\``);
    }
  }

  /**
   * Runs the program once from its initial contents, one submit a repetition of a phase (which is a token, or what one dispatch
   * covers where that is more), and yields `{dispatches, wall_ns, bytes}` after each: the dispatches so far, the time since the
   * first, and the bytes of `output` as this submit left it. The next submit is on its way while one is looked at. A consumer
   * that stops early leaves at most that one to finish.
   */
  async *stream(output) {
    const { gpu, program } = this;
    const index = this.#index(output);
    await this.reset();
    gpu.check();
    const tokens = this.#tokens();
    const { bytes } = program.buffers[index];
    const copies = [0, 1].map(() => gpu.device.createBuffer({ size: bytes, usage: USAGE.MAP_READ | USAGE.COPY_DST }));
    const begun = performance.now();
    const submit = (at) => {
      const encoder = gpu.device.createCommandEncoder();
      encodePass(encoder, tokens[at]);
      encoder.copyBufferToBuffer(this.buffers[index], 0, copies[at % 2], 0, bytes);
      gpu.queue.submit([encoder.finish()]);
      return gpu.mapped(copies[at % 2]);
    };
    let pending = null;
    let dispatches = 0;
    try {
      pending = tokens.length > 0 ? submit(0) : null;
      for (let at = 0; at < tokens.length; at += 1) {
        const current = pending;
        pending = null;
        const left = at + 1 < tokens.length ? submit(at + 1) : null;
        left?.catch(() => {});
        pending = left;
        const read = await current;
        gpu.check();
        dispatches += tokens[at].length;
        yield { dispatches, wall_ns: Math.round((performance.now() - begun) * 1e6), bytes: read };
      }
    } finally {
      await pending?.catch(() => {});
      copies.forEach((copy) => copy.destroy());
    }
  }

  /** The steps of each repetition of each phase, which is a token where tokens are made one by one. */
  #tokens() {
    return this.steps.flat();
  }

  /** The bytes of an output as the last run left it. */
  async read(output) {
    const index = this.#index(output);
    const { bytes } = this.program.buffers[index];
    return readBuffer(this.gpu, this.buffers[index], bytes);
  }

  #index(name) {
    const index = this.program.buffers.findIndex((buffer) => buffer.name === name);
    if (index < 0) throw new Refusal(`no buffer is called ${name}`);
    return index;
  }

  /** Lets go of the buffers. */
  destroy() {
    this.owned.forEach((buffer) => buffer.destroy());
    this.stamps?.destroy();
  }
}

/** Bytes that may be on their way to the GPU: what waits is in memory. */
const ON_THEIR_WAY = 2 ** 22;

/** The core's block `name` on the GPU, to be used by several programs; its `destroy()` is the caller's. */
export async function upload(gpu, name, block) {
  const [buffer] = await created(gpu, name, [{ name, bytes: block.bytes }]);
  try {
    const breath = breathing();
    let sent = 0;
    for (let piece = 0; piece < block.pieces; piece += 1) {
      block.write(piece, (offset, bytes) => {
        gpu.queue.writeBuffer(buffer, offset, bytes);
        sent += bytes.byteLength;
      });
      if (sent < ON_THEIR_WAY) {
        await breath();
        continue;
      }
      await gpu.done();
      sent = 0;
    }
    await gpu.done();
    gpu.check();
    return buffer;
  } catch (error) {
    buffer.destroy();
    throw error;
  } finally {
    block.free();
  }
}

const isBuffer = (block) => block?.usage !== undefined;

/** A GPU buffer for each of `buffers`, of `name`'s. */
async function created(gpu, name, buffers) {
  const { device } = gpu;
  device.pushErrorScope("out-of-memory");
  const usage = USAGE.STORAGE | USAGE.COPY_DST | USAGE.COPY_SRC;
  const all = buffers.map((buffer) => device.createBuffer({ label: buffer.name, size: buffer.bytes, usage }));
  const memory = await device.popErrorScope();
  if (!memory) return all;
  all.forEach((buffer) => buffer.destroy());
  const mebibytes = Math.ceil(buffers.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20);
  throw new Refusal(`${gpu.info.name} has no memory for the ${mebibytes} MiB of ${name} (${oneLine(memory.message)})`);
}

function encodePass(encoder, steps, timestampWrites) {
  const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : {});
  let set = null;
  for (const { pipeline, bindGroup, workgroups } of steps) {
    if (pipeline !== set) pass.setPipeline(pipeline);
    set = pipeline;
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(workgroups);
  }
  pass.end();
}

/** The text that WebGPU is given of a file: with subgroups it wants a directive that naga 30 does not know. Nothing else differs. */
export function forBrowser(text, kernel) {
  return kernel.subgroup_size > 0 ? `enable subgroups;\n${text}` : text;
}

/** The pipeline of a kernel, which is compiled once. */
export function pipelineOf(gpu, kernel, source = shader) {
  const key = JSON.stringify([kernel.shader, kernel.entry, Object.entries(kernel.constants).sort()]);
  if (!gpu.pipelines.has(key)) {
    const made = createPipeline(gpu, kernel, source);
    gpu.pipelines.set(key, made);
    made.catch(() => gpu.pipelines.delete(key));
  }
  return gpu.pipelines.get(key);
}

async function createPipeline(gpu, kernel, source) {
  const code = forBrowser(source(kernel.shader), kernel);
  const module = gpu.device.createShaderModule({ label: kernel.shader, code });
  const refused = (why) =>
    new Refusal(`shaders/${kernel.shader} does not compile on ${gpu.info.name}: ${oneLine(why)}; please report it`);
  try {
    return await gpu.device.createComputePipelineAsync({
      label: kernel.shader,
      layout: "auto",
      compute: { module, entryPoint: kernel.entry, constants: kernel.constants },
    });
  } catch (error) {
    const { messages = [] } = (await module.getCompilationInfo?.()) ?? {};
    const fault = messages.find((message) => message.type === "error");
    // The module's own fault also arrives as an uncaptured error.
    gpu.faults = gpu.isLost ? gpu.faults : [];
    gpu.check();
    throw refused(fault ? `line ${fault.lineNum}: ${fault.message}` : error.message);
  }
}

/** Timestamps from the begin of a run's first pass to the end of its last. */
class Stamps {
  constructor(gpu) {
    this.gpu = gpu;
    this.set = gpu.device.createQuerySet({ type: "timestamp", count: 2 });
    this.resolved = gpu.device.createBuffer({ size: 16, usage: USAGE.QUERY_RESOLVE | USAGE.COPY_SRC });
  }

  writes(index, count) {
    const writes = { querySet: this.set };
    if (index === 0) writes.beginningOfPassWriteIndex = 0;
    if (index + 1 === count) writes.endOfPassWriteIndex = 1;
    return index === 0 || index + 1 === count ? writes : undefined;
  }

  async read(wall_ns) {
    const encoder = this.gpu.device.createCommandEncoder();
    encoder.resolveQuerySet(this.set, 0, 2, this.resolved, 0);
    this.gpu.queue.submit([encoder.finish()]);
    const [begin, end] = new BigUint64Array(await readBuffer(this.gpu, this.resolved, 16));
    return plausible(begin, end, wall_ns);
  }

  destroy() {
    this.set.destroy();
    this.resolved.destroy();
  }
}

/** A span of two timestamps in nanoseconds, unless it cannot be. */
export function plausible(begin, end, wall_ns) {
  const flagged = (gpu_flag) => ({ gpu_ns: null, gpu_flag });
  if (begin === 0n || end === 0n || begin === end) return flagged("zero");
  if (end < begin) return flagged("negative");
  const gpu_ns = Number(end - begin);
  return gpu_ns > wall_ns ? flagged("longer-than-wall") : { gpu_ns, gpu_flag: "" };
}

async function readBuffer(gpu, buffer, bytes) {
  const staging = gpu.device.createBuffer({ size: bytes, usage: USAGE.MAP_READ | USAGE.COPY_DST });
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, bytes);
  gpu.queue.submit([encoder.finish()]);
  try {
    const read = await gpu.mapped(staging);
    gpu.check();
    return read;
  } finally {
    staging.destroy();
  }
}
