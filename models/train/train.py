"""Trains the model on one GPU: `train.py FOLDER` reads FOLDER/corpus.npz and writes weights.npz, loss.csv and scores.json there.

A Llama block as llama.cpp has it (RMSNorm, rotary pairs side by side, grouped keys and values, SwiGLU), tied embeddings, no biases.
Seeded. PyTorch does not promise the same bits on another card, so the weights that are shipped are committed.
"""

import argparse
import json
import math
import pathlib
import time

import numpy
import torch
import torch.nn.functional as F
from torch import nn

from shape import CONTEXT, EPSILON, HEADS, HIDDEN, KEY_HEADS, LAYERS, ROTARY_BASE, VOCABULARY, WIDTH

# How often a source is drawn: novels more often than their size, since they are the prose that the model shall write.
SHARES = {"moby-dick": 0.12, "sotu": 0.38, "austen": 0.32, "king-james": 0.18}


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return F.rms_norm(x, (WIDTH,), self.weight, EPSILON)


class Block(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        size = WIDTH // HEADS
        self.attn_norm, self.ffn_norm = Norm(), Norm()
        self.attn_q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.attn_k = nn.Linear(WIDTH, KEY_HEADS * size, bias=False)
        self.attn_v = nn.Linear(WIDTH, KEY_HEADS * size, bias=False)
        self.attn_output = nn.Linear(WIDTH, WIDTH, bias=False)
        self.ffn_gate = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.ffn_up = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.ffn_down = nn.Linear(HIDDEN, WIDTH, bias=False)
        self.drop = nn.Dropout(dropout)

    def forward(self, x, rotary):
        x = x + self.drop(self.attend(self.attn_norm(x), rotary))
        y = self.ffn_norm(x)
        return x + self.drop(self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y)))

    def attend(self, x, rotary):
        batch, length, _ = x.shape
        heads = lambda y, count: y.view(batch, length, count, WIDTH // HEADS).transpose(1, 2)
        q, k, v = heads(self.attn_q(x), HEADS), heads(self.attn_k(x), KEY_HEADS), heads(self.attn_v(x), KEY_HEADS)
        q, k = rotate(q, rotary), rotate(k, rotary)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.attn_output(y.transpose(1, 2).reshape(batch, length, WIDTH))


def rotate(x, rotary):
    """Turns each pair of neighbours by its position's angle."""
    cosine, sine = rotary
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosine - odd * sine, odd * cosine + even * sine), -1).flatten(-2).type_as(x)


class Model(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.token_embd = nn.Embedding(VOCABULARY, WIDTH)
        self.blk = nn.ModuleList(Block(dropout) for _ in range(LAYERS))
        self.output_norm = Norm()
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                residual = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if residual else 0.02)
        size = WIDTH // HEADS
        steps = ROTARY_BASE ** (-torch.arange(0, size, 2) / size)
        angles = torch.arange(CONTEXT)[:, None] * steps
        self.register_buffer("cosine", angles.cos(), persistent=False)
        self.register_buffer("sine", angles.sin(), persistent=False)

    def forward(self, ids, targets):
        x = self.token_embd(ids)
        for block in self.blk:
            x = block(x, (self.cosine, self.sine))
        logits = F.linear(self.output_norm(x), self.token_embd.weight)
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none", ignore_index=-1)


def windows(ids):
    """A text cut into inputs and targets of CONTEXT tokens; what is left over at the end is padded by -1."""
    padded = F.pad(ids, (0, -(ids.numel() - 1) % CONTEXT), value=-1)
    inputs = padded[:-1].view(-1, CONTEXT).clamp(min=0)
    return inputs, padded[1:].view(-1, CONTEXT)


@torch.no_grad()
def loss_on(model, ids):
    """Sum of the losses in nats, and how many tokens were predicted."""
    total = 0.0
    for inputs, targets in zip(*(part.split(32) for part in windows(ids))):
        with torch.autocast("cuda", torch.bfloat16):
            total += model(inputs, targets).double().sum().item()
    return total, ids.numel() - 1


def mean_loss(model, texts):
    model.eval()
    sums = [loss_on(model, ids) for ids in texts.values()]
    model.train()
    return sum(loss for loss, _ in sums) / sum(count for _, count in sums)


