//===- LastOnlyTest.cpp - runs that want their last position only ---------===//

#include "FakeArtifact.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace hybrid;
using namespace hybrid::test;

namespace {

constexpr int64_t vocabulary = 7;
using Ids = std::vector<int64_t>;

/// The logits of a run, by sequence and position.
struct Logits {
  int64_t rows = 0, positions = 0;
  std::vector<float> values;

  std::vector<float> at(int64_t row, int64_t position) const {
    const auto begin =
        values.begin() + (row * positions + position) * vocabulary;
    return std::vector<float>(begin, begin + vocabulary);
  }
};

class LastOnly : public testing::Test {
protected:
  void SetUp() override {
    module = test::open(makeArtifact("last-only.hyb", trimmedModel()));
    ASSERT_TRUE(module);
  }

  SessionPtr session(int64_t batch, bool lastOnly) {
    SessionPtr result = newSession(module.get(), /*threads=*/1, batch);
    EXPECT_EQ(hybrid_session_last_only(result.get(), lastOnly), HYBRID_OK);
    return result;
  }

  /// Runs `ids`, as many for each sequence.
  static Logits run(HybridSession *session, const Ids &sequences,
                    const Ids &ids) {
    HybridTensor logits;
    EXPECT_EQ(runIds(session, sequences, ids, logits), HYBRID_OK)
        << hybrid_last_error();
    Logits result{logits.dims[0], logits.dims[1], {}};
    result.values.resize(logits.bytes / sizeof(float));
    if (!result.values.empty())
      std::memcpy(result.values.data(), logits.data, logits.bytes);
    return result;
  }

  /// Runs the same in `all` and in `last`, which wants the last position only.
  static void compare(HybridSession *all, HybridSession *last,
                      const Ids &sequences, const Ids &ids) {
    const Logits want = run(all, sequences, ids);
    const Logits got = run(last, sequences, ids);
    ASSERT_EQ(want.positions, int64_t(ids.size() / sequences.size()));
    ASSERT_EQ(got.positions, 1);
    ASSERT_EQ(got.rows, want.rows);
    for (int64_t row = 0; row < got.rows; ++row)
      EXPECT_EQ(got.at(row, 0), want.at(row, want.positions - 1));
    for (int64_t sequence : sequences)
      EXPECT_EQ(hybrid_session_sequence_position(all, sequence),
                hybrid_session_sequence_position(last, sequence));
  }

  ModulePtr module;
};

TEST_F(LastOnly, GivesTheLastOfAllPositions) {
  const SessionPtr all = session(2, false), last = session(2, true);
  compare(all.get(), last.get(), {0, 1}, {1, 2, 3, 2, 2, 2});
  compare(all.get(), last.get(), {0, 1}, {1, 2});
  // Back to all of them.
  ASSERT_EQ(hybrid_session_last_only(last.get(), 0), HYBRID_OK);
  const Ids ids = {0, 1, 1, 0};
  const Logits want = run(all.get(), {0, 1}, ids);
  const Logits got = run(last.get(), {0, 1}, ids);
  EXPECT_EQ(got.positions, 2);
  EXPECT_EQ(got.values, want.values);
}

TEST_F(LastOnly, OfSequencesAtDifferentPositions) {
  const SessionPtr all = session(3, false), last = session(3, true);
  compare(all.get(), last.get(), {1}, {4, 1});
  compare(all.get(), last.get(), {2, 1, 0}, {1, 2, 3, 2, 2, 2, 0, 1, 0});
}

TEST_F(LastOnly, OfRunsThatCheckpointsSplit) {
  const SessionPtr all = session(2, false), last = session(2, true);
  for (HybridSession *each : {all.get(), last.get()})
    ASSERT_EQ(hybrid_session_checkpoint_every(each, 2), HYBRID_OK);
  const SessionPtr whole = session(2, false);
  const Ids ids = {1, 0, 2, 1, 1, 2, 2, 0, 0, 1};
  EXPECT_EQ(run(all.get(), {0, 1}, ids).values,
            run(whole.get(), {0, 1}, ids).values);
  const SessionPtr again = session(2, false);
  compare(again.get(), last.get(), {0, 1}, ids);
  // What is replayed is not wanted at all.
  for (HybridSession *each : {again.get(), last.get()})
    ASSERT_EQ(hybrid_session_crop(each, 1, 3), HYBRID_OK);
  compare(again.get(), last.get(), {1}, {1, 1});
}

TEST_F(LastOnly, IsKeptByForksAndResets) {
  const SessionPtr last = session(1, true);
  HybridSession *handle = nullptr;
  ASSERT_EQ(hybrid_session_fork(last.get(), &handle), HYBRID_OK);
  const SessionPtr fork(handle);
  EXPECT_EQ(run(fork.get(), {0}, {1, 2, 3}).positions, 1);
  ASSERT_EQ(hybrid_session_reset(fork.get()), HYBRID_OK);
  EXPECT_EQ(run(fork.get(), {0}, {1, 2, 3}).positions, 1);
}

TEST_F(LastOnly, ChangesNothingInModelsWithoutIt) {
  const ModulePtr whole =
      test::open(makeArtifact("last-only-greedy.hyb", greedyModel()));
  const SessionPtr session = newSession(whole.get(), /*threads=*/1, 1);
  ASSERT_EQ(hybrid_session_last_only(session.get(), 1), HYBRID_OK);
  EXPECT_EQ(run(session.get(), {0}, {1, 2, 3}).positions, 3);
}

TEST_F(LastOnly, NeedsASession) {
  EXPECT_EQ(hybrid_session_last_only(nullptr, 1), HYBRID_INVALID_ARGUMENT);
}

TEST_F(LastOnly, ShapesFollowTheFirstPosition) {
  HybridTensor input, output;
  const auto shapes = [&](int64_t seq, int64_t from) {
    const int64_t symbols[] = {2, seq, from};
    return hybrid_module_shapes(module.get(), symbols, &input, &output);
  };
  ASSERT_EQ(shapes(5, 3), HYBRID_OK);
  EXPECT_EQ(input.dims[1], 5);
  EXPECT_EQ(output.dims[1], 2);
  EXPECT_EQ(shapes(0, 0), HYBRID_OK);
  EXPECT_EQ(shapes(5, 5), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"from = 5", "5 positions"}));
}

} // namespace
