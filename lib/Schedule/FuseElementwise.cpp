//===- FuseElementwise.cpp - merge elementwise operations -----------------===//
//
// Upstream's fusion patterns under our rule of when merging pays: never into a
// contraction unless it is pure data movement, never where the producer would
// be evaluated more often.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_FUSEELEMENTWISEPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// The body only yields an input: a broadcast, a transpose or a copy.
bool isDataMovement(linalg::GenericOp op) {
  Block &body = *op.getBody();
  if (body.getOperations().size() != 1)
    return false;
  auto arg = dyn_cast<BlockArgument>(body.getTerminator()->getOperand(0));
  return arg && arg.getArgNumber() < op.getNumDpsInputs();
}

/// Merging would turn code that vectorises into code that walks memory
/// element by element: the body loads, branches or loops.
bool hasControlOrLoads(linalg::GenericOp op) {
  return llvm::any_of(*op.getBody(), [](Operation &inner) {
    return inner.getNumRegions() > 0 || isa<tensor::ExtractOp>(inner);
  });
}

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
                         remark::RemarkOpts::name("fused")
                             .category("hybrid-fuse-elementwise"))
              << "merged its producer"
              << remark::metric("operand", operand->getOperandNumber());
          return true;
        });
    linalg::GenericOp::getCanonicalizationPatterns(patterns, context);
    tensor::EmptyOp::getCanonicalizationPatterns(patterns, context);
    affine::AffineApplyOp::getCanonicalizationPatterns(patterns, context);
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal(true);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns),
                                     config)))
      signalPassFailure();
  }
};

} // namespace
} // namespace hybrid
