// The site in a browser: a blank page of it, for tests of its modules one by one, or the page itself.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browser, open, serve } from "./harness.js";
import { makeSite, SPECS } from "./onedispatch.js";

/**
 * Makes the site and opens its blank page: `{folder, site, chromium, page, close}`. The site is in `folder`/site, and
 * `folders` are served beside it, by name; `answer` is that of `serve`.
 */
export async function openSite(folders = {}, answer) {
  const made = await makeAndServe(SPECS, folders, answer);
  return { ...made, page: await open(made.chromium.context, `${made.site.url}blank.html`) };
}

/** Makes the site, with an experiment of decoding alone, for tests that open its page: `{site, chromium, close}`. */
export const servePage = () => makeAndServe(SPECS.slice(0, 2), {});

async function makeAndServe(specs, folders, answer) {
  const folder = await mkdtemp(join(tmpdir(), "onedispatch-site-"));
  await makeSite(join(folder, "site"), specs);
  const site = await serve({ "": join(folder, "site"), ...folders }, answer);
  const chromium = await browser();
  const close = async () => {
    await chromium.close();
    await site.close();
    await rm(folder, { recursive: true });
  };
  return { folder, site, chromium, close };
}
