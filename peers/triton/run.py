#!/usr/bin/env python3
"""Triton: the whole generation as one program, and fused kernels under a CUDA graph. See README.md."""

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

import kernels
from peer.report import main
from peer.timing import timed

# A program holds a square of n_embd, and all logits, in its registers.
WIDEST_PROGRAM = 256
# Calibration: each setting for so many runs, and its fastest one counts.
CALIBRATION_RUNS = 10
# Warps of the one program; (elements of a matrix that a program reads, warps) of the kernels of the graph.
WARPS = [4, 8, 16, 32]
TILES = [(1024, 4), (2048, 4), (4096, 4), (4096, 8), (8192, 8)]


class Model:
    """Weights stacked by layer, matrices [layer][out][in]; and what a generation writes."""

    def __init__(self, case, device):
        config, weights = case.config, case.weights()
        self.layers, self.heads, self.width = config["n_layer"], config["n_head"], config["n_embd"]
        self.inner, self.vocabulary = config["n_inner"], config["vocab_size"]
        self.epsilon, self.scale = config["layer_norm_epsilon"], case.attention_scale()
        self.positions, self.prompt, self.new_tokens = case.positions, case.prompt, case.new_tokens

        def on_device(array):
            return torch.tensor(array, device=device).contiguous()

        def stacked(name):
            return torch.stack([on_device(weights[f"h.{layer}.{name}"].T) for layer in range(self.layers)]).contiguous()

        self.wte, self.wpe = on_device(weights["wte.weight"]), on_device(weights["wpe.weight"])
        self.ln_f = [on_device(weights[f"ln_f.{kind}"]) for kind in ["weight", "bias"]]
        parts = ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"]
        self.parts = [[stacked(f"{part}.{kind}") for kind in ["weight", "bias"]] for part in parts]
        empty = functools.partial(torch.zeros, device=device)
        self.keys = empty(self.layers, self.positions, self.width)
        self.values = empty(self.layers, self.positions, self.width)
        self.tokens = empty(len(self.prompt) + self.new_tokens, dtype=torch.long)
        self.tokens[: len(self.prompt)] = torch.tensor(self.prompt, device=device)
        self.logits = empty(self.vocabulary)
        self.stream, self.query, self.attended = empty(self.width), empty(self.width), empty(self.width)
        self.inner_layer = empty(self.inner)
        self.scores, self.candidates = empty(self.vocabulary), empty(self.vocabulary, dtype=torch.long)


def one_program(model, warps):
    block_v, block_t = triton.next_power_of_2(model.vocabulary), triton.next_power_of_2(model.positions)
    kernels.one_program[(1,)](
        model.wte, model.wpe, *(tensor for part in model.parts for tensor in part), *model.ln_f,
        model.keys, model.values, model.tokens, model.logits, len(model.prompt),
        model.layers, model.heads, model.width, model.inner, model.vocabulary, block_v,
        model.positions, block_t, model.epsilon, model.scale, num_warps=warps,
    )  # fmt: skip


