"""What a model is: its layers, and what each layer mixes tokens with.

Sizes are numbers of channels, heads or tokens. A Design says all that fixes the
graph except the values of the weights.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

from ..errors import InvalidArgument

if TYPE_CHECKING:
    import os

    import numpy.typing as npt


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidArgument(message)


def _need_positive(value: Any, *names: str) -> None:
    for name in names:
        size = getattr(value, name)
        whole = isinstance(size, int) and not isinstance(size, bool)
        _need(
            whole and size > 0,
            f"{type(value).__name__}: {name} is {size!r}; it must be a whole number above 0",
        )


@dataclass(frozen=True)
class Rope:
    """Rotary positions (halves rotated), with Llama 3's scaling if factor > 1."""

    theta: float = 500000.0
    factor: float = 1.0
    low_frequency: float = 1.0
    high_frequency: float = 4.0
    original_length: int = 8192


@dataclass(frozen=True)
class Attention:
    """Causal softmax attention with grouped heads.

    differential: each head has two queries and two keys of qk channels, and
    subtracts lambda times the second softmax from the first; then an RMS norm
    per head.
    """

    heads: int
    kv_heads: int
    #: Channels of a head's query and key, and of its value.
    qk: int
    v: int
    rope: Optional[Rope] = None
    #: Last positions that are seen, and first ones; 0: all.
    window: int = 0
    sinks: int = 0
    differential: bool = False

    def __post_init__(self) -> None:
        _need_positive(self, "heads", "kv_heads", "qk", "v")
        _need(
            self.heads % self.kv_heads == 0,
            f"Attention: {self.heads} heads do not share {self.kv_heads} key heads evenly",
        )
        _need(
            self.rope is None or self.qk % 2 == 0,
            f"Attention: rotary positions need an even qk, not {self.qk}",
        )
        _need(
            self.window >= 0 and self.sinks >= 0,
            "Attention: window and sinks must not be negative",
        )
        _need(self.window > 0 or self.sinks == 0, "Attention: sinks need a window")

    @property
    def kind(self) -> str:
        if self.differential:
            return "differential attention"
        return "window attention" if self.window else "attention"

    @property
    def maps(self) -> int:
        """Softmaxes of a head."""
        return 2 if self.differential else 1

    @property
    def channels(self) -> int:
        return self.heads * self.v

    def parameters(self, width: int) -> int:
        keys = self.maps * self.qk * (self.heads + self.kv_heads)
        own = 1 + self.v if self.differential else 0
        return width * (keys + self.kv_heads * self.v) + own


@dataclass(frozen=True)
class Mamba2:
    """State-space duality: a scalar decay per head, shared keys and queries per
    group, a causal convolution before and a SiLU gate after, and an RMS norm of
    the gated channels if `norm`."""

    inner: int
    heads: int
    state: int
    groups: int = 1
    taps: int = 4
    norm: bool = True

    def __post_init__(self) -> None:
        _need_positive(self, "inner", "heads", "state", "groups", "taps")
        _need(self.taps > 1, "Mamba2: taps must be 2 or more")
        _need(
            self.inner % self.heads == 0,
            f"Mamba2: {self.inner} channels are not {self.heads} equal heads",
        )
        _need(
            self.heads % self.groups == 0,
            f"Mamba2: {self.heads} heads are not {self.groups} equal groups",
        )

    kind = "mamba2"

    @property
    def head(self) -> int:
        return self.inner // self.heads

    @property
    def channels(self) -> int:
        return self.inner

    @property
    def convolved(self) -> int:
        return self.inner + 2 * self.groups * self.state

    def parameters(self, width: int, shares_value: bool = False) -> int:
        """shares_value: the convolution's input comes from attention's values."""
        projected = self.inner + self.convolved + self.heads
        projected -= self.inner if shares_value else 0
        own = (self.taps + 1) * self.convolved + 3 * self.heads
        return width * projected + own + (self.inner if self.norm else 0)


@dataclass(frozen=True)
class Mamba1:
    """Selective scan: a decay per channel and state."""

    inner: int
    state: int
    rank: int
    taps: int = 4

    def __post_init__(self) -> None:
        _need_positive(self, "inner", "state", "rank", "taps")
        _need(self.taps > 1, "Mamba1: taps must be 2 or more")

    kind = "mamba1"

    @property
    def channels(self) -> int:
        return self.inner

    def parameters(self, width: int) -> int:
        selected = self.inner * (self.rank + 2 * self.state)
        step = (self.rank + 1) * self.inner
        own = (self.taps + 1) * self.inner + self.inner * (self.state + 1)
        return 2 * width * self.inner + selected + step + own


