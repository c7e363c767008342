// What a page does, and Node where Dawn stands in for a browser: loads a peer, and measures it.

import { Gpu } from "../../web/js/gpu.js";
import { measure, work } from "./measure.js";

export const PEERS = ["onnxruntime-web", "tfjs"];

/** The device, named as the page names it. */
export async function deviceName() {
  const gpu = await Gpu.open();
  const { name } = gpu.info;
  gpu.close();
  return name;
}

/**
 * `{versions, results}` of a peer on a case of the page, its variants or those that `only` names. Of the place,
 * `read(url)` gives the bytes of a file, `script(url)` runs one as `<script>` does, `threads` is how many WebAssembly may have.
 */
export async function measurePeer(peer, file, { only, say, ...place }) {
  const { variants, versions } = await import(`../${peer}/peer.js`);
  const all = variants(work(file), place);
  const chosen = all.filter(({ name }) => !only || only.includes(name));
  return { versions: await versions(place.read), results: await measure(file, chosen, say) };
}
