//===- Indexing.cpp - Positions in tensors, known or not ------------------===//

#include "Indexing.h"

using namespace mlir;
using namespace hybrid;

std::optional<Shape> hybrid::getKnownElements(Lowering &lowering, Value value) {
  if (std::optional<SmallVector<int64_t>> ints = lowering.constantInts(value)) {
    Shape result;
    for (int64_t element : *ints)
      result.push_back(lowering.fixed(element));
    return result;
  }
  std::optional<SmallVector<AffineExpr>> elements =
      lowering.symbols.getElements(value);
  if (!elements)
    return std::nullopt;
  for (AffineExpr element : *elements)
    if (lowering.symbols.dependsOnData(element))
      return std::nullopt;
  return Shape(elements->begin(), elements->end());
}

std::optional<AffineExpr> hybrid::resolveIndex(Lowering &lowering,
                                               AffineExpr index,
                                               AffineExpr size,
                                               AffineExpr last) {
  // Beyond this, constants mean "as far as possible" and sums would overflow.
  constexpr int64_t kFar = int64_t(1) << 60;
  onnx::SymbolicShapes &symbols = lowering.symbols;
  AffineExpr zero = lowering.fixed(0);
  if (std::optional<int64_t> constant = lowering.getFixed(index)) {
    if (*constant >= kFar)
      return last;
    if (*constant <= -kFar)
      return zero;
  }
  index = symbols.simplify(index);
  if (symbols.isAtLeast(index, 0))
    return symbols.getMax(symbols.getMin(index, last), zero);
  if (symbols.isAtLeast(symbols.simplify(-index), 1))
    return symbols.getMax(symbols.getMin(symbols.simplify(index + size), last),
                          zero);
  return std::nullopt;
}

Tensor hybrid::ensureNonEmpty(Lowering &lowering, const Tensor &tensor,
                              int64_t axis) {
  if (lowering.symbols.isAtLeast(tensor.shape[axis], 1))
    return tensor;
  Shape one = tensor.shape;
  one[axis] = lowering.fixed(1);
  return lowering.concat({tensor, lowering.zeros(one, tensor.getElementType())},
                         axis);
}
