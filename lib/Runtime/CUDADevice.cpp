//===- CUDADevice.cpp - launches on an NVIDIA GPU -------------------------===//

#include "CUDADevice.h"
#include "Module.h"

#include <algorithm>
#include <cstdlib>

using namespace hybrid;

static CUdeviceptr toDevice(const void *memory) {
  return reinterpret_cast<uintptr_t>(memory);
}

int hybrid::cudaOrdinal(const std::string &name) {
  if (name == "cuda")
    return 0;
  if (name.compare(0, 5, "cuda:") || name.size() < 6 || name.size() > 8)
    return -1;
  for (size_t i = 5; i < name.size(); ++i)
    if (name[i] < '0' || name[i] > '9')
      return -1;
  return std::atoi(name.c_str() + 5);
}

//===----------------------------------------------------------------------===//
// Image
//===----------------------------------------------------------------------===//

CUDAImage::CUDAImage(const Module &module, int ordinal)
    : driver(CUDADriver::get()) {
  int count = 0;
  check(driver.cuDeviceGetCount(&count), "counting GPUs");
  if (ordinal >= count)
    throw RuntimeError(HYBRID_INCOMPATIBLE,
                       "there is no GPU " + std::to_string(ordinal) +
                           ", this machine has " + std::to_string(count));
  check(driver.cuDeviceGet(&device, ordinal), "finding the GPU");
  char text[256] = {};
  driver.cuDeviceGetName(text, sizeof(text) - 1, device);
  name = text;
  check(driver.cuDevicePrimaryCtxRetain(&context, device),
        "starting on the GPU");
  try {
    use();
    load(module);
    upload(module);
  } catch (...) {
    close();
    throw;
  }
}

CUDAImage::~CUDAImage() { close(); }

void CUDAImage::close() {
  use();
  if (weights)
    driver.cuMemFree_v2(weights);
  if (code)
    driver.cuModuleUnload(code);
  driver.cuDevicePrimaryCtxRelease_v2(device);
}

void CUDAImage::check(CUresult result, const std::string &what) const {
  constexpr CUresult outOfMemory = 2;
  if (result)
    throw RuntimeError(result == outOfMemory ? HYBRID_OUT_OF_MEMORY
                                             : HYBRID_INTERNAL,
                       what + ": " + driver.describe(result));
}

void CUDAImage::load(const Module &module) {
  const Manifest &manifest = module.manifest();
  CUresult result = 0;
  for (const Image &image : manifest.images) {
    result = driver.cuModuleLoadData(&code, module.symbol(image.symbol));
    if (!result)
      break;
    code = nullptr;
  }
  if (!code)
    throw RuntimeError(HYBRID_INCOMPATIBLE,
                       "the model is compiled for " + manifest.target.arch +
                           ", which the GPU '" + name + "' does not run (" +
                           driver.describe(result) + ")");
  constexpr uint64_t withoutAsking = 48 << 10;
  for (size_t i = 0; i < manifest.kernels.size(); ++i) {
    const std::string &kernel = manifest.kernels[i];
    CUfunction function;
    check(driver.cuModuleGetFunction(&function, code, kernel.c_str()),
          "finding the kernel '" + kernel + "'");
    const uint64_t shared = manifest.blocks[i].sharedBytes;
    if (shared > withoutAsking)
      check(driver.cuFuncSetAttribute(
                function, CUDA_FUNCTION_MAX_DYNAMIC_SHARED, int(shared)),
            "asking for " + std::to_string(shared) +
                " bytes of shared memory for the kernel '" + kernel + "'");
    kernels.push_back(function);
  }
}

void CUDAImage::upload(const Module &module) {
  const uint64_t bytes = module.manifest().weightsBytes;
  check(driver.cuMemAlloc_v2(&weights, std::max<uint64_t>(bytes, 1)),
        "memory for " + std::to_string(bytes) + " bytes of weights");
  if (!bytes)
    return;
  check(driver.cuMemcpyHtoDAsync_v2(weights, module.weights(), bytes, nullptr),
        "uploading the weights");
  check(driver.cuStreamSynchronize(nullptr), "uploading the weights");
}

//===----------------------------------------------------------------------===//
// Device
//===----------------------------------------------------------------------===//

CUDADevice::CUDADevice(std::shared_ptr<const Module> module,
                       std::shared_ptr<const CUDAImage> theImage)
    : owner(std::move(module)), image(std::move(theImage)),
      driver(image->driver), counts(owner->manifest().kernels.size()) {
  launch = launchBlocks;
  waitsForEach = std::getenv("HYBRID_CUDA_SYNC") != nullptr;
  const char *const graphsWanted = std::getenv("HYBRID_CUDA_GRAPHS");
  usesGraphs = !graphsWanted || std::string(graphsWanted) != "0";
  image->use();
  image->check(driver.cuStreamCreate(&stream, CUDA_STREAM_NON_BLOCKING),
               "making a stream");
}

