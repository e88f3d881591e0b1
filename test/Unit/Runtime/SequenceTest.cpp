//===- SequenceTest.cpp - sequences of unequal length, crop, checkpoints --===//

#include "FakeArtifact.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

using namespace hybrid;
using namespace hybrid::test;

namespace {

using Ids = std::vector<int64_t>;

std::vector<float> floats(const HybridTensor &tensor) {
  std::vector<float> values(tensor.bytes / sizeof(float));
  if (!values.empty())
    std::memcpy(values.data(), tensor.data, tensor.bytes);
  return values;
}

/// The recurrent model of FakeModel.c: logits [batch, seq, 7].
class Sequences : public testing::Test {
protected:
  void SetUp() override {
    module = test::open(makeArtifact("sequences.hyb", greedyModel()));
    ASSERT_TRUE(module);
  }

  SessionPtr session(int64_t batch) {
    return newSession(module.get(), /*threads=*/1, batch);
  }

  /// Runs `ids`, as many for each sequence; empty on failure.
  static std::vector<float> run(HybridSession *session, const Ids &sequences,
                                const Ids &ids) {
    HybridTensor logits;
    if (runIds(session, sequences, ids, logits) != HYBRID_OK)
      return {};
    return floats(logits);
  }

  /// The logits of the last of these ids in a session of its own.
  std::vector<float> alone(const Ids &ids) {
    const SessionPtr fresh = session(1);
    std::vector<float> last;
    for (int64_t id : ids)
      last = run(fresh.get(), {0}, {id});
    return last;
  }

  /// What the sequence says of one more id, without keeping it.
  void expectIs(const HybridSession *all, int64_t sequence, Ids ids) {
    ASSERT_EQ(hybrid_session_sequence_position(all, sequence),
              int64_t(ids.size()));
    const SessionPtr copy = session(1);
    ASSERT_EQ(hybrid_session_fork_sequence(copy.get(), 0, all, sequence),
              HYBRID_OK)
        << hybrid_last_error();
    ids.push_back(1);
    EXPECT_EQ(run(copy.get(), {0}, {1}), alone(ids));
  }

  ModulePtr module;
};

} // namespace

/// In whatever order sequences run (some at a time, with as many tokens each),
/// fork, are cropped, reset, saved and restored, each is what it would be
/// alone.
TEST_F(Sequences, AreWhatTheyAreAloneInAnyOrder) {
  const std::string path = temporaryPath("sequences.snap");
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    const int64_t batch = 4;
    SessionPtr all = session(batch);
    ASSERT_EQ(hybrid_session_checkpoint_every(all.get(), seed % 4), HYBRID_OK);
    std::vector<Ids> seen(batch), saved;
    for (int step = 0; step < 60; ++step) {
      const int64_t one = int64_t(random() % batch);
      Ids &ids = seen[size_t(one)];
      switch (random() % 8) {
      case 0: {
        const int64_t to = int64_t(random() % batch);
        ASSERT_EQ(hybrid_session_fork_sequence(all.get(), to, all.get(), one),
                  HYBRID_OK);
        const Ids copy = ids;
        seen[size_t(to)] = copy;
        break;
      }
      case 1: {
        const int64_t position = int64_t(random() % (ids.size() + 1));
        ASSERT_EQ(hybrid_session_crop(all.get(), one, position), HYBRID_OK)
            << hybrid_last_error();
        ids.resize(size_t(position));
        break;
      }
      case 2:
        ASSERT_EQ(hybrid_session_reset_sequence(all.get(), one), HYBRID_OK);
        ids.clear();
        break;
      case 3:
        ASSERT_EQ(hybrid_session_snapshot(all.get(), path.c_str()), HYBRID_OK)
            << hybrid_last_error();
        saved = seen;
        break;
      case 4:
        if (saved.empty())
          break;
        all = session(batch);
        ASSERT_EQ(hybrid_session_restore(all.get(), path.c_str()), HYBRID_OK)
            << hybrid_last_error();
        ASSERT_EQ(hybrid_session_checkpoint_every(all.get(), random() % 4),
                  HYBRID_OK);
        seen = saved;
        break;
      default: {
        Ids rows;
        for (int64_t row = 0; row < batch; ++row)
          if (random() % 2)
            rows.push_back(row);
        if (random() % 2)
          std::reverse(rows.begin(), rows.end());
        const size_t tokens = 1 + random() % 5;
        Ids given;
        for (int64_t row : rows)
          for (size_t i = 0; i < tokens; ++i) {
            given.push_back(int64_t(random() % 3));
            seen[size_t(row)].push_back(given.back());
          }
        if (rows.empty())
          break;
        const std::vector<float> logits = run(all.get(), rows, given);
        ASSERT_EQ(logits.size(), given.size() * 7) << hybrid_last_error();
        for (size_t row = 0; row < rows.size(); ++row) {
          const auto last = logits.begin() + long((row + 1) * tokens * 7);
          EXPECT_EQ(std::vector<float>(last - 7, last),
                    alone(seen[size_t(rows[row])]));
        }
      }
      }
    }
    for (int64_t row = 0; row < batch; ++row)
      expectIs(all.get(), row, seen[size_t(row)]);
  }
}

