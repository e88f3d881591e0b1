"""Generating text, tokenizers, and files beside a model."""

import json
import unittest

import numpy as np
from support import MIXED, SCRATCH, STATELESS, module

import hybrid
from hybrid._generate import Options, Sampler, StopTexts
from hybrid.tokenizer import GenerationConfig, Tokenizer

DRAW = {"temperature": 1.0, "top_k": 50, "top_p": 0.95, "seed": 7}


def ids_of(generation):
    return [token.id for token in generation]


class Generate(unittest.TestCase):
    def setUp(self):
        self.model = module(MIXED)

    def test_greedy_is_the_largest_each_time(self):
        got = ids_of(self.model.session().generate([1, 2, 3], max_tokens=8))
        session = self.model.session()
        want = [int(session.prefill([1, 2, 3]).argmax())]
        for _ in range(7):
            want.append(int(session.decode([want[-1]]).argmax()))
        self.assertEqual(got, want)

    def test_seeds(self):
        def draw(seed):
            options = {**DRAW, "seed": seed}
            return ids_of(self.model.session().generate([1], max_tokens=20, **options))

        self.assertEqual(draw(7), draw(7))
        self.assertNotEqual(draw(7), draw(8))

    def test_it_streams(self):
        session = self.model.session()
        generation = session.generate([1, 2, 3], max_tokens=5)
        self.assertEqual(session.position, 0)
        next(generation)
        self.assertEqual(session.position, 3)
        next(generation)
        self.assertEqual(session.position, 4)
        self.assertEqual(generation.reason, "")
        rest = list(generation)
        self.assertEqual(len(rest), 3)
        self.assertEqual(generation.reason, "length")
        self.assertEqual(len(generation.ids), 5)
        self.assertGreater(generation.decode_seconds, 0)

    def test_stop_ids(self):
        free = ids_of(self.model.session().generate([1], max_tokens=10))
        stop = free[4]
        generation = self.model.session().generate(
            [1], max_tokens=10, stop_ids=[stop], tokenizer=Tokenizer.bytes()
        )
        want = free[: free.index(stop) + 1]
        self.assertEqual(ids_of(generation), want)
        self.assertEqual(generation.reason, "eos")
        self.assertEqual(generation.text, bytes(want[:-1]).decode(errors="replace"))

    def test_stop_texts(self):
        options = {"max_tokens": 30, **DRAW}
        text = self.model.session().generate("Hello", **options)
        pieces = "".join(token.text for token in text)
        self.assertEqual(pieces, text.text)
        stop = text.text[10:13]
        cut = self.model.session().generate("Hello", stop=[stop], **options)
        pieces = "".join(token.text for token in cut)
        self.assertEqual(cut.reason, "stop")
        self.assertEqual(pieces, text.text[: text.text.index(stop)])
        self.assertEqual(cut.text, pieces)

    def test_capacity_ends(self):
        session = self.model.session()
        generation = session.generate(np.ones(126, int), max_tokens=50)
        self.assertEqual(len(list(generation)), 3)
        self.assertEqual(generation.reason, "capacity")
        self.assertEqual(session.position, 128)

    def test_all_at_once_is_each_alone(self):
        prompts = [[1, 2, 3], [4], [5] * 40, [6, 7]]
        options = {"max_tokens": 12, **DRAW, "stop_ids": [20, 21, 22, 23, 24]}
        together = self.model.session(4).generate_all(prompts, **options)
        for prompt, got in zip(prompts, together):
            alone = self.model.session().generate(prompt, **options)
            self.assertEqual(got.ids, ids_of(alone))
            self.assertEqual(got.reason, alone.reason)

    def test_sequences_go_on_by_themselves(self):
        session = self.model.session(2)
        first = session.generate([1, 2], sequence=0, max_tokens=6)
        second = session.generate([3, 4, 5], sequence=1, max_tokens=6)
        got = [(a.id, b.id) for a, b in zip(first, second)]
        want = zip(
            ids_of(self.model.session().generate([1, 2], max_tokens=6)),
            ids_of(self.model.session().generate([3, 4, 5], max_tokens=6)),
        )
        self.assertEqual(got, list(want))

    def test_a_sequence_that_was_changed_is_noticed(self):
        session = self.model.session()
        generation = session.generate([1, 2], max_tokens=6)
        next(generation)
        session.crop(1)
        with self.assertRaisesRegex(hybrid.InvalidArgument, "was changed"):
            next(generation)

    def test_models_without_states(self):
        model = module(STATELESS)
        name = model.inputs[0].name
        got = ids_of(model.session().generate([1, 2], max_tokens=4))
        ids = [1, 2]
        for _ in range(4):
            (logits,) = model.run({name: [ids]}).values()
            ids.append(int(logits[0, -1].argmax()))
        self.assertEqual(got, ids[2:])
        alone = model.session().generate_all([[1, 2], [3]], max_tokens=4)
        self.assertEqual(alone[0].ids, got)

    def test_wrong_options(self):
        session = self.model.session()
        for options in (
            {"temperature": -1},
            {"top_p": 0},
            {"top_p": 1.5},
            {"top_k": -1},
            {"repetition_penalty": 0},
            {"max_tokens": -1},
            {"stop": "text"},
            {"stop": [""]},
        ):
            with self.subTest(options), self.assertRaises(hybrid.InvalidArgument):
                session.generate([1], **options)
        with self.assertRaises(TypeError):
            session.generate([1], heat=2)
        with self.assertRaisesRegex(hybrid.BadInput, "no tokens"):
            session.generate([])
        self.assertEqual(list(session.generate([1], max_tokens=0)), [])


