// Models from hosts whose connections break off or stall: by the module, by the page, and what is asked for on the way.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { breaking } from "./breaking.js";
import { F32, ggufOf } from "./gguf.js";
import { open, ROOT, serve, skip } from "./harness.js";
import { openSite } from "./site.js";

const FILE = randomBytes(400_000);
const OTHER = randomBytes(300_000);
const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");

let folder, site, chromium, page, close, host, elsewhere;
let hosts = 0;

before(async () => {
  if (skip) return;
  const answer = (request, response) => host?.answer(request, response);
  ({ folder, site, chromium, page, close } = await openSite({}, answer));
  elsewhere = await serve({}, answer);
});

after(async () => {
  await elsewhere?.close();
  await close?.();
});

test("a file that breaks off twice is whole, by asking for the rest of the same file", { skip }, async () => {
  host = breaks(FILE, { cuts: [150_000, 100_000] });
  const { sha256, told } = await fetched();
  assert.equal(sha256, digest(FILE));
  assert.deepEqual(host.asked, [asks(), asks(150_000, '"one"'), asks(250_000, '"one"')]);
  assert.ok(told.length > 2);
  told.reduce(([before], [bytes, total]) => {
    assert.ok(bytes > before && total === FILE.length, `${before}, then ${bytes} of ${total}`);
    return [bytes];
  }, [0]);
});

test("a weak tag is none for ranges: the date is", { skip }, async () => {
  const date = "Wed, 21 Oct 2015 07:28:00 GMT";
  host = breaks(FILE, { cuts: [150_000], headers: { etag: 'W/"one"', "last-modified": date } });
  assert.equal((await fetched()).sha256, digest(FILE));
  assert.deepEqual(host.asked, [asks(), asks(150_000, date)]);
});

test("a host that sends no ranges is asked for the whole, and progress does not fall", { skip }, async () => {
  host = breaks(FILE, { cuts: [200_000, 100_000], ranges: false });
  const { sha256, told } = await fetched();
  assert.equal(sha256, digest(FILE));
  assert.equal(host.asked.length, 3);
  told.reduce((before, [bytes]) => (assert.ok(bytes > before), bytes), 0);
});

test("parts of two files are never put together", { skip }, async () => {
  // One host heeds If-Range; the other has to be told by its tags.
  for (const [ifRange, requests] of [[true, 2], [false, 3]]) {
    host = breaks(FILE, { cuts: [150_000], ifRange });
    host.then = { bytes: OTHER, headers: { etag: '"two"' } };
    assert.equal((await fetched()).sha256, digest(OTHER));
    assert.equal(host.asked.length, requests);
  }
});

test("another host is asked for ranges without leave, which it may not give", { skip }, async () => {
  host = breaks(FILE, { cuts: [150_000] });
  assert.equal((await fetched(elsewhere.url)).sha256, digest(FILE));
  assert.deepEqual(host.asked, [asks(), asks(150_000)]);
});

test("one that does not come to its end is told of, and the next attempt goes on from there", { skip }, async () => {
  host = breaks(FILE, { cuts: [300_000, 0, 0, 0, 0, 0] });
  const { message } = await fetched();
  assert.equal(
    message,
    "model.gguf could not be fetched to its end: the connection broke off again and again, after 0.3 of 0.4 MiB; " +
      "once the connection is better, fetch it again to go on.",
  );
  assert.equal(host.asked.length, 6);
  assert.equal((await fetched()).sha256, digest(FILE));
  assert.deepEqual(host.asked.at(-1), asks(300_000, '"one"'));
});

test("two at once do not get into each other's way, after an attempt that failed either", { skip }, async () => {
  host = breaks(FILE, { cuts: [200_000] });
  assert.equal((await fetched(site.url, 600)).message, "AbortError");
  host.cuts.push(50_000, 50_000);
  for (const { sha256 } of await Promise.all([fetched(), fetched()])) assert.equal(sha256, digest(FILE));
});

test("stopping stops while it waits, too", { skip }, async () => {
  host = breaks(FILE, { cuts: [100_000, 0, 0, 0, 0, 0] });
  assert.equal((await fetched(site.url, 1500)).message, "AbortError");
  assert.ok(host.asked.length < 6);
});

test("a connection that sends nothing more counts as broken off", { skip }, async () => {
  // The second answers not at all.
  host = breaks(FILE, { cuts: [150_000, 0, 100_000], stalls: true });
  const { sha256, message } = await fetched(site.url, null, 400);
  assert.equal(sha256, digest(FILE), message);
  assert.deepEqual(host.asked, [asks(), asks(150_000, '"one"'), asks(150_000, '"one"'), asks(250_000, '"one"')]);
});

