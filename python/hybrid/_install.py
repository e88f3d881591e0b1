"""Finds the tools and the runtime library that belong to this package."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .errors import NotFound

PACKAGE = Path(__file__).resolve().parent
RUNTIME = "libhybrid-runtime.so"


def folders() -> Iterator[Path]:
    """Where tools and library may lie together, in the order of the search: in
    the wheel, $HYBRID_HOME/bin, the build folder of a checkout."""
    yield PACKAGE / "bin"
    home = os.environ.get("HYBRID_HOME")
    if home:
        yield Path(home) / "bin"
    yield PACKAGE.parent.parent / "build/bin"


def _searched() -> str:
    return ", ".join(str(folder) for folder in folders())


def tool(name: str) -> Path:
    """The path of hybrid-compile or hybrid-run; raises NotFound."""
    for folder in folders():
        path = folder / name
        if os.access(path, os.X_OK) and path.is_file():
            return path
    found = shutil.which(name)
    if found:
        return Path(found)
    raise NotFound(
        f"{name} is not found in {_searched()} or PATH; install the wheel, "
        "or set HYBRID_HOME to the folder above its bin/"
    )


def runtime() -> str:
    """What to load the runtime library by; raises NotFound."""
    for folder in folders():
        path = folder / RUNTIME
        if path.is_file():
            return str(path)
    beside = shutil.which("hybrid-run")
    if beside:
        path = Path(beside).resolve().parent / RUNTIME
        if path.is_file():
            return str(path)
    raise NotFound(
        f"{RUNTIME} is not found in {_searched()} or beside a hybrid-run in "
        "PATH; install the wheel, or set HYBRID_HOME to the folder above its bin/"
    )
