"""The demo model in torch: Mamba-2 and attention layers, each with an MLP.

The scan over time is computed in chunks, in matrix form (state-space duality:
Dao and Gu, "Transformers are SSMs", 2024), which is what makes training on a
CPU bearable. Parameters are float32; matrix products may run in bfloat16 under
autocast.
"""

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn

EPSILON = 1e-5
ROPE_BASE = 10000.0


@dataclasses.dataclass
class Config:
    """Sizes of the model. `layers` has one letter a layer: m(amba) or a(ttention)."""

    vocab: int = 256
    width: int = 192
    layers: str = "mmammamm"
    mlp: int = 384
    inner: int = 384  # channels of a Mamba-2 layer
    head: int = 64  # channels of one of its heads
    state: int = 64  # its states per channel
    conv: int = 4
    q_heads: int = 6
    kv_heads: int = 2
    attention_head: int = 32
    positions: int = 4096  # of the exported rotary table

    @property
    def heads(self):
        return self.inner // self.head

    @property
    def conv_channels(self):
        return self.inner + 2 * self.state


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        x = x.float()
        return (
            x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * self.weight
        )


def scan_chunks(x, decay, b, c, chunk):
    """y_t = c_t^T S_t with S_t = exp(decay_t) S_(t-1) + b_t x_t^T, from S = 0.

    x [B, T, H, P], decay [B, T, H], b and c [B, T, N] (one group); y like x.
    T is a multiple of `chunk`.
    """
    batch, time, heads, channels = x.shape
    count = time // chunk
    x = x.view(batch, count, chunk, heads, channels).transpose(2, 3)  # B C H Q P
    b = b.view(batch, count, chunk, -1)
    c = c.view(batch, count, chunk, -1)
    decay = decay.float().view(batch, count, chunk, heads).transpose(2, 3)
    total = decay.cumsum(-1)  # B C H Q
    # Inside a chunk: an attention whose weights decay with the distance.
    later = torch.ones(chunk, chunk, dtype=torch.bool, device=x.device).tril()
    distance = total[..., :, None] - total[..., None, :]
    weight = torch.exp(distance.masked_fill(~later, -math.inf))
    scores = (c @ b.transpose(-1, -2))[:, :, None] * weight
    inside = scores.to(x.dtype) @ x
    # What each chunk adds to the state, and the state before each chunk.
    to_end = torch.exp(total[..., -1:] - total)[..., None]
    added = b[:, :, None].transpose(-1, -2) @ (x * to_end).to(x.dtype)  # B C H N P
    ends = total[..., -1].transpose(1, 2).cumsum(-1)  # B H C
    before = ends - total[..., -1].transpose(1, 2)
    gap = before[..., :, None] - ends[..., None, :]
    earlier = torch.ones(count, count, dtype=torch.bool, device=x.device).tril(-1)
    carry = torch.exp(gap.masked_fill(~earlier, -math.inf))  # B H C C
    flat = added.transpose(1, 2).flatten(3)  # B H C N*P
    state = (
        (carry.to(flat.dtype) @ flat)
        .view(batch, heads, count, -1, channels)
        .transpose(1, 2)
    )
    across = (c[:, :, None] @ state) * torch.exp(total)[..., None]
    return (inside + across).transpose(2, 3).reshape(batch, time, heads, channels)


