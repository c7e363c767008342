// SVG elements, logarithmic axes, and labels that do not cover each other.

const NAMESPACE = "http://www.w3.org/2000/svg";

/** An SVG element; attributes that are null are left out. */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null) made.setAttribute(key, typeof value === "number" ? Math.round(value * 100) / 100 : value);
  }
  made.append(...children);
  return made;
}

export const text = (x, y, words, attributes = {}) => svg("text", { x, y, ...attributes }, words);

/** The width of the longest of some words, in pixels, as figures have their text. */
export function widest(words) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = `13px ${getComputedStyle(document.documentElement).getPropertyValue("--sans")}`;
  return Math.max(0, ...words.map((word) => context.measureText(word).width));
}

/** A logarithmic scale from `[low, high]`, rounded outward to a power of ten's 1, 2 or 5, to `[from, to]`. */
export function logarithmic([low, high], [from, to]) {
  const steps = ticks(low, high);
  const [least, most] = [steps[0], steps.at(-1)].map(Math.log10);
  const scale = (value) => from + ((Math.log10(value) - least) / (most - least || 1)) * (to - from);
  scale.decades = steps.filter((step) => Number.isInteger(Math.round(Math.log10(step) * 1e6) / 1e6));
  scale.ends = [steps[0], steps.at(-1)];
  return scale;
}

/** 1, 2, 5, 10, ... from at most `low` to at least `high`. */
function ticks(low, high) {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    all.push(...[1, 2, 5].map((digit) => digit * 10 ** power));
  }
  const first = all.findLastIndex((tick) => tick <= low);
  const last = all.findIndex((tick) => tick >= high);
  return all.slice(first, Math.max(last, first + 1) + 1);
}

/** 1000 as 1k, 2000000 as 2M. */
export function short(value) {
  if (value >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (value >= 1e3) return `${+(value / 1e3).toPrecision(3)}k`;
  return `${+value.toPrecision(3)}`;
}

/** Moves labels (`{y, height}`, `y` of their first line) apart, keeping their order, within `[top, bottom]`. */
export function apart(labels, [top, bottom]) {
  const sorted = labels.toSorted((a, b) => a.y - b.y);
  let free = top;
  for (const label of sorted) {
    label.y = Math.max(label.y, free);
    free = label.y + label.height;
  }
  free = bottom;
  for (const label of sorted.reverse()) {
    label.y = Math.min(label.y, free - label.height);
    free = label.y;
  }
  return labels;
}
