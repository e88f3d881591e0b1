"""Generating text: chooses tokens, turns them into text, decides when to stop."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np
import numpy.typing as npt

from .errors import BadInput, HybridError, InvalidArgument, OverCapacity
from .tokenizer import GenerationConfig, Tokenizer

if TYPE_CHECKING:
    from ._session import Session

#: A text or its token ids.
Prompt = Union[str, Sequence[int], npt.NDArray[np.integer[Any]]]


@dataclass(frozen=True)
class Options:
    """How to generate."""

    #: Tokens to generate at most.
    max_tokens: int = 128
    #: 0: take the most probable token. Else logits are divided by it, and a
    #: token is drawn.
    temperature: float = 0.0
    #: Draw among the so many most probable tokens; 0: all.
    top_k: int = 0
    #: In (0, 1]: draw among the fewest most probable tokens whose probabilities
    #: sum up to at least this.
    top_p: float = 1.0
    #: Logits of tokens that the prompt or the text holds are divided by it if
    #: positive, else multiplied; 1: none.
    repetition_penalty: float = 1.0
    #: Of the draws; None: another one each time.
    seed: Optional[int] = None
    #: Tokens that end the text; they are not part of it. None: the end tokens
    #: that the files beside the model name (GenerationConfig).
    stop_ids: Optional[Collection[int]] = None
    #: Texts that end the text; they are not part of it.
    stop: Collection[str] = ()
    #: None: Module.tokenizer() where a text is given, otherwise there is no text.
    tokenizer: Optional[Tokenizer] = None

    def __post_init__(self) -> None:
        def require(condition: bool, text: str) -> None:
            if not condition:
                raise InvalidArgument(text)

        require(self.max_tokens >= 0, "max_tokens must be at least 0")
        require(self.temperature >= 0, "temperature must be at least 0")
        require(self.top_k >= 0, "top_k must be at least 0")
        require(0 < self.top_p <= 1, "top_p must be above 0 and at most 1")
        require(self.repetition_penalty > 0, "repetition_penalty must be above 0")
        require(not isinstance(self.stop, str), "stop takes a list of texts")
        require("" not in self.stop, "a stop text is empty")


@dataclass(frozen=True)
class Token:
    """A token that was generated, and the text that is certain with it."""

    id: int
    text: str


class Sampler:
    """Chooses the tokens of one sequence: repetition penalty, temperature,
    top-k, top-p, a draw, in this order."""

    def __init__(self, options: Options, seen: Sequence[int]) -> None:
        self.options = options
        self.random = np.random.default_rng(options.seed)
        self.seen = set(seen)

    def next(self, logits: npt.NDArray[np.floating[Any]]) -> int:
        """The next token from logits [vocabulary]; counts as seen from now on."""
        options = self.options
        scores = logits.astype(np.float64)
        if not (scores < np.inf).all() or scores.max(initial=-np.inf) == -np.inf:
            raise HybridError(
                "the logits hold NaN or infinity, so no token can be chosen"
            )
        if options.repetition_penalty != 1:
            ids = [token for token in self.seen if 0 <= token < len(scores)]
            seen = scores[ids]
            penalty = options.repetition_penalty
            scores[ids] = np.where(seen > 0, seen / penalty, seen * penalty)
        if options.temperature == 0:
            token = int(scores.argmax())
        else:
            token = self._draw(scores / options.temperature)
        self.seen.add(token)
        return token

    def _draw(self, scores: npt.NDArray[np.float64]) -> int:
        order = np.argsort(-scores, kind="stable")
        if self.options.top_k:
            order = order[: self.options.top_k]
        sums = np.cumsum(np.exp(scores[order] - scores[order[0]]))
        count = len(order)
        if self.options.top_p < 1:
            enough = self.options.top_p * sums[-1]
            count = int(np.searchsorted(sums[:-1], enough)) + 1
        at = self.random.random() * sums[count - 1]
        return int(order[min(np.searchsorted(sums[:count], at, "right"), count - 1)])


class StopTexts:
    """Lets text through that cannot be the beginning of a stop text."""

    def __init__(self, texts: Collection[str]) -> None:
        self.texts = list(texts)
        self.held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that is certain, and whether a stop text came."""
        self.held += text
        found = [at for at in map(self.held.find, self.texts) if at >= 0]
        if found:
            text, self.held = self.held[: min(found)], ""
            return text, True
        keep = max(map(self._overlap, self.texts), default=0)
        at = len(self.held) - keep
        text, self.held = self.held[:at], self.held[at:]
        return text, False

    def _overlap(self, stop: str) -> int:
        """The length of the longest end of the text that begins `stop`."""
        for size in range(min(len(stop) - 1, len(self.held)), 0, -1):
            if self.held.endswith(stop[:size]):
                return size
        return 0

    def finish(self) -> str:
        text, self.held = self.held, ""
        return text


