//===- Gather.cpp - ONNX gathers and scatters to linalg -------------------===//
//
// A gather is one loop over the output that reads its source by tensor.extract;
// where the positions are known it is a view. A scatter is one scf.for over the
// updates, in order, on a copy of the data; where the positions are known to be
// neighbours it is an insert_slice. Positions from data are clamped, so that
// nothing outside is ever touched.
//
//===----------------------------------------------------------------------===//

#include "Indexing.h"
#include "Lowering.h"
#include "Scalars.h"

#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace hybrid;

static LogicalResult reportAxis(Lowering &lowering, Operation *op,
                                int64_t axis) {
  return lowering.unsupported(op, "axis " + Twine(axis) +
                                      " is outside a tensor of rank " +
                                      Twine(lowering.rank(op->getOperand(0))));
}

static LogicalResult checkIndices(Lowering &lowering, Operation *op,
                                  Value indices) {
  Type type = lowering.elementType(indices);
  if (isa<IntegerType>(type) && !type.isInteger(1))
    return success();
  return lowering.unsupported(op, "its indices are not integers");
}

static SmallVector<Value> getExtents(Lowering &lowering, ShapeRef shape) {
  SmallVector<Value> extents;
  for (AffineExpr dim : shape)
    extents.push_back(lowering.index(dim));
  return extents;
}

/// The first of positions that follow one another; nullopt if they don't.
static std::optional<int64_t> getStart(ArrayRef<int64_t> positions) {
  for (auto [i, position] : llvm::enumerate(positions))
    if (position != positions.front() + static_cast<int64_t>(i))
      return std::nullopt;
  if (positions.empty())
    return std::nullopt;
  return positions.front();
}

//===----------------------------------------------------------------------===//
// Gather
//===----------------------------------------------------------------------===//

/// The gather as a slice of `data` along `axis`, if the indices are one known
/// position, or constants that follow one another inside of the data.
static Tensor sliceInsteadOfGather(Lowering &lowering, Value indices,
                                   const Tensor &data, int64_t axis) {
  std::optional<Shape> known = getKnownElements(lowering, indices);
  if (!known || known->empty() ||
      !lowering.symbols.isAtLeast(data.shape[axis], 1))
    return {};
  AffineExpr size = data.shape[axis];
  AffineExpr last = lowering.symbols.simplify(size - 1);
  std::optional<AffineExpr> start =
      resolveIndex(lowering, known->front(), size, last);
  if (!start)
    return {};
  if (known->size() > 1) {
    std::optional<SmallVector<int64_t>> ints = lowering.constantInts(indices);
    if (!ints || !getStart(*ints) || (ints->front() < 0 && ints->back() >= 0))
      return {};
    // The last one must be inside, too: clamping would repeat elements.
    AffineExpr end = lowering.fixed(ints->back() + 1);
    bool isInside = ints->front() < 0
                        ? lowering.symbols.isAtLeast(size, -ints->front())
                        : lowering.symbols.isAtLeast(
                              lowering.symbols.simplify(size - end), 0);
    if (!isInside)
      return {};
  }
  Shape offsets(data.getRank(), lowering.fixed(0)), sizes = data.shape;
  offsets[axis] = *start;
  sizes[axis] = lowering.fixed(known->size());
  return lowering.extractSlice(data, offsets, sizes);
}

/// data[…, indices[…], …] with the indices' dimensions in place of `axis`.
static Tensor gatherAlongAxis(Lowering &lowering, Tensor data,
                              const Tensor &indices, int64_t axis,
                              ShapeRef shape, bool isUnsigned) {
  Value extent = lowering.index(data.shape[axis]);
  data = ensureNonEmpty(lowering, data, axis);
  unsigned rank = shape.size(), indexRank = indices.getRank();
  OpBuilder &b = lowering.b;
  SmallVector<AffineExpr> indexDims;
  for (unsigned i = 0; i < indexRank; ++i)
    indexDims.push_back(b.getAffineDimExpr(axis + i));
  AffineMap maps[] = {AffineMap::get(rank, 0, indexDims, b.getContext()),
                      b.getMultiDimIdentityMap(rank)};
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return lowering.generic(
      {indices}, lowering.empty(shape, data.getElementType()), maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc, isUnsigned};
        SmallVector<Value> position;
        for (int64_t i = 0; i < axis; ++i)
          position.push_back(s.loopIndex(i));
        position.push_back(s.clampIndex(args[0], extent));
        for (unsigned i = axis + indexRank; i < rank; ++i)
          position.push_back(s.loopIndex(i));
        return s.extract(data.value, position);
      });
}

