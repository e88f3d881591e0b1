//===- RaiseSelectiveScan.cpp - pass onnx-raise-selective-scan ------------===//
//
// Mamba-1's recurrence as a chain of T steps, which a Python loop over time
// leaves, or one step (T = 1):
//
//   s[i] = exp(E)[i] · s[i-1] + X[i]          s [b, d, n]; E, X [b, t, d, n]
//   y[i] = Σ_n s[i] · C[i]                    C [b, t, n]
//
// where […][i] is Gather (or, for T = 1, Squeeze) along the time, and X the
// product of factors that have a channel d or a state n, not both. The steps
// are LinearAttention with a head per channel d whose values have one element.
// The anchor is the sum of the first step.
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXRAISESELECTIVESCAN
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

namespace {

/// One position of a tensor: `axis` is gone.
struct Step {
  Value whole;
  int64_t axis = 0, index = 0;
};

class Recurrence {
public:
  Recurrence(GraphView &view, AddOp sum) : view(view), first(sum) {}

  /// exp(…)[0] · s + …[0] of rank 3.
  bool isCandidate();
  /// Null, or why this is none.
  const char *match();
  void rewrite();
  Operation *getResultOp() { return first; }
  StringRef getMeaning() const { return "its steps became LinearAttention"; }

private:
  std::optional<Step> getStep(Value value);
  bool isStep(Value value, Value whole, int64_t axis, int64_t index);
  /// The state before in a sum that is step `index`.
  Value getBefore(AddOp sum, int64_t index);
  const char *matchChain();
  const char *matchOutputs();
  bool matchOutput(Value state, int64_t index);
  bool isOutput(Value value, Value state, int64_t index);
  const char *matchFactors();
  void matchConcat();

  Value transposeTo(RaisedBuilder &raised, Value value, ArrayRef<int> from,
                    ArrayRef<int> to);
  Value multiply(RaisedBuilder &raised, ArrayRef<Factor> factors, int channel);
  Value reshape(RaisedBuilder &raised, Value value, ArrayRef<AffineExpr> shape,
                ArrayRef<int64_t> sizes);

