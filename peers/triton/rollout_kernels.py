"""Whole episodes in one Triton kernel: a program follows BLOCK individuals, with their genomes [BLOCK, HIDDEN] in registers.

Genomes are [parameter][individual], states [component][individual].
"""

import triton
import triton.language as tl


@triton.jit
def column(genomes, first, stride, individual, hidden, population, mask):
    """Parameters first + stride * hidden of each individual, [BLOCK, HIDDEN]."""
    return tl.load(genomes + (first + stride * hidden)[None, :] * population + individual[:, None], mask=mask[:, None], other=0.0)


@triton.jit
def single(genomes, parameter, individual, population, mask):
    return tl.load(genomes + parameter * population + individual, mask=mask, other=0.0)


@triton.jit
def four(components, individual, population, mask):
    return (single(components, 0, individual, population, mask), single(components, 1, individual, population, mask),
            single(components, 2, individual, population, mask), single(components, 3, individual, population, mask))  # fmt: skip


@triton.jit
def store_four(components, x0, x1, x2, x3, individual, population, mask):
    tl.store(components + individual, x0, mask=mask)
    tl.store(components + population + individual, x1, mask=mask)
    tl.store(components + 2 * population + individual, x2, mask=mask)
    tl.store(components + 3 * population + individual, x3, mask=mask)


@triton.jit
def finish(returns, lengths, ends, episode_return, length, goes_on, individual, mask):
    tl.store(returns + individual, episode_return, mask=mask)
    tl.store(lengths + individual, length, mask=mask)
    tl.store(ends + individual, (goes_on == 0).to(tl.int32), mask=mask)


@triton.jit
def tanh(x):
    return 1 - 2 / (tl.exp2(tl.minimum(x * 2.885390, 64.0)) + 1)


@triton.jit
def sigmoid(x):
    return 1 / (1 + tl.exp2(tl.minimum(-1.442695 * x, 64.0)))


@triton.jit
def derivative(theta1, theta2, velocity1, velocity2, torque):
    sine2, cosine2 = tl.sin(theta2), tl.cos(theta2)
    d1, d2 = 3.5 + cosine2, 1.25 + 0.5 * cosine2
    phi2 = 4.9 * tl.sin(theta1 + theta2)
    phi1 = 14.7 * tl.sin(theta1) + phi2 - sine2 * velocity2 * (0.5 * velocity2 + velocity1)
    pull = torque - 0.5 * velocity1 * velocity1 * sine2 - phi2
    faster2 = (d1 * pull + d2 * phi1) / (1.25 * d1 - d2 * d2)
    return -(d2 * faster2 + phi1) / d1, faster2


@triton.jit
def acrobot(genomes, initial, market, states, returns, lengths, ends, population, steps, BLOCK: tl.constexpr):
    individual = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = individual < population
    h = tl.arange(0, 16)
    w0, w1, w2 = (column(genomes, 0, 6, individual, h, population, there), column(genomes, 1, 6, individual, h, population, there),
                  column(genomes, 2, 6, individual, h, population, there))  # fmt: skip
    w3, w4, w5 = (column(genomes, 3, 6, individual, h, population, there), column(genomes, 4, 6, individual, h, population, there),
                  column(genomes, 5, 6, individual, h, population, there))  # fmt: skip
    b = column(genomes, 96, 1, individual, h, population, there)
    v0, v1, v2 = (column(genomes, 112, 1, individual, h, population, there), column(genomes, 128, 1, individual, h, population, there),
                  column(genomes, 144, 1, individual, h, population, there))  # fmt: skip
    c0, c1, c2 = (single(genomes, 160, individual, population, there), single(genomes, 161, individual, population, there),
                  single(genomes, 162, individual, population, there))  # fmt: skip
    x0, x1, x2, x3 = four(initial, individual, population, there)
    episode_return = tl.zeros([BLOCK], tl.float32)
    length = tl.zeros([BLOCK], tl.int32)
    goes_on = there
    step = 0
    while (step < steps) & (tl.max(goes_on.to(tl.int32), 0) > 0):
        hidden = tanh(
            b + w0 * tl.cos(x0)[:, None] + w1 * tl.sin(x0)[:, None] + w2 * tl.cos(x1)[:, None] + w3 * tl.sin(x1)[:, None]
            + w4 * x2[:, None] + w5 * x3[:, None]
        )  # fmt: skip
        o0, o1, o2 = tl.sum(v0 * hidden, 1) + c0, tl.sum(v1 * hidden, 1) + c1, tl.sum(v2 * hidden, 1) + c2
        torque = tl.where(o2 > tl.maximum(o0, o1), 2.0, tl.where(o1 > o0, 1.0, 0.0)) - 1.0
        a1, b1 = derivative(x0, x1, x2, x3, torque)
        p2, q2 = x2 + 0.1 * a1, x3 + 0.1 * b1
        a2, b2 = derivative(x0 + 0.1 * x2, x1 + 0.1 * x3, p2, q2, torque)
        p3, q3 = x2 + 0.1 * a2, x3 + 0.1 * b2
        a3, b3 = derivative(x0 + 0.1 * p2, x1 + 0.1 * q2, p3, q3, torque)
        p4, q4 = x2 + 0.2 * a3, x3 + 0.2 * b3
        a4, b4 = derivative(x0 + 0.2 * p3, x1 + 0.2 * q3, p4, q4, torque)
        y0 = x0 + 0.2 / 6 * (x2 + 2 * (p2 + p3) + p4)
        y1 = x1 + 0.2 / 6 * (x3 + 2 * (q2 + q3) + q4)
        y2 = x2 + 0.2 / 6 * (a1 + 2 * (a2 + a3) + a4)
        y3 = x3 + 0.2 / 6 * (b1 + 2 * (b2 + b3) + b4)
        y0 -= 6.2831855 * tl.floor(y0 / 6.2831855 + 0.5)
        y1 -= 6.2831855 * tl.floor(y1 / 6.2831855 + 0.5)
        y2 = tl.minimum(tl.maximum(y2, -12.566371), 12.566371)
        y3 = tl.minimum(tl.maximum(y3, -28.274334), 28.274334)
        ended = -tl.cos(y0) - tl.cos(y0 + y1) > 1.0
        x0, x1 = tl.where(goes_on, y0, x0), tl.where(goes_on, y1, x1)
        x2, x3 = tl.where(goes_on, y2, x2), tl.where(goes_on, y3, x3)
        episode_return += tl.where(goes_on & (ended == 0), -1.0, 0.0)
        length += goes_on.to(tl.int32)
        goes_on = goes_on & (ended == 0)
        step += 1
    store_four(states, x0, x1, x2, x3, individual, population, there)
    finish(returns, lengths, ends, episode_return, length, goes_on, individual, there)


