// Models that the visitor keeps for offline use: offered once one is loaded, listed with their sizes, loaded and removed.

import { forget, keep, keptFiles, keptFrom, keptModels } from "../kept.js";
import { element, say, the } from "./element.js";
import { progress } from "./progress.js";
import { sentence, three } from "./words.js";

const size = (bytes) => `${three(bytes / 2 ** 20)} MiB`;

export class Kept {
  /** `load(files)` loads what `files()` resolves to. */
  constructor(load) {
    this.load = load;
    this.offered = null;
    the("keep").addEventListener("click", () => this.#keep());
    this.#list();
  }

  /** Loads the model that came from this address, if it is kept; says whether it is. */
  async loadFrom(address) {
    const name = await keptFrom(address);
    if (name === null) return false;
    const loaded = await this.load(() => keptFiles(name));
    if (loaded) say("keep-status", `“${name}” is loaded as it is kept in this browser; “Fetch” takes it from its address anew.`);
    return true;
  }

  /** Offers to keep a model, `{name, files}`, with the `address` that it came from, if any; null offers nothing. */
  offer(model) {
    this.offered = model;
    const bytes = model?.files.reduce((all, file) => all + file.size, 0);
    the("keep").hidden = !model;
    the("keep").textContent = model ? `Keep “${model.name}” for offline use (${size(bytes)})` : "";
    say("keep-status", "");
  }

  async #keep() {
    const { name, files, address } = this.offered;
    this.offer(null);
    const tell = (text) => say("keep-status", text);
    tell("Keeping …");
    try {
      const kept = `“${await keep(name, files, { address, progress: progress("Keeping", tell) })}” is kept.`;
      await this.#list();
      tell(kept);
      // Some browsers ask the visitor.
      if (!(await navigator.storage.persist())) tell(`${kept} The browser may drop it once the disk gets full.`);
    } catch (error) {
      say("keep-status", sentence(error), { bad: true });
    }
  }

  async #remove(name) {
    try {
      await forget(name);
      await this.#list();
      say("keep-status", `“${name}” is removed.`);
    } catch (error) {
      say("keep-status", `“${name}” could not be removed (${error.message}); close other tabs of this page, and try again.`, { bad: true });
    }
    (the("kept").querySelector("button") ?? the("pick-files")).focus();
  }

  async #list() {
    const models = await keptModels();
    const button = (word, name, does) => {
      const made = element("button", { type: "button", "aria-label": `${word} ${name}` }, word);
      made.addEventListener("click", does);
      return made;
    };
    the("kept").hidden = models.length === 0;
    the("kept").querySelector("ul").replaceChildren(...models.map(({ name, bytes }) => element("li", { class: "actions" },
      element("span", {}, `${name}, ${size(bytes)}`),
      button("Load", name, () => this.load(() => keptFiles(name))),
      button("Remove", name, () => this.#remove(name)))));
  }
}
