// A tab that nobody looks at rests: what it would do can wait, and processor and GPU are free for what is looked at.

/** Waits until the tab is looked at, or `signal` is aborted; says whether that had to be waited for. A worker does not rest. */
export async function seen(signal) {
  const { document } = globalThis;
  if (!document?.hidden) return false;
  while (document.hidden && !signal?.aborted) {
    await new Promise((resolve) => {
      document.addEventListener("visibilitychange", resolve, { once: true, signal });
      signal?.addEventListener("abort", resolve, { once: true });
    });
  }
  return true;
}
