// The buffers of a decode program, in the order of their bindings. The twin of `src/workload/decode/buffers.rs`.

import { key } from "../philox.js";
import { ALIGNMENT } from "../program.js";
import { mapBytes, mapOf, widthsOf } from "./packing.js";
import { NONE } from "./request.js";

const buffer = (name, bytes, contents) => ({ name, bytes, contents });
const words = (name, all) => buffer(name, 4 * all.length, { words: all });

/** The prompt, then, for each token that is to come, what is no token. */
const tokens = (request) => [...request.prompt, ...Array(request.new_tokens).fill(NONE)];

/** The buffer that holds the `Request` of each dispatch, how many 32-bit words that has, and bytes from one to the next. */
export const REQUESTS = "requests";
export const REQUEST_WORDS = 13;
export const REQUESTS_STRIDE = ALIGNMENT;

/** The `Request` of the shaders: what is asked for, where its outputs start, and what a dispatch covers of it, `[first, end]`. */
function requestWords(config, request, tuning, [first, end]) {
  const { top_k, temperature, seed } = request.sampling ?? { top_k: 0, temperature: 1, seed: 0 };
  const [temperatureBits] = new Uint32Array(Float32Array.of(temperature).buffer);
  return [
    request.prompt.length,
    request.end_token ?? NONE,
    tuning.keep_logits ? widthsOf(config).vocab4 : 0,
    top_k,
    temperatureBits,
    ...key(seed),
    0,
    0,
    first.step,
    first.operation,
    end.step,
    end.operation,
  ];
}

/**
 * Weights, KV cache, logits, tokens, the requests of each dispatch, the slots of `exchange`, whether a workgroup gave up
 * waiting for another; and where there are no subgroups scores.
 */
export function buffersOf(config, request, tuning, layout, parts) {
  const { n_embd4, heads4, n_inner4, vocab4 } = widthsOf(config);
  const rows = tuning.keep_logits ? request.new_tokens : 1;
  const slots = 12 * n_embd4 + 16 * heads4 + 4 * n_inner4 + 5;
  const requests = [];
  for (const range of parts.flatMap(({ repetitions }) => repetitions.flat())) {
    while ((4 * requests.length) % REQUESTS_STRIDE !== 0) requests.push(0);
    requests.push(...requestWords(config, request, tuning, range));
  }
  const buffers = [
    buffer("weights", mapBytes(mapOf(config, layout)), { constant: layout.block }),
    buffer("cache", 32 * config.n_layer * tuning.capacity * heads4, "scratch"),
    buffer("logits", 16 * rows * vocab4, "poison"),
    words("tokens", tokens(request)),
    words(REQUESTS, requests),
    buffer("exchange", 4 * slots, "zero"),
    buffer("gave_up", 4, "zero"),
  ];
  if (!layout.outIn) buffers.push(buffer("scores", 4 * config.n_head * tuning.capacity, "scratch"));
  return buffers;
}
