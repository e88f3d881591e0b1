"""Exceptions: one class per status of the C API, and some of Python's side.

Everything that this package raises by itself is a HybridError; its text is the
message of the compiler or of the runtime. Each class also is the built-in
exception that comes closest, so that `except ValueError` works.
"""

from __future__ import annotations

__all__ = [
    "BadFile",
    "BadInput",
    "Busy",
    "Closed",
    "CompileError",
    "FileError",
    "HybridError",
    "Incompatible",
    "InternalError",
    "InvalidArgument",
    "NotFound",
    "OutOfMemory",
    "OverCapacity",
]


class HybridError(Exception):
    """Base of all. `status` is the HybridStatus of the C API, 0 if the error
    did not come from it."""

    status = 0


class InvalidArgument(HybridError, ValueError):
    """Wrong use of the API."""

    status = 1


class FileError(HybridError, OSError):
    """A file cannot be opened, read or written."""

    status = 2


class BadFile(HybridError):
    """Not a `.hyb` file or a snapshot, or a damaged one."""

    status = 3


class Incompatible(HybridError):
    """Made for another version, target, CPU or model."""

    status = 4


class BadInput(HybridError, ValueError):
    """Names, dtypes, shapes or values of inputs do not fit the model."""

    status = 5


class OverCapacity(HybridError):
    """More than the model was compiled for."""

    status = 6


class OutOfMemory(HybridError, MemoryError):
    """The memory that is needed cannot be had."""

    status = 7


class InternalError(HybridError, RuntimeError):
    """A bug of the runtime."""

    status = 8


class CompileError(HybridError):
    """hybrid-compile refused the model; the text is what it said."""


class NotFound(HybridError, ImportError):
    """A tool, a library or an optional package is not installed."""


class Busy(HybridError, RuntimeError):
    """A session was used while another thread uses it."""


class Closed(HybridError, ValueError):
    """A session or module was used after close()."""


BY_STATUS: dict[int, type[HybridError]] = {
    kind.status: kind
    for kind in (
        InvalidArgument,
        FileError,
        BadFile,
        Incompatible,
        BadInput,
        OverCapacity,
        OutOfMemory,
        InternalError,
    )
}
