// A program: the plain data that says what a GPU is to do. The twin of `src/program.rs`, whose JSON this reads and writes.

import { sha256 } from "./digest.js";

/** WebGPU's default `minStorageBufferOffsetAlignment`: every device allows these offsets. */
export const ALIGNMENT = 256;

/** Dispatches of one run. */
function dispatches(program) {
  return program.phases.reduce((sum, phase) => sum + phase.repeat * phase.dispatches.length, 0);
}

/** How often a program goes to the GPU and back under a policy: `{dispatches, submits, waits}`. */
export function traffic(program, policy) {
  const all = dispatches(program);
  const repetitions = program.phases.reduce((sum, phase) => sum + phase.repeat, 0);
  const [submits, waits] = {
    "wait-each": [all, all],
    "submit-each": [all, 1],
    "submit-per-token": [repetitions, 1],
    "submit-ahead": [32 - Math.clz32(repetitions), 1],
    "one-submit": [1, 1],
  }[policy];
  return { dispatches: all, submits, waits };
}

/** Index of the buffer of this name, or -1. */
export function bufferIndex(program, name) {
  return program.buffers.findIndex((buffer) => buffer.name === name);
}

/** The program as Rust's serde_json writes it, so that both have one digest. */
function toJson(program) {
  const list = (items, write) => `[${items.map(write).join(",")}]`;
  const text = JSON.stringify;
  const buffer = (b) => `{"name":${text(b.name)},"bytes":${b.bytes},"contents":${text(b.contents)}}`;
  const kernel = (k) => {
    const constants = Object.keys(k.constants).sort().map((name) => `${text(name)}:${float(k.constants[name])}`);
    return `{"shader":${text(k.shader)},"entry":${text(k.entry)},"constants":{${constants.join(",")}}` +
      `,"workgroup_size":${k.workgroup_size},"workgroup_bytes":${k.workgroup_bytes},"subgroup_size":${k.subgroup_size}` +
      `,"workgroups_together":${k.workgroups_together},"unchecked":${k.unchecked}}`;
  };
  // Most bindings stay where they are, and say nothing of it.
  const stride = (b) => (b.stride ? `,"stride":${b.stride}` : "");
  const binding = (b) => `{"buffer":${b.buffer},"offset":${b.offset},"bytes":${b.bytes}${stride(b)}}`;
  const dispatch = (d) =>
    `{"kernel":${d.kernel},"bindings":${list(d.bindings, binding)},"workgroups":${d.workgroups}}`;
  const phase = (p) => `{"name":${text(p.name)},"repeat":${p.repeat},"dispatches":${list(p.dispatches, dispatch)}}`;
  return `{"name":${text(program.name)},"buffers":${list(program.buffers, buffer)}` +
    `,"kernels":${list(program.kernels, kernel)},"phases":${list(program.phases, phase)}` +
    `,"outputs":${text(program.outputs)}}`;
}

/** SHA-256 over the program's JSON: two runs with the same digest did the same thing. */
export function programSha256(program) {
  return sha256(new TextEncoder().encode(toJson(program)));
}

/** An f64 as Rust writes it: the same shortest digits, but `64.0` for 64 and `1e-6` for 0.000001. */
function float(value) {
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return `${value}.0`;
  const size = Math.abs(value);
  const withExponent = (size > 0 && size < 1e-5) || size >= 1e16;
  return withExponent ? value.toExponential().replace("e+", "e") : String(value);
}
