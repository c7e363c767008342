// Dawn, Chrome's WebGPU, in Node: the npm package `webgpu`, or its `dawn.node` by itself.

import { createRequire } from "node:module";
import { resolve } from "node:path";
import { Refusal } from "../js/refusal.js";

/**
 * Dawn as a page finds it in `navigator`: `{gpu, browser, globals}`. `file` is a dawn.node, `adapter` (part of) the name of a
 * device, `browser` is what `results.js` saves of a browser, `globals` are the classes and constants that a page has.
 */
export async function dawn({ dawn: file, adapter }) {
  const { create, globals, version } = await load(file);
  // Held for as long as the process lives: Dawn does not survive that it is collected.
  globalThis.dawn = create(adapter ? [`adapter=${adapter}`] : []);
  return { gpu: globalThis.dawn, globals, browser: { name: "Dawn under Node", version, isolated: true } };
}

/** The name of a device: Dawn changes its letters. */
export const deviceName = (gpu) => gpu.info.name.replace(/-+$/, "");

/** The module, and the version of Node and of the package. */
async function load(file) {
  const node = `Node ${process.versions.node}`;
  const require = createRequire(import.meta.url);
  if (file) return { ...require(resolve(file)), version: node };
  const { create, globals } = await import("webgpu").catch((error) => {
    throw new Refusal(`the npm package \`webgpu\` cannot be loaded (${error.message}); run \`npm ci\` in web/, or name a dawn.node with --dawn`);
  });
  return { create, globals, version: `webgpu ${require("webgpu/package.json").version}, ${node}` };
}
