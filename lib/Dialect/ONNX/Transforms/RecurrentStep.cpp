//===- RecurrentStep.cpp - One step of a recurrence -----------------------===//

#include "RecurrentStep.h"

#include "Chunking.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace hybrid::onnx {

using Labels = SmallVector<int, 5>;

static bool hasLabel(const Factor &factor, int label) {
  return llvm::is_contained(factor.labels, label);
}

/// The factors of `value`. Sums over a dimension of size 1 are none.
static SmallVector<Factor> getFactors(GraphView &view, Value value,
                                      ArrayRef<int> labels) {
  SmallVector<Factor> factors(
      Contraction::getAt(view, value, labels, kStepTime + 1).getFactors());
  for (Factor &factor : factors)
    for (auto [dim, label] : llvm::enumerate(factor.labels))
      if (label > kStepTime && !llvm::is_contained(labels, label) &&
          view.isFixed(view.getDim(factor.value, static_cast<int64_t>(dim)), 1))
        label = -1;
  return factors;
}

/// `factors` with one index in another's place.
static SmallVector<Factor> rename(ArrayRef<Factor> factors, int from, int to) {
  SmallVector<Factor> renamed(factors);
  for (Factor &factor : renamed)
    for (int &label : factor.labels)
      if (label == from)
        label = to;
  return renamed;
}

/// Removes the factors `wanted`; false if one is missing.
static bool take(SmallVectorImpl<Factor> &factors, ArrayRef<Factor> wanted) {
  for (const Factor &factor : wanted) {
    auto *it = llvm::find(factors, factor);
    if (it == factors.end())
      return false;
    factors.erase(it);
  }
  return true;
}

/// What products with `value` are summed to.
static SmallVector<Value> getSummedProducts(Value value) {
  SmallVector<Value> sums;
  SmallVector<std::pair<Value, unsigned>> stack = {{value, 0}};
  constexpr unsigned kMostViews = 3;
  while (!stack.empty()) {
    auto [current, depth] = stack.pop_back_val();
    for (Operation *user : current.getUsers()) {
      if (user->getNumResults() != 1)
        continue;
      Value result = user->getResult(0);
      if (isa<MatMulOp, EinsumOp, ReduceSumOp>(user))
        sums.push_back(result);
      else if (depth < kMostViews &&
               isa<MulOp, UnsqueezeOp, TransposeOp, IdentityOp>(user))
        stack.push_back({result, depth + 1});
    }
  }
  return sums;
}

//===----------------------------------------------------------------------===//
// RecurrentStep
//===----------------------------------------------------------------------===//

bool RecurrentStep::isCandidate(GraphView &view, Value sum) {
  auto add = sum.getDefiningOp<AddOp>();
  int64_t rank = view.getRank(sum);
  if (!add || rank < 3 || rank > 4 || getSummedProducts(sum).empty())
    return false;
  auto isProduct = [](Value value) {
    return isa_and_nonnull<MulOp, MatMulOp, EinsumOp>(value.getDefiningOp());
  };
  return isProduct(add->getOperand(0)) || isProduct(add->getOperand(1));
}

/// scale · Σ next · query. Fixes the indices of the state.
bool RecurrentStep::matchRead(GraphView &view, Value value) {
  int64_t rank = view.getRank(value);
  if (rank < 1 || rank > 4)
    return false;
  // Indices of the result count from where those of the steps end.
  constexpr int kFirst = kStepTime + 1;
  Labels own = llvm::to_vector<5>(
      llvm::seq<int>(kFirst, kFirst + static_cast<int>(rank)));
  SmallVector<Factor> factors = getFactors(view, value, own);
  auto *it = llvm::find_if(
      factors, [&](const Factor &factor) { return factor.value == next; });
  if (it == factors.end() || it->labels.size() < 3)
    return false;
  Labels found = it->labels;
  factors.erase(it);
  int last = kFirst + static_cast<int>(rank), summed = -1;
  for (auto [dim, label] : llvm::enumerate(found)) {
    if (label < kFirst)
      return false;
    if (label < last)
      continue;
    if (summed >= 0 || dim == 0)
      return false;
    summed = static_cast<int>(dim);
  }
  if (summed < 0 || (found.size() == 4 && summed == 1))
    return false;
  stateLabels.clear();
  for (int dim : llvm::seq<int>(0, found.size())) {
    if (dim == summed)
      stateLabels.push_back(kStepKey);
    else if (dim == 0)
      stateLabels.push_back(kStepBatch);
    else
      stateLabels.push_back(found.size() == 4 && dim > 1 ? kStepValue
                                                         : kStepHead);
  }
  // From the indices of the result to those of the step.
  auto toStep = [&](int label) {
    for (auto [mine, theirs] : llvm::zip(stateLabels, found))
      if (label == theirs)
        return mine;
    return label >= kFirst ? -1 : label;
  };
  readLabels.clear();
  for (int64_t dim = 0; dim < rank; ++dim) {
    int label = toStep(own[dim]);
    if (label == -1 && !view.isFixed(view.getDim(value, dim), 1))
      return false;
    readLabels.push_back(label);
  }
  queries.clear();
  scale = 1;
  for (Factor &factor : factors) {
    if (std::optional<double> number = view.getNumber(factor.value)) {
      scale *= *number;
      continue;
    }
    for (int &label : factor.labels)
      label = toStep(label);
    if (hasLabel(factor, kStepValue))
      return false;
    queries.push_back(factor);
  }
  read = value;
  return scale != 0 && llvm::any_of(queries, [](const Factor &factor) {
           return hasLabel(factor, kStepKey);
         });
}

