"""hybrid.models: designs, their files, and what the compiled models compute."""

import dataclasses
import functools
import hashlib
import math
import subprocess
import sys
import unittest

import numpy as np
import onnx
from design_reference import Reference
from onnx import numpy_helper
from support import SCRATCH

import hybrid
from hybrid import models

TINY = [
    models.llama("tiny"),
    models.swa("tiny", window=5, sinks=2, ratio=(1, 2)),
    models.mamba2("tiny"),
    models.mamba1("tiny"),
    models.inter("tiny", ratio=(1, 2)),
    models.intra("tiny", ratio=(1, 2)),
    models.hymba("tiny"),
    models.falcon_h1("tiny"),
    models.diff_transformer("tiny"),
    models.diff_mamba("tiny"),
    models.gated_delta("tiny", ratio=(1, 2)),
    models.moe(models.inter("tiny", ratio=(1, 2))),
]


def axes():
    """A layer for each choice of a parallel layer that no recipe above takes."""
    choices = [
        {"value": "shared", "out": "joint", "fuse": "add", "scale": "gate"},
        {"value": "shared", "fuse": "mean", "scale": "alpha"},
        {
            "norm": "none",
            "fuse": "sub",
            "out": "joint",
            "scale": "asymmetric",
            "rope": None,
        },
    ]
    designs = [models.intra("tiny", (1, 0), layers=1, **choice) for choice in choices]
    layers = tuple(design.layers[0] for design in designs)
    differential = models.Attention(
        2, 1, 12, 16, models.Rope(), window=4, sinks=1, differential=True
    )
    layers += (models.Layer(differential),)
    # Two groups of keys, several experts of several, no sharing of the table.
    mixer = models.Mamba2(inner=64, heads=4, state=8, groups=2, taps=3)
    block = models.FeedForward(24, experts=5, top=2, shared=0)
    layers += (models.Layer(mixer, block), models.Layer(mixer))
    return dataclasses.replace(designs[0], name="axes", layers=layers, tied=False)


COMPILED = [*TINY, axes()]
CONTEXT = 24
#: How names of weights begin; others are constants.
LEARNED = ("layer.", "embedding", "norm", "head")


def file_of(design):
    return SCRATCH / f"{design.name.replace(':', '-')}.onnx"


@functools.lru_cache(maxsize=None)
def compiled(design):
    path = file_of(design)
    design.save(path, seed=1)
    return hybrid.compile(
        path, max_batch=1, max_seq=16, max_context=CONTEXT, opt_level=0
    )


class Compiled(unittest.TestCase):
    """Every family, compiled, against the plain reference."""

    def check(self, design):
        module = compiled(design)
        ids = np.random.default_rng(7).integers(0, design.vocabulary, 17)
        want = Reference(design, file_of(design)).logits(ids)
        self.assertGreater(np.abs(want).max(), 1)
        with module.session(threads=1) as session:
            got = session.run(input_ids=[ids[:13]])["logits"][0]
            np.testing.assert_allclose(got, want[:13], rtol=1e-3, atol=1e-4)
            for t in range(13, len(ids)):
                got = session.run(input_ids=[ids[t : t + 1]])["logits"][0]
                np.testing.assert_allclose(got, want[t : t + 1], rtol=1e-3, atol=1e-4)
        # The last tokens depend on the first.
        ids[0] = (ids[0] + 1) % design.vocabulary
        other = Reference(design, file_of(design)).logits(ids)
        self.assertGreater(np.abs(other[-1] - want[-1]).max(), 1e-3)

    def check_states(self, design):
        got = dict.fromkeys(("kv", "kv-window", "conv", "recurrent"), 0)
        for state in compiled(design).states:
            got[state.kind] += state.bytes_per_sequence
        want = models.state_bytes(design, context=CONTEXT, dtype="f32")
        self.assertEqual(got, want)

    def check_file(self, design):
        compiled(design)
        onnx.checker.check_model(str(file_of(design)))
        tensors = onnx.load(file_of(design)).graph.initializer
        learned = [t for t in tensors if t.name.startswith(LEARNED)]
        count = sum(math.prod(tensor.dims) for tensor in learned)
        self.assertEqual(count, design.parameters.total)