CUDADevice::~CUDADevice() {
  image->use();
  driver.cuStreamSynchronize(stream);
  for (Graph &graph : graphs)
    destroy(graph);
  for (const Timed &each : timed) {
    driver.cuEventDestroy_v2(each.begin);
    driver.cuEventDestroy_v2(each.end);
  }
  for (CUevent event : events)
    driver.cuEventDestroy_v2(event);
  driver.cuStreamDestroy_v2(stream);
}

const void *CUDADevice::weights() const {
  return reinterpret_cast<const void *>(uintptr_t(image->weights));
}

void *CUDADevice::allocate(uint64_t bytes, const std::string &what) {
  image->use();
  CUdeviceptr memory = 0;
  bytes = std::max<uint64_t>(bytes, 1);
  image->check(driver.cuMemAlloc_v2(&memory, bytes),
               "cannot reserve " + std::to_string(bytes) +
                   " bytes on the GPU for " + what);
  void *const result = reinterpret_cast<void *>(uintptr_t(memory));
  zero(result, bytes);
  return result;
}

void CUDADevice::release(void *memory, uint64_t) {
  image->use();
  flush();
  // What was asked for may still use it.
  driver.cuStreamSynchronize(stream);
  driver.cuMemFree_v2(toDevice(memory));
}

void CUDADevice::read(void *host, const void *memory, uint64_t bytes) {
  if (!bytes)
    return;
  image->use();
  flush();
  if (!failure.empty())
    throw RuntimeError(HYBRID_INTERNAL, failure);
  image->check(
      driver.cuMemcpyDtoHAsync_v2(host, toDevice(memory), bytes, stream),
      "copying from the GPU");
  synchronize();
}

void CUDADevice::write(void *memory, const void *host, uint64_t bytes) {
  if (!bytes)
    return;
  image->use();
  flush();
  // Pageable memory has been read when this returns.
  image->check(
      driver.cuMemcpyHtoDAsync_v2(toDevice(memory), host, bytes, stream),
      "copying to the GPU");
}

void CUDADevice::copy(void *to, const void *from, uint64_t bytes) {
  if (!bytes)
    return;
  image->use();
  flush();
  image->check(
      driver.cuMemcpyDtoDAsync_v2(toDevice(to), toDevice(from), bytes, stream),
      "copying on the GPU");
}

void CUDADevice::zero(void *memory, uint64_t bytes) {
  if (!bytes)
    return;
  image->use();
  flush();
  image->check(driver.cuMemsetD8Async(toDevice(memory), 0, bytes, stream),
               "clearing memory of the GPU");
}

