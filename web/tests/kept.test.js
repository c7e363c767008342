// A model that the visitor keeps: it is there again without a network, and goes when it is removed.

import assert from "node:assert/strict";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { open, ROOT, skip } from "./harness.js";
import { servePage } from "./site.js";

const TINY = join(ROOT, "tests", "golden", "decode", "tiny_d32_l1_h2");
const CHECKPOINT = ["config.json", "model.safetensors"].map((name) => join(TINY, name));

let folder, site, chromium, close, page;

before(async () => {
  if (skip) return;
  ({ folder, site, chromium, close } = await servePage());
  // Where the page's own list of files does not name it.
  await cp(TINY, join(folder, "site", "far"), { recursive: true });
  page = await open(chromium.context, site.url);
  await ready();
});

after(() => close?.());

test("nothing is kept unless the visitor says so", { skip }, async () => {
  await choose();
  assert.match(await page.textContent("#keep"), /^Keep “chosen files” for offline use \(0\.\d\d MiB\)$/);
  await page.reload();
  await ready();
  assert.equal(await page.isHidden("#kept"), true);
});

test("where there is no space left, that is said and nothing is left behind", { skip }, async () => {
  await choose();
  const session = await chromium.context.newCDPSession(page);
  const quota = (quotaSize) => session.send("Storage.overrideQuotaForOrigin", { origin: new URL(site.url).origin, quotaSize });
  await quota(1);
  await page.click("#keep");
  await page.waitForSelector("#keep-status.bad");
  await quota();
  await session.detach();
  assert.match(await page.textContent("#keep-status"), /^“chosen files” could not be kept: this browser has no space left for it; remove another one/);
  assert.equal(await page.isHidden("#kept"), true);
});

test("a model that is kept answers without a network; another of its name does not take its place", { skip }, async () => {
  for (const name of ["chosen files", "chosen files 2"]) {
    await choose();
    await page.click("#keep");
    await page.waitForFunction((text) => document.querySelector("#keep-status").textContent.startsWith(text), `“${name}” is kept.`);
  }
  assert.deepEqual((await listed()).map((text) => text.replace(/0\.\d\d MiB/, "SIZE")), ["chosen files, SIZE", "chosen files 2, SIZE"]);
  await page.waitForFunction(() => document.querySelector("#offline").textContent.startsWith("This page is kept"));
  await chromium.context.setOffline(true);
  try {
    await page.reload();
    await ready();
    await page.getByRole("button", { name: "Load chosen files", exact: true }).click();
    await loaded();
    assert.equal(await page.isHidden("#keep"), true);
    await answers(page);
  } finally {
    await chromium.context.setOffline(false);
  }
});

test("what is removed is gone", { skip }, async () => {
  for (const name of ["chosen files 2", "chosen files"]) {
    await page.getByRole("button", { name: `Remove ${name}`, exact: true }).click();
    await page.waitForFunction((text) => document.querySelector("#keep-status").textContent === text, `“${name}” is removed.`);
  }
  assert.deepEqual(await listed(), []);
  assert.equal(await page.evaluate(() => document.activeElement.id), "pick-files");
  await page.reload();
  await ready();
  assert.equal(await page.isHidden("#kept"), true);
});

test("an address in the page's own is answered without a network, once its model is kept", { skip }, async () => {
  const visited = await open(chromium.context, `${site.url}?model=far/`);
  await loaded(visited);
  await visited.click("#keep");
  await visited.waitForFunction(() => /is kept\./.test(document.querySelector("#keep-status").textContent));
  const asked = [];
  visited.on("request", (request) => asked.push(request.url()));
  await chromium.context.setOffline(true);
  try {
    // Another way to write the same.
    await visited.goto(`${site.url}?model=${encodeURIComponent(`${site.url}far/config.json`)}`);
    await loaded(visited);
    assert.match(await visited.textContent("#keep-status"), /^“far” is loaded as it is kept in this browser; “Fetch” takes it/);
    assert.deepEqual(asked.filter((url) => new URL(url).pathname.startsWith("/far")), []);
    await answers(visited);
    await visited.fill("#url", `${site.url}other/`);
    await visited.click("#fetch button");
    await visited.waitForSelector("#model-status.bad");
    assert.match(await visited.textContent("#model-status"), /other\/config\.json could not be fetched: there is no connection/);
  } finally {
    await chromium.context.setOffline(false);
  }
  // A button that fetches does so: the address may have another model by now.
  await visited.fill("#url", `${site.url}far/`);
  await visited.click("#fetch button");
  await visited.waitForSelector("#keep:not([hidden])", { timeout: 60_000 });
  assert.ok(asked.some((url) => new URL(url).pathname === "/far/model.safetensors"));
  await visited.close();
});

/** Once the page's own model is there. */
const ready = () => page.waitForFunction(() => !document.querySelector("#generate").disabled, null, { timeout: 60_000 });

const loaded = (where = page) =>
  where.waitForFunction(() => /^Ready/.test(document.querySelector("#model-status").textContent), null, { timeout: 60_000 });

/** Has the model answer, and compares. */
async function answers(where) {
  const { prompt, tokens } = JSON.parse(await readFile(join(TINY, "expected.json"), "utf8"));
  await where.evaluate(() => (document.querySelector("#settings").open = true));
  for (const [id, value] of [["prompt", prompt.join(" ")], ["new-tokens", 8], ["temperature", 0]]) await where.fill(`#${id}`, String(value));
  await where.click("#generate");
  await where.waitForFunction(() => /tokens\/s/.test(document.querySelector("#generate-status").textContent), null, { timeout: 60_000 });
  assert.equal(await where.textContent("#answer"), tokens.slice(0, prompt.length + 8).join(" "));
}

async function choose() {
  await page.evaluate(() => (document.querySelector("#model-status").textContent = ""));
  await page.setInputFiles("#files", CHECKPOINT);
  await loaded();
  await page.waitForSelector("#keep:not([hidden])");
}

const listed = () => page.locator("#kept li span").allTextContents();
