"""Recurrences that a graph writes as Scan, Loop or unrolled steps, against the
same steps in numpy."""

import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from support import SCRATCH

import hybrid

BATCH, HEADS, KEYS, VALUES = 2, 4, 8, 12
#: What a step reads, of each head.
SIZES = {"q": [KEYS], "k": [KEYS], "v": [VALUES], "g": [], "b": []}
STATE = [HEADS, KEYS, VALUES]
RULES = {"linear": "qkv", "gated": "qkvg", "delta": "qkvb", "gated_delta": "qkvgb"}


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs.split(), output.split(), **attributes)


def axes(name, *numbers):
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


CONSTANTS = [axes("a1", 1), axes("a2", 2), axes("a3", 3), axes("a23", 2, 3)]


def step(rule, state="S", following="n", suffix=""):
    """The nodes of one step: from `state` and q, k, v, g, b to `following` and y."""
    nodes = [node("Unsqueeze", "k a3", "ku")]
    decayed = state
    if "gated" in rule:
        nodes += [
            node("Unsqueeze", "g a23", "gu"),
            node("Exp", "gu", "e"),
            node("Mul", f"{state} e", "D"),
        ]
        decayed = "D"
    new = "v"
    if "delta" in rule:
        nodes += [
            node("Mul", f"{decayed} ku", "m"),
            node("ReduceSum", "m a2", "held", keepdims=0),
            node("Sub", "v held", "d"),
            node("Unsqueeze", "b a2", "bu"),
            node("Mul", "d bu", "w"),
        ]
        new = "w"
    nodes += [
        node("Unsqueeze", f"{new} a2", "nu"),
        node("Mul", "ku nu", "o"),
        node("Add", f"{decayed} o", following),
        node("Unsqueeze", "q a2", "qu"),
        node("MatMul", f"qu {following}", "yu"),
        node("Squeeze", "yu a2", "y"),
    ]
    own = {name for made in nodes for name in made.output} | set(SIZES)
    for made in nodes:
        for names in (made.input, made.output):
            for i, name in enumerate(names):
                if name in own and name not in (state, following):
                    names[i] = name + suffix
    return nodes


def body(nodes, inputs, outputs):
    return helper.make_graph(nodes, "body", inputs, outputs)


def scan(rule):
    names = RULES[rule]
    inner = body(
        step(rule) + [node("Identity", "n", "carried")],
        [value("S", ["b0", *STATE])]
        + [value(x, ["b0", HEADS, *SIZES[x]]) for x in names],
        [value("carried", ["b0", *STATE]), value("y", ["b0", HEADS, VALUES])],
    )
    ones = [1] * len(names)
    return [
        node(
            "Scan",
            "initial " + " ".join(names.upper()),
            "last Y",
            num_scan_inputs=len(names),
            scan_input_axes=ones,
            scan_output_axes=[1],
            body=inner,
        )
    ]


def loop(rule):
    names = RULES[rule]
    inner = body(
        [node("Gather", f"{x.upper()} i", x, axis=1) for x in names]
        + step(rule)
        + [node("Identity", "go", "on")],
        [
            value("i", [], TensorProto.INT64),
            value("go", [], TensorProto.BOOL),
            value("S", ["b0", *STATE]),
        ],
        [
            value("on", [], TensorProto.BOOL),
            value("n", ["b0", *STATE]),
            value("y", ["b0", HEADS, VALUES]),
        ],
    )
    return [
        node("Shape", "Q", "sizes"),
        node("Gather", "sizes one", "count"),
        helper.make_node("Loop", ["count", "", "initial"], ["last", "Yt"], body=inner),
        node("Transpose", "Yt", "Y", perm=[1, 0, 2, 3]),
    ]


def unrolled(rule, length):
    nodes, state, parts = [], "initial", []
    for i in range(length):
        following = "last" if i == length - 1 else f"S{i}"
        for x in RULES[rule]:
            nodes.append(node("Gather", f"{x.upper()} i{i}", f"{x}_{i}", axis=1))
        nodes += step(rule, state, following, f"_{i}")
        nodes.append(node("Unsqueeze", f"y_{i} a1", f"part{i}"))
        parts.append(f"part{i}")
        state = following
    return nodes + [node("Concat", " ".join(parts), "Y", axis=1)]


def save(name, rule, nodes, length):
    inputs = [value("initial", ["b0", *STATE])]
    inputs += [value(x.upper(), ["b0", length, HEADS, *SIZES[x]]) for x in RULES[rule]]
    outputs = [
        value("Y", ["b0", length, HEADS, VALUES]),
        value("last", ["b0", *STATE]),
    ]
    constants = CONSTANTS + [numpy_helper.from_array(np.int64(1), "one")]
    if isinstance(length, int):
        constants += [
            numpy_helper.from_array(np.int64(i), f"i{i}") for i in range(length)
        ]
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    opset = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.checker.check_model(model)
    path = SCRATCH / f"{name}.onnx"
    onnx.save(model, path)
    return path


