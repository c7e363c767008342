// The page itself, in a real browser: by keyboard from the button to a saved file, text from checkpoints, offline, and what it
// says where something is wrong.

import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadTokenizer } from "../js/tokenizer.js";
import { F32, ggufOf } from "./gguf.js";
import { browser, open, ROOT, serve, skip } from "./harness.js";
import { onedispatch, SPECS } from "./onedispatch.js";

const GOLDEN = join(ROOT, "tests", "golden", "decode");
const TINY = join(GOLDEN, "tiny_d32_l1_h2");
const CHECKPOINT = ["config.json", "model.safetensors"].map((name) => join(TINY, name));
const decodeSpec = SPECS.slice(0, 2);

let folder, site, address, chromium, page, golden;

before(async () => {
  if (skip) return;
  golden = JSON.parse(await readFile(join(TINY, "expected.json"), "utf8"));
  folder = await mkdtemp(join(tmpdir(), "onedispatch-page-"));
  // Under a path, as on a host that has other pages too.
  const made = await onedispatch("web", ...decodeSpec, "--out", join(folder, "some", "where"));
  assert.equal(made.status, 0, made.stderr);
  await textModel(join(folder, "text"));
  site = await serve({ "": folder });
  address = `${site.url}some/where/index.html`;
  chromium = await browser();
  page = await open(chromium.context, address);
  await page.waitForFunction(() => !document.querySelector("#measure").disabled);
});

after(async () => {
  await chromium?.close();
  await site?.close();
  if (folder) await rm(folder, { recursive: true });
});

test("by keyboard alone: from the button to a saved file that is imported", { skip }, async () => {
  assert.match(await page.textContent("#device"), /swiftshader.*software adapter.*no performance/i);
  await tabTo("measure");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#measure-progress:not([hidden])");
  assert.equal(await focused(), "measure-stop");
  await page.waitForSelector("#save:not([hidden])", { timeout: 120_000 });
  assert.equal(await page.textContent("#measure-status"), "Done. Every case is measured.");
  assert.match(await page.textContent("#finding"), /^In 1 model, one dispatch on this software adapter is .* times as fast as .* in one submit\. All \d+ outputs are right\.$/);
  const checks = await page.locator("#checks td:nth-child(3)").allTextContents();
  assert.ok(checks.length >= 12);
  for (const check of checks) assert.match(check, /^✓ /);
  const drawn = await page.locator("#ladder svg").getAttribute("aria-label");
  assert.match(drawn, /^tokens per second\. Your GPU: Wait after each dispatch: [\d.,]+, .*One dispatch: [\d.,]+/);
  assert.equal(await page.locator("#ladder circle").count(), 6);
  assert.equal(await page.locator("#throughput circle").count(), 3);
  const download = page.waitForEvent("download");
  await tabTo("save");
  await page.keyboard.press("Enter");
  const saved = await download;
  assert.match(saved.suggestedFilename(), /^onedispatch-google-swiftshader-chromium-\d{4}-\d\d-\d\d\.json$/);
  const path = join(folder, "results.json");
  await saved.saveAs(path);
  const { status, stderr } = await onedispatch("import", ...decodeSpec, "--data", join(folder, "data"), path);
  assert.equal(status, 0, stderr);
});

test("labels beside the lines of the figure lie over no other text", { skip }, async () => {
  const size = page.viewportSize();
  for (const width of [1100, 360]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForFunction((most) => document.querySelector("#throughput svg").getBoundingClientRect().width <= most, width);
    const over = await page.evaluate(() => {
      // Lines of one label are closer than their boxes are high.
      const least = 3;
      const texts = [...document.querySelectorAll("#throughput text")].map((node) => [node.textContent, node.getBBox()]);
      const meet = (a, b) =>
        Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x) > least && Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y) > least;
      return texts.flatMap(([a, boxA], index) => texts.slice(index + 1).filter(([, boxB]) => meet(boxA, boxB)).map(([b]) => `${a} | ${b}`));
    });
    assert.deepEqual(over, [], `${width} px`);
  }
  await page.setViewportSize(size);
});

