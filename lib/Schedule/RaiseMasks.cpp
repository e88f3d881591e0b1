//===- RaiseMasks.cpp - computed masks as attributes ----------------------===//
//
// What a mask's formula (see MaskFormula.h) says of positions becomes
// attributes of the attention; what it says of keys alone stays a mask, with an
// element for each key instead of one for each pair.
//
//===----------------------------------------------------------------------===//

#include "MaskFormula.h"
#include "hybrid/Dialect/Hybrid/Transforms/Sizes.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"

#include <cmath>

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_RAISEMASKSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// The largest number of a mask of integers whose running sums are compared:
/// they do not overflow.
constexpr int64_t kMaxSummed = std::numeric_limits<int32_t>::max();

/// What one conjunction says of the key at `column` for a query at `position`.
struct Interval {
  bool isEmpty = false;
  bool isCausal = false;   ///< column ≤ position
  int64_t windowLeft = -1; ///< column ≥ position - windowLeft
  int64_t sinkPrefix = -1; ///< column < sinkPrefix
  bool isAll() const { return windowLeft < 0 && sinkPrefix < 0; }
};

/// What all conjunctions say of positions, as attributes say it.
struct Visibility {
  bool isCausal = true, seesAll = false;
  int64_t windowLeft = -1, sinkPrefix = 0;
};

/// `unknown` ≥ `bound`, or ≤ if isUpper.
struct KeyCondition {
  Unknown unknown;
  int64_t bound;
  bool isUpper;
};

/// Why something was refused; null if it wasn't.
using Reason = const char *;

/// A mask as attributes of an attention.
class MaskRaiser {
public:
  explicit MaskRaiser(AttentionOp op)
      : op(op), evaluator(op.getContext()),
        type(cast<RankedTensorType>(op.getMask().getType())) {}

  Reason raise();
  /// After `raise`: whether a mask of the keys is left.
  bool hasKeyMask() const { return isPerKey(); }

private:
  Reason evaluate();
  Reason match();
  Reason checkNumbers();
  bool coversKeys();
  bool isOwnKeyVisible(const Disjunction &truth);
  Reason separate();
  Reason resolveSums(Conjunction &conditions, bool &isImpossible);
  Reason resolveSum(AffineExpr &condition, const Conjunction &conditions,
                    bool &isDropped, bool &isImpossible);
  bool splitSum(AffineExpr condition, Unknown &later, Unknown &earlier);
  bool isStated(const Conjunction &conditions, AffineExpr condition);
  Reason getVisibility();
  std::optional<Interval> getInterval(const Conjunction &conditions);
  std::optional<KeyCondition> getKeyCondition(AffineExpr condition);
  bool isPerKey() const {
    return !llvm::is_contained(keyParts, Conjunction()) && !keyParts.empty();
  }
  bool addsAttributes() {
    return !visibility.seesAll || (visibility.isCausal && !op.getCausal());
  }
  void rewrite();
  Value createKeyMask(Type element);
  Value createTruth(OpBuilder &b, Location loc, const Conjunction &conditions,
                    ArrayRef<Unknown> unknowns, ValueRange values);
  void limitInputs();

  AttentionOp op;
  MaskEvaluator evaluator;
  RankedTensorType type;
  SmallVector<OpFoldResult, 4> sizes;
  SmallVector<AffineExpr, 4> index;
  Formula formula;
  AffineExpr position, column;
  /// The formula is one of `positionParts` and one of `keyParts`.
  SmallVector<Conjunction, 4> positionParts, keyParts;
  /// Inputs whose elements must not be negative.
  llvm::SmallSetVector<Value, 1> summed;
  Visibility visibility;
  bool needsMean = false;
};

/// Whether the mask has a column for each key: others would not be visible.
bool MaskRaiser::coversKeys() {
  AffineExpr missing =
      evaluator.getNumber(op.getKvLength()) - evaluator.getNumber(sizes.back());
  auto constant = dyn_cast<AffineConstantExpr>(evaluator.simplify(missing));
  return constant && constant.getValue() <= 0;
}

