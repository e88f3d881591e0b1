"""python -m hybrid search: designs within limits, and which of them are best."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import time
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from ..errors import InvalidArgument
from . import _recipes
from ._cost import cost
from ._design import Attention, Design, FeedForward, Parallel
from ._text import parse_number, rounded, table

DESCRIPTION = """\
Goes through designs of the paper's families, keeps those within the limits and
prints the Pareto front: the designs that no other one beats in something without
being worse in something else. Nothing is compiled; a design takes well under a
millisecond. Designs of equal figures (those that differ in where layers are, for
one) are one row; it shows the first of them, and how many there are.

The designs: Transformers, attention with windows, Mamba-2, hybrids one after
another (with Mamba-2, Mamba-1 or gated delta rule) and side by side (every norm,
scale, fusion, projection and way of values), in ratios from 1:0 to 0:1, at five
placements, for each of --sizes, --widths and --experts.

Figures, for --minimize and --maximize:
  parameters      of all layers and the embedding
  active          of those, what a token goes through
  cache           bytes of the states of one sequence of --context tokens
  decode-bytes    bytes that a decode step at --context tokens moves, per sequence
  decode-flops    its FLOPs, per sequence
  prefill-flops   FLOPs of a prefill of --context tokens, per token
  attention       share of the layers with full attention, alone or side by side
