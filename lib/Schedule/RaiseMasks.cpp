//===- RaiseMasks.cpp - computed masks as attributes ----------------------===//
//
// An element of a mask is evaluated to a formula over its row and column:
// integers as affine expressions, booleans as disjunctions of conjunctions of
// inequalities, floats that have one of two values as a boolean that chooses.
// What compares positions becomes attributes of the attention.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/Transforms/Sizes.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_RAISEMASKSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// Expressions that are all ≥ 0.
using Conjunction = SmallVector<AffineExpr, 4>;
/// One of the conjunctions holds.
using Disjunction = SmallVector<Conjunction, 2>;

/// No mask that models have needs more.
constexpr size_t kMaxConjunctions = 16;
constexpr unsigned kMaxSteps = 4000;

/// Minus infinity, or what stands for it where a type has a lowest number: the
/// exponential of a score that it is added to is 0 beside any other's.
bool isBlocking(double number, Type type) {
  constexpr double kLowestHalf = -65504, kLow = -1e30;
  return number <= kLow || (type.isF16() && number == kLowestHalf);
}

/// A number, or where there is none a truth value, or (isChoice) one of two
/// floats that it chooses.
struct Formula {
  AffineExpr number;
  Disjunction truth;
  bool isChoice = false;
  double whenTrue = 0, whenFalse = 0;

  bool isTruth() const { return !number && !isChoice; }
};

Formula makeTruth(Disjunction truth) { return {AffineExpr(), truth}; }

Formula makeChoice(Disjunction truth, double whenTrue, double whenFalse) {
  return {AffineExpr(), truth, /*isChoice=*/true, whenTrue, whenFalse};
}

Disjunction both(const Disjunction &a, const Disjunction &b) {
  Disjunction result;
  for (const Conjunction &left : a)
    for (const Conjunction &right : b) {
      result.push_back(left);
      llvm::append_range(result.back(), right);
    }
  return result;
}

Disjunction either(Disjunction a, const Disjunction &b) {
  llvm::append_range(a, b);
  return a;
}

/// Evaluates elements of tensors; nullopt where they are no formula.
class Evaluator {
public:
  explicit Evaluator(MLIRContext *context) : context(context) {}

  /// Dimension i of all formulas is less than `sizes[i]`.
  void setSizes(ArrayRef<AffineExpr> sizes) {
    this->sizes = llvm::to_vector<4>(sizes);
  }
  /// For all values of the dimensions; false means "not proven".
  bool isNonNegative(AffineExpr expr);
  /// True or false for all values of the dimensions.
  std::optional<bool> decide(const Disjunction &truth);

  std::optional<Formula> evaluate(Value tensor, ArrayRef<AffineExpr> index);
  AffineExpr getNumber(OpFoldResult index);
  AffineExpr simplify(AffineExpr expr) {
    return simplifyAffineExpr(expr, /*numDims=*/4, symbols.size());
  }

private:
  using Index = SmallVector<AffineExpr, 4>;
  std::optional<Formula> evaluateScalar(Value value, linalg::GenericOp body,
                                        ArrayRef<AffineExpr> loops);
  std::optional<Formula> evaluateOp(Operation *op, linalg::GenericOp body,
                                    ArrayRef<AffineExpr> loops);
  std::optional<Formula> evaluateInsertion(tensor::InsertSliceOp insert,
                                           ArrayRef<AffineExpr> index);
  std::optional<Formula> evaluateChoice(Operation *op,
                                        ArrayRef<Formula> operands);
  std::optional<Formula> evaluateSelect(const Formula &condition,
                                        const Formula &a, const Formula &b);
  std::optional<Disjunction> negate(const Disjunction &truth);
  std::optional<Formula> makeConstant(const APInt &value);
  std::optional<Formula> makeFloat(APFloat value);
  std::optional<Formula> compare(arith::CmpIPredicate predicate, AffineExpr a,
                                 AffineExpr b);
  /// Along reassociated dimensions of which at most one is not 1.
  std::optional<Index> regroup(ArrayRef<ReassociationIndices> groups,
                               RankedTensorType expanded,
                               ArrayRef<AffineExpr> index, bool toExpanded);