/// Whether each query sees the key at its own position: then no row of scores
/// is all blocked, which a finite number would make equal weights of.
bool MaskRaiser::isOwnKeyVisible(const Disjunction &truth) {
  AffineExpr behind = evaluator.getNumber(op.getKvLength()) - 1 - position;
  if (!evaluator.isNonNegative(evaluator.simplify(behind)))
    return false;
  return llvm::any_of(truth, [&](const Conjunction &conditions) {
    return llvm::all_of(conditions, [&](AffineExpr condition) {
      return evaluator.isNonNegative(
          evaluator.simplify(condition.replace(column, position)));
    });
  });
}

std::optional<Interval> MaskRaiser::getInterval(const Conjunction &conditions) {
  Interval interval;
  auto getConstant = [&](AffineExpr expr) -> std::optional<int64_t> {
    auto constant = dyn_cast<AffineConstantExpr>(evaluator.simplify(expr));
    return constant ? std::optional(constant.getValue()) : std::nullopt;
  };
  auto limit = [](int64_t &bound, int64_t value) {
    bound = bound < 0 ? value : std::min(bound, value);
  };
  AffineExpr distance = position - column;
  for (AffineExpr condition : conditions) {
    if (auto value = getConstant(condition)) {
      interval.isEmpty |= *value < 0;
    } else if (auto value = getConstant(condition - column)) {
      if (*value < 0)
        return std::nullopt;
    } else if (auto value = getConstant(condition - distance)) {
      if (*value < 0 || (*value > 0 && !op.getCausal()))
        return std::nullopt;
      interval.isCausal = true;
    } else if (auto value = getConstant(condition + distance)) {
      if (*value < 0)
        return std::nullopt;
      limit(interval.windowLeft, *value);
    } else if (auto value = getConstant(condition + column)) {
      if (*value < 0)
        return std::nullopt;
      limit(interval.sinkPrefix, *value + 1);
    } else {
      return std::nullopt;
    }
  }
  return interval;
}

bool MaskRaiser::isStated(const Conjunction &conditions, AffineExpr condition) {
  return llvm::any_of(conditions, [&](AffineExpr other) {
    return evaluator.simplify(other) == evaluator.simplify(condition);
  });
}

/// Whether `condition` compares two running sums: later - earlier ≥ 0.
bool MaskRaiser::splitSum(AffineExpr condition, Unknown &later,
                          Unknown &earlier) {
  AffineExpr zero = getAffineConstantExpr(0, op.getContext());
  for (unsigned i = 0; i < evaluator.getNumSymbols(); ++i)
    for (unsigned j = 0; j < evaluator.getNumSymbols(); ++j) {
      AffineExpr a = getAffineSymbolExpr(i, op.getContext()),
                 b = getAffineSymbolExpr(j, op.getContext());
      const Unknown *x = evaluator.findUnknown(a),
                    *y = evaluator.findUnknown(b);
      if (i == j || !x || !y || !x->isSum() || !y->isSum() ||
          evaluator.simplify(condition - a + b) != zero)
        continue;
      later = *x;
      earlier = *y;
      return true;
    }
  return false;
}

/// Sums of what is not negative grow: the sum up to x is at least the sum up to
/// y if x ≥ y, and only then if the element at y is positive.
Reason MaskRaiser::resolveSum(AffineExpr &condition,
                              const Conjunction &conditions, bool &isDropped,
                              bool &isImpossible) {
  Unknown later, earlier;
  if (!splitSum(condition, later, earlier) || later.tensor != earlier.tensor ||
      later.sumAxis != earlier.sumAxis)
    return "running sums in it are not compared with each other";
  unsigned axis = later.sumAxis;
  AffineExpr x = later.index[axis], y = earlier.index[axis];
  later.index[axis] = y;
  if (later.index != earlier.index)
    return "running sums of different rows are compared";
  auto argument = cast<BlockArgument>(later.tensor);
  auto func = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
  auto role = func ? func.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                       "hybrid.role")
                   : StringAttr();
  if (!role || role.getValue() != "attention_mask")
    return "running sums are compared of what may be negative";
  summed.insert(later.tensor);
  AffineExpr distance = evaluator.simplify(x - y);
  bool isCausal =
      op.getCausal() && distance == evaluator.simplify(position - column);
  isDropped = isCausal || evaluator.isNonNegative(distance);
  if (isDropped)
    return nullptr;
  earlier.sumAxis = -1;
  for (unsigned i = 0; i < evaluator.getNumSymbols(); ++i) {
    AffineExpr element = getAffineSymbolExpr(i, op.getContext());
    const Unknown *unknown = evaluator.findUnknown(element);
    if (!unknown || !(*unknown == earlier))
      continue;
    if (isStated(conditions, -element - 1)) {
      isImpossible = true;
      return nullptr;
    }
    if (isStated(conditions, element - 1)) {
      condition = distance;
      return nullptr;
    }
  }
  return "keys that do not count are visible by a running sum";
}

