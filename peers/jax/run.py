#!/usr/bin/env python3
"""JAX: the whole generation as jit(lax.scan over tokens), with a static KV cache. See README.md."""

import functools
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
if "cpu" in sys.argv:
    os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np

from peer.report import main
from peer.timing import timed

# f32 all the way: no TF32.
jax.config.update("jax_default_matmul_precision", "highest")


def parameters(case):
    """Arrays on the device, one dictionary a layer; matrices are [in, out]."""
    weights = case.weights()
    layers = []
    for layer in range(case.config["n_layer"]):
        prefix = f"h.{layer}."
        layers.append({name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)})
    outer = {name: weights[name] for name in ["wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias"]}
    return jax.device_put({**outer, "layers": layers})


def norm(x, weights, name, epsilon):
    mean = x.mean()
    variance = jnp.square(x - mean).mean()
    return (x - mean) * jax.lax.rsqrt(variance + epsilon) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]


def feed(model, params, cache, token, position):
    """The residual stream after the last layer, [n_embd], and the cache [layer][key, value, head, position, head_dim]
    with this token in it."""
    x = params["wte.weight"][token] + params["wpe.weight"][position]
    grown = []
    for weights, pair in zip(params["layers"], cache):
        qkv = linear(norm(x, weights, "ln_1", model.epsilon), weights, "attn.c_attn")
        query, key, value = qkv.reshape(3, model.n_head, model.head_dim)
        new = jnp.stack([key, value])[:, :, None, :]
        pair = jax.lax.dynamic_update_slice(pair, new, (0, 0, position, 0))
        keys, values = pair
        scores = jnp.einsum("hd,hpd->hp", query, keys) * model.scale
        scores = jnp.where(jnp.arange(model.positions) <= position, scores, -jnp.inf)
        attended = jnp.einsum("hp,hpd->hd", jax.nn.softmax(scores), values)
        x = x + linear(attended.reshape(-1), weights, "attn.c_proj")
        inner = jax.nn.gelu(linear(norm(x, weights, "ln_2", model.epsilon), weights, "mlp.c_fc"), approximate=True)
        x = x + linear(inner, weights, "mlp.c_proj")
        grown.append(pair)
    return x, grown


def generate(model, params, prompt):
    """New tokens [new_tokens] and the logits that chose the last of them [vocab_size]."""
    shape = (2, model.n_head, model.positions, model.head_dim)
    cache = [jnp.zeros(shape, jnp.float32) for _ in params["layers"]]
    for at in range(len(prompt) - 1):
        _, cache = feed(model, params, cache, prompt[at], at)

    def step(carry, _):
        cache, token, position, _ = carry
        x, cache = feed(model, params, cache, token, position)
        logits = params["wte.weight"] @ norm(x, params, "ln_f", model.epsilon)
        token = jnp.argmax(logits).astype(jnp.int32)
        return (cache, token, position + 1, logits), token

    first = jnp.int32(len(prompt) - 1)
    start = (cache, prompt[-1], first, jnp.zeros(params["wte.weight"].shape[0], jnp.float32))
    (_, _, _, logits), tokens = jax.lax.scan(step, start, length=model.new_tokens, unroll=model.unroll)
    return tokens, logits


class Variant:
    def __init__(self, name, case, params, unroll):
        self.name, self.case, self.params, self.unroll = name, case, params, unroll
        self.n_head = case.config["n_head"]
        self.head_dim = case.config["n_embd"] // self.n_head
        self.epsilon = case.config["layer_norm_epsilon"]
        self.scale = case.attention_scale()
        self.positions, self.new_tokens = case.positions, case.new_tokens
        self.settings = {"tf32": False, "matmul_precision": "highest", "unroll": unroll}

    def prepare(self):
        self.prompt = jax.device_put(np.array(self.case.prompt, np.int32))
        self.weights = self.params()
        self.compiled = jax.jit(functools.partial(generate, self)).lower(self.weights, self.prompt).compile()

    def run(self):
        def work():
            self.result = jax.block_until_ready(self.compiled(self.weights, self.prompt))

        return timed(work)

    def output(self):
        tokens, logits = self.result
        return np.asarray(tokens), np.asarray(logits)


def variants(case, device):
    params = functools.cache(lambda: parameters(case))
    yield Variant("scan", case, params, unroll=1)
    # Fewer turns of the loop, each of which XLA starts anew; longer to compile.
    yield Variant("scan-unroll-4", case, params, unroll=4)


def describe(device):
    return jax.devices()[0].device_kind, {"jax": jax.__version__, "jaxlib": jax.lib.__version__}


def objection(device):
    there = jax.default_backend()
    return "" if there == ("cpu" if device == "cpu" else "gpu") else f"JAX finds no GPU, its backend is {there}"


if __name__ == "__main__":
    main("jax", Path(__file__).parent, variants, describe, objection)
