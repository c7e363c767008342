#!/usr/bin/env python3
"""PyTorch: eager, the whole generation in one CUDA graph, torch.compile, and both together. See README.md."""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
import torch._inductor.config

from model import Decoder
from peer.report import main
from peer.timing import timed

# What makes products with a single row fast: Inductor then generates them itself, and searches their tilings.
torch._inductor.config.coordinate_descent_tuning = True


class Variant:
    def __init__(self, name, decoder, device, wait_each=False, compiled=False, graph=False, tf32=False):
        self.name = name
        self.decoder, self.device = decoder, device
        self.wait_each, self.compiled, self.graph, self.tf32 = wait_each, compiled, graph, tf32
        self.settings = {"tf32": tf32, "wait_each_token": wait_each, "torch_compile": compiled, "cuda_graph": graph}

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def prepare(self):
        self.allow_tf32()
        decoder = self.decoder()
        feed, step = decoder.feed, decoder.step
        if self.compiled:
            feed, step = compiled(decoder)
        after_token = self.wait if self.wait_each else lambda: None
        self.made, self.prompt_tokens = decoder.made, decoder.prompt_tokens
        self.generate = lambda: decoder.generate(feed, step, after_token)
        if self.graph:
            self.generate = captured(self.generate)

    def allow_tf32(self):
        torch.set_float32_matmul_precision("high" if self.tf32 else "highest")

    @torch.no_grad()
    def run(self):
        self.allow_tf32()
        self.wait()

        def work():
            self.logits = self.generate()
            self.wait()

        return timed(work)

    def output(self):
        return self.made[self.prompt_tokens :].tolist(), self.logits[0].tolist()


@torch.no_grad()
def captured(work):
    """work() as a CUDA graph: a function that replays it and gives what it gave."""
    # Libraries allocate their workspaces and Inductor compiles before anything is recorded.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()

    def replay():
        graph.replay()
        return result

    return replay


@functools.cache
def compiled(decoder):
    """The two steps, compiled once for all variants."""
    return torch.compile(decoder.feed, fullgraph=True), torch.compile(decoder.step, fullgraph=True)


def variants(case, device):
    eager = functools.cache(lambda: Decoder(case, device, fused_attention=True))
    for_inductor = functools.cache(lambda: Decoder(case, device, fused_attention=False))
    yield Variant("eager-wait-each", eager, device, wait_each=True)
    yield Variant("eager", eager, device)
    if device == "cuda":
        yield Variant("eager-tf32", eager, device, tf32=True)
        yield Variant("graph", eager, device, graph=True)
        yield Variant("graph-tf32", eager, device, graph=True, tf32=True)
    # No product is left to a library, so TF32 would change nothing in these.
    yield Variant("compile", for_inductor, device, compiled=True)
    if device == "cuda":
        yield Variant("compile-graph", for_inductor, device, compiled=True, graph=True)


def describe(device):
    versions = {"torch": torch.__version__}
    if device == "cpu":
        return "cpu", versions
    return torch.cuda.get_device_name(), {**versions, "cuda": torch.version.cuda}


def objection(device):
    return "" if device == "cpu" or torch.cuda.is_available() else "PyTorch finds no CUDA device"


if __name__ == "__main__":
    main("pytorch", Path(__file__).parent, variants, describe, objection)
