#!/usr/bin/env node
// What a model takes in a tab of Chromium: loaded, asked and disposed of by the module that other pages use.
//
//     node web/native/memory.js [--site web/dist] [--model FOLDER | --mebibytes 500] [--hardware]
//
// Without a model it makes one, of so many MiB in f32. A renderer is the process of a tab: its JavaScript, WebAssembly, and what it
// shares with the process of the GPU. That is apart: on a software adapter, buffers of the GPU are its own memory.

import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { largeModel } from "../tests/large.js";
import { browser, open, serve } from "./browser.js";
import { memoryOf, processes, watch } from "./processes.js";

/**
 * Bytes: `{before, peak, loaded, asked, disposed}` for the tab (`renderer`) and for the process of the GPU (`gpu`), `peak` while it loads
 * and `asked` while it answers. Beside them `tokens` of an answer, and the `arm`. `address` is that of a model on the site.
 */
export async function memoryOfLoading(context, url, address) {
  const page = await open(context, `${url}blank.html`);
  // The tab that a browser begins with has a process of its own.
  for (const other of context.pages()) if (other !== page) await other.close();
  await page.evaluate(async () => {
    const { Gpu } = await import("/js/gpu.js");
    // So that what a device takes by itself is there before.
    globalThis.first = await Gpu.open();
    globalThis.onedispatch = await import("/js/onedispatch.js");
  });
  const ids = { renderer: await processes(context, "renderer"), gpu: await processes(context, "GPU") };
  const found = { renderer: {}, gpu: {} };
  const note = async (when) => {
    for (const kind of Object.keys(ids)) found[kind][when] = await memoryOf(ids[kind]);
  };
  const watched = async (when, work) => {
    const watches = Object.entries(ids).map(([kind, all]) => [kind, watch(all)]);
    const result = await work();
    for (const [kind, { stop }] of watches) found[kind][when] = await stop();
    return result;
  };
  const load = () => page.evaluate(async (path) => {
    globalThis.model = await globalThis.onedispatch.load(path);
    return globalThis.model.arm;
  }, address);
  await note("before");
  found.arm = await watched("peak", load);
  await note("loaded");
  found.tokens = await watched("asked", () => page.evaluate(async () => {
    const ids = [];
    for await (const tokens of globalThis.model.generateIds([1, 2, 3], { tokens: 4 })) ids.push(...tokens);
    return ids;
  }));
  await page.evaluate(() => globalThis.model.dispose());
  await page.waitForTimeout(1000);
  await note("disposed");
  await page.close();
  return found;
}

async function main() {
  const { values: options } = parseArgs({
    options: {
      site: { type: "string", default: "web/dist" },
      model: { type: "string" },
      mebibytes: { type: "string", default: "500" },
      hardware: { type: "boolean", default: false },
    },
  });
  const made = options.model ? null : await mkdtemp(join(tmpdir(), "onedispatch-memory-"));
  const folder = resolve(options.model ?? made);
  if (made) await largeModel(made, Number(options.mebibytes));
  const { size } = await stat(join(folder, "model.safetensors"));
  const server = await serve({ "": resolve(options.site), model: folder });
  const { context, close } = await browser({ isHardware: options.hardware });
  try {
    const { renderer, gpu, arm } = await memoryOfLoading(context, server.url, "/model/");
    const mib = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;
    const line = (name, { before, peak, loaded, asked, disposed }) =>
      console.log(`${name}: ${mib(before)} before, at most ${mib(peak)} while loading (${(peak / size).toFixed(2)} times the model's size, ` +
        `${((peak - before) / size).toFixed(2)} more than before), ${mib(loaded)} loaded, at most ${mib(asked)} while answering, ${mib(disposed)} disposed of`);
    console.log(`Chromium ${context.browser().version()}, a model of ${mib(size)}, ${arm}; Pss_Anon and Pss_Shmem of /proc/PID/smaps_rollup, every 50 ms`);
    line("the tab's process", renderer);
    line("the GPU's process", gpu);
  } finally {
    await close();
    await server.close();
    if (made) await rm(made, { recursive: true });
  }
}

if (process.argv[1] && basename(process.argv[1]) === "memory.js" && dirname(resolve(process.argv[1])) === import.meta.dirname) await main();
