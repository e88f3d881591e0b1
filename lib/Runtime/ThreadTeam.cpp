//===- ThreadTeam.cpp - threads that share the blocks of a launch ---------===//

#include "ThreadTeam.h"

#include <sched.h>

using namespace hybrid;

/// How long a member looks for the next launch before it sleeps: about the time
/// between two tokens of a small model.
static constexpr int looksBeforeSleep = 20000;
/// How long the caller looks for the last blocks before it lets others run.
static constexpr int looksBeforeYield = 2000;
/// Blocks of a launch at a time: their number must fit half of a share.
static constexpr int64_t mostBlocks = int64_t(1) << 31;

static void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

ThreadTeam::ThreadTeam(int threads)
    : size(threads), shares(new Share[threads]) {
  try {
    for (int member = 1; member < size; ++member)
      this->threads.emplace_back([this, member] { work(member); });
  } catch (...) {
    stop();
    throw;
  }
}

ThreadTeam::~ThreadTeam() { stop(); }

void ThreadTeam::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
  }
  wake.notify_all();
  for (std::thread &thread : threads)
    thread.join();
}

void ThreadTeam::run(HybridKernelFn kernel, const uint64_t *arguments,
                     int64_t grid) {
  for (int64_t start = 0; start < grid; start += mostBlocks) {
    const int64_t count = std::min(grid - start, mostBlocks);
    fn.store(kernel, std::memory_order_relaxed);
    args.store(arguments, std::memory_order_relaxed);
    blocks.store(count, std::memory_order_relaxed);
    base.store(start, std::memory_order_relaxed);
    pending.store(count, std::memory_order_relaxed);
    const uint32_t number = launch.load(std::memory_order_relaxed) + 1;
    for (int member = 0; member < size; ++member)
      shares[member].left.store(uint64_t(number) << 32 |
                                    uint64_t(firstBlock(count, member + 1) -
                                             firstBlock(count, member)),
                                std::memory_order_release);
    // Sequentially consistent with what await() does: either it sees the
    // launch, or it is seen asleep.
    launch.store(number);
    if (sleepers.load()) {
      { std::lock_guard<std::mutex> lock(mutex); }
      wake.notify_all();
    }
    takePart(0);
    for (int looks = 0; pending.load(std::memory_order_acquire); ++looks)
      if (looks < looksBeforeYield)
        pause();
      else
        sched_yield();
  }
}

/// Runs one block of a member's share; false if none is left.
bool ThreadTeam::takeBlock(int member) {
  std::atomic<uint64_t> &left = shares[member].left;
  uint64_t seen = left.load(std::memory_order_acquire);
  for (;;) {
    const int64_t rest = int64_t(seen & UINT32_MAX);
    if (!rest)
      return false;
    // While a block of it is left the launch does not change: if that can be
    // taken below, these belong to it.
    const HybridKernelFn kernel = fn.load(std::memory_order_relaxed);
    const uint64_t *const arguments = args.load(std::memory_order_relaxed);
    const int64_t block =
        base.load(std::memory_order_relaxed) +
        firstBlock(blocks.load(std::memory_order_relaxed), member + 1) - rest;
    if (left.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire,
                                   std::memory_order_acquire)) {
      kernel(arguments, block);
      return true;
    }
  }
}

/// Works until no block is left, at the own share first.
void ThreadTeam::takePart(int member) {
  int64_t done = 0;
  for (int i = 0; i < size; ++i)
    while (takeBlock((member + i) % size))
      ++done;
  if (done)
    pending.fetch_sub(done, std::memory_order_release);
}

/// Waits for another launch than `seen` and returns its number; `seen` when the
/// team stops.
uint32_t ThreadTeam::await(uint32_t seen) {
  for (int looks = 0; looks < looksBeforeSleep; ++looks) {
    const uint32_t number = launch.load(std::memory_order_acquire);
    if (number != seen)
      return number;
    pause();
  }
  std::unique_lock<std::mutex> lock(mutex);
  ++sleepers;
  wake.wait(lock, [&] { return stopping || launch.load() != seen; });
  --sleepers;
  return stopping ? seen : launch.load();
}

void ThreadTeam::work(int member) {
  for (uint32_t seen = 0;;) {
    const uint32_t number = await(seen);
    if (number == seen)
      return;
    seen = number;
    takePart(member);
  }
}
