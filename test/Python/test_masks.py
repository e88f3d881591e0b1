"""Masks that exporters compute of positions and padding: attributes and a mask of
keys give what the whole mask gives, also to queries that see no key."""

import subprocess
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper
from support import HOME, SCRATCH

import hybrid

BATCH, HEADS, CHANNELS = 2, 2, 8
LOWEST = float(np.finfo(np.float32).min)


class Builder:
    """The nodes of a graph, and its constants."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def node(self, op, inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def constant(self, values, dtype=np.int64):
        name = f"c{len(self.constants)}"
        array = np.asarray(values, dtype)
        self.constants.append(onnx.numpy_helper.from_array(array, name))
        return name

    def positions(self):
        """Queries [T, 1] and keys [1, T]."""
        shape = self.node("Shape", ["attention_mask"])
        time = self.node("Gather", [shape, self.constant(1)])
        row = self.node("Range", [self.constant(0), time, self.constant(1)])
        queries = self.node("Unsqueeze", [row, self.constant([1])])
        return queries, self.node("Unsqueeze", [row, self.constant([0])])

    def valid(self):
        """[batch, 1, 1, T]"""
        truth = self.node("Cast", ["attention_mask"], to=TensorProto.BOOL)
        return self.node("Unsqueeze", [truth, self.constant([1, 2])])

    def numbers(self, truth, hidden):
        zero = self.constant(0, np.float32)
        return self.node("Where", [truth, zero, self.constant(hidden, np.float32)])


def causal(b, hidden):
    queries, keys = b.positions()
    truth = b.node("And", [b.node("LessOrEqual", [keys, queries]), b.valid()])
    return truth if hidden is None else b.numbers(truth, hidden)


def window(b, hidden):
    """Of 3 positions and one at the start."""
    queries, keys = b.positions()
    distance = b.node("Sub", [queries, keys])
    near = b.node("Less", [distance, b.constant(3)])
    near = b.node("Or", [near, b.node("Less", [keys, b.constant(1)])])
    truth = b.node("And", [near, b.node("LessOrEqual", [keys, queries])])
    truth = b.node("And", [b.valid(), truth])
    return truth if hidden is None else b.numbers(truth, hidden)


def sums(b, hidden):
    """Running sums of what counts instead of positions."""
    total = b.node("CumSum", ["attention_mask", b.constant(1)])
    queries = b.node("Unsqueeze", [total, b.constant([1, 3])])
    keys = b.node("Unsqueeze", [total, b.constant([1, 2])])
    truth = b.node("And", [b.node("GreaterOrEqual", [queries, keys]), b.valid()])
    return truth if hidden is None else b.numbers(truth, hidden)


def inverted(b, hidden):
    """1 - what is visible, times the number: all of it floats."""
    queries, keys = b.positions()
    past = b.node("LessOrEqual", [keys, queries])
    past = b.node("Cast", [past], to=TensorProto.FLOAT)
    valid = b.node("Cast", ["attention_mask"], to=TensorProto.FLOAT)
    valid = b.node("Unsqueeze", [valid, b.constant([1, 2])])
    seen = b.node("Mul", [past, valid])
    unseen = b.node("Sub", [b.constant(1, np.float32), seen])
    return b.node("Mul", [unseen, b.constant(hidden, np.float32)])


def keys_alone(b, hidden):
    """Everything is visible but padding."""
    return b.valid() if hidden is None else b.numbers(b.valid(), hidden)


def save(name, mask, hidden, is_causal):
    """Attention over q, k and v with a mask, as one operator if it is causal or
    the mask boolean, and decomposed if not."""
    b = Builder()
    value = mask(b, hidden)
    if is_causal or hidden is None:
        y = b.node("Attention", ["q", "k", "v", value], is_causal=int(is_causal))
    else:
        turned = b.node("Transpose", ["k"], perm=[0, 1, 3, 2])
        scores = b.node("MatMul", ["q", turned])
        factor = b.constant(CHANNELS**-0.5, np.float32)
        scores = b.node("Add", [b.node("Mul", [scores, factor]), value])
        y = b.node("MatMul", [b.node("Softmax", [scores], axis=-1), "v"])
    tensor = helper.make_tensor_value_info
    heads = ["batch", HEADS, "seq", CHANNELS]
    graph = helper.make_graph(
        b.nodes,
        name,
        [tensor(n, TensorProto.FLOAT, heads) for n in "qkv"]
        + [tensor("attention_mask", TensorProto.INT64, ["batch", "seq"])],
        [tensor(y, TensorProto.FLOAT, heads)],
        b.constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10
    )
    onnx.checker.check_model(model)
    path = SCRATCH / f"{name}.onnx"
    onnx.save(model, path)
    return path


def reference(mask, hidden, is_causal, q, k, v, counts):
    """In numpy."""
    time = q.shape[2]
    i, j = np.arange(time)[:, None], np.arange(time)[None, :]
    past = dict.fromkeys((causal, sums, inverted), j <= i)
    positions = {**past, keys_alone: j <= time}
    visible = positions.get(mask, (j <= i) & ((i - j < 3) | (j < 1)))
    visible = visible & (counts[:, None, None, :] != 0)
    number = -np.inf if hidden is None else hidden
    scores = np.einsum("bhid,bhjd->bhij", q, k) * CHANNELS**-0.5
    scores = (scores + np.where(visible, 0, number)).astype(np.float32)
    if is_causal:
        scores = np.where(j <= i, scores, -np.inf)
    highest = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isinf(highest), 0, highest))
    total = weights.sum(-1, keepdims=True)
    # Where nothing is visible, NaN to some and 0 to us.
    weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return np.einsum("bhij,bhjd->bhid", weights, v)


#: Mask, the number that hides (None: booleans), whether the operator is causal;
#: whether the mean of all values is what a query that sees no key gets.
CASES = {
    "causal_finite": (causal, LOWEST, False, True),
    "causal_low": (causal, -1e30, False, True),
    "causal_bool": (causal, None, False, False),
    "causal_twice": (causal, LOWEST, True, False),
    "inverted_finite": (inverted, LOWEST, False, True),
    "window_finite": (window, LOWEST, False, True),
    "window_bool": (window, None, False, False),
    "sums_finite": (sums, LOWEST, False, True),
    "sums_bool": (sums, None, False, False),
    "sums_twice": (sums, LOWEST, True, False),
}


class Masks(unittest.TestCase):
    """Every case, with padding in front and behind."""

    def check(self, name, mask, hidden, is_causal, has_mean):
        path = save(name, mask, hidden, is_causal)
        text = subprocess.run(
            [HOME / "bin/hybrid-compile", path, "--emit=hybrid", "-o", "-"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        self.assertRegex(text, r"mask\(.*tensor<\?x1x1x\?x")
        self.assertIn("causal", text)
        self.assertEqual("empty_is_mean" in text, has_mean)
        modules = [
            hybrid.compile(path, options=[f"--raise={how}"], max_seq=16, max_batch=4)
            for how in ("all", "none")
        ]
        generator = np.random.default_rng(3)
        for time, counts in {
            7: [[0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0]],
            6: [[0, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0]],
            1: [[1], [0]],
        }.items():
            shape = (BATCH, HEADS, time, CHANNELS)
            q, k, v = generator.normal(size=(3, *shape)).astype(np.float32)
            counts = np.array(counts)
            want = reference(mask, hidden, is_causal, q, k, v, counts)
            for module in modules:
                with module.session(threads=1) as session:
                    got = session.run(q=q, k=k, v=v, attention_mask=counts)
                np.testing.assert_allclose(*got.values(), want, rtol=1e-4, atol=1e-5)

    def test_negative(self):
        """Running sums of a mask are positions if no element is negative, and
        floats made of it are factors if there are zeros and ones only: other masks
        are refused."""
        zeros = np.zeros((BATCH, HEADS, 3, CHANNELS), np.float32)
        for mask, hidden, count, text in (
            (sums, None, -1, "range from 0 to"),
            (inverted, LOWEST, 2, "range from 0 to 1"),
        ):
            path = save("negative", mask, hidden, False)
            module = hybrid.compile(path, max_seq=16, max_batch=4)
            counts = np.array([[1, count, 1]] * BATCH)
            with module.session(threads=1) as session:
                with self.assertRaisesRegex(hybrid.HybridError, text):
                    session.run(q=zeros, k=zeros, v=zeros, attention_mask=counts)


def add_checks():
    for name, case in CASES.items():

        def test(self, name=name, case=case):
            self.check(name, *case)

        setattr(Masks, f"test_{name}", test)


add_checks()
