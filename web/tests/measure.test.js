// Every arm of small cases in a real browser, and what becomes of the saved results.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Case } from "../js/core.js";
import { ROOT, skip } from "./harness.js";
import { measureAll } from "./measured.js";
import { onedispatch, SPECS } from "./onedispatch.js";
import { openSite } from "./site.js";

let folder, site, chromium, page, close, results;

before(async () => {
  if (skip) return;
  ({ folder, site, chromium, page, close } = await openSite({ golden: join(ROOT, "tests", "golden") }));
});

after(() => close?.());

test("every arm of every case gives what was computed in f64", { skip }, async () => {
  results = await page.evaluate(measureAll);
  assert.equal(results.browser.isolated, true);
  assert.ok(results.host.clock_resolution_ns <= 20_000, `a clock of ${results.host.clock_resolution_ns} ns`);
  const rows = results.runs.flatMap((run) => run.cases.flatMap(({ rows: all }) => all));
  for (const { case: name, arm, policy, gate, reason, samples } of rows) {
    assert.deepEqual([gate, reason], ["pass", ""], `${name} ${arm} ${policy}`);
    assert.equal(samples.length, 2, `${name} ${arm} ${policy}`);
  }
  const arms = new Set(rows.map(({ arm, policy }) => `${arm} ${policy}`));
  for (const arm of ["stepwise wait-each", "stepwise one-submit", "fused-workgroup one-submit", "fused-subgroup one-submit", "fused one-submit", "per-operation submit-per-token"]) {
    assert.ok(arms.has(arm), arm);
  }
});

test("saved results are imported, once, and verified", { skip }, async () => {
  const { status, stdout, stderr } = await imported(results);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /2 cases: 16 rows/);
  const again = await imported(results);
  assert.equal(again.status, 2);
  assert.match(again.stderr, /is already imported into/);
  const verified = await onedispatch("verify", join(folder, "data"));
  assert.equal(verified.status, 0, verified.stderr);
  const [device] = stdout.match(/\S+browser-test\b/);
  const manifest = await readFile(join(device, "manifest.toml"), "utf8");
  assert.match(manifest, /\[browser\]\nname = "Chromium"/);
  assert.match(manifest, /name = "google swiftshader"/);
  const controls = await readFile(join(device, "results.csv"), "utf8");
  assert.match(controls, /^control,storage-barrier,one-submit,0,barrier,(\d+),\d+,0,1,1,1,\1,/m, "barriers are counted");
});

