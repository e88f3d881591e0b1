//===- Module.cpp - loading artifacts -------------------------------------===//

#include "Module.h"
#include "CPUDevice.h"
#include "CPUFeatures.h"
#include "CUDADevice.h"
#include "Text.h"

#include <atomic>
#include <climits>
#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

using namespace hybrid;

Module::Module(const std::string &path, uint32_t flags) : file(path) {
  const bool describe = flags & HYBRID_OPEN_DESCRIBE;
  if (!describe) {
    checkTarget();
    file.checkCode();
  }
  if (flags & HYBRID_OPEN_VERIFY_WEIGHTS) {
    if (describe)
      file.checkCode();
    file.checkWeights();
  }
  if (describe)
    return;
  mapWeights();
  loadCode();
}

Module::~Module() {
  if (library)
    dlclose(library);
}

//===----------------------------------------------------------------------===//
// Target
//===----------------------------------------------------------------------===//

static std::string missingFeatures(const Target &target) {
  std::vector<std::string> missing, unknown;
  std::vector<std::string> needed = featuresOfLevel(target.cpu);
  for (const std::string &feature : target.features) {
    if (feature[0] != '-') // a feature that is not used
      needed.push_back(feature[0] == '+' ? feature.substr(1) : feature);
  }
  for (const std::string &feature : needed)
    switch (cpuSupports(feature)) {
    case FeatureSupport::Yes:
      break;
    case FeatureSupport::No:
      missing.push_back(feature);
      break;
    case FeatureSupport::Unknown:
      unknown.push_back(feature);
      break;
    }
  if (!missing.empty())
    return "it needs CPU features that this machine does not have: " +
           join(missing, ", ");
  if (!unknown.empty())
    return "it needs CPU features that this runtime does not know: " +
           join(unknown, ", ");
  return {};
}

void Module::checkTarget() const {
  const Target &target = file.manifest.target;
  const std::string arch = target.triple.substr(0, target.triple.find('-'));
  std::string problem;
  if (target.device != "cpu" && target.device != "cuda")
    problem = "it is compiled for the device '" + target.device +
              "', this runtime has 'cpu' and 'cuda'";
  else if (arch != hostArchitecture() || file.machine != hostElfMachine())
    problem = "it is compiled for '" + target.triple + "' (ELF machine " +
              std::to_string(file.machine) + "), this machine is " +
              hostArchitecture();
  else if (target.triple.find("linux") == std::string::npos)
    problem =
        "it is compiled for '" + target.triple + "', this system is linux";
  else
    problem = missingFeatures(target);
  if (!problem.empty())
    throw RuntimeError(HYBRID_INCOMPATIBLE,
                       "'" + file.path + "' cannot run here: " + problem +
                           "; compile the model for this machine");
}

//===----------------------------------------------------------------------===//
// Mapping
//===----------------------------------------------------------------------===//

void Module::mapWeights() {
  alignas(HYBRID_BUFFER_ALIGNMENT) static const char none[1] = {};
  weightsMemory = none;
  if (file.weightsBytes == 0)
    return;
  // The section starts at a multiple of 4096; pages may be larger.
  const uint64_t page = uint64_t(sysconf(_SC_PAGESIZE));
  const uint64_t before = file.weightsOffset % page;
  weightsMapping = Mapping::ofFile(file.fd, file.weightsOffset - before,
                                   file.weightsBytes + before,
                                   "the weights of '" + file.path + "'");
  weightsMemory = weightsMapping.data() + before;
}

/// `name` in `library`.
static void *symbolIn(void *library, const std::string &name,
                      const std::string &path) {
  if (void *address = dlsym(library, name.c_str()))
    return address;
  throw RuntimeError(HYBRID_BAD_FILE,
                     "'" + path + "': the code has no function '" + name + "'");
}

/// A spelling of "nothing" in a path that no other call returns.
static std::string uniqueDetour() {
  static std::atomic<uint64_t> calls{0};
  std::string detour;
  for (uint64_t rest = ++calls; rest; rest >>= 1)
    detour += rest & 1 ? "././" : ".//";
  return detour;
}