test("a measurement that is stopped keeps what was finished, and can begin again", { skip }, async () => {
  await page.click("#measure");
  await page.click("#measure-stop");
  await page.waitForFunction(() => /^(Stopped|Done)/.test(document.querySelector("#measure-status").textContent), null, { timeout: 60_000 });
  assert.match(await page.textContent("#measure-status"), /^Stopped\. Cases that were finished are kept\.$/);
  assert.equal(await page.isEnabled("#measure"), true);
});

test("the page's own model answers, and every way of dispatching gives the same text", { skip }, async () => {
  assert.match(await page.textContent("#model"), /^Model: prose-3m\.gguf; 4 layers, 256 wide, 3,072 tokens of vocabulary, /);
  await fill({ "new-tokens": 8 });
  const dispatches = {};
  for (const way of ["generation", "token", "operation"]) {
    await span(way);
    [, dispatches[way]] = (await generated()).match(/^8 tokens in ([\d,]+) dispatch/);
    await checked(8);
  }
  assert.equal(dispatches.generation, "1");
  assert.match(await page.textContent("#answer"), /^The morning was ./);
  const rows = await page.locator("#tried tbody tr").allTextContents();
  assert.match(rows.join("|"), /^One dispatch1[\d,.]+ ms[\d,.]+\|One per token\d+[\d,.]+ ms[\d,.]+\|One per operation\d{3}/);
  assert.equal(await page.textContent("#tried p"), "The same text each time.");
});

