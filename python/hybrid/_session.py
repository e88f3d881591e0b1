"""Sessions: sequences that a model works on, with their states."""

from __future__ import annotations

import ctypes as c
import os
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _library, _tensors
from ._generate import Completion, Generation, Options, Prompt, generate_all
from ._language import LanguageModel
from ._library import library
from ._module import Module
from ._tensors import Array, ArrayLike
from .errors import BadInput, Busy, Closed, HybridError, InvalidArgument

#: Token ids of one sequence.
Ids = Union[Sequence[int], npt.NDArray[np.integer[Any]]]

PathLike = Union[str, os.PathLike[str]]


class Session:
    """`batch` sequences, each at a position of its own, and their states. Made
    by Module.session().

    One thread at a time uses a session: a call while another thread is inside
    one raises Busy and changes nothing. The GIL is released while the model
    runs. A call that fails changes nothing.

    Arrays that are returned have memory of their own; nothing refers to memory
    of the session. Inputs are only read during the call.
    """

    def __init__(self) -> None:
        raise InvalidArgument("sessions are made by Module.session()")

    @classmethod
    def _create(
        cls,
        module: Module,
        batch: int,
        threads: int,
        checkpoint_every: int,
        device: str,
    ) -> Session:
        options = _library.SessionOptions(
            threads=threads, batch=batch, device=device.encode()
        )
        handle = c.c_void_p()
        library().call(
            "hybrid_session_create", module.handle, c.byref(options), c.byref(handle)
        )
        session = cls._own(module, handle)
        if checkpoint_every:
            session.checkpoint_every(checkpoint_every)
        return session

    @classmethod
    def _own(cls, module: Module, handle: c.c_void_p) -> Session:
        self = object.__new__(cls)
        self.module = module
        self._handle = handle
        self._lock = threading.RLock()
        self._close = weakref.finalize(
            self, library().get, "hybrid_session_close", handle
        )
        self._language_model = None
        return self

    #: What the session was made of.
    module: Module
    _handle: Optional[c.c_void_p]
    _lock: Any
    _close: Any
    _language_model: Optional[LanguageModel]

    @contextmanager
    def _use(self) -> Iterator[c.c_void_p]:
        """The handle, for this thread alone."""
        if not self._lock.acquire(blocking=False):
            raise Busy(
                "another thread is using this session; give each thread its own "
                "(Module.session(), fork()) or take turns with a lock"
            )
        try:
            if self._handle is None:
                raise Closed("the session is closed")
            yield self._handle
        finally:
            self._lock.release()

    def close(self) -> None:
        """Frees the states. Happens by itself when nothing refers to the session
        any more."""
        if self._handle is None:
            return
        with self._use():
            self._handle = None
            self._close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._handle is None else f"batch {self.batch}"
        return f"<hybrid.Session of {self.module.path.name}, {state}>"

    # --- What it holds --------------------------------------------------------

    @property
    def batch(self) -> int:
        """The number of sequences; 0 for models without states."""
        with self._use() as handle:
            return int(library().get("hybrid_session_batch", handle))

    @property
    def threads(self) -> int:
        """Threads that kernels run on."""
        with self._use() as handle:
            return int(library().get("hybrid_session_threads", handle))

    @property
    def position(self) -> int:
        """Tokens of each sequence; the most of one if they differ."""
        with self._use() as handle:
            return int(library().get("hybrid_session_position", handle))

    @property
    def positions(self) -> tuple[int, ...]:
        """Tokens of each sequence."""
        with self._use() as handle:
            return tuple(
                int(library().get("hybrid_session_sequence_position", handle, index))
                for index in range(library().get("hybrid_session_batch", handle))
            )

    # --- Runs -----------------------------------------------------------------

    def run(
        self,
        inputs: Optional[Mapping[str, ArrayLike]] = None,
        /,
        *,
        outputs: Optional[Sequence[str]] = None,
        **arrays: ArrayLike,
    ) -> dict[str, Array]:
        """Runs the model once on all sequences.

        Inputs are given by name, as keywords or in a mapping: numpy arrays or
        anything with `__dlpack__` in the CPU's memory, of the model's dtype and
        shape; lists and numbers are converted. Dense arrays at multiples of 64
        bytes are used in place, others are copied. Inputs of role
        "position_ids" and "attention_mask" may be left out. A state given under
        its input's name is loaded first.

        `outputs` names the values that are wanted: outputs of the graph or
        `present` names of states; without it all outputs of the graph come.
        """
        return self._run(None, _merged(inputs, arrays), outputs)

    def run_sequences(
        self,
        sequences: Sequence[int],
        inputs: Optional[Mapping[str, ArrayLike]] = None,
        /,
        *,
        outputs: Optional[Sequence[str]] = None,
        **arrays: ArrayLike,
    ) -> dict[str, Array]:
        """Runs the model on some sequences: row i of every input and output
        belongs to sequences[i], at its own position, and gives what it would
        give alone."""
        return self._run(list(sequences), _merged(inputs, arrays), outputs)

    def _run(
        self,
        sequences: Optional[list[int]],
        inputs: Mapping[str, ArrayLike],
        outputs: Optional[Sequence[str]],
    ) -> dict[str, Array]:
        if outputs is None:
            outputs = [value.name for value in self.module.outputs]
        given = self._inputs(inputs)
        with self._use() as handle:
            wanted = self._outputs(handle, sequences, given, outputs)
            places = self._call(handle, sequences, given, wanted)
            results = {}
            for name, tensor, place in zip(outputs, wanted, places):
                if place is None:
                    results[name] = _tensors.copy_out(tensor)
                    continue
                shape = _tensors.shape_of(tensor)
                if shape != place.shape:  # fewer positions than computed here
                    place = place.reshape(-1)[: int(np.prod(shape))].reshape(shape)
                results[name] = place
            return results

    def _call(
        self,
        handle: c.c_void_p,
        sequences: Optional[list[int]],
        given: _Given,
        wanted: _Wanted,
    ) -> list[Optional[Array]]:
        """One run; returns the memory provided for each output."""
        arguments = (given.tensors, len(given.arrays), wanted.tensors, len(wanted))
        if sequences is None:
            library().call("hybrid_session_run", handle, *arguments)
        else:
            rows = (c.c_int64 * len(sequences))(*sequences)
            library().call(
                "hybrid_session_run_sequences", handle, rows, len(rows), *arguments
            )
        return wanted.places

    def _inputs(self, inputs: Mapping[str, ArrayLike]) -> _Given:
        return _Given(self.module, inputs)

    def _outputs(
        self,
        handle: c.c_void_p,
        sequences: Optional[list[int]],
        given: _Given,
        names: Sequence[str],
    ) -> _Wanted:
        """Memory for each output of the graph whose shape can be known now."""
        position = int(library().get("hybrid_session_position", handle))
        batch = int(library().get("hybrid_session_batch", handle))
        if sequences is not None:
            batch = len(sequences)
        return _Wanted(self.module, names, given.output_shapes(batch, position))

    # --- Language models ------------------------------------------------------

    @property
    def language_model(self) -> LanguageModel:
        """What of the model takes tokens and gives logits; raises
        InvalidArgument if it is not a language model."""
        if self._language_model is None:
            self._language_model = LanguageModel(self.module)
        return self._language_model

    def prefill(
        self,
        ids: Union[Ids, Sequence[Ids], Array],
        *,
        sequences: Optional[Sequence[int]] = None,
        **inputs: ArrayLike,
    ) -> Array:
        """Appends tokens to sequences; returns the logits after the last of each,
        [sequences, vocabulary].

        `ids`: the tokens of one sequence, [sequences, tokens], or one list of
        tokens per sequence, of any lengths. `sequences`: which ones; all of
        them by default. Prompts longer than a call holds are run in pieces.
        `inputs`: other inputs that the model needs, for all tokens together.
        """
        with self._use() as handle:
            return self._feed(handle, sequences, _rows(ids), inputs)

    def decode(
        self,
        ids: Union[int, Ids, Array],
        *,
        sequences: Optional[Sequence[int]] = None,
        **inputs: ArrayLike,
    ) -> Array:
        """Appends one token to each sequence; returns the logits after it,
        [sequences, vocabulary]. `ids`: one token per sequence."""
        if not self.module.states:
            raise InvalidArgument(
                "the model has no states and remembers no tokens: give all of them "
                "to prefill()"
            )
        rows = list(np.asarray(ids).reshape(-1, 1))
        with self._use() as handle:
            return self._feed(handle, sequences, rows, inputs)

    def _feed(
        self,
        handle: c.c_void_p,
        sequences: Optional[Sequence[int]],
        rows: list[npt.NDArray[Any]],
        inputs: Mapping[str, ArrayLike],
    ) -> Array:
        model = self.language_model
        positions = self.positions if self.module.states else (0,) * len(rows)
        if sequences is None:
            sequences = range(len(positions))
        rows = model.check(sequences, rows, positions, others=bool(inputs))
        everything = list(sequences) == list(range(len(positions)))
        results: dict[int, Array] = {}
        # Rows of equal length run together.
        for length in {len(row): None for row in rows}:
            group = [i for i, row in enumerate(rows) if len(row) == length]
            chosen: Optional[list[int]] = [sequences[i] for i in group]
            # All of them; and a model without states has no sequences.
            if everything and (len(group) == len(rows) or not self.module.states):
                chosen = None
            block = np.stack([rows[i] for i in group])
            logits = self._feed_block(handle, chosen, block, inputs)
            if len(group) == len(rows):
                return logits
            results.update(zip(group, logits))
        logits = _tensors.empty((len(rows), *results[0].shape), results[0].dtype)
        return np.stack([results[i] for i in range(len(rows))], out=logits)

    def _feed_block(
        self,
        handle: c.c_void_p,
        sequences: Optional[list[int]],
        block: npt.NDArray[Any],
        inputs: Mapping[str, ArrayLike],
    ) -> Array:
        """Tokens [sequences, n] in pieces; the logits after the last."""
        model = self.language_model
        size = model.call_capacity
        # In the runtime's memory: only the last of many positions is copied.
        library().call("hybrid_session_last_only", handle, 1)
        try:
            for begin in range(0, block.shape[1], size):
                piece = block[:, begin : begin + size]
                given = self._inputs({model.tokens.name: piece, **inputs})
                wanted = _Wanted(self.module, [model.logits.name], {})
                self._call(handle, sequences, given, wanted)
            return _last_row(wanted.tensors[0])
        finally:
            library().call("hybrid_session_last_only", handle, 0)

    def generate(
        self, prompt: Prompt = (), *, sequence: int = 0, **options: Any
    ) -> Generation:
        """Appends `prompt` (text or ids) to a sequence and goes on from it: an
        iterator of Token, made one after another. The options are those of
        Options. The last token that comes is not run: the next prompt must
        begin with it, if it is to be part of the sequence."""
        return Generation(self, sequence, prompt, Options(**options))

    def generate_all(
        self, prompts: Sequence[Prompt], **options: Any
    ) -> list[Completion]:
        """Goes on from one prompt per sequence, together; returns when all have
        ended."""
        return generate_all(self, prompts, Options(**options))

    # --- States ---------------------------------------------------------------

    def fork(self) -> Session:
        """A session that goes on from here with states of its own."""
        fork = c.c_void_p()
        with self._use() as handle:
            library().call("hybrid_session_fork", handle, c.byref(fork))
        return self._own(self.module, fork)

    def fork_sequence(
        self, to: int, from_: int, source: Optional[Session] = None
    ) -> None:
        """Sequence `to` becomes a copy of sequence `from_` of `source`, which is
        this session by default or another one of the same module."""
        with self._use() as handle:
            if source is None or source is self:
                library().call(
                    "hybrid_session_fork_sequence", handle, to, handle, from_
                )
                return
            with source._use() as other:
                library().call(
                    "hybrid_session_fork_sequence", handle, to, other, from_
                )

    def snapshot(self, path: PathLike) -> None:
        """Writes positions and states to a file, whole or not at all."""
        with self._use() as handle:
            library().call("hybrid_session_snapshot", handle, os.fsencode(path))

    def restore(self, path: PathLike) -> None:
        """Takes positions and states from a file that snapshot() wrote, perhaps
        elsewhere. Raises Incompatible if it is of another model, OverCapacity,
        BadInput (another batch) or BadFile."""
        with self._use() as handle:
            library().call("hybrid_session_restore", handle, os.fsencode(path))

    def crop(self, position: int, *, sequence: int = -1) -> None:
        """Back to the first `position` tokens of one sequence (-1: of each).
        States that cannot be cut are computed again from the last checkpoint."""
        with self._use() as handle:
            library().call("hybrid_session_crop", handle, sequence, position)

    def reset(self, *, sequence: int = -1) -> None:
        """Empties one sequence (-1: all)."""
        with self._use() as handle:
            if sequence < 0:
                library().call("hybrid_session_reset", handle)
            else:
                library().call("hybrid_session_reset_sequence", handle, sequence)

    def checkpoint_every(self, tokens: int) -> None:
        """Keeps a copy of the states that cannot be cut at each so many tokens
        (0: none)."""
        with self._use() as handle:
            library().call("hybrid_session_checkpoint_every", handle, tokens)

    def read_state(self, name: str) -> Array:
        """A copy of a state, by its name or its `present` name; "kv" states are
        cut to the position."""
        tensor = _library.Tensor(name=name.encode())
        with self._use() as handle:
            library().call("hybrid_session_read_state", handle, c.byref(tensor))
            return _tensors.copy_out(tensor)

    def write_states(self, states: Mapping[str, ArrayLike]) -> None:
        """Replaces states; the length of "kv" states becomes the position."""
        given = self._inputs(states)
        with self._use() as handle:
            library().call(
                "hybrid_session_write_states",
                handle,
                given.tensors,
                len(given.arrays),
            )


