//===- HybridTiling.cpp - tiles of computations on tensors ----------------===//
//
// Each computation says over which dimensions it is parallel and how every
// operand follows those loops; the rest is common. A dimension that no loop
// covers (time in a scan, the normalised dimensions, the keys) stays whole in
// every tile. Heads of grouped operands follow head / group: tiles of one head,
// of all heads, or constant multiples of the group are possible.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

using namespace mlir;
using namespace hybrid;

namespace {
/// How one dimension of an operand follows the loops: whole, or from
/// base + offset · mul / div of a loop on.
struct DimTile {
  /// Number of the loop, -1 for the whole dimension.
  int loop = -1;
  int64_t mul = 1;
  /// 0: not known, only whole tiles are possible.
  int64_t div = 1;
  /// Index value added to the offset, if any.
  Value base = {};
  /// Panels of `div` elements: tiles start at one, and may end inside of one.
  bool isPanel = false;
};

/// How an operation is tiled.
struct TilingSpec {
  /// The operand dimensions that the loops run over.
  SmallVector<std::pair<Value, int64_t>> loops;
  /// One per operand; empty for operands that no tile changes.
  SmallVector<SmallVector<DimTile>> operands;

  explicit TilingSpec(Operation *op) : operands(op->getNumOperands()) {}

  /// Sets how the dimensions of `operand` (if present) follow the loops.
  void set(OpOperand &operand, ArrayRef<DimTile> dims) {
    operands[operand.getOperandNumber()].assign(dims.begin(), dims.end());
  }
  void set(MutableOperandRange operand, ArrayRef<DimTile> dims) {
    for (OpOperand &present : operand)
      set(present, dims);
  }
  /// The same for an operand that broadcasts against `dims` from the right.
  void setBroadcast(MutableOperandRange operand, ArrayRef<DimTile> dims) {
    for (OpOperand &present : operand) {
      int64_t rank = cast<ShapedType>(present.get().getType()).getRank();
      set(present, dims.take_back(rank));
    }
  }
};

/// A part of a tensor.
struct Slice {
  SmallVector<OpFoldResult> offsets, sizes;
};
} // namespace

//===----------------------------------------------------------------------===//
// What follows what
//===----------------------------------------------------------------------===//

static int64_t getDim(Value value, unsigned dim) {
  return cast<ShapedType>(value.getType()).getDimSize(dim);
}

/// a / b for sizes of which one is a multiple of the other; 0 where unknown.
static int64_t getGroup(int64_t a, int64_t b) {
  if (ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || b == 0)
    return 0;
  return a / b;
}

static TilingSpec getSpec(AttentionOp op) {
  TilingSpec spec(op);
  Value query = op.getQuery();
  unsigned head = op.getQueryHeadDim(), time = op.getQueryTimeDim();
  spec.loops = {{query, 0}, {query, head}, {query, time}};
  SmallVector<DimTile> queryDims(4), kvDims(4);
  queryDims[0].loop = kvDims[0].loop = 0;
  queryDims[head].loop = 1;
  queryDims[time].loop = 2;
  kvDims[op.getKvHeadDim()] = {
      1, 1,
      getGroup(getDim(query, head), getDim(op.getKey(), op.getKvHeadDim()))};
  spec.set(op.getQueryMutable(), queryDims);
  spec.set(op.getKeyMutable(), kvDims);
  spec.set(op.getValueMutable(), kvDims);
  spec.setBroadcast(op.getMaskMutable(), {{0}, {1}, {2}, {}});
  spec.set(op.getSinksMutable(), {{1}});
  spec.set(op.getLengthsMutable(), {{0}});
  spec.set(op.getInitMutable(), queryDims);
  return spec;
}

