//===- FuseElementwise.cpp - merge elementwise operations -----------------===//
//
// Upstream's fusion patterns under our rule of when merging pays: never into a
// contraction unless it is pure data movement, never where the producer would
// be evaluated more often.
//
//===----------------------------------------------------------------------===//

#include "Elementwise.h"
#include "hybrid/Dialect/Hybrid/Transforms/Sizes.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_FUSEELEMENTWISEPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

bool paysToFuse(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  if (!producer || !consumer || producer->getBlock() != consumer->getBlock())
    return false;
  if (isDataMovement(producer))
    return true;
  if (!producer->hasOneUse() || producer->getNumResults() != 1)
    return false;
  if (consumer.getNumReductionLoops() > 0)
    return consumer.getMatchingIndexingMap(operand).isPermutation() &&
           !hasControlOrLoads(producer);
  return consumer.getMatchingIndexingMap(operand).isPermutation();
}

/// Whether a reshape stands between a contraction or norm and elementwise work
/// that could then run on the same tiles.
bool paysToCollapse(OpOperand *operand) {
  auto reduces = [](Operation *op) {
    auto linalgOp = dyn_cast_or_null<linalg::LinalgOp>(op);
    return linalgOp && linalgOp.getNumReductionLoops() > 0;
  };
  auto isElementwise = [](Operation *op) {
    auto generic = dyn_cast_or_null<linalg::GenericOp>(op);
    return generic && generic.getNumReductionLoops() == 0 &&
           !hasControlOrLoads(generic);
  };
  // Up through an expansion of its result, or down to what it reads.
  if (auto expand = operand->get().getDefiningOp<tensor::ExpandShapeOp>())
    return isElementwise(operand->getOwner()) &&
           reduces(expand.getSrc().getDefiningOp());
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(operand->getOwner()))
    return isElementwise(collapse.getSrc().getDefiningOp()) &&
           llvm::any_of(collapse->getUsers(), [&](Operation *user) {
             return reduces(user) || isa<NormOp, GatedNormOp>(user);
           });
  return false;
}

/// Whether a computation of ours, which has its own rank, reads `op`'s result,
/// directly, collapsed, or through elementwise operations.
bool feedsComputation(Operation *op, unsigned depth = 0) {
  constexpr unsigned kMaxDepth = 4;
  return llvm::any_of(op->getUsers(), [&](Operation *user) {
    auto generic = dyn_cast<linalg::GenericOp>(user);
    bool passesOn = isa<tensor::CollapseShapeOp>(user) ||
                    (generic && generic.getNumReductionLoops() == 0);
    if (passesOn && depth < kMaxDepth)
      return feedsComputation(user, depth + 1);
    return isa<HybridDialect>(user->getDialect()) &&
           isa<DestinationStyleOpInterface>(user);
  });
}

/// Dimensions of elementwise operations that may be dropped where they are 1,
/// so that a step of one token is of rows like the products around it.
SmallVector<unsigned> getDroppable(Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumReductionLoops() > 0 ||
      generic.hasIndexSemantics() || hasControlOrLoads(generic) ||
      feedsComputation(generic))
    return {};
  auto dims = llvm::to_vector(llvm::seq<unsigned>(0, generic.getNumLoops()));
  SmallVector<int64_t> ranges = generic.getStaticLoopRanges();
  if (llvm::all_of(ranges, [](int64_t size) { return size == 1; }))
    return {};
  return dims;
}

/// A slice of the last dimension whose other dimensions are then collapsed is
/// not contiguous; one of the collapsed tensor is a view.
struct CollapseBeforeSlice : OpRewritePattern<tensor::CollapseShapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::CollapseShapeOp collapse,
                                PatternRewriter &rewriter) const override {
    auto slice = collapse.getSrc().getDefiningOp<tensor::ExtractSliceOp>();
    if (!slice || slice.getType().getRank() != slice.getSourceType().getRank())
      return failure();
    auto groups = collapse.getReassociationIndices();
    int64_t last = slice.getType().getRank() - 1;
    if (groups.back().size() != 1 || groups.size() == size_t(last) + 1 ||
        !slice.hasUnitStride())
      return failure();
    for (int64_t dim = 0; dim < last; ++dim) {
      auto size = findSize(slice.getSource(), dim);
      if (!size || !isConstantIntValue(slice.getMixedOffsets()[dim], 0) ||
          !isEqualConstantIntOrValue(*size, slice.getMixedSizes()[dim]))
        return failure();
    }
    Location loc = collapse.getLoc();
    Value source = tensor::CollapseShapeOp::create(rewriter, loc,
                                                   slice.getSource(), groups);
    SmallVector<OpFoldResult> offsets(groups.size(), rewriter.getIndexAttr(0)),
        strides(groups.size(), rewriter.getIndexAttr(1)), sizes;
    AffineExpr s0 = rewriter.getAffineSymbolExpr(0),
               s1 = rewriter.getAffineSymbolExpr(1);
    for (const ReassociationIndices &group : groups) {
      OpFoldResult size = rewriter.getIndexAttr(1);
      for (int64_t dim : group)
        size = affine::makeComposedFoldedAffineApply(
            rewriter, loc, s0 * s1, {size, slice.getMixedSizes()[dim]});
      sizes.push_back(size);
    }
    offsets.back() = slice.getMixedOffsets()[last];
    Value result = tensor::ExtractSliceOp::create(rewriter, loc, source,
                                                  offsets, sizes, strides);
    if (result.getType() != collapse.getType())
      result =
          tensor::CastOp::create(rewriter, loc, collapse.getType(), result);
    rewriter.replaceOp(collapse, result);
    return success();
  }
};

