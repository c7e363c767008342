// Generation from a golden checkpoint in a real browser, whole and in parts, from GGUF too; and what is said where it cannot be done.

import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { F32, ggufOf, Q8_0 } from "./gguf.js";
import { browser, open, ROOT, skip } from "./harness.js";
import { onedispatch } from "./onedispatch.js";
import { openSite } from "./site.js";

const GOLDEN = join(ROOT, "tests", "golden", "decode");
const MODEL = "tiny_d32_l1_h2";

let folder, site, page, close, golden;

before(async () => {
  golden = JSON.parse(await readFile(join(GOLDEN, MODEL, "expected.json"), "utf8"));
  if (skip) return;
  ({ folder, site, page, close } = await openSite({ golden: GOLDEN }));
});

after(() => close?.());

test("golden tokens come in chunks of any size, greedy, sampled and to an end", { skip }, async () => {
  const { prompt, tokens } = golden;
  const expected = tokens.slice(prompt.length);
  const end = expected.find((token) => token !== expected[0]);
  const ended = expected.slice(0, expected.indexOf(end) + 1);
  for (const arm of ["fused-workgroup", "fused-subgroup"]) {
    const requests = [
      { prompt, new_tokens: expected.length, sampling: null, end_tokens: [] },
      { prompt, new_tokens: expected.length, sampling: null, end_tokens: [end] },
      { prompt, new_tokens: expected.length, sampling: { temperature: 0.9, top_k: 5, seed: 7 }, end_tokens: [] },
    ];
    const answers = await page.evaluate(answer, { model: MODEL, arm, requests, chunks: [null, 1, 5] });
    for (const [index, wanted] of [expected, ended, answers[2][0].tokens].entries()) {
      for (const { chunk, tokens: found, pieces } of answers[index]) {
        assert.deepEqual(found, wanted, `${arm}, request ${index}, chunk ${chunk}`);
        const positions = prompt.length + expected.length - 1;
        if (index !== 1) assert.equal(pieces, chunk === null ? 1 : Math.ceil(positions / chunk), `${arm}, chunk ${chunk}`);
      }
    }
    assert.equal(answers[2][0].tokens.length, expected.length);
  }
});

test("every family gives its golden tokens", { skip }, async () => {
  const families = (await readdir(GOLDEN, { withFileTypes: true })).filter((entry) => entry.isDirectory() && entry.name !== MODEL);
  assert.ok(families.length >= 8);
  for (const { name } of families) {
    const { prompt, tokens } = JSON.parse(await readFile(join(GOLDEN, name, "expected.json"), "utf8"));
    const request = { prompt, new_tokens: tokens.length - prompt.length, sampling: null, end_tokens: [] };
    const [[{ tokens: found }]] = await page.evaluate(answer, { model: name, arm: "fused-workgroup", requests: [request], chunks: [null] });
    assert.deepEqual(found, tokens.slice(prompt.length), name);
  }
});

/** In the page: the answers to each request in chunks of each size. */
async function answer({ model, arm, requests, chunks }) {
  const { Gpu } = await import("/js/gpu.js");
  const { Generator, loadModel } = await import("/js/generate.js");
  const gpu = await Gpu.open();
  const text = await (await fetch(`/golden/${model}/config.json`)).text();
  const bytes = await (await fetch(`/golden/${model}/model.safetensors`)).arrayBuffer();
  const generator = await Generator.of(gpu, loadModel(text, bytes), { arms: [arm] });
  const answers = [];
  for (const request of requests) {
    const found = [];
    for (const chunk of chunks) {
      const tokens = [];
      let pieces = 0;
      for await (const made of generator.generate(request, { span: chunk === null ? "generation" : `chunk:${chunk}` })) {
        tokens.push(...made.tokens);
        pieces += 1;
      }
      found.push({ chunk, tokens, pieces });
    }
    answers.push(found);
  }
  gpu.close();
  return answers;
}

test("a GGUF file gives the golden text, and its packed weights stay packed", { skip }, async () => {
  const { prompt, tokens } = golden;
  const expected = tokens.slice(prompt.length);
  const files = {};
  for (const [name, type] of [["f32", F32], ["q8_0", Q8_0]]) files[name] = (await ggufOf(join(GOLDEN, MODEL), type)).toString("base64");
  const found = await page.evaluate(spans, { files, prompt, new_tokens: expected.length });
  assert.equal(found.f32.arm, "fused-subgroup");
  assert.deepEqual(found.f32.made.map(({ tokens: made }) => made), [expected, expected]);
  assert.equal(found.q8_0.arm, "fused-subgroup-q8_0");
  const positions = prompt.length + expected.length - 1;
  for (const { made, checks } of Object.values(found)) {
    assert.deepEqual(made[1].tokens, made[0].tokens);
    assert.deepEqual(checks, ["", ""]);
    assert.deepEqual([made[0].dispatches, made[1].dispatches], [1, positions]);
  }
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789. ";
  assert.equal(found.f32.text, expected.map((token) => letters[token]).join(""));
});

