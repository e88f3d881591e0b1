//===- Bundle.cpp - from code and weight references to a file -------------===//

#include "Bundle.h"

#include "hybrid/Import/WeightStore.h"
#include "hybrid/Runtime/Artifact.h"

namespace hybrid {

std::string
writeBundleFile(const std::string &path, llvm::ArrayRef<char> shared,
                const std::string &manifest, const std::string &model,
                const std::vector<WeightRef> &weights, uint64_t weightBytes) {
  WeightStore store(model);
  std::vector<WeightChunk> chunks;
  for (const WeightRef &weight : weights)
    chunks.push_back(
        {weight.at, weight.length, [&store, &weight](const ByteSink &sink) {
           auto bytes = store.get(weight.file, weight.offset, weight.length);
           if (!bytes)
             return toString(bytes.takeError());
           return sink(bytes->data(), bytes->size())
                      ? std::string()
                      : std::string("a weight cannot be written");
         }});
  return writeArtifact(path, shared.data(), shared.size(), manifest,
                       weightBytes, chunks);
}

} // namespace hybrid
