"""Runs hybrid-compile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Optional, Union

from . import _install
from ._module import Module
from .errors import CompileError, NotFound

PathLike = Union[str, os.PathLike[str]]


def compile(
    model: PathLike,
    *,
    target: str = "cpu",
    output: Optional[PathLike] = None,
    max_batch: Optional[int] = None,
    max_seq: Optional[int] = None,
    max_context: Optional[int] = None,
    dims: Optional[Mapping[str, int]] = None,
    states: Union[bool, Iterable[tuple[str, str]]] = True,
    opt_level: Optional[int] = None,
    verbose: bool = False,
    options: Iterable[str] = (),
) -> Module:
    """Compiles an ONNX file and loads the result.

    model        the ONNX file
    target       "cpu[:level[,+feature]]", level: native, x86-64, x86-64-v2, …
    output       where the `.hyb` file goes; without it, it is a temporary file
                 that goes when the module goes
    max_batch, max_seq, max_context
                 capacities: sequences and tokens of a call, tokens of a session
                 (hybrid-compile's defaults: 8, 2048, 4096)
    dims         capacities of other symbolic dimensions
    states       False: every graph input and output stays as it is; pairs
                 (past, present): these are the states, instead of those found
                 by name
    opt_level    0 to 3
    verbose      let hybrid-compile report its phases on the standard error
    options      more options of hybrid-compile, as on its command line

    Raises CompileError with the compiler's message. A keyboard interrupt ends
    the compiler, too.
    """
    arguments = [f"--target={target}", *options]
    capacities = {"batch": max_batch, "seq": max_seq, "context": max_context}
    arguments += [f"--max-{n}={v}" for n, v in capacities.items() if v is not None]
    arguments += [f"--dim={name}:{size}" for name, size in (dims or {}).items()]
    if states is False:
        arguments.append("--no-states")
    elif states is not True:
        arguments += [f"--state={past}:{present}" for past, present in states]
    if opt_level is not None:
        arguments.append(f"-O{opt_level}")
    return compile_with(Path(model), output, arguments, verbose=verbose)


def compile_with(
    model: Path,
    output: Optional[PathLike],
    arguments: list[str],
    *,
    verbose: bool = False,
    compiler: Optional[PathLike] = None,
) -> Module:
    """compile() with the compiler's own options."""
    path = Path(output) if output is not None else _temporary_path(model)
    tool = compiler or _install.tool("hybrid-compile")
    command = [str(tool), os.fspath(model), "-o", str(path), "--json", *arguments]
    if verbose:
        command.append("-v")
    try:
        report = _call(command, verbose)
        return Module(path, source=model, report=report, temporary=output is None)
    except BaseException:
        if output is None:
            path.unlink(missing_ok=True)
        raise


def _temporary_path(model: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f"{model.stem}-", suffix=".hyb")
    os.close(descriptor)
    return Path(name)


def _call(command: list[str], verbose: bool) -> dict[str, Any]:
    """The report. Raises CompileError with what the compiler says."""
    messages = []
    with tempfile.TemporaryFile() as report:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=report,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        assert process.stderr is not None
        try:
            with process.stderr:
                for line in process.stderr:
                    messages.append(line)
                    if verbose:
                        sys.stderr.write(line)
            code = process.wait()
        except BaseException:
            _end(process)
            raise
        if code:
            raise _error(code, "".join(messages).strip())
        report.seek(0)
        summary: dict[str, Any] = json.load(report)
        return summary


def _end(process: subprocess.Popen[Any]) -> None:
    """Ends a child: politely, so that it removes what is half written."""
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _error(code: int, messages: str) -> Exception:
    if code == 127 and "shared libraries" in messages:
        return NotFound(
            f"hybrid-compile does not start: {messages}; it needs LLVM's and MLIR's "
            "shared libraries (Debian's libllvm22 and libmlir-22). Running compiled "
            "models does not"
        )
    if code < 0:
        name = signal.Signals(-code).name
        messages = f"{messages}\nhybrid-compile was ended by {name}".strip()
    return CompileError(
        messages or f"hybrid-compile failed without a message (exit code {code})"
    )
