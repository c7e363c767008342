// The one kernel of decoding, by one workgroup, as a program of as many dispatches as an arm's span cuts a generation into. The
// twin of `src/workload/decode/kernel.rs`; the same arm, config, request and tuning give the same program, to the byte of its
// JSON.
//
// A tuning is `{workgroup_size, least_lanes, subgroup_size, keep_logits, capacity, memory}`: threads of the workgroup; threads
// that share a row of a matrix at least, where there are subgroups; the device's smallest subgroup, 0 where it has none; whether
// every new token's logits are kept, or only the last ones; positions that the KV cache holds; bytes of workgroup memory that
// the kernel may take.

import { buffersOf, REQUEST_WORDS, REQUESTS, REQUESTS_STRIDE } from "./buffers.js";
import { attentionScale } from "./config.js";
import { FORMATS } from "./format.js";
import { coveredBy, partsOf } from "./operations.js";
import { chunksOf, IN_OUT, mapOf, outIn, widthsOf } from "./packing.js";

/** Workgroup sizes that calibration tries, as far as a device has them. */
export const workgroupSizes = (arm) => (arm === "fused-scalar" ? [1] : [64, 256, 512, 1024]);

/** Of `least_lanes`, the first unless calibration finds that another is faster. */
export const LEAST_LANES = [8, 4, 2];

/** Attention scores that are kept in workgroup memory, without subgroups: 4 KiB. */
const MOST_NEAR_SCORES = 1024;

/** Chunks of a row that a thread asks for ahead: STEP of `shaders/modules/rows.wgsl`. */
const STEP = 16;

/** How an arm's kernel reads the weights. */
export function layoutOf(arm) {
  const [, format] = /^fused-subgroup(?:-(f16|bf16))?$/.exec(arm) ?? [];
  return arm.startsWith("fused-subgroup") ? outIn(format ?? "f32") : IN_OUT;
}

/** The program of an arm (`fused-subgroup`, `fused-workgroup`, ...) in dispatches of `span` that answers `request`. */
export function programOf(arm, span, config, request, tuning) {
  const layout = layoutOf(arm);
  const kernel = (layout.outIn ? bySubgroup : byMemory)(config, request, tuning, layout);
  const parts = partsOf(span, config.n_layer, request);
  const { covered, kernelOf } = coveredBy(parts, config.n_layer, request);
  const buffers = buffersOf(config, request, tuning, layout, parts);
  const thatCovers = (kinds) =>
    ({ ...kernel, constants: { ...kernel.constants, COVERS: kinds }, workgroups_together: 1, unchecked: false });
  return {
    name: span === "generation" ? arm : `${arm}@${span}`,
    buffers,
    kernels: covered.map(thatCovers),
    phases: phasesOf(parts, kernelOf, buffers),
    outputs: ["tokens", "logits", "gave_up"],
  };
}

/** Dispatches that bind all buffers in their order, and of the requests those of the dispatch. */
function phasesOf(parts, kernelOf, buffers) {
  const place = buffers.findIndex(({ name }) => name === REQUESTS);
  let offset = 0;
  return parts.map(({ name, repetitions }, part) => {
    const [{ length }] = repetitions;
    const dispatch = (index) => ({
      kernel: kernelOf[part][index],
      bindings: buffers.map(({ bytes }, buffer) =>
        buffer === place
          ? { buffer, offset: offset + index * REQUESTS_STRIDE, bytes: 4 * REQUEST_WORDS, stride: length * REQUESTS_STRIDE }
          : { buffer, offset: 0, bytes, stride: 0 }),
      workgroups: 1,
    });
    const dispatches = Array.from({ length }, (_, index) => dispatch(index));
    offset += repetitions.length * length * REQUESTS_STRIDE;
    return { name, repeat: repetitions.length, dispatches };
  });
}

/** Regions of `hidden` where vectors are whole, in vec4f: the stream, its norm, and the longest input of a matrix. */
function whole4({ n_embd4, heads4, n_inner4 }) {
  const even = (count) => 2 * Math.ceil(count / 2);
  return 2 * even(n_embd4) + even(Math.max(n_inner4, 3 * heads4));
}

/** Vec4f that fit into workgroup memory beside `others` bytes. */
const left4 = ({ memory }, others) => Math.floor(Math.max(0, memory - others) / 16);

