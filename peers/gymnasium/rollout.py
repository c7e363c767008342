#!/usr/bin/env python3
"""Gymnasium's vector environments on the CPU, under the same policies. See README.md."""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from peer.environments import Environment
from peer.report import host_of, main
from peer.rollout import RolloutCase, Variant

# An environment of SyncVectorEnv takes some 50 us a step: of more individuals a single episode takes minutes.
MOST_ONE_BY_ONE = 64


def one_by_one(environment, initial):
    """SyncVectorEnv: a Python object for each individual, stepped one after the other, in float64."""
    from gymnasium.envs.classic_control.acrobot import AcrobotEnv
    from gymnasium.envs.classic_control.cartpole import CartPoleEnv
    from gymnasium.vector import SyncVectorEnv

    make = {"acrobot": AcrobotEnv, "cartpole": CartPoleEnv}[environment]
    vector = SyncVectorEnv([make] * len(initial))
    vector.reset(seed=1)

    def begin():
        # No step is left that would only reset.
        vector._autoreset_envs[:] = False
        for each, state in zip(vector.envs, initial):
            each.state = np.asarray(state, np.float64)
            if environment == "cartpole":
                each.steps_beyond_terminated = None

    return vector, begin, lambda: np.array([each.state for each in vector.envs])


def vectorised(environment, initial):
    """CartPoleVectorEnv: all individuals as arrays, which Gymnasium has of this environment alone."""
    from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv

    vector = CartPoleVectorEnv(num_envs=len(initial), max_episode_steps=1_000_000)
    vector.reset(seed=1)

    def begin():
        vector.state = initial.T.astype(np.float64)
        vector.steps[:] = 0
        vector.prev_done[:] = False

    return vector, begin, lambda: vector.state.T


class Ready:
    """The loop of a user of Gymnasium: what is seen goes through the policies, and their actions into `step`. An environment
    that has ended is reset by Gymnasium, and goes on to be stepped, uncounted, until all have ended or the steps are made."""

    def __init__(self, case, make, population, steps):
        self.steps, self.initial = steps, population.initial
        self.observe = Environment(case.environment, np, np.float32(1)).observe
        self.layers = population.layers()
        self.vector, self.begin, self.states = make(case.environment, population.initial)

    def act(self, seen):
        w1, b1, w2, b2 = self.layers
        hidden = np.tanh(np.einsum("nho,no->nh", w1, seen) + b1)
        return (np.einsum("nah,nh->na", w2, hidden) + b2).argmax(axis=1)

    def run(self):
        count = len(self.initial)
        self.begin()
        seen = self.observe(tuple(self.initial.T)).T
        episode_return, length = np.zeros(count), np.zeros(count, int)
        ended, state = np.zeros(count, bool), np.zeros((count, 4))
        for _ in range(self.steps):
            seen, reward, ends, _, _ = self.vector.step(self.act(seen))
            goes_on = ~ended
            episode_return[goes_on] += reward[goes_on]
            length += goes_on
            now = goes_on & ends
            if now.any():
                state[now] = self.states()[now]
                ended |= now
                if ended.all():
                    break
        state[~ended] = self.states()[~ended]
        self.result = dict(episode_return=episode_return, length=length, terminated=ended, state=state)

    def outcome(self):
        return self.result


class OneByOne(Variant):
    """Single steps of all shared states take a second; whole episodes only of a small population."""

    def prepare(self):
        if len(self.case.population) > MOST_ONE_BY_ONE:
            raise ValueError(f"SyncVectorEnv is run with at most {MOST_ONE_BY_ONE} individuals: one episode of more takes minutes")
        super().prepare()


def variants(case, device):
    settings = {"precision": "physics f64, policy f32", "runs_on": "host"}
    if case.environment == "cartpole":
        yield Variant("vector-env", case, settings, functools.partial(Ready, case, vectorised))
    if case.environment in ("acrobot", "cartpole"):
        yield OneByOne("sync-vector-env", case, settings, functools.partial(Ready, case, one_by_one))


def describe(device):
    import gymnasium

    return host_of(device), {"gymnasium": gymnasium.__version__, "numpy": np.__version__}


def objection(device):
    try:
        # The folder of this file goes by the same name, but has no such module.
        import gymnasium.vector  # noqa: F401
    except ImportError as error:
        return f"{error}; pip install -r requirements.txt"
    return ""


if __name__ == "__main__":
    main("gymnasium", Path(__file__).parent, variants, describe, objection, RolloutCase)