@triton.jit
def cartpole(genomes, initial, market, states, returns, lengths, ends, population, steps, BLOCK: tl.constexpr):
    individual = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = individual < population
    h = tl.arange(0, 8)
    w0, w1 = column(genomes, 0, 4, individual, h, population, there), column(genomes, 1, 4, individual, h, population, there)
    w2, w3 = column(genomes, 2, 4, individual, h, population, there), column(genomes, 3, 4, individual, h, population, there)
    b = column(genomes, 32, 1, individual, h, population, there)
    v0, v1 = column(genomes, 40, 1, individual, h, population, there), column(genomes, 48, 1, individual, h, population, there)
    c0, c1 = single(genomes, 56, individual, population, there), single(genomes, 57, individual, population, there)
    x0, x1, x2, x3 = four(initial, individual, population, there)
    episode_return = tl.zeros([BLOCK], tl.float32)
    length = tl.zeros([BLOCK], tl.int32)
    goes_on = there
    step = 0
    while (step < steps) & (tl.max(goes_on.to(tl.int32), 0) > 0):
        hidden = tanh(b + w0 * x0[:, None] + w1 * x1[:, None] + w2 * x2[:, None] + w3 * x3[:, None])
        o0, o1 = tl.sum(v0 * hidden, 1) + c0, tl.sum(v1 * hidden, 1) + c1
        force = tl.where(o1 > o0, 10.0, -10.0)
        sine, cosine = tl.sin(x2), tl.cos(x2)
        push = (force + 0.05 * x3 * x3 * sine) / 1.1
        turn = (9.8 * sine - cosine * push) / (0.5 * (4.0 / 3.0 - 0.1 * cosine * cosine / 1.1))
        slide = push - 0.05 * turn * cosine / 1.1
        y0, y1, y2, y3 = x0 + 0.02 * x1, x1 + 0.02 * slide, x2 + 0.02 * x3, x3 + 0.02 * turn
        ended = (tl.abs(y0) > 2.4) | (tl.abs(y2) > 0.20943951)
        x0, x1 = tl.where(goes_on, y0, x0), tl.where(goes_on, y1, x1)
        x2, x3 = tl.where(goes_on, y2, x2), tl.where(goes_on, y3, x3)
        episode_return += goes_on.to(tl.float32)
        length += goes_on.to(tl.int32)
        goes_on = goes_on & (ended == 0)
        step += 1
    store_four(states, x0, x1, x2, x3, individual, population, there)
    finish(returns, lengths, ends, episode_return, length, goes_on, individual, there)


@triton.jit
def position(target, held, gain):
    """What is held after a day's trade, what it cost, and what it gained."""
    now = tl.where(tl.abs(target - held) < 0.05, held, target)
    traded = now - held
    return now, 4e-4 * tl.maximum(traded, 0.0) + 2e-4 * tl.maximum(-traded, 0.0), now * gain


