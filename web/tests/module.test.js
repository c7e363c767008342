// The module for other people's pages, in a page of twenty lines and call by call.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { open, ROOT, skip } from "./harness.js";
import { openSite } from "./site.js";

const MODULE = join(ROOT, "web", "js");

let folder, site, chromium, page, close;

before(async () => {
  if (skip) return;
  ({ folder, site, chromium, page, close } = await openSite());
  await copyFile(join(import.meta.dirname, "example.html"), join(folder, "site", "example.html"));
});

after(() => close?.());

test("a page of twenty lines writes prose", { skip }, async () => {
  const example = await open(chromium.context, `${site.url}example.html`);
  await example.waitForSelector("body[data-done]", { timeout: 120_000 });
  const text = await example.textContent("#text");
  assert.match(text, /^The morning was( \w+){3}/);
  await example.close();
});

test("text, ids, seeds, stops; and everything on the GPU is given back", { skip }, async () => {
  const said = await page.evaluate(async () => {
    // What is made and not destroyed is what is held.
    const held = new Set();
    const { createBuffer } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function (description) {
      const buffer = createBuffer.call(this, description);
      held.add(buffer);
      const destroy = buffer.destroy.bind(buffer);
      buffer.destroy = () => (held.delete(buffer), destroy());
      return buffer;
    };
    const { load } = await import("/js/onedispatch.js");
    const model = await load("/models/prose-3m.gguf");
    const whole = async (options) => {
      const pieces = [];
      for await (const piece of model.generate("It is a", { tokens: 12, ...options })) pieces.push(piece);
      return pieces;
    };
    const greedy = await whole();
    const spans = [(await whole({ span: "token" })).join(""), (await whole({ span: "generation" })).join("")];
    const drawn = [];
    for (const seed of [7, 7, 8]) drawn.push((await whole({ temperature: 1, seed })).join(""));
    const ids = [];
    for await (const tokens of model.generateIds(model.encode("It is a"), { tokens: 12 })) ids.push(...tokens);
    let busy = null;
    for await (const _ of model.generate("It is a", { span: "token" })) {
      busy = await whole().then(() => "nothing", ({ code }) => code);
      break;
    }
    const stopping = new AbortController();
    let stopped = null;
    try {
      for await (const _ of model.generate("It is a", { span: "token", signal: stopping.signal })) stopping.abort();
    } catch ({ name }) {
      stopped = name;
    }
    const after = await whole();
    const most = held.size;
    model.dispose();
    const gone = await whole().then(() => "nothing", ({ code }) => code);
    return { greedy, spans, drawn, text: model.decode(ids), busy, stopped, after, most, left: held.size, gone, parameters: model.parameters };
  });
  const text = said.greedy.join("");
  assert.ok(text.length > 12 && said.greedy.length >= 1, text);
  assert.deepEqual(said.spans, [text, text]);
  assert.equal(said.after.join(""), text);
  assert.equal(said.text.trim(), text.trim());
  assert.equal(said.drawn[0], said.drawn[1]);
  assert.notEqual(said.drawn[0], said.drawn[2]);
  assert.deepEqual([said.busy, said.stopped, said.gone], ["busy", "AbortError", "disposed"]);
  assert.ok(said.most > 0);
  assert.equal(said.left, 0, "buffers are left on the GPU");
  assert.equal(said.parameters, 3541248);
});

test("each fault has its code, and a lost device is met by loading again", { skip }, async () => {
  const said = await page.evaluate(async () => {
    const { load, OnedispatchError } = await import("/js/onedispatch.js");
    const codeOf = (attempt) => attempt.then(() => "nothing", (error) => `${error instanceof OnedispatchError && error.code}: ${error.message}`);
    const faults = [
      await codeOf(load("/models/none.gguf")),
      await codeOf(load([new File([new Uint8Array(100)], "x.gguf")])),
      await codeOf(load("/models/prose-3m.gguf", { gpu: null })),
    ];
    let device;
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (...words) {
      return (device = await requestDevice.apply(this, words));
    };
    const first = await load("/models/prose-3m.gguf");
    const all = async (model, prompt, options) => {
      let text = "";
      for await (const piece of model.generate(prompt, { tokens: 8, ...options })) text += piece;
      return text;
    };
    const before = await all(first, "It is a");
    faults.push(await codeOf(all(first, "It is a", { temperature: -1 })));
    device.destroy();
    await device.lost;
    faults.push(await codeOf(all(first, "It is a")));
    first.dispose();
    const second = await load("/models/prose-3m.gguf");
    const again = await all(second, "It is a");
    second.dispose();
    return { faults, before, again };
  });
  assert.match(said.faults[0], /^fetch: .*status 404/);
  assert.match(said.faults[1], /^model: x\.gguf: /);
  assert.match(said.faults[2], /^gpu: This browser has no WebGPU/);
  assert.match(said.faults[3], /^request: .*temperature/i);
  assert.match(said.faults[4], /^lost: The GPU was lost/);
  assert.equal(said.again, said.before);
});

test("it packs for npm, in the program's version", async () => {
  const { stdout } = await promisify(execFile)("npm", ["pack", "--dry-run", "--json", MODULE], { maxBuffer: 2 ** 24 });
  const [packed] = JSON.parse(stdout);
  const files = packed.files.map(({ path }) => path);
  for (const file of ["onedispatch.js", "onedispatch.d.ts", "README.md", "package.json", "vendor/onedispatch_page_bg.wasm"]) {
    assert.ok(files.includes(file), file);
  }
  assert.ok(!files.some((file) => file.startsWith("page/")), "the page's own parts are none of the module's");
  const manifest = await readFile(join(ROOT, "Cargo.toml"), "utf8");
  assert.equal(packed.version, /^version = "(.*)"$/m.exec(manifest)[1]);
});
