"""What arXiv 2510.04800 prints of efficiency, and its formulas (Table 1 and
Appendix C). Sizes are the paper's units: MiB, 1e20 FLOPs, tokens a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional, Union

from . import _recipes
from ._design import Attention, Branch, Design, GatedDelta, Mamba1, Mamba2

Maker = Callable[[str], Design]
Mixer = Union[Branch, Mamba1, GatedDelta]


@dataclass(frozen=True)
class Model:
    """A row of its tables; None where it prints nothing."""

    name: str
    make: Maker
    #: Training FLOPs of 60B tokens in sequences of 8K, in 1e20.
    flops: Optional[float] = None
    #: Cache in MiB of one sequence of 8K, 16K and 32K, in bfloat16.
    cache: tuple[Optional[int], Optional[int], Optional[int]] = (None, None, None)
    #: Negative log-likelihood on DCLM after 60B tokens.
    nll: Optional[float] = None
    #: Tokens a second of 4 sequences that grow from 512 tokens to each of
    #: LENGTHS, on one H200; and seconds for it.
    throughput: tuple[int, ...] = ()
    latency: tuple[int, ...] = ()


LENGTHS = (2048, 4096, 8192, 16384, 32768)
CACHE_LENGTHS = (8192, 16384, 32768)
TOKENS = 60e9
TRAINED_LENGTH = 8192
PROMPT = 512
BATCH = 4


def _swa(few: int, many: int) -> Maker:
    return lambda size: _recipes.swa(size, ratio=(few, many))


def _inter(few: int, many: int) -> Maker:
    return lambda size: _recipes.inter(size, ratio=(few, many))


def _intra(few: int, many: int) -> Maker:
    return lambda size: _recipes.intra(size, ratio=(few, many))


# fmt: off
ONE_BILLION = (
    Model("Llama", _recipes.llama, 4.5, (256, 512, 1024), 2.750,
          (373, 214, 115, 60, 30), (16, 67, 267, 1063, 4240)),
    Model("SWA 1:1", _swa(1, 1), throughput=(331, 244, 158, 93, 51), latency=(19, 59, 195, 684, 2527)),
    Model("SWA 1:3", _swa(1, 3), throughput=(343, 291, 219, 147, 89), latency=(18, 49, 141, 432, 1443)),
    Model("SWA 1:5", _swa(1, 5), 3.8, (63, 110, 207), 2.741,
          (345, 302, 241, 173, 110), (18, 47, 127, 368, 1172)),
    Model("SWA 0:1", _swa(0, 1), throughput=(309, 308, 324, 308, 307), latency=(20, 47, 95, 206, 420)),
    Model("Mamba", _recipes.mamba2, 3.7, (13, 13, 13), 2.758,
          (2528, 2647, 2738, 2782, 2917), (2, 5, 11, 23, 44)),
    Model("Inter 1:1", _inter(1, 1), None, (119, None, None), 2.725,
          (669, 418, 241, 130, 68), (9, 34, 127, 489, 1903)),
    Model("Inter 1:3", _inter(1, 3), None, (58, None, None), 2.733,
          (971, 722, 462, 272, 150), (6, 20, 67, 233, 860)),
    Model("Inter 1:5", _inter(1, 5), 3.7, (43, 75, 139), 2.735,
          (969, 828, 595, 373, 213), (6, 17, 52, 170, 605)),
    Model("Inter 1:12", _inter(1, 12), None, (28, None, None), 2.741,
          (969, 859, 754, 546, 355), (6, 17, 41, 116, 363)),
    Model("Intra 1:0", _intra(1, 0), None, (180, None, None), 2.712,
          (509, 326, 187, 101, 53), (12, 44, 164, 626, 2437)),
    Model("Intra 1:1", _intra(1, 1), None, (89, None, None), 2.720,
          (708, 496, 308, 175, 95), (9, 29, 100, 363, 1355)),
    Model("Intra 1:3", _intra(1, 3), None, (50, None, None), 2.724,
          (1056, 795, 562, 360, 205), (6, 18, 55, 176, 630)),
    Model("Intra 1:5", _intra(1, 5), 3.7, (38, 63, 113), 2.728,
          (1089, 918, 683, 464, 280), (6, 16, 45, 137, 461)),
    Model("Intra 1:12", _intra(1, 12), None, (23, None, None), 2.736,
          (1325, 1184, 999, 739, 487), (5, 12, 31, 86, 265)),
)
SMALL = (
    Model("Llama", _recipes.llama, cache=(224, None, None), nll=2.882),
    Model("Mamba", _recipes.mamba2, cache=(9, None, None), nll=2.880),
    Model("Inter 1:5", _inter(1, 5), cache=(42, None, None), nll=2.860),
    Model("Intra 1:5", _intra(1, 5), cache=(26, None, None), nll=2.858),
)
# fmt: on

#: The models of each size.
MODELS = {"350M": SMALL, "1B": ONE_BILLION}


def cache_bytes(design: Design, length: int) -> float:
    """The paper's formula: two bytes a number, and as many columns of a
    convolution as it has taps."""
    return 2.0 * sum(_cached(mixer, length) for _, mixer in design.mixers())


def _cached(mixer: Mixer, length: int) -> int:
    if isinstance(mixer, Attention):
        held = min(length, mixer.window + mixer.sinks) if mixer.window else length
        return held * mixer.kv_heads * (mixer.maps * mixer.qk + mixer.v)
    if isinstance(mixer, Mamba2):
        return mixer.inner * mixer.state + mixer.taps * mixer.convolved
    if isinstance(mixer, Mamba1):
        return mixer.inner * (mixer.state + mixer.taps)
    return mixer.channels * mixer.k + mixer.taps * mixer.convolved


def training_flops(design: Design, length: int, tokens: float) -> float:
    """The paper's formula: six a parameter and token, embedding and head left
    out, and the mixers' own, three times those of the forward pass."""
    own = sum(_own_flops(mixer, length) for _, mixer in design.mixers())
    return tokens * (6.0 * design.parameters.active + 3.0 * own / length)


def _own_flops(mixer: Mixer, length: int) -> float:
    """Of the forward pass of a sequence, without the projections."""
    if isinstance(mixer, Attention):
        held = min(length, mixer.window + mixer.sinks) if mixer.window else length
        pairs = held * ((held + 1) / 2 + length - held)
        return 2.0 * pairs * mixer.heads * (mixer.maps * mixer.qk + mixer.v)
    if isinstance(mixer, GatedDelta):
        # Not the paper's: as its formula for Mamba-2, and twice a product of the
        # state for what is corrected.
        return length * (13.0 * mixer.channels * mixer.k)
    return length * (9.0 * mixer.inner * mixer.state + 2 * mixer.inner)
