"""What a design costs, in closed form: microseconds a layer.

The rules are those of the compiler's cost model (HybridCostModel.cpp): a
multiplication or addition counts one, whatever is read or written counts once,
keys that are not visible not at all. Operations between the matrix products,
scans, convolutions, attentions and norms count, but their results stay in
registers.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Optional

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
    Mixer,
    Parallel,
)

_BYTES = {"f32": 4, "f16": 2, "bf16": 2}

#: The runtime's kinds of states.
STATE_KINDS = ("kv", "kv-window", "conv", "recurrent")


class Cost(NamedTuple):
    """Of a call, or of a part of it."""

    flops: float = 0.0
    exps: float = 0.0
    #: Bytes that are read or written: of weights, of states, of all else.
    weights: float = 0.0
    states: float = 0.0
    activations: float = 0.0

    @property
    def bytes(self) -> float:
        return self.weights + self.states + self.activations

    def plus(self, other: Cost) -> Cost:
        return Cost(*[a + b for a, b in zip(self, other)])

    def times(self, count: float) -> Cost:
        return Cost(*[count * value for value in self])


#: A part of a layer and its cost; parts of the same name are added.
Part = tuple[str, Cost]


class _Call(NamedTuple):
    """The sizes of a call: `tokens` new ones of `batch` sequences each, after
    which each holds `context`; bytes of a number and of one of a recurrent state."""

    batch: int
    tokens: int
    context: int
    bytes: int
    state_bytes: int

    @property
    def rows(self) -> int:
        return self.batch * self.tokens


@dataclass(frozen=True)
class Costs:
    """Of one call of a design."""

    #: By kind of layer ("attention", "mamba2", "parallel", "feed-forward", …;
    #: "embedding" and "head"), then by part.
    layers: dict[str, dict[str, Cost]]
    #: How many there are of each.
    counts: dict[str, int]
    total: Cost
    #: Bytes that the sequences hold after the call, by the runtime's kinds; and
    #: of each kind of layer that holds any.
    states: dict[str, int]
    layer_states: dict[str, dict[str, int]]

    @property
    def state_bytes(self) -> int:
        return sum(self.states.values())

    def to_json(self) -> str:
        def encode(value: Cost) -> dict[str, float]:
            return value._asdict()

        layers = {
            k: {p: encode(c) for p, c in v.items()} for k, v in self.layers.items()
        }
        return json.dumps(
            {**dataclasses.asdict(self), "layers": layers, "total": encode(self.total)},
            indent=1,
        )


def cost(
    design: Design,
    *,
    context: int,
    batch: int = 1,
    phase: str = "decode",
    tokens: Optional[int] = None,
    dtype: str = "bf16",
    state_dtype: str = "f32",
    logits: str = "all",
) -> Costs:
    """What one call costs, at the least.

    context      tokens that each sequence holds after the call
    phase        "prefill": all of them are new; "decode": one is
    tokens       new ones, whatever the phase
    dtype        of weights, activations, keys, values and convolutions' states
    state_dtype  of recurrent states
    logits       of "all" new tokens, or of the "last" one of each sequence

    Of experts, those count that the tokens can go through. Raises
    InvalidArgument.
    """
    if phase not in ("prefill", "decode"):
        raise InvalidArgument(f"phase is '{phase}'; it can be prefill or decode")
    if tokens is None:
        tokens = context if phase == "prefill" else 1
    if not (0 < tokens <= context and batch > 0):
        raise InvalidArgument(
            f"{batch} sequences of {tokens} of {context} tokens: there must be some"
        )
    call = _Call(batch, tokens, context, _width(dtype), _width(state_dtype))
    layers: dict[str, dict[str, Cost]] = {}
    counts: Counter[str] = Counter()
    total = Cost()
    groups = [(_ends(design, call, logits), 1)]
    for layer, number in Counter(design.layers).items():
        groups.append((_layer_parts(layer, design.width, call), number))
    for group, number in groups:
        for kind, parts, whole in group:
            known = layers.setdefault(kind, {})
            counts[kind] += number
            total = total.plus(whole.times(number))
            for name, value in parts.items():
                known[name] = known.get(name, Cost()).plus(value.times(number))
    return Costs(layers, dict(counts), total, *_held(design, call))


def state_bytes(
    design: Design,
    *,
    context: int,
    batch: int = 1,
    dtype: str = "bf16",
    state_dtype: str = "f32",
) -> dict[str, int]:
    """Bytes of the states of sequences of `context` tokens, by the runtime's
    kinds. Attention with a window keeps the window and the sinks, in a ring, if
    there are more tokens."""
    call = _Call(batch, 1, context, _width(dtype), _width(state_dtype))
    return _held(design, call)[0]


def _held(
    design: Design, call: _Call
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Bytes of states, in all and by kind of layer."""
    states = dict.fromkeys(STATE_KINDS, 0)
    layers: dict[str, dict[str, int]] = {}
    for layer, number in Counter(design.layers).items():
        own = layers.setdefault(layer.mixer.kind, {})
        for kind, size in _layer_states(layer.mixer, call):
            states[kind] += number * size
            own[kind] = own.get(kind, 0) + number * size
    return states, layers


