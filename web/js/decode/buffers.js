// The buffers of a fused decode program. The twin of `src/workload/decode/buffers.rs`.

import { key } from "../philox.js";
import { ALIGNMENT } from "../program.js";
import { mapBytes, mapOf, widthsOf } from "./packing.js";
import { NONE, positionsOf } from "./request.js";

/** 32-bit words of one request: of the kernel with subgroups, and of the other. */
const WORDS_EACH = { requests: 11, request: 9 };

const buffer = (name, bytes, contents) => ({ name, bytes, contents });
const words = (name, all) => buffer(name, 4 * all.length, { words: all });

/** The prompt, then, for each token that is to come, what is no token. */
const tokens = (request) => [...request.prompt, ...Array(request.new_tokens).fill(NONE)];

/** Tokens fed to the model by each dispatch, as `[first, end]`: one range, or one for each chunk. */
function chunks(requests, tuning) {
  const positions = Math.max(...requests.map(positionsOf));
  const chunk = Math.min(tuning.chunk ?? positions, positions);
  return Array.from({ length: Math.ceil(positions / chunk) }, (_, index) => [index * chunk, (index + 1) * chunk]);
}

/** The words of each chunk, from an offset on that a binding may have. */
function chunked(name, wordsOf) {
  const all = [];
  for (const chunk of wordsOf) {
    while ((4 * all.length) % ALIGNMENT !== 0) all.push(0);
    all.push(...chunk);
  }
  return words(name, all);
}

/** What each dispatch binds of the buffer at `place` if it holds requests; null if it does not. */
export function chunkBindings(place, { name, bytes }, requests) {
  if (!(name in WORDS_EACH)) return null;
  const each = 4 * WORDS_EACH[name] * (name === "requests" ? requests : 1);
  const stride = Math.ceil(each / ALIGNMENT) * ALIGNMENT;
  return Array.from({ length: Math.ceil(bytes / stride) }, (_, index) => ({ buffer: place, offset: index * stride, bytes: each }));
}

/** The `Request` of the shaders, but for where its outputs start and its first step. */
function requestWords(config, request, tuning, [, end]) {
  const { top_k, temperature, seed } = request.sampling ?? { top_k: 0, temperature: 1, seed: 0 };
  const [temperatureBits] = new Uint32Array(Float32Array.of(temperature).buffer);
  return [
    request.prompt.length,
    Math.min(positionsOf(request), end),
    request.end_token ?? NONE,
    tuning.keep_logits ? widthsOf(config).vocab4 : 0,
    top_k,
    temperatureBits,
    ...key(seed),
  ];
}

/** Of the kernel with subgroups, in the order of its bindings. */
export function grid(config, requests, tuning, layout) {
  const { n_embd4, heads4, n_inner4, vocab4 } = widthsOf(config);
  const rows = tuning.keep_logits ? Math.max(...requests.map((request) => request.new_tokens)) : 1;
  const logits = 4 * vocab4 * rows;
  const slots = 8 * n_embd4 + 16 * heads4 + 4 * n_inner4 + 4 * tuning.workgroups;
  const cache = 32 * config.n_layer * tuning.capacity * heads4;
  const wordsOf = (chunk) => {
    let firstToken = 0;
    return requests.flatMap((request, index) => {
      const first = Math.min(chunk[0], positionsOf(request));
      const all = [...requestWords(config, request, tuning, chunk), firstToken, index * logits, first];
      firstToken += request.prompt.length + request.new_tokens;
      return all;
    });
  };
  return [
    buffer("weights", mapBytes(mapOf(config, layout)), { constant: layout.block }),
    buffer("cache", requests.length * cache, "scratch"),
    buffer("logits", 4 * requests.length * logits, "poison"),
    words("tokens", requests.flatMap(tokens)),
    chunked("requests", chunks(requests, tuning).map(wordsOf)),
    buffer("exchange", 4 * requests.length * slots, "zero"),
    buffer("gave_up", 4, "zero"),
  ];
}

/** Of the kernel of one workgroup without subgroups, in the order of its bindings. */
export function fused(config, request, tuning, layout) {
  const { heads4, vocab4 } = widthsOf(config);
  const rows = tuning.keep_logits ? request.new_tokens : 1;
  const wordsOf = (chunk) => [...requestWords(config, request, tuning, chunk), chunk[0]];
  return [
    buffer("weights", mapBytes(mapOf(config, layout)), { constant: layout.block }),
    buffer("cache", 32 * config.n_layer * tuning.capacity * heads4, "scratch"),
    buffer("scores", 4 * config.n_head * tuning.capacity, "scratch"),
    buffer("logits", 16 * rows * vocab4, "poison"),
    words("tokens", tokens(request)),
    chunked("request", chunks([request], tuning).map(wordsOf)),
  ];
}
