//===- Movement.cpp - ONNX data movement to tensor views and linalg -------===//
//
// What only renames positions is a view: expand_shape, collapse_shape,
// extract_slice. What moves elements is one loop.
//
//===----------------------------------------------------------------------===//

#include "Indexing.h"
#include "Lowering.h"
#include "Scalars.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

using namespace mlir;
using namespace hybrid;

static Value getFirst(OpBuilder &, Location, ValueRange args) {
  return args.front();
}

/// An error about an axis; the operand of interest is the first.
static LogicalResult reportAxis(Lowering &lowering, Operation *op,
                                int64_t axis) {
  return lowering.unsupported(op, "axis " + Twine(axis) +
                                      " is outside a tensor of rank " +
                                      Twine(lowering.rank(op->getOperand(0))));
}

static LogicalResult reportRuntime(Lowering &lowering, Operation *op,
                                   StringRef input) {
  return lowering.unsupported(
      op, "its input " + input + " depends on data of the run",
      "values that follow from the shapes of the graph's inputs work");
}

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

/// Reshape, Flatten, Squeeze, Unsqueeze: the analysis knows the new shape.
template <typename OpTy>
static LogicalResult lowerReshape(OpTy op, Lowering &lowering) {
  Value result = op->getResult(0);
  lowering.set(result, lowering.reshape(lowering.get(op->getOperand(0)),
                                        lowering.shape(result)));
  return success();
}

static LogicalResult lowerSplit(onnx::SplitOp op, Lowering &lowering) {
  std::optional<int64_t> axis =
      Lowering::normalizeAxis(op.getAxis(), lowering.rank(op.getInput()));
  if (!axis)
    return reportAxis(lowering, op, op.getAxis());
  Tensor input = lowering.get(op.getInput());
  Shape offsets(input.getRank(), lowering.fixed(0));
  for (Value output : op.getOutputs()) {
    if (Lowering::isAbsent(output))
      return lowering.unsupported(op, "one of its outputs is left out",
                                  "name every output");
    ShapeRef shape = lowering.shape(output);
    if (lowering.isNeeded(output))
      lowering.set(output, lowering.extractSlice(input, offsets, shape));
    offsets[*axis] = lowering.symbols.simplify(offsets[*axis] + shape[*axis]);
  }
  return success();
}

namespace {
/// Where a slice of one dimension starts, and its step.
struct SliceDim {
  AffineExpr start;
  int64_t step = 1;
};
} // namespace

static FailureOr<SmallVector<SliceDim>> getSliceDims(onnx::SliceOp op,
                                                     Lowering &lowering) {
  ShapeRef shape = lowering.shape(op.getData());
  SmallVector<SliceDim> dims(shape.size(), {lowering.fixed(0), 1});
  if (Lowering::isAbsent(op.getStarts()))
    return lowering.unsupported(op, "its input starts is missing");
  std::optional<Shape> starts = getKnownElements(lowering, op.getStarts());
  if (!starts)
    return reportRuntime(lowering, op, "starts");
  SmallVector<int64_t> axes, steps;
  if (Lowering::isAbsent(op.getAxes()))
    axes = llvm::to_vector(llvm::seq<int64_t>(0, starts->size()));
  else if (auto given = lowering.constantInts(op.getAxes()))
    axes = *given;
  else
    return reportRuntime(lowering, op, "axes");
  if (Lowering::isAbsent(op.getSteps()))
    steps.assign(starts->size(), 1);
  else if (auto given = lowering.constantInts(op.getSteps()))
    steps = *given;
  else
    return reportRuntime(lowering, op, "steps");
  if (axes.size() != starts->size() || steps.size() != starts->size())
    return lowering.unsupported(op, "starts, axes and steps differ in length");
  for (auto [start, axis, step] : llvm::zip(*starts, axes, steps)) {
    std::optional<int64_t> dim = Lowering::normalizeAxis(axis, shape.size());
    if (!dim)
      return reportAxis(lowering, op, axis);
    if (step == 0)
      return lowering.unsupported(op, "a step is 0");
    AffineExpr size = shape[*dim];
    AffineExpr last = step > 0 ? size : size - 1;
    std::optional<AffineExpr> resolved =
        resolveIndex(lowering, start, size, lowering.symbols.simplify(last));
    if (!resolved)
      return lowering.unsupported(op,
                                  "a start may be negative or not: " +
                                      lowering.symbols.print(start),
                                  "starts whose sign is known work");
    dims[*dim] = {*resolved, step};
  }
  return dims;
}

