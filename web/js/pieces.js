// The bytes of a stream, piece by piece, in one buffer that is filled again and again: what is thrown away lies in memory until the
// browser looks for it, which can be as much as the file.

import { breathing } from "./breathe.js";

const PIECE = 2 ** 18;

/** Yields pieces that are there until the next is asked for. `wait(next)` gives what the promise of the next read gives. */
export async function* pieces(stream, wait = (next) => next) {
  const reader = readerOf(stream);
  const breath = breathing();
  let buffer = new ArrayBuffer(PIECE);
  for (;;) {
    const { done, value } = await wait(reader.isFilling ? reader.read(new Uint8Array(buffer)) : reader.read());
    if (done) return;
    yield value;
    // What is there already comes without an end of the task.
    await breath();
    buffer = value.buffer;
  }
}

/** A reader that fills a buffer, where the stream has one. */
function readerOf(stream) {
  try {
    return Object.assign(stream.getReader({ mode: "byob" }), { isFilling: true });
  } catch {
    return stream.getReader();
  }
}