bool RecurrentStep::matchDecay(GraphView &view, Value term, Value known) {
  SmallVector<Factor> factors = getFactors(view, term, stateLabels);
  for (const Factor &factor : factors) {
    if (factor.labels != stateLabels || (known && factor.value != known) ||
        !view.haveSameShape(factor.value, next))
      continue;
    // Not the decay, which may have the same shape.
    if (!known &&
        isa_and_nonnull<ExpOp, SigmoidOp>(factor.value.getDefiningOp()))
      continue;
    state = factor.value;
    decays = factors;
    decays.erase(llvm::find(decays, factor));
    return true;
  }
  return false;
}

/// value - Σ_key D · key, whose indices lack the key's. `others`: it, and what
/// may be a factor of the key or the weight.
bool RecurrentStep::matchDelta(GraphView &view, ArrayRef<Factor> others,
                               const Factor &difference) {
  auto sub = difference.value.getDefiningOp<SubOp>();
  if (!sub)
    return false;
  auto read = [&](unsigned i) {
    Value operand = sub->getOperand(i);
    return getFactors(
        view, operand,
        getBroadcastLabels(view, operand, difference.value, difference.labels));
  };
  SmallVector<Factor> held = read(1);
  int inner = -1;
  for (const Factor &factor : held)
    if (factor.value == state && factor.labels.size() == stateLabels.size())
      inner = factor.labels[llvm::find(stateLabels, int(kStepKey)) -
                            stateLabels.begin()];
  Factor whole{state, stateLabels};
  if (inner <= kStepTime || !take(held, rename(whole, kStepKey, inner)) ||
      !take(held, rename(decays, kStepKey, inner)) ||
      !take(held, rename(keys, kStepKey, inner)))
    return false;
  // What the key is scaled by, in both places.
  SmallVector<Factor> weights(others);
  if (!take(weights, difference) || !take(weights, held))
    return false;
  llvm::append_range(keys, held);
  betas = weights;
  values = read(0);
  return true;
}

const char *RecurrentStep::matchUpdate(GraphView &view, Value term) {
  SmallVector<Factor> others;
  for (const Factor &factor : getFactors(view, term, stateLabels))
    (hasLabel(factor, kStepKey) ? keys : others).push_back(factor);
  isDelta = llvm::any_of(others, [&](const Factor &factor) {
    return matchDelta(view, others, factor);
  });
  if (!isDelta)
    values = others;
  if (keys.empty())
    return "what is added is no product of a key and a value";
  auto isWrong = [](const Factor &factor, int label) {
    return llvm::any_of(factor.labels, [&](int own) {
      return own > kStepTime || own == label;
    });
  };
  for (auto [list, label] :
       {std::pair<ArrayRef<Factor>, int>(keys, kStepValue),
        std::pair<ArrayRef<Factor>, int>(values, kStepKey),
        std::pair<ArrayRef<Factor>, int>(decays, kStepValue),
        std::pair<ArrayRef<Factor>, int>(queries, kStepValue),
        std::pair<ArrayRef<Factor>, int>(betas, kStepKey)})
    for (const Factor &factor : list)
      if (isWrong(factor, label))
        return "a factor depends on both key and value, or on what is summed";
  for (const Factor &factor : betas)
    if (hasLabel(factor, kStepValue))
      return "the weight of a value depends on its channel";
  return nullptr;
}

