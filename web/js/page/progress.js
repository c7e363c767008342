// How far the reading of a large file is: said once it takes so long that one wonders, and then from time to time.

import { three } from "./words.js";

const FIRST_MS = 2000;
/** Not with each piece, since a screen reader reads them all. */
const AGAIN_MS = 2000;
const MIB = 2 ** 20;

/** `what` is a sentence's beginning, such as `Reading model.gguf`; `tell(text)` shows it. */
export function progress(what, tell) {
  let next = performance.now() + FIRST_MS;
  let first = null;
  return (bytes, total) => {
    const now = performance.now();
    // What is there of an earlier attempt did not come now.
    first ??= { bytes, now };
    if (now < next || now === first.now) return;
    next = now + AGAIN_MS;
    const of = total ? ` of ${Math.round(total / MIB)}` : "";
    const rate = three(((bytes - first.bytes) / MIB / (now - first.now)) * 1000);
    tell(`${what}: ${Math.round(bytes / MIB)}${of} MiB, ${rate} MiB/s …`);
  };
}
