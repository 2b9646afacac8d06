# SPDX-License-Identifier: MIT
"""The llama architecture in PyTorch, in the tensor names and shapes of GGUF files."""

from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class Config:
    n_vocab: int = 2048
    n_ctx: int = 512
    n_embd: int = 192
    n_layer: int = 6
    n_head: int = 6
    n_head_kv: int = 2
    n_ff: int = 384
    rope_base: float = 10000.0
    rms_eps: float = 1e-5

    @property
    def n_rot(self):
        return self.n_embd // self.n_head

    def as_dict(self):
        return asdict(self)


def shapes(c):
    """Name and shape of every tensor; the output head is token_embd itself."""
    kv = c.n_head_kv * c.n_rot
    out = {"token_embd.weight": (c.n_vocab, c.n_embd)}
    for i in range(c.n_layer):
        out[f"blk.{i}.attn_norm.weight"] = (c.n_embd,)
        out[f"blk.{i}.attn_q.weight"] = (c.n_embd, c.n_embd)
        out[f"blk.{i}.attn_k.weight"] = (kv, c.n_embd)
        out[f"blk.{i}.attn_v.weight"] = (kv, c.n_embd)
        out[f"blk.{i}.attn_output.weight"] = (c.n_embd, c.n_embd)
        out[f"blk.{i}.ffn_norm.weight"] = (c.n_embd,)
        out[f"blk.{i}.ffn_gate.weight"] = (c.n_ff, c.n_embd)
        out[f"blk.{i}.ffn_up.weight"] = (c.n_ff, c.n_embd)
        out[f"blk.{i}.ffn_down.weight"] = (c.n_embd, c.n_ff)
    out["output_norm.weight"] = (c.n_embd,)
    return out


def rope_tables(c):
    """cos and sin, [n_ctx][n_rot / 2]."""
    freq = c.rope_base ** (-torch.arange(0, c.n_rot, 2, dtype=torch.float64) / c.n_rot)
    angle = torch.outer(torch.arange(c.n_ctx, dtype=torch.float64), freq)
    return angle.cos().float(), angle.sin().float()


def rope(x, cos, sin):
    """Rotates the pairs (x[2i], x[2i+1]); x [..., T, n_head, n_rot], cos and sin [T][n_rot / 2]."""
    a, b = x[..., 0::2], x[..., 1::2]
    cos, sin = cos[:, None, :], sin[:, None, :]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


class CrossEntropy(torch.autograd.Function):
    """Sum of the cross entropies in nats. One array of logits lives, where F.cross_entropy makes four."""

    @staticmethod
    def forward(ctx, logits, targets):
        rows = torch.arange(len(targets))
        wanted = logits[rows, targets]
        lse = logits.logsumexp(-1)
        ctx.save_for_backward(logits, lse, rows, targets)
        return (lse - wanted).sum()

    @staticmethod
    def backward(ctx, grad):
        logits, lse, rows, targets = ctx.saved_tensors
        out = (logits - lse[:, None]).exp_()
        out[rows, targets] -= 1
        return out.mul_(grad), None


class Llama(nn.Module):
    def __init__(self, config, weights=None):
        """Random weights, or those of the dict @weights (name -> tensor)."""
        super().__init__()
        self.config = c = config
        self.w = nn.ParameterDict()
        for name, shape in shapes(c).items():
            if weights is not None:
                value = weights[name].clone()
            elif len(shape) == 1:
                value = torch.ones(shape)
            else:
                value = torch.randn(shape) * 0.04
                if name.endswith(("attn_output.weight", "ffn_down.weight")):
                    value /= (2 * c.n_layer) ** 0.5
            self.w[name.replace(".", "_")] = nn.Parameter(value)
        cos, sin = rope_tables(c)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def weight(self, name):
        return self.w[name.replace(".", "_")]

    def weights(self):
        return {name: self.weight(name).detach() for name in shapes(self.config)}

    def forward(self, ids):
        """ids [B][T] to hidden states [B][T][n_embd], before the output head."""
        c = self.config
        n, t = ids.shape
        cos, sin = self.cos[:t], self.sin[:t]
        mask = torch.full((t, t), float("-inf")).triu(1)
        group = c.n_head // c.n_head_kv
        x = F.embedding(ids, self.weight("token_embd.weight"))  # [B][T][n_embd]
        for i in range(c.n_layer):
            blk = lambda name: self.weight(f"blk.{i}.{name}.weight")  # noqa: E731
            h = rms_norm(x, blk("attn_norm"), c.rms_eps)
            qkv = F.linear(h, torch.cat((blk("attn_q"), blk("attn_k"), blk("attn_v"))))
            qkv = qkv.view(n, t, c.n_head + 2 * c.n_head_kv, c.n_rot)
            qk = rope(qkv[:, :, : c.n_head + c.n_head_kv], cos, sin)
            q = qk[:, :, : c.n_head].transpose(1, 2) * c.n_rot**-0.5  # [B][n_head][T][n_rot]
            k = qk[:, :, c.n_head :].transpose(1, 2)  # [B][n_head_kv][T][n_rot]
            v = qkv[:, :, c.n_head + c.n_head_kv :].transpose(1, 2)
            # The heads of a group stand below each other, so that keys and values are not copied.
            q = q.reshape(n, c.n_head_kv, group * t, c.n_rot)
            score = torch.matmul(q, k.transpose(2, 3)).view(n, c.n_head_kv, group, t, t)
            score += mask
            out = torch.matmul(score.softmax(-1).view(n, c.n_head_kv, group * t, t), v)
            out = out.view(n, c.n_head, t, c.n_rot).transpose(1, 2).reshape(n, t, c.n_embd)
            x = x + F.linear(out, blk("attn_output"))
            h = rms_norm(x, blk("ffn_norm"), c.rms_eps)
            gate, up = F.linear(h, torch.cat((blk("ffn_gate"), blk("ffn_up")))).split(c.n_ff, dim=-1)
            x = x + F.linear(F.silu(gate) * up, blk("ffn_down"))
        return rms_norm(x, self.weight("output_norm.weight"), c.rms_eps)

    def logits(self, hidden):
        return F.linear(hidden, self.weight("token_embd.weight"))

    def loss(self, ids, targets):
        """Sum of the cross entropy in nats, and how many targets it is of; targets of -1 do not count."""
        keep = (targets.reshape(-1) >= 0).nonzero()[:, 0]
        hidden = self.forward(ids).reshape(-1, self.config.n_embd)[keep]
        return CrossEntropy.apply(self.logits(hidden), targets.reshape(-1)[keep]), len(keep)
