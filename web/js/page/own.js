// A visitor's own model: chosen, dropped, fetched or kept, and handed to the generation.

import { droppedFiles, filesIn, fromFiles, fromUrl, placeOf } from "../checkpoint.js";
import { element, say, the } from "./element.js";
import { Kept } from "./kept.js";
import { progress } from "./progress.js";

/** Where an address leads; null where it is none, of which `fromUrl` says what is wrong. */
function placed(address) {
  return URL.canParse(address, document.baseURI) ? placeOf(address).href : null;
}

export class Own {
  constructor(generation) {
    this.generation = generation;
    this.kept = new Kept((files) => this.#load(async () => fromFiles(await files())));
    for (const kind of ["files", "folder"]) {
      the(`pick-${kind}`).addEventListener("click", () => the(kind).click());
      the(kind).addEventListener("change", ({ target }) => {
        const files = Array.from(target.files);
        // So that choosing the same files again is a change.
        target.value = "";
        if (files.length > 0) this.#load(() => fromFiles(files), files[0].webkitRelativePath.split("/")[0] || "chosen files");
      });
    }
    this.#takeDrops();
    the("fetch").addEventListener("submit", (event) => {
      event.preventDefault();
      this.fetch(the("url").value.trim());
    });
    // A phone has no folders to choose.
    the("pick-folder").hidden = matchMedia("(hover: none) and (pointer: coarse)").matches;
  }

  /** Loads what `files()` resolves to; it may be kept, as `name` or under the name of its one file, with the `address` it is from. */
  async #load(files, name = null, address = null) {
    the("share").hidden = true;
    this.kept.offer(null);
    let parts;
    const loaded = await this.generation.load(async () => (parts = await files()), { line: "model-status" });
    // A folder's name has no slashes.
    const plain = (parts?.name ?? name)?.replaceAll(/[\\/:]+/g, " ").trim();
    if (loaded && name) this.kept.offer({ name: plain, files: filesIn(parts), address });
    return loaded;
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
      this.#load(async () => fromFiles(await dropped), "dropped files");
    });
  }

  /** Loads what the page's own address names: as it is kept here, where it is, which needs no network; else from there. */
  async open(address) {
    const place = placed(address);
    if (place !== null) {
      the("url").value = place;
      if (await this.kept.loadFrom(place)) return;
    }
    await this.fetch(address);
  }

  /** Loads from an address, and offers the page's own address with it. */
  async fetch(address) {
    const fetching = new AbortController();
    the("fetch-stop").onclick = () => fetching.abort();
    const loaded = await this.#load(async () => {
      say("model-status", "Fetching …");
      the("fetch-stop").hidden = false;
      const told = progress("Fetching the weights", (text) => say("model-status", text));
      try {
        return await fromUrl(address, { progress: told, signal: fetching.signal });
      } finally {
        the("fetch-stop").hidden = true;
      }
    }, address, placed(address));
    if (!loaded) return;
    const url = new URL(location.href);
    url.search = "";
    url.hash = "";
    url.searchParams.set("model", address);
    the("share").replaceChildren("This page with this model: ", element("a", { href: url.href }, url.href));
    the("share").hidden = false;
  }
}
