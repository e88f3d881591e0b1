//===- Norm.cpp - normalisations ------------------------------------------===//

#include "Lowering.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <numeric>

using namespace mlir;

namespace hybrid {

namespace {
struct Norm {
  Operation *op;
  NormKind kind;
  int64_t axis;
  APFloat epsilon;

  double getEpsilon() const { return epsilon.convertToFloat(); }
};
} // namespace

static Tensor createNorm(Lowering &l, const Norm &norm, const Tensor &input,
                         const Tensor &scale, const Tensor &bias,
                         Type elementType) {
  Tensor init = l.empty(input.shape, elementType);
  auto op = NormOp::create(l.b, l.loc, TypeRange{init.value.getType()},
                           input.value, scale.value, bias.value, init.value,
                           norm.kind, norm.axis, APFloat(norm.getEpsilon()));
  return {op.getResult(0), init.shape};
}

//===----------------------------------------------------------------------===//
// Statistics as results
//===----------------------------------------------------------------------===//

static Value addBody(OpBuilder &b, Location loc, ValueRange args) {
  return arith::AddFOp::create(b, loc, args[0], args[1]);
}

/// Mean over `axis` and what follows, in float32 at least; the dimensions stay
/// as 1.
static Tensor mean(Lowering &l, const Tensor &tensor, int64_t axis) {
  SmallVector<int64_t> axes;
  for (int64_t i = axis; i < tensor.getRank(); ++i)
    axes.push_back(i);
  Type type = tensor.getElementType();
  Tensor sum = l.reduce(tensor, axes, l.scalar(type, 0), addBody);
  Value count = l.index(l.product(ShapeRef(tensor.shape).drop_front(axis)));
  Tensor result = l.elementwise(
      {sum}, sum.shape, type,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value integer =
            arith::IndexCastOp::create(b, loc, b.getI64Type(), count);
        Value divisor = arith::SIToFPOp::create(b, loc, type, integer);
        return arith::DivFOp::create(b, loc, args.front(), divisor);
      });
  Shape kept = tensor.shape;
  for (int64_t dim : axes)
    kept[dim] = l.fixed(1);
  return l.reshape(result, kept);
}

/// Sets the results that hold the mean and the inverse deviation, as far as
/// somebody needs them.
static void setStatistics(Lowering &l, const Norm &norm, const Tensor &input,
                          Value meanResult, Value deviationResult) {
  if (!l.isNeeded(meanResult) && !l.isNeeded(deviationResult))
    return;
  Tensor x = l.cast(input, getComputeType(input.getElementType()));
  Type type = x.getElementType();
  Tensor average;
  if (norm.kind == NormKind::Layer)
    average = mean(l, x, norm.axis);
  if (l.isNeeded(meanResult))
    l.set(meanResult, l.cast(average, l.elementType(meanResult)));
  if (!l.isNeeded(deviationResult))
    return;
  SmallVector<Tensor> inputs = {x};
  if (average)
    inputs.push_back(average);
  Tensor squares =
      l.elementwise(inputs, x.shape, type,
                    [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      Value centred = args[0];
                      if (args.size() == 2)
                        centred =
                            arith::SubFOp::create(b, loc, args[0], args[1]);
                      return arith::MulFOp::create(b, loc, centred, centred);
                    });
  Tensor variance = mean(l, squares, norm.axis);
  Tensor inverse = l.elementwise(
      {variance}, variance.shape, type,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value epsilon = l.scalar(type, norm.getEpsilon());
        Value sum = arith::AddFOp::create(b, loc, args.front(), epsilon);
        Value root = math::SqrtOp::create(b, loc, sum);
        return arith::DivFOp::create(b, loc, l.scalar(type, 1), root);
      });
  l.set(deviationResult, l.cast(inverse, l.elementType(deviationResult)));
}

//===----------------------------------------------------------------------===//
// RMSNormalization, LayerNormalization
//===----------------------------------------------------------------------===//

template <typename OpTy>
static FailureOr<Norm> getNorm(OpTy op, Lowering &l, NormKind kind) {
  int64_t rank = l.rank(op.getX());
  std::optional<int64_t> axis =
      Lowering::normalizeAxis(static_cast<int64_t>(op.getAxis()), rank);
  if (!axis) {
    (void)l.unsupported(op, "axis " +
                                Twine(static_cast<int64_t>(op.getAxis())) +
                                " is out of range");
    return failure();
  }
  return Norm{op, kind, *axis, op.getEpsilon()};
}

