"""What the compiler says that a model costs: hybrid-compile --report=json."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple, Union

from .. import _compile, _install
from ..errors import InvalidArgument
from ._cost import Cost


class CompilerCosts(NamedTuple):
    """Of one call of a compiled model."""

    total: Cost
    #: By number of the layer, and "embedding", "head", "shared".
    layers: dict[str, Cost]
    #: Launches of each layer.
    launches: dict[str, int]
    #: Bytes of the states of all sequences after the call, by kind.
    states: dict[str, int]
    #: What hybrid-compile printed (docs/report.md).
    report: dict[str, Any]


def compiler_costs(
    model: Union[str, os.PathLike[str]],
    *,
    context: int,
    batch: int = 1,
    phase: str = "decode",
    logits: str = "all",
    options: Iterable[str] = (),
) -> CompilerCosts:
    """The compiler's costs of one call of an ONNX file, as `cost` gives them in
    closed form; no code is generated.

    context  tokens that each sequence holds after the call, which is what the
             model is compiled for
    phase    "prefill": all of them are new; "decode": one is
    logits   of "all" new tokens, or of the "last" one of each sequence, if the
             model lets them be trimmed
    options  more options of hybrid-compile

    Raises InvalidArgument, or CompileError with the compiler's message.
    """
    if phase not in ("prefill", "decode"):
        raise InvalidArgument(f"phase is '{phase}'; it can be prefill or decode")
    if logits not in ("all", "last"):
        raise InvalidArgument(f"logits is '{logits}'; it can be all or last")
    size = context if phase == "prefill" else 1
    command = [
        str(_install.tool("hybrid-compile")),
        os.fspath(model),
        "--report=json",
        f"--max-batch={batch}",
        f"--max-seq={size}",
        f"--max-context={context}",
        f"--report-batch={batch}",
        f"--report-seq={size}",
        f"--report-context={context}",
        f"--report-logits={logits}",
        *options,
    ]
    report = _compile._call(command, verbose=False)
    # Without states there is one entry, which goes by another name.
    calls = [p for p in report["phases"] if p["tokens"] == size * batch]
    call = next((p for p in calls if p["entry"] == phase), calls[0])
    held = max(report["states"], key=lambda state: state["length"])["bytes"]
    return CompilerCosts(
        _cost(call["total"]),
        {row["layer"]: _cost(row) for row in call["layers"]},
        {row["layer"]: row["launches"] for row in call["layers"]},
        {kind: batch * size for kind, size in held.items()},
        report,
    )


def _cost(row: dict[str, Any]) -> Cost:
    weights, states = row["weight_bytes"], row["state_bytes"]
    rest = row["bytes_read"] + row["bytes_written"] - weights - states
    return Cost(row["flops"], row["exps"], weights, states, rest)
