// The form that generates from a checkpoint: loads it, reads the request, shows tokens as they come, and their rate.

import { Generator, loadModel } from "../generate.js";
import { Refusal } from "../refusal.js";
import { droppedFiles, fromFiles, fromUrl } from "./checkpoint.js";
import { element, say, the } from "./element.js";
import { loadTokenizer, parseIds } from "./tokenizer.js";
import { asSentence, plural, sentence, three, tiny } from "./words.js";

/** Systems reset a GPU that works on one dispatch for longer than about two seconds. */
const WATCHDOG_S = 2;

export class Generation {
  /** `gpu` is null where there is none. `busy(true)` is told when the GPU is taken, `busy(false)` when it is free. */
  constructor({ gpu, busy }) {
    Object.assign(this, { gpu, busy });
    this.generator = null;
    this.tokenizer = null;
    for (const kind of ["files", "folder"]) {
      the(`pick-${kind}`).addEventListener("click", () => the(kind).click());
      the(kind).addEventListener("change", ({ target }) => {
        const files = Array.from(target.files);
        // So that choosing the same files again is a change.
        target.value = "";
        if (files.length > 0) this.load(() => fromFiles(files));
      });
    }
    this.#takeDrops();
    the("fetch").addEventListener("submit", (event) => {
      event.preventDefault();
      this.fetch(the("url").value.trim());
    });
    the("request").addEventListener("submit", (event) => {
      event.preventDefault();
      this.answer();
    });
    the("request").addEventListener("input", () => this.#noteWhole());
    the("generate-stop").addEventListener("click", () => (this.stopping = true));
    // A phone has no folders to choose.
    the("pick-folder").hidden = matchMedia("(hover: none) and (pointer: coarse)").matches;
  }

  #takeDrops() {
    const drop = the("drop");
    const over = (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      drop.classList.toggle("over", event.type === "dragover");
    };
    // Anywhere on the page, so that a miss does not leave it.
    for (const type of ["dragover", "dragleave"]) addEventListener(type, over);
    addEventListener("drop", (event) => {
      over(event);
      if (!event.defaultPrevented) return;
      const { items, files } = event.dataTransfer;
      // Entries have to be asked for before the event is over.
      const dropped = droppedFiles({ items, files });
      this.load(async () => fromFiles(await dropped));
    });
  }

  /** Loads from an address, and offers the page's own address with it. */
  async fetch(address) {
    const mib = (bytes) => `${Math.round(bytes / 2 ** 20)}`;
    let told = 0;
    const progress = (bytes, total) => {
      // Not with each piece, since a screen reader reads them all.
      if (bytes - told < (total ?? 2 ** 28) / 10) return;
      told = bytes;
      say("model-status", `Fetching the weights: ${mib(bytes)}${total ? ` of ${mib(total)}` : ""} MiB …`);
    };
    const fetching = new AbortController();
    the("fetch-stop").onclick = () => fetching.abort();
    const loaded = await this.load(async () => {
      say("model-status", "Fetching …");
      the("fetch-stop").hidden = false;
      try {
        return await fromUrl(address, { progress, signal: fetching.signal });
      } finally {
        the("fetch-stop").hidden = true;
      }
    });
    if (!loaded) return;
    const url = new URL(location.href);
    url.search = "";
    url.hash = "";
    url.searchParams.set("model", address);
    the("share").replaceChildren("This page with this checkpoint: ", element("a", { href: url.href }, url.href));
    the("share").hidden = false;
  }

  /** Loads what `files()` resolves to; says whether that worked. */
  async load(files) {
    if (!this.gpu) return say("model-status", "There is no GPU here to run a checkpoint on.", { bad: true });
    if (this.isBusy) return say("model-status", "The GPU is busy; wait until it is done, or stop it.", { bad: true });
    this.generator?.destroy();
    this.generator = null;
    the("request").hidden = true;
    the("share").hidden = true;
    the("answer").hidden = true;
    say("generate-status", "");
    this.busy(true);
    try {
      const { config, weights, tokenizer, generationConfig } = await files();
      say("model-status", "Reading the checkpoint …");
      const model = loadModel(config, await weights.arrayBuffer(), generationConfig ?? undefined);
      const progress = (words) => say("model-status", `${words} …`);
      this.generator = await Generator.of(this.gpu, model, { progress });
      this.#ready(this.#readTokenizer(tokenizer));
      return true;
    } catch (error) {
      if (error.name === "AbortError") say("model-status", "Stopped.");
      else say("model-status", sentence(error), { bad: true });
      return false;
    } finally {
      this.busy(false);
    }
  }

