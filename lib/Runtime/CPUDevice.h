//===- CPUDevice.h - launches on a team of threads --------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_CPUDEVICE_H
#define HYBRID_LIB_RUNTIME_CPUDEVICE_H

#include "ThreadTeam.h"
#include "hybrid/Runtime/ABI.h"
#include "hybrid/Runtime/Runtime.h"

#include <vector>

namespace hybrid {

/// The context of host programs: runs the blocks of a launch on threads, one
/// launch after another.
class CPUDevice : public HybridContext {
public:
  /// `threads`: 0 for one per CPU that the process may use. Throws
  /// RuntimeError.
  CPUDevice(int threads, size_t numKernels);
  CPUDevice(const CPUDevice &) = delete;
  CPUDevice &operator=(const CPUDevice &) = delete;

  int numThreads() const { return threads; }

  /// Starts counting from zero, or stops.
  void profile(bool enable);
  const HybridKernelStats &stats(size_t kernel) const { return counts[kernel]; }

  /// Nanoseconds of a launch that does nothing, one block per thread.
  double launchOverhead();

private:
  static void launchBlocks(HybridContext *context, HybridKernelFn fn,
                           int64_t index, int64_t grid, const uint64_t *args,
                           int64_t numArgs);
  static void launchCounted(HybridContext *context, HybridKernelFn fn,
                            int64_t index, int64_t grid, const uint64_t *args,
                            int64_t numArgs);
  void runBlocks(HybridKernelFn fn, int64_t grid, const uint64_t *args);

  int threads;
  std::unique_ptr<ThreadTeam> team; ///< null for one thread
  std::vector<HybridKernelStats> counts;
};

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_CPUDEVICE_H
