//===- Module.h - a loaded artifact -----------------------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_MODULE_H
#define HYBRID_LIB_RUNTIME_MODULE_H

#include "Memory.h"
#include "hybrid/Runtime/ABI.h"
#include "hybrid/Runtime/Artifact.h"

#include <map>
#include <memory>
#include <mutex>

namespace hybrid {

class CUDAImage;

/// The code and the weights of a `.hyb` file. Immutable.
class Module {
public:
  struct EntryPoint {
    HybridEntryFn run;
    HybridShapesFn shapes;
  };

  /// `flags`: HybridOpenFlags. Throws RuntimeError.
  Module(const std::string &path, uint32_t flags);
  ~Module();
  Module(const Module &) = delete;
  Module &operator=(const Module &) = delete;

  const Manifest &manifest() const { return file.manifest; }
  const std::string &manifestText() const { return file.manifestText; }
  bool hasCode() const { return library != nullptr; }
  const void *weights() const { return weightsMemory; }
  /// A symbol of the code that the manifest names. Throws RuntimeError.
  const void *symbol(const std::string &name) const;
  /// The kernels and weights on a GPU, uploaded when first asked for. Throws
  /// RuntimeError.
  std::shared_ptr<const CUDAImage> onGPU(int ordinal) const;

  /// The first entry whose requirements hold for the symbols' values; null if
  /// there is none.
  const EntryPoint *entryFor(const int64_t *symbols, int &index) const;

  /// Total number of dimensions of all inputs and outputs: what a shapes
  /// function writes.
  size_t numShapeDims() const;

private:
  void checkTarget() const;
  void loadCode();
  void mapWeights();

  ArtifactFile file;
  void *library = nullptr;
  std::vector<EntryPoint> entryPoints;
  Mapping weightsMapping;
  const void *weightsMemory = nullptr;
  /// Per GPU, as long as a session uses it.
  mutable std::map<int, std::weak_ptr<const CUDAImage>> images;
  mutable std::mutex imagesMutex;
};

} // namespace hybrid

struct HybridModule {
  std::shared_ptr<const hybrid::Module> module;
};

#endif // HYBRID_LIB_RUNTIME_MODULE_H
