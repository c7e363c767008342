// A tab that nobody looks at rests: what it would do can wait, and processor and GPU are free for what is looked at.

/** Waits until the tab is looked at, and says whether that had to be waited for. */
export async function seen() {
  if (!document.hidden) return false;
  await new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
  });
  return true;
}
