// ONNX Runtime for browsers: a step as a graph, run once for each token. See README.md.

import { timed } from "../browser/measure.js";
import { headDim } from "../../web/js/decode/config.js";
import { caches, step, zeros } from "./model.js";

const DIST = new URL("./node_modules/onnxruntime-web/dist/", import.meta.url);

/** What each provider is loaded from: the package's builds for WebGPU and for WebAssembly alone. */
const BUILDS = {
  webgpu: { module: "ort.webgpu.min.mjs", wasm: "ort-wasm-simd-threaded.asyncify" },
  wasm: { module: "ort.wasm.min.mjs", wasm: "ort-wasm-simd-threaded" },
};

/** Every variant for a case; `read(url)` gives the bytes of a file. */
export function variants(work, { read, threads }) {
  const load = (build) => loaded(BUILDS[build], read, build === "wasm" ? threads : 1);
  const model = step(work.config, work.weights);
  return [
    new WebGpu("webgpu", work, model, load),
    new WebGpuGraph("webgpu-graph", work, model, load),
    new Wasm("wasm", work, model, load, threads),
  ];
}

export const versions = async (read) => {
  const { version } = JSON.parse(new TextDecoder().decode(await read(new URL("../package.json", DIST))));
  return { "onnxruntime-web": version };
};

/** A build of the package, ready for sessions. */
async function loaded({ module, wasm }, read, threads) {
  const ort = await import(new URL(module, DIST));
  ort.env.logLevel = "error";
  if (!ort.env.wasm.wasmBinary) {
    ort.env.wasm.numThreads = threads;
    ort.env.wasm.wasmPaths = { mjs: new URL(`${wasm}.mjs`, DIST).href };
    ort.env.wasm.wasmBinary = await read(new URL(`${wasm}.wasm`, DIST));
    ort.env.webgpu.powerPreference = "high-performance";
  }
  return ort;
}

/** Names, types and shapes of what all steps share: `[name, type, dims]`. */
const buffers = (config, positions) => [
  ...caches(config).map((name) => [name, "float32", [1, config.n_head, positions, headDim(config)]]),
  ["logits", "float32", [1, config.vocab_size]],
];

/** Each step has its own buffers for what changes, bound once; the caches are changed in place. The host reads nothing before the end. */
class WebGpu {
  isCaptured = false;

  constructor(name, work, model, load) {
    Object.assign(this, { name, work, model, load });
    this.settings = { provider: "webgpu", graph_capture: this.isCaptured, tensors: "gpu-buffer", token: "chosen on the device" };
  }

  async prepare() {
    this.ort = await this.load("webgpu");
    this.session = await this.ort.InferenceSession.create(this.model, {
      executionProviders: ["webgpu"],
      enableGraphCapture: this.isCaptured,
      graphOptimizationLevel: "all",
    });
    this.device = await this.ort.env.webgpu.device;
    this.buffers = [];
    await this.bind();
  }

  /** Inputs and outputs of every step. */
  async bind() {
    const { config, prompt, positions } = this.work;
    const kept = buffers(config, positions).map(([name, type, dims]) => [name, this.tensor(type, dims)]);
    ({ logits: this.logits, ...this.caches } = Object.fromEntries(kept));
    this.next = Array.from({ length: positions }, () => this.tensor("int64", [1]));
    this.steps = Array.from({ length: positions }, (_, position) => {
      const given = prompt[position];
      const token = given === undefined ? this.next[position - 1] : this.tensor("int64", [1], BigInt64Array.of(BigInt(given)));
      return this.step({
        token,
        position: this.tensor("int32", [1], Int32Array.of(position)),
        // Attention's loop is bounded by the host's number, where nothing is captured.
        total: new this.ort.Tensor("int32", Int32Array.of(position + 1), [1]),
      }, this.next[position]);
    });
  }

  step(inputs, next) {
    const left = Object.entries(this.caches).map(([name, tensor]) => [`new_${name}`, tensor]);
    return { feeds: { ...inputs, ...this.caches }, fetches: { next, logits: this.logits, ...Object.fromEntries(left) } };
  }

  /** A tensor in a buffer of its own. */
  tensor(dataType, dims, values) {
    const bytes = dims.reduce((product, dim) => product * dim, dataType === "int64" ? 8 : 4);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = this.device.createBuffer({ size: Math.ceil(bytes / 16) * 16, usage });
    if (values) this.device.queue.writeBuffer(buffer, 0, values);
    this.buffers.push(buffer);
    return this.ort.Tensor.fromGpuBuffer(buffer, { dataType, dims });
  }

  async run() {
    return timed(async () => {
      for (const { feeds, fetches } of this.steps) await this.session.run(feeds, fetches);
      await this.device.queue.onSubmittedWorkDone();
    });
  }

