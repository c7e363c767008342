"""Makes golden checkpoints with Hugging Face transformers in float64: see README.md beside this file.

    pip install torch transformers safetensors numpy
    python generate.py [NAME...]
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MistralConfig, Qwen3Config

HERE = pathlib.Path(__file__).parent


def gpt2(**sizes):
    return GPT2Config(**sizes, bos_token_id=0, eos_token_id=0, attn_pdrop=0, embd_pdrop=0, resid_pdrop=0)


def llama(config, layers, heads, keys, **sizes):
    """One of the Llama family, without an end token."""
    return config(num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=keys, **sizes,
                  bos_token_id=None, eos_token_id=None, pad_token_id=None)  # fmt: skip


# name: (config, prompt tokens, tokens in all)
CASES = {
    "tiny_d32_l1_h2": (gpt2(n_embd=32, n_layer=1, n_head=2, vocab_size=64, n_positions=64), 1, 64),
    "small_d64_l3_h4": (gpt2(n_embd=64, n_layer=3, n_head=4, vocab_size=96, n_positions=128), 7, 107),
    "odd_d96_l2_h6_inner200": (
        gpt2(n_embd=96, n_layer=2, n_head=6, n_inner=200, vocab_size=257, n_positions=80), 16, 80),
    # A window as long as the context, heads that are narrower than their share, four of which share keys.
    "mistral_d48_l2_h8_kv2": (
        llama(MistralConfig, 2, 8, 2, hidden_size=48, head_dim=4, intermediate_size=104, vocab_size=85,
              max_position_embeddings=96, sliding_window=96), 6, 70),
    # Norms of query and key, heads that are wider than their share, a tied head.
    "qwen3_d40_l2_h4_kv2": (
        llama(Qwen3Config, 2, 4, 2, hidden_size=40, head_dim=16, intermediate_size=92, vocab_size=77,
              max_position_embeddings=96, tie_word_embeddings=True), 4, 68),
    # The angles of Llama 3, of which the slow ones are scaled within this context already.
    "llama3_scaled_d64_l2_h4_kv4": (
        llama(LlamaConfig, 2, 4, 4, hidden_size=64, intermediate_size=120, vocab_size=90, max_position_embeddings=128,
              rope_parameters={"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
                               "high_freq_factor": 4.0, "original_max_position_embeddings": 32}), 5, 101),
    # All angles scaled alike; biases of attention and of the MLP.
    "llama_linear_d32_l2_h2_kv1": (
        llama(LlamaConfig, 2, 2, 1, hidden_size=32, intermediate_size=88, vocab_size=70, max_position_embeddings=128,
              attention_bias=True, mlp_bias=True,
              rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}), 3, 83),
}  # fmt: skip
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
        elif tensor.ndim == 1:
            values = 1 + 0.2 * noise
        elif "wpe" in name:
            values = noise
        else:  # matrices of layers of a GPT-2 have one row per input, all others one per output
            values = 2 * noise / (tensor.shape[0 if "transformer.h." in name else 1] ** 0.5)
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
    for name in sys.argv[1:] or CASES:
        config, prompt_tokens, length = CASES[name]
        model = AutoModelForCausalLM.from_config(config).double().eval()
        for seed in range(1000):
            generator = draw(model, seed)
            prompt = torch.randint(1, config.vocab_size, (prompt_tokens,), generator=generator).tolist()
            tokens, rows = decode(model, prompt, length)
            gap = min(float(row.topk(2).values.diff().abs()) for row in rows)
            if gap >= LEAST_GAP and 0 not in tokens[prompt_tokens:]:
                break
        else:
            raise SystemExit(f"{name}: no seed makes a continuation without a near-tie")

        directory = HERE / name
        directory.mkdir(exist_ok=True)
        keys = config.to_dict() | {"architectures": [type(model).__name__]}
        (directory / "config.json").write_text(json.dumps(keys, indent=1, sort_keys=True) + "\n")
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