static LogicalResult lowerGather(onnx::GatherOp op, Lowering &lowering) {
  std::optional<int64_t> axis =
      Lowering::normalizeAxis(op.getAxis(), lowering.rank(op.getData()));
  if (!axis)
    return reportAxis(lowering, op, op.getAxis());
  if (failed(checkIndices(lowering, op, op.getIndices())))
    return failure();
  Value result = op.getOutput();
  ShapeRef shape = lowering.shape(result);
  Tensor data = lowering.get(op.getData());
  if (Tensor slice =
          sliceInsteadOfGather(lowering, op.getIndices(), data, *axis)) {
    lowering.set(result, lowering.reshape(slice, shape));
    return success();
  }
  lowering.set(result, gatherAlongAxis(
                           lowering, data, lowering.get(op.getIndices()), *axis,
                           shape, lowering.isUnsigned(op.getIndices())));
  return success();
}

/// `position`, below `loopSize`, made safe for a dimension that isn't known to
/// be that large.
static Value fitPosition(const Scalars &s, Lowering &lowering, Value position,
                         AffineExpr loopSize, AffineExpr size, Value extent) {
  if (lowering.symbols.isAtLeast(lowering.symbols.simplify(size - loopSize), 0))
    return position;
  return Scalars{s.b, s.loc}.clampIndex(position, extent);
}

static LogicalResult lowerGatherElements(onnx::GatherElementsOp op,
                                         Lowering &lowering) {
  int64_t rank = lowering.rank(op.getData());
  std::optional<int64_t> axis = Lowering::normalizeAxis(op.getAxis(), rank);
  if (!axis)
    return reportAxis(lowering, op, op.getAxis());
  if (failed(checkIndices(lowering, op, op.getIndices())))
    return failure();
  if (lowering.rank(op.getIndices()) != static_cast<unsigned>(rank))
    return lowering.unsupported(op, "data and indices differ in rank");
  Tensor data = lowering.get(op.getData());
  Tensor indices = lowering.get(op.getIndices());
  Shape sizes = data.shape;
  SmallVector<Value> extents = getExtents(lowering, sizes);
  for (int64_t i = 0; i < rank; ++i)
    if (i == *axis || !lowering.isEqual(sizes[i], indices.shape[i]))
      data = ensureNonEmpty(lowering, data, i);
  bool isUnsigned = lowering.isUnsigned(op.getIndices());
  lowering.set(op.getOutput(),
               lowering.elementwise(
                   {indices}, indices.shape, data.getElementType(),
                   [&](OpBuilder &b, Location loc, ValueRange args) {
                     Scalars s{b, loc, isUnsigned};
                     SmallVector<Value> position;
                     for (int64_t i = 0; i < rank; ++i)
                       position.push_back(
                           i == *axis ? s.clampIndex(args[0], extents[i])
                                      : fitPosition(s, lowering, s.loopIndex(i),
                                                    indices.shape[i], sizes[i],
                                                    extents[i]));
                     return s.extract(data.value, position);
                   }));
  return success();
}