  async output() {
    const { prompt } = this.work;
    const made = await Promise.all(this.next.map((tensor) => this.read(tensor)));
    const tokens = made.slice(prompt.length - 1).map((bytes) => new Uint32Array(bytes)[0]);
    return { tokens, logits: new Float32Array(await this.read(this.logits)).slice(0, this.work.config.vocab_size) };
  }

  async read({ gpuBuffer }) {
    const copy = this.device.createBuffer({ size: gpuBuffer.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(gpuBuffer, 0, copy, 0, copy.size);
    this.device.queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const bytes = copy.getMappedRange().slice(0);
    copy.destroy();
    return bytes;
  }

  async close() {
    await this.session?.release();
    this.buffers?.forEach((buffer) => buffer.destroy());
  }
}

/** A step is recorded once and replayed. Its buffers stay, so the device copies what changes into them. */
class WebGpuGraph extends WebGpu {
  isCaptured = true;

  async bind() {
    const { config, prompt, positions } = this.work;
    const inputs = [["token", "int64", [1]], ["position", "int32", [1]], ["total", "int32", [1]]];
    // Buffers that ONNX Runtime 1.30 was given are forgotten after a first run, those that it made itself are not: here they
    // are outputs of a graph without operators.
    const made = [...buffers(config, positions), ...inputs];
    this.maker = await this.ort.InferenceSession.create(zeros(made), { executionProviders: ["webgpu"], preferredOutputLocation: "gpu-buffer" });
    const { token, position, total, logits, ...left } = await this.maker.run({});
    Object.assign(this, { logits, caches: left });
    this.prompt = this.tensor("int64", [prompt.length], BigInt64Array.from(prompt, BigInt));
    this.counts = this.tensor("int32", [positions + 1], Int32Array.from({ length: positions + 1 }, (_, i) => i));
    this.made = this.tensor("int64", [positions]);
    this.inputs = { token, position, total };
    // The next token is written where the last one was read, long before in every step.
    this.bound = this.step(this.inputs, token);
  }

  async run() {
    const { prompt, positions } = this.work;
    const { token, position, total } = this.inputs;
    return timed(async () => {
      for (let at = 0; at < positions; at += 1) {
        const encoder = this.device.createCommandEncoder();
        const copy = (from, index, to, toIndex, bytes) =>
          encoder.copyBufferToBuffer(from.gpuBuffer, index * bytes, to.gpuBuffer, toIndex * bytes, bytes);
        if (at > 0) copy(token, 0, this.made, at - 1, 8);
        if (at < prompt.length) copy(this.prompt, at, token, 0, 8);
        copy(this.counts, at, position, 0, 4);
        copy(this.counts, at + 1, total, 0, 4);
        this.device.queue.submit([encoder.finish()]);
        await this.session.run(this.bound.feeds, this.bound.fetches);
      }
      await this.device.queue.onSubmittedWorkDone();
    });
  }

  async output() {
    const words = (bytes) => [...new BigInt64Array(bytes)].map(Number);
    const { prompt, positions } = this.work;
    const last = words(await this.read(this.inputs.token))[0];
    const tokens = [...words(await this.read(this.made)).slice(0, positions - 1), last].slice(prompt.length - 1);
    return { tokens, logits: new Float32Array(await this.read(this.logits)).slice(0, this.work.config.vocab_size) };
  }

  async close() {
    await this.maker?.release();
    await super.close();
  }
}

/** On the CPU: what a step leaves is the next one's input, and the cache grows with it. */
class Wasm {
  constructor(name, work, model, load, threads) {
    Object.assign(this, { name, work, model, load });
    this.settings = { provider: "wasm", simd: true, threads };
  }

  async prepare() {
    this.ort = await this.load("wasm");
    this.session = await this.ort.InferenceSession.create(this.model, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  }

  async run() {
    const { config, prompt, positions } = this.work;
    const { Tensor } = this.ort;
    return timed(async () => {
      let left = null;
      this.tokens = [];
      const empty = () => new Tensor("float32", new Float32Array(0), [1, config.n_head, 0, headDim(config)]);
      for (let position = 0; position < positions; position += 1) {
        const given = prompt[position];
        const feeds = {
          token: given === undefined ? left.next : new Tensor("int64", BigInt64Array.of(BigInt(given)), [1]),
          position: new Tensor("int32", Int32Array.of(position), [1]),
          total: new Tensor("int32", Int32Array.of(position + 1), [1]),
        };
        for (const cache of caches(config)) feeds[cache] = left?.[`new_${cache}`] ?? empty();
        left = await this.session.run(feeds);
        if (position >= prompt.length - 1) this.tokens.push(Number(left.next.data[0]));
      }
      this.logits = left.logits.data;
    });
  }

  async output() {
    return { tokens: this.tokens, logits: this.logits };
  }

  async close() {
    await this.session?.release();
  }
}
