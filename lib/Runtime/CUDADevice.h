//===- CUDADevice.h - launches on an NVIDIA GPU -----------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_CUDADEVICE_H
#define HYBRID_LIB_RUNTIME_CUDADEVICE_H

#include "CUDADriver.h"
#include "Device.h"

#include <vector>

namespace hybrid {

/// A module's kernels and weights on one GPU, shared by its sessions.
class CUDAImage {
public:
  /// Loads the machine code if it is for this GPU, else the PTX, which the
  /// driver compiles; uploads the weights. Throws RuntimeError.
  CUDAImage(const Module &module, int ordinal);
  ~CUDAImage();
  CUDAImage(const CUDAImage &) = delete;
  CUDAImage &operator=(const CUDAImage &) = delete;

  /// Makes the GPU that of the calling thread.
  void use() const { driver.cuCtxSetCurrent(context); }
  /// Throws if `result` is an error that `what` met.
  void check(CUresult result, const std::string &what) const;

  const CUDADriver &driver;
  std::vector<CUfunction> kernels; ///< in the manifest's order
  CUdeviceptr weights = 0;

private:
  void load(const Module &module);
  void upload(const Module &module);
  void close();

  std::string name; ///< of the GPU
  CUdevice device = 0;
  CUcontext context = nullptr;
  CUmodule code = nullptr;
};

/// One stream of launches and copies. The launches between two copies become a
/// graph, which is kept: the next call with the same kernels changes what
/// arguments of it differ and launches it as a whole.
class CUDADevice : public Device {
public:
  CUDADevice(std::shared_ptr<const Module> module,
             std::shared_ptr<const CUDAImage> image);
  ~CUDADevice() override;

  bool sharesMemory() const override { return false; }
  int numThreads() const override { return 1; }
  void *allocate(uint64_t bytes, const std::string &what) override;
  void release(void *memory, uint64_t bytes) override;
  void clear(void *memory, uint64_t bytes) override { zero(memory, bytes); }
  void read(void *host, const void *memory, uint64_t bytes) override;
  void write(void *memory, const void *host, uint64_t bytes) override;
  void copy(void *to, const void *from, uint64_t bytes) override;
  void zero(void *memory, uint64_t bytes) override;
  void synchronize() override;
  void profile(bool enable) override;
  const HybridKernelStats &stats(size_t kernel) const override {
    return counts[kernel];
  }
  double launchOverhead() override;
  const void *weights() const override;

private:
  /// A launch between two events.
  struct Timed {
    size_t kernel;
    uint64_t blocks;
    CUevent begin, end;
  };

  struct Launch {
    size_t kernel = 0;
    int64_t grid = 0;
    std::vector<uint64_t> args; ///< at least one
  };
  struct Graph {
    std::vector<Launch> launches;
    std::vector<CUgraphNode> nodes;
    CUgraph graph = nullptr;
    CUgraphExec exec = nullptr;
  };

  static void launchBlocks(HybridContext *context, HybridKernelFn fn,
                           int64_t index, int64_t grid, const uint64_t *args,
                           int64_t numArgs);
  void launchNow(size_t kernel, int64_t grid, const uint64_t *args);
  /// Launches what launchBlocks has put together.
  void flush();
  CUkernelNodeParams nodeParams(const Launch &launch, void **params) const;
  Graph *findGraph();
  CUresult build(Graph &graph);
  CUresult update(Graph &graph);
  void destroy(Graph &graph);
  std::string describe(int64_t index, int64_t grid) const;
  CUevent takeEvent();
  void collect();

  std::shared_ptr<const Module> owner;
  std::shared_ptr<const CUDAImage> image;
  const CUDADriver &driver;
  CUstream stream = nullptr;
  /// What the first launch that failed met; launches have nobody to tell.
  std::string failure;
  bool waitsForEach = false; ///< HYBRID_CUDA_SYNC is set
  bool usesGraphs = true;    ///< HYBRID_CUDA_GRAPHS is not 0
  /// The first `numPending` are to be launched; the others keep their memory.
  std::vector<Launch> pending;
  size_t numPending = 0;
  std::vector<Graph> graphs;
  bool isCounting = false;
  std::vector<HybridKernelStats> counts;
  std::vector<Timed> timed;
  std::vector<CUevent> events;
};

/// Ordinal of "cuda" or "cuda:N"; -1 for another name.
int cudaOrdinal(const std::string &name);

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_CUDADEVICE_H