/// A path under which dlopen finds the very file that was checked. By its name
/// it could have been replaced since, and dlopen hands out the old code for
/// every name by which a file that is still loaded was ever opened; so no name
/// is used twice, as descriptors are.
static std::string pathToOpen(const ArtifactFile &file) {
  const std::string descriptor =
      "/proc/self/fd/" + uniqueDetour() + std::to_string(file.fd);
  if (!access(descriptor.c_str(), R_OK))
    return descriptor;
  // Without /proc. dlopen searches the library path for names without a slash.
  char *absolute = realpath(file.path.c_str(), nullptr);
  const std::string path = absolute ? absolute : "";
  std::free(absolute);
  if (path.empty())
    throw RuntimeError(HYBRID_IO_ERROR, "cannot resolve '" + file.path + "'");
  return path;
}

void Module::loadCode() {
  // Generated code calls libm; a host that was itself loaded with local symbols
  // would hide it.
  dlopen("libm.so.6", RTLD_NOW | RTLD_GLOBAL);
  const std::string path = pathToOpen(file);
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    throw RuntimeError(HYBRID_BAD_FILE, "cannot load the code of '" +
                                            file.path + "': " + dlerror());
  try {
    for (const Entry &entry : file.manifest.entries) {
      EntryPoint point;
      point.run = reinterpret_cast<HybridEntryFn>(
          symbolIn(library, entry.function, file.path));
      point.shapes = reinterpret_cast<HybridShapesFn>(
          symbolIn(library, entry.shapes, file.path));
      entryPoints.push_back(point);
    }
  } catch (...) {
    dlclose(library);
    throw;
  }
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

const void *Module::symbol(const std::string &name) const {
  return symbolIn(library, name, file.path);
}

std::shared_ptr<const CUDAImage> Module::onGPU(int ordinal) const {
  std::lock_guard<std::mutex> lock(imagesMutex);
  std::shared_ptr<const CUDAImage> image = images[ordinal].lock();
  if (!image) {
    image = std::make_shared<CUDAImage>(*this, ordinal);
    images[ordinal] = image;
  }
  return image;
}

std::unique_ptr<Device>
hybrid::createDevice(const std::shared_ptr<const Module> &module,
                     const std::string &name, int threads) {
  const std::string &own = module->manifest().target.device;
  const std::string &wanted = name.empty() ? own : name;
  const int ordinal = cudaOrdinal(wanted);
  if (wanted != "cpu" && ordinal < 0)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "there is no device '" + wanted +
                           "': use cpu, cuda or cuda:N");
  if ((ordinal >= 0) != (own == "cuda"))
    throw RuntimeError(HYBRID_INCOMPATIBLE,
                       "the model is compiled for '" + own +
                           "' and does not run on '" + wanted +
                           "'; compile it for that");
  if (ordinal >= 0)
    return std::unique_ptr<Device>(
        new CUDADevice(module, module->onGPU(ordinal)));
  return std::unique_ptr<Device>(new CPUDevice(
      threads, module->manifest().kernels.size(), module->weights()));
}

//===----------------------------------------------------------------------===//
// Queries
//===----------------------------------------------------------------------===//

const Module::EntryPoint *Module::entryFor(const int64_t *symbols,
                                           int &index) const {
  for (size_t i = 0; i < entryPoints.size(); ++i) {
    bool holds = true;
    for (const auto &requirement : manifest().entries[i].requirements)
      holds &= symbols[requirement.first] == requirement.second;
    if (!holds)
      continue;
    index = int(i);
    return &entryPoints[i];
  }
  return nullptr;
}

size_t Module::numShapeDims() const {
  size_t count = 0;
  for (const Value &input : manifest().inputs)
    count += input.dims.size();
  for (const Value &output : manifest().outputs)
    count += output.dims.size();
  return count;
}
