// The ladder: one row for each way to dispatch, its rate as a dot with its interval, and the factor that each step gains.

import { perSecond, RUNGS, rungName, three } from "../page/words.js";
import { logarithmic, short, svg, text, widest } from "./svg.js";

const ROW = 46;
const TOP = 22;

/**
 * Draws `own` (rungs of the visitor, `{rung, rate, low, high}`) and `others` (`[{label, rungs}]`) at a width in pixels.
 * `unit` is what is counted.
 */
export function ladder({ own, others, unit, width }) {
  const all = [own, ...others.map((other) => other.rungs)].flat();
  const rungs = RUNGS.filter((name) => all.some(({ rung }) => rung === name));
  if (all.length === 0) return null;
  const right = width - 84;
  const x = logarithmic(
    [Math.min(...all.map(({ low }) => low)), Math.max(...all.map(({ high }) => high))],
    [8, right],
  );
  const rowOf = (rung) => TOP + rungs.indexOf(rung) * ROW + 30;
  const bottom = TOP + rungs.length * ROW + 4;
  const height = bottom + 26 + 17 * others.length;
  const label = described(own, others, unit);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });

  for (const tick of x.decades.length > 1 ? x.decades : x.ends) {
    root.append(svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: TOP - 4, y2: bottom }));
    root.append(text(x(tick), TOP - 10, short(tick), { class: "soft", "text-anchor": "middle" }));
  }
  root.append(text(width, TOP - 10, perSecond(unit), { class: "soft", "text-anchor": "end" }));

  // From left to right, each label left of the line that leads to it where it has room there, so that it stands on none; all of
  // them after the lines, which go behind one that has no room.
  const labels = [];
  const end = ({ rungs: found }) => found.at(-1).rate;
  others.toSorted((a, b) => end(a) - end(b)).forEach(({ label, rungs: found }, index) => {
    const points = found.map(({ rung, rate }) => [x(rate), rowOf(rung)]);
    root.append(svg("polyline", { class: "stroke-other", points: points.join(" "), "stroke-dasharray": "2 3" }));
    for (const [cx, cy] of points) root.append(svg("path", { class: "mark-other", d: `M${cx - 4} ${cy}l4-4 4 4-4 4z` }));
    const [lastX, lastY] = points.at(-1);
    const y = bottom + 17 * (index + 1);
    const leader = { x1: lastX, x2: lastX, y1: lastY + 5, y2: y - 12 };
    root.append(svg("line", { class: "stroke-other", ...leader, "stroke-dasharray": "2 3" }));
    const [shift, anchor] = lastX + 4 > widest([label]) ? [4, "end"] : [-4, "start"];
    labels.push(text(lastX + shift, y, label, { class: "soft halo", "text-anchor": anchor }));
  });
  root.append(...labels);

  for (const rung of rungs) {
    root.append(text(8, rowOf(rung) - 12, rungName(rung, unit), { class: "halo" }));
  }
  own.forEach(({ rung, rate, low, high }, index) => {
    const [cx, cy] = [x(rate), rowOf(rung)];
    const tone = rung === "fused" ? "fused" : "own";
    if (index > 0) {
      const before = own[index - 1];
      root.append(svg("line", { class: "grid", x1: x(before.rate), x2: cx, y1: cy, y2: cy, "stroke-width": 2 }));
      root.append(text(width, cy - 12, `× ${three(rate / before.rate)}`, { class: `${tone} halo`, "text-anchor": "end" }));
    }
    const bar = { x1: x(low), x2: x(high), y1: cy, y2: cy, "stroke-width": 3, opacity: 0.6 };
    root.append(svg("line", { class: `stroke-${tone}`, ...bar }));
    root.append(svg("circle", { class: tone, cx, cy, r: 5 }));
    root.append(text(width, cy + 5, three(rate), { class: `${tone} strong`, "text-anchor": "end" }));
  });
  return root;
}

function described(own, others, unit) {
  const list = (rungs) => rungs.map(({ rung, rate }) => `${rungName(rung, unit)}: ${three(rate)}`).join(", ");
  const devices = [{ label: "Your GPU", rungs: own }, ...others].filter(({ rungs }) => rungs.length > 0);
  return `${unit}s per second. ${devices.map(({ label, rungs }) => `${label}: ${list(rungs)}`).join(". ")}.`;
}
