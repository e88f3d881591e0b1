//===- PrefixCacheTest.cpp - which prompts' states are kept ---------------===//

#include "lib/Serving/PrefixCache.h"

#include <gtest/gtest.h>

#include <numeric>

using namespace hybrid::serving;
using Tokens = PrefixCache::Tokens;

/// first, first + 1, …
static Tokens count(int64_t length, int64_t first = 0) {
  Tokens tokens(static_cast<size_t>(length));
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

static Tokens join(Tokens a, const Tokens &b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Does what the plan says, as the engine does.
static PrefixCache::Plan run(PrefixCache &cache, const Tokens &prompt) {
  const PrefixCache::Plan plan = cache.plan(prompt);
  for (int64_t length : {plan.branch, plan.lasting})
    if (length)
      cache.set(cache.replace(), prompt, length);
  return plan;
}

TEST(PrefixCache, KeepsThePromptsLastWholePiece) {
  PrefixCache cache(4, 10, /*canCut=*/false);
  EXPECT_EQ(run(cache, count(35)).lasting, 30);
  const PrefixCache::Plan longer = run(cache, count(52));
  EXPECT_EQ(longer.hit.length, 30);
  EXPECT_EQ(longer.lasting, 50);
}

TEST(PrefixCache, LeavesATokenToCompute) {
  PrefixCache cache(4, 10, false);
  EXPECT_EQ(run(cache, count(40)).lasting, 30);
  EXPECT_EQ(run(cache, count(41)).hit.length, 30);
  EXPECT_EQ(run(cache, count(40)).hit.length, 30);
  EXPECT_EQ(run(cache, count(30)).hit.length, 0);
}

TEST(PrefixCache, IgnoresPromptsShorterThanAPiece) {
  PrefixCache cache(4, 10, false);
  const PrefixCache::Plan plan = run(cache, count(10));
  EXPECT_EQ(plan.hit.length + plan.branch + plan.lasting, 0);
}

TEST(PrefixCache, KeepsWherePromptsPart) {
  PrefixCache cache(4, 10, false);
  const Tokens shared = count(25);
  run(cache, join(shared, count(30, 100)));
  const PrefixCache::Plan second = run(cache, join(shared, count(30, 200)));
  EXPECT_EQ(second.hit.length, 0);
  EXPECT_EQ(second.branch, 20);
  EXPECT_EQ(second.lasting, 50);
  const PrefixCache::Plan third = run(cache, join(shared, count(30, 300)));
  EXPECT_EQ(third.hit.length, 20);
  EXPECT_EQ(third.branch, 0);
}

TEST(PrefixCache, CutsStatesThatCanBeCut) {
  PrefixCache cache(4, 10, /*canCut=*/true);
  run(cache, count(55));
  EXPECT_EQ(run(cache, join(count(37), count(9, 100))).hit.length, 30);
  PrefixCache whole(4, 10, /*canCut=*/false);
  run(whole, count(55));
  EXPECT_EQ(run(whole, join(count(37), count(9, 100))).hit.length, 0);
}

TEST(PrefixCache, ReplacesTheLeastRecentlyUsed) {
  PrefixCache cache(2, 10, false);
  run(cache, count(15, 100));
  run(cache, count(15, 200));
  EXPECT_EQ(run(cache, count(15, 100)).hit.length, 10);
  run(cache, count(15, 300));
  EXPECT_EQ(run(cache, count(15, 100)).hit.length, 10);
  EXPECT_EQ(run(cache, count(15, 200)).hit.length, 0);
}

TEST(PrefixCache, ForgetsWhatIsDropped) {
  PrefixCache cache(2, 10, false);
  run(cache, count(15));
  cache.drop(cache.plan(count(15)).hit.entry);
  EXPECT_EQ(cache.plan(count(15)).hit.length, 0);
}

TEST(PrefixCache, CanBeEmpty) {
  PrefixCache cache(0, 10, false);
  const PrefixCache::Plan plan = cache.plan(count(50));
  EXPECT_EQ(plan.hit.length + plan.branch + plan.lasting, 0);
}
