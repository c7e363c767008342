// Checkpoints of any size with weights from nowhere, for what depends on size alone. They are written in parts, and never committed.

import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";

const VOCABULARY = 8192;
/** Weights that are written again and again. */
const SAME = 2 ** 18;

/** Writes a GPT-2 in f32 of about so many MiB into `folder`, and gives the bytes of its weights. */
export async function largeModel(folder, mebibytes) {
  const n_embd = mebibytes > 200 ? 1024 : 512;
  const layer = 12 * n_embd ** 2 * 4;
  const n_layer = Math.max(1, Math.round((mebibytes * 2 ** 20 - VOCABULARY * n_embd * 4) / layer));
  const config = {
    model_type: "gpt2", vocab_size: VOCABULARY, n_positions: 256, n_embd, n_layer, n_head: n_embd / 64,
    n_inner: null, activation_function: "gelu_new", layer_norm_epsilon: 1e-5,
  };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  const tensors = {};
  let bytes = 0;
  for (const [name, ...shape] of shapes(config)) {
    const length = 4 * shape.reduce((product, size) => product * size, 1);
    tensors[name] = { dtype: "F32", shape, data_offsets: [bytes, bytes + length] };
    bytes += length;
  }
  const text = JSON.stringify(tensors);
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const values = Buffer.from(Float32Array.from({ length: SAME }, (_, at) => 0.04 * Math.sin(at * at)).buffer);
  const file = await open(join(folder, "model.safetensors"), "w");
  await file.write(Buffer.concat([length, header]));
  for (let left = bytes; left > 0; left -= values.length) await file.write(values.subarray(0, left));
  await file.close();
  return bytes;
}

function* shapes({ vocab_size, n_positions, n_embd, n_layer }) {
  yield ["wte.weight", vocab_size, n_embd];
  yield ["wpe.weight", n_positions, n_embd];
  for (let layer = 0; layer < n_layer; layer += 1) {
    const of = (name) => `h.${layer}.${name}`;
    for (const norm of ["ln_1", "ln_2"]) for (const part of ["weight", "bias"]) yield [of(`${norm}.${part}`), n_embd];
    for (const [name, inputs, outputs] of [
      ["attn.c_attn", n_embd, 3 * n_embd], ["attn.c_proj", n_embd, n_embd],
      ["mlp.c_fc", n_embd, 4 * n_embd], ["mlp.c_proj", 4 * n_embd, n_embd],
    ]) {
      yield [of(`${name}.weight`), inputs, outputs];
      yield [of(`${name}.bias`), outputs];
    }
  }
  yield ["ln_f.weight", n_embd];
  yield ["ln_f.bias", n_embd];
}
