//===- BufferizeKernels.cpp - a kernel's body on memrefs ------------------===//

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_BUFFERIZEKERNELSPASS
#include "hybrid/Conversion/ScheduleToKernel/Passes.h.inc"

namespace {

/// Worker threads have at least 1 MiB of stack; this leaves room for spills.
constexpr int64_t kMaxStackBytes = 256 * 1024;

struct BufferizeKernels : impl::BufferizeKernelsPassBase<BufferizeKernels> {
  void runOnOperation() override {
    func::FuncOp kernel = getOperation();
    if (!kernel->hasAttr(kKernelAttr))
      return;
    IRRewriter rewriter(&getContext());
    bufferization::OneShotBufferizationOptions options;
    options.bufferAlignment = 64;
    bufferization::BufferizationState state;
    if (failed(bufferization::eliminateEmptyTensors(rewriter, kernel)) ||
        failed(bufferization::runOneShotBufferize(kernel, options, state)))
      return signalPassFailure();
    RewritePatternSet patterns(&getContext());
    for (RegisteredOperationName op : getContext().getRegisteredOperations())
      if (op.getDialectNamespace() == "memref" ||
          op.getDialectNamespace() == "affine" ||
          op.getDialectNamespace() == "arith" ||
          op.getDialectNamespace() == "scf")
        op.getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(kernel, std::move(patterns))))
      return signalPassFailure();
    // Copies of a tile onto itself are gone once equal views are one.
    DominanceInfo dominance(kernel);
    eliminateCommonSubExpressions(rewriter, dominance, kernel);
    lowerCopies(kernel, rewriter);
    int64_t total = 0;
    for (memref::AllocOp alloc : collectAllocs(kernel))
      if (failed(moveToStack(alloc, total)))
        return signalPassFailure();
  }

  static SmallVector<memref::AllocOp> collectAllocs(func::FuncOp kernel) {
    SmallVector<memref::AllocOp> allocs;
    kernel.walk([&](memref::AllocOp alloc) { allocs.push_back(alloc); });
    return allocs;
  }

  /// What must be copied is, by loops like all other work.
  static void lowerCopies(func::FuncOp kernel, IRRewriter &rewriter) {
    SmallVector<memref::CopyOp> copies;
    kernel.walk([&](memref::CopyOp copy) { copies.push_back(copy); });
    for (memref::CopyOp copy : copies) {
      rewriter.setInsertionPoint(copy);
      if (copy.getSource() != copy.getTarget())
        linalg::makeMemRefCopyOp(rewriter, copy.getLoc(), copy.getSource(),
                                 copy.getTarget());
      rewriter.eraseOp(copy);
    }
  }

  LogicalResult moveToStack(memref::AllocOp alloc, int64_t &total);
};

/// The buffer gets the largest size its dynamic dimensions can have; what the
/// code uses is a view of its beginning, so that strides stay static.
LogicalResult BufferizeKernels::moveToStack(memref::AllocOp alloc,
                                            int64_t &total) {
  MemRefType type = alloc.getType();
  SmallVector<int64_t> shape(type.getShape());
  SmallVector<OpFoldResult> sizes;
  OpBuilder builder(alloc);
  unsigned nextDynamic = 0;
  for (int64_t &size : shape) {
    if (!ShapedType::isDynamic(size)) {
      sizes.push_back(builder.getIndexAttr(size));
      continue;
    }
    Value value = alloc.getDynamicSizes()[nextDynamic++];
    sizes.push_back(value);
    auto bound = ValueBoundsConstraintSet::computeConstantBound(
        presburger::BoundType::UB, value, /*stopCondition=*/nullptr,
        /*closedUB=*/true);
    if (failed(bound))
      return alloc.emitError("a buffer inside a kernel has no static bound: ")
             << type;
    size = std::max<int64_t>(*bound, 0);
  }
  int64_t bytes = (type.getElementTypeBitWidth() + 7) / 8;
  for (int64_t size : shape)
    bytes *= size;
  total += bytes;
  if (total > kMaxStackBytes)
    return alloc.emitError("a kernel's block needs more than ")
           << kMaxStackBytes << " bytes between its operations: " << type;
  ++numStackBuffers;
  // At the function's start, so that loops don't grow the stack.
  Value replacement;
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&getOperation().getBody().front());
    replacement = memref::AllocaOp::create(
        builder, alloc.getLoc(), MemRefType::get(shape, type.getElementType()),
        builder.getI64IntegerAttr(64));
  }
  if (type.hasStaticShape()) {
    alloc.getResult().replaceAllUsesWith(replacement);
    alloc.erase();
    return success();
  }
  // Users expect the identity layout of the actual sizes.
  SmallVector<OpFoldResult> strides(shape.size(), builder.getIndexAttr(1));
  for (unsigned i = shape.size(); i-- > 1;)
    strides[i - 1] = affine::makeComposedFoldedAffineApply(
        builder, alloc.getLoc(),
        builder.getAffineSymbolExpr(0) * builder.getAffineSymbolExpr(1),
        {strides[i], sizes[i]});
  Value view = memref::ReinterpretCastOp::create(
      builder, alloc.getLoc(),
      MemRefType::get(type.getShape(), type.getElementType(),
                      StridedLayoutAttr::get(
                          builder.getContext(), 0,
                          llvm::map_to_vector(strides, [](OpFoldResult s) {
                            auto c = getConstantIntValue(s);
                            return c ? *c : ShapedType::kDynamic;
                          }))),
      replacement, builder.getIndexAttr(0), sizes, strides);
  if (view.getType() != type)
    view = memref::CastOp::create(builder, alloc.getLoc(), type, view);
  alloc.getResult().replaceAllUsesWith(view);
  alloc.erase();
  return success();
}

} // namespace
} // namespace hybrid
