"""Mixtures of experts: com.microsoft MoE, and what exporters write without it."""

import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from support import SCRATCH

import hybrid

HIDDEN, INNER, EXPERTS = 12, 20, 5


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def swiglu(x, interleaved, alpha=1.0, beta=0.0, limit=np.inf):
    if interleaved:
        gate, linear = x[..., ::2], x[..., 1::2]
    else:
        gate, linear = np.split(x, 2, -1)
    gate, linear = np.minimum(gate, limit), np.clip(linear, -limit, limit)
    return gate * sigmoid(alpha * gate) * (linear + beta)


def weights(seed, inner):
    generator = np.random.default_rng(seed)
    shapes = {
        "up": (EXPERTS, inner, HIDDEN),
        "up_bias": (EXPERTS, inner),
        "down": (EXPERTS, HIDDEN, INNER),
        "down_bias": (EXPERTS, HIDDEN),
    }
    return {n: generator.normal(size=s).astype(np.float32) for n, s in shapes.items()}


def reference(x, logits, matrices, activate, k, normalize, biased):
    rows, logits = x.reshape(-1, HIDDEN), logits.astype(np.float64)
    result = np.zeros_like(rows, np.float64)
    scores = softmax(logits)
    for n, row in enumerate(rows.astype(np.float64)):
        chosen = np.argsort(-scores[n], kind="stable")[:k]
        weight = scores[n][chosen]
        if normalize:
            weight = weight / weight.sum()
        for e, w in zip(chosen, weight):
            h = matrices["up"][e] @ row + biased * matrices["up_bias"][e]
            y = matrices["down"][e] @ activate(h) + biased * matrices["down_bias"][e]
            result[n] += w * y
    return result.reshape(x.shape)


#: activation_type, other attributes, its meaning, and whether fc1 is twice as wide.
ACTIVATIONS = {
    "identity": ({}, lambda h: h, False),
    "relu": ({}, lambda h: np.maximum(h, 0), False),
    "silu": ({}, lambda h: h * sigmoid(h), False),
    "swiglu": ({"swiglu_fusion": 2}, lambda h: swiglu(h, False), True),
    "swiglu, interleaved": (
        {
            "swiglu_fusion": 1,
            "activation_alpha": 1.7,
            "activation_beta": 1.0,
            "swiglu_limit": 2.0,
        },
        lambda h: swiglu(h, True, 1.7, 1.0, 2.0),
        True,
    ),
}


class MoE(unittest.TestCase):
    def save(self, name, matrices, biased, **attributes):
        used = dict(matrices)
        inputs = ["x", "logits", "up", "up_bias", "down", "down_bias"]
        if not biased:
            inputs[3] = inputs[5] = ""
            del used["up_bias"], used["down_bias"]
        node = helper.make_node(
            "MoE", inputs, ["y"], domain="com.microsoft", **attributes
        )
        tensor = helper.make_tensor_value_info
        shape = ["batch", "seq", HIDDEN]
        graph = helper.make_graph(
            [node],
            "moe",
            [
                tensor("x", TensorProto.FLOAT, shape),
                tensor("logits", TensorProto.FLOAT, ["rows", EXPERTS]),
            ],
            [tensor("y", TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(a, n) for n, a in used.items()],
        )
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        path = SCRATCH / f"{name}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        return path

    def test_activations(self):
        generator = np.random.default_rng(1)
        for number, (name, case) in enumerate(ACTIVATIONS.items()):
            more, activate, is_gated = case
            k, normalize, biased = 1 + number % 3, number % 2, number % 2 == 0
            matrices = weights(number, INNER * (1 + is_gated))
            path = self.save(
                f"moe{number}",
                matrices,
                biased,
                k=k,
                normalize_routing_weights=normalize,
                activation_type=name.split(",")[0],
                **more,
            )
            module = hybrid.compile(path, max_seq=16, max_batch=4)
            for batch, time in ((2, 7), (1, 1)):
                x = generator.normal(size=(batch, time, HIDDEN)).astype(np.float32)
                logits = generator.normal(size=(batch * time, EXPERTS))
                logits = logits.astype(np.float32)
                with self.subTest(name, batch=batch), module.session() as session:
                    got = session.run(x=x, logits=logits)["y"]
                    want = reference(
                        x, logits, matrices, activate, k, normalize, biased
                    )
                    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)

    def test_refused(self):
        matrices = weights(0, INNER)
        for attributes, text in (
            ({"activation_type": "gelu"}, "activation_type gelu"),
            ({"k": 9}, "k = 9"),
            ({"use_sparse_mixer": 1}, "use_sparse_mixer"),
            ({"activation_type": "swiglu"}, "swiglu_fusion 0"),
            (
                {"activation_type": "swiglu", "swiglu_fusion": 1},
                "the matrices of the experts don't fit together",
            ),
        ):
            path = self.save("refused", matrices, True, **attributes)
            with self.subTest(text), self.assertRaisesRegex(hybrid.CompileError, text):
                hybrid.compile(path)


