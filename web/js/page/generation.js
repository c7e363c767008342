// Text from a model, the page's or a visitor's own: loads it, reads the request, shows tokens as they come, and their rate.

import { breathe } from "../breathe.js";
import { ChatTemplate } from "../core.js";
import { Generator, loadGguf, loadModel } from "../generate.js";
import { Refusal } from "../refusal.js";
import { bytesOf, fromUrl } from "../checkpoint.js";
import { seen } from "../seen.js";
import { Conversation } from "./conversation.js";
import { say, the } from "./element.js";
import { progress } from "./progress.js";
import { loadTokenizer, parseIds, wrapped } from "../tokenizer.js";
import { Tried } from "./tried.js";
import { beside } from "./turn.js";
import { asSentence, plural, sentence, three, tiny } from "./words.js";

/** Systems reset a GPU that works on one dispatch for longer than about two seconds. */
const WATCHDOG_S = 2;

/** What is asked of the page's own model at first, as the form has it. */
const FIRST = { prompt: "The morning was", temperature: 0.8, "top-k": 40, seed: 1 };

export class Generation {
  /** `gpu` is null where there is none. `busy(true)` is told when the GPU is taken, `busy(false)` when it is free. */
  constructor({ gpu, busy }) {
    Object.assign(this, { gpu, busy });
    this.generator = null;
    this.tokenizer = null;
    /** The address of the page's own model. */
    this.shipped = null;
    this.conversation = new Conversation();
    this.tried = new Tried(the("tried"));
    the("request").hidden = !gpu;
    the("request").addEventListener("submit", (event) => {
      event.preventDefault();
      this.answer();
    });
    the("request").addEventListener("input", () => this.#noteWhole());
    /** Whether the prompt is the visitor's own, who may type while the page's model is loading. */
    this.isTyped = false;
    the("prompt").addEventListener("input", () => (this.isTyped = true));
    the("generate-stop").addEventListener("click", () => (this.stopping = true));
    the("model-back").addEventListener("click", () => this.loadShipped());
  }

  /** Loads the model that lies beside the page, which is made ready without trials. */
  loadShipped() {
    const { temperature, "top-k": top_k, seed } = FIRST;
    const atOnce = { temperature, top_k, seed };
    const told = progress("Loading the model", (text) => say("model", text));
    return this.load(() => fromUrl(this.shipped, { progress: told }), { line: "model", atOnce });
  }

  /** Loads what `files()` resolves to, and says in a line of the page how that goes; says whether that worked. */
  async load(files, { line, atOnce }) {
    const tell = (text, how) => say(line, text, how);
    if (!this.gpu) return tell("There is no GPU here to run a model on.", { bad: true });
    if (this.isBusy) return tell("The GPU is busy; wait until it is done, or stop it.", { bad: true });
    this.#forget(!atOnce);
    this.busy(true);
    try {
      const { name, ...parts } = await files();
      tell("Reading the model …");
      const bytes = await bytesOf(parts.gguf ?? parts.weights, progress("Reading the weights", tell));
      await breathe();
      const model = parts.gguf ? loadGguf(bytes, name) : loadModel(parts.config, bytes, parts.generationConfig ?? undefined);
      const told = (words) => tell(`${words} …`);
      const ready = () => Generator.of(this.gpu, model, { atOnce, progress: told });
      await breathe();
      const note = this.#readText(model, parts);
      await breathe();
      // Trials of sizes would suffer from a measurement, and it from them; what is ready at once has none.
      this.generator = await (atOnce ? ready() : beside(ready));
      this.#ready(line, note, name, Boolean(atOnce));
      if (atOnce && !this.gpu.info.is_software) this.generator.compile(["operation"], atOnce);
      return true;
    } catch (error) {
      if (!atOnce) say("model", "No model is loaded.");
      if (error.name === "AbortError") tell("Stopped.");
      else tell(sentence(error), { bad: true });
      return false;
    } finally {
      the("model-back").hidden = !this.shipped || (Boolean(atOnce) && this.generator !== null);
      this.busy(false);
    }
  }

  #forget(hides) {
    this.generator?.destroy();
    this.generator = null;
    this.tried.forget();
    if (hides) this.isTyped = false;
    the("request").hidden = hides;
    the("answer").hidden = true;
    say("generate-status", "");
    say("generate-check", "");
  }

