"""GPT-2, one token at a time, with a static KV cache: every tensor stays where it is, so that a CUDA graph can be captured.

The state (token, position, KV cache, tokens made) lives on the device and a step changes it in place, so the host waits
for nothing and reads nothing between two tokens.
"""

import torch
import torch.nn.functional as F


class Decoder(torch.nn.Module):
    """`fused_attention`: PyTorch's own attention operator, the fastest when operations are launched one by one. Without
    it, attention is written out, and Inductor makes two or three kernels of it."""

    def __init__(self, case, device, fused_attention):
        super().__init__()
        config = case.config
        self.n_embd, self.n_head = config["n_embd"], config["n_head"]
        self.head_dim = self.n_embd // self.n_head
        self.epsilon = config["layer_norm_epsilon"]
        self.scale = case.attention_scale()
        self.fused_attention = fused_attention
        self.prompt_tokens, self.new_tokens = len(case.prompt), case.new_tokens

        weights = case.weights()

        def constant(name, values):
            self.register_buffer(name, torch.tensor(values, device=device).contiguous())

        constant("wte", weights["wte.weight"])
        constant("wpe", weights["wpe.weight"])
        constant("ln_f_weight", weights["ln_f.weight"])
        constant("ln_f_bias", weights["ln_f.bias"])
        self.layers = torch.nn.ModuleList()
        positions = case.positions
        for layer in range(config["n_layer"]):
            block = torch.nn.Module()
            for part in ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"]:
                for kind in ["weight", "bias"]:
                    # [out, in], as nn.Linear has it: a product with one vector then reads whole rows.
                    values = weights[f"h.{layer}.{part}.{kind}"].T.copy()
                    block.register_buffer(f"{part.replace('.', '_')}_{kind}", torch.tensor(values, device=device))
            shape = (1, self.n_head, positions, self.head_dim)
            block.register_buffer("keys", torch.zeros(shape, device=device))
            block.register_buffer("values", torch.zeros(shape, device=device))
            self.layers.append(block)
        # Row i is added to the scores of position i: 0 for what it sees, -inf for what comes after it.
        constant("causal", torch.full((positions, positions), float("-inf")).triu(1).numpy())

        constant("prompt", torch.tensor(case.prompt).numpy())
        self.register_buffer("token", torch.zeros(1, dtype=torch.long, device=device))
        self.register_buffer("position", torch.zeros(1, dtype=torch.long, device=device))
        self.register_buffer("made", torch.zeros(positions + 1, dtype=torch.long, device=device))

    def feed(self):
        """Gives the model its next token and returns the residual stream after the last layer, [1, n_embd]."""
        x = F.embedding(self.token, self.wte) + F.embedding(self.position, self.wpe)
        mask = self.causal[self.position]
        for block in self.layers:
            h = F.layer_norm(x, (self.n_embd,), block.ln_1_weight, block.ln_1_bias, self.epsilon)
            qkv = self.linear(h, block.attn_c_attn_weight, block.attn_c_attn_bias)
            query, key, value = qkv.view(3, 1, self.n_head, 1, self.head_dim).unbind()
            block.keys.index_copy_(2, self.position, key)
            block.values.index_copy_(2, self.position, value)
            attended = self.attention(query, block.keys, block.values, mask).reshape(1, self.n_embd)
            x = x + self.linear(attended, block.attn_c_proj_weight, block.attn_c_proj_bias)
            h = F.layer_norm(x, (self.n_embd,), block.ln_2_weight, block.ln_2_bias, self.epsilon)
            h = F.gelu(self.linear(h, block.mlp_c_fc_weight, block.mlp_c_fc_bias), approximate="tanh")
            x = x + self.linear(h, block.mlp_c_proj_weight, block.mlp_c_proj_bias)
        self.position.add_(1)
        return x

    def step(self):
        """One new token, which becomes the next to be fed; returns the logits that chose it, [1, vocab_size]."""
        x = F.layer_norm(self.feed(), (self.n_embd,), self.ln_f_weight, self.ln_f_bias, self.epsilon)
        logits = F.linear(x, self.wte)
        self.token.copy_(logits.argmax(-1))
        self.made.index_copy_(0, self.position, self.token)
        return logits

    def linear(self, x, weight, bias):
        if self.fused_attention:
            return F.linear(x, weight, bias)
        # Inductor turns a product with one row into a reduction of its own, and fuses the addition with what follows;
        # with the bias inside it would call a library.
        return F.linear(x, weight) + bias

    def attention(self, query, keys, values, mask):
        """query [1, head, 1, head_dim], keys and values [1, head, position, head_dim], mask [1, position]."""
        if self.fused_attention:
            return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=self.scale)
        shares = ((query * keys).sum(-1) * self.scale + mask).softmax(-1)
        return (shares.unsqueeze(-1) * values).sum(2)

    def generate(self, feed, step, after_token=lambda: None):
        """The whole generation: feed() for all tokens of the prompt but the last, then step() for each new token.
        Returns the last logits."""
        self.position.zero_()
        for at in range(self.prompt_tokens - 1):
            self.token.copy_(self.prompt[at : at + 1])
            feed()
        self.token.copy_(self.prompt[-1:])
        for _ in range(self.new_tokens):
            logits = step()
            after_token()
        return logits
