// What was measured so far: the finding in a sentence, the two figures, and each row with its check.

import { ladder } from "../figures/ladder.js";
import { throughput } from "../figures/throughput.js";
import { element, the } from "./element.js";
import { otherRungs, ownRungs, rateInterval } from "./rungs.js";
import { caseName, interval, perSecond, plural, three, tiny, wayName } from "./words.js";

/** Shows results as they come. */
export class Results {
  /**
   * `devices` as `Site.devices` gives them, `files` are the cases of the page (controls may be among them), `gpu` is the `info`
   * of the visitor's, or null.
   */
  constructor(devices, files, gpu) {
    this.devices = devices;
    this.files = files.filter(({ workload }) => workload !== "control");
    this.gpu = gpu;
    this.rows = new Map();
    const select = the("case");
    this.files.forEach((file, index) => select.append(element("option", { value: String(index) }, caseName(file))));
    select.addEventListener("change", () => {
      this.chosen = true;
      this.draw();
    });
    new ResizeObserver(() => this.draw()).observe(the("results"));
    this.draw();
  }

  /** Forgets the visitor's rows. */
  clear() {
    this.rows.clear();
    the("checks").replaceChildren();
    this.draw();
  }

  /** Takes the rows of a case. */
  add(file, rows) {
    this.rows.set(file, rows);
    the("checks").append(table(file, rows));
    if (file.workload !== "control" && !this.chosen) the("case").value = String(this.files.indexOf(file));
    this.draw();
  }

  /** Goes back to the first case, unless the visitor chose one. */
  finish() {
    if (!this.chosen) the("case").value = "0";
    this.draw();
  }

  draw() {
    const width = Math.max(280, the("results").clientWidth);
    const software = { is_software: this.gpu?.is_software === true };
    const file = this.files[Number(the("case").value)];
    const own = ownRungs(this.rows.get(file) ?? []);
    const others = file ? otherRungs(this.devices, file, software) : [];
    const unit = file?.workload === "rollout" ? "step" : "token";
    const lines = this.#lines(software);
    const drawn = [ladder({ own, others, unit, width }), throughput({ lines, width })];
    the("figures").hidden = drawn.every((figure) => figure === null);
    the("ladder").replaceChildren(...[drawn[0]].filter(Boolean));
    the("throughput").replaceChildren(...[drawn[1]].filter(Boolean));
    the("ladder-caption").textContent = drawn[0] ? this.#ladderCaption(own, others) : "";
    the("throughput-caption").textContent = drawn[1] ? this.#throughputCaption() : "";
    the("finding").textContent = this.#finding();
  }

  #whose() {
    return this.gpu?.is_software ? "this software adapter" : "this GPU";
  }

  #ladderCaption(own, others) {
    const mine = own.length > 0
      ? `Filled dots are ${this.#whose()}, bars their 95% intervals; each factor is the step from the row above. `
      : "This GPU joins the figure once this case has been measured. ";
    return `${mine}${others.length > 0 ? "Diamonds are devices measured before. " : ""}${this.#software()}`;
  }

  #throughputCaption() {
    const mine = this.rows.size > 0 ? `The fastest kernel of one dispatch, and two ways of many, on ${this.#whose()}. ` : "";
    return `Decoding by the model's width. ${mine}Diamonds are the one dispatch of devices measured before. ${this.#software()}`;
  }

  #software() {
    return this.gpu?.is_software ? "Times of a software adapter are no performance of any GPU." : "";
  }

  #finding() {
    const all = [...this.rows.values()].flat();
    const checked = all.length === 0 ? "" : `${verdict(all)}.`.replace(/^./, (letter) => letter.toUpperCase());
    const gains = this.#gains();
    if (gains.length === 0) return checked;
    const range = (values) => {
      const [least, most] = [Math.min(...values), Math.max(...values)].map(three);
      return least === most ? most : `${least} to ${most}`;
    };
    return `In ${plural(gains.length, "model")}, one dispatch on ${this.#whose()} is ` +
      `${range(gains.map(({ waiting }) => waiting))} times as fast as waiting after each dispatch, and ` +
      `${range(gains.map(({ once }) => once))} times as fast as the same dispatches in one submit. ${checked}`;
  }

  /** What one dispatch gains in each decode case that has all of its rungs. */
  #gains() {
    return [...this.rows].filter(([{ workload }]) => workload === "decode").flatMap(([, rows]) => {
      const rungs = new Map(ownRungs(rows).map(({ rung, rate }) => [rung, rate]));
      const fused = rungs.get("fused");
      if (!fused || !rungs.has("wait-each") || !rungs.has("one-submit")) return [];
      return [{ waiting: fused / rungs.get("wait-each"), once: fused / rungs.get("one-submit") }];
    });
  }

  #lines(software) {
    const decode = this.files.filter(({ workload }) => workload === "decode");
    const at = (file, rung) => ({ n_embd: file.config.n_embd, n_layer: file.config.n_layer, ...rung });
    const series = (label, tone, dashed, rungsOf, wanted) => ({
      label, tone, dashed,
      points: decode.flatMap((file) => rungsOf(file).filter(({ rung }) => rung === wanted).map((rung) => at(file, rung))),
    });
    const own = (file) => ownRungs(this.rows.get(file) ?? []);
    const others = new Map(decode.map((file) => [file, otherRungs(this.devices, file, software)]));
    const labels = new Set([...others.values()].flat().map(({ label }) => label));
    return [
      series("one dispatch", "fused", false, own, "fused"),
      series("one submit", "own", false, own, "one-submit"),
      series("wait after each", "own", true, own, "wait-each"),
      ...[...labels].map((label) => {
        const found = (file) => others.get(file).find((other) => other.label === label)?.rungs ?? [];
        return series(label.replace(", ", "\n"), "other", false, found, "fused");
      }),
    ].filter(({ points }) => points.length > 0);
  }
}

