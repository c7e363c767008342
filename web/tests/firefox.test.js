// The page and the module in Firefox's engine, where there is a Firefox. WebGPU is off in Debian's, and it finds no GPU in software
// unless it is told to; with both settings its wgpu runs on whatever Vulkan there is.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT, serve } from "./harness.js";
import { makeSite, SPECS } from "./onedispatch.js";

const FIREFOX = process.env.ONEDISPATCH_FIREFOX ?? "/usr/bin/firefox-esr";
const LONGEST_MS = 180_000;
const GOLDEN = join(ROOT, "tests", "golden", "decode", "tiny_d32_l1_h2");

const SETTINGS = {
  "dom.webgpu.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
  // Nothing that a visitor would be asked at first.
  "browser.shell.checkDefaultBrowser": false,
  "browser.aboutwelcome.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
};

const skip = !existsSync(FIREFOX) && `there is no ${FIREFOX}; install firefox-esr, or name one by ONEDISPATCH_FIREFOX`;

test("the golden tokens, and the page's own model, checked by the oracle", { skip }, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "onedispatch-firefox-"));
  context.after(() => rm(folder, { recursive: true, maxRetries: 5 }));
  await makeSite(join(folder, "site"), SPECS.slice(0, 2));
  await copyFile(join(import.meta.dirname, "firefox.html"), join(folder, "site", "firefox.html"));
  const page = new EventEmitter();
  const site = await serve({ "": join(folder, "site"), golden: GOLDEN }, (request, response) => {
    if (request.method !== "POST") return false;
    let text = "";
    request.on("data", (piece) => (text += piece)).on("end", () => (response.end(), page.emit("said", JSON.parse(text))));
    return true;
  });
  const [said] = await visit(folder, `${site.url}firefox.html`, () => once(page, "said", { signal: AbortSignal.timeout(LONGEST_MS) }));
  await site.close();
  assert.equal(said.error, undefined);
  context.diagnostic(`${said.agent}: ${said.adapter.name}; ${said.status}`);
  const { prompt, tokens } = JSON.parse(await readFile(join(GOLDEN, "expected.json"), "utf8"));
  const expected = tokens.slice(prompt.length);
  assert.deepEqual(said.made, { generation: expected, token: expected });
  assert.match(said.status, /^16 tokens in \d+ dispatch/);
  assert.match(said.check, /^✓ All 16 tokens are what the f64 oracle chooses/);
  assert.match(said.answer, /^The morning was ./);
});

/** Opens an address in a Firefox with a profile of its own, until `told()` is. */
async function visit(folder, url, told) {
  const profile = join(folder, "profile");
  await makeProfile(profile);
  // A group of its own, so that all its processes end with it.
  const firefox = spawn(FIREFOX, ["--headless", "--no-remote", "--profile", profile, url], { stdio: "ignore", detached: true });
  const ended = once(firefox, "exit");
  try {
    return await Promise.race([told(), ended.then(() => Promise.reject(new Error("Firefox ended by itself")))]);
  } finally {
    if (firefox.exitCode === null) process.kill(-firefox.pid, "SIGKILL");
    await ended;
  }
}

async function makeProfile(profile) {
  await mkdir(profile);
  const lines = Object.entries(SETTINGS).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
  await writeFile(join(profile, "user.js"), lines.join(""));
}
