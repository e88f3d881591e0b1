"""verify(): compiles, runs both sides, compares, looks for the first place."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from .._compile import compile_with
from .._module import Module, load
from ..errors import BadInput, HybridError
from ._compare import Difference, compare, tolerance_of
from ._inputs import Array, InputMaker
from ._layers import Graph, Tensor
from ._sides import Calls, Compiled, Reference, import_onnx, import_onnxruntime


@dataclass(frozen=True)
class Settings:
    """What is compared, and how."""

    batch: int = 1
    #: Tokens of the first call.
    prompt_len: int = 16
    #: Calls with one token after it, if the model has states.
    decode: int = 4
    #: Sizes of other symbolic dimensions; by default as many as tokens.
    dims: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    #: Tolerances of floating-point values; None: those of the coarsest dtype
    #: among the model's outputs and states.
    rtol: Optional[float] = None
    atol: Optional[float] = None
    threads: int = 0
    #: Values inside of the model that are looked at together.
    layers_batch: int = 64


@dataclass(frozen=True)
class Place:
    """A value inside of the model."""

    node: str
    operator: str
    output: str
    difference: Difference


@dataclass
class Report:
    """What verify() has found."""

    model: str
    reference: str
    #: Of each call, the comparison of each output and state.
    calls: list[list[Difference]]
    #: With `layers`: all values looked at, in topological order, up to the end
    #: of the batch that holds the first place where both sides part.
    layers: Optional[list[Place]] = None
    #: The call that `layers` are of.
    layers_call: int = 0
    #: Values that could not be looked at, and why.
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether all outputs and states of all calls are equal."""
        return all(d.ok for call in self.calls for d in call)

    @property
    def first(self) -> Optional[Place]:
        """The first value inside of the model that differs."""
        return next((p for p in self.layers or [] if not p.difference.ok), None)

    def json(self) -> str:
        """All of it as one JSON document."""
        report = asdict(self)
        report["ok"] = self.ok
        report["first"] = asdict(self.first) if self.first else None
        return json.dumps(_finite(report), indent=1)

    def text(self) -> str:
        """All of it for people."""
        lines = [f"{self.model} against onnxruntime on {self.reference}"]
        for index, call in enumerate(self.calls):
            lines.append("prefill" if index == 0 else f"decode {index}")
            lines += [
                f"  {'ok  ' if d.ok else 'DIFF'} {d.name}: {d.text()}" for d in call
            ]
        if self.layers is not None:
            lines += self._layers_text()
        lines.append("equal within the tolerance" if self.ok else "different")
        return "\n".join(lines)

    def _layers_text(self) -> list[str]:
        layers = self.layers or []
        call = f"decode {self.layers_call}" if self.layers_call else "prefill"
        lines = [f"inside of {call}: {len(layers)} values in topological order"]
        lines += [f"  {_place_text(place)}" for place in milestones(layers)]
        for name, why in self.skipped.items():
            lines.append(f"  not looked at: {name}: {why}")
        first = self.first
        if first:
            lines.append(
                f"first difference: node '{first.node}' ({first.operator}), output "
                f"'{first.output}': {first.difference.text()}"
            )
        elif not self.ok:
            lines.append(
                "no value inside differs when it can be seen: what differs is made "
                "where nodes are compiled together"
            )
        return lines


def _place_text(place: Place) -> str:
    mark = "ok  " if place.difference.ok else "DIFF"
    return (
        f"{mark} {place.node} ({place.operator}) {place.output}: "
        f"{place.difference.text()}"
    )


def milestones(layers: Sequence[Place]) -> list[Place]:
    """Where the difference has grown to four times what it was, and what is
    around the first place where it is too large."""
    first = next((i for i, p in enumerate(layers) if not p.difference.ok), None)
    chosen, largest = [], 0.0
    for index, place in enumerate(layers):
        near = first is not None and first - 3 <= index <= first + 5
        if first is not None and index > first + 5:
            break
        if near or place.difference.absolute > 4 * largest:
            chosen.append(place)
            largest = max(largest, place.difference.absolute)
    return chosen


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN: texts in their place."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