/// The slice with at least one negative step, as a loop.
static Tensor gatherSlice(Lowering &lowering, const Tensor &input,
                          ArrayRef<SliceDim> dims, ShapeRef shape) {
  SmallVector<Value> starts, sizes;
  for (auto [dim, size] : llvm::zip(dims, input.shape)) {
    starts.push_back(lowering.index(dim.start));
    sizes.push_back(lowering.index(size));
  }
  return lowering.elementwise(
      {}, shape, input.getElementType(),
      [&](OpBuilder &b, Location loc, ValueRange) {
        Scalars s{b, loc};
        SmallVector<Value> position;
        for (auto [i, dim] : llvm::enumerate(dims)) {
          Value step = s.integer(b.getIndexType(), dim.step);
          position.push_back(s.add(starts[i], s.mul(s.loopIndex(i), step)));
        }
        return s.extract(input.value, position);
      });
}

static LogicalResult lowerSlice(onnx::SliceOp op, Lowering &lowering) {
  FailureOr<SmallVector<SliceDim>> dims = getSliceDims(op, lowering);
  if (failed(dims))
    return failure();
  Value result = op.getOutput();
  Tensor input = lowering.get(op.getData());
  ShapeRef shape = lowering.shape(result);
  if (llvm::any_of(*dims, [](const SliceDim &dim) { return dim.step < 0; })) {
    lowering.set(result, gatherSlice(lowering, input, *dims, shape));
    return success();
  }
  Shape offsets;
  SmallVector<int64_t> steps;
  for (const SliceDim &dim : *dims) {
    offsets.push_back(dim.start);
    steps.push_back(dim.step);
  }
  lowering.set(result, lowering.extractSlice(input, offsets, shape, steps));
  return success();
}

//===----------------------------------------------------------------------===//
// Transpose, Concat, Expand, Tile
//===----------------------------------------------------------------------===//

static LogicalResult lowerTranspose(onnx::TransposeOp op, Lowering &lowering) {
  int64_t rank = lowering.rank(op.getData());
  SmallVector<int64_t> permutation;
  if (std::optional<ArrayRef<int64_t>> given = op.getPerm())
    llvm::append_range(permutation, *given);
  else
    llvm::append_range(permutation, llvm::reverse(llvm::seq<int64_t>(0, rank)));
  for (int64_t &dim : permutation)
    dim = Lowering::normalizeAxis(dim, rank).value_or(-1);
  SmallVector<int64_t> sorted = permutation;
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(0, rank)))
    return lowering.unsupported(op, "perm is not a permutation of " +
                                        Twine(rank) + " dimensions");
  lowering.set(op.getTransposed(),
               lowering.transpose(lowering.get(op.getData()), permutation));
  return success();
}

/// Weights of the file, one behind another in the artifact; or null.
static Value concatWeights(Lowering &lowering, ArrayRef<Tensor> tensors,
                           int64_t axis) {
  SmallVector<Value> weights;
  for (const Tensor &tensor : tensors)
    if (tensor.value.getDefiningOp<hybrid::WeightOp>())
      weights.push_back(tensor.value);
  auto type = cast<RankedTensorType>(tensors.front().value.getType());
  if (weights.size() != tensors.size() || weights.size() < 2 ||
      type.getElementTypeBitWidth() % 8 != 0)
    return Value();
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = 0;
  for (Value weight : weights)
    shape[axis] += cast<RankedTensorType>(weight.getType()).getDimSize(axis);
  return hybrid::ConcatWeightsOp::create(lowering.b, lowering.loc,
                                         type.clone(shape), weights, axis);
}

