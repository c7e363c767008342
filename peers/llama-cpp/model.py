"""A case's model as a GGUF file, named and laid out as llama.cpp's own converter does it for a GPT-2."""

import os
from importlib.metadata import version

import gguf

VERSION = version("gguf")

TYPES = {"f32": gguf.GGMLQuantizationType.F32, "f16": gguf.GGMLQuantizationType.F16,
         "q8_0": gguf.GGMLQuantizationType.Q8_0, "q4_0": gguf.GGMLQuantizationType.Q4_0}  # fmt: skip

# By Hugging Face's names; of a layer without `h.N.`.
OF_MODEL = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm"}
OF_LAYER = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
            "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}  # fmt: skip


def file(case, weights, room):
    """The path of a case's model in a folder, with its matrices in a format; written once."""
    path = room / f"{case.spec['weights_sha256'][:16]}-{weights}.gguf"
    if not path.exists():
        room.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        write(case, weights, new)
        new.replace(path)
    return path


def write(case, weights, path):
    """Matrices, the embedding among them, in the format `weights`; biases, norms and positions in f32, as the arms have it."""
    config = case.config
    out = gguf.GGUFWriter(path, "gpt2")
    out.add_context_length(config["n_positions"])
    out.add_embedding_length(config["n_embd"])
    out.add_block_count(config["n_layer"])
    out.add_head_count(config["n_head"])
    out.add_feed_forward_length(config["n_inner"] or 4 * config["n_embd"])
    out.add_layer_norm_eps(config["layer_norm_epsilon"])
    # Tokens are given and taken as numbers.
    out.add_tokenizer_model("none")
    out.add_vocab_size(config["vocab_size"])
    for name, tensor in case.weights().items():
        if name.startswith("h.") and tensor.ndim == 2:
            tensor = tensor.T  # [out, in]
        kind = TYPES[weights] if tensor.ndim == 2 and name != "wpe.weight" else TYPES["f32"]
        out.add_tensor(name_in_gguf(name), gguf.quants.quantize(tensor, kind), raw_dtype=kind)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def name_in_gguf(name):
    module, kind = name.rsplit(".", 1)
    if not module.startswith("h."):
        return f"{OF_MODEL[module]}.{kind}"
    _, layer, module = module.split(".", 2)
    return f"blk.{layer}.{OF_LAYER[module]}.{kind}"


def blocks_fit(case, weights):
    """Whether every row of a matrix is whole blocks: ggml packs no other."""
    width = case.config["n_embd"]
    return all(columns % gguf.GGML_QUANT_SIZES[TYPES[weights]][0] == 0 for columns in (width, case.config["n_inner"] or 4 * width))