/// data[batch…, indices[batch…, …, 0], indices[batch…, …, 1], …, rest…]
static LogicalResult lowerGatherND(onnx::GatherNDOp op, Lowering &lowering) {
  if (failed(checkIndices(lowering, op, op.getIndices())))
    return failure();
  Tensor data = lowering.get(op.getData());
  Tensor indices = lowering.get(op.getIndices());
  int64_t rank = data.getRank(), batch = op.getBatchDims();
  std::optional<int64_t> depth;
  if (indices.getRank() > 0)
    depth = lowering.getFixed(indices.shape.back());
  if (!depth)
    return lowering.unsupported(op,
                                "the last dimension of indices is not static");
  if (batch < 0 || batch >= static_cast<int64_t>(indices.getRank()) ||
      *depth < 0 || batch + *depth > rank)
    return lowering.unsupported(op, "batch_dims or the last dimension of "
                                    "indices don't fit the inputs' ranks");
  Value result = op.getOutput();
  ShapeRef shape = lowering.shape(result);
  bool isUnsigned = lowering.isUnsigned(op.getIndices());
  if (batch == 0 && *depth == 1) {
    Tensor flat = lowering.squeeze(indices, indices.getRank() - 1);
    lowering.set(result,
                 gatherAlongAxis(lowering, data, flat, 0, shape, isUnsigned));
    return success();
  }
  Shape sizes = data.shape;
  SmallVector<Value> extents = getExtents(lowering, sizes);
  for (int64_t i = 0; i < batch + *depth; ++i)
    if (i >= batch || !lowering.isEqual(sizes[i], indices.shape[i]))
      data = ensureNonEmpty(lowering, data, i);
  unsigned outer = indices.getRank() - 1;
  lowering.set(
      result,
      lowering.elementwise(
          {}, shape, data.getElementType(),
          [&](OpBuilder &b, Location loc, ValueRange) {
            Scalars s{b, loc, isUnsigned};
            SmallVector<Value> indexPosition, position;
            for (unsigned i = 0; i < outer; ++i)
              indexPosition.push_back(s.loopIndex(i));
            indexPosition.push_back({});
            for (int64_t i = 0; i < batch; ++i)
              position.push_back(fitPosition(s, lowering, s.loopIndex(i),
                                             indices.shape[i], sizes[i],
                                             extents[i]));
            for (int64_t i = 0; i < *depth; ++i) {
              indexPosition.back() = s.integer(b.getIndexType(), i);
              Value index = s.extract(indices.value, indexPosition);
              position.push_back(s.clampIndex(index, extents[batch + i]));
            }
            for (unsigned i = outer; i < shape.size(); ++i)
              position.push_back(s.loopIndex(i));
            return s.extract(data.value, position);
          }));
  return success();
}

//===----------------------------------------------------------------------===//
// Scatter
//===----------------------------------------------------------------------===//

namespace {
/// How an update and the element in its place are combined.
enum class Combine { None, Add, Mul, Min, Max };
} // namespace

static std::optional<Combine> parseReduction(StringRef reduction) {
  return llvm::StringSwitch<std::optional<Combine>>(reduction)
      .Case("none", Combine::None)
      .Case("add", Combine::Add)
      .Case("mul", Combine::Mul)
      .Case("min", Combine::Min)
      .Case("max", Combine::Max)
      .Default(std::nullopt);
}

static LogicalResult reportReduction(Lowering &lowering, Operation *op,
                                     StringRef reduction) {
  return lowering.unsupported(
      op, "reduction is \"" + reduction + "\"",
      "\"none\", \"add\", \"mul\", \"min\" and \"max\" work");
}

static Value combine(const Scalars &s, Combine how, Value current,
                     Value update) {
  Type type = update.getType(), compute = getComputeType(type);
  if (how == Combine::None)
    return update;
  Value x = s.convert(current, compute), y = s.convert(update, compute);
  // Sums of bools are "or", products "and".
  if (type.isInteger(1))
    return how == Combine::Add || how == Combine::Max ? s.bitOr(x, y)
                                                      : s.bitAnd(x, y);
  switch (how) {
  case Combine::Add:
    return s.convert(s.add(x, y), type);
  case Combine::Mul:
    return s.convert(s.mul(x, y), type);
  case Combine::Min:
    return s.convert(s.min(x, y), type);
  case Combine::Max:
    return s.convert(s.max(x, y), type);
  case Combine::None:
    break;
  }
  llvm_unreachable("handled above");
}

