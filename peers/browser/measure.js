// Measures a peer on a case of the page, by the page's own modules: every variant is checked, warmed up, timed in turn, and
// checked again, as `peers/peer/timing.py` does it.
//
// A variant is one way in which a peer does the work. It has a `name`, `settings` (for the result), and
//
//     prepare()   compiles, captures, allocates; may throw
//     run()       makes all tokens, waits for them, and resolves to the wall time in nanoseconds
//     output()    what the last run made: `{tokens, logits}`, the new tokens and the logits that chose the last one
//     close()     gives back what it holds

import { randomWeights } from "../../web/js/decode/random.js";
import { check } from "../../web/js/gate.js";
import { oneLine } from "../../web/js/gpu.js";
import { interleaved, samplesWithinCap, warmUp } from "../../web/js/protocol.js";

/** What a peer is told of a case: sizes, weights by name, the prompt, and the tokens fed to the model, all but the last new one. */
export function work({ config, seed, request: { prompt, new_tokens } }) {
  return { config, weights: randomWeights(config, seed), prompt, new_tokens, positions: prompt.length + new_tokens - 1 };
}

/** The `results` of a peer's file; a variant that fails has its reason and no samples, and does not keep the others from being measured. */
export async function measure(file, variants, say = () => {}) {
  const results = variants.map(({ name }) => ({ variant: name, settings: {}, samples_ns: [], reason: "" }));
  const attempt = async (index, action) => {
    const [variant, result] = [variants[index], results[index]];
    if (result.reason) return;
    try {
      await action(variant, result);
    } catch (error) {
      result.reason = oneLine(error?.message ?? error).slice(0, 300);
    }
  };
  const counts = variants.map(() => 0);
  for (const index of variants.keys()) {
    await attempt(index, async (variant, result) => {
      const begun = performance.now();
      await variant.prepare();
      await variant.run();
      result.prepare_s = (performance.now() - begun) / 1e3;
      await judge(file, variant, result);
      if (result.reason) return;
      [counts[index], result.cap] = samplesWithinCap(file.protocol, await warmUp(file.protocol, () => variant.run()));
    });
    say(`${file.case} ${variants[index].name}: ${results[index].reason || "right"}`);
  }
  for (const index of interleaved(counts, file.protocol.seed)) {
    await attempt(index, async (variant, result) => {
      result.samples_ns.push(Math.round(await variant.run()));
      if (result.samples_ns.length === counts[index]) await judge(file, variant, result);
    });
  }
  for (const [index, result] of results.entries()) {
    result.settings = variants[index].settings;
    if (result.reason) result.samples_ns = [];
    await variants[index].close?.();
  }
  return results;
}

async function judge(file, variant, result) {
  const { tokens, logits } = await variant.output();
  const all = Uint32Array.from([...file.request.prompt, ...tokens]);
  const { error, reason } = check(file, null, { tokens: all.buffer, logits: Float32Array.from(logits).buffer });
  Object.assign(result, { units: tokens.length, tokens: [...tokens], last_logits: [...logits], check_error: error, reason });
}

/** Wall time of an asynchronous action, in nanoseconds. */
export async function timed(action) {
  const begun = performance.now();
  await action();
  return (performance.now() - begun) * 1e6;
}
