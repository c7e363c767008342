// The page to people with other eyes and hands: axe-core finds nothing to mend in any state of it, light and dark, wide and on a
// phone.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser, open, ROOT, skip } from "./harness.js";
import { servePage } from "./site.js";

const TINY = join(ROOT, "tests", "golden", "decode", "tiny_d32_l1_h2");
const CHECKPOINT = ["config.json", "model.safetensors"].map((name) => join(TINY, name));
const LOOKS = ["light", "dark"].flatMap((colorScheme) => [1100, 360].map((width) => ({ colorScheme, width })));

let site, chromium, close, page, axe;

before(async () => {
  if (skip) return;
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  ({ site, chromium, close } = await servePage());
  page = await open(chromium.context, site.url);
});

after(() => close?.());

test("the page while its model is loading", { skip }, async () => {
  await page.waitForFunction(() => document.querySelector("#device").textContent.includes("software"));
  await accessible();
});

test("the first screen, with all that can be unfolded", { skip }, async () => {
  await page.waitForFunction(() => !document.querySelector("#generate").disabled, null, { timeout: 60_000 });
  await accessible();
});

test("a conversation", { skip }, async () => {
  await page.check("#converse");
  await page.fill("#new-tokens", "4");
  await page.click("#generate");
  await page.waitForSelector("#converse-anew:not([hidden])", { timeout: 60_000 });
  await accessible();
  await page.click("#converse-anew");
  await page.uncheck("#converse");
  await page.fill("#prompt", "The morning was");
});

test("an answer, while it comes and afterwards", { skip }, async () => {
  await page.locator("label:has(> input[name=span][value=token])").click();
  await page.fill("#new-tokens", "250");
  await page.click("#generate");
  await page.waitForSelector("#answer:not([hidden])", { timeout: 60_000 });
  await accessible();
  assert.equal(await page.isVisible("#generate-stop"), true, "it was over too soon");
  await page.click("#generate-stop");
  await page.waitForSelector("#generate-stop", { state: "hidden" });
  await page.fill("#new-tokens", "4");
  await page.click("#generate");
  await page.waitForFunction(() => document.querySelector("#generate-check").textContent.startsWith("✓"), null, { timeout: 60_000 });
  await page.waitForSelector("#tried:not([hidden])");
  await accessible();
});

test("errors of a request and of an address", { skip }, async () => {
  await page.fill("#seed", "");
  await page.click("#generate");
  await page.waitForSelector("#generate-status.bad");
  await page.fill("#url", `${site.url}nothing/`);
  await page.click("#fetch button");
  await page.waitForSelector("#model-status.bad");
  await accessible();
});

test("a visitor's own model, which is kept", { skip }, async () => {
  await page.setInputFiles("#files", CHECKPOINT);
  await page.waitForFunction(() => document.querySelector("#model-status").textContent.startsWith("Ready"), null, { timeout: 60_000 });
  assert.equal(await page.isVisible("#model-back"), true);
  await accessible();
  await page.click("#keep");
  await page.waitForSelector("#kept:not([hidden])");
  await accessible();
});

test("a measurement, while it runs and its results", { skip }, async () => {
  await page.click("#measure");
  await page.waitForSelector("#checks details", { state: "attached", timeout: 120_000 });
  await accessible();
  await page.waitForSelector("#ladder circle", { timeout: 120_000 });
  await accessible();
  if (await page.isVisible("#measure-stop")) await page.click("#measure-stop");
  await page.waitForSelector("#save:not([hidden])", { timeout: 60_000 });
  await accessible();
});

test("a browser without a GPU", { skip }, async () => {
  const plain = await browser({ webgpu: false });
  try {
    const other = await open(plain.context, site.url);
    await other.waitForSelector("#device.bad");
    await accessible(other);
  } finally {
    await plain.close();
  }
});

/** What axe-core finds on the page in each look, with all details unfolded: nothing. */
async function accessible(where = page) {
  await where.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  if (!(await where.evaluate(() => "axe" in globalThis))) await where.evaluate(axe);
  for (const { colorScheme, width } of LOOKS) {
    // Colours would be told of half way between two.
    await where.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await where.setViewportSize({ width, height: 800 });
    const found = await where.evaluate(async () => {
      const { violations } = await globalThis.axe.run(document);
      return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html}: ${failureSummary}`));
    });
    assert.deepEqual(found, [], `${colorScheme}, ${width} px`);
  }
}
