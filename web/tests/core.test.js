// The core in WebAssembly gives what it gives natively, and what only the page has on top of it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Case, ChatTemplate, medianInterval, shader, traffic } from "../js/core.js";
import { plausible } from "../js/executor.js";
import { loadModel } from "../js/generate.js";
import { interleaved, samplesWithinCap, warmUp } from "../js/protocol.js";
import { ROOT } from "./harness.js";

const GOLDEN = join(ROOT, "tests", "golden", "decode");

test("a golden checkpoint's tokens are right by the oracle, and a changed one is not", async () => {
  const folder = join(GOLDEN, "small_d64_l3_h4");
  const { prompt, tokens } = JSON.parse(await readFile(join(folder, "expected.json"), "utf8"));
  const model = loadModel(await readFile(join(folder, "config.json"), "utf8"), await readFile(join(folder, "model.safetensors")));
  const made = Uint32Array.from(tokens.slice(prompt.length));
  const request = JSON.stringify({ prompt, new_tokens: made.length, sampling: null, end_tokens: [] });
  const judged = () => JSON.parse(model.check(request, made, new Float32Array(0), 1e-3).finish());
  assert.equal(judged().reason, "");
  made[3] = (made[3] + 1) % 64;
  assert.match(judged().reason, /^step 3: token \d+ has logit/);
});

test("a conversation is written by the model's own template, wherever that stands", () => {
  const template = "{% for said in messages %}{{ said.role }}: {{ said.content }}{{ eos_token }}{% endfor %}assistant:";
  const settings = (more) => JSON.stringify({ eos_token: "<e>", ...more });
  const said = JSON.stringify([["user", "Hi"], ["assistant", "Yes?"], ["user", "No"]]);
  for (const texts of [[template, settings({ chat_template: "other" })], [undefined, settings({ chat_template: template })]]) {
    assert.equal(ChatTemplate.ofTexts(...texts).render(said), "user: Hi<e>assistant: Yes?<e>user: No<e>assistant:");
  }
  assert.equal(ChatTemplate.ofTexts(undefined, settings()), undefined);
  assert.equal(ChatTemplate.ofTexts(), undefined);
  assert.match(ChatTemplate.ofTexts("{{ strftime_now('%d %b %Y') }}").render("[]"), /^\d\d [A-Z][a-z]{2} \d{4}$/);
  assert.throws(() => ChatTemplate.ofTexts("{% for %}"), /^Refusal: chat_template\.jinja: the chat template cannot be read at line 1/);
  assert.throws(() => ChatTemplate.ofTexts("{{ raise_exception('Users only') }}").render(said), /the chat template refuses this: Users only/);
});

test("a policy's traffic is counted", async () => {
  const made = new Case(await readFile(join(import.meta.dirname, "experiments", "decode.toml"), "utf8"), "d32-l1-t4");
  const { programs } = JSON.parse(made.about());
  const program = made.program(programs.findIndex(({ arm }) => arm === "stepwise"));
  const tokens = JSON.parse(program).phases.reduce((sum, { repeat }) => sum + repeat, 0);
  const { dispatches, submits, waits } = JSON.parse(traffic(program, "submit-per-token"));
  assert.ok(tokens >= 4 && dispatches > 8 * tokens);
  assert.deepEqual([submits, waits], [tokens, 1]);
  assert.throws(() => traffic(program, "never"), /^Refusal: no policy is called `never`/);
});

test("shaders are composed, and others are not there", () => {
  assert.match(shader("decode/subgroup.wgsl"), /@compute/);
  assert.equal(shader("nothing.wgsl"), undefined);
});

// The numbers of `known_intervals` in `src/core/statistics.rs` are of the seed 42; those of a row have a seed of its own.
test("intervals hold their median, and nothing has none", () => {
  const values = Float64Array.from({ length: 10 }, (_, i) => i * i);
  const [low, mid, high] = medianInterval(values, "case/arm/one-submit/0");
  assert.ok(low < mid && mid < high);
  assert.equal(mid, 20.5);
  assert.equal(medianInterval(new Float64Array(0), "x").length, 0);
});

test("order is seeded, complete and interleaved", () => {
  const plan = { samples: 3, warmup_s: 1, arm_cap_s: 10, seed: 7 };
  const order = interleaved(plan, [3, 1, 3]);
  assert.deepEqual(order, interleaved(plan, [3, 1, 3]));
  assert.deepEqual([...order].sort(), [0, 0, 0, 1, 2, 2, 2]);
  assert.deepEqual(order.slice(0, 3).sort(), [0, 1, 2]);
});

test("warm-up goes on until it settles, and caps say what they cut", async () => {
  const plan = { samples: 15, warmup_s: 1, arm_cap_s: 10, seed: 1 };
  const times = [300, 280, 250, 230, 200, 180, 100];
  let runs = 0;
  const typical = await warmUp(plan, async () => 1e6 * times[Math.min(runs++, times.length - 1)]);
  assert.deepEqual([typical, runs], [100e6, 11]);
  assert.deepEqual(samplesWithinCap(plan, 1e6), [15, ""]);
  assert.deepEqual(samplesWithinCap(plan, 1e9), [10, "10 of 15 samples, since more would take over 10 s"]);
  assert.equal(samplesWithinCap(plan, 1e12)[0], 5);
});

test("timestamps that cannot be are flagged", () => {
  assert.deepEqual(plausible(10n, 1010n, 2000), { gpu_ns: 1000, gpu_flag: "" });
  assert.equal(plausible(0n, 1010n, 2000).gpu_flag, "zero");
  assert.equal(plausible(10n, 10n, 2000).gpu_flag, "zero");
  assert.equal(plausible(20n, 10n, 2000).gpu_flag, "negative");
  assert.equal(plausible(10n, 10010n, 2000).gpu_flag, "longer-than-wall");
});
