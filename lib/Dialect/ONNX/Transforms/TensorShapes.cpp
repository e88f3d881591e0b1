//===- TensorShapes.cpp - Shapes of operators that move data --------------===//

#include "ShapeInference.h"

using namespace mlir;
using namespace hybrid::onnx;

//===----------------------------------------------------------------------===//
// Reshape
//===----------------------------------------------------------------------===//

/// Target dimensions as far as the elements say: null where -1 or unknown.
static Shape reshapeTarget(OpShape &op, const Shape &target,
                           const Shape *data) {
  bool zeroCopies = op.integer("allowzero", 0) == 0;
  Shape result;
  for (auto [i, element] : llvm::enumerate(target)) {
    std::optional<int64_t> value = SymbolicAlgebra::constantValue(element);
    if (value == 0 && zeroCopies)
      result.push_back(data && i < data->size() ? (*data)[i] : Expr());
    else if (value == -1)
      result.push_back(Expr());
    else
      result.push_back(element && op.math.isAtLeast(element, 0) ? element
                                                                : Expr());
  }
  return result;
}

/// Removes factors that both lists have.
static void cancel(SmallVectorImpl<Expr> &a, SmallVectorImpl<Expr> &b) {
  for (auto it = a.begin(); it != a.end();) {
    auto same = llvm::find(b, *it);
    if (same == b.end()) {
      ++it;
      continue;
    }
    b.erase(same);
    it = a.erase(it);
  }
}

static LogicalResult reshape(OpShape &op) {
  const Shape *data = op.shape(0);
  const Shape *targetShape = op.shape(1);
  const Shape *target = op.elements(1);
  if (!target) {
    std::optional<int64_t> rank;
    if (targetShape && targetShape->size() == 1)
      rank = SymbolicAlgebra::constantValue(targetShape->front());
    if (rank && *rank >= 0 && *rank <= kMaxElements)
      op.set(0, Shape(*rank));
    return success();
  }
  Shape result = reshapeTarget(op, *target, data);
  auto unknown = llvm::count(result, Expr());
  if (data && unknown <= 1) {
    SmallVector<Expr> from(data->begin(), data->end()), to;
    for (Expr dim : result)
      if (dim)
        to.push_back(dim);
    cancel(from, to);
    if (unknown == 0) {
      if (failed(op.require(op.product(from), op.product(to),
                            "numbers of elements")))
        return failure();
    } else {
      *llvm::find(result, Expr()) =
          op.math.floorDiv(op.product(from), op.product(to));
    }
  }
  op.set(0, std::move(result));
  return success();
}

static LogicalResult flatten(OpShape &op) {
  const Shape *data = op.shape(0);
  if (!data) {
    op.set(0, Shape(2));
    return success();
  }
  int64_t rank = data->size();
  int64_t axis = op.integer("axis", 1);
  if (axis < -rank || axis > rank)
    return op.error() << "axis " << axis << " is out of range for rank "
                      << rank;
  ArrayRef<Expr> dims(*data);
  size_t split = axis < 0 ? axis + rank : axis;
  op.set(0, Shape{op.product(dims.take_front(split)),
                  op.product(dims.drop_front(split))});
  return success();
}

//===----------------------------------------------------------------------===//
// Ranks
//===----------------------------------------------------------------------===//

static LogicalResult squeeze(OpShape &op) {
  const Shape *data = op.shape(0);
  if (!data)
    return success();
  SmallVector<bool> drop(data->size(), false);
  if (op.has(1)) {
    std::optional<SmallVector<int64_t>> axes = op.constants(1);
    if (!axes)
      return success();
    for (int64_t stated : *axes) {
      std::optional<int64_t> axis = op.axis(stated, data->size());
      if (!axis)
        return failure();
      if (failed(op.require((*data)[*axis], op.constant(1),
                            "a squeezed dimension and 1")))
        return failure();
      drop[*axis] = true;
    }
  } else {
    for (auto [i, dim] : llvm::enumerate(*data)) {
      drop[i] = SymbolicAlgebra::constantValue(dim) == 1;
      // Without axes the rank depends on the values of the dimensions.
      if (!drop[i] && !op.math.isDifferent(dim, op.constant(1)))
        return success();
    }
  }
  Shape result;
  for (auto [dim, dropped] : llvm::zip(*data, drop))
    if (!dropped)
      result.push_back(dim);
  op.set(0, std::move(result));
  return success();
}

