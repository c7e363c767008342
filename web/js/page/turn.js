// The GPU among tabs of this page: any number answer at once, but one that measures has it alone, since its times would suffer.

import { Refusal } from "../refusal.js";

const LOCK = "onedispatch GPU";

/** Runs `work` beside other tabs, unless one measures. */
export const beside = (work) =>
  held("shared", "Another tab of this page is measuring; wait until it is done, or stop it there.", work);

/** Runs `work` while no other tab uses the GPU. */
export const alone = (work) =>
  held("exclusive", "Another tab of this page is using the GPU, which would spoil the times; wait until it is done, or stop it there.", work);

const held = (mode, why, work) => navigator.locks.request(LOCK, { mode, ifAvailable: true }, (lock) => {
  if (!lock) throw new Refusal(why);
  return work();
});
