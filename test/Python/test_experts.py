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