Reason MaskRaiser::resolveSums(Conjunction &conditions, bool &isImpossible) {
  Conjunction result;
  for (AffineExpr condition : conditions) {
    bool hasSum = false, isDropped = false;
    for (unsigned i = 0; i < evaluator.getNumSymbols(); ++i) {
      AffineExpr symbol = getAffineSymbolExpr(i, op.getContext());
      const Unknown *unknown = evaluator.findUnknown(symbol);
      hasSum |= unknown && unknown->isSum() && condition.isFunctionOfSymbol(i);
    }
    if (hasSum)
      if (Reason why =
              resolveSum(condition, conditions, isDropped, isImpossible))
        return why;
    if (!isDropped)
      result.push_back(condition);
  }
  conditions = result;
  return nullptr;
}

/// Splits the formula into one of positions and one of keys, of which both must
/// hold.
Reason MaskRaiser::separate() {
  auto findOrAdd = [](SmallVectorImpl<Conjunction> &parts, Conjunction part) {
    llvm::sort(part, [](AffineExpr a, AffineExpr b) {
      return a.getAsOpaquePointer() < b.getAsOpaquePointer();
    });
    part.erase(llvm::unique(part), part.end());
    auto found = llvm::find(parts, part);
    if (found == parts.end()) {
      parts.push_back(part);
      found = std::prev(parts.end());
    }
    return found - parts.begin();
  };
  llvm::SmallSetVector<std::pair<int64_t, int64_t>, 4> pairs;
  for (Conjunction conditions : formula.truth) {
    bool isImpossible = false;
    if (Reason why = resolveSums(conditions, isImpossible))
      return why;
    if (isImpossible)
      continue;
    Conjunction ofPositions, ofKeys;
    for (AffineExpr condition : conditions) {
      condition = evaluator.simplify(condition);
      bool isOfKeys = evaluator.hasUnknown(condition);
      if (isOfKeys && !getKeyCondition(condition))
        return "it compares positions with the elements of an input";
      (isOfKeys ? ofKeys : ofPositions).push_back(condition);
    }
    pairs.insert(
        {findOrAdd(positionParts, ofPositions), findOrAdd(keyParts, ofKeys)});
  }
  if (pairs.size() != positionParts.size() * keyParts.size())
    return "what positions and what keys are visible depends on each other";
  return nullptr;
}

std::optional<KeyCondition> MaskRaiser::getKeyCondition(AffineExpr condition) {
  for (unsigned i = 0; i < evaluator.getNumSymbols(); ++i) {
    AffineExpr symbol = getAffineSymbolExpr(i, op.getContext());
    const Unknown *unknown = evaluator.findUnknown(symbol);
    if (!unknown || !condition.isFunctionOfSymbol(i))
      continue;
    if (auto rest = dyn_cast<AffineConstantExpr>(
            evaluator.simplify(condition - symbol)))
      return KeyCondition{*unknown, -rest.getValue(), /*isUpper=*/false};
    if (auto rest = dyn_cast<AffineConstantExpr>(
            evaluator.simplify(condition + symbol)))
      return KeyCondition{*unknown, rest.getValue(), /*isUpper=*/true};
  }
  return std::nullopt;
}

