//===- IndexingShapes.cpp - Shapes of operators that pick elements --------===//

#include "IndexRange.h"
#include "ShapeInference.h"

using namespace mlir;
using namespace hybrid::onnx;

//===----------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------===//

/// Stands for "to the end" in what exporters write.
static constexpr int64_t kEnd = INT32_MAX;

/// A position counted from the front; null if its sign is not known.
static Expr fromFront(OpShape &op, Expr position, Expr dim) {
  if (!position || op.math.isAtLeast(position, 0))
    return position;
  if (op.math.isAtLeast(op.constant(-1), position))
    return op.math.add(position, dim);
  return Expr();
}

SliceRange hybrid::onnx::sliceRange(OpShape &op, Expr dim, Expr start, Expr end,
                                    int64_t step) {
  Expr zero = op.constant(0), last = op.math.sub(dim, op.constant(1));
  std::optional<int64_t> from = SymbolicAlgebra::constantValue(start);
  std::optional<int64_t> to = SymbolicAlgebra::constantValue(end);
  if (step > 0) {
    Expr first = from && *from <= -kEnd ? zero : fromFront(op, start, dim);
    Expr stop = to && *to >= kEnd ? dim : fromFront(op, end, dim);
    first = op.math.min(op.math.max(first, zero), dim);
    stop = op.math.min(op.math.max(stop, zero), dim);
    Expr count = op.math.ceilDiv(op.math.sub(stop, first), op.constant(step));
    return {first, op.math.max(count, zero)};
  }
  Expr first = from && *from >= kEnd ? last : fromFront(op, start, dim);
  Expr stop = to && *to <= -kEnd ? op.constant(-1) : fromFront(op, end, dim);
  first = op.math.min(op.math.max(first, zero), last);
  stop = op.math.min(op.math.max(stop, op.constant(-1)), last);
  Expr count = op.math.ceilDiv(op.math.sub(first, stop), op.constant(-step));
  return {first, op.math.max(count, zero)};
}

static LogicalResult slice(OpShape &op) {
  const Shape *data = op.shape(0);
  if (!data)
    return success();
  SmallVector<int64_t> axes;
  if (op.has(3)) {
    std::optional<SmallVector<int64_t>> given = op.constants(3);
    if (!given) {
      op.set(0, Shape(data->size()));
      return success();
    }
    axes = *given;
  } else {
    const Shape *starts = op.shape(1);
    std::optional<int64_t> count;
    if (starts && starts->size() == 1)
      count = SymbolicAlgebra::constantValue(starts->front());
    if (!count || *count > static_cast<int64_t>(data->size())) {
      op.set(0, Shape(data->size()));
      return success();
    }
    for (int64_t i = 0; i < *count; ++i)
      axes.push_back(i);
  }
  Shape result = *data;
  for (auto [i, stated] : llvm::enumerate(axes)) {
    std::optional<int64_t> axis = op.axis(stated, data->size());
    if (!axis)
      return failure();
    std::optional<int64_t> step = 1;
    if (op.has(4))
      step = SymbolicAlgebra::constantValue(op.sizeElement(4, i));
    if (step == 0)
      return op.error() << "the step of axis " << stated << " is 0";
    result[*axis] = step && *step != INT64_MIN
                        ? sliceRange(op, result[*axis], op.sizeElement(1, i),
                                     op.sizeElement(2, i), *step)
                              .count
                        : Expr();
  }
  op.set(0, std::move(result));
  return success();
}

//===----------------------------------------------------------------------===//
// Gather
//===----------------------------------------------------------------------===//

static LogicalResult gather(OpShape &op) {
  const Shape *data = op.shape(0), *indices = op.shape(1);
  if (!data || !indices)
    return success();
  std::optional<int64_t> axis = op.axis(op.integer("axis", 0), data->size());
  if (!axis)
    return failure();
  Shape result(data->begin(), data->begin() + *axis);
  result.append(*indices);
  result.append(data->begin() + *axis + 1, data->end());
  op.set(0, std::move(result));
  return success();
}

