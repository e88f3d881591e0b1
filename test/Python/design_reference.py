"""What a design computes, plainly: numpy, float64, one token after another.

Written from the definitions, not from the graphs: it shares nothing with
hybrid.models but the names of the weights.
"""

import math

import numpy as np
import onnx
from onnx import numpy_helper

from hybrid.models import Attention, Mamba1, Mamba2, Parallel


def weights_of(path):
    """The initializers by name, float64."""
    tensors = onnx.load(path).graph.initializer
    return {t.name: numpy_helper.to_array(t).astype(np.float64) for t in tensors}


def logistic(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * logistic(x)


def rotate(x, positions, rope):
    """x [T, heads, channels]; halves are rotated."""
    half = x.shape[-1] // 2
    angles = np.empty((len(positions), half))
    for pair in range(half):
        frequency = rope.theta ** (-2 * pair / x.shape[-1])
        length = 2 * math.pi / frequency
        if rope.factor != 1 and length > rope.original_length / rope.high_frequency:
            if length > rope.original_length / rope.low_frequency:
                frequency /= rope.factor
            else:
                smooth = rope.original_length / length - rope.low_frequency
                smooth /= rope.high_frequency - rope.low_frequency
                frequency *= (1 - smooth) / rope.factor + smooth
        angles[:, pair] = positions * frequency
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    first, second = x[..., :half], x[..., half:]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


class Reference:
    def __init__(self, design, path):
        self.design, self.weights = design, weights_of(path)

    def rms(self, x, weight=None):
        mean = np.mean(x * x, -1, keepdims=True)
        return (
            x / np.sqrt(mean + self.design.epsilon) * (1 if weight is None else weight)
        )

    def logits(self, ids):
        """[T, vocabulary] of one sequence."""
        weights = self.weights
        x = weights["embedding"][np.asarray(ids)]
        for index, layer in enumerate(self.design.layers):
            name = f"layer.{index}."
            x = x + self.mix(self.rms(x, weights[name + "norm1"]), name, layer.mixer)
            if layer.feed_forward:
                u = self.rms(x, weights[name + "norm2"])
                x = x + self.feed_forward(u, name, layer.feed_forward)
        x = self.rms(x, weights["norm"])
        return x @ (weights["embedding"].T if self.design.tied else weights["head"])

    def mix(self, x, name, mixer):
        if isinstance(mixer, Parallel):
            return self.parallel(x, name, mixer)
        return self.branch(x, name, mixer) @ self.weights[name + "out"]

    def branch(self, x, name, mixer, values=None):
        if isinstance(mixer, Attention):
            return self.attention(x, name, mixer)
        if isinstance(mixer, Mamba2):
            return self.mamba2(x, name, mixer, values)
        if isinstance(mixer, Mamba1):
            return self.mamba1(x, name, mixer)
        return self.gated_delta(x, name, mixer)

    # --- Attention

    def attention(self, x, name, mixer):
        weights, time = self.weights, len(x)
        maps = 2 if mixer.differential else 1
        q = (x @ weights[name + "q"]).reshape(time, maps * mixer.heads, mixer.qk)
        k = (x @ weights[name + "k"]).reshape(time, maps * mixer.kv_heads, mixer.qk)
        v = (x @ weights[name + "v"]).reshape(time, mixer.kv_heads, mixer.v)
        if mixer.rope:
            q, k = (rotate(part, np.arange(time), mixer.rope) for part in (q, k))
        y = np.empty((time, mixer.heads, mixer.v))
        for head in range(mixer.heads):
            own = head * mixer.kv_heads // mixer.heads
            p = self.attend(q[:, head], k[:, own], mixer)
            if mixer.differential:
                other = self.attend(
                    q[:, mixer.heads + head], k[:, mixer.kv_heads + own], mixer
                )
                p = p - weights[name + "lambda"] * other
            y[:, head] = p @ v[:, own]
        if mixer.differential:
            y = self.rms(y, weights[name + "norm"]) * (1 - 0.8)
        return y.reshape(time, -1)

    @staticmethod
    def attend(q, k, mixer):
        """Probabilities [T, T]."""
        p = np.zeros((len(q), len(q)))
        for i in range(len(q)):
            seen = [
                j
                for j in range(i + 1)
                if not mixer.window or i - j < mixer.window or j < mixer.sinks
            ]
            scores = k[seen] @ q[i] / math.sqrt(mixer.qk)
            scores = np.exp(scores - scores.max())
            p[i, seen] = scores / scores.sum()
        return p

    # --- Recurrences

    def convolve(self, x, name, taps):
        weight = self.weights[name + "conv"][:, 0]
        bias = self.weights.get(name + "conv_bias", 0)
        padded = np.concatenate([np.zeros((taps - 1, x.shape[1])), x])
        rows = [(padded[t : t + taps].T * weight).sum(1) for t in range(len(x))]
        return silu(np.array(rows) + bias)

    def step(self, dt, name):
        return np.logaddexp(0, dt + self.weights[name + "dt_bias"])

    def mamba2(self, x, name, mixer, values=None):
        weights, state = self.weights, mixer.groups * mixer.state
        projected = x @ weights[name + "in"]
        z = projected[:, : mixer.inner]
        dt = projected[:, -mixer.heads :]
        xbc = projected[:, mixer.inner : -mixer.heads]
        if values is not None:
            xbc = np.concatenate([values, xbc], -1)
        xbc = self.convolve(xbc, name, mixer.taps)
        u = xbc[:, : mixer.inner].reshape(len(x), mixer.heads, mixer.head)
        b, c = (
            part.reshape(len(x), mixer.groups, mixer.state)
            for part in (xbc[:, mixer.inner : -state], xbc[:, -state:])
        )
        dt = self.step(dt, name)
        rate = -np.exp(weights[name + "A_log"])
        y = np.empty(u.shape)
        for head in range(mixer.heads):
            group = head * mixer.groups // mixer.heads
            memory = np.zeros((mixer.head, mixer.state))
            for t in range(len(x)):
                memory *= np.exp(dt[t, head] * rate[head])
                memory += dt[t, head] * np.outer(u[t, head], b[t, group])
                y[t, head] = (
                    memory @ c[t, group] + weights[name + "D"][head] * u[t, head]
                )
        y = y.reshape(len(x), -1) * silu(z)
        return self.rms(y, weights[name + "norm"]) if mixer.norm else y

    def mamba1(self, x, name, mixer):
        weights = self.weights
        u, z = np.split(x @ weights[name + "in"], 2, -1)
        u = self.convolve(u, name, mixer.taps)
        selected = u @ weights[name + "x"]
        dt, b, c = np.split(selected, [mixer.rank, mixer.rank + mixer.state], -1)
        dt = self.step(dt @ weights[name + "dt"], name)
        rates = -np.exp(weights[name + "A_log"])
        memory = np.zeros(rates.shape)
        y = np.empty(u.shape)
        for t in range(len(x)):
            memory *= np.exp(dt[t][:, None] * rates)
            memory += np.outer(dt[t] * u[t], b[t])
            y[t] = memory @ c[t] + weights[name + "D"] * u[t]
        return y * silu(z)

    def gated_delta(self, x, name, mixer):
        weights, time = self.weights, len(x)
        keys, values = mixer.k_heads * mixer.k, mixer.v_heads * mixer.v
        projected = x @ weights[name + "in"]
        bounds = np.cumsum([2 * keys + values, values, mixer.v_heads])
        qkv, z, b, a = np.split(projected, bounds, -1)
        qkv = self.convolve(qkv, name, mixer.taps)
        q, k, v = np.split(qkv, [keys, 2 * keys], -1)
        q, k = (part.reshape(time, mixer.k_heads, mixer.k) for part in (q, k))
        q, k = (p / np.sqrt((p * p).sum(-1, keepdims=True) + 1e-6) for p in (q, k))
        v = v.reshape(time, mixer.v_heads, mixer.v)
        beta = logistic(b)
        decay = np.exp(-np.exp(weights[name + "A_log"]) * self.step(a, name))
        y = np.empty(v.shape)
        for head in range(mixer.v_heads):
            own = head * mixer.k_heads // mixer.v_heads
            memory = np.zeros((mixer.v, mixer.k))
            for t in range(time):
                memory *= decay[t, head]
                wrong = v[t, head] - memory @ k[t, own]
                memory += beta[t, head] * np.outer(wrong, k[t, own])
                y[t, head] = memory @ q[t, own] / math.sqrt(mixer.k)
        return self.rms(y, weights[name + "norm"]).reshape(time, -1) * silu(z)

    # --- Parallel branches and feed-forward

    def parallel(self, x, name, mixer):
        weights = self.weights
        names = [name + "0.", name + "1."]
        values = None
        if mixer.value == "shared":
            attention = mixer.second
            values = (x @ weights[names[1] + "v"]).reshape(len(x), -1, attention.v)
            times = attention.heads // attention.kv_heads
            values = np.repeat(values, times, axis=1).reshape(len(x), -1)
        parts = [
            self.branch(x, names[0], mixer.first, values),
            self.branch(x, names[1], mixer.second),
        ]
        if mixer.norm == "group":
            parts = [
                self.rms(p, weights[n + "branch_norm"]) for p, n in zip(parts, names)
            ]
        a, b = self.scaled(x, name, mixer.scale, parts)
        if mixer.out == "separate":
            a, b = a @ weights[names[0] + "out"], b @ weights[names[1] + "out"]
        y = {
            "add": lambda: a + b,
            "sub": lambda: a - b,
            "mean": lambda: (a + b) / 2,
            "concat": lambda: np.concatenate([a, b], -1),
        }[mixer.fuse]()
        return y @ weights[name + "out"] if mixer.out == "joint" else y

    def scaled(self, x, name, scale, parts):
        a, b = parts
        weights = self.weights
        if scale == "vector":
            return a * weights[name + "0.scale"], b * weights[name + "1.scale"]
        if scale == "asymmetric":
            return a, b * weights[name + "1.scale"]
        if scale == "gate":
            gate = logistic(x @ weights[name + "gate"])
            return a * gate[:, :1], b * gate[:, 1:]
        if scale == "alpha":
            alpha = weights[name + "alpha"]
            return a * alpha, b * (1 - alpha)
        return a, b

    @staticmethod
    def swiglu(x, up, down):
        gate, value = np.split(x @ up, 2, -1)
        return (silu(gate) * value) @ down

    def feed_forward(self, x, name, block):
        weights = self.weights
        if not block.experts:
            return self.swiglu(x, weights[name + "up"], weights[name + "down"])
        scores = logistic(x @ weights[name + "router"])
        y = np.zeros(x.shape)
        for t in range(len(x)):
            order = np.argsort(-(scores[t] + weights[name + "router_bias"]))
            for expert in order[: block.top]:
                up, down = (
                    weights[f"{name}expert_{w}"][expert] for w in ("up", "down")
                )
                y[t] += scores[t, expert] * self.swiglu(x[t], up, down)
        if block.shared:
            y += self.swiglu(
                x, weights[name + "shared_up"], weights[name + "shared_down"]
            )
        return y