def step_by_step(model, tile):
    """5 kernels for a layer of a token and 1 for its head."""
    elements, warps = tile
    width, block_d = model.width, triton.next_power_of_2(model.width)
    rows = max(1, elements // block_d)
    rows_of_inner = max(1, elements // triton.next_power_of_2(model.inner))
    heads = triton.cdiv(model.vocabulary, rows)
    block_heads = triton.next_power_of_2(heads)
    head_dim = width // model.heads
    ln_1, attn, proj, ln_2, fc, mlp = model.parts
    found = (model.tokens, model.scores, model.candidates)
    for position in range(model.positions):
        for layer in range(model.layers):
            keys, values = model.keys[layer], model.values[layer]
            kernels.query_key_value[(triton.cdiv(3 * width, rows),)](
                model.wte, model.wpe, model.stream, *(part[layer] for part in (*ln_1, *attn)),
                model.query, keys, values, *found, position, layer == 0, position >= len(model.prompt),
                width, block_d, model.epsilon, heads, block_heads, rows, num_warps=warps,
            )  # fmt: skip
            kernels.attention[(model.heads,)](
                model.query, keys, values, model.attended, position,
                width, head_dim, triton.next_power_of_2(head_dim), triton.next_power_of_2(model.positions), model.scale,
                num_warps=4,
            )  # fmt: skip
            kernels.add_rows[(triton.cdiv(width, rows),)](
                model.attended, *(part[layer] for part in proj), model.stream,
                width, block_d, width, rows, num_warps=warps,
            )  # fmt: skip
            kernels.inner_layer[(triton.cdiv(model.inner, rows),)](
                model.stream, *(part[layer] for part in (*ln_2, *fc)), model.inner_layer,
                width, block_d, model.inner, model.epsilon, rows, num_warps=warps,
            )  # fmt: skip
            kernels.add_rows[(triton.cdiv(width, rows_of_inner),)](
                model.inner_layer, *(part[layer] for part in mlp), model.stream,
                model.inner, triton.next_power_of_2(model.inner), width, rows_of_inner, num_warps=warps,
            )  # fmt: skip
        if position + 1 >= len(model.prompt):
            kernels.head[(heads,)](
                model.stream, *model.ln_f, model.wte, model.logits, model.scores, model.candidates,
                width, block_d, model.vocabulary, model.epsilon, rows, num_warps=warps,
            )  # fmt: skip
    kernels.last_token[(1,)](*found, model.positions, heads, block_heads)


class Variant:
    """generate(model, setting) launches the whole generation; the fastest setting is kept."""

    def __init__(self, name, model, device, generate, choices, graph):
        self.name, self.model, self.device = name, model, device
        self.generate, self.choices, self.graph = generate, choices, graph
        self.settings = {"cuda_graph": graph and device == "cuda"}

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def prepare(self):
        self.there = self.model()
        fastest = {}
        on_cpu = self.device == "cpu"
        runs = 1 if on_cpu else CALIBRATION_RUNS
        for setting in self.choices[:1] if on_cpu else self.choices:
            try:
                launch = self.launcher(setting)
                fastest[setting] = (min(self.timed(launch) for _ in range(runs)), launch)
            except triton.runtime.errors.OutOfResources:
                continue
        if not fastest:
            raise RuntimeError("no setting fits the GPU's registers and shared memory")
        chosen = min(fastest, key=lambda setting: fastest[setting][0])
        self.launch = fastest[chosen][1]
        self.settings["warps" if isinstance(chosen, int) else "elements_and_warps"] = chosen

    def launcher(self, setting):
        launch = functools.partial(self.generate, self.there, setting)
        if not (self.graph and self.device == "cuda"):
            return launch
        launch()  # compiles
        self.wait()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            launch()
        return graph.replay

    def timed(self, launch):
        self.there.tokens[len(self.there.prompt) :] = -1
        self.there.logits.fill_(float("nan"))
        self.wait()

        def work():
            launch()
            self.wait()

        return timed(work)

    def run(self):
        return self.timed(self.launch)

    def output(self):
        return self.there.tokens[len(self.there.prompt) :].tolist(), self.there.logits.tolist()


def variants(case, device):
    model = functools.cache(lambda: Model(case, device))
    config = case.config
    width, head_dim = config["n_embd"], config["n_embd"] // config["n_head"]
    powers = all(size & (size - 1) == 0 for size in (width, head_dim))
    if powers and width <= WIDEST_PROGRAM and config["vocab_size"] <= WIDEST_PROGRAM and config["n_inner"] % width == 0:
        # With fewer warps a square does not fit the registers, and takes long to compile.
        warps = [warps for warps in WARPS if 16 * warps >= width]
        yield Variant("one-program", model, device, one_program, warps, graph=False)
    yield Variant("graph", model, device, step_by_step, TILES, graph=True)


def describe(device):
    versions = {"triton": triton.__version__, "torch": torch.__version__}
    return ("cpu", versions) if device == "cpu" else (torch.cuda.get_device_name(), {**versions, "cuda": torch.version.cuda})


def objection(device):
    return "" if device == "cpu" or torch.cuda.is_available() else "Triton finds no CUDA device"


if __name__ == "__main__":
    main("triton", Path(__file__).parent, variants, describe, objection)