void CUDADevice::synchronize() {
  image->use();
  flush();
  const CUresult result = driver.cuStreamSynchronize(stream);
  if (!failure.empty())
    throw RuntimeError(HYBRID_INTERNAL, failure);
  image->check(result, "a kernel failed on the GPU (with HYBRID_CUDA_SYNC=1 in "
                       "the environment the message names it)");
  collect();
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

std::string CUDADevice::describe(int64_t index, int64_t grid) const {
  const Manifest &manifest = owner->manifest();
  return "kernel '" + manifest.kernels[size_t(index)] + "', " +
         std::to_string(grid) + " blocks of " +
         std::to_string(manifest.blocks[size_t(index)].threads) + " threads, " +
         std::to_string(manifest.blocks[size_t(index)].sharedBytes) +
         " bytes of shared memory";
}

void CUDADevice::launchBlocks(HybridContext *context, HybridKernelFn,
                              int64_t index, int64_t grid, const uint64_t *args,
                              int64_t numArgs) {
  CUDADevice &device = *static_cast<CUDADevice *>(context);
  if (grid <= 0 || !device.failure.empty())
    return;
  if (!device.usesGraphs || device.isCounting || device.waitsForEach)
    return device.launchNow(size_t(index), grid, args);
  if (device.numPending == device.pending.size())
    device.pending.emplace_back();
  Launch &launch = device.pending[device.numPending++];
  launch.kernel = size_t(index);
  launch.grid = grid;
  launch.args.assign(args, args + numArgs);
  if (launch.args.empty())
    launch.args.push_back(0);
}

void CUDADevice::launchNow(size_t kernel, int64_t grid, const uint64_t *args) {
  const BlockShape &block = owner->manifest().blocks[kernel];
  // The kernel's only parameter is the argument array, by value.
  void *params[] = {const_cast<uint64_t *>(args)};
  Timed each = {kernel, uint64_t(grid), nullptr, nullptr};
  if (isCounting) {
    each.begin = takeEvent();
    each.end = takeEvent();
    driver.cuEventRecord(each.begin, stream);
  }
  CUresult result = driver.cuLaunchKernel(
      image->kernels[kernel], unsigned(grid), 1, 1, unsigned(block.threads), 1,
      1, unsigned(block.sharedBytes), stream, params, nullptr);
  if (isCounting) {
    driver.cuEventRecord(each.end, stream);
    timed.push_back(each);
  }
  if (!result && waitsForEach)
    result = driver.cuStreamSynchronize(stream);
  if (result)
    failure = describe(int64_t(kernel), grid) + ": " + driver.describe(result);
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

/// Different sequences of kernels that a session keeps: entries, and those of
/// calls where some launch has nothing to do.
static constexpr size_t mostGraphs = 8;

CUkernelNodeParams CUDADevice::nodeParams(const Launch &launch,
                                          void **params) const {
  const BlockShape &block = owner->manifest().blocks[launch.kernel];
  params[0] = const_cast<uint64_t *>(launch.args.data());
  return {image->kernels[launch.kernel],
          unsigned(launch.grid),
          1,
          1,
          unsigned(block.threads),
          1,
          1,
          unsigned(block.sharedBytes),
          params,
          nullptr};
}

/// The graph of the kernels that are pending; null if there is none.
CUDADevice::Graph *CUDADevice::findGraph() {
  for (Graph &graph : graphs) {
    bool isSame = graph.launches.size() == numPending;
    for (size_t i = 0; isSame && i < numPending; ++i)
      isSame = graph.launches[i].kernel == pending[i].kernel;
    if (isSame)
      return &graph;
  }
  return nullptr;
}

CUresult CUDADevice::build(Graph &graph) {
  graph.launches.assign(pending.begin(), pending.begin() + long(numPending));
  CUresult result = driver.cuGraphCreate(&graph.graph, 0);
  for (const Launch &launch : graph.launches) {
    if (result)
      return result;
    void *params[1];
    const CUkernelNodeParams node = nodeParams(launch, params);
    CUgraphNode added = nullptr;
    // Each launch sees all of those before.
    result = driver.cuGraphAddKernelNode(
        &added, graph.graph,
        graph.nodes.empty() ? nullptr : &graph.nodes.back(),
        graph.nodes.empty() ? 0 : 1, &node);
    graph.nodes.push_back(added);
  }
  return result
             ? result
             : driver.cuGraphInstantiateWithFlags(&graph.exec, graph.graph, 0);
}

CUresult CUDADevice::update(Graph &graph) {
  for (size_t i = 0; i < numPending; ++i) {
    Launch &old = graph.launches[i];
    if (old.grid == pending[i].grid && old.args == pending[i].args)
      continue;
    std::swap(old, pending[i]);
    void *params[1];
    const CUkernelNodeParams node = nodeParams(old, params);
    if (CUresult result = driver.cuGraphExecKernelNodeSetParams(
            graph.exec, graph.nodes[i], &node))
      return result;
  }
  return 0;
}

void CUDADevice::destroy(Graph &graph) {
  if (graph.exec)
    driver.cuGraphExecDestroy(graph.exec);
  if (graph.graph)
    driver.cuGraphDestroy(graph.graph);
}

void CUDADevice::flush() {
  if (!numPending)
    return;
  image->use();
  Graph *graph = findGraph();
  CUresult result = 0;
  if (graph) {
    result = update(*graph);
  } else {
    if (graphs.size() == mostGraphs) {
      driver.cuStreamSynchronize(stream);
      destroy(graphs.front());
      graphs.erase(graphs.begin());
    }
    graphs.emplace_back();
    graph = &graphs.back();
    result = build(*graph);
  }
  if (!result)
    result = driver.cuGraphLaunch(graph->exec, stream);
  numPending = 0;
  if (result && failure.empty())
    failure = "launching " + std::to_string(graph->launches.size()) +
              " kernels as a graph: " + driver.describe(result);
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

CUevent CUDADevice::takeEvent() {
  CUevent event = nullptr;
  if (events.empty()) {
    driver.cuEventCreate(&event, 0);
    return event;
  }
  event = events.back();
  events.pop_back();
  return event;
}

/// Adds up what the events of finished launches say.
void CUDADevice::collect() {
  for (const Timed &each : timed) {
    float milliseconds = 0;
    driver.cuEventElapsedTime(&milliseconds, each.begin, each.end);
    HybridKernelStats &stats = counts[each.kernel];
    stats.launches += 1;
    stats.blocks += each.blocks;
    stats.nanoseconds += uint64_t(double(milliseconds) * 1e6);
    events.push_back(each.begin);
    events.push_back(each.end);
  }
  timed.clear();
}

void CUDADevice::profile(bool enable) {
  synchronize();
  isCounting = enable;
  if (enable)
    std::fill(counts.begin(), counts.end(), HybridKernelStats());
}

/// What two events around nothing say: the part of a counted launch that is not
/// the kernel.
double CUDADevice::launchOverhead() {
  constexpr int rounds = 101;
  std::vector<double> times(rounds);
  image->use();
  for (double &time : times) {
    CUevent begin = takeEvent(), end = takeEvent();
    driver.cuEventRecord(begin, stream);
    driver.cuEventRecord(end, stream);
    driver.cuStreamSynchronize(stream);
    float milliseconds = 0;
    driver.cuEventElapsedTime(&milliseconds, begin, end);
    time = double(milliseconds) * 1e6;
    events.push_back(begin);
    events.push_back(end);
  }
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return times[rounds / 2];
}