static TilingSpec getSpec(ScanOp op) {
  TilingSpec spec(op);
  Value value = op.getValue();
  spec.loops = {{value, 0}, {value, 2}, {value, 3}};
  int64_t queryHeads = getDim(op.getQuery(), 2), valueHeads = getDim(value, 2);
  DimTile head{1}, queryHead{1}, outputHead{1};
  if (ShapedType::isDynamic(queryHeads) || ShapedType::isDynamic(valueHeads) ||
      queryHeads <= valueHeads)
    queryHead.div = getGroup(valueHeads, queryHeads);
  else
    queryHead.mul = outputHead.mul = getGroup(queryHeads, valueHeads);
  if (queryHead.div == 0)
    outputHead.div = 0;
  DimTile keyHead{1, 1, getGroup(valueHeads, getDim(op.getKey(), 2))};
  spec.set(op.getQueryMutable(), {{0}, {}, queryHead, {}});
  spec.set(op.getKeyMutable(), {{0}, {}, keyHead, {}});
  spec.set(op.getValueMutable(), {{0}, {}, head, {2}});
  for (OpOperand &decay : op.getDecayMutable())
    spec.set(decay, ArrayRef<DimTile>{{0}, {}, head, {}}.take_front(
                        cast<ShapedType>(decay.get().getType()).getRank()));
  spec.set(op.getBetaMutable(), {{0}, {}, head});
  spec.set(op.getInitMutable(), {{0}, {}, outputHead, {2}});
  spec.set(op.getStateMutable(), {{0}, head, {}, {2}});
  return spec;
}

static TilingSpec getSpec(CausalConvOp op) {
  TilingSpec spec(op);
  spec.loops = {{op.getInput(), 0}, {op.getInput(), op.getChannelDim()}};
  SmallVector<DimTile> dims(3);
  dims[0].loop = 0;
  dims[op.getChannelDim()].loop = 1;
  spec.set(op.getInputMutable(), dims);
  spec.set(op.getWeightMutable(), {{1}, {}});
  spec.set(op.getBiasMutable(), {{1}});
  spec.set(op.getInitMutable(), dims);
  spec.set(op.getStateMutable(), {{0}, {1}, {}});
  return spec;
}

static TilingSpec getSpec(RopeOp op) {
  TilingSpec spec(op);
  unsigned head = op.getHeadDim(), time = op.getTimeDim();
  spec.loops = {
      {op.getInput(), 0}, {op.getInput(), head}, {op.getInput(), time}};
  SmallVector<DimTile> dims(4);
  dims[0].loop = 0;
  dims[head].loop = 1;
  dims[time].loop = 2;
  spec.set(op.getInputMutable(), dims);
  if (!op.getPositions()) {
    spec.set(op.getCosMutable(), {{0}, {2}, {}});
    spec.set(op.getSinMutable(), {{0}, {2}, {}});
  }
  spec.set(op.getPositionsMutable(), {{0}, {2}});
  spec.set(op.getInitMutable(), dims);
  return spec;
}

/// The spec of an operation with a loop for each of the first `numLoops`
/// dimensions of `input`, all of which `operands` share.
static TilingSpec getLeadingSpec(Operation *op, Value input, int64_t numLoops,
                                 SmallVector<DimTile> &dims) {
  TilingSpec spec(op);
  dims.resize(cast<ShapedType>(input.getType()).getRank());
  for (int64_t dim = 0; dim < numLoops; ++dim) {
    spec.loops.emplace_back(input, dim);
    dims[dim].loop = dim;
  }
  return spec;
}

static TilingSpec getSpec(NormOp op) {
  SmallVector<DimTile> dims;
  TilingSpec spec = getLeadingSpec(op, op.getInput(), op.getAxis(), dims);
  spec.set(op.getInputMutable(), dims);
  spec.setBroadcast(op.getScaleMutable(), dims);
  spec.setBroadcast(op.getBiasMutable(), dims);
  spec.set(op.getInitMutable(), dims);
  return spec;
}

static TilingSpec getSpec(GatedNormOp op) {
  SmallVector<DimTile> dims;
  int64_t rank = op.getInput().getType().getRank();
  TilingSpec spec = getLeadingSpec(op, op.getInput(), rank - 1, dims);
  spec.set(op.getInputMutable(), dims);
  spec.set(op.getGateMutable(), dims);
  spec.set(op.getInitMutable(), dims);
  return spec;
}

static TilingSpec getSpec(CumSumOp op) {
  TilingSpec spec(op);
  int64_t rank = op.getInput().getType().getRank();
  SmallVector<DimTile> dims(rank);
  for (int64_t dim = 0; dim < rank; ++dim) {
    if (dim == op.getAxis())
      continue;
    dims[dim].loop = spec.loops.size();
    spec.loops.emplace_back(op.getInput(), dim);
  }
  spec.set(op.getInputMutable(), dims);
  spec.set(op.getInitMutable(), dims);
  return spec;
}

