// What peers need of the place where they run, in Node on Dawn: a page's globals, and files.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { within } from "./within.js";

/** Makes of this process what libraries for pages expect: `navigator.gpu`, and WebGPU's classes and constants. */
export function becomePage({ dawn, globals }) {
  Object.assign(globalThis, globals);
  const navigator = { gpu: dawn, hardwareConcurrency: availableParallelism(), userAgent: "" };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  // Memory that WebAssembly shares among threads is taken by a browser, and not by Dawn's binding.
  const { writeBuffer } = GPUQueue.prototype;
  GPUQueue.prototype.writeBuffer = function (buffer, offset, data, ...range) {
    const isShared = ArrayBuffer.isView(data) && data.buffer instanceof SharedArrayBuffer;
    return writeBuffer.call(this, buffer, offset, isShared ? data.slice() : data, ...range);
  };
}

/** The twin of `host` in `page.js`. */
export const host = {
  isNode: true,
  threads: availableParallelism(),
  bytes: async (url) => exactly(await readFile(url)),
  place: fileURLToPath,
  require: (url) => createRequire(import.meta.url)(fileURLToPath(url)),
  asInPage: (work) => within({ process: undefined, location: new URL("http://localhost/") }, work),
};

/** The bytes of a buffer of Node's, which may lie in a larger one. */
export const exactly = ({ buffer, byteOffset, byteLength }) => buffer.slice(byteOffset, byteOffset + byteLength);