  MLIRContext *context;
  SmallVector<AffineExpr, 4> sizes;
  llvm::SetVector<Value> symbols;
  /// Values that many users share are evaluated for each.
  unsigned numSteps = 0;
};

AffineExpr Evaluator::getNumber(OpFoldResult index) {
  if (std::optional<int64_t> constant = getConstantIntValue(index))
    return getAffineConstantExpr(*constant, context);
  Value value = cast<Value>(index);
  auto apply = value.getDefiningOp<affine::AffineApplyOp>();
  if (!apply) {
    symbols.insert(value);
    auto position = llvm::find(symbols, value) - symbols.begin();
    return getAffineSymbolExpr(position, context);
  }
  SmallVector<AffineExpr> operands;
  for (Value operand : apply.getOperands())
    operands.push_back(getNumber(operand));
  AffineMap map = apply.getAffineMap();
  ArrayRef<AffineExpr> all(operands);
  return map.getResult(0).replaceDimsAndSymbols(
      all.take_front(map.getNumDims()), all.drop_front(map.getNumDims()));
}

std::optional<Formula> Evaluator::makeConstant(const APInt &value) {
  if (value.getBitWidth() == 1)
    return makeTruth(value.isZero() ? Disjunction() : Disjunction{{}});
  return Formula{getAffineConstantExpr(value.getSExtValue(), context), {}};
}

std::optional<Formula> Evaluator::makeFloat(APFloat value) {
  bool lost = false;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return makeChoice({{}}, value.convertToDouble(), 0);
}

std::optional<Evaluator::Index>
Evaluator::regroup(ArrayRef<ReassociationIndices> groups,
                   RankedTensorType expanded, ArrayRef<AffineExpr> index,
                   bool toExpanded) {
  AffineExpr zero = getAffineConstantExpr(0, context);
  Index result(toExpanded ? expanded.getRank() : groups.size(), zero);
  for (auto [i, group] : llvm::enumerate(groups)) {
    int64_t found = -1;
    for (int64_t dim : group) {
      if (expanded.getDimSize(dim) == 1)
        continue;
      if (found >= 0)
        return std::nullopt;
      found = dim;
    }
    if (found >= 0)
      result[toExpanded ? found : i] = index[toExpanded ? i : found];
  }
  return result;
}

/// By the least value: a dimension is 0 where its coefficient is positive, and
/// its size - 1 else. Sizes are not negative.
bool Evaluator::isNonNegative(AffineExpr expr) {
  for (unsigned dim = 0; dim < sizes.size(); ++dim) {
    AffineExpr variable = getAffineDimExpr(dim, context);
    if (!expr.isFunctionOfDim(dim))
      continue;
    auto slope = dyn_cast<AffineConstantExpr>(
        simplify(expr.replace(variable, variable + 1) - expr));
    if (!slope)
      return false;
    AffineExpr least = slope.getValue() >= 0 ? getAffineConstantExpr(0, context)
                                             : sizes[dim] - 1;
    expr = simplify(expr.replace(variable, least));
  }
  for (unsigned i = 0; i < symbols.size(); ++i) {
    if (!expr.isFunctionOfSymbol(i))
      continue;
    AffineExpr symbol = getAffineSymbolExpr(i, context);
    auto slope = dyn_cast<AffineConstantExpr>(
        simplify(expr.replace(symbol, symbol + 1) - expr));
    if (!slope || slope.getValue() < 0 || !symbols[i].getDefiningOp<DimOp>())
      return false;
    expr = simplify(expr.replace(symbol, getAffineConstantExpr(0, context)));
  }
  auto constant = dyn_cast<AffineConstantExpr>(expr);
  return constant && constant.getValue() >= 0;
}