const char *RecurrentStep::match(GraphView &view, Value sum, Value known) {
  next = sum;
  auto add = sum.getDefiningOp<AddOp>();
  bool isRead = add && llvm::any_of(getSummedProducts(sum), [&](Value value) {
                  return matchRead(view, value);
                });
  if (!isRead)
    return "the next state is not multiplied by a query and summed";
  for (unsigned i : {0, 1}) {
    if (!matchDecay(view, add->getOperand(i), known))
      continue;
    // With one head, its values have channels; unless each decays on its own.
    bool isPerHead = llvm::any_of(decays, [](const Factor &factor) {
      return hasLabel(factor, kStepHead);
    });
    if (stateLabels.size() == 3 && !isPerHead) {
      for (Labels *labels : {&stateLabels, &readLabels})
        llvm::replace(*labels, int(kStepHead), int(kStepValue));
      queries = rename(queries, kStepHead, kStepValue);
    }
    return matchUpdate(view, add->getOperand(1 - i));
  }
  return "the next state is not the one before, decayed, and something added";
}

std::optional<int64_t> RecurrentStep::getSize(GraphView &view,
                                              int label) const {
  for (auto [dim, own] : llvm::enumerate(stateLabels))
    if (own == label)
      return view.getFixedDim(next, static_cast<int64_t>(dim));
  return 1;
}

bool isDecay(Value value) {
  if (isa_and_nonnull<ExpOp, SigmoidOp>(value.getDefiningOp()))
    return true;
  auto constant = value.getDefiningOp<ConstantOp>();
  auto dense = constant ? dyn_cast<DenseFPElementsAttr>(constant.getValue())
                        : DenseFPElementsAttr();
  return dense &&
         llvm::all_of(dense.getValues<APFloat>(), [](const APFloat &x) {
           return !x.isNegative() && !x.isNaN();
         });
}

//===----------------------------------------------------------------------===//
// StepRows
//===----------------------------------------------------------------------===//

const char *StepRows::setSizes(const RecurrentStep &step,
                               AffineExpr numSequences, AffineExpr length) {
  batch = numSequences;
  time = length;
  auto set = [&](int label, int64_t &size) {
    std::optional<int64_t> fixed = step.getSize(view, label);
    size = fixed.value_or(0);
    return fixed.has_value();
  };
  if (!set(kStepHead, heads) || !set(kStepKey, keyChannels) ||
      !set(kStepValue, valueChannels))
    return "the number of heads or a head size is not fixed";
  if (!llvm::any_of(step.values, [](const Factor &factor) {
        return hasLabel(factor, kStepBatch);
      }))
    return "the values do not depend on the sequence";
  if (step.isDelta && step.betas.empty())
    return "the delta rule has no weight";
  return nullptr;
}

Value StepRows::getLogarithm(Value decay) {
  Value result;
  if (auto exponential = decay.getDefiningOp<ExpOp>())
    result = exponential->getOperand(0);
  else
    result = raised->create<LogOp>(decay.getType(), decay)->getResult(0);
  view.setShape(result, view.getShape(decay));
  return result;
}

Value StepRows::transpose(Value value, ArrayRef<int64_t> perm) {
  SmallVector<AffineExpr> from = view.getShape(value), to;
  bool isSame = true;
  for (auto [i, dim] : llvm::enumerate(perm)) {
    to.push_back(from[dim]);
    isSame &= dim == static_cast<int64_t>(i);
  }
  if (isSame)
    return value;
  Type type = getTensorType(to, getElementTypeOrSelf(value.getType()));
  Value result =
      raised
          ->create<TransposeOp>(
              type, value, 0,
              {raised->builder.getNamedAttr(
                  "perm", raised->builder.getDenseI64ArrayAttr(perm))})
          ->getResult(0);
  view.setShape(result, to);
  return result;
}

Value StepRows::reshape(Value value, ArrayRef<AffineExpr> shape) {
  if (view.hasShape(value, shape))
    return value;
  SmallVector<int64_t> sizes;
  for (AffineExpr size : shape) {
    auto constant = dyn_cast<AffineConstantExpr>(size);
    // A size that isn't known is where it was.
    sizes.push_back(constant ? constant.getValue() : 0);
  }
  Value operands[] = {value, raised->getIntegers(sizes)};
  Type type = getTensorType(shape, getElementTypeOrSelf(value.getType()));
  Value result = raised->create<ReshapeOp>(type, operands)->getResult(0);
  view.setShape(result, shape);
  return result;
}