@dataclass(frozen=True)
class GatedDelta:
    """Gated delta rule: normalised queries and keys, repeated for the heads of
    the values; a convolution before, a norm per head and a SiLU gate after."""

    k_heads: int
    v_heads: int
    k: int
    v: int
    taps: int = 4

    def __post_init__(self) -> None:
        _need_positive(self, "k_heads", "v_heads", "k", "v", "taps")
        _need(self.taps > 1, "GatedDelta: taps must be 2 or more")
        _need(
            self.v_heads % self.k_heads == 0,
            f"GatedDelta: {self.v_heads} value heads do not share {self.k_heads} key heads evenly",
        )

    kind = "gated delta"

    @property
    def channels(self) -> int:
        return self.v_heads * self.v

    @property
    def convolved(self) -> int:
        return 2 * self.k_heads * self.k + self.channels

    def parameters(self, width: int) -> int:
        projected = self.convolved + self.channels + 2 * self.v_heads
        return (
            width * projected + self.taps * self.convolved + 2 * self.v_heads + self.v
        )


Branch = Union[Attention, Mamba2]


@dataclass(frozen=True)
class Parallel:
    """Two branches on the same input, fused (an "intra-hybrid" layer):

        out(scale(norm(first)) (fuse) scale(norm(second)))

    norm   none; group: an RMS norm of each branch's channels
    scale  none; vector: learned factors per channel and branch; asymmetric: one
           learned factor of the second branch; gate: the logistic function of a
           projection of the input, one factor per token and branch; alpha: a
           learned share, the other branch gets the rest
    fuse   add, sub (first less second), mean, concat
    out    joint: one projection after fusing; separate: one of each branch,
           before
    value  separate; shared: the attention's values are also the input of the
           other branch's convolution
    """

    first: Branch
    second: Branch
    norm: str = "group"
    scale: str = "none"
    fuse: str = "sub"
    out: str = "separate"
    value: str = "separate"

    CHOICES = {
        "norm": ("group", "none"),
        "scale": ("none", "vector", "asymmetric", "gate", "alpha"),
        "fuse": ("add", "sub", "mean", "concat"),
        "out": ("joint", "separate"),
        "value": ("separate", "shared"),
    }

    def __post_init__(self) -> None:
        for name, choices in self.CHOICES.items():
            value = getattr(self, name)
            _need(
                value in choices, f"{name} is {value!r}; it can be {', '.join(choices)}"
            )
        _need(
            self.fuse != "concat" or self.out == "joint",
            "fuse='concat' needs out='joint'",
        )
        first, second = self.first, self.second
        _need(
            self.out == "separate"
            or self.fuse == "concat"
            or first.channels == second.channels,
            f"a joint projection after fuse='{self.fuse}' needs branches of equal width, not {first.channels} and {second.channels}",
        )
        if self.value == "shared":
            _need(
                isinstance(first, Mamba2)
                and isinstance(second, Attention)
                and not second.differential,
                "value='shared' needs a Mamba2 and an Attention branch, in this order",
            )
            _need(
                first.channels == second.channels,
                f"value='shared' needs branches of equal width, not {first.channels} and {second.channels}",
            )
        for branch in self.branches:
            _need(
                not isinstance(branch, Mamba2) or not branch.norm,
                "a Mamba2 branch must have norm=False: the layer's norm takes its place",
            )

    kind = "parallel"

    @property
    def branches(self) -> tuple[Branch, Branch]:
        return (self.first, self.second)

    @property
    def channels(self) -> int:
        """Of what a joint projection reads."""
        widths = [branch.channels for branch in self.branches]
        return sum(widths) if self.fuse == "concat" else widths[0]

    def parameters(self, width: int) -> int:
        """With the projections out."""
        count = 0
        for branch in self.branches:
            if isinstance(branch, Mamba2):
                count += branch.parameters(width, self.value == "shared")
            else:
                count += branch.parameters(width)
            count += branch.channels if self.norm == "group" else 0
            count += branch.channels if self.scale == "vector" else 0
            count += width * branch.channels if self.out == "separate" else 0
        count += {"asymmetric": 1, "alpha": 1, "gate": 2 * width}.get(self.scale, 0)
        return count + (width * self.channels if self.out == "joint" else 0)


Mixer = Union[Attention, Mamba2, Mamba1, GatedDelta, Parallel]


@dataclass(frozen=True)
class FeedForward:
    """SwiGLU. With experts, each of `hidden` channels: `top` of them by the
    logistic function of a router, chosen with a bias, and `shared` ones that
    every token goes through."""

    hidden: int
    experts: int = 0
    top: int = 1
    shared: int = 1

    def __post_init__(self) -> None:
        _need_positive(self, "hidden")
        _need(
            self.experts >= 0 and self.shared >= 0,
            "FeedForward: experts and shared must not be negative",
        )
        _need(
            not self.experts or 0 < self.top <= self.experts,
            f"FeedForward: top is {self.top}; it must be 1 to {self.experts}, the experts",
        )

    @property
    def kind(self) -> str:
        return "experts" if self.experts else "feed-forward"

    def parameters(self, width: int) -> int:
        if not self.experts:
            return 3 * width * self.hidden
        every = 3 * width * self.hidden * (self.experts + self.shared)
        return every + self.experts * (width + 1)

    def active(self, width: int) -> int:
        """Parameters that a token goes through."""
        if not self.experts:
            return self.parameters(width)
        idle = self.experts - self.top
        return self.parameters(width) - 3 * width * self.hidden * idle