/// Rows in tiles: groups of rows follow the loop over rows.
static SmallVector<DimTile> getRowTiles(unsigned loop) {
  SmallVector<DimTile> dims(5);
  dims[0] = {int(loop), 1, kTileGroupRows, {}, true};
  return dims;
}

static TilingSpec getSpec(PackRowsOp op) {
  TilingSpec spec(op);
  spec.loops = {{op.getInput(), 0}};
  spec.set(op.getInputMutable(), {{0}, {}});
  spec.set(op.getInitMutable(), getRowTiles(0));
  return spec;
}

static TilingSpec getSpec(MatmulOp op) {
  TilingSpec spec(op);
  spec.loops = {{op.getInit(), 0}, {op.getInit(), 1}};
  if (op.getInput().getType().getRank() == 2)
    spec.set(op.getInputMutable(), {{0}, {}});
  else
    spec.set(op.getInputMutable(), getRowTiles(0));
  spec.set(op.getWeightMutable(), {{1, 1, op.getPanel(), {}, true}, {}, {}});
  spec.set(op.getInitMutable(), {{0}, {1}});
  return spec;
}

/// A tile is written into the part of the cache that it covers. Where sequences
/// have positions of their own, setBases replaces the base. Where a position
/// lies in a ring depends on all of them, so that time is no loop there.
static TilingSpec getSpec(CacheAppendOp op) {
  TilingSpec spec(op);
  unsigned head = op.getHeadDim(), time = op.getTimeDim();
  spec.loops = {{op.getInput(), 0}, {op.getInput(), head}};
  SmallVector<DimTile> dims(4), cacheDims = {{0}, {1}, {}, {}};
  dims[0].loop = 0;
  dims[head].loop = 1;
  if (!op.getRing()) {
    spec.loops.emplace_back(op.getInput(), time);
    dims[time].loop = 2;
    cacheDims[2] = {2, 1, 1, op.getPosition()};
  }
  spec.set(op.getInputMutable(), dims);
  spec.set(op.getPositionsMutable(), {{0}});
  spec.set(op.getCacheMutable(), cacheDims);
  return spec;
}

static TilingSpec getSpec(RingReadOp op) {
  TilingSpec spec(op);
  spec.loops = {{op.getRing(), 0}, {op.getRing(), 1}};
  SmallVector<DimTile> dims(4);
  dims[0].loop = 0;
  dims[op.getHeadDim()].loop = 1;
  spec.set(op.getInputMutable(), dims);
  spec.set(op.getRingMutable(), {{0}, {1}, {}, {}});
  spec.set(op.getPositionsMutable(), {{0}});
  spec.set(op.getInitMutable(), {{0}, {1}, {}, {}});
  return spec;
}

static TilingSpec getSpec(RouteOp op) {
  TilingSpec spec(op);
  spec.loops = {{op.getLogits(), 0}};
  spec.set(op.getLogitsMutable(), {{0}, {}});
  spec.set(op.getExpertsMutable(), {{0}, {}});
  spec.set(op.getWeightsMutable(), {{0}, {}});
  return spec;
}

/// Columns: a tile has all rows, so that it reads its part of a matrix once.
static TilingSpec getSpec(ExpertMatMulOp op) {
  TilingSpec spec(op);
  spec.loops = {{op.getInit(), 1}};
  SmallVector<DimTile> weight(3);
  weight[op.getOutputDim()].loop = 0;
  spec.set(op.getWeightMutable(), weight);
  spec.set(op.getInitMutable(), {{}, {0}});
  return spec;
}

//===----------------------------------------------------------------------===//
// Slices
//===----------------------------------------------------------------------===//

/// Whether [offset, offset + size) is provably all of `value`'s dimension
/// `dim`.
static bool isWhole(OpFoldResult offset, OpFoldResult size, Value value,
                    int64_t dim) {
  if (!isConstantIntValue(offset, 0))
    return false;
  int64_t extent = getDim(value, dim);
  std::optional<int64_t> constant = getConstantIntValue(size);
  if (constant || !ShapedType::isDynamic(extent))
    return constant == extent;
  FailureOr<bool> equal =
      ValueBoundsConstraintSet::areEqual({size}, {value, dim});
  return succeeded(equal) && *equal;
}

