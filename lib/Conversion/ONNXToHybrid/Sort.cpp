//===- Sort.cpp - ONNX TopK to linalg -------------------------------------===//
//
// Few elements: count for each how many come before it, which is its place in
// the order; all of it parallel. Many: one scf.for that finds the next element
// in the order, K times.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "Scalars.h"

#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace hybrid;

namespace {
/// The order that TopK sorts by: NaN, then the largest (or smallest) element,
/// equal ones by their position.
struct Order {
  bool largest = true, isUnsigned = false;

  Value isStrictlyBefore(const Scalars &s, Value x, Value y) const {
    Value isBetter = largest ? s.less(y, x) : s.less(x, y);
    if (!isa<FloatType>(x.getType()))
      return isBetter;
    Value onlyNaN = s.bitAnd(s.isNaN(x), s.bitNot(s.isNaN(y)));
    return s.bitOr(isBetter, onlyNaN);
  }

  /// x at position i comes before y at position j.
  Value isBefore(const Scalars &s, Value x, Value i, Value y, Value j) const {
    Value before = isStrictlyBefore(s, x, y), after = isStrictlyBefore(s, y, x);
    Scalars positions{s.b, s.loc};
    Value isEarlier = positions.less(i, j);
    return s.bitOr(before, s.bitAnd(s.bitNot(after), isEarlier));
  }

  /// No element comes before this one.
  Value first(const Scalars &s, Type type) const {
    if (auto floatType = dyn_cast<FloatType>(type)) {
      APFloat nan = APFloat::getNaN(floatType.getFloatSemantics());
      return arith::ConstantOp::create(s.b, s.loc,
                                       s.b.getFloatAttr(floatType, nan));
    }
    return largest ? s.highest(type) : s.lowest(type);
  }
  /// No element comes after this one.
  Value last(const Scalars &s, Type type) const {
    return largest ? s.lowest(type) : s.highest(type);
  }
};

struct TopK {
  Tensor values, indices;
};

/// With more elements than this, the square of their number is too many steps.
constexpr int64_t kMaxCounted = 1024;
} // namespace

static AffineMap getMap(OpBuilder &b, unsigned loops, unsigned rank,
                        int64_t axis, unsigned axisLoop) {
  SmallVector<AffineExpr> results;
  for (unsigned i = 0; i < rank; ++i)
    results.push_back(b.getAffineDimExpr(i == axis ? axisLoop : i));
  return AffineMap::get(loops, 0, results, b.getContext());
}

static SmallVector<utils::IteratorType> getIterators(unsigned rank) {
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  return iterators;
}

/// For each element, how many come before it along `axis`.
static Tensor countBefore(Lowering &lowering, const Tensor &input, int64_t axis,
                          Order order) {
  OpBuilder &b = lowering.b;
  unsigned rank = input.getRank();
  AffineMap here = getMap(b, rank + 1, rank, axis, axis);
  AffineMap there = getMap(b, rank + 1, rank, axis, rank);
  Type i32 = b.getI32Type();
  Type compute = getComputeType(input.getElementType());
  return lowering.generic(
      {input, input}, lowering.zeros(input.shape, i32), {here, there, here},
      getIterators(rank), [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc, order.isUnsigned};
        Value mine = s.convert(args[0], compute);
        Value other = s.convert(args[1], compute);
        Value isBefore = order.isBefore(s, other, s.loopIndex(rank), mine,
                                        s.loopIndex(axis));
        Value one = s.integer(i32, 1), zero = s.integer(i32, 0);
        return s.add(args[2], s.select(isBefore, one, zero));
      });
}

/// Puts each element (or its position) where its place in the order says.
static Tensor pickByPlace(Lowering &lowering, const Tensor &input,
                          const Tensor &places, int64_t axis, ShapeRef shape,
                          bool wantPosition) {
  OpBuilder &b = lowering.b;
  unsigned rank = input.getRank();
  AffineMap from = getMap(b, rank + 1, rank, axis, rank);
  AffineMap to = getMap(b, rank + 1, rank, axis, axis);
  Type type = wantPosition ? Type(b.getI64Type()) : input.getElementType();
  return lowering.generic(
      {input, places}, lowering.zeros(shape, type), {from, from, to},
      getIterators(rank), [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc};
        Value place = s.convert(s.loopIndex(axis), b.getI32Type());
        Value element =
            wantPosition ? s.convert(s.loopIndex(rank), type) : args[0];
        return s.select(s.equal(args[1], place), element, args[2]);
      });
}

static TopK sortByCounting(Lowering &lowering, const Tensor &input,
                           int64_t axis, ShapeRef shape, Order order) {
  Tensor places = countBefore(lowering, input, axis, order);
  return {pickByPlace(lowering, input, places, axis, shape, false),
          pickByPlace(lowering, input, places, axis, shape, true)};
}

namespace {
/// The element found last, per row: [outer…].
struct Found {
  Tensor value, position;
};
} // namespace