static LogicalResult lowerConcat(onnx::ConcatOp op, Lowering &lowering) {
  if (op.getInputs().empty())
    return lowering.unsupported(op, "it has no inputs");
  std::optional<int64_t> axis =
      Lowering::normalizeAxis(op.getAxis(), lowering.rank(op.getInputs()[0]));
  if (!axis)
    return reportAxis(lowering, op, op.getAxis());
  SmallVector<Tensor> tensors;
  for (Value input : op.getInputs()) {
    // What is empty adds nothing.
    if (lowering.getFixed(lowering.shape(input)[*axis]) == 0 &&
        op.getInputs().size() > 1)
      continue;
    tensors.push_back(lowering.get(input));
  }
  if (tensors.empty())
    tensors.push_back(lowering.get(op.getInputs()[0]));
  Value weights = concatWeights(lowering, tensors, *axis);
  lowering.set(
      op.getConcatResult(),
      weights ? Tensor{weights, Shape(lowering.shape(op.getConcatResult()))}
              : lowering.concat(tensors, *axis));
  return success();
}

static LogicalResult lowerExpand(onnx::ExpandOp op, Lowering &lowering) {
  Value result = op.getOutput();
  lowering.set(result, lowering.broadcast(lowering.get(op.getInput()),
                                          lowering.shape(result)));
  return success();
}

static LogicalResult lowerTile(onnx::TileOp op, Lowering &lowering) {
  std::optional<Shape> repeats = getKnownElements(lowering, op.getRepeats());
  if (!repeats)
    return reportRuntime(lowering, op, "repeats");
  Tensor input = lowering.get(op.getInput());
  if (repeats->size() != input.getRank())
    return lowering.unsupported(op, "repeats has " + Twine(repeats->size()) +
                                        " elements for a tensor of rank " +
                                        Twine(input.getRank()));
  // Every repeated dimension is two loops, of which the input has the inner.
  Shape loops, kept;
  SmallVector<AffineExpr> dims;
  OpBuilder &b = lowering.b;
  for (auto [size, repeat] : llvm::zip(input.shape, *repeats)) {
    if (!lowering.isOne(repeat))
      loops.push_back(repeat);
    if (lowering.isOne(size) && !lowering.isOne(repeat))
      continue;
    dims.push_back(b.getAffineDimExpr(loops.size()));
    loops.push_back(size);
    kept.push_back(size);
  }
  Tensor tiled = lowering.reshape(input, kept);
  if (!lowering.isEqual(kept, loops)) {
    AffineMap maps[] = {AffineMap::get(loops.size(), 0, dims, b.getContext()),
                        b.getMultiDimIdentityMap(loops.size())};
    SmallVector<utils::IteratorType> iterators(loops.size(),
                                               utils::IteratorType::parallel);
    tiled =
        lowering.generic({tiled}, lowering.empty(loops, input.getElementType()),
                         maps, iterators, getFirst);
  }
  Value result = op.getOutput();
  lowering.set(result, lowering.reshape(tiled, lowering.shape(result)));
  return success();
}

//===----------------------------------------------------------------------===//
// Pad
//===----------------------------------------------------------------------===//

namespace {
/// Elements added before and after one dimension; negative ones are removed.
struct PadDim {
  AffineExpr before, after;
};
} // namespace

static FailureOr<SmallVector<PadDim>> getPadDims(onnx::PadOp op,
                                                 Lowering &lowering) {
  int64_t rank = lowering.rank(op.getData());
  if (Lowering::isAbsent(op.getPads()))
    return lowering.unsupported(op, "its input pads is missing");
  std::optional<Shape> pads = getKnownElements(lowering, op.getPads());
  if (!pads)
    return reportRuntime(lowering, op, "pads");
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (!Lowering::isAbsent(op.getAxes())) {
    std::optional<SmallVector<int64_t>> given =
        lowering.constantInts(op.getAxes());
    if (!given)
      return reportRuntime(lowering, op, "axes");
    axes = *given;
  }
  if (pads->size() != 2 * axes.size())
    return lowering.unsupported(op, "pads has " + Twine(pads->size()) +
                                        " elements for " + Twine(axes.size()) +
                                        " axes");
  AffineExpr zero = lowering.fixed(0);
  SmallVector<PadDim> dims(rank, {zero, zero});
  for (auto [i, axis] : llvm::enumerate(axes)) {
    std::optional<int64_t> dim = Lowering::normalizeAxis(axis, rank);
    if (!dim)
      return reportAxis(lowering, op, axis);
    dims[*dim] = {(*pads)[i], (*pads)[i + axes.size()]};
  }
  return dims;
}

