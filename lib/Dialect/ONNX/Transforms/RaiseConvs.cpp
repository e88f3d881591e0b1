//===- RaiseConvs.cpp - pass onnx-raise-convs -----------------------------===//
//
// The anchor is a depthwise convolution over time. It is causal if what is kept
// of its result starts where each element sees the K - 1 inputs before it: with
// P = Concat(past, x), past S wide, and `front` zeros before P,
//
//   Conv(P)[i] = Σ_k w[k] · P[i - front + k]
//
// is the causal convolution of x[t] at i = S - (K - 1) + front + t.
//
//===----------------------------------------------------------------------===//

#include "Raising.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXRAISECONVS
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

namespace {

class Convolution {
public:
  Convolution(GraphView &view, ConvOp conv) : view(view), conv(conv) {}

  /// Depthwise, over one dimension, without strides and dilations.
  bool isCandidate();
  /// Null, or why it is not causal.
  const char *match();
  void rewrite();
  StringRef getMeaning() const {
    return past ? "became CausalConvWithState with a past"
                : "became CausalConvWithState";
  }
  Operation *getResultOp() { return result.getDefiningOp(); }

private:
  void matchPast();
  void matchBias();
  bool matchSlice();
  void matchActivation();
  void matchPresents();
  Value getBias(RaisedBuilder &raised);
  Value getWeight(RaisedBuilder &raised);