/// One scf.for over the positions of `loops`, row-major, that carries a copy of
/// `data`; none at all where `data` is empty. The body gets the position and
/// the tensor, and returns the new tensor.
static Tensor scatterInOrder(
    Lowering &lowering, const Tensor &data, ShapeRef loops,
    llvm::function_ref<Value(const Scalars &, ValueRange, Value)> body) {
  Tensor target = lowering.copy(data);
  OpBuilder &b = lowering.b;
  Location loc = lowering.loc;
  Scalars outside{b, loc};
  Value zero = outside.integer(b.getIndexType(), 0);
  Value one = outside.integer(b.getIndexType(), 1);
  AffineExpr elements = lowering.product(data.shape);
  Value count = lowering.index(lowering.product(loops));
  if (!lowering.symbols.isAtLeast(elements, 1))
    count = outside.mul(count, outside.min(lowering.index(elements), one));
  SmallVector<OpFoldResult> basis = lowering.sizes(loops);
  auto loop = scf::ForOp::create(
      b, loc, zero, count, one, target.value,
      [&](OpBuilder &nested, Location loc, Value i, ValueRange carried) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(nested.getInsertionBlock());
        SmallVector<Value> position;
        if (basis.size() == 1)
          position.push_back(i);
        else if (!basis.empty())
          llvm::append_range(position, affine::AffineDelinearizeIndexOp::create(
                                           b, loc, i, basis)
                                           .getResults());
        Value next = body(Scalars{b, loc}, position, carried[0]);
        scf::YieldOp::create(b, loc, next);
      });
  return {loop.getResult(0), target.shape};
}

/// The offset along `axis` if the indices say: the updates, as a block, go
/// there and nowhere else.
static std::optional<int64_t> getBlockOffset(ArrayRef<int64_t> indices,
                                             ArrayRef<int64_t> shape,
                                             int64_t axis) {
  int64_t inner = 1;
  for (int64_t size : shape.drop_front(axis + 1))
    inner *= size;
  if (indices.empty() || indices.front() < 0)
    return std::nullopt;
  for (auto [i, index] : llvm::enumerate(indices))
    if (index !=
        indices.front() + static_cast<int64_t>(i) / inner % shape[axis])
      return std::nullopt;
  return indices.front();
}

/// The scatter as insert_slice; null if the indices don't allow it.
static Tensor insertInsteadOfScatter(Lowering &lowering, Value indices,
                                     const Tensor &data, const Tensor &updates,
                                     int64_t axis) {
  std::optional<SmallVector<int64_t>> constant = lowering.constantInts(indices);
  if (!constant)
    return {};
  SmallVector<int64_t> shape;
  for (AffineExpr dim : lowering.shape(indices))
    shape.push_back(lowering.getFixed(dim).value_or(0));
  std::optional<int64_t> offset = getBlockOffset(*constant, shape, axis);
  if (!offset)
    return {};
  onnx::SymbolicShapes &symbols = lowering.symbols;
  Shape offsets(data.getRank(), lowering.fixed(0));
  offsets[axis] = lowering.fixed(*offset);
  for (auto [size, update, start] :
       llvm::zip(data.shape, updates.shape, offsets))
    if (!symbols.isAtLeast(symbols.simplify(size - start - update), 0))
      return {};
  return lowering.insertSlice(updates, lowering.copy(data), offsets);
}

