"""The designs of "Hybrid Architectures for Language Models: Systematic Analysis
and Design Insights" (arXiv 2510.04800), one function per family.

Sizes, layer counts and places are those of its tables where it has them, and
follow from the rules below elsewhere: a hybrid has as many layers as bring its
parameters closest to those of the Transformer of its size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Optional, Union

from ..errors import InvalidArgument
from ._design import (
    Attention,
    Design,
    FeedForward,
    GatedDelta,
    Layer,
    Mamba1,
    Mamba2,
    Mixer,
    Parallel,
    Rope,
)

VOCABULARY = 128256

#: Rotary positions of full attention, and of attention with a window.
FULL_ROPE = Rope(500000.0, factor=32.0)
WINDOW_ROPE = Rope(10000.0)


@dataclass(frozen=True)
class Size:
    """A column of the paper's Table 8, and what Table 15 says of branches."""

    width: int
    hidden: int
    #: The Transformer.
    layers: int
    heads: int
    kv_heads: int
    head: int
    #: Mamba-2.
    mamba_layers: int
    inner: int
    ssm_heads: int
    state: int
    #: Parallel branches: the attention's heads and width of all queries, and
    #: Mamba-2's heads and channels.
    half_heads: int
    half_kv_heads: int
    half_qk: int
    half_ssm_heads: int
    half_inner: int
    vocabulary: int = VOCABULARY
    positions: int = 32768


# fmt: off
SIZES = {
    "tiny": Size(48, 64, 3, 4, 2, 12, 3, 96, 4, 16, 2, 1, 24, 2, 48, 128, 512),
    "100M": Size(1024, 3072, 8, 16, 4, 64, 6, 2048, 16, 128, 8, 2, 512, 8, 1024),
    "350M": Size(1536, 4096, 14, 24, 8, 64, 11, 3072, 24, 128, 16, 4, 768, 16, 1536),
    "1B": Size(2048, 8192, 16, 32, 8, 64, 13, 4096, 32, 128, 16, 4, 1152, 16, 2304),
    "3B": Size(3072, 8192, 28, 32, 8, 96, 21, 6144, 32, 256, 16, 4, 1536, 16, 3072),
}
# fmt: on

Ratio = tuple[int, int]
#: A rule's name, or the layers themselves, counted from 1.
Placement = Union[str, Iterable[int]]

#: Where the paper puts the few among the many, if there are as many layers as
#: Mamba-2 has: (family, size, ratio) → layers from 1. For others the rule of
#: _spread gives what it printed.
PLACES: dict[tuple[str, str, Ratio], tuple[int, ...]] = {
    ("inter", "1B", (1, 5)): (4, 8),
    ("inter", "1B", (1, 3)): (3, 7, 11),
    ("intra", "1B", (1, 3)): (4, 7, 11),
    ("intra", "1B", (1, 1)): (2, 4, 6, 8, 10, 12, 13),
}

#: Layers in all where the paper's count is not the one closest in parameters.
LAYERS = {("intra", "3B", (1, 5)): 22}

MOST_LAYERS = 10000

PLACEMENTS = ("middle", "scatter", "center", "front", "back", "sandwich")


def size_of(size: str) -> Size:
    """Raises InvalidArgument for a size that there is not."""
    if size not in SIZES:
        raise InvalidArgument(
            f"there is no size '{size}'; there are {', '.join(SIZES)}"
        )
    return SIZES[size]


# --- Layer counts and places


def _share(total: int, ratio: Ratio) -> int:
    """How many of `total` layers are of the first kind."""
    few, many = ratio
    if few < 0 or many < 0 or few + many == 0:
        raise InvalidArgument(
            f"ratio is {ratio}; it must be two numbers such as (1, 5)"
        )
    if not few or not many:
        return total if few else 0
    return min(max(int(total * few / (few + many) + 0.5), 1), total - 1)


