// Has the service worker keep the page for offline use.

/**
 * Registers the worker, and resolves to null once the page is kept, or to a sentence that says why it is not.
 */
export async function keepOffline({ worker = new URL("../sw.js", import.meta.url) } = {}) {
  const container = globalThis.navigator?.serviceWorker;
  if (!container) return "This browser keeps no pages for offline use here; the page works as long as it is online.";
  let why = null;
  container.addEventListener("message", ({ data }) => {
    if (data?.offline) why = data.offline;
  });
  try {
    const registration = await container.register(worker);
    const waiting = registration.installing ?? registration.waiting;
    if (waiting && !(await installed(waiting))) {
      return why ?? "This page could not be kept for offline use; it works as long as it is online.";
    }
    return null;
  } catch (error) {
    return `This page could not be kept for offline use (${error.message}); it works as long as it is online.`;
  }
}

/** Whether a worker gets ready. */
function installed(worker) {
  return new Promise((resolve) => {
    const look = () => {
      if (worker.state === "installed" || worker.state === "activating" || worker.state === "activated") resolve(true);
      if (worker.state === "redundant") resolve(false);
    };
    worker.addEventListener("statechange", look);
    look();
  });
}
