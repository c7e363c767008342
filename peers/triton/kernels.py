"""GPT-2 decoding of one sequence in Triton: the whole generation as one program, and a step as 5 kernels a layer and 1.

Matrices are [layer][out][in], so that a row is one coalesced read. All sums are f32 products added up by tl.sum: a product with
one row has no use for tl.dot.
"""

import triton
import triton.language as tl


@triton.jit
def norm(x, weight, bias, inside, D: tl.constexpr, EPSILON: tl.constexpr):
    mean = tl.sum(x, 0) / D
    centred = tl.where(inside, x - mean, 0.0)
    variance = tl.sum(centred * centred, 0) / D
    return centred * tl.rsqrt(variance + EPSILON) * weight + bias


@triton.jit
def gelu(x):
    return x * tl.sigmoid(1.5957691216 * (x + 0.044715 * x * x * x))


@triton.jit
def one_program(
    wte, wpe, ln_1_w, ln_1_b, attn_w, attn_b, proj_w, proj_b, ln_2_w, ln_2_b, fc_w, fc_b, mlp_w, mlp_b, ln_f_w, ln_f_b,
    keys, values, tokens, logits,
    PROMPT: tl.constexpr, L: tl.constexpr, H: tl.constexpr, D: tl.constexpr, INNER: tl.constexpr, V: tl.constexpr, BLOCK_V: tl.constexpr,
    POSITIONS: tl.constexpr, BLOCK_T: tl.constexpr, EPSILON: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    """Everything between two tokens lives in registers; only the KV cache [layer][position][D] goes through memory."""
    cols = tl.arange(0, D)
    at = tl.arange(0, BLOCK_T)
    word = tl.arange(0, BLOCK_V)
    square = cols[:, None] * D + cols[None, :]
    inside = cols < D
    token = tl.load(tokens)
    for position in range(POSITIONS):
        if position < PROMPT:
            token = tl.load(tokens + position)
        x = tl.load(wte + token * D + cols) + tl.load(wpe + position * D + cols)
        for layer in range(L):
            h = norm(x, tl.load(ln_1_w + layer * D + cols), tl.load(ln_1_b + layer * D + cols), inside, D, EPSILON)
            attn = attn_w + layer * 3 * D * D + square
            bias = attn_b + layer * 3 * D + cols
            query = tl.sum(tl.load(attn) * h[None, :], 1) + tl.load(bias)
            key = tl.sum(tl.load(attn + D * D) * h[None, :], 1) + tl.load(bias + D)
            value = tl.sum(tl.load(attn + 2 * D * D) * h[None, :], 1) + tl.load(bias + 2 * D)
            cached = layer * POSITIONS * D
            tl.store(keys + cached + position * D + cols, key)
            tl.store(values + cached + position * D + cols, value)
            # What other threads of the program stored is seen after this.
            tl.debug_barrier()
            seen = at <= position
            place = cached + at[:, None] * D + cols[None, :]
            products = tl.load(keys + place, seen[:, None], 0.0) * query[None, :]
            scores = tl.sum(tl.reshape(products, (BLOCK_T, H, D // H)), 2) * SCALE
            scores = tl.where(seen[:, None], scores, float("-inf"))
            shares = tl.exp(scores - tl.max(scores, 0)[None, :])
            shares = shares / tl.sum(shares, 0)[None, :]
            held = tl.reshape(tl.load(values + place, seen[:, None], 0.0), (BLOCK_T, H, D // H))
            attended = tl.reshape(tl.sum(held * shares[:, :, None], 0), (D,))
            x += tl.sum(tl.load(proj_w + layer * D * D + square) * attended[None, :], 1) + tl.load(proj_b + layer * D + cols)
            h = norm(x, tl.load(ln_2_w + layer * D + cols), tl.load(ln_2_b + layer * D + cols), inside, D, EPSILON)
            x += tl.load(mlp_b + layer * D + cols)
            # The inner layer a block at a time: its outputs are at once what the next matrix reads.
            for first in range(0, INNER, D):
                fc = tl.load(fc_w + layer * INNER * D + first * D + square)
                inner = gelu(tl.sum(fc * h[None, :], 1) + tl.load(fc_b + layer * INNER + first + cols))
                mlp = tl.load(mlp_w + layer * D * INNER + cols[:, None] * INNER + first + cols[None, :])
                x += tl.sum(mlp * inner[None, :], 1)
        if position + 1 >= PROMPT:
            h = norm(x, tl.load(ln_f_w + cols), tl.load(ln_f_b + cols), inside, D, EPSILON)
            head = tl.load(wte + word[:, None] * D + cols[None, :], word[:, None] < V, 0.0)
            scores = tl.where(word < V, tl.sum(head * h[None, :], 1), float("-inf"))
            tl.store(logits + word, scores, word < V)
            token = tl.argmax(scores, 0).to(tl.int64)
            tl.store(tokens + position + 1, token)


@triton.jit
def best_of(scores, candidates, COUNT: tl.constexpr, BLOCK: tl.constexpr):
    """The token of the largest score that the programs of `head` found; the lowest among equals."""
    i = tl.arange(0, BLOCK)
    best = tl.argmax(tl.load(scores + i, i < COUNT, float("-inf")), 0)
    return tl.load(candidates + best)


@triton.jit
def rows_of(matrix, x, rows, ROWS: tl.constexpr, D: tl.constexpr, cols):
    """matrix[rows] x"""
    inside = (rows[:, None] < ROWS) & (cols[None, :] < D)
    return tl.sum(tl.load(matrix + rows[:, None] * D + cols[None, :], inside, 0.0) * x[None, :], 1)


@triton.jit(do_not_specialize=["position"])
def query_key_value(
    wte, wpe, stream, ln_w, ln_b, matrix, bias, query, keys, values, tokens, scores, candidates, position,
    FIRST: tl.constexpr, FROM_HEAD: tl.constexpr, D: tl.constexpr, BLOCK_D: tl.constexpr, EPSILON: tl.constexpr,
    HEADS: tl.constexpr, BLOCK_HEADS: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    """The first layer's also chooses the token, of what the head's programs found, and embeds it: each program for itself."""
    cols = tl.arange(0, BLOCK_D)
    inside = cols < D
    rows = tl.program_id(0) * R + tl.arange(0, R)
    if FIRST:
        if FROM_HEAD:
            token = best_of(scores, candidates, HEADS, BLOCK_HEADS)
        else:
            token = tl.load(tokens + position)
        x = tl.load(wte + token * D + cols, inside, 0.0) + tl.load(wpe + position * D + cols, inside, 0.0)
        if tl.program_id(0) == 0:
            tl.store(stream + cols, x, inside)
            tl.store(tokens + position, token)
    else:
        x = tl.load(stream + cols, inside, 0.0)
    h = norm(x, tl.load(ln_w + cols, inside, 0.0), tl.load(ln_b + cols, inside, 0.0), inside, D, EPSILON)
    result = rows_of(matrix, h, rows, 3 * D, D, cols) + tl.load(bias + rows, rows < 3 * D, 0.0)
    tl.store(query + rows, result, rows < D)
    tl.store(keys + position * D + rows - D, result, (rows >= D) & (rows < 2 * D))
    tl.store(values + position * D + rows - 2 * D, result, (rows >= 2 * D) & (rows < 3 * D))


@triton.jit(do_not_specialize=["position"])
def attention(
    query, keys, values, attended, position,
    D: tl.constexpr, HEAD: tl.constexpr, BLOCK_HEAD: tl.constexpr, BLOCK_T: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    """A program for each head."""
    cols = tl.arange(0, BLOCK_HEAD)
    at = tl.arange(0, BLOCK_T)
    channel = tl.program_id(0) * HEAD + cols
    seen = (at <= position)[:, None] & (cols < HEAD)[None, :]
    place = at[:, None] * D + channel[None, :]
    key = tl.load(keys + place, seen, 0.0)
    value = tl.load(values + place, seen, 0.0)
    scores = tl.sum(key * tl.load(query + channel, cols < HEAD, 0.0)[None, :], 1) * SCALE
    scores = tl.where(at <= position, scores, float("-inf"))
    shares = tl.exp(scores - tl.max(scores, 0))
    result = tl.sum(value * shares[:, None], 0) / tl.sum(shares, 0)
    tl.store(attended + channel, result, cols < HEAD)


@triton.jit
def add_rows(
    x, matrix, bias, stream,
    IN: tl.constexpr, BLOCK_IN: tl.constexpr, OUT: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    """stream += matrix x + bias"""
    rows = tl.program_id(0) * R + tl.arange(0, R)
    cols = tl.arange(0, BLOCK_IN)
    result = rows_of(matrix, tl.load(x + cols, cols < IN, 0.0), rows, OUT, IN, cols)
    result += tl.load(bias + rows, rows < OUT, 0.0) + tl.load(stream + rows, rows < OUT, 0.0)
    tl.store(stream + rows, result, rows < OUT)


@triton.jit
def inner_layer(
    stream, ln_w, ln_b, matrix, bias, inner,
    D: tl.constexpr, BLOCK_D: tl.constexpr, INNER: tl.constexpr, EPSILON: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    cols = tl.arange(0, BLOCK_D)
    inside = cols < D
    rows = tl.program_id(0) * R + tl.arange(0, R)
    x = tl.load(stream + cols, inside, 0.0)
    h = norm(x, tl.load(ln_w + cols, inside, 0.0), tl.load(ln_b + cols, inside, 0.0), inside, D, EPSILON)
    result = gelu(rows_of(matrix, h, rows, INNER, D, cols) + tl.load(bias + rows, rows < INNER, 0.0))
    tl.store(inner + rows, result, rows < INNER)


@triton.jit
def head(
    stream, ln_w, ln_b, wte, logits, scores, candidates,
    D: tl.constexpr, BLOCK_D: tl.constexpr, V: tl.constexpr, EPSILON: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    cols = tl.arange(0, BLOCK_D)
    inside = cols < D
    rows = tl.program_id(0) * R + tl.arange(0, R)
    x = tl.load(stream + cols, inside, 0.0)
    h = norm(x, tl.load(ln_w + cols, inside, 0.0), tl.load(ln_b + cols, inside, 0.0), inside, D, EPSILON)
    result = rows_of(wte, h, rows, V, D, cols)
    tl.store(logits + rows, result, rows < V)
    result = tl.where(rows < V, result, float("-inf"))
    best = tl.argmax(result, 0)
    tl.store(scores + tl.program_id(0), tl.max(result, 0))
    tl.store(candidates + tl.program_id(0), (tl.program_id(0) * R + best).to(tl.int64))


@triton.jit(do_not_specialize=["position"])
def last_token(tokens, scores, candidates, position, HEADS: tl.constexpr, BLOCK_HEADS: tl.constexpr):
    tl.store(tokens + position, best_of(scores, candidates, HEADS, BLOCK_HEADS))
