// GPT-2 in TensorFlow.js's operations, a step at a time.

import { attentionScale, headDim } from "../../web/js/decode/config.js";
import { tensors } from "../../web/js/decode/tensors.js";

/** The checkpoint's tensors by name, kept on the device. */
export function upload(tf, config, weights) {
  return new Map([...tensors(config)].map(({ name, shape }) => [name, tf.keep(tf.tensor(weights(name), shape))]));
}

/**
 * One step: `token` and `position` are int32 `[1]`, `cache` has keys and values of each layer, `[n_head, positions so far, head_dim]`
 * (none before the first step). Gives `{next, logits, cache}`, of which nothing has left the device.
 */
export function step(tf, config, tensors, { token, position, cache }) {
  const { n_embd, n_head, n_layer, layer_norm_epsilon } = config;
  const get = (name) => tensors.get(name);

  const norm = (x, name) => {
    const { mean, variance } = tf.moments(x, -1, true);
    const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, layer_norm_epsilon)));
    return tf.add(tf.mul(normal, get(`${name}.weight`)), get(`${name}.bias`));
  };
  const linear = (a, name) => tf.fused.matMul({ a, b: get(`${name}.weight`), bias: get(`${name}.bias`) });

  let x = tf.add(tf.gather(get("wte.weight"), token), tf.gather(get("wpe.weight"), position));
  const caches = [];
  for (let layer = 0; layer < n_layer; layer += 1) {
    const here = `h.${layer}`;
    const qkv = tf.reshape(linear(norm(x, `${here}.ln_1`), `${here}.attn.c_attn`), [3 * n_head, 1, headDim(config)]);
    const [query, key, value] = tf.split(qkv, 3);
    const append = (past, now) => (past ? tf.concat([past, now], 1) : now);
    const [keys, values] = [append(cache[2 * layer], key), append(cache[2 * layer + 1], value)];
    caches.push(keys, values);
    const shares = tf.softmax(tf.mul(tf.matMul(query, keys, false, true), attentionScale(config)));
    const attended = tf.reshape(tf.matMul(shares, values), [1, n_embd]);
    x = tf.add(x, linear(attended, `${here}.attn.c_proj`));
    x = tf.add(x, linear(gelu(tf, linear(norm(x, `${here}.ln_2`), `${here}.mlp.c_fc`)), `${here}.mlp.c_proj`));
  }
  const logits = tf.matMul(norm(x, "ln_f"), get("wte.weight"), false, true);
  return { next: tf.argMax(logits, 1), logits, cache: caches };
}

/** `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))` as `x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))`: the same, in fewer operations. */
function gelu(tf, x) {
  const scale = 2 * Math.sqrt(2 / Math.PI);
  return tf.mul(x, tf.sigmoid(tf.mul(x, tf.add(tf.mul(tf.square(x), scale * 0.044715), scale))));
}