def _width(dtype: str) -> int:
    if dtype not in _BYTES:
        raise InvalidArgument(
            f"there is no dtype '{dtype}'; there are {', '.join(_BYTES)}"
        )
    return _BYTES[dtype]


# --- States


@lru_cache(maxsize=4096)
def _layer_states(mixer: Mixer, call: _Call) -> tuple[tuple[str, int], ...]:
    return tuple(_states(mixer, call))


def _states(mixer: Mixer, call: _Call) -> Iterator[tuple[str, int]]:
    batch, size = call.batch, call.bytes
    if isinstance(mixer, Parallel):
        for branch in mixer.branches:
            yield from _states(branch, call)
    elif isinstance(mixer, Attention):
        held = _visible(mixer, call.context)
        channels = mixer.kv_heads * (mixer.maps * mixer.qk + mixer.v)
        kind = "kv-window" if held < call.context else "kv"
        yield kind, batch * held * channels * size
    elif isinstance(mixer, Mamba2):
        yield "conv", batch * mixer.convolved * (mixer.taps - 1) * size
        yield "recurrent", batch * mixer.inner * mixer.state * call.state_bytes
    elif isinstance(mixer, Mamba1):
        yield "conv", batch * mixer.inner * (mixer.taps - 1) * size
        yield "recurrent", batch * mixer.inner * mixer.state * call.state_bytes
    else:
        yield "conv", batch * mixer.convolved * (mixer.taps - 1) * size
        yield "recurrent", batch * mixer.channels * mixer.k * call.state_bytes


def _visible(mixer: Attention, length: int) -> int:
    """Keys that the last of `length` positions sees."""
    return min(length, mixer.window + mixer.sinks) if mixer.window else length


def _pairs(mixer: Attention, call: _Call) -> int:
    """Of queries and keys that they see, in one sequence and head."""

    def up_to(length: int) -> int:
        whole = _visible(mixer, length)
        return whole * (whole + 1) // 2 + (length - whole) * whole

    return up_to(call.context) - up_to(call.context - call.tokens)


def _read(mixer: Attention, call: _Call) -> int:
    """Keys that any query of the call sees."""
    if not mixer.window:
        return call.context
    first = call.context - call.tokens
    begin = max(first - mixer.window + 1, 0)
    return call.context - begin + min(mixer.sinks, begin)


# --- Operations


def _product(call: _Call, inner: int, outer: int, rows: Optional[int] = None) -> Cost:
    """A matrix of weights, inner × outer."""
    count = call.rows if rows is None else rows
    return Cost(
        flops=2.0 * count * inner * outer,
        weights=inner * outer * call.bytes,
        activations=count * (inner + outer) * call.bytes,
    )


def _norm(
    call: _Call, channels: int, rows: Optional[int] = None, shared: int = 0
) -> Cost:
    """RMS; `shared`: as many weights, instead of one a channel."""
    elements = (call.rows if rows is None else rows) * channels
    return Cost(
        4 * elements, 0, (shared or channels) * call.bytes, 0, 2 * elements * call.bytes
    )


def _gated_norm(call: _Call, channels: int, shared: int = 0) -> Cost:
    """RMS of the product with a SiLU gate, or the product of the RMS with it."""
    elements = call.rows * channels
    weights = (shared or channels) * call.bytes
    return Cost(8 * elements, elements, weights, 0, 3 * elements * call.bytes)


def _gate(call: _Call, channels: int) -> Cost:
    """x * silu(gate)."""
    elements = call.rows * channels
    return Cost(flops=4 * elements, exps=elements)


def _rotary(call: _Call, heads: int, channels: int) -> Cost:
    elements = call.rows * heads * channels
    return Cost(
        flops=3 * elements,
        activations=(2 * elements + call.rows * channels) * call.bytes,
    )


