// Every composed shader in Chromium's compiler, Tint, whose rules are stricter than naga's in places.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ROOT, skip } from "./harness.js";
import { openSite } from "./site.js";

let page, close;

before(async () => {
  if (skip) return;
  ({ page, close } = await openSite());
});

after(() => close?.());

test("every shader compiles", { skip }, async () => {
  for (const kind of ["control", "decode", "rollout"]) {
    for (const file of await readdir(join(ROOT, "shaders", kind))) {
      for (const name of [`${kind}/${file}`, `${kind}/${file}#by-subgroup`]) {
        const faults = await page.evaluate(compile, name);
        assert.deepEqual(faults, [], name);
      }
    }
  }
});

/** In the page: what the compiler has against a file; nothing where there is none. */
async function compile(file) {
  const { Gpu } = await import("/js/gpu.js");
  const { shader } = await import("/js/core.js");
  const { forBrowser } = await import("/js/executor.js");
  const gpu = await Gpu.open();
  const text = shader(file);
  if (text === undefined) return [];
  const code = forBrowser(text, { subgroup_size: text.includes("subgroupShuffle") ? 1 : 0 });
  const module = gpu.device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  gpu.close();
  return messages.filter(({ type }) => type !== "info").map(({ lineNum, message }) => `line ${lineNum}: ${message}`);
}
