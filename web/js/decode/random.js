// Seeded random weights, to the bit those of `src/workload/decode/random.rs`, which tells the recipe.

import { key, philox4x32 } from "../philox.js";
import { elements, tensors } from "./tensors.js";

/** Weights for `config`: a function from a tensor's name to its elements. Made when they are asked for. */
export function randomWeights(config, seed) {
  const all = [...tensors(config)];
  const words = key(seed);
  return (name) => {
    const index = all.findIndex((tensor) => tensor.name === name);
    const [mean, sigma] = distribution(all[index]);
    const values = new Float32Array(elements(all[index].shape));
    for (let i = 0; i < values.length; i += 1) values[i] = mean + sigma * normal(i, index, words);
    return values;
  };
}

/** Mean 0, variance 1: a sum of four uniform numbers. */
function normal(i, t, words) {
  const [a, b, c, d] = philox4x32([i, t, 0, 0], words);
  return (Math.sqrt(3) * (a + b + c + d - 2 ** 33)) / 2 ** 32;
}

function distribution({ name, shape }) {
  if (name === "wte.weight") return [0, 2 / Math.sqrt(shape[1])];
  if (name === "wpe.weight") return [0, 1];
  if (shape.length === 2) return [0, 2 / Math.sqrt(shape[0])];
  return name.endsWith(".weight") ? [1, 0.1] : [0, 0.1];
}
