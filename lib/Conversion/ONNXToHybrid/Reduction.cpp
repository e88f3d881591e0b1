//===- Reduction.cpp - ONNX reductions to linalg --------------------------===//
//
// A reduction is a loop that accumulates, 16-bit floats in f32, and where
// needed a second loop that finishes (divides, takes the root, rounds).
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "Scalars.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"

using namespace mlir;
using namespace hybrid;

namespace {
/// combine(prepare(x), …) starting from `init`, then `finish`.
struct Reduction {
  Value (*init)(const Scalars &, Type);
  Value (*prepare)(const Scalars &, Value);
  Value (*combine)(const Scalars &, Value, Value);
  /// Null if there is nothing to do. The last argument is the number of
  /// elements combined, of the accumulator's type.
  Value (*finish)(const Scalars &, Value, Value) = nullptr;
  /// `finish` or `prepare` are functions of floats: integers become f64.
  bool inFloat = false;
  bool allowsBool = false;
};
} // namespace

static Value getZero(const Scalars &s, Type type) { return s.integer(type, 0); }
static Value getOne(const Scalars &s, Type type) { return s.integer(type, 1); }
static Value getLowest(const Scalars &s, Type type) { return s.lowest(type); }
static Value getHighest(const Scalars &s, Type type) { return s.highest(type); }

static Value keep(const Scalars &, Value x) { return x; }
static Value buildAbs(const Scalars &s, Value x) { return s.abs(x); }
static Value buildSquare(const Scalars &s, Value x) { return s.mul(x, x); }

static Value buildAdd(const Scalars &s, Value x, Value y) {
  return s.add(x, y);
}
static Value buildMul(const Scalars &s, Value x, Value y) {
  return s.mul(x, y);
}
static Value buildMax(const Scalars &s, Value x, Value y) {
  return s.max(x, y);
}
static Value buildMin(const Scalars &s, Value x, Value y) {
  return s.min(x, y);
}

static Value divideByCount(const Scalars &s, Value x, Value count) {
  return s.div(x, count);
}
static Value takeRoot(const Scalars &s, Value x, Value) { return s.sqrt(x); }
static Value takeLog(const Scalars &s, Value x, Value) { return s.log(x); }

/// The dimensions to reduce, sorted; empty where the operator only maps.
static FailureOr<SmallVector<int64_t>>
getAxes(Lowering &lowering, Operation *op, Value axes, bool noopIfEmpty) {
  int64_t rank = lowering.rank(op->getOperand(0));
  SmallVector<int64_t> result;
  if (!Lowering::isAbsent(axes)) {
    std::optional<SmallVector<int64_t>> given = lowering.constantInts(axes);
    if (!given) {
      (void)lowering.unsupported(op, "its input axes is not a constant",
                                 "axes known at compile time work");
      return failure();
    }
    for (int64_t axis : *given) {
      std::optional<int64_t> normal = Lowering::normalizeAxis(axis, rank);
      if (!normal) {
        (void)lowering.unsupported(op, "axis " + Twine(axis) +
                                           " is outside a tensor of rank " +
                                           Twine(rank));
        return failure();
      }
      result.push_back(*normal);
    }
  }
  if (result.empty() && !noopIfEmpty)
    llvm::append_range(result, llvm::seq<int64_t>(0, rank));
  llvm::sort(result);
  result.erase(llvm::unique(result), result.end());
  return result;
}

/// The type that `kind` accumulates elements of `type` in.
static Type getAccumulatorType(OpBuilder &b, const Reduction &reduction,
                               Type type) {
  if (reduction.inFloat && isa<IntegerType>(type))
    return b.getF64Type();
  return getComputeType(type);
}

/// The number of elements along `axes`, converted in a loop's body.
static Value buildCount(const Scalars &s, Lowering &lowering, Value extent,
                        std::optional<int64_t> fixedExtent, Type type) {
  if (fixedExtent)
    return s.integer(type, *fixedExtent);
  return s.convert(extent, type);
}

