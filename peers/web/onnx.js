// An ONNX model as bytes: of the protocol buffers of onnx.proto, what a graph of constants and operators needs.

export const FLOAT = 1;
export const INT32 = 6;
const INT64 = 7;
export const FLOAT16 = 10;

/** By the name that ONNX Runtime has for a type of element: ONNX's number for it. */
const TYPES = { float32: FLOAT, float16: FLOAT16, int32: INT32, int64: INT64 };
const ELEMENTS = new Map([[Float32Array, FLOAT], [Uint16Array, FLOAT16], [Int32Array, INT32], [BigInt64Array, INT64]]);

/** A graph as it grows; `op` adds a node and gives the name of its (first) output. */
export class Graph {
  nodes = [];
  constants = [];

  /** `data` is a typed array of f32, i32 or i64, or the bits of f16. */
  constant(name, dims, data) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const type = ELEMENTS.get(data.constructor);
    this.constants.push(message(...dims.map((size) => integer(1, size)), integer(2, type), text(8, name), field(9, bytes)));
    return name;
  }

  /** `outputs` names the outputs, where one of them is to be found by its name; "" leaves an input or output out. */
  op(kind, inputs, { outputs = [`${kind}_${this.nodes.length}`], domain = "", ...attributes } = {}) {
    const names = [...inputs.map((name) => text(1, name)), ...outputs.map((name) => text(2, name))];
    const attribute = ([name, value]) => field(5, message(text(1, name), ...valueOf(value)));
    this.nodes.push(message(...names, text(4, kind), ...Object.entries(attributes).map(attribute), text(7, domain)));
    return outputs[0];
  }

  /** The model; inputs and outputs are `[{name, type, dims}]`, where a size that is not fixed has a name; `opsets` maps domains to versions. */
  model(inputs, outputs, opsets) {
    const value = (number) => ({ name, type, dims }) => {
      const shape = message(...dims.map((size) => field(1, message(typeof size === "string" ? text(2, size) : integer(1, size)))));
      return field(number, message(text(1, name), field(2, message(field(1, message(integer(1, TYPES[type]), field(2, shape)))))));
    };
    const graph = message(
      ...this.nodes.map((node) => field(1, node)), text(2, "step"), ...this.constants.map((tensor) => field(5, tensor)),
      ...inputs.map(value(11)), ...outputs.map(value(12)),
    );
    const imported = Object.entries(opsets).map(([domain, version]) => field(8, message(text(1, domain), integer(2, version))));
    return message(integer(1, IR_VERSION), field(7, graph), ...imported);
  }
}

const IR_VERSION = 10;

/** The fields of an attribute: a whole number is an INT, `{float}` a FLOAT, a string a STRING. */
function valueOf(value) {
  if (typeof value === "string") return [text(4, value), integer(20, 3)];
  if (typeof value === "number") return [integer(3, value), integer(20, 2)];
  const bytes = new Uint8Array(Float32Array.of(value.float).buffer);
  return [Uint8Array.of((2 << 3) | 5, ...bytes), integer(20, 1)];
}

const text = (number, string) => field(number, new TextEncoder().encode(string));
const field = (number, bytes) => message(varint((number << 3) | 2), varint(bytes.length), bytes);
const integer = (number, value) => message(varint(number << 3), varint(value));

function varint(value) {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.of(...bytes, Number(rest));
}

function message(...parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
  return bytes;
}
