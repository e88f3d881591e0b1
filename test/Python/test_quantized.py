"""Quantised weights: what files have, and what --quantize makes, against numpy."""

import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from support import SCRATCH

import hybrid

#: Rows by the largest number that a model is compiled for: decode steps, and
#: enough for matrix units.
ROWS = {8: (1, 5), 64: (1, 5, 40)}


def pack(integers):
    """Integers of 4 bits, two to a byte, the first in the low bits; rows of an
    odd number are filled up."""
    values = integers.astype(np.uint8) & 15
    if values.shape[-1] % 2:
        values = np.concatenate([values, values[..., :1]], -1)
    return values[..., ::2] | values[..., 1::2] << 4


def blocks(matrix, axis, block):
    """Scales or zero points, repeated for each number of their block."""
    return np.repeat(matrix, block, axis)


def random(seed, columns, rows, block, bits):
    """Integers [columns, rows], scales and zero points [columns, blocks]."""
    generator = np.random.default_rng(seed)
    count = -(-rows // block)
    q = generator.integers(0, 1 << bits, (columns, count * block))
    scales = generator.uniform(0.5, 1.5, (columns, count)).astype(np.float32) / 64
    zeros = generator.integers(0, 1 << bits, (columns, count))
    return q, scales, zeros


class Quantized(unittest.TestCase):
    def compile(self, nodes, initializers, rows, columns, *options, capacity=64):
        """The module of a graph y = f(x), where x has rows of length `rows`."""
        tensor = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            "quantized",
            [tensor("x", TensorProto.FLOAT, ["rows", rows])],
            [tensor("y", TensorProto.FLOAT, ["rows", columns])],
            initializers,
        )
        opsets = [
            helper.make_opsetid("", 23),
            helper.make_opsetid("com.microsoft", 1),
        ]
        path = SCRATCH / "quantized.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=11), path)
        return hybrid.compile(path, dims={"rows": capacity}, options=options)

    def check_graph(self, nodes, tensors, matrix, forms, *options, **more):
        """As compiled for few rows and for many, a graph multiplies by
        `matrix`, with weights of these forms."""
        for capacity in ROWS:
            module = self.compile(
                nodes, tensors, *matrix.shape, *options, capacity=capacity
            )
            self.assertEqual(module.report["quantized_weights"], forms)
            self.check(module, matrix, capacity, **more)

    def check(self, module, matrix, capacity=64, tolerance=1e-4, bias=0.0):
        """y is x · matrix, up to a part of the largest element."""
        generator = np.random.default_rng(7)
        for rows in ROWS[capacity]:
            x = generator.normal(size=(rows, matrix.shape[0])).astype(np.float32)
            with module.session() as session:
                got = session.run(x=x)["y"]
            want = x.astype(np.float64) @ matrix + bias
            error = np.abs(got - want).max() / np.abs(want).max()
            self.assertLess(error, tolerance, rows)

    def test_matmul_nbits(self):
        bias = np.linspace(-1, 1, 70, dtype=np.float32)
        for seed, (bits, block, rows, has_zeros, level, scale) in enumerate(
            [
                (4, 32, 96, False, 0, np.float32),
                (4, 32, 96, True, 0, np.float16),
                (8, 32, 96, True, 0, np.float32),
                (4, 16, 40, True, 0, np.float32),
                (8, 64, 200, False, 0, np.float16),
                (4, 256, 512, True, 0, np.float32),
                (4, 32, 96, False, 4, np.float32),
            ]
        ):
            columns = 70
            q, scales, zeros = random(seed, columns, rows, block, bits)
            scales = scales.astype(scale)
            count = scales.shape[1]
            data = q.astype(np.uint8) if bits == 8 else pack(q)
            tensors = {
                "q": data.reshape(columns, count, block * bits // 8),
                "s": scales,
                "b": bias,
            }
            if has_zeros:
                tensors["z"] = zeros.astype(np.uint8) if bits == 8 else pack(zeros)
            node = helper.make_node(
                "MatMulNBits",
                ["x", "q", "s", "z" if has_zeros else "", "", "b"],
                ["y"],
                domain="com.microsoft",
                K=rows,
                N=columns,
                bits=bits,
                block_size=block,
                accuracy_level=level,
            )
            zero = blocks(zeros, 1, block) if has_zeros else 1 << (bits - 1)
            matrix = (q - zero) * blocks(scales.astype(np.float64), 1, block)
            # Rows may be rounded to bfloat16, of which matrix units take what
            # has no more bits.
            tolerance = 2e-2 if level == 4 else 1e-4
            with self.subTest(bits=bits, block=block, zeros=has_zeros, level=level):
                initializers = [
                    numpy_helper.from_array(a, n) for n, a in tensors.items()
                ]
                self.check_graph(
                    [node],
                    initializers,
                    matrix[:, :rows].T,
                    {f"q{bits}": 1},
                    tolerance=tolerance,
                    bias=bias,
                )

    def test_dequantize_linear(self):
        rows, columns = 128, 64
        generator = np.random.default_rng(3)
        wide = generator.uniform(0.5, 1.5, (rows, columns)).astype(np.float32) / 64
        types = {
            TensorProto.INT4: (-8, 7, 4),
            TensorProto.UINT4: (0, 15, 4),
            TensorProto.INT8: (-128, 127, 8),
            TensorProto.UINT8: (0, 255, 8),
        }
        # Type, axis and size of blocks (0: per axis, None: one scale), zero
        # points, and whether Gemm transposes the matrix.
        for dtype, axis, block, has_zeros, is_transposed in [
            (TensorProto.INT4, 0, 32, False, False),
            (TensorProto.UINT4, 0, 64, True, False),
            (TensorProto.INT8, 0, 16, True, False),
            (TensorProto.UINT8, 0, 32, False, False),
            (TensorProto.INT4, 1, 32, True, True),
            (TensorProto.INT8, 1, 0, False, False),
            (TensorProto.UINT8, 1, 0, True, False),
            (TensorProto.INT8, 0, 0, True, True),
            (TensorProto.INT8, 1, None, True, False),
            (TensorProto.UINT8, 0, None, False, True),
        ]:
            low, high, bits = types[dtype]
            shape = (columns, rows) if is_transposed else (rows, columns)
            q = generator.integers(low, high + 1, shape)
            if block is None:
                scale_shape = ()
            elif block == 0:
                scale_shape = (shape[axis],)
            else:
                scale_shape = tuple(
                    n // block if i == axis else n for i, n in enumerate(shape)
                )
            scales = np.resize(wide, scale_shape).astype(np.float32)
            zeros = generator.integers(low, high + 1, scale_shape)

            def spread(values, axis=axis, block=block):
                if block is None:
                    return values
                if block == 0:
                    return values[:, None] if axis == 0 else values[None, :]
                return blocks(values, axis, block)

            def make(name, values, dtype=dtype, bits=bits):
                data = pack(values.reshape(1, -1)) if bits == 4 else values
                kind = np.uint8 if bits == 4 or dtype == TensorProto.UINT8 else np.int8
                raw = np.asarray(data).astype(kind).tobytes()
                return helper.make_tensor(name, dtype, values.shape, raw, raw=True)

            initializers = [make("q", q), numpy_helper.from_array(scales, "s")]
            if has_zeros:
                initializers.append(make("z", np.asarray(zeros)))
            attributes = {"axis": axis, "block_size": block or 0}
            nodes = [
                helper.make_node(
                    "DequantizeLinear",
                    ["q", "s"] + ["z"] * has_zeros,
                    ["w"],
                    **attributes,
                ),
                helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
                if is_transposed
                else helper.make_node("MatMul", ["x", "w"], ["y"]),
            ]
            zero = spread(zeros) if has_zeros else 0
            matrix = (q - zero) * spread(scales.astype(np.float64))
            with self.subTest(
                type=dtype, axis=axis, block=block, transposed=is_transposed
            ):
                self.check_graph(
                    nodes,
                    initializers,
                    matrix.T if is_transposed else matrix,
                    {f"q{bits}": 1},
                )

    def test_not_only_multiplied(self):
        q, scales, _ = random(5, 64, 64, 32, 8)
        q = (q - 128).astype(np.int8)
        nodes = [
            helper.make_node("DequantizeLinear", ["q", "s"], ["w"], block_size=32),
            helper.make_node("MatMul", ["x", "w"], ["p"]),
            helper.make_node("ReduceSum", ["w"], ["t"], keepdims=0),
            helper.make_node("Add", ["p", "t"], ["y"]),
        ]
        tensors = [numpy_helper.from_array(a, n) for n, a in (("q", q), ("s", scales))]
        matrix = q * blocks(scales.astype(np.float64), 1, 32)
        self.check_graph(nodes, tensors, matrix, {}, bias=matrix.sum())

    def test_flag(self):
        generator = np.random.default_rng(9)
        matrix = generator.normal(size=(200, 100)).astype(np.float32)
        matrix[:, 3] = 0
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        numbers = [numpy_helper.from_array(matrix, "w")]
        for bits, bound in ((8, 0.01), (4, 0.12)):
            with self.subTest(bits=bits):
                module = self.compile(
                    [node], numbers, 200, 100, f"--quantize=q{bits}"
                )
                self.assertEqual(module.report["quantized_weights"], {f"q{bits}": 1})
                # Rows of the identity: the numbers themselves.
                stored = []
                for first in range(0, 200, 40):
                    with module.session() as session:
                        rows = np.eye(200, dtype=np.float32)[first : first + 40]
                        stored.append(session.run(x=rows)["y"])
                stored = np.concatenate(stored)
                error = stored - matrix
                relative = np.sqrt((error**2).mean() / (matrix**2).mean())
                self.assertLess(relative, bound)
                self.assertEqual(np.abs(stored[:, 3]).max(), 0)
                self.check(module, stored.astype(np.float64))

    def test_flag_refuses(self):
        matrix = np.ones((200, 100), np.float32)
        matrix[150, 50] = np.nan
        matrix[1, 0] = 2
        matrix[2, 0] = 3
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        numbers = [numpy_helper.from_array(matrix, "w")]
        with self.assertRaisesRegex(hybrid.CompileError, "no finite numbers"):
            self.compile([node], numbers, 200, 100, "--quantize=q4")