static LogicalResult unsqueeze(OpShape &op) {
  const Shape *data = op.shape(0);
  std::optional<SmallVector<int64_t>> axes = op.constants(1);
  if (!data || !axes)
    return success();
  int64_t rank = data->size() + axes->size();
  SmallVector<bool> added(rank, false);
  for (int64_t stated : *axes) {
    std::optional<int64_t> axis = op.axis(stated, rank);
    if (!axis)
      return failure();
    if (added[*axis])
      return op.error() << "axis " << stated << " is given twice";
    added[*axis] = true;
  }
  Shape result;
  const Expr *next = data->begin();
  for (bool isNew : added)
    result.push_back(isNew ? op.constant(1) : *next++);
  op.set(0, std::move(result));
  return success();
}

static LogicalResult transpose(OpShape &op) {
  const Shape *data = op.shape(0);
  if (!data)
    return success();
  SmallVector<int64_t> perm = op.list("perm").value_or(SmallVector<int64_t>());
  size_t rank = data->size();
  if (perm.empty())
    for (size_t i = rank; i > 0; --i)
      perm.push_back(i - 1);
  SmallVector<int64_t> sorted = perm;
  llvm::sort(sorted);
  bool valid = sorted.size() == rank;
  for (size_t i = 0; valid && i < rank; ++i)
    valid = sorted[i] == static_cast<int64_t>(i);
  if (!valid)
    return op.error() << "perm is no permutation of " << rank << " axes";
  Shape result;
  for (int64_t axis : perm)
    result.push_back((*data)[axis]);
  op.set(0, std::move(result));
  return success();
}

//===----------------------------------------------------------------------===//
// Joining, splitting, repeating
//===----------------------------------------------------------------------===//

static LogicalResult concat(OpShape &op) {
  std::optional<Shape> result;
  std::optional<int64_t> axis;
  bool complete = true;
  for (unsigned i = 0; i < op.op->getNumOperands(); ++i) {
    const Shape *shape = op.shape(i);
    if (!shape) {
      complete = false;
      continue;
    }
    if (!result) {
      result = *shape;
      axis = op.axis(op.integer("axis", 1), shape->size());
      if (!axis)
        return failure();
      continue;
    }
    if (shape->size() != result->size())
      return op.error() << "operands of different ranks cannot be joined";
    for (int64_t d = 0; d < static_cast<int64_t>(shape->size()); ++d) {
      if (d == *axis) {
        (*result)[d] = op.math.add((*result)[d], (*shape)[d]);
        continue;
      }
      if (failed(op.require((*result)[d], (*shape)[d], "joined dimensions")))
        return failure();
      // Of two that are only assumed to be equal, constants say more.
      if (SymbolicAlgebra::constantValue((*shape)[d]))
        (*result)[d] = (*shape)[d];
    }
  }
  if (!result)
    return success();
  if (!complete)
    (*result)[*axis] = Expr();
  op.set(0, std::move(*result));
  return success();
}

