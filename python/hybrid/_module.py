"""Loaded models."""

from __future__ import annotations

import ctypes as c
import json
import os
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from . import _library, _tensors
from ._library import library
from ._tensors import Array, ArrayLike
from .errors import Closed, InvalidArgument

if TYPE_CHECKING:
    from ._session import Session
    from .tokenizer import Tokenizer

#: One dimension: a number, a symbol's name, or an expression for people.
Dim = Union[int, str]


@dataclass(frozen=True)
class Value:
    """An input or output as the model declares it."""

    name: str
    dtype: str
    dims: tuple[Dim, ...]
    #: Inputs: "tokens", "position_ids", "attention_mask" or "data".
    role: str
    #: Where integers must lie, both ends included.
    range: Optional[tuple[int, int]]


@dataclass(frozen=True)
class State:
    """A state: what the model remembers of each sequence."""

    #: The graph's input that it replaces.
    name: str
    #: The graph's output that it replaces, or "".
    present: str
    #: "kv", "kv-window", "conv" or "recurrent".
    kind: str
    dtype: str
    #: At full capacity; -1 where it is the batch.
    dims: tuple[int, ...]
    #: The axis that grows with the position, or None.
    length_axis: Optional[int]
    bytes_per_sequence: int
    #: Of a "kv-window": how many of the last and of the first positions it
    #: keeps; 0 for other kinds. Other positions are zeros when it is read.
    window: int = 0
    sinks: int = 0

    def kept(self, length: int) -> list[int]:
        """Which of `length` positions it keeps."""
        if not self.window:
            return list(range(length))
        first = max(self.sinks, length - self.window)
        return [*range(min(self.sinks, length)), *range(first, length)]


@dataclass(frozen=True)
class Symbol:
    """A symbolic dimension."""

    name: str
    #: "batch", "seq", "past" or "dim".
    role: str
    #: The largest value that is served.
    capacity: int


def _dim(text: bytes) -> Dim:
    return int(text) if text.lstrip(b"-").isdigit() else text.decode()


def _value(info: _library.ValueInfo) -> Value:
    return Value(
        name=info.name.decode(),
        dtype=_tensors.NAMES[info.dtype],
        dims=tuple(_dim(info.dims[i]) for i in range(info.rank)),
        role=info.role.decode(),
        range=(info.min, info.max) if info.has_range else None,
    )


def _state(info: _library.StateInfo) -> State:
    return State(
        name=info.name.decode(),
        present=info.present.decode(),
        kind=info.kind.decode(),
        dtype=_tensors.NAMES[info.dtype],
        dims=tuple(info.dims[: info.rank]),
        length_axis=info.length_axis if info.length_axis >= 0 else None,
        bytes_per_sequence=info.bytes_per_sequence,
        window=info.window,
        sinks=info.sinks,
    )


def _symbol(info: _library.SymbolInfo) -> Symbol:
    return Symbol(info.name.decode(), info.role.decode(), info.capacity)


def _remove(path: Path, owner: int) -> None:
    # A process that was forked off ends, too, but the file is not its own.
    if os.getpid() == owner:
        path.unlink(missing_ok=True)


