// The site in a browser, for tests of its modules one by one.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browser, open, serve } from "./harness.js";
import { makeSite } from "./onedispatch.js";

/**
 * Makes the site and opens its blank page: `{folder, site, chromium, page, close}`. The site is in `folder`/site, and
 * `folders` are served beside it, by name; `answer` is that of `serve`.
 */
export async function openSite(folders = {}, answer) {
  const folder = await mkdtemp(join(tmpdir(), "onedispatch-site-"));
  await makeSite(join(folder, "site"));
  const site = await serve({ "": join(folder, "site"), ...folders }, answer);
  const chromium = await browser();
  const page = await open(chromium.context, `${site.url}blank.html`);
  const close = async () => {
    await chromium.close();
    await site.close();
    await rm(folder, { recursive: true });
  };
  return { folder, site, chromium, page, close };
}