Value StepRows::unsqueeze(Value value, ArrayRef<int64_t> axes) {
  if (axes.empty())
    return value;
  SmallVector<AffineExpr> shape = view.getShape(value);
  for (int64_t axis : axes)
    shape.insert(shape.begin() + axis, view.getConstant(1));
  Value operands[] = {value, raised->getIntegers(axes)};
  Type type = getTensorType(shape, getElementTypeOrSelf(value.getType()));
  Value result = raised->create<UnsqueezeOp>(type, operands, 13)->getResult(0);
  view.setShape(result, shape);
  return result;
}

/// [B or 1, T or 1, H or 1, channels or 1].
Value StepRows::getRows(const Factor &factor, int channel) {
  Value value = factor.value;
  SmallVector<int64_t> gone;
  Labels left;
  for (auto [dim, label] : llvm::enumerate(factor.labels)) {
    if (label < 0)
      gone.push_back(static_cast<int64_t>(dim));
    else
      left.push_back(label);
  }
  if (!gone.empty()) {
    SmallVector<AffineExpr> shape;
    for (auto [dim, label] : llvm::enumerate(factor.labels))
      if (label >= 0)
        shape.push_back(view.getDim(value, static_cast<int64_t>(dim)));
    Value operands[] = {value, raised->getIntegers(gone)};
    Type type = getTensorType(shape, getElementTypeOrSelf(value.getType()));
    value = raised->create<SqueezeOp>(type, operands, 13)->getResult(0);
    view.setShape(value, shape);
  }
  SmallVector<int64_t> perm, added;
  Labels order = {kStepBatch, kStepTime, kStepHead, channel};
  for (auto [i, label] : llvm::enumerate(order)) {
    auto *it = llvm::find(left, label);
    if (it == left.end())
      added.push_back(static_cast<int64_t>(i));
    else
      perm.push_back(it - left.begin());
  }
  return unsqueeze(transpose(value, perm), added);
}

template <typename OpTy>
Value StepRows::combine(Value a, Value b) {
  if (!a)
    return b;
  SmallVector<AffineExpr> shape = view.getShape(a);
  for (auto [dim, size] : llvm::enumerate(shape))
    if (view.isFixed(size, 1))
      size = view.getDim(b, static_cast<int64_t>(dim));
  Value operands[] = {a, b};
  Type type = getTensorType(shape, getElementTypeOrSelf(a.getType()));
  Value result = raised->create<OpTy>(type, operands)->getResult(0);
  view.setShape(result, shape);
  return result;
}

Value StepRows::multiply(ArrayRef<Factor> factors, int channel) {
  Value product;
  for (const Factor &factor : factors)
    product = combine<MulOp>(product, getRows(factor, channel));
  return product;
}

Value StepRows::finish(Value rows, int64_t count, int64_t channels) {
  SmallVector<AffineExpr> shape = {batch, time, view.getConstant(count),
                                   view.getConstant(channels)};
  Type element = getElementTypeOrSelf(rows.getType());
  if (!view.hasShape(rows, shape)) {
    // Broadcast to the values' batch and length.
    Type integer = raised->builder.getI64Type();
    if (!sizes) {
      Type all = RankedTensorType::get({4}, integer);
      Value whole = raised->create<ShapeOp>(all, valueRows, 15)->getResult(0);
      Value operands[] = {whole, raised->getIntegers({0}),
                          raised->getIntegers({2}), raised->getIntegers({0}),
                          raised->getIntegers({1})};
      sizes = raised
                  ->create<SliceOp>(RankedTensorType::get({2}, integer),
                                    operands, 13)
                  ->getResult(0);
    }
    Value parts[] = {sizes, raised->getIntegers({count, channels})};
    Value wanted =
        raised
            ->create<ConcatOp>(RankedTensorType::get({4}, integer), parts, 13,
                               {raised->getNamed("axis", int64_t(0))})
            ->getResult(0);
    Value operands[] = {rows, wanted};
    rows = raised->create<ExpandOp>(getTensorType(shape, element), operands, 13)
               ->getResult(0);
    view.setShape(rows, shape);
  }
  return reshape(rows, {batch, time, view.getConstant(count * channels)});
}

