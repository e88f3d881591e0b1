//===- ExpandMath.cpp - math functions that vectorise ---------------------===//

#include "hybrid/Target/CPU/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_EXPANDMATHPASS
#include "hybrid/Target/CPU/Passes.h.inc"

namespace {

/// No instruction rounds float64 to 16 bits, and the library function for it is
/// not part of libc. Rounding twice is off by one unit in the last place where
/// the first rounding lands on a tie.
struct TruncateInTwoSteps : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::TruncFOp op,
                                PatternRewriter &rewriter) const override {
    Type from = op.getIn().getType();
    if (!getElementTypeOrSelf(from).isF64() ||
        getElementTypeOrSelf(op.getType()).getIntOrFloatBitWidth() != 16)
      return failure();
    Type middle = rewriter.getF32Type();
    if (auto vector = dyn_cast<VectorType>(from))
      middle = vector.clone(middle);
    Value value =
        arith::TruncFOp::create(rewriter, op.getLoc(), middle, op.getIn());
    rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), value);
    return success();
  }
};

struct ExpandMath : impl::ExpandMathPassBase<ExpandMath> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    auto approximated = [](StringRef name) {
      return llvm::is_contained({"math.exp", "math.expm1", "math.log",
                                 "math.log1p", "math.log2", "math.tanh",
                                 "math.erf"},
                                name);
    };
    populateMathF32ExpansionPatterns(patterns, [](StringRef) { return true; });
    populateMathPolynomialApproximationPatterns(patterns, approximated);
    patterns.add<TruncateInTwoSteps>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace hybrid
