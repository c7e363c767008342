// transformers.js: `generate` of a causal language model, as its users call it. See README.md.

import { heads } from "../web/network.js";
import { decoder } from "./model.js";

const MODULES = new URL("node_modules/", import.meta.url);
const RUNTIME = new URL("onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify", MODULES);

/** By the library's name for a format of weights: ONNX Runtime's, and what the library adds to the name of a file. */
const FORMATS = { fp32: { type: "float32", suffix: "" }, fp16: { type: "float16", suffix: "_fp16" } };

/** The library; what it would fetch comes of `files`, by the end of its address. */
async function library(host, threads, files) {
  // The number of threads is settled once for a module, so there is one for each.
  const url = new URL(`@huggingface/transformers/dist/transformers.min.js?threads=${threads}`, MODULES);
  const { AutoModelForCausalLM, env, Tensor } = await host.asInPage(() => import(url));
  const { wasm } = env.backends.onnx;
  wasm.wasmPaths = { mjs: `${RUNTIME.href}.mjs`, wasm: `${RUNTIME.href}.wasm` };
  wasm.wasmBinary ??= await host.bytes(new URL(`${RUNTIME.href}.wasm`));
  wasm.numThreads = threads;
  const match = (name) => {
    const found = Object.keys(files).find((file) => name.endsWith(`/${file}`));
    return found && new Response(files[found]);
  };
  Object.assign(env, { allowRemoteModels: false, allowLocalModels: true, useWasmCache: false, useCustomCache: true, customCache: { match, put() {} } });
  return { AutoModelForCausalLM, Tensor };
}

/** What the library asks of a `config.json`: the model's family, and the sizes of its cache by that family's names. */
function configuration(config) {
  if (!config.block) return { ...config, model_type: "gpt2" };
  const { n_embd: hidden_size, n_head: num_attention_heads, n_layer: num_hidden_layers, vocab_size } = config;
  const { keys: num_key_value_heads, channels: head_dim } = heads(config);
  return { model_type: "llama", hidden_size, num_attention_heads, num_hidden_layers, num_key_value_heads, head_dim, vocab_size };
}

class Variant {
  constructor(made, host, device, { dtype = "fp32", threads = 1 } = {}) {
    Object.assign(this, { made, host, device, dtype, threads });
    this.name = [device, ...(dtype === "fp16" ? ["f16"] : []), ...(threads > 1 ? ["threads"] : [])].join("-");
    this.settings = { device, dtype, ...(dtype === "fp16" ? { weights: "f16" } : {}), ...(device === "wasm" ? { simd: true, threads } : {}) };
  }

  async prepare() {
    const { made, host, device, dtype, threads } = this;
    const { type, suffix } = FORMATS[dtype];
    const json = (value) => JSON.stringify(value);
    const { AutoModelForCausalLM, Tensor } = await library(host, threads, {
      "config.json": json(configuration(made.config)),
      "generation_config.json": json({}),
      [`onnx/model${suffix}.onnx`]: decoder(made, type),
    });
    this.model = await AutoModelForCausalLM.from_pretrained("case", { device, dtype });
    const { prompt } = made;
    const whole = (numbers) => new Tensor("int64", BigInt64Array.from(numbers, BigInt), [1, prompt.length]);
    this.inputs = { input_ids: whole(prompt), attention_mask: whole(prompt.map(() => 1)) };
  }

  async run() {
    // The library gives no logits; what is asked to change them sees them.
    const keep = (tokens, logits) => (this.logits = logits);
    const asked = { max_new_tokens: this.made.newTokens, do_sample: false, eos_token_id: null, logits_processor: [keep] };
    this.sequences = await this.model.generate({ ...this.inputs, ...asked });
  }

  output() {
    const tokens = Array.from(this.sequences.data, Number).slice(this.made.prompt.length);
    return { tokens, logits: this.logits.data };
  }

  async release() {
    await this.model?.dispose();
  }
}

export function variants(made, host) {
  const one = [{}, { dtype: "fp16" }];
  // In Node, the library's module starts no threads.
  const threads = host.threads > 1 && !host.isNode ? [{ threads: host.threads }] : [];
  return [...one.map((way) => new Variant(made, host, "webgpu", way)), ...[...one, ...threads].map((way) => new Variant(made, host, "wasm", way))];
}