class Sampling(unittest.TestCase):
    def frequencies(self, logits, **options):
        sampler = Sampler(Options(seed=0, **options), [])
        counts = np.zeros(len(logits))
        for _ in range(4000):
            counts[sampler.next(np.array(logits, np.float32))] += 1
        return counts / counts.sum()

    def test_temperature_draws_by_the_softmax(self):
        logits = [0.0, 1.0, 2.0, -1.0]
        want = np.exp(np.array(logits) / 0.7)
        got = self.frequencies(logits, temperature=0.7)
        np.testing.assert_allclose(got, want / want.sum(), atol=0.03)

    def test_top_k_and_top_p_cut(self):
        logits = np.log([0.4, 0.3, 0.2, 0.1])
        got = self.frequencies(logits, temperature=1.0, top_k=2)
        np.testing.assert_allclose(got, [4 / 7, 3 / 7, 0, 0], atol=0.03)
        got = self.frequencies(logits, temperature=1.0, top_p=0.65)
        np.testing.assert_allclose(got, [4 / 7, 3 / 7, 0, 0], atol=0.03)
        got = self.frequencies(logits, temperature=1.0, top_p=0.75)
        np.testing.assert_allclose(got, [4 / 9, 3 / 9, 2 / 9, 0], atol=0.03)
        got = self.frequencies(logits, temperature=1.0, top_p=0.01)
        np.testing.assert_allclose(got, [1, 0, 0, 0])

    def test_repetition_penalty(self):
        logits = np.array([2.0, 1.5, -1.0])
        sampler = Sampler(Options(repetition_penalty=2.0), [0])
        self.assertEqual(sampler.next(logits), 1)
        self.assertEqual(sampler.next(logits), 0)  # 1.0 against 0.75
        negative = Sampler(Options(repetition_penalty=3.0), [0])
        self.assertEqual(negative.next(np.array([-1.0, -2.0])), 1)

    def test_logits_that_are_no_numbers(self):
        for bad in ([np.nan, 1.0], [np.inf, 1.0], [-np.inf, -np.inf]):
            with self.assertRaisesRegex(hybrid.HybridError, "NaN or infinity"):
                Sampler(Options(), []).next(np.array(bad))
        self.assertEqual(Sampler(Options(), []).next(np.array([-np.inf, 0.0])), 1)

    def test_stop_texts_hold_back_what_may_begin_one(self):
        stops = StopTexts(["END", "\n\n"])
        self.assertEqual(stops.push("some E"), ("some ", False))
        self.assertEqual(stops.push("N"), ("", False))
        self.assertEqual(stops.push("TER\n"), ("ENTER", False))
        self.assertEqual(stops.push("x"), ("\nx", False))
        self.assertEqual(stops.push("yENDz\n\n"), ("y", True))
        self.assertEqual(stops.finish(), "")