@triton.jit
def portfolio(genomes, initial, market, states, returns, lengths, ends, population, steps, BLOCK: tl.constexpr):
    individual = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = individual < population
    h = tl.arange(0, 16)
    w0, w1 = column(genomes, 0, 8, individual, h, population, there), column(genomes, 1, 8, individual, h, population, there)
    w2, w3 = column(genomes, 2, 8, individual, h, population, there), column(genomes, 3, 8, individual, h, population, there)
    w4, w5 = column(genomes, 4, 8, individual, h, population, there), column(genomes, 5, 8, individual, h, population, there)
    w6, w7 = column(genomes, 6, 8, individual, h, population, there), column(genomes, 7, 8, individual, h, population, there)
    b = column(genomes, 128, 1, individual, h, population, there)
    v0, v1 = column(genomes, 144, 1, individual, h, population, there), column(genomes, 160, 1, individual, h, population, there)
    v2, v3 = column(genomes, 176, 1, individual, h, population, there), column(genomes, 192, 1, individual, h, population, there)
    v4, v5 = column(genomes, 208, 1, individual, h, population, there), column(genomes, 224, 1, individual, h, population, there)
    c0, c1 = single(genomes, 240, individual, population, there), single(genomes, 241, individual, population, there)
    c2, c3 = single(genomes, 242, individual, population, there), single(genomes, 243, individual, population, there)
    c4, c5 = single(genomes, 244, individual, population, there), single(genomes, 245, individual, population, there)
    value, peak, memory1, memory2 = four(initial, individual, population, there)
    held1, held2, held3, day = four(initial + 4 * population, individual, population, there)
    # So that nothing is divided by 0 where nobody is.
    value, peak = tl.where(there, value, 1.0), tl.where(there, peak, 1.0)
    episode_return = tl.zeros([BLOCK], tl.float32)
    length = tl.zeros([BLOCK], tl.int32)
    goes_on = there
    step = 0
    while (step < steps) & (tl.max(goes_on.to(tl.int32), 0) > 0):
        # [day][three returns and the trend]
        today = market + 4 * day.to(tl.int32)
        seen = b + w0 * (50 * tl.load(today))[:, None] + w1 * (50 * tl.load(today + 1))[:, None]
        seen += w2 * (50 * tl.load(today + 2))[:, None] + w3 * (200 * tl.load(today + 3))[:, None]
        seen += w4 * (5 * (value / peak - 1))[:, None] + w5 * ((held1 + held2 + held3) / 3)[:, None]
        hidden = tanh(seen + w6 * memory1[:, None] + w7 * memory2[:, None])
        s0, s1 = sigmoid(tl.sum(v0 * hidden, 1) + c0), sigmoid(tl.sum(v1 * hidden, 1) + c1)
        s2, s3 = sigmoid(tl.sum(v2 * hidden, 1) + c2), sigmoid(tl.sum(v3 * hidden, 1) + c3)
        s4, s5 = sigmoid(tl.sum(v4 * hidden, 1) + c4), sigmoid(tl.sum(v5 * hidden, 1) + c5)
        leverage = (1 + 2 * s3) / (s0 + s1 + s2)
        gain1, gain2, gain3 = tl.load(today + 4), tl.load(today + 5), tl.load(today + 6)
        now1, cost1, gained1 = position(tl.minimum(leverage * s0, 1.0), held1, gain1)
        now2, cost2, gained2 = position(tl.minimum(leverage * s1, 1.0), held2, gain2)
        now3, cost3, gained3 = position(tl.minimum(leverage * s2, 1.0), held3, gain3)
        borrowed = tl.maximum(now1 + now2 + now3 - 1, 0.0)
        growth = tl.maximum(1 + (gained1 + gained2 + gained3 - (cost1 + cost2 + cost3) - 1e-5 * borrowed), 0.01)
        value = tl.where(goes_on, value * growth, value)
        peak = tl.maximum(peak, value)
        memory1, memory2 = tl.where(goes_on, 2 * s4 - 1, memory1), tl.where(goes_on, 2 * s5 - 1, memory2)
        held1 = tl.where(goes_on, now1 * (1 + gain1) / growth, held1)
        held2 = tl.where(goes_on, now2 * (1 + gain2) / growth, held2)
        held3 = tl.where(goes_on, now3 * (1 + gain3) / growth, held3)
        day += goes_on.to(tl.float32)
        episode_return += tl.where(goes_on, tl.log(growth), 0.0)
        length += goes_on.to(tl.int32)
        goes_on = goes_on & (value >= 0.05)
        step += 1
    store_four(states, value, peak, memory1, memory2, individual, population, there)
    store_four(states + 4 * population, held1, held2, held3, day, individual, population, there)
    finish(returns, lengths, ends, episode_return, length, goes_on, individual, there)


KERNELS = {"acrobot": acrobot, "cartpole": cartpole, "portfolio": portfolio}