def make_inputs(rule, length):
    random = np.random.default_rng(length)
    shapes = {x: [BATCH, length, HEADS, *SIZES[x]] for x in RULES[rule]}
    inputs = {x.upper(): random.normal(size=s) / 2 for x, s in shapes.items()}
    if "G" in inputs:
        inputs["G"] = -abs(inputs["G"])
    inputs["initial"] = random.normal(size=[BATCH, *STATE])
    return {name: array.astype(np.float32) for name, array in inputs.items()}


def reference(rule, inputs):
    """One step after another, in float64."""
    whole = {name: array.astype(np.float64) for name, array in inputs.items()}
    state, outputs = whole["initial"], []
    for i in range(whole["Q"].shape[1]):
        q, k, v = (whole[x][:, i] for x in "QKV")
        if "gated" in rule:
            state = state * np.exp(whole["G"][:, i])[..., None, None]
        if "delta" in rule:
            held = np.einsum("bhkv,bhk->bhv", state, k)
            v = (v - held) * whole["B"][:, i][..., None]
        state = state + k[..., :, None] * v[..., None, :]
        outputs.append(np.einsum("bhkv,bhk->bhv", state, q))
    return {"Y": np.stack(outputs, 1), "last": state}


class Recurrences(unittest.TestCase):
    def check(self, rule, path, lengths):
        dims = {"b0": BATCH, "t": max(lengths)}
        module = hybrid.compile(path, states=False, dims=dims, opt_level=1)
        for length in lengths:
            inputs = make_inputs(rule, length)
            got = module.session().run(inputs)
            for name, want in reference(rule, inputs).items():
                np.testing.assert_allclose(got[name], want, rtol=1e-4, atol=1e-5)

    def test_scan(self):
        for rule in RULES:
            with self.subTest(rule):
                path = save(f"scan_{rule}", rule, scan(rule), "t")
                self.check(rule, path, [1, 9, 70])

    def test_loop(self):
        for rule in RULES:
            with self.subTest(rule):
                path = save(f"loop_{rule}", rule, loop(rule), "t")
                self.check(rule, path, [1, 9])

    def test_unrolled(self):
        for rule in ["gated", "delta", "gated_delta"]:
            for length in [1, 5]:
                with self.subTest(rule, length=length):
                    nodes = unrolled(rule, length)
                    path = save(f"unrolled_{rule}_{length}", rule, nodes, length)
                    self.check(rule, path, [length])

    def test_only_raising_compiles_a_scan(self):
        path = save("scan_unraised", "gated", scan("gated"), "t")
        with self.assertRaisesRegex(hybrid.CompileError, "ai.onnx::Scan"):
            hybrid.compile(path, states=False, options=["--raise=none"])


class Einsum(unittest.TestCase):
    """Attention by Einsum, with key heads that are repeated."""

    def save(self, scores, values):
        """Queries, keys and values are [batch, positions, heads, channels]."""
        repeated = [
            item
            for x in "kv"
            for item in (
                node("Unsqueeze", f"{x} a3", f"{x}u"),
                node("Expand", f"{x}u times", f"{x}e"),
                node("Reshape", f"{x}e heads", f"{x}r"),
            )
        ]
        nodes = repeated + [
            node("Einsum", "q kr", "s", equation=scores),
            node("Mul", "s scale", "c"),
            node("Softmax", "c", "p", axis=-1),
            node("Einsum", "p vr", "y", equation=values),
        ]
        few = ["batch", "seq", HEADS // 2, KEYS]
        shape = ["batch", "seq", HEADS, KEYS]
        graph = helper.make_graph(
            nodes,
            "einsum",
            [value("q", shape), value("k", few), value("v", few)],
            [value("y", shape)],
            [
                axes("a3", 3),
                axes("times", 1, 1, 1, 2, 1),
                axes("heads", 0, 0, HEADS, KEYS),
                numpy_helper.from_array(np.float32(0.5), "scale"),
            ],
        )
        path = SCRATCH / "einsum.onnx"
        opsets = [helper.make_opsetid("", 21)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        return path

    def test_attention(self):
        generator = np.random.default_rng(5)
        for scores, values in (
            ("bthd,bnhd->bhtn", "bhtn,bnhd->bthd"),
            ("bthd,bnhd->hbtn", "hbtn,bnhd->bthd"),
        ):
            path = self.save(scores, values)
            for families in ("all", "none"):
                options = [f"--raise={families}"]
                module = hybrid.compile(path, max_seq=16, options=options)
                for time in (1, 9):
                    few = (BATCH, time, HEADS // 2, KEYS)
                    q = generator.normal(size=(BATCH, time, HEADS, KEYS))
                    k, v = generator.normal(size=(2, *few))
                    arrays = {"q": q, "k": k, "v": v}
                    inputs = {n: a.astype(np.float32) for n, a in arrays.items()}
                    k, v = np.repeat(k, 2, 2), np.repeat(v, 2, 2)
                    weights = np.exp(0.5 * np.einsum("bthd,bnhd->bhtn", q, k))
                    weights /= weights.sum(-1, keepdims=True)
                    want = np.einsum("bhtn,bnhd->bthd", weights, v)
                    with self.subTest(scores, families=families, time=time):
                        with module.session() as session:
                            got = session.run(**inputs)["y"]
                        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    unittest.main()
