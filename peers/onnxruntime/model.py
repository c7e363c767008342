"""One step of GPT-2 as an ONNX graph with a static KV cache, built operator by operator.

Everything a step needs and leaves stays in buffers of fixed shapes: it takes token, position, tokens made and caches, and gives their
successors and the logits. So the host has nothing to read between two tokens, and a step can be recorded in a CUDA graph.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
IR_VERSION = 10


class Graph:
    """Nodes and constants; `op` adds a node and returns the name of its output."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, array):
        self.constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def op(self, kind, *inputs, out=None, **attributes):
        out = out or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out


def step(case):
    """The model of one step, for a case."""
    config, weights, g = case.config, case.weights(), Graph()
    width, heads, layers = config["n_embd"], config["n_head"], config["n_layer"]
    epsilon, positions = config["layer_norm_epsilon"], case.positions
    head_dim = width // heads

    for name in ["wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias"]:
        g.constant(name, weights[name])
    one = g.constant("one", np.array([1], np.int64))
    by_head = g.constant("by_head", np.array([3, heads, 1, head_dim], np.int64))
    flat = g.constant("flat", np.array([1, width], np.int64))
    scale = g.constant("scale", np.array(case.attention_scale(), np.float32))
    causal = np.triu(np.full((positions, positions), -np.inf, np.float32), 1)
    thirds = [g.constant(f"third_{i}", np.array(i, np.int64)) for i in range(3)]
    mask = g.op("Gather", g.constant("causal", causal), "position", axis=0)

    def norm(x, name):
        return g.op("LayerNormalization", x, f"{name}.weight", f"{name}.bias", axis=-1, epsilon=epsilon)

    def linear(x, name):
        return g.op("Gemm", x, f"{name}.weight", f"{name}.bias")

    # [heads, 1]: where the new key goes, for every head.
    every_head = g.constant("every_head", np.arange(heads, dtype=np.int64).reshape(heads, 1, 1))
    at = g.op("Expand", "position", g.constant("heads_1_1", np.array([heads, 1, 1], np.int64)))
    place = g.op("Concat", every_head, at, axis=2)

    x = g.op("Add", g.op("Gather", "wte.weight", "token", axis=0), g.op("Gather", "wpe.weight", "position", axis=0))
    for layer in range(layers):
        for part in ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"]:
            for kind in ["weight", "bias"]:
                g.constant(f"h.{layer}.{part}.{kind}", weights[f"h.{layer}.{part}.{kind}"])
        qkv = g.op("Reshape", linear(norm(x, f"h.{layer}.ln_1"), f"h.{layer}.attn.c_attn"), by_head)
        query, key, value = (g.op("Gather", qkv, third, axis=0) for third in thirds)  # [heads, 1, head_dim]
        keys = g.op("ScatterND", f"keys_{layer}", place, key, out=f"new_keys_{layer}")
        values = g.op("ScatterND", f"values_{layer}", place, value, out=f"new_values_{layer}")
        scores = g.op("MatMul", g.op("Mul", query, scale), g.op("Transpose", keys, perm=[0, 2, 1]))
        shares = g.op("Softmax", g.op("Add", scores, mask), axis=-1)
        attended = g.op("Reshape", g.op("MatMul", shares, values), flat)
        x = g.op("Add", x, linear(attended, f"h.{layer}.attn.c_proj"))
        inner = g.op("Gelu", linear(norm(x, f"h.{layer}.ln_2"), f"h.{layer}.mlp.c_fc"), approximate="tanh")
        x = g.op("Add", x, linear(inner, f"h.{layer}.mlp.c_proj"))
    # A product reads rows of the table, as it stands in the checkpoint: Gemm takes it transposed.
    logits = g.op("Gemm", norm(x, "ln_f"), "wte.weight", transB=1, out="logits")
    best = g.op("ArgMax", logits, axis=1, keepdims=0)
    # A token of the prompt that is still to come is what follows, whatever was chosen.
    after = g.op("Add", "position", one, out="new_position")
    given = g.op("Gather", g.constant("prompt", prompt_then_minus_one(case)), after, axis=0)
    zero = g.constant("zero", np.array([0], np.int64))
    token = g.op("Where", g.op("Less", given, zero), best, given, out="new_token")
    g.op("ScatterElements", "made", after, token, out="new_made")

    def value(name, kind, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    state = [("token", TensorProto.INT64, [1]), ("position", TensorProto.INT64, [1]), ("made", TensorProto.INT64, [positions + 1])]
    cache = [(f"{what}_{layer}", TensorProto.FLOAT, [heads, positions, head_dim]) for layer in range(layers) for what in ["keys", "values"]]
    inputs = [value(*entry) for entry in state + cache]
    outputs = [value(f"new_{name}", *rest) for name, *rest in state + cache]
    outputs.append(value("logits", TensorProto.FLOAT, [1, config["vocab_size"]]))
    graph = helper.make_graph(g.nodes, "step", inputs, outputs, g.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION), state, cache


def prompt_then_minus_one(case):
    given = np.full(case.positions + 1, -1, np.int64)
    given[: len(case.prompt)] = case.prompt
    return given