static Tensor reduceTensor(Lowering &lowering, const Tensor &input,
                           ArrayRef<int64_t> axes, const Reduction &reduction,
                           Type resultType, bool isUnsigned) {
  Type accumulator =
      getAccumulatorType(lowering.b, reduction, input.getElementType());
  auto prepare = [&](const Scalars &s, Value x) {
    return reduction.prepare(s, s.convert(x, accumulator));
  };
  Shape reduced;
  for (int64_t axis : axes)
    reduced.push_back(input.shape[axis]);
  AffineExpr product = lowering.product(reduced);
  std::optional<int64_t> fixedExtent = lowering.getFixed(product);
  Value extent =
      reduction.finish && !fixedExtent ? lowering.index(product) : Value();
  auto finish = [&](const Scalars &s, Value x) {
    if (reduction.finish)
      x = reduction.finish(
          s, x, buildCount(s, lowering, extent, fixedExtent, accumulator));
    return s.convert(x, resultType, isUnsigned);
  };

  if (axes.empty())
    return lowering.elementwise(
        {input}, input.shape, resultType,
        [&](OpBuilder &b, Location loc, ValueRange args) {
          Scalars s{b, loc, isUnsigned};
          return finish(s, prepare(s, args[0]));
        });

  Scalars outside{lowering.b, lowering.loc, isUnsigned};
  Tensor sum = lowering.reduce(
      input, axes, reduction.init(outside, accumulator),
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc, isUnsigned};
        return reduction.combine(s, prepare(s, args[0]), args[1]);
      });
  if (!reduction.finish && accumulator == resultType)
    return sum;
  return lowering.elementwise(
      {sum}, sum.shape, resultType,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        return finish(Scalars{b, loc, isUnsigned}, args[0]);
      });
}

static LogicalResult checkNumeric(Lowering &lowering, Operation *op,
                                  bool allowsBool) {
  Type type = lowering.elementType(op->getOperand(0));
  bool isBool = type.isInteger(1);
  if (isa<FloatType>(type) || (isa<IntegerType>(type) && !isBool) ||
      (isBool && allowsBool))
    return success();
  return lowering.unsupported(
      op, "its input has an element type that can't be reduced this way",
      "float and integer tensors work");
}

template <typename OpTy>
static void addReduction(Registry &registry, Reduction reduction) {
  registry.add<OpTy>([=](OpTy op, Lowering &lowering) -> LogicalResult {
    if (failed(checkNumeric(lowering, op, reduction.allowsBool)))
      return failure();
    FailureOr<SmallVector<int64_t>> axes =
        getAxes(lowering, op, op.getAxes(), op.getNoopWithEmptyAxes() != 0);
    if (failed(axes))
      return failure();
    Value result = op.getReduced();
    Tensor reduced = reduceTensor(lowering, lowering.get(op.getData()), *axes,
                                  reduction, lowering.elementType(result),
                                  lowering.isUnsigned(op.getData()));
    lowering.set(result, lowering.reshape(reduced, lowering.shape(result)));
    return success();
  });
}

