// The fused arms: the whole generation as a program of one dispatch, or of one for each chunk of tokens. The twin of
// `src/workload/decode/fused.rs`; the same config, request and tuning give the same program, to the byte of its JSON.
//
// A tuning is `{workgroup_size, least_lanes, subgroup_size, keep_logits, capacity, chunk}`: threads of the workgroup; threads
// that share a row of a matrix at least, where there are subgroups; the device's smallest subgroup, 0 where it has none; whether
// every new token's logits are kept, or only the last ones; positions that the KV cache holds; tokens fed by a dispatch, null
// for all.

import * as buffers from "./buffers.js";
import { attentionScale } from "./config.js";
import { FORMATS } from "./format.js";
import { chunksOf, IN_OUT, mapOf, outIn, widthsOf } from "./packing.js";

/** Workgroup sizes that calibration tries, as far as a device has them. */
export const workgroupSizes = (arm) => (arm === "fused-scalar" ? [1] : [64, 256, 512, 1024]);

/** Of `least_lanes`, the first unless calibration finds that another is faster. */
export const LEAST_LANES = [8, 4, 2];

/** How an arm's kernels read the weights. */
export function layoutOf(arm) {
  const [, format] = /^fused-subgroup(?:-(f16|bf16))?$/.exec(arm) ?? [];
  return arm.startsWith("fused-subgroup") ? outIn(format ?? "f32") : IN_OUT;
}

/** Attention scores that are kept in workgroup memory: 4 KiB of the 16 that every device has. */
const MOST_NEAR_SCORES = 1024;

/** The program that answers `request`. */
export function fusedProgram(arm, config, request, tuning) {
  return arm.startsWith("fused-subgroup")
    ? subgroup(arm, config, [request], tuning)
    : workgroup(arm, config, request, tuning);
}

function workgroup(name, config, request, tuning) {
  const { n_embd4, heads4, n_inner4 } = widthsOf(config);
  const { workgroup_size } = tuning;
  const narrow4 = Math.max(n_embd4, heads4);
  const wide4 = Math.max(n_inner4, 3 * heads4);
  const headLanes = clamp(Math.floor(workgroup_size / config.n_head), 1, 64);
  const laneScores = Math.max(workgroup_size, config.n_head * headLanes);
  const normLanes = Math.min(workgroup_size, n_embd4, 32);
  const allScores = config.n_head * tuning.capacity;
  const nearScores = allScores <= MOST_NEAR_SCORES ? allScores : 0;
  const kernel = {
    shader: "decode/fused_workgroup.wgsl",
    entry: "decode",
    constants: {
      ...sharedConstants(config, request, tuning, IN_OUT),
      NARROW4: narrow4,
      WIDE4: wide4,
      HEAD_LANES: headLanes,
      LANE_SCORES: laneScores,
      NORM_LANES: normLanes,
      NEAR_SCORES: nearScores,
    },
    workgroup_size,
    workgroup_bytes: 16 * (n_embd4 + narrow4 + wide4 + workgroup_size) +
      4 * (laneScores + Math.max(nearScores, 1) + 2 * workgroup_size) + 8 * normLanes + 16,
    subgroup_size: 0,
    workgroups_together: 1,
    unchecked: false,
  };
  return dispatched(name, kernel, 1, buffers.fused(config, request, tuning, IN_OUT), 1);
}

/** By one workgroup for each request; all requests are greedy, or none is. */
function subgroup(name, config, requests, tuning) {
  const layout = layoutOf(name);
  const { n_embd4, head4, heads4, n_inner4 } = widthsOf(config);
  const { workgroup_size } = tuning;
  const one = { ...tuning, workgroups: 1 };
  const size = clamp(tuning.subgroup_size, 1, workgroup_size);
  const attentionLanes = nextPowerOfTwo(head4);
  const subgroups = Math.floor(workgroup_size / size);
  const teams = Math.min(nextPowerOfTwo(config.n_head), subgroups);
  const [embd, heads, inner] = [n_embd4, heads4, n_inner4].map((in4) => chunksOf(layout, in4));
  const lanesOf = (chunks, rows) => lanes(tuning, rows, chunks);
  const even = (count) => 2 * Math.ceil(count / 2);
  const kernel = {
    shader: "decode/fused_subgroup.wgsl",
    entry: "decode",
    constants: {
      ...sharedConstants(config, requests[0], one, layout),
      WORKGROUPS: 1,
      PATIENCE: 1,
      ASK_BY_WRITING: 0,
      SUBGROUP: size,
      FORMAT: FORMATS.indexOf(layout.format),
      EMBD_CHUNKS: embd,
      HEADS_CHUNKS: heads,
      INNER_CHUNKS: inner,
      QUERY_KEY_VALUE_LANES: lanesOf(embd, 12 * heads4),
      PROJECTION_LANES: lanesOf(heads, 4 * n_embd4),
      FC_LANES: lanesOf(embd, 4 * n_inner4),
      MLP_LANES: lanesOf(inner, 4 * n_embd4),
      LOGITS_LANES: Math.min(lanesOf(embd, config.vocab_size), size),
      NORM_LANES: n_embd4 <= 2 * size ? size : workgroup_size,
      ATTENTION_LANES: attentionLanes,
      TEAMS: teams,
    },
    workgroup_size,
    workgroup_bytes: 16 * (2 * even(n_embd4) + even(Math.max(n_inner4, 3 * heads4))) +
      16 * subgroups * attentionLanes + 20 * subgroups + 16,
    subgroup_size: Math.max(attentionLanes, size),
    workgroups_together: 1,
    unchecked: false,
  };
  return dispatched(name, kernel, requests.length, buffers.grid(config, requests, one, layout), requests.length);
}

/** Threads that share a row: a power of two that divides its chunks, but not fewer than the tuning says. */
function lanes({ workgroup_size, least_lanes }, rows, chunks) {
  const most = Math.min(Math.max(Math.floor(workgroup_size / rows), least_lanes), workgroup_size);
  const divisor = chunks & -chunks;
  return Math.min(divisor, 2 ** Math.floor(Math.log2(most)));
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const nextPowerOfTwo = (value) => 2 ** Math.ceil(Math.log2(value));

function sharedConstants(config, request, tuning, layout) {
  const { n_embd4, head4, heads4, n_inner4, vocab4 } = widthsOf(config);
  const map = mapOf(config, layout);
  return {
    WORKGROUP_SIZE: tuning.workgroup_size,
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
    EPSILON: config.layer_norm_epsilon,
    SCALE: attentionScale(config),
    SAMPLED: request.sampling ? 1 : 0,
    LAYERS: map.layers,
    LAYER_STRIDE: map.layerStride,
    ...map.offsets,
  };
}

/** A program whose dispatches, one for each chunk, bind all buffers in their order, and of the requests those of the chunk. */
function dispatched(name, kernel, workgroups, all, requests) {
  const place = all.findIndex((buffer, index) => buffers.chunkBindings(index, buffer, requests));
  const whole = (buffer) => ({ buffer, offset: 0, bytes: all[buffer].bytes });
  const dispatches = buffers.chunkBindings(place, all[place], requests).map((request) => ({
    kernel: 0,
    bindings: all.map((_, buffer) => (buffer === place ? request : whole(buffer))),
    workgroups,
  }));
  return {
    name,
    buffers: all,
    kernels: [kernel],
    phases: [{ name: "generation", repeat: 1, dispatches }],
    outputs: ["tokens", "logits", "gave_up"].filter((output) => all.some((buffer) => buffer.name === output)),
  };
}
