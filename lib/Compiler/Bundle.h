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
    uint64_t offset = 0, length = 0;
    std::vector<char> data = {};
  };
  /// How the matrix is stored: `width` columns of all rows, then the next,
  /// filled up with zeros. Sizes are those after transposition.
  struct Panels {
    uint64_t rows = 0, columns = 0, width = 0;
    uint64_t bytes = 0; ///< of an element
    bool isTransposed = false;
  };
  enum class FloatType { F64, F32, F16, BF16 };
  static uint64_t getBytes(FloatType type) {
    return type == FloatType::F64 ? 8 : type == FloatType::F32 ? 4 : 2;
  }
  /// What a file has instead of numbers, see hybrid.dequantize_weight: the
  /// parts are integers, blocks run along the panels' rows.
  struct Integers {
    uint64_t rowBytes = 0, block = 0;
    bool isSigned = false;
    uint32_t zeroPoint = 0;
    Part scales;
    uint64_t scaleRows = 0, scaleColumns = 0;
    std::optional<Part> zeroPoints;
  };
  /// What the panels hold instead of numbers, see #hybrid.quantization.
  struct Quantization {
    uint64_t bits = 0, block = 0;
    FloatType scale = FloatType::F16;
    bool hasZeroPoints = false;
    /// The numbers' type in the file, if it has no integers.
    FloatType element = FloatType::F32;
    std::optional<Integers> integers;

    uint64_t getColumnBytes() const {
      return block * bits / 8 + getBytes(scale) + hasZeroPoints;
    }
  };
  std::vector<Part> parts;
  uint64_t rows = 1, at = 0;
  std::optional<Panels> panels;
  std::optional<Quantization> quantization;

  /// Bytes in the section, and of a panel.
  uint64_t getLength() const;
  uint64_t getPanelBytes() const;
};

/// Writes the artifact `path`; weights are read from the folder of `model`
/// while they are written. Returns an empty string or what went wrong.
std::string
writeBundleFile(const std::string &path, llvm::ArrayRef<char> shared,
                const std::string &manifest, const std::string &model,
                const std::vector<WeightRef> &weights, uint64_t weightBytes);

} // namespace hybrid

#endif // HYBRID_LIB_COMPILER_BUNDLE_H
