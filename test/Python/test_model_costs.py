"""hybrid.models: costs, the paper's report, the search."""

import contextlib
import io
import itertools
import json
import subprocess
import sys
import time
import unittest

import numpy as np
from support import SCRATCH
from test_models import COMPILED, file_of

import hybrid
from hybrid import models
from hybrid.__main__ import main
from hybrid.models import _cost, _paper, _search, _text


def call(*arguments):
    """The exit code and what python -m hybrid prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:
            code = error.code
    return code, output.getvalue()


def visible(mixer, context, tokens):
    """Pairs, and keys that any query sees, one query after another, as the
    compiler's cost model counts them."""
    pairs, lowest, highest = 0, context, 0
    for position in range(context - tokens, context):
        begin, end = 0, position + 1
        if mixer.window:
            begin = max(0, position - mixer.window + 1)
        pairs += end - begin + min(mixer.sinks, begin)
        lowest, highest = min(lowest, begin), max(highest, end)
    return pairs, highest - lowest + min(mixer.sinks, lowest)


class Costs(unittest.TestCase):
    def test_visible(self):
        for window, sinks in ((0, 0), (1, 0), (5, 0), (5, 2), (7, 9), (64, 3)):
            mixer = models.Attention(1, 1, 4, 4, None, window, sinks)
            for context, tokens in itertools.product(
                (1, 4, 6, 8, 15, 40), (1, 2, 9, 40)
            ):
                if tokens > context:
                    continue
                sizes = _cost._Call(1, tokens, context, 2, 4)
                got = _cost._pairs(mixer, sizes), _cost._read(mixer, sizes)
                want = visible(mixer, context, tokens)
                self.assertEqual(got, want, (window, sinks, context, tokens))

    def test_steps_are_a_prefill(self):
        """FLOPs and exponentials of a prefill are those of its tokens, one by one;
        states are read and written once, not once a token."""
        for design in COMPILED:
            whole = models.cost(design, context=9, batch=2, phase="prefill").total
            steps = [
                models.cost(design, context=t, batch=2).total for t in range(1, 10)
            ]
            for figure in ("flops", "exps"):
                total = sum(getattr(step, figure) for step in steps)
                self.assertAlmostEqual(getattr(whole, figure) / total, 1, 12)
            self.assertLess(whole.states, sum(step.states for step in steps))

    def test_parts_are_the_total(self):
        for design in COMPILED:
            costs = models.cost(design, context=50, tokens=7, dtype="f32")
            parts = [c for group in costs.layers.values() for c in group.values()]
            for figure in models.Cost._fields:
                total = sum(getattr(part, figure) for part in parts)
                want = getattr(costs.total, figure)
                self.assertAlmostEqual(total, want, delta=1e-9 * want)
            self.assertEqual(json.loads(costs.to_json())["counts"], costs.counts)
            for kind, size in costs.states.items():
                held = [own.get(kind, 0) for own in costs.layer_states.values()]
                self.assertEqual(sum(held), size)

    def test_a_step_reads_each_weight_once(self):
        """All but a few vectors; of experts those that the token goes through; of
        the embedding, which is the head, all."""
        for name in ("llama", "swa", "mamba2", "inter", "intra", "gated_delta"):
            design = getattr(models, name)("1B")
            counts = design.parameters
            read = models.cost(design, context=1000).total.weights / 2
            self.assertAlmostEqual(read / counts.total, 1, 4, name)
            routed = models.moe(design)
            counts = routed.parameters
            read = models.cost(routed, context=1000).total.weights / 2
            self.assertAlmostEqual(read / (counts.active + counts.embedding), 1, 4)

    def test_known_numbers(self):
        """By hand: one step of the 1B Llama at 8K, bfloat16."""
        costs = models.cost(models.llama("1B"), context=8192)
        attention = costs.layers["attention"]
        pairs = 16 * 32 * 8192
        self.assertEqual(
            attention["attention"].flops, pairs * (128 + 3 + 128) + 16 * 32 * 64
        )
        self.assertEqual(attention["attention"].exps, pairs)
        self.assertEqual(attention["attention"].states, 256 * 2**20)
        self.assertEqual(attention["cache"].states, 16 * 2 * 8 * 64 * 2)
        self.assertEqual(costs.layer_states, {"attention": {"kv": 256 * 2**20}})
        scan = models.cost(models.mamba2("1B"), context=8192).layers["mamba2"]["scan"]
        self.assertEqual(scan.flops, 13 * 32 * (5 * 128 * 128 + 128))
        self.assertEqual(scan.states, 2 * 13 * 4096 * 128 * 4)

    def test_windows_in_short_contexts(self):
        """What fits into the window and the sinks needs no ring."""
        design = models.swa("tiny", window=5, sinks=2, ratio=(0, 1))
        for context, kind in ((3, "kv"), (7, "kv"), (8, "kv-window")):
            states = models.state_bytes(design, context=context, dtype="f32")
            size = 3 * 2 * 24 * 4 * min(context, 7)
            self.assertEqual(states, {**dict.fromkeys(states, 0), kind: size})

    def test_experts_are_read_once(self):
        design = models.moe(models.llama("1B"))
        step = models.cost(design, context=100).layers["experts"]["experts"].weights
        many = models.cost(design, context=100, batch=64).layers["experts"]["experts"]
        self.assertEqual(many.weights, 8 * step)

    def test_refusals(self):
        design = models.llama("tiny")
        calls = {
            "phase is 'train'": {"context": 8, "phase": "train"},
            "1 sequences of 9 of 8 tokens": {"context": 8, "tokens": 9},
            "no dtype 'f8'": {"context": 8, "dtype": "f8"},
            "logits is 'none'": {"context": 8, "logits": "none"},
        }
        for message, options in calls.items():
            with self.assertRaises(hybrid.InvalidArgument) as caught:
                models.cost(design, **options)
            self.assertIn(message, str(caught.exception))


