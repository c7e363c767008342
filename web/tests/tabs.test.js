// Two tabs of one browser, which share a GPU, a service worker and what is kept.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { open, skip } from "./harness.js";
import { servePage } from "./site.js";

/** So many tokens that both tabs are at it for a while. */
const REQUESTS = [
  { prompt: "The morning was", "new-tokens": 200, temperature: 0.8, seed: 1 },
  { prompt: "It is a", "new-tokens": 200, temperature: 0, seed: 1 },
];

let site, chromium, close, tabs;

before(async () => {
  if (skip) return;
  ({ site, chromium, close } = await servePage());
  // At once, so that both find nothing kept.
  tabs = await Promise.all(REQUESTS.map(() => open(chromium.context, site.url)));
});

after(() => close?.());

test("both become ready, and are kept for offline use", { skip }, async () => {
  for (const tab of tabs) {
    await tab.waitForFunction(() => !document.querySelector("#generate").disabled, null, { timeout: 60_000 });
    await tab.waitForFunction(() => document.querySelector("#offline").textContent.startsWith("This page is kept"), null, { timeout: 60_000 });
  }
});

test("both answer at the same time, with the tokens that one alone gives", { skip }, async () => {
  // Compiles the kernels.
  for (const [index, tab] of tabs.entries()) await asked(tab, { ...REQUESTS[index], "new-tokens": 1 });
  const together = await Promise.all(tabs.map((tab, index) => asked(tab, REQUESTS[index])));
  const [first, second] = together;
  assert.ok(first.begun < second.ended && second.begun < first.ended, "one waited for the other");
  for (const [index, { tokens }] of together.entries()) {
    const alone = await asked(tabs[1 - index], REQUESTS[index]);
    assert.equal(tokens.split(" ").length, REQUESTS[index]["new-tokens"]);
    assert.equal(tokens, alone.tokens);
  }
});

test("a measurement has the GPU alone, and keeps what it had when it is refused", { skip }, async () => {
  const [measuring, other] = tabs;
  await measuring.click("#measure");
  await measuring.waitForSelector("#checks details", { timeout: 120_000 });
  await other.click("#generate");
  const refused = "Another tab of this page is measuring; wait until it is done, or stop it there.";
  await other.waitForFunction((text) => document.querySelector("#generate-status").textContent === text, refused);
  await measuring.waitForSelector("#save:not([hidden])", { timeout: 120_000 });
  const answer = asked(other, REQUESTS[0]);
  await other.waitForFunction(() => document.querySelector("#generate-status").textContent === "Generating …", null, { timeout: 60_000 });
  await measuring.click("#measure");
  await measuring.waitForSelector("#measure-status.bad");
  assert.match(await measuring.textContent("#measure-status"), /^Another tab of this page is using the GPU, .*; wait until it is done/);
  assert.ok(await measuring.isVisible("#save"));
  assert.ok((await measuring.locator("#checks details").count()) > 0);
  await answer;
  await measuring.click("#measure");
  await measuring.waitForFunction(() => document.querySelector("#measure-status").textContent.startsWith("Measuring."));
});

/** Has a tab answer, token by token: the tokens, and the times of the first and the last. */
async function asked(tab, request) {
  await tab.evaluate(() => (document.querySelector("#settings").open = true));
  for (const [id, value] of Object.entries(request)) await tab.fill(`#${id}`, String(value));
  await tab.evaluate(() => document.querySelector("input[name=span][value=token]").click());
  return tab.evaluate(async () => {
    const status = document.querySelector("#generate-status");
    const says = (pattern) => new Promise((resolve) => {
      const look = () => pattern.test(status.textContent) && (watching.disconnect(), resolve(Date.now()));
      const watching = new MutationObserver(look);
      watching.observe(status, { childList: true });
    });
    const [begun, ended] = [says(/^Generating/), says(/tokens\/s/)];
    document.querySelector("#generate").click();
    return { begun: await begun, ended: await ended, tokens: document.querySelector("#answer").dataset.tokens };
  });
}