def add_checks():
    """One test per design and check."""
    for design in COMPILED:
        name = design.name.replace("-", "_").replace(":", "_")
        for check in ("check", "check_states", "check_file"):

            def test(self, design=design, check=check):
                getattr(self, check)(design)

            setattr(Compiled, f"test_{name}{check[5:]}", test)


add_checks()


class Counts(unittest.TestCase):
    """Against the paper's tables."""

    def test_primitives(self):
        """Table 8: parameters without and with embedding, in units of 1e7."""
        table = {
            "100M": (10, 13, 10),
            "350M": (35, 20, 37),
            "1B": (97, 26, 98),
            "3B": (278, 39, 280),
        }
        # What is printed otherwise than ours would be, by one in the last place.
        ours = {("llama", "3B"): 277, ("mamba2", "1B"): 99, ("mamba2", "3B"): 281}
        for size, (llama, embedding, mamba2) in table.items():
            for family, printed in (("llama", llama), ("mamba2", mamba2)):
                counts = getattr(models, family)(size).parameters
                want = ours.get((family, size), printed)
                self.assertEqual(round(counts.layers / 1e7), want, (family, size))
                self.assertLess(abs(counts.layers / 1e7 - printed), 1.1)
                self.assertEqual(round(counts.embedding / 1e7), embedding)

    def test_exact(self):
        """By hand, at 1B."""
        width, table, block = 2048, 128256 * 2048, 3 * 2048 * 8192
        attention = 2 * width * width + 2 * width * 512
        llama = 16 * (attention + block + 2 * width) + width
        self.assertEqual(models.llama("1B").parameters, (table, llama, llama))
        inner, convolved = 4096, 4096 + 2 * 128
        mamba = width * (inner + convolved + 32) + 5 * convolved + 3 * 32
        mamba += inner + inner * width
        mamba2 = 13 * (mamba + block + 2 * width) + width
        self.assertEqual(models.mamba2("1B").parameters, (table, mamba2, mamba2))
        mixed = 2 * attention + 11 * mamba + 13 * (block + 2 * width) + width
        self.assertEqual(models.inter("1B").parameters, (table, mixed, mixed))

    def test_experts(self):
        """Appendix L: in all, without the embedding, in units of 1e7."""
        designs = {
            models.llama("1B"): 379,
            models.mamba2("1B"): 328,
            models.inter("1B"): 325,
            models.intra("1B"): 327,
        }
        for design, want in designs.items():
            counts = models.moe(design).parameters
            self.assertEqual(round(counts.layers / 1e7), want, design.name)
            # A token goes through what it went through before, and a router.
            extra = counts.active - design.parameters.active
            self.assertEqual(extra, len(design.layers) * 8 * (design.width + 1))

    def test_layers(self):
        """Section 3 and Table 15: attention (or parallel) and other layers."""
        table = {
            ("inter", "1B"): [(7, 7), (3, 10), (2, 11), (1, 12)],
            ("inter", "350M"): [(6, 6), (3, 8), (2, 9), (1, 10)],
            ("swa", "1B"): [(8, 8), (4, 12), (3, 13), (1, 15)],
            ("intra", "1B"): [(7, 6), (3, 10), (2, 11), (1, 12)],
            ("intra", "350M"): [(6, 5), (3, 8), (2, 9), (1, 10)],
        }
        for (family, size), counts in table.items():
            for many, want in zip((1, 3, 5, 12), counts):
                design = getattr(models, family)(size, ratio=(1, many))
                pattern = design.pattern()
                few = pattern.count("A") + pattern.count("P")
                self.assertEqual((few, len(pattern) - few), want, design.name)
        self.assertEqual(models.inter("3B").pattern().count("A"), 4)
        self.assertEqual(len(models.inter("3B").layers), 22)
        self.assertEqual(len(models.intra("3B").layers), 22)

    def test_layers_of_recipes(self):
        """Tables 6 and 18, at 1B."""
        intra = functools.partial(models.intra, "1B", (1, 0))
        designs = {
            models.diff_transformer("1B"): 16,
            models.diff_mamba("1B"): 13,
            models.hymba("1B"): 14,
            models.falcon_h1("1B"): 13,
            intra(): 13,
            intra(fuse="add"): 13,
            intra(fuse="add", out="joint"): 14,
            intra(fuse="sub", out="joint"): 14,
            intra(fuse="concat", out="joint"): 13,
            intra(value="shared", fuse="add", out="joint"): 15,
        }
        for design, want in designs.items():
            self.assertEqual(len(design.layers), want, design.name)

    def test_places(self):
        table = {
            models.inter("1B"): [4, 8],
            models.inter("1B", (1, 3)): [3, 7, 11],
            models.inter("1B", (1, 1)): [2, 4, 6, 8, 10, 12, 14],
            models.inter("1B", (1, 12)): [7],
            models.inter("350M", (1, 3)): [3, 6, 9],
            models.inter("350M", (1, 12)): [6],
            models.swa("1B"): [5, 9, 13],
            models.swa("1B", ratio=(1, 3)): [4, 7, 10, 13],
            models.intra("1B"): [5, 9],
            models.intra("1B", (1, 3)): [4, 7, 11],
            models.intra("1B", (1, 1)): [2, 4, 6, 8, 10, 12, 13],
            models.inter("1B", placement=(1, 13)): [1, 13],
            models.intra("1B", placement="sandwich"): [1, 13],
            models.inter("1B", placement="front"): [1, 2],
            models.inter("1B", placement="back"): [12, 13],
            models.inter("1B", placement="center"): [6, 7],
        }
        for design, want in table.items():
            got = [i for i, c in enumerate(design.pattern(), 1) if c in "AP"]
            self.assertEqual(got, want, design.name)


