//===- ThreadTeamTest.cpp - every block runs once -------------------------===//

#include "../../../lib/Runtime/ThreadTeam.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

using namespace hybrid;

/// args: the counters, the launch's number, an offset.
static void countBlock(const uint64_t *args, int64_t block) {
  auto *counts = reinterpret_cast<std::atomic<uint64_t> *>(args[0]);
  // Wrong when a block runs twice, not at all, or with the arguments of another
  // launch.
  counts[block].fetch_add(args[1] + uint64_t(block) * args[2]);
}

/// More threads than CPUs, launches of all sizes, one right after another and
/// after the members have gone to sleep.
TEST(ThreadTeam, RunsEveryBlockOnce) {
  constexpr int64_t most = 300;
  for (int threads : {2, 3, 8}) {
    ThreadTeam team(threads);
    std::mt19937 random(threads);
    std::vector<std::atomic<uint64_t>> counts(most);
    for (int launch = 1; launch <= 5000; ++launch) {
      const int64_t grid = random() % 4 ? random() % 12 : random() % most;
      for (std::atomic<uint64_t> &count : counts)
        count = 0;
      const uint64_t args[] = {reinterpret_cast<uint64_t>(counts.data()),
                               uint64_t(launch), random() % 7};
      team.run(countBlock, args, grid);
      for (int64_t block = 0; block < most; ++block)
        ASSERT_EQ(counts[size_t(block)].load(),
                  block < grid ? args[1] + uint64_t(block) * args[2] : 0)
            << "block " << block << " of " << grid << ", launch " << launch;
      if (launch % 1000 == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
}

TEST(ThreadTeam, StopsAtAnyTime) {
  for (int i = 0; i < 200; ++i) {
    ThreadTeam team(4);
    std::atomic<uint64_t> count{0};
    const uint64_t args[] = {reinterpret_cast<uint64_t>(&count), 1, 0};
    for (int launch = 0; launch < i % 5; ++launch)
      team.run(countBlock, args, 1);
    EXPECT_EQ(count.load(), uint64_t(i % 5));
    if (i % 50 == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}