std::optional<bool> Evaluator::decide(const Disjunction &truth) {
  bool isNever = true;
  for (const Conjunction &conditions : truth) {
    bool fails = llvm::any_of(conditions, [&](AffineExpr condition) {
      return isNonNegative(simplify(-condition - 1));
    });
    if (!fails && llvm::all_of(conditions, [&](AffineExpr condition) {
          return isNonNegative(simplify(condition));
        }))
      return true;
    isNever &= fails;
  }
  return isNever ? std::optional(false) : std::nullopt;
}

/// By De Morgan; nullopt where it gets too long.
std::optional<Disjunction> Evaluator::negate(const Disjunction &truth) {
  Disjunction result = {{}};
  for (const Conjunction &conditions : truth) {
    Disjunction fails;
    for (AffineExpr condition : conditions)
      fails.push_back({simplify(-condition - 1)});
    result = both(result, fails);
    if (result.size() > kMaxConjunctions)
      return std::nullopt;
  }
  return result;
}

/// Of a concatenation: the part that `index` lies in. Where it lies in a part
/// except at 0 along one dimension, and there in what was before, this part's
/// formula holds if it has the other's value at 0, too.
std::optional<Formula>
Evaluator::evaluateInsertion(tensor::InsertSliceOp insert,
                             ArrayRef<AffineExpr> index) {
  if (insert.getSourceType().getRank() != static_cast<int64_t>(index.size()) ||
      !insert.hasUnitStride())
    return std::nullopt;
  Index inner, corner(index);
  unsigned numUndecided = 0;
  AffineExpr zero = getAffineConstantExpr(0, context), variable;
  for (auto [position, offset, size] :
       llvm::zip(index, insert.getMixedOffsets(), insert.getMixedSizes())) {
    AffineExpr from = simplify(position - getNumber(offset));
    AffineExpr behind = simplify(getNumber(size) - 1 - from);
    inner.push_back(from);
    if (isNonNegative(simplify(-from - 1)) ||
        isNonNegative(simplify(-behind - 1)))
      return evaluate(insert.getDest(), index);
    if (!isNonNegative(behind))
      return std::nullopt;
    if (isNonNegative(from))
      continue;
    ++numUndecided;
    for (unsigned dim = 0; dim < sizes.size(); ++dim)
      if (simplify(from - getAffineDimExpr(dim, context) + 1) == zero)
        variable = getAffineDimExpr(dim, context);
  }
  std::optional<Formula> here = evaluate(insert.getSource(), inner);
  if (numUndecided == 0 || !here)
    return here;
  if (numUndecided > 1 || !variable)
    return std::nullopt;
  for (AffineExpr &position : corner)
    position = simplify(position.replace(variable, zero));
  std::optional<Formula> before = evaluate(insert.getDest(), corner);
  bool agrees = before && here->number && before->number &&
                simplify(here->number.replace(variable, zero)) ==
                    simplify(before->number);
  return agrees ? here : std::nullopt;
}

