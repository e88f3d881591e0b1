//===- ElementwiseShapes.cpp - Shapes of elementwise operators ------------===//

#include "ShapeInference.h"

using namespace mlir;
using namespace hybrid::onnx;

/// All results are shaped like the first operand.
static LogicalResult sameAsFirst(OpShape &op) {
  for (unsigned i = 0; i < op.results.size(); ++i)
    op.set(i, op.shape(0));
  return success();
}

/// The result is the broadcast of all operands that are there.
static LogicalResult broadcastAll(OpShape &op) {
  std::optional<Shape> result;
  for (unsigned i = 0; i < op.op->getNumOperands(); ++i) {
    if (!op.has(i))
      continue;
    const Shape *shape = op.shape(i);
    if (!shape)
      return success();
    if (!result) {
      result = *shape;
      continue;
    }
    FailureOr<Shape> combined = op.broadcast(*result, *shape);
    if (failed(combined))
      return failure();
    result = *combined;
  }
  if (result)
    op.set(0, *result);
  return success();
}

/// Normalisation with statistics over the axes from `axis` on.
static LogicalResult normalization(OpShape &op) {
  const Shape *x = op.shape(0);
  if (!x)
    return success();
  op.set(0, x);
  std::optional<int64_t> axis = op.axis(op.integer("axis", -1), x->size());
  if (!axis)
    return failure();
  Shape statistics = *x;
  for (size_t i = *axis; i < statistics.size(); ++i)
    statistics[i] = op.constant(1);
  for (unsigned i = 1; i < op.results.size(); ++i)
    op.set(i, statistics);
  return success();
}

/// com.microsoft SkipLayerNormalization: output, mean, inverse deviation, sum.
static LogicalResult skipNormalization(OpShape &op) {
  const Shape *x = op.shape(0);
  if (!x || x->empty())
    return success();
  if (const Shape *skip = op.shape(1); skip && skip->size() == x->size())
    if (failed(op.require(x->back(), skip->back(), "hidden sizes")))
      return failure();
  Shape statistics = *x;
  statistics.back() = op.constant(1);
  op.set(0, x);
  op.set(1, statistics);
  op.set(2, statistics);
  op.set(3, x);
  return success();
}

static LogicalResult batchNormalization(OpShape &op) {
  op.set(0, op.shape(0));
  op.set(1, op.shape(3));
  op.set(2, op.shape(4));
  return success();
}

/// A float32 scalar and a scalar of the result's type beside it.
static LogicalResult dynamicQuantizeLinear(OpShape &op) {
  op.set(0, op.shape(0));
  op.set(1, Shape());
  op.set(2, Shape());
  return success();
}

void hybrid::onnx::addElementwiseShapes(ShapeFunctions &functions) {
  for (StringRef name : {"Abs",
                         "Acos",
                         "Acosh",
                         "Asin",
                         "Asinh",
                         "Atan",
                         "Atanh",
                         "Bernoulli",
                         "BitCast",
                         "BitwiseNot",
                         "Cast",
                         "CastLike",
                         "Ceil",
                         "Celu",
                         "Clip",
                         "Cos",
                         "Cosh",
                         "CumProd",
                         "CumSum",
                         "DequantizeLinear",
                         "Dropout",
                         "Elu",
                         "Erf",
                         "Exp",
                         "EyeLike",
                         "Floor",
                         "Gelu",
                         "GroupNormalization",
                         "HardSigmoid",
                         "HardSwish",
                         "Hardmax",
                         "Identity",
                         "InstanceNormalization",
                         "IsInf",
                         "IsNaN",
                         "LRN",
                         "LeakyRelu",
                         "Log",
                         "LogSoftmax",
                         "LpNormalization",
                         "MeanVarianceNormalization",
                         "Mish",
                         "Neg",
                         "Not",
                         "PRelu",
                         "QuantizeLinear",
                         "RandomNormalLike",
                         "RandomUniformLike",
                         "Reciprocal",
                         "Relu",
                         "ReverseSequence",
                         "RotaryEmbedding",
                         "Round",
                         "Scatter",
                         "ScatterElements",
                         "ScatterND",
                         "Selu",
                         "Shrink",
                         "Sigmoid",
                         "Sign",
                         "Sin",
                         "Sinh",
                         "Softmax",
                         "Softplus",
                         "Softsign",
                         "Sqrt",
                         "Swish",
                         "Tan",
                         "Tanh",
                         "TensorScatter",
                         "ThresholdedRelu",
                         "Trilu",
                         "ms.BiasGelu",
                         "ms.FastGelu",
                         "ms.GatedAdd",
                         "ms.GatedRMSNorm",
                         "ms.Gelu",
                         "ms.MRotaryEmbedding",
                         "ms.MoE",
                         "ms.QMoE",
                         "ms.QuickGelu",
                         "ms.RotaryEmbedding"})
    functions[name] = sameAsFirst;
  for (StringRef name :
       {"Add",        "And",         "BitShift", "BitwiseAnd", "BitwiseOr",
        "BitwiseXor", "Div",         "Equal",    "Greater",    "GreaterOrEqual",
        "Less",       "LessOrEqual", "Max",      "Mean",       "Min",
        "Mod",        "Mul",         "Or",       "Pow",        "Sub",
        "Sum",        "Where",       "Xor"})
    functions[name] = broadcastAll;
  for (StringRef name : {"LayerNormalization", "RMSNormalization",
                         "SimplifiedLayerNormalization"})
    functions[name] = normalization;
  functions["ms.SkipLayerNormalization"] = skipNormalization;
  functions["ms.SkipSimplifiedLayerNormalization"] = skipNormalization;
  functions["BatchNormalization"] = batchNormalization;
  functions["DynamicQuantizeLinear"] = dynamicQuantizeLinear;
}
