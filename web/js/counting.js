// Bytes of a stream, counted as they go by.

/** A stream that passes bytes on, and tells `progress(bytes, total)` of each piece. */
export function counting(progress, total) {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      progress(bytes, total);
      controller.enqueue(chunk);
    },
  });
}
