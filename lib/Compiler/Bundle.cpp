//===- Bundle.cpp - from code and weight references to a file -------------===//

#include "Bundle.h"

#include "hybrid/Import/WeightStore.h"
#include "hybrid/Runtime/Artifact.h"

namespace hybrid {

/// Writes the rows of a weight.
static std::string writeWeight(WeightStore &store, const WeightRef &weight,
                               const ByteSink &sink) {
  std::vector<llvm::ArrayRef<char>> parts;
  for (const WeightRef::Part &part : weight.parts) {
    auto bytes = store.get(part.file, part.offset, part.length);
    if (!bytes)
      return toString(bytes.takeError());
    parts.push_back(*bytes);
  }
  for (uint64_t row = 0; row < weight.rows; ++row)
    for (llvm::ArrayRef<char> part : parts) {
      size_t size = part.size() / weight.rows;
      if (!sink(part.data() + row * size, size))
        return "a weight cannot be written";
    }
  return {};
}

std::string
writeBundleFile(const std::string &path, llvm::ArrayRef<char> shared,
                const std::string &manifest, const std::string &model,
                const std::vector<WeightRef> &weights, uint64_t weightBytes) {
  WeightStore store(model);
  std::vector<WeightChunk> chunks;
  for (const WeightRef &weight : weights)
    chunks.push_back({weight.at, weight.getLength(), [&](const ByteSink &sink) {
                        return writeWeight(store, weight, sink);
                      }});
  return writeArtifact(path, shared.data(), shared.size(), manifest,
                       weightBytes, chunks);
}

} // namespace hybrid