class Compiler(unittest.TestCase):
    """Beside what the compiler says of the same designs, once they are fused."""

    #: The least and the most that the compiler's figures are of ours. In a step each
    #: launch computes the norm that it reads for itself, so that FLOPs and weights
    #: of norms count for each of the products behind them.
    USUAL = {
        "flops": (0.998, 1.011),
        # log1p of the softplus counts, too; of a sequence whose keys are in a ring,
        # more of those of a prefill are visited.
        "exps": (1, 1.028),
        # The skip's factors per head are stored per channel.
        "weights": (1, 1.009),
        "states": (1, 1),
    }
    #: What differs more, and why, by how names of designs begin and by phase.
    OTHERWISE = {
        # -exp(A) of the weights is computed in each call, of all of a Mamba-1's
        # state; we count neither it nor the reading of A.
        ("mamba1", "prefill"): {"exps": (1.05, 1.1), "weights": (1.05, 1.07)},
        ("mamba1", "decode"): {"exps": (1.8, 1.9), "weights": (1.05, 1.07)},
        # A prefill computes its keys, which are no state before they are kept.
        ("swa", "prefill"): {"states": (0.75, 0.78)},
        # Mamba-1, experts, and a window in differential attention.
        ("axes", "prefill"): {
            "flops": (1, 1.2),
            "exps": (1, 1.2),
            "states": (0.9, 1),
        },
        ("axes", "decode"): {
            "flops": (1, 1.2),
            "exps": (1, 1.2),
            "weights": (1, 1.2),
            "states": (1, 1.1),
        },
    }
    CONTEXT = 24

    def check(self, design, phase):
        path = file_of(design)
        if not path.exists():
            design.save(path, seed=1)
        want = models.cost(design, context=self.CONTEXT, phase=phase, dtype="f32")
        got = models.compiler_costs(path, context=self.CONTEXT, phase=phase)
        ranges = dict(self.USUAL)
        for (name, when), others in self.OTHERWISE.items():
            if design.name.startswith(name) and when == phase:
                ranges.update(others)
        for figure, (least, most) in ranges.items():
            whole = getattr(got.total, figure)
            ratio = whole / max(getattr(want.total, figure), 1)
            self.assertGreaterEqual(ratio, least - 1e-9, (figure, phase))
            self.assertLessEqual(ratio, most + 1e-9, (figure, phase))
            parts = sum(getattr(layer, figure) for layer in got.layers.values())
            self.assertAlmostEqual(parts, whole, delta=1e-6 * parts)
        # What passes between kernels counts there, too.
        self.assertLess(0.7 * want.total.activations, got.total.activations)
        self.assertLess(got.total.activations, 3 * want.total.activations)
        if design.name != "axes":
            held = {kind: size for kind, size in want.states.items() if size}
            self.assertEqual(got.states, held)
        numbers = {str(layer) for layer in range(len(design.layers))}
        self.assertEqual(set(got.layers), numbers | {"embedding", "head"})

    def test_layers_alike_are_launched_alike(self):
        design = models.mamba2("tiny")
        path = SCRATCH / "alike.onnx"
        design.save(path)
        for phase in ("prefill", "decode"):
            got = models.compiler_costs(path, context=self.CONTEXT, phase=phase)
            numbers = [str(layer) for layer in range(len(design.layers))]
            self.assertEqual(len({got.launches[layer] for layer in numbers}), 1)
            steps = {got.layers[layer].flops for layer in numbers}
            self.assertEqual(len(steps), 1)

    def test_sequences_and_logits(self):
        design = models.inter("tiny")
        path = SCRATCH / "sequences.onnx"
        design.save(path)

        def flops(**options):
            got = models.compiler_costs(path, context=9, **options)
            return got.total.flops, sum(got.states.values())

        one, held = flops()
        two, held_by_two = flops(batch=2)
        self.assertLess(abs(two / one - 2), 0.01)
        self.assertEqual(held_by_two, 2 * held)
        whole, _ = flops(phase="prefill")
        last, _ = flops(phase="prefill", logits="last")
        head = 2 * 8 * design.width * design.vocabulary
        self.assertGreaterEqual(whole - last, head)
        self.assertLess(whole - last, 3 * head)

    def test_refusals(self):
        with self.assertRaises(hybrid.CompileError):
            models.compiler_costs(SCRATCH / "absent.onnx", context=8)
        for options in ({"phase": "train"}, {"logits": "none"}):
            with self.assertRaises(hybrid.InvalidArgument):
                models.compiler_costs("x.onnx", context=8, **options)


