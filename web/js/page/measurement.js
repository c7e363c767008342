// The button's run: every case of the page in turn, how far it is, and the file that it ends in.

import { measureCase } from "../measure.js";
import { describeBrowser, fileName, resultsFile } from "../results.js";
import { element, say, the } from "./element.js";
import { alone } from "./turn.js";
import { about, caseName, plural, sentence, wayName } from "./words.js";

/** Thrown out of a case by its progress, once the visitor stops. */
class Stopped extends Error {}

/** Cases with more layers take longer, and controls hardly any time. */
const weight = ({ workload, config }) => (workload === "control" ? 0.3 : 1 + 0.5 * ((config?.n_layer ?? 1) - 1));

export class Measurement {
  /** `cases` are those of `casesOf`. `busy(true)` is told when it begins, `busy(false)` when it ends. */
  constructor({ gpu, index, cases, results, busy }) {
    Object.assign(this, { gpu, index, cases, results, busy });
    this.runs = [];
    the("measure").addEventListener("click", () => this.run());
    the("measure-stop").addEventListener("click", () => {
      this.stopping = true;
      the("measure-stop").disabled = true;
    });
    the("save").addEventListener("click", () => this.save());
  }

  async run() {
    this.stopping = false;
    // At once, not when the lock is there: a second click does nothing, and who looks sees it run.
    this.#show({ running: true });
    the("measure-bar").value = 0;
    the("measure-doing").textContent = "";
    let outcome;
    try {
      outcome = await alone(() => this.#run());
    } catch (error) {
      outcome = { text: sentence(error), bad: true };
    }
    say("measure-status", outcome.text, { bad: outcome.bad });
    this.#show({ running: false });
    the("measure").focus({ preventScroll: true });
  }

  async #run() {
    this.runs = [];
    this.results.clear();
    say("measure-status", "Measuring. Results appear below as they come.");
    const awake = await navigator.wakeLock?.request("screen").catch(() => null);
    let hidden = document.hidden;
    const look = () => (hidden ||= document.hidden);
    document.addEventListener("visibilitychange", look);
    let outcome = { text: "" };
    try {
      await this.#measureAll();
      outcome = { text: "Done. Every case is measured." };
    } catch (error) {
      outcome = error instanceof Stopped
        ? { text: "Stopped. Cases that were finished are kept." }
        : { text: sentence(error), bad: true };
    } finally {
      document.removeEventListener("visibilitychange", look);
      awake?.release().catch(() => {});
    }
    const background = hidden
      ? " This tab was in the background for a while, where browsers slow pages down: measure again before you trust the times."
      : "";
    return { ...outcome, text: outcome.text + background };
  }

  async #measureAll() {
    const begun = performance.now();
    const total = this.cases.reduce((sum, file) => sum + weight(file), 0);
    let [before, finished] = [0, 0];
    for (const file of this.cases) {
      const { experiment, spec_sha256 } = file;
      const progress = ({ arm, policy, done, total: samples }) => {
        if (this.stopping) throw new Stopped();
        const share = (before + (weight(file) * done) / samples) / total;
        this.#tell(share, (performance.now() - begun) / 1000, describe(file, arm, policy));
      };
      const measured = await measureCase(this.gpu, file, { progress });
      if (!this.runs.some((run) => run.experiment === experiment)) this.runs.push({ experiment, spec_sha256, cases: [] });
      this.runs.find((run) => run.experiment === experiment).cases.push(measured);
      before += weight(file);
      this.results.add(file, measured.rows);
      finished += 1;
      say("measure-status", `Measured ${finished} of ${plural(this.cases.length, "case")}. Results appear below as they come.`);
    }
    this.results.finish();
  }

  #tell(share, seconds, doing) {
    the("measure-bar").value = share;
    const left = share > 0.02 && seconds > 3 ? ` · ${about((seconds * (1 - share)) / share)} left` : "";
    the("measure-doing").textContent = `${Math.round(100 * share)}% · ${doing}${left}`;
  }

  #show({ running }) {
    the("measure-progress").hidden = !running;
    the("measure-stop").hidden = !running;
    the("measure-stop").disabled = false;
    the("save").hidden = running || this.#finished().length === 0;
    the("measure").textContent = this.runs.length > 0 ? "Measure again" : "Measure this GPU";
    this.busy(running);
    if (running) the("measure-stop").focus({ preventScroll: true });
  }

  /** Runs that have more than controls. */
  #finished() {
    return this.runs.filter(({ cases }) => cases.length > 1);
  }

  /** Gives the visitor the file; nothing is sent. */
  save() {
    const file = resultsFile({ about: this.index, gpu: this.gpu, ...describeBrowser(), runs: this.#finished() });
    const url = URL.createObjectURL(new Blob([JSON.stringify(file)], { type: "application/json" }));
    element("a", { href: url, download: fileName(file) }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    say("measure-status", `Saved as ${fileName(file)}.`);
  }
}

const describe = (file, arm, policy) => (arm ? `${caseName(file)} · ${wayName(file, arm, policy)}` : caseName(file));
