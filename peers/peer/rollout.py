"""A rollout case that `onedispatch export` wrote, the check of what was made of it, and what the variants have in common.

An outcome is a dictionary of arrays, an entry for each individual: `episode_return` f32, `length`, `terminated`, and `state`
f32 [population, components].
"""

import base64

import numpy as np

from .case import read_case, read_safetensors
from .timing import timed

FORMAT = "onedispatch-rollout-1"
# Those that peers know; every environment of a spec is exported.
ENVIRONMENTS = ("acrobot", "cartpole", "portfolio")


class Population:
    """`genomes` f32 [population, parameters] and `initial` f32 [population, components]."""

    def __init__(self, case, path):
        tensors = read_safetensors(path)
        self.genomes, self.initial = tensors["genomes"], tensors["initial_state"]
        self.case = case

    def __len__(self):
        return len(self.genomes)

    def layers(self):
        """W1 [population, hidden, observations], b1 [population, hidden], W2 [population, outputs, hidden], b2."""
        seen, hidden, outputs = self.case.sizes
        shapes = [(hidden, seen), (hidden,), (outputs, hidden), (outputs,)]
        ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
        parts = zip(ends, ends[1:], shapes)
        return [np.ascontiguousarray(self.genomes[:, a:b]).reshape(len(self), *shape) for a, b, shape in parts]


class RolloutCase:
    """`spec` is case.json."""

    unit = "steps"

    def __init__(self, directory):
        self.directory, self.spec = read_case(directory, FORMAT)
        self.name, self.steps = self.spec["case"], self.spec["steps"]
        self.environment = self.spec["environment"]
        self.is_known = self.environment in ENVIRONMENTS
        self.sizes = [self.spec[name] for name in ("observations", "hidden", "outputs")]
        self.population = Population(self, self.directory / "population.safetensors")
        self.shared = Population(self, self.directory / "shared.safetensors")
        there = self.directory / "market.safetensors"
        # [4, days]: three returns and the trend.
        self.market = np.ascontiguousarray(read_safetensors(there)["market"].T) if there.exists() else None
        self.expected = read_safetensors(self.directory / "expected.safetensors")
        self.scales = np.array([component["scale"] for component in self.spec["components"]])
        self.is_angle = np.array([component["is_angle"] for component in self.spec["components"]])

    def judge(self, output):
        """(what the result has of it, the largest error or None, why it fails or "")."""
        whole, single = output
        error, reason = self.check(whole, single)
        lengths = np.asarray(whole["length"], np.int64)
        return dict(units=int(lengths.sum()), episodes=handed_in(whole), single_steps=handed_in(single)), error, reason

    def check(self, whole, single):
        """Individuals whose episodes do not hang on rounding, and single steps; `onedispatch import` also compares the
        rest as a distribution."""
        tolerance, reward, wanted = self.spec["tolerance"], self.spec["reward"], self.expected
        for outcome in (whole, single):
            if not all(np.isfinite(outcome[name]).all() for name in ("episode_return", "state")):
                return None, "a return or a state is NaN or infinite"
        # Of each single step the alternative that is nearest.
        found = np.asarray(single["state"], np.float64)[:, None]
        off = np.maximum(
            self.distance(found, wanted["single_state"]),
            np.abs(np.asarray(single["episode_return"], np.float64)[:, None] - wanted["single_reward"]) / reward,
        )
        off = np.where(np.asarray(single["terminated"])[:, None] == wanted["single_terminated"], off, 1.0)
        off = np.where(np.isnan(wanted["single_reward"]), np.inf, off).min(axis=1)[wanted["single_decided"] == 1]
        largest = float(off.max())
        if largest > tolerance:
            return largest, f"a single step is off by {largest:.1e}, tolerance {tolerance:.1e}"
        decided = wanted["decided"] == 1
        chosen = wanted["individual"][decided].astype(int)
        for name in ("length", "terminated"):
            differs = np.asarray(whole[name])[chosen] != wanted[name][decided]
            if differs.any():
                at = chosen[differs][0]
                return 1.0, f"individual {at}: {name} is {whole[name][at]}, expected {wanted[name][decided][differs][0]:g}"
        returns = np.asarray(whole["episode_return"], np.float64)[chosen]
        returns_off = np.abs(returns - wanted["episode_return"][decided]) / (reward * wanted["length"][decided])
        states_off = self.distance(np.asarray(whole["state"], np.float64)[chosen], wanted["state"][decided])
        for name, off in (("return", returns_off), ("last state", states_off)):
            largest = max(largest, float(off.max(initial=0)))
            if largest > tolerance:
                return largest, f"individual {chosen[off.argmax()]}: the {name} is off by {largest:.1e}, tolerance {tolerance:.1e}"
        return largest, ""

    def distance(self, a, b):
        """Largest difference of two states, each component relative to its scale."""
        off = a - b
        off = np.where(self.is_angle, off - 2 * np.pi * np.round(off / (2 * np.pi)), off)
        return (np.abs(off) / self.scales).max(axis=-1)


def handed_in(outcome):
    """Little-endian words in base64, as `onedispatch import` reads them."""
    types = dict(episode_return="<f4", length="<u4", terminated="<u4", state="<f4")
    words = {name: np.ascontiguousarray(np.asarray(outcome[name]).astype(type)) for name, type in types.items()}
    return {name: base64.b64encode(array.tobytes()).decode() for name, array in words.items()}


class Variant:
    """A way to follow a population. `start(population, steps)` gives what is ready to run: `run()` follows all episodes and
    waits for their end, `outcome()` says what came of it. Single steps are made by the same `start`."""

    def __init__(self, name, case, settings, start):
        self.name, self.case, self.settings, self.start = name, case, settings, start

    def prepare(self):
        single = self.start(self.case.shared, 1)
        single.run()
        self.single = single.outcome()
        self.whole = self.start(self.case.population, self.case.steps)
        # What calibrates itself says what it chose.
        self.settings = {**self.settings, **getattr(self.whole, "settings", {})}

    def run(self):
        return timed(self.whole.run)

    def output(self):
        return self.whole.outcome(), self.single
