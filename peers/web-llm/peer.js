// WebLLM: a completion of its engine, as its users ask for one. See README.md.

import { within } from "../web/within.js";
import { files, LIBRARY_SHAPE } from "./model.js";

const MODULE = new URL("node_modules/@mlc-ai/web-llm/lib/index.js", import.meta.url);
const LIBRARY = new URL("../build/web-llm/gpt2-q0f16-ctx1k_cs1k-webgpu.wasm", import.meta.url);
const LIBRARY_SHA256 = "064b48f8adcf2368cbe30c07d3f21e74f1007445c5d4010c975ab9c47610cfaa";

/** Where the library takes the case to be. It looks into its cache first, so nothing is fetched. */
const MODEL = "https://case.invalid/case/resolve/main/";
const MODEL_LIBRARY = "https://case.invalid/library.wasm";

/** A `caches` of a page that holds what `contents` makes, by address. */
function cachesOf(contents) {
  const addressOf = (request) => request.url ?? String(request);
  const cache = {
    match: async (request) => {
      const make = contents.get(addressOf(request));
      return make && new Response(await make());
    },
    keys: async () => [...contents.keys()].map((url) => ({ url })),
    add: async (request) => {
      throw new Error(`the library asks for ${addressOf(request)}, which is not of the case`);
    },
  };
  return { open: async () => cache };
}

async function modelLibrary(host) {
  const bytes = await host.bytes(LIBRARY);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== LIBRARY_SHA256) throw new Error(`the model library has the SHA-256 ${found}, expected ${LIBRARY_SHA256}`);
  return bytes;
}

class Variant {
  name = "webgpu-f16";
  settings = { weights: "f16", model_library_sha256: LIBRARY_SHA256 };

  constructor(made, host) {
    Object.assign(this, { made, host });
  }

  async prepare() {
    const { made, host } = this;
    if (made.config.block) throw new Error("the model library is of GPT-2 alone");
    const other = Object.entries(LIBRARY_SHAPE).find(([name, size]) => made.config[name] !== size);
    if (other) throw new Error(`the model library is of ${other[0]} ${other[1]} alone`);
    const library = await modelLibrary(host);
    const { MLCEngine } = await import(MODULE);
    const contents = new Map(Object.entries(files(made)).map(([name, make]) => [new URL(name, MODEL).href, make]));
    contents.set(MODEL_LIBRARY, () => library);
    const appConfig = { model_list: [{ model_id: "case", model: MODEL, model_lib: MODEL_LIBRARY, required_features: ["shader-f16"] }] };
    this.engine = new MLCEngine({ appConfig, logLevel: "ERROR" });
    await within({ caches: cachesOf(contents) }, () => host.asInPage(() => this.engine.reload("case")));
  }

  async run() {
    const { prompt, newTokens } = this.made;
    const asked = { prompt: prompt.join(" "), max_tokens: newTokens, temperature: 0, top_p: 1, ignore_eos: true };
    this.answer = await this.engine.completions.create(asked);
  }

  output() {
    const tokens = this.answer.choices[0].text.trim().split(/\s+/).map(Number);
    // Where the library itself chose the last token from.
    const { logitsOnCPU } = this.engine.loadedModelIdToPipeline.get("case");
    return { tokens, logits: logitsOnCPU.toArray() };
  }

  async release() {
    await this.engine?.unload();
  }
}

export function variants(made, host) {
  return [new Variant(made, host)];
}