static bool isWhole(const TilingSpec &spec, const Slice &tile, int loop) {
  auto [value, dim] = spec.loops[loop];
  return isWhole(tile.offsets[loop], tile.sizes[loop], value, dim);
}

/// `a` · factor / divisor, rounded down, as an index.
static OpFoldResult scale(OpBuilder &b, Location loc, OpFoldResult a,
                          int64_t factor, int64_t divisor) {
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  return affine::makeComposedFoldedAffineApply(
      b, loc, (s0 * factor).floorDiv(divisor), {a});
}

static OpFoldResult add(OpBuilder &b, Location loc, OpFoldResult a,
                        OpFoldResult c) {
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  return affine::makeComposedFoldedAffineApply(b, loc, s0 + s1, {a, c});
}

/// Whether `value`, a constant or what a loop over tiles counts, is a multiple
/// of `factor`.
static bool isMultiple(OpFoldResult value, int64_t factor) {
  if (std::optional<int64_t> constant = getConstantIntValue(value))
    return *constant % factor == 0;
  auto argument = dyn_cast<BlockArgument>(cast<Value>(value));
  auto loop =
      argument
          ? dyn_cast<LoopLikeOpInterface>(argument.getOwner()->getParentOp())
          : LoopLikeOpInterface();
  if (!loop)
    return false;
  auto ivs = loop.getLoopInductionVars();
  auto lows = loop.getLoopLowerBounds(), steps = loop.getLoopSteps();
  if (!ivs || !lows || !steps)
    return false;
  auto isMultipleOf = [&](OpFoldResult bound) {
    std::optional<int64_t> constant = getConstantIntValue(bound);
    return constant && *constant % factor == 0;
  };
  for (auto [iv, low, step] : llvm::zip_equal(*ivs, *lows, *steps))
    if (iv == argument)
      return isMultipleOf(low) && isMultipleOf(step);
  return false;
}

/// Whether a tile of [offset, offset + size) heads lies in one group of
/// `group`.
static bool isInOneGroup(OpFoldResult offset, OpFoldResult size,
                         int64_t group) {
  std::optional<int64_t> count = getConstantIntValue(size);
  return group > 1 && count && *count > 0 && *count < group &&
         group % *count == 0 && (*count == 1 || isMultiple(offset, *count));
}

/// The same, or whole groups.
static bool fitsGroups(OpFoldResult offset, OpFoldResult size, int64_t group) {
  if (group <= 1)
    return group == 1;
  std::optional<int64_t> count = getConstantIntValue(size);
  return isInOneGroup(offset, size, group) ||
         (count && *count % group == 0 && isMultiple(offset, group));
}

/// Whether the tile takes less than all of dimension `dim` of `operand`. Inputs
/// of size 1 broadcast and are never cut.
static bool isCut(const TilingSpec &spec, const Slice &tile, OpOperand &operand,
                  unsigned dim) {
  int loop = spec.operands[operand.getOperandNumber()][dim].loop;
  if (loop < 0 || isWhole(spec, tile, loop))
    return false;
  bool isInit =
      cast<DestinationStyleOpInterface>(operand.getOwner()).isDpsInit(&operand);
  return isInit || getDim(operand.get(), dim) != 1;
}

static bool isCut(const TilingSpec &spec, const Slice &tile,
                  OpOperand &operand) {
  unsigned numDims = spec.operands[operand.getOperandNumber()].size();
  return llvm::any_of(llvm::seq(numDims), [&](unsigned dim) {
    return isCut(spec, tile, operand, dim);
  });
}

