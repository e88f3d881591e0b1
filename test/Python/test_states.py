"""States: fork, crop, reset, snapshot and restore, in any order."""

import random
import unittest

import numpy as np
from support import DELTA, MAMBA1, MIXED, SCRATCH, WINDOW, module, onnx_file

import hybrid

CONTEXT = 120


def logits_of(model, ids, last):
    """The logits after `last`, in a session of its own that has run `ids`."""
    with model.session(threads=1) as session:
        session.prefill(ids)
        return session.decode([last])[0]


class Twin:
    """A session and the tokens that each of its sequences should hold."""

    def __init__(self, session, tokens):
        self.session = session
        self.tokens = [list(row) for row in tokens]


class Walk:
    """Random calls. After each, every sequence is where it should be; at the
    end, each goes on like a fresh session with its tokens."""

    BATCH = 2

    def __init__(self, test, model, seed):
        self.test, self.model = test, model
        self.random = random.Random(seed)
        every = self.random.choice([0, 4, 16])
        session = model.session(self.BATCH, threads=1, checkpoint_every=every)
        self.twins = [Twin(session, [[]] * self.BATCH)]
        self.most = min(model.session().language_model.tokens.range[1], 99)
        self.seed = seed

    def ids(self, count):
        return [self.random.randrange(self.most) for _ in range(count)]

    def prefill(self, twin):
        """Rows of any lengths, for some sequences in any order."""
        chosen = self.random.sample(range(self.BATCH), self.random.randint(1, self.BATCH))
        rows = []
        for sequence in chosen:
            room = CONTEXT - len(twin.tokens[sequence])
            rows.append(self.ids(min(room, self.random.choice([1, 2, 5, 17, 40]))))
        if not all(rows):
            return
        twin.session.prefill(rows, sequences=chosen)
        for sequence, row in zip(chosen, rows):
            twin.tokens[sequence] += row

    def decode(self, twin):
        if max(map(len, twin.tokens)) >= CONTEXT:
            return
        ids = self.ids(self.BATCH)
        twin.session.decode(ids)
        for tokens, token in zip(twin.tokens, ids):
            tokens.append(token)

    def crop(self, twin):
        sequence = self.random.randrange(self.BATCH)
        position = self.random.randint(0, len(twin.tokens[sequence]))
        twin.session.crop(position, sequence=sequence)
        del twin.tokens[sequence][position:]

    def crop_all(self, twin):
        position = self.random.randint(0, min(map(len, twin.tokens)))
        twin.session.crop(position)
        for tokens in twin.tokens:
            del tokens[position:]

    def crop_ahead(self, twin):
        with self.test.assertRaises(hybrid.BadInput):
            twin.session.crop(len(twin.tokens[0]) + 1, sequence=0)

    def reset(self, twin):
        sequence = self.random.randrange(self.BATCH)
        twin.session.reset(sequence=sequence)
        twin.tokens[sequence] = []

    def fork(self, twin):
        if len(self.twins) < 3:
            self.twins.append(Twin(twin.session.fork(), twin.tokens))

    def fork_sequence(self, twin):
        source = self.random.choice(self.twins)
        to, from_ = (self.random.randrange(self.BATCH) for _ in range(2))
        twin.session.fork_sequence(to, from_, source.session)
        twin.tokens[to] = list(source.tokens[from_])

    def snapshot(self, twin):
        path = SCRATCH / "walk.snapshot"
        twin.session.snapshot(path)
        other = self.random.choice(self.twins)
        other.session.restore(path)
        other.tokens = [list(row) for row in twin.tokens]

    def step(self):
        twin = self.random.choice(self.twins)
        moves = [self.prefill] * 3 + [self.decode] * 2
        moves += [self.crop, self.crop_all, self.crop_ahead, self.reset]
        moves += [self.fork, self.fork_sequence, self.snapshot]
        move = self.random.choice(moves)
        move(twin)
        for each in self.twins:
            got = each.session.positions
            self.test.assertEqual(got, tuple(map(len, each.tokens)), move.__name__)

    def finish(self, tolerance):
        for twin in self.twins:
            for sequence, tokens in enumerate(twin.tokens):
                last = self.ids(1)[0]
                got = twin.session.decode([last], sequences=[sequence])[0]
                want = (
                    logits_of(self.model, tokens, last)
                    if tokens
                    else self.model.session(threads=1).decode([last])[0]
                )
                self.test.assertTrue(np.isfinite(want).all())
                np.testing.assert_allclose(got, want, **tolerance)


class AnyOrder(unittest.TestCase):
    """Fresh prefills cut the tokens in other pieces than the walk did, so the
    arithmetic is not the same: within a tolerance."""

    def walk(self, name, walks, **tolerance):
        for seed in range(walks):
            with self.subTest(name, seed=seed):
                walk = Walk(self, module(name), seed)
                for _ in range(25):
                    walk.step()
                walk.finish(tolerance)

    def test_attention_convolution_and_ssd(self):
        self.walk(MIXED, 8, rtol=1e-3, atol=1e-4)

    def test_window(self):
        self.walk(WINDOW, 6, rtol=1e-3, atol=1e-4)

    def test_delta_rule(self):
        self.walk(DELTA, 4, rtol=1e-3, atol=1e-4)

    def test_mamba1(self):
        self.walk(MAMBA1, 4, rtol=1e-3, atol=1e-4)


