// The peers of browsers on a small case in a real browser, beside the arms that the same browser measured.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { browser, open, ROOT, serve, skip as withoutBrowser } from "./harness.js";
import { measureAll } from "./measured.js";
import { onedispatch } from "./onedispatch.js";

const SPEC = join(import.meta.dirname, "experiments", "decode.toml");
const LLAMA = join(import.meta.dirname, "experiments", "llama.toml");
const VARIANTS = {
  "onnxruntime-web": ["wasm", "webgpu", "webgpu-graph"],
  tfjs: ["wasm", "webgpu"],
  "transformers-js": ["wasm", "wasm-f16", "webgpu", "webgpu-f16"],
};
const PEERS = Object.keys(VARIANTS);
/** Software adapters of browsers may have no f16. */
const WITHOUT_F16 = "Error: The device (webgpu) does not support fp16.";
const missing = PEERS.filter((peer) => !existsSync(join(ROOT, "peers", peer, "node_modules")));
const skip = withoutBrowser || (missing.length > 0 && process.env.ONEDISPATCH_BROWSER_TESTS !== "required"
  ? `there are no npm packages in peers/${missing[0]}; install them with scripts/software-browser.sh`
  : false);

let folder;

before(async () => {
  if (skip) return;
  folder = await mkdtemp(join(tmpdir(), "onedispatch-peers-"));
  const made = await Promise.all([
    onedispatch("web", "--spec", SPEC, "--out", join(folder, "site")),
    onedispatch("export", SPEC, "--out", join(folder, "cases")),
    onedispatch("export", LLAMA, "--out", join(folder, "llama")),
  ]);
  made.forEach(({ status, stderr }) => assert.equal(status, 0, stderr));
});

after(async () => {
  if (folder) await rm(folder, { recursive: true });
});

test("every variant gives the oracle's tokens, and stands beside the arms of its browser", { skip }, async () => {
  const [arms] = await Promise.all([measureArms(), runPeers("cases", "results")]);
  const saved = join(folder, "arms.json");
  await writeFile(saved, JSON.stringify(arms));
  const data = ["--data", join(folder, "data")];
  const files = (await readdir(join(folder, "results"))).map((file) => join(folder, "results", file));
  for (const file of files) await assertRight(file);
  const ofPage = await onedispatch("import", "--spec", SPEC, ...data, saved);
  assert.equal(ofPage.status, 0, ofPage.stderr);
  await refused(files[0], (file) => (file.engine.version = "1"), /it ran in Chromium 1, the run in Chromium \d/);
  await refused(files[0], (file) => delete file.engine, /it ran natively, the run in Chromium \d/);
  const ofPeers = await onedispatch("import", ...data, ...files);
  assert.equal(ofPeers.status, 0, ofPeers.stderr);
  const wrong = await importChanged(files[0], (file) => {
    file.peer = "other";
    file.results[0].tokens[0] = (file.results[0].tokens[0] + 1) % 32;
  });
  assert.equal(wrong.status, 0, wrong.stderr);
  assert.match(wrong.stdout, /without times[^]*wrong output: step 0/);
  const verified = await onedispatch("verify", join(folder, "data"));
  assert.equal(verified.status, 0, verified.stderr);
});

test("peers that compute a Llama give the oracle's tokens", { skip }, async () => {
  const peers = ["onnxruntime-web", "transformers-js"];
  await runPeers("llama", "of-llama", ...peers.flatMap((peer) => ["--peer", peer]));
  for (const file of await readdir(join(folder, "of-llama"))) await assertRight(join(folder, "of-llama", file));
});

/** All variants of a result are there, and right by the peer's own check. */
async function assertRight(path) {
  const { peer, results } = JSON.parse(await readFile(path, "utf8"));
  const reasons = results.map(({ variant, reason }) => [variant, reason === WITHOUT_F16 ? "" : reason]);
  assert.deepEqual(reasons.filter(([name]) => name !== "wasm-threads").sort(), VARIANTS[peer].map((name) => [name, ""]));
}

/** A changed result is no result of this run. */
async function refused(path, change, pattern) {
  const { status, stderr } = await importChanged(path, change);
  assert.notEqual(status, 0);
  assert.match(stderr, pattern);
}

async function importChanged(path, change) {
  const file = JSON.parse(await readFile(path, "utf8"));
  change(file);
  const changed = join(folder, "changed.json");
  await writeFile(changed, JSON.stringify(file));
  return onedispatch("import", "--data", join(folder, "data"), changed);
}

/** What the page saves of the case. */
async function measureArms() {
  const site = await serve({ "": join(folder, "site") });
  const { context, close } = await browser();
  try {
    const page = await open(context, `${site.url}blank.html`);
    return await page.evaluate(measureAll);
  } finally {
    await close();
    await site.close();
  }
}

async function runPeers(cases, results, ...options) {
  const driver = join(ROOT, "peers", "web", "run.js");
  await promisify(execFile)("node", [driver, join(folder, cases), join(folder, results), "--chromium", ...options]);
}