class Files(unittest.TestCase):
    def digest(self, design, name, **options):
        path = SCRATCH / name
        design.save(path, **options)
        files = [path, path.with_name(name + ".data")]
        return [hashlib.sha256(f.read_bytes()).hexdigest() for f in files if f.exists()]

    def test_seeds(self):
        design = models.intra("tiny")
        first = self.digest(design, "a.onnx", seed=3)
        self.assertEqual(first, self.digest(design, "b.onnx", seed=3))
        self.assertNotEqual(first, self.digest(design, "b.onnx", seed=4))

    def test_external(self):
        """The same weights, outside of the file, at multiples of a page."""
        design = models.inter("tiny")
        inside, outside = SCRATCH / "inside.onnx", SCRATCH / "outside.onnx"
        design.save(inside)
        design.save(outside, initializers="external")
        self.assertFalse(inside.with_name("inside.onnx.data").exists())
        self.assertLess(outside.stat().st_size, inside.stat().st_size / 3)
        for tensor in onnx.load(outside, load_external_data=False).graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "offset":
                    self.assertEqual(int(entry.value) % 4096, 0)
        want = {
            t.name: numpy_helper.to_array(t)
            for t in onnx.load(inside).graph.initializer
        }
        for tensor in onnx.load(outside).graph.initializer:
            np.testing.assert_array_equal(
                numpy_helper.to_array(tensor), want.pop(tensor.name)
            )
        self.assertEqual(want, {})

    def test_narrow(self):
        """float16 and bfloat16 are float32, rounded; recurrent states as told."""
        design = models.mamba2("tiny")
        arrays = {}
        for dtype in ("f32", "f16", "bf16"):
            path = SCRATCH / f"{dtype}.onnx"
            design.save(path, dtype=dtype, state_dtype="bf16", logits="last")
            model = onnx.load(path)
            onnx.checker.check_model(model)
            tensor = next(t for t in model.graph.initializer if t.name == "layer.0.in")
            arrays[dtype] = numpy_helper.to_array(tensor)
        np.testing.assert_array_equal(arrays["f32"].astype(np.float16), arrays["f16"])
        np.testing.assert_array_equal(
            arrays["f32"].astype(arrays["bf16"].dtype), arrays["bf16"]
        )
        types = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
        self.assertEqual(types["past_recurrent.0"], onnx.TensorProto.BFLOAT16)
        dims = model.graph.output[0].type.tensor_type.shape.dim
        self.assertEqual(dims[1].dim_value, 1)

    def test_given_weights(self):
        """What is written can be read and written again; all must be there."""
        design = models.inter("tiny", ratio=(1, 1))
        first, second = SCRATCH / "first.onnx", SCRATCH / "second.onnx"
        design.save(first, seed=5)
        tensors = onnx.load(first).graph.initializer
        weights = {
            t.name: numpy_helper.to_array(t)
            for t in tensors
            if t.name.startswith(LEARNED)
        }
        design.save(second, weights=weights)
        self.assertEqual(first.read_bytes(), second.read_bytes())
        wrong = {
            "there is no weight 'norm' [48]": {"norm": None},
            "the design has no weight 'layer.7.q'": {"layer.7.q": weights["norm"]},
            "'norm' is [128, 48]; it must be [48]": {"norm": weights["embedding"]},
        }
        for message, change in wrong.items():
            changed = {**weights, **change}
            given = {k: v for k, v in changed.items() if v is not None}
            with self.assertRaises(hybrid.InvalidArgument) as caught:
                design.save(second, weights=given)
            self.assertIn(message, str(caught.exception))
        self.assertEqual(first.read_bytes(), second.read_bytes())
        weights["norm"] = np.full(48, 1e6)
        with self.assertRaises(hybrid.InvalidArgument) as caught:
            design.save(second, dtype="f16", weights=weights)
        self.assertIn("'norm' does not fit into f16", str(caught.exception))

    def test_without_onnx(self):
        program = (
            "import sys; sys.modules['onnx'] = None\n"
            "from hybrid import NotFound, models\n"
            "try: models.llama('tiny').save('x.onnx')\n"
            "except NotFound as error: print(error)"
        )
        command = [sys.executable, "-c", program]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
        self.assertIn("install hybrid-compiler[models]", output)

    def test_nothing_is_left_of_what_fails(self):
        with self.assertRaises(OSError):
            models.llama("tiny").save(SCRATCH / "missing" / "model.onnx")
        folder = SCRATCH / "folder.onnx"
        folder.mkdir()
        with self.assertRaises(OSError):
            models.llama("tiny").save(folder)
        self.assertEqual(list(SCRATCH.glob("*.part")), [])