test("chosen files give the golden tokens, in chunks and in one dispatch", { skip }, async () => {
  await choose(CHECKPOINT);
  const { prompt, tokens } = golden;
  const expected = tokens.slice(prompt.length);
  assert.match(await page.textContent("#model-status"), /^Ready: 1 layer, 32 wide, 64 tokens of vocabulary, [\d,]+ parameters; .* token ids\.$/);
  for (const [way, dispatches] of [["chunk", Math.ceil((tokens.length - 1) / 9)], ["generation", 1]]) {
    await fill({ prompt: prompt.join(" "), "new-tokens": expected.length, chunk: 9, temperature: 0 });
    await span(way);
    const said = await generated();
    assert.ok(said.startsWith(`${expected.length} tokens in ${dispatches} dispatch`), said);
    assert.match(said, /tokens\/s, the prompt's 1 token included\. A software adapter: no performance of any GPU\.$/);
    assert.equal(await page.textContent("#answer"), tokens.join(" "), way);
    await checked(expected.length);
  }
});

test("the same seed draws the same answer", { skip }, async () => {
  const answers = [];
  for (const seed of [7, 8, 7]) {
    await fill({ prompt: "1 2", "new-tokens": 30, temperature: 1.5, "top-k": 20, seed });
    await generated();
    answers.push(await page.textContent("#answer"));
  }
  assert.equal(answers[0], answers[2]);
  assert.notEqual(answers[0], answers[1]);
});

test("an answer can be stopped", { skip }, async () => {
  await fill({ prompt: "1", "new-tokens": 60, temperature: 0, chunk: 3 });
  await span("chunk");
  await page.evaluate(() => {
    document.querySelector("#generate").click();
    document.querySelector("#generate-stop").click();
  });
  await page.waitForFunction(() => document.querySelector("#generate-status").textContent.startsWith("Stopped: 3 tokens in 1 dispatch"));
  assert.equal(await page.isEnabled("#generate"), true);
});

test("a request that cannot be is refused in a sentence", { skip }, async () => {
  const refused = async (fields) => {
    await fill({ prompt: "1", "new-tokens": 4, temperature: 0, ...fields });
    return generated();
  };
  assert.equal(await refused({ prompt: "one" }), "“one” is no token id; without tokenizer.json, give whole numbers between spaces.");
  assert.match(await refused({ prompt: "64" }), /^Prompt token 0 is 64; the model's vocabulary is 0 to 63\.$/);
  assert.match(await refused({ prompt: "" }), /^The prompt is empty/);
});

test("a dropped GGUF file answers in text, and the page's own model comes back", { skip }, async () => {
  const { prompt, tokens } = golden;
  const gguf = (await ggufOf(TINY, F32)).toString("base64");
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789. ";
  await page.evaluate(() => (document.querySelector("#request").hidden = true));
  await dropped([{ name: "tiny.gguf", base64: gguf }]);
  await page.waitForSelector("#request:not([hidden])", { timeout: 60_000 });
  assert.match(await page.textContent("#model"), /^Model: yours, tiny\.gguf; 1 layer, 32 wide, 64 tokens of vocabulary, /);
  await fill({ prompt: prompt.map((token) => letters[token]).join(""), "new-tokens": 20, temperature: 0 });
  await generated();
  assert.equal(await page.textContent("#answer"), tokens.slice(0, prompt.length + 20).map((token) => letters[token]).join(""));
  await checked(20);
  const cut = await refusalOf([{ name: "tiny.gguf", base64: gguf, bytes: 40_000 }]);
  assert.match(cut, /^tiny\.gguf: damaged: tensor \S+ ends beyond the file; copy or download the file again\.$/);
  await page.click("#model-back");
  await page.waitForFunction(() => /^Model: prose-3m/.test(document.querySelector("#model").textContent));
  assert.equal(await page.inputValue("#prompt"), "The morning was");
});

test("a conversation keeps its turns, by the model's own template", { skip }, async () => {
  const template = "{% for said in messages %}{{ 'u' if said.role == 'user' else 'a' }}{{ said.content }}.{% endfor %}a";
  await page.evaluate(() => (document.querySelector("#request").hidden = true));
  await dropped([{ name: "chat.gguf", base64: (await ggufOf(TINY, F32, template)).toString("base64") }]);
  await page.waitForSelector("#request:not([hidden])", { timeout: 60_000 });
  assert.equal(await page.isChecked("#converse"), true);
  await fill({ "new-tokens": 5, temperature: 0 });
  const [hi, first, go, second] = await talked("Hi", "Go");
  assert.deepEqual([hi, go], ["Hi", "Go"]);
  await page.uncheck("#converse");
  assert.equal(await answerTo(`uHi.a${first}.uGo.a`), second);
  await page.check("#converse");
  await fill({ prompt: "A".repeat(200) });
  assert.match(await generated(), /^With this message the conversation has \d+ tokens, and the model has place for \d+; begin anew, or write less\.$/);
  await page.click("#converse-anew");
  assert.equal(await page.isVisible("#answer"), false);
  assert.deepEqual(await talked("Hi"), [hi, first]);
});

test("without a template a conversation goes on where the text stopped", { skip }, async () => {
  await page.click("#model-back");
  await page.waitForFunction(() => /^Model: prose-3m/.test(document.querySelector("#model").textContent));
  assert.equal(await page.isChecked("#converse"), false);
  await page.check("#converse");
  assert.equal(await page.textContent("#converse-note"), "This model has no chat template: what you write goes on where its text stopped.");
  await fill({ "new-tokens": 6, temperature: 0.8, seed: 3 });
  const [morning, first, then, second] = await talked("The morning was", " Then");
  await page.uncheck("#converse");
  assert.equal(await page.textContent("#converse-note"), "");
  // Each answer draws by a seed of its own.
  await fill({ seed: 4 });
  assert.equal(await answerTo(morning + first + then), second);
});

test("dropped files that are broken are named by their fault", { skip }, async () => {
  const weights = (await readFile(CHECKPOINT[1])).toString("base64");
  const config = await readFile(CHECKPOINT[0], "utf8");
  const missing = /^There is no model\.safetensors among the files given \(config\.json\); give both together, or one \.gguf\.$/;
  assert.match(await refusalOf([{ name: "config.json", text: config }]), missing);
  await choose(CHECKPOINT);
  assert.match(
    await refusalOf([{ name: "config.json", text: config }, { name: "model.safetensors", base64: weights, bytes: 4000 }]),
    /^model\.safetensors: damaged: /,
  );
  await choose(CHECKPOINT);
  assert.match(
    await refusalOf([{ name: "config.json", text: config.replace('"n_layer": 1', '"n_layer": 2') }, { name: "model.safetensors", base64: weights }]),
    /^model\.safetensors: tensor h\.1\.ln_1\.weight \[32\] is missing/,
  );
});

test("an address in the page's own gives text by the model's tokenizer", { skip }, async () => {
  const other = await open(chromium.context, `${address}?model=${encodeURIComponent("../../text/")}`);
  try {
    await other.waitForFunction(() => document.getElementById("model").textContent.startsWith("Model: yours"), null, { timeout: 60_000 });
    assert.equal(await other.textContent("#prompt-label"), "Prompt");
    const text = "Größe 👩‍🔬";
    await fill({ prompt: text, "new-tokens": 12 }, other);
    assert.match(await generated(other), /^12 tokens in \d+ dispatch/);
    assert.equal(await other.textContent("#answer .prompt"), text);
    const tokens = (await other.getAttribute("#answer", "data-tokens")).split(" ").map(Number);
    const tokenizer = loadTokenizer(await readFile(join(folder, "text", "tokenizer.json"), "utf8"));
    assert.equal(await other.textContent("#answer"), tokenizer.decode([...tokenizer.encode(text), ...tokens]));
    const shared = await other.getAttribute("#share a", "href");
    assert.equal(new URL(new URL(shared).searchParams.get("model"), address).pathname, "/text/");
  } finally {
    await other.close();
  }
});

test("an address without a checkpoint is told of", { skip }, async () => {
  await page.fill("#url", `${site.url}nothing/`);
  await page.click("#fetch button");
  await page.waitForSelector("#model-status.bad");
  assert.match(await page.textContent("#model-status"), /nothing\/config\.json could not be fetched \(status 404\); is it the address of the folder\?$/);
});

test("on a phone's width nothing is cut off", { skip }, async () => {
  const size = page.viewportSize();
  await page.setViewportSize({ width: 360, height: 800 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  await page.setViewportSize(size);
});

test("it works again without a network, and generates", { skip }, async () => {
  await page.waitForFunction(() => document.querySelector("#offline").textContent === "This page is kept for offline use.");
  await chromium.context.setOffline(true);
  try {
    await page.reload();
    await page.waitForFunction(() => !document.querySelector("#measure").disabled);
    await choose(CHECKPOINT);
    await fill({ prompt: golden.prompt.join(" "), "new-tokens": 8 });
    await generated();
    assert.equal(await page.textContent("#answer"), golden.tokens.slice(0, golden.prompt.length + 8).join(" "));
  } finally {
    await chromium.context.setOffline(false);
  }
});

test("a GPU that is lost is told of, and its buttons are off", { skip }, async () => {
  const other = await chromium.context.newPage();
  await other.addInitScript(() => {
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (...options) {
      return (globalThis.theDevice = await requestDevice.apply(this, options));
    };
  });
  await other.goto(address);
  await other.waitForFunction(() => !document.querySelector("#measure").disabled);
  await other.evaluate(() => globalThis.theDevice.destroy());
  await other.waitForSelector("#device.bad");
  assert.match(await other.textContent("#device"), /^The GPU was lost.*Reload the page to go on/);
  assert.equal(await other.isDisabled("#measure"), true);
  await other.close();
});

test("a checkpoint that a limit is too small for is refused with limit and size", { skip }, async () => {
  const other = await chromium.context.newPage();
  await other.addInitScript(() => Object.defineProperty(GPUSupportedLimits.prototype, "maxBufferSize", { get: () => 5000 }));
  await other.goto(address);
  await other.waitForFunction(() => !document.querySelector("#pick-files").disabled);
  await other.setInputFiles("#files", CHECKPOINT);
  await other.waitForSelector("#model-status.bad");
  assert.match(
    await other.textContent("#model-status"),
    /^This model does not fit google swiftshader: the buffer `\w+` \(1 MiB\) needs \d+, but max_buffer_size is 5000; choose a smaller one\.$/,
  );
  assert.equal(await other.isHidden("#request"), true);
  await other.close();
});

test("without a GPU the page says so, and measures nothing", { skip }, async () => {
  const plain = await browser({ webgpu: false });
  try {
    const other = await open(plain.context, address);
    await other.waitForSelector("#device.bad");
    assert.match(await other.textContent("#device"), /^This browser has (no WebGPU|WebGPU, but finds no GPU)/);
    for (const id of ["measure", "pick-files", "pick-folder"]) assert.equal(await other.isDisabled(`#${id}`), true, id);
  } finally {
    await plain.close();
  }
});

/** A checkpoint with a tokenizer: the golden one with 257 tokens, and as many of the golden tokenizer, which are the bytes. */
async function textModel(path) {
  await mkdir(path);
  for (const name of ["config.json", "model.safetensors"]) await cp(join(GOLDEN, "odd_d96_l2_h6_inner200", name), join(path, name));
  const tokenizer = JSON.parse(await readFile(join(import.meta.dirname, "tokenizer", "tokenizer.json"), "utf8"));
  const vocabulary = Object.entries(tokenizer.model.vocab).filter(([, id]) => id < 257);
  tokenizer.model = { ...tokenizer.model, vocab: Object.fromEntries(vocabulary), merges: [] };
  await writeFile(join(path, "tokenizer.json"), JSON.stringify(tokenizer));
}

/** Drops files: `{name}` with a `text`, or with `base64` of which `bytes` may be left. */
const dropped = (files) => page.evaluate((named) => {
  document.querySelector("#model-status").textContent = "";
  const transfer = new DataTransfer();
  for (const { name, text, base64, bytes } of named) {
    const body = text ?? Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).subarray(0, bytes);
    transfer.items.add(new File([body], name));
  }
  document.querySelector("#drop").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}, files);

/** What is said of dropped files that cannot be read. */
async function refusalOf(files) {
  await page.evaluate(() => document.querySelector("#model-status").classList.remove("bad"));
  await dropped(files);
  await page.waitForSelector("#model-status.bad");
  return page.textContent("#model-status");
}

const focused = () => page.evaluate(() => document.activeElement.id);

async function tabTo(id) {
  for (let presses = 0; presses < 30; presses += 1) {
    if ((await focused()) === id) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`#${id} cannot be reached by the Tab key`);
}

async function choose(files) {
  await page.evaluate(() => (document.querySelector("#request").hidden = true));
  await page.setInputFiles("#files", files);
  await page.waitForSelector("#request:not([hidden])", { timeout: 60_000 });
}

/** Chooses what a dispatch covers. The radio itself is not seen, its label is. */
const span = (way) => page.locator(`label:has(> input[name=span][value=${way}])`).click({ position: { x: 4, y: 4 } });

async function fill(fields, where = page) {
  await where.evaluate(() => (document.querySelector("#settings").open = true));
  for (const [id, value] of Object.entries(fields)) await where.fill(`#${id}`, String(value));
}

/** Sends messages of a conversation, and gives all that is shown of it, message and answer in turn. */
async function talked(...messages) {
  for (const prompt of messages) {
    await fill({ prompt });
    await generated();
    assert.equal(await page.inputValue("#prompt"), "");
  }
  return page.locator("#answer span").allTextContents();
}

/** The answer to a prompt alone. */
async function answerTo(prompt) {
  await fill({ prompt });
  await generated();
  return page.locator("#answer span").last().textContent();
}

/** Waits until the oracle has looked at an answer of so many tokens, and is content. */
async function checked(tokens) {
  await page.waitForFunction(() => /^[✓W]/.test(document.querySelector("#generate-check").textContent), null, { timeout: 60_000 });
  assert.match(await page.textContent("#generate-check"), new RegExp(`^✓ All ${tokens} tokens are what the f64 oracle chooses`));
}

/** Presses the button, and gives what is said at the end. */
async function generated(where = page) {
  await where.evaluate(() => (document.querySelector("#generate-status").textContent = ""));
  await where.click("#generate");
  await where.waitForFunction(() => {
    const { textContent, classList } = document.querySelector("#generate-status");
    return classList.contains("bad") || /tokens\/s/.test(textContent);
  }, null, { timeout: 60_000 });
  return where.textContent("#generate-status");
}
