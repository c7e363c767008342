#!/usr/bin/env python3
"""CUDA C++ by hand: the shaders' kernels of one workgroup and of a grid, written for CUDA. See README.md."""

import concurrent.futures
import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import numpy as np

from packing import Packed
from peer.report import device_name, driver, main

# Sizes to choose from: (blocks, threads of a block, nanoseconds of rest between two looks for another block's values). On a CPU every thread of a block is a thread of the system.
ONE_BLOCK = {"cuda": [(1, block, 0) for block in [32, 64, 128, 256, 512, 1024]], "cpu": [(1, 32, 0), (1, 64, 0)]}
NVCC = ["nvcc", "-O3", "-arch=sm_90", "-std=c++17", "-shared", "-Xcompiler", "-fPIC"]
EMULATION = ["g++", "-O2", "-std=c++20", "-shared", "-fPIC", "-pthread", "-DEMULATE", "-x", "c++"]
PAUSES = [0, 50]
# Calibration, as src/measure/decode.rs has it: a quarter of the tokens but at least 16, each size for 50 ms in each of two
# rounds, and its fastest run counts.
CALIBRATION_TOKENS = 16
CALIBRATION_NS = 50e6


class Variant:
    """`sizes` are those to choose from."""

    library = None  # any that was built, which tells what device there is

    def __init__(self, name, source, case, packed, device, sizes):
        self.name, self.source, self.case, self.packed, self.device = name, HERE / source, case, packed, device
        self.sizes = sizes
        self.settings = {}

    def prepare(self):
        packed = self.packed()
        kernels, refused = {}, {}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            building = {size: pool.submit(build, self.source, packed.constants, self.case, self.device, size) for size in self.sizes}
        for size, library in building.items():
            try:
                Variant.library = library.result()
                kernels[size] = Kernel(Variant.library, self.case, packed.floats)
            except RuntimeError as error:
                refused["x".join(map(str, size))] = str(error)[:300]
        if not kernels:
            raise RuntimeError(f"no size runs: {refused}")
        times = calibrate(kernels, self.case.new_tokens)
        best = min(times, key=times.get)
        for size, kernel in kernels.items():
            if size != best:
                kernel.release()
        self.kernel = kernels[best]
        self.settings = {"blocks": best[0], "block": best[1], "pause_ns": best[2], "refused": refused}

    def run(self):
        return self.kernel.run(self.case.new_tokens)

    def output(self):
        return self.kernel.output()


