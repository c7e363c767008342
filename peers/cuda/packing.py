"""Weights as the kernels read them, as src/core/workload/decode/packing.rs packs them: one array of float4, every width padded
with zeros to a multiple of 4 (and each head by itself), each tensor at a multiple of 256 bytes."""

import numpy as np

ALIGNMENT4 = 256 // 16


class Packed:
    """`constants` are those of case.h, `floats` the weights. `out_in`: matrices as [out][in], else as [in][out]."""

    def __init__(self, case, out_in):
        config = case.config
        self.out_in = out_in
        embd, heads, inner, vocab = config["n_embd"], config["n_head"], config["n_inner"], config["vocab_size"]
        head_dim = embd // heads
        embd4, head4, inner4, vocab4 = quarter(embd), quarter(head_dim), quarter(inner), quarter(vocab)
        heads4 = heads * head4
        # Where each element goes: those of a head start at a multiple of 4, of all else only the end is padded.
        plain = np.arange
        split = lambda size: np.arange(size) // head_dim * 4 * head4 + np.arange(size) % head_dim

        weights = case.weights()
        outer, layer = [], [[] for _ in range(config["n_layer"])]
        wte = matrix(weights["wte.weight"].T, plain(embd), plain(vocab), 4 * embd4, 4 * vocab4, out_in)
        outer.append(("WTE", wte))
        wpe = np.zeros((config["n_positions"], 4 * embd4), np.float32)
        wpe[:, :embd] = weights["wpe.weight"]
        outer.append(("WPE", wpe))
        outer += [(f"LN_F_{kind.upper()}", vector(weights[f"ln_f.{kind}"], plain(embd), 4 * embd4))
                  for kind in ["weight", "bias"]]
        shapes = {
            "attn.c_attn": (plain(embd), split(3 * embd), embd4, 3 * heads4),
            "attn.c_proj": (split(embd), plain(embd), heads4, embd4),
            "mlp.c_fc": (plain(embd), plain(inner), embd4, inner4),
            "mlp.c_proj": (plain(inner), plain(embd), inner4, embd4),
        }
        for index, tensors in enumerate(layer):
            for name in ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"]:
                constant = name.replace(".", "_").upper()
                weight, bias = (weights[f"h.{index}.{name}.{kind}"] for kind in ["weight", "bias"])
                if name in shapes:
                    places_in, places_out, in4, out4 = shapes[name]
                    weight = matrix(weight, places_in, places_out, 4 * in4, 4 * out4, out_in)
                    bias = vector(bias, places_out, 4 * out4)
                else:
                    weight, bias = (vector(values, plain(embd), 4 * embd4) for values in (weight, bias))
                tensors += [(f"{constant}_WEIGHT", weight), (f"{constant}_BIAS", bias)]

        offsets, layers = place(outer)
        in_layer, stride = place(layer[0])
        self.floats = np.zeros(4 * (layers + len(layer) * stride), np.float32)
        for name, tensor in outer:
            self.put(offsets[name], tensor)
        for index, tensors in enumerate(layer):
            for name, tensor in tensors:
                self.put(layers + index * stride + in_layer[name], tensor)
        self.constants = {
            "N_LAYER": config["n_layer"], "N_HEAD": heads, "N_EMBD": embd, "N_EMBD4": embd4, "HEAD4": head4,
            "HEADS4": heads4, "N_INNER4": inner4, "VOCAB_SIZE": vocab, "VOCAB4": vocab4, "POSITIONS": case.positions,
            "LAYERS": layers, "LAYER_STRIDE": stride, **offsets, **in_layer,
        }

    def put(self, at4, tensor):
        self.floats[4 * at4 : 4 * at4 + tensor.size] = tensor.ravel()


def quarter(size):
    return -(-size // 4)


def place(tensors):
    """Where each tensor starts, in float4, and where the last one ends."""
    offsets, at = {}, 0
    for name, tensor in tensors:
        offsets[name] = at
        at += -(-quarter(tensor.size) // ALIGNMENT4) * ALIGNMENT4
    return offsets, at


def vector(values, places, size):
    padded = np.zeros(size, np.float32)
    padded[places] = values
    return padded


def matrix(values, places_in, places_out, rows, columns, out_in):
    """`values` are [in, out]."""
    padded = np.zeros((rows, columns), np.float32)
    padded[np.ix_(places_in, places_out)] = values
    return np.ascontiguousarray(padded.T) if out_in else padded
