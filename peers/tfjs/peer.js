// TensorFlow.js: a step operation by operation, run once for each token. See README.md.

import { timed } from "../browser/measure.js";
import { step, upload } from "./model.js";

const PACKAGES = new URL("./node_modules/@tensorflow/", import.meta.url);

/** Every variant for a case; `script(url)` runs a file as a page's `<script>` does. */
export function variants(work, { script, threads }) {
  const load = (backend) => loaded(backend, script, threads);
  const webgpu = new Variant("webgpu", work, load, { backend: "webgpu", cache: "grows", token: "chosen on the device" });
  // Its WebAssembly is looked for beside a page.
  const inPage = "document" in globalThis;
  return inPage ? [webgpu, new Variant("wasm", work, load, { backend: "wasm", simd: true, threads, cache: "grows" })] : [webgpu];
}

export async function versions(read) {
  const { version } = JSON.parse(new TextDecoder().decode(await read(new URL("tfjs-core/package.json", PACKAGES))));
  return { tfjs: version };
}

/** The library with a backend, which is then the one in use. */
async function loaded(backend, script, threads) {
  const load = (name) => script(new URL(`tfjs-${name}/dist/tf-${name}.min.js`, PACKAGES));
  if (!globalThis.tf) await load("core");
  const { tf } = globalThis;
  if (!tf.findBackendFactory(backend)) {
    await load(`backend-${backend}`);
    if (backend === "wasm") tf.wasm.setThreadsCount(threads);
  }
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js finds no ${backend} here`);
  return tf;
}

class Variant {
  constructor(name, work, load, settings) {
    Object.assign(this, { name, work, load, settings });
  }

  async prepare() {
    const { config, weights, prompt, positions } = this.work;
    this.tf = await this.load(this.settings.backend);
    const counted = Array.from({ length: positions }, (_, position) => position);
    const whole = (value) => this.tf.keep(this.tf.tensor1d([value], "int32"));
    this.positions = counted.map(whole);
    this.prompt = prompt.map(whole);
    this.tensors = upload(this.tf, config, weights);
  }

  async run() {
    await this.tf.setBackend(this.settings.backend);
    const { tf, work: { config } } = this;
    this.tf.dispose(this.left ?? []);
    return timed(async () => {
      let [token, cache, logits] = [null, [], null];
      const made = [];
      for (const [at, position] of this.positions.entries()) {
        const last = cache;
        token = this.prompt[at] ?? token;
        ({ next: token, logits, cache } = tf.tidy(() => {
          const left = step(tf, config, this.tensors, { token, position, cache });
          if (at + 1 === this.positions.length) return left;
          const { next, cache: grown } = left;
          return { next, cache: grown };
        }));
        tf.dispose(last);
        made.push(token);
      }
      this.left = { made, logits, cache };
      // What is still batched is submitted, and waited for, where a tensor is asked for.
      await token.data();
    });
  }

  async output() {
    await this.tf.setBackend(this.settings.backend);
    const { made, logits } = this.left;
    const tokens = await Promise.all(made.slice(this.prompt.length - 1).map((token) => token.data()));
    return { tokens: tokens.map(([token]) => token), logits: await logits.data() };
  }

  async close() {
    if (!this.tf) return;
    this.tf.dispose([this.left ?? [], this.positions, this.prompt, [...this.tensors?.values() ?? []]]);
  }
}
