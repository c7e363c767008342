// A model is in a tab's memory once, and on the GPU once; disposing of it gives the GPU's memory back.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { memoryOfLoading } from "../native/memory.js";
import { skip } from "./harness.js";
import { largeModel } from "./large.js";
import { openSite } from "./site.js";

/** So large that what a browser takes by the way does not count. */
const MEBIBYTES = 128;

let folder, site, chromium, close;

before(async () => {
  if (skip) return;
  ({ folder, site, chromium, close } = await openSite());
});

after(() => close?.());

test("a tab takes less than 1.2 times a model's size, and gives the GPU's memory back", { skip }, async (context) => {
  const size = await largeModel(join(folder, "site", "large"), MEBIBYTES);
  const { renderer, gpu, tokens } = await memoryOfLoading(chromium.context, site.url, "/large/");
  const times = ({ before }, bytes) => (bytes - before) / size;
  context.diagnostic(`of ${(size / 2 ** 20).toFixed()} MiB: the tab ${times(renderer, renderer.peak).toFixed(2)} times at most, ` +
    `the GPU's process ${times(gpu, gpu.loaded).toFixed(2)} loaded and ${times(gpu, gpu.disposed).toFixed(2)} disposed of`);
  assert.equal(tokens.length, 4);
  // That it is there at all shows that this is seen.
  assert.ok(times(renderer, renderer.peak) > 0.9 && times(gpu, gpu.loaded) > 0.9);
  assert.ok(times(renderer, renderer.peak) < 1.2);
  assert.ok(times(renderer, renderer.asked) < 1.2);
  assert.ok(times(gpu, gpu.disposed) < 0.3);
});