def add_checks():
    """One test per design and phase."""
    for design in COMPILED:
        for phase in ("prefill", "decode"):

            def test(self, design=design, phase=phase):
                self.check(design, phase)

            name = design.name.replace("-", "_").replace(":", "_")
            setattr(Compiler, f"test_{name}_{phase}", test)


add_checks()


class Paper(unittest.TestCase):
    #: Cache numbers that no one size of a block gives: what the report says ours
    #: are, in MiB.
    OTHERS = {
        ("1B", "Intra 1:0"): 170.1,
        ("1B", "Intra 1:1"): 97.8,
        ("1B", "Intra 1:12"): 25.5,
        ("350M", "Inter 1:5"): 39.0,
    }

    @classmethod
    def setUpClass(cls):
        code, text = call("report", "--paper", "--json")
        assert code == 0, text
        cls.rows = json.loads(text)

    def test_caches(self):
        """The formula gives what is printed; what compiled models keep differs by
        a column of each convolution."""
        self.assertEqual(len(self.rows), 19)
        compared = 0
        for row in self.rows:
            for cache in row["cache"]:
                published = cache["published_mib"]
                formula, planned = (cache[k] / 2**20 for k in ("formula", "planned"))
                if published is None:
                    continue
                other = self.OTHERS.get((row["size"], row["model"]))
                if other:
                    self.assertAlmostEqual(formula, other, 1)
                    continue
                self.assertLessEqual(abs(formula - published), 0.63, row["model"])
                self.assertTrue(0 <= formula - planned < 0.15, row["model"])
                compared += 1
        self.assertEqual(compared, 22)

    def test_other_widths(self):
        """The three others of 1B come out with other widths of the branches."""
        table = {
            (1, 0): (1344, 2240, 180),
            (1, 1): (832, 2432, 89),
            (1, 12): (512, 2560, 23),
        }
        for ratio, (qk_width, inner, published) in table.items():
            design = models.intra(
                "1B", ratio, qk_width=qk_width, inner=inner, layers=13
            )
            size = _paper.cache_bytes(design, 8192) / 2**20
            self.assertEqual(round(size), published)

    def test_four_designs(self):
        """256, 13.4, 43 and 63 MiB."""
        want = {"llama": 256.0, "mamba2": 13.3, "inter": 43.3, "swa": 62.6}
        for name, size in want.items():
            design = getattr(models, name)("1B")
            states = models.state_bytes(design, context=8192, state_dtype="bf16")
            self.assertEqual(round(sum(states.values()) / 2**20, 1), size)
        mamba = _paper.cache_bytes(models.mamba2("1B"), 8192)
        self.assertEqual(round(mamba / 2**20, 2), 13.43)

    def test_training_flops(self):
        for row in self.rows:
            flops = row["training_flops"]
            if flops["published"]:
                self.assertAlmostEqual(
                    flops["formula"] / 1e20, flops["published"] / 1e20, delta=0.0501
                )

    def test_text(self):
        code, text = call("report", "--paper")
        self.assertEqual(code, 0)
        self.assertRegex(text, r"\nLlama +373 .* 30 +[\d,]+ +unmeasured\n")
        self.assertRegex(text, r"\nSWA 1:5 +63 +62.6 +62.6 ")
        for row in self.rows:
            for entry in row["throughput"]:
                self.assertIsNone(entry["measured"])
                self.assertGreater(entry["limit"], entry["published"])

    def test_one_design(self):
        code, text = call("report", "inter('1B', ratio=(1, 5))", "--context", "8192")
        self.assertEqual(code, 0)
        self.assertIn("inter-1B-1:5: MMMAMMMAMMMMM", text)
        self.assertIn("states 54.3 MiB (kv 32.0, conv 0.3, recurrent 22.0)", text)
        path = SCRATCH / "design.json"
        path.write_text(models.inter("1B").to_json())
        self.assertEqual(call("report", path, "--context", "8K")[0], 0)
        code, text = call("report", "moe(llama('1B'))", "--phase", "prefill", "--json")
        self.assertEqual(json.loads(text)["costs"]["counts"]["experts"], 16)

    def test_what_is_no_design(self):
        texts = ["", "llama", "3", "llama(", "open('x')", "llama('9B')", "missing.json"]
        texts += ["llama(1)", "moe('1B')", "inter('1B', layers=100000000)"]
        texts += ["(" * 500 + "1" + ")" * 500, "inter('1B', ratio=5)"]
        for text in texts:
            if text:
                with self.assertRaises(hybrid.HybridError, msg=text):
                    _text.parse(text)
            self.assertEqual(call("report", text)[0], 1 if text else 2, text)


