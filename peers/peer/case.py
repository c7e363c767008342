"""A case that `onedispatch export` wrote, and the check of an output against what it expects."""

import json
import math
from pathlib import Path

import numpy as np

FORMAT = "onedispatch-case-1"
DTYPES = {"F32": np.float32, "F64": np.float64}


class Case:
    """`spec` is case.json, `config` the model's config.json."""

    unit = "tokens"

    def __init__(self, directory, families=("gpt2",)):
        """`families`: whose layouts a peer computes."""
        self.directory, self.spec = read_case(directory, FORMAT)
        self.config = json.loads((self.directory / "config.json").read_text())
        self.is_known = self.config["model_type"] in families
        self.name = self.spec["case"]
        self.prompt = self.spec["prompt"]
        self.new_tokens = self.spec["new_tokens"]
        # Tokens fed to the model, and so positions of the KV cache: all but the last new one.
        self.positions = len(self.prompt) + self.new_tokens - 1

    def weights(self):
        """Arrays by Hugging Face's names without the prefix `transformer.`; matrices of a GPT-2 are [in, out], others [out, in]."""
        tensors = read_safetensors(self.directory / "model.safetensors")
        return {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}

    def attention_scale(self):
        head_dim = self.config["n_embd"] // self.config["n_head"]
        return 1 / math.sqrt(head_dim) if self.config["scale_attn_weights"] else 1.0

    def formats(self):
        """Those of weights that there is an oracle for: f32, and what the arms of the spec have."""
        return ["f32", *self.spec.get("formats", {})]

    def judge(self, output, weights="f32"):
        """(what the result has of an output (tokens, last logits), the largest error or None, why it fails or ""), by the
        oracle of the weights in a format."""
        tokens = [int(token) for token in output[0]]
        # Nine digits tell any f32 from its neighbours.
        logits = [float(f"{float(logit):.9g}") for logit in output[1]]
        return dict(units=len(tokens), tokens=tokens, last_logits=logits), *self.check(tokens, logits, weights)

    def check(self, tokens, last_logits, weights="f32"):
        """(largest error relative to the range of the logits or None, why it fails or "").

        A token that differs from the oracle's is right where its logit is within the tolerance of the largest. What
        follows it has no reference here: `onedispatch import` checks it with the oracle.
        """
        if weights == "f32":
            file, expected_tokens, tolerance = "expected.safetensors", self.spec["expected_tokens"], self.spec["tolerance"]
        else:
            held_to = self.spec["formats"][weights]
            file, expected_tokens, tolerance = f"expected-{weights}.safetensors", held_to["tokens"], held_to["tolerance"]
        expected = read_safetensors(self.directory / file)["logits"]
        if len(tokens) != self.new_tokens:
            return None, f"there are {len(tokens)} tokens, expected {self.new_tokens}"
        largest = 0.0
        for step, (token, wanted) in enumerate(zip(tokens, expected_tokens)):
            row = expected[step]
            if not 0 <= token < len(row):
                return None, f"step {step}: token {token} is outside the vocabulary of {len(row)}"
            largest = max(largest, float((row.max() - row[token]) / np.ptp(row)))
            if largest > tolerance:
                return largest, f"step {step}: token {token}, expected {wanted}"
            if token != wanted:
                return largest, ""
        found = np.asarray(last_logits, np.float64)
        if found.shape != expected[-1].shape:
            return None, f"there are {found.size} logits, expected {expected[-1].size}"
        if not np.isfinite(found).all():
            return None, "a logit is NaN or infinite"
        largest = max(largest, float(np.abs(found - expected[-1]).max() / np.ptp(expected[-1])))
        if largest > tolerance:
            return largest, f"the last logits are off by {largest:.1e} of their range, tolerance {tolerance:.1e}"
        return largest, ""


def read_case(directory, format):
    """The directory's path and its case.json, of this format."""
    directory = Path(directory)
    try:
        spec = json.loads((directory / "case.json").read_text())
    except FileNotFoundError as error:
        raise SystemExit(f"{error.filename}: no such file; give a directory that `onedispatch export` wrote")
    if spec["format"] != format:
        raise SystemExit(f"{directory}: format {spec['format']}, known here: {format}; export the case anew")
    return directory, spec


def read_safetensors(path):
    """Arrays by name: 8 bytes of the header's length, a JSON header, then the tensors' bytes."""
    data = np.memmap(path, np.uint8, "r")
    length = int(data[:8].view("<u8")[0])
    header = json.loads(bytes(data[8 : 8 + length]))
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors
