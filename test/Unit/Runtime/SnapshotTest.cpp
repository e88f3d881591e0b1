//===- SnapshotTest.cpp - fork, snapshot and restore ----------------------===//

#include "FakeArtifact.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <random>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace hybrid;
using namespace hybrid::test;

namespace {

/// One sequence of the language model in FakeModel.c, and the ids that it saw:
/// one per run, since the model's convolution adds up runs.
struct Sequence {
  SessionPtr session;
  std::vector<int64_t> ids;

  HybridStatus add(int64_t id) {
    const float bias = 0;
    const HybridTensor inputs[] = {
        tensor("input_ids", HYBRID_INT64, {1, 1}, &id),
        tensor("bias", HYBRID_FLOAT32, {1}, &bias)};
    const HybridStatus status =
        hybrid_session_run(session.get(), inputs, 2, nullptr, 0);
    if (status == HYBRID_OK)
      ids.push_back(id);
    return status;
  }

  std::string state(const char *name) const {
    HybridTensor value = wanted(name);
    EXPECT_EQ(hybrid_session_read_state(session.get(), &value), HYBRID_OK)
        << hybrid_last_error();
    return std::string(static_cast<const char *>(value.data), value.bytes);
  }

  float logit() const {
    HybridTensor value = {};
    EXPECT_EQ(hybrid_session_output(session.get(), 0, &value), HYBRID_OK);
    float result;
    std::memcpy(&result, value.data, sizeof(result));
    return result;
  }
};

class Snapshots : public testing::Test {
protected:
  void SetUp() override {
    module = test::open(makeArtifact("snapshots.hyb", languageModel()));
    ASSERT_TRUE(module);
    path = temporaryPath("states.snap");
    std::filesystem::remove(path);
  }

  Sequence fresh(const std::vector<int64_t> &ids = {}) {
    Sequence sequence{newSession(module.get()), {}};
    for (int64_t id : ids)
      EXPECT_EQ(sequence.add(id), HYBRID_OK) << hybrid_last_error();
    return sequence;
  }

  static Sequence fork(const Sequence &from) {
    HybridSession *session = nullptr;
    EXPECT_EQ(hybrid_session_fork(from.session.get(), &session), HYBRID_OK)
        << hybrid_last_error();
    return {SessionPtr(session), from.ids};
  }

  HybridStatus save(const Sequence &sequence) {
    return hybrid_session_snapshot(sequence.session.get(), path.c_str());
  }

  /// Restoring fails with this status and leaves the session as it was.
  void expectRefused(HybridStatus status, const std::vector<std::string> &says,
                     HybridModule *other = nullptr) {
    Sequence sequence{newSession(other ? other : module.get()), {}};
    ASSERT_EQ(sequence.add(7), HYBRID_OK);
    const std::string keys = sequence.state("past_key.0");
    EXPECT_EQ(hybrid_session_restore(sequence.session.get(), path.c_str()),
              status);
    EXPECT_TRUE(errorSays(says));
    EXPECT_EQ(hybrid_session_position(sequence.session.get()), 1);
    EXPECT_EQ(sequence.state("past_key.0"), keys);
  }

  ModulePtr module;
  std::string path;
};

} // namespace

/// In whatever order sessions run, fork, are reset, saved and restored: each is
/// what a fresh session is that saw the same ids.
TEST_F(Snapshots, AreLikeFreshSessionsInAnyOrder) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    std::vector<Sequence> sequences;
    sequences.push_back(fresh());
    std::vector<int64_t> saved;
    ASSERT_EQ(save(sequences[0]), HYBRID_OK) << hybrid_last_error();
    for (int step = 0; step < 60; ++step) {
      Sequence &sequence = sequences[random() % sequences.size()];
      switch (random() % 8) {
      case 0:
        if (sequences.size() < 5)
          sequences.push_back(fork(sequence));
        break;
      case 1:
        ASSERT_EQ(save(sequence), HYBRID_OK) << hybrid_last_error();
        saved = sequence.ids;
        break;
      case 2:
        ASSERT_EQ(hybrid_session_restore(sequence.session.get(), path.c_str()),
                  HYBRID_OK)
            << hybrid_last_error();
        sequence.ids = saved;
        break;
      case 3:
        if (random() % 3 == 0) {
          ASSERT_EQ(hybrid_session_reset(sequence.session.get()), HYBRID_OK);
          sequence.ids.clear();
        }
        break;
      default:
        // At the capacity of 16 a run is refused and changes nothing.
        ASSERT_EQ(sequence.add(int64_t(random() % 50)),
                  sequence.ids.size() < 16 ? HYBRID_OK : HYBRID_OVER_CAPACITY)
            << hybrid_last_error();
      }
    }
    for (Sequence &sequence : sequences) {
      ASSERT_EQ(hybrid_session_position(sequence.session.get()),
                int64_t(sequence.ids.size()));
      if (sequence.ids.empty())
        continue;
      const Sequence like = fresh(sequence.ids);
      ASSERT_EQ(sequence.state("past_key.0"), like.state("past_key.0"));
      ASSERT_EQ(sequence.state("past_conv.0"), like.state("past_conv.0"));
    }
  }
}

TEST_F(Snapshots, ForksGoTheirOwnWay) {
  Sequence first = fresh({1, 2, 3});
  Sequence second = fork(first);
  ASSERT_EQ(first.add(4), HYBRID_OK);
  ASSERT_EQ(second.add(5), HYBRID_OK);
  EXPECT_EQ(first.logit(), fresh({1, 2, 3, 4}).logit());
  EXPECT_EQ(second.logit(), fresh({1, 2, 3, 5}).logit());
  // They need not live equally long.
  first.session.reset();
  ASSERT_EQ(second.add(6), HYBRID_OK);
  EXPECT_EQ(second.logit(), fresh({1, 2, 3, 5, 6}).logit());
}

TEST_F(Snapshots, HoldNoMoreThanTheStatesUpToThePosition) {
  ASSERT_EQ(save(fresh({1, 2, 3})), HYBRID_OK);
  // Keys [1, 2, 3 of 16, 3] and a convolution [1, 5], float32. The tokens are
  // not kept: they do not say all that the model sees.
  EXPECT_EQ(std::filesystem::file_size(path), 64 + 16 + 18 * 4 + 5 * 4 + 32u);
  for (const auto &entry : std::filesystem::directory_iterator(
           std::filesystem::path(path).parent_path()))
    EXPECT_EQ(entry.path().string().find("states.snap."), std::string::npos)
        << entry.path() << " is left over";
}

TEST_F(Snapshots, GoToAModuleOfOtherCapacities) {
  ASSERT_EQ(save(fresh({1, 2, 3})), HYBRID_OK);
  Json manifest = languageModel();
  for (Json &symbol : manifest["symbols"])
    if (symbol["role"] == "batch")
      symbol["capacity"] = 1;
  const ModulePtr other = test::open(makeArtifact("small.hyb", manifest));
  ASSERT_TRUE(other);
  Sequence sequence{newSession(other.get()), {}};
  ASSERT_EQ(hybrid_session_restore(sequence.session.get(), path.c_str()),
            HYBRID_OK)
      << hybrid_last_error();
  ASSERT_EQ(sequence.add(4), HYBRID_OK);
  EXPECT_EQ(sequence.logit(), fresh({1, 2, 3, 4}).logit());
}

TEST_F(Snapshots, RefuseAnotherModel) {
  ASSERT_EQ(save(fresh({1})), HYBRID_OK);
  Json manifest = languageModel();
  manifest["states"][1]["name"] = "past_conv.1";
  const ModulePtr other = test::open(makeArtifact("other.hyb", manifest));
  ASSERT_TRUE(other);
  expectRefused(HYBRID_INCOMPATIBLE, {path, "another model"}, other.get());
}