Reason MaskRaiser::getVisibility() {
  bool someCausal = false;
  for (const Conjunction &conditions : positionParts) {
    std::optional<Interval> interval = getInterval(conditions);
    if (!interval)
      return "it compares positions otherwise than a window does";
    someCausal |= interval->isCausal;
    if (interval->isEmpty)
      continue;
    visibility.isCausal &= interval->isCausal;
    visibility.seesAll |= interval->isAll();
    if (interval->windowLeft >= 0 && interval->sinkPrefix >= 0)
      return "it shows only what of a window is in a prefix";
    visibility.windowLeft =
        std::max(visibility.windowLeft, interval->windowLeft);
    visibility.sinkPrefix =
        std::max(visibility.sinkPrefix, interval->sinkPrefix);
  }
  if (!visibility.seesAll && visibility.windowLeft < 0)
    return "it shows nothing, or only the first keys";
  if (someCausal && !visibility.isCausal && !op.getCausal())
    return "only a part of it is causal";
  if (!visibility.seesAll && op.getWindowLeft() >= 0)
    return "the attention has another window";
  return nullptr;
}

/// The mask's element as a formula, with what `position` is.
Reason MaskRaiser::evaluate() {
  MLIRContext *context = op.getContext();
  SmallVector<AffineExpr, 4> extents;
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    std::optional<OpFoldResult> size = findSize(op.getMask(), dim);
    if (!size)
      return "its size is not known";
    sizes.push_back(*size);
    extents.push_back(evaluator.getNumber(*size));
    index.push_back(type.getDimSize(dim) == 1
                        ? getAffineConstantExpr(0, context)
                        : getAffineDimExpr(dim, context));
  }
  if (!coversKeys())
    return "it is not known to have a column for each key";
  unsigned columns = type.getRank() - 1;
  SmallVector<unsigned, 2> keyDims = {columns};
  if (type.getRank() == 4)
    keyDims.push_back(0);
  evaluator.setSizes(extents, keyDims);
  column = index.back();
  std::optional<Formula> found = evaluator.evaluate(op.getMask(), index);
  bool isFloat = isa<FloatType>(type.getElementType());
  if (!found || found->number || found->isChoice != isFloat)
    return "its elements are not computed from positions and from what is "
           "known "
           "of each key";
  formula = *found;
  return nullptr;
}

/// Whether floats block as attributes and a mask of keys do.
Reason MaskRaiser::checkNumbers() {
  if (formula.whenTrue != 0)
    return "it adds another number than 0 to what is visible";
  // Where all is visible nothing stands for what is not.
  if (evaluator.decide(formula.truth) == std::optional(true))
    return nullptr;
  if (!isBlocking(formula.whenFalse, type.getElementType()))
    return "what it adds to a score does not block it";
  if (!isPerKey())
    return isOwnKeyVisible(formula.truth)
               ? nullptr
               : "a query that sees no key would weigh all of them equally";
  if (std::isinf(formula.whenFalse))
    return nullptr;
  if (formula.isSum)
    return "a query that sees no key would weigh them by how often they are "
           "blocked";
  // The mask of the keys has the same numbers.
  if (!addsAttributes())
    return nullptr;
  // Of all the attention's keys, whatever attributes say.
  if (op.getCausal() || op.getWindowLeft() >= 0 || op.getWindowRight() >= 0)
    return "a query that sees no key would weigh the earlier ones equally";
  if (type.getElementType().isF16())
    return "a query that sees no key would weigh all of them by their scores";
  needsMean = !op.getSinks();
  return nullptr;
}

Reason MaskRaiser::match() {
  positionParts.clear();
  keyParts.clear();
  summed.clear();
  visibility = Visibility();
  if (Reason why = separate())
    return why;
  if (Reason why = getVisibility())
    return why;
  if (isa<FloatType>(type.getElementType()))
    if (Reason why = checkNumbers())
      return why;
  bool isKeyMask = llvm::all_of(ArrayRef(index).drop_back(), [&](AffineExpr i) {
    return isa<AffineConstantExpr>(i) ||
           i == getAffineDimExpr(0, i.getContext());
  });
  if (isPerKey() && !addsAttributes() && isKeyMask && summed.empty() &&
      (type.getRank() == 4 || type.getRank() == 1))
    return "it is one of keys alone";
  return nullptr;
}