class _Verifier:
    def __init__(
        self,
        model: Path,
        reference: Path,
        artifact: Optional[Path],
        options: list[str],
        compiler: Optional[str],
        settings: Settings,
    ) -> None:
        import_onnx()
        import_onnxruntime()
        self.model, self.reference = model, reference
        self.options, self.compiler = options, compiler
        self.settings = settings
        self.module = load(artifact) if artifact else self._compile(model)
        module = self.module
        self.dtypes = {v.dtype for v in module.outputs} | {s.dtype for s in module.states}
        self.calls = self._make_calls()

    def _compile(self, model: Path) -> Module:
        return compile_with(model, None, self.options, compiler=self.compiler)

    def _maker(self, module: Module) -> InputMaker:
        settings = self.settings
        return InputMaker(module, settings.batch, settings.seed, settings.dims)

    def _make_calls(self) -> Calls:
        settings = self.settings
        if settings.prompt_len < 1 or settings.batch < 1 or settings.decode < 0:
            raise BadInput("sizes of the calls must be positive")
        maker = self._maker(self.module)
        lengths = [settings.prompt_len]
        if self.module.states:
            lengths += [1] * settings.decode
        return [maker.call(length) for length in lengths]

    def _results(
        self, module: Module, reference: Path, names: list[str], last: int
    ) -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
        """Both sides' values in the calls up to number `last`."""
        settings = self.settings
        ours = Compiled(module, settings.batch, settings.threads)
        theirs = Reference(reference, self._maker(module), settings.threads)
        missing = [name for name in names if name not in theirs.outputs]
        if missing:
            raise HybridError(f"'{self.reference}' has no output '{missing[0]}'")
        calls = self.calls[: last + 1]
        yield from zip(ours.run(calls, names), theirs.run(calls, names))

    def _compare(
        self, name: str, got: Array, want: Array, scaled: bool = False
    ) -> Difference:
        settings = self.settings
        dtypes = {want.dtype.name, *self.dtypes}
        tolerance = tolerance_of(dtypes, settings.rtol, settings.atol)
        return compare(name, got, want, tolerance, scaled)

    def outputs(self) -> Report:
        names = [value.name for value in self.module.outputs]
        names += [state.present for state in self.module.states if state.present]
        last = len(self.calls) - 1
        results = self._results(self.module, self.reference, names, last)
        windows = {s.present: s for s in self.module.states if s.window}

        def kept(name: str, value: Array) -> Array:
            axis = windows[name].length_axis if name in windows else None
            if axis is None:
                return value
            return np.take(value, windows[name].kept(value.shape[axis]), axis)

        calls = [
            [
                self._compare(name, kept(name, got[name]), kept(name, want[name]))
                for name in names
            ]
            for got, want in results
        ]
        return Report(str(self.model), str(self.reference), calls)

    def layers(self, report: Report) -> None:
        """Looks inside of the first call whose results differ; of the first call
        if none does."""
        ours, theirs = Graph(self.model), Graph(self.reference)
        there = {tensor.name for tensor in theirs.tensors()}
        tensors = [tensor for tensor in ours.tensors() if tensor.name in there]
        bad = [i for i, call in enumerate(report.calls) if any(not d.ok for d in call)]
        report.layers, report.layers_call = [], bad[0] if bad else 0
        size = self.settings.layers_batch
        for begin in range(0, len(tensors), size):
            batch = tensors[begin : begin + size]
            report.layers += self._look(ours, theirs, batch, report)
            if report.first:
                return

    def _look(
        self, ours: Graph, theirs: Graph, tensors: list[Tensor], report: Report
    ) -> list[Place]:
        """Compares values; those that cannot be outputs are left out, found by
        halving."""
        try:
            return self._look_together(ours, theirs, tensors, report.layers_call)
        except HybridError as error:
            if len(tensors) == 1:
                report.skipped[tensors[0].name] = str(error).splitlines()[0]
                return []
        half = len(tensors) // 2
        places = self._look(ours, theirs, tensors[:half], report)
        return places + self._look(ours, theirs, tensors[half:], report)

    def _look_together(
        self, ours: Graph, theirs: Graph, tensors: list[Tensor], call: int
    ) -> list[Place]:
        names = [tensor.name for tensor in tensors]
        with ours.exposing(names) as model, theirs.exposing(names) as reference:
            module = self._compile(model)
            for got, want in self._results(module, reference, names, call):
                pass  # the last call counts
        return [
            Place(
                tensor.node,
                tensor.operator,
                tensor.name,
                self._compare(tensor.name, got[tensor.name], want[tensor.name], True),
            )
            for tensor in tensors
        ]


def verify(
    model: Union[str, os.PathLike[str]],
    *,
    layers: bool = False,
    reference: Union[str, os.PathLike[str], None] = None,
    artifact: Union[str, os.PathLike[str], None] = None,
    options: Sequence[str] = (),
    compiler: Optional[str] = None,
    settings: Settings = Settings(),
) -> Report:
    """Compiles an ONNX file and compares its outputs and states with those of
    onnxruntime, on a prefill and some decode steps with seeded inputs.

    layers      also look for the first value inside of the model that differs
    reference   the ONNX file that onnxruntime runs (default: the same one)
    artifact    the compiled model, if there is one already
    options     options of hybrid-compile, as on its command line
    compiler    the path of hybrid-compile
    """
    path = Path(model)
    verifier = _Verifier(
        path,
        Path(reference) if reference is not None else path,
        Path(artifact) if artifact is not None else None,
        list(options),
        compiler,
        settings,
    )
    report = verifier.outputs()
    if layers:
        verifier.layers(report)
    return report