/// m + log(Σ exp(x - m)) with m the largest element, or 0 where that is not
/// finite.
static LogicalResult lowerLogSumExp(onnx::ReduceLogSumExpOp op,
                                    Lowering &lowering) {
  if (failed(checkNumeric(lowering, op, /*allowsBool=*/false)))
    return failure();
  FailureOr<SmallVector<int64_t>> axes =
      getAxes(lowering, op, op.getAxes(), op.getNoopWithEmptyAxes() != 0);
  if (failed(axes))
    return failure();
  Value result = op.getReduced();
  Type resultType = lowering.elementType(result);
  Tensor input = lowering.get(op.getData());
  if (axes->empty()) {
    lowering.set(result, input); // log(exp(x))
    return success();
  }
  bool isUnsigned = lowering.isUnsigned(op.getData());
  Reduction maximum = {getLowest, keep, buildMax};
  maximum.inFloat = true;
  Type compute =
      getAccumulatorType(lowering.b, maximum, input.getElementType());
  Shape kept = input.shape;
  for (int64_t axis : *axes)
    kept[axis] = lowering.fixed(1);
  Tensor largest = lowering.elementwise(
      {reduceTensor(lowering, input, *axes, maximum, compute, isUnsigned)},
      [&] {
        Shape shape;
        for (auto [i, dim] : llvm::enumerate(input.shape))
          if (!llvm::is_contained(*axes, i))
            shape.push_back(dim);
        return shape;
      }(),
      compute,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc};
        return s.select(s.isInf(args[0], true, true), s.like(args[0], 0.0),
                        args[0]);
      });
  Tensor powers = lowering.elementwise(
      {input, lowering.reshape(largest, kept)}, input.shape, compute,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc, isUnsigned};
        return s.exp(s.sub(s.convert(args[0], compute), args[1]));
      });
  Reduction sum = {getZero, keep, buildAdd};
  Tensor total =
      reduceTensor(lowering, powers, *axes, sum, compute, /*isUnsigned=*/false);
  Tensor logarithm =
      lowering.elementwise({total, largest}, total.shape, resultType,
                           [&](OpBuilder &b, Location loc, ValueRange args) {
                             Scalars s{b, loc};
                             return s.convert(s.add(s.log(args[0]), args[1]),
                                              resultType, isUnsigned);
                           });
  lowering.set(result, lowering.reshape(logarithm, lowering.shape(result)));
  return success();
}

//===----------------------------------------------------------------------===//
// ArgMax, ArgMin
//===----------------------------------------------------------------------===//

/// The position along `axis` of the best element, as i64; `axis` vanishes. Of
/// equal ones the first or the last counts. NaN is better than anything.
static Tensor findBest(Lowering &lowering, const Tensor &input, int64_t axis,
                       bool largest, bool last, bool isUnsigned) {
  Reduction best = largest ? Reduction{getLowest, keep, buildMax}
                           : Reduction{getHighest, keep, buildMin};
  Tensor value =
      reduceTensor(lowering, input, axis, best,
                   getComputeType(input.getElementType()), isUnsigned);
  // Then the first (last) position where that value stands.
  OpBuilder &b = lowering.b;
  Type i64 = b.getI64Type();
  unsigned rank = input.getRank();
  SmallVector<AffineExpr> others;
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  iterators[axis] = utils::IteratorType::reduction;
  for (unsigned i = 0; i < rank; ++i)
    if (i != axis)
      others.push_back(b.getAffineDimExpr(i));
  AffineMap identity = b.getMultiDimIdentityMap(rank);
  AffineMap projection = AffineMap::get(rank, 0, others, b.getContext());
  Scalars outside{b, lowering.loc};
  Tensor init =
      lowering.fill(value.shape, outside.integer(i64, last ? 0 : INT64_MAX));
  return lowering.generic(
      {input, value}, init, {identity, projection, projection}, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc};
        Value x = s.convert(args[0], args[1].getType());
        Value isBest = s.bitOr(s.equal(x, args[1]), s.isNaN(x));
        Value here = s.convert(s.loopIndex(axis), i64);
        Value better = last ? s.max(here, args[2]) : s.min(here, args[2]);
        return s.select(isBest, better, args[2]);
      });
}

template <typename OpTy>
static LogicalResult lowerArgBest(OpTy op, Lowering &lowering) {
  if (failed(checkNumeric(lowering, op, /*allowsBool=*/false)))
    return failure();
  Value data = op.getData(), result = op.getReduced();
  std::optional<int64_t> axis =
      Lowering::normalizeAxis(op.getAxis(), lowering.rank(data));
  if (!axis)
    return lowering.unsupported(op, "axis " + Twine(op.getAxis()) +
                                        " is outside its input");
  Tensor position = findBest(
      lowering, lowering.get(data), *axis, std::is_same_v<OpTy, onnx::ArgMaxOp>,
      op.getSelectLastIndex() != 0, lowering.isUnsigned(data));
  lowering.set(result, lowering.reshape(position, lowering.shape(result)));
  return success();
}

