"""Makes the golden GPT-2 checkpoints with Hugging Face transformers in float64: see README.md beside this file.

    pip install torch transformers safetensors numpy
    python generate.py
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

HERE = pathlib.Path(__file__).parent
# name: (sizes, prompt tokens, tokens in all)
CASES = {
    "tiny_d32_l1_h2": (dict(n_embd=32, n_layer=1, n_head=2, vocab_size=64, n_positions=64), 1, 64),
    "small_d64_l3_h4": (dict(n_embd=64, n_layer=3, n_head=4, vocab_size=96, n_positions=128), 7, 107),
    "odd_d96_l2_h6_inner200": (
        dict(n_embd=96, n_layer=2, n_head=6, n_inner=200, vocab_size=257, n_positions=80), 16, 80),
}
# A seed is taken if no step is nearer to a tie than this and no new token is the end token, so that an f32 implementation
# has to make the same tokens.
LEAST_GAP = 0.005


def draw(model, seed):
    """Random weights, biases included, that f32 holds exactly."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.named_parameters():
        noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        if name.endswith("bias"):
            values = 0.1 * noise
        elif "ln_" in name:
            values = 1 + 0.2 * noise
        elif "wpe" in name:
            values = noise
        else:  # wte has one row per token, the others one row per input
            values = 2 * noise / (tensor.shape[1 if "wte" in name else 0] ** 0.5)
        tensor.copy_(values.float().double())
    return generator


def decode(model, prompt, length):
    """Greedy continuation, recomputing the whole prefix for each token."""
    tokens, rows = list(prompt), []
    while len(tokens) < length:
        rows.append(model(torch.tensor([tokens]), use_cache=False).logits[0, -1])
        tokens.append(int(rows[-1].argmax()))
    return tokens, rows


@torch.no_grad()
def main():
    for name, (sizes, prompt_tokens, length) in CASES.items():
        config = GPT2Config(**sizes, bos_token_id=0, eos_token_id=0, attn_pdrop=0, embd_pdrop=0, resid_pdrop=0)
        model = GPT2LMHeadModel(config).double().eval()
        for seed in range(1000):
            generator = draw(model, seed)
            prompt = torch.randint(1, sizes["vocab_size"], (prompt_tokens,), generator=generator).tolist()
            tokens, rows = decode(model, prompt, length)
            gap = min(float(row.topk(2).values.diff().abs()) for row in rows)
            if gap >= LEAST_GAP and 0 not in tokens[prompt_tokens:]:
                break
        else:
            raise SystemExit(f"{name}: no seed makes a continuation without a near-tie")

        directory = HERE / name
        directory.mkdir(exist_ok=True)
        (directory / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True) + "\n")
        tensors = {name: tensor.float().contiguous() for name, tensor in model.named_parameters()}
        save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
        expected = {
            "prompt": prompt,
            "tokens": tokens,
            "min_top2_gap": gap,
            "logits_step0": rows[0].tolist(),
            "logits_last": rows[-1].tolist(),
        }
        (directory / "expected.json").write_text(json.dumps(expected) + "\n")
        print(f"{name}: seed {seed}, least gap {gap:.4f}, {len(set(tokens))} different tokens")


main()
