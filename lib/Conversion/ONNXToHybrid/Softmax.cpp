//===- Softmax.cpp - ONNX Softmax and LogSoftmax to linalg ----------------===//

#include "Lowering.h"
#include "Scalars.h"

#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"

using namespace mlir;
using namespace hybrid;

/// From version 13 on one axis is normalised; before it was all dimensions from
/// `axis` on.
static bool hasOneAxis(Operation *op, int64_t axis, int64_t rank) {
  return onnx::getOpsetVersion(op) >= 13 || axis == rank - 1;
}

/// exp(x - max) / Σ exp(x - max) or its logarithm along `axis`, in f32 for
/// 16-bit floats.
static Tensor buildSoftmax(Lowering &lowering, const Tensor &input,
                           int64_t axis, bool logarithm) {
  Type elementType = input.getElementType();
  Type compute = getComputeType(elementType);
  Scalars outside{lowering.b, lowering.loc};
  Tensor largest =
      lowering.reduce(input, axis, outside.lowest(compute),
                      [&](OpBuilder &b, Location loc, ValueRange args) {
                        Scalars s{b, loc};
                        return s.max(s.convert(args[0], compute), args[1]);
                      });
  largest = lowering.unsqueeze(largest, axis);
  Tensor shifted =
      lowering.elementwise({input, largest}, input.shape, compute,
                           [&](OpBuilder &b, Location loc, ValueRange args) {
                             Scalars s{b, loc};
                             Value difference =
                                 s.sub(s.convert(args[0], compute), args[1]);
                             return logarithm ? difference : s.exp(difference);
                           });
  Tensor total = lowering.reduce(
      shifted, axis, outside.number(compute, 0.0),
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc};
        return s.add(logarithm ? s.exp(args[0]) : args[0], args[1]);
      });
  total = lowering.unsqueeze(total, axis);
  return lowering.elementwise({shifted, total}, input.shape, elementType,
                              [&](OpBuilder &b, Location loc, ValueRange args) {
                                Scalars s{b, loc};
                                Value result =
                                    logarithm ? s.sub(args[0], s.log(args[1]))
                                              : s.div(args[0], args[1]);
                                return s.convert(result, elementType);
                              });
}

template <typename OpTy>
static LogicalResult lowerSoftmax(OpTy op, Lowering &lowering) {
  int64_t rank = lowering.rank(op.getInput());
  if (!isa<FloatType>(lowering.elementType(op.getInput())))
    return lowering.unsupported(op, "its input is not float");
  std::optional<int64_t> axis = Lowering::normalizeAxis(op.getAxis(), rank);
  if (!axis)
    return lowering.unsupported(op, "axis " + Twine(op.getAxis()) +
                                        " is outside a tensor of rank " +
                                        Twine(rank));
  if (!hasOneAxis(op, *axis, rank))
    return lowering.unsupported(
        op, "before opset 13 it normalises several dimensions",
        "the last axis, or a model converted to opset 13, works");
  constexpr bool logarithm = std::is_same_v<OpTy, onnx::LogSoftmaxOp>;
  lowering.set(
      op.getOutput(),
      buildSoftmax(lowering, lowering.get(op.getInput()), *axis, logarithm));
  return success();
}

void hybrid::registerSoftmax(Registry &registry) {
  registry.add<onnx::SoftmaxOp>(lowerSoftmax<onnx::SoftmaxOp>);
  registry.add<onnx::LogSoftmaxOp>(lowerSoftmax<onnx::LogSoftmaxOp>);
}
