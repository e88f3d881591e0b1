//===- ThreadTeam.h - threads that share the blocks of a launch -*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_THREADTEAM_H
#define HYBRID_LIB_RUNTIME_THREADTEAM_H

#include "hybrid/Runtime/ABI.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace hybrid {

/// A launch's blocks are divided evenly; who is done takes blocks of others.
/// The caller is a member. A launch ends when its blocks are done, not when
/// every member has come: on a busy machine, a member whose thread does not run
/// costs its share of the work and not a time slice per launch, which is why
/// this is not a pool that meets at a barrier.
class ThreadTeam {
public:
  /// Throws std::system_error when a thread cannot be started.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam &) = delete;
  ThreadTeam &operator=(const ThreadTeam &) = delete;

  /// Runs blocks 0 … grid-1 and returns when all are done. From one thread at a
  /// time.
  void run(HybridKernelFn fn, const uint64_t *args, int64_t grid);

private:
  /// The launch's number and how many of a member's blocks nobody has taken
  /// yet, in the upper and lower half: taking one also proves that the launch
  /// is still the one that was looked at.
  struct alignas(64) Share {
    std::atomic<uint64_t> left{0};
  };

  void work(int member);
  bool takeBlock(int member);
  void takePart(int member);
  uint32_t await(uint32_t seen);
  void stop();
  int64_t firstBlock(int64_t blocks, int member) const {
    return blocks / size * member + std::min(blocks % size, int64_t(member));
  }

  const int size;
  std::unique_ptr<Share[]> shares;
  /// The launch. Written only while no block is left or being run; atomic since
  /// members may look at it too late, and then take nothing.
  std::atomic<HybridKernelFn> fn{nullptr};
  std::atomic<const uint64_t *> args{nullptr};
  std::atomic<int64_t> blocks{0}, base{0};
  alignas(64) std::atomic<int64_t> pending{0}; ///< blocks not done
  alignas(64) std::atomic<uint32_t> launch{0}; ///< its number
  std::atomic<int> sleepers{0};
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> threads;
};

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_THREADTEAM_H