static LogicalResult split(OpShape &op) {
  const Shape *data = op.shape(0);
  if (!data)
    return success();
  std::optional<int64_t> axis = op.axis(op.integer("axis", 0), data->size());
  if (!axis)
    return failure();
  int64_t parts = op.results.size();
  if (parts == 0)
    return op.error() << "there are no outputs";
  Expr whole = (*data)[*axis];
  Shape sizes(parts);
  if (op.has(1)) {
    const Shape *given = op.elements(1);
    if (given && static_cast<int64_t>(given->size()) != parts)
      return op.error() << given->size() << " sizes for " << parts
                        << " outputs";
    Expr sum = op.constant(0);
    for (int64_t i = 0; i < parts; ++i) {
      sizes[i] = op.sizeElement(1, i);
      sum = op.math.add(sum, sizes[i]);
    }
    if (given && failed(op.require(sum, whole,
                                   "the sum of the sizes and the dimension")))
      return failure();
  } else {
    // The last part may be smaller.
    Expr part = op.math.ceilDiv(whole, op.constant(parts));
    for (int64_t i = 0; i + 1 < parts; ++i)
      sizes[i] = part;
    sizes[parts - 1] =
        op.math.sub(whole, op.math.mul(part, op.constant(parts - 1)));
  }
  for (int64_t i = 0; i < parts; ++i) {
    Shape result = *data;
    result[*axis] = sizes[i];
    op.set(i, std::move(result));
  }
  return success();
}

/// A size that is at least 0, or null.
static Expr nonNegative(OpShape &op, Expr size) {
  return size && op.math.isAtLeast(size, 0) ? size : Expr();
}

static LogicalResult expand(OpShape &op) {
  const Shape *data = op.shape(0);
  const Shape *dims = op.shape(1);
  std::optional<int64_t> count;
  if (dims && dims->size() == 1)
    count = SymbolicAlgebra::constantValue(dims->front());
  if (!data || !count || *count > kMaxElements)
    return success();
  Shape target;
  for (int64_t i = 0; i < *count; ++i) {
    Expr size = op.sizeElement(1, i);
    // A dimension that depends on data is taken to be a valid size.
    bool fromData = size && op.math.anySymbol(size, [](const SymbolInfo &s) {
      return s.kind == SymbolInfo::Kind::Element;
    });
    target.push_back(fromData ? size : nonNegative(op, size));
  }
  FailureOr<Shape> result = op.broadcast(*data, target);
  if (failed(result))
    return failure();
  op.set(0, std::move(*result));
  return success();
}

static LogicalResult tile(OpShape &op) {
  const Shape *data = op.shape(0);
  if (!data)
    return success();
  Shape result;
  for (auto [i, dim] : llvm::enumerate(*data))
    result.push_back(op.math.mul(dim, op.sizeElement(1, i)));
  op.set(0, std::move(result));
  return success();
}

static LogicalResult pad(OpShape &op) {
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
    for (size_t i = 0; i < data->size(); ++i)
      axes.push_back(i);
  }
  Shape result = *data;
  for (auto [i, stated] : llvm::enumerate(axes)) {
    std::optional<int64_t> axis = op.axis(stated, data->size());
    if (!axis)
      return failure();
    Expr before = op.sizeElement(1, i);
    Expr after = op.sizeElement(1, i + axes.size());
    result[*axis] = op.math.add(result[*axis], op.math.add(before, after));
  }
  op.set(0, std::move(result));
  return success();
}

static LogicalResult depthToSpace(OpShape &op) {
  const Shape *x = op.shape(0);
  if (!x || x->size() != 4)
    return success();
  Expr block = op.constant(op.integer("blocksize", 1));
  op.set(0, Shape{(*x)[0], op.math.floorDiv((*x)[1], op.math.mul(block, block)),
                  op.math.mul((*x)[2], block), op.math.mul((*x)[3], block)});
  return success();
}

static LogicalResult spaceToDepth(OpShape &op) {
  const Shape *x = op.shape(0);
  if (!x || x->size() != 4)
    return success();
  Expr block = op.constant(op.integer("blocksize", 1));
  op.set(0, Shape{(*x)[0], op.math.mul((*x)[1], op.math.mul(block, block)),
                  op.math.floorDiv((*x)[2], block),
                  op.math.floorDiv((*x)[3], block)});
  return success();
}

