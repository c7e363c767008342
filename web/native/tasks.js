// How long the tasks of a page's main thread are, by the browser's own trace.

/**
 * Runs `work` in a page, and gives its longest tasks, `[{ms, wall_ms, doing}]`, longest first. `ms` is the time that the thread had the
 * processor, which other programs do not lengthen; `doing` are the longest events within.
 */
export async function longestTasks(context, page, work) {
  const session = await context.browser().newBrowserCDPSession();
  const events = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  const inPage = await context.newCDPSession(page);
  await session.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["toplevel", "devtools.timeline"], traceBufferSizeInKb: 200_000 } });
  try {
    await work();
  } finally {
    const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
    await session.send("Tracing.end");
    await complete;
    await inPage.detach();
    await session.detach();
  }
  const mains = new Set(events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain").map(({ pid, tid }) => `${pid} ${tid}`));
  // What promises go on with is beside the task that they were kept by.
  const isTask = ({ name }) => /RunTask$|PerformMicrotaskCheckpoint$/.test(name);
  const own = events.filter(({ pid, tid, ph }) => ph === "X" && mains.has(`${pid} ${tid}`));
  const longest = own.filter(isTask).sort((a, b) => (b.tdur ?? 0) - (a.tdur ?? 0)).slice(0, 8);
  return longest.map(({ pid, ts, dur, tdur = 0 }) => {
    const within = own.filter((event) => event.pid === pid && event.ts >= ts && event.ts + (event.dur ?? 0) <= ts + dur && !isTask(event));
    const doing = within.sort((a, b) => (b.tdur ?? 0) - (a.tdur ?? 0)).slice(0, 3).map(({ name, args }) => [name, args?.data?.functionName].filter(Boolean).join(" "));
    return { ms: tdur / 1000, wall_ms: dur / 1000, doing };
  });
}
