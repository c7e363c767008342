// One peer on one case in a page, which `run.js` opens.

import { Gpu } from "../../web/js/gpu.js";
import { describeBrowser } from "../../web/js/results.js";
import { Case } from "./case.js";
import { measure } from "./measure.js";

async function bytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${new URL(url).pathname} could not be loaded (status ${response.status})`);
  return response.arrayBuffer();
}

/** What peers need of the place where they run. */
const host = {
  isNode: false,
  // Threads of WebAssembly share memory, which only an isolated page may.
  threads: crossOriginIsolated ? navigator.hardwareConcurrency : 1,
  /** The bytes of a file, as an ArrayBuffer. */
  bytes,
  /** How WebAssembly's own loaders are told where a folder is. */
  place: (url) => new URL(url).href,
  /** Runs a classic script, which leaves its exports as a global. */
  script: async (url) => {
    const element = Object.assign(document.createElement("script"), { src: url });
    await new Promise((resolve, reject) => {
      element.onload = resolve;
      element.onerror = () => reject(new Error(`${new URL(url).pathname} could not be loaded`));
      document.head.append(element);
    });
  },
  /** Runs what asks, while it loads, whether it is in Node. */
  asInPage: (work) => work(),
};

/** `{device, engine, results}` of a case's directory. */
export async function measured(peer, directory, names) {
  const made = await Case.read((name) => bytes(new URL(name, directory)));
  const { variants } = await import(`../${peer}/peer.js`);
  const gpu = await Gpu.open();
  const { name, description } = gpu.info;
  gpu.close();
  const { browser } = describeBrowser();
  const chosen = variants(made, host).filter((variant) => !names || names.includes(variant.name));
  const results = await measure(made, chosen);
  return { device: { name, driver: description }, engine: { name: browser.name, version: browser.version }, results };
}