std::optional<Formula> Evaluator::evaluate(Value tensor,
                                           ArrayRef<AffineExpr> index) {
  if (++numSteps > kMaxSteps)
    return std::nullopt;
  Operation *def = tensor.getDefiningOp();
  DenseIntElementsAttr dense;
  if (matchPattern(tensor, m_Constant(&dense)) && dense.isSplat())
    return makeConstant(dense.getSplatValue<APInt>());
  DenseFPElementsAttr floats;
  if (matchPattern(tensor, m_Constant(&floats)) && floats.isSplat())
    return makeFloat(floats.getSplatValue<APFloat>());
  if (auto insert = dyn_cast_or_null<tensor::InsertSliceOp>(def))
    return evaluateInsertion(insert, index);
  if (auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(def)) {
    if (slice.getSourceType().getRank() != static_cast<int64_t>(index.size()) ||
        !slice.hasUnitStride())
      return std::nullopt;
    Index moved;
    for (auto [position, offset] : llvm::zip(index, slice.getMixedOffsets()))
      moved.push_back(simplify(position + getNumber(offset)));
    return evaluate(slice.getSource(), moved);
  }
  // The sums of nothing but zeros.
  if (auto sums = dyn_cast_or_null<CumSumOp>(def)) {
    std::optional<Formula> term = evaluate(sums.getInput(), index);
    return term && term->number &&
                   simplify(term->number) == getAffineConstantExpr(0, context)
               ? term
               : std::nullopt;
  }
  if (auto cast = dyn_cast_or_null<tensor::CastOp>(def))
    return evaluate(cast.getSource(), index);
  if (auto fill = dyn_cast_or_null<linalg::FillOp>(def))
    return evaluateScalar(fill.getInputs()[0], nullptr, {});
  if (auto expand = dyn_cast_or_null<tensor::ExpandShapeOp>(def)) {
    auto source = regroup(expand.getReassociationIndices(),
                          expand.getResultType(), index, /*toExpanded=*/false);
    return source ? evaluate(expand.getSrc(), *source) : std::nullopt;
  }
  if (auto collapse = dyn_cast_or_null<tensor::CollapseShapeOp>(def)) {
    auto source = regroup(collapse.getReassociationIndices(),
                          collapse.getSrcType(), index, /*toExpanded=*/true);
    return source ? evaluate(collapse.getSrc(), *source) : std::nullopt;
  }
  auto body = dyn_cast_or_null<linalg::GenericOp>(def);
  if (!body || body->getNumResults() != 1 || body.getNumReductionLoops() > 0 ||
      !body.getIndexingMapsArray().back().isIdentity())
    return std::nullopt;
  return evaluateScalar(body.getBody()->getTerminator()->getOperand(0), body,
                        index);
}

/// `value` in the body of a generic at the point `loops`, or outside of any.
std::optional<Formula> Evaluator::evaluateScalar(Value value,
                                                 linalg::GenericOp body,
                                                 ArrayRef<AffineExpr> loops) {
  bool isOutside = !body || value.getParentBlock() != body.getBody();
  if (isOutside && value.getType().isIndex())
    return Formula{getNumber(value), {}};
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument)
    return evaluateOp(value.getDefiningOp(), body, loops);
  if (!body || argument.getOwner() != body.getBody() ||
      argument.getArgNumber() >= body.getNumDpsInputs())
    return std::nullopt;
  OpOperand *operand = body.getDpsInputOperand(argument.getArgNumber());
  Index index;
  for (AffineExpr expr : body.getMatchingIndexingMap(operand).getResults())
    index.push_back(expr.replaceDims(loops));
  return evaluate(operand->get(), index);
}

