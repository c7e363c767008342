// The page is never in the way: no task of its main thread is long while it loads and answers, and a tab that is not looked at rests.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { longestTasks } from "../native/tasks.js";
import { open, skip } from "./harness.js";
import { largeModel } from "./large.js";
import { openSite } from "./site.js";

/** From which on one notices. */
const LONGEST_MS = 50;

let folder, site, chromium, page, close;

before(async () => {
  if (skip) return;
  ({ folder, site, chromium, page, close } = await openSite());
});

after(() => close?.());

test("a long task is seen", { skip }, async () => {
  const [longest] = await longestTasks(chromium.context, page, () => page.evaluate(async () => {
    // As a promise's, which goes on beside its task.
    await new Promise((resolve) => setTimeout(resolve));
    const until = performance.now() + 400;
    while (performance.now() < until);
  }));
  assert.ok(longest.ms > LONGEST_MS, JSON.stringify(longest));
});

test("none while the page loads its model and answers", { skip }, async (context) => {
  const shown = await chromium.context.newPage();
  const loading = () => shown.goto(`${site.url}index.html`).then(() => ready(shown));
  short(context, "loading", await longestTasks(chromium.context, shown, loading));
  await shown.evaluate(() => (document.querySelector("#settings").open = true));
  await shown.fill("#new-tokens", "24");
  for (const way of ["generation", "token", "operation"]) {
    await shown.evaluate((span) => document.querySelector(`input[name=span][value=${span}]`).click(), way);
    short(context, way, await longestTasks(chromium.context, shown, () => answered(shown)));
  }
  await shown.close();
});

test("none while the module loads a model of 128 MiB", { skip }, async (context) => {
  await largeModel(join(folder, "site", "large"), 128);
  const other = await open(chromium.context, `${site.url}blank.html`);
  await other.evaluate(async () => (globalThis.onedispatch = await import("/js/onedispatch.js")));
  short(context, "128 MiB", await longestTasks(chromium.context, other, () => other.evaluate(async () => {
    const model = await globalThis.onedispatch.load("/large/");
    for await (const _ of model.generateIds([1, 2, 3], { tokens: 4 }));
    model.dispose();
  })));
  await other.close();
});

test("none while the oracle follows an answer of such a model", { skip }, async (context) => {
  const other = await open(chromium.context, `${site.url}blank.html`);
  await other.evaluate(async () => {
    const { bytesOf, fromUrl } = await import("/js/checkpoint.js");
    const { Generator, loadModel } = await import("/js/generate.js");
    const { config, weights } = await fromUrl("/large/");
    globalThis.generator = new Generator(null, loadModel(config, await bytesOf(weights, () => {})));
  });
  const request = { prompt: Array(8).fill(1), new_tokens: 4, sampling: null, end_tokens: [] };
  let found = null;
  short(context, "checking", await longestTasks(chromium.context, other, async () => {
    found = await other.evaluate(async (asked) => {
      const followed = [];
      const { reason } = await globalThis.generator.check(asked, [1, 2, 3, 4], { progress: (done) => followed.push(done) });
      return { followed, reason };
    }, request);
  }));
  assert.deepEqual(found.followed, [1, 2, 3, 4]);
  assert.match(found.reason, /^step 0: token 1 has logit/);
  await other.close();
});

test("a tab in the background rests, and goes on where it was", { skip }, async () => {
  const shown = await open(chromium.context, `${site.url}index.html`);
  await ready(shown);
  await canBeHidden(shown);
  await shown.evaluate(() => {
    document.querySelector("input[name=span][value=token]").click();
    document.querySelector("#settings").open = true;
  });
  await shown.fill("#new-tokens", "60");
  await shown.evaluate(async () => {
    const first = new Promise((resolve) => new MutationObserver(resolve).observe(document.querySelector("#answer"), { childList: true, subtree: true }));
    document.querySelector("#generate").click();
    await first;
    globalThis.look(true);
  });
  await shown.waitForTimeout(300);
  const text = await shown.textContent("#answer");
  await shown.waitForTimeout(1500);
  assert.equal(await shown.textContent("#answer"), text);
  assert.equal(await shown.textContent("#generate-status"), "Generating …");
  await shown.evaluate(() => globalThis.look(false));
  await shown.waitForFunction(() => document.querySelector("#generate-status").textContent.startsWith("60 tokens in "), null, { timeout: 60_000 });
  assert.match(await shown.textContent("#generate-status"), /It rested while this tab was in the background, so there is no time to tell\.$/);
  assert.ok((await shown.textContent("#answer")).startsWith(text));
  assert.equal(await shown.isHidden("#tried"), true);
  await shown.close();
});