/** In the page: what each file's model makes in spans of one kernel, and what the oracle has against it. */
async function spans({ files, prompt, new_tokens }) {
  const { Gpu } = await import("/js/gpu.js");
  const { Generator, loadGguf } = await import("/js/generate.js");
  const { fromBase64 } = await import("/js/base64.js");
  const { wrapped } = await import("/js/tokenizer.js");
  const gpu = await Gpu.open();
  const found = {};
  for (const [name, base64] of Object.entries(files)) {
    const model = loadGguf(fromBase64(base64), `${name}.gguf`);
    const tokenizer = wrapped(model.takeTokenizer());
    const sampling = name === "f32" ? null : { temperature: 0.9, top_k: 5, seed: 7 };
    const generator = await Generator.of(gpu, model, sampling ? { atOnce: sampling } : { arms: ["fused-subgroup"] });
    const request = { prompt, new_tokens, sampling, end_tokens: [] };
    const [made, checks] = [[], []];
    for (const span of ["generation", "token"]) {
      const all = { tokens: [], dispatches: 0 };
      for await (const { tokens, dispatches } of generator.generate(request, { span })) {
        all.tokens.push(...tokens);
        all.dispatches = dispatches;
      }
      made.push(all);
      checks.push((await generator.check(request, all.tokens)).reason);
    }
    found[name] = { arm: generator.arm, made, checks, text: tokenizer.continuation(prompt, made[0].tokens, false) };
    generator.destroy();
  }
  gpu.close();
  return found;
}

test("a broken GGUF file is named by the fault that the program names", { skip }, async () => {
  const whole = await ggufOf(join(GOLDEN, MODEL), Q8_0);
  const other = Buffer.from(whole);
  other.write("gpt9", other.indexOf("gpt2"));
  const broken = {
    "magic.gguf": Buffer.from("no model"),
    "cut.gguf": whole.subarray(0, whole.length - 4000),
    "head.gguf": whole.subarray(0, 100),
    "family.gguf": other,
  };
  for (const [name, bytes] of Object.entries(broken)) {
    await writeFile(join(folder, name), bytes);
    const { status, stderr } = await onedispatch("generate", "--model", join(folder, name), "--prompt-ids", "1");
    assert.equal(status, 2, stderr);
    const said = await page.evaluate(async ({ name: file, base64 }) => {
      const { loadGguf } = await import("/js/generate.js");
      const { fromBase64 } = await import("/js/base64.js");
      try {
        loadGguf(fromBase64(base64), file).free();
        return "nothing";
      } catch (error) {
        return error.message;
      }
    }, { name, base64: bytes.toString("base64") });
    assert.ok(stderr.trimEnd().endsWith(`/${said}`), `${said}\n${stderr}`);
  }
});

test("a lost device is told of in a sentence", { skip }, async () => {
  const said = await page.evaluate(async () => {
    const { Gpu } = await import("/js/gpu.js");
    const { Prepared } = await import("/js/executor.js");
    const { Refusal } = await import("/js/refusal.js");
    const gpu = await Gpu.open();
    const constants = {};
    const program = {
      name: "empty",
      buffers: [{ name: "count", bytes: 4, contents: "zero" }],
      kernels: [{ shader: "control/empty.wgsl", entry: "empty", constants, workgroup_size: 1, workgroup_bytes: 0, subgroup_size: 0, workgroups_together: 1, checks: "bounds" }],
      phases: [{ name: "run", repeat: 3, dispatches: [{ kernel: 0, bindings: [{ buffer: 0, offset: 0, bytes: 4 }], workgroups: 1 }] }],
      outputs: ["count"],
    };
    const prepared = await Prepared.of(gpu, program);
    await prepared.run("wait-each");
    const [count] = new Uint32Array(await prepared.read("count"));
    gpu.device.destroy();
    const faults = [];
    for (const attempt of [() => prepared.run("one-submit"), () => prepared.read("count")]) {
      await attempt().then(() => faults.push("nothing"), (error) => faults.push(error instanceof Refusal ? error.message : String(error)));
    }
    return { count, faults };
  });
  assert.equal(said.count, 3);
  for (const fault of said.faults) assert.match(fault, /^The GPU was lost.*Reload the page to go on/);
});

