// How the page words numbers, arms and errors.

import { Refusal } from "../refusal.js";

const DIGITS = [0, 1, 2].map((digits) =>
  new Intl.NumberFormat("en", { maximumFractionDigits: digits, minimumFractionDigits: digits }));

/** A number to three digits: 16,410 becomes 16,400, 3.14159 becomes 3.14. */
export function three(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const unit = 10 ** (magnitude - 2);
  if (magnitude < -3) return value.toPrecision(2);
  return DIGITS[Math.min(2, Math.max(0, 2 - magnitude))].format(unit > 1 ? Math.round(value / unit) * unit : value);
}

/** A small number as 3.0 × 10⁻⁶. */
export function tiny(value) {
  if (value === 0) return "0";
  const [mantissa, exponent] = value.toExponential(1).split("e");
  const raised = [...exponent.replace("+", "")].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻").join("");
  return mantissa === "1.0" ? `10${raised}` : `${mantissa} × 10${raised}`;
}

export const interval = (low, high) => `${three(low)}–${three(high)}`;

/** A span of time as one rounds it when asked: `about 3 minutes`. */
export function about(seconds) {
  if (seconds < 20) return "a few seconds";
  if (seconds < 90) return `about ${Math.round(seconds / 10) * 10} seconds`;
  return `about ${Math.round(seconds / 60)} minutes`;
}

export const plural = (count, one, many = `${one}s`) => `${DIGITS[0].format(count)} ${count === 1 ? one : many}`;

/** What there is of something in a second: `tokens/s`. */
export const perSecond = (unit) => `${unit}${unit.endsWith("ch") ? "es" : "s"}/s`;

/** Rungs of the ladder, slowest first. The last one is the fastest fused kernel. */
export const RUNGS = ["wait-each", "submit-each", "submit-per-token", "submit-ahead", "one-submit", "fused"];

export function rungName(rung, unit = "token") {
  return {
    "wait-each": "Wait after each dispatch",
    "submit-each": "Submit each dispatch",
    "submit-per-token": `Submit once a ${unit}`,
    "submit-ahead": `Submit more ${unit}s each time`,
    "one-submit": "One submit, many dispatches",
    fused: "One dispatch",
  }[rung];
}

const FUSED = {
  fused: "One dispatch",
  "fused-workgroup": "One dispatch, by workgroup",
  "fused-subgroup": "One dispatch, by subgroups",
};

/** Whether an arm is all in one dispatch: what follows an `@` is the part that a dispatch covers. */
export const isOneDispatch = (arm) => arm.startsWith("fused") && !arm.includes("@");

/** An arm under a policy, as a row of a table. */
export function wayName({ workload }, arm, policy) {
  if (workload === "control") return `${arm}, ${policy}`;
  if (isOneDispatch(arm)) return FUSED[arm] ?? arm;
  const way = rungName(policy, workload === "rollout" ? "step" : "token") ?? policy;
  const [, steps] = arm.match(/@steps:(\d+)$/) ?? [];
  if (steps) return `${way}, ${plural(Number(steps), "step")} a dispatch`;
  if (arm.includes("@") && workload === "decode") return `${way}, ${arm}`;
  return arm === "per-operation" ? `${way}, operation by operation` : way;
}

/** `32 wide, 1 layer, 64 tokens`, from what is listed of a case. */
export function caseName({ workload, experiment, config, new_tokens, environment, population, steps }) {
  if (workload === "decode") {
    return `${config.n_embd} wide, ${plural(config.n_layer, "layer")}, ${plural(new_tokens, "token")}`;
  }
  if (workload === "rollout") {
    return `${environment[0].toUpperCase()}${environment.slice(1)}, ${plural(population, "individual")}, ${plural(steps, "step")}`;
  }
  return `Controls of ${experiment}`;
}

/** The core's messages are lines of a terminal: they begin in lower case and have no full stop. Names of files stay as they are. */
export function asSentence(line) {
  const begun = /^[a-z]+[\s,]/.test(line) ? line[0].toUpperCase() + line.slice(1) : line;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** What is shown of an error: a refusal as it stands, anything else as a fault of the page. */
export function sentence(error) {
  if (error instanceof Refusal) return asSentence(error.message);
  if (error instanceof RangeError && /alloc|length|size/i.test(error.message)) {
    return `This browser has too little memory for that (${error.message}); close other tabs, or choose a smaller model.`;
  }
  return `Something unexpected went wrong (${error?.message ?? error}). This is a fault of the page; reload it to try again.`;
}