static LogicalResult scatterElements(Operation *op, Lowering &lowering,
                                     int64_t axisAttr, StringRef reduction) {
  Value dataValue = op->getOperand(0), indexValue = op->getOperand(1);
  int64_t rank = lowering.rank(dataValue);
  std::optional<int64_t> axis = Lowering::normalizeAxis(axisAttr, rank);
  std::optional<Combine> how = parseReduction(reduction);
  if (!axis)
    return reportAxis(lowering, op, axisAttr);
  if (!how)
    return reportReduction(lowering, op, reduction);
  if (failed(checkIndices(lowering, op, indexValue)))
    return failure();
  if (lowering.rank(indexValue) != static_cast<unsigned>(rank) ||
      !lowering.isEqual(lowering.shape(indexValue),
                        lowering.shape(op->getOperand(2))))
    return lowering.unsupported(
        op, "data, indices and updates don't fit together",
        "the same rank, and indices and updates of one shape, work");
  Tensor data = lowering.get(dataValue);
  Tensor updates = lowering.get(op->getOperand(2));
  if (*how == Combine::None)
    if (Tensor result = insertInsteadOfScatter(lowering, indexValue, data,
                                               updates, *axis)) {
      lowering.set(op->getResult(0), result);
      return success();
    }
  Tensor indices = lowering.get(indexValue);
  SmallVector<Value> extents = getExtents(lowering, data.shape);
  bool isUnsigned = lowering.isUnsigned(indexValue);
  bool dataUnsigned = lowering.isUnsigned(dataValue);
  Tensor result = scatterInOrder(
      lowering, data, indices.shape,
      [&](const Scalars &s, ValueRange position, Value tensor) -> Value {
        Scalars index{s.b, s.loc, isUnsigned};
        SmallVector<Value> target;
        for (int64_t i = 0; i < rank; ++i)
          target.push_back(
              i == *axis
                  ? index.clampIndex(s.extract(indices.value, position),
                                     extents[i])
                  : fitPosition(s, lowering, position[i], indices.shape[i],
                                data.shape[i], extents[i]));
        Value update = s.extract(updates.value, position);
        Value current = s.extract(tensor, target);
        Value element =
            combine(Scalars{s.b, s.loc, dataUnsigned}, *how, current, update);
        return tensor::InsertOp::create(s.b, s.loc, element, tensor, target);
      });
  lowering.set(op->getResult(0), result);
  return success();
}

static LogicalResult lowerScatterElements(onnx::ScatterElementsOp op,
                                          Lowering &lowering) {
  return scatterElements(op, lowering, op.getAxis(), op.getReduction());
}

static LogicalResult lowerScatter(onnx::ScatterOp op, Lowering &lowering) {
  return scatterElements(op, lowering, op.getAxis(), "none");
}

namespace {
/// ScatterND: one slice of the data, `depth` dimensions of which are chosen,
/// for each position in `loops`.
struct ScatterNDForm {
  Tensor data, indices, updates;
  int64_t depth = 0;
  Shape loops;
  Combine how = Combine::None;
};
} // namespace

static FailureOr<ScatterNDForm> getForm(onnx::ScatterNDOp op,
                                        Lowering &lowering) {
  ScatterNDForm form;
  std::optional<Combine> how = parseReduction(op.getReduction());
  if (!how)
    return reportReduction(lowering, op, op.getReduction());
  form.how = *how;
  if (failed(checkIndices(lowering, op, op.getIndices())))
    return failure();
  ShapeRef indexShape = lowering.shape(op.getIndices());
  ShapeRef dataShape = lowering.shape(op.getData());
  std::optional<int64_t> depth;
  if (!indexShape.empty())
    depth = lowering.getFixed(indexShape.back());
  if (!depth)
    return lowering.unsupported(op,
                                "the last dimension of indices is not static");
  if (*depth < 0 || *depth > static_cast<int64_t>(dataShape.size()))
    return lowering.unsupported(op, "the last dimension of indices is " +
                                        Twine(*depth));
  form.depth = *depth;
  form.loops = Shape(indexShape.drop_back());
  Shape expected = form.loops;
  llvm::append_range(expected, dataShape.drop_front(*depth));
  if (!lowering.isEqual(expected, lowering.shape(op.getUpdates())))
    return lowering.unsupported(op, "updates has not the shape that data and "
                                    "indices ask for");
  form.data = lowering.get(op.getData());
  form.indices = lowering.get(op.getIndices());
  form.updates = lowering.get(op.getUpdates());
  return form;
}

