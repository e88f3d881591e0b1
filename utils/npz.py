"""npz files with the standard library: members stay as bytes of .npy files."""

import array
import ast
import math
import struct
import zipfile


def read(path):
    """{name: bytes of the .npy file}"""
    with zipfile.ZipFile(path) as archive:
        return {
            info.filename.removesuffix(".npy"): archive.read(info)
            for info in archive.infolist()
        }


def write(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name + ".npy", data)


def _header(data):
    """(header dictionary, offset of the values)"""
    if data[:6] != b"\x93NUMPY":
        raise ValueError("not a .npy file")
    width, code = (2, "<H") if data[6] == 1 else (4, "<I")
    (length,) = struct.unpack_from(code, data, 8)
    begin = 8 + width
    return ast.literal_eval(data[begin : begin + length].decode()), begin + length


def shape(data):
    return _header(data)[0]["shape"]


def last_row(data):
    """(shape, bytes) of [batch, positions, …] cut to [batch, 1, …]."""
    header, begin = _header(data)
    batch, positions, *rest = header["shape"]
    values = data[begin:]
    row = len(values) // max(batch * positions, 1)
    ends = [(i + 1) * positions * row for i in range(batch)]
    return (batch, 1, *rest), b"".join(values[end - row : end] for end in ends)


def integers(data):
    """The values of an array of 32- or 64-bit integers, row-major."""
    header, begin = _header(data)
    codes = {"<i8": "q", "<i4": "i", "|b1": "b"}
    if header["descr"] not in codes or header["fortran_order"]:
        raise ValueError(f"cannot read values of {header['descr']}")
    values = array.array(codes[header["descr"]], data[begin:])
    if len(values) != math.prod(header["shape"]):
        raise ValueError("truncated .npy file")
    return list(values)


def floats(data):
    """The values of an array of 16-, 32- or 64-bit floats, row-major."""
    header, begin = _header(data)
    codes = {"<f2": "e", "<f4": "f", "<f8": "d"}
    if header["descr"] not in codes or header["fortran_order"]:
        raise ValueError(f"cannot read values of {header['descr']}")
    count = math.prod(header["shape"])
    code = f"<{count}{codes[header['descr']]}"
    if len(data) - begin != struct.calcsize(code):
        raise ValueError("truncated .npy file")
    return struct.unpack_from(code, data, begin)


def element_type(data):
    """As numpy spells it: "<f4", "<i8", …"""
    return _header(data)[0]["descr"]


def with_values(data, values):
    """An array like `data`, of integers or floats, with these values."""
    header, begin = _header(data)
    codes = {"<i8": "q", "<i4": "i", "<f2": "e", "<f4": "f", "<f8": "d"}
    count = math.prod(header["shape"])
    return data[:begin] + struct.pack(f"<{count}{codes[header['descr']]}", *values)


def from_integers(shape, values):
    """The .npy file of an int64 array, row-major."""
    data = array.array("q", values)
    if len(data) != math.prod(shape):
        raise ValueError("the shape does not fit the values")
    text = repr({"descr": "<i8", "fortran_order": False, "shape": tuple(shape)})
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()
    return header + data.tobytes()
