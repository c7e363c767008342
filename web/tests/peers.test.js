// Peers of the browser on a small case: every variant makes the oracle's tokens, and stands beside the arms of the same browser.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { PEERS } from "../../peers/browser/session.js";
import { browser, measureAll, open, ROOT, serve, skip } from "./harness.js";
import { onedispatch, SPECS } from "./onedispatch.js";

const decodeSpec = SPECS.slice(0, 2);
const CASE = "d32-l1-t4";
const VARIANTS = { "onnxruntime-web": ["webgpu", "webgpu-graph", "wasm"], tfjs: ["webgpu", "wasm"] };
const absent = PEERS.find((peer) => !existsSync(join(ROOT, "peers", peer, "node_modules")));
if (absent && process.env.ONEDISPATCH_BROWSER_TESTS === "required") throw new Error(`the npm packages of peers/${absent} are not installed`);
const left = skip || (absent ? `the npm packages of peers/${absent} are not installed; scripts/software-browser.sh installs them` : false);

let folder, results;

before(async () => {
  if (left) return;
  folder = await mkdtemp(join(tmpdir(), "onedispatch-peers-"));
  const made = await onedispatch("web", ...decodeSpec, "--out", join(folder, "site"));
  assert.equal(made.status, 0, made.stderr);
  const words = ["--chromium", "--site", join(folder, "site"), "--case", CASE, "--out", join(folder, "peers")];
  await promisify(execFile)(process.execPath, [join(ROOT, "peers/browser/run.js"), ...words]);
  const read = async (peer) => JSON.parse(await readFile(join(folder, "peers", `${CASE}-${peer}.json`), "utf8"));
  results = Object.fromEntries(await Promise.all(PEERS.map(async (peer) => [peer, await read(peer)])));
});

after(async () => {
  if (folder) await rm(folder, { recursive: true });
});

test("every variant makes the tokens that were computed in f64", { skip: left }, async () => {
  const { expected } = JSON.parse(await readFile(join(folder, "site/cases", "browser-test", `${CASE}.json`), "utf8"));
  for (const [peer, { results: found }] of Object.entries(results)) {
    assert.deepEqual(found.map(({ variant }) => variant), VARIANTS[peer]);
    for (const { variant, reason, tokens, samples_ns } of found) {
      assert.equal(reason, "", `${peer} ${variant}`);
      assert.deepEqual(tokens, expected.tokens, `${peer} ${variant}`);
      assert.equal(samples_ns.length, 2, `${peer} ${variant}`);
    }
  }
});

test("they stand beside the arms of the same browser, and of no other", { skip: left }, async () => {
  await measureArms();
  for (const peer of PEERS) {
    const { status, stdout, stderr } = await imported(peer, results[peer]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, new RegExp(`${CASE} ${peer}: ${VARIANTS[peer].length} variants`));
  }
  const refused = async (change, pattern) => {
    const changed = structuredClone({ ...results.tfjs, peer: "other" });
    change(changed);
    const { status, stderr } = await imported("other", changed);
    assert.match(stderr, pattern);
    assert.notEqual(status, 0);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  };
  await refused((file) => (file.browser.version = "1.0"), /its browser is Chromium 1\.0, the run's Chromium \d/);
  await refused((file) => delete file.browser, /its browser is none, the run's Chromium \d/);
  await refused((file) => (file.results[0].tokens[1] ^= 1), /variant `webgpu`: wrong output/);
  const verified = await onedispatch("verify", join(folder, "data"));
  assert.equal(verified.status, 0, verified.stderr);
});

/** The page's own measurement in the same browser, as a run. */
async function measureArms() {
  const site = await serve({ "": join(folder, "site") });
  const chromium = await browser();
  const page = await open(chromium.context, `${site.url}blank.html`);
  const saved = await page.evaluate(measureAll);
  await chromium.close();
  await site.close();
  await writeFile(join(folder, "arms.json"), JSON.stringify(saved));
  const { status, stderr } = await onedispatch("import", ...decodeSpec, "--data", join(folder, "data"), join(folder, "arms.json"));
  assert.equal(status, 0, stderr);
}

async function imported(name, file) {
  const path = join(folder, `${name}.json`);
  await writeFile(path, JSON.stringify(file));
  return onedispatch("import", "--data", join(folder, "data"), path);
}
