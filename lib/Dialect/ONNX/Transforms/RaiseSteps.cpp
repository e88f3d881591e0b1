//===- RaiseSteps.cpp - pass onnx-raise-steps -----------------------------===//
//
// A chain of T steps of LinearAttention, which a Python loop over time leaves,
// or one step (T = 1). Step i reads position i of its factors and gives
// position i of the result. For example Mamba-1:
//
//   s[i] = exp(E)[i] · s[i-1] + X[i]          s [b, d, n]; E, X [b, t, d, n]
//   y[i] = Σ_n s[i] · C[i]                    C [b, t, n]
//
// where […][i] is Gather, Slice, Split or (for T = 1) Squeeze along the time.
// The anchor is the sum of the first step.
//
//===----------------------------------------------------------------------===//

#include "Positions.h"
#include "RecurrentStep.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXRAISESTEPS
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

namespace {

class UnrolledSteps {
public:
  UnrolledSteps(GraphView &view, AddOp sum) : view(view), first(sum) {}

  /// A step with a decay or by the delta rule, which reads first positions.
  bool isCandidate();
  /// Null, or why this is none.
  const char *match();
  void rewrite();
  Operation *getResultOp() { return first; }
  StringRef getMeaning() const { return "its steps became LinearAttention"; }

private:
  /// All factors but the decay's, of which there are the logarithms instead.
  static SmallVector<SmallVectorImpl<Factor> *> getLists(RecurrentStep &step) {
    SmallVector<SmallVectorImpl<Factor> *> lists = {&step.keys, &step.values,
                                                    &step.betas, &step.queries};
    for (SmallVector<Factor> &product : step.logarithms)
      lists.push_back(&product);
    return lists;
  }
  /// Takes the logarithm of the decay; position `index` of each factor becomes
  /// its time. False if that is no logarithm, or another position is read.
  bool readWhole(RecurrentStep &step, int64_t index);
  const char *matchLength();
  std::optional<RecurrentStep> findNext(const RecurrentStep &step,
                                        int64_t index);
  const char *matchStates();
  const char *matchOutputs();

