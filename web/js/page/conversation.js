// What was said so far between a visitor and a model, and the prompt that goes on from there: by the model's own chat template;
// without one what is written goes on where the text stopped.

import { Refusal } from "../refusal.js";
import { element, say, the } from "./element.js";

export class Conversation {
  constructor() {
    this.begin(null, null);
    the("converse").addEventListener("change", () => this.#note());
    the("converse-anew").addEventListener("click", () => {
      this.#forget();
      the("answer").hidden = true;
      the("prompt").focus();
    });
  }

  /** With another model, by its tokenizer and its template; either may be null. */
  begin(tokenizer, template) {
    Object.assign(this, { tokenizer, template });
    the("converse").closest("label").hidden = !tokenizer;
    the("converse").checked = Boolean(tokenizer && template);
    this.#forget();
    this.#note();
  }

  #forget() {
    /** `[{message, answer}]` */
    this.turns = [];
    the("converse-anew").hidden = true;
  }

  #note() {
    say("converse-note", this.isOn && !this.template ? "This model has no chat template: what you write goes on where its text stopped." : "");
  }

  /** Whether the visitor wants one. */
  get isOn() {
    return the("converse").checked;
  }

  /** The request that has `message` answered: that of a single answer, with all that was said before. */
  request(message, request, { n_positions }) {
    const prompt = this.#ids(message);
    // The last new token is never fed back.
    const left = n_positions + 1 - prompt.length;
    if (left < 1) {
      throw new Refusal(`With this message the conversation has ${prompt.length} tokens, and the model has place for ${n_positions}; ` +
        "begin anew, or write less.");
    }
    // With one seed all answers would draw alike.
    const sampling = request.sampling && { ...request.sampling, seed: request.sampling.seed + BigInt(this.turns.length) };
    return { ...request, prompt, sampling, new_tokens: Math.min(request.new_tokens, left) };
  }

  #ids(message) {
    const said = this.turns.flatMap((turn) => [["user", turn.message], ["assistant", turn.answer]]);
    const all = [...said, ["user", message]];
    if (!this.template) return this.tokenizer.encode(all.map(([, text]) => text).join(""));
    return this.tokenizer.encodeAsWritten(this.template.render(JSON.stringify(all)));
  }

  /** Keeps a turn; the next message can be written. */
  said(message, answer) {
    this.turns.push({ message, answer });
    the("prompt").value = "";
    the("converse-anew").hidden = false;
  }

  /** Shows in `output` what was said, and gives the places of a new message and its answer. */
  show(output) {
    const turn = ({ message, answer }) => [element("span", { class: "prompt" }, message), element("span", {}, answer)];
    const places = turn({ message: "", answer: "" });
    output.classList.toggle("turns", this.isOn && Boolean(this.template));
    output.replaceChildren(...(this.isOn ? this.turns.flatMap(turn) : []), ...places);
    return places;
  }
}
