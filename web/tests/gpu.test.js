// Opening a GPU, with stand-ins for what browsers do.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Gpu, NO_ADAPTER } from "../js/gpu.js";

const device = () => ({ queue: {}, limits: {}, features: new Set(), lost: new Promise(() => {}) });
const adapter = { limits: {}, features: new Set(), info: { vendor: "late" }, requestDevice: async () => device() };

/** A browser that has no adapter the first `times` that it is asked. */
function late(times) {
  let asked = 0;
  return { requestAdapter: async () => ((asked += 1) > times ? adapter : null) };
}

test("an adapter that is not there at once is asked for again", async () => {
  assert.equal((await Gpu.open({ gpu: late(1) })).info.name, "late");
});

test("an adapter that never comes is refused", async () => {
  await assert.rejects(Gpu.open({ gpu: late(Infinity) }), { name: "Refusal", message: NO_ADAPTER });
});