def _merged(
    inputs: Optional[Mapping[str, ArrayLike]], arrays: Mapping[str, ArrayLike]
) -> Mapping[str, ArrayLike]:
    if not inputs:
        return arrays
    twice = [name for name in arrays if name in inputs]
    if twice:
        raise BadInput(f"input '{twice[0]}' is given twice")
    return {**inputs, **arrays}


def _rows(ids: Any) -> list[npt.NDArray[Any]]:
    """Tokens as one array per sequence."""
    if isinstance(ids, str):
        raise BadInput("token ids are expected, not a text; use a Tokenizer")
    if not isinstance(ids, np.ndarray):
        ids = ids if hasattr(ids, "__len__") else list(ids)
        if len(ids) and not np.isscalar(ids[0]) and np.ndim(ids[0]) > 0:
            return [np.asarray(row).reshape(-1) for row in ids]
        ids = np.asarray(ids)
    if ids.ndim == 1:
        return [ids]
    if ids.ndim == 2:
        return list(ids)
    raise BadInput(f"token ids have {ids.ndim} dimensions, expected 1 or 2")


def _last_row(tensor: _library.Tensor) -> Array:
    """The logits of the last position of [sequences, n, vocabulary], copied."""
    rows, length, width = _tensors.shape_of(tensor)
    dtype = _tensors.numpy_dtype(tensor.dtype)
    logits = _tensors.empty((rows, width), dtype)
    size = width * dtype.itemsize
    for row in range(rows):
        place = tensor.data + (row * length + length - 1) * size
        c.memmove(logits.ctypes.data + row * size, place, size)
    return logits