test("what cannot be true is refused, and nothing is written", { skip }, async () => {
  const refused = async (change, pattern, status = 1, data = "refused") => {
    const changed = structuredClone(results);
    change(changed, changed.runs[0].cases[1], changed.runs[0].cases[1].rows[0]);
    const { status: found, stderr } = await imported(changed, data);
    assert.match(stderr, pattern);
    assert.equal(found, status, stderr);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  };
  await refused((file) => (file.format = "something-else"), /its format is `something-else`/, 2, "data");
  await refused((file) => (file.date = "2999-01-01"), /its date is `2999-01-01`/, 2);
  await refused((file) => (file.runs[0].spec_sha256 = "0".repeat(64)), /with the spec 000000000000, which is none/, 2);
  await refused((_, found) => (found.case = "d64-l1-t4"), /its case `d64-l1-t4` is none of the experiment's/, 2);
  await refused((file) => file.runs[0].cases.shift(), /has no controls/, 2);
  await refused((_, found) => (found.weights_sha256 = "0".repeat(64)), /its weights have the digest 000000000000/);
  await refused((_, found) => found.rows.pop(), /there are 7 rows, expected 8/);
  await refused((_, found, row) => (row.replica = 3), /there is no row of stepwise under wait-each, replica 0/);
  await refused((_, found, row) => (row.program_sha256 = "0".repeat(64)), /its program 000000000000 is none that the page has/);
  await refused((_, found, row) => (row.samples = []), /has no raw samples/);
  await refused((_, found, row) => row.samples.pop(), /has 1 raw samples, the protocol asks for 2/);
  await refused((_, found, row) => (row.samples[0].wall_ns = 0), /sample 0 took 0 ns/);
  await refused((_, found, row) => (row.samples[0].wall_ns = 1.5), /sample 0 took 1\.5 ns/);
  await refused((_, found, row) => (row.samples[0] = { ...row.samples[0], wall_ns: 1, gpu_ns: null }), /implausible/);
  await refused((_, found, row) => (row.samples[0].gpu_ns = 10 ** 15), /a GPU time that cannot be/);
  await refused((_, found, row) => (row.reason = "it was slow"), /has times, and a reason why it has none/);
  await refused((_, found, row) => (row.outputs.logits = nan(row.outputs.logits)), /logit 0 of the last token is NaN/);
  await refused((_, found, row) => (row.outputs.logits = zeros(row.outputs.logits)), /wrong output: logits of step 3/);
  await refused((_, found, row) => (row.outputs.tokens = zeros(row.outputs.tokens)), /wrong output: step 0/);
  await refused((_, found, row) => delete row.outputs.tokens, /has no output `tokens`/);
  const [, rollout] = results.runs[1].cases;
  await refused((file) => {
    file.runs[1].cases[1].rows[0].outputs.episodes = zeros(rollout.rows[0].outputs.episodes);
  }, /wrong output: individual 0/);
  const changedSingle = (change, pattern) => refused((file) => change(file.runs[1].cases[1].rows[0].outputs), pattern);
  await changedSingle((outputs) => delete outputs.single_states, /has no output `single_states`/, 1);
  await changedSingle((outputs) => (outputs.single_states = zeros(outputs.single_states)), /wrong output: a single step from a shared state/);
  const { status } = await onedispatch("verify", join(folder, "refused"));
  assert.equal(status, 2, "there is nothing to verify");
});

test("the page itself tells a wrong single step", { skip }, async () => {
  const { case: name, rows: [{ outputs }] } = results.runs[1].cases[1];
  const made = new Case(await readFile(join(import.meta.dirname, "experiments", "rollout.toml"), "utf8"), name);
  const judged = (bytes) => JSON.parse(made.judge(0, bytes)).reason;
  const bytes = Object.fromEntries(Object.entries(outputs).map(([output, text]) => [output, Uint8Array.from(bytesOf(text)).buffer]));
  assert.equal(judged(bytes), "");
  const wrong = new Float32Array(bytes.single_states).map((value) => value + 0.5);
  assert.match(judged({ ...bytes, single_states: wrong.buffer }), /^a single step from a shared state: /);
});

test("a row that could not run says why, and has no time", { skip }, async () => {
  const changed = structuredClone(results);
  const row = changed.runs[0].cases[1].rows.find(({ arm }) => arm === "fused-subgroup");
  Object.assign(row, { reason: "does not run on this device: it needs subgroups\n/opt/somebody/x", samples: [], outputs: {}, program_sha256: "" });
  const { status, stdout, stderr } = await imported(changed, "untimed");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /15 rows, 1 without times/);
  assert.equal((await onedispatch("verify", join(folder, "untimed"))).status, 0);
});

test("the page is measured without a window, as by a visitor", { skip }, async () => {
  const out = join(folder, "visit.json");
  const words = [join(ROOT, "web", "native", "run.js"), "--chromium", "--site", join(folder, "site"), "--name", "a GPU", "--out", out];
  const { stderr } = await promisify(execFile)(process.execPath, words);
  assert.match(stderr, /^a GPU \(software/);
  const visited = JSON.parse(await readFile(out, "utf8"));
  assert.equal(visited.browser.name, "Chromium");
  const { status, stdout, stderr: why } = await imported(visited, "visited");
  assert.equal(status, 0, why);
  assert.match(stdout, /2 cases: 16 rows/);
});

async function imported(file, data = "data") {
  const path = join(folder, "results.json");
  await writeFile(path, JSON.stringify(file));
  return onedispatch("import", ...SPECS, "--data", join(folder, data), path);
}

const bytesOf = (text) => Buffer.from(text, "base64");
const zeros = (text) => Buffer.alloc(bytesOf(text).length).toString("base64");
const nan = (text) => Buffer.concat([Buffer.alloc(4, 0xff), bytesOf(text).subarray(4)]).toString("base64");
