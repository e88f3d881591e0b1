//===- CPUDevice.cpp - launches on a team of threads ----------------------===//

#include "CPUDevice.h"
#include "Memory.h"
#include "hybrid/Runtime/Manifest.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <sched.h>
#include <system_error>

using namespace hybrid;

static constexpr int maxThreads = 1024;

/// CPUs that this process may run on.
static int availableCPUs() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set))
    return 1;
  return std::max(1, std::min(CPU_COUNT(&set), maxThreads));
}

CPUDevice::CPUDevice(int threads, size_t numKernels, const void *weights)
    : threads(threads ? threads : availableCPUs()), counts(numKernels),
      weightsMemory(weights) {
  if (threads < 0 || threads > maxThreads)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "the number of threads must lie in 0 to " +
                           std::to_string(maxThreads));
  launch = launchBlocks;
  if (this->threads == 1)
    return;
  try {
    team.reset(new ThreadTeam(this->threads));
  } catch (const std::system_error &) {
    throw RuntimeError(HYBRID_OUT_OF_MEMORY, "cannot start " +
                                                 std::to_string(this->threads) +
                                                 " threads");
  }
}

void *CPUDevice::allocate(uint64_t bytes, const std::string &what) {
  return Mapping::zeroed(bytes, what).take();
}

void CPUDevice::release(void *memory, uint64_t bytes) {
  Mapping::give(memory, bytes);
}

void CPUDevice::clear(void *memory, uint64_t bytes) {
  Mapping mapping = Mapping::give(memory, bytes);
  mapping.clear();
  mapping.take();
}

void CPUDevice::read(void *host, const void *memory, uint64_t bytes) {
  std::memcpy(host, memory, bytes);
}

void CPUDevice::write(void *memory, const void *host, uint64_t bytes) {
  std::memcpy(memory, host, bytes);
}

void CPUDevice::copy(void *to, const void *from, uint64_t bytes) {
  std::memcpy(to, from, bytes);
}

void CPUDevice::zero(void *memory, uint64_t bytes) {
  std::memset(memory, 0, bytes);
}

void CPUDevice::runBlocks(HybridKernelFn fn, int64_t grid,
                          const uint64_t *args) {
  if (!team || grid == 1) {
    for (int64_t block = 0; block < grid; ++block)
      fn(args, block);
    return;
  }
  team->run(fn, args, grid);
}

void CPUDevice::launchBlocks(HybridContext *context, HybridKernelFn fn, int64_t,
                             int64_t grid, const uint64_t *args, int64_t) {
  if (grid > 0)
    static_cast<CPUDevice *>(context)->runBlocks(fn, grid, args);
}

static uint64_t nowNanoseconds() {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(
                      std::chrono::steady_clock::now().time_since_epoch())
                      .count());
}

void CPUDevice::launchCounted(HybridContext *context, HybridKernelFn fn,
                              int64_t index, int64_t grid, const uint64_t *args,
                              int64_t) {
  CPUDevice &device = *static_cast<CPUDevice *>(context);
  if (grid <= 0)
    return;
  const uint64_t begin = nowNanoseconds();
  device.runBlocks(fn, grid, args);
  const uint64_t end = nowNanoseconds();
  if (index < 0 || size_t(index) >= device.counts.size())
    return;
  HybridKernelStats &stats = device.counts[size_t(index)];
  stats.launches += 1;
  stats.blocks += uint64_t(grid);
  stats.nanoseconds += end - begin;
}

void CPUDevice::profile(bool enable) {
  launch = enable ? launchCounted : launchBlocks;
  if (enable)
    std::fill(counts.begin(), counts.end(), HybridKernelStats());
}

static void doNothing(const uint64_t *, int64_t) {}

double CPUDevice::launchOverhead() {
  constexpr int rounds = 2001;
  std::vector<uint64_t> times(rounds);
  for (uint64_t &time : times) {
    const uint64_t begin = nowNanoseconds();
    runBlocks(doNothing, threads, nullptr);
    time = nowNanoseconds() - begin;
  }
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return double(times[rounds / 2]);
}