std::optional<Formula> Evaluator::evaluateOp(Operation *op,
                                             linalg::GenericOp body,
                                             ArrayRef<AffineExpr> loops) {
  if (++numSteps > kMaxSteps)
    return std::nullopt;
  Value result = op->getResult(0);
  APInt constant;
  if (matchPattern(result, m_ConstantInt(&constant)))
    return makeConstant(constant);
  APFloat real(0.0);
  if (matchPattern(result, m_ConstantFloat(&real)))
    return makeFloat(real);
  if (auto index = dyn_cast<linalg::IndexOp>(op))
    return Formula{loops[index.getDim()], {}};
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    Index index;
    for (Value position : extract.getIndices()) {
      std::optional<Formula> formula = evaluateScalar(position, body, loops);
      if (!formula || !formula->number)
        return std::nullopt;
      index.push_back(simplify(formula->number));
    }
    return evaluate(extract.getTensor(), index);
  }
  if (!isa<arith::ArithDialect>(op->getDialect()) ||
      op->getNumOperands() == 0 || op->getNumOperands() > 3)
    return std::nullopt;
  SmallVector<Formula, 3> operands;
  for (Value operand : op->getOperands()) {
    std::optional<Formula> formula = evaluateScalar(operand, body, loops);
    if (!formula)
      return std::nullopt;
    operands.push_back(*formula);
  }
  if (isa<arith::SelectOp>(op))
    return operands[0].isTruth()
               ? evaluateSelect(operands[0], operands[1], operands[2])
               : std::nullopt;
  if (operands.size() > 2)
    return std::nullopt;
  const Formula &a = operands.front(), &b = operands.back();
  bool areNumbers = a.number && b.number;
  // Positions fit in 32 bits: their capacities do.
  if (isa<arith::IndexCastOp, arith::ExtSIOp, arith::TruncIOp>(op) &&
      areNumbers)
    return result.getType().isIndex() ||
                   result.getType().getIntOrFloatBitWidth() >= 32
               ? std::optional(a)
               : std::nullopt;
  if (areNumbers && isa<arith::AddIOp>(op))
    return Formula{a.number + b.number, {}};
  if (areNumbers && isa<arith::SubIOp>(op))
    return Formula{a.number - b.number, {}};
  if (areNumbers && isa<arith::MulIOp>(op) &&
      (isa<AffineConstantExpr>(a.number) || isa<AffineConstantExpr>(b.number)))
    return Formula{a.number * b.number, {}};
  if (areNumbers && isa<arith::MinSIOp, arith::MaxSIOp>(op)) {
    bool isMin = isa<arith::MinSIOp>(op);
    if (isNonNegative(simplify(a.number - b.number)))
      return isMin ? b : a;
    if (isNonNegative(simplify(b.number - a.number)))
      return isMin ? a : b;
    return std::nullopt;
  }
  if (auto compared = dyn_cast<arith::CmpIOp>(op); compared && areNumbers)
    return compare(compared.getPredicate(), a.number, b.number);
  if (a.number || b.number)
    return std::nullopt;
  if (a.isChoice || b.isChoice)
    return evaluateChoice(op, operands);
  if (isa<arith::ExtUIOp>(op)) {
    std::optional<bool> value = decide(a.truth);
    return value ? std::optional(
                       Formula{getAffineConstantExpr(*value, context), {}})
                 : std::nullopt;
  }
  if (isa<arith::UIToFPOp>(op))
    return makeChoice(a.truth, 1, 0);
  if (isa<arith::XOrIOp>(op)) {
    // With true: the negation.
    std::optional<bool> left = decide(a.truth), right = decide(b.truth);
    if (left ? !*left : !right || !*right)
      return std::nullopt;
    std::optional<Disjunction> negated = negate(left ? b.truth : a.truth);
    return negated ? std::optional(makeTruth(*negated)) : std::nullopt;
  }
  if (isa<arith::OrIOp>(op) &&
      a.truth.size() + b.truth.size() <= kMaxConjunctions)
    return makeTruth(either(a.truth, b.truth));
  if (isa<arith::AndIOp>(op) &&
      a.truth.size() * b.truth.size() <= kMaxConjunctions)
    return makeTruth(both(a.truth, b.truth));
  return std::nullopt;
}