Reason MaskRaiser::raise() {
  if (type.getRank() < 2)
    return "it is one of keys alone";
  if (op.getLengths())
    return "the positions of queries depend on the sequence";
  if (Reason why = evaluate())
    return why;
  AffineExpr row = getAffineConstantExpr(0, op.getContext());
  auto queries = cast<ShapedType>(op.getQuery().getType())
                     .getDimSize(op.getQueryTimeDim());
  if (queries != 1)
    row = getAffineDimExpr(type.getRank() - 2, op.getContext());
  position = evaluator.getNumber(op.getQOffset()) + row;
  Reason why = match();
  if (!why) {
    rewrite();
    return nullptr;
  }
  // An attention that doesn't compare positions may have its queries anywhere:
  // at the end of the keys.
  std::optional<OpFoldResult> count =
      findSize(op.getInit(), op.getQueryTimeDim());
  if (op.getCausal() || op.getWindowLeft() >= 0 || op.getWindowRight() >= 0 ||
      !count)
    return why;
  position =
      evaluator.getNumber(op.getKvLength()) - evaluator.getNumber(*count) + row;
  if (match())
    return why;
  OpBuilder b(op);
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  OpFoldResult offset = affine::makeComposedFoldedAffineApply(
      b, op.getLoc(), s0 - s1, {OpFoldResult(op.getKvLength()), *count});
  op.getQOffsetMutable().assign(
      getValueOrCreateConstantIndexOp(b, op.getLoc(), offset));
  rewrite();
  return nullptr;
}

void MaskRaiser::rewrite() {
  bool adds = addsAttributes();
  if (!visibility.seesAll) {
    op.setWindowLeft(visibility.windowLeft);
    op.setSinkPrefix(visibility.sinkPrefix);
  }
  if (visibility.isCausal)
    op.setCausal(true);
  limitInputs();
  if (!isPerKey()) {
    op.getMaskMutable().clear();
    return;
  }
  // Numbers stay, so that a query that sees no key stays as it is.
  Type element = type.getElementType();
  if (adds)
    element = IntegerType::get(op.getContext(), 1);
  op.getMaskMutable().assign(createKeyMask(element));
  if (needsMean)
    op.setEmptyIsMean(true);
}

/// The runtime checks the range.
void MaskRaiser::limitInputs() {
  Builder b(op.getContext());
  auto limit = [&](Value tensor, int64_t most) {
    auto argument = cast<BlockArgument>(tensor);
    auto func = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    int64_t low = 0, high = most;
    if (auto range = func.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(),
                                                      "hybrid.range")) {
      low = std::max(low, cast<IntegerAttr>(range[0]).getInt());
      high = std::min(high, cast<IntegerAttr>(range[1]).getInt());
    }
    func.setArgAttr(argument.getArgNumber(), "hybrid.range",
                    b.getI64ArrayAttr({low, high}));
  };
  for (Value tensor : summed)
    limit(tensor, kMaxSummed);
  for (Value tensor : evaluator.getFlags())
    limit(tensor, 1);
}

/// A conjunction on the elements of unknowns.
Value MaskRaiser::createTruth(OpBuilder &b, Location loc,
                              const Conjunction &conditions,
                              ArrayRef<Unknown> unknowns, ValueRange values) {
  Value truth;
  for (AffineExpr condition : conditions) {
    KeyCondition key = *getKeyCondition(condition);
    Value value = values[llvm::find(unknowns, key.unknown) - unknowns.begin()];
    // Booleans are compared with 0 and 1 only.
    if (value.getType().isInteger(1))
      value = arith::ExtUIOp::create(b, loc, b.getI64Type(), value);
    else if (value.getType().getIntOrFloatBitWidth() < 64)
      value = arith::ExtSIOp::create(b, loc, b.getI64Type(), value);
    Value bound = arith::ConstantIntOp::create(b, loc, key.bound, 64);
    Value holds = arith::CmpIOp::create(b, loc,
                                        key.isUpper ? arith::CmpIPredicate::sle
                                                    : arith::CmpIPredicate::sge,
                                        value, bound);
    truth =
        truth ? arith::AndIOp::create(b, loc, truth, holds).getResult() : holds;
  }
  return truth;
}

