// What a tuning is chosen by, on clocks as browsers have them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { trial } from "../js/trial.js";

/** A program whose runs take `run_ns`, noticed `wait_ns` after the last, by a clock in steps of `step_ns`. */
const program = ({ run_ns, wait_ns = 0, step_ns = 1 }) => ({
  run: async () => {},
  runInARow: async (policy, count) => Math.floor((count * run_ns + wait_ns) / step_ns) * step_ns,
});

test("neither a coarse clock nor a long wait hides which program is faster", async () => {
  for (const browser of [{ step_ns: 1e6 }, { wait_ns: 2.5e6 }, { step_ns: 1e5, wait_ns: 2.5e6 }]) {
    const [fast, slow] = [await trial(program({ run_ns: 5e5, ...browser })), await trial(program({ run_ns: 8e5, ...browser }))];
    assert.ok(fast > 0 && fast < slow, `${fast} and ${slow}`);
  }
});

test("code that gets faster after a moment counts as it is then", async () => {
  const begun = performance.now();
  const run_ns = () => (performance.now() - begun < 150 ? 8e5 : 3e5);
  const settling = { run: async () => {}, runInARow: async (policy, count) => count * run_ns() };
  assert.equal(await trial(settling, "one-submit"), 3e5);
});

test("a clock that stands still ends the trial with a time above nothing", async () => {
  assert.ok((await trial(program({ run_ns: 0 }))) > 0);
});
