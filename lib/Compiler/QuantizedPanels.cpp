//===- QuantizedPanels.cpp - bytes of #hybrid.quantization ----------------===//
//
// Integers that the file has are only put in another order. Other numbers are
// quantised symmetrically, block by block: of 8 bits the largest magnitude is
// 127 scales; of 4 bits the number of the largest magnitude is -8 scales or
// nearly so, whichever of a few scales leaves the least squared error.
//
//===----------------------------------------------------------------------===//

#include "QuantizedPanels.h"

#include "hybrid/Runtime/Numbers.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace hybrid {

using FloatType = WeightRef::FloatType;

static float toFloat(const char *bytes, FloatType type) {
  if (type == FloatType::F64) {
    double value;
    std::memcpy(&value, bytes, sizeof(value));
    return float(value);
  }
  if (type == FloatType::F32) {
    float value;
    std::memcpy(&value, bytes, sizeof(value));
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return type == FloatType::F16 ? float(float16ToDouble(bits))
                                : bfloat16ToFloat(bits);
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

char *QuantizedPanels::wordOf(const Column &column, uint64_t block,
                              uint64_t word) const {
  return &column.panel[block * getBlockBytes() +
                       (word * panels.width + column.number) * 4];
}

void QuantizedPanels::setScale(const Column &column, uint64_t block,
                               const char *scale) const {
  uint64_t bytes = WeightRef::getBytes(form.scale);
  std::memcpy(&column.panel[block * getBlockBytes() +
                            form.block * form.bits / 8 * panels.width +
                            column.number * bytes],
              scale, bytes);
}

void QuantizedPanels::setZeroPoint(const Column &column, uint64_t block,
                                   uint8_t zero) const {
  uint64_t end = (block + 1) * getBlockBytes();
  column.panel[end - panels.width + column.number] = char(zero);
}

//===----------------------------------------------------------------------===//
// Integers of the file
//===----------------------------------------------------------------------===//

/// The 32 / bits integers from row `row` of column `j` on, from `line`; what
/// lies beyond the last row is anything.
uint32_t QuantizedPanels::readWord(uint64_t row, uint64_t j) const {
  uint64_t perByte = 8 / form.bits, count = 32 / form.bits;
  uint32_t word = 0;
  if (panels.isTransposed) {
    uint64_t at = row / perByte;
    std::memcpy(&word, &line[at], std::min<uint64_t>(4, line.size() - at));
    return word;
  }
  for (uint64_t i = 0; i < count && row + i < panels.rows; ++i) {
    char byte = line[(row + i) * lineBytes + j / perByte - firstByte];
    uint32_t number = uint8_t(byte) >> (j % perByte * form.bits);
    word |= (number & ((1u << form.bits) - 1)) << (i * form.bits);
  }
  return word;
}

void QuantizedPanels::copyColumn(const Integers &integers, const Column &column,
                                 uint64_t j) {
  if (panels.isTransposed) {
    line.resize(integers.rowBytes);
    copy(j * integers.rowBytes, line.size(), line.data());
  }
  // Unsigned numbers are signed ones with another highest bit.
  uint32_t flip = !integers.isSigned ? 0
                  : form.bits == 4   ? 0x88888888
                                     : 0x80808080;
  uint64_t perByte = 8 / form.bits, perWord = 32 / form.bits;
  uint64_t zeroBytes = llvm::divideCeil(integers.scaleColumns, perByte);
  uint64_t scaleBytes = WeightRef::getBytes(form.scale);
  for (uint64_t first = 0, block = 0; first < panels.rows;
       first += form.block, ++block) {
    for (uint64_t word = 0; word < form.block / perWord; ++word) {
      uint64_t row = first + word * perWord;
      if (row >= panels.rows)
        break;
      uint32_t integer = readWord(row, j) ^ flip;
      std::memcpy(wordOf(column, block, word), &integer, 4);
    }
    uint64_t own = first / integers.block;
    uint64_t at[] = {panels.isTransposed ? j : own,
                     panels.isTransposed ? own : j};
    at[0] = std::min(at[0], integers.scaleRows - 1);
    at[1] = std::min(at[1], integers.scaleColumns - 1);
    setScale(column, block,
             &scales[(at[0] * integers.scaleColumns + at[1]) * scaleBytes]);
    if (!form.hasZeroPoints)
      continue;
    uint32_t zero = integers.zeroPoint;
    if (!zeroPoints.empty())
      zero = uint8_t(zeroPoints[at[0] * zeroBytes + at[1] / perByte]) >>
             (at[1] % perByte * form.bits);
    setZeroPoint(column, block, (zero ^ flip) & ((1u << form.bits) - 1));
  }
}

void QuantizedPanels::copyIntegers(uint64_t first, std::vector<char> &panel) {
  uint64_t count = std::min(panels.width, panels.columns - first);
  if (!panels.isTransposed) {
    // The panel's part of each row.
    uint64_t perByte = 8 / form.bits;
    firstByte = first / perByte;
    lineBytes = (first + count - 1) / perByte + 1 - firstByte;
    line.resize(panels.rows * lineBytes);
    for (uint64_t row = 0; row < panels.rows; ++row)
      copy(row * form.integers->rowBytes + firstByte, lineBytes,
           &line[row * lineBytes]);
  }
  for (uint64_t i = 0; i < count; ++i)
    copyColumn(*form.integers, {panel, i}, first + i);
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

/// Stores `scale`; returns what is stored.
float QuantizedPanels::round(float scale, char *bytes) const {
  if (form.scale == FloatType::F32) {
    std::memcpy(bytes, &scale, sizeof(scale));
    return scale;
  }
  uint16_t bits;
  if (form.scale == FloatType::BF16)
    bits = floatToBfloat16(scale);
  else
    bits = floatToFloat16(std::clamp(scale, -65504.0f, 65504.0f));
  std::memcpy(bytes, &bits, sizeof(bits));
  return toFloat(bytes, form.scale);
}

/// False if a number is not finite.
bool QuantizedPanels::quantizeColumn(const Column &column,
                                     llvm::ArrayRef<float> numbers) {
  const float middle = 1 << (form.bits - 1);
  const uint64_t perWord = 32 / form.bits;
  // A sum with this number has no bits for fractions.
  constexpr float kRounding = 0x1.8p23f;
  auto getInteger = [&](float number, float inverse) {
    float limited = std::min(std::max(number * inverse, -middle), middle - 1);
    return (limited + kRounding) - kRounding;
  };
  for (uint64_t first = 0, block = 0; first < numbers.size();
       first += form.block, ++block) {
    llvm::ArrayRef<float> own = numbers.slice(
        first, std::min<uint64_t>(form.block, numbers.size() - first));
    float extreme = 0;
    for (float number : own) {
      if (!std::isfinite(number))
        return false;
      if (std::fabs(number) > std::fabs(extreme))
        extreme = number;
    }
    // How many scales the extreme number is.
    std::vector<float> candidates = {127};
    if (form.bits == 4)
      candidates = {-8, -7.6f, -7.2f, 7.4f, 7};
    float best = 0, bestError = INFINITY;
    char bytes[4];
    for (float steps : candidates) {
      float scale = round(extreme / steps, bytes);
      float inverse = scale == 0 ? 0 : 1 / scale, error = 0;
      if (candidates.size() > 1)
        for (float number : own) {
          float difference = number - getInteger(number, inverse) * scale;
          error += difference * difference;
        }
      if (error < bestError)
        best = scale, bestError = error;
    }
    best = round(best, bytes);
    float inverse = best == 0 ? 0 : 1 / best;
    setScale(column, block, bytes);
    for (uint64_t at = 0; at < own.size(); at += perWord) {
      uint32_t word = 0;
      for (uint64_t i = 0; i < perWord && at + i < own.size(); ++i)
        word |= uint32_t(getInteger(own[at + i], inverse) + middle)
                << (i * form.bits);
      std::memcpy(wordOf(column, block, at / perWord), &word, 4);
    }
  }
  return true;
}

std::string QuantizedPanels::quantize(uint64_t first,
                                      std::vector<char> &panel) {
  uint64_t count = std::min(panels.width, panels.columns - first);
  uint64_t bytes = WeightRef::getBytes(form.element);
  numbers.resize(count * panels.rows);
  // Lines of the file: columns, or the panel's part of rows.
  uint64_t numLines = panels.isTransposed ? count : panels.rows;
  uint64_t length = panels.isTransposed ? panels.rows : count;
  line.resize(length * bytes);
  for (uint64_t i = 0; i < numLines; ++i) {
    uint64_t at = panels.isTransposed ? (first + i) * panels.rows
                                      : i * panels.columns + first;
    copy(at * bytes, line.size(), line.data());
    for (uint64_t k = 0; k < length; ++k)
      numbers[panels.isTransposed ? i * length + k : k * panels.rows + i] =
          toFloat(&line[k * bytes], form.element);
  }
  for (uint64_t i = 0; i < count; ++i)
    if (!quantizeColumn({panel, i}, llvm::ArrayRef<float>(numbers).slice(
                                        i * panels.rows, panels.rows)))
      return "a weight that is to be quantised holds values that are no finite "
             "numbers; compile without --quantize";
  return {};
}

std::string QuantizedPanels::fill(uint64_t first, std::vector<char> &panel) {
  std::fill(panel.begin(), panel.end(), 0);
  if (!form.integers)
    return quantize(first, panel);
  copyIntegers(first, panel);
  return {};
}

} // namespace hybrid
