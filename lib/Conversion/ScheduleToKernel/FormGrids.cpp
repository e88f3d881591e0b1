//===- FormGrids.cpp - kernels of one block, launches with a grid ---------===//
//
// The outer scf.forall of a kernel disappears: its induction variables are
// computed from the block's number (row-major), its trip counts at the launch
// from the launch's operands, where they fold with the entry's sizes.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_FORMGRIDSPASS
#include "hybrid/Conversion/ScheduleToKernel/Passes.h.inc"

namespace {

/// The kernel's forall if all its effects happen inside that one loop.
scf::ForallOp getGridLoop(func::FuncOp kernel) {
  scf::ForallOp grid;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (auto forall = dyn_cast<scf::ForallOp>(op)) {
      if (grid)
        return {};
      grid = forall;
    } else if (!isMemoryEffectFree(&op) && !isa<memref::AllocaOp>(op)) {
      return {};
    }
  }
  return grid;
}

struct FormGrids : impl::FormGridsPassBase<FormGrids> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::DenseMap<StringAttr, SmallVector<OpFoldResult>> tripsOf;
    for (auto kernel : module.getOps<func::FuncOp>()) {
      if (!kernel->hasAttr(kKernelAttr))
        continue;
      if (!kernel.getBody().hasOneBlock() || kernel.getNumResults() > 0) {
        kernel.emitError("a kernel has to be one block on memrefs");
        return signalPassFailure();
      }
      tripsOf[kernel.getSymNameAttr()] = formGrid(kernel);
    }
    WalkResult result = module.walk([&](LaunchOp launch) {
      return succeeded(
                 setGrid(launch, tripsOf[launch.getKernelAttr().getAttr()]))
                 ? WalkResult::advance()
                 : WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    // Bounds that only the launch needs now.
    RewritePatternSet patterns(&getContext());
    for (RegisteredOperationName op : getContext().getRegisteredOperations())
      if (op.getDialectNamespace() == "memref" ||
          op.getDialectNamespace() == "affine" ||
          op.getDialectNamespace() == "arith")
        op.getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return signalPassFailure();
  }

  SmallVector<OpFoldResult> formGrid(func::FuncOp kernel);
  LogicalResult setGrid(LaunchOp launch, ArrayRef<OpFoldResult> trips);
};

/// Returns the trip counts, in terms of values of the kernel; empty for a
/// single block.
SmallVector<OpFoldResult> FormGrids::formGrid(func::FuncOp kernel) {
  IRRewriter rewriter(&getContext());
  Block &body = kernel.getBody().front();
  scf::ForallOp grid = getGridLoop(kernel);
  SmallVector<scf::ForallOp> loops;
  kernel.walk([&](scf::ForallOp loop) {
    if (loop != grid)
      loops.push_back(loop);
  });
  for (scf::ForallOp loop : loops) {
    rewriter.setInsertionPoint(loop);
    (void)scf::forallToForLoop(rewriter, loop);
  }
  Value block = body.addArgument(rewriter.getIndexType(), kernel.getLoc());
  kernel.setFunctionType(
      rewriter.getFunctionType(body.getArgumentTypes(), {}));
  if (!grid)
    return {};
  ++numGrids;
  rewriter.setInsertionPoint(grid);
  Location loc = grid.getLoc();
  AffineExpr s0 = rewriter.getAffineSymbolExpr(0),
             s1 = rewriter.getAffineSymbolExpr(1),
             s2 = rewriter.getAffineSymbolExpr(2);
  SmallVector<OpFoldResult> trips;
  SmallVector<OpFoldResult> lower = grid.getMixedLowerBound(),
                            upper = grid.getMixedUpperBound(),
                            step = grid.getMixedStep();
  for (unsigned i = 0; i < lower.size(); ++i)
    trips.push_back(affine::makeComposedFoldedAffineApply(
        rewriter, loc, (s1 - s0).ceilDiv(s2), {lower[i], upper[i], step[i]}));
  // Row-major: the last loop runs fastest.
  OpFoldResult rest = block;
  SmallVector<Value> ivs(trips.size());
  for (unsigned i = trips.size(); i-- > 0;) {
    OpFoldResult index = rest;
    if (i > 0) {
      index = affine::makeComposedFoldedAffineApply(rewriter, loc, s0 % s1,
                                                    {rest, trips[i]});
      rest = affine::makeComposedFoldedAffineApply(
          rewriter, loc, s0.floorDiv(s1), {rest, trips[i]});
    }
    ivs[i] = getValueOrCreateConstantIndexOp(
        rewriter, loc,
        affine::makeComposedFoldedAffineApply(rewriter, loc, s0 * s1 + s2,
                                              {index, step[i], lower[i]}));
  }
  rewriter.eraseOp(grid.getBody()->getTerminator());
  rewriter.inlineBlockBefore(grid.getBody(), grid, ivs);
  rewriter.eraseOp(grid);
  return trips;
}

LogicalResult FormGrids::setGrid(LaunchOp launch,
                                 ArrayRef<OpFoldResult> trips) {
  OpBuilder builder(launch);
  Location loc = launch.getLoc();
  AffineExpr s0 = builder.getAffineSymbolExpr(0),
             s1 = builder.getAffineSymbolExpr(1);
  auto kernel =
      getOperation().lookupSymbol<func::FuncOp>(launch.getKernelAttr());
  IRMapping mapping;
  for (auto [param, operand] :
       llvm::zip(kernel.getArguments(), launch->getOperands()))
    mapping.map(param, operand);
  // Clones what computes `value` in the kernel.
  std::function<Value(Value)> import = [&](Value value) -> Value {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    Operation *def = value.getDefiningOp();
    assert(def && "the block's number cannot bound the grid");
    for (Value operand : def->getOperands())
      import(operand);
    Operation *copy = builder.clone(*def, mapping);
    mapping.map(def->getResults(), copy->getResults());
    return mapping.lookup(value);
  };
  OpFoldResult total = builder.getIndexAttr(1);
  for (OpFoldResult trip : trips) {
    if (auto value = dyn_cast<Value>(trip))
      trip = import(value);
    total = affine::makeComposedFoldedAffineApply(builder, loc, s0 * s1,
                                                  {total, trip});
  }
  launch.getGridMutable().assign(
      getValueOrCreateConstantIndexOp(builder, loc, total));
  return success();
}

} // namespace
} // namespace hybrid
