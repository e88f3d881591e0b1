//===- Bundle.h - from code and weight references to a file ------*- C++
//-*-===//

#ifndef HYBRID_LIB_COMPILER_BUNDLE_H
#define HYBRID_LIB_COMPILER_BUNDLE_H

#include "llvm/ADT/ArrayRef.h"

#include <string>
#include <vector>

namespace hybrid {

/// A weight at `at` in the weights section. Each of its `rows` is one of each
/// part, one behind another; a part is `length` bytes at `offset` of `file`,
/// beside the model, of as many rows.
struct WeightRef {
  struct Part {
    std::string file;
    uint64_t offset, length;
  };
  std::vector<Part> parts;
  uint64_t rows, at;

  uint64_t getLength() const {
    uint64_t length = 0;
    for (const Part &part : parts)
      length += part.length;
    return length;
  }
};

/// Writes the artifact `path`; weights are read from the folder of `model`
/// while they are written. Returns an empty string or what went wrong.
std::string
writeBundleFile(const std::string &path, llvm::ArrayRef<char> shared,
                const std::string &manifest, const std::string &model,
                const std::vector<WeightRef> &weights, uint64_t weightBytes);

} // namespace hybrid

#endif // HYBRID_LIB_COMPILER_BUNDLE_H
