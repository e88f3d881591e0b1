"""The first place inside of a model where both sides part.

The values between nodes become outputs of the graph, a batch of them at a time
in topological order, so that memory is bounded by the batch. Values that do not
depend on the graph's inputs stay inside: they may be as large as the weights,
and show where they are used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FileError
from ._sides import import_onnx


@dataclass(frozen=True)
class Tensor:
    """A value inside of a graph and the node that makes it."""

    name: str
    node: str
    operator: str
    index: int


class Graph:
    """An ONNX file whose inner values can become outputs."""

    def __init__(self, path: Path) -> None:
        self.onnx = import_onnx()
        self.path = path
        try:
            self.model = self.onnx.load(str(path), load_external_data=False)
        except Exception as error:  # protobuf's own, OSError, …
            raise FileError(f"cannot read '{path}': {error}") from None
        self.outputs = [value.name for value in self.model.graph.output]

    def tensors(self) -> list[Tensor]:
        """The values of the main graph that depend on its inputs, in topological
        order, outputs of the graph among them."""
        graph = self.model.graph
        constant = {value.name for value in graph.initializer}
        constant |= {value.values.name for value in graph.sparse_initializer}
        moving = {value.name for value in graph.input} - constant
        found = []
        for index, node in enumerate(graph.node):
            if not moving & self._reads(node):
                continue
            for name in filter(None, node.output):
                moving.add(name)
                label = node.name or f"#{index}"
                found.append(Tensor(name, label, node.op_type, index))
        return found

    def _reads(self, node: Any) -> set[str]:
        """The names that a node and its subgraphs read."""
        names = set(node.input)
        for attribute in node.attribute:
            for graph in [attribute.g, *attribute.graphs]:
                for inner in graph.node:
                    names |= self._reads(inner)
        return names

    def has_external_data(self) -> bool:
        return any(
            tensor.data_location == self.onnx.TensorProto.EXTERNAL
            for tensor in self.model.graph.initializer
        )

    @contextmanager
    def exposing(self, names: Sequence[str]) -> Iterator[Path]:
        """The path of a copy of the file with more outputs. It lies beside the
        file if there is external data, whose paths are relative."""
        folder = self.path.parent if self.has_external_data() else None
        model = self.onnx.ModelProto()
        model.CopyFrom(self.model)
        given = set(self.outputs)
        for name in names:
            if name not in given:
                model.graph.output.append(self.onnx.ValueInfoProto(name=name))
        try:
            file = tempfile.NamedTemporaryFile(
                dir=folder, prefix=f".{self.path.stem}-", suffix=".onnx"
            )
        except OSError as error:
            raise FileError(
                f"cannot write a copy of '{self.path}' beside it, where its external "
                f"data is: {error.strerror}"
            ) from None
        with file:
            file.write(model.SerializeToString())
            file.flush()
            yield Path(file.name)

