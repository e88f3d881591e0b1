"""Builds ONNX graphs and writes them, large weights piece by piece.

Needs the package onnx.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from ..errors import InvalidArgument, NotFound

try:
    from onnx import TensorProto, helper
except ImportError as error:
    raise NotFound(
        "writing ONNX needs the package onnx; install hybrid-compiler[models]"
    ) from error

OPSET = 27
IR_VERSION = 13
#: Weights from so many bytes on can lie in a file of their own, at multiples of
#: PAGE.
EXTERNAL = 1024
PAGE = 4096

Dims = Sequence[Union[int, str]]

_DTYPES = {
    "f32": (TensorProto.FLOAT, 4),
    "f16": (TensorProto.FLOAT16, 2),
    "bf16": (TensorProto.BFLOAT16, 2),
    "i64": (TensorProto.INT64, 8),
}
DTYPES = ("f32", "f16", "bf16")


def element(dtype: str) -> int:
    """ONNX's number of a dtype."""
    return int(_DTYPES[dtype][0])


def encode(values: npt.NDArray[Any], dtype: str) -> bytes:
    """As raw_data. bfloat16 is rounded to nearest, ties to even. Raises
    OverflowError where values do not fit."""
    if dtype == "i64":
        return values.astype("<i8").tobytes()
    if dtype != "bf16":
        with np.errstate(over="ignore"):
            narrow = values.astype("<f4" if dtype == "f32" else "<f2")
        if not np.isfinite(narrow).all():
            raise OverflowError
        return narrow.tobytes()
    bits = np.ascontiguousarray(values, "<f4").view("<u4")
    rounded = bits >> 16
    rounded &= 1
    rounded += 0x7FFF
    rounded += bits
    rounded >>= 16
    return bytes(rounded.astype("<u2").tobytes())


class Weight:
    """An initializer: its values come in pieces, one after another."""

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        pieces: Callable[[], Iterable[npt.NDArray[Any]]],
    ) -> None:
        self.name, self.shape, self.dtype = name, tuple(shape), dtype
        self.pieces = pieces

    @property
    def size(self) -> int:
        """In bytes."""
        count = 1
        for size in self.shape:
            count *= size
        return count * _DTYPES[self.dtype][1]

    def encoded(self) -> Iterator[bytes]:
        try:
            for piece in self.pieces():
                yield encode(piece, self.dtype)
        except OverflowError:
            raise InvalidArgument(
                f"the weight '{self.name}' does not fit into {self.dtype}"
            ) from None

    def tensor(self) -> Any:
        return TensorProto(
            name=self.name, dims=self.shape, data_type=element(self.dtype)
        )


class Graph:
    """Collects nodes, weights, inputs and outputs. Arithmetic is in `dtype`."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.weights: dict[str, Weight] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    # --- Values

    def add(self, weight: Weight) -> str:
        self.weights[weight.name] = weight
        return weight.name

    def constant(
        self, name: str, values: npt.ArrayLike, dtype: Optional[str] = None
    ) -> str:
        """A weight from an array, once per name."""
        array = np.asarray(values)
        if name not in self.weights:
            kind = dtype or self.dtype
            self.add(Weight(name, array.shape, kind, lambda: [array]))
        return name

    def integers(self, *values: int) -> str:
        name = "c_" + "_".join(str(value).replace("-", "m") for value in values)
        return self.constant(name, np.array(values, np.int64), "i64")

    def integer(self, value: int) -> str:
        return self.constant(f"scalar_{value}", np.array(value, np.int64), "i64")

    def input(self, name: str, dtype: str, dims: Dims) -> str:
        info = helper.make_tensor_value_info(name, element(dtype), dims)
        self.inputs.append(info)
        return name

    def output(self, name: str, dtype: str, dims: Dims) -> str:
        info = helper.make_tensor_value_info(name, element(dtype), dims)
        self.outputs.append(info)
        return name

    def state(
        self,
        name: str,
        past: Dims,
        present: Optional[Dims] = None,
        dtype: Optional[str] = None,
    ) -> tuple[str, str]:
        """Declares past_name and present_name; returns both."""
        kind = dtype or self.dtype
        self.input("past_" + name, kind, past)
        self.output("present_" + name, kind, present or past)
        return "past_" + name, "present_" + name

    # --- Nodes

    def nodes_of(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Union[int, Sequence[str]],
        **attributes: Any,
    ) -> list[str]:
        """Adds a node; `outputs` are names, or the number of unnamed ones."""
        if isinstance(outputs, int):
            stem = f"{operator.lower()}_{len(self.nodes)}"
            outputs = [stem if outputs == 1 else f"{stem}_{k}" for k in range(outputs)]
        name = outputs[0]
        self.nodes.append(
            helper.make_node(operator, inputs, outputs, name=name, **attributes)
        )
        return list(outputs)

    def node(
        self,
        operator: str,
        inputs: Sequence[str],
        output: Optional[str] = None,
        **attributes: Any,
    ) -> str:
        """Adds a node of one output."""
        outputs: Union[int, list[str]] = [output] if output else 1
        return self.nodes_of(operator, inputs, outputs, **attributes)[0]

    def split(self, x: str, *sizes: int) -> list[str]:
        """Parts along the last axis."""
        inputs = [x, self.integers(*sizes)]
        return self.nodes_of("Split", inputs, len(sizes), axis=-1)

    def reshape(self, x: str, *dims: int) -> str:
        """0: the dimension stays; -1: what is left."""
        return self.node("Reshape", [x, self.integers(*dims)])

    def unsqueeze(self, x: str, *axes: int) -> str:
        return self.node("Unsqueeze", [x, self.integers(*axes)])

    def silu(self, x: str) -> str:
        return self.node("Mul", [x, self.node("Sigmoid", [x])])

    def cast(self, x: str, to: str, of: Optional[str] = None) -> str:
        """`x`, which is of a dtype (the graph's), as another."""
        if to == (of or self.dtype):
            return x
        return self.node("Cast", [x], to=element(to))

    # --- The file

    def save(
        self,
        path: Union[str, os.PathLike[str]],
        *,
        name: str,
        producer: str,
        external: bool = False,
    ) -> None:
        """Writes the model; `external`: large weights go to PATH.data. Files
        appear when they are whole."""
        target = Path(path)
        data = target.with_name(target.name + ".data")
        parts = [target.with_name(f"{f.name}.part") for f in (target, data)]
        try:
            model = self._model(name, producer)
            if external:
                self._write_external(model, parts[1], data.name)
            for weight in self.weights.values():
                if external and weight.size >= EXTERNAL:
                    continue
                tensor = weight.tensor()
                tensor.raw_data = b"".join(weight.encoded())
                model.graph.initializer.append(tensor)
            parts[0].write_bytes(model.SerializeToString())
            if external:
                parts[1].replace(data)
            parts[0].replace(target)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)

    def _model(self, name: str, producer: str) -> Any:
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name=producer,
        )

    def _write_external(self, model: Any, path: Path, location: str) -> None:
        with open(path, "wb") as file:
            for weight in self.weights.values():
                if weight.size < EXTERNAL:
                    continue
                file.write(b"\0" * (-file.tell() % PAGE))
                tensor = weight.tensor()
                tensor.data_location = TensorProto.EXTERNAL
                where = {
                    "location": location,
                    "offset": file.tell(),
                    "length": weight.size,
                }
                for key, value in where.items():
                    tensor.external_data.add(key=key, value=str(value))
                model.graph.initializer.append(tensor)
                for piece in weight.encoded():
                    file.write(piece)