/// An operation on floats of which each has one of two values.
std::optional<Formula> Evaluator::evaluateChoice(Operation *op,
                                                 ArrayRef<Formula> operands) {
  const Formula &a = operands.front(), &b = operands.back();
  if (isa<arith::ExtFOp, arith::TruncFOp>(op))
    return a;
  if (!a.isChoice || !b.isChoice || operands.size() != 2)
    return std::nullopt;
  if (auto compared = dyn_cast<arith::CmpFOp>(op)) {
    // With a constant.
    if (decide(b.truth) != std::optional(true))
      return std::nullopt;
    bool isEqual = compared.getPredicate() == arith::CmpFPredicate::OEQ;
    if (!isEqual && compared.getPredicate() != arith::CmpFPredicate::UNE)
      return std::nullopt;
    bool whenTrue = (a.whenTrue == b.whenTrue) == isEqual;
    bool whenFalse = (a.whenFalse == b.whenTrue) == isEqual;
    if (whenTrue == whenFalse)
      return makeTruth(whenTrue ? Disjunction{{}} : Disjunction());
    if (whenTrue)
      return makeTruth(a.truth);
    std::optional<Disjunction> negated = negate(a.truth);
    return negated ? std::optional(makeTruth(*negated)) : std::nullopt;
  }
  // 0 where keys are visible, the same lowest number or minus infinity else:
  // the sum blocks what one of both does.
  if (isa<arith::AddFOp>(op) && a.whenTrue == 0 && b.whenTrue == 0 &&
      a.whenFalse == b.whenFalse &&
      isBlocking(a.whenFalse, op->getResult(0).getType()) &&
      a.truth.size() * b.truth.size() <= kMaxConjunctions)
    return makeChoice(both(a.truth, b.truth), 0, a.whenFalse);
  return std::nullopt;
}

std::optional<Formula> Evaluator::evaluateSelect(const Formula &condition,
                                                 const Formula &a,
                                                 const Formula &b) {
  if (std::optional<bool> value = decide(condition.truth))
    return *value ? a : b;
  std::optional<Disjunction> negated = negate(condition.truth);
  if (!negated || a.number || b.number || a.isChoice != b.isChoice ||
      condition.truth.size() * std::max(a.truth.size(), size_t(1)) +
              negated->size() * std::max(b.truth.size(), size_t(1)) >
          kMaxConjunctions)
    return std::nullopt;
  if (!a.isChoice)
    return makeTruth(
        either(both(condition.truth, a.truth), both(*negated, b.truth)));
  std::optional<bool> isA = decide(a.truth), isB = decide(b.truth);
  if (isA && isB) {
    double x = *isA ? a.whenTrue : a.whenFalse;
    double y = *isB ? b.whenTrue : b.whenFalse;
    // So that 0 is what is chosen when true, where it is one of both.
    return y == 0 && x != 0 ? makeChoice(*negated, y, x)
                            : makeChoice(condition.truth, x, y);
  }
  return std::nullopt;
}

std::optional<Formula> Evaluator::compare(arith::CmpIPredicate predicate,
                                          AffineExpr a, AffineExpr b) {
  switch (predicate) {
  case arith::CmpIPredicate::sge:
    return makeTruth({{a - b}});
  case arith::CmpIPredicate::sgt:
    return makeTruth({{a - b - 1}});
  case arith::CmpIPredicate::sle:
    return makeTruth({{b - a}});
  case arith::CmpIPredicate::slt:
    return makeTruth({{b - a - 1}});
  case arith::CmpIPredicate::eq:
    return makeTruth({{a - b, b - a}});
  case arith::CmpIPredicate::ne:
    return makeTruth({{a - b - 1}, {b - a - 1}});
  default:
    return std::nullopt;
  }
}

/// What one conjunction says of the key at `column` for a query at `position`.
struct Interval {
  bool isEmpty = false;
  bool isCausal = false;   ///< column ≤ position
  int64_t windowLeft = -1; ///< column ≥ position - windowLeft
  int64_t sinkPrefix = -1; ///< column < sinkPrefix
  bool isAll() const { return windowLeft < 0 && sinkPrefix < 0; }
};

/// A mask as attributes of an attention.
class MaskRaiser {
public:
  explicit MaskRaiser(AttentionOp op) : op(op), evaluator(op.getContext()) {}

  bool raise();

private:
  bool coversKeys();
  bool isOwnKeyVisible(const Disjunction &truth);
  std::optional<Interval> getInterval(const Conjunction &conditions);