  GraphView &view;
  AddOp first;
  /// The first step, of whole factors.
  RecurrentStep whole;
  AffineExpr time;
  int64_t length = 1;
  SmallVector<Value> states, outputs;
  /// What the outputs are joined to, and its indices.
  Value result;
  SmallVector<int> resultLabels;
};

bool UnrolledSteps::readWhole(RecurrentStep &step, int64_t index) {
  for (const Factor &factor : step.decays) {
    auto exponential = factor.value.getDefiningOp<ExpOp>();
    if (!exponential && !isDecay(factor.value))
      return false;
    // Without an exponential, the logarithm is taken of the factor itself.
    if (!exponential) {
      step.logarithms.push_back({factor});
      continue;
    }
    Contraction exponent = Contraction::getAt(view, exponential->getOperand(0),
                                              factor.labels, kStepTime + 1);
    step.logarithms.emplace_back(exponent.getFactors());
  }
  for (SmallVectorImpl<Factor> *list : getLists(step))
    for (Factor &factor : *list)
      for (int &label : factor.labels) {
        if (label == getFixedLabel(index))
          label = kStepTime;
        else if (label < -1 || label > kStepTime)
          return false;
      }
  return true;
}

bool UnrolledSteps::isCandidate() {
  return RecurrentStep::isCandidate(view, first->getResult(0)) &&
         !whole.match(view, first->getResult(0), Value()) &&
         (whole.isDelta || !whole.decays.empty()) && readWhole(whole, 0);
}

/// All factors that depend on the time have as many positions.
const char *UnrolledSteps::matchLength() {
  for (SmallVectorImpl<Factor> *list : getLists(whole))
    for (const Factor &factor : *list)
      for (auto [dim, label] : llvm::enumerate(factor.labels)) {
        if (label != kStepTime)
          continue;
        AffineExpr size = view.getDim(factor.value, static_cast<int64_t>(dim));
        if (time && !view.isEqual(time, size))
          return "the factors have not the same number of positions";
        time = size;
      }
  // One position leaves no index behind.
  if (!time)
    time = view.getConstant(1);
  auto fixed = dyn_cast<AffineConstantExpr>(view.getShapes().simplify(time));
  if (!fixed)
    return "the number of steps is not fixed";
  length = fixed.getValue();
  return nullptr;
}

/// The step from the state behind `step`, if it reads position `index`.
std::optional<RecurrentStep> UnrolledSteps::findNext(const RecurrentStep &step,
                                                     int64_t index) {
  auto isLike = [&](RecurrentStep &next) {
    if (!readWhole(next, index) || next.stateLabels != whole.stateLabels ||
        next.readLabels != whole.readLabels || next.scale != whole.scale ||
        next.isDelta != whole.isDelta ||
        next.logarithms.size() != whole.logarithms.size())
      return false;
    for (auto [own, others] : llvm::zip(getLists(next), getLists(whole)))
      if (ArrayRef<Factor>(*own) != ArrayRef<Factor>(*others))
        return false;
    return true;
  };
  auto tryAt = [&](Operation *op) -> std::optional<RecurrentStep> {
    RecurrentStep next;
    if (isa<AddOp>(op) && !next.match(view, op->getResult(0), step.next) &&
        isLike(next))
      return next;
    return std::nullopt;
  };
  for (Operation *user : step.next.getUsers()) {
    if (std::optional<RecurrentStep> next = tryAt(user))
      return next;
    for (Operation *second : user->getUsers())
      if (std::optional<RecurrentStep> next = tryAt(second))
        return next;
  }
  return std::nullopt;
}

const char *UnrolledSteps::matchStates() {
  RecurrentStep step = whole;
  for (int64_t index = 0; index < length; ++index) {
    if (index > 0) {
      std::optional<RecurrentStep> next = findNext(step, index);
      if (!next)
        return "there is not one step per position, each like the first";
      step = *next;
    }
    states.push_back(step.next);
    outputs.push_back(step.read);
  }
  // All but the last state are used in steps and outputs only.
  for (Value state : ArrayRef(states).drop_back())
    for (Operation *user : state.getUsers())
      if (!isa<AddOp, EinsumOp, IdentityOp, MatMulOp, MulOp, TransposeOp,
               UnsqueezeOp>(user))
        return "a state between steps is used elsewhere";
  return nullptr;
}

const char *UnrolledSteps::matchOutputs() {
  // The indices of what is joined, behind views that drop dimensions of size 1.
  resultLabels.assign(whole.readLabels.begin(), whole.readLabels.end());
  SmallVector<Value> parts(outputs);
  auto skip = [&](Value part) -> Value {
    Operation *user = part.hasOneUse() ? *part.user_begin() : nullptr;
    return isa_and_nonnull<SqueezeOp, GatherOp>(user) ? user->getResult(0)
                                                      : Value();
  };
  if (Value dropped = skip(parts.front())) {
    int64_t rank = view.getRank(dropped);
    SmallVector<int> left;
    for (int label : resultLabels)
      if (label >= 0)
        left.push_back(label);
    if (rank == static_cast<int64_t>(left.size()) && length > 1) {
      for (Value &part : parts)
        part = skip(part) ? skip(part) : part;
      resultLabels = left;
    }
  }
  std::optional<Joined> joined;
  if (llvm::all_of(parts, [&](Value part) {
        return view.haveSameShape(part, parts.front());
      }))
    joined = getJoined(view, parts);
  if (joined) {
    if (joined->isNew)
      resultLabels.insert(resultLabels.begin() + joined->axis, kStepTime);
    else if (resultLabels[joined->axis] == -1)
      resultLabels[joined->axis] = kStepTime;
    else
      joined.reset();
  }
  if (!joined && length > 1)
    return "the outputs are not joined along the time";
  if (joined) {
    result = joined->value;
  } else {
    result = outputs.front();
    resultLabels.assign(whole.readLabels.begin(), whole.readLabels.end());
  }
  for (Operation *user : states.back().getUsers())
    if (user->getBlock() != first->getBlock())
      return "the last state is used in another block";
  return nullptr;
}

const char *UnrolledSteps::match() {
  if (const char *why = matchLength())
    return why;
  if (const char *why = matchStates())
    return why;
  if (const char *why = matchOutputs())
    return why;
  if (length > 1 && !llvm::any_of(whole.values, [](const Factor &factor) {
        return llvm::is_contained(factor.labels, int(kStepTime));
      }))
    return "the values do not depend on the position";
  StepRows rows(view);
  return rows.setSizes(whole, view.getDim(whole.next, 0), time);
}

void UnrolledSteps::rewrite() {
  // Behind everything that is read, before everything that is replaced.
  RaisedBuilder raised(result.getDefiningOp());
  StepRows rows(view, &raised);
  rows.setSizes(whole, view.getDim(whole.next, 0), time);
  for (auto [factor, product] : llvm::zip(whole.decays, whole.logarithms))
    if (!factor.value.getDefiningOp<ExpOp>())
      product.front().value = rows.getLogarithm(product.front().value);
  auto [output, last] = rows.make(whole, whole.state);
  Operation *scan = last.getDefiningOp();
  Value state = states.back();
  view.replace(result, rows.arrange(output, resultLabels));
  view.setShape(last, view.getShape(state));
  state.replaceUsesWithIf(last, [&](OpOperand &use) {
    return scan->isBeforeInBlock(use.getOwner());
  });
}

struct RaiseSteps : hybrid::onnx::impl::ONNXRaiseStepsBase<RaiseSteps> {
  void runOnOperation() override {
    auto raise = [&](GraphView &view) {
      raiseGroups<AddOp, UnrolledSteps>(view, numRaised, numRefused);
    };
    if (failed(raiseIn(getOperation(), getArgument(), raise)))
      signalPassFailure();
  }
};

} // namespace
