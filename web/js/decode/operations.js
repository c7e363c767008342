// The operations of a token, and how a span cuts a generation into dispatches. The twin of
// `src/workload/decode/operations.rs` and of `span.rs`.
//
// A span is `operation`, `stage`, `layer`, `token`, `chunk:N` of N tokens, or `generation`. A place is `{step, operation}`: an
// operation of the token that is fed at position `step`. A range `[first, end]` of places is what a dispatch covers.

import { positionsOf } from "./request.js";

/** Of a layer, from its first operation on, where a stage begins: norm, attention, projection, norm, MLP. */
const STAGES = [0, 2, 3, 4, 6];
const LAYER_OPERATIONS = 7;

/** Rounds that find the threshold of top-k sampling, a bit in each. */
const BITS = 32;

/**
 * Kinds of operation, a bit for each, as COVERS has them: those of a layer, the embedding, the norm and the head behind the
 * layers, and how the next token is found.
 */
const LAYER_KINDS = 0x7f;
const [EMBEDDING_KIND, HEAD_KIND, CHOICE_KIND] = [7, 8, 9];
const ALL_KINDS = 0x3ff;

/** The kinds that a dispatch covers: all, where one covers whole tokens. */
function kindsOf({ norm_f, count, choice }, [start, end]) {
  if (start.operation === 0 && end.operation === 0) return ALL_KINDS;
  const kind = (operation) => {
    if (operation === 0) return EMBEDDING_KIND;
    if (operation < norm_f) return (operation - 1) % LAYER_OPERATIONS;
    return operation < count ? HEAD_KIND : CHOICE_KIND;
  };
  const ofStep = (step) => from(step === start.step ? start.operation : 0, step === end.step ? end.operation : choice + 1);
  return from(start.step, end.step + 1).flatMap(ofStep).reduce((kinds, operation) => kinds | (1 << kind(operation)), 0);
}

/**
 * `{covered, kernelOf}`: the kinds of operation that each kernel covers, and the kernel of each dispatch of each part. Dispatches
 * with the same kinds of a layer share one.
 */
export function coveredBy(parts, n_layer, request) {
  const operations = operationsOf(n_layer, request.sampling !== null);
  const covered = [];
  const kernelOf = parts.map(({ repetitions }) => repetitions[0].map((_, index) => {
    const kinds = repetitions.reduce((all, ranges) => all | kindsOf(operations, ranges[index]), 0);
    const alike = covered.findIndex((other) => (other & LAYER_KINDS) === (kinds & LAYER_KINDS));
    const kernel = alike < 0 ? covered.length : alike;
    covered[kernel] = (covered[kernel] ?? 0) | kinds;
    return kernel;
  }));
  return { covered, kernelOf };
}

/** Where the operations of a token are: the embedding is 0, and the layers follow it. */
function operationsOf(n_layer, sampled) {
  const norm_f = 1 + LAYER_OPERATIONS * n_layer;
  const count = norm_f + 2;
  return { n_layer, norm_f, count, choice: count + (sampled ? BITS + 1 : 0) };
}

const from = (first, end) => Array.from({ length: Math.max(0, end - first) }, (_, index) => first + index);

/**
 * The operations of a token at which a dispatch of this span begins, the embedding left out; the choice is among them where the
 * next token's embedding goes on from it.
 */
function cutsOf({ n_layer, norm_f, count, choice }, span) {
  const layers = from(0, n_layer).map((layer) => 1 + LAYER_OPERATIONS * layer);
  if (span === "operation") return from(1, choice + 1);
  if (span === "layer") return [...layers.filter((at) => at > 1), norm_f, choice];
  const stages = layers.flatMap((start) => STAGES.map((at) => start + at)).filter((at) => at > 1);
  return [...stages, norm_f, ...from(count, choice), choice];
}

/** Tokens that a dispatch of this span feeds, of `positions`; null where it takes several for one. */
function tokensOf(span, positions) {
  const [, tokens] = /^chunk:([1-9]\d*)$/.exec(span) ?? [];
  if (tokens) return Number(tokens);
  return { token: 1, generation: positions }[span] ?? null;
}

/**
 * How a span cuts what a request asks for into dispatches: parts `{name, repetitions}` that are run in order, each repetition
 * with its own ranges.
 */
export function partsOf(span, n_layer, request) {
  const positions = positionsOf(request);
  const tokens = tokensOf(span, positions);
  if (tokens === null) return withinTokens(n_layer, span, request, positions);
  const repetitions = from(0, Math.ceil(positions / tokens)).map((index) =>
    [[begin(index * tokens), begin(Math.min((index + 1) * tokens, positions))]]);
  return [{ name: "generation", repetitions }];
}

const begin = (step) => ({ step, operation: 0 });

/**
 * The parts where a token takes several dispatches: tokens of the prompt, which end with their layers, and those that make a
 * new one. Where the choice is not a dispatch alone, the first dispatch of a token begins with it, and one more ends the
 * generation.
 */
function withinTokens(n_layer, span, request, positions) {
  const operations = operationsOf(n_layer, request.sampling !== null);
  const cuts = cutsOf(operations, span);
  const alone = span === "operation";
  const prompt = request.prompt.length - 1;
  const token = (step, first, inner, end) => {
    const places = [first, ...inner.map((operation) => ({ step, operation })), end];
    return places.slice(1).map((place, index) => [places[index], place]);
  };
  const choice = (step) => ({ step, operation: operations.choice });
  const ofLayers = cuts.filter((at) => at < operations.norm_f);
  const ofPrompt = (step) => token(step, begin(step), ofLayers, { step, operation: operations.norm_f });
  const beforeChoice = cuts.filter((at) => at < operations.choice);
  const ofNew = (step) => {
    if (alone) return token(step, begin(step), cuts, begin(step + 1));
    return token(step, step === prompt ? begin(step) : choice(step - 1), beforeChoice, choice(step));
  };
  const parts = [
    { name: "prompt", repetitions: from(0, prompt).map(ofPrompt) },
    { name: "decode", repetitions: from(prompt, positions).map(ofNew) },
  ];
  if (!alone) parts.push({ name: "choice", repetitions: [[[choice(positions - 1), begin(positions)]]] });
  return parts.filter(({ repetitions }) => repetitions.length > 0);
}
