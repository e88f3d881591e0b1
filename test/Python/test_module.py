"""Modules: compiling, loading, what they say of themselves, runs."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

import ml_dtypes
import numpy as np
import onnx
from support import MIXED, SCRATCH, STATELESS, artifact, module, onnx_file, own_module

import hybrid
from hybrid import _tensors


class Compile(unittest.TestCase):
    def test_temporary_artifact_goes_with_the_module(self):
        compiled = hybrid.compile(onnx_file(MIXED), max_batch=1, opt_level=0)
        path = compiled.path
        self.assertTrue(path.exists())
        self.assertEqual(compiled.source, onnx_file(MIXED))
        self.assertGreater(compiled.report["kernels"], 0)
        session = compiled.session()
        del compiled
        gc.collect()
        self.assertTrue(path.exists(), "a session needs its module")
        self.assertEqual(session.prefill([1, 2]).shape, (1, 128))
        del session
        gc.collect()
        self.assertFalse(path.exists())

    def test_output_stays(self):
        model = own_module(MIXED)
        path = model.path
        model.close()
        self.assertTrue(path.exists())

    def test_refused_models_raise_what_the_compiler_says(self):
        bad = SCRATCH / "bad.onnx"
        bad.write_bytes(b"nothing that is a model")
        with self.assertRaisesRegex(hybrid.CompileError, "not a valid ONNX file"):
            hybrid.compile(bad, output=SCRATCH / "bad.hyb")
        self.assertFalse((SCRATCH / "bad.hyb").exists())
        with self.assertRaisesRegex(hybrid.CompileError, "unknown target 'abacus'"):
            hybrid.compile(onnx_file(MIXED), target="abacus")
        with self.assertRaisesRegex(hybrid.CompileError, "No such file"):
            hybrid.compile("absent.onnx")

    def test_states_can_be_left_alone(self):
        plain = hybrid.compile(onnx_file(MIXED), states=False, opt_level=0)
        self.assertEqual(plain.states, ())
        self.assertIn("past_conv.0", [value.name for value in plain.inputs])

    def test_interrupt_ends_the_compiler(self):
        """A fake compiler, which says its id and sleeps, is interrupted."""
        home = SCRATCH / "fake"
        (home / "bin").mkdir(parents=True)
        tool = home / "bin/hybrid-compile"
        tool.write_text(f"#!/bin/sh\necho $$ > {home}/id\nexec sleep 60\n")
        tool.chmod(0o755)
        # Programs that run in the background inherit that interrupts are ignored.
        script = (
            "import hybrid, signal\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "hybrid.compile('x.onnx')"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, "HYBRID_HOME": str(home), "TMPDIR": str(home)},
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        child = _wait_for_number(home / "id")
        os.kill(process.pid, signal.SIGINT)
        _, messages = process.communicate(timeout=20)
        self.assertIn(b"KeyboardInterrupt", messages)
        with self.assertRaises(ProcessLookupError):
            os.kill(child, 0)
        self.assertEqual(list(home.glob("*.hyb")), [])


def _wait_for_number(path):
    for _ in range(400):
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path} does not come")


class Describe(unittest.TestCase):
    def test_signature(self):
        model = module(MIXED)
        ids = model.inputs[0]
        self.assertEqual((ids.name, ids.dtype, ids.role), ("input_ids", "int64", "tokens"))
        self.assertEqual(ids.dims, ("batch", "seq"))
        self.assertEqual(ids.range, (-128, 127))
        self.assertEqual(model.outputs[0].dims, ("batch", "seq - from", 128))
        capacities = {symbol.role: symbol.capacity for symbol in model.symbols}
        self.assertEqual(capacities, {"batch": 4, "seq": 32, "past": 128, "from": 32})
        kinds = {state.kind for state in model.states}
        self.assertEqual(kinds, {"kv", "conv", "recurrent"})
        self.assertIn("logits", repr(model))

    def test_bytes(self):
        model = module(MIXED)
        for kind in ("kv", "conv", "recurrent"):
            each = sum(s.bytes_per_sequence for s in model.states if s.kind == kind)
            self.assertGreater(each, 0)
            self.assertEqual(model.state_bytes(kind, 3), 3 * each)
        total = sum(s.bytes_per_sequence for s in model.states)
        self.assertEqual(model.state_bytes(), total)
        self.assertEqual(model.weights_bytes, model.manifest["weights_bytes"])
        with self.assertRaisesRegex(hybrid.InvalidArgument, "no states of kind 'x'"):
            model.state_bytes("x")

    def test_describe_needs_no_code(self):
        model = hybrid.load(artifact(MIXED), describe=True)
        self.assertEqual(len(model.states), 8)
        with self.assertRaises(hybrid.InvalidArgument):
            model.session()

    def test_shapes(self):
        inputs, outputs = module(MIXED).shapes({"batch": 2, "seq": 3, "past": 5})
        self.assertEqual(inputs["input_ids"], (2, 3))
        self.assertEqual(outputs["logits"], (2, 3, 128))
        with self.assertRaisesRegex(hybrid.InvalidArgument, "seq, past"):
            module(MIXED).shapes({"batch": 2})
        with self.assertRaises(hybrid.OverCapacity):
            module(MIXED).shapes({"batch": 99, "seq": 1, "past": 0})


class Errors(unittest.TestCase):
    """Each exception, with the runtime's message."""

    def test_file_error(self):
        with self.assertRaisesRegex(hybrid.FileError, "absent.hyb") as caught:
            hybrid.load("absent.hyb")
        self.assertIsInstance(caught.exception, OSError)
        self.assertEqual(caught.exception.status, 2)

    def test_bad_file(self):
        path = SCRATCH / "damaged.hyb"
        data = bytearray(artifact(MIXED).read_bytes())
        path.write_bytes(data[: len(data) // 2])
        with self.assertRaises(hybrid.BadFile):
            hybrid.load(path)
        path.write_bytes(b"x" * 1000)
        with self.assertRaises(hybrid.BadFile):
            hybrid.load(path)

    def test_verify_weights(self):
        path = SCRATCH / "weights.hyb"
        data = artifact(MIXED).read_bytes()
        size = module(MIXED).weights_bytes
        manifest = data.rindex(b'"hybrid-artifact"')  # it follows the weights
        damaged = bytearray(data)
        damaged[manifest - size // 2] ^= 1
        path.write_bytes(damaged)
        with self.assertRaises(hybrid.BadFile):
            hybrid.load(path, verify_weights=True)
        path.write_bytes(data)
        hybrid.load(path, verify_weights=True)

    def test_incompatible(self):
        path = SCRATCH / "arm.hyb"
        with self.assertRaisesRegex(hybrid.Incompatible, "aarch64"):
            hybrid.compile(
                onnx_file(MIXED), target="cpu:aarch64", output=path, opt_level=0
            )
        model = hybrid.load(path, describe=True)
        self.assertIn("aarch64", model.manifest["target"]["triple"])

    def test_bad_input(self):
        session = module(MIXED).session()
        cases = {
            "there is no input 'nonsense'": {"input_ids": [[1]], "nonsense": [1]},
            "missing input 'input_ids'": {},
            "dtype int32, expected int64": {"input_ids": np.ones((1, 1), np.int32)},
            "holds float64, expected int64": {"input_ids": [[1.5]]},
            r"has shape \[2\], expected": {"input_ids": [1, 2]},
            "outside of the range": {"input_ids": [[1000]]},
            "holds 3 sequences|session holds 1": {"input_ids": [[1], [2], [3]]},
            "is not an array": {"input_ids": [[1], [2, 3]]},
            "dtype complex128": {"input_ids": np.ones((1, 1), complex)},
            "'input_ids' holds <U1|str": {"input_ids": [["a"]]},
        }
        for message, inputs in cases.items():
            with self.subTest(message):
                with self.assertRaisesRegex(hybrid.BadInput, message) as caught:
                    session.run(inputs)
                self.assertIsInstance(caught.exception, ValueError)
        with self.assertRaisesRegex(hybrid.BadInput, "there is no output 'x'"):
            session.run(input_ids=[[1]], outputs=["x"])
        with self.assertRaisesRegex(hybrid.BadInput, "given twice"):
            session.run({"input_ids": [[1]]}, input_ids=[[1]])
        self.assertEqual(session.position, 0, "a refused call changes nothing")

    def test_over_capacity(self):
        with self.assertRaisesRegex(hybrid.OverCapacity, "up to 32"):
            module(MIXED).run(input_ids=np.ones((1, 33), np.int64))
        with self.assertRaisesRegex(hybrid.OverCapacity, "batch 5"):
            module(MIXED).session(5)
        session = module(MIXED).session()
        before = session.prefill(np.ones(120, int))
        with self.assertRaisesRegex(hybrid.OverCapacity, "128 positions"):
            session.prefill(np.ones(9, int))
        self.assertEqual(session.position, 120)
        self.assertEqual(session.prefill(np.ones(8, int)).shape, before.shape)
        with self.assertRaises(hybrid.OverCapacity):
            session.decode(1)

    def test_closed(self):
        session = module(MIXED).session()
        with session:
            session.prefill([1])
        for use in (
            lambda: session.run(input_ids=[[1]]),
            lambda: session.prefill([1]),
            lambda: session.decode([1]),
            lambda: session.position,
            lambda: session.fork(),
            lambda: session.reset(),
            lambda: session.crop(0),
            lambda: session.read_state("past_conv.0"),
            lambda: next(session.generate([1])),
        ):
            with self.assertRaisesRegex(hybrid.Closed, "closed"):
                use()
        session.close()  # twice is once
        self.assertIn("closed", repr(session))
        model = own_module(MIXED)
        ours = model.session()
        model.close()
        with self.assertRaises(hybrid.Closed):
            model.session()
        self.assertEqual(ours.prefill([1]).shape, (1, 128))

    def test_invalid_argument(self):
        with self.assertRaises(hybrid.InvalidArgument):
            hybrid.Session()
        with self.assertRaises(hybrid.InvalidArgument):
            module(MIXED).session(0)
        with self.assertRaisesRegex(hybrid.InvalidArgument, "has no states"):
            module(STATELESS).session().decode([1])

    def test_not_found(self):
        script = "import hybrid; hybrid.load('x.hyb')"
        shutil.copytree(hybrid.__path__[0], SCRATCH / "alone/hybrid")
        process = subprocess.run(
            [sys.executable, "-c", script],
            env={"PATH": "/nowhere", "PYTHONPATH": str(SCRATCH / "alone")},
            capture_output=True,
            text=True,
        )
        self.assertIn("NotFound: libhybrid-runtime.so is not found in", process.stderr)
        self.assertIn("HYBRID_HOME", process.stderr)

    def test_every_status_has_its_class(self):
        self.assertEqual(sorted(hybrid.errors.BY_STATUS), list(range(1, 9)))
        for kind in hybrid.errors.BY_STATUS.values():
            self.assertTrue(issubclass(kind, hybrid.HybridError))


class DLPackOnly:
    """An array that is reached by DLPack alone."""

    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.device


class Arrays(unittest.TestCase):
    ids = [[3, 1, 4, 1, 5]]

    def test_inputs_in_any_form_give_the_same(self):
        model = module(MIXED)
        want = model.run(input_ids=self.ids)["logits"]
        ids = np.array(self.ids)
        wide = np.zeros((1, 10), np.int64)
        wide[:, ::2] = ids
        shifted = np.zeros(5 * 8 + 1, np.uint8)[1:].view(np.int64).reshape(1, 5)
        shifted[:] = ids
        forms = {
            "array": ids,
            "dlpack": DLPackOnly(ids),
            "strided": wide[:, ::2],
            "Fortran order": np.asfortranarray(ids),
            "misaligned": shifted,
            "big endian": ids.astype(">i8"),
        }
        for name, form in forms.items():
            with self.subTest(name):
                got = model.run(input_ids=form)["logits"]
                np.testing.assert_array_equal(got, want)

    def test_inputs_are_not_copied(self):
        aligned = _tensors.empty((2, 3), np.dtype(np.float32))
        self.assertEqual(aligned.ctypes.data % 64, 0)
        address = aligned.ctypes.data
        for form in (aligned, DLPackOnly(aligned)):
            got = _tensors.as_array(form, "x", _tensors.NAMES.index("float32"))
            self.assertEqual(got.ctypes.data, address)
        copied = _tensors.as_array(aligned[:, ::2], "x", 0)
        self.assertEqual(copied.ctypes.data % 64, 0)

    def test_other_devices_are_refused(self):
        ids = DLPackOnly(np.array(self.ids), device=(2, 0))
        with self.assertRaisesRegex(hybrid.BadInput, "device of DLPack's type 2"):
            module(MIXED).run(input_ids=ids)

    def test_the_runtime_writes_into_the_result(self):
        """Its last output is the array's memory, so nothing was copied."""
        import ctypes

        from hybrid import _library

        session = module(MIXED).session()
        logits = session.run(input_ids=self.ids)["logits"]
        output = _library.library()._dll.hybrid_session_output
        output.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
        tensor = _library.Tensor()
        self.assertEqual(output(session._handle, 0, ctypes.byref(tensor)), 0)
        self.assertEqual(tensor.data, logits.ctypes.data)

    def test_results_belong_to_the_caller(self):
        session = module(MIXED).session()
        first = session.run(input_ids=self.ids)["logits"]
        last = session.prefill([1, 2])
        state = session.read_state("past_conv.0")
        copies = [array.copy() for array in (first, last, state)]
        session.run(input_ids=self.ids)
        session.close()
        gc.collect()
        for array, copy in zip((first, last, state), copies):
            self.assertTrue(array.flags.writeable)
            np.testing.assert_array_equal(array, copy)

    def test_results_go_out_by_dlpack(self):
        logits = module(MIXED).run(input_ids=self.ids)["logits"]
        other = np.from_dlpack(DLPackOnly(logits))
        self.assertEqual(other.ctypes.data, logits.ctypes.data)

    def test_states_come_as_outputs(self):
        session = module(MIXED).session()
        results = session.run(input_ids=self.ids, outputs=["present_key.1", "logits"])
        self.assertEqual(list(results), ["present_key.1", "logits"])
        self.assertEqual(results["present_key.1"].shape, (1, 2, 5, 16))
        np.testing.assert_array_equal(
            results["present_key.1"], session.read_state("past_key.1")
        )

    def test_states_can_be_given(self):
        model = module(MIXED)
        session = model.session()
        session.run(input_ids=self.ids)
        states = {s.name: session.read_state(s.name) for s in model.states}
        want = session.run(input_ids=[[9]])["logits"]
        got = model.run({"input_ids": [[9]], **states})["logits"]
        np.testing.assert_array_equal(got, want)
        other = model.session()
        other.write_states(states)
        self.assertEqual(other.position, 5)
        np.testing.assert_array_equal(other.run(input_ids=[[9]])["logits"], want)

    def test_models_without_states(self):
        model = module(STATELESS)
        ids = np.arange(12).reshape(2, 6)
        together = model.run({model.inputs[0].name: ids})
        alone = model.run({model.inputs[0].name: ids[1:]})
        (name,) = together
        np.testing.assert_allclose(together[name][1:], alone[name], rtol=1e-4, atol=1e-5)

    def test_bfloat16(self):
        model = module("std27_inter_mamba2_bf16")
        logits = model.run(input_ids=self.ids)["logits"]
        self.assertEqual(logits.dtype, np.dtype(ml_dtypes.bfloat16))
        session = model.session()
        session.run(input_ids=self.ids)
        state = next(s for s in model.states if s.dtype == "bfloat16")
        bits = session.read_state(state.name).view(np.uint16)
        session.write_states({state.name: bits})
        np.testing.assert_array_equal(session.read_state(state.name).view(np.uint16), bits)

    def test_bfloat16_without_its_package(self):
        script = (
            "import sys; sys.modules['ml_dtypes'] = None\n"
            "import hybrid; m = hybrid.load(sys.argv[1])\n"
            "print(m.run(input_ids=[[1]])['logits'].dtype)\n"
            "print(m.session().generate([1], max_tokens=3).__next__().id)"
        )
        path = artifact("std27_inter_mamba2_bf16")
        text = subprocess.check_output([sys.executable, "-c", script, path], text=True)
        logits = module("std27_inter_mamba2_bf16").session().prefill([1])
        want = logits.astype(np.float32).argmax()
        self.assertEqual(text.split(), ["uint16", str(want)])


class Threads(unittest.TestCase):
    def slow_module(self):
        """One matrix multiplication: 17 GFLOP."""
        value = onnx.helper.make_tensor_value_info
        kind = onnx.TensorProto.FLOAT
        weights = np.ones((1024, 1024), np.float32)
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("MatMul", ["a", "w"], ["b"])],
            "slow",
            [value("a", kind, ["n", 1024])],
            [value("b", kind, ["n", 1024])],
            [onnx.numpy_helper.from_array(weights, "w")],
        )
        opset = [onnx.helper.make_opsetid("", 20)]
        path = SCRATCH / "slow.onnx"
        onnx.save(onnx.helper.make_model(graph, opset_imports=opset), path)
        return hybrid.compile(path, dims={"n": 8000}, opt_level=1)

    def test_the_gil_is_released(self):
        """Python goes on in another thread in the middle of one call."""
        session = self.slow_module().session(threads=1)
        inputs = {"a": np.ones((8000, 1024), np.float32)}
        session.run(inputs)
        moments, done = [], threading.Event()

        def count():
            while not done.wait(0.001):
                moments.append(time.perf_counter())

        thread = threading.Thread(target=count)
        thread.start()
        begin = time.perf_counter()
        session.run(inputs)
        length = time.perf_counter() - begin
        done.set()
        thread.join()
        # Not at the ends, where Python is at work.
        first, last = begin + length / 3, begin + length * 2 / 3
        inside = sum(first < moment < last for moment in moments)
        self.assertGreater(inside, 3, f"of {len(moments)} in {length} s")

    def test_two_threads_run_two_sessions(self):
        model = module(MIXED)
        want = model.run(input_ids=[[1, 2, 3]])["logits"]
        wrong = []

        def work():
            for _ in range(20):
                got = model.run(input_ids=[[1, 2, 3]])["logits"]
                if not np.array_equal(got, want):
                    wrong.append(got)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_one_session_is_used_by_one_thread(self):
        session = module(MIXED).session()
        refused = []

        def use():
            for call in (lambda: session.prefill([1]), session.close, session.fork):
                try:
                    call()
                except hybrid.Busy as error:
                    refused.append(str(error))

        with session._use():
            thread = threading.Thread(target=use)
            thread.start()
            thread.join()
        self.assertEqual(len(refused), 3)
        self.assertIn("another thread is using this session", refused[0])
        self.assertEqual(session.position, 0)
        self.assertEqual(session.prefill([1]).shape, (1, 128))


class CommandLine(unittest.TestCase):
    def call(self, *arguments):
        return subprocess.run(
            [sys.executable, "-m", "hybrid", *map(str, arguments)],
            capture_output=True,
            text=True,
        )

    def test_help(self):
        for arguments in ((), ("--help",), ("generate", "--help"), ("verify", "--help")):
            result = self.call(*arguments)
            self.assertEqual(result.returncode, 0 if arguments else 2)
            self.assertIn("usage", result.stdout + result.stderr)
        result = self.call("paint")
        self.assertEqual(result.returncode, 2)
        self.assertIn("there is no command 'paint'", result.stderr)

    def test_tools(self):
        self.assertIn("OVERVIEW", self.call("compile", "--help").stdout)
        self.assertIn("--bench", self.call("run", "--help").stdout)
        result = self.call("inspect", artifact(MIXED), "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["manifest"]["abi"], 1)
        self.assertEqual(self.call("serve").returncode, 2)

    def test_generate(self):
        path = artifact(MIXED)
        arguments = ("generate", path, "--ids", "1,2,3", "-n", 5)
        result = self.call(*arguments, "--json")
        report = json.loads(result.stdout)
        session = module(MIXED).session()
        want = [t.id for t in session.generate([1, 2, 3], max_tokens=5)]
        self.assertEqual(report["ids"], want)
        self.assertEqual(report["reason"], "length")
        text = self.call(*arguments)
        self.assertEqual(text.stdout, report["text"] + "\n")
        self.assertIn("each byte is a token", text.stderr)
        self.assertIn("5 tokens (length)", text.stderr)
        wrong = self.call("generate", path, "--ids", "1,x")
        self.assertEqual((wrong.returncode, wrong.stdout), (1, ""))
        self.assertIn("error: --ids takes numbers", wrong.stderr)


class Package(unittest.TestCase):
    def test_types(self):
        command = [sys.executable, "-m", "mypy", "--no-incremental"]
        root = hybrid.__path__[0]
        config = os.path.join(os.path.dirname(root), "pyproject.toml")
        result = subprocess.run(
            [*command, "--config-file", config, root], capture_output=True, text=True
        )
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_every_public_name_is_there(self):
        for name in hybrid.__all__:
            self.assertTrue(hasattr(hybrid, name), name)
        self.assertEqual(hybrid.runtime_version(), hybrid.__version__)


if __name__ == "__main__":
    unittest.main()