/// From the step's state to [B, H, K, V] or back.
Value StepRows::toState(Value state, ArrayRef<int> labels, bool isBack) {
  SmallVector<int64_t> perm, added;
  Labels order = {kStepBatch, kStepHead, kStepKey, kStepValue}, present;
  SmallVector<AffineExpr> shape = {batch, view.getConstant(heads),
                                   view.getConstant(keyChannels),
                                   view.getConstant(valueChannels)};
  SmallVector<AffineExpr> kept;
  for (auto [i, label] : llvm::enumerate(order)) {
    if (!llvm::is_contained(labels, label))
      continue;
    present.push_back(label);
    kept.push_back(shape[i]);
  }
  if (!isBack) {
    for (int label : present)
      perm.push_back(llvm::find(labels, label) - labels.begin());
    return reshape(transpose(state, perm), shape);
  }
  for (int label : labels)
    perm.push_back(llvm::find(present, label) - present.begin());
  return transpose(kept.size() == shape.size() ? state : reshape(state, kept),
                   perm);
}

std::pair<Value, Value> StepRows::make(const RecurrentStep &step,
                                       Value initial) {
  valueRows = multiply(step.values, kStepValue);
  Type element = getElementTypeOrSelf(valueRows.getType());
  auto needsHeads = [](ArrayRef<Factor> factors) {
    return llvm::any_of(factors, [](const Factor &factor) {
      return hasLabel(factor, kStepHead);
    });
  };
  int64_t groups =
      needsHeads(step.keys) || needsHeads(step.queries) ? heads : 1;
  Value none = raised->getNone();
  Value query = finish(multiply(step.queries, kStepKey), groups, keyChannels);
  Value key = finish(multiply(step.keys, kStepKey), groups, keyChannels);
  Value decay = none, beta = none;
  bool isPerKey = false;
  Value logarithm;
  for (ArrayRef<Factor> product : step.logarithms) {
    logarithm = combine<AddOp>(logarithm, multiply(product, kStepKey));
    isPerKey |= llvm::any_of(product, [](const Factor &factor) {
      return hasLabel(factor, kStepKey);
    });
  }
  if (logarithm)
    decay = finish(logarithm, heads, isPerKey ? keyChannels : 1);
  if (step.isDelta)
    beta = finish(multiply(step.betas, kStepKey), heads, 1);
  bool hasPast = initial && view.getFill(initial) != 0.0;
  Value operands[] = {query,
                      key,
                      finish(valueRows, heads, valueChannels),
                      hasPast ? toState(initial, step.stateLabels, false)
                              : none,
                      decay,
                      beta};
  SmallVector<AffineExpr> flat = {batch, time,
                                  view.getConstant(heads * valueChannels)};
  SmallVector<AffineExpr> stateShape = {batch, view.getConstant(heads),
                                        view.getConstant(keyChannels),
                                        view.getConstant(valueChannels)};
  Type types[] = {getTensorType(flat, element),
                  getTensorType(stateShape, element)};
  auto scan = raised->create<MsLinearAttentionOp>(
      types, operands, 1,
      {raised->getNamed("kv_num_heads", heads),
       raised->getNamed("q_num_heads", groups),
       raised->getNamed("scale", step.scale),
       raised->getNamed("update_rule", step.getRule())});
  view.setShape(scan.getOutput(), flat);
  view.setShape(scan.getPresentState(), stateShape);
  return {reshape(scan.getOutput(), {batch, time, view.getConstant(heads),
                                     view.getConstant(valueChannels)}),
          toState(scan.getPresentState(), step.stateLabels, true)};
}

Value StepRows::arrange(Value rows, ArrayRef<int> labels) {
  Labels order = {kStepBatch, kStepTime, kStepHead, kStepValue}, present;
  SmallVector<AffineExpr> kept;
  for (auto [i, label] : llvm::enumerate(order)) {
    if (!llvm::is_contained(labels, label))
      continue;
    present.push_back(label);
    kept.push_back(view.getDim(rows, static_cast<int64_t>(i)));
  }
  // What is left out has size 1.
  if (kept.size() < order.size())
    rows = reshape(rows, kept);
  SmallVector<int64_t> perm, added;
  for (auto [i, label] : llvm::enumerate(labels)) {
    if (label < 0)
      added.push_back(static_cast<int64_t>(i));
    else
      perm.push_back(llvm::find(present, label) - present.begin());
  }
  return unsqueeze(transpose(rows, perm), added);
}

} // namespace hybrid::onnx
