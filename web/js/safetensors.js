// Reads safetensors files: a header of JSON, then the tensors' bytes.

import { widened } from "./decode/format.js";
import { Refusal } from "./refusal.js";

const BYTES = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1, U64: 8, U32: 4, U16: 2 };
const LONGEST_HEADER = 100e6;

/**
 * The tensors of a file (an ArrayBuffer, or a Blob, of which only what is asked for is read), by name:
 * `{dtype, shape, read()}`, where `read` resolves to the elements in f32 (or in f64 where they are).
 */
export async function readSafetensors(file) {
  const total = file.size ?? file.byteLength;
  const slice = async (from, to) => {
    const part = file.slice(from, to);
    return part instanceof ArrayBuffer ? part : part.arrayBuffer();
  };
  const damaged = (why) => new Refusal(`model.safetensors: damaged: ${why}; copy or download the file again`);
  if (total < 8) throw damaged(`${total} bytes are no safetensors file`);
  const length = Number(new DataView(await slice(0, 8)).getBigUint64(0, true));
  if (length > LONGEST_HEADER || 8 + length > total) {
    throw damaged(`its header claims ${length} bytes, and the file has ${total}`);
  }
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await slice(8, 8 + length)));
  } catch (error) {
    throw damaged(`its header is no JSON (${error.message})`);
  }
  const tensors = new Map();
  let end = 0;
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: offsets } = entry ?? {};
    const isSize = (size) => Number.isSafeInteger(size) && size >= 0;
    const fits = Array.isArray(shape) && shape.every(isSize) && Array.isArray(offsets) && offsets.every(isSize) &&
      offsets.length === 2 && BYTES[dtype] * shape.reduce((a, b) => a * b, 1) === offsets[1] - offsets[0];
    if (!fits) throw damaged(`the entry of tensor ${name.slice(0, 60)} does not fit its type and shape`);
    end = Math.max(end, offsets[1]);
    const read = async () => elementsOf(dtype, await slice(8 + length + offsets[0], 8 + length + offsets[1]), name);
    tensors.set(name, { dtype, shape, read });
  }
  if (8 + length + end !== total) throw damaged("its tensors end elsewhere than the file does");
  return tensors;
}

function elementsOf(dtype, bytes, name) {
  if (dtype === "F64") return new Float64Array(bytes);
  if (dtype === "F32") return new Float32Array(bytes);
  if (dtype === "F16" || dtype === "BF16") {
    const format = dtype.toLowerCase();
    return Float32Array.from(new Uint16Array(bytes), (half) => widened(format, half));
  }
  throw new Refusal(`tensor ${name} is of type ${dtype}; F32, F16 and BF16 are read`);
}