TEST_F(Snapshots, RefuseAnotherBatch) {
  ASSERT_EQ(save(fresh({1})), HYBRID_OK);
  const SessionPtr two = newSession(module.get(), 1, 2);
  EXPECT_EQ(hybrid_session_restore(two.get(), path.c_str()), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"holds 1 sequences", "made for 2"}));
}

TEST_F(Snapshots, RefuseDamage) {
  ASSERT_EQ(save(fresh({1, 2})), HYBRID_OK);
  const std::string good = readText(path);
  // Every single byte, and every length.
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] ^= 0x20;
    writeText(path, bad);
    Sequence sequence = fresh({9});
    EXPECT_NE(hybrid_session_restore(sequence.session.get(), path.c_str()),
              HYBRID_OK)
        << "byte " << at;
    EXPECT_EQ(hybrid_session_position(sequence.session.get()), 1);
  }
  for (size_t size = 0; size < good.size(); ++size) {
    writeText(path, good.substr(0, size));
    expectRefused(HYBRID_BAD_FILE, {path});
  }
  writeText(path, good + "x");
  expectRefused(HYBRID_BAD_FILE, {path, "truncated or damaged"});
  std::string flipped = good;
  flipped[90] ^= 1;
  writeText(path, flipped);
  expectRefused(HYBRID_BAD_FILE, {path, "hash"});
  std::string newer = good;
  newer[7] = 9;
  writeText(path, newer);
  expectRefused(HYBRID_INCOMPATIBLE, {path, "version 9", "version 2"});
}

TEST_F(Snapshots, SayWhyAFileCannotBeUsed) {
  expectRefused(HYBRID_IO_ERROR, {path, "No such file"});
  path = std::filesystem::path(path).parent_path().string();
  expectRefused(HYBRID_IO_ERROR, {path});
  const std::string directory = path;
  path = temporaryPath("states.pipe");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  expectRefused(HYBRID_IO_ERROR, {path, "not a regular file"});
  path = directory + "/absent/states.snap";
  EXPECT_EQ(save(fresh({1})), HYBRID_IO_ERROR);
  EXPECT_TRUE(errorSays({path}));
}

/// Killed at a random moment, a process that writes leaves a whole snapshot.
TEST_F(Snapshots, SurviveAKill) {
  const std::vector<int64_t> shorter = {1}, longer = {1, 2, 3, 4, 5, 6};
  Sequence one = fresh(shorter), other = fresh(longer);
  ASSERT_EQ(save(one), HYBRID_OK);
  std::mt19937 random(0);
  for (int round = 0; round < 30; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (!child)
      for (;;)
        if (save(other) != HYBRID_OK || save(one) != HYBRID_OK)
          _exit(1);
    usleep(random() % 20000);
    kill(child, SIGKILL);
    int status;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child could not write";
    Sequence sequence = fresh();
    ASSERT_EQ(hybrid_session_restore(sequence.session.get(), path.c_str()),
              HYBRID_OK)
        << hybrid_last_error();
    const int64_t position = hybrid_session_position(sequence.session.get());
    EXPECT_TRUE(position == 1 || position == 6) << position;
  }
}

TEST(Stateless, HasNoSnapshots) {
  const ModulePtr module =
      test::open(makeArtifact("plain.hyb", statelessModel("float16")));
  ASSERT_TRUE(module);
  const SessionPtr session = newSession(module.get());
  const std::string path = temporaryPath("plain.snap");
  EXPECT_EQ(hybrid_session_snapshot(session.get(), path.c_str()),
            HYBRID_INVALID_ARGUMENT);
  EXPECT_EQ(hybrid_session_restore(session.get(), path.c_str()),
            HYBRID_INVALID_ARGUMENT);
  EXPECT_TRUE(errorSays({"no states"}));
  EXPECT_FALSE(exists(path));
  HybridSession *fork = nullptr;
  EXPECT_EQ(hybrid_session_fork(session.get(), &fork), HYBRID_OK);
  hybrid_session_close(fork);
}