TEST_F(Sequences, RefuseWhatCannotBe) {
  const SessionPtr two = session(2);
  ASSERT_FALSE(run(two.get(), {1}, {3, 4}).empty());
  EXPECT_TRUE(run(two.get(), {2}, {1}).empty());
  EXPECT_TRUE(errorSays({"no sequence 2", "holds 2"}));
  EXPECT_TRUE(run(two.get(), {1, 1}, {1, 1}).empty());
  EXPECT_TRUE(errorSays({"sequence 1 twice"}));
  const int64_t ids[] = {1, 2, 3};
  const HybridTensor three = tensor("input_ids", HYBRID_INT64, {3, 1}, ids);
  const int64_t rows[] = {0, 1};
  EXPECT_EQ(
      hybrid_session_run_sequences(two.get(), rows, 2, &three, 1, nullptr, 0),
      HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"batch = 3", "the call names 2 sequences"}));
  EXPECT_EQ(
      hybrid_session_run_sequences(two.get(), rows, 0, &three, 1, nullptr, 0),
      HYBRID_INVALID_ARGUMENT);
  EXPECT_EQ(hybrid_session_crop(two.get(), 1, 3), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"sequence 1 is at position 2", "cropped to 3"}));
  EXPECT_EQ(hybrid_session_crop(two.get(), 7, 0), HYBRID_INVALID_ARGUMENT);
  EXPECT_EQ(hybrid_session_checkpoint_every(two.get(), -1),
            HYBRID_INVALID_ARGUMENT);
  EXPECT_EQ(hybrid_session_sequence_position(two.get(), -1), -1);
  expectIs(two.get(), 0, {});
  expectIs(two.get(), 1, {3, 4});
}

/// All sequences run together, too, when they are at different positions.
TEST_F(Sequences, RunTogetherFromDifferentPositions) {
  const SessionPtr two = session(2);
  ASSERT_FALSE(run(two.get(), {1}, {3, 4}).empty());
  EXPECT_EQ(hybrid_session_position(two.get()), 2);
  const int64_t ids[] = {5, 6};
  const HybridTensor input = tensor("input_ids", HYBRID_INT64, {2, 1}, ids);
  HybridTensor logits = wanted("logits");
  ASSERT_EQ(hybrid_session_run(two.get(), &input, 1, &logits, 1), HYBRID_OK)
      << hybrid_last_error();
  std::vector<float> want = alone({5});
  const std::vector<float> second = alone({3, 4, 6});
  want.insert(want.end(), second.begin(), second.end());
  EXPECT_EQ(floats(logits), want);
}

