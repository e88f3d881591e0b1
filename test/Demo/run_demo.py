#!/usr/bin/env python3
"""Compiles the trained model of examples/demo and measures it.

run_demo.py BUILD [--bin DIR] [--demo DIR] [TestDemo.test_name …]

Its loss on held-out.txt has to be the trainer's (training.json) within 1e-3
nats per byte, in one call per window and in pieces, and its files have to be
what examples/demo/README.md says. The last line is "N passed, N failed".
Needs the standard library only.
"""

import argparse
import json
import sys
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "utils"), str(SOURCE / "python/demo")]

import score  # noqa: E402
import tokenizer  # noqa: E402
import tools  # noqa: E402

TOLERANCE = 1e-3  # nats per byte
LARGEST_MODEL = 8_000_000  # bytes


class TestDemo(unittest.TestCase):
    args = None

    @classmethod
    def setUpClass(cls):
        cls.training = json.loads((cls.args.demo / "training.json").read_text())
        held_out = cls.training["held_out"]
        text = (cls.args.demo / held_out["file"]).read_bytes()
        cls.windows = score.windows_of(text, held_out["window"])
        work = cls.args.build / "test/demo"
        work.mkdir(parents=True, exist_ok=True)
        cls.model = work / "model.hyb"
        cls.model.unlink(missing_ok=True)
        tools.call(
            [
                cls.args.bin / "hybrid-compile",
                cls.args.demo / "model.onnx",
                "-o",
                cls.model,
            ]
        )

    def loss(self, windows, steps=None):
        return score.loss(self.args.bin / "hybrid-run", self.model, windows, steps)

    def test_held_out_loss_is_the_trainers(self):
        held_out = self.training["held_out"]
        self.assertEqual(len(self.windows), held_out["windows"])
        loss = self.loss(self.windows)
        print(
            f"held-out loss {loss:.6f}, the trainer's {held_out['loss']:.6f} nats per byte"
        )
        self.assertAlmostEqual(loss, held_out["loss"], delta=TOLERANCE)

    def test_pieces_have_the_loss_of_the_whole(self):
        windows = self.windows[:3]
        length = len(windows[0]) - 1
        pieces = [300, 1, 1, 2, 317, 1]
        loss = self.loss(windows, pieces + [length - sum(pieces)])
        self.assertAlmostEqual(loss, self.loss(windows), delta=TOLERANCE)

    def test_model_is_small(self):
        self.assertLessEqual(
            (self.args.demo / "model.onnx").stat().st_size, LARGEST_MODEL
        )

    def test_states_are_of_all_kinds(self):
        command = [self.args.bin / "hybrid-run", self.model, "--inspect", "--json"]
        manifest = json.loads(tools.call(command))["manifest"]
        layers = self.training["config"]["layers"]
        kinds = [state["kind"] for state in manifest["states"]]
        self.assertEqual(kinds.count("kv"), 2 * layers.count("a"))
        self.assertEqual(kinds.count("conv"), layers.count("m"))
        self.assertEqual(kinds.count("recurrent"), layers.count("m"))

    def test_tokens_are_bytes(self):
        document = json.loads((self.args.demo / "tokenizer.json").read_text())
        self.assertEqual(document, tokenizer.tokenizer())
        config = json.loads((self.args.demo / "genai_config.json").read_text())
        self.assertEqual(
            config, tokenizer.genai_config(self.training["config"]["positions"])
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--bin", type=Path, help="tools (default: BUILD/bin)")
    parser.add_argument("--demo", type=Path, default=SOURCE / "examples/demo")
    parser.add_argument("names", nargs="*", help="tests (default: all)")
    args = parser.parse_intermixed_args()
    args.build, args.demo = args.build.resolve(), args.demo.resolve()
    args.bin = (args.bin or args.build / "bin").resolve()
    TestDemo.args = args
    loader = unittest.defaultTestLoader
    suite = (
        loader.loadTestsFromNames(args.names, sys.modules[__name__])
        if args.names
        else loader.loadTestsFromTestCase(TestDemo)
    )
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    print(f"{max(0, result.testsRun - failed)} passed, {failed} failed")
    return 1 if failed or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