Quality is not among them: nothing says it without training.
"""

EPILOG = """\
Numbers may end in K, M, G, B, T, KiB, MiB or GiB.
Exit codes: 0 done, 1 no design is within the limits, 2 usage.
"""

RATIOS = ((1, 1), (1, 2), (1, 3), (1, 5), (1, 7), (1, 12))
PLACEMENTS = ("middle", "center", "back", "front", "sandwich")
WINDOWS = (256, 512, 1024, 2048)
FIGURES = (
    "parameters",
    "active",
    "cache",
    "decode-bytes",
    "decode-flops",
    "prefill-flops",
    "attention",
)


@dataclass(frozen=True)
class Space:
    """What designs there are. `widths`: factors of the feed-forward's channels;
    `experts`: routed ones, 0: none."""

    sizes: tuple[str, ...] = ("100M", "350M", "1B", "3B")
    widths: tuple[float, ...] = (1.0,)
    experts: tuple[int, ...] = (0,)

    def __iter__(self) -> Iterator[Design]:
        for size, factor, experts in itertools.product(
            self.sizes, self.widths, self.experts
        ):
            for design in _families(size):
                design = _widened(design, factor)
                yield _recipes.moe(design, experts) if experts else design


def _families(size: str) -> Iterator[Design]:
    yield _recipes.llama(size)
    yield _recipes.diff_transformer(size)
    yield _recipes.mamba2(size)
    yield _recipes.mamba1(size)
    yield _recipes.diff_mamba(size)
    yield _recipes.inter(size, (0, 1), mixer="gated delta")
    for window in WINDOWS:
        yield _named(_recipes.swa(size, window, ratio=(0, 1)), f"w{window}")
        for ratio, place in itertools.product(RATIOS, PLACEMENTS):
            design = _recipes.swa(size, window, ratio=ratio, placement=place)
            yield _named(design, f"w{window}", place)
    mixers = ("mamba2", "mamba1", "gated delta")
    for mixer, ratio, place in itertools.product(mixers, RATIOS, PLACEMENTS):
        yield _named(_recipes.inter(size, ratio, place, mixer=mixer), place)
    for choice in _fusions():
        words = [*choice.values()]
        yield _named(_recipes.intra(size, (1, 0), **choice), *words)
        for ratio, place in itertools.product(RATIOS, PLACEMENTS):
            yield _named(_recipes.intra(size, ratio, place, **choice), *words, place)


def _named(design: Design, *words: str) -> Design:
    return dataclasses.replace(design, name=" ".join([design.name, *words]))


def _fusions() -> Iterator[dict[str, Any]]:
    """What a parallel layer can be."""
    choices = Parallel.CHOICES
    for values in itertools.product(*choices.values()):
        choice = dict(zip(choices, values))
        if choice["fuse"] != "concat" or choice["out"] == "joint":
            yield choice


def _widened(design: Design, factor: float) -> Design:
    if factor == 1.0:
        return design

    def wider(block: Optional[FeedForward]) -> Optional[FeedForward]:
        # Widths that kernels like, as those of the paper are.
        return block and FeedForward(max(round(block.hidden * factor / 64), 1) * 64)

    layers = tuple(
        dataclasses.replace(layer, feed_forward=wider(layer.feed_forward))
        for layer in design.layers
    )
    name = f"{design.name} ffn×{factor:g}"
    return dataclasses.replace(design, name=name, layers=layers)


# --- Figures


def figures(design: Design, context: int, batch: int) -> tuple[float, ...]:
    """In the order of FIGURES."""
    counts = design.parameters
    decode = cost(design, context=context, batch=batch)
    prefill = cost(design, context=context, phase="prefill", logits="last").total
    return (
        counts.total,
        counts.active + counts.embedding,
        decode.state_bytes / batch,
        decode.total.bytes / batch,
        decode.total.flops / batch,
        prefill.flops / context,
        _attentive(design) / len(design.layers),
    )


def _parts(design: Design) -> Hashable:
    """What the figures depend on: not the order of the layers."""
    counts = frozenset(Counter(design.layers).items())
    return design.width, design.vocabulary, design.tied, counts


def _attentive(design: Design) -> int:
    """Layers in which a token sees all before it."""
    mixers = [
        layer.mixer.branches if isinstance(layer.mixer, Parallel) else (layer.mixer,)
        for layer in design.layers
    ]
    return sum(
        any(isinstance(m, Attention) and not m.window for m in group)
        for group in mixers
    )


def front(values: npt.NDArray[np.float64]) -> list[int]:
    """Rows that no other row equals or beats in every column (less is better)
    and beats in one; of equal rows, the first."""
    order = np.lexsort(values.T[::-1])
    kept: list[int] = []
    best = np.empty((0, values.shape[1]))
    # In lexical order, what beats a row comes before it.
    for index in order:
        row = values[index]
        if not len(best) or not (best <= row).all(axis=1).any():
            kept.append(int(index))
            best = values[kept]
    return sorted(kept)


@dataclass(frozen=True)
class Found:
    design: Design
    figures: dict[str, float]
    #: Designs with the same figures, this one included.
    alike: int


@dataclass(frozen=True)
class Result:
    #: How many there are, and how many are within the limits.
    looked_at: int
    allowed: int
    front: tuple[Found, ...]
    seconds: float


def search(
    space: Space,
    *,
    context: int,
    batch: int = 1,
    most: Optional[dict[str, float]] = None,
    least: Optional[dict[str, float]] = None,
    minimize: Sequence[str] = ("cache", "decode-bytes"),
    maximize: Sequence[str] = ("active", "attention"),
) -> Result:
    """The Pareto front among the designs of `space` whose figures are within the
    limits `most` and `least`, in the order of the first objective."""
    begin = time.monotonic()
    for name in [*minimize, *maximize, *(most or {}), *(least or {})]:
        if name not in FIGURES:
            raise InvalidArgument(
                f"there is no figure '{name}'; there are {', '.join(FIGURES)}"
            )
    if not minimize and not maximize:
        raise InvalidArgument("there is nothing to minimize or maximize")
    known: dict[Hashable, dict[str, float]] = {}
    designs = []
    rows = []
    looked_at = 0
    for design in space:
        looked_at += 1
        key = _parts(design)
        if key not in known:
            known[key] = dict(zip(FIGURES, figures(design, context, batch)))
        row = known[key]
        if all(row[k] <= v for k, v in (most or {}).items()) and all(
            row[k] >= v for k, v in (least or {}).items()
        ):
            designs.append(design)
            rows.append(row)
    aims = [(name, 1.0) for name in minimize] + [(name, -1.0) for name in maximize]
    values = np.array([[sign * row[name] for name, sign in aims] for row in rows])
    chosen = front(values) if rows else []
    found = [
        Found(designs[k], rows[k], int((values == values[k]).all(axis=1).sum()))
        for k in sorted(chosen, key=lambda k: tuple(values[k]))
    ]
    return Result(looked_at, len(rows), tuple(found), time.monotonic() - begin)


# --- The command


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(parse_number(word) for word in _words(text))


def _limit(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    if name not in FIGURES:
        raise argparse.ArgumentTypeError(
            f"'{name}' is none of {', '.join(FIGURES)}; write FIGURE=NUMBER"
        )
    return name, parse_number(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hybrid search",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--most",
        action="append",
        default=[],
        type=_limit,
        metavar="FIGURE=N",
        help="no more than this, such as cache=64MiB (may be repeated)",
    )
    add(
        "--least",
        action="append",
        default=[],
        type=_limit,
        metavar="FIGURE=N",
        help="no less than this, such as active=1B",
    )
    add(
        "--minimize",
        type=_words,
        default=("cache", "decode-bytes"),
        metavar="FIGURES",
        help="default cache,decode-bytes",
    )
    add(
        "--maximize",
        type=_words,
        default=("active", "attention"),
        metavar="FIGURES",
        help="default active,attention",
    )
    add(
        "--context",
        type=parse_number,
        default=8192,
        metavar="N",
        help="tokens of a sequence (default 8192)",
    )
    add("--batch", type=int, default=1, metavar="N", help="sequences (default 1)")
    sizes = Space.sizes
    add(
        "--sizes",
        type=_words,
        default=sizes,
        metavar="SIZES",
        help=f"default {','.join(sizes)}",
    )
    add(
        "--widths",
        type=_numbers,
        default=(1.0,),
        metavar="FACTORS",
        help="of the feed-forward's channels (default 1)",
    )
    add(
        "--experts",
        type=_numbers,
        default=(0,),
        metavar="NUMBERS",
        help="of routed experts; 0: none (default 0)",
    )
    add("--rows", type=int, default=40, metavar="N", help="print so many (default 40)")
    add("--json", action="store_true", help="print JSON: all rows, with the designs")
    return parser


def _row(found: Found) -> list[str]:
    cells = [
        f"{value:.2f}" if name == "attention" else rounded(value)
        for name, value in found.figures.items()
    ]
    return [found.design.name, *cells, str(found.alike)]


def _text(result: Result, rows: int) -> str:
    head = (
        f"{result.looked_at:,} designs in {result.seconds:.1f} s, "
        f"{result.allowed:,} within the limits, {len(result.front)} of them best"
    )
    lines = [_row(found) for found in result.front[:rows]]
    text = f"{head}\n\n{table(['', *FIGURES, 'alike'], lines)}"
    more = len(result.front) - rows
    return f"{text}\n\n{more} more: --rows" if more > 0 else text


def _json(result: Result) -> str:
    entries: list[dict[str, Any]] = [
        {
            "name": found.design.name,
            "figures": found.figures,
            "alike": found.alike,
            "design": json.loads(found.design.to_json()),
        }
        for found in result.front
    ]
    return json.dumps(
        {
            "designs": result.looked_at,
            "within_limits": result.allowed,
            "seconds": result.seconds,
            "front": entries,
        },
        indent=1,
    )


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Returns the exit code; raises HybridError."""
    args = _parser().parse_args(arguments)
    space = Space(args.sizes, args.widths, tuple(map(int, args.experts)))
    result = search(
        space,
        context=int(args.context),
        batch=args.batch,
        most=dict(args.most),
        least=dict(args.least),
        minimize=args.minimize,
        maximize=args.maximize,
    )
    print(_json(result) if args.json else _text(result, args.rows))
    return 0 if result.front else 1
