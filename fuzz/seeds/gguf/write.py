#!/usr/bin/env python3
"""Writes the seeds: a Llama of one layer with a tokenizer of pieces, and with one of bytes; needs the package gguf."""

from pathlib import Path

import numpy
from gguf import GGMLQuantizationType as Q
from gguf import GGUFWriter, quants

here = Path(__file__).parent
WIDTH, INNER = 32, 64


def write(name, tokenizer, tokens, merges, kind):
    out = GGUFWriter(here / f"{name}.gguf", "llama")
    out.add_context_length(64)
    out.add_embedding_length(WIDTH)
    out.add_block_count(1)
    out.add_feed_forward_length(INNER)
    out.add_head_count(2)
    out.add_head_count_kv(1)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model(tokenizer)
    out.add_tokenizer_pre("default")
    out.add_token_list(tokens)
    out.add_token_scores([-float(i) for i in range(len(tokens))])
    out.add_token_types([2, 3, 3] + [6 if token.startswith("<0x") else 1 for token in tokens[3:]])
    if merges:
        out.add_token_merges(merges)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_chat_template("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    random = numpy.random.default_rng(1)

    def matrix(name, *shape):
        weights = random.standard_normal(shape).astype(numpy.float32)
        out.add_tensor(name, quants.quantize(weights, kind), raw_dtype=kind)

    def norm(name):
        out.add_tensor(name, numpy.ones(WIDTH, numpy.float32))

    matrix("token_embd.weight", len(tokens), WIDTH)
    norm("output_norm.weight")
    for name in ["attn_norm", "ffn_norm"]:
        norm(f"blk.0.{name}.weight")
    for name, rows, columns in [
        ("attn_q", WIDTH, WIDTH), ("attn_k", WIDTH // 2, WIDTH), ("attn_v", WIDTH // 2, WIDTH),
        ("attn_output", WIDTH, WIDTH), ("ffn_gate", INNER, WIDTH), ("ffn_up", INNER, WIDTH), ("ffn_down", WIDTH, INNER),
    ]:
        matrix(f"blk.0.{name}.weight", rows, columns)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


letters = list("▁abcdefghijklmnopqrstuvwxyz.,TW")
raw = [f"<0x{byte:02X}>" for byte in range(256)]
write("pieces-q4_0", "llama", ["<unk>", "<s>", "</s>"] + letters + raw, None, Q.Q4_0)
write("bytes-q8_0", "gpt2", ["<unk>", "<s>", "</s>"] + ["Ġ"] + letters[1:] + ["th", "the"], ["t h", "th e"], Q.Q8_0)