class _Given:
    """Inputs of a call and the arrays that hold them."""

    def __init__(self, module: Module, inputs: Mapping[str, ArrayLike]) -> None:
        self.module = module
        codes = module.dtypes
        self.arrays = {
            name: _tensors.as_array(value, name, codes.get(name, -1))
            for name, value in inputs.items()
        }
        self.tensors = (_library.Tensor * len(self.arrays))()
        for tensor, (name, array) in zip(self.tensors, self.arrays.items()):
            _tensors.describe(tensor, name.encode(), array, codes.get(name, -1))

    def output_shapes(self, batch: int, position: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the graph's outputs; empty where the inputs do not fit:
        the run then says why."""
        roles = {symbol.role: symbol.name for symbol in self.module.symbols}
        symbols: dict[str, int] = {}
        for state in self.module.states:
            array = self.arrays.get(state.name)
            if array is None or array.ndim != len(state.dims):
                continue
            if state.length_axis is not None:
                position = array.shape[state.length_axis]
            if state.dims[:1] == (-1,):
                batch = array.shape[0]
        if "past" in roles:
            symbols[roles["past"]] = position
        if "batch" in roles and batch:
            symbols[roles["batch"]] = batch
        for value in self.module.inputs:
            array = self.arrays.get(value.name)
            if array is None or array.ndim != len(value.dims):
                continue
            for dim, size in zip(value.dims, array.shape):
                if isinstance(dim, str):
                    symbols.setdefault(dim, size)
        try:
            return self.module.shapes(symbols)[1]
        except HybridError:
            return {}


class _Wanted:
    """Outputs of a call: memory of ours where a shape is known, else the
    runtime's."""

    def __init__(
        self,
        module: Module,
        names: Sequence[str],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self.tensors = (_library.Tensor * len(names))()
        self.places: list[Optional[Array]] = []
        dtypes = {value.name: value.dtype for value in module.outputs}
        for tensor, name in zip(self.tensors, names):
            tensor.name = name.encode()
            place = None
            if name in shapes:
                code = _tensors.NAMES.index(dtypes[name])
                place = _tensors.empty(shapes[name], _tensors.numpy_dtype(code))
                tensor.data = place.ctypes.data
                tensor.bytes = place.nbytes
            self.places.append(place)

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[_library.Tensor]:
        return iter(self.tensors)