class SameArithmetic(unittest.TestCase):
    """Where the same calls are made, the bits are the same."""

    def setUp(self):
        self.model = module(MIXED)
        self.session = self.model.session()
        self.session.prefill([5, 3, 1, 99, 42])

    def goes_on(self, session):
        return [session.decode([token]) for token in (7, 8, 9)]

    def assert_same(self, ours, theirs):
        for got, want in zip(ours, theirs):
            np.testing.assert_array_equal(got, want)

    def test_fork_goes_on_alike_and_apart(self):
        fork = self.session.fork()
        ours = self.goes_on(self.session)
        self.assertEqual(fork.position, 5)
        self.assert_same(self.goes_on(fork), ours)

    def test_snapshot_goes_on_alike(self):
        path = SCRATCH / "five.snapshot"
        self.session.snapshot(path)
        ours = self.goes_on(self.session)
        self.session.restore(path)
        self.assert_same(self.goes_on(self.session), ours)
        other = self.model.session()
        other.restore(path)
        self.assert_same(self.goes_on(other), ours)

    def test_crop_goes_on_alike(self):
        ours = self.goes_on(self.session)
        self.session.crop(5)
        self.assert_same(self.goes_on(self.session), ours)
        self.session.crop(0)
        self.session.prefill([5, 3, 1, 99, 42])
        self.assert_same(self.goes_on(self.session), ours)

    def test_reset_starts_again(self):
        ours = self.goes_on(self.session)
        self.session.reset()
        self.assertEqual(self.session.positions, (0,))
        self.session.prefill([5, 3, 1, 99, 42])
        self.assert_same(self.goes_on(self.session), ours)

    def test_sequences_are_alone(self):
        rows = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11], [12, 13, 14]]
        session = self.model.session(4)
        together = session.prefill(rows)
        self.assertEqual(session.positions, (3, 1, 7, 3))
        after = session.decode([20, 21, 22, 23])
        for index, row in enumerate(rows):
            alone = self.model.session()
            np.testing.assert_allclose(
                together[index], alone.prefill(row)[0], rtol=1e-4, atol=1e-5
            )
            np.testing.assert_allclose(
                after[index], alone.decode([20 + index])[0], rtol=1e-4, atol=1e-5
            )

    def test_run_sequences(self):
        session = self.model.session(3)
        session.prefill([[1, 2], [3], [4, 5, 6]])
        ids = np.array([[7], [8]])
        got = session.run_sequences([2, 0], input_ids=ids)["logits"]
        self.assertEqual(got.shape, (2, 1, 128))
        self.assertEqual(session.positions, (3, 1, 4))
        want = self.model.session()
        want.prefill([4, 5, 6])
        np.testing.assert_allclose(
            got[0, 0], want.decode([7])[0], rtol=1e-4, atol=1e-5
        )

    def test_pieces_of_a_long_prompt(self):
        ids = [(7 * i) % 100 for i in range(100)]  # a call takes 32
        whole = self.model.session()
        logits = whole.prefill(ids)
        pieces = self.model.session()
        for begin in range(0, 100, 25):
            last = pieces.prefill(ids[begin : begin + 25])
        np.testing.assert_allclose(last, logits, rtol=1e-3, atol=1e-4)


class Refusals(unittest.TestCase):
    def test_sequences(self):
        session = module(MIXED).session(2)
        for ids, sequences, message in (
            ([[1], [2]], [0], "tokens of 2 sequences are given, expected 1"),
            ([[1], [2]], [0, 0], "given twice"),
            ([[1]], [2], "there is no sequence 2"),
            ([[1], []], None, "has no tokens"),
            ([[1], [200]], None, "the token 200 is outside of the range"),
            ([1, 2], None, "expected 2"),
            ("text", None, "not a text"),
            ([[1.5], [2]], None, "expected integers"),
        ):
            with self.subTest(message):
                with self.assertRaisesRegex(hybrid.BadInput, message):
                    session.prefill(ids, sequences=sequences)
        self.assertEqual(session.positions, (0, 0))

    def test_a_prompt_that_does_not_fit_runs_nothing(self):
        session = module(MIXED).session(2)
        with self.assertRaisesRegex(hybrid.OverCapacity, "sequence 1"):
            session.prefill([[1], [1] * 129])
        self.assertEqual(session.positions, (0, 0))

    def test_tokens_that_are_not_known_cannot_be_replayed(self):
        model = module(MIXED)
        session = model.session()
        session.prefill([1, 2, 3])
        states = {s.name: session.read_state(s.name) for s in model.states}
        session.write_states(states)
        with self.assertRaisesRegex(hybrid.BadInput, "are not known"):
            session.crop(1)
        self.assertEqual(session.position, 3)

    def test_snapshots_of_others(self):
        path = SCRATCH / "other.snapshot"
        session = module(MIXED).session()
        session.prefill([1, 2, 3])
        session.snapshot(path)
        with self.assertRaises(hybrid.Incompatible):
            module(WINDOW).session().restore(path)
        with self.assertRaises(hybrid.BadInput):
            module(MIXED).session(2).restore(path)
        small = hybrid.compile(onnx_file(MIXED), max_context=2, max_seq=2, opt_level=0)
        with self.assertRaises(hybrid.OverCapacity):
            small.session().restore(path)
        path.write_bytes(path.read_bytes()[:-1])
        with self.assertRaises(hybrid.BadFile):
            session.restore(path)
        with self.assertRaises(hybrid.FileError):
            session.snapshot(SCRATCH / "no/such/folder")
        self.assertEqual(session.position, 3)

    def test_forks_stay_within_a_model(self):
        other = module(WINDOW).session()
        with self.assertRaises(hybrid.HybridError):
            module(MIXED).session().fork_sequence(0, 0, other)


if __name__ == "__main__":
    unittest.main()
