"""Writes small ONNX files with the standard library, also wrong ones."""

import struct

FLOAT, INT64, FLOAT16 = 1, 7, 10


def _varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def _bytes(field, value):
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def value(name, dtype, shape):
    """A ValueInfoProto; sizes that are strings are symbolic."""
    dims = b"".join(
        _bytes(1, _bytes(2, d) if isinstance(d, str) else _number(1, d)) for d in shape
    )
    tensor_type = _bytes(1, _number(1, dtype) + _bytes(2, dims))
    return _bytes(1, name) + _bytes(2, tensor_type)


def attribute(name, content):
    """An AttributeProto of an int, a float, a string or a list of ints."""
    if isinstance(content, int):
        return _bytes(1, name) + _number(3, content) + _number(20, 2)
    if isinstance(content, float):
        number = _varint(2 << 3 | 5) + struct.pack("<f", content)
        return _bytes(1, name) + number + _number(20, 1)
    if isinstance(content, str):
        return _bytes(1, name) + _bytes(4, content) + _number(20, 3)
    ints = b"".join(_number(8, i) for i in content)
    return _bytes(1, name) + ints + _number(20, 7)


def node(operator, inputs, outputs, name="", domain="", **attributes):
    fields = [_bytes(1, i) for i in inputs] + [_bytes(2, o) for o in outputs]
    fields += [_bytes(3, name), _bytes(4, operator)]
    fields += [_bytes(5, attribute(*item)) for item in attributes.items()]
    return b"".join(fields) + _bytes(7, domain)


def tensor(name, shape, values):
    """A float32 initializer in the file."""
    raw = struct.pack(f"<{len(values)}f", *values)
    dims = b"".join(_number(1, d) for d in shape)
    return dims + _number(2, FLOAT) + _bytes(8, name) + _bytes(9, raw)


def external(name, shape, location, offset=0, length=None):
    """A float32 initializer in another file."""
    entries = {"location": location, "offset": str(offset)}
    if length is not None:
        entries["length"] = str(length)
    pairs = b"".join(
        _bytes(13, _bytes(1, key) + _bytes(2, text)) for key, text in entries.items()
    )
    dims = b"".join(_number(1, d) for d in shape)
    return dims + _number(2, FLOAT) + _bytes(8, name) + pairs + _number(14, 1)


def model(nodes, inputs, outputs, initializers=(), opset=20):
    graph = b"".join(_bytes(1, n) for n in nodes) + _bytes(2, "graph")
    graph += b"".join(_bytes(5, i) for i in initializers)
    graph += b"".join(_bytes(11, i) for i in inputs)
    graph += b"".join(_bytes(12, o) for o in outputs)
    opsets = _bytes(8, _number(2, opset))
    opsets += _bytes(8, _bytes(1, "acme") + _number(2, 1))
    return _number(1, 10) + _bytes(7, graph) + opsets
