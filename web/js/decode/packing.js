// How weights lie in the one buffer that kernels read: padded to vec4f, each tensor at a 256-byte boundary. The twin of
// `src/workload/decode/packing.rs`.

import { ALIGNMENT } from "../program.js";
import { headDim } from "./config.js";
import { bits, FORMATS } from "./format.js";

const VEC4 = 16;

const ceilDiv = (a, b) => Math.ceil(a / b);
const nextMultiple = (a, of) => ceilDiv(a, of) * of;

/** Widths of a model in vec4f; `head4` of one head, `heads4` of all together. */
export function widthsOf(config) {
  const head4 = ceilDiv(headDim(config), 4);
  return {
    n_embd4: ceilDiv(config.n_embd, 4),
    head4,
    heads4: config.n_head * head4,
    n_inner4: ceilDiv(config.n_inner, 4),
    vocab4: ceilDiv(config.vocab_size, 4),
  };
}

/** Which index of a matrix runs fastest, and how a weight is written: `[in][out]` in f32, `[out][in]` in a format. */
export const IN_OUT = { outIn: false, format: "f32", block: "weights-in-out" };
export const outIn = (format) => ({
  outIn: true,
  format,
  block: format === "f32" ? "weights-out-in" : `weights-out-in-${format}`,
});

/** The layout whose block has this name. */
export const layoutNamed = (block) => [IN_OUT, ...FORMATS.map(outIn)].find((layout) => layout.block === block);

/** 16-byte chunks that `in4` vec4f of a matrix's row take. Of two-byte formats, chunk i of n holds vec4f i and i + n. */
export const chunksOf = (layout, in4) => (layout.format === "f32" ? in4 : ceilDiv(in4, 2));

/** Where each tensor lies, in vec4f: `{offsets, layers, layerStride, total}`. Those of a layer count from the layer's start. */
export function mapOf(config, layout) {
  const { n_embd4, heads4, n_inner4, vocab4 } = widthsOf(config);
  const matrix = (in4, out4) => 4 * out4 * chunksOf(layout, in4);
  const layer = [
    ["LN_1_WEIGHT", n_embd4],
    ["LN_1_BIAS", n_embd4],
    ["ATTN_C_ATTN_WEIGHT", matrix(n_embd4, 3 * heads4)],
    ["ATTN_C_ATTN_BIAS", 3 * heads4],
    ["ATTN_C_PROJ_WEIGHT", matrix(heads4, n_embd4)],
    ["ATTN_C_PROJ_BIAS", n_embd4],
    ["LN_2_WEIGHT", n_embd4],
    ["LN_2_BIAS", n_embd4],
    ["MLP_C_FC_WEIGHT", matrix(n_embd4, n_inner4)],
    ["MLP_C_FC_BIAS", n_inner4],
    ["MLP_C_PROJ_WEIGHT", matrix(n_inner4, n_embd4)],
    ["MLP_C_PROJ_BIAS", n_embd4],
  ];
  const outer = [
    ["WTE", matrix(n_embd4, vocab4)],
    ["WPE", config.n_positions * n_embd4],
    ["LN_F_WEIGHT", n_embd4],
    ["LN_F_BIAS", n_embd4],
  ];
  const offsets = {};
  const place = (tensors) =>
    tensors.reduce((at, [name, size]) => {
      offsets[name] = at;
      return at + nextMultiple(size, ALIGNMENT / VEC4);
    }, 0);
  const layers = place(outer);
  const layerStride = place(layer);
  return { offsets, layers, layerStride, total: layers + config.n_layer * layerStride };
}

export const mapBytes = (map) => map.total * VEC4;

/**
 * The weights of a model as the bytes of one buffer. `tensor(name)` gives the elements of a tensor, each asked for once and
 * in the order of `tensors.js`, so that not all of them need be in memory at a time.
 */