class Search(unittest.TestCase):
    SPACE = _search.Space(sizes=("tiny",))

    def test_front(self):
        values = np.random.default_rng(0).integers(0, 6, (300, 3)).astype(float)
        want = [
            i
            for i, row in enumerate(values)
            if not any(
                (other <= row).all() and ((other < row).any() or j < i)
                for j, other in enumerate(values)
            )
        ]
        self.assertEqual(_search.front(values), want)

    def test_limits(self):
        result = _search.search(
            self.SPACE,
            context=64,
            most={"cache": 20000},
            least={"attention": 0.3},
            minimize=["decode-bytes"],
            maximize=["parameters"],
        )
        self.assertTrue(0 < result.allowed < result.looked_at)
        self.assertTrue(result.front)
        before = None
        for found in result.front:
            self.assertLessEqual(found.figures["cache"], 20000)
            self.assertGreaterEqual(found.figures["attention"], 0.3)
            states = models.state_bytes(found.design, context=64)
            self.assertEqual(found.figures["cache"], sum(states.values()))
            if before:
                # More bytes are good for more parameters only.
                self.assertGreater(
                    found.figures["decode-bytes"], before["decode-bytes"]
                )
                self.assertGreater(found.figures["parameters"], before["parameters"])
            before = found.figures

    def test_ten_thousand_in_a_minute(self):
        """In another process: what --json prints is the same but for the time."""
        begin = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "hybrid",
            "search",
            "--json",
            "--most",
            "cache=64MiB",
        ]
        process = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        self.assertLess(time.monotonic() - begin, 60)
        result = json.loads(process.stdout)
        self.assertGreater(result["designs"], 10000)
        for entry in result["front"]:
            design = models.Design.from_json(json.dumps(entry["design"]))
            self.assertLessEqual(entry["figures"]["cache"], 2**26)
            self.assertEqual(entry["figures"]["parameters"], design.parameters.total)

    def test_names_are_designs_of_their_own(self):
        names = [design.name for design in self.SPACE]
        self.assertEqual(len(set(names)), len(names))

    def test_the_same_twice(self):
        command = ("search", "--sizes", "tiny", "--context", "100", "--json")
        texts = [json.loads(call(*command)[1]) for _ in range(2)]
        for text in texts:
            text.pop("seconds")
        self.assertEqual(*texts)

    def test_command(self):
        command = (
            "search",
            "--sizes=tiny",
            "--context=100",
            "--widths=0.5,1",
            "--experts=0,4",
        )
        code, text = call(*command, "--rows=2")
        self.assertEqual(code, 0)
        self.assertRegex(text, r"^[\d,]+ designs in [\d.]+ s, [\d,]+ within the limits")
        self.assertRegex(text, r"\d+ more: --rows\n$")
        self.assertEqual(call(*command, "--most", "cache=1")[0], 1)
        for wrong in ("--most=cash=1", "--most=cache=x", "--context=-5", "--batch=two"):
            self.assertEqual(call("search", wrong)[0], 2, wrong)
        for wrong in ("--minimize=cash", "--sizes=9B", "--context=0", "--batch=0"):
            code, text = call("search", wrong)
            self.assertEqual(code, 1, wrong)
            self.assertIn("error: ", text)


if __name__ == "__main__":
    unittest.main()