class Module:
    """A compiled model: code and mapped weights. It never changes, so threads
    may share it. Made by load() and compile()."""

    def __init__(
        self,
        path: Union[str, os.PathLike[str]],
        *,
        verify_weights: bool = False,
        describe: bool = False,
        source: Optional[Path] = None,
        report: Optional[dict[str, Any]] = None,
        temporary: bool = False,
    ) -> None:
        #: The file. Gone when the module is, if compile() was not told a place.
        self.path = Path(path)
        #: The ONNX file, if compile() made the module.
        self.source = source
        #: What hybrid-compile reports, if compile() made the module.
        self.report = report
        flags = _library.OPEN_VERIFY_WEIGHTS if verify_weights else 0
        flags |= _library.OPEN_DESCRIBE if describe else 0
        handle = c.c_void_p()
        api = library()
        api.call(
            "hybrid_module_open", os.fsencode(self.path), flags, c.byref(handle)
        )
        self._handle: Optional[c.c_void_p] = handle
        self._close = weakref.finalize(self, api.get, "hybrid_module_close", handle)
        if temporary:
            weakref.finalize(self, _remove, self.path, os.getpid())
        values, symbols = _library.ValueInfo, _library.SymbolInfo
        self.inputs = tuple(_value(i) for i in self._infos("input", values))
        self.outputs = tuple(_value(i) for i in self._infos("output", values))
        self.states = tuple(
            _state(i) for i in self._infos("state", _library.StateInfo)
        )
        self.symbols = tuple(_symbol(i) for i in self._infos("symbol", symbols))
        text: bytes = api.get("hybrid_module_manifest", handle)
        #: The manifest (docs/artifact.md).
        self.manifest: dict[str, Any] = json.loads(text)
        #: The HybridDtype of each input and state, by name.
        self.dtypes = {v.name: _tensors.NAMES.index(v.dtype) for v in self.inputs}
        self.dtypes |= {
            name: _tensors.NAMES.index(state.dtype)
            for state in self.states
            for name in (state.name, state.present)
            if name
        }

    def _infos(self, what: str, kind: Any) -> list[Any]:
        count = library().get(f"hybrid_module_num_{what}s", self.handle)
        infos = [kind() for _ in range(count)]
        for index, info in enumerate(infos):
            library().call(
                f"hybrid_module_{what}", self.handle, index, c.byref(info)
            )
        return infos

    @property
    def handle(self) -> c.c_void_p:
        if self._handle is None:
            raise Closed(f"the module '{self.path}' is closed")
        return self._handle

    def close(self) -> None:
        """Releases the module; sessions that are open go on. Happens by itself
        when nothing refers to the module any more."""
        self._handle = None
        self._close()

    def __enter__(self) -> Module:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        def text(values: Sequence[Value]) -> str:
            return ", ".join(
                f"{v.name}: {v.dtype}{list(v.dims)}".replace("'", "") for v in values
            )

        return (
            f"<hybrid.Module {self.path.name}: ({text(self.inputs)}) -> "
            f"({text(self.outputs)}), {len(self.states)} states>"
        )

    # --- Bytes ----------------------------------------------------------------

    def state_bytes(self, kind: Optional[str] = None, batch: int = 1) -> int:
        """Bytes of the states of one kind (all kinds: None) of `batch` sequences
        at full capacity."""
        kinds = ("kv", "kv-window", "conv", "recurrent")
        if kind is not None and kind not in kinds:
            raise InvalidArgument(
                f"there are no states of kind '{kind}'; kinds are {', '.join(kinds)}"
            )
        if batch < 0:
            raise InvalidArgument("the batch is negative")
        name = None if kind is None else kind.encode()
        count: int = library().get(
            "hybrid_module_state_bytes", self.handle, name, batch
        )
        return count

    @property
    def weights_bytes(self) -> int:
        """Bytes of the mapped weights."""
        count: int = library().get("hybrid_module_weights_bytes", self.handle)
        return count

    @property
    def arena_bytes(self) -> int:
        """Bytes of scratch memory that each session reserves."""
        count: int = library().get("hybrid_module_arena_bytes", self.handle)
        return count

    # --- Shapes ---------------------------------------------------------------

    def shapes(
        self, symbols: Mapping[str, int]
    ) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
        """The shapes of all inputs and of all outputs when the symbols have
        these values. One of role "from" may be left out: 0, all positions."""
        values = (c.c_int64 * len(self.symbols))()
        missing = []
        for i, symbol in enumerate(self.symbols):
            if symbol.name in symbols:
                values[i] = symbols[symbol.name]
            elif symbol.role != "from":
                missing.append(symbol.name)
        if missing:
            raise InvalidArgument(f"no value of {', '.join(missing)} is given")
        inputs = (_library.Tensor * len(self.inputs))()
        outputs = (_library.Tensor * len(self.outputs))()
        library().call("hybrid_module_shapes", self.handle, values, inputs, outputs)
        return (
            {v.name: _tensors.shape_of(t) for v, t in zip(self.inputs, inputs)},
            {v.name: _tensors.shape_of(t) for v, t in zip(self.outputs, outputs)},
        )

    # --- Running --------------------------------------------------------------

    def session(
        self,
        batch: int = 1,
        *,
        threads: int = 0,
        checkpoint_every: int = 0,
        device: str = "",
    ) -> Session:
        """A session of `batch` sequences with empty states.

        `threads`: that kernels run on; 0: one per CPU. `checkpoint_every`: keep
        copies of states that cannot be cut at each so many tokens, for crop();
        0: none, crop() then computes from the start. `device`: "cpu", "cuda" or
        "cuda:1", …; empty: what the model is compiled for.
        """
        from ._session import Session

        if batch < 1:
            raise InvalidArgument(f"a session holds at least 1 sequence, not {batch}")
        return Session._create(self, batch, threads, checkpoint_every, device)

    def run(
        self,
        inputs: Optional[Mapping[str, ArrayLike]] = None,
        /,
        *,
        outputs: Optional[Sequence[str]] = None,
        **arrays: ArrayLike,
    ) -> dict[str, Array]:
        """Runs the model once, from empty states, in a session of its own; see
        Session.run()."""
        from ._session import Session

        with Session._create(self, 0, 0, 0, "") as session:
            return session.run(inputs, outputs=outputs, **arrays)

    def tokenizer(self) -> Tokenizer:
        """The tokenizer beside the ONNX file or the compiled one; bytes if there
        is none."""
        from .tokenizer import Tokenizer

        folders = [path.parent for path in (self.source, self.path) if path]
        return Tokenizer.beside(*folders)


def load(
    path: Union[str, os.PathLike[str]],
    *,
    verify_weights: bool = False,
    describe: bool = False,
) -> Module:
    """Loads a `.hyb` file. It is native code: load only what you trust.

    `verify_weights`: check the weights' hash, too. `describe`: only read what
    the file says about itself; this needs neither its CPU nor trust.
    """
    return Module(path, verify_weights=verify_weights, describe=describe)