class Kernel:
    """One size of a kernel, with its own copy of the weights on the device."""

    def __init__(self, library, case, floats):
        self.case = case
        self.library = ctypes.CDLL(library)
        self.library.error.restype = ctypes.c_char_p
        self.library.run.restype = ctypes.c_int64
        prompt = np.array(case.prompt, np.uint32)
        try:
            self.checked(self.library.prepare(pointer(floats), ctypes.c_uint64(floats.nbytes), pointer(prompt),
                                              len(prompt), case.new_tokens))
            self.run(1)
        except RuntimeError:
            self.release()
            raise

    def checked(self, result):
        if result < 0:
            raise RuntimeError(self.library.error().decode())
        return result

    def run(self, new_tokens):
        return self.checked(self.library.run(new_tokens))

    def output(self):
        tokens = np.empty(self.case.new_tokens, np.uint32)
        logits = np.empty(self.case.config["vocab_size"], np.float32)
        self.checked(self.library.output(pointer(tokens), pointer(logits)))
        return tokens, logits

    def release(self):
        self.library.release()


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def calibrate(kernels, new_tokens):
    """The fastest run of each size, in ns."""
    short = min(max(new_tokens // 4, CALIBRATION_TOKENS), new_tokens)
    fastest = dict.fromkeys(kernels, float("inf"))
    for _ in range(2):
        for size, kernel in kernels.items():
            elapsed = 0
            while elapsed < CALIBRATION_NS:
                wall_ns = kernel.run(short)
                elapsed += wall_ns
                fastest[size] = min(fastest[size], wall_ns)
    return fastest


def build(source, constants, case, device, size):
    """The path of a shared library: a kernel for one case and one size, compiled once."""
    grid, block, pause = size
    lines = [f"constexpr int {name} = {value};" for name, value in constants.items()]
    lines.append(f"constexpr int GRID = {grid};")
    lines.append(f"constexpr int BLOCK = {block};")
    lines.append(f"constexpr int PAUSE = {pause};")
    # Rows of four loads: 32 in flight, or 8 where a thread has only 64 registers.
    lines.append(f"constexpr int UNROLL = {8 if block <= 256 else 4 if block == 512 else 2};")
    lines.append(f"constexpr float EPSILON = {case.config['layer_norm_epsilon']!r}f;")
    lines.append(f"constexpr float SCALE = {case.attention_scale()!r}f;")
    return compile(source, "".join(line + "\n" for line in lines), device, [])


def compile(source, header, device, flags):
    """The path of a shared library from a source and the `case.h` that it includes, compiled once."""
    command = [*NVCC, *flags] if device == "cuda" else EMULATION
    digest = hashlib.sha256(header.encode() + " ".join(command).encode())
    for file in [source, *sorted(HERE.glob("*.cuh")), HERE / "emulate.h"]:
        digest.update(file.read_bytes())
    room = Path(os.environ.get("PEERS_CACHE", HERE.parent / "build")) / digest.hexdigest()[:16]
    library = room / "kernel.so"
    if not library.exists():
        room.mkdir(parents=True, exist_ok=True)
        (room / "case.h").write_text("#pragma once\n" + header)
        new = room / f"kernel-{os.getpid()}.so"
        built = subprocess.run([*command, "-I", room, "-I", HERE, "-o", new, source], capture_output=True, text=True)
        if built.returncode:
            of = ", ".join(line.removeprefix("constexpr int ").rstrip(";") for line in header.splitlines())
            raise RuntimeError(f"{source.name} does not compile for {of}: {built.stderr.strip()[:2000]}")
        new.replace(library)
    return str(library)


def variants(case, device):
    in_out = functools.cache(lambda: Packed(case, out_in=False))
    out_in = functools.cache(lambda: Packed(case, out_in=True))
    yield Variant("one-workgroup", "one_workgroup.cu", case, in_out, device, ONE_BLOCK[device])
    yield Variant("one-block-subgroup", "grid.cu", case, out_in, device, ONE_BLOCK[device])
    yield Variant("cooperative-grid", "grid.cu", case, out_in, device, grid_sizes(case, device))


def grid_sizes(case, device):
    """Sizes with about one group of lanes for each channel: then every thread has a row of each matrix, or as many more as
    the matrix has more rows."""
    if device == "cpu":
        return [(3, 32, 0), (2, 64, 50)]
    channels = case.config["n_embd"]
    threads = channels * min(32, max(channels // 4, 1))
    sizes = {(threads // block, block, pause) for block in [64, 128, 192, 256, 512, 1024] if threads % block == 0
             for pause in PAUSES}
    return sorted(size for size in sizes if 1 < size[0] <= 128)


def describe(device):
    if device == "cpu":
        return "cpu", {}
    if not Variant.library:
        return device_name(), {}
    any_kernel = ctypes.CDLL(Variant.library)
    name = ctypes.create_string_buffer(256)
    driver_api, runtime = ctypes.c_int(), ctypes.c_int()
    if any_kernel.describe(name, 256, ctypes.byref(driver_api), ctypes.byref(runtime)):
        raise SystemExit("CUDA does not say what device it has")
    release = re.search(r"release \S+ (V\S+)", subprocess.run(["nvcc", "--version"], capture_output=True, text=True).stdout)
    versions = {"nvcc": release[1] if release else "", "cuda_runtime": runtime.value, "cuda_driver_api": driver_api.value}
    return name.value.decode(), versions


def objection(device):
    compiler = (NVCC if device == "cuda" else EMULATION)[0]
    if not shutil.which(compiler):
        return f"there is no {compiler}"
    return "" if device == "cpu" or driver() else "there is no NVIDIA driver"


if __name__ == "__main__":
    main("cuda", HERE, variants, describe, objection)
