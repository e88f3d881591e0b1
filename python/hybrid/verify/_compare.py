"""How far two arrays are apart."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tolerance:
    """Values are equal if |got - want| <= atol + rtol * |want|; NaN equals NaN,
    infinities equal themselves."""

    rtol: float
    atol: float


#: By dtype: how far outputs of whole models are from those of float64 (the
#: cases of test/Models), because roundings add up over layers. Integers and booleans must always be equal.
TOLERANCES = {
    "float64": Tolerance(1e-6, 1e-8),
    "float32": Tolerance(1e-3, 1e-4),
    "float16": Tolerance(2e-2, 4e-2),
    "bfloat16": Tolerance(5e-2, 3e-1),
}
EXACT = Tolerance(0.0, 0.0)


@dataclass(frozen=True)
class Difference:
    """The comparison of one value."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    ok: bool
    #: What makes a comparison of elements impossible, or "".
    problem: str = ""
    #: The largest |got - want|; infinity where only one is NaN or infinite.
    absolute: float = 0.0
    #: Where that is, and both values.
    where: tuple[int, ...] = ()
    got: float = 0.0
    want: float = 0.0
    #: The largest |got - want| / |want| of elements with |want| > atol.
    relative: float = 0.0
    relative_where: tuple[int, ...] = ()
    #: Elements that are not equal.
    different: int = 0
    elements: int = 0

    def text(self) -> str:
        """One line, without the name."""
        shape = f"{self.dtype} {list(self.shape)}"
        if self.problem:
            return f"{shape}  {self.problem}"
        line = f"{shape}  abs {self.absolute:.3g}  rel {self.relative:.3g}"
        if self.absolute:
            line += f" at {list(self.where)} ({self.got:.6g}, {self.want:.6g})"
        if self.different:
            line += f"  {self.different} of {self.elements} differ"
        return line


def tolerance_of(
    dtypes: Collection[str], rtol: Optional[float], atol: Optional[float]
) -> Tolerance:
    """The tolerance of values of a model that works with these dtypes, with what
    the user has set: that of the coarsest. What a float16 model gives as float32
    is made of float16."""
    default = max((TOLERANCES.get(name, EXACT) for name in dtypes), key=_rtol)
    return Tolerance(
        default.rtol if rtol is None else rtol,
        default.atol if atol is None else atol,
    )


def _rtol(tolerance: Tolerance) -> float:
    return tolerance.rtol


def _place(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, shape))


def compare(
    name: str, got: Array, want: Array, tolerance: Tolerance, scaled: bool = False
) -> Difference:
    """`scaled`: atol grows with the root mean square of `want` where that is
    above 1, for values inside of a model, whose scale is anything."""
    base = Difference(name, want.dtype.name, want.shape, ok=True, elements=want.size)
    if got.shape != want.shape:
        problem = f"has the shape {list(got.shape)}, expected {list(want.shape)}"
        return replace(base, ok=False, problem=problem)
    if got.dtype != want.dtype:
        problem = f"has the dtype {got.dtype.name}, expected {want.dtype.name}"
        return replace(base, ok=False, problem=problem)
    if want.size == 0:
        return base
    if want.dtype.kind in "iub":  # whatever the tolerance is
        return _compare_exact(base, got, want)
    have, must = got.astype(np.float64).ravel(), want.astype(np.float64).ravel()
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(have - must)
    distance[(have == must) | (np.isnan(have) & np.isnan(must))] = 0
    distance[np.isnan(distance)] = np.inf
    size = np.where(np.isfinite(must), np.abs(must), 0.0)
    atol = tolerance.atol
    if scaled:
        atol *= max(1.0, float(np.sqrt(np.mean(size * size))))
    different = int((distance > atol + tolerance.rtol * size).sum())
    ratio = np.where(size > atol, distance / np.where(size > atol, size, 1.0), 0.0)
    worst, worst_ratio = int(distance.argmax()), int(ratio.argmax())
    return replace(
        base,
        ok=different == 0,
        absolute=float(distance[worst]),
        where=_place(worst, want.shape),
        got=float(have[worst]),
        want=float(must[worst]),
        relative=float(ratio[worst_ratio]),
        relative_where=_place(worst_ratio, want.shape),
        different=different,
    )


def _compare_exact(base: Difference, got: Array, want: Array) -> Difference:
    # Differences of integers may not fit their type.
    unequal = (got != want).ravel()
    if not unequal.any():
        return base
    distance = np.abs(got.astype(np.float64) - want.astype(np.float64)).ravel()
    worst = int(np.where(unequal, np.maximum(distance, 0.5), 0.0).argmax())
    value, reference = float(got.flat[worst]), float(want.flat[worst])
    return replace(
        base,
        ok=False,
        absolute=float(distance[worst]),
        where=_place(worst, want.shape),
        got=value,
        want=reference,
        relative=float(distance[worst]) / abs(reference) if reference else 0.0,
        relative_where=_place(worst, want.shape),
        different=int(unequal.sum()),
    )
