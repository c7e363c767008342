// Every shader in Chromium's compiler, Tint, whose rules are stricter than naga's in places.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser, open, ROOT, serve, skip } from "./harness.js";

let site, chromium, page;

before(async () => {
  if (skip) return;
  site = await serve({ js: join(ROOT, "web/js"), shaders: join(ROOT, "shaders") });
  chromium = await browser();
  page = await open(chromium.context, `${site.url}blank.html`);
});

after(async () => {
  await chromium?.close();
  await site?.close();
});

test("every shader compiles", { skip }, async () => {
  for (const folder of ["control", "decode", "rollout"]) {
    for (const file of await readdir(join(ROOT, "shaders", folder))) {
      const faults = await page.evaluate(compile, `${folder}/${file}`);
      assert.deepEqual(faults, [], `${folder}/${file}`);
    }
  }
});

/** In the page: what the compiler has against a file. */
async function compile(file) {
  const { Gpu } = await import("/js/gpu.js");
  const { forBrowser } = await import("/js/executor.js");
  const gpu = await Gpu.open();
  const text = await (await fetch(`/shaders/${file}`)).text();
  const code = forBrowser(text, { subgroup_size: text.includes("subgroupShuffle") ? 1 : 0 });
  const module = gpu.device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  gpu.close();
  return messages.filter(({ type }) => type !== "info").map(({ lineNum, message }) => `line ${lineNum}: ${message}`);
}
