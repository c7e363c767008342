// The native program, for tests of what it makes for the page and takes from it.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./harness.js";

/** `cargo test` says which binary it built. */
const BINARY = process.env.ONEDISPATCH ?? join(ROOT, "target", "release", "onedispatch");

/** Small experiments: what a page of tests measures. */
export const SPECS = ["decode", "rollout"].flatMap((name) => ["--spec", join(import.meta.dirname, "experiments", `${name}.toml`)]);

/** Makes the page in `out`, with what the tests measure: its shaders are the composed ones. */
export async function makeSite(out, specs = SPECS) {
  const { status, stderr } = await onedispatch("web", ...specs, "--out", out);
  if (status !== 0) throw new Error(stderr);
}

/** Runs the program in the repository: `{status, stdout, stderr}`. */
export async function onedispatch(...words) {
  try {
    return { status: 0, ...(await promisify(execFile)(BINARY, words, { cwd: ROOT, maxBuffer: 2 ** 26 })) };
  } catch (error) {
    if (typeof error.code !== "number") throw error;
    return { status: error.code, stdout: error.stdout, stderr: error.stderr };
  }
}
