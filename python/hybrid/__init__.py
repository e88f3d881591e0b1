"""Compiles and runs hybrid language models.

    import hybrid

    module = hybrid.compile("model.onnx", output="model.hyb")
    with module.session() as session:
        for token in session.generate("Once upon a time", max_tokens=100):
            print(token.text, end="", flush=True)

docs/python.md describes it all.
"""

from . import errors
from ._compile import compile
from ._generate import Completion, Generation, Options, Token
from ._library import runtime_version
from ._module import Module, State, Symbol, Value, load
from ._session import Session
from .errors import (
    BadFile,
    BadInput,
    Busy,
    Closed,
    CompileError,
    FileError,
    HybridError,
    Incompatible,
    InternalError,
    InvalidArgument,
    NotFound,
    OutOfMemory,
    OverCapacity,
)
from .tokenizer import GenerationConfig, Tokenizer

__version__ = "0.1.0"

__all__ = [
    "BadFile",
    "BadInput",
    "Busy",
    "Closed",
    "CompileError",
    "Completion",
    "FileError",
    "Generation",
    "GenerationConfig",
    "HybridError",
    "Incompatible",
    "InternalError",
    "InvalidArgument",
    "Module",
    "NotFound",
    "Options",
    "OutOfMemory",
    "OverCapacity",
    "Session",
    "State",
    "Symbol",
    "Token",
    "Tokenizer",
    "Value",
    "compile",
    "errors",
    "load",
    "runtime_version",
]
