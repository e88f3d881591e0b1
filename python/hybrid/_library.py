"""The C API (include/hybrid/Runtime/Runtime.h) through ctypes.

ctypes.CDLL releases the GIL during each call.
"""

from __future__ import annotations

import ctypes as c
from functools import lru_cache
from typing import Any

from . import _install
from .errors import BY_STATUS, HybridError, Incompatible, NotFound

MAX_RANK = 16
OPEN_DESCRIBE = 1
OPEN_VERIFY_WEIGHTS = 2

Dims = c.c_int64 * MAX_RANK


class Tensor(c.Structure):
    """HybridTensor."""

    _fields_ = [
        ("name", c.c_char_p),
        ("dtype", c.c_int32),
        ("rank", c.c_int32),
        ("dims", Dims),
        ("data", c.c_void_p),
        ("bytes", c.c_size_t),
    ]


class ValueInfo(c.Structure):
    """HybridValueInfo."""

    _fields_ = [
        ("name", c.c_char_p),
        ("dtype", c.c_int32),
        ("rank", c.c_int32),
        ("dims", c.c_char_p * MAX_RANK),
        ("role", c.c_char_p),
        ("has_range", c.c_int32),
        ("min", c.c_int64),
        ("max", c.c_int64),
    ]


class StateInfo(c.Structure):
    """HybridStateInfo."""

    _fields_ = [
        ("name", c.c_char_p),
        ("present", c.c_char_p),
        ("kind", c.c_char_p),
        ("dtype", c.c_int32),
        ("rank", c.c_int32),
        ("dims", Dims),
        ("length_axis", c.c_int32),
        ("bytes_per_sequence", c.c_uint64),
        ("window", c.c_int64),
        ("sinks", c.c_int64),
    ]


class SymbolInfo(c.Structure):
    """HybridSymbolInfo."""

    _fields_ = [
        ("name", c.c_char_p),
        ("role", c.c_char_p),
        ("capacity", c.c_int64),
    ]


class SessionOptions(c.Structure):
    """HybridSessionOptions."""

    _fields_ = [("threads", c.c_int32), ("batch", c.c_int64), ("device", c.c_char_p)]


_HANDLE = c.c_void_p
_TENSORS = c.POINTER(Tensor)
_IDS = c.POINTER(c.c_int64)

# Functions that return a HybridStatus, by their arguments.
_CHECKED: dict[str, list[Any]] = {
    "hybrid_module_open": [c.c_char_p, c.c_uint32, c.POINTER(_HANDLE)],
    "hybrid_module_input": [_HANDLE, c.c_size_t, c.POINTER(ValueInfo)],
    "hybrid_module_output": [_HANDLE, c.c_size_t, c.POINTER(ValueInfo)],
    "hybrid_module_state": [_HANDLE, c.c_size_t, c.POINTER(StateInfo)],
    "hybrid_module_symbol": [_HANDLE, c.c_size_t, c.POINTER(SymbolInfo)],
    "hybrid_module_shapes": [_HANDLE, _IDS, _TENSORS, _TENSORS],
    "hybrid_session_create": [
        _HANDLE,
        c.POINTER(SessionOptions),
        c.POINTER(_HANDLE),
    ],
    "hybrid_session_reset": [_HANDLE],
    "hybrid_session_reset_sequence": [_HANDLE, c.c_int64],
    "hybrid_session_fork": [_HANDLE, c.POINTER(_HANDLE)],
    "hybrid_session_fork_sequence": [_HANDLE, c.c_int64, _HANDLE, c.c_int64],
    "hybrid_session_snapshot": [_HANDLE, c.c_char_p],
    "hybrid_session_restore": [_HANDLE, c.c_char_p],
    "hybrid_session_crop": [_HANDLE, c.c_int64, c.c_int64],
    "hybrid_session_checkpoint_every": [_HANDLE, c.c_int64],
    "hybrid_session_last_only": [_HANDLE, c.c_int32],
    "hybrid_session_run": [_HANDLE, _TENSORS, c.c_size_t, _TENSORS, c.c_size_t],
    "hybrid_session_run_sequences": [
        _HANDLE,
        _IDS,
        c.c_size_t,
        _TENSORS,
        c.c_size_t,
        _TENSORS,
        c.c_size_t,
    ],
    "hybrid_session_read_state": [_HANDLE, _TENSORS],
    "hybrid_session_write_states": [_HANDLE, _TENSORS, c.c_size_t],
}

# The others: (result, arguments).
_PLAIN: dict[str, tuple[Any, list[Any]]] = {
    "hybrid_last_error": (c.c_char_p, []),
    "hybrid_version": (c.c_char_p, []),
    "hybrid_module_close": (None, [_HANDLE]),
    "hybrid_module_manifest": (c.c_char_p, [_HANDLE]),
    "hybrid_module_num_inputs": (c.c_size_t, [_HANDLE]),
    "hybrid_module_num_outputs": (c.c_size_t, [_HANDLE]),
    "hybrid_module_num_states": (c.c_size_t, [_HANDLE]),
    "hybrid_module_num_symbols": (c.c_size_t, [_HANDLE]),
    "hybrid_module_state_bytes": (
        c.c_uint64,
        [_HANDLE, c.c_char_p, c.c_int64],
    ),
    "hybrid_module_weights_bytes": (c.c_uint64, [_HANDLE]),
    "hybrid_module_arena_bytes": (c.c_uint64, [_HANDLE]),
    "hybrid_session_close": (None, [_HANDLE]),
    "hybrid_session_position": (c.c_int64, [_HANDLE]),
    "hybrid_session_sequence_position": (c.c_int64, [_HANDLE, c.c_int64]),
    "hybrid_session_batch": (c.c_int64, [_HANDLE]),
    "hybrid_session_threads": (c.c_int32, [_HANDLE]),
}


class Library:
    """The loaded runtime."""

    def __init__(self, path: str) -> None:
        try:
            self._dll = c.CDLL(path)
        except OSError as error:
            raise NotFound(f"cannot load the runtime '{path}': {error}") from None
        self.path = path
        self._functions: dict[str, Any] = {}
        for name, arguments in _CHECKED.items():
            self._prototype(name, c.c_int, arguments)
        for name, (result, arguments) in _PLAIN.items():
            self._prototype(name, result, arguments)

    def _prototype(self, name: str, result: Any, arguments: list[Any]) -> None:
        try:
            function = getattr(self._dll, name)
        except AttributeError:
            return  # an older runtime; an error when it is needed
        function.restype = result
        function.argtypes = arguments
        self._functions[name] = function

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function that returns a status; raises what it says."""
        status = self.get(name, *arguments)
        if status:
            message = self.get("hybrid_last_error").decode(errors="replace")
            raise BY_STATUS.get(status, HybridError)(message)

    def get(self, name: str, *arguments: Any) -> Any:
        """Calls a function that cannot fail."""
        function = self._functions.get(name)
        if function is None:
            raise Incompatible(
                f"the runtime '{self.path}' is older than this package: it has no {name}"
            )
        return function(*arguments)


@lru_cache(maxsize=None)
def library() -> Library:
    """The runtime, loaded when it is first needed."""
    return Library(_install.runtime())


def runtime_version() -> str:
    """The version of the runtime, "major.minor.patch"."""
    text: bytes = library().get("hybrid_version")
    return text.decode()