/// A tensor of the value to pad with.
static Tensor fillPadding(onnx::PadOp op, Lowering &lowering, ShapeRef shape,
                          Type elementType) {
  Value value = op.getConstantValue();
  if (Lowering::isAbsent(value))
    return lowering.zeros(shape, elementType);
  std::optional<double> constant = lowering.constantScalar(value);
  if (constant && (*constant == 0.0 || isa<FloatType>(elementType)))
    return lowering.fill(shape, elementType, *constant);
  return lowering.broadcast(lowering.reshape(lowering.get(value), {}), shape);
}

static Tensor padWithConstant(onnx::PadOp op, Lowering &lowering,
                              const Tensor &input, ArrayRef<PadDim> dims,
                              ShapeRef shape) {
  onnx::SymbolicShapes &symbols = lowering.symbols;
  AffineExpr zero = lowering.fixed(0);
  Shape sliceOffsets, sliceSizes, offsets;
  for (auto [size, dim] : llvm::zip(input.shape, dims)) {
    AffineExpr added = symbols.getMax(dim.before, zero);
    AffineExpr addedAfter = symbols.getMax(dim.after, zero);
    AffineExpr removed = symbols.simplify(added - dim.before);
    AffineExpr removedAfter = symbols.simplify(addedAfter - dim.after);
    offsets.push_back(added);
    sliceOffsets.push_back(removed);
    sliceSizes.push_back(symbols.simplify(size - removed - removedAfter));
  }
  Tensor middle = lowering.extractSlice(input, sliceOffsets, sliceSizes);
  if (lowering.isEqual(sliceSizes, shape))
    return middle;
  Tensor padding = fillPadding(op, lowering, shape, input.getElementType());
  return lowering.insertSlice(middle, padding, offsets);
}

/// The position in a dimension of `size` ≥ 1 elements that stands for `i`,
/// which may be outside.
static Value foldIndex(const Scalars &s, Value i, Value size, StringRef mode) {
  Value zero = s.like(i, 0.0), one = s.like(i, 1.0);
  Value last = s.sub(size, one);
  if (mode == "wrap") {
    i = s.modulo(i, size);
  } else if (mode == "reflect") {
    // The pattern 0 1 … n-1 … 2 1 repeats.
    Value period = s.max(s.mul(last, s.like(i, 2.0)), one);
    i = s.modulo(i, period);
    i = s.select(s.less(last, i), s.sub(period, i), i);
  }
  return s.max(s.min(i, last), zero);
}

static Tensor padWithElements(Lowering &lowering, Tensor input,
                              ArrayRef<PadDim> dims, ShapeRef shape,
                              StringRef mode) {
  SmallVector<Value> before, sizes;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    before.push_back(lowering.index(dim.before));
    sizes.push_back(lowering.index(input.shape[i]));
  }
  for (unsigned i = 0; i < dims.size(); ++i)
    input = ensureNonEmpty(lowering, input, i);
  AffineExpr zero = lowering.fixed(0);
  return lowering.elementwise({}, shape, input.getElementType(),
                              [&](OpBuilder &b, Location loc, ValueRange) {
                                Scalars s{b, loc};
                                SmallVector<Value> position;
                                for (auto [i, dim] : llvm::enumerate(dims)) {
                                  Value here = s.loopIndex(i);
                                  if (!lowering.isEqual(dim.before, zero) ||
                                      !lowering.isEqual(dim.after, zero))
                                    here = foldIndex(s, s.sub(here, before[i]),
                                                     sizes[i], mode);
                                  position.push_back(here);
                                }
                                return s.extract(input.value, position);
                              });
}