  /** Reads what makes token ids of text: the tokenizer and, for a conversation, the chat template. Says what is amiss. */
  #readText(model, { gguf, tokenizer, chatTemplate, tokenizerConfig }) {
    const faults = [];
    const read = (work) => {
      try {
        return work() ?? null;
      } catch (error) {
        faults.push(sentence(error));
        return null;
      }
    };
    const template = read(() => (gguf ? model.template() : ChatTemplate.ofTexts(chatTemplate ?? undefined, tokenizerConfig ?? undefined)));
    this.tokenizer = read(() => (gguf ? wrapped(model.takeTokenizer()) : tokenizer && loadTokenizer(tokenizer)));
    this.conversation.begin(this.tokenizer, template);
    return gguf || tokenizer ? faults.join(" ") : "Without tokenizer.json, prompt and answer are token ids.";
  }

  #ready(line, note, name, isShipped) {
    const { arm, sizes, chunk, config, notes, parameters } = this.generator;
    const { n_embd, n_layer, vocab_size, n_positions } = config;
    const about = `${plural(n_layer, "layer")}, ${n_embd} wide, ${plural(vocab_size, "token")} of vocabulary, ` +
      `${plural(parameters, "parameter")}; ` +
      `runs as ${arm} with ${sizes.workgroup_size} threads. ${[...notes.map(asSentence), note].join(" ")}`;
    say("model", `Model: ${isShipped ? name : `yours${name ? `, ${name}` : ""}`}; ${about}`);
    if (!isShipped) say(line, `Ready: ${about}`);
    the("prompt-label").textContent = this.tokenizer ? "Prompt" : "Prompt, as token ids between spaces";
    the("new-tokens").value = String(Math.min(64, n_positions));
    the("new-tokens").max = String(n_positions);
    the("temperature").value = "0";
    the("top-k").max = String(vocab_size);
    the("top-k").value = String(Math.min(40, vocab_size));
    const { prompt, ...sampling } = isShipped ? FIRST : { prompt: this.tokenizer ? "" : "0" };
    if (!this.isTyped) the("prompt").value = prompt;
    for (const [id, value] of Object.entries(sampling)) the(id).value = String(value);
    // More would come faster than anybody reads.
    the("chunk").value = String(Math.max(1, Math.min(64, chunk)));
    the("chunks").hidden = isShipped;
    the("request").elements.span.value = !isShipped ? "chunk" : this.#wholeSeconds() > WATCHDOG_S ? "token" : "generation";
    the("request").hidden = false;
    this.#noteWhole();
    if (!isShipped) the("prompt").focus();
  }

  /** What is asked for, from the form. */
  #request() {
    const text = the("prompt").value;
    const temperature = number("temperature", "The temperature");
    const seed = the("seed").value.trim();
    if (!/^\d{1,19}$/.test(seed)) throw new Refusal("The seed must be a whole number from 0.");
    const request = {
      new_tokens: number("new-tokens", "The number of new tokens"),
      sampling: temperature === 0 ? null : { temperature, top_k: number("top-k", "Top-k"), seed: BigInt(seed) },
      end_tokens: this.generator.end_tokens,
    };
    if (this.conversation.isOn) return this.conversation.request(text, request, this.generator.config);
    return { ...request, prompt: this.tokenizer ? this.tokenizer.encode(text) : parseIds(text) };
  }

  /** What a dispatch covers, from the form. */
  #span() {
    const span = the("request").elements.span.value;
    if (span !== "chunk") return span;
    const chunk = number("chunk", "The tokens of a dispatch");
    if (!(Number.isInteger(chunk) && chunk >= 1)) throw new Refusal("A dispatch must feed at least 1 token.");
    return `chunk:${chunk}`;
  }

  /** Of one dispatch for the whole answer; `chunk` is what takes 50 ms. */
  #wholeSeconds() {
    return (Number(the("new-tokens").value) / this.generator.chunk) * 0.05;
  }

  #noteWhole() {
    if (!this.generator) return;
    const seconds = this.#wholeSeconds();
    const isWhole = the("request").elements.span.value === "generation";
    say("whole-note", isWhole && seconds > WATCHDOG_S
      ? `That takes about ${Math.round(seconds)} s here, and systems may reset a GPU that works for more than ${WATCHDOG_S} s on end.`
      : "");
  }

  async answer() {
    if (!this.generator) return;
    if (this.isBusy) return say("generate-status", "The GPU is busy; wait until it is done, or stop it.", { bad: true });
    this.stopping = false;
    const [prompt, made] = this.conversation.show(the("answer"));
    const { isOn } = this.conversation;
    this.busy(true);
    the("generate-stop").hidden = false;
    // Until something is there: each way has kernels of its own, which may have to be compiled.
    say("generate-status", "Preparing …");
    say("generate-check", "");
    let answered = null;
    try {
      const request = this.#request();
      // As it was typed: tokenizers may add a token before it.
      const message = the("prompt").value;
      prompt.textContent = this.tokenizer ? message : `${request.prompt.join(" ")} `;
      answered = { request, tokens: await beside(() => this.#stream(request, this.#span(), made)) };
      if (isOn && answered.tokens.length > 0) this.conversation.said(message, made.textContent);
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
    const go_on = async () => (await seen(), !this.isBusy && this.generator === generator);
    const progress = (done, all) => say("generate-check", `Checking against the f64 oracle: ${done} of ${plural(all, "token")} …`);
    const found = await generator.check(request, tokens, { progress, go_on });
    if (found === null) return say("generate-check", "");
    const { reason, error, checked } = found;
    const which = checked < tokens.length ? `The first ${plural(checked, "token")}` : tokens.length === 1 ? "The token" : `All ${plural(checked, "token")}`;
    if (reason) return say("generate-check", `Wrong, by the f64 oracle: ${reason}. Please report it.`, { bad: true });
    const far = error === 0 ? "" : ` (a choice was off by at most ${tiny(error)} of the logits' range)`;
    say("generate-check", `✓ ${which} ${checked === 1 ? "is" : "are"} what the f64 oracle chooses${far}.`);
  }

  async #stream(request, span, made) {
    const tokens = [];
    let [wall_ns, dispatches] = [0, 0];
    let hasRested = false;
    for await (const piece of this.generator.generate(request, { span })) {
      if (dispatches === 0) say("generate-status", "Generating …");
      the("answer").hidden = false;
      tokens.push(...piece.tokens);
      ({ wall_ns, dispatches } = piece);
      this.#show(request, tokens, made, true);
      if (this.stopping) break;
      // One more is on its way by then.
      hasRested = (await seen()) || hasRested;
    }
    this.#show(request, tokens, made, false);
    the("answer").dataset.tokens = tokens.join(" ");
    const ended = request.end_tokens.includes(tokens.at(-1)) ? ", to the end token" : "";
    const no = this.gpu.info.is_software ? " A software adapter: no performance of any GPU." : "";
    const stopped = this.stopping ? "Stopped: " : "";
    const count = `${plural(tokens.length, "token")} in ${plural(dispatches, "dispatch", "dispatches")}`;
    const took = `${three(wall_ns / 1e6)} ms`;
    const rate = `${three((tokens.length / wall_ns) * 1e9)} tokens/s, the prompt's ${plural(request.prompt.length, "token")} included`;
    say("generate-status", hasRested
      ? `${stopped}${count}${ended}. It rested while this tab was in the background, so there is no time to tell.`
      : `${stopped}${count} and ${took}${ended}. ${rate}.${no}`);
    if (!this.stopping && !hasRested) this.tried.add(request, span, { tokens, dispatches, wall_ns });
    return tokens;
  }

  /** Text is decoded with its prompt, so that spaces and letters of several bytes come out whole; an end token is no part of it. */
  #show({ prompt, end_tokens }, tokens, made, moreToCome) {
    const shown = tokens.filter((token) => !end_tokens.includes(token));
    made.textContent = this.tokenizer ? this.tokenizer.continuation(prompt, shown, moreToCome) : tokens.join(" ");
  }
}

function number(id, what) {
  const value = the(id).value.trim();
  if (value === "" || !Number.isFinite(Number(value))) throw new Refusal(`${what} must be a number.`);
  return Number(value);
}
