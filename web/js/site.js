// What `onedispatch web` put beside the page, by paths below `base`: shaders, cases, committed devices.

import { Refusal } from "./refusal.js";

/** Version of the layout of a case that is read here: that of `src/web/case.rs`. */
const CASE_FORMAT = "onedispatch-page-case-2";

/** The files of a site. `base` is its address; `read(path)` may be given instead, where there is no `fetch` (as in Node). */
export class Site {
  constructor({ base = new URL("..", import.meta.url), read } = {}) {
    this.read = read ?? ((path) => fetchText(new URL(path, base)));
    this.shaders = new Map();
    /** The text of a file under `shaders/`; for `Prepared.of`. */
    this.source = (file) => {
      if (!this.shaders.has(file)) this.shaders.set(file, this.read(`shaders/${file}`));
      return this.shaders.get(file);
    };
  }

  /** `{onedispatch, commit, clean, experiments: [{experiment, question, workload, spec, spec_sha256, cases}]}` */
  async index() {
    return JSON.parse(await this.read("cases/index.json"));
  }

  /** A case by its path in the index. */
  async case(file) {
    const found = JSON.parse(await this.read(file));
    if (found.format !== CASE_FORMAT) {
      throw new Refusal(`${file} is of another version of this page; reload the page to get its newest version.`);
    }
    // Long words stand once, however many programs have them.
    for (const { contents } of found.programs.flatMap(({ program }) => program.buffers)) {
      if (contents.shared !== undefined) contents.words = found.words[contents.shared];
    }
    return found;
  }

  /** `[{device, is_software, rows}]` */
  async devices() {
    return JSON.parse(await this.read("devices.json"));
  }
}

async function fetchText(url) {
  let response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new Refusal(`${url.pathname} could not be loaded (${error.message}); look at the connection and reload the page.`, {
      cause: error,
    });
  }
  if (!response.ok) throw new Refusal(`${url.pathname} could not be loaded (status ${response.status}); reload the page.`);
  return response.text();
}
