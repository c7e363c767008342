"""A case's model as a GGUF file, named and laid out as llama.cpp's own converter does it for its family."""

import math
import os
from importlib.metadata import version

import gguf
import numpy as np

VERSION = version("gguf")

TYPES = {"f32": gguf.GGMLQuantizationType.F32, "f16": gguf.GGMLQuantizationType.F16,
         "q8_0": gguf.GGMLQuantizationType.Q8_0, "q4_0": gguf.GGMLQuantizationType.Q4_0}  # fmt: skip


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
    family = case.config["model_type"]
    out = gguf.GGUFWriter(path, family)
    # Tokens are given and taken as numbers.
    out.add_tokenizer_model("none")
    out.add_vocab_size(case.config["vocab_size"])
    for name, tensor in FAMILIES[family](case, out):
        kind = TYPES[weights] if tensor.ndim == 2 and name != "position_embd.weight" else TYPES["f32"]
        out.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(tensor), kind), raw_dtype=kind)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def gpt2(case, out):
    """Says the sizes in `out`, and yields name and tensor, matrices as [out, in]."""
    config = case.config
    out.add_context_length(config["n_positions"])
    out.add_embedding_length(config["n_embd"])
    out.add_block_count(config["n_layer"])
    out.add_head_count(config["n_head"])
    out.add_feed_forward_length(config["n_inner"] or 4 * config["n_embd"])
    out.add_layer_norm_eps(config["layer_norm_epsilon"])
    of_model = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm"}
    of_layer = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
                "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}  # fmt: skip
    for name, tensor in case.weights().items():
        module, kind = name.rsplit(".", 1)
        if module.startswith("h."):
            _, layer, module = module.split(".", 2)
            yield f"blk.{layer}.{of_layer[module]}.{kind}", tensor.T if tensor.ndim == 2 else tensor
        else:
            yield f"{of_model[module]}.{kind}", tensor


def llama(case, out):
    """As `gpt2`. llama.cpp turns pairs of neighbours, Hugging Face elements half a head apart: so rows of query and key move."""
    config = case.config
    out.add_context_length(config["max_position_embeddings"])
    out.add_embedding_length(config["hidden_size"])
    out.add_block_count(config["num_hidden_layers"])
    out.add_head_count(config["num_attention_heads"])
    out.add_head_count_kv(config["num_key_value_heads"])
    out.add_key_length(config["head_dim"])
    out.add_value_length(config["head_dim"])
    out.add_feed_forward_length(config["intermediate_size"])
    out.add_layer_norm_rms_eps(config["rms_norm_eps"])
    out.add_rope_dimension_count(config["head_dim"])
    out.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    if config["rope_parameters"]["rope_type"] == "llama3":
        yield "rope_freqs.weight", divisors(config)
    of_model = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    of_layer = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
                "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
                "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}  # fmt: skip
    for name, tensor in case.weights().items():
        module = name.removesuffix(".weight")
        if module.startswith("model.layers."):
            _, _, layer, module = module.split(".", 3)
            if module in ("self_attn.q_proj", "self_attn.k_proj"):
                rows, inputs = tensor.shape
                halves = tensor.reshape(-1, 2, config["head_dim"] // 2, inputs)
                tensor = halves.swapaxes(1, 2).reshape(rows, inputs)
            yield f"blk.{layer}.{of_layer[module]}.weight", tensor
        else:
            yield f"{of_model[module]}.weight", tensor


def divisors(config):
    """What llama.cpp divides the angle of each pair by: the scaling of Llama 3."""
    rope, head_dim = config["rope_parameters"], config["head_dim"]
    original, low, high = rope["original_max_position_embeddings"], rope["low_freq_factor"], rope["high_freq_factor"]
    turns = original * rope["rope_theta"] ** -(np.arange(0, head_dim, 2) / head_dim) / math.tau
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / (kept + (1 - kept) / rope["factor"])).astype(np.float32)


FAMILIES = {"gpt2": gpt2, "llama": llama}


def inputs(config):
    """How long the rows of its matrices are."""
    if config["model_type"] == "gpt2":
        return config["n_embd"], config["n_inner"] or 4 * config["n_embd"]
    return config["hidden_size"], config["num_attention_heads"] * config["head_dim"], config["intermediate_size"]


def blocks_fit(case, weights):
    """Whether every row of a matrix is whole blocks: ggml packs no other."""
    block = gguf.GGML_QUANT_SIZES[TYPES[weights]][0]
    return all(length % block == 0 for length in inputs(case.config))
