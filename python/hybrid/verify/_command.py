"""python -m hybrid verify."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..errors import BadInput
from ._run import Settings, verify

DESCRIPTION = """\
Compiles an ONNX file and compares it with onnxruntime on seeded inputs: a
prefill from empty states and, if there are states, decode steps. Prints, for
each output and state, the shape, the largest absolute and relative difference
and where the former is (our value, onnxruntime's). Options of hybrid-compile
may follow after --.

Values are equal if |got - want| <= atol + rtol * |want|. The tolerances are
1e-3 and 1e-4 for float32, 2e-2 and 4e-2 for float16, 5e-2 and 3e-1 for
bfloat16, 1e-6 and 1e-8 for float64, of the coarsest among the model's outputs
and states; integers must be equal.

Exit codes: 0 equal, 1 different, 2 the comparison could not be made.
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hybrid verify",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", help="the ONNX file")
    add(
        "--layers",
        action="store_true",
        help="look for the first value inside of the model that differs",
    )
    add(
        "--layers-batch",
        type=int,
        default=64,
        metavar="N",
        help="look at so many values together (default 64)",
    )
    add("--reference", metavar="FILE", help="onnxruntime runs this ONNX file instead")
    add("--artifact", metavar="FILE", help="the compiled model, if there is one")
    add("--compiler", metavar="FILE", help="hybrid-compile")
    add("--batch", type=int, default=1, help="sequences (default 1)")
    add("--prompt-len", type=int, default=16, help="tokens of the prefill (default 16)")
    add("--decode", type=int, default=4, help="decode steps (default 4)")
    add(
        "--dim",
        action="append",
        default=[],
        metavar="NAME=N",
        help="size of another symbolic dimension (default: as many as tokens)",
    )
    add("--seed", type=int, default=0, help="of the inputs (default 0)")
    add("--rtol", type=float, help="relative tolerance instead of these")
    add("--atol", type=float, help="absolute tolerance instead of these")
    add("--threads", type=int, default=0, help="default: one per CPU")
    add("--json", action="store_true", help="print one JSON document instead of text")
    return parser


def dims_of(texts: Sequence[str]) -> dict[str, int]:
    dims = {}
    for text in texts:
        name, _, size = text.partition("=")
        if not name or not size.isdigit():
            raise BadInput(f"--dim takes NAME=N, not '{text}'")
        dims[name] = int(size)
    return dims


def main(arguments: Sequence[str]) -> int:
    given, options = list(arguments), []
    if "--" in given:
        at = given.index("--")
        given, options = given[:at], given[at + 1 :]
    args = parser().parse_args(given)
    settings = Settings(
        batch=args.batch,
        prompt_len=args.prompt_len,
        decode=args.decode,
        dims=dims_of(args.dim),
        seed=args.seed,
        rtol=args.rtol,
        atol=args.atol,
        threads=args.threads,
        layers_batch=max(args.layers_batch, 1),
    )
    report = verify(
        args.model,
        layers=args.layers,
        reference=args.reference,
        artifact=args.artifact,
        options=options,
        compiler=args.compiler,
        settings=settings,
    )
    print(report.json() if args.json else report.text())
    return 0 if report.ok else 1