  AttentionOp op;
  Evaluator evaluator;
  AffineExpr position, column;
};

/// Whether the mask has a column for each key: others would not be visible.
bool MaskRaiser::coversKeys() {
  Value mask = op.getMask();
  unsigned rank = cast<ShapedType>(mask.getType()).getRank();
  std::optional<OpFoldResult> columns = findSize(mask, rank - 1);
  if (!columns)
    return false;
  AffineExpr missing =
      evaluator.getNumber(op.getKvLength()) - evaluator.getNumber(*columns);
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

bool MaskRaiser::raise() {
  auto type = cast<RankedTensorType>(op.getMask().getType());
  // With lengths, positions depend on the batch.
  if (type.getRank() < 2 || op.getLengths() || !coversKeys())
    return false;
  MLIRContext *context = op.getContext();
  auto queries = cast<ShapedType>(op.getQuery().getType())
                     .getDimSize(op.getQueryTimeDim());
  SmallVector<AffineExpr, 4> index;
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    index.push_back(type.getDimSize(dim) == 1
                        ? getAffineConstantExpr(0, context)
                        : getAffineDimExpr(dim, context));
  SmallVector<AffineExpr, 4> sizes;
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    std::optional<OpFoldResult> size = findSize(op.getMask(), dim);
    if (!size)
      return false;
    sizes.push_back(evaluator.getNumber(*size));
  }
  evaluator.setSizes(sizes);
  unsigned row = type.getRank() - 2;
  column = index.back();
  position = evaluator.getNumber(op.getQOffset());
  if (queries != 1)
    position = position + getAffineDimExpr(row, context);
  std::optional<Formula> formula = evaluator.evaluate(op.getMask(), index);
  bool isFloat = isa<FloatType>(type.getElementType());
  if (!formula || formula->number || formula->isChoice != isFloat)
    return false;
  // Where all is visible nothing stands for what is not.
  bool isAlways = evaluator.decide(formula->truth) == std::optional(true);
  if (isFloat &&
      (formula->whenTrue != 0 ||
       (!isAlways && (!isBlocking(formula->whenFalse, type.getElementType()) ||
                      !isOwnKeyVisible(formula->truth)))))
    return false;

  bool isCausal = true, someCausal = false, seesAll = false;
  int64_t windowLeft = -1, sinkPrefix = 0;
  for (const Conjunction &conditions : formula->truth) {
    std::optional<Interval> interval = getInterval(conditions);
    if (!interval)
      return false;
    someCausal |= interval->isCausal;
    if (interval->isEmpty)
      continue;
    isCausal &= interval->isCausal;
    seesAll |= interval->isAll();
    if (interval->windowLeft >= 0 && interval->sinkPrefix >= 0)
      return false;
    windowLeft = std::max(windowLeft, interval->windowLeft);
    sinkPrefix = std::max(sinkPrefix, interval->sinkPrefix);
  }
  // Nothing is visible at all, or only the first keys.
  if (!seesAll && windowLeft < 0)
    return false;
  if (someCausal && !isCausal && !op.getCausal())
    return false;
  if (!seesAll) {
    if (op.getWindowLeft() >= 0)
      return false;
    op.setWindowLeft(windowLeft);
    op.setSinkPrefix(sinkPrefix);
  }
  if (isCausal)
    op.setCausal(true);
  op.getMaskMutable().clear();
  return true;
}

struct RaiseMasks : impl::RaiseMasksPassBase<RaiseMasks> {
  void runOnOperation() override {
    getOperation().walk([&](AttentionOp op) {
      if (!op.getMask() || !MaskRaiser(op).raise())
        return;
      ++numRaised;
      remark::passed(op.getLoc(), remark::RemarkOpts::name("mask").category(
                                      "hybrid-raise-masks"))
          << "the mask is computed from positions alone: it became attributes";
    });
  }
};

} // namespace
} // namespace hybrid