/// com.microsoft: rows of a matrix of packed numbers.
static LogicalResult gatherBlockQuantized(OpShape &op) {
  const Shape *data = op.shape(0), *indices = op.shape(1);
  if (!data || !indices || data->empty())
    return success();
  std::optional<int64_t> axis =
      op.axis(op.integer("gather_axis", 0), data->size());
  if (!axis)
    return failure();
  Shape unpacked = *data;
  Type element =
      cast<TensorType>(op.op->getOperand(0).getType()).getElementType();
  if (element.isUnsignedInteger(8)) {
    int64_t bits = op.integer("bits", 4);
    if (bits < 1 || bits > 8)
      return op.error() << "bits is " << bits;
    unpacked.back() = op.math.mul(unpacked.back(), op.constant(8 / bits));
  }
  Shape result(unpacked.begin(), unpacked.begin() + *axis);
  result.append(*indices);
  result.append(unpacked.begin() + *axis + 1, unpacked.end());
  op.set(0, std::move(result));
  return success();
}

static LogicalResult gatherElements(OpShape &op) {
  op.set(0, op.shape(1));
  return success();
}

static LogicalResult gatherND(OpShape &op) {
  const Shape *data = op.shape(0), *indices = op.shape(1);
  if (!data || !indices || indices->empty())
    return success();
  std::optional<int64_t> depth =
      SymbolicAlgebra::constantValue(indices->back());
  int64_t batch = op.integer("batch_dims", 0);
  if (!depth)
    return success();
  if (batch < 0 || *depth < 0 ||
      batch + *depth > static_cast<int64_t>(data->size()))
    return op.error() << "indices of length " << *depth
                      << " are too long for the data";
  Shape result(indices->begin(), indices->end() - 1);
  result.append(data->begin() + batch + *depth, data->end());
  op.set(0, std::move(result));
  return success();
}

//===----------------------------------------------------------------------===//
// Results that depend on data
//===----------------------------------------------------------------------===//

static LogicalResult nonZero(OpShape &op) {
  const Shape *x = op.shape(0);
  op.set(0, Shape{x ? op.constant(x->size()) : Expr(), Expr()});
  return success();
}

static LogicalResult compress(OpShape &op) {
  const Shape *data = op.shape(0);
  std::optional<int64_t> axis = op.maybeInteger("axis");
  if (!axis) {
    op.set(0, Shape(1));
    return success();
  }
  if (!data)
    return success();
  std::optional<int64_t> positive = op.axis(*axis, data->size());
  if (!positive)
    return failure();
  Shape result = *data;
  result[*positive] = Expr();
  op.set(0, std::move(result));
  return success();
}

static LogicalResult unique(OpShape &op) {
  const Shape *x = op.shape(0);
  std::optional<int64_t> axis = op.maybeInteger("axis");
  for (unsigned i = 1; i < 4; ++i)
    op.set(i, Shape(1));
  if (!axis) {
    op.set(0, Shape(1));
    if (x)
      op.set(2, Shape{op.product(*x)});
    return success();
  }
  if (!x)
    return success();
  std::optional<int64_t> positive = op.axis(*axis, x->size());
  if (!positive)
    return failure();
  Shape result = *x;
  op.set(2, Shape{result[*positive]});
  result[*positive] = Expr();
  op.set(0, std::move(result));
  return success();
}

static LogicalResult topK(OpShape &op) {
  const Shape *x = op.shape(0);
  if (!x)
    return success();
  std::optional<int64_t> axis = op.axis(op.integer("axis", -1), x->size());
  if (!axis)
    return failure();
  Shape result = *x;
  result[*axis] = op.sizeElement(1, 0);
  op.set(0, result);
  op.set(1, std::move(result));
  return success();
}

void hybrid::onnx::addIndexingShapes(ShapeFunctions &functions) {
  functions["Compress"] = compress;
  functions["Gather"] = gather;
  functions["GatherElements"] = gatherElements;
  functions["GatherND"] = gatherND;
  functions["NonZero"] = nonZero;
  functions["Slice"] = slice;
  functions["TopK"] = topK;
  functions["Unique"] = unique;
  functions["ms.GatherBlockQuantized"] = gatherBlockQuantized;
}