static LogicalResult lowerPad(onnx::PadOp op, Lowering &lowering) {
  FailureOr<SmallVector<PadDim>> dims = getPadDims(op, lowering);
  if (failed(dims))
    return failure();
  Value result = op.getOutput();
  Tensor input = lowering.get(op.getData());
  ShapeRef shape = lowering.shape(result);
  StringRef mode = op.getMode();
  if (mode == "constant") {
    lowering.set(result, padWithConstant(op, lowering, input, *dims, shape));
    return success();
  }
  if (mode != "reflect" && mode != "edge" && mode != "wrap")
    return lowering.unsupported(
        op, "mode is \"" + mode + "\"",
        "\"constant\", \"reflect\", \"edge\" and \"wrap\" work");
  lowering.set(result, padWithElements(lowering, input, *dims, shape, mode));
  return success();
}

//===----------------------------------------------------------------------===//
// Trilu, DepthToSpace, SpaceToDepth, ReverseSequence
//===----------------------------------------------------------------------===//

static LogicalResult lowerTrilu(onnx::TriluOp op, Lowering &lowering) {
  Tensor input = lowering.get(op.getInput());
  unsigned rank = input.getRank();
  if (rank < 2)
    return lowering.unsupported(op, "its input has rank " + Twine(rank),
                                "rank 2 or more works");
  std::optional<Shape> diagonal;
  SmallVector<Tensor> inputs = {input};
  Value known;
  if (Lowering::isAbsent(op.getK()))
    known = lowering.index(lowering.fixed(0));
  else if ((diagonal = getKnownElements(lowering, op.getK())) &&
           diagonal->size() == 1)
    known = lowering.index(diagonal->front());
  else
    inputs.push_back(lowering.reshape(lowering.get(op.getK()), {}));
  bool upper = op.getUpper() != 0;
  Type elementType = input.getElementType();
  Value result = op.getOutput();
  lowering.set(
      result,
      lowering.elementwise(
          inputs, lowering.shape(result), elementType,
          [&](OpBuilder &b, Location loc, ValueRange args) {
            Scalars s{b, loc};
            Value k = known ? known : s.convert(args[1], b.getIndexType());
            Value row = s.add(s.loopIndex(rank - 2), k);
            Value column = s.loopIndex(rank - 1);
            Value isKept =
                upper ? s.lessOrEqual(row, column) : s.lessOrEqual(column, row);
            return s.select(isKept, args[0], s.number(elementType, 0.0));
          }));
  return success();
}

static LogicalResult checkBlocks(Operation *op, Lowering &lowering,
                                 int64_t blockSize) {
  if (lowering.rank(op->getOperand(0)) != 4)
    return lowering.unsupported(op, "its input is not of rank 4");
  if (blockSize < 1 || blockSize > 1 << 20)
    return lowering.unsupported(op, "blocksize is " + Twine(blockSize));
  return success();
}

static LogicalResult lowerDepthToSpace(onnx::DepthToSpaceOp op,
                                       Lowering &lowering) {
  int64_t size = op.getBlocksize();
  if (failed(checkBlocks(op, lowering, size)))
    return failure();
  Tensor input = lowering.get(op.getInput());
  AffineExpr block = lowering.fixed(size);
  AffineExpr batch = input.shape[0], height = input.shape[2],
             width = input.shape[3];
  AffineExpr depth =
      lowering.symbols.simplify(input.shape[1].floorDiv(size * size));
  Tensor moved;
  if (op.getMode() == "CRD")
    moved = lowering.transpose(
        lowering.reshape(input, {batch, depth, block, block, height, width}),
        {0, 1, 4, 2, 5, 3});
  else
    moved = lowering.transpose(
        lowering.reshape(input, {batch, block, block, depth, height, width}),
        {0, 3, 4, 1, 5, 2});
  Value result = op.getOutput();
  lowering.set(result, lowering.reshape(moved, lowering.shape(result)));
  return success();
}

static LogicalResult lowerSpaceToDepth(onnx::SpaceToDepthOp op,
                                       Lowering &lowering) {
  int64_t size = op.getBlocksize();
  if (failed(checkBlocks(op, lowering, size)))
    return failure();
  Tensor input = lowering.get(op.getInput());
  Value result = op.getOutput();
  ShapeRef shape = lowering.shape(result);
  AffineExpr block = lowering.fixed(size);
  Tensor moved = lowering.transpose(
      lowering.reshape(input, {input.shape[0], input.shape[1], shape[2], block,
                               shape[3], block}),
      {0, 3, 5, 1, 2, 4});
  lowering.set(result, lowering.reshape(moved, shape));
  return success();
}

