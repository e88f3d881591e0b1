"""Writes a Design as ONNX.

Inputs input_ids and, with rotary positions, position_ids [batch, seq], int64;
output logits [batch, seq, vocabulary]. States are pairs past_X and present_X:
conv.L [batch, channels, taps - 1], recurrent.L [batch, heads, key, value], and
key.L, value.L [batch, heads, past, channels], where L is the layer, followed by
.0 or .1 for one of two branches. Weights are called layer.L.… accordingly.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from ..errors import InvalidArgument
from ._design import (
    Attention,
    Branch,
    Design,
    FeedForward,
    GatedDelta,
    Layer,
    Mamba1,
    Mamba2,
    Parallel,
    Rope,
)
from .graph import DTYPES, Graph, Weight, element

#: Bytes of weights up to which initializers="random" writes one file.
INSIDE = 64 << 20
#: Numbers that are made at a time.
PIECE = 1 << 22

Floats = npt.NDArray[np.float64]
Pieces = Callable[[], Iterable[npt.NDArray[Any]]]


def save(
    design: Design,
    path: Union[str, os.PathLike[str]],
    *,
    seed: int,
    dtype: str,
    state_dtype: str,
    initializers: str,
    logits: str,
    weights: Optional[Mapping[str, npt.ArrayLike]],
) -> None:
    """Design.save()."""
    choices = {
        "dtype": (dtype, DTYPES),
        "state_dtype": (state_dtype, DTYPES),
        "initializers": (initializers, ("random", "external")),
        "logits": (logits, ("all", "last")),
    }
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise InvalidArgument(
                f"{name} is {value!r}; it can be {', '.join(allowed)}"
            )
    graph = _Builder(design, seed, dtype, state_dtype, weights).build(logits)
    size = sum(weight.size for weight in graph.weights.values())
    external = initializers == "external" or size > INSIDE
    graph.save(path, name=design.name, producer="hybrid.models", external=external)


def rotary_frequencies(rope: Rope, channels: int) -> Floats:
    """Of each pair of channels, in radians per position; with Llama 3's scaling
    long wavelengths are stretched by the factor, short ones stay, and those
    between the two bounds are interpolated."""
    frequencies = rope.theta ** (-np.arange(0, channels, 2) / channels)
    if rope.factor != 1.0:
        turns = rope.original_length * frequencies / (2 * math.pi)
        span = rope.high_frequency - rope.low_frequency
        kept = np.clip((turns - rope.low_frequency) / span, 0, 1)
        frequencies *= kept + (1 - kept) / rope.factor
    return frequencies


class _Builder(Graph):
    def __init__(
        self,
        design: Design,
        seed: int,
        dtype: str,
        states: str,
        given: Optional[Mapping[str, npt.ArrayLike]],
    ) -> None:
        super().__init__(dtype)
        self.design, self.seed, self.states, self.given = design, seed, states, given
        self.learned: set[str] = set()
        self.masks: dict[tuple[int, int, bool], str] = {}
        self.tables: dict[tuple[Rope, int], str] = {}

    # --- Weights

    def learn(
        self,
        name: str,
        shape: Sequence[int],
        pieces: Pieces,
        dtype: Optional[str] = None,
    ) -> str:
        """A weight: what is given, or else these pieces."""
        self.learned.add(name)
        if self.given is not None:
            if name not in self.given:
                raise InvalidArgument(f"there is no weight '{name}' {list(shape)}")
            array = np.asarray(self.given[name])
            if array.shape != tuple(shape):
                raise InvalidArgument(
                    f"the weight '{name}' is {list(array.shape)}; it must be {list(shape)}"
                )

            def pieces() -> list[npt.NDArray[Any]]:
                return [array]

        return self.add(Weight(name, shape, dtype or self.dtype, pieces))

    def weight(
        self,
        name: str,
        *shape: int,
        scale: float = 1.0,
        mean: float = 0.0,
        dtype: Optional[str] = None,
    ) -> str:
        """Normal numbers."""

        def pieces() -> Iterator[npt.NDArray[Any]]:
            random = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
            left = math.prod(shape)
            while left:
                count = min(left, PIECE)
                left -= count
                values = random.standard_normal(count, np.float32)
                values *= scale
                values += mean
                yield values

        return self.learn(name, shape, pieces, dtype)

    def drawn(self, name: str, low: float, high: float, count: int) -> Floats:
        """Uniform numbers."""
        random = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        return random.uniform(low, high, count)

    def linear(self, x: str, name: str, rows: int, columns: int) -> str:
        weight = self.weight(name, rows, columns, scale=rows**-0.5)
        return self.node("MatMul", [x, weight])

    def rms(self, x: str, name: str, channels: int) -> str:
        scale = self.weight(name, channels, scale=0.1, mean=1.0)
        return self.node(
            "RMSNormalization", [x, scale], axis=-1, epsilon=self.design.epsilon
        )

    # --- Attention

    def rotate(self, x: str, heads: int, channels: int, rope: Optional[Rope]) -> str:
        if not rope:
            return x
        stem = self.tables.setdefault((rope, channels), f"rope_{len(self.tables)}")
        if stem + "_cos" not in self.weights:
            positions = np.arange(self.design.positions)
            angles = np.outer(positions, rotary_frequencies(rope, channels))
            self.constant(stem + "_cos", np.cos(angles))
            self.constant(stem + "_sin", np.sin(angles))
        inputs = [x, stem + "_cos", stem + "_sin", "position_ids"]
        return self.node("RotaryEmbedding", inputs, num_heads=heads)

    def mask(self, mixer: Attention, past: str, causal: bool = False) -> str:
        """Bool [seq, total]: the window's positions and the sinks; what comes later
        is excluded if `causal`, and else for the operator to exclude."""
        key = (mixer.window, mixer.sinks, causal)
        if key in self.masks:
            return self.masks[key]
        before = self.node("Shape", [past], start=2, end=3)
        length = self.node("Shape", ["input_ids"], start=1, end=2)
        total = self.node("Squeeze", [self.node("Add", [before, length])])
        zero, one = self.integer(0), self.integer(1)
        columns = self.node("Range", [zero, total, one])
        rows = self.node("Range", [self.node("Squeeze", [before]), total, one])
        rows = self.unsqueeze(rows, 1)
        seen = []
        if mixer.window:
            distance = self.node("Sub", [rows, columns])
            near = self.node("Less", [distance, self.integer(mixer.window)])
            if mixer.sinks:
                first = self.node("Less", [columns, self.integer(mixer.sinks)])
                near = self.node("Or", [near, first])
            seen.append(near)
        if causal:
            seen.append(self.node("LessOrEqual", [columns, rows]))
        self.masks[key] = self.node("And", seen) if len(seen) > 1 else seen[0]
        return self.masks[key]

    def cache(self, name: str, heads: int, channels: int) -> tuple[str, str]:
        past: list[Union[int, str]] = ["batch", heads, "past", channels]
        return self.state(name, past, ["batch", heads, "total", channels])

    def attention(self, x: str, tag: str, mixer: Attention) -> tuple[str, str]:
        """What the projection out reads, and the values [batch, seq, kv_heads * v]."""
        name, width = f"layer.{tag}.", self.design.width
        q_heads, k_heads = mixer.maps * mixer.heads, mixer.maps * mixer.kv_heads
        q, k = (
            self.rotate(
                self.linear(x, name + letter, width, heads * mixer.qk),
                heads,
                mixer.qk,
                mixer.rope,
            )
            for letter, heads in (("q", q_heads), ("k", k_heads))
        )
        v = self.linear(x, name + "v", width, mixer.kv_heads * mixer.v)
        keys = f"key.{tag}.0" if mixer.differential else f"key.{tag}"
        past, present = self.cache(keys, mixer.kv_heads, mixer.qk)
        values = self.cache(f"value.{tag}", mixer.kv_heads, mixer.v)
        mask = self.mask(mixer, past) if mixer.window else ""
        others: list[str] = []
        if mixer.differential:
            q, *others = self.split(q, mixer.heads * mixer.qk, mixer.heads * mixer.qk)
            half = mixer.kv_heads * mixer.qk
            k, other = self.split(k, half, half)
            others.append(other)
        y = self.nodes_of(
            "Attention",
            [q, k, v, mask, past, values[0]],
            [f"attended_{tag}", present, values[1]],
            is_causal=1,
            q_num_heads=mixer.heads,
            kv_num_heads=mixer.kv_heads,
        )[0]
        if others:
            second = self.second_map(others[0], others[1], values[1], tag, mixer)
            y = self.difference(y, second, name, mixer)
        return y, v

    def second_map(
        self, q: str, k: str, values: str, tag: str, mixer: Attention
    ) -> str:
        """The attention with the second keys, and the values of the first: the
        operator's own cache would keep these twice."""
        past, present = self.cache(f"key.{tag}.1", mixer.kv_heads, mixer.qk)
        q, k = (
            self.node(
                "Transpose",
                [self.reshape(x, 0, 0, heads, mixer.qk)],
                perm=[0, 2, 1, 3],
            )
            for x, heads in ((q, mixer.heads), (k, mixer.kv_heads))
        )
        keys = self.node("Concat", [past, k], present, axis=2)
        y = self.node("Attention", [q, keys, values, self.mask(mixer, past, True)])
        return self.reshape(self.node("Transpose", [y], perm=[0, 2, 1, 3]), 0, 0, -1)

    def difference(self, first: str, second: str, name: str, mixer: Attention) -> str:
        """norm(first - lambda * second) * (1 - start), lambda about start."""
        start = 0.8
        share = self.weight(name + "lambda", 1, scale=0.1, mean=start)
        y = self.node("Sub", [first, self.node("Mul", [second, share])])
        y = self.reshape(y, 0, 0, mixer.heads, mixer.v)
        y = self.rms(y, name + "norm", mixer.v)
        rest = self.constant("difference_scale", np.array([1 - start], np.float32))
        return self.reshape(self.node("Mul", [y, rest]), 0, 0, -1)

    # --- Recurrences

    def convolve(
        self, x: str, tag: str, channels: int, taps: int, bias: bool = True
    ) -> str:
        """Causal convolution per channel, then SiLU; x is [batch, seq, channels]."""
        name = f"layer.{tag}.conv"
        past, present = self.state(f"conv.{tag}", ["batch", channels, taps - 1])
        weight = self.weight(name, channels, 1, taps, scale=taps**-0.5)
        inputs = [
            self.node("Transpose", [x], perm=[0, 2, 1]),
            weight,
            self.weight(name + "_bias", channels, scale=0.1) if bias else "",
            past,
        ]
        outputs = [f"convolved_{tag}", present]
        y = self.nodes_of("CausalConvWithState", inputs, outputs, activation="silu")[0]
        return self.node("Transpose", [y], perm=[0, 2, 1])

    def step(self, dt: str, name: str, heads: int) -> str:
        """softplus(dt + bias), float32; the bias makes steps of 0.001 to 0.1."""
        low, high = math.log(math.expm1(0.001)), math.log(math.expm1(0.1))
        name += "dt_bias"
        bias = self.learn(
            name, [heads], lambda: [self.drawn(name, low, high, heads)], "f32"
        )
        dt = self.cast(dt, "f32")
        return self.node("Softplus", [self.node("Add", [dt, bias])])

    def decay(self, step: str, name: str, rates: Floats) -> str:
        """-exp(A_log) * step, in the graph's dtype; A_log is the rates' logarithm."""
        logarithm = self.learn(
            name + "A_log", rates.shape, lambda: [np.log(rates)], "f32"
        )
        rate = self.node("Neg", [self.node("Exp", [logarithm])])
        return self.cast(self.node("Mul", [step, rate]), self.dtype, "f32")

    def repeat(self, x: str, groups: int, times: int, channels: int) -> str:
        """[batch, seq, groups * channels], each group several times."""
        if times == 1:
            return x
        x = self.reshape(x, 0, 0, groups, 1, channels)
        x = self.node("Expand", [x, self.integers(1, 1, 1, times, 1)])
        return self.reshape(x, 0, 0, -1)

    def scan(
        self,
        tag: str,
        q: str,
        k: str,
        v: str,
        gates: Sequence[str],
        shape: tuple[int, int, int],
    ) -> str:
        """LinearAttention; gates are decay and, for the delta rule, beta; shape
        is heads, key and value."""
        dims: list[Union[int, str]] = ["batch", *shape]
        past, present = self.state(f"recurrent.{tag}", dims, dtype=self.states)
        return self.nodes_of(
            "LinearAttention",
            [q, k, v, past, *gates],
            [f"scanned_{tag}", present],
            update_rule="gated_delta" if len(gates) > 1 else "gated",
            scale=1.0 if len(gates) == 1 else shape[1] ** -0.5,
            q_num_heads=shape[0],
            kv_num_heads=shape[0],
        )[0]

    def mamba2(
        self, x: str, tag: str, mixer: Mamba2, value: Optional[str] = None
    ) -> str:
        """value [batch, seq, inner]: the convolution's input in the place of a
        projection of x."""
        name, width = f"layer.{tag}.", self.design.width
        shared = 2 * mixer.groups * mixer.state
        own = shared if value else mixer.convolved
        columns = mixer.inner + own + mixer.heads
        projected = self.linear(x, name + "in", width, columns)
        z, xbc, dt = self.split(projected, mixer.inner, own, mixer.heads)
        if value:
            xbc = self.node("Concat", [value, xbc], axis=-1)
        xbc = self.convolve(xbc, tag, mixer.convolved, mixer.taps)
        x, b, c = self.split(xbc, mixer.inner, shared // 2, shared // 2)
        step = self.step(dt, name, mixer.heads)
        decay = self.decay(
            step, name, self.drawn(name + "A_log", 0.01, 2.0, mixer.heads)
        )
        per_head = self.reshape(x, 0, 0, mixer.heads, mixer.head)
        factor = self.unsqueeze(self.cast(step, self.dtype, "f32"), -1)
        weighted = self.reshape(self.node("Mul", [per_head, factor]), 0, 0, -1)
        times = mixer.heads // mixer.groups
        k, q = (self.repeat(v, mixer.groups, times, mixer.state) for v in (b, c))
        shape = (mixer.heads, mixer.state, mixer.head)
        y = self.reshape(
            self.scan(tag, q, k, weighted, [decay], shape),
            0,
            0,
            mixer.heads,
            mixer.head,
        )
        skip = self.weight(name + "D", mixer.heads, 1, scale=0.1, mean=1.0)
        y = self.node("Add", [y, self.node("Mul", [per_head, skip])])
        y = self.node("Mul", [self.reshape(y, 0, 0, -1), self.silu(z)])
        return self.rms(y, name + "norm", mixer.inner) if mixer.norm else y

    def mamba1(self, x: str, tag: str, mixer: Mamba1) -> str:
        """As linear attention with a head per channel, values of one channel
        and decays per key channel."""
        name, inner, state = f"layer.{tag}.", mixer.inner, mixer.state
        projected = self.linear(x, name + "in", self.design.width, 2 * inner)
        x, z = self.split(projected, inner, inner)
        x = self.convolve(x, tag, inner, mixer.taps)
        selected = self.linear(x, name + "x", inner, mixer.rank + 2 * state)
        dt, b, c = self.split(selected, mixer.rank, state, state)
        step = self.step(self.linear(dt, name + "dt", mixer.rank, inner), name, inner)
        rates = np.tile(np.arange(1.0, state + 1), (inner, 1))
        decay = self.decay(self.unsqueeze(step, -1), name, rates)
        weighted = self.node("Mul", [self.cast(step, self.dtype, "f32"), x])
        k, q = (self.repeat(v, 1, inner, state) for v in (b, c))
        y = self.scan(
            tag, q, k, weighted, [self.reshape(decay, 0, 0, -1)], (inner, state, 1)
        )
        skip = self.weight(name + "D", inner, scale=0.1, mean=1.0)
        y = self.node("Add", [y, self.node("Mul", [x, skip])])
        return self.node("Mul", [y, self.silu(z)])

    def normalised(self, x: str, heads: int, channels: int) -> str:
        """Each head divided by its length."""
        x = self.reshape(x, 0, 0, heads, channels)
        square = self.node("ReduceSumSquare", [x, self.integers(-1)], keepdims=1)
        epsilon = self.constant("length_epsilon", np.array(1e-6, np.float32))
        length = self.node("Sqrt", [self.node("Add", [square, epsilon])])
        return self.reshape(self.node("Div", [x, length]), 0, 0, -1)

    def gated_delta(self, x: str, tag: str, mixer: GatedDelta) -> str:
        name, width, heads = f"layer.{tag}.", self.design.width, mixer.v_heads
        keys, values = mixer.k_heads * mixer.k, mixer.channels
        projected = self.linear(
            x, name + "in", width, mixer.convolved + values + 2 * heads
        )
        qkv, z, b, a = self.split(projected, mixer.convolved, values, heads, heads)
        qkv = self.convolve(qkv, tag, mixer.convolved, mixer.taps, bias=False)
        q, k, v = self.split(qkv, keys, keys, values)
        q, k = (
            self.repeat(
                self.normalised(part, mixer.k_heads, mixer.k),
                mixer.k_heads,
                heads // mixer.k_heads,
                mixer.k,
            )
            for part in (q, k)
        )
        step = self.step(a, name, heads)
        decay = self.decay(step, name, self.drawn(name + "A_log", 0.01, 16.0, heads))
        gates = [decay, self.node("Sigmoid", [b])]
        y = self.scan(tag, q, k, v, gates, (heads, mixer.k, mixer.v))
        y = self.rms(self.reshape(y, 0, 0, heads, mixer.v), name + "norm", mixer.v)
        return self.node("Mul", [self.reshape(y, 0, 0, -1), self.silu(z)])

    # --- Parallel branches

    def branch(self, x: str, tag: str, mixer: Branch) -> str:
        if isinstance(mixer, Attention):
            return self.attention(x, tag, mixer)[0]
        return self.mamba2(x, tag, mixer)

    def branches(self, x: str, index: int, mixer: Parallel) -> list[str]:
        tags = [f"{index}.0", f"{index}.1"]
        first, second = mixer.first, mixer.second
        if mixer.value == "separate":
            return [self.branch(x, t, b) for t, b in zip(tags, mixer.branches)]
        assert isinstance(first, Mamba2) and isinstance(second, Attention)
        attended, value = self.attention(x, tags[1], second)
        times = second.heads // second.kv_heads
        value = self.repeat(value, second.kv_heads, times, second.v)
        return [self.mamba2(x, tags[0], first, value), attended]

    def scaled(
        self, x: str, index: int, mixer: Parallel, parts: list[str]
    ) -> list[str]:
        name = f"layer.{index}."
        if mixer.scale == "vector":
            return [
                self.node(
                    "Mul",
                    [
                        y,
                        self.weight(
                            f"{name}{k}.scale", b.channels, scale=0.1, mean=1.0
                        ),
                    ],
                )
                for k, (y, b) in enumerate(zip(parts, mixer.branches))
            ]
        if mixer.scale == "asymmetric":
            factor = self.weight(name + "1.scale", 1, scale=0.1, mean=0.8)
            return [parts[0], self.node("Mul", [parts[1], factor])]
        if mixer.scale == "gate":
            gate = self.node(
                "Sigmoid", [self.linear(x, name + "gate", self.design.width, 2)]
            )
            return [
                self.node("Mul", pair) for pair in zip(parts, self.split(gate, 1, 1))
            ]
        if mixer.scale == "alpha":
            share = self.weight(name + "alpha", 1, scale=0.1, mean=0.5)
            one = self.constant("one", np.ones(1, np.float32))
            rest = self.node("Sub", [one, share])
            return [self.node("Mul", pair) for pair in zip(parts, (share, rest))]
        return parts

    def parallel(self, x: str, index: int, mixer: Parallel) -> str:
        name, width = f"layer.{index}.", self.design.width
        parts = self.branches(x, index, mixer)
        if mixer.norm == "group":
            parts = [
                self.rms(y, f"{name}{k}.branch_norm", b.channels)
                for k, (y, b) in enumerate(zip(parts, mixer.branches))
            ]
        parts = self.scaled(x, index, mixer, parts)
        if mixer.out == "separate":
            parts = [
                self.linear(y, f"{name}{k}.out", b.channels, width)
                for k, (y, b) in enumerate(zip(parts, mixer.branches))
            ]
        y = self.fused(parts, mixer.fuse)
        return (
            y
            if mixer.out == "separate"
            else self.linear(y, name + "out", mixer.channels, width)
        )

    def fused(self, parts: list[str], fuse: str) -> str:
        if fuse == "concat":
            return self.node("Concat", parts, axis=-1)
        if fuse == "sub":
            return self.node("Sub", parts)
        y = self.node("Add", parts)
        if fuse == "add":
            return y
        half = self.constant("half", np.array([0.5], np.float32))
        return self.node("Mul", [y, half])

    # --- Feed-forward

    def swiglu(
        self, x: str, name: str, hidden: int, experts: Sequence[int] = ()
    ) -> str:
        """`experts`: leading dimensions of the weights."""
        width = self.design.width
        up = self.weight(name + "up", *experts, width, 2 * hidden, scale=width**-0.5)
        gate, up = self.split(self.node("MatMul", [x, up]), hidden, hidden)
        down = self.weight(name + "down", *experts, hidden, width, scale=hidden**-0.5)
        return self.node("MatMul", [self.node("Mul", [self.silu(gate), up]), down])

    def feed_forward(self, x: str, index: int, block: FeedForward) -> str:
        name = f"layer.{index}."
        if not block.experts:
            return self.swiglu(x, name, block.hidden)
        y = self.routed(x, name, block)
        if not block.shared:
            return y
        shared = self.swiglu(x, name + "shared_", block.hidden * block.shared)
        return self.node("Add", [y, shared])

    def routed(self, x: str, name: str, block: FeedForward) -> str:
        """Every expert on every token, times its score or 0: ONNX has no
        operator for experts."""
        width = self.design.width
        rows = self.reshape(x, -1, width)
        router = self.linear(rows, name + "router", width, block.experts)
        scores = self.node("Sigmoid", [self.cast(router, "f32")])
        bias = self.weight(name + "router_bias", block.experts, scale=0.1, dtype="f32")
        biased = self.node("Add", [scores, bias])
        _, chosen = self.nodes_of(
            "TopK", [biased, self.integers(block.top)], 2, axis=-1
        )
        numbers = self.integers(*range(block.experts))
        hot = self.node("Equal", [self.unsqueeze(chosen, -1), numbers])
        hot = self.node("Cast", [hot], to=element("f32"))
        hot = self.node("ReduceSum", [hot, self.integers(1)], keepdims=0)
        factors = self.cast(self.node("Mul", [scores, hot]), self.dtype, "f32")
        factors = self.unsqueeze(self.node("Transpose", [factors], perm=[1, 0]), -1)
        each = self.swiglu(rows, name + "expert_", block.hidden, [block.experts])
        y = self.node("Mul", [each, factors])
        y = self.node("ReduceSum", [y, self.integers(0)], keepdims=0)
        return self.node("Reshape", [y, self.node("Shape", [x])])

    # --- The whole

    def mixer(self, x: str, index: int, layer: Layer) -> str:
        mixer, tag = layer.mixer, str(index)
        if isinstance(mixer, Parallel):
            return self.parallel(x, index, mixer)
        if isinstance(mixer, Mamba1):
            y = self.mamba1(x, tag, mixer)
        elif isinstance(mixer, GatedDelta):
            y = self.gated_delta(x, tag, mixer)
        else:
            y = self.branch(x, tag, mixer)
        return self.linear(y, f"layer.{tag}.out", mixer.channels, self.design.width)

    def build(self, logits: str) -> Graph:
        design = self.design
        self.input("input_ids", "i64", ["batch", "seq"])
        if any(isinstance(m, Attention) and m.rope for _, m in design.mixers()):
            self.input("position_ids", "i64", ["batch", "seq"])
        length = "seq" if logits == "all" else 1
        self.output("logits", self.dtype, ["batch", length, design.vocabulary])
        table = self.weight(
            "embedding", design.vocabulary, design.width, scale=design.width**-0.5
        )
        x = self.node("Gather", [table, "input_ids"])
        for index, layer in enumerate(design.layers):
            normed = self.rms(x, f"layer.{index}.norm1", design.width)
            x = self.node("Add", [x, self.mixer(normed, index, layer)])
            if layer.feed_forward:
                normed = self.rms(x, f"layer.{index}.norm2", design.width)
                x = self.node(
                    "Add", [x, self.feed_forward(normed, index, layer.feed_forward)]
                )
        if logits == "last":
            bounds = [self.integers(-1), self.integers(2**31 - 1), self.integers(1)]
            x = self.node("Slice", [x, *bounds])
        x = self.rms(x, "norm", design.width)
        if design.tied:
            head = self.node("Transpose", [table], perm=[1, 0])
        else:
            head = self.weight(
                "head", design.width, design.vocabulary, scale=design.width**-0.5
            )
        self.node("MatMul", [x, head], "logits")
        for name in self.given or ():
            if name not in self.learned:
                raise InvalidArgument(f"the design has no weight '{name}'")
        return self
