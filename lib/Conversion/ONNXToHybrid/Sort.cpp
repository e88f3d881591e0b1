//===- Sort.cpp - ONNX TopK to linalg -------------------------------------===//
//
// Few elements: count for each how many come before it, which is its place in
// the order. Many: find the next element in the order, K times.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "Scalars.h"

#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

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

  /// No element comes after this one.
  Value last(const Scalars &s, Type type) const {
    return largest ? s.lowest(type) : s.highest(type);
  }
};

struct TopK {
  Tensor values, indices;
};

/// With more elements than this, finding a few of them takes fewer steps than
/// counting.
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

/// The first element, in the order, that comes after `previous`, or the first
/// of all without it.
static Found findNext(Lowering &lowering, const Tensor &input, int64_t axis,
                      Order order, const std::optional<Found> &previous) {
  OpBuilder &b = lowering.b;
  unsigned rank = input.getRank();
  Type i64 = b.getI64Type(), type = input.getElementType();
  Type compute = getComputeType(type);
  AffineMap identity = b.getMultiDimIdentityMap(rank);
  AffineMap row = identity.dropResult(axis);
  Shape rows = input.shape;
  rows.erase(rows.begin() + axis);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  iterators[axis] = utils::IteratorType::reduction;
  Scalars outside{b, lowering.loc, order.isUnsigned};
  SmallVector<Tensor> inputs = {input};
  SmallVector<AffineMap> maps = {identity};
  if (previous) {
    llvm::append_values(inputs, previous->value, previous->position);
    maps.append(2, row);
  }
  // Whether the element at `here` comes after the previous one.
  auto isCandidate = [&](const Scalars &s, ValueRange args, Value here) {
    if (!previous)
      return s.integer(s.b.getI1Type(), 1);
    return order.isBefore(s, s.convert(args[1], compute), args[2],
                          s.convert(args[0], compute), here);
  };
  SmallVector<AffineMap> valueMaps = maps;
  valueMaps.push_back(row);
  Tensor value = lowering.generic(
      inputs, lowering.fill(rows, order.last(outside, type)), valueMaps,
      iterators, [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc, order.isUnsigned};
        Value here = s.convert(s.loopIndex(axis), i64);
        Value isBetter = order.isStrictlyBefore(
            s, s.convert(args[0], compute), s.convert(args.back(), compute));
        Value takes = s.bitAnd(isCandidate(s, args, here), isBetter);
        return s.select(takes, args[0], args.back());
      });
  // Then the first position where that value stands.
  unsigned valueNumber = inputs.size();
  inputs.push_back(value);
  maps.append(2, row);
  Tensor position = lowering.generic(
      inputs, lowering.fill(rows, outside.integer(i64, INT64_MAX)), maps,
      iterators, [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc, order.isUnsigned};
        Value here = s.convert(s.loopIndex(axis), i64);
        Value x = s.convert(args[0], compute);
        Value best = s.convert(args[valueNumber], compute);
        Value differs = s.bitOr(order.isStrictlyBefore(s, x, best),
                                order.isStrictlyBefore(s, best, x));
        Value fits = s.bitAnd(isCandidate(s, args, here), s.bitNot(differs));
        Value earlier = Scalars{b, loc}.min(args.back(), here);
        return s.select(fits, earlier, args.back());
      });
  return {value, position};
}

static TopK sortByFinding(Lowering &lowering, const Tensor &input, int64_t axis,
                          int64_t count, Order order) {
  SmallVector<Tensor> values, positions;
  std::optional<Found> found;
  for (int64_t i = 0; i < count; ++i) {
    found = findNext(lowering, input, axis, order, found);
    values.push_back(lowering.unsqueeze(found->value, axis));
    positions.push_back(lowering.unsqueeze(found->position, axis));
  }
  return {lowering.concat(values, axis), lowering.concat(positions, axis)};
}

/// Whether finding elements one by one takes fewer steps than counting.
static bool isFindingBetter(Lowering &lowering, AffineExpr size,
                            std::optional<int64_t> count) {
  // More code than this is not worth it.
  constexpr int64_t kMaxRounds = 64;
  if (!count || *count < 1 || *count > kMaxRounds)
    return false;
  std::optional<int64_t> fixedSize = lowering.getFixed(size);
  return !fixedSize || *fixedSize > kMaxCounted;
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
  std::optional<int64_t> count = lowering.getFixed(shape[*axis]);
  TopK top = isFindingBetter(lowering, input.shape[*axis], count)
                 ? sortByFinding(lowering, input, *axis, *count, order)
                 : sortByCounting(lowering, input, *axis, shape, order);
  lowering.set(op.getValues(), top.values);
  lowering.set(op.getIndices(), top.indices);
  return success();
}

void hybrid::registerSort(Registry &registry) {
  registry.add<onnx::TopKOp>(lowerTopK);
}