def _convolution(call: _Call, channels: int, taps: int, bias: bool = True) -> Cost:
    elements = call.rows * channels
    weights = channels * (taps + bias) * call.bytes
    state = 2 * call.batch * channels * (taps - 1) * call.bytes
    return Cost(
        elements * (2 * taps + bias + 2),
        elements,
        weights,
        state,
        2 * elements * call.bytes,
    )


def _softmax_of(call: _Call, mixer: Attention) -> Cost:
    pairs = call.batch * mixer.heads * _pairs(mixer, call)
    rows = call.rows * mixer.heads
    keys = call.batch * mixer.kv_heads * _read(mixer, call)
    return Cost(
        flops=pairs * (2 * mixer.qk + 3 + 2 * mixer.v) + rows * mixer.v,
        exps=pairs,
        states=keys * (mixer.qk + mixer.v) * call.bytes,
        activations=rows * (mixer.qk + mixer.v) * call.bytes,
    )


def _scan(
    call: _Call,
    heads: int,
    groups: int,
    key: int,
    value: int,
    delta: bool = False,
    decays: int = 1,
) -> Cost:
    """`groups`: of queries and keys; `decays`: of a head."""
    matrix = key * value
    step = heads * (5 * matrix + value + (2 * matrix + 2 * value if delta else 0))
    numbers = 2 * groups * key + 2 * heads * value + heads * (decays + delta)
    return Cost(
        flops=call.rows * step,
        exps=call.rows * heads * decays,
        states=2 * call.batch * heads * matrix * call.state_bytes,
        activations=call.rows * numbers * call.bytes,
    )


def _step(call: _Call, heads: int, decays: int = 1) -> Cost:
    """softplus(dt + bias), and the decays."""
    return Cost(flops=call.rows * heads * (3 + decays), exps=call.rows * heads)


# --- Mixers


def _attention(mixer: Attention, width: int, call: _Call) -> Iterator[Part]:
    queries, keys = mixer.maps * mixer.heads, mixer.maps * mixer.kv_heads
    values = mixer.kv_heads * mixer.v
    yield "projections", _product(call, width, queries * mixer.qk)
    yield "projections", _product(call, width, keys * mixer.qk)
    yield "projections", _product(call, width, values)
    if mixer.rope:
        yield "rotary", _rotary(call, queries, mixer.qk)
        yield "rotary", _rotary(call, keys, mixer.qk)
    new = call.rows * (keys * mixer.qk + values) * call.bytes
    yield "cache", Cost(states=new, activations=new)
    yield "attention", _softmax_of(call, mixer).times(mixer.maps)
    if mixer.differential:
        yield "elementwise", Cost(flops=3 * call.rows * mixer.channels)
        yield "norms", _norm(call, mixer.channels, shared=mixer.v)


def _mamba2(
    mixer: Mamba2, width: int, call: _Call, shares: bool = False
) -> Iterator[Part]:
    columns = mixer.inner + mixer.convolved + mixer.heads
    columns -= mixer.inner if shares else 0
    yield "projections", _product(call, width, columns)
    yield "convolution", _convolution(call, mixer.convolved, mixer.taps)
    yield "elementwise", _step(call, mixer.heads)
    yield "scan", _scan(call, mixer.heads, mixer.groups, mixer.state, mixer.head)
    # dt x, and D x added.
    yield "elementwise", Cost(flops=3 * call.rows * mixer.inner)
    if mixer.norm:
        yield "norms", _gated_norm(call, mixer.inner)
    else:
        yield "elementwise", _gate(call, mixer.inner)


def _mamba1(mixer: Mamba1, width: int, call: _Call) -> Iterator[Part]:
    inner = mixer.inner
    yield "projections", _product(call, width, 2 * inner)
    yield "convolution", _convolution(call, inner, mixer.taps)
    yield "projections", _product(call, inner, mixer.rank + 2 * mixer.state)
    yield "projections", _product(call, mixer.rank, inner)
    yield "elementwise", _step(call, inner, mixer.state)
    yield "scan", _scan(call, inner, 1, mixer.state, 1, decays=mixer.state)
    yield "elementwise", Cost(flops=3 * call.rows * inner)
    yield "elementwise", _gate(call, inner)


def _gated_delta(mixer: GatedDelta, width: int, call: _Call) -> Iterator[Part]:
    heads = mixer.v_heads
    columns = mixer.convolved + mixer.channels + 2 * heads
    yield "projections", _product(call, width, columns)
    yield "convolution", _convolution(call, mixer.convolved, mixer.taps, bias=False)
    # Lengths of queries and keys.
    yield "norms", _norm(call, 2 * mixer.k_heads * mixer.k)._replace(weights=0)
    yield "elementwise", _step(call, heads).plus(
        Cost(2 * call.rows * heads, call.rows * heads)
    )
    yield "scan", _scan(call, heads, mixer.k_heads, mixer.k, mixer.v, delta=True)
    yield "norms", _gated_norm(call, mixer.channels, shared=mixer.v)