/// The part of `operand` that the tile needs; failure where its heads are
/// grouped otherwise than the tile.
static FailureOr<Slice> getSlice(OpBuilder &b, Location loc,
                                 const TilingSpec &spec, const Slice &tile,
                                 OpOperand &operand) {
  Slice slice;
  for (auto [dim, dimTile] :
       llvm::enumerate(spec.operands[operand.getOperandNumber()])) {
    if (!isCut(spec, tile, operand, dim)) {
      slice.offsets.push_back(b.getIndexAttr(0));
      slice.sizes.push_back(tensor::getMixedSize(b, loc, operand.get(), dim));
      continue;
    }
    OpFoldResult offset = tile.offsets[dimTile.loop],
                 size = tile.sizes[dimTile.loop];
    if (dimTile.isPanel) {
      AffineExpr s0 = b.getAffineSymbolExpr(0);
      slice.offsets.push_back(scale(b, loc, offset, 1, dimTile.div));
      slice.sizes.push_back(affine::makeComposedFoldedAffineApply(
          b, loc, s0.ceilDiv(dimTile.div), {size}));
      continue;
    }
    if (!fitsGroups(offset, size, dimTile.div))
      return failure();
    slice.sizes.push_back(isInOneGroup(offset, size, dimTile.div)
                              ? b.getIndexAttr(1)
                              : scale(b, loc, size, dimTile.mul, dimTile.div));
    offset = scale(b, loc, offset, dimTile.mul, dimTile.div);
    if (dimTile.base)
      offset = add(b, loc, offset, getAsOpFoldResult(dimTile.base));
    slice.offsets.push_back(offset);
  }
  return slice;
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

/// Computes the bases of the spec that depend on the tile: none.
static LogicalResult setBases(OpBuilder &b, Operation *op, const Slice &tile,
                              TilingSpec &spec) {
  return success();
}

/// A tile over time is of one sequence where they have positions of their own,
/// and `positions` becomes part of its base.
static LogicalResult setBases(OpBuilder &b, CacheAppendOp op, const Slice &tile,
                              TilingSpec &spec) {
  if (!op.getPositions() || op.getRing() || isWhole(spec, tile, 2))
    return success();
  if (!isConstantIntValue(tile.sizes[0], 1))
    return failure();
  Location loc = op.getLoc();
  Value sequence = getValueOrCreateConstantIndexOp(b, loc, tile.offsets[0]);
  Value own = tensor::ExtractOp::create(b, loc, op.getPositions(), sequence);
  own = arith::IndexCastOp::create(b, loc, b.getIndexType(), own);
  OpFoldResult base = add(b, loc, getAsOpFoldResult(op.getPosition()), own);
  spec.set(op.getPositionsMutable(), {});
  spec.operands[op.getCacheMutable().getOperandNumber()][2].base =
      getValueOrCreateConstantIndexOp(b, loc, base);
  return success();
}

/// Changes to index operands that a tile needs: none.
static void adjustIndices(OpBuilder &b, Operation *op, const TilingSpec &spec,
                          const Slice &tile, SmallVectorImpl<Value> &operands) {
}

/// Query positions count from the operation's first query; see `lengths`.
static void adjustIndices(OpBuilder &b, AttentionOp op, const TilingSpec &spec,
                          const Slice &tile, SmallVectorImpl<Value> &operands) {
  if (isWhole(spec, tile, 2))
    return;
  Location loc = op.getLoc();
  OpFoldResult offset =
      add(b, loc, getAsOpFoldResult(op.getQOffset()), tile.offsets[2]);
  if (op.getLengths()) {
    OpFoldResult time =
        tensor::getMixedSize(b, loc, op.getQuery(), op.getQueryTimeDim());
    AffineExpr s0, s1, s2;
    bindSymbols(b.getContext(), s0, s1, s2);
    offset = affine::makeComposedFoldedAffineApply(
        b, loc, s0 + s1 - s2, {offset, tile.sizes[2], time});
  }
  operands[op.getQOffsetMutable().getOperandNumber()] =
      getValueOrCreateConstantIndexOp(b, loc, offset);
}

/// The tile's part of the cache starts where the tile is written.
static void adjustIndices(OpBuilder &b, CacheAppendOp op,
                          const TilingSpec &spec, const Slice &tile,
                          SmallVectorImpl<Value> &operands) {
  if (op.getRing() || isWhole(spec, tile, 2))
    return;
  operands[op.getPositionMutable().getOperandNumber()] =
      arith::ConstantIndexOp::create(b, op.getLoc(), 0);
  for (OpOperand &positions : op.getPositionsMutable())
    operands.erase(operands.begin() + positions.getOperandNumber());
}

template <typename OpTy>
static FailureOr<TilingResult> getTile(OpTy op, OpBuilder &b,
                                       ArrayRef<OpFoldResult> offsets,
                                       ArrayRef<OpFoldResult> sizes) {
  if (!op.hasPureTensorSemantics())
    return failure();
  Location loc = op.getLoc();
  TilingSpec spec = getSpec(op);
  Slice tile{llvm::to_vector(offsets), llvm::to_vector(sizes)};
  if (failed(setBases(b, op, tile, spec)))
    return failure();
  SmallVector<Value> operands(op->getOperands());
  TilingResult result;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isCut(spec, tile, operand))
      continue;
    FailureOr<Slice> slice = getSlice(b, loc, spec, tile, operand);
    if (failed(slice))
      return failure();
    SmallVector<OpFoldResult> strides(slice->offsets.size(), b.getIndexAttr(1));
    auto extract = tensor::ExtractSliceOp::create(
        b, loc, operand.get(), slice->offsets, slice->sizes, strides);
    operands[operand.getOperandNumber()] = extract;
    result.generatedSlices.push_back(extract);
  }
  SmallVector<Type> types;
  for (OpOperand &init : op.getDpsInitsMutable())
    types.push_back(operands[init.getOperandNumber()].getType());
  adjustIndices(b, op, spec, tile, operands);
  Operation *tiled = mlir::clone(b, op.getOperation(), types, operands);
  result.tiledOps.push_back(tiled);
  llvm::append_range(result.tiledValues, tiled->getResults());
  return result;
}