class Tokenizers(unittest.TestCase):
    def setUp(self):
        self.folder = SCRATCH / self.id()
        self.folder.mkdir()

    def trained(self):
        """A small byte-level BPE, whose characters may be several tokens."""
        from tokenizers import Tokenizer as Inner
        from tokenizers import decoders, models, pre_tokenizers, trainers

        inner = Inner(models.BPE())
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=["<|end|>"],
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        inner.train_from_iterator(["the cat and the hat"] * 5, trainer)
        inner.save(str(self.folder / "tokenizer.json"))
        return Tokenizer.beside(self.folder)

    def test_bytes(self):
        tokenizer = Tokenizer.beside(self.folder)
        self.assertTrue(tokenizer.is_bytes)
        ids = tokenizer.encode("aé")
        self.assertEqual(ids, [97, 195, 169])
        self.assertEqual(tokenizer.decode([*ids, 195, 999]), "aé\ufffd")
        stream = tokenizer.stream()
        pieces = [stream.push(token) for token in [*ids, 195]] + [stream.finish()]
        self.assertEqual(pieces, ["a", "", "é", "", "\ufffd"])

    def test_file(self):
        tokenizer = self.trained()
        self.assertFalse(tokenizer.is_bytes)
        text = "the hat: 日本 🎩, and é\n"
        ids = tokenizer.encode(text)
        self.assertEqual(tokenizer.decode(ids), text)
        stream = tokenizer.stream()
        pieces = [stream.push(token) for token in ids]
        self.assertGreater(pieces.count(""), 4)
        self.assertNotIn("\ufffd", "".join(pieces))
        self.assertEqual("".join(pieces) + stream.finish(), text)

    def test_broken_characters_are_finished(self):
        tokenizer = self.trained()
        ids = tokenizer.encode("🎩")[:2]
        stream = tokenizer.stream()
        got = "".join(map(stream.push, ids)) + stream.finish()
        self.assertEqual(got, tokenizer.decode(ids))

    def test_damaged_file(self):
        (self.folder / "tokenizer.json").write_text("{}")
        with self.assertRaisesRegex(hybrid.BadFile, "not a tokenizer"):
            Tokenizer.beside(self.folder)

    def write(self, name, **values):
        (self.folder / name).write_text(json.dumps(values))

    def test_generation_config(self):
        self.assertEqual(GenerationConfig.beside(self.folder), GenerationConfig())
        self.write("config.json", eos_token_id=5, bos_token_id=1, top_k=3)
        self.write("generation_config.json", eos_token_id=[6, 7], do_sample=True)
        config = GenerationConfig.beside(self.folder)
        self.assertEqual((config.eos, config.bos, config.top_k), ((6, 7), 1, 3))
        self.assertTrue(config.sample)
        self.write(
            "genai_config.json",
            model={"eos_token_id": 9},
            search={"temperature": 0.5, "top_p": None, "do_sample": False},
        )
        config = GenerationConfig.beside(self.folder)
        self.assertEqual((config.eos, config.temperature), ((9,), 0.5))
        self.assertEqual((config.sample, config.top_p), (False, 1.0))

    def test_end_token_by_its_text(self):
        tokenizer = self.trained()
        self.write("tokenizer_config.json", eos_token={"content": "<|end|>"})
        config = GenerationConfig.beside(self.folder)
        self.assertEqual(config.eos, ())
        self.assertEqual(config.resolve(tokenizer).eos, (tokenizer.id_of("<|end|>"),))

    def test_damaged_config(self):
        self.write("config.json", eos_token_id="five")
        with self.assertRaises(hybrid.BadFile):
            GenerationConfig.beside(self.folder)
        (self.folder / "config.json").write_text("{")
        with self.assertRaisesRegex(hybrid.BadFile, "config.json"):
            GenerationConfig.beside(self.folder)


if __name__ == "__main__":
    unittest.main()
