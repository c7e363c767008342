#!/usr/bin/env python3
"""burn on its wgpu backend: builds the crate beside this file, loads it, and has it generate. See README.md."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import numpy as np

from peer.report import main

# Vulkan's loader, which wgpu looks for by this name.
LOADER = "libvulkan.so.1"


class Variant:
    name, adapter = "wgpu", ""
    settings = {"api": "vulkan", "shaders": "SPIR-V by cubecl", "fusion": True, "autotune": True, "tf32": False}

    def __init__(self, case, device):
        self.case, self.device = case, device

    def prepare(self):
        self.library = ctypes.CDLL(str(build()))
        for function in ["prepare", "run", "output"]:
            getattr(self.library, function).restype = ctypes.c_int64
        for function in ["error", "adapter"]:
            getattr(self.library, function).restype = ctypes.c_char_p
        self.checked(self.library.prepare(str(self.case.directory).encode(), int(self.device == "cpu")))
        Variant.adapter = self.library.adapter().decode()
        # Burn fuses and tunes while it first runs.
        for _ in range(3):
            self.run()

    def checked(self, result):
        if result < 0:
            raise RuntimeError(self.library.error().decode())
        return result

    def run(self):
        return self.checked(self.library.run())

    def output(self):
        tokens = np.empty(self.case.new_tokens, np.uint32)
        logits = np.empty(self.case.config["vocab_size"], np.float32)
        self.checked(self.library.output(*(ctypes.c_void_p(array.ctypes.data) for array in (tokens, logits))))
        return tokens, logits


def build():
    """The crate's library: BURN_PEER_LIBRARY where it was built elsewhere, else built once into PEERS_CACHE."""
    if given := os.environ.get("BURN_PEER_LIBRARY"):
        return Path(given)
    target = Path(os.environ.get("PEERS_CACHE", HERE.parent / "build")) / "burn"
    command = ["cargo", "build", "--release", "--locked", "--manifest-path", HERE / "Cargo.toml", "--target-dir", target]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        raise RuntimeError(f"the crate does not build: {built.stderr.strip()[-500:]}")
    return target / "release" / "libburn_peer.so"


def variants(case, device):
    yield Variant(case, device)


def describe(device):
    lock = (HERE / "Cargo.lock").read_text().split("[[package]]")
    packages = (dict(line.split(" = ") for line in entry.strip().splitlines() if " = " in line) for entry in lock[1:])
    versions = {entry["name"].strip('"'): entry["version"].strip('"') for entry in packages}
    return Variant.adapter, {name: versions[name] for name in ["burn", "cubecl", "wgpu"]}


def objection(device):
    if not os.environ.get("BURN_PEER_LIBRARY") and not shutil.which("cargo"):
        return "there is no cargo to build it with, nor a library built elsewhere in BURN_PEER_LIBRARY"
    try:
        ctypes.CDLL(LOADER)
    except OSError:
        return f"there is no Vulkan loader ({LOADER})"
    return ""


if __name__ == "__main__":
    main("burn", HERE, variants, describe, objection)