template <typename OpTy>
static SmallVector<Range> getDomain(OpTy op, OpBuilder &b) {
  SmallVector<Range> domain;
  for (auto [value, dim] : getSpec(op).loops)
    domain.push_back({b.getIndexAttr(0),
                      tensor::getMixedSize(b, op.getLoc(), value, dim),
                      b.getIndexAttr(1)});
  return domain;
}

template <typename OpTy>
static LogicalResult getResultSlice(OpTy op, OpBuilder &b, unsigned number,
                                    ArrayRef<OpFoldResult> offsets,
                                    ArrayRef<OpFoldResult> sizes,
                                    SmallVector<OpFoldResult> &resultOffsets,
                                    SmallVector<OpFoldResult> &resultSizes) {
  Slice tile{llvm::to_vector(offsets), llvm::to_vector(sizes)};
  TilingSpec spec = getSpec(op);
  if (failed(setBases(b, op, tile, spec)))
    return failure();
  FailureOr<Slice> slice =
      getSlice(b, op.getLoc(), spec, tile, *op.getDpsInitOperand(number));
  if (failed(slice))
    return failure();
  resultOffsets = std::move(slice->offsets);
  resultSizes = std::move(slice->sizes);
  return success();
}

/// The tile of the loops that computes exactly the given part of a result, with
/// null for loops that run over everything; failure where there is none. Makes
/// no operations.
template <typename OpTy>
static FailureOr<Slice> getLoopTile(OpTy op, unsigned number,
                                    ArrayRef<OpFoldResult> offsets,
                                    ArrayRef<OpFoldResult> sizes) {
  if (!op.hasPureTensorSemantics())
    return failure();
  TilingSpec spec = getSpec(op);
  OpOperand &init = *op.getDpsInitOperand(number);
  Slice tile;
  tile.offsets.resize(spec.loops.size());
  tile.sizes.resize(spec.loops.size());
  Builder b(op.getContext());
  for (auto [dim, dimTile] :
       llvm::enumerate(spec.operands[init.getOperandNumber()])) {
    if (isWhole(offsets[dim], sizes[dim], init.get(), dim))
      continue;
    // Around a part that is written in place, only the whole is known.
    if (dimTile.loop < 0 || dimTile.base || dimTile.div != 1)
      return failure();
    tile.offsets[dimTile.loop] = offsets[dim];
    tile.sizes[dimTile.loop] = sizes[dim];
    if (dimTile.mul == 1)
      continue;
    std::optional<int64_t> first = getConstantIntValue(offsets[dim]),
                           count = getConstantIntValue(sizes[dim]);
    if (!first || !count || *first % dimTile.mul != 0 ||
        *count % dimTile.mul != 0)
      return failure();
    tile.offsets[dimTile.loop] = b.getIndexAttr(*first / dimTile.mul);
    tile.sizes[dimTile.loop] = b.getIndexAttr(*count / dimTile.mul);
  }
  return tile;
}

