// Where a peer can run: `{device, browser, run(peer, file, options), close()}`.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { dawn } from "../../web/native/dawn.js";
import { deviceName, measurePeer } from "./session.js";

/** In this process, which is given what a page has. */
export async function onDawn(options) {
  const { gpu, globals, browser } = await dawn(options);
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "", hardwareConcurrency: 1 } });
  copySharedMemory();
  const read = async (url) => Uint8Array.from(await readFile(url)).buffer;
  const script = async (url) => new Function("require", await readFile(url, "utf8"))(createRequire(url));
  return {
    device: (await deviceName()).replace(/-+$/, ""),
    browser,
    run: (peer, file, { only }) => measurePeer(peer, file, { read, script, threads: 1, only, say: console.error }),
    close: async () => {},
  };
}

/** A browser copies from the memory that WebAssembly's threads share; Dawn's package for Node refuses it. */
function copySharedMemory() {
  const { writeBuffer } = GPUQueue.prototype;
  GPUQueue.prototype.writeBuffer = function (buffer, offset, data, from = 0, length = data.length - from) {
    if (!(data.buffer instanceof SharedArrayBuffer)) return writeBuffer.call(this, buffer, offset, data, from, length);
    return writeBuffer.call(this, buffer, offset, data.slice(from, from + length));
  };
}

/** In a headless browser, whose page has these very modules. */
export async function inChromium() {
  const { browser: launch, open, ROOT, serve } = await import("../../web/tests/harness.js");
  const site = await serve({ peers: join(ROOT, "peers"), web: join(ROOT, "web") });
  const { context, close } = await launch();
  const page = await open(context, `${site.url}blank.html`);
  page.on("console", (message) => console.error(message.text()));
  const about = await page.evaluate(async () => {
    const { deviceName } = await import("/peers/browser/session.js");
    const { describeBrowser } = await import("/web/js/results.js");
    return { device: await deviceName(), ...describeBrowser() };
  });
  return {
    ...about,
    run: (peer, file, { only }) => page.evaluate(measureInPage, [peer, file, only]),
    close: async () => {
      await close();
      await site.close();
    },
  };
}

async function measureInPage([peer, file, only]) {
  const { measurePeer } = await import("/peers/browser/session.js");
  const read = async (url) => (await fetch(url)).arrayBuffer();
  const script = (url) => new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement("script"), { src: url, onload: resolve });
    element.onerror = () => reject(new Error(`${url} cannot be loaded`));
    document.head.append(element);
  });
  // Half of the cores, as ONNX Runtime chooses; more of them are threads of the same cores.
  const threads = crossOriginIsolated ? Math.max(1, Math.min(4, Math.ceil(navigator.hardwareConcurrency / 2))) : 1;
  return measurePeer(peer, file, { read, script, threads, only, say: (text) => console.log(text) });
}
