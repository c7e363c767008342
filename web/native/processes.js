// What a browser's processes hold in memory, by the system's own books (Linux).

import { readFile } from "node:fs/promises";

const LOOK_MS = 50;

/** Ids of a browser's processes of a kind: `renderer` or `GPU`. */
export async function processes(context, kind) {
  const session = await context.browser().newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter(({ type }) => type === kind).map(({ id }) => id);
}

/**
 * Bytes that processes hold themselves or share with others, of which each has its share (PSS). Files that are mapped, such as the
 * browser's program, are left out: of these a process has less where other browsers run.
 */
export async function memoryOf(ids) {
  const each = await Promise.all(ids.map(async (id) => {
    const text = await readFile(`/proc/${id}/smaps_rollup`, "utf8").catch(() => "");
    const kilobytes = [...text.matchAll(/^Pss_(?:Anon|Shmem): +(\d+) kB$/gm)].reduce((sum, [, size]) => sum + Number(size), 0);
    return 1024 * kilobytes;
  }));
  return each.reduce((sum, bytes) => sum + bytes, 0);
}

/** Looks at them all the time until `stop()` gives the most that they held. */
export function watch(ids) {
  let [most, stopped] = [0, false];
  const looking = (async () => {
    while (!stopped) {
      most = Math.max(most, await memoryOf(ids));
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  })();
  return { stop: async () => (stopped = true, await looking, most) };
}