/// A crop to a checkpoint replays nothing: it works without known tokens.
TEST_F(Sequences, CropToCheckpointsOfWrittenStates) {
  const SessionPtr one = session(1);
  ASSERT_EQ(hybrid_session_checkpoint_every(one.get(), 3), HYBRID_OK);
  ASSERT_FALSE(run(one.get(), {0}, {1, 1}).empty());
  const float sum = 2;
  const HybridTensor state = tensor("past_sum", HYBRID_FLOAT32, {1}, &sum);
  ASSERT_EQ(hybrid_session_write_states(one.get(), &state, 1), HYBRID_OK);
  EXPECT_EQ(hybrid_session_crop(one.get(), 0, 1), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"before position 2", "not known"}));
  ASSERT_FALSE(run(one.get(), {0}, {1, 2}).empty());
  ASSERT_EQ(hybrid_session_crop(one.get(), 0, 3), HYBRID_OK)
      << hybrid_last_error();
  expectIs(one.get(), 0, {1, 1, 1});
  EXPECT_EQ(hybrid_session_crop(one.get(), 0, 2), HYBRID_BAD_INPUT);
  expectIs(one.get(), 0, {1, 1, 1});
  EXPECT_EQ(hybrid_session_crop(one.get(), 0, 0), HYBRID_OK);
  expectIs(one.get(), 0, {});
}

/// The language model of FakeModel.c: a kv state beside a convolution, an input
/// that is nobody's token, position ids, a mask.
TEST(LanguageModelSequences, AreWhatTheyAreAlone) {
  const ModulePtr module =
      test::open(makeArtifact("sequences-lm.hyb", languageModel()));
  const auto run = [&](HybridSession *session, const Ids &rows, const Ids &ids,
                       const char *output) {
    const float bias[] = {1, 2};
    const int64_t count = int64_t(rows.size());
    const HybridTensor inputs[] = {tensor("input_ids", HYBRID_INT64,
                                          {count, int64_t(ids.size()) / count},
                                          ids.data()),
                                   tensor("bias", HYBRID_FLOAT32, {2}, bias)};
    HybridTensor value = wanted(output);
    EXPECT_EQ(hybrid_session_run_sequences(session, rows.data(), rows.size(),
                                           inputs, 2, &value, 1),
              HYBRID_OK)
        << hybrid_last_error();
    return std::string(static_cast<const char *>(value.data), value.bytes);
  };
  for (const char *output : {"logits", "positions", "mask_sum"}) {
    const SessionPtr all = newSession(module.get(), 2, 3);
    const SessionPtr first = newSession(module.get(), 1, 1);
    const SessionPtr third = newSession(module.get(), 1, 1);
    run(all.get(), {0}, {4, 5, 6}, output);
    run(first.get(), {0}, {4, 5, 6}, output);
    const std::string together = run(all.get(), {2, 0}, {7, 8, 9, 10}, output);
    EXPECT_EQ(together, run(third.get(), {0}, {7, 8}, output) +
                            run(first.get(), {0}, {9, 10}, output))
        << output;
    EXPECT_EQ(hybrid_session_sequence_position(all.get(), 0), 5);
    EXPECT_EQ(hybrid_session_sequence_position(all.get(), 1), 0);
    EXPECT_EQ(hybrid_session_sequence_position(all.get(), 2), 2);
    HybridTensor key = wanted("past_key.0");
    EXPECT_EQ(hybrid_session_read_state(all.get(), &key),
              HYBRID_INVALID_ARGUMENT);
    EXPECT_TRUE(errorSays({"past_key.0", "different positions"}));
    EXPECT_EQ(hybrid_session_crop(all.get(), 0, 4), HYBRID_BAD_INPUT);
    EXPECT_TRUE(errorSays({"inputs beside its token ids"}));
  }
}