@dataclass(frozen=True)
class Layer:
    """x += mixer(norm(x)); x += feed_forward(norm(x)), if there is one."""

    mixer: Mixer
    feed_forward: Optional[FeedForward] = None

    def __post_init__(self) -> None:
        kinds = (Attention, Mamba2, Mamba1, GatedDelta, Parallel)
        _need(
            isinstance(self.mixer, kinds), f"Layer: {self.mixer!r} does not mix tokens"
        )
        block = self.feed_forward
        _need(
            block is None or isinstance(block, FeedForward),
            f"Layer: {block!r} is no FeedForward",
        )

    def parameters(self, width: int) -> int:
        count = width + self.mixer.parameters(width)
        if not isinstance(self.mixer, Parallel):
            count += width * self.mixer.channels
        if self.feed_forward:
            count += width + self.feed_forward.parameters(width)
        return count


class Parameters(NamedTuple):
    #: The embedding, and the head where it has weights of its own.
    embedding: int
    #: All others; and those of them that a token goes through.
    layers: int
    active: int

    @property
    def total(self) -> int:
        return self.embedding + self.layers


@dataclass(frozen=True)
class Design:
    """A language model: embedding, layers, norm, head.

    Immutable and hashable; equal designs give equal graphs.
    """

    name: str
    width: int
    layers: tuple[Layer, ...]
    vocabulary: int
    #: The head's weights are those of the embedding.
    tied: bool = True
    #: Rows of the rotary tables: the largest position and one.
    positions: int = 32768
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        _need_positive(self, "width", "vocabulary", "positions")
        _need(
            bool(self.layers) and all(isinstance(l, Layer) for l in self.layers),
            "Design: layers must be one Layer or more",
        )

    @property
    def parameters(self) -> Parameters:
        """Counts of numbers that are learned: rotary tables are not."""
        embedding = self.vocabulary * self.width * (1 if self.tied else 2)
        layers = active = self.width
        for layer in self.layers:
            count = layer.parameters(self.width)
            layers += count
            forward = layer.feed_forward
            if forward:
                count += forward.active(self.width) - forward.parameters(self.width)
            active += count
        return Parameters(embedding, layers, active)

    def mixers(self) -> Iterator[tuple[str, Union[Branch, Mamba1, GatedDelta]]]:
        """Whatever mixes tokens, with the end of the names of its states."""
        for index, layer in enumerate(self.layers):
            if isinstance(layer.mixer, Parallel):
                for branch, mixer in enumerate(layer.mixer.branches):
                    yield f"{index}.{branch}", mixer
            else:
                yield str(index), layer.mixer

    def pattern(self) -> str:
        """A letter for each layer: A attention, W with a window, M and m Mamba-2
        and -1, G gated delta rule, P parallel branches."""
        return "".join(_letter(layer.mixer) for layer in self.layers)

    def save(
        self,
        path: Union[str, os.PathLike[str]],
        *,
        seed: int = 0,
        dtype: str = "f32",
        state_dtype: str = "f32",
        initializers: str = "random",
        logits: str = "all",
        weights: Optional[Mapping[str, npt.ArrayLike]] = None,
    ) -> None:
        """Writes the model as ONNX (opset 27), with random weights by default.

        seed          of the weights: the same give the same file
        dtype         "f32", "f16" or "bf16", of weights and arithmetic
        state_dtype   of recurrent states; those of convolutions and keys and
                      values have dtype
        initializers  "random": weights lie in the file, those of a large model
                      in PATH.data beside it; "external": always there. They are
                      written piece by piece, so that a model need not fit into
                      memory
        logits        "all" positions, or the "last" one
        weights       arrays by name, instead of random ones: all that the design
                      has. docs/models.md lists names and shapes

        Needs the package onnx (the extra `models`): raises NotFound without it.
        """
        from ._build import save

        save(
            self,
            path,
            seed=seed,
            dtype=dtype,
            state_dtype=state_dtype,
            initializers=initializers,
            logits=logits,
            weights=weights,
        )

    def to_json(self) -> str:
        return json.dumps(_encode(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Design:
        """Raises InvalidArgument if `text` is no design."""
        try:
            design = _decode(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidArgument(f"this is no design: {error}") from error
        _need(isinstance(design, Design), "this is no design: its kind is another")
        assert isinstance(design, Design)
        return design


def _letter(mixer: Mixer) -> str:
    if isinstance(mixer, Attention):
        return "W" if mixer.window else "A"
    return {Mamba2: "M", Mamba1: "m", GatedDelta: "G", Parallel: "P"}[type(mixer)]


_CLASSES = {
    value.__name__: value
    for value in (
        Rope,
        Attention,
        Mamba2,
        Mamba1,
        GatedDelta,
        Parallel,
        FeedForward,
        Layer,
        Design,
    )
}


def _encode(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    fields = {
        f.name: _encode(getattr(value, f.name)) for f in dataclasses.fields(value)
    }
    return {"is": type(value).__name__, **fields}


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    fields = {name: _decode(item) for name, item in value.items() if name != "is"}
    return _CLASSES[value["is"]](**fields)