def pack(codes, bits):
    """The values of each row, low bits first."""
    per_byte = 8 // bits
    padding = [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % per_byte)]
    columns = np.pad(codes, padding).reshape(*codes.shape[:-1], -1, per_byte)
    return sum(columns[..., i] << (bits * i) for i in range(per_byte)).astype(np.uint8)


class QMoE(unittest.TestCase):
    """com.microsoft QMoE: integers with a scale for each row or block."""

    HIDDEN, INNER = 32, 64

    def quantized(self, generator, rows, columns, bits, block, offset):
        """The tensors of one product, and the matrices that they stand for."""
        codes = generator.integers(0, 2**bits, (EXPERTS, rows, columns))
        blocks = columns // (block or columns)
        scales = generator.uniform(0.01, 0.05, (EXPERTS, rows, blocks))
        scales = scales.astype(np.float32)
        zeros = np.full(scales.shape, 2 ** (bits - 1))
        packed = None
        if offset:
            zeros = generator.integers(0, 2**bits, scales.shape)
            packed = pack(zeros, bits)
        parts = codes.reshape(EXPERTS, rows, blocks, -1)
        matrix = (parts - zeros[..., None]) * scales[..., None].astype(np.float64)
        if not block:
            scales = scales[..., 0]
        return pack(codes, bits), scales, packed, matrix.reshape(codes.shape)

    def model(self, seed, bits, block, offset, **attributes):
        generator = np.random.default_rng(seed)
        up = self.quantized(generator, 2 * self.INNER, self.HIDDEN, bits, block, offset)
        down = self.quantized(generator, self.HIDDEN, self.INNER, bits, block, offset)
        bias = generator.normal(size=(EXPERTS, 2 * self.INNER)).astype(np.float32)
        inputs = dict(
            x=None,
            logits=None,
            up=up[0],
            up_scales=up[1],
            up_bias=bias,
            down=down[0],
            down_scales=down[1],
        )
        names = [*inputs, "", "", "", "", "", ""]
        names[11:] = ["up_zeros", "down_zeros"] if offset else []
        if offset:
            inputs.update(up_zeros=up[2], down_zeros=down[2])
        if block:
            attributes["block_size"] = block
        node = helper.make_node(
            "QMoE",
            names,
            ["y"],
            domain="com.microsoft",
            k=2,
            expert_weight_bits=bits,
            activation_type="swiglu",
            swiglu_fusion=1,
            **attributes,
        )
        tensor = helper.make_tensor_value_info
        shape = ["rows", self.HIDDEN]
        graph = helper.make_graph(
            [node],
            "qmoe",
            [
                tensor("x", TensorProto.FLOAT, shape),
                tensor("logits", TensorProto.FLOAT, ["rows", EXPERTS]),
            ],
            [tensor("y", TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(a, n) for n, a in inputs.items() if a is not None],
        )
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        path = SCRATCH / f"qmoe{seed}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        return path, up[3], bias, down[3]

    def test_integers(self):
        generator = np.random.default_rng(0)
        cases = [(4, 0, False), (4, 16, False), (8, 0, True), (4, 32, True)]
        for seed, case in enumerate(cases):
            path, up, bias, down = self.model(seed, *case)
            module = hybrid.compile(path, max_seq=16)
            x = generator.normal(size=(5, self.HIDDEN)).astype(np.float32)
            logits = generator.normal(size=(5, EXPERTS)).astype(np.float32)
            want = np.zeros((5, self.HIDDEN))
            for n in range(5):
                chosen = np.argsort(-logits[n])[:2]
                for e, w in zip(chosen, softmax(logits[n][chosen])):
                    h = swiglu(up[e] @ x[n] + bias[e], True)
                    want[n] += w * (down[e] @ h)
            with self.subTest(case), module.session() as session:
                got = session.run(x=x, logits=logits)["y"]
                np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)

    def test_refused(self):
        for attributes, text in (
            ({"weights_prepacked": 1}, "weights_prepacked = 1"),
            ({"quant_type": "fp8"}, "quant_type fp8"),
        ):
            path, *_ = self.model(99, 4, 16, False, **attributes)
            with self.subTest(text), self.assertRaisesRegex(hybrid.CompileError, text):
                hybrid.compile(path)


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs.split(), output.split(), **attributes)