/// Reverses the first sequence_lens[n] elements along time_axis.
static LogicalResult lowerReverseSequence(onnx::ReverseSequenceOp op,
                                          Lowering &lowering) {
  Tensor input = lowering.get(op.getInput());
  int64_t rank = input.getRank();
  std::optional<int64_t> batch =
      Lowering::normalizeAxis(op.getBatchAxis(), rank);
  std::optional<int64_t> time = Lowering::normalizeAxis(op.getTimeAxis(), rank);
  if (!batch || !time || *batch == *time)
    return lowering.unsupported(op, "batch_axis and time_axis don't fit");
  Tensor lengths = lowering.get(op.getSequenceLens());
  // [N] against the batch dimension.
  Shape aligned(rank - *batch, lowering.fixed(1));
  aligned[0] = lengths.shape[0];
  Value steps = lowering.index(input.shape[*time]);
  lowering.set(op.getY(),
               lowering.elementwise(
                   {lowering.reshape(lengths, aligned)}, input.shape,
                   input.getElementType(),
                   [&](OpBuilder &b, Location loc, ValueRange args) {
                     Scalars s{b, loc};
                     Value length = s.convert(args[0], b.getIndexType());
                     Value here = s.loopIndex(*time), one = s.like(here, 1.0);
                     Value mirrored = s.sub(s.sub(length, one), here);
                     Value from =
                         s.select(s.less(here, length), mirrored, here);
                     SmallVector<Value> position;
                     for (int64_t i = 0; i < rank; ++i)
                       position.push_back(i == *time ? s.clampIndex(from, steps)
                                                     : s.loopIndex(i));
                     return s.extract(input.value, position);
                   }));
  return success();
}

//===----------------------------------------------------------------------===//
// Tensors out of nothing
//===----------------------------------------------------------------------===//

static LogicalResult lowerRange(onnx::RangeOp op, Lowering &lowering) {
  Value result = op.getOutput();
  Type elementType = lowering.elementType(result);
  // stash_type 11 is double.
  Type compute = op.getStashType() == 11 && elementType.isF16()
                     ? lowering.b.getF64Type()
                     : getComputeType(elementType);
  Tensor start = lowering.reshape(lowering.get(op.getStart()), {});
  Tensor delta = lowering.reshape(lowering.get(op.getDelta()), {});
  lowering.set(result,
               lowering.elementwise(
                   {start, delta}, lowering.shape(result), elementType,
                   [&](OpBuilder &b, Location loc, ValueRange args) {
                     Scalars s{b, loc};
                     Value i = s.convert(s.loopIndex(0), compute);
                     Value distance = s.mul(i, s.convert(args[1], compute));
                     Value sum = s.add(s.convert(args[0], compute), distance);
                     return s.convert(sum, elementType);
                   }));
  return success();
}

static LogicalResult lowerConstantOfShape(onnx::ConstantOfShapeOp op,
                                          Lowering &lowering) {
  Value result = op.getOutput();
  Type elementType = lowering.elementType(result);
  ShapeRef shape = lowering.shape(result);
  std::optional<ElementsAttr> given = op.getValue();
  if (!given) {
    lowering.set(result, lowering.zeros(shape, elementType));
    return success();
  }
  auto dense = dyn_cast<DenseElementsAttr>(*given);
  if (!dense || dense.getNumElements() != 1)
    return lowering.unsupported(op, "value is not one element");
  Attribute element = *dense.getValues<Attribute>().begin();
  Scalars s{lowering.b, lowering.loc};
  Value scalar;
  if (auto number = dyn_cast<IntegerAttr>(element))
    scalar = s.integer(elementType, number.getValue().getSExtValue());
  else if (auto number = dyn_cast<FloatAttr>(element))
    scalar = s.number(elementType, number.getValueAsDouble());
  else
    return lowering.unsupported(op, "value is not a number");
  lowering.set(result, lowering.fill(shape, scalar));
  return success();
}

