#!/usr/bin/env python3
"""gymnax: its environments as they are, jit(vmap(lax.scan)) around them. See README.md."""

import functools
import os
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
if "cpu" in sys.argv:
    os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np

from peer.report import main
from peer.rollout import RolloutCase, Variant

# f32 all the way: no TF32.
jax.config.update("jax_default_matmul_precision", "highest")

NAMES = {"acrobot": "Acrobot-v1", "cartpole": "CartPole-v1"}


class Ready:
    """One individual's episode, mapped over the population: an episode that has ended keeps its last state."""

    def __init__(self, case, population, steps):
        import gymnax

        self.steps = steps
        self.environment, params = gymnax.make(NAMES[case.environment])
        # The loop here counts the steps.
        self.params = params.replace(max_steps_in_episode=steps + 1)
        key = jax.random.key(0)
        _, any_state = self.environment.reset(key, self.params)
        names = [name for name in vars(any_state) if name != "time"]
        self.begin = lambda initial: any_state.replace(**dict(zip(names, initial)), time=jnp.int32(0))
        self.components = lambda state: jnp.stack([getattr(state, name) for name in names])
        self.inputs = jax.device_put([*population.layers(), population.initial])
        self.compiled = jax.jit(jax.vmap(self.episode)).lower(*self.inputs).compile()

    def episode(self, w1, b1, w2, b2, initial):
        key = jax.random.key(0)
        state = self.begin(initial)

        def step(carry, _):
            seen, state, episode_return, length, ended = carry
            action = jnp.argmax(w2 @ jnp.tanh(w1 @ seen + b1) + b2)
            now_seen, now, reward, ends, _ = self.environment.step_env(key, state, action, self.params)
            keep = functools.partial(jnp.where, ended)
            state = jax.tree.map(lambda old, new: keep(old, new), state, now)
            episode_return += jnp.where(ended, 0.0, reward)
            return (keep(seen, now_seen), state, episode_return, length + ~ended, ended | ends), None

        start = (self.environment.get_obs(state), state, jnp.float32(0), jnp.int32(0), jnp.bool_(False))
        (_, state, *rest), _ = jax.lax.scan(step, start, length=self.steps)
        return self.components(state), *rest

    def run(self):
        self.result = jax.block_until_ready(self.compiled(*self.inputs))

    def outcome(self):
        state, episode_return, length, terminated = map(np.asarray, self.result)
        return dict(episode_return=episode_return, length=length, terminated=terminated, state=state)


def variants(case, device):
    if case.environment in NAMES:
        settings = {"tf32": False, "matmul_precision": "highest", "unroll": 1}
        yield Variant("scan", case, settings, functools.partial(Ready, case))


def describe(device):
    versions = {"gymnax": version("gymnax"), "jax": jax.__version__, "jaxlib": jax.lib.__version__}
    return jax.devices()[0].device_kind, versions


def objection(device):
    try:
        # The folder of this file goes by the same name, but has no such module.
        import gymnax.environments  # noqa: F401
    except ImportError as error:
        return f"{error}; pip install -r requirements.txt"
    there = jax.default_backend()
    return "" if there == ("cpu" if device == "cpu" else "gpu") else f"JAX finds no GPU, its backend is {there}"


if __name__ == "__main__":
    main("gymnax", Path(__file__).parent, variants, describe, objection, RolloutCase)
