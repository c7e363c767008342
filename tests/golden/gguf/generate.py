"""Writes blocks.json: random blocks of each type and what they unpack to, by the Python package of ggml.

    pip install gguf==0.19.0
    python tests/golden/gguf/generate.py

Both are hex; values are f32 in little-endian order. The scales of a block are set, so that none is infinite or NaN.
"""

import json
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Kind
from gguf.quants import dequantize

# Where half-precision scales lie in a block.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "IQ4_NL": [0], "IQ4_XS": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}

random = np.random.default_rng(20)
golden = {}
for name, places in SCALES.items():
    elements, size = GGML_QUANT_SIZES[Kind[name]]
    count = 2 if elements == 32 else 1
    blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
    for place in places:
        scales = (random.normal(size=count) / 8).astype("<f2")
        blocks[:, place : place + 2] = scales.reshape(count, 1).view(np.uint8)
    golden[name] = blocks, dequantize(blocks, Kind[name])

# One scale in f32 before 256 signed bytes, and sums that unpacking does not use; the package has no code for it.
block = random.integers(0, 256, GGML_QUANT_SIZES[Kind.Q8_K][1], dtype=np.uint8)
block[:4] = np.array([-0.0123], "<f4").view(np.uint8)
golden["Q8_K"] = block, block[:4].view("<f4") * block[4:260].view(np.int8).astype(np.float32)

floats = random.normal(size=16)
for name, kind in {"F64": "<f8", "F32": "<f4", "F16": "<f2"}.items():
    golden[name] = floats.astype(kind), floats.astype(kind).astype("<f4")
halves = np.append(random.integers(0, 0x7F80, 15), 1).astype("<u2")
golden["BF16"] = halves, dequantize(halves.view(np.uint8).reshape(1, -1), Kind.BF16)

lines = [
    f' "{name}": ' + json.dumps({"blocks": blocks.tobytes().hex(), "values": values.astype("<f4").tobytes().hex()})
    for name, (blocks, values) in golden.items()
]
Path(__file__).with_name("blocks.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
