#!/usr/bin/env python3
"""ONNX Runtime: one step as a graph, run for each token with everything bound on the device. See README.md."""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import onnxruntime

from model import prompt_then_minus_one, step
from peer.report import device_name, main
from peer.timing import timed

PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
TYPES = {1: np.float32, 7: np.int64}  # TensorProto's numbers


class Variant:
    def __init__(self, name, case, model, device, graph):
        self.name, self.case, self.model, self.device, self.graph = name, case, model, device, graph
        self.settings = {"provider": PROVIDERS[device], "cuda_graph": graph, "tf32": False, "io_binding": True}

    def prepare(self):
        model, state, cache = self.model()
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        # With TF32 off, the reference's precision; a graph is recorded once for each binding.
        chosen = {"use_tf32": "0", "enable_cuda_graph": str(int(self.graph))} if self.device == "cuda" else {}
        self.session = onnxruntime.InferenceSession(model, options, providers=[(PROVIDERS[self.device], chosen)])
        if self.session.get_providers()[0] != PROVIDERS[self.device]:
            raise RuntimeError(f"ONNX Runtime falls back to {self.session.get_providers()[0]}")

        def buffer(shape, kind):
            return onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, TYPES[kind]), self.device, 0)

        # Even steps read the first buffers and write the second, odd ones the other way round; caches change in place, which
        # ScatterND does where its input and its output are one buffer.
        turns = [{name: buffer(shape, kind) for name, kind, shape in state} for _ in range(2)]
        self.caches = {name: buffer(shape, kind) for name, kind, shape in cache}
        self.logits = buffer([1, self.case.config["vocab_size"]], 1)
        self.turns, self.bindings, self.options = turns, [], []
        for turn in range(2):
            binding = self.session.io_binding()
            for name, *_ in state:
                binding.bind_ortvalue_input(name, turns[turn][name])
                binding.bind_ortvalue_output(f"new_{name}", turns[1 - turn][name])
            for name, cached in self.caches.items():
                binding.bind_ortvalue_input(name, cached)
                binding.bind_ortvalue_output(f"new_{name}", cached)
            binding.bind_ortvalue_output("logits", self.logits)
            options = onnxruntime.RunOptions()
            if self.graph:
                options.add_run_config_entry("gpu_graph_id", str(turn + 1))
            if self.device == "cuda":
                # Steps follow each other in one stream; the last is waited for.
                options.add_run_config_entry("disable_synchronize_execution_providers", "1")
            self.bindings.append(binding)
            self.options.append(options)

    def run(self):
        first = self.turns[0]
        first["token"].update_inplace(np.array(self.case.prompt[:1], np.int64))
        first["position"].update_inplace(np.zeros(1, np.int64))
        first["made"].update_inplace(prompt_then_minus_one(self.case))
        self.bindings[0].synchronize_inputs()

        def work():
            for position in range(self.case.positions):
                self.session.run_with_iobinding(self.bindings[position % 2], self.options[position % 2])
            self.bindings[(self.case.positions - 1) % 2].synchronize_outputs()

        return timed(work)

    def output(self):
        made = self.turns[self.case.positions % 2]["made"].numpy()
        return made[len(self.case.prompt) :].tolist(), self.logits.numpy()[0].tolist()


def variants(case, device):
    def built():
        model, state, cache = step(case)
        return model.SerializeToString(), state, cache

    model = functools.cache(built)
    yield Variant("step", case, model, device, graph=False)
    if device == "cuda":
        yield Variant("step-graph", case, model, device, graph=True)


def describe(device):
    versions = {"onnxruntime": onnxruntime.__version__}
    return ("cpu" if device == "cpu" else device_name()), versions


def objection(device):
    there = onnxruntime.get_available_providers()
    if PROVIDERS[device] in there:
        return ""
    return f"this ONNX Runtime has no {PROVIDERS[device]} (it has {', '.join(there)}); install onnxruntime-gpu"


if __name__ == "__main__":
    main("onnxruntime", Path(__file__).parent, variants, describe, objection)
