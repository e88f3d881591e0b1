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
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
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
/// directly or through elementwise operations.
bool feedsComputation(Operation *op, unsigned depth = 0) {
  constexpr unsigned kMaxDepth = 4;
  return llvm::any_of(op->getUsers(), [&](Operation *user) {
    auto generic = dyn_cast<linalg::GenericOp>(user);
    if (generic && generic.getNumReductionLoops() == 0 && depth < kMaxDepth)
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
    patterns.add<CollapseBeforeSlice>(context);
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
