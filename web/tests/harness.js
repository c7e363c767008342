// What the tests run in: a browser, where there is one.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { CHROMIUM } from "../native/browser.js";

export { browser, open, serve } from "../native/browser.js";

export const ROOT = join(import.meta.dirname, "..", "..");

/** Why browser tests cannot run here, or false. With ONEDISPATCH_BROWSER_TESTS=required they fail instead. */
export const skip = !existsSync(CHROMIUM) && process.env.ONEDISPATCH_BROWSER_TESTS !== "required"
  ? `there is no ${CHROMIUM}; install it with scripts/software-browser.sh, or name one by ONEDISPATCH_CHROMIUM`
  : false;
