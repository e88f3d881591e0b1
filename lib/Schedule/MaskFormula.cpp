//===- MaskFormula.cpp - elements of masks as formulas --------------------===//

#include "MaskFormula.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;

namespace hybrid {

/// No mask that models have needs more.
static constexpr size_t kMaxConjunctions = 16;
static constexpr unsigned kMaxSteps = 4000;

bool isBlocking(double number, Type type) {
  constexpr double kLowestHalf = -65504, kLow = -1e30;
  return number <= kLow || (type.isF16() && number == kLowestHalf);
}

static Formula makeTruth(Disjunction truth) { return {AffineExpr(), truth}; }

static Formula makeChoice(Disjunction truth, double whenTrue,
                          double whenFalse) {
  return {AffineExpr(), truth, /*isChoice=*/true, whenTrue, whenFalse};
}

static Disjunction both(const Disjunction &a, const Disjunction &b) {
  Disjunction result;
  for (const Conjunction &left : a)
    for (const Conjunction &right : b) {
      result.push_back(left);
      llvm::append_range(result.back(), right);
    }
  return result;
}

static Disjunction either(Disjunction a, const Disjunction &b) {
  llvm::append_range(a, b);
  return a;
}

static double roundTo(FloatType type, double number) {
  APFloat value(number);
  bool lost = false;
  value.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return value.convertToDouble();
}

AffineExpr MaskEvaluator::addSymbol(const Unknown &symbol) {
  auto position = llvm::find(symbols, symbol) - symbols.begin();
  if (position == static_cast<int64_t>(symbols.size()))
    symbols.push_back(symbol);
  return getAffineSymbolExpr(position, context);
}

const Unknown *MaskEvaluator::findUnknown(AffineExpr expr) const {
  auto symbol = dyn_cast<AffineSymbolExpr>(expr);
  if (!symbol || symbol.getPosition() >= symbols.size())
    return nullptr;
  const Unknown &unknown = symbols[symbol.getPosition()];
  return isa<TensorType>(unknown.tensor.getType()) ? &unknown : nullptr;
}

bool MaskEvaluator::hasUnknown(AffineExpr expr) const {
  for (unsigned i = 0; i < symbols.size(); ++i)
    if (expr.isFunctionOfSymbol(i) &&
        isa<TensorType>(symbols[i].tensor.getType()))
      return true;
  return false;
}

AffineExpr MaskEvaluator::getNumber(OpFoldResult index) {
  if (std::optional<int64_t> constant = getConstantIntValue(index))
    return getAffineConstantExpr(*constant, context);
  Value value = cast<Value>(index);
  auto apply = value.getDefiningOp<affine::AffineApplyOp>();
  if (!apply)
    return addSymbol({value, {}});
  SmallVector<AffineExpr> operands;
  for (Value operand : apply.getOperands())
    operands.push_back(getNumber(operand));
  AffineMap map = apply.getAffineMap();
  ArrayRef<AffineExpr> all(operands);
  return map.getResult(0).replaceDimsAndSymbols(
      all.take_front(map.getNumDims()), all.drop_front(map.getNumDims()));
}

std::optional<Formula> MaskEvaluator::makeConstant(const APInt &value) {
  if (value.getBitWidth() == 1)
    return makeTruth(value.isZero() ? Disjunction() : Disjunction{{}});
  return Formula{getAffineConstantExpr(value.getSExtValue(), context), {}};
}

std::optional<Formula> MaskEvaluator::makeFloat(APFloat value) {
  bool lost = false;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return makeChoice({{}}, value.convertToDouble(), 0);
}

std::optional<MaskEvaluator::Index>
MaskEvaluator::regroup(ArrayRef<ReassociationIndices> groups,
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
bool MaskEvaluator::isNonNegative(AffineExpr expr) {
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
    if (!slope || slope.getValue() < 0 ||
        !symbols[i].tensor.getDefiningOp<DimOp>())
      return false;
    expr = simplify(expr.replace(symbol, getAffineConstantExpr(0, context)));
  }
  auto constant = dyn_cast<AffineConstantExpr>(expr);
  return constant && constant.getValue() >= 0;
}

std::optional<bool> MaskEvaluator::decide(const Disjunction &truth) {
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
std::optional<Disjunction> MaskEvaluator::negate(const Disjunction &truth) {
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
MaskEvaluator::evaluateInsertion(tensor::InsertSliceOp insert,
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

std::optional<Formula> MaskEvaluator::evaluate(Value tensor,
                                               ArrayRef<AffineExpr> index) {
  if (++numSteps > kMaxSteps)
    return std::nullopt;
  std::optional<Formula> known = evaluateKnown(tensor, index);
  return known ? known : evaluateUnknown(tensor, index);
}

/// A boolean is 1 or 0, as a number ≥ 1 or ≤ 0.
std::optional<Formula>
MaskEvaluator::evaluateUnknown(Value tensor, ArrayRef<AffineExpr> index) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.getElementType().isInteger())
    return std::nullopt;
  for (auto [dim, expr] : llvm::enumerate(index)) {
    auto constant = dyn_cast<AffineConstantExpr>(expr);
    auto position = dyn_cast<AffineDimExpr>(expr);
    bool isOnly =
        constant && constant.getValue() == 0 && type.getDimSize(dim) == 1;
    if (!isOnly &&
        !(position && llvm::is_contained(keyDims, position.getPosition())))
      return std::nullopt;
  }
  AffineExpr symbol = addSymbol({tensor, Index(index)});
  if (type.getElementType().isInteger(1))
    return makeTruth({{symbol - 1}});
  return Formula{symbol, {}};
}

/// Of nothing but zeros, or of unknowns, of which only sums are compared.
std::optional<Formula> MaskEvaluator::evaluateSum(CumSumOp sums,
                                                  ArrayRef<AffineExpr> index) {
  std::optional<Formula> term = evaluate(sums.getInput(), index);
  if (term && term->number &&
      simplify(term->number) == getAffineConstantExpr(0, context))
    return term;
  if (sums.getReverse() || sums.getExclusive() ||
      !isa<BlockArgument>(sums.getInput()))
    return std::nullopt;
  return Formula{addSymbol({sums.getInput(), Index(index), sums.getAxis()}),
                 {}};
}

/// A table whose rows show all columns from i - a to i + b, or from the first,
/// or to the last one: what an exporter knew of the positions.
std::optional<Formula>
MaskEvaluator::evaluateTable(DenseElementsAttr table,
                             ArrayRef<AffineExpr> index) {
  constexpr int64_t kMaxElements = 1 << 22;
  ArrayRef<int64_t> shape = table.getType().getShape();
  bool isBoolean = table.getElementType().isInteger(1);
  if (shape.size() < 2 || table.getNumElements() > kMaxElements ||
      !(isBoolean || isa<FloatType>(table.getElementType())))
    return std::nullopt;
  SmallVector<double> values;
  if (isBoolean)
    for (bool value : table.getValues<bool>())
      values.push_back(value);
  else
    for (const APFloat &value : table.getValues<APFloat>())
      values.push_back(makeFloat(value)->whenTrue);
  auto [least, most] = std::minmax_element(values.begin(), values.end());
  int64_t numRows = shape[shape.size() - 2], numColumns = shape.back();
  if (numRows == 0 || numColumns == 0)
    return std::nullopt;
  // The bounds, from rows that do not show the first or the last column …
  std::optional<int64_t> left, right;
  for (int64_t row = 0; row < numRows; ++row) {
    auto begin = values.begin() + row * numColumns, end = begin + numColumns;
    int64_t first = std::find(begin, end, *most) - begin;
    int64_t next = std::find(begin + first, end, *least) - begin;
    if (first > 0)
      left = row - first;
    if (next < numColumns)
      right = next - 1 - row;
  }
  // … which all elements must obey.
  for (auto [at, value] : llvm::enumerate(values)) {
    int64_t row = at / numColumns % numRows, column = at % numColumns;
    bool isVisible =
        (!left || column >= row - *left) && (!right || column <= row + *right);
    if (value != (isVisible ? *most : *least))
      return std::nullopt;
  }
  AffineExpr row = index[index.size() - 2], column = index.back();
  Conjunction visible;
  if (left)
    visible.push_back(column - row + *left);
  if (right)
    visible.push_back(row + *right - column);
  if (visible.empty())
    return std::nullopt;
  return isBoolean ? makeTruth({visible})
                   : makeChoice({visible}, *most, *least);
}

std::optional<Formula>
MaskEvaluator::evaluateKnown(Value tensor, ArrayRef<AffineExpr> index) {
  Operation *def = tensor.getDefiningOp();
  DenseIntElementsAttr dense;
  if (matchPattern(tensor, m_Constant(&dense)) && dense.isSplat())
    return makeConstant(dense.getSplatValue<APInt>());
  DenseFPElementsAttr floats;
  if (matchPattern(tensor, m_Constant(&floats)) && floats.isSplat())
    return makeFloat(floats.getSplatValue<APFloat>());
  DenseElementsAttr table;
  if (matchPattern(tensor, m_Constant(&table)))
    return evaluateTable(table, index);
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
  if (auto sums = dyn_cast_or_null<CumSumOp>(def))
    return evaluateSum(sums, index);
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
std::optional<Formula>
MaskEvaluator::evaluateScalar(Value value, linalg::GenericOp body,
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

std::optional<Formula> MaskEvaluator::evaluateOp(Operation *op,
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
  if (a.number && b.number)
    return evaluateNumbers(op, a, b);
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

/// An operation on numbers. Those that are unknown may have any value: they are
/// compared, and nothing else that could overflow.
std::optional<Formula> MaskEvaluator::evaluateNumbers(Operation *op,
                                                      const Formula &a,
                                                      const Formula &b) {
  Type type = op->getResult(0).getType();
  if (auto compared = dyn_cast<arith::CmpIOp>(op))
    return compare(compared.getPredicate(), a.number, b.number);
  bool isWide = type.isIndex() || type.getIntOrFloatBitWidth() >= 32;
  if (isa<arith::ExtSIOp>(op))
    return isWide ? std::optional(a) : std::nullopt;
  if (isa<arith::SIToFPOp>(op))
    return evaluateFlag(a);
  if (hasUnknown(a.number) || hasUnknown(b.number))
    return std::nullopt;
  // Positions fit in 32 bits: their capacities do.
  if (isa<arith::IndexCastOp, arith::TruncIOp>(op))
    return isWide ? std::optional(a) : std::nullopt;
  if (isa<arith::AddIOp>(op))
    return Formula{a.number + b.number, {}};
  if (isa<arith::SubIOp>(op))
    return Formula{a.number - b.number, {}};
  if (isa<arith::MulIOp>(op) &&
      (isa<AffineConstantExpr>(a.number) || isa<AffineConstantExpr>(b.number)))
    return Formula{a.number * b.number, {}};
  if (isa<arith::MinSIOp, arith::MaxSIOp>(op)) {
    bool isMin = isa<arith::MinSIOp>(op);
    if (isNonNegative(simplify(a.number - b.number)))
      return isMin ? b : a;
    if (isNonNegative(simplify(b.number - a.number)))
      return isMin ? a : b;
  }
  return std::nullopt;
}

/// An operation on floats of which each has one of two values.
std::optional<Formula>
MaskEvaluator::evaluateChoice(Operation *op, ArrayRef<Formula> operands) {
  const Formula &a = operands.front(), &b = operands.back();
  if (isa<arith::ExtFOp, arith::TruncFOp>(op)) {
    Formula rounded = a;
    auto type = cast<FloatType>(op->getResult(0).getType());
    rounded.whenTrue = roundTo(type, a.whenTrue);
    rounded.whenFalse = roundTo(type, a.whenFalse);
    return rounded;
  }
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
  auto isZero = [&](const Formula &formula) {
    return formula.whenTrue == 0 &&
           decide(formula.truth) == std::optional(true);
  };
  if (isa<arith::AddFOp>(op) && (isZero(a) || isZero(b)))
    return isZero(a) ? b : a;
  if (std::optional<Formula> folded = evaluateArithmetic(op, a, b))
    return folded;
  // 0 where keys are visible, the same lowest number or minus infinity else:
  // the sum blocks what one of both does.
  if (isa<arith::AddFOp>(op) && a.whenTrue == 0 && b.whenTrue == 0 &&
      a.whenFalse == b.whenFalse &&
      isBlocking(a.whenFalse, op->getResult(0).getType()) &&
      a.truth.size() * b.truth.size() <= kMaxConjunctions) {
    Formula sum = makeChoice(both(a.truth, b.truth), 0, a.whenFalse);
    sum.isSum = true;
    return sum;
  }
  return std::nullopt;
}

/// With a constant, on both values; or a product of zeros and ones.
std::optional<Formula> MaskEvaluator::evaluateArithmetic(Operation *op,
                                                         const Formula &a,
                                                         const Formula &b) {
  if (!isa<arith::AddFOp, arith::SubFOp, arith::MulFOp>(op) || a.isSum ||
      b.isSum)
    return std::nullopt;
  auto compute = [&](double x, double y) {
    double result = isa<arith::AddFOp>(op)   ? x + y
                    : isa<arith::SubFOp>(op) ? x - y
                                             : x * y;
    return roundTo(cast<FloatType>(op->getResult(0).getType()), result);
  };
  for (bool isRight : {true, false}) {
    const Formula &constant = isRight ? b : a, &choice = isRight ? a : b;
    std::optional<bool> known = decide(constant.truth);
    if (!known)
      continue;
    double number = *known ? constant.whenTrue : constant.whenFalse;
    auto with = [&](double value) {
      return isRight ? compute(value, number) : compute(number, value);
    };
    double whenTrue = with(choice.whenTrue), whenFalse = with(choice.whenFalse);
    if (std::isnan(whenTrue) || std::isnan(whenFalse))
      return std::nullopt;
    return makeOrdered(choice.truth, whenTrue, whenFalse);
  }
  std::optional<Disjunction> left = getOnes(a), right = getOnes(b);
  if (!isa<arith::MulFOp>(op) || !left || !right ||
      left->size() * right->size() > kMaxConjunctions)
    return std::nullopt;
  return makeChoice(both(*left, *right), 1, 0);
}

/// Where a choice of 0 and 1 is 1.
std::optional<Disjunction> MaskEvaluator::getOnes(const Formula &choice) {
  if (choice.whenTrue == 1 && choice.whenFalse == 0)
    return choice.truth;
  if (choice.whenTrue == 0 && choice.whenFalse == 1)
    return negate(choice.truth);
  return std::nullopt;
}

/// A choice where 0, if it is one of both, is what is chosen when true.
std::optional<Formula> MaskEvaluator::makeOrdered(const Disjunction &truth,
                                                  double whenTrue,
                                                  double whenFalse) {
  if (whenFalse != 0 || whenTrue == 0)
    return makeChoice(truth, whenTrue, whenFalse);
  std::optional<Disjunction> negated = negate(truth);
  return negated ? std::optional(makeChoice(*negated, whenFalse, whenTrue))
                 : std::nullopt;
}

/// An element of an input as a float: the input is taken to hold zeros and
/// ones.
std::optional<Formula> MaskEvaluator::evaluateFlag(const Formula &formula) {
  const Unknown *unknown = findUnknown(formula.number);
  if (!unknown || unknown->isSum() || !isa<BlockArgument>(unknown->tensor))
    return std::nullopt;
  if (!llvm::is_contained(flags, unknown->tensor))
    flags.push_back(unknown->tensor);
  return makeChoice({{formula.number - 1}}, 1, 0);
}

std::optional<Formula> MaskEvaluator::evaluateSelect(const Formula &condition,
                                                     const Formula &a,
                                                     const Formula &b) {
  if (std::optional<bool> value = decide(condition.truth))
    return *value ? a : b;
  if (a.number || b.number || a.isChoice != b.isChoice)
    return std::nullopt;
  if (a.isChoice) {
    std::optional<bool> isA = decide(a.truth), isB = decide(b.truth);
    if (!isA || !isB)
      return std::nullopt;
    double x = *isA ? a.whenTrue : a.whenFalse;
    double y = *isB ? b.whenTrue : b.whenFalse;
    return makeOrdered(condition.truth, x, y);
  }
  std::optional<Disjunction> negated = negate(condition.truth);
  if (!negated ||
      condition.truth.size() * std::max(a.truth.size(), size_t(1)) +
              negated->size() * std::max(b.truth.size(), size_t(1)) >
          kMaxConjunctions)
    return std::nullopt;
  return makeTruth(
      either(both(condition.truth, a.truth), both(*negated, b.truth)));
}

std::optional<Formula> MaskEvaluator::compare(arith::CmpIPredicate predicate,
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

} // namespace hybrid