  #readTokenizer(json) {
    this.tokenizer = null;
    if (json === null) return "Without tokenizer.json, prompt and answer are token ids.";
    try {
      this.tokenizer = loadTokenizer(json);
      return "";
    } catch (error) {
      return sentence(error);
    }
  }

  #ready(note) {
    const { arm, sizes, chunk, config, notes, parameters } = this.generator;
    const { n_embd, n_layer, vocab_size, n_positions } = config;
    say("model-status",
      `Ready: ${plural(n_layer, "layer")}, ${n_embd} wide, ${plural(vocab_size, "token")} of vocabulary, ` +
      `${plural(parameters, "parameter")}; ` +
      `runs as ${arm} with ${sizes.workgroup_size} threads. ${[...notes.map(asSentence), note].join(" ")}`);
    the("prompt-label").textContent = this.tokenizer ? "Prompt" : "Prompt, as token ids between spaces";
    the("prompt").value = this.tokenizer ? "" : "0";
    the("new-tokens").value = String(Math.min(64, n_positions));
    the("new-tokens").max = String(n_positions);
    the("top-k").max = String(vocab_size);
    the("top-k").value = String(Math.min(40, vocab_size));
    // More would come faster than anybody reads.
    the("chunk").value = String(Math.max(1, Math.min(64, chunk)));
    the("request").hidden = false;
    this.#noteWhole();
    the("prompt").focus({ preventScroll: true });
  }

  /** What is asked for, from the form. */
  #request() {
    const text = the("prompt").value;
    const temperature = number("temperature", "The temperature");
    const seed = the("seed").value.trim();
    if (!/^\d{1,19}$/.test(seed)) throw new Refusal("The seed must be a whole number from 0.");
    return {
      prompt: this.tokenizer ? this.tokenizer.encode(text) : parseIds(text),
      new_tokens: number("new-tokens", "The number of new tokens"),
      sampling: temperature === 0 ? null : { temperature, top_k: number("top-k", "Top-k"), seed: BigInt(seed) },
      end_tokens: this.generator.end_tokens,
    };
  }

  #noteWhole() {
    if (!this.generator) return;
    // `chunk` is what takes 50 ms.
    const seconds = (Number(the("new-tokens").value) / this.generator.chunk) * 0.05;
    the("whole-note").textContent = seconds > WATCHDOG_S
      ? `(about ${Math.round(seconds)} s, and systems may reset a GPU that works for more than ${WATCHDOG_S} s on end)`
      : "";
  }

  async answer() {
    if (this.isBusy) return say("generate-status", "The GPU is busy; wait until it is done, or stop it.", { bad: true });
    this.stopping = false;
    const output = the("answer");
    const [prompt, made] = [element("span", { class: "prompt" }), element("span")];
    output.replaceChildren(prompt, made);
    this.busy(true);
    the("generate-stop").hidden = false;
    say("generate-status", "Generating …");
    say("generate-check", "");
    let answered = null;
    try {
      const request = this.#request();
      const whole = the("request").elements.chunk.value === "whole";
      const chunk = whole ? null : number("chunk", "The tokens of a dispatch");
      if (!whole && !(Number.isInteger(chunk) && chunk >= 1)) throw new Refusal("A dispatch must feed at least 1 token.");
      answered = { request, tokens: await this.#stream(request, chunk, prompt, made) };
    } catch (error) {
      say("generate-status", sentence(error), { bad: true });
    } finally {
      this.busy(false);
      the("generate-stop").hidden = true;
    }
    if (answered?.tokens.length > 0) await this.#check(answered);
  }

  /** Has the f64 oracle look at an answer; the next answer or model ends that. */
  async #check({ request, tokens }) {
    const { generator } = this;
    const go_on = () => !this.isBusy && this.generator === generator;
    const progress = (done, all) => say("generate-check", `Checking against the f64 oracle: ${done} of ${plural(all, "token")} …`);
    const found = await generator.check(request, tokens, { progress, go_on });
    if (found === null) return say("generate-check", "");
    const { reason, error, checked } = found;
    const which = checked < tokens.length ? `The first ${plural(checked, "token")}` : tokens.length === 1 ? "The token" : `All ${plural(checked, "token")}`;
    if (reason) return say("generate-check", `Wrong, by the f64 oracle: ${reason}. Please report it.`, { bad: true });
    const far = error === 0 ? "" : ` (a choice was off by at most ${tiny(error)} of the logits' range)`;
    say("generate-check", `✓ ${which} ${checked === 1 ? "is" : "are"} what the f64 oracle chooses${far}.`);
  }

  async #stream(request, chunk, prompt, made) {
    const tokens = [];
    let [wall_ns, dispatches] = [0, 0];
    for await (const piece of this.generator.generate(request, { chunk })) {
      the("answer").hidden = false;
      tokens.push(...piece.tokens);
      wall_ns = piece.wall_ns;
      dispatches += 1;
      this.#show(request.prompt, tokens, prompt, made, true);
      if (this.stopping) break;
    }
    this.#show(request.prompt, tokens, prompt, made, false);
    the("answer").dataset.tokens = tokens.join(" ");
    const ended = request.end_tokens.includes(tokens.at(-1)) ? ", to the end token" : "";
    const no = this.gpu.info.is_software ? " A software adapter: no performance of any GPU." : "";
    const stopped = this.stopping ? "Stopped: " : "";
    const took = `${plural(tokens.length, "token")} in ${plural(dispatches, "dispatch", "dispatches")} and ${three(wall_ns / 1e6)} ms`;
    const rate = `${three((tokens.length / wall_ns) * 1e9)} tokens/s, the prompt's ${plural(request.prompt.length, "token")} included`;
    say("generate-status", `${stopped}${took}${ended}. ${rate}.${no}`);
    return tokens;
  }

  /** Text is decoded with its prompt, so that spaces and letters of several bytes come out whole. */
  #show(promptIds, tokens, prompt, made, moreToCome) {
    if (!this.tokenizer) {
      prompt.textContent = `${promptIds.join(" ")} `;
      made.textContent = tokens.join(" ");
      return;
    }
    prompt.textContent = this.tokenizer.decode(promptIds);
    made.textContent = this.tokenizer.continuation(promptIds, tokens, moreToCome);
  }
}

function number(id, what) {
  const value = the(id).value.trim();
  if (value === "" || !Number.isFinite(Number(value))) throw new Refusal(`${what} must be a number.`);
  return Number(value);
}
