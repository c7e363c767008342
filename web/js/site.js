// What `onedispatch web` put beside the page, by paths below `base`: experiments, committed devices.

import { Refusal } from "./refusal.js";

/** The files of a site. `base` is its address; `read(path)` may be given instead, where there is no `fetch` (as in Node). */
export class Site {
  constructor({ base = new URL("..", import.meta.url), read } = {}) {
    this.read = read ?? ((path) => fetchText(new URL(path, base)));
  }

  /**
   * `{onedispatch, commit, clean, model, experiments: [{experiment, question, workload, quick, spec, spec_sha256, cases}]}`; a case is what
   * is listed of it before it is measured, as in `src/core/cases/page/mod.rs`.
   */
  async index() {
    return JSON.parse(await this.read("experiments.json"));
  }

  /** `[{device, is_software, rows}]` */
  async devices() {
    return JSON.parse(await this.read("devices.json"));
  }
}

/** The cases of all experiments of an index in order, each with its experiment: what `measureCase` takes. */
export const casesOf = ({ experiments }) => experiments.flatMap(({ experiment, spec, spec_sha256, cases }) =>
  cases.map((outline) => ({ experiment, spec, spec_sha256, ...outline })));

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
