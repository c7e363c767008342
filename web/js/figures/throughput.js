// Tokens/s by the model's width, a panel for each number of layers: the visitor's slowest and fastest way, and others' fastest.

import { apart, logarithmic, short, svg, text, widest } from "./svg.js";

const HEIGHT = 250;
const LEFT = 40;
const TOP = 30;
const BOTTOM = 34;
/** Between an axis and what is drawn, and between what is drawn and its label. */
const APART = 14;
/** The least that is left for what is drawn where panels stand side by side. */
const NARROWEST = 180;

/**
 * Draws `lines` (`[{label, tone, dashed, points: [{n_embd, n_layer, rate, low, high}]}]`, `tone` one of own, fused, other) at a
 * width in pixels; panels stand side by side where there is room.
 */
export function throughput({ lines, width }) {
  const points = lines.flatMap((line) => line.points);
  if (points.length === 0) return null;
  const sorted = (values) => [...new Set(values)].sort((a, b) => a - b);
  const layers = sorted(points.map(({ n_layer }) => n_layer));
  const widths = sorted(points.map(({ n_embd }) => n_embd));
  const beside = APART + widest(lines.flatMap(({ label }) => label.split("\n")));
  const isRoomy = width / layers.length - LEFT - APART - beside >= NARROWEST;
  const across = isRoomy ? layers.length : 1;
  const panel = width / across;
  const height = HEIGHT * Math.ceil(layers.length / across);
  const rates = [Math.min(...points.map(({ low }) => low)), Math.max(...points.map(({ high }) => high))];
  const label = described(lines);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  layers.forEach((n_layer, index) => {
    const [left, top] = [(index % across) * panel, Math.floor(index / across) * HEIGHT];
    const y = logarithmic(rates, [top + HEIGHT - BOTTOM, top + TOP]);
    const right = left + panel - beside;
    const begin = left + LEFT + APART;
    const octaves = Math.log2(widths.at(-1) / widths[0]) || 1;
    const x = (value) => begin + (Math.log2(value / widths[0]) / octaves) * (right - begin);
    root.append(text(left + LEFT, top + 14, n_layer === 1 ? "1 layer" : `${n_layer} layers`, { class: "strong" }));
    if (index % across === 0) root.append(text(left + LEFT - 8, top + 14, "tok/s", { class: "soft", "text-anchor": "end" }));
    for (const tick of y.decades) {
      root.append(svg("line", { class: "grid", x1: left + LEFT, x2: right + 8, y1: y(tick), y2: y(tick) }));
      root.append(text(left + LEFT - 8, y(tick) + 4, short(tick), { class: "soft", "text-anchor": "end" }));
    }
    for (const n_embd of widths) {
      root.append(text(x(n_embd), top + HEIGHT - BOTTOM + 18, String(n_embd), { class: "soft", "text-anchor": "middle" }));
    }
    root.append(text(right + 16, top + HEIGHT - BOTTOM + 18, "wide", { class: "soft" }));
    const labels = [];
    for (const line of lines) {
      const here = line.points.filter((point) => point.n_layer === n_layer).sort((a, b) => a.n_embd - b.n_embd);
      if (here.length === 0) continue;
      root.append(svg("polyline", {
        class: `stroke-${line.tone}`,
        points: here.map(({ n_embd, rate }) => [x(n_embd), y(rate)]).join(" "),
        "stroke-width": line.tone === "other" ? 1.25 : 2,
        "stroke-dasharray": line.dashed ? "4 3" : null,
      }));
      for (const { n_embd, rate, low, high } of here) {
        const [cx, cy] = [x(n_embd), y(rate)];
        if (line.tone === "other") {
          root.append(svg("path", { class: "mark-other", d: `M${cx - 4} ${cy}l4-4 4 4-4 4z` }));
        } else {
          const bar = { x1: cx, x2: cx, y1: y(low), y2: y(high), "stroke-width": 3, opacity: 0.6 };
          root.append(svg("line", { class: `stroke-${line.tone}`, ...bar }));
          root.append(svg("circle", { class: line.tone, cx, cy, r: 4 }));
        }
      }
      const end = here.at(-1);
      const words = line.label.split("\n");
      const tone = line.tone === "other" ? "soft" : line.tone;
      labels.push({ x: x(end.n_embd) + 10, y: y(end.rate) + 4, height: 13 * words.length + 5, words, tone });
    }
    for (const placed of apart(labels, [top + TOP + 4, top + HEIGHT - BOTTOM + 14])) {
      placed.words.forEach((word, row) =>
        root.append(text(placed.x, placed.y + 13 * row, word, { class: `${placed.tone} halo` })));
    }
  });
  return root;
}

function described(lines) {
  const all = lines.map(({ label, points }) => {
    const list = points.map(({ n_embd, n_layer, rate }) => `${n_embd} wide and ${n_layer} deep ${Math.round(rate)}`);
    return `${label.replace("\n", " ")}: ${list.join(", ")}`;
  });
  return `Tokens per second by the model's width and layers. ${all.join(". ")}.`;
}
