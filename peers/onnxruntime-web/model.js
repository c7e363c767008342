// One step of a model as an ONNX graph.
//
// It takes the token, its position and the caches, and gives the next token, the next position, the caches and the logits. All
// shapes are fixed and nothing of it runs on the CPU, so the host has nothing to read between two tokens.

import { heads, network, OPSETS } from "../web/network.js";
import { Graph } from "../web/onnx.js";

/** `{bytes, state, caches, logits}`: the model, and what it takes and gives, as `[{name, type, dims}]`. An output has the name
 * of its input after `new_`. */
export function step(made) {
  const { config, config: { n_layer: layers, vocab_size }, positions } = made;
  const g = new Graph();
  const one = g.constant("one", [1], Int32Array.of(1));
  const total = g.constant("total", [1], Int32Array.of(positions));
  network(g, made, {
    token: "token", position: "position", logits: "logits",
    // The position is the number of keys before this one. New keys and values go into the caches in place.
    before: "position", total, past: names, present: (layer) => names(layer).map((name) => `new_${name}`),
  });
  g.op("ArgMax", ["logits"], { outputs: ["new_token"], axis: 1, keepdims: 0 });
  g.op("Add", ["position", one], { outputs: ["new_position"] });

  const state = [{ name: "token", type: "int64", dims: [1] }, { name: "position", type: "int32", dims: [1] }];
  const { keys, channels } = heads(config);
  const dims = [1, keys, positions, channels];
  const caches = Array.from({ length: layers }, (_, layer) => names(layer)).flat().map((name) => ({ name, type: "float32", dims }));
  const logits = { name: "logits", type: "float32", dims: [1, vocab_size] };
  const outputs = [...state, ...caches].map(({ name, ...rest }) => ({ name: `new_${name}`, ...rest }));
  return { bytes: g.model([...state, ...caches], [...outputs, logits], OPSETS), state, caches, logits };
}

const names = (layer) => ["keys", "values"].map((what) => `${what}_${layer}`);