test("a program that does not fit, and a shader that does not compile, are named", { skip }, async () => {
  const said = await page.evaluate(async () => {
    const { Gpu } = await import("/js/gpu.js");
    const { Prepared } = await import("/js/executor.js");
    const gpu = await Gpu.open();
    const kernel = (more) => ({ shader: "x.wgsl", entry: "main", constants: {}, workgroup_size: 1, workgroup_bytes: 0, subgroup_size: 0, workgroups_together: 1, checks: "bounds", ...more });
    const of = (more, bytes = 4) => ({
      name: "test",
      buffers: [{ name: "big", bytes, contents: "zero" }],
      kernels: [kernel(more)],
      phases: [{ name: "run", repeat: 1, dispatches: [{ kernel: 0, bindings: [{ buffer: 0, offset: 0, bytes }], workgroups: 1 }] }],
      outputs: ["big"],
    });
    const source = () => "@group(0) @binding(0) var<storage, read_write> x: u32;\n@compute @workgroup_size(1) fn main() { x = y; }";
    const fault = (program) => Prepared.of(gpu, program, { source }).then(() => "nothing", ({ name, message }) => `${name}: ${message}`);
    const faults = [
      await fault(of({}, 2 ** 42)),
      await fault(of({ workgroup_size: 4096 })),
      await fault(of({ workgroup_bytes: 2 ** 20 })),
      await fault(of({ subgroup_size: 256 })),
      await fault(of({ workgroups_together: 2 })),
      await fault(of({ checks: "none" })),
      await fault(of({})),
    ];
    gpu.check();
    gpu.close();
    return faults;
  });
  const expected = [
    /Refusal: test does not fit .*: the buffer `big` \(4194304 MiB\) needs 4398046511104, but max_buffer_size is \d+/,
    /a workgroup of x\.wgsl needs 4096, but max_compute_invocations_per_workgroup is \d+/,
    /workgroup memory of x\.wgsl needs 1048576/,
    /needs subgroups of 256, the smallest is 4/,
    /make progress together/,
    /with other checks than WebGPU's/,
    /Refusal: shaders\/x\.wgsl does not compile on .*: line 2: unresolved value 'y'/,
  ];
  said.forEach((fault, index) => assert.match(fault, expected[index]));
});

test("a broken checkpoint is named by its faults", { skip }, async () => {
  const model = await readFile(join(GOLDEN, MODEL, "model.safetensors"));
  const config = await readFile(join(GOLDEN, MODEL, "config.json"), "utf8");
  const said = (text, bytes) => page.evaluate(async ({ text: json, base64 }) => {
    const { loadModel } = await import("/js/generate.js");
    const { fromBase64 } = await import("/js/base64.js");
    try {
      loadModel(json, fromBase64(base64)).free();
      return "nothing";
    } catch ({ name, message }) {
      return `${name}: ${message}`;
    }
  }, { text, base64: bytes.toString("base64") });
  const changed = (key, value) => JSON.stringify({ ...JSON.parse(config), [key]: value });
  assert.equal(await said(config, model), "nothing");
  assert.match(await said("{", model), /Refusal: config.json: not a JSON object/);
  const family = /Refusal: config.json: model_type is "bert"; supported: `gpt2` or `/;
  assert.match(await said(changed("model_type", "bert"), model), family);
  assert.match(await said(changed("n_head", 3), model), /n_head must divide n_embd/);
  assert.match(await said(changed("n_embd", 64), model), /tensor wte.weight has shape \[\d+, 32\], expected \[\d+, 64\]/);
  assert.match(await said(changed("n_layer", 2), model), /tensor h.1.ln_1.weight \[32\] is missing.*and perhaps more/);
  assert.match(await said(config, model.subarray(0, 5)), /damaged: 5 bytes are no safetensors file/);
  assert.match(await said(config, model.subarray(0, model.length - 4)), /damaged: its tensors end elsewhere/);
  const infinite = Buffer.from(model);
  infinite.writeFloatLE(Infinity, model.length - 4);
  assert.match(await said(config, infinite), /has inf at \[.*\]; every element must be finite/);
});

test("a browser without WebGPU, or without a GPU, is told so", { skip }, async () => {
  const said = await page.evaluate(async () => {
    const { Gpu, NO_ADAPTER, NO_WEBGPU } = await import("/js/gpu.js");
    const none = { requestAdapter: async () => null };
    const message = (options) => Gpu.open(options).then(() => "nothing", (error) => error.message);
    return [await message({ gpu: none }) === NO_ADAPTER, await message({ gpu: null }) === NO_WEBGPU];
  });
  assert.deepEqual(said, [true, true]);
  const without = await browser({ webgpu: false });
  try {
    const plain = await open(without.context, `${site.url}blank.html`);
    const real = await plain.evaluate(async () => {
      const { Gpu } = await import("/js/gpu.js");
      return Gpu.open().then(() => "nothing", ({ name, message }) => `${name}: ${message}`);
    });
    assert.match(real, /^Refusal: This browser has (no WebGPU|WebGPU, but finds no GPU)/);
  } finally {
    await without.close();
  }
});