/// [batch or 1, 1, 1, keys].
Value MaskRaiser::createKeyMask(Type element) {
  OpBuilder b(op);
  Location loc = op.getMask().getLoc();
  SmallVector<Unknown, 2> unknowns;
  bool hasBatch = false;
  for (const Conjunction &conditions : keyParts)
    for (AffineExpr condition : conditions) {
      Unknown unknown = getKeyCondition(condition)->unknown;
      if (!llvm::is_contained(unknowns, unknown))
        unknowns.push_back(unknown);
      hasBatch |= type.getRank() == 4 &&
                  llvm::is_contained(unknown.index, b.getAffineDimExpr(0));
    }
  OpFoldResult one = b.getIndexAttr(1);
  SmallVector<OpFoldResult> shape = {hasBatch ? sizes[0] : one, one, one,
                                     sizes.back()};
  AffineExpr batch = b.getAffineDimExpr(0), keys = b.getAffineDimExpr(3);
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (const Unknown &unknown : unknowns) {
    // Only as much as the mask reads, without dimensions of size 1.
    SmallVector<OpFoldResult> extents;
    SmallVector<int64_t> kept;
    SmallVector<AffineExpr> results;
    for (AffineExpr expr : unknown.index) {
      bool isColumn = expr == column;
      if (isa<AffineConstantExpr>(expr)) {
        extents.push_back(one);
        continue;
      }
      extents.push_back(isColumn ? shape[3] : shape[0]);
      results.push_back(isColumn ? keys : batch);
      kept.push_back(
          getConstantIntValue(extents.back()).value_or(ShapedType::kDynamic));
    }
    bool isAll = kept.size() == extents.size();
    for (auto [dim, extent] : llvm::enumerate(extents)) {
      std::optional<OpFoldResult> size = findSize(unknown.tensor, dim);
      isAll = isAll && size && isEqualConstantIntOrValue(*size, extent);
    }
    Value input = unknown.tensor;
    if (!isAll)
      input = tensor::ExtractSliceOp::create(
          b, loc,
          RankedTensorType::get(kept, getElementTypeOrSelf(input.getType())),
          input, SmallVector<OpFoldResult>(extents.size(), b.getIndexAttr(0)),
          extents, SmallVector<OpFoldResult>(extents.size(), one));
    inputs.push_back(input);
    maps.push_back(AffineMap::get(4, 0, results, b.getContext()));
  }
  maps.push_back(b.getMultiDimIdentityMap(4));
  Value init = tensor::EmptyOp::create(b, loc, shape, element);
  SmallVector<utils::IteratorType> iterators(4, utils::IteratorType::parallel);
  auto build = [&](OpBuilder &b, Location loc, ValueRange values) {
    Value truth;
    for (const Conjunction &conditions : keyParts) {
      Value part = createTruth(b, loc, conditions, unknowns, values);
      truth =
          truth ? arith::OrIOp::create(b, loc, truth, part).getResult() : part;
    }
    if (auto real = dyn_cast<FloatType>(element)) {
      auto number = [&](double value) -> Value {
        return arith::ConstantOp::create(b, loc, b.getFloatAttr(real, value));
      };
      truth = arith::SelectOp::create(b, loc, truth, number(0),
                                      number(formula.whenFalse));
    }
    linalg::YieldOp::create(b, loc, truth);
  };
  return linalg::GenericOp::create(b, loc, init.getType(), inputs, init, maps,
                                   iterators, build)
      .getResult(0);
}

struct RaiseMasks : impl::RaiseMasksPassBase<RaiseMasks> {
  void runOnOperation() override {
    getOperation().walk([&](AttentionOp op) {
      if (!op.getMask())
        return;
      auto options =
          remark::RemarkOpts::name("mask").category("hybrid-raise-masks");
      MaskRaiser raiser(op);
      if (Reason why = raiser.raise()) {
        ++numRefused;
        remark::missed(op.getLoc(), options)
            << (Twine("the mask stays: ") + why).str();
        return;
      }
      ++numRaised;
      if (!raiser.hasKeyMask()) {
        remark::passed(op.getLoc(), options)
            << "the mask is computed from positions alone: it became "
               "attributes";
        return;
      }
      ++numKeyMasks;
      remark::passed(op.getLoc(), options)
          << "what the mask says of positions became attributes: what is left "
             "has an element for each key";
    });
  }
};

} // namespace
} // namespace hybrid
