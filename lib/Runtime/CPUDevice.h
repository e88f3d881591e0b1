//===- CPUDevice.h - launches on a team of threads --------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_CPUDEVICE_H
#define HYBRID_LIB_RUNTIME_CPUDEVICE_H

#include "Device.h"
#include "ThreadTeam.h"

#include <vector>

namespace hybrid {

/// The context of host programs: runs the blocks of a launch on threads, one
/// launch after another.
class CPUDevice : public Device {
public:
  /// `threads`: 0 for one per CPU that the process may use. Throws
  /// RuntimeError.
  CPUDevice(int threads, size_t numKernels, const void *weights);

  bool sharesMemory() const override { return true; }
  int numThreads() const override { return threads; }
  void *allocate(uint64_t bytes, const std::string &what) override;
  void release(void *memory, uint64_t bytes) override;
  void clear(void *memory, uint64_t bytes) override;
  void read(void *host, const void *memory, uint64_t bytes) override;
  void write(void *memory, const void *host, uint64_t bytes) override;
  void copy(void *to, const void *from, uint64_t bytes) override;
  void zero(void *memory, uint64_t bytes) override;
  void synchronize() override {}
  void profile(bool enable) override;
  const HybridKernelStats &stats(size_t kernel) const override {
    return counts[kernel];
  }
  /// One block per thread.
  double launchOverhead() override;
  const void *weights() const override { return weightsMemory; }

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
  const void *weightsMemory;
};

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_CPUDEVICE_H