function bySubgroup(config, request, tuning, layout) {
  const widths = widthsOf(config);
  const { n_embd4, head4, heads4, n_inner4 } = widths;
  const { workgroup_size } = tuning;
  const subgroup = clamp(tuning.subgroup_size, 1, workgroup_size);
  const attentionLanes = nextPowerOfTwo(head4);
  const subgroups = Math.floor(workgroup_size / subgroup);
  // Sums, candidates, and what attention merges.
  const others = 16 * subgroups * attentionLanes + 20 * subgroups + 16;
  const left = left4(tuning, others);
  const whole = whole4(widths) <= left;
  const chunk4 = layout.format === "f32" ? 1 : 2;
  // A tile is a power of two of chunks, so that the steps of a row end where it does.
  const tileChunks = left >= chunk4 ? Math.max(lastPowerOfTwo(Math.floor(left / chunk4)), STEP) : STEP;
  let teams = Math.min(nextPowerOfTwo(config.n_head), subgroups);
  while (!whole && teams > 1 && 3 * teams * head4 > left) teams = Math.floor(teams / 2);
  const hidden4 = whole ? whole4(widths) : Math.max(tileChunks * chunk4, 3 * teams * head4);
  const [embd, heads, inner] = [n_embd4, heads4, n_inner4].map((in4) => chunksOf(layout, in4));
  const mostLanes = whole ? workgroup_size : Math.floor(tileChunks / STEP);
  const lanesOf = (chunks, rows) => Math.min(lanes(tuning, rows, chunks), mostLanes);
  return {
    shader: "decode/subgroup.wgsl",
    entry: "decode",
    constants: {
      ...sharedConstants(config, request, tuning, layout, whole),
      SUBGROUP: subgroup,
      FORMAT: FORMATS.indexOf(layout.format),
      EMBD_CHUNKS: embd,
      HEADS_CHUNKS: heads,
      INNER_CHUNKS: inner,
      TILE_CHUNKS: tileChunks,
      HIDDEN4: hidden4,
      QUERY_KEY_VALUE_LANES: lanesOf(embd, 12 * heads4),
      PROJECTION_LANES: lanesOf(heads, 4 * n_embd4),
      FC_LANES: lanesOf(embd, 4 * n_inner4),
      MLP_LANES: lanesOf(inner, 4 * n_embd4),
      LOGITS_LANES: Math.min(lanesOf(embd, config.vocab_size), subgroup),
      // A norm's sums are few additions for each subgroup of a narrow model; of a wide one the workgroup shares them.
      NORM_LANES: whole && n_embd4 <= 2 * subgroup ? subgroup : workgroup_size,
      ATTENTION_LANES: attentionLanes,
      TEAMS: teams,
    },
    workgroup_size,
    workgroup_bytes: 16 * hidden4 + others,
    subgroup_size: Math.max(attentionLanes, subgroup),
  };
}

function byMemory(config, request, tuning, layout) {
  const widths = widthsOf(config);
  const { workgroup_size } = tuning;
  // Threads that share the sums of a norm: in tiles all of them.
  const normLanes = (whole) => (whole ? Math.min(workgroup_size, widths.n_embd4, 32) : workgroup_size);
  // Partial sums, their weights, candidates; then of attention, which may take fewer heads at a time.
  const others = (whole) => 28 * workgroup_size + 8 * normLanes(whole) + 16;
  const headLanes = (heads) => clamp(Math.floor(workgroup_size / heads), 1, 64);
  const laneScores = (heads) => Math.max(workgroup_size, heads * headLanes(heads));
  const nearScores = (heads) => (heads * tuning.capacity <= MOST_NEAR_SCORES ? heads * tuning.capacity : 0);
  const scoreBytes = (heads) => 4 * (laneScores(heads) + Math.max(nearScores(heads), 1));
  const left = (heads, whole) => left4(tuning, others(whole) + scoreBytes(heads));
  const whole = whole4(widths) <= left(config.n_head, true);
  let heads = config.n_head;
  while (!whole && heads > 1 && 3 * heads * widths.head4 > left(heads, false)) heads = Math.ceil(heads / 2);
  const tile4 = Math.max(left(heads, whole), 1);
  const hidden4 = whole ? whole4(widths) : Math.max(tile4, 3 * heads * widths.head4);
  return {
    shader: "decode/workgroup.wgsl",
    entry: "decode",
    constants: {
      ...sharedConstants(config, request, tuning, layout, whole),
      TILE4: tile4,
      HIDDEN4: hidden4,
      HEADS: heads,
      HEAD_LANES: headLanes(heads),
      LANE_SCORES: laneScores(heads),
      NEAR_SCORES: nearScores(heads),
      NORM_LANES: normLanes(whole),
    },
    workgroup_size,
    workgroup_bytes: 16 * hidden4 + others(whole) + scoreBytes(heads),
    subgroup_size: 0,
  };
}

/**
 * Threads that share a row: a power of two that divides its `chunks`; as many as a workgroup has for each of its rows, but not
 * fewer than the tuning says.
 */
function lanes({ workgroup_size, least_lanes }, rows, chunks) {
  const most = Math.min(Math.max(Math.floor(workgroup_size / rows), least_lanes), workgroup_size);
  const divisor = chunks & -chunks;
  return Math.min(divisor, lastPowerOfTwo(most));
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const lastPowerOfTwo = (value) => 2 ** (31 - Math.clz32(value));
const nextPowerOfTwo = (value) => (value > 1 ? 2 * lastPowerOfTwo(value - 1) : 1);

/** Constants of both texts. */
function sharedConstants(config, request, tuning, layout, whole) {
  const { n_embd4, head4, heads4, n_inner4, vocab4 } = widthsOf(config);
  const map = mapOf(config, layout);
  return {
    WORKGROUPS: 1,
    WORKGROUP_SIZE: tuning.workgroup_size,
    WHOLE: whole ? 1 : 0,
    NEAR: whole ? 1 : 0,
    PATIENCE: 1,
    ASK_BY_WRITING: 0,
    N_LAYER: config.n_layer,
    N_HEAD: config.n_head,
    N_EMBD: config.n_embd,
    N_EMBD4: n_embd4,
    HEAD4: head4,
    HEADS4: heads4,
    N_INNER4: n_inner4,
    VOCAB_SIZE: config.vocab_size,
    VOCAB4: vocab4,
    POSITIONS: tuning.capacity,
    SAMPLED: request.sampling ? 1 : 0,
    EPSILON: config.layer_norm_epsilon,
    SCALE: attentionScale(config),
    LAYERS: map.layers,
    LAYER_STRIDE: map.layerStride,
    ...map.offsets,
  };
}