template <typename OpTy>
static LogicalResult getLoopTile(OpTy op, OpBuilder &b, unsigned number,
                                 ArrayRef<OpFoldResult> offsets,
                                 ArrayRef<OpFoldResult> sizes,
                                 SmallVectorImpl<OpFoldResult> &loopOffsets,
                                 SmallVectorImpl<OpFoldResult> &loopSizes) {
  FailureOr<Slice> tile = getLoopTile(op, number, offsets, sizes);
  if (failed(tile))
    return failure();
  for (auto [loop, range] : llvm::enumerate(getDomain(op, b)))
    if (!tile->sizes[loop]) {
      tile->offsets[loop] = range.offset;
      tile->sizes[loop] = range.size;
    }
  loopOffsets.assign(tile->offsets);
  loopSizes.assign(tile->sizes);
  return success();
}

/// The part of result `number` at `offsets`, computed from slices of the
/// operands.
template <typename OpTy>
static FailureOr<TilingResult>
getResultTile(OpTy op, OpBuilder &b, unsigned number,
              ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes) {
  SmallVector<OpFoldResult> loopOffsets, loopSizes;
  if (failed(
          getLoopTile(op, b, number, offsets, sizes, loopOffsets, loopSizes)))
    return failure();
  FailureOr<TilingResult> tile = getTile(op, b, loopOffsets, loopSizes);
  if (failed(tile))
    return failure();
  tile->tiledValues = {tile->tiledValues[number]};
  return tile;
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

#define HYBRID_TILED_OP(OP)                                                    \
  SmallVector<utils::IteratorType> OP::getLoopIteratorTypes() {                \
    return SmallVector<utils::IteratorType>(getSpec(*this).loops.size(),       \
                                            utils::IteratorType::parallel);    \
  }                                                                            \
  SmallVector<Range> OP::getIterationDomain(OpBuilder &b) {                    \
    return getDomain(*this, b);                                                \
  }                                                                            \
  FailureOr<TilingResult> OP::getTiledImplementation(                          \
      OpBuilder &b, ArrayRef<OpFoldResult> offsets,                            \
      ArrayRef<OpFoldResult> sizes) {                                          \
    return getTile(*this, b, offsets, sizes);                                  \
  }                                                                            \
  LogicalResult OP::getResultTilePosition(                                     \
      OpBuilder &b, unsigned number, ArrayRef<OpFoldResult> offsets,           \
      ArrayRef<OpFoldResult> sizes, SmallVector<OpFoldResult> &resultOffsets,  \
      SmallVector<OpFoldResult> &resultSizes) {                                \
    return getResultSlice(*this, b, number, offsets, sizes, resultOffsets,     \
                          resultSizes);                                        \
  }                                                                            \
  FailureOr<TilingResult> OP::generateResultTileValue(                         \
      OpBuilder &b, unsigned number, ArrayRef<OpFoldResult> offsets,           \
      ArrayRef<OpFoldResult> sizes) {                                          \
    return getResultTile(*this, b, number, offsets, sizes);                    \
  }                                                                            \
  LogicalResult OP::getIterationDomainTileFromResultTile(                      \
      OpBuilder &b, unsigned number, ArrayRef<OpFoldResult> offsets,           \
      ArrayRef<OpFoldResult> sizes,                                            \
      SmallVectorImpl<OpFoldResult> &loopOffsets,                              \
      SmallVectorImpl<OpFoldResult> &loopSizes) {                              \
    return getLoopTile(*this, b, number, offsets, sizes, loopOffsets,          \
                       loopSizes);                                             \
  }                                                                            \
  bool OP::isOpFusableWithConsumerSlice(unsigned number,                       \
                                        ArrayRef<OpFoldResult> offsets,        \
                                        ArrayRef<OpFoldResult> sizes) {        \
    return succeeded(getLoopTile(*this, number, offsets, sizes));              \
  }
HYBRID_TILED_OP(AttentionOp)
HYBRID_TILED_OP(ScanOp)
HYBRID_TILED_OP(CausalConvOp)
HYBRID_TILED_OP(RopeOp)
HYBRID_TILED_OP(NormOp)
HYBRID_TILED_OP(GatedNormOp)
HYBRID_TILED_OP(CacheAppendOp)
HYBRID_TILED_OP(RingReadOp)
HYBRID_TILED_OP(CumSumOp)
HYBRID_TILED_OP(RouteOp)
HYBRID_TILED_OP(ExpertMatMulOp)
HYBRID_TILED_OP(PackRowsOp)
HYBRID_TILED_OP(MatmulOp)
#undef HYBRID_TILED_OP
