"""Text to token ids and back; what files beside a model say about generating."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from .errors import BadFile, FileError, NotFound

if TYPE_CHECKING:
    from ._module import Module

__all__ = ["GenerationConfig", "TextStream", "Tokenizer"]


class Tokenizer:
    """A tokenizer.json, read by the package `tokenizers`; without one, each byte
    of UTF-8 is a token."""

    def __init__(self, inner: Any = None) -> None:
        self._inner = inner

    @classmethod
    def bytes(cls) -> Tokenizer:
        """Each byte of UTF-8 is a token."""
        return cls()

    @classmethod
    def from_file(cls, path: Path) -> Tokenizer:
        """Reads a tokenizer.json. Needs the package `tokenizers` (the extra
        `text` of this one)."""
        try:
            import tokenizers
        except ImportError:
            raise NotFound(
                f"'{path}' needs the package tokenizers: pip install tokenizers"
            ) from None
        if not path.is_file():
            raise FileError(f"cannot open '{path}'")
        try:
            return cls(tokenizers.Tokenizer.from_file(str(path)))
        except Exception as error:  # the package raises nothing narrower
            raise BadFile(f"'{path}' is not a tokenizer: {error}") from None

    @classmethod
    def beside(cls, *folders: Path) -> Tokenizer:
        """The tokenizer.json in the first folder that has one; bytes if none
        has."""
        for folder in folders:
            path = folder / "tokenizer.json"
            if path.exists():
                return cls.from_file(path)
        return cls.bytes()

    @property
    def is_bytes(self) -> bool:
        """Whether tokens are bytes for want of a file."""
        return self._inner is None

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        """The ids of a text; `special`: with the tokens that begin or end one."""
        if self._inner is None:
            return list(text.encode())
        ids: list[int] = self._inner.encode(text, add_special_tokens=special).ids
        return ids

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text of ids; `special`: with the text of special tokens. Bytes that
        are no UTF-8 become U+FFFD."""
        if self._inner is None:
            known = bytes(token for token in ids if 0 <= token < 256)
            return known.decode(errors="replace")
        text: str = self._inner.decode(list(ids), skip_special_tokens=not special)
        return text

    def id_of(self, token: str) -> Optional[int]:
        """The id of a token by its text."""
        if self._inner is None:
            return None
        found: Optional[int] = self._inner.token_to_id(token)
        return found

    def stream(self) -> TextStream:
        """Decodes ids as they come."""
        return ByteStream() if self._inner is None else _WindowStream(self)


class TextStream:
    """Decodes ids as they come; the pieces together are the text of all."""

    def push(self, token: int) -> str:
        """The text that is complete with this token."""
        raise NotImplementedError

    def finish(self) -> str:
        """What was held back."""
        raise NotImplementedError


class ByteStream(TextStream):
    """Tokens are bytes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        return self._decoder.decode(bytes([token]) if 0 <= token < 256 else b"")

    def finish(self) -> str:
        return self._decoder.decode(b"", True)


class _WindowStream(TextStream):
    """Decodes a window that begins a few tokens back, because some tokenizers
    treat the first token of a text differently, and takes what is new in it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._window: list[int] = []
        self._done = ""

    def push(self, token: int) -> str:
        self._window.append(token)
        text = self._tokenizer.decode(self._window)
        if text.endswith("\ufffd") or not text.startswith(self._done):
            return ""  # a character of several tokens is not complete
        return self._take(text)

    def _take(self, text: str) -> str:
        fresh = text[len(self._done) :]
        if fresh:
            self._window = self._window[-4:]
            self._done = self._tokenizer.decode(self._window)
        return fresh

    def finish(self) -> str:
        return self._take(self._tokenizer.decode(self._window))


@dataclass(frozen=True)
class GenerationConfig:
    """End tokens and default sampling, from genai_config.json,
    generation_config.json, config.json and tokenizer_config.json; an earlier one
    takes precedence, value by value."""

    eos: tuple[int, ...] = ()
    bos: Optional[int] = None
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    #: The end token's text, where no file gives its id.
    eos_token: Optional[str] = None

    @classmethod
    def of(cls, module: Module) -> GenerationConfig:
        """Of the files beside the ONNX file or the compiled one."""
        paths = [path for path in (module.source, module.path) if path]
        return cls.beside(*(path.parent for path in paths))

    @classmethod
    def beside(cls, *folders: Path) -> GenerationConfig:
        """Of the files in the first folder that has any."""
        for folder in folders:
            values = _read_folder(folder)
            if values:
                return cls._from(values)
        return cls()

    @classmethod
    def _from(cls, values: Mapping[str, Any]) -> GenerationConfig:
        eos = values.get("eos_token_id", ())
        token = values.get("eos_token")
        token = token.get("content") if isinstance(token, dict) else token
        try:
            return cls(
                eos=tuple(map(int, eos if isinstance(eos, list) else [eos]))
                if eos != ()
                else (),
                bos=values.get("bos_token_id"),
                sample=bool(values.get("do_sample", False)),
                temperature=float(values.get("temperature", 1.0)),
                top_k=int(values.get("top_k", 0)),
                top_p=float(values.get("top_p", 1.0)),
                repetition_penalty=float(values.get("repetition_penalty", 1.0)),
                eos_token=token,
            )
        except (TypeError, ValueError) as error:
            raise BadFile(f"the model's generation settings are wrong: {error}") from None

    def resolve(self, tokenizer: Optional[Tokenizer]) -> GenerationConfig:
        """With the id of the end token that is known by its text."""
        if self.eos or not self.eos_token or tokenizer is None:
            return self
        found = tokenizer.id_of(self.eos_token)
        return self if found is None else replace(self, eos=(found,))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FileError(f"cannot read '{path}': {error.strerror}") from None
    except ValueError as error:
        raise BadFile(f"'{path}' is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise BadFile(f"'{path}' does not hold an object")
    return data


def _read_folder(folder: Path) -> dict[str, Any]:
    """The values of all files, those of earlier files first."""
    genai = _read_json(folder / "genai_config.json")
    files = [genai.get("search", {}), genai.get("model", {})]
    names = ("generation_config.json", "config.json", "tokenizer_config.json")
    files += [_read_json(folder / name) for name in names]
    values: dict[str, Any] = {}
    for file in files:
        if isinstance(file, dict):
            new = {key: value for key, value in file.items() if value is not None}
            values = {**new, **values}
    return values
