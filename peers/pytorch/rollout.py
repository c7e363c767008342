#!/usr/bin/env python3
"""PyTorch: a step of all individuals at a time, eager, in a CUDA graph, torch.compile, and both together. See README.md."""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch

from peer.environments import Environment
from peer.report import main
from peer.rollout import RolloutCase, Variant
from run import captured, describe, objection

# f32 all the way: no TF32.
torch.set_float32_matmul_precision("highest")


class Ready:
    """`fused` writes products as sums, which Inductor fuses with the rest of the step; else they are batched products of a
    library. Dead individuals are stepped too, and keep their state: asking whether one is left would mean to wait."""

    def __init__(self, case, device, fused, compiled, graph, wait_each, population, steps):
        self.device, self.steps, self.wait_each = device, steps, wait_each
        self.one = torch.ones((), device=device)
        market = None if case.market is None else torch.tensor(case.market, device=device)
        self.environment = Environment(case.environment, torch, self.one, market, lambda day: day.long())
        layers = [torch.tensor(part, device=device) for part in population.layers()]
        # Fused, the individual comes last, so that neighbouring threads read neighbouring words.
        self.layers = [part.movedim(0, -1).contiguous() for part in layers] if fused else layers
        self.network = self.sums if fused else self.products
        self.initial = tuple(torch.tensor(population.initial.T, device=device).contiguous())
        self.step = compiled_step(self) if compiled else functools.partial(one_step, self.environment, self.network, self.layers)
        self.follow = captured(self.episodes) if graph else self.episodes

    @staticmethod
    def products(layers, seen):
        w1, b1, w2, b2 = layers
        hidden = torch.tanh(torch.baddbmm(b1.unsqueeze(2), w1, seen.T.unsqueeze(2)))
        return torch.baddbmm(b2.unsqueeze(2), w2, hidden).squeeze(2).T

    @staticmethod
    def sums(layers, seen):
        w1, b1, w2, b2 = layers
        hidden = torch.tanh((w1 * seen).sum(1) + b1)
        return (w2 * hidden).sum(1) + b2

    def episodes(self):
        count = len(self.initial[0])
        carry = (
            self.initial,
            torch.zeros(count, device=self.device),
            torch.zeros(count, dtype=torch.int32, device=self.device),
            torch.zeros(count, dtype=torch.bool, device=self.device),
        )
        for _ in range(self.steps):
            carry = self.step(carry)
            if self.wait_each:
                self.wait()
        return carry

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    @torch.no_grad()
    def run(self):
        self.carry = self.follow()
        self.wait()

    def outcome(self):
        state, *rest = self.carry
        names = ("episode_return", "length", "terminated")
        outcome = {name: array.cpu().numpy() for name, array in zip(names, rest)}
        return {**outcome, "state": np.stack([component.cpu().numpy() for component in state], axis=1)}


def one_step(environment, network, layers, carry):
    return environment.step(functools.partial(network, layers), carry)


def compiled_step(ready):
    """Sizes are constants: the population, and the number of steps is the caller's loop."""
    step = torch.compile(functools.partial(one_step, ready.environment, ready.network), fullgraph=True, dynamic=False)
    return functools.partial(step, ready.layers)


def variants(case, device):
    def variant(name, fused=False, compiled=False, graph=False, wait_each=False):
        settings = {"tf32": False, "wait_each_step": wait_each, "torch_compile": compiled, "cuda_graph": graph}
        start = functools.partial(Ready, case, device, fused, compiled, graph, wait_each)
        return Variant(name, case, {**settings, "products": "sums" if fused else "baddbmm"}, start)

    yield variant("eager-wait-each", wait_each=True)
    yield variant("eager")
    if device == "cuda":
        yield variant("graph", graph=True)
    yield variant("compile", fused=True, compiled=True)
    if device == "cuda":
        yield variant("compile-graph", fused=True, compiled=True, graph=True)


if __name__ == "__main__":
    main("pytorch", Path(__file__).parent, variants, describe, objection, RolloutCase)