/// One update of ScatterND: a slice, or an element where nothing is left.
static Value scatterSlice(Lowering &lowering, const ScatterNDForm &form,
                          ArrayRef<Value> extents, bool indexUnsigned,
                          bool dataUnsigned, const Scalars &s,
                          ValueRange position, Value tensor) {
  OpBuilder &b = s.b;
  Scalars index{b, s.loc, indexUnsigned};
  Scalars element{b, s.loc, dataUnsigned};
  SmallVector<Value> indexPosition(position.begin(), position.end()), target;
  indexPosition.push_back({});
  for (int64_t i = 0; i < form.depth; ++i) {
    indexPosition.back() = s.integer(b.getIndexType(), i);
    target.push_back(index.clampIndex(
        s.extract(form.indices.value, indexPosition), extents[i]));
  }
  if (form.depth == static_cast<int64_t>(form.data.getRank())) {
    Value next = combine(element, form.how, s.extract(tensor, target),
                         s.extract(form.updates.value, position));
    return tensor::InsertOp::create(b, s.loc, next, tensor, target);
  }
  // The chosen dimensions have size 1 and vanish from the slice.
  ShapeRef rest = ShapeRef(form.data.shape).drop_front(form.depth);
  RankedTensorType sliceType = lowering.type(rest, form.data.getElementType());
  auto slice = [&](ValueRange chosen, unsigned rank) {
    struct {
      SmallVector<OpFoldResult> offsets, sizes, strides;
    } result;
    for (Value offset : chosen) {
      result.offsets.push_back(offset);
      result.sizes.push_back(b.getIndexAttr(1));
    }
    llvm::append_range(result.sizes, lowering.sizes(rest));
    result.offsets.resize(rank, b.getIndexAttr(0));
    result.strides.resize(rank, b.getIndexAttr(1));
    return result;
  };
  auto from = slice(position, form.updates.getRank());
  auto to = slice(target, form.data.getRank());
  Tensor update = {
      tensor::ExtractSliceOp::create(b, s.loc, sliceType, form.updates.value,
                                     from.offsets, from.sizes, from.strides),
      Shape(rest)};
  if (form.how != Combine::None) {
    Tensor current = {tensor::ExtractSliceOp::create(b, s.loc, sliceType,
                                                     tensor, to.offsets,
                                                     to.sizes, to.strides),
                      Shape(rest)};
    // In place: the slice is the destination, too.
    AffineMap identity = b.getMultiDimIdentityMap(rest.size());
    SmallVector<utils::IteratorType> iterators(rest.size(),
                                               utils::IteratorType::parallel);
    update =
        lowering.generic({update}, current, {identity, identity}, iterators,
                         [&](OpBuilder &b, Location loc, ValueRange args) {
                           return combine(Scalars{b, loc, dataUnsigned},
                                          form.how, args[1], args[0]);
                         });
  }
  return tensor::InsertSliceOp::create(b, s.loc, update.value, tensor,
                                       to.offsets, to.sizes, to.strides);
}

static LogicalResult lowerScatterND(onnx::ScatterNDOp op, Lowering &lowering) {
  FailureOr<ScatterNDForm> form = getForm(op, lowering);
  if (failed(form))
    return failure();
  Value result = op.getOutput();
  if (form->how == Combine::None && form->depth == 1 && form->loops.size() == 1)
    if (Tensor inserted = insertInsteadOfScatter(
            lowering, op.getIndices(), form->data, form->updates, /*axis=*/0)) {
      lowering.set(result, inserted);
      return success();
    }
  SmallVector<Value> extents = getExtents(lowering, form->data.shape);
  bool indexUnsigned = lowering.isUnsigned(op.getIndices());
  bool dataUnsigned = lowering.isUnsigned(op.getData());
  lowering.set(result,
               scatterInOrder(lowering, form->data, form->loops,
                              [&](const Scalars &s, ValueRange position,
                                  Value tensor) -> Value {
                                return scatterSlice(lowering, *form, extents,
                                                    indexUnsigned, dataUnsigned,
                                                    s, position, tensor);
                              }));
  return success();
}

void hybrid::registerGather(Registry &registry) {
  registry.add<onnx::GatherOp>(lowerGather);
  registry.add<onnx::GatherElementsOp>(lowerGatherElements);
  registry.add<onnx::GatherNDOp>(lowerGatherND);
  registry.add<onnx::ScatterElementsOp>(lowerScatterElements);
  registry.add<onnx::ScatterOp>(lowerScatter);
  registry.add<onnx::ScatterNDOp>(lowerScatterND);
}