/// A constant with a number per head keeps the heads' channels apart. With a
/// number per channel, elementwise work in front of a norm or product over the
/// channels of all heads is done on its rows.
struct SpreadConstants : OpRewritePattern<tensor::CollapseShapeOp> {
  using OpRewritePattern::OpRewritePattern;

  static constexpr int64_t kMaxElements = 1 << 14;

  LogicalResult matchAndRewrite(tensor::CollapseShapeOp collapse,
                                PatternRewriter &rewriter) const override {
    auto op = collapse.getSrc().getDefiningOp<linalg::GenericOp>();
    if (!op || !op->hasOneUse() || !paysToCollapse(&collapse.getSrcMutable()) ||
        !op.getIndexingMapsArray().back().isIdentity())
      return failure();
    bool changed = false;
    for (const ReassociationIndices &group : collapse.getReassociationIndices())
      for (OpOperand *input : op.getDpsInputOperands())
        changed |= spread(op, *input, group, rewriter);
    return success(changed);
  }

  /// Lets `input` depend on all loops of `group` if it depends on some of them
  /// and on no others.
  bool spread(linalg::GenericOp op, OpOperand &input, ArrayRef<int64_t> group,
              PatternRewriter &rewriter) const {
    DenseElementsAttr constant;
    AffineMap map = op.getMatchingIndexingMap(&input);
    if (!matchPattern(input.get(), m_Constant(&constant)) ||
        map.getNumResults() == 0 || map.getNumResults() == group.size() ||
        !map.isProjectedPermutation())
      return false;
    SmallVector<int64_t> ranges = op.getStaticLoopRanges(), shape;
    int64_t count = 1;
    for (int64_t loop : group) {
      if (ShapedType::isDynamic(ranges[loop]))
        return false;
      shape.push_back(ranges[loop]);
      count *= ranges[loop];
    }
    SmallVector<unsigned> places;
    for (AffineExpr result : map.getResults()) {
      auto *place =
          llvm::find(group, cast<AffineDimExpr>(result).getPosition());
      if (place == group.end())
        return false;
      places.push_back(place - group.begin());
    }
    if (count > kMaxElements)
      return false;
    auto old = llvm::to_vector(constant.getValues<Attribute>());
    SmallVector<int64_t> strides =
                             computeStrides(constant.getType().getShape()),
                         allStrides = computeStrides(shape);
    SmallVector<Attribute> values;
    for (int64_t i = 0; i < count; ++i) {
      SmallVector<int64_t> index = delinearize(i, allStrides);
      int64_t at = 0;
      for (auto [place, stride] : llvm::zip(places, strides))
        at += index[place] * stride;
      values.push_back(old[at]);
    }
    auto type = RankedTensorType::get(shape, constant.getElementType());
    rewriter.setInsertionPoint(op);
    Value all = arith::ConstantOp::create(rewriter, input.get().getLoc(),
                                          DenseElementsAttr::get(type, values));
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    SmallVector<AffineExpr> loops;
    for (int64_t loop : group)
      loops.push_back(rewriter.getAffineDimExpr(loop));
    maps[input.getOperandNumber()] =
        AffineMap::get(op.getNumLoops(), 0, loops, rewriter.getContext());
    rewriter.modifyOpInPlace(op, [&] {
      input.set(all);
      op.setIndexingMapsAttr(rewriter.getAffineMapArrayAttr(maps));
    });
    return true;
  }
};

struct FuseElementwise : impl::FuseElementwisePassBase<FuseElementwise> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    linalg::populateElementwiseOpsFusionPatterns(
        patterns, [this](OpOperand *operand) {
          if (!paysToFuse(operand))
            return false;
          ++numFused;
          remark::passed(operand->getOwner()->getLoc(),
                         remark::RemarkOpts::name("fused").category(
                             "hybrid-fuse-elementwise"))
              << "merged its producer"
              << remark::metric("operand", operand->getOperandNumber());
          return true;
        });
    linalg::populateFoldReshapeOpsByCollapsingPatterns(patterns,
                                                       paysToCollapse);
    linalg::ControlDropUnitDims dropUnitDims;
    dropUnitDims.controlFn = getDroppable;
    linalg::populateFoldUnitExtentDimsPatterns(patterns, dropUnitDims);
    tensor::populateFoldTensorEmptyPatterns(patterns);
    patterns.add<CollapseBeforeSlice, SpreadConstants>(context);
    linalg::GenericOp::getCanonicalizationPatterns(patterns, context);
    tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, context);
    tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, context);
    tensor::EmptyOp::getCanonicalizationPatterns(patterns, context);
    affine::AffineApplyOp::getCanonicalizationPatterns(patterns, context);
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal(true);
    if (failed(
            applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
} // namespace hybrid
