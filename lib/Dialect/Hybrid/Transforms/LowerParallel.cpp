//===- LowerParallel.cpp - hybrid-lower-parallel --------------------------===//
//
// Branches in the surrounding block, then their combination. Sizes of the
// combination come from the branches' destinations, so that no tensor.dim
// appears where they are known.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/Hybrid/Transforms/Passes.h"
#include "hybrid/Dialect/Hybrid/Transforms/Sizes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"

namespace hybrid {
#define GEN_PASS_DEF_LOWERPARALLELPASS
#include "dialects/Hybrid/HybridPasses.h.inc"
} // namespace hybrid

using namespace mlir;
using namespace hybrid;

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

/// The size of dimension `dim` of `value`, if possible from where it was made.
static OpFoldResult getSize(OpBuilder &b, Value value, int64_t dim) {
  if (std::optional<OpFoldResult> size = findSize(value, dim))
    return *size;
  auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>();
  if (!collapse)
    return tensor::getMixedSize(b, value.getLoc(), value, dim);
  OpFoldResult size = b.getIndexAttr(1);
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  for (int64_t part : collapse.getReassociationIndices()[dim])
    size = affine::makeComposedFoldedAffineApply(
        b, value.getLoc(), s0 * s1,
        {size, getSize(b, collapse.getSrc(), part)});
  return size;
}

static SmallVector<OpFoldResult> getSizes(OpBuilder &b, Value value) {
  SmallVector<OpFoldResult> sizes;
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  for (int64_t dim = 0; dim < rank; ++dim)
    sizes.push_back(getSize(b, value, dim));
  return sizes;
}

/// An uninitialised tensor of `type`, whose dynamic sizes are in `sizes`.
static Value makeEmpty(OpBuilder &b, Location loc, RankedTensorType type,
                       ArrayRef<OpFoldResult> sizes) {
  SmallVector<Value> dynamicSizes;
  for (auto [dim, size] : llvm::enumerate(sizes))
    if (type.isDynamicDim(dim))
      dynamicSizes.push_back(getValueOrCreateConstantIndexOp(b, loc, size));
  return tensor::EmptyOp::create(b, loc, type, dynamicSizes);
}

//===----------------------------------------------------------------------===//
// Combinations
//===----------------------------------------------------------------------===//

/// The branches side by side along the last dimension.
static Value concatenate(OpBuilder &b, ParallelOp op, ValueRange branches) {
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op.getResult().getType());
  int64_t last = type.getRank() - 1;
  SmallVector<OpFoldResult> offsets = {b.getIndexAttr(0)};
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  for (Value branch : branches)
    offsets.push_back(affine::makeComposedFoldedAffineApply(
        b, loc, s0 + s1, {offsets.back(), getSize(b, branch, last)}));
  SmallVector<OpFoldResult> sizes = getSizes(b, branches.front());
  sizes[last] = offsets.back();
  Value result = makeEmpty(b, loc, type, sizes);
  SmallVector<OpFoldResult> position(type.getRank(), b.getIndexAttr(0)),
      strides(type.getRank(), b.getIndexAttr(1));
  for (auto [branch, offset] : llvm::zip(branches, offsets)) {
    position[last] = offset;
    result = tensor::InsertSliceOp::create(b, loc, branch, result, position,
                                           getSizes(b, branch), strides);
  }
  return result;
}

/// `value` as a `type` at least as wide.
static Value extend(OpBuilder &b, Location loc, Type type, Value value) {
  if (value.getType() == type)
    return value;
  return arith::ExtFOp::create(b, loc, type, value);
}

/// The type in which values of `types` are summed.
static Type getSumType(OpBuilder &b, TypeRange types) {
  for (Type type : types)
    if (getElementTypeOrSelf(type).isF64())
      return b.getF64Type();
  return b.getF32Type();
}

/// The combination of one element per branch; `weights` are empty but for
/// weighted.
static Value combine(OpBuilder &b, Location loc, Combine kind,
                     ValueRange elements, ValueRange weights) {
  Value sum;
  for (auto [n, element] : llvm::enumerate(elements)) {
    Value term = element;
    if (!weights.empty())
      term = arith::MulFOp::create(b, loc, weights[n], term);
    if (!sum)
      sum = term;
    else if (kind == Combine::Sub)
      sum = arith::SubFOp::create(b, loc, sum, term);
    else
      sum = arith::AddFOp::create(b, loc, sum, term);
  }
  if (kind != Combine::Mean)
    return sum;
  Value count = arith::ConstantOp::create(
      b, loc, b.getFloatAttr(sum.getType(), elements.size()));
  return arith::DivFOp::create(b, loc, sum, count);
}

