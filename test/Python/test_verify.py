"""verify: models against onnxruntime, and models that are not the same."""

import json
import os
import subprocess
import sys
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from support import HOME, MIXED, SCRATCH, STATELESS, onnx_file

import hybrid
from hybrid.verify import Settings, Tolerance, _run, verify
from hybrid.verify._compare import compare
from hybrid.verify._layers import Graph

FAST = ["--max-batch=2", "--max-seq=16", "--max-context=32", "-O0"]


def perturbed(name, operator):
    """A copy of a model in which the weight that the first node of a kind reads
    is other than it was; the node's name and the copy's path."""
    model = onnx.load(onnx_file(name))
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        mine = [input for input in node.input if input in weights]
        if node.op_type == operator and mine:
            tensor = weights[mine[0]]
            break
    readers = [n.name for n in model.graph.node if tensor.name in n.input]
    assert readers == [node.name], readers
    values = numpy_helper.to_array(tensor).copy()
    values.flat[values.size // 2] += 0.5
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    path = SCRATCH / f"{name}-perturbed.onnx"
    onnx.save(model, path)
    return node.name, path


def call(*arguments, **environment):
    return subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def module_call(*arguments):
    return call(sys.executable, "-m", "hybrid", "verify", *arguments)


class Same(unittest.TestCase):
    def test_states(self):
        settings = Settings(batch=2, decode=2)
        report = verify(onnx_file(MIXED), options=FAST, settings=settings)
        self.assertTrue(report.ok, report.text())
        self.assertEqual(len(report.calls), 3)
        names = [difference.name for difference in report.calls[0]]
        self.assertEqual(len(names), 9)
        self.assertEqual(report.calls[0][0].shape, (2, 16, 128))
        self.assertEqual(report.calls[2][0].shape, (2, 1, 128))
        key = next(d for d in report.calls[2] if d.name == "present_key.1")
        self.assertEqual(key.shape, (2, 2, 18, 16))
        largest = max(d.absolute for call in report.calls for d in call)
        self.assertTrue(0 < largest < 1e-4)

    def test_other_names_masks_and_operators(self):
        report = verify(onnx_file("genai_lfm2_int4"), options=FAST)
        self.assertTrue(report.ok, report.text())

    def test_no_states(self):
        report = verify(onnx_file(STATELESS), options=FAST)
        self.assertTrue(report.ok, report.text())
        self.assertEqual(len(report.calls), 1)
        self.assertEqual(report.calls[0][0].shape[1], 16)

    def test_seeds_make_the_inputs(self):
        def logits(seed):
            settings = Settings(seed=seed, decode=0)
            return verify(onnx_file(MIXED), options=FAST, settings=settings).calls[0][0]

        self.assertEqual(logits(1), logits(1))
        self.assertNotEqual(logits(1).want, logits(2).want)


class Different(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node, cls.path = perturbed(MIXED, "MatMul")

    def test_fails_and_names_the_node(self):
        arguments = (onnx_file(MIXED), "--reference", self.path, "--decode", 1)
        result = module_call(*arguments, "--layers", "--layers-batch", 20, "--", *FAST)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(f"first difference: node '{self.node}' (MatMul)", result.stdout)
        self.assertTrue(result.stdout.endswith("different\n"))
        self.assertIn("DIFF logits: float32 [1, 16, 128]", result.stdout)

    def test_json(self):
        arguments = (onnx_file(MIXED), "--reference", self.path, "--decode", 0)
        report = json.loads(module_call(*arguments, "--json", "--", *FAST).stdout)
        self.assertFalse(report["ok"])
        logits = report["calls"][0][0]
        self.assertGreater(logits["different"], 0)
        self.assertEqual(len(logits["where"]), 3)

    def test_the_tolerance_can_be_set(self):
        settings = Settings(decode=0, rtol=0.0, atol=100.0)
        report = verify(
            onnx_file(MIXED), reference=self.path, options=FAST, settings=settings
        )
        self.assertTrue(report.ok)
        settings = Settings(decode=0, rtol=0.0, atol=1e-12)
        report = verify(onnx_file(MIXED), options=FAST, settings=settings)
        self.assertFalse(report.ok)

    def test_a_difference_in_a_decode_step(self):
        """States are read from the second call on: a model that treats its state
        differently is right in the prefill."""
        paths = [SCRATCH / f"sum{factor}.onnx" for factor in (1, 2)]
        for factor, path in zip((1.0, 2.0), paths):
            onnx.save(running_sum(factor), path)
        report = verify(
            paths[0], reference=paths[1], layers=True, options=["-O0"]
        )
        self.assertEqual(
            [all(d.ok for d in call) for call in report.calls[:2]], [True, False]
        )
        self.assertEqual(report.layers_call, 1)
        self.assertEqual(report.first.node, "carried")


def running_sum(factor):
    """Each token's embedding and `factor` times a state, the last sum."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"], "look-up"),
        helper.make_node("Mul", ["past_conv.0", "factor"], ["carry"], "carried"),
        helper.make_node("Add", ["rows", "carry"], ["logits"], "sum"),
        helper.make_node("ReduceMean", ["logits", "axis"], ["present_conv.0"], "state"),
    ]
    table = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    weights = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.float32(factor), "factor"),
        numpy_helper.from_array(np.array([1]), "axis"),
    ]
    row = ["batch", 1, 4]
    graph = helper.make_graph(
        nodes,
        "running sum",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "seq"]),
            helper.make_tensor_value_info("past_conv.0", TensorProto.FLOAT, row),
        ],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "seq", 4]),
            helper.make_tensor_value_info("present_conv.0", TensorProto.FLOAT, row),
        ],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


class Impossible(unittest.TestCase):
    """Exit code 2 and a message."""

    def test_onnxruntime_cannot(self):
        result = module_call(onnx_file("std27_inter_mamba2_bf16"), "--", *FAST)
        self.assertEqual(result.returncode, 2)
        self.assertIn("error: onnxruntime cannot load", result.stderr)
        self.assertNotIn("Traceback", result.stderr)

    def test_files(self):
        result = module_call("absent.onnx")
        self.assertEqual(result.returncode, 2)
        self.assertIn("absent.onnx", result.stderr)
        result = module_call(onnx_file(MIXED), "--dim", "nothing=3", "--", *FAST)
        self.assertEqual(result.returncode, 2)
        self.assertIn("there is no dimension 'nothing'", result.stderr)

    def test_missing_package(self):
        script = (
            "import sys; sys.modules['onnxruntime'] = None\n"
            "from hybrid.__main__ import main\n"
            "sys.exit(main(['verify', sys.argv[1]]))"
        )
        result = call(sys.executable, "-c", script, onnx_file(MIXED))
        self.assertEqual(result.returncode, 2)
        self.assertIn("needs the package onnxruntime, which is not", result.stderr)


class ExternalData(unittest.TestCase):
    def test_layers(self):
        folder = SCRATCH / "external"
        folder.mkdir()
        path = folder / "model.onnx"
        onnx.save(
            onnx.load(onnx_file(MIXED)),
            path,
            save_as_external_data=True,
            location="weights.bin",
            size_threshold=1024,  # onnxruntime wants shapes in the file
        )
        settings = Settings(prompt_len=4, decode=0, layers_batch=10**6)
        report = verify(path, layers=True, options=FAST, settings=settings)
        self.assertTrue(report.ok)
        self.assertGreater(len(report.layers), 100)
        names = sorted(file.name for file in folder.iterdir())
        self.assertEqual(names, ["model.onnx", "weights.bin"])


class InnerValues(unittest.TestCase):
    def test_what_is_looked_at(self):
        """Values of the main graph that depend on its inputs, if only inside of
        a subgraph."""

        def branch(name, operator):
            node = helper.make_node(operator, ["x"], [name], name)
            out = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"])
            return helper.make_graph([node], name, [], [out])

        branches = {
            "then_branch": branch("inner1", "Exp"),
            "else_branch": branch("inner2", "Abs"),
        }
        nodes = [
            helper.make_node("Neg", ["a"], ["x"], "negate"),
            helper.make_node("Not", ["no"], ["yes"], "constant"),
            helper.make_node("If", ["yes"], ["y"], "choose", **branches),
            helper.make_node("Add", ["y", "y"], ["b"]),
        ]
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            "chosen",
            [value("a", TensorProto.FLOAT, ["n"])],
            [value("b", TensorProto.FLOAT, ["n"])],
            [numpy_helper.from_array(np.array(False), "no")],
        )
        path = SCRATCH / "if.onnx"
        onnx.save(helper.make_model(graph), path)
        found = [(t.name, t.node, t.operator) for t in Graph(path).tensors()]
        self.assertEqual(
            found,
            [("x", "negate", "Neg"), ("y", "choose", "If"), ("b", "#3", "Add")],
        )

    def test_values_that_cannot_be_looked_at(self):
        """They are named, and the others are compared: here by a
        compiler that refuses one."""
        report = verify(onnx_file(MIXED), options=FAST, settings=Settings(decode=0))
        verifier = _run._Verifier(
            onnx_file(MIXED), onnx_file(MIXED), None, FAST, None, Settings(decode=0)
        )
        compile_once = verifier._compile

        def refuse(model):
            outputs = [value.name for value in onnx.load(model).graph.output]
            if "B0" in outputs:
                raise hybrid.CompileError("B0 is not liked")
            return compile_once(model)

        verifier._compile = refuse
        graph = Graph(onnx_file(MIXED))
        tensors = [t for t in graph.tensors() if t.name in ("B0", "C0", "add_8")]
        report.layers = []
        places = verifier._look(graph, graph, tensors, report)
        self.assertEqual([place.output for place in places], ["C0", "add_8"])
        self.assertEqual(report.skipped, {"B0": "B0 is not liked"})


class Comparing(unittest.TestCase):
    def compare(self, got, want, dtype=np.float32, rtol=0.0, atol=0.1):
        arrays = (np.array(values, dtype) for values in (got, want))
        return compare("x", *arrays, Tolerance(rtol, atol))

    def test_numbers(self):
        found = self.compare([1.0, 2.0, 4.0], [1.0, 2.5, 4.05])
        self.assertFalse(found.ok)
        self.assertEqual((found.absolute, found.where, found.different), (0.5, (1,), 1))
        self.assertAlmostEqual(found.relative, 0.2)
        self.assertTrue(self.compare([1.0], [1.09]).ok)
        self.assertTrue(self.compare([100.0], [101.0], rtol=0.01).ok)

    def test_no_numbers(self):
        nan, inf = np.nan, np.inf
        self.assertTrue(self.compare([nan, inf, -inf], [nan, inf, -inf]).ok)
        for got, want in (([nan], [1]), ([1], [nan]), ([inf], [-inf]), ([1], [inf])):
            found = self.compare(got, want)
            self.assertFalse(found.ok)
            self.assertEqual(found.absolute, inf)

    def test_integers_are_exact(self):
        self.assertTrue(self.compare([2**62], [2**62], np.int64).ok)
        self.assertFalse(self.compare([2**62 + 1], [2**62], np.int64, atol=9.0).ok)
        self.assertFalse(self.compare([True], [False], bool).ok)

    def test_shapes_and_types(self):
        found = compare("x", np.zeros(2), np.zeros(3), Tolerance(0, 0))
        self.assertIn("has the shape [2], expected [3]", found.problem)
        found = compare("x", np.zeros(2), np.zeros(2, np.float32), Tolerance(0, 0))
        self.assertIn("has the dtype float64", found.problem)
        self.assertTrue(compare("x", np.zeros(0), np.zeros(0), Tolerance(0, 0)).ok)


class Driver(unittest.TestCase):
    """hybrid-compile --verify=onnxruntime."""

    def call(self, *arguments, **environment):
        environment = {"HYBRID_PYTHON": sys.executable, "PYTHONPATH": "", **environment}
        tool = HOME / "bin/hybrid-compile"
        return call(tool, onnx_file(MIXED), *FAST, *arguments, **environment)

    def test_equal(self):
        path = SCRATCH / "verified.hyb"
        result = self.call("-o", path, "--verify=onnxruntime", "--json", "--layers")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(hybrid.load(path).symbols[0].capacity, 2)
        report = json.loads(result.stdout)
        self.assertTrue(report["ok"])
        self.assertGreater(len(report["layers"]), 100)

    def test_usage(self):
        result = self.call("--layers")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--layers needs --verify", result.stderr)
        result = self.call("--verify=onnxruntime", "--emit=onnx")
        self.assertEqual(result.returncode, 2)
        self.assertIn("cannot be used with --emit", result.stderr)

    def test_missing(self):
        path = SCRATCH / "unverified.hyb"
        arguments = ("-o", path, "--verify=onnxruntime")
        result = self.call(*arguments, HYBRID_PYTHON="no-such-python")
        self.assertEqual(result.returncode, 2)
        self.assertIn("there is no 'no-such-python'", result.stderr)
        self.assertTrue(path.exists())
        bare = SCRATCH / "bare-python"
        bare.write_text(f"#!/bin/sh\nexec {sys.executable} -S \"$@\"\n")
        bare.chmod(0o755)
        result = self.call(*arguments, HYBRID_PYTHON=str(bare))
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("--verify needs Python's packages", result.stderr)
        self.assertIn("numpy", result.stderr)
        self.assertNotIn("Traceback", result.stderr)


if __name__ == "__main__":
    unittest.main()
