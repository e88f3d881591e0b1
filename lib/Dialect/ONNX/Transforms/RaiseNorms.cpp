//===- RaiseNorms.cpp - pass onnx-raise-norms -----------------------------===//
//
// The anchor is the mean of squares:
//
//   square = x · x                        (or Pow(x, 2))
//   mean   = ReduceMean(square)           over the last dimension
//   root   = Sqrt(mean + epsilon)
//   n      = x / root                     (or times Reciprocal(root), 1 / root)
//
// which is RMSNormalization, and LayerNormalization where x is itself
// y - ReduceMean(y). Around it: the cast to float32 and back, the scale, the
// bias.
//
//===----------------------------------------------------------------------===//

#include "Raising.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXRAISENORMS
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

namespace {

/// One decomposed norm.
class Norm {
public:
  Norm(GraphView &view, ReduceMeanOp mean) : view(view), mean(mean) {}

  /// Null, or why this is none. Only after `isCandidate`.
  const char *match();
  /// A mean of squares over the last dimension.
  bool isCandidate();
  void rewrite();

  StringRef getMeaning() const {
    return isCentred ? "became LayerNormalization" : "became RMSNormalization";
  }
  Operation *getResultOp() { return result.getDefiningOp(); }

private:
  bool isMeanOverLast(ReduceMeanOp op);
  const char *matchRoot();
  void matchCentring();
  void matchCasts();
  void matchScale();
  void matchBias();
  bool isPerChannel(Value value);

