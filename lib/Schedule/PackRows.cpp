//===- PackRows.cpp - pass hybrid-pack-rows -------------------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Schedule/CostModel.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_PACKROWSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// Columns of a panel as the lowering for matrix units reads them.
constexpr int64_t kPanel = 32;

struct PackRows : impl::PackRowsPassBase<PackRows> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<MatmulOp> products;
    module.walk([&](MatmulOp op) { products.push_back(op); });
    if (products.empty())
      return;
    // Steps of single tokens stay as they are.
    llvm::StringMap<int64_t> capacities = getLongestSequence(module);
    ShapeEvaluator shapes(capacities, /*batch=*/1);
    for (MatmulOp op : products)
      pack(op, shapes);
  }

  void pack(MatmulOp op, ShapeEvaluator &shapes);
};

void PackRows::pack(MatmulOp op, ShapeEvaluator &shapes) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  int64_t pieces = getNumPieces(input.getElementType());
  auto options =
      remark::RemarkOpts::name("product").category("hybrid-pack-rows");
  auto refuse = [&](StringRef reason) {
    remark::missed(op.getLoc(), options)
        << ("rows stay as they are: " + reason).str();
  };
  if (input.getRank() != 2)
    return;
  if (!pieces || !op.getNumWeightPieces() ||
      !op.getInit().getType().getElementType().isF32())
    return refuse("their numbers cannot be cut into pieces of bf16");
  if (input.isDynamicDim(1) || op.getPanel() != kPanel)
    return refuse("their length or the weight's panels do not fit tiles");
  std::optional<ShapeEvaluator::Shape> shape = shapes.getShape(op.getInit());
  if (!shape || shape->front() < kTileGroupRows)
    return refuse("there are few");

  OpBuilder builder(op);
  Location loc = op.getLoc();
  // The size of a destination is an expression over symbols.
  OpFoldResult rows = tensor::getMixedSize(builder, loc, op.getInit(), 0);
  OpFoldResult groups = affine::makeComposedFoldedAffineApply(
      builder, loc, builder.getAffineSymbolExpr(0).ceilDiv(kTileGroupRows),
      rows);
  auto get = [&](int64_t size) { return builder.getIndexAttr(size); };
  int64_t steps = llvm::divideCeilSigned(input.getDimSize(1), kTileStep);
  Value empty = tensor::EmptyOp::create(
      builder, loc,
      {groups, get(steps), get(2 * pieces), get(16), get(kTileStep)},
      builder.getBF16Type());
  auto packed = PackRowsOp::create(builder, loc, TypeRange{empty.getType()},
                                   op.getInput(), empty);
  op.getInputMutable().assign(packed->getResult(0));
  ++numPacked;
  remark::passed(loc, options) << "rows are multiplied in tiles of bf16"
                               << remark::metric("pieces of a number", pieces);
}

} // namespace
} // namespace hybrid
