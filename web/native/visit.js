// The page itself in a Chromium, as a visitor would use it: opened, measured, saved.

import { readFile } from "node:fs/promises";
import { Refusal } from "../js/refusal.js";
import { browser, open, serve } from "./browser.js";

/** How often it is looked at. */
const LOOK_MS = 500;

/** What the page says once every case is measured, and nothing is to be held against that. */
const WHOLE = "Done. Every case is measured.";

/** What "Save results" gives after "Measure this GPU" on the page in `site`; `progress(text)` is told how far it is. */
export async function visit(site, { progress = () => {}, ...options } = {}) {
  const server = await serve({ "": site });
  const { context, close } = await browser(options);
  try {
    const page = await open(context, server.url);
    await page.waitForSelector("#measure:not([disabled])", { timeout: 60_000 }).catch(async () => {
      throw new Refusal(`the page does not offer to measure: ${await page.innerText("#device")} ${await page.innerText("#measure-status")}`);
    });
    await page.click("#measure");
    while (await page.isVisible("#measure-progress")) {
      progress(await page.innerText("#measure-doing"));
      await page.waitForTimeout(LOOK_MS);
    }
    progress("");
    const said = await page.innerText("#measure-status");
    if (said !== WHOLE) throw new Refusal(`the page did not measure everything: ${said}`);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
    return JSON.parse(await readFile(await download.path(), "utf8"));
  } finally {
    await close();
    await server.close();
  }
}
