"""The sizes of the model: a Llama block of width 256."""

WIDTH, LAYERS, HEADS, KEY_HEADS, HIDDEN, CONTEXT, VOCABULARY = 256, 4, 8, 4, 640, 1024, 3072
EPSILON, ROTARY_BASE = 1e-5, 10_000.0
