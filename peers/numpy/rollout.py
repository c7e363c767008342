#!/usr/bin/env python3
"""NumPy: a step of all individuals at a time, on the CPU. See README.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from peer.environments import Environment
from peer.report import host_of, main
from peer.rollout import RolloutCase, Variant


class Ready:
    def __init__(self, case, population, steps):
        self.environment = Environment(case.environment, np, np.float32(1), case.market, lambda day: day.astype(np.int32))
        # The individual last: all arithmetic goes along rows.
        self.w1, self.b1, self.w2, self.b2 = (np.ascontiguousarray(np.moveaxis(part, 0, -1)) for part in population.layers())
        self.initial, self.steps = tuple(np.ascontiguousarray(population.initial.T)), steps

    def network(self, seen):
        hidden = np.tanh(np.einsum("hon,on->hn", self.w1, seen) + self.b1)
        return np.einsum("ahn,hn->an", self.w2, hidden) + self.b2

    def run(self):
        count = len(self.initial[0])
        carry = (self.initial, np.zeros(count, np.float32), np.zeros(count, np.int32), np.zeros(count, bool))
        for _ in range(self.steps):
            carry = self.environment.step(self.network, carry)
            if carry[3].all():
                break
        self.carry = carry

    def outcome(self):
        state, episode_return, length, terminated = self.carry
        return dict(episode_return=episode_return, length=length, terminated=terminated, state=np.stack(state, axis=1))


def variants(case, device):
    yield Variant("vectorised", case, {"precision": "f32", "runs_on": "host"}, lambda population, steps: Ready(case, population, steps))


def describe(device):
    return host_of(device), {"numpy": np.__version__}


def objection(device):
    return ""


if __name__ == "__main__":
    main("numpy", Path(__file__).parent, variants, describe, objection, RolloutCase)
