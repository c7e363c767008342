#!/usr/bin/env python3
"""Hugging Face Transformers: `generate` on a checkpoint as it stands, with a static KV cache. See README.md."""

import os
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
# Nothing is looked for on a hub.
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from transformers import AutoModelForCausalLM, CompileConfig, GenerationConfig, LogitsProcessor, LogitsProcessorList

from peer.case import Case
from peer.report import main
from peer.timing import timed

# f32 all the way: no TF32.
torch.set_float32_matmul_precision("highest")


class Keep(LogitsProcessor):
    """Remembers the last logits, by reference: asking `generate` for all of them would cost it time."""

    def __call__(self, input_ids, scores):
        self.scores = scores
        return scores


class Variant:
    def __init__(self, name, case, device, cache, compiled):
        self.name, self.case, self.device, self.compiled = name, case, device, compiled
        self.settings = {"cache": cache, "torch_compile": compiled, "tf32": False, "attention": "sdpa"}
        self.config = GenerationConfig(
            max_new_tokens=case.new_tokens, min_new_tokens=case.new_tokens, do_sample=False, use_cache=True,
            cache_implementation=None if cache == "dynamic" else cache, disable_compile=not compiled,
            eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        if compiled:
            # `generate`'s own way: the forward pass of one token through Inductor, in CUDA graphs ("reduce-overhead").
            self.config.compile_config = CompileConfig(fullgraph=True, mode="reduce-overhead", dynamic=False)
            self.config.compile_config._compile_all_devices = device == "cpu"

    def prepare(self):
        model = AutoModelForCausalLM.from_pretrained(self.case.directory, dtype=torch.float32, attn_implementation="sdpa")
        self.model = model.to(self.device).eval()
        self.prompt = torch.tensor([self.case.prompt], device=self.device)
        self.mask = torch.ones_like(self.prompt)
        self.kept = Keep()
        # Compiling and recording take the first calls.
        for _ in range(3 if self.compiled else 1):
            self.run()

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    @torch.no_grad()
    def run(self):
        self.wait()

        def work():
            keep = LogitsProcessorList([self.kept])
            self.made = self.model.generate(
                self.prompt, attention_mask=self.mask, generation_config=self.config, logits_processor=keep
            )
            self.wait()

        return timed(work)

    def output(self):
        return self.made[0, len(self.case.prompt) :].tolist(), self.kept.scores[0].tolist()


def variants(case, device):
    yield Variant("generate", case, device, "dynamic", compiled=False)
    yield Variant("generate-static", case, device, "static", compiled=False)
    yield Variant("generate-static-compile", case, device, "static", compiled=True)


def describe(device):
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    return ("cpu", versions) if device == "cpu" else (torch.cuda.get_device_name(), {**versions, "cuda": torch.version.cuda})


def objection(device):
    return "" if device == "cpu" or torch.cuda.is_available() else "PyTorch finds no CUDA device"


if __name__ == "__main__":
    main("transformers", Path(__file__).parent, variants, describe, objection, partial(Case, families=("gpt2", "llama")))
