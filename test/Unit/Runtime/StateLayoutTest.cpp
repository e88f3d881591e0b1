//===- StateLayoutTest.cpp - where states lie -----------------------------===//

#include "StateLayout.h"

#include <gtest/gtest.h>
#include <map>

using namespace hybrid;

namespace {

State makeRing(int64_t sinks, int64_t window) {
  State state;
  state.name = "key";
  state.kind = CacheKind::KVWindow;
  state.dtype = HYBRID_FLOAT32;
  state.dims = {-1, 2, 64, 3};
  state.lengthAxis = 2;
  state.sinks = sinks;
  state.window = window;
  return state;
}

TEST(StateLayout, RingBytes) {
  const State ring = makeRing(2, 8);
  EXPECT_EQ(ring.slots(), 10);
  EXPECT_EQ(ring.bytes(5), 5u * 2 * 10 * 3 * 4);
  // The value has all positions, the memory those that are kept.
  EXPECT_EQ(valueBytes(ring, 5, 30), 5u * 2 * 30 * 3 * 4);
  EXPECT_EQ(filledBytes(ring, 5, 30), ring.bytes(5));
  EXPECT_EQ(filledBytes(ring, 5, 4), 5u * 2 * 4 * 3 * 4);
  EXPECT_FALSE(ring.keepsAll());
}

/// A ring is filled one position at a time; what visitValue says has to be what
/// is there.
TEST(StateLayout, RingKeepsSinksAndWindow) {
  for (int64_t sinks : {0, 1, 4})
    for (int64_t window : {1, 2, 7}) {
      const State ring = makeRing(sinks, window);
      const uint64_t size = 3 * 4, slots = uint64_t(ring.slots());
      std::map<uint64_t, int64_t> memory; // of row 1 of sequence 1
      const uint64_t row = 3;
      for (int64_t position = 0; position < 30; ++position) {
        std::map<uint64_t, int64_t> expected;
        for (const auto &[slot, held] : memory)
          expected[(row * slots + slot) * size] = held;
        std::map<uint64_t, int64_t> visited;
        visitValue(ring, 2, position,
                   [&](uint64_t offset, uint64_t at, uint64_t bytes) {
                     for (uint64_t i = 0; i < bytes; i += size)
                       if ((at + i) / size / uint64_t(position) == row)
                         visited[offset + i] =
                             int64_t((at + i) / size % uint64_t(position));
                   });
        EXPECT_EQ(visited, expected)
            << sinks << " + " << window << " after " << position;
        const int64_t slot =
            position < sinks ? position : sinks + (position - sinks) % window;
        memory[uint64_t(slot)] = position;
      }
    }
}

} // namespace
