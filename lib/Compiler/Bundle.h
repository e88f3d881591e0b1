//===- Bundle.h - from code and weight references to a file ------*- C++
//-*-===//

#ifndef HYBRID_LIB_COMPILER_BUNDLE_H
#define HYBRID_LIB_COMPILER_BUNDLE_H

#include "llvm/ADT/ArrayRef.h"

#include <optional>
#include <string>
#include <vector>

namespace hybrid {

/// A weight at `at` in the weights section: a matrix each of whose `rows` is
/// one of each part, one behind another; a part is `length` bytes at `offset`
/// of `file`, beside the model, of as many rows, or `data` if that is given.
struct WeightRef {
  struct Part {
    std::string file;
    uint64_t offset, length;
    std::vector<char> data;
  };
  /// How the matrix is stored: `width` columns of all rows, then the next,
  /// filled up with zeros. Sizes are those after transposition.
  struct Panels {
    uint64_t rows = 0, columns = 0, width = 0;
    uint64_t bytes = 0; ///< of an element
    bool isTransposed = false;
  };
  std::vector<Part> parts;
  uint64_t rows = 1, at = 0;
  std::optional<Panels> panels;

  /// Bytes in the section.
  uint64_t getLength() const;
};

/// Writes the artifact `path`; weights are read from the folder of `model`
/// while they are written. Returns an empty string or what went wrong.
std::string
writeBundleFile(const std::string &path, llvm::ArrayRef<char> shared,
                const std::string &manifest, const std::string &model,
                const std::vector<WeightRef> &weights, uint64_t weightBytes);

} // namespace hybrid

#endif // HYBRID_LIB_COMPILER_BUNDLE_H
