#!/usr/bin/env python3
"""llama.cpp: a loop over llama_decode with the choice on the host. See README.md."""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import numpy as np

import model
from peer.case import Case
from peer.report import device_name, main

CACHE = Path(os.environ.get("PEERS_CACHE", HERE.parent / "build")) / "llama-cpp"
# What `build.sh` may have built, by what runs it.
BACKENDS = {"cuda": ["cuda", "vulkan"], "cpu": ["cpu", "vulkan"]}
# The keys and values of the attention, in what llama.cpp has them unless asked; exact weights have exact ones.
CACHE_TYPES = {"f32": "f32"}


class Variant:
    versions = {}

    def __init__(self, case, device, backend, weights, flash):
        self.name = f"{backend}-{weights}" + ("-flash" if flash else "")
        self.case, self.backend, self.weights, self.flash = case, backend, weights, flash
        self.cache = CACHE_TYPES.get(weights, "f16")
        self.settings = {"backend": backend, "weights": weights, "kv_cache": self.cache, "flash_attention": flash}
        # A software device is left out by llama.cpp unless it is named.
        software = {"GGML_VK_VISIBLE_DEVICES": "0"} if device == "cpu" and backend == "vulkan" else {}
        self.environment = {**os.environ, **software}

    def prepare(self):
        program = CACHE / self.backend / "decode"
        self.errors = tempfile.TemporaryFile("w+")
        command = [program, model.file(self.case, self.weights, CACHE / "models"), "cpu" if self.backend == "cpu" else "gpu", self.cache,
                   "on" if self.flash else "off", str(self.case.new_tokens), *map(str, self.case.prompt)]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, env=self.environment
        )
        self.line()
        version, self.settings["device"] = self.ask("about").split(" ", 1)
        Variant.versions[f"llama.cpp ({self.backend})"] = version
        # CUDA records a graph, and Vulkan's driver compiles, while they first run.
        for _ in range(3):
            self.run()

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.line()

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            said = [line for line in self.errors.read().splitlines() if line.strip()]
            raise RuntimeError(f"llama.cpp ends with {status}: {said[-1] if said else 'it says nothing'}")
        return line.rstrip("\n")

    def run(self):
        return int(self.ask("run"))

    def output(self):
        tokens = [int(token) for token in self.ask("tokens").split()]
        return tokens, np.array(self.ask("logits").split(), np.uint32).view(np.float32).tolist()

    def judge(self, output):
        return self.case.judge(output, self.weights)


def built(device):
    return [backend for backend in BACKENDS[device] if (CACHE / backend / "decode").exists()]


def variants(case, device):
    for backend in built(device):
        for weights in case.formats():
            if weights in model.TYPES and model.blocks_fit(case, weights):
                for flash in [False, True]:
                    yield Variant(case, device, backend, weights, flash)


def describe(device):
    return ("cpu" if device == "cpu" else device_name()), {**Variant.versions, "gguf": model.VERSION}


def objection(device):
    names = " or ".join(BACKENDS[device])
    return "" if built(device) else f"llama.cpp is not built: peers/llama-cpp/build.sh {names}"


if __name__ == "__main__":
    main("llama-cpp", HERE, variants, describe, objection, partial(Case, families=model.FAMILIES))
