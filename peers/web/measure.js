// Times the variants of a peer by the arms' protocol. The twin of `peer/timing.py`.
//
// A variant is one way in which a peer does the work. It has a `name`, `settings` (plain data for the result), and
//
//     prepare()   compiles, captures, allocates
//     run()       makes all tokens and waits for them
//     output()    what the last run made: `{tokens, logits}`
//     ready()     what has to come before a run and is not timed; may be left out
//     release()   gives back what it holds; called once, whatever came before

import { interleaved, samplesWithinCap, warmUp } from "../../web/js/protocol.js";

/** One entry for each variant: checked, warmed up, timed, and checked again. A variant that fails has its reason and no
 * samples, and does not keep the others from being measured. */
export async function measure(made, variants) {
  const { protocol } = made.spec;
  const results = variants.map(({ name, settings }) => ({ variant: name, settings, samples_ns: [], reason: "", cap: "" }));
  const counts = variants.map(() => 0);
  const attempt = async (index, work) => {
    if (results[index].reason) return;
    try {
      await work(variants[index], results[index]);
    } catch (error) {
      results[index].reason = `${error.name}: ${oneLine(error.message)}`.slice(0, 300);
    }
  };
  for (const index of variants.keys()) {
    await attempt(index, async (variant, result) => {
      const begin = performance.now();
      await variant.prepare();
      await variant.ready?.();
      await variant.run();
      result.prepare_s = (performance.now() - begin) / 1e3;
      // Only the library knows some of them.
      result.settings = variant.settings;
      Object.assign(result, await made.judge(await variant.output(), variant.settings.weights));
      if (result.reason) return;
      [counts[index], result.cap] = samplesWithinCap(protocol, await warmUp(protocol, () => timed(variant)));
    });
  }
  for (const index of interleaved(protocol, counts)) {
    await attempt(index, async (variant, result) => {
      result.samples_ns.push(await timed(variant));
      if (result.samples_ns.length === counts[index]) Object.assign(result, await made.judge(await variant.output(), variant.settings.weights));
    });
  }
  for (const [index, result] of results.entries()) {
    if (result.reason) result.samples_ns = [];
    await variants[index].release();
  }
  return results;
}

async function timed(variant) {
  await variant.ready?.();
  const begin = performance.now();
  await variant.run();
  return Math.round((performance.now() - begin) * 1e6);
}

const oneLine = (message) => String(message).split(/\s+/).filter(Boolean).join(" ");
