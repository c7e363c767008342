// Dawn, Chrome's implementation of WebGPU, in Node: the npm package `webgpu`, or the one file of it that matters.

import { createRequire } from "node:module";
import { resolve } from "node:path";
import { Refusal } from "../js/refusal.js";

const require = createRequire(import.meta.url);

/**
 * `{dawn, globals, engine}`: what a page has as `navigator.gpu`, WebGPU's classes and constants by name, and the engine's name
 * and version. `dawn` names a `dawn.node` to be used in place of the package; `adapter` is (part of) a device's name.
 */
export async function openDawn({ dawn: file, adapter }) {
  const node = `Node ${process.versions.node}`;
  let library;
  let version = node;
  if (file) {
    library = require(resolve(file));
  } else {
    library = await import("webgpu").catch((error) => {
      throw new Refusal(`the npm package \`webgpu\` cannot be loaded (${error.message}); run \`npm ci\` in web/, or name a dawn.node with --dawn`);
    });
    version = `webgpu ${require("webgpu/package.json").version}, ${node}`;
  }
  // Held for as long as the process lives: Dawn does not survive that it is collected.
  globalThis.dawn = library.create(adapter ? [`adapter=${adapter}`] : []);
  return { dawn: globalThis.dawn, globals: library.globals, engine: { name: "Dawn under Node", version } };
}

/** Dawn changes the letters of a device's name. */
export const plainName = (name) => name.replace(/-+$/, "");