/** A way that does not run on a device has no output that could be right or wrong. */
const hasRun = ({ program_sha256 }) => program_sha256 !== "";

/** `all 7 outputs are right`, or how many are not. */
function verdict(rows) {
  const ran = rows.filter(hasRun);
  const wrong = ran.filter(({ gate }) => gate !== "pass").length;
  const all = plural(ran.length, "output");
  const outputs = wrong === 0 ? `all ${all} are right` : `${wrong} of ${all} ${wrong === 1 ? "is" : "are"} wrong`;
  const not = rows.length - ran.length;
  return not === 0 ? outputs : `${outputs}, ${not} ${not === 1 ? "way does" : "ways do"} not run on this device`;
}

/** The rows of a case, folded under what they amount to. */
function table(file, rows) {
  const rungs = ownRungs(rows);
  const [slow, fast] = [rungs.find(({ rung }) => rung === "wait-each"), rungs.find(({ rung }) => rung === "fused")];
  const gain = slow && fast && file.workload !== "control" ? `: one dispatch × ${three(fast.rate / slow.rate)}` : "";
  const head = element("tr", {},
    element("th", { scope: "col" }, "Way"),
    element("th", { scope: "col", class: "number" }, "Rate, 95% interval"),
    element("th", { scope: "col" }, `Largest error (${tiny(file.tolerance)} allowed)`),
    element("th", { scope: "col", class: "number" }, "A run takes"));
  const body = rows.map((row) => {
    const timed = row.units_per_s !== null;
    const { low, high } = rateInterval(row);
    const under = (words) => [element("br"), element("span", { class: "quiet" }, words)];
    const rate = timed ? [`${three(row.units_per_s)} ${perSecond(row.unit)}`, ...under(interval(low, high))] : ["–"];
    const passed = row.gate === "pass";
    const error = row.gate_error === null ? "no number to compare" : row.gate_error === 0 ? "none" : tiny(row.gate_error);
    const capped = row.cap ? under(row.cap) : [];
    const found = passed ? `✓ ${error}` : hasRun(row) ? `✗ ${row.reason}` : row.reason;
    return element("tr", {},
      element("th", { scope: "row" }, wayName(file, row.arm, row.policy) + (row.replica > 0 ? ", once more" : ""), ...capped),
      element("td", { class: "number" }, ...rate),
      element("td", passed || !hasRun(row) ? {} : { class: "bad" }, found),
      element("td", { class: "number" }, timed ? `${three(row.wall_median_ns / 1e6)} ms` : "–"));
  });
  return element("details", {},
    element("summary", {}, `${caseName(file)}${gain}; ${verdict(rows)}`),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Rows of ${caseName(file)}` },
      element("table", {}, element("thead", {}, head), element("tbody", {}, ...body))));
}