static LogicalResult lowerRMS(onnx::RMSNormalizationOp op, Lowering &l) {
  FailureOr<Norm> norm = getNorm(op, l, NormKind::Rms);
  if (failed(norm))
    return failure();
  l.set(op.getY(), createNorm(l, *norm, l.get(op.getX()), l.get(op.getScale()),
                              {}, l.elementType(op.getY())));
  return success();
}

static LogicalResult lowerSimplified(onnx::SimplifiedLayerNormalizationOp op,
                                     Lowering &l) {
  FailureOr<Norm> norm = getNorm(op, l, NormKind::Rms);
  if (failed(norm))
    return failure();
  Tensor input = l.get(op.getX());
  l.set(op.getY(), createNorm(l, *norm, input, l.get(op.getScale()), {},
                              l.elementType(op.getY())));
  setStatistics(l, *norm, input, Value(), op.getInvStdVar());
  return success();
}

static LogicalResult lowerLayer(onnx::LayerNormalizationOp op, Lowering &l) {
  FailureOr<Norm> norm = getNorm(op, l, NormKind::Layer);
  if (failed(norm))
    return failure();
  Tensor input = l.get(op.getX());
  l.set(op.getY(), createNorm(l, *norm, input, l.get(op.getScale()),
                              l.get(op.getB()), l.elementType(op.getY())));
  setStatistics(l, *norm, input, op.getMean(), op.getInvStdDev());
  return success();
}

//===----------------------------------------------------------------------===//
// Skip connections
//===----------------------------------------------------------------------===//

template <typename OpTy>
static LogicalResult lowerSkip(OpTy op, Lowering &l, NormKind kind,
                               Value beta) {
  Tensor input = l.get(op.getInput());
  SmallVector<Tensor> terms = {input, l.get(op.getSkip())};
  if (Tensor bias = l.get(op.getBias()))
    terms.push_back(bias);
  for (const Tensor &term : terms)
    if (term.getRank() > input.getRank() || input.getRank() == 0)
      return l.unsupported(op, "skip and bias must broadcast to input");
  Type type = input.getElementType(), compute = getComputeType(type);
  Tensor sum =
      l.elementwise(terms, input.shape, type,
                    [&](OpBuilder &b, Location loc, ValueRange args) {
                      Value total = convertFloat(b, loc, args[0], compute);
                      for (Value term : args.drop_front())
                        total = arith::AddFOp::create(
                            b, loc, total, convertFloat(b, loc, term, compute));
                      return convertFloat(b, loc, total, type);
                    });
  Norm norm{op, kind, static_cast<int64_t>(input.getRank()) - 1,
            op.getEpsilon()};
  l.set(op.getOutput(), createNorm(l, norm, sum, l.get(op.getGamma()),
                                   l.get(beta), l.elementType(op.getOutput())));
  setStatistics(l, norm, sum, op.getMean(), op.getInvStdVar());
  l.set(op.getInputSkipBiasSum(), sum);
  return success();
}

//===----------------------------------------------------------------------===//
// GatedRMSNorm
//===----------------------------------------------------------------------===//

static LogicalResult lowerGated(onnx::MsGatedRMSNormOp op, Lowering &l) {
  StringRef name = op.getActivation();
  Activation activation = Activation::Silu;
  if (name == "sigmoid")
    activation = Activation::Sigmoid;
  else if (name != "silu" && name != "swish")
    return l.unsupported(op, "unknown activation '" + name + "'",
                         "silu, swish and sigmoid work");
  Tensor input = l.get(op.getX()), gate = l.get(op.getGate());
  Tensor scale = l.get(op.getScale());
  std::optional<int64_t> channels, group;
  if (input.getRank() > 0 && scale.getRank() == 1) {
    channels = l.getFixed(input.shape.back());
    group = l.getFixed(scale.shape.front());
  }
  if (!channels || !group || *group < 1 || *channels % *group)
    return l.unsupported(op, "scale must be of rank 1 with a fixed size that "
                             "divides the last dimension of X");
  Tensor init = l.empty(input.shape, l.elementType(op.getY()));
  auto norm = GatedNormOp::create(
      l.b, l.loc, TypeRange{init.value.getType()}, input.value,
      l.reshape(gate, input.shape).value, scale.value, init.value,
      GateOrder::NormFirst, activation,
      APFloat(double(op.getEpsilon().convertToFloat())),
      *group == *channels ? 0 : *group);
  l.set(op.getY(), {norm.getResult(0), init.shape});
  return success();
}

//===----------------------------------------------------------------------===//
// GroupNormalization, LpNormalization
//===----------------------------------------------------------------------===//

