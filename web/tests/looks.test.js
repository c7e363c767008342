// The page as people have it shown: light, dark, in colours that the system forces, without motion, on a phone and on a wide screen.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { open, skip } from "./harness.js";
import { servePage } from "./site.js";

const WIDTHS = [360, 1100, 2560];
const COLOURS = [
  { colorScheme: "light", forcedColors: "none" },
  { colorScheme: "dark", forcedColors: "none" },
  { colorScheme: "light", forcedColors: "active" },
  { colorScheme: "dark", forcedColors: "active" },
];

let site, chromium, close, page;

before(async () => {
  if (skip) return;
  ({ site, chromium, close } = await servePage());
  page = await open(chromium.context, site.url);
  await page.waitForFunction(() => !document.querySelector("#generate").disabled, null, { timeout: 60_000 });
});

after(() => close?.());

test("nothing overlaps or overflows with an answer on the page", { skip }, async () => {
  await page.evaluate(() => (document.querySelector("#settings").open = true));
  await page.fill("#new-tokens", "8");
  await page.check("#converse");
  await page.click("#generate");
  await page.waitForFunction(() => document.querySelector("#generate-check").textContent.startsWith("✓"), null, { timeout: 60_000 });
  await fits();
});

test("nor with results", { skip }, async () => {
  await page.click("#measure");
  await page.waitForSelector("#save:not([hidden])", { timeout: 180_000 });
  await fits();
});

test("what overlaps is seen", { skip }, async () => {
  await page.evaluate(() => (document.querySelector("#finding").style.marginTop = "-1.5rem"));
  assert.notDeepEqual(await overlaps(), []);
  await page.evaluate(() => (document.querySelector("#finding").style.marginTop = ""));
});

test("what has the focus is marked", { skip }, async () => {
  for (const colours of COLOURS) {
    await page.emulateMedia(colours);
    await page.evaluate(() => document.querySelector(".skip").focus());
    const marks = {};
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press("Tab");
      const [name, mark] = await page.evaluate(() => {
        const { activeElement } = document;
        // Of a radio only its label is seen.
        const marked = activeElement.matches(".switch [type=radio]") ? activeElement.nextSibling : activeElement;
        const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(marked);
        const backdrop = getComputedStyle(document.body).backgroundColor;
        const isMarked = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && outlineColor !== backdrop;
        return [activeElement === document.body ? null : activeElement.id || activeElement.outerHTML.slice(0, 80), isMarked];
      });
      if (name === null || name in marks) break;
      marks[name] = mark;
    }
    assert.ok(Object.keys(marks).length > 12, Object.keys(marks).join(", "));
    assert.deepEqual(Object.keys(marks).filter((name) => !marks[name]), [], JSON.stringify(colours));
  }
});

test("in forced colours too it shows which way is chosen, and figures are in them", { skip }, async () => {
  await page.emulateMedia(COLOURS.at(-1));
  const said = await page.evaluate(() => {
    const border = (selector) => getComputedStyle(document.querySelector(`.switch ${selector} + span`)).borderTopWidth;
    const drawn = getComputedStyle(document.querySelector("#ladder text")).fill;
    const { color: ink, backgroundColor: paper } = getComputedStyle(document.body);
    // The system puts its paper behind text.
    const unread = [...document.querySelectorAll("body *")].filter((node) => !node.closest("svg") && getComputedStyle(node).color === paper);
    return { chosen: border("input:checked"), other: border("input:not(:checked)"), drawn, ink, unread: unread.map(({ id }) => id) };
  });
  assert.notEqual(said.chosen, said.other);
  assert.equal(said.drawn, said.ink);
  assert.deepEqual(said.unread, []);
});

test("names of devices stand on no line that leads to another's, or before it where there is no room", { skip }, async () => {
  const rungs = (rate) => [{ rung: "one-submit", rate: rate / 3 }, { rung: "fused", rate }].map((rung) => ({ ...rung, low: rung.rate, high: rung.rate }));
  const rates = { "google swiftshader, Chromium": 2e3, "NVIDIA H200, Chromium": 2.4e4, "llvmpipe, native": 2.5e4, "NVIDIA H100 80GB HBM3, native": 2e5 };
  const others = Object.entries(rates).map(([label, rate]) => ({ label, rungs: rungs(rate) }));
  for (const width of [700, 330]) {
    const { crossed, covered } = await page.evaluate(async (drawn) => {
      const { ladder } = await import("./js/figures/ladder.js");
      document.querySelector("#ladder").replaceChildren(ladder(drawn));
      const names = [...document.querySelectorAll("#ladder text.halo.soft")];
      const lines = [...document.querySelectorAll("#ladder line.stroke-other")];
      const pairs = lines.flatMap((line) => names.map((name) => [line.getBBox(), name.getBBox(), line.compareDocumentPosition(name)]));
      const isAcross = ([{ x, y, height }, box]) =>
        x > box.x && x < box.x + box.width && Math.min(y + height, box.y + box.height) - Math.max(y, box.y) > 3;
      const across = pairs.filter(isAcross);
      return { crossed: across.length, covered: across.filter(([, , place]) => !(place & Node.DOCUMENT_POSITION_FOLLOWING)).length };
    }, { own: [], others, unit: "token", width });
    assert.equal(covered, 0, `${width} px`);
    if (width === 700) assert.equal(crossed, 0);
  }
});

test("nothing moves where motion is to be reduced", { skip }, async () => {
  const moving = () => page.evaluate(() => [...document.querySelectorAll("*")].filter((node) => {
    const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(node);
    return parseFloat(transitionDuration) > 0 || animationName !== "none" || scrollBehavior === "smooth";
  }).length);
  await page.emulateMedia({ ...COLOURS[0], reducedMotion: "no-preference" });
  assert.notEqual(await moving(), 0, "what moves is seen");
  await page.emulateMedia({ ...COLOURS[0], reducedMotion: "reduce" });
  assert.equal(await moving(), 0);
});

/** In every colour and width nothing is wider than the page, and no text or control lies over another. */
async function fits() {
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  for (const colours of COLOURS) {
    await page.emulateMedia({ ...colours, reducedMotion: "reduce" });
    for (const width of WIDTHS) {
      const where = `${JSON.stringify(colours)}, ${width} px`;
      await page.setViewportSize({ width, height: 900 });
      // Figures are drawn anew.
      await page.waitForFunction((most) => [...document.querySelectorAll("svg")].every((node) => node.getBoundingClientRect().right <= most), width);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, where);
      assert.deepEqual(await overlaps(), [], where);
    }
  }
}

const overlaps = () => page.evaluate(() => {
  // Lines of one label in a figure are closer than their boxes are high.
  const least = 3;
  const isSeen = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const boxes = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { currentNode: node } = texts;
    if (!node.data.trim() || !isSeen(node.parentElement)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) boxes.push({ node, box, name: node.data.trim() });
  }
  for (const node of document.querySelectorAll("button, input, select, textarea")) {
    if (isSeen(node)) boxes.push({ node, box: node.getBoundingClientRect(), name: node.id || node.outerHTML });
  }
  const meet = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > least && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > least;
  return boxes.flatMap((one, index) => boxes.slice(index + 1)
    .filter(({ node, box }) => node !== one.node && !node.contains(one.node) && meet(one.box, box))
    .map(({ name }) => `${one.name} | ${name}`));
});