//===----------------------------------------------------------------------===//
// From sizes
//===----------------------------------------------------------------------===//

static LogicalResult shapeOf(OpShape &op) {
  const Shape *data = op.shape(0);
  if (!data) {
    op.set(0, Shape(1));
    return success();
  }
  int64_t rank = data->size();
  auto clamp = [&](int64_t position) {
    position = position < 0 ? position + rank : position;
    return std::clamp<int64_t>(position, 0, rank);
  };
  int64_t start = clamp(op.integer("start", 0));
  int64_t end = clamp(op.integer("end", rank));
  op.set(0, Shape{op.constant(std::max<int64_t>(end - start, 0))});
  return success();
}

static LogicalResult scalarResult(OpShape &op) {
  op.set(0, Shape());
  return success();
}

static LogicalResult constantOfShape(OpShape &op) {
  const Shape *dims = op.shape(0);
  if (!dims || dims->size() != 1)
    return success();
  std::optional<int64_t> count = SymbolicAlgebra::constantValue(dims->front());
  if (!count || *count > kMaxElements)
    return success();
  Shape result;
  for (int64_t i = 0; i < *count; ++i)
    result.push_back(op.sizeElement(0, i));
  op.set(0, std::move(result));
  return success();
}

/// The single number that an operand of floats holds, if it is a constant.
static std::optional<double> constantFloat(Value value) {
  Operation *definition = value.getDefiningOp();
  auto elements = definition
                      ? definition->getAttrOfType<DenseFPElementsAttr>("value")
                      : DenseFPElementsAttr();
  if (!elements || elements.getNumElements() != 1)
    return std::nullopt;
  APFloat number = *elements.value_begin<APFloat>();
  bool losesInfo;
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  return number.convertToDouble();
}

static LogicalResult range(OpShape &op) {
  auto type = dyn_cast<TensorType>(op.op->getOperand(0).getType());
  op.set(0, Shape(1));
  if (!type || !type.getElementType().isInteger()) {
    std::optional<double> start = constantFloat(op.op->getOperand(0));
    std::optional<double> limit = constantFloat(op.op->getOperand(1));
    std::optional<double> delta = constantFloat(op.op->getOperand(2));
    if (!start || !limit || !delta || *delta == 0)
      return success();
    double count = std::ceil((*limit - *start) / *delta);
    if (std::abs(count) < 1e15)
      op.set(0, Shape{op.constant(std::max<int64_t>(0, count))});
    return success();
  }
  Expr distance = op.math.sub(op.sizeElement(1, 0), op.sizeElement(0, 0));
  Expr count = op.math.ceilDiv(distance, op.sizeElement(2, 0));
  op.set(0, Shape{op.math.max(count, op.constant(0))});
  return success();
}

static LogicalResult oneHot(OpShape &op) {
  const Shape *indices = op.shape(0);
  if (!indices)
    return success();
  std::optional<int64_t> axis =
      op.axis(op.integer("axis", -1), indices->size() + 1);
  if (!axis)
    return failure();
  Shape result = *indices;
  result.insert(result.begin() + *axis, op.sizeElement(1, 0));
  op.set(0, std::move(result));
  return success();
}

void hybrid::onnx::addTensorShapes(ShapeFunctions &functions) {
  functions["Concat"] = concat;
  functions["ConstantOfShape"] = constantOfShape;
  functions["DepthToSpace"] = depthToSpace;
  functions["Expand"] = expand;
  functions["Flatten"] = flatten;
  functions["OneHot"] = oneHot;
  functions["Pad"] = pad;
  functions["Range"] = range;
  functions["Reshape"] = reshape;
  functions["Shape"] = shapeOf;
  functions["Size"] = scalarResult;
  functions["SpaceToDepth"] = spaceToDepth;
  functions["Split"] = split;
  functions["Squeeze"] = squeeze;
  functions["Tile"] = tile;
  functions["Transpose"] = transpose;
  functions["Unsqueeze"] = unsqueeze;
}