  GraphView &view;
  AddOp first;
  /// exp(E) and X, whose time is `axis`: 1 of [b, t, d, n], 2 of [b, d, t, n].
  Value decays, inputs;
  int64_t axis = 1, length = 0, channels = 0, width = 0;
  Value initial, c;
  SmallVector<AddOp> states;
  SmallVector<Value> outputs;
  SmallVector<Factor> keys, values;
  /// All outputs, along the time.
  ConcatOp joined;
};

/// Indices of a contraction over [b, t, d, n].
enum Label : int { kBatch, kTime, kChannel, kState };

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

std::optional<Step> Recurrence::getStep(Value value) {
  Step step;
  if (auto gather = value.getDefiningOp<GatherOp>()) {
    std::optional<int64_t> index = view.getInteger(gather.getIndices());
    step.whole = gather.getData();
    step.axis =
        view.normalizeAxis(step.whole, static_cast<int64_t>(gather.getAxis()));
    if (!index || view.getRank(gather.getIndices()) != 0 || *index < 0 ||
        step.axis < 0)
      return std::nullopt;
    step.index = *index;
    return step;
  }
  auto squeeze = value.getDefiningOp<SqueezeOp>();
  if (!squeeze || isa<NoneType>(squeeze.getAxes().getType()))
    return std::nullopt;
  std::optional<int64_t> dim = view.getInteger(squeeze.getAxes());
  if (!dim)
    return std::nullopt;
  step.whole = squeeze.getData();
  step.axis = view.normalizeAxis(step.whole, *dim);
  return step.axis < 0 ? std::nullopt : std::optional(step);
}

bool Recurrence::isStep(Value value, Value whole, int64_t stepAxis,
                        int64_t index) {
  std::optional<Step> step = getStep(value);
  return step && step->whole == whole && step->axis == stepAxis &&
         step->index == index;
}

Value Recurrence::getBefore(AddOp sum, int64_t index) {
  for (unsigned i : {0, 1}) {
    auto product = sum->getOperand(i).getDefiningOp<MulOp>();
    if (!product || !isStep(sum->getOperand(1 - i), inputs, axis, index))
      continue;
    for (unsigned j : {0, 1})
      if (isStep(product->getOperand(j), decays, axis, index))
        return product->getOperand(1 - j);
  }
  return Value();
}

bool Recurrence::isCandidate() {
  if (view.getRank(first->getResult(0)) != 3)
    return false;
  for (unsigned i : {0, 1}) {
    auto product = first->getOperand(i).getDefiningOp<MulOp>();
    std::optional<Step> input = getStep(first->getOperand(1 - i));
    if (!product || !input || input->index != 0)
      continue;
    for (unsigned j : {0, 1}) {
      std::optional<Step> decay = getStep(product->getOperand(j));
      if (!decay || decay->index != 0 || decay->axis != input->axis ||
          (decay->axis != 1 && decay->axis != 2) ||
          !decay->whole.getDefiningOp<ExpOp>() ||
          view.getRank(decay->whole) != 4)
        continue;
      decays = decay->whole;
      inputs = input->whole;
      axis = decay->axis;
      initial = product->getOperand(1 - j);
      return true;
    }
  }
  return false;
}

const char *Recurrence::matchChain() {
  std::optional<int64_t> steps = view.getFixedDim(decays, axis);
  std::optional<int64_t> heads = view.getFixedDim(decays, axis == 1 ? 2 : 1);
  std::optional<int64_t> size = view.getFixedDim(decays, 3);
  if (!steps || !heads || !size)
    return "the number of steps, channels or states is not fixed";
  length = *steps;
  channels = *heads;
  width = *size;
  SmallVector<AffineExpr> state = {view.getDim(decays, 0),
                                   view.getConstant(channels),
                                   view.getConstant(width)};
  if (!view.haveSameShape(decays, inputs) || !view.hasShape(initial, state))
    return "state, decay and input have not provably the same shape";
  AddOp current = first;
  while (true) {
    states.push_back(current);
    AddOp next;
    int64_t index = states.size();
    for (Operation *user : current->getResult(0).getUsers()) {
      auto product = dyn_cast<MulOp>(user);
      auto sum = product ? getOnlyUser<AddOp>(product->getResult(0)) : nullptr;
      if (sum && getBefore(sum, index) == current->getResult(0))
        next = sum;
    }
    if (!next)
      break;
    current = next;
  }
  if (static_cast<int64_t>(states.size()) != length)
    return "there is not one step per position";
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

/// Σ_n state[b,d,n] · C[i][b,n] of [b, d] or [b, d, 1].
bool Recurrence::isOutput(Value value, Value state, int64_t index) {
  int64_t rank = view.getRank(value);
  if (rank < 2 || rank > 3 ||
      (rank == 3 && !view.isFixed(view.getDim(value, 2), 1)))
    return false;
  std::optional<Contraction> product = Contraction::get(view, value);
  if (!product || product->getFactors().size() != 2)
    return false;
  for (unsigned i : {0, 1}) {
    const Factor &s = product->getFactors()[i];
    const Factor &other = product->getFactors()[1 - i];
    if (s.value != state || s.labels.size() != 3 || s.labels[0] != 0 ||
        s.labels[1] != 1 || s.labels[2] < rank)
      continue;
    std::optional<Step> step;
    if (ArrayRef<int>(other.labels) == ArrayRef<int>({0, s.labels[2]}))
      step = getStep(other.value);
    else if (ArrayRef<int>(other.labels) == ArrayRef<int>({0, -1, s.labels[2]}))
      // The only position, which Contraction has read through.
      step = Step{other.value, /*axis=*/1, /*index=*/0};
    if (!step || step->index != index || step->axis != 1 ||
        (c && step->whole != c))
      continue;
    c = step->whole;
    return true;
  }
  return false;
}

bool Recurrence::matchOutput(Value state, int64_t index) {
  for (Operation *user : state.getUsers()) {
    Value value = user->getResult(0);
    if (isa<MulOp>(user)) {
      auto sum = getOnlyUser<ReduceSumOp>(value);
      if (!sum)
        continue;
      value = sum->getResult(0);
    } else if (!isa<MatMulOp, EinsumOp>(user)) {
      continue;
    }
    if (!isOutput(value, state, index))
      continue;
    outputs.push_back(value);
    return true;
  }
  return false;
}

const char *Recurrence::matchOutputs() {
  for (auto [i, state] : llvm::enumerate(states))
    if (!matchOutput(state->getResult(0), static_cast<int64_t>(i)))
      return "a state is not multiplied by its position's C and summed";
  if (!view.hasShape(c, {view.getDim(decays, 0), view.getConstant(length),
                         view.getConstant(width)}))
    return "C has not provably the shape [batch, time, states]";
  // All but the last state are used in steps and outputs only.
  for (AddOp state : ArrayRef(states).drop_back())
    if (!llvm::hasNItems(state->getResult(0).getUses(), 2))
      return "a state between steps is used elsewhere";
  matchConcat();
  if (length > 1 && !joined)
    return "the outputs are not joined along the time";
  Operation *last = joined ? joined.getOperation() : outputs[0].getDefiningOp();
  for (Operation *user : states.back()->getResult(0).getUsers())
    if (user->getBlock() != last->getBlock())
      return "the last state is used in another block";
  return nullptr;
}

/// Concat of Unsqueeze(output), in order.
void Recurrence::matchConcat() {
  for (auto [i, output] : llvm::enumerate(outputs)) {
    Value value = output;
    // [b, d, 1] as [b, d].
    if (view.getRank(value) == 3) {
      Operation *op = value.hasOneUse() ? *value.user_begin() : nullptr;
      std::optional<Step> step = isa_and_nonnull<GatherOp, SqueezeOp>(op)
                                     ? getStep(op->getResult(0))
                                     : std::nullopt;
      if (!step || step->whole != value || step->axis != 2)
        return;
      value = op->getResult(0);
    }
    auto unsqueeze = getOnlyUser<UnsqueezeOp>(value);
    auto concat =
        unsqueeze ? getOnlyUser<ConcatOp>(unsqueeze.getExpanded()) : nullptr;
    if (!concat || (joined && joined != concat) ||
        static_cast<int64_t>(concat.getInputs().size()) != length ||
        concat.getInputs()[i] != unsqueeze.getExpanded())
      return;
    std::optional<int64_t> dim = view.getInteger(unsqueeze.getAxes());
    int64_t time = view.normalizeAxis(concat->getResult(0),
                                      static_cast<int64_t>(concat.getAxis()));
    if (!dim || time < 1 ||
        view.normalizeAxis(unsqueeze.getExpanded(), *dim) != time)
      return;
    if (static_cast<int64_t>(i) + 1 < length) {
      joined = concat;
      continue;
    }
    joined = concat;
    return;
  }
}

//===----------------------------------------------------------------------===//
// Factors
//===----------------------------------------------------------------------===//

const char *Recurrence::matchFactors() {
  std::optional<Contraction> product = Contraction::get(view, inputs);
  if (!product)
    return "the input is no product";
  // Indices are counted in the tensor's order.
  auto rename = [&](int label) {
    if (label == 1 || label == 2)
      return axis == 1 ? label : 3 - label;
    return label;
  };
  for (Factor factor : product->getFactors()) {
    for (int &label : factor.labels) {
      if (label > kState)
        return "the input is a sum of products";
      label = rename(label);
    }
    bool hasChannel = llvm::is_contained(factor.labels, kChannel);
    bool hasState = llvm::is_contained(factor.labels, kState);
    if (hasChannel == hasState || factor.labels.size() != 3 ||
        !llvm::is_contained(factor.labels, kBatch) ||
        !llvm::is_contained(factor.labels, kTime))
      return "a factor of the input has not batch, time, and either channel or "
             "state";
    (hasState ? keys : values).push_back(factor);
  }
  return keys.empty() || values.empty()
             ? "the input has no factor with a state, or none with a channel"
             : nullptr;
}

const char *Recurrence::match() {
  if (const char *why = matchChain())
    return why;
  if (const char *why = matchOutputs())
    return why;
  return matchFactors();
}

//===----------------------------------------------------------------------===//
// The operator
//===----------------------------------------------------------------------===//

Value Recurrence::transposeTo(RaisedBuilder &raised, Value value,
                              ArrayRef<int> from, ArrayRef<int> to) {
  if (from == to)
    return value;
  SmallVector<int64_t> permutation;
  SmallVector<AffineExpr> shape;
  for (int label : to) {
    permutation.push_back(llvm::find(from, label) - from.begin());
    shape.push_back(view.getDim(value, permutation.back()));
  }
  Type type = getTensorType(shape, getElementTypeOrSelf(value.getType()));
  Value result =
      raised
          .create<TransposeOp>(
              type, value, 0,
              {raised.builder.getNamedAttr(
                  "perm", raised.builder.getDenseI64ArrayAttr(permutation))})
          ->getResult(0);
  view.setShape(result, shape);
  return result;
}

/// The product of `factors`, [b, t, channel].
Value Recurrence::multiply(RaisedBuilder &raised, ArrayRef<Factor> factors,
                           int channel) {
  Value product;
  for (const Factor &factor : factors) {
    Value next = transposeTo(raised, factor.value, factor.labels,
                             {kBatch, kTime, channel});
    if (!product) {
      product = next;
      continue;
    }
    Value operands[] = {product, next};
    product = raised.create<MulOp>(next.getType(), operands)->getResult(0);
    view.setShape(product, view.getShape(next));
  }
  return product;
}

Value Recurrence::reshape(RaisedBuilder &raised, Value value,
                          ArrayRef<AffineExpr> shape, ArrayRef<int64_t> sizes) {
  Value operands[] = {value, raised.getIntegers(sizes)};
  Type type = getTensorType(shape, getElementTypeOrSelf(value.getType()));
  Value result = raised.create<ReshapeOp>(type, operands)->getResult(0);
  view.setShape(result, shape);
  return result;
}

void Recurrence::rewrite() {
  Value result = joined ? joined->getResult(0) : outputs[0];
  // Behind everything that is read, before everything that is replaced.
  RaisedBuilder raised(result.getDefiningOp());
  AffineExpr batch = view.getDim(decays, 0);
  auto number = [&](int64_t value) { return view.getConstant(value); };
  Value exponents = decays.getDefiningOp<ExpOp>()->getOperand(0);
  SmallVector<int> order = {kBatch, kTime, kChannel, kState};
  if (axis == 2)
    std::swap(order[1], order[2]);
  view.setShape(exponents, view.getShape(decays));
  Value decay =
      transposeTo(raised, exponents, order, {kBatch, kTime, kChannel, kState});
  decay =
      reshape(raised, decay, {batch, number(length), number(channels * width)},
              {0, length, channels * width});
  Value past = reshape(raised, initial,
                       {batch, number(channels), number(width), number(1)},
                       {0, channels, width, 1});
  Value operands[] = {c,
                      multiply(raised, keys, kState),
                      multiply(raised, values, kChannel),
                      past,
                      decay,
                      raised.getNone()};
  Type element = getElementTypeOrSelf(result.getType());
  SmallVector<AffineExpr> outputShape = {batch, number(length),
                                         number(channels)};
  Type types[] = {
      getTensorType(outputShape, element),
      getTensorType({batch, number(channels), number(width), number(1)},
                    element)};
  auto scan = raised.create<MsLinearAttentionOp>(
      types, operands, 1,
      {raised.getNamed("kv_num_heads", channels),
       raised.getNamed("q_num_heads", int64_t(1)),
       raised.getNamed("scale", 1.0), raised.getNamed("update_rule", "gated")});
  Value output = scan.getOutput();
  view.setShape(output, outputShape);
  if (joined) {
    bool isTimeLast =
        view.normalizeAxis(result, static_cast<int64_t>(joined.getAxis())) == 2;
    if (isTimeLast)
      output = transposeTo(raised, output, {kBatch, kTime, kChannel},
                           {kBatch, kChannel, kTime});
  } else if (view.getRank(result) == 2) {
    output = reshape(raised, output, {batch, number(channels)}, {0, channels});
  } else {
    output = reshape(raised, output, {batch, number(channels), number(1)},
                     {0, channels, 1});
  }
  view.replace(result, output);
  Value present =
      reshape(raised, scan.getPresentState(),
              {batch, number(channels), number(width)}, {0, channels, width});
  Value last = states.back()->getResult(0);
  last.replaceUsesWithIf(present, [&](OpOperand &use) {
    return scan->isBeforeInBlock(use.getOwner());
  });
}

struct RaiseSelectiveScan
    : hybrid::onnx::impl::ONNXRaiseSelectiveScanBase<RaiseSelectiveScan> {
  void runOnOperation() override {
    auto raise = [&](GraphView &view) {
      raiseGroups<AddOp, Recurrence>(view, numRaised, numRefused);
    };
    if (failed(raiseIn(getOperation(), getArgument(), raise)))
      signalPassFailure();
  }
};

} // namespace
