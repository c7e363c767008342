// What was measured so far: the finding in a sentence, the two figures, and each row with its check.

import { ladder } from "../figures/ladder.js";
import { throughput } from "../figures/throughput.js";
import { element, the } from "./element.js";
import { otherRungs, ownRungs } from "./rungs.js";
import { armName, caseName, interval, plural, rungName, three, tiny } from "./words.js";

/** Shows results as they come. */
export class Results {
  /** `devices` as `Site.devices` gives them, `files` are the cases of the page (controls may be among them). */
  constructor(devices, files) {
    this.devices = devices;
    this.files = files.filter(({ workload }) => workload !== "control");
    this.gpu = null;
    this.rows = new Map();
    const select = the("case");
    this.files.forEach((file, index) => select.append(element("option", { value: String(index) }, caseName(file))));
    select.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(the("results"));
    this.draw();
  }

  /** Whose results these are: `Gpu.info`. */
  of(gpu) {
    this.gpu = gpu;
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
    if (file.workload !== "control") the("case").value = String(this.files.indexOf(file));
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
    the("figures").hidden = drawn.every((figure) => figure === null) || this.files.length === 0;
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
    return this.gpu?.is_software ? "A software adapter runs on the processor: its times are no performance of any GPU." : "";
  }

  #finding() {
    let best = null;
    for (const [file, rows] of this.rows) {
      if (file.workload !== "decode") continue;
      const rungs = ownRungs(rows);
      const [slow, fast] = [rungs.find(({ rung }) => rung === "wait-each"), rungs.find(({ rung }) => rung === "fused")];
      if (slow && fast && !(best?.gain > fast.rate / slow.rate)) best = { file, slow, fast, once: rungs.find(({ rung }) => rung === "one-submit"), gain: fast.rate / slow.rate };
    }
    const all = [...this.rows.values()].flat();
    const right = all.filter(({ gate }) => gate === "pass").length;
    const checked = all.length === 0 ? "" : ` ${right} of ${plural(all.length, "output")} ${all.length === 1 ? "is" : "are"} right.`;
    if (!best) return checked.trim();
    const { file, slow, fast, once, gain } = best;
    const range = `${three(fast.low / slow.high)}–${three(fast.high / slow.low)}`;
    const against = once ? `, and ${three(fast.rate / once.rate)} times of what the same dispatches in one submit give` : "";
    return `At most (${caseName(file)}), one dispatch on ${this.#whose()} makes ${three(fast.rate)} tokens/s: ${three(gain)} times ` +
      `(${range}) of what waiting after each dispatch gives${against}.${checked}`;
  }

  #lines(software) {
    const decode = this.files.filter(({ workload }) => workload === "decode");
    const at = (file, rung) => ({ n_embd: file.config.n_embd, n_layer: file.config.n_layer, ...rung });
    const series = (label, tone, dashed, rungsOf, wanted) => ({
      label, tone, dashed,
      points: decode.flatMap((file) => rungsOf(file).filter(({ rung }) => rung === wanted).map((rung) => at(file, rung))),
    });
    const own = (file) => ownRungs(this.rows.get(file) ?? []);
    const others = new Set(decode.flatMap((file) => otherRungs(this.devices, file, software).map(({ label }) => label)));
    return [
      series("one dispatch", "fused", false, own, "fused"),
      series("one submit", "own", false, own, "one-submit"),
      series("wait after each", "own", true, own, "wait-each"),
      ...[...others].map((label) => {
        const found = (file) => otherRungs(this.devices, file, software).find((other) => other.label === label)?.rungs ?? [];
        return series(label.replace(", ", "\n"), "other", false, found, "fused");
      }),
    ].filter(({ points }) => points.length > 0);
  }
}

/** The rows of a case, folded under what they amount to. */
function table(file, rows) {
  const rungs = ownRungs(rows);
  const [slow, fast] = [rungs.find(({ rung }) => rung === "wait-each"), rungs.find(({ rung }) => rung === "fused")];
  const gain = slow && fast && file.workload !== "control" ? `: one dispatch × ${three(fast.rate / slow.rate)}` : "";
  const right = rows.filter(({ gate }) => gate === "pass").length;
  const head = ["Way", "Rate", "95% interval", "A run takes", "Check: error of at most"];
  const body = element("tbody");
  for (const row of rows) {
    const timed = row.units_per_s !== null;
    const unit = row.unit || "run";
    const [low, high] = [(row.units / row.wall_high_ns) * 1e9, (row.units / row.wall_low_ns) * 1e9];
    const policy = row.arm.startsWith("fused") ? "" : `, ${(rungName(row.policy, unit) ?? row.policy).toLowerCase()}`;
    const replica = row.replica > 0 ? ", once more" : "";
    const way = file.workload === "control" ? `${row.arm}, ${row.policy}${replica}` : `${armName(row.arm)}${policy}${replica}`;
    const check = row.gate === "pass"
      ? `✓ ${row.gate_error === null ? "exact" : tiny(row.gate_error)} of ${tiny(file.tolerance)}`
      : `✗ ${row.reason}`;
    body.append(element("tr", {},
      element("th", { scope: "row" }, way),
      element("td", { class: "number" }, timed ? `${three(row.units_per_s)} ${unit}s/s` : "–"),
      element("td", { class: "number" }, timed ? interval(low, high) : "–"),
      element("td", { class: "number" }, timed ? `${three(row.wall_median_ns / 1e6)} ms` : "–"),
      element("td", row.gate === "pass" ? {} : { class: "bad" }, check)));
  }
  return element("details", {},
    element("summary", {}, `${caseName(file)}${gain}; ${right} of ${rows.length} right`),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Rows of ${caseName(file)}` },
      element("table", {},
        element("thead", {}, element("tr", {}, ...head.map((name, at) => element("th", { scope: "col", ...(at > 0 && at < 4 ? { class: "number" } : {}) }, name)))),
        body)));
}