def draw(texts, batch, generator):
    """`batch` windows, each of a source by its share and from any place in it."""
    names = list(SHARES)
    shares = torch.tensor([SHARES[name] for name in names])
    picked = torch.multinomial(shares, batch, replacement=True, generator=generator)
    rows = []
    for source in picked.tolist():
        ids = texts[names[source]]
        at = torch.randint(ids.numel() - CONTEXT, (1,), generator=generator).item()
        rows.append(ids[at : at + CONTEXT + 1])
    rows = torch.stack(rows)
    return rows[:, :-1], rows[:, 1:]


def packed_q8_0(weight):
    """The values that are left of a matrix in q8_0: blocks of 32 in whole steps of a scale in f16."""
    blocks = weight.reshape(-1, 32)
    scale = blocks.abs().amax(1, keepdim=True) / 127
    steps = torch.where(scale > 0, blocks / scale, 0).round()
    return (steps * scale.half().float()).view_as(weight)


def bigram(train, held_out):
    """Perplexity of the best bigram: counts smoothed by those of single tokens, with the strength that suits the held-out text best."""
    ids = torch.cat(list(train.values()))
    singles = torch.bincount(ids, minlength=VOCABULARY).double() + 0.01
    singles /= singles.sum()
    pairs = torch.bincount(ids[:-1] * VOCABULARY + ids[1:], minlength=VOCABULARY**2).view(VOCABULARY, VOCABULARY).double()
    rows = pairs.sum(1)
    best = math.inf
    for strength in [1, 3, 10, 30, 100, 300]:
        loss, count = 0.0, 0
        for text in held_out.values():
            before, after = text[:-1], text[1:]
            chance = (pairs[before, after] + strength * singles[after]) / (rows[before] + strength)
            loss, count = loss - chance.log().sum().item(), count + after.numel()
        best = min(best, math.exp(loss / count))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, help="where the results go; FOLDER by default")
    parser.add_argument("--steps", type=int, default=16000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=6e-3)
    parser.add_argument("--dropout", type=float, default=0.15)
    parser.add_argument("--decay", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    out = options.out or options.folder
    out.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(options.seed)
    generator = torch.Generator(device="cpu").manual_seed(options.seed)
    torch.set_float32_matmul_precision("high")
    corpus = numpy.load(options.folder / "corpus.npz")
    text = lambda part: {name: torch.tensor(corpus[f"{part}/{name}"].astype(numpy.int64), device="cuda") for name in SHARES}
    train, choose, held_out = text("train"), text("choose"), text("held-out")

    model = Model(options.dropout).cuda()
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    vectors = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": matrices, "weight_decay": options.decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.95), fused=True)
    compiled = torch.compile(model)

    started, curve, recent = time.time(), [], []
    for step in range(options.steps):
        warm = min(1.0, (step + 1) / 200)
        rate = options.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / options.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        inputs, targets = draw(train, options.batch, generator)
        with torch.autocast("cuda", torch.bfloat16):
            loss = compiled(inputs, targets).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        recent.append(loss.detach())
        if (step + 1) % 200 == 0:
            trained, chosen = torch.stack(recent).mean().item(), mean_loss(compiled, choose)
            recent = []
            curve.append((step + 1, trained, chosen))
            print(f"step {step + 1}: {trained:.4f} {chosen:.4f}, {time.time() - started:.0f} s", flush=True)

    seconds = time.time() - started
    with torch.no_grad():
        for weight in matrices:
            weight.copy_(packed_q8_0(weight))
    model.eval()
    scores = {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "steps": options.steps,
        "tokens_a_step": options.batch * CONTEXT,
        "rate": options.rate,
        "dropout": options.dropout,
        "decay": options.decay,
        "seed": options.seed,
        "seconds": round(seconds),
        "card": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "choose_loss": mean_loss(compiled, choose),
        "perplexity": {name: math.exp(mean_loss(compiled, {name: ids})) for name, ids in held_out.items()},
        "perplexity_of_all": math.exp(mean_loss(compiled, held_out)),
        "perplexity_of_a_bigram": bigram(train, held_out),
    }
    (out / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")
    rows = "".join(f"{step},{trained:.4f},{chosen:.4f}\n" for step, trained, chosen in curve)
    (out / "loss.csv").write_text("step,train_loss,choose_loss\n" + rows)
    weights = {name: weight.detach().float().cpu().numpy() for name, weight in model.named_parameters()}
    numpy.savez(out / "weights.npz", **weights)
    print(json.dumps(scores), flush=True)


if __name__ == "__main__":
    main()