test("one that stalls again and again is told of, by the module with its code", { skip }, async () => {
  host = breaks(FILE, { cuts: [100_000, 0, 0, 0, 0, 0], stalls: true });
  const quick = await chromium.context.newPage();
  await quick.clock.install();
  await quick.goto(`${site.url}blank.html`);
  await quick.evaluate(async (path) => {
    const { load } = await import("/js/onedispatch.js");
    const said = (options) => load(path, options).then(() => "nothing", ({ code, message }) => `${code}: ${message}`);
    globalThis.said = [await said({ stallMs: Infinity })];
    said({ stallMs: 2000 }).then((line) => globalThis.said.push(line));
  }, host.path);
  while ((await quick.evaluate(() => globalThis.said.length)) < 2) await quick.clock.runFor(500);
  assert.deepEqual(await quick.evaluate(() => globalThis.said), [
    "fetch: stallMs is Infinity; give milliseconds from 1 to 2147483647.",
    "fetch: model.gguf could not be fetched to its end: the host sent nothing for 2 s, again and again, after 0.1 of 0.4 MiB; " +
      "once the connection is better, fetch it again to go on.",
  ]);
  assert.equal(host.asked.length, 6);
  await quick.close();
});

test("the module loads a model that breaks off, and generates", { skip }, async () => {
  const bytes = await readFile(join(folder, "site", "models", "prose-3m.gguf"));
  host = breaks(bytes, { cuts: [1_000_000, 500_000] });
  const text = await page.evaluate(async (path) => {
    const { load } = await import("/js/onedispatch.js");
    const all = [];
    for (const address of ["/models/prose-3m.gguf", path]) {
      const model = await load(address);
      let text = "";
      for await (const piece of model.generate("The morning was", { tokens: 8 })) text += piece;
      model.dispose();
      all.push(text);
    }
    return all;
  }, host.path);
  assert.equal(text[0], text[1]);
  assert.deepEqual(host.asked.map(({ range }) => range), [null, "bytes=1000000-", "bytes=1500000-"]);
});

test("the page waits half a minute for a connection that stalls, and loads the model", { skip }, async () => {
  host = breaks(await ggufOf(join(ROOT, "tests", "golden", "decode", "tiny_d32_l1_h2"), F32), { cuts: [20_000], stalls: true });
  const shown = await chromium.context.newPage();
  // So that the test need not wait.
  await shown.clock.install();
  await shown.goto(`${site.url}index.html?model=${host.path}`);
  const says = (words) => shown.waitForFunction((begin) => document.querySelector("#model-status").textContent.startsWith(begin), words);
  await says("Fetching");
  while (host.asked.length < 1) await shown.clock.runFor(100);
  await shown.clock.runFor(29_000);
  assert.equal(host.asked.length, 1);
  for (let waits = 0; waits < 60 && host.asked.length < 2; waits += 1) await shown.clock.runFor(1000);
  assert.deepEqual(host.asked[1], asks(20_000, '"one"'));
  await shown.clock.resume();
  await says("Ready: 1 layer");
  await shown.close();
});

const asks = (from, ifRange = null) => ({ method: "GET", range: from ? `bytes=${from}-` : null, ifRange });

/** A path of its own each time: browsers keep what they have of a file, and ask for its rest by themselves. */
const breaks = (bytes, how) => breaking(`/far/${(hosts += 1)}/model.gguf`, bytes, how);

/**
 * Has the page fetch the file: `{sha256, told}`, or what is said of it in `message`. Stopped after so many milliseconds; `stallMs` is
 * how long a connection may send nothing.
 */
const fetched = (base = site.url, stopMs = null, stallMs = undefined) => page.evaluate(async ([address, ms, stallMs]) => {
  const { fromUrl } = await import("/js/checkpoint.js");
  const told = [];
  const stopping = new AbortController();
  if (ms) setTimeout(() => stopping.abort(), ms);
  try {
    const { gguf } = await fromUrl(address, { progress: (...all) => told.push(all), signal: stopping.signal, stallMs });
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await gguf.arrayBuffer()));
    return { sha256: Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join(""), told };
  } catch (error) {
    return { message: error.name === "AbortError" ? error.name : error.message };
  }
}, [new URL(host.path, base).href, stopMs, stallMs]);