export function pack(config, tensor, layout) {
  const map = mapOf(config, layout);
  const buffer = new Float32Array(4 * map.total);
  // Words of two-byte formats are no floats, which may lose the bits of a NaN on the way.
  const words = new Uint32Array(buffer.buffer);
  const { n_embd: embd, n_inner: inner, vocab_size: vocab, n_positions: positions } = config;
  const { n_embd4, head4 } = widthsOf(config);
  const dim = headDim(config);
  const plain = (index) => index;
  // Of a vector of heads (or of query, key and value, each a vector of heads), every head is padded by itself.
  const heads = (index) => Math.floor(index / dim) * 4 * head4 + (index % dim);
  const at = (name, layer) => 4 * (map.offsets[name] + (layer === undefined ? 0 : map.layers + layer * map.layerStride));

  const vector = (start, values, place) => {
    for (let i = 0; i < values.length; i += 1) buffer[start + place(i)] = values[i];
  };
  // `values` is `[rows, columns]` = `[in, out]`, or its transpose.
  const matrix = (start, values, [rows, columns], placeIn, placeOut, transposed = false) => {
    const width = nextMultiple(placeIn(rows - 1) + 1, 4);
    const height = nextMultiple(placeOut(columns - 1) + 1, 4);
    const chunks = chunksOf(layout, width / 4);
    for (let row = 0; row < rows; row += 1) {
      const i = placeIn(row);
      for (let column = 0; column < columns; column += 1) {
        const j = placeOut(column);
        const value = transposed ? values[column * rows + row] : values[row * columns + column];
        if (!layout.outIn) buffer[start + i * height + j] = value;
        else if (layout.format === "f32") buffer[start + j * width + i] = value;
        else {
          // Vec4f i / 4 of the row: in the lower half of chunk i / 4, or in the upper half of the one `chunks` before.
          const vec4 = Math.floor(i / 4);
          const [chunk, half] = vec4 < chunks ? [vec4, 0] : [vec4 - chunks, 2];
          const word = start + 4 * (j * chunks + chunk) + half + ((i % 4) >> 1);
          words[word] |= bits(layout.format, value) << (16 * (i % 2));
        }
      }
    }
  };

  matrix(at("WTE"), tensor("wte.weight"), [embd, vocab], plain, plain, true);
  const wpe = tensor("wpe.weight");
  for (let row = 0; row < positions; row += 1) {
    buffer.set(wpe.subarray(row * embd, (row + 1) * embd), at("WPE") + row * 4 * n_embd4);
  }
  for (let layer = 0; layer < config.n_layer; layer += 1) {
    const of = (name) => tensor(`h.${layer}.${name}`);
    vector(at("LN_1_WEIGHT", layer), of("ln_1.weight"), plain);
    vector(at("LN_1_BIAS", layer), of("ln_1.bias"), plain);
    matrix(at("ATTN_C_ATTN_WEIGHT", layer), of("attn.c_attn.weight"), [embd, 3 * embd], plain, heads);
    vector(at("ATTN_C_ATTN_BIAS", layer), of("attn.c_attn.bias"), heads);
    matrix(at("ATTN_C_PROJ_WEIGHT", layer), of("attn.c_proj.weight"), [embd, embd], heads, plain);
    vector(at("ATTN_C_PROJ_BIAS", layer), of("attn.c_proj.bias"), plain);
    vector(at("LN_2_WEIGHT", layer), of("ln_2.weight"), plain);
    vector(at("LN_2_BIAS", layer), of("ln_2.bias"), plain);
    matrix(at("MLP_C_FC_WEIGHT", layer), of("mlp.c_fc.weight"), [embd, inner], plain, plain);
    vector(at("MLP_C_FC_BIAS", layer), of("mlp.c_fc.bias"), plain);
    matrix(at("MLP_C_PROJ_WEIGHT", layer), of("mlp.c_proj.weight"), [inner, embd], plain, plain);
    vector(at("MLP_C_PROJ_BIAS", layer), of("mlp.c_proj.bias"), plain);
  }
  vector(at("LN_F_WEIGHT"), tensor("ln_f.weight"), plain);
  vector(at("LN_F_BIAS"), tensor("ln_f.bias"), plain);
  return new Uint8Array(buffer.buffer);
}