/// A call beyond the capacity of one sequence changes none.
TEST(LanguageModelSequences, ChangeNothingOnError) {
  const ModulePtr module =
      test::open(makeArtifact("sequences-full.hyb", languageModel()));
  const SessionPtr all = newSession(module.get(), 1, 2);
  const float bias = 0;
  const Ids ids(16, 1);
  const auto run = [&](const Ids &rows, int64_t tokens) {
    const HybridTensor inputs[] = {tensor("input_ids", HYBRID_INT64,
                                          {int64_t(rows.size()), tokens},
                                          ids.data()),
                                   tensor("bias", HYBRID_FLOAT32, {1}, &bias)};
    return hybrid_session_run_sequences(all.get(), rows.data(), rows.size(),
                                        inputs, 2, nullptr, 0);
  };
  ASSERT_EQ(run({1}, 8), HYBRID_OK);
  ASSERT_EQ(run({1}, 7), HYBRID_OK);
  EXPECT_EQ(run({0, 1}, 2), HYBRID_OVER_CAPACITY);
  EXPECT_EQ(hybrid_session_sequence_position(all.get(), 0), 0);
  EXPECT_EQ(hybrid_session_sequence_position(all.get(), 1), 15);
  EXPECT_EQ(run({0, 1}, 1), HYBRID_OK) << hybrid_last_error();
}

//===----------------------------------------------------------------------===//
// Models whose sequences have positions of their own
//===----------------------------------------------------------------------===//

/// The runtime fills them; callers neither see nor give them.
TEST(OwnPositions, AreFilledForEachSequence) {
  const ModulePtr module =
      test::open(makeArtifact("positions.hyb", ownPositionsModel()));
  ASSERT_TRUE(module) << hybrid_last_error();
  ASSERT_EQ(hybrid_module_num_inputs(module.get()), 1u);
  HybridValueInfo info;
  EXPECT_EQ(hybrid_module_input(module.get(), 1, &info),
            HYBRID_INVALID_ARGUMENT);
  const int64_t symbols[] = {2, 3, 0};
  HybridTensor given = {};
  HybridTensor all[2] = {};
  all[1].rank = -1;
  ASSERT_EQ(hybrid_module_shapes(module.get(), symbols, all, &given),
            HYBRID_OK);
  EXPECT_EQ(all[1].rank, -1);
  EXPECT_STREQ(given.name, "starts");
  EXPECT_EQ(given.dims[0], 2);

  const SessionPtr session = newSession(module.get(), /*threads=*/1, 2);
  const Ids ids(6);
  HybridTensor inputs[] = {tensor("input_ids", HYBRID_INT64, {1, 3}, &ids[0]),
                           tensor("$positions", HYBRID_INT64, {1}, &ids[0])};
  const int64_t second = 1;
  EXPECT_EQ(hybrid_session_run_sequences(session.get(), &second, 1, inputs, 2,
                                         nullptr, 0),
            HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"there is no input '$positions'",
                         "the model's inputs are 'input_ids'"}));
  ASSERT_EQ(hybrid_session_run_sequences(session.get(), &second, 1, inputs, 1,
                                         nullptr, 0),
            HYBRID_OK)
      << hybrid_last_error();
  inputs[0] = tensor("input_ids", HYBRID_INT64, {2, 2}, &ids[0]);
  for (const Ids &expected : {Ids{0, 3}, Ids{2, 5}}) {
    HybridTensor starts = wanted("starts");
    ASSERT_EQ(hybrid_session_run(session.get(), inputs, 1, &starts, 1),
              HYBRID_OK)
        << hybrid_last_error();
    ASSERT_EQ(starts.bytes, 2 * sizeof(int64_t));
    EXPECT_EQ(std::memcmp(starts.data, expected.data(), starts.bytes), 0);
  }
  // The tokens still say all that a replay needs.
  EXPECT_EQ(hybrid_session_crop(session.get(), 1, 4), HYBRID_OK)
      << hybrid_last_error();
}