static LogicalResult lowerGroup(onnx::GroupNormalizationOp op, Lowering &l) {
  Tensor input = l.get(op.getX());
  int64_t groups = op.getNumGroups();
  std::optional<int64_t> channels;
  if (input.getRank() >= 2)
    channels = l.getFixed(input.shape[1]);
  if (!channels || groups < 1 || *channels % groups)
    return l.unsupported(op, "num_groups = " + Twine(groups) +
                                 " must divide a fixed number of channels");
  // [N, G, C/G, …]
  Shape split = {input.shape[0], l.fixed(groups), l.fixed(*channels / groups)};
  split.append(input.shape.begin() + 2, input.shape.end());
  Tensor grouped = l.reshape(input, split);
  Norm norm{op, NormKind::Layer, 2, op.getEpsilon()};
  Tensor normal = createNorm(l, norm, grouped, {}, {}, input.getElementType());

  // Until opset 20 scale and bias are per group, then per channel.
  bool perGroup = onnx::getOpsetVersion(op) < 21;
  Shape shape = {l.fixed(groups), l.fixed(perGroup ? 1 : *channels / groups)};
  shape.append(input.getRank() - 2, l.fixed(1));
  Tensor scale = l.get(op.getScale()), bias = l.get(op.getBias());
  AffineExpr count = l.fixed(perGroup ? groups : *channels);
  if (scale.getRank() != 1 || bias.getRank() != 1 ||
      !l.isEqual(scale.shape[0], count) || !l.isEqual(bias.shape[0], count))
    return l.unsupported(op,
                         Twine("scale and bias must have one element per ") +
                             (perGroup ? "group" : "channel"));
  Type type = l.elementType(op.getY()), compute = getComputeType(type);
  Tensor result = l.elementwise(
      {normal, l.reshape(scale, shape), l.reshape(bias, shape)}, split, type,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value x = convertFloat(b, loc, args[0], compute);
        x = arith::MulFOp::create(b, loc, x,
                                  convertFloat(b, loc, args[1], compute));
        x = arith::AddFOp::create(b, loc, x,
                                  convertFloat(b, loc, args[2], compute));
        return convertFloat(b, loc, x, type);
      });
  l.set(op.getY(), l.reshape(result, input.shape));
  return success();
}

static LogicalResult lowerLp(onnx::LpNormalizationOp op, Lowering &l) {
  Tensor input = l.get(op.getInput());
  std::optional<int64_t> axis = Lowering::normalizeAxis(
      static_cast<int64_t>(op.getAxis()), input.getRank());
  bool euclidean = op.getP() == 2;
  if (!axis || (!euclidean && op.getP() != 1))
    return l.unsupported(op, "axis must be in range and p 1 or 2");
  Type type = input.getElementType(), compute = getComputeType(type);
  Tensor sum =
      l.reduce(input, {*axis}, l.scalar(compute, 0),
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 Value x = convertFloat(b, loc, args[0], compute);
                 Value term =
                     euclidean ? arith::MulFOp::create(b, loc, x, x).getResult()
                               : math::AbsFOp::create(b, loc, x).getResult();
                 return arith::AddFOp::create(b, loc, args[1], term);
               });
  Tensor result = l.elementwise(
      {input, l.unsqueeze(sum, *axis)}, input.shape, type,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value norm = args[1];
        if (euclidean)
          norm = math::SqrtOp::create(b, loc, norm);
        // What has no length stays 0.
        Value zero = l.scalar(compute, 0);
        Value isZero = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                             norm, zero);
        Value divisor =
            arith::SelectOp::create(b, loc, isZero, l.scalar(compute, 1), norm);
        Value x = convertFloat(b, loc, args[0], compute);
        return convertFloat(b, loc, arith::DivFOp::create(b, loc, x, divisor),
                            type);
      });
  l.set(op.getOutput(), result);
  return success();
}

void registerNorm(Registry &registry) {
  registry.add<onnx::RMSNormalizationOp>(lowerRMS);
  registry.add<onnx::SimplifiedLayerNormalizationOp>(lowerSimplified);
  registry.add<onnx::LayerNormalizationOp>(lowerLayer);
  registry.add<onnx::GroupNormalizationOp>(lowerGroup);
  registry.add<onnx::LpNormalizationOp>(lowerLp);
  registry.add<onnx::MsGatedRMSNormOp>(lowerGated);
  registry.add<onnx::MsSkipSimplifiedLayerNormalizationOp>(
      [](onnx::MsSkipSimplifiedLayerNormalizationOp op, Lowering &l) {
        return lowerSkip(op, l, NormKind::Rms, Value());
      });
  registry.add<onnx::MsSkipLayerNormalizationOp>(
      [](onnx::MsSkipLayerNormalizationOp op, Lowering &l) {
        return lowerSkip(op, l, NormKind::Layer, op.getBeta());
      });
}

} // namespace hybrid