static LogicalResult lowerEyeLike(onnx::EyeLikeOp op, Lowering &lowering) {
  Value result = op.getOutput();
  Type elementType = lowering.elementType(result);
  if (lowering.rank(result) != 2)
    return lowering.unsupported(op, "its input is not of rank 2");
  int64_t diagonal = op.getK();
  lowering.set(result, lowering.elementwise(
                           {}, lowering.shape(result), elementType,
                           [&](OpBuilder &b, Location loc, ValueRange) {
                             Scalars s{b, loc};
                             Value k = s.integer(b.getIndexType(), diagonal);
                             Value isOne = s.equal(s.add(s.loopIndex(0), k),
                                                   s.loopIndex(1));
                             return s.select(isOne, s.number(elementType, 1.0),
                                             s.number(elementType, 0.0));
                           }));
  return success();
}

/// values[1] where the position along the new axis is the index, else
/// values[0].
static LogicalResult lowerOneHot(onnx::OneHotOp op, Lowering &lowering) {
  Value result = op.getOutput();
  int64_t rank = lowering.rank(result);
  std::optional<int64_t> axis = Lowering::normalizeAxis(op.getAxis(), rank);
  if (!axis)
    return lowering.unsupported(op, "axis " + Twine(op.getAxis()) +
                                        " is outside its output of rank " +
                                        Twine(rank));
  Tensor indices = lowering.unsqueeze(lowering.get(op.getIndices()), *axis);
  Tensor values = lowering.get(op.getValues());
  if (values.getRank() != 1)
    return lowering.unsupported(op, "values is not of rank 1");
  Value depth = lowering.index(lowering.shape(result)[*axis]);
  bool isUnsigned = lowering.isUnsigned(op.getIndices());
  lowering.set(result,
               lowering.elementwise(
                   {indices}, lowering.shape(result), values.getElementType(),
                   [&](OpBuilder &b, Location loc, ValueRange args) {
                     Scalars s{b, loc, isUnsigned};
                     Value index = s.convert(args[0], b.getIndexType());
                     Value zero = s.like(index, 0.0), one = s.like(index, 1.0);
                     Scalars i{b, loc};
                     Value fromEnd = i.add(index, depth);
                     index = i.select(i.less(index, zero), fromEnd, index);
                     Value isHot = i.equal(index, i.loopIndex(*axis));
                     return i.select(isHot, i.extract(values.value, one),
                                     i.extract(values.value, zero));
                   }));
  return success();
}

void hybrid::registerMovement(Registry &registry) {
  registry.add<onnx::ReshapeOp>(lowerReshape<onnx::ReshapeOp>);
  registry.add<onnx::FlattenOp>(lowerReshape<onnx::FlattenOp>);
  registry.add<onnx::SqueezeOp>(lowerReshape<onnx::SqueezeOp>);
  registry.add<onnx::UnsqueezeOp>(lowerReshape<onnx::UnsqueezeOp>);
  registry.add<onnx::SplitOp>(lowerSplit);
  registry.add<onnx::SliceOp>(lowerSlice);
  registry.add<onnx::TransposeOp>(lowerTranspose);
  registry.add<onnx::ConcatOp>(lowerConcat);
  registry.add<onnx::ExpandOp>(lowerExpand);
  registry.add<onnx::TileOp>(lowerTile);
  registry.add<onnx::PadOp>(lowerPad);
  registry.add<onnx::TriluOp>(lowerTrilu);
  registry.add<onnx::DepthToSpaceOp>(lowerDepthToSpace);
  registry.add<onnx::SpaceToDepthOp>(lowerSpaceToDepth);
  registry.add<onnx::ReverseSequenceOp>(lowerReverseSequence);
  registry.add<onnx::RangeOp>(lowerRange);
  registry.add<onnx::ConstantOfShapeOp>(lowerConstantOfShape);
  registry.add<onnx::EyeLikeOp>(lowerEyeLike);
  registry.add<onnx::OneHotOp>(lowerOneHot);
}