def _branch(mixer: Branch, width: int, call: _Call, shares: bool) -> Iterator[Part]:
    if isinstance(mixer, Attention):
        return _attention(mixer, width, call)
    return _mamba2(mixer, width, call, shares)


def _parallel(mixer: Parallel, width: int, call: _Call) -> Iterator[Part]:
    for branch in mixer.branches:
        yield from _branch(branch, width, call, mixer.value == "shared")
        if mixer.norm == "group":
            yield "norms", _norm(call, branch.channels)
        if mixer.out == "separate":
            yield "projections", _product(call, branch.channels, width)
    channels = [branch.channels for branch in mixer.branches]
    scaled = {"none": 0, "asymmetric": channels[1]}.get(mixer.scale, sum(channels))
    fused = width if mixer.out == "separate" else channels[0]
    operations = {"concat": 0, "mean": 2}.get(mixer.fuse, 1)
    flops = call.rows * (scaled + operations * fused)
    weights = sum(channels) * call.bytes if mixer.scale == "vector" else 0
    yield "elementwise", Cost(flops=flops, weights=weights)
    if mixer.scale == "gate":
        yield "projections", _product(call, width, 2)
    if mixer.out == "joint":
        yield "projections", _product(call, mixer.channels, width)


def _mixer(mixer: Mixer, width: int, call: _Call) -> Iterator[Part]:
    if isinstance(mixer, Parallel):
        yield from _parallel(mixer, width, call)
        return
    if isinstance(mixer, Mamba1):
        yield from _mamba1(mixer, width, call)
    elif isinstance(mixer, GatedDelta):
        yield from _gated_delta(mixer, width, call)
    else:
        yield from _branch(mixer, width, call, False)
    yield "projections", _product(call, mixer.channels, width)


def _swiglu(call: _Call, width: int, hidden: int, rows: Optional[int] = None) -> Cost:
    count = call.rows if rows is None else rows
    products = _product(call, width, 2 * hidden, count).plus(
        _product(call, hidden, width, count)
    )
    return products.plus(Cost(flops=4 * count * hidden, exps=count * hidden))


def _feed_forward(block: FeedForward, width: int, call: _Call) -> Iterator[Part]:
    if not block.experts:
        yield "projections", _swiglu(call, width, block.hidden)
        return
    # The score of each expert is a logistic function.
    scores = Cost(exps=call.rows * block.experts)
    yield "router", _product(call, width, block.experts).plus(scores)
    if block.shared:
        yield "shared expert", _swiglu(call, width, block.shared * block.hidden)
    rows = call.rows * block.top
    one = _swiglu(call, width, block.hidden, rows)
    yield "experts", one._replace(weights=one.weights * min(block.experts, rows))


# --- Layers

#: A kind, its parts, and their sum.
Group = tuple[str, dict[str, Cost], Cost]


def _group(kind: str, parts: Iterator[Part]) -> Group:
    sums: dict[str, Cost] = {}
    total = Cost()
    for name, value in parts:
        sums[name] = sums.get(name, Cost()).plus(value)
        total = total.plus(value)
    return kind, sums, total


@lru_cache(maxsize=4096)
def _layer_parts(layer: Layer, width: int, call: _Call) -> tuple[Group, ...]:
    def framed(parts: Iterator[Part]) -> Iterator[Part]:
        """With the norm before and the sum after."""
        yield "norms", _norm(call, width)
        yield from parts
        yield "elementwise", Cost(flops=call.rows * width)

    groups = [_group(layer.mixer.kind, framed(_mixer(layer.mixer, width, call)))]
    block = layer.feed_forward
    if block:
        groups.append(_group(block.kind, framed(_feed_forward(block, width, call))))
    return tuple(groups)


def _ends(design: Design, call: _Call, logits: str) -> tuple[Group, ...]:
    """Embedding and head."""
    if logits not in ("all", "last"):
        raise InvalidArgument(f"logits is '{logits}'; it can be all or last")
    rows = call.rows if logits == "all" else call.batch
    row = call.rows * design.width * call.bytes
    looked_up = Cost(weights=row, activations=row)
    head = [
        ("norms", _norm(call, design.width, rows)),
        ("projections", _product(call, design.width, design.vocabulary, rows)),
    ]
    embedding = _group("embedding", iter([("look-up", looked_up)]))
    return embedding, _group("head", iter(head))
