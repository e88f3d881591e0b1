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
    options: Iterable[str] = (),
) -> CompilerCosts:
    """The compiler's costs of one call of an ONNX file, as `cost` gives them in
    closed form; no code is generated.

    context  tokens that each sequence holds after the call, which is what the
             model is compiled for
    phase    "prefill": all of them are new; "decode": one is. Of a prefill, the
             logits of the last token are computed if the model lets them be trimmed
    options  more options of hybrid-compile

    Raises InvalidArgument, or CompileError with the compiler's message.
    """
    if phase not in ("prefill", "decode"):
        raise InvalidArgument(f"phase is '{phase}'; it can be prefill or decode")
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
        *options,
    ]
    report = _compile._call(command, verbose=False)
    # The last entry of that many tokens: without states, there is but one.
    call = next(p for p in reversed(report["phases"]) if p["tokens"] == size * batch)
    for candidate in report["phases"]:
        if candidate["entry"] == phase:
            call = candidate
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