/// The first element, in the order, that comes after `previous`.
static Found findNext(Lowering &lowering, const Tensor &input, int64_t axis,
                      Order order, const Found &previous) {
  OpBuilder &b = lowering.b;
  unsigned rank = input.getRank();
  Type i64 = b.getI64Type(), type = input.getElementType();
  AffineMap identity = b.getMultiDimIdentityMap(rank);
  AffineMap row = identity.dropResult(axis);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  iterators[axis] = utils::IteratorType::reduction;
  Scalars outside{b, lowering.loc, order.isUnsigned};
  auto isCandidate = [&](const Scalars &s, ValueRange args, Value here) {
    return order.isBefore(s, args[1], args[2], args[0], here);
  };
  Tensor value = lowering.generic(
      {input, previous.value, previous.position},
      lowering.fill(previous.value.shape, order.last(outside, type)),
      {identity, row, row, row}, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc, order.isUnsigned};
        Value here = s.convert(s.loopIndex(axis), i64);
        Value isBetter = order.isStrictlyBefore(s, args[0], args[3]);
        Value takes = s.bitAnd(isCandidate(s, args, here), isBetter);
        return s.select(takes, args[0], args[3]);
      });
  Value none = outside.integer(i64, INT64_MAX);
  Tensor position = lowering.generic(
      {input, previous.value, previous.position, value},
      lowering.fill(previous.value.shape, none), {identity, row, row, row, row},
      iterators, [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc, order.isUnsigned};
        Value here = s.convert(s.loopIndex(axis), i64);
        Value differs = s.bitOr(order.isStrictlyBefore(s, args[0], args[3]),
                                order.isStrictlyBefore(s, args[3], args[0]));
        Value fits = s.bitAnd(isCandidate(s, args, here), s.bitNot(differs));
        Value earlier = Scalars{b, loc}.min(args[4], here);
        return s.select(fits, earlier, args[4]);
      });
  return {value, position};
}

static TopK sortByFinding(Lowering &lowering, const Tensor &input, int64_t axis,
                          ShapeRef shape, Order order) {
  OpBuilder &b = lowering.b;
  Location loc = lowering.loc;
  Scalars outside{b, loc, order.isUnsigned};
  Type i64 = b.getI64Type(), type = input.getElementType();
  Shape rows = input.shape;
  rows.erase(rows.begin() + axis);
  Shape unit = input.shape;
  unit[axis] = lowering.fixed(1);
  SmallVector<OpFoldResult> offsets(input.getRank(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> steps(input.getRank(), b.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes = lowering.sizes(unit);
  SmallVector<Value> carried = {
      lowering.empty(shape, type).value, lowering.empty(shape, i64).value,
      lowering.fill(rows, order.first(outside, type)).value,
      lowering.fill(rows, outside.integer(i64, -1)).value};
  Type index = b.getIndexType();
  auto loop = scf::ForOp::create(
      b, loc, outside.integer(index, 0), lowering.index(shape[axis]),
      outside.integer(index, 1), carried,
      [&](OpBuilder &nested, Location loc, Value place, ValueRange args) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(nested.getInsertionBlock());
        Found next = findNext(lowering, input, axis, order,
                              {{args[2], rows}, {args[3], rows}});
        offsets[axis] = place;
        SmallVector<Value> results;
        for (auto [found, all] : {std::pair(next.value, args[0]),
                                  std::pair(next.position, args[1])})
          results.push_back(tensor::InsertSliceOp::create(
              b, loc, lowering.reshape(found, unit).value, all, offsets, sizes,
              steps));
        results.push_back(next.value.value);
        results.push_back(next.position.value);
        scf::YieldOp::create(b, loc, results);
      });
  return {{loop.getResult(0), Shape(shape)}, {loop.getResult(1), Shape(shape)}};
}

static LogicalResult lowerTopK(onnx::TopKOp op, Lowering &lowering) {
  Type type = lowering.elementType(op.getX());
  if (!isa<FloatType>(type) && (!isa<IntegerType>(type) || type.isInteger(1)))
    return lowering.unsupported(op, "its input is not numeric");
  std::optional<int64_t> axis =
      Lowering::normalizeAxis(op.getAxis(), lowering.rank(op.getX()));
  if (!axis)
    return lowering.unsupported(op, "axis " + Twine(op.getAxis()) +
                                        " is outside its input");
  Tensor input = lowering.get(op.getX());
  ShapeRef shape = lowering.shape(op.getValues());
  if (!lowering.symbols.isAtLeast(
          lowering.symbols.simplify(input.shape[*axis] - shape[*axis]), 0))
    return lowering.unsupported(
        op, "K = " + lowering.symbols.print(shape[*axis]) +
                " may be more than the " +
                lowering.symbols.print(input.shape[*axis]) + " elements");
  Order order = {op.getLargest() != 0, lowering.isUnsigned(op.getX())};
  std::optional<int64_t> count = lowering.getFixed(input.shape[*axis]);
  TopK top = count && *count <= kMaxCounted
                 ? sortByCounting(lowering, input, *axis, shape, order)
                 : sortByFinding(lowering, input, *axis, shape, order);
  lowering.set(op.getValues(), top.values);
  lowering.set(op.getIndices(), top.indices);
  return success();
}

void hybrid::registerSort(Registry &registry) {
  registry.add<onnx::TopKOp>(lowerTopK);
}
