// A golden GPT-2 as one GGUF file, with a vocabulary of letters: its matrices as they are, or in q8_0.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

const [U32, F32_VALUE, TEXT, ARRAY] = [4, 6, 8, 9];
export const [F32, Q8_0] = [0, 8];
/** Weights of a block that share a scale. */
const BLOCK = 32;

const PARTS = {
  "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
  ln_1: "attn_norm", ln_2: "ffn_norm", wte: "token_embd", wpe: "position_embd", ln_f: "output_norm",
};

/** The file of the checkpoint in `folder`; `type` is that of its matrices. It has 64 tokens, as its vocabulary has; `template` is for chats. */
export async function ggufOf(folder, type, template = null) {
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  const keys = [
    ["general.architecture", text("gpt2")],
    ["gpt2.block_count", u32(config.n_layer)],
    ["gpt2.context_length", u32(config.n_positions)],
    ["gpt2.embedding_length", u32(config.n_embd)],
    ["gpt2.feed_forward_length", u32(config.n_inner ?? 4 * config.n_embd)],
    ["gpt2.attention.head_count", u32(config.n_head)],
    ["gpt2.attention.layer_norm_epsilon", f32(config.layer_norm_epsilon)],
    ["tokenizer.ggml.model", text("gpt2")],
    ["tokenizer.ggml.pre", text("gpt-2")],
    ["tokenizer.ggml.tokens", texts([..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.Ġ"])],
    ["tokenizer.ggml.merges", texts([])],
    ...(template === null ? [] : [["tokenizer.chat_template", text(template)]]),
  ];
  const tensors = await tensorsOf(join(folder, "model.safetensors"));
  const written = tensors.map((tensor) => converted(tensor, type));
  let offset = 0;
  const infos = written.map(({ name, sizes, kind, bytes }) => {
    const at = offset;
    offset += padded(bytes.length);
    return Buffer.concat([string(name), number(4, sizes.length), ...sizes.map((size) => number(8, size)), number(4, kind), number(8, at)]);
  });
  const head = Buffer.concat([
    Buffer.from("GGUF"), number(4, 3), number(8, written.length), number(8, keys.length),
    ...keys.flatMap(([key, value]) => [string(key), value]), ...infos,
  ]);
  return Buffer.concat([head, ...written.map(({ bytes }) => bytes)].map((part) => Buffer.concat([part], padded(part.length))));
}

async function tensorsOf(path) {
  const file = await readFile(path);
  const length = Number(file.readBigUInt64LE(0));
  const list = JSON.parse(file.subarray(8, 8 + length).toString());
  delete list.__metadata__;
  return Object.entries(list).map(([name, { shape, data_offsets: [start, end] }]) => {
    const values = new Float32Array(file.buffer.slice(file.byteOffset + 8 + length + start, file.byteOffset + 8 + length + end));
    return { name: name.replace(/^transformer\./, ""), shape, values };
  });
}

/** A tensor by GGUF's name, its rows by outputs. */
function converted({ name, shape, values }, type) {
  const [, layer, part, kind] = name.match(/^(?:h\.(\d+)\.)?(.+)\.(weight|bias)$/);
  const isMatrix = shape.length === 2 && part !== "wpe";
  const isLinear = isMatrix && part !== "wte";
  const [rows, columns] = shape.length === 2 ? shape : [1, shape[0]];
  const ordered = isLinear
    ? Float32Array.from(values, (_, at) => values[(at % rows) * columns + Math.floor(at / rows)])
    : values;
  return {
    name: `${layer ? `blk.${layer}.` : ""}${PARTS[part]}.${kind}`,
    // The innermost first.
    sizes: isLinear ? shape : [...shape].reverse(),
    kind: isMatrix ? type : F32,
    bytes: isMatrix && type === Q8_0 ? q8(ordered) : Buffer.from(ordered.buffer, ordered.byteOffset, ordered.byteLength),
  };
}

/** Blocks of a scale in f16 and 32 numbers in a byte each. The scale is a power of two, which f16 has. */
function q8(values) {
  const blocks = [];
  for (let at = 0; at < values.length; at += BLOCK) {
    const block = values.subarray(at, at + BLOCK);
    const most = block.reduce((most, value) => Math.max(most, Math.abs(value)), 2 ** -13);
    const power = Math.ceil(Math.log2(most / 127));
    const scale = Buffer.alloc(2);
    if (power >= -14) scale.writeUInt16LE((power + 15) << 10);
    else scale.writeUInt16LE(1 << (power + 24));
    blocks.push(scale, Buffer.from(Int8Array.from(block, (value) => Math.round(value / 2 ** power)).buffer));
  }
  return Buffer.concat(blocks);
}

const padded = (length) => Math.ceil(length / 32) * 32;

function number(bytes, value) {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, Math.min(bytes, 6));
  return buffer;
}

const string = (value) => Buffer.concat([number(8, Buffer.byteLength(value)), Buffer.from(value)]);
const text = (value) => Buffer.concat([number(4, TEXT), string(value)]);
const texts = (values) => Buffer.concat([number(4, ARRAY), number(4, TEXT), number(8, values.length), ...values.map(string)]);
const u32 = (value) => Buffer.concat([number(4, U32), number(4, value)]);

function f32(value) {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(value);
  return Buffer.concat([number(4, F32_VALUE), buffer]);
}
