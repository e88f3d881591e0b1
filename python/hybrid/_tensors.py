"""Arrays in and out of the runtime, without copies where that is possible."""

from __future__ import annotations

import ctypes as c
import math
from collections.abc import Sequence
from typing import Any, Protocol, Union, runtime_checkable

import numpy as np
import numpy.typing as npt

from ._library import MAX_RANK, Dims, Tensor
from .errors import BadInput

try:
    import ml_dtypes

    BFLOAT16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
except ImportError:
    # The bits, for want of a type.
    BFLOAT16 = np.dtype(np.uint16)

Array = npt.NDArray[Any]


@runtime_checkable
class SupportsDLPack(Protocol):
    """What DLPack's protocol asks of an array."""

    def __dlpack__(self, *, stream: Any = None) -> Any: ...

    def __dlpack_device__(self) -> tuple[int, int]: ...


#: What may be given as an input.
ArrayLike = Union[Array, SupportsDLPack, Sequence[Any], int, float, bool]

ALIGNMENT = 64
_CPU = 1  # DLPack's device type

NAMES = (
    "float32",
    "float16",
    "bfloat16",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
)
_BFLOAT16_CODE = NAMES.index("bfloat16")


def numpy_dtype(code: int) -> np.dtype[Any]:
    """The numpy type of a HybridDtype."""
    return BFLOAT16 if code == _BFLOAT16_CODE else np.dtype(NAMES[code])


def dtype_code(dtype: np.dtype[Any], wanted: int) -> int:
    """The HybridDtype of a numpy type, or -1. Bits of bfloat16 are taken where
    the model wants bfloat16."""
    if wanted == _BFLOAT16_CODE and dtype in (BFLOAT16, np.dtype(np.uint16)):
        return wanted
    if dtype.name == "bfloat16":
        return _BFLOAT16_CODE
    return NAMES.index(dtype.name) if dtype.name in NAMES else -1


def as_numbers(array: Array, dtype: str) -> Array:
    """The values of an array of the model's dtype, where bfloat16 may be bits."""
    if dtype != "bfloat16" or array.dtype != np.uint16:
        return array
    return (array.astype(np.uint32) << 16).view(np.float32)


def empty(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """An array of memory of its own, at a multiple of 64 bytes."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT
    return memory[begin : begin + size].view(dtype).reshape(tuple(shape))


def from_dlpack(value: SupportsDLPack, name: str) -> Array:
    """A view of another library's array."""
    try:
        device = int(value.__dlpack_device__()[0])
        if device == _CPU:
            return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise BadInput(
            f"input '{name}' cannot be read through DLPack: {error} (bfloat16 "
            "can be given as the uint16 of its bits)"
        ) from None
    raise BadInput(
        f"input '{name}' is on a device of DLPack's type {device}; only memory of "
        "the CPU (type 1) is taken: copy it there first"
    )


def _from_python(value: Any, name: str, dtype: np.dtype[Any]) -> Array:
    """Lists and numbers become the type that the model wants."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise BadInput(f"input '{name}' is not an array: {error}") from None
    if array.size == 0:
        return array.astype(dtype)
    exact = array.dtype.kind in "iub" or dtype.kind not in "iub"
    if array.dtype.kind not in "iufb" or not exact:
        raise BadInput(
            f"input '{name}' holds {array.dtype.name}, expected {dtype.name}"
        )
    return to_integers(array, name, dtype) if dtype.kind in "iu" else array.astype(dtype)


def to_integers(array: Array, name: str, dtype: np.dtype[Any]) -> Array:
    """Integers as another type, if their values fit it."""
    if array.dtype.kind not in "iub":
        raise BadInput(f"'{name}' holds {array.dtype.name}, expected integers")
    limits = np.iinfo(dtype)
    if array.size and (int(array.min()) < limits.min or int(array.max()) > limits.max):
        raise BadInput(f"'{name}' holds values that {dtype.name} cannot")
    return array.astype(dtype, copy=False)


def as_array(value: Any, name: str, wanted: int) -> Array:
    """`value` as a dense row-major array; `wanted` is the model's HybridDtype,
    -1 if the model has no such input. Copies only what is not dense."""
    if isinstance(value, np.ndarray):
        array = value
    elif isinstance(value, SupportsDLPack):
        array = from_dlpack(value, name)
    elif wanted >= 0:
        array = _from_python(value, name, numpy_dtype(wanted))
    else:
        array = np.asarray(value)
    if array.flags.c_contiguous and array.dtype.isnative:
        return array
    dense = empty(array.shape, array.dtype.newbyteorder("="))
    np.copyto(dense, array)
    return dense


def describe(tensor: Tensor, name: bytes, array: Array, wanted: int) -> None:
    """Fills a HybridTensor; `array` must live as long as it is used."""
    code = dtype_code(array.dtype, wanted)
    text = name.decode()
    if code < 0:
        expected = f", expected {NAMES[wanted]}" if wanted >= 0 else ""
        raise BadInput(f"input '{text}' has dtype {array.dtype}{expected}")
    if array.ndim > MAX_RANK:
        raise BadInput(f"input '{text}' has more than {MAX_RANK} dimensions")
    tensor.name = name
    tensor.dtype = code
    tensor.rank = array.ndim
    tensor.dims = Dims(*array.shape)
    tensor.data = array.ctypes.data
    tensor.bytes = array.nbytes


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.dims[: tensor.rank])


def copy_out(tensor: Tensor) -> Array:
    """A copy of a tensor in the runtime's memory."""
    array = empty(shape_of(tensor), numpy_dtype(tensor.dtype))
    if array.nbytes:
        c.memmove(array.ctypes.data, tensor.data, array.nbytes)
    return array