class SeparateExperts(unittest.TestCase):
    """A product for each expert, with matrices of its own."""

    #: The experts are as many as DeepSeek's groups divide.
    COUNT, CHOSEN = 8, 3

    def router(self):
        """DeepSeek-V3's: sigmoids, a bias, the best two of four groups."""
        return [
            node("MatMul", "x gate", "logits"),
            node("Sigmoid", "logits", "s"),
            node("Add", "s bias", "c"),
            node("Reshape", "c parts", "g"),
            node("TopK", "g two", "gb gbi"),
            node("ReduceSum", "gb last", "worth", keepdims=0),
            node("TopK", "worth two", "gv gi"),
            node("Shape", "worth", "ws"),
            node("Expand", "zero ws", "zeros"),
            node("Shape", "gi", "gs"),
            node("Expand", "one gs", "ones"),
            node("ScatterElements", "zeros gi ones", "mark", axis=1),
            node("Unsqueeze", "mark last", "mu"),
            node("Expand", "mu each", "mw"),
            node("Reshape", "mw all", "mf"),
            node("Cast", "mf", "mb", to=TensorProto.BOOL),
            node("Where", "mb c zero", "m"),
            node("TopK", "m k", "tv i"),
            node("GatherElements", "s i", "t", axis=1),
            node("ReduceSum", "t last", "ts"),
            node("Div", "t ts", "w"),
        ]

    def weight(self, form, e):
        """What expert `e` is weighed by, as a column."""
        if form == "mask":
            return [
                node("Equal", f"i n{e}", f"eq{e}"),
                node("Cast", f"eq{e}", f"hot{e}", to=TensorProto.FLOAT),
                node("Mul", f"w hot{e}", f"own{e}"),
                node("ReduceSum", f"own{e} last", f"f{e}"),
            ]
        if form == "where":
            return [
                node("Equal", f"i n{e}", f"eq{e}"),
                node("Where", f"eq{e} w zero", f"own{e}"),
                node("ReduceSum", f"own{e} last", f"fs{e}", keepdims=0),
                node("Unsqueeze", f"fs{e} last", f"f{e}"),
            ]
        return [node("Gather", f"full n{e}", f"f{e}", axis=1)]

    def expert(self, product, e):
        if product == "MatMul":
            return [
                node("MatMul", f"x up{e}", f"h{e}"),
                node("Relu", f"h{e}", f"a{e}"),
                node("MatMul", f"a{e} down{e}", f"o{e}"),
            ]
        return [
            node("Gemm", f"x up{e} b{e}", f"h{e}", transB=1),
            node("Relu", f"h{e}", f"a{e}"),
            node("Gemm", f"a{e} down{e}", f"o{e}", transB=1),
        ]

    def model(self, form, product):
        generator = np.random.default_rng(7)
        ints, floats = np.int64, np.float32
        tensors = {
            "gate": generator.normal(size=(HIDDEN, self.COUNT)).astype(floats),
            "bias": generator.normal(size=self.COUNT, scale=0.1).astype(floats),
            "parts": np.array([-1, 4, 2], ints),
            "each": np.array([1, 4, 2], ints),
            "all": np.array([-1, self.COUNT], ints),
            "k": np.array([self.CHOSEN], ints),
            "two": np.array([2], ints),
            "last": np.array([-1], ints),
            "zero": np.array(0, floats),
            "one": np.array(1, floats),
        }
        nodes = self.router()
        if form == "scatter":
            nodes += [
                node("Shape", "s", "ss"),
                node("Expand", "zero ss", "none"),
                node("ScatterElements", "none i w", "full", axis=1),
            ]
        nodes += [node("Shape", "x", "xs"), node("Expand", "zero xs", "y0")]
        for e in range(self.COUNT):
            up, down = (HIDDEN, INNER), (INNER, HIDDEN)
            if product == "Gemm":
                up, down = up[::-1], down[::-1]
                tensors[f"b{e}"] = generator.normal(size=INNER).astype(floats)
            tensors[f"up{e}"] = generator.normal(size=up).astype(floats)
            tensors[f"down{e}"] = generator.normal(size=down).astype(floats)
            tensors[f"n{e}"] = np.array([e], ints)
            nodes += self.expert(product, e) + self.weight(form, e)
            nodes.append(node("Mul", f"o{e} f{e}", f"z{e}"))
            nodes.append(node("Add", f"y{e} z{e}", f"y{e + 1}"))
        shape = ["rows", HIDDEN]
        graph = helper.make_graph(
            nodes,
            "separate",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(f"y{self.COUNT}", TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(a, n) for n, a in tensors.items()],
        )
        path = SCRATCH / f"separate-{form}-{product}.onnx"
        opsets = [helper.make_opsetid("", 21)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        return path, tensors

    def reference(self, x, tensors, product):
        result = np.zeros(x.shape)
        for n, row in enumerate(x.astype(np.float64)):
            s = sigmoid(row @ tensors["gate"])
            c = s + tensors["bias"]
            groups = np.argsort(-c.reshape(4, 2).sum(1), kind="stable")[:2]
            hidden = ~np.isin(np.arange(self.COUNT) // 2, groups)
            chosen = np.argsort(-np.where(hidden, 0, c), kind="stable")[: self.CHOSEN]
            for e in chosen:
                up, down = tensors[f"up{e}"], tensors[f"down{e}"]
                if product == "Gemm":
                    h = row @ up.T + tensors[f"b{e}"]
                    down = down.T
                else:
                    h = row @ up
                result[n] += s[e] / s[chosen].sum() * (np.maximum(h, 0) @ down)
        return result

    def test_forms(self):
        x = np.random.default_rng(1).normal(size=(8, HIDDEN)).astype(np.float32)
        for form in ("mask", "where", "scatter"):
            for product in ("MatMul", "Gemm"):
                path, tensors = self.model(form, product)
                want = self.reference(x, tensors, product)
                for families in ("all", "none"):
                    options = [f"--raise={families}"]
                    module = hybrid.compile(path, max_seq=16, options=options)
                    with self.subTest(f"{form} {product} {families}"):
                        with module.session() as session:
                            got = session.run(x=x)[f"y{self.COUNT}"]
                        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