/// 1 at the first largest element along the axis, else 0.
static LogicalResult lowerHardmax(onnx::HardmaxOp op, Lowering &lowering) {
  Value data = op.getInput(), result = op.getOutput();
  if (failed(checkNumeric(lowering, op, /*allowsBool=*/false)))
    return failure();
  std::optional<int64_t> axis =
      Lowering::normalizeAxis(op.getAxis(), lowering.rank(data));
  if (!axis)
    return lowering.unsupported(op, "axis " + Twine(op.getAxis()) +
                                        " is outside its input");
  Tensor input = lowering.get(data);
  Tensor position = findBest(lowering, input, *axis, /*largest=*/true,
                             /*last=*/false, lowering.isUnsigned(data));
  Type elementType = lowering.elementType(result);
  Tensor output = lowering.elementwise(
      {lowering.unsqueeze(position, *axis)}, input.shape, elementType,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc};
        Value here = s.convert(s.loopIndex(*axis), b.getI64Type());
        return s.select(s.equal(here, args[0]), s.number(elementType, 1.0),
                        s.number(elementType, 0.0));
      });
  lowering.set(result, output);
  return success();
}

//===----------------------------------------------------------------------===//
// CumSum
//===----------------------------------------------------------------------===//

static LogicalResult lowerCumSum(onnx::CumSumOp op, Lowering &lowering) {
  if (failed(checkNumeric(lowering, op, /*allowsBool=*/false)))
    return failure();
  std::optional<SmallVector<int64_t>> given =
      lowering.constantInts(op.getAxis());
  if (!given || given->size() != 1)
    return lowering.unsupported(op, "its input axis is not a constant",
                                "an axis known at compile time works");
  std::optional<int64_t> axis =
      Lowering::normalizeAxis(given->front(), lowering.rank(op.getX()));
  if (!axis)
    return lowering.unsupported(op, "axis " + Twine(given->front()) +
                                        " is outside its input");
  Tensor input = lowering.get(op.getX());
  Tensor init = lowering.empty(input.shape, input.getElementType());
  auto sum = CumSumOp::create(lowering.b, lowering.loc, init.value.getType(),
                              input.value, init.value, *axis,
                              op.getExclusive() != 0, op.getReverse() != 0);
  lowering.set(op.getY(), {sum->getResult(0), input.shape});
  return success();
}

void hybrid::registerReduction(Registry &registry) {
  Reduction sum = {getZero, keep, buildAdd};
  Reduction mean = sum, logSum = sum;
  mean.finish = divideByCount;
  logSum.finish = takeLog;
  logSum.inFloat = true;
  Reduction product = {getOne, keep, buildMul};
  Reduction maximum = {getLowest, keep, buildMax};
  Reduction minimum = {getHighest, keep, buildMin};
  maximum.allowsBool = minimum.allowsBool = true;
  Reduction absolute = {getZero, buildAbs, buildAdd};
  Reduction squares = {getZero, buildSquare, buildAdd};
  Reduction root = squares;
  root.finish = takeRoot;
  root.inFloat = true;
  addReduction<onnx::ReduceSumOp>(registry, sum);
  addReduction<onnx::ReduceMeanOp>(registry, mean);
  addReduction<onnx::ReduceLogSumOp>(registry, logSum);
  addReduction<onnx::ReduceProdOp>(registry, product);
  addReduction<onnx::ReduceMaxOp>(registry, maximum);
  addReduction<onnx::ReduceMinOp>(registry, minimum);
  addReduction<onnx::ReduceL1Op>(registry, absolute);
  addReduction<onnx::ReduceSumSquareOp>(registry, squares);
  addReduction<onnx::ReduceL2Op>(registry, root);
  registry.add<onnx::ReduceLogSumExpOp>(lowerLogSumExp);
  registry.add<onnx::ArgMaxOp>(lowerArgBest<onnx::ArgMaxOp>);
  registry.add<onnx::ArgMinOp>(lowerArgBest<onnx::ArgMinOp>);
  registry.add<onnx::HardmaxOp>(lowerHardmax);
  registry.add<onnx::CumSumOp>(lowerCumSum);
}
