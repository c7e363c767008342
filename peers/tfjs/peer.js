// TensorFlow.js: GPT-2 from its operators, a token at a time. See README.md.

const MODULES = new URL("node_modules/@tensorflow/", import.meta.url);

const scripts = new Map();

/** A package's exports: by `require` in Node, and as a page has them, by a script and the global `tf`, elsewhere. */
async function load(name, host) {
  if (host.require) return host.require(new URL(name, MODULES));
  const short = name.replace("tfjs-", "tf-");
  if (!scripts.has(name)) scripts.set(name, host.script(new URL(`${name}/dist/${short}.min.js`, MODULES)));
  await scripts.get(name);
  return name === "tfjs-backend-wasm" ? globalThis.tf.wasm : globalThis.tf;
}

/** The library with a backend in use, and the threads that the backend has on the CPU. */
async function library(backend, host) {
  const tf = await load("tfjs-core", host);
  const own = await load(`tfjs-backend-${backend}`, host);
  if (backend === "wasm") {
    own.setWasmPaths(host.place(new URL("tfjs-backend-wasm/dist/", MODULES)));
    own.setThreadsCount(host.threads);
  }
  if (!(await tf.setBackend(backend))) throw new Error(`the backend ${backend} does not start here`);
  return { tf, settings: backend === "wasm" ? { backend, simd: true, threads: own.getThreadsCount() } : { backend } };
}

/** The network. Every tensor that it makes is the caller's to `tidy`. */
class Network {
  constructor(tf, { config, weights, attentionScale }) {
    const tensors = new Map([...weights].map(([name, { shape, data }]) => [name, tf.tensor(data, shape)]));
    Object.assign(this, { tf, config, weights: tensors });
    this.constants = new Map([attentionScale, 1, 2, config.layer_norm_epsilon, GELU_LINEAR, GELU_CUBIC].map((x) => [x, tf.scalar(x)]));
    this.attentionScale = attentionScale;
  }

  linear(x, name) {
    const { tf, weights } = this;
    return tf.fused.matMul({ a: x, b: weights.get(`${name}.weight`), bias: weights.get(`${name}.bias`) });
  }

  norm(x, name) {
    const { tf, weights, constants, config } = this;
    const { mean, variance } = tf.moments(x, -1, true);
    const scaled = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, constants.get(config.layer_norm_epsilon))));
    return tf.add(tf.mul(scaled, weights.get(`${name}.weight`)), weights.get(`${name}.bias`));
  }

  /** x (1 + tanh(u)) / 2 = x sigmoid(2 u), where u = sqrt(2 / pi) (x + 0.044715 x^3). */
  gelu(x) {
    const { tf, constants } = this;
    const twice = tf.mul(x, tf.add(constants.get(GELU_LINEAR), tf.mul(constants.get(GELU_CUBIC), tf.square(x))));
    return tf.mul(x, tf.sigmoid(twice));
  }

  /** `{logits, token, cache}` after one more token; `cache` has keys and values [head, position, head_dim] of each layer, and
   * grows by a position. */
  step(token, position, cache) {
    const { tf, weights, config: { n_embd: width, n_head: heads } } = this;
    let x = tf.add(tf.gather(weights.get("wte.weight"), token), tf.slice(weights.get("wpe.weight"), [position, 0], [1, width]));
    const grown = cache.map((cached, layer) => {
      const of = (name) => `h.${layer}.${name}`;
      const qkv = tf.reshape(this.linear(this.norm(x, of("ln_1")), of("attn.c_attn")), [3 * heads, 1, width / heads]);
      const [query, ...added] = tf.split(qkv, 3);
      const [keys, values] = cached ? added.map((one, i) => tf.concat([cached[i], one], 1)) : added;
      const scores = tf.mul(tf.matMul(query, keys, false, true), this.constants.get(this.attentionScale));
      const attended = tf.reshape(tf.matMul(tf.softmax(scores), values), [1, width]);
      x = tf.add(x, this.linear(attended, of("attn.c_proj")));
      x = tf.add(x, this.linear(this.gelu(this.linear(this.norm(x, of("ln_2")), of("mlp.c_fc"))), of("mlp.c_proj")));
      return [keys, values];
    });
    const logits = tf.matMul(this.norm(x, "ln_f"), weights.get("wte.weight"), false, true);
    return { logits, token: tf.argMax(logits, 1), cache: grown };
  }

  dispose() {
    this.tf.dispose([...this.weights.values(), ...this.constants.values()]);
  }
}

const GELU_LINEAR = 2 * Math.sqrt(2 / Math.PI);
const GELU_CUBIC = GELU_LINEAR * 0.044715;

class Variant {
  constructor(made, host, backend) {
    Object.assign(this, { made, host, name: backend });
    this.settings = { backend };
  }

  async prepare() {
    if (this.made.config.block) throw new Error("this peer computes the layout of GPT-2 alone");
    Object.assign(this, await library(this.name, this.host));
    this.network = new Network(this.tf, this.made);
  }

  /** Variants take turns, and the library has one backend in use. */
  async ready() {
    await this.tf.setBackend(this.name);
  }

  async run() {
    const { tf, network, made: { prompt, positions } } = this;
    tf.dispose(this.last ?? []);
    this.last = tf.tidy(() => {
      const tokens = [];
      let [token, logits, cache] = [null, null, Array(network.config.n_layer).fill(null)];
      for (let position = 0; position < positions; position += 1) {
        if (position < prompt.length) token = tf.tensor1d([prompt[position]], "int32");
        const before = cache.flat().filter(Boolean);
        ({ logits, token, cache } = tf.tidy(() => network.step(token, position, cache)));
        tf.dispose(before);
        if (position >= prompt.length - 1) tokens.push(token);
      }
      return [tf.concat(tokens), logits];
    });
    // The library's way to wait is to read.
    this.tokens = await this.last[0].data();
  }

  async output() {
    return { tokens: this.tokens, logits: await this.last[1].data() };
  }

  async release() {
    if (!this.tf) return;
    await this.ready();
    this.tf.dispose(this.last ?? []);
    this.network?.dispose();
  }
}

export function variants(made, host) {
  return ["webgpu", "wasm"].map((backend) => new Variant(made, host, backend));
}
