"""The two sides of a comparison: a compiled module and onnxruntime. Each runs
the same calls, feeding itself its own states."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._module import Module
from ..errors import HybridError, NotFound
from ._inputs import Array, InputMaker

Calls = Sequence[Mapping[str, Array]]


_MISSING = (
    "verify needs the package {}, which is not installed; it needs onnx and "
    "onnxruntime: pip install onnx onnxruntime"
)


def import_onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise NotFound(_MISSING.format("onnx")) from None
    return onnx


def import_onnxruntime() -> Any:
    # Opsets may be newer than the last that onnxruntime calls released.
    os.environ.setdefault("ALLOW_RELEASED_ONNX_OPSET_ONLY", "0")
    try:
        import onnxruntime
    except ImportError:
        raise NotFound(_MISSING.format("onnxruntime")) from None
    return onnxruntime


class Compiled:
    """Our side."""

    def __init__(self, module: Module, batch: int, threads: int) -> None:
        self.module = module
        self.batch = batch
        self.threads = threads

    def run(self, calls: Calls, outputs: Sequence[str]) -> Iterator[dict[str, Array]]:
        """The results of each call, states among them by their `present` names."""
        batch = self.batch if self.module.states else 1
        with self.module.session(batch, threads=self.threads) as session:
            for inputs in calls:
                yield session.run(inputs, outputs=outputs)


class Reference:
    """onnxruntime's side. Optimisations are off, so that each node computes what
    it says."""

    def __init__(self, model: Path, maker: InputMaker, threads: int) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.graph_optimization_level = (
            onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        )
        self.states = maker.module.states
        self.empty = {s.name: maker.empty_state(s) for s in self.states}
        try:
            self.session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no common base
            raise HybridError(f"onnxruntime cannot load '{model}': {error}") from None
        self.inputs = [value.name for value in self.session.get_inputs()]
        self.outputs = [value.name for value in self.session.get_outputs()]

    def run(self, calls: Calls, outputs: Sequence[str]) -> Iterator[dict[str, Array]]:
        """The results of each call."""
        states = dict(self.empty)
        presents = {s.present: s.name for s in self.states if s.present}
        wanted = list(dict.fromkeys([*outputs, *presents]))
        for inputs in calls:
            given = {**inputs, **states}
            missing = [name for name in self.inputs if name not in given]
            if missing:
                raise HybridError(
                    f"onnxruntime wants the input '{missing[0]}', which the compiled "
                    "model does not have"
                )
            try:
                values = self.session.run(
                    wanted, {name: given[name] for name in self.inputs}
                )
            except Exception as error:  # its exceptions have no common base
                raise HybridError(f"onnxruntime cannot run the model: {error}") from None
            results = {name: np.asarray(v) for name, v in zip(wanted, values)}
            states.update((past, results[name]) for name, past in presents.items())
            yield {name: results[name] for name in outputs}