class Completion:
    """What was generated from one prompt."""

    def __init__(self, session: Session, prompt: Prompt, options: Options) -> None:
        module = session.module
        tokenizer = options.tokenizer
        if tokenizer is None and (isinstance(prompt, str) or options.stop):
            tokenizer = module.tokenizer()
        if isinstance(prompt, str):
            assert tokenizer is not None
            prompt = tokenizer.encode(prompt)
        #: The prompt's tokens.
        self.prompt_ids = [int(token) for token in prompt]
        if not self.prompt_ids:
            raise BadInput("the prompt has no tokens; give at least one")
        #: The tokens generated so far, the one that ended it included.
        self.ids: list[int] = []
        #: The text generated so far, without what ended it.
        self.text = ""
        #: Why it ended: "eos", "stop", "length", "capacity"; "" before that.
        self.reason = "" if options.max_tokens else "length"
        stop_ids = options.stop_ids
        if stop_ids is None:
            stop_ids = GenerationConfig.of(module).resolve(tokenizer).eos
        self._stop_ids = frozenset(stop_ids)
        self._options = options
        self._model = session.language_model
        self._sampler = Sampler(options, self.prompt_ids)
        self._stream = tokenizer.stream() if tokenizer else None
        self._stops = StopTexts(options.stop)

    def _step(self, logits: npt.NDArray[Any]) -> Token:
        """Takes the logits after the last token and chooses the next."""
        token = self._sampler.next(self._model.scores(logits))
        self.ids.append(token)
        if token in self._stop_ids:
            return Token(token, self._end("eos"))
        text = self._stream.push(token) if self._stream else ""
        text, stopped = self._stops.push(text)
        self.text += text
        if stopped:
            self.reason = "stop"
        elif len(self.ids) == self._options.max_tokens:
            text += self._end("length")
        return Token(token, text)

    def _end(self, reason: str) -> str:
        """Ends; returns the text that was held back."""
        self.reason = reason
        rest, stopped = self._stops.push(self._stream.finish() if self._stream else "")
        if not stopped:
            rest += self._stops.finish()
        self.text += rest
        return rest


class Generation(Completion, Iterator[Token]):
    """A text in the making: iterating makes it, token by token."""

    def __init__(
        self, session: Session, sequence: int, prompt: Prompt, options: Options
    ) -> None:
        super().__init__(session, prompt, options)
        self._session = session
        self._sequence = sequence
        self._position = -1
        #: Seconds that the prompt took, and all tokens after the first.
        self.prefill_seconds = self.decode_seconds = 0.0

    def __next__(self) -> Token:
        if self.reason:
            raise StopIteration
        begin = time.perf_counter()
        first = not self.ids
        try:
            logits = self._run(self.prompt_ids if first else self.ids[-1:])
        except OverCapacity:
            if first:
                raise
            rest = self._end("capacity")
            if not rest:
                raise StopIteration from None
            return Token(self.ids[-1], rest)
        token = self._step(logits)
        seconds = time.perf_counter() - begin
        if first:
            self.prefill_seconds = seconds
        else:
            self.decode_seconds += seconds
        return token

    def _run(self, tokens: list[int]) -> npt.NDArray[Any]:
        session = self._session
        if not session.module.states:
            every = self.prompt_ids + self.ids
            return session.prefill([every]).reshape(-1)
        with session._use():
            if self.ids and session.positions[self._sequence] != self._position:
                raise InvalidArgument(
                    f"sequence {self._sequence} was changed while it is being "
                    "generated"
                )
            logits = session.prefill([tokens], sequences=[self._sequence])
            self._position = session.positions[self._sequence]
        return logits.reshape(-1)


def generate_all(
    session: Session, prompts: Sequence[Prompt], options: Options
) -> list[Completion]:
    """One completion per sequence of the session, or per prompt if the model
    has no states; each is what it would be alone."""
    completions = [Completion(session, prompt, options) for prompt in prompts]
    fresh: list[list[int]] = [item.prompt_ids for item in completions]
    active = list(range(len(completions)))
    while True:
        active = [i for i in active if not completions[i].reason]
        active = [i for i in active if _has_room(session, i, completions[i])]
        if not active:
            return completions
        sequences = active if session.module.states else None
        logits = session.prefill([fresh[i] for i in active], sequences=sequences)
        for i, row in zip(active, logits):
            completions[i]._step(row)
            fresh[i] = [completions[i].ids[-1]]
            if not session.module.states:
                fresh[i] = completions[i].prompt_ids + completions[i].ids


def _has_room(session: Session, sequence: int, completion: Completion) -> bool:
    """Whether the next token fits; else the completion ends. Prompts that do
    not fit are an error of their run."""
    if not completion.ids:
        return True
    if session.module.states:
        length = session.positions[sequence] + 1
    else:
        length = len(completion.prompt_ids) + len(completion.ids)
    if length <= session.language_model.context_capacity:
        return True
    completion._end("capacity")
    return False