test("the module's answers rest in the background too, unless they are stopped there", { skip }, async () => {
  const other = await open(chromium.context, `${site.url}blank.html`);
  await canBeHidden(other);
  const said = await other.evaluate(async () => {
    const { load } = await import("/js/onedispatch.js");
    const model = await load("/models/prose-3m.gguf");
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const answer = async (signal) => {
      const lengths = [];
      let ids = 0;
      const all = (async () => {
        for await (const tokens of model.generateIds(model.encode("It is a"), { tokens: 12, span: "token", signal })) {
          if (ids === 0) globalThis.look(true);
          ids += tokens.length;
        }
      })().then(() => "done", ({ name }) => name);
      while (ids === 0) await wait(20);
      for (const ms of [300, 700]) {
        await wait(ms);
        lengths.push(ids);
      }
      return { all, lengths, ids: () => ids };
    };
    const resting = await answer();
    globalThis.look(false);
    const ended = [await resting.all, resting.ids()];
    const stopping = new AbortController();
    const stopped = await answer(stopping.signal);
    stopping.abort();
    const said = { lengths: [...resting.lengths, ...stopped.lengths], ended, stopped: await stopped.all };
    model.dispose();
    return said;
  });
  assert.deepEqual(said, { lengths: [1, 1, 1, 1], ended: ["done", 12], stopped: "AbortError" });
  await other.close();
});

test("on a slow GPU a dispatch is short, and a long one is warned of", { skip }, async () => {
  const slow = await chromium.context.newPage();
  await slow.addInitScript(() => {
    const { onSubmittedWorkDone } = GPUQueue.prototype;
    GPUQueue.prototype.onSubmittedWorkDone = async function () {
      await onSubmittedWorkDone.call(this);
      await new Promise((resolve) => setTimeout(resolve, 500));
    };
  });
  await slow.goto(`${site.url}index.html`);
  await ready(slow);
  const chosen = () => slow.evaluate(() => document.querySelector("#request").elements.span.value);
  assert.equal(await chosen(), "token");
  assert.equal(await slow.textContent("#whole-note"), "");
  await slow.evaluate(() => document.querySelector("input[name=span][value=generation]").click());
  assert.match(await slow.textContent("#whole-note"), /^That takes about \d+ s here, and systems may reset a GPU that works for more than 2 s on end\.$/);
  await slow.close();
});

function short(context, what, [longest]) {
  context.diagnostic(`${what}: ${longest.ms.toFixed(1)} ms of the processor, ${longest.wall_ms.toFixed(1)} ms in all (${longest.doing.join(", ")})`);
  assert.ok(longest.ms > 0 && longest.ms < LONGEST_MS, `${what}: ${JSON.stringify(longest)}`);
}

/** Has `look(isHidden)` in a page take it from sight, as far as the page can tell, or bring it back. */
const canBeHidden = (where) => where.evaluate(() => {
  globalThis.look = (isHidden) => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  };
});

const ready = (where) => where.waitForFunction(() => !document.querySelector("#generate").disabled, null, { timeout: 60_000 });

async function answered(where) {
  await where.evaluate(() => {
    document.querySelector("#generate-check").textContent = "";
    document.querySelector("#generate").click();
  });
  await where.waitForFunction(() => /^✓/.test(document.querySelector("#generate-check").textContent), null, { timeout: 120_000 });
}
