#!/usr/bin/env python3
"""CUDA C++ by hand: whole episodes in one kernel. See README.md."""

import concurrent.futures
import ctypes
import functools
import itertools
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import numpy as np

import run as shared
from peer.report import main
from peer.rollout import RolloutCase, Variant

# Lanes of an individual and threads of a block, to choose from.
LANES = {"cuda": [1, 2, 4, 8, 16], "cpu": [1]}
BLOCKS = {"cuda": [32, 64, 128, 256], "cpu": [32]}
# Calibration, as src/measure/rollout.rs has it: short runs of each size for 50 ms, and its fastest one counts.
CALIBRATION_STEPS = 50
CALIBRATION_NS = 50e6


class Ready:
    """Whole episodes of a population, by one size of the kernel."""

    def __init__(self, case, library, block, population, steps):
        self.library, self.population = library, population
        genomes, initial = np.ascontiguousarray(population.genomes.T), np.ascontiguousarray(population.initial.T)
        market = np.zeros((1, 4), np.float32) if case.market is None else np.ascontiguousarray(case.market.T)
        arrays = (shared.pointer(array) for array in (genomes, initial, market))
        self.arguments = ctypes.c_void_p(library.prepare(*arrays, len(market), len(population), steps, block))
        if not self.arguments:
            raise RuntimeError(library.error().decode())

    def run(self):
        wall_ns = self.library.run(self.arguments)
        if wall_ns < 0:
            raise RuntimeError(self.library.error().decode())
        return wall_ns

    def outcome(self):
        count, components = self.population.initial.shape
        states, returns = np.empty((components, count), np.float32), np.empty(count, np.float32)
        lengths, terminated = np.empty(count, np.uint32), np.empty(count, np.uint32)
        outputs = (shared.pointer(array) for array in (states, returns, lengths, terminated))
        if self.library.output(self.arguments, *outputs):
            raise RuntimeError(self.library.error().decode())
        return dict(episode_return=returns, length=lengths, terminated=terminated, state=states.T)

    def release(self):
        self.library.release(self.arguments)


class Kernel(Variant):
    """In the size that is fastest. The kernel's own clock is read around the launch and the wait, as in decoding."""

    def __init__(self, name, case, device, flags):
        super().__init__(name, case, {"tf32": False, "fast_math": bool(flags)}, None)
        self.device, self.flags = device, flags

    def prepare(self):
        case = self.case
        lanes = [lanes for lanes in LANES[self.device] if case.sizes[1] % lanes == 0]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            made = list(pool.map(lambda lanes: build(case, self.device, self.flags, lanes), lanes))
        shared.Variant.library = made[0]
        libraries = dict(zip(lanes, map(library, made)))
        lanes, block = fastest(case, libraries, BLOCKS[self.device])
        self.settings = {**self.settings, "lanes": lanes, "block": block}
        self.start = functools.partial(Ready, case, libraries[lanes], block)
        super().prepare()

    def run(self):
        return self.whole.run()


def fastest(case, libraries, blocks):
    """The fastest (lanes, threads of a block)."""
    times = {}
    for lanes, block in itertools.product(libraries, blocks):
        ready = Ready(case, libraries[lanes], block, case.population, min(case.steps, CALIBRATION_STEPS))
        elapsed = 0
        while elapsed < CALIBRATION_NS:
            wall_ns = ready.run()
            elapsed += wall_ns
            times[lanes, block] = min(times.get((lanes, block), wall_ns), wall_ns)
        ready.release()
    return min(times, key=times.get)


def library(path):
    there = ctypes.CDLL(path)
    there.error.restype = ctypes.c_char_p
    there.prepare.restype = ctypes.c_void_p
    there.run.restype = ctypes.c_int64
    return there


def build(case, device, flags, lanes):
    """The path of a shared library for one environment and number of lanes, compiled once."""
    seen, hidden, outputs = case.sizes
    constants = dict(SEEN=seen, HIDDEN=hidden, OUTPUTS=outputs, COMPONENTS=len(case.scales), LANES=lanes)
    header = f"#define {case.environment.upper()}\n"
    header += "".join(f"constexpr int {name} = {value};\n" for name, value in constants.items())
    return shared.compile(HERE / "rollout.cu", header, device, flags)


def variants(case, device):
    for name, flags in [("one-kernel", []), ("one-kernel-fast-math", ["-use_fast_math"])]:
        if flags and device == "cpu":
            continue
        yield Kernel(name, case, device, flags)


if __name__ == "__main__":
    main("cuda", HERE, variants, shared.describe, shared.objection, RolloutCase)