  GraphView &view;
  ReduceMeanOp mean;
  double epsilon = 0;
  bool isCentred = false;
  /// What is normalised, and the result so far.
  Value x, result, scale, bias;
};

bool Norm::isMeanOverLast(ReduceMeanOp op) {
  std::optional<int64_t> axis;
  if (!isa<NoneType>(op.getAxes().getType()))
    axis = view.getInteger(op.getAxes());
  return axis && op.getKeepdims() == 1 && view.getRank(op.getData()) > 0 &&
         view.isLastAxis(op.getData(), *axis);
}

bool Norm::isCandidate() {
  Operation *square = mean.getData().getDefiningOp();
  if (auto product = dyn_cast_or_null<MulOp>(square)) {
    if (product->getOperand(0) != product->getOperand(1))
      return false;
  } else if (!isa_and_nonnull<PowOp>(square) ||
             !view.isNumber(square->getOperand(1), 2)) {
    return false;
  }
  x = square->getOperand(0);
  return true;
}

/// From the mean to x / root.
const char *Norm::matchRoot() {
  auto sum = getOnlyUser<AddOp>(mean.getReduced());
  if (!sum)
    return "the mean of squares is not only used in a sum with epsilon";
  std::optional<double> number =
      view.getNumber(getOther(sum, mean.getReduced()));
  if (!number || *number < 0)
    return "epsilon is not a constant";
  epsilon = *number;
  Value inverse = sum->getResult(0);
  Operation *last = nullptr;
  if (auto power = getOnlyUser<PowOp>(inverse)) {
    if (!view.isNumber(power.getY(), -0.5))
      return "the power of the mean is not -0.5";
    inverse = power.getZ();
  } else {
    auto root = getOnlyUser<SqrtOp>(inverse);
    if (!root)
      return "the sum with epsilon is not only used under a root";
    Value value = root->getResult(0);
    if (auto reciprocal = getOnlyUser<ReciprocalOp>(value)) {
      inverse = reciprocal->getResult(0);
    } else if (auto quotient = getOnlyUser<DivOp>(value)) {
      if (quotient->getOperand(1) != value)
        return "the root is divided";
      if (view.isNumber(quotient->getOperand(0), 1))
        inverse = quotient->getResult(0);
      else
        last = quotient;
    } else {
      return "the root is not only used as a divisor";
    }
  }
  if (!last)
    last = getOnlyUser<MulOp>(inverse);
  if (!last)
    return "the inverse root is not only used in a product";
  bool isX = isa<DivOp>(last) ? last->getOperand(0) == x
                              : getOther(last, inverse) == x;
  if (!isX)
    return "what is divided is not what was squared";
  result = last->getResult(0);
  return nullptr;
}

/// x = y - mean(y), which nothing but the norm uses.
void Norm::matchCentring() {
  auto centred = x.getDefiningOp<SubOp>();
  if (!centred)
    return;
  auto average = centred->getOperand(1).getDefiningOp<ReduceMeanOp>();
  if (!average || average.getData() != centred->getOperand(0) ||
      !isMeanOverLast(average))
    return;
  for (Operation *user : x.getUsers())
    if (user != mean.getData().getDefiningOp() && user != getResultOp())
      return;
  isCentred = true;
  x = centred->getOperand(0);
}

/// A graph in 16 bits casts to float32 before and back behind: the norm is of
/// what was cast.
void Norm::matchCasts() {
  auto before = x.getDefiningOp<CastOp>();
  auto behind = getOnlyUser<CastOp>(result);
  if (!before || !behind || !getElementTypeOrSelf(x.getType()).isF32() ||
      before.getInput().getType() != behind->getResult(0).getType() ||
      !isa<FloatType>(getElementTypeOrSelf(before.getInput().getType())))
    return;
  x = before.getInput();
  result = behind->getResult(0);
}

/// Of shape […, C] or […, 1], the leading dimensions all 1.
bool Norm::isPerChannel(Value value) {
  SmallVector<AffineExpr> shape = view.getShape(value);
  if (view.getRank(value) < 1 || view.getRank(value) > view.getRank(x) ||
      getElementTypeOrSelf(value.getType()) !=
          getElementTypeOrSelf(result.getType()))
    return false;
  for (AffineExpr dim : ArrayRef(shape).drop_back())
    if (!view.isFixed(dim, 1))
      return false;
  return view.isEqual(shape.back(), view.getDim(x, -1));
}

void Norm::matchScale() {
  auto product = getOnlyUser<MulOp>(result);
  if (!product || !isPerChannel(getOther(product, result)))
    return;
  scale = getOther(product, result);
  result = product->getResult(0);
}

void Norm::matchBias() {
  auto sum = getOnlyUser<AddOp>(result);
  if (!isCentred || !scale || !sum || !isPerChannel(getOther(sum, result)))
    return;
  bias = getOther(sum, result);
  result = sum->getResult(0);
}

const char *Norm::match() {
  if (!isMeanOverLast(mean))
    return "the mean of squares is not over the last dimension, kept as 1";
  if (!mean.getData().hasOneUse())
    return "the squares are used elsewhere";
  if (!isa<FloatType>(getElementTypeOrSelf(x.getType())))
    return "the elements are no floats";
  if (const char *why = matchRoot())
    return why;
  matchCentring();
  matchCasts();
  matchScale();
  matchBias();
  return nullptr;
}

void Norm::rewrite() {
  RaisedBuilder raised(getResultOp());
  Type element = getElementTypeOrSelf(result.getType());
  if (!scale) {
    auto type = RankedTensorType::get({1}, element);
    scale = ConstantOp::create(
        raised.builder, raised.loc, type,
        DenseElementsAttr::get(type, raised.builder.getFloatAttr(element, 1)));
  }
  NamedAttribute attributes[] = {raised.getNamed("axis", int64_t(-1)),
                                 raised.getNamed("epsilon", epsilon)};
  Value normal;
  if (isCentred) {
    Type types[] = {result.getType(), raised.builder.getNoneType(),
                    raised.builder.getNoneType()};
    Value operands[] = {x, scale, bias ? bias : raised.getNone()};
    normal =
        raised.create<LayerNormalizationOp>(types, operands, 17, attributes)
            .getY();
  } else {
    Value operands[] = {x, scale};
    normal = raised
                 .create<RMSNormalizationOp>(result.getType(), operands, 23,
                                             attributes)
                 .getY();
  }
  view.replace(result, normal);
}

struct RaiseNorms : hybrid::onnx::impl::ONNXRaiseNormsBase<RaiseNorms> {
  void runOnOperation() override {
    auto raise = [&](GraphView &view) {
      raiseGroups<ReduceMeanOp, Norm>(view, numRaised, numRefused);
    };
    if (failed(raiseIn(getOperation(), getArgument(), raise)))
      signalPassFailure();
  }
};

} // namespace
