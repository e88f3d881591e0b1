//===- QuantizedWeight.cpp - numbers of quantised panels ------------------===//

#include "QuantizedWeight.h"

using namespace mlir;

namespace hybrid {

/// One number of type `element` per column, which lie side by side from byte
/// `at` of the block on.
Value QuantizedWeight::loadBytes(Value panelIndex, Value block, Value at,
                                 Type element) {
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  Value loaded =
      vector::LoadOp::create(b, VectorType::get({lanes * bytes}, b.getI8Type()),
                             weight, ValueRange{panelIndex, block, at});
  if (element.isInteger(8))
    return loaded;
  return vector::BitCastOp::create(b, VectorType::get({lanes}, element),
                                   loaded);
}

Value QuantizedWeight::constant(int64_t bits) {
  return arith::ConstantOp::create(
      b, DenseElementsAttr::get(VectorType::get({lanes}, b.getI32Type()),
                                b.getI32IntegerAttr(bits)));
}

Value QuantizedWeight::loadWords(Value panelIndex, Value block, Value word,
                                 int64_t column) {
  Value at = b.addI(b.mulI(word, b.index(4 * panel)), b.index(4 * column));
  return loadBytes(panelIndex, block, at, b.getI32Type());
}

Value QuantizedWeight::loadScales(Value panelIndex, Value block,
                                  int64_t column) {
  int64_t at = panel * getWordsPerBlock() * 4 + column * form.getScaleBytes();
  return b.toCompute(
      loadBytes(panelIndex, block, b.index(at), form.getScale()));
}

Value QuantizedWeight::loadZeros(Value panelIndex, Value block,
                                 int64_t column) {
  if (!form.getZeroPoints())
    return b.splat(b.real(1 << (form.getBits() - 1)), lanes);
  int64_t at = panel * (getWordsPerBlock() * 4 + form.getScaleBytes()) + column;
  Value zeros = loadBytes(panelIndex, block, b.index(at), b.getI8Type());
  VectorType type = VectorType::get({lanes}, b.getI32Type());
  return arith::SIToFPOp::create(b, type.clone(b.getComputeType()),
                                 arith::ExtUIOp::create(b, type, zeros));
}

Value QuantizedWeight::getIntegers(Value words, int64_t i) {
  int64_t bits = form.getBits();
  if (i > 0)
    words = arith::ShRUIOp::create(b, words, constant(i * bits));
  if (i + 1 < getRowsPerWord())
    words = arith::AndIOp::create(b, words, constant((1 << bits) - 1));
  auto type = cast<VectorType>(words.getType());
  return arith::SIToFPOp::create(b, type.clone(b.getComputeType()), words);
}

Value QuantizedWeight::getMantissas(Value words, int64_t i) {
  constexpr int64_t kMantissa = 23;
  int64_t bits = form.getBits(), shift = kMantissa - bits - i * bits;
  if (shift > 0)
    words = arith::ShLIOp::create(b, words, constant(shift));
  if (shift < 0)
    words = arith::ShRUIOp::create(b, words, constant(-shift));
  int64_t mask = ((int64_t(1) << bits) - 1) << (kMantissa - bits);
  words = arith::AndIOp::create(b, words, constant(mask));
  words = arith::OrIOp::create(b, words, constant(0x3f800000));
  auto type = cast<VectorType>(words.getType());
  return arith::BitcastOp::create(b, type.clone(b.getComputeType()), words);
}

SmallVector<Value> QuantizedWeight::dequantize(Value words, Value scales,
                                               Value zeros) {
  SmallVector<Value> numbers;
  for (int64_t i = 0; i < getRowsPerWord(); ++i)
    numbers.push_back(b.mul(b.sub(getIntegers(words, i), zeros), scales));
  return numbers;
}

} // namespace hybrid
