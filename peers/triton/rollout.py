#!/usr/bin/env python3
"""Triton: whole episodes in one kernel. See README.md."""

import functools
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
if "cpu" in sys.argv:
    # Triton's own interpreter: slow, and shows that the kernels are right.
    os.environ["TRITON_INTERPRET"] = "1"

import torch
import triton

from peer.report import main
from peer.rollout import RolloutCase, Variant
from peer.timing import timed
from rollout_kernels import KERNELS
from run import describe, objection

# (individuals of a program, warps) to choose from: short runs of each, and its fastest one counts.
SIZES = {"cuda": [(block, warps) for block in [16, 32, 64, 128] for warps in [1, 2, 4] if warps * 64 >= block >= warps * 4],
         "cpu": [(32, 1)]}  # fmt: skip
CALIBRATION_STEPS = 50
CALIBRATION_RUNS = 10


class Ready:
    def __init__(self, case, device, size, population, steps):
        self.case, self.device, self.size, self.steps, self.count = case, device, size, steps, len(population)

        def on_device(array):
            return torch.tensor(array, device=device).contiguous()

        self.genomes, self.initial = on_device(population.genomes.T), on_device(population.initial.T)
        self.market = self.genomes if case.market is None else on_device(case.market.T)
        self.states = torch.empty_like(self.initial)
        self.returns = torch.empty(self.count, device=device)
        self.lengths = torch.empty(self.count, dtype=torch.int32, device=device)
        self.ends = torch.empty_like(self.lengths)

    def run(self):
        block, warps = self.size
        KERNELS[self.case.environment][(triton.cdiv(self.count, block),)](
            self.genomes, self.initial, self.market, self.states, self.returns, self.lengths, self.ends,
            self.count, self.steps, block, num_warps=warps,
        )  # fmt: skip
        if self.device == "cuda":
            torch.cuda.synchronize()

    def outcome(self):
        parts = dict(episode_return=self.returns, length=self.lengths, terminated=self.ends, state=self.states.T)
        return {name: array.cpu().numpy() for name, array in parts.items()}


class Kernel(Variant):
    """In the size that is fastest."""

    def __init__(self, case, device):
        super().__init__("one-kernel", case, {"tf32": False}, None)
        self.device = device

    def prepare(self):
        times = {}
        sizes = SIZES[self.device]
        for size in sizes:
            ready = Ready(self.case, self.device, size, self.case.population, min(self.case.steps, CALIBRATION_STEPS))
            ready.run()  # compiles
            runs = 1 if len(sizes) == 1 else CALIBRATION_RUNS
            times[size] = min(timed(ready.run) for _ in range(runs))
        best = min(times, key=times.get)
        self.settings = {**self.settings, "individuals": best[0], "warps": best[1]}
        self.start = functools.partial(Ready, self.case, self.device, best)
        super().prepare()


def variants(case, device):
    yield Kernel(case, device)


if __name__ == "__main__":
    main("triton", Path(__file__).parent, variants, describe, objection, RolloutCase)
