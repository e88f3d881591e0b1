"""Designs as words, and numbers as people read them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import FileError, InvalidArgument
from . import _recipes
from ._design import Design

_FAMILIES: tuple[Callable[..., Design], ...] = (
    _recipes.llama,
    _recipes.swa,
    _recipes.mamba2,
    _recipes.mamba1,
    _recipes.inter,
    _recipes.intra,
    _recipes.hymba,
    _recipes.falcon_h1,
    _recipes.diff_transformer,
    _recipes.diff_mamba,
    _recipes.gated_delta,
    _recipes.moe,
)
FAMILIES: dict[str, Callable[..., Design]] = {
    family.__name__: family for family in _FAMILIES
}


def parse(text: str) -> Design:
    """A design from a call such as inter("1B", ratio=(1, 5)), where arguments
    are literals or such calls, or from the JSON of a file FILE.json."""
    if text.endswith(".json"):
        try:
            return Design.from_json(Path(text).read_text())
        except OSError as error:
            raise FileError(f"{text} cannot be read: {error.strerror}") from error
    try:
        design = _value(ast.parse(text, mode="eval").body)
    except (
        SyntaxError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        if isinstance(error, InvalidArgument):
            raise
        raise InvalidArgument(
            f"'{text}' is no design: {error}; a design is a .json file or a call of "
            f"{', '.join(FAMILIES)}, such as inter('1B', ratio=(1, 5))"
        ) from error
    if not isinstance(design, Design):
        raise InvalidArgument(f"'{text}' is no design, it is {design!r}")
    return design


def _value(node: ast.expr) -> object:
    if not isinstance(node, ast.Call):
        value: object = ast.literal_eval(node)
        return value
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in FAMILIES:
        raise ValueError(f"there is no family '{ast.unparse(node.func)}'")
    arguments = [_value(argument) for argument in node.args]
    named = {word.arg: _value(word.value) for word in node.keywords if word.arg}
    return FAMILIES[name](*arguments, **named)


_SUFFIXES = {
    "": 1.0,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "B": 1e9,
    "T": 1e12,
    "KIB": 2.0**10,
    "MIB": 2.0**20,
    "GIB": 2.0**30,
}


def parse_number(text: str) -> float:
    """1.3e9, 1.3B, 64MiB, …; raises ValueError."""
    stem = text.strip()
    digits = stem.rstrip("kKmMgGbBtTiI")
    suffix = stem[len(digits) :].upper()
    if suffix not in _SUFFIXES:
        raise ValueError(f"'{text}' is no number")
    number = float(digits) * _SUFFIXES[suffix]
    if not 0 <= number < float("inf"):
        raise ValueError(f"'{text}' is no number that something can be limited to")
    return number


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns: the first to the left, others to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
        return "  ".join(padded).rstrip()

    return "\n".join(map(line, lines))


def mebibytes(count: float) -> str:
    value = count / 2**20
    return f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def rounded(value: float) -> str:
    """Three significant digits, with a suffix."""
    for suffix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"