class Mamba2(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.enter = nn.Linear(
            config.width, config.inner + config.conv_channels + config.heads, bias=False
        )
        self.conv_weight = nn.Parameter(
            torch.empty(config.conv_channels, config.conv).uniform_(-0.5, 0.5)
        )
        self.conv_bias = nn.Parameter(torch.zeros(config.conv_channels))
        step = torch.exp(
            torch.empty(config.heads).uniform_(math.log(1e-3), math.log(1e-1))
        )
        self.dt_bias = nn.Parameter(
            step + torch.log(-torch.expm1(-step))
        )  # softplus(dt_bias) = step
        self.a_log = nn.Parameter(torch.log(torch.empty(config.heads).uniform_(1, 16)))
        self.skip = nn.Parameter(torch.ones(config.heads))
        self.norm = Norm(config.inner)
        self.leave = nn.Linear(config.inner, config.width, bias=False)

    def forward(self, u, chunk):
        config = self.config
        batch, time, _ = u.shape
        z, xbc, dt = self.enter(u).split(
            [config.inner, config.conv_channels, config.heads], -1
        )
        # A sum of shifted products is faster here than a depthwise conv1d.
        padded = F.pad(xbc, (0, 0, config.conv - 1, 0))
        weight = self.conv_weight.to(xbc.dtype)
        total = self.conv_bias.to(xbc.dtype)
        for tap in range(config.conv):
            total = total + padded[:, tap : tap + time] * weight[:, tap]
        x, b, c = F.silu(total).split([config.inner, config.state, config.state], -1)
        dt = F.softplus(dt.float() + self.dt_bias)
        x = x.reshape(batch, time, config.heads, config.head)
        scaled = (x * dt[..., None]).to(x.dtype)
        y = scan_chunks(scaled, dt * -torch.exp(self.a_log), b, c, chunk)
        y = (y + x * self.skip[:, None]).reshape(batch, time, config.inner)
        return self.leave(self.norm(y * F.silu(z)))


def rotary_table(config, positions):
    """(cos, sin), each [positions, attention_head / 2], float32."""
    half = config.attention_head // 2
    frequency = ROPE_BASE ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * frequency
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    """Halves of the last axis rotated by the position. x [B, H, T, D]."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        size = config.attention_head
        self.q = nn.Linear(config.width, config.q_heads * size, bias=False)
        self.k = nn.Linear(config.width, config.kv_heads * size, bias=False)
        self.v = nn.Linear(config.width, config.kv_heads * size, bias=False)
        self.leave = nn.Linear(config.q_heads * size, config.width, bias=False)
        cos, sin = rotary_table(config, config.positions)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, u, chunk):
        batch, time, _ = u.shape
        size = self.config.attention_head
        q, k, v = (
            layer(u).view(batch, time, -1, size).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        cos, sin = self.cos[:time].to(q.dtype), self.sin[:time].to(q.dtype)
        group = self.config.q_heads // self.config.kv_heads
        k = rotate(k, cos, sin).repeat_interleave(group, 1)
        v = v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), k, v, is_causal=True)
        return self.leave(y.transpose(1, 2).reshape(batch, time, -1))


class Layer(nn.Module):
    def __init__(self, kind, config):
        super().__init__()
        self.norm1 = Norm(config.width)
        self.mixer = Mamba2(config) if kind == "m" else Attention(config)
        self.norm2 = Norm(config.width)
        self.gate_up = nn.Linear(config.width, 2 * config.mlp, bias=False)
        self.down = nn.Linear(config.mlp, config.width, bias=False)

    def forward(self, x, chunk):
        x = x + self.mixer(self.norm1(x), chunk)
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Model(nn.Module):
    """Logits [B, T, vocab] of bytes [B, T]; embedding and head share a matrix."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab, config.width)
        self.layers = nn.ModuleList(Layer(kind, config) for kind in config.layers)
        self.norm = Norm(config.width)
        nn.init.normal_(self.embed.weight, std=0.02)
        for layer in self.layers:
            for module in layer.modules():
                if isinstance(module, nn.Linear):
                    nn.init.normal_(
                        module.weight, std=0.6 / math.sqrt(module.in_features)
                    )
            for last in (layer.mixer.leave, layer.down):
                last.weight.data /= math.sqrt(2 * len(self.layers))

    def forward(self, ids, chunk=64):
        time = ids.shape[1]
        x = self.embed(F.pad(ids, (0, -time % chunk)))
        for layer in self.layers:
            x = layer(x, chunk)
        return F.linear(self.norm(x), self.embed.weight)[:, :time]

    def loss(self, windows):
        """Mean negative log likelihood of windows[:, 1:], in nats per byte."""
        logits = self(windows[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1).float(), windows[:, 1:].flatten())
