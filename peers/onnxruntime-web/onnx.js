// Writes ONNX models: the few messages of onnx.proto3 that a graph of constants and operators needs, in protobuf's wire format.

export const FLOAT = 1;
export const INT32 = 6;
export const INT64 = 7;

const IR_VERSION = 10;
const OPSETS = { "": 20, "com.microsoft": 1 };
const ATTRIBUTE = { float: 1, int: 2 };

/** Operators and constants; `op` adds an operator and gives the name of its (first) output. */
export class Graph {
  constructor() {
    this.fields = [];
    this.outputs = 0;
  }

  constant(name, dims, values) {
    const type = { Float32Array: FLOAT, Int32Array: INT32, BigInt64Array: INT64 }[values.constructor.name];
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.fields.push(message(5, [...dims.map((dim) => whole(1, dim)), whole(2, type), text(8, name), block(9, bytes)]));
    return name;
  }

  /** An operator whose name has a dot before its last part is of the domain before it. */
  op(kind, inputs, { out = `out_${(this.outputs += 1)}`, ...attributes } = {}) {
    const [, domain, type] = /^(?:(.*)\.)?([^.]*)$/.exec(kind);
    const outputs = [out].flat();
    this.fields.push(message(1, [
      ...inputs.map((name) => text(1, name)),
      ...outputs.map((name) => text(2, name)),
      text(4, type),
      ...Object.entries(attributes).map(([name, value]) => message(5, attribute(name, value))),
      text(7, domain ?? ""),
    ]));
    return outputs[0];
  }

  /** The model's bytes; inputs and outputs are `[name, type, dims]`, where a dim of any size is a word. */
  model(name, inputs, outputs) {
    const graph = [
      ...this.fields,
      text(2, name),
      ...inputs.map((value) => message(11, valueInfo(value))),
      ...outputs.map((value) => message(12, valueInfo(value))),
    ];
    const opsets = Object.entries(OPSETS).map(([domain, version]) => message(8, [text(1, domain), whole(2, version)]));
    return joined([whole(1, IR_VERSION), message(7, graph), ...opsets]);
  }
}

/** A float is told from an int by how it is given: `{float: 1}`. */
function attribute(name, value) {
  if (typeof value === "number") return [text(1, name), whole(3, value), whole(20, ATTRIBUTE.int)];
  const bytes = new Uint8Array(Float32Array.of(value.float).buffer);
  return [text(1, name), joined([varint((2 << 3) | 5), bytes]), whole(20, ATTRIBUTE.float)];
}

function valueInfo([name, type, dims]) {
  const dimensions = dims.map((dim) => message(1, [typeof dim === "number" ? whole(1, dim) : text(2, dim)]));
  return [text(1, name), message(2, [message(1, [whole(1, type), message(2, dimensions)])])];
}

const whole = (field, value) => joined([varint(field << 3), varint(value)]);
const text = (field, value) => block(field, new TextEncoder().encode(value));
const message = (field, parts) => block(field, joined(parts));
const block = (field, bytes) => joined([varint((field << 3) | 2), varint(bytes.length), bytes]);

/** Numbers from 0 to 2^53: seven bits a byte, the lowest first. */
function varint(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Uint8Array.from([...bytes, value]);
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}
