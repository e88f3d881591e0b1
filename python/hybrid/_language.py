"""What of a module takes tokens and gives logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _tensors
from .errors import BadInput, InvalidArgument, OverCapacity

if TYPE_CHECKING:
    from ._module import Module, Value

UNLIMITED = 2**63 - 1


class LanguageModel:
    """The token input, the logits and the capacities of a module; raises
    InvalidArgument if it is not a language model."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.tokens = self._find_tokens()
        self.logits = self._find_logits()
        self.dtype = np.dtype(self.tokens.dtype)
        #: Tokens of one call.
        self.call_capacity = self._capacity(self.tokens.dims[-1])
        #: Tokens of one sequence.
        self.context_capacity = self._find_context()

    def _find_tokens(self) -> Value:
        inputs = [v for v in self.module.inputs if v.role == "tokens"]
        if len(inputs) == 1 and len(inputs[0].dims) == 2:
            return inputs[0]
        raise InvalidArgument(
            "the model is not a language model: it has "
            f"{len(inputs)} inputs of tokens, expected one of shape [batch, tokens]; "
            "use run()"
        )

    def _find_logits(self) -> Value:
        outputs = [
            v
            for v in self.module.outputs
            if "float" in v.dtype and len(v.dims) == 3
        ]
        named = [v for v in outputs if v.name == "logits"]
        if len(named or outputs) == 1:
            return (named or outputs)[0]
        raise InvalidArgument(
            "the model is not a language model: it has no output 'logits' of shape "
            "[batch, tokens, vocabulary]; use run()"
        )

    def _capacity(self, dim: Any) -> int:
        if isinstance(dim, int):
            return dim
        sizes = [s.capacity for s in self.module.symbols if s.name == dim]
        return sizes[0] if sizes else UNLIMITED

    def _find_context(self) -> int:
        if not self.module.states:
            return self.call_capacity
        lengths = [
            state.dims[state.length_axis]
            for state in self.module.states
            if state.length_axis is not None
        ]
        return min(lengths, default=UNLIMITED)

    def scores(self, logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Logits as numbers to compute with."""
        return _tensors.as_numbers(logits, self.logits.dtype).astype(np.float64)

    def check(
        self,
        sequences: Sequence[int],
        rows: list[npt.NDArray[Any]],
        positions: Sequence[int],
        others: bool,
    ) -> list[npt.NDArray[Any]]:
        """The tokens in the model's dtype. Raises what the runtime would say of
        any piece of them, so that nothing runs if not all can. `others`: other
        inputs are given, too, which cannot be cut in pieces."""
        if len(sequences) != len(rows):
            raise BadInput(
                f"tokens of {len(rows)} sequences are given, expected "
                f"{len(sequences)}"
            )
        for sequence in sequences:
            if not 0 <= sequence < len(positions):
                raise BadInput(
                    f"there is no sequence {sequence}; the session holds "
                    f"{len(positions)}"
                )
        if len(set(sequences)) != len(sequences):
            raise BadInput("a sequence is given twice")
        rows = [self._check_ids(row) for row in rows]
        most = max(len(row) for row in rows)
        if others and most != min(len(row) for row in rows):
            raise BadInput("with other inputs, all sequences take as many tokens")
        if others and most > self.call_capacity:
            raise OverCapacity(
                f"a call takes {self.call_capacity} tokens at most, {most} are given; "
                "only tokens without other inputs are run in pieces"
            )
        for sequence, row in zip(sequences, rows):
            if positions[sequence] + len(row) > self.context_capacity:
                raise OverCapacity(
                    f"sequence {sequence} is at position {positions[sequence]} and "
                    f"{len(row)} tokens are given, but the model was compiled for "
                    f"{self.context_capacity} positions"
                )
        return rows

    def _check_ids(self, ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if len(ids) == 0:
            raise BadInput("a sequence has no tokens; give at least one")
        ids = _tensors.to_integers(ids, self.tokens.name, self.dtype)
        if self.tokens.range:
            least, most = self.tokens.range
            wrong = ids[(ids < least) | (ids > most)]
            if len(wrong):
                raise BadInput(
                    f"the token {wrong[0]} is outside of the range from {least} to "
                    f"{most}"
                )
        return ids