/// `weight` without a dimension of size 1, which would broadcast.
static Value dropUnitDim(OpBuilder &b, Location loc, Value weight) {
  auto type = cast<RankedTensorType>(weight.getType());
  if (type.getRank() == 0 || type.getDimSize(0) != 1)
    return weight;
  return tensor::CollapseShapeOp::create(b, loc, weight,
                                         ArrayRef<ReassociationIndices>());
}

/// The sum, difference, mean or weighted sum of the branches.
static Value sumUp(OpBuilder &b, ParallelOp op, ValueRange branches) {
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op.getResult().getType());
  int64_t rank = type.getRank();
  Value empty = makeEmpty(b, loc, type, getSizes(b, branches.front()));
  AffineMap identity = b.getMultiDimIdentityMap(rank);
  SmallVector<AffineMap> maps(branches.size(), identity);
  SmallVector<Value> inputs(branches);
  for (Value weight : op.getWeights()) {
    inputs.push_back(dropUnitDim(b, loc, weight));
    bool isScalar =
        cast<RankedTensorType>(inputs.back().getType()).getRank() == 0;
    maps.push_back(isScalar ? AffineMap::get(rank, 0, b.getContext())
                            : identity.getMinorSubMap(1));
  }
  maps.push_back(identity);
  Type sumType = getSumType(b, ValueRange(inputs).getTypes());
  SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
  auto body = [&](OpBuilder &b, Location loc, ValueRange arguments) {
    SmallVector<Value> elements;
    for (Value argument : arguments.drop_back())
      elements.push_back(extend(b, loc, sumType, argument));
    ValueRange values(elements);
    Value sum =
        combine(b, loc, op.getCombine(), values.take_front(branches.size()),
                values.drop_front(branches.size()));
    if (sumType != type.getElementType())
      sum = arith::TruncFOp::create(b, loc, type.getElementType(), sum);
    linalg::YieldOp::create(b, loc, sum);
  };
  return linalg::GenericOp::create(b, loc, type, inputs, empty, maps, loops,
                                   body)
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// Says of the operations of a branch which one they come from.
static void tag(Region &branch, int64_t parallel, int64_t number) {
  MLIRContext *context = branch.getContext();
  auto metadata = BranchAttr::get(context, parallel, number);
  branch.walk([&](Operation *op) {
    op->setLoc(FusedLoc::get(context, {op->getLoc()}, metadata));
  });
}

static void leaveRemark(ParallelOp op, BranchForm form) {
  StringRef text = form == BranchForm::Parallel ? "branches side by side"
                   : form == BranchForm::Merged
                       ? "branches one after another, with merged products"
                       : "branches one after another";
  remark::passed(
      op.getLoc(),
      remark::RemarkOpts::name("branches").category("hybrid-lower-parallel"))
      << text << remark::metric("combine", stringifyCombine(op.getCombine()))
      << remark::metric("branches", op.getBranches().size());
}

static void lower(IRRewriter &rewriter, ParallelOp op, int64_t number) {
  BranchForm form = op.getForm().value_or(BranchForm::Parallel);
  leaveRemark(op, form);
  SmallVector<Value> branches, others;
  for (auto [n, branch] : llvm::enumerate(op.getBranches())) {
    if (form != BranchForm::Parallel)
      tag(branch, number, n);
    auto yield = cast<YieldOp>(branch.front().getTerminator());
    branches.push_back(yield.getOperand(0));
    llvm::append_range(others, yield.getOperands().drop_front());
    rewriter.eraseOp(yield);
    rewriter.inlineBlockBefore(&branch.front(), op);
  }
  rewriter.setInsertionPoint(op);
  Value result = op.getCombine() == Combine::Concat
                     ? concatenate(rewriter, op, branches)
                     : sumUp(rewriter, op, branches);
  others.insert(others.begin(), result);
  rewriter.replaceOp(op, others);
}

namespace {
struct LowerParallelPass
    : hybrid::impl::LowerParallelPassBase<LowerParallelPass> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    int64_t number = 0;
    // Innermost first.
    getOperation()->walk([&](ParallelOp op) {
      ++numParallels;
      numBranches += op.getBranches().size();
      lower(rewriter, op, number++);
    });
  }
};
} // namespace
