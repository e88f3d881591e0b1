//===- QuantizedPanels.h - bytes of #hybrid.quantization ---------*- C++
//-*-===//

#ifndef HYBRID_LIB_COMPILER_QUANTIZEDPANELS_H
#define HYBRID_LIB_COMPILER_QUANTIZEDPANELS_H

#include "Bundle.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hybrid {

/// Writes panels of columns of a weight as #hybrid.quantization lays them out,
/// one after the other, so that there is never more than one in memory.
class QuantizedPanels {
public:
  /// Copies `size` bytes at `offset` of the weight's bytes in the file.
  using CopyFn = std::function<void(uint64_t offset, uint64_t size, char *to)>;

  /// `weight` has panels and a quantization. `scales` and `zeroPoints` are the
  /// bytes of its integers' scales and zero points, if the file has integers.
  QuantizedPanels(const WeightRef &weight, CopyFn copy,
                  llvm::ArrayRef<char> scales, llvm::ArrayRef<char> zeroPoints)
      : panels(*weight.panels), form(*weight.quantization), copy(copy),
        scales(scales), zeroPoints(zeroPoints) {}

  /// Fills `panel`, of form.getPanelBytes, with the columns from `first` on.
  /// Returns an empty string or what went wrong.
  std::string fill(uint64_t first, std::vector<char> &panel);

private:
  using Integers = WeightRef::Integers;
  /// Where a column of the panel lies in it, block by block.
  struct Column {
    std::vector<char> &panel;
    uint64_t number;
  };

  uint64_t getBlockBytes() const {
    return form.getColumnBytes() * panels.width;
  }
  char *wordOf(const Column &column, uint64_t block, uint64_t word) const;
  void setScale(const Column &column, uint64_t block, const char *scale) const;
  void setZeroPoint(const Column &column, uint64_t block, uint8_t zero) const;
  void copyIntegers(uint64_t first, std::vector<char> &panel);
  void copyColumn(const Integers &integers, const Column &column, uint64_t j);
  uint32_t readWord(uint64_t row, uint64_t j) const;
  std::string quantize(uint64_t first, std::vector<char> &panel);
  bool quantizeColumn(const Column &column, llvm::ArrayRef<float> numbers);
  float round(float scale, char *bytes) const;

  const WeightRef::Panels &panels;
  const WeightRef::Quantization &form;
  CopyFn copy;
  llvm::ArrayRef<char> scales, zeroPoints;
  /// Bytes of the file: a column, or of each row `lineBytes` from `firstByte`
  /// on.
  std::vector<char> line;
  uint64_t lineBytes = 0, firstByte = 0;
  std::vector<float> numbers;
};

} // namespace hybrid

#endif // HYBRID_LIB_COMPILER_QUANTIZEDPANELS_H
