// Lets the browser do what waits, so that no task of a page is long.

/** Longest that work goes on before the browser has its turn: well below the 50 ms from which on one notices. */
const LONGEST_MS = 12;

/** Ends the task at hand. Unlike a timer it is not made to wait, in a hidden tab either. */
export const breathe = () => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    resolve();
  };
  port2.postMessage(null);
});

/** A function that ends the task at hand once work has gone on for a while; what goes by itself from task to task waits for nothing. */
export function breathing() {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < LONGEST_MS) return;
    await breathe();
    since = performance.now();
  };
}
