"""Seeded inputs that fit a module's signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .._module import Module, State, Value
from .._tensors import BFLOAT16
from ..errors import BadInput

Array = npt.NDArray[Any]


def dtype_of(name: str) -> np.dtype[Any]:
    return BFLOAT16 if name == "bfloat16" else np.dtype(name)


class InputMaker:
    """The inputs of consecutive calls: a prefill, then decode steps."""

    def __init__(
        self, module: Module, batch: int, seed: int, dims: Mapping[str, int]
    ) -> None:
        self.module = module
        self.batch = batch
        self.dims = dict(dims)
        self.random = np.random.default_rng(seed)
        self.position = 0
        known = {s.name for s in module.symbols}
        for name in dims:
            if name not in known:
                raise BadInput(
                    f"there is no dimension '{name}'; there are {', '.join(sorted(known))}"
                )

    def call(self, length: int) -> dict[str, Array]:
        """The inputs of a call with `length` tokens; states go on."""
        symbols = {
            s.name: self._size(s.name, s.role, length)
            for s in self.module.symbols
            if s.role != "from"
        }
        for symbol in self.module.symbols:
            if symbol.name in symbols:
                symbols[symbol.name] = min(symbols[symbol.name], symbol.capacity)
        shapes, _ = self.module.shapes(symbols)
        inputs = {v.name: self._make(v, shapes[v.name]) for v in self.module.inputs}
        tokens = [shapes[v.name] for v in self.module.inputs if v.role == "tokens"]
        # Some models take a fixed number.
        self.position += tokens[0][-1] if tokens and tokens[0] else length
        return inputs

    def _size(self, name: str, role: str, length: int) -> int:
        if role == "past":
            return self.position
        if name in self.dims:
            return self.dims[name]
        return self.batch if role == "batch" else length

    def _make(self, value: Value, shape: tuple[int, ...]) -> Array:
        dtype = dtype_of(value.dtype)
        if value.role == "position_ids":
            length = shape[-1] if shape else 1
            row = np.arange(self.position, self.position + length)
            return np.broadcast_to(row.reshape(row.shape if shape else ()), shape).astype(dtype)
        if value.role == "attention_mask":
            return np.ones(shape, dtype)
        if dtype.kind in "iu":
            least, most = value.range or (0, 1)
            # Negative indices count from the end; exporters never give them.
            low = max(least, 0) if most >= 0 else least
            return self.random.integers(low, most, shape, endpoint=True).astype(dtype)
        if dtype.kind == "b":
            return np.ones(shape, dtype)
        return self.random.standard_normal(shape).astype(dtype)

    def empty_state(self, state: State) -> Array:
        """What a state is at the start."""
        shape = [self.batch if size < 0 else size for size in state.dims]
        if state.length_axis is not None:
            shape[state.length_axis] = 0
        return np.zeros(shape, dtype_of(state.dtype))

