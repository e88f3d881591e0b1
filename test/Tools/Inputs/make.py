"""make.py KIND OUT.onnx: a small model of one kind, most of them wrong."""

import sys
from pathlib import Path

from onnx_file import FLOAT, INT64, external, model, node, tensor, value

X, Y = value("x", FLOAT, ["n", 4]), value("y", FLOAT, ["n", 4])
WEIGHT = tensor("w", [4, 4], [float(i == j) for i in range(4) for j in range(4)])
GOOD = model([node("MatMul", ["x", "w"], ["y"], "proj")], [X], [Y], [WEIGHT])


def with_external(**options):
    weight = external("w", [4, 4], **options)
    return model([node("MatMul", ["x", "w"], ["y"], "proj")], [X], [Y], [weight])


def of_nodes(*nodes, inputs=(X,)):
    return model(nodes, inputs, [Y], [WEIGHT])



def successor(byte):
    """What the byte model says after a byte: the next; a euro sign repeats."""
    return {0xE2: 0x82, 0x82: 0xAC, 0xAC: 0xE2}.get(byte, (byte + 1) % 256)


def byte_model():
    """A language model without states: logits are a table. After "z" it fails."""
    table = [float(successor(i) == j) for i in range(256) for j in range(256)]
    table[ord("z") * 256] = float("nan")
    return model(
        [node("Gather", ["table", "input_ids"], ["logits"], "look up")],
        [value("input_ids", INT64, ["batch", "seq"])],
        [value("logits", FLOAT, ["batch", "seq", 256])],
        [tensor("table", [256, 256], table)],
    )


KINDS = {
    "good": lambda: GOOD,
    "bytes": byte_model,
    "empty": lambda: b"",
    "text": lambda: b"this is not a model\n" * 10,
    "truncated": lambda: GOOD[: len(GOOD) - 40],
    "cycle": lambda: of_nodes(
        node("Add", ["x", "b"], ["a"], "first"),
        node("Relu", ["a"], ["b"], "second"),
        node("Neg", ["b"], ["y"], "third"),
    ),
    "undefined": lambda: of_nodes(node("Add", ["x", "nowhere"], ["y"], "sum")),
    "twice": lambda: of_nodes(
        node("Relu", ["x"], ["y"], "first"), node("Neg", ["x"], ["y"], "second")
    ),
    "types": lambda: of_nodes(
        node("MatMul", ["x", "ids"], ["y"], "proj"),
        inputs=(X, value("ids", INT64, [4, 4])),
    ),
    "shapes": lambda: of_nodes(
        node("MatMul", ["x", "z"], ["y"], "proj"),
        inputs=(X, value("z", FLOAT, [5, 4])),
    ),
    "unknown": lambda: of_nodes(
        node("Frobnicate", ["x"], ["a"], "middle"),
        node("Relu", ["a"], ["b"], "fine"),
        node("Gadget", ["b"], ["y"], "last", domain="acme"),
    ),
    "attribute": lambda: of_nodes(
        node("Gelu", ["x"], ["y"], "activation", approximate="cubic")
    ),
    "absent": lambda: with_external(location="absent.bin"),
    "parent": lambda: with_external(location="../secret.bin"),
    "absolute": lambda: with_external(location="/etc/passwd"),
    "link": lambda: with_external(location="link.bin"),
    "short": lambda: with_external(location="short.bin", length=64),
    "beyond": lambda: with_external(location="short.bin", offset=1 << 62),
    "length": lambda: with_external(location="long.bin", length=60),
}

Path(sys.argv[2]).write_bytes(KINDS[sys.argv[1]]())
