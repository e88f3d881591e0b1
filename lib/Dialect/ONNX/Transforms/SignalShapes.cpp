//===- SignalShapes.cpp - Shapes of signal and random operators -----------===//

#include "ShapeInference.h"

using namespace mlir;
using namespace hybrid::onnx;

static LogicalResult window(OpShape &op) {
  op.set(0, Shape{op.sizeElement(0, 0)});
  return success();
}

static LogicalResult melWeightMatrix(OpShape &op) {
  Expr bins = op.math.floorDiv(op.sizeElement(1, 0), op.constant(2));
  op.set(0, Shape{op.math.add(bins, op.constant(1)), op.sizeElement(0, 0)});
  return success();
}

static LogicalResult dft(OpShape &op) {
  const Shape *input = op.shape(0);
  if (!input || input->size() < 2)
    return success();
  // The default axis changed with operator set 20.
  int64_t stated = getOpsetVersion(op.op) < 20 ? 1 : -2;
  if (op.has(2)) {
    std::optional<SmallVector<int64_t>> given = op.constants(2);
    if (!given || given->size() != 1) {
      op.set(0, Shape(input->size()));
      return success();
    }
    stated = given->front();
  }
  std::optional<int64_t> axis = op.axis(stated, input->size());
  if (!axis)
    return failure();
  Shape result = *input;
  SymbolicAlgebra &math = op.math;
  bool onesided = op.integer("onesided", 0), inverse = op.integer("inverse", 0);
  Expr length = op.has(1) ? op.sizeElement(1, 0) : result[*axis];
  if (onesided && inverse) {
    // From half a spectrum back to real numbers.
    if (!op.has(1))
      length = math.mul(math.sub(length, op.constant(1)), op.constant(2));
  } else if (onesided) {
    length = math.add(math.floorDiv(length, op.constant(2)), op.constant(1));
  }
  result[*axis] = length;
  result.back() = op.constant(onesided && inverse ? 1 : 2);
  op.set(0, std::move(result));
  return success();
}

static LogicalResult stft(OpShape &op) {
  const Shape *signal = op.shape(0);
  Expr one = op.constant(1), length = op.sizeElement(3, 0);
  if (const Shape *windowShape = op.shape(2);
      windowShape && windowShape->size() == 1)
    length = windowShape->front();
  Expr frames, bins = length;
  if (signal && signal->size() >= 2)
    frames = op.math.add(op.math.floorDiv(op.math.sub((*signal)[1], length),
                                          op.sizeElement(1, 0)),
                         one);
  if (op.integer("onesided", 1))
    bins = op.math.add(op.math.floorDiv(length, op.constant(2)), one);
  op.set(0, Shape{signal ? signal->front() : Expr(), frames, bins,
                  op.constant(2)});
  return success();
}

static LogicalResult multinomial(OpShape &op) {
  const Shape *input = op.shape(0);
  op.set(0, Shape{input && !input->empty() ? input->front() : Expr(),
                  op.constant(op.integer("sample_size", 1))});
  return success();
}

static LogicalResult random(OpShape &op) {
  std::optional<SmallVector<int64_t>> sizes = op.list("shape");
  if (!sizes)
    return success();
  Shape result;
  for (int64_t size : *sizes)
    result.push_back(op.constant(size));
  op.set(0, std::move(result));
  return success();
}

void hybrid::onnx::addSignalShapes(ShapeFunctions &functions) {
  functions["BlackmanWindow"] = window;
  functions["HammingWindow"] = window;
  functions["HannWindow"] = window;
  functions["DFT"] = dft;
  functions["MelWeightMatrix"] = melWeightMatrix;
  functions["Multinomial"] = multinomial;
  functions["RandomNormal"] = random;
  functions["RandomUniform"] = random;
  functions["STFT"] = stft;
}