class Designs(unittest.TestCase):
    def test_json(self):
        for design in [*COMPILED, models.intra("1B", rope=None)]:
            again = models.Design.from_json(design.to_json())
            self.assertEqual(again, design)
            self.assertEqual(hash(again), hash(design))

    def test_what_is_no_json(self):
        good = models.llama("tiny").to_json()
        bad = ["", "{", "3", "null", "[]", "{}", good[:-3], '{"is": "Rope"}']
        bad += [
            good.replace('"heads": 4', f'"heads": {v}')
            for v in ("5", "0", '"4"', "null")
        ]
        bad += [
            good.replace('"width"', '"breadth"'),
            good.replace('"is": "Layer"', '"is": "Rope"'),
        ]
        for text in bad:
            with self.assertRaises(hybrid.InvalidArgument, msg=text[:60]):
                models.Design.from_json(text)

    def test_refusals(self):
        attention = models.Attention(4, 2, 16, 16)
        mamba = models.Mamba2(64, 4, 16, norm=False)
        calls = {
            "no size '2B'; there are tiny, 100M": lambda: models.llama("2B"),
            "norm is 'batch'; it can be group, none": lambda: models.intra(
                "1B", norm="batch"
            ),
            "needs out='joint'": lambda: models.intra("1B", fuse="concat"),
            "branches of equal width, not 2304 and 2048": lambda: models.intra(
                "1B", fuse="add", out="joint", inner=2304
            ),
            "must have norm=False": lambda: models.Parallel(
                models.Mamba2(64, 4, 16), attention
            ),
            "in this order": lambda: models.Parallel(attention, mamba, value="shared"),
            "multiple of the 16 heads": lambda: models.intra("1B", qk_width=1000),
            "no placement 'top'": lambda: models.inter("1B", placement="top"),
            "different numbers from 1 to 13": lambda: models.inter(
                "1B", placement=[0, 4]
            ),
            "two numbers such as (1, 5)": lambda: models.inter("1B", ratio=(0, 0)),
            "no mixer 'rwkv'": lambda: models.inter("1B", mixer="rwkv"),
            "4 heads do not share 3": lambda: models.Attention(4, 3, 16, 16),
            "sinks need a window": lambda: models.Attention(4, 2, 16, 16, sinks=2),
            "top is 9": lambda: models.FeedForward(64, experts=8, top=9),
            "dtype is 'f8'": lambda: models.llama("tiny").save(
                SCRATCH / "x", dtype="f8"
            ),
        }
        for message, call in calls.items():
            with self.assertRaises(hybrid.InvalidArgument) as caught:
                call()
            self.assertIn(message, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
