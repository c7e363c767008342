#!/usr/bin/env python3
"""JAX: episodes as jit(vmap(lax.scan)), and as a while loop that ends with the last of them. See README.md."""

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

from peer.environments import Environment
from peer.report import main
from peer.rollout import RolloutCase, Variant
from run import describe, objection

# f32 all the way: no TF32.
jax.config.update("jax_default_matmul_precision", "highest")


def product(matrix, vector):
    return matrix @ vector


def summed(matrix, vector):
    """The same as a sum that XLA can fuse with what is around it; a product becomes a call of a library."""
    return (matrix * vector[None, :]).sum(axis=1)


class Ready:
    """One individual's episode, mapped over the population. `first` puts the individual first in memory, else last, where
    neighbouring threads read neighbouring words."""

    def __init__(self, case, times, first, loop, population, steps):
        self.steps = steps
        market = None if case.market is None else jnp.asarray(case.market)
        self.environment = Environment(case.environment, jnp, jnp.float32(1), market, lambda day: day.astype(jnp.int32))
        self.times = times
        axis = 0 if first else -1
        arrays = [np.ascontiguousarray(np.moveaxis(array, 0, axis)) for array in (*population.layers(), population.initial)]
        self.inputs = jax.device_put(arrays)
        episodes = jax.jit(jax.vmap(functools.partial(self.episode, loop), in_axes=axis))
        self.compiled = episodes.lower(*self.inputs).compile()

    def episode(self, loop, w1, b1, w2, b2, initial):
        def network(seen):
            return self.times(w2, jnp.tanh(self.times(w1, seen) + b1)) + b2

        def step(carry):
            return self.environment.step(network, carry)

        start = (tuple(initial), jnp.float32(0), jnp.int32(0), jnp.bool_(False))
        return loop(step, start, self.steps)

    def run(self):
        self.carry = jax.block_until_ready(self.compiled(*self.inputs))

    def outcome(self):
        state, episode_return, length, terminated = (jax.tree.map(np.asarray, part) for part in self.carry)
        return dict(episode_return=episode_return, length=length, terminated=terminated, state=np.stack(state, axis=1))


def scan(unroll, step, start, steps):
    carry, _ = jax.lax.scan(lambda carry, _: (step(carry), None), start, length=steps, unroll=min(unroll, steps))
    return carry


def while_loop(step, start, steps):
    """Ends with the last episode: the host asks after each step whether one goes on."""
    return jax.lax.while_loop(lambda carry: (carry[2] < steps) & ~carry[3], step, start)


def variants(case, device):
    for name, times, first, loop, settings in [
        ("scan", product, True, functools.partial(scan, 1), {"unroll": 1}),
        ("scan-fused", summed, False, functools.partial(scan, 1), {"unroll": 1}),
        ("scan-fused-unroll-4", summed, False, functools.partial(scan, 4), {"unroll": 4}),
        ("while-fused", summed, False, while_loop, {}),
    ]:
        about = {"tf32": False, "matmul_precision": "highest", "products": times.__name__, "individual_first": first}
        yield Variant(name, case, {**about, **settings}, functools.partial(Ready, case, times, first, loop))


if __name__ == "__main__":
    main("jax", Path(__file__).parent, variants, describe, objection, RolloutCase)
