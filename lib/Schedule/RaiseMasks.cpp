//===- RaiseMasks.cpp - computed masks as attributes ----------------------===//
//
// An element of a mask is evaluated to a formula over its row and column:
// integers as affine expressions, booleans as disjunctions of conjunctions of
// inequalities. What compares positions becomes attributes of the attention.
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
constexpr unsigned kMaxSteps = 1000;

/// A number, or where there is none a truth value.
struct Formula {
  AffineExpr number;
  Disjunction truth;
};

Formula makeTruth(Disjunction truth) { return {AffineExpr(), truth}; }

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
  std::optional<Formula> makeConstant(const APInt &value);
  std::optional<Formula> compare(arith::CmpIPredicate predicate, AffineExpr a,
                                 AffineExpr b);
  /// Along reassociated dimensions of which at most one is not 1.
  std::optional<Index> regroup(ArrayRef<ReassociationIndices> groups,
                               RankedTensorType expanded,
                               ArrayRef<AffineExpr> index, bool toExpanded);

  MLIRContext *context;
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

std::optional<Formula> Evaluator::evaluate(Value tensor,
                                           ArrayRef<AffineExpr> index) {
  Operation *def = tensor.getDefiningOp();
  DenseIntElementsAttr dense;
  if (matchPattern(tensor, m_Constant(&dense)) && dense.isSplat())
    return makeConstant(dense.getSplatValue<APInt>());
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
  if (auto index = dyn_cast<linalg::IndexOp>(op))
    return Formula{loops[index.getDim()], {}};
  if (!isa<arith::ArithDialect>(op->getDialect()) ||
      op->getNumOperands() == 0 || op->getNumOperands() > 2)
    return std::nullopt;
  SmallVector<Formula, 2> operands;
  for (Value operand : op->getOperands()) {
    std::optional<Formula> formula = evaluateScalar(operand, body, loops);
    if (!formula)
      return std::nullopt;
    operands.push_back(*formula);
  }
  const Formula &a = operands.front(), &b = operands.back();
  bool areNumbers = a.number && b.number;
  // Positions fit in 32 bits: their capacities do.
  if (isa<arith::IndexCastOp, arith::ExtSIOp, arith::TruncIOp>(op))
    return areNumbers && (result.getType().isIndex() ||
                          result.getType().getIntOrFloatBitWidth() >= 32)
               ? std::optional(a)
               : std::nullopt;
  if (areNumbers && isa<arith::AddIOp>(op))
    return Formula{a.number + b.number, {}};
  if (areNumbers && isa<arith::SubIOp>(op))
    return Formula{a.number - b.number, {}};
  if (areNumbers && isa<arith::MulIOp>(op) &&
      (isa<AffineConstantExpr>(a.number) || isa<AffineConstantExpr>(b.number)))
    return Formula{a.number * b.number, {}};
  if (auto compared = dyn_cast<arith::CmpIOp>(op); compared && areNumbers)
    return compare(compared.getPredicate(), a.number, b.number);
  if (a.number || b.number)
    return std::nullopt;
  if (isa<arith::OrIOp>(op) &&
      a.truth.size() + b.truth.size() <= kMaxConjunctions)
    return makeTruth(either(a.truth, b.truth));
  if (isa<arith::AndIOp>(op) &&
      a.truth.size() * b.truth.size() <= kMaxConjunctions)
    return makeTruth(both(a.truth, b.truth));
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
  if (!type.getElementType().isInteger(1) || type.getRank() < 2 ||
      op.getLengths() || !coversKeys())
    return false;
  MLIRContext *context = op.getContext();
  auto queries = cast<ShapedType>(op.getQuery().getType())
                     .getDimSize(op.getQueryTimeDim());
  SmallVector<AffineExpr, 4> index;
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    index.push_back(type.getDimSize(dim) == 1
                        ? getAffineConstantExpr(0, context)
                        : getAffineDimExpr(dim, context));
  unsigned row = type.getRank() - 2;
  column = index.back();
  position = evaluator.getNumber(op.getQOffset());
  if (queries != 1)
    position = position + getAffineDimExpr(row, context);
  std::optional<Formula> formula = evaluator.evaluate(op.getMask(), index);
  if (!formula || formula->number)
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
