// ONNX Runtime Web: one step as a graph, run for each token. See README.md.

import { step } from "./model.js";

const DIST = new URL("node_modules/onnxruntime-web/dist/", import.meta.url);

/** A build of the library: its module, and the WebAssembly that it loads. */
const WEBGPU = { module: "ort.webgpu.min.mjs", wasm: "ort-wasm-simd-threaded.asyncify" };
const WASM = { module: "ort.wasm.min.mjs", wasm: "ort-wasm-simd-threaded" };
// In Node, only this module starts threads.
const WASM_THREADS_OF_NODE = { ...WASM, module: "ort.node.min.mjs" };

async function library({ module, wasm }, host, threads = 1) {
  // The number of threads is settled once for a module, so there is one for each.
  const ort = await import(new URL(`${module}?threads=${threads}`, DIST));
  ort.env.logLevel = "error";
  ort.env.wasm.wasmPaths = { mjs: new URL(`${wasm}.mjs`, DIST).href, wasm: new URL(`${wasm}.wasm`, DIST).href };
  ort.env.wasm.wasmBinary ??= await host.bytes(new URL(`${wasm}.wasm`, DIST));
  ort.env.wasm.numThreads = threads;
  return ort;
}

/** State and caches in buffers of the GPU, and nothing read before the end. */
class OnGpu {
  constructor(made, host, { capture }) {
    Object.assign(this, { made, host, capture });
    this.name = capture ? "webgpu-graph" : "webgpu";
    this.settings = { provider: "webgpu", graph_capture: capture };
  }

  async prepare() {
    const ort = await library(WEBGPU, this.host);
    const { bytes, state, caches, logits } = step(this.made);
    // Named by an object: by a word, the provider is not told to capture.
    const executionProviders = [{ name: "webgpu" }];
    const create = (enableGraphCapture) =>
      ort.InferenceSession.create(bytes.slice(), { executionProviders, enableGraphCapture, preferredOutputLocation: "gpu-buffer" });
    const plain = await create(false);
    // A first run leaves buffers of all that a step takes and gives. Two of them make two sets: each step reads the one and
    // writes the other. The caches change in place.
    const zeros = Object.fromEntries([...state, ...caches].map(({ name, type, dims }) => [name, zero(ort, type, dims)]));
    const sets = [await plain.run(zeros), await plain.run(zeros)];
    const tensor = (name, set) => sets[caches.some((cache) => cache.name === name) ? 0 : set][`new_${name}`];
    const names = [...state, ...caches].map(({ name }) => name);
    this.held = [...new Set(sets.flatMap(Object.values))];
    this.turns = [0, 1].map((set) => ({
      feeds: Object.fromEntries(names.map((name) => [name, tensor(name, set)])),
      fetches: { ...Object.fromEntries(names.map((name) => [`new_${name}`, tensor(name, 1 - set)])), logits: sets[0].logits },
    }));
    // A session that captures is bound to the tensors of its first run, so there is one for each set.
    this.sessions = this.capture ? [await create(true), await create(true)] : [plain, plain];
    this.plain = plain;
    this.device = await ort.env.webgpu.device;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.tokens = this.device.createBuffer({ size: 8 * this.made.newTokens, usage });
    this.logits = { buffer: sets[0].logits.gpuBuffer, bytes: 4 * logits.dims[1] };
  }

  async run() {
    const { prompt, positions } = this.made;
    const { queue } = this.device;
    queue.writeBuffer(this.turns[0].feeds.position.gpuBuffer, 0, Int32Array.of(0));
    for (let position = 0; position < positions; position += 1) {
      const { feeds, fetches } = this.turns[position % 2];
      if (position < prompt.length) queue.writeBuffer(feeds.token.gpuBuffer, 0, BigInt64Array.of(BigInt(prompt[position])));
      await this.sessions[position % 2].run(feeds, fetches);
      if (position >= prompt.length - 1) {
        const encoder = this.device.createCommandEncoder();
        encoder.copyBufferToBuffer(fetches.new_token.gpuBuffer, 0, this.tokens, 8 * (position - prompt.length + 1), 8);
        queue.submit([encoder.finish()]);
      }
    }
    await queue.onSubmittedWorkDone();
  }

  async output() {
    const tokens = new BigInt64Array(await this.#read(this.tokens, this.tokens.size));
    return { tokens: Array.from(tokens, Number), logits: new Float32Array(await this.#read(this.logits.buffer, this.logits.bytes)) };
  }

  async #read(buffer, size) {
    const mapped = this.device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, mapped, 0, size);
    this.device.queue.submit([encoder.finish()]);
    await mapped.mapAsync(GPUMapMode.READ);
    const bytes = mapped.getMappedRange().slice(0);
    mapped.destroy();
    return bytes;
  }

  async release() {
    // A tensor is of the session that made it.
    this.held?.forEach((tensor) => tensor.dispose());
    for (const session of new Set([this.plain, ...(this.sessions ?? [])])) await session?.release();
    this.tokens?.destroy();
  }
}

/** The same graph on the CPU: what a step gives is what the next one takes. */
class OnCpu {
  constructor(made, host, threads) {
    Object.assign(this, { made, host, threads });
    this.name = threads > 1 ? "wasm-threads" : "wasm";
    this.settings = { provider: "wasm", simd: true, threads };
  }

  async prepare() {
    this.ort = await library(this.threads > 1 && this.host.isNode ? WASM_THREADS_OF_NODE : WASM, this.host, this.threads);
    const { bytes, state, caches } = step(this.made);
    this.session = await this.ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    this.zeros = () => Object.fromEntries([...state, ...caches].map(({ name, type, dims }) => [name, zero(this.ort, type, dims)]));
  }

  async run() {
    const { prompt, positions } = this.made;
    this.tokens = [];
    let feeds = this.zeros();
    for (let position = 0; position < positions; position += 1) {
      if (position < prompt.length) feeds.token.data[0] = BigInt(prompt[position]);
      const { logits, ...given } = await this.session.run(feeds);
      feeds = Object.fromEntries(Object.entries(given).map(([name, tensor]) => [name.replace("new_", ""), tensor]));
      if (position >= prompt.length - 1) this.tokens.push(Number(given.new_token.data[0]));
      this.logits = logits.data;
    }
  }

  output() {
    return { tokens: this.tokens, logits: this.logits };
  }

  async release() {
    await this.session?.release();
  }
}

const ARRAYS = { float32: Float32Array, int32: Int32Array, int64: BigInt64Array };
const zero = (ort, type, dims) => new ort.Tensor(type, new ARRAYS[type](dims.reduce((a, b) => a * b, 1)), dims);

export function variants(made, host) {
  const onGpu = [false, true].map((capture) => new OnGpu(made, host, { capture }));
  return [...onGpu, ...[...new Set([1, host.threads])].map((threads) => new OnCpu(made, host, threads))];
}