  GraphView &view;
  ConvOp conv;
  int64_t channels = 0, width = 0, front = 0;
  /// S above.
  int64_t pastWidth = 0;
  Value input, past, bias, result;
  /// Where `result` starts in the convolution's.
  AffineExpr offset;
  bool hasSilu = false;
  /// Moved behind the activation.
  TransposeOp transpose;
  SmallVector<Value, 1> presents;
};

bool areAll(std::optional<ArrayRef<int64_t>> values, int64_t value) {
  return !values ||
         llvm::all_of(*values, [&](int64_t each) { return each == value; });
}

bool Convolution::isCandidate() {
  std::optional<int64_t> count = view.getFixedDim(conv.getW(), 0);
  std::optional<int64_t> taps = view.getFixedDim(conv.getW(), 2);
  if (view.getRank(conv.getX()) != 3 || view.getRank(conv.getW()) != 3 ||
      !count || !taps || *taps < 1 ||
      !view.isFixed(view.getDim(conv.getW(), 1), 1) ||
      static_cast<int64_t>(conv.getGroup()) != *count ||
      !view.isFixed(view.getDim(conv.getX(), 1), *count) ||
      !areAll(conv.getStrides(), 1) || !areAll(conv.getDilations(), 1) ||
      conv.getAutoPad() != "NOTSET")
    return false;
  channels = *count;
  width = *taps;
  front = conv.getPads() ? conv.getPads()->front() : 0;
  return true;
}

void Convolution::matchPast() {
  input = conv.getX();
  auto concat = input.getDefiningOp<ConcatOp>();
  if (!concat || concat.getInputs().size() != 2 ||
      view.normalizeAxis(input, static_cast<int64_t>(concat.getAxis())) != 2)
    return;
  std::optional<int64_t> size = view.getFixedDim(concat.getInputs()[0], 2);
  if (!size || *size < width - 1)
    return;
  past = concat.getInputs()[0];
  pastWidth = *size;
  input = concat.getInputs()[1];
}

/// A bias that is added behind: [1, C, 1] or [C, 1].
void Convolution::matchBias() {
  if (!isa<NoneType>(conv.getB().getType())) {
    bias = conv.getB();
    return;
  }
  auto sum = getOnlyUser<AddOp>(result);
  if (!sum)
    return;
  Value other = getOther(sum, result);
  int64_t rank = view.getRank(other);
  if (rank < 2 || rank > 3 || !view.isFixed(view.getDim(other, -1), 1) ||
      !view.isFixed(view.getDim(other, -2), channels) ||
      (rank == 3 && !view.isFixed(view.getDim(other, 0), 1)) ||
      getElementTypeOrSelf(other.getType()) !=
          getElementTypeOrSelf(result.getType()))
    return;
  bias = other;
  result = sum->getResult(0);
}

bool Convolution::matchSlice() {
  auto slice = getOnlyUser<SliceOp>(result);
  if (!slice)
    return false;
  std::optional<SliceRange> range = view.getSlice(slice);
  if (!range || range->axis != 2 || range->step != 1)
    return false;
  offset = offset + range->start;
  result = slice.getOutput();
  return true;
}

void Convolution::matchActivation() {
  if (hasSilu)
    return;
  if (Value silu = view.getSilu(result)) {
    hasSilu = true;
    result = silu;
    return;
  }
  auto moved = getOnlyUser<TransposeOp>(result);
  if (!moved)
    return;
  if (Value silu = view.getSilu(moved.getTransposed())) {
    hasSilu = true;
    transpose = moved;
    result = silu;
  }
}

/// The last S columns of what is convolved, as far as only operations behind
/// use them.
void Convolution::matchPresents() {
  for (Operation *user : conv.getX().getUsers()) {
    auto slice = dyn_cast<SliceOp>(user);
    std::optional<SliceRange> range =
        slice ? view.getSlice(slice) : std::nullopt;
    if (range && range->axis == 2 && range->step == 1 &&
        view.isEqual(range->start, view.getDim(input, 2)) &&
        view.isFixed(range->length, pastWidth) &&
        llvm::all_of(slice->getUsers(), [&](Operation *later) {
          return later->getBlock() == conv->getBlock() &&
                 getResultOp()->isBeforeInBlock(later);
        }))
      presents.push_back(slice.getOutput());
  }
}

const char *Convolution::match() {
  result = conv.getY();
  offset = view.getConstant(0);
  matchPast();
  matchBias();
  matchSlice();
  // Elementwise: between two slices or behind both.
  if (Value silu = view.getSilu(result)) {
    hasSilu = true;
    result = silu;
  }
  matchSlice();
  SmallVector<AffineExpr> shape = view.getShape(input);
  if (!view.hasShape(result, {shape[0], shape[1], shape[2]}) ||
      !view.isFixed(offset, pastWidth - (width - 1) + front))
    return "what is kept of the result is not one column per input, each "
           "seeing "
           "the inputs up to its own";
  matchActivation();
  if (past)
    matchPresents();
  return nullptr;
}

Value Convolution::getBias(RaisedBuilder &raised) {
  if (!bias)
    return raised.getNone();
  if (view.getRank(bias) == 1)
    return bias;
  if (auto unsqueeze = bias.getDefiningOp<UnsqueezeOp>();
      unsqueeze && view.getRank(unsqueeze.getData()) == 1)
    return unsqueeze.getData();
  auto type =
      RankedTensorType::get({channels}, getElementTypeOrSelf(bias.getType()));
  return raised
      .create<ReshapeOp>(type, ValueRange{bias, raised.getIntegers({channels})})
      ->getResult(0);
}

/// A state that is wider than K - 1 is that of a longer convolution whose first
/// taps are 0.
Value Convolution::getWeight(RaisedBuilder &raised) {
  Value weight = conv.getW();
  int64_t zeros = past ? pastWidth - (width - 1) : 0;
  if (zeros == 0)
    return weight;
  auto type = RankedTensorType::get({channels, 1, width + zeros},
                                    getElementTypeOrSelf(weight.getType()));
  Value none = raised.getNone();
  Value operands[] = {weight, raised.getIntegers({0, 0, zeros, 0, 0, 0}), none,
                      none};
  return raised.create<PadOp>(type, operands)->getResult(0);
}

void Convolution::rewrite() {
  RaisedBuilder raised(getResultOp());
  Type element = getElementTypeOrSelf(result.getType());
  SmallVector<AffineExpr> shape = view.getShape(input);
  SmallVector<AffineExpr> stateShape = shape;
  stateShape[2] = view.getConstant(past ? pastWidth : width - 1);
  Value operands[] = {input, getWeight(raised), getBias(raised),
                      past ? past : raised.getNone()};
  Type types[] = {getTensorType(shape, element),
                  getTensorType(stateShape, element)};
  auto fused = raised.create<CausalConvWithStateOp>(
      types, operands, 27,
      {raised.getNamed("activation", hasSilu ? "silu" : "none")});
  view.setShape(fused.getOutput(), shape);
  Value output = fused.getOutput();
  if (transpose) {
    auto moved = cast<TransposeOp>(raised.builder.clone(*transpose));
    moved->setOperand(0, output);
    output = moved.getTransposed();
  }
  view.replace(result, output);
  for (Value present : presents)
    view.replace(present, fused.getPresentState());
}

struct RaiseConvs : hybrid::onnx::impl::ONNXRaiseConvsBase<RaiseConvs> {
  void runOnOperation() override {
    auto raise = [&](GraphView &view) {
      raiseGroups<ConvOp, Convolution>(view, numRaised, numRefused);
    };
    if (failed(raiseIn(getOperation(), getArgument(), raise)))
      signalPassFailure();
  }
};

} // namespace
