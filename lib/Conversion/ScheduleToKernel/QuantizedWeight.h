//===- QuantizedWeight.h - numbers of quantised panels -----------*- C++
//-*-===//
//
// Reads a weight as #hybrid.quantization lays it out, in vectors of columns.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_QUANTIZEDWEIGHT_H
#define HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_QUANTIZEDWEIGHT_H

#include "LoopBuilder.h"

namespace hybrid {

class QuantizedWeight {
  using Value = mlir::Value;

public:
  /// Of `op`, which has a quantised weight, in vectors of `lanes` columns.
  QuantizedWeight(LoopBuilder &b, MatmulOp op, int64_t lanes)
      : b(b), weight(op.getWeight()), form(op.getQuantizationAttr()),
        panel(op.getPanel()), lanes(lanes) {}

  int64_t getBlock() const { return form.getBlock(); }
  int64_t getNumBlocks() const {
    return mlir::cast<mlir::MemRefType>(weight.getType()).getDimSize(1);
  }
  int64_t getRowsPerWord() const { return form.getRowsPerWord(); }
  int64_t getWordsPerBlock() const { return getBlock() / getRowsPerWord(); }

  /// The words, i32, of the columns from `column` on at place `word` of a
  /// block.
  Value loadWords(Value panelIndex, Value block, Value word, int64_t column);
  /// Scales, and zero points as numbers, of the columns from `column` on.
  Value loadScales(Value panelIndex, Value block, int64_t column);
  Value loadZeros(Value panelIndex, Value block, int64_t column);
  /// Row `i` of words as numbers 0, 1, …
  Value getIntegers(Value words, int64_t i);
  /// Row `i` of words as 1 + q / 2^bits: the integer in the highest bits of a
  /// mantissa, which takes no conversion.
  Value getMantissas(Value words, int64_t i);
  /// The numbers that all rows of words stand for.
  llvm::SmallVector<Value> dequantize(Value words, Value scales, Value zeros);

private:
  Value loadBytes(Value panelIndex, Value block, Value at, mlir::Type element);
  Value constant(int64_t bits);

  LoopBuilder &b;
  Value weight;
  QuantizationAttr form;
  int64_t panel, lanes;
};

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_QUANTIZEDWEIGHT_H
