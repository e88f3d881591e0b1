"""python -m hybrid: the tools of the package."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Optional

from . import _install
from .errors import HybridError

USAGE = """\
usage: python -m hybrid COMMAND …

  compile MODEL.onnx …      hybrid-compile: compile a model
  run MODEL.hyb …           hybrid-run: run it on .npz files, compare, measure
  inspect MODEL.hyb         hybrid-run --inspect: signature, states, bytes
  serve MODEL.hyb PORT …    hybrid-run --serve: an HTTP server
  generate MODEL.hyb …      go on from a prompt
  verify MODEL.onnx …       compare with onnxruntime
  report DESIGN …           what a design of hybrid.models costs; --paper
  search …                  designs within limits, and which of them are best

COMMAND --help says more.
"""

# Commands that are those of a tool, with the arguments that come first.
_TOOLS = {"compile": "hybrid-compile", "run": "hybrid-run"}


def _exec(tool: str, arguments: Sequence[str]) -> int:
    """Becomes a tool."""
    path = str(_install.tool(tool))
    # hybrid-compile --verify calls Python again.
    os.environ.setdefault("HYBRID_PYTHON", sys.executable)
    sys.stdout.flush()
    os.execv(path, [tool, *arguments])


def _inspect(arguments: Sequence[str]) -> int:
    return _exec("hybrid-run", [*arguments, "--inspect"])


def _serve(arguments: Sequence[str]) -> int:
    if len(arguments) < 2 or arguments[0].startswith("-"):
        print("usage: python -m hybrid serve MODEL.hyb PORT …", file=sys.stderr)
        return 2
    return _exec("hybrid-run", [arguments[0], "--serve", *arguments[1:]])


def _dispatch(command: str, arguments: Sequence[str]) -> int:
    if command in _TOOLS:
        return _exec(_TOOLS[command], arguments)
    if command == "inspect":
        return _inspect(arguments)
    if command == "serve":
        return _serve(arguments)
    if command == "generate":
        from ._generate_command import main as generate

        return generate(arguments)
    if command == "verify":
        from .verify._command import main as verify

        return verify(arguments)
    if command == "report":
        from .models._report import main as report

        return report(arguments)
    if command == "search":
        from .models._search import main as search

        return search(arguments)
    print(f"error: there is no command '{command}'\n\n{USAGE}", end="", file=sys.stderr)
    return 2


def report_tool() -> int:
    """The console script hybrid-report."""
    return main(["report", *sys.argv[1:]])


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs a command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    command = arguments[0]
    try:
        return _dispatch(command, arguments[1:])
    except HybridError as error:
        print(f"error: {error}", file=sys.stderr)
        # What is not equal and what cannot be compared are not the same.
        return 2 if command == "verify" else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def compile_tool() -> int:
    """The console script hybrid-compile."""
    return _tool("hybrid-compile")


def run_tool() -> int:
    """The console script hybrid-run."""
    return _tool("hybrid-run")


def _tool(name: str) -> int:
    try:
        return _exec(name, sys.argv[1:])
    except HybridError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