def _spread(total: int, count: int) -> list[int]:
    """Evenly, from 1, never the first if others are possible."""
    if 2 * count == total:
        return list(range(2, total + 1, 2))
    return [i * total // (count + 1) + 1 for i in range(1, count + 1)]


def places(total: int, count: int, placement: Placement) -> list[int]:
    """Which of `total` layers, counted from 1, are the `count` special ones."""
    if not isinstance(placement, str):
        chosen = sorted(placement)
        if (
            len(set(chosen)) != len(chosen)
            or chosen
            and not 1 <= chosen[0] <= chosen[-1] <= total
        ):
            raise InvalidArgument(
                f"layers {chosen} are not different numbers from 1 to {total}"
            )
        return chosen
    if count == total:
        return list(range(1, total + 1))
    if placement in ("middle", "scatter"):
        return _spread(total, count)
    if placement == "center":
        begin = (total - count) // 2 + 1
        return list(range(begin, begin + count))
    if placement == "front":
        return list(range(1, count + 1))
    if placement == "back":
        return list(range(total - count + 1, total + 1))
    if placement == "sandwich":
        front = (count + 1) // 2
        return places(total, front, "front") + places(total, count - front, "back")
    raise InvalidArgument(
        f"there is no placement '{placement}'; there are {', '.join(PLACEMENTS)}, or layers from 1"
    )


@lru_cache(maxsize=4096)
def _total(key: tuple[str, str, Ratio], few: Layer, many: Layer) -> int:
    """The number of layers that comes closest to the Transformer's parameters."""
    _, size, ratio = key
    shape = SIZES[size]
    if size == "tiny":
        return shape.layers
    goal = shape.layers * _layer(shape, _attention(shape)).parameters(shape.width)
    costs = few.parameters(shape.width), many.parameters(shape.width)

    def distance(total: int) -> int:
        first = _share(total, ratio)
        return abs(first * costs[0] + (total - first) * costs[1] - goal)

    return LAYERS.get(key) or min(range(2, 4 * shape.layers), key=distance)


def _mixed(
    key: tuple[str, str, Ratio],
    few: Layer,
    many: Layer,
    placement: Placement,
    total: Optional[int],
) -> Design:
    """A design of two kinds of layers."""
    family, size, ratio = key
    shape = SIZES[size]
    if total is None:
        total = _total(key, few, many)
    if not 0 < total <= MOST_LAYERS:
        raise InvalidArgument(f"layers is {total}; it must be 1 to {MOST_LAYERS}")
    if (
        key in PLACES
        and total == shape.mamba_layers
        and placement in ("middle", "scatter")
    ):
        placement = PLACES[key]
    chosen = places(total, _share(total, ratio), placement)
    layers = [few if i in chosen else many for i in range(1, total + 1)]
    return _design(f"{family}-{size}-{ratio[0]}:{ratio[1]}", shape, layers)


def _design(name: str, shape: Size, layers: Sequence[Layer]) -> Design:
    return Design(
        name, shape.width, tuple(layers), shape.vocabulary, positions=shape.positions
    )


# --- Layers of a size


def _attention(shape: Size, rope: Optional[Rope] = FULL_ROPE) -> Attention:
    return Attention(shape.heads, shape.kv_heads, shape.head, shape.head, rope)


def _mamba2(shape: Size) -> Mamba2:
    return Mamba2(shape.inner, shape.ssm_heads, shape.state)


def _mamba1(shape: Size) -> Mamba1:
    return Mamba1(shape.inner, 16, -(-shape.width // 16))


def _gated_delta(shape: Size) -> GatedDelta:
    """Key heads half as many as value heads, square states, 2 × width channels."""
    return GatedDelta(
        shape.ssm_heads // 2,
        shape.ssm_heads,
        shape.inner // shape.ssm_heads,
        shape.inner // shape.ssm_heads,
    )


_MIXERS: dict[str, Callable[[Size], Mixer]] = {
    "mamba2": _mamba2,
    "mamba1": _mamba1,
    "gated delta": _gated_delta,
}


def _layer(shape: Size, mixer: Mixer) -> Layer:
    return Layer(mixer, FeedForward(shape.hidden))


def _mixer(shape: Size, name: str) -> Layer:
    if name not in _MIXERS:
        raise InvalidArgument(
            f"there is no mixer '{name}'; there are {', '.join(_MIXERS)}"
        )
    return _layer(shape, _MIXERS[name](shape))


# --- Families


def llama(size: str) -> Design:
    """The Transformer: grouped-query attention with rotary positions."""
    shape = size_of(size)
    return _design(
        f"llama-{size}", shape, [_layer(shape, _attention(shape))] * shape.layers
    )


def swa(
    size: str,
    window: int = 512,
    sinks: int = 64,
    ratio: Ratio = (1, 5),
    placement: Placement = "scatter",
) -> Design:
    """Full attention : attention with a window and sinks = ratio."""
    shape = size_of(size)
    local = dataclasses.replace(
        _attention(shape, WINDOW_ROPE), window=window, sinks=sinks
    )
    full = _layer(shape, _attention(shape))
    return _mixed(
        ("swa", size, ratio), full, _layer(shape, local), placement, shape.layers
    )


def mamba2(size: str) -> Design:
    """Mamba-2 in every layer."""
    shape = size_of(size)
    return _design(
        f"mamba2-{size}", shape, [_layer(shape, _mamba2(shape))] * shape.mamba_layers
    )


def mamba1(size: str) -> Design:
    """Mamba-1 in every layer, state 16, as many layers as the Transformer's
    parameters allow. Not one of the paper's."""
    size_of(size)
    design = inter(size, ratio=(0, 1), mixer="mamba1")
    return dataclasses.replace(design, name=f"mamba1-{size}")


def inter(
    size: str,
    ratio: Ratio = (1, 5),
    placement: Placement = "middle",
    *,
    mixer: str = "mamba2",
    rope: Optional[Rope] = FULL_ROPE,
    layers: Optional[int] = None,
) -> Design:
    """Attention : another mixer = ratio, one after another.

    placement  of the attention layers: a rule, or layers from 1; then the
               number of layers is still that of the ratio
    mixer      "mamba2", "mamba1" or "gated delta"
    rope       None: no positions
    layers     in all, instead of as many as the size's parameters allow
    """
    shape = size_of(size)
    name = "inter" if mixer == "mamba2" else f"inter-{mixer.replace(' ', '-')}"
    few, many = _layer(shape, _attention(shape, rope)), _mixer(shape, mixer)
    return _mixed((name, size, ratio), few, many, placement, layers)


def intra(
    size: str,
    ratio: Ratio = (1, 5),
    placement: Placement = "scatter",
    *,
    norm: str = "group",
    scale: str = "none",
    fuse: str = "sub",
    out: str = "separate",
    value: str = "separate",
    qk_width: Optional[int] = None,
    inner: Optional[int] = None,
    rope: Optional[Rope] = FULL_ROPE,
    layers: Optional[int] = None,
) -> Design:
    """Layers with attention and Mamba-2 side by side : Mamba-2 = ratio.

    Each branch has half the heads; the attention's values have the model's
    width. The defaults are the paper's best recipe; Parallel says what norm,
    scale, fuse, out and value can be.

    qk_width  channels of all queries (1152 at 1B)
    inner     Mamba-2's channels in such a layer (2304 at 1B); the model's width
              where the branches must be equally wide
    """
    shape = size_of(size)
    equal = value == "shared" or (out == "joint" and fuse != "concat")
    if inner is None:
        inner = shape.width if equal else shape.half_inner
    heads, kv_heads = shape.half_heads, shape.half_kv_heads
    qk = shape.half_qk if qk_width is None else qk_width
    if qk % heads or shape.width % heads:
        raise InvalidArgument(
            f"qk_width is {qk}; it must be a multiple of the {heads} heads"
        )
    attention = Attention(heads, kv_heads, qk // heads, shape.width // heads, rope)
    mamba = Mamba2(inner, shape.half_ssm_heads, shape.state, norm=False)
    few = _layer(shape, Parallel(mamba, attention, norm, scale, fuse, out, value))
    key = ("intra", size, ratio)
    return _mixed(key, few, _mixer(shape, "mamba2"), placement, layers)


def hymba(size: str, ratio: Ratio = (1, 0)) -> Design:
    """Hymba's fusion, as the paper has it: norms, learned factors per channel,
    a sum, one projection."""
    design = intra(size, ratio, norm="group", scale="vector", fuse="add", out="joint")
    return dataclasses.replace(design, name=f"hymba-{size}")


def falcon_h1(size: str, ratio: Ratio = (1, 0)) -> Design:
    """Falcon-H1's fusion, as the paper has it: no norms, both branches into one
    projection."""
    design = intra(size, ratio, norm="none", fuse="concat", out="joint")
    return dataclasses.replace(design, name=f"falcon-h1-{size}")


def diff_transformer(size: str) -> Design:
    """Differential attention in every layer: half the heads, two softmaxes
    each, values of twice the width."""
    shape = size_of(size)
    mixer = Attention(
        shape.heads // 2,
        shape.kv_heads // 2,
        shape.head,
        2 * shape.head,
        FULL_ROPE,
        differential=True,
    )
    return _design(
        f"diff-transformer-{size}", shape, [_layer(shape, mixer)] * shape.layers
    )


def diff_mamba(size: str) -> Design:
    """Two Mamba-2 of half the size in every layer, one less the other times a
    learned factor."""
    shape = size_of(size)
    half = Mamba2(shape.inner // 2, shape.ssm_heads // 2, shape.state, norm=False)
    layer = _layer(shape, Parallel(half, half, scale="asymmetric", out="joint"))
    key = ("diff-mamba", size, (1, 0))
    return dataclasses.replace(
        _mixed(key, layer, layer, "scatter", None), name=f"diff-mamba-{size}"
    )


def gated_delta(
    size: str, ratio: Ratio = (1, 3), placement: Placement = "middle"
) -> Design:
    """Attention : gated delta rule = ratio, as in Qwen3-Next and OLMo-Hybrid."""
    return inter(size, ratio, placement, mixer="gated delta")


def moe(design: Design, experts: int = 8, top: int = 1, shared: int = 1) -> Design:
    """A design with experts in the place of every feed-forward block. They are
    narrower, so that a token goes through as many channels as before: half as
    wide with one shared and one routed expert, as in the paper."""

    def convert(layer: Layer) -> Layer:
        forward = layer.feed_forward
        if not forward:
            return layer
        if forward.hidden % (top + shared):
            raise InvalidArgument(
                f"{forward.hidden} channels are not {top + shared} equal experts"
            )
        hidden = forward.hidden // (top + shared)
        return dataclasses.replace(
            layer, feed_forward=FeedForward(hidden, experts, top, shared)
        )

    layers = tuple(convert(layer) for layer in design.layers)
    return dataclasses.replace(design, name=f"{design.name}-moe", layers=layers)
