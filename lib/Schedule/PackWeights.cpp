//===- PackWeights.cpp - pass hybrid-pack-weights -------------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/Hybrid/Transforms/Products.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_PACKWEIGHTSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

struct PackWeights : impl::PackWeightsPassBase<PackWeights> {
  using Base::Base;

  void runOnOperation() override;

private:
  /// What reads a weight, and in which order; entries share weights.
  struct Uses {
    SmallVector<RowsProduct> products;
    StringRef refused;
    Location loc;
  };
  void collect(Operation *weight, Attribute key);
  void pack(RowsProduct &product);

  llvm::MapVector<Attribute, Uses> usesOf;
};

void PackWeights::collect(Operation *weight, Attribute key) {
  auto [it, isNew] = usesOf.insert({key, Uses{{}, "", weight->getLoc()}});
  Uses &uses = it->second;
  for (OpOperand &use : weight->getUses()) {
    if (isa<ConcatWeightsOp>(use.getOwner())) {
      uses.refused = "it is a part of others";
      continue;
    }
    std::optional<RowsProduct> product = getRowsProduct(use);
    if (!product || getElementTypeOrSelf(product->op->getResult(0))
                            .getIntOrFloatBitWidth() < 32) {
      uses.refused = "it is not only multiplied";
      continue;
    }
    if (!uses.products.empty() &&
        uses.products.front().isTransposed != product->isTransposed)
      uses.refused = "products read it in different orders";
    if (product->getNumColumns() < panel)
      uses.refused = "it has fewer columns than a panel";
    uses.products.push_back(*product);
  }
}

void PackWeights::pack(RowsProduct &product) {
  linalg::GenericOp op = product.op;
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(product.matrix->get().getType());
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  if (product.isTransposed)
    std::swap(rows, columns);
  int64_t width = panel;
  auto packedType = RankedTensorType::get(
      {llvm::divideCeilSigned(columns, width), rows, width},
      type.getElementType());
  Value packed = PackWeightsOp::create(
      builder, loc, packedType, product.matrix->get(), product.isTransposed);
  // Every element is written, so that nothing has to be zero before.
  Value result =
      MatmulOp::create(builder, loc, op->getResultTypes(), product.getInput(),
                       packed, product.getFill().getOutputs()[0])
          .getResult(0);
  op->getResult(0).replaceAllUsesWith(result);
  op.erase();
}

void PackWeights::runOnOperation() {
  Builder builder(&getContext());
  auto getKey = [&](WeightOp weight) -> Attribute {
    return builder.getArrayAttr(
        {weight.getFileAttr(), weight.getOffsetAttr(), weight.getLengthAttr()});
  };
  getOperation().walk(
      [&](WeightOp weight) { collect(weight, getKey(weight)); });
  getOperation().walk([&](ConcatWeightsOp concat) {
    SmallVector<Attribute> key = {concat.getAxisAttr()};
    for (Value weight : concat.getWeights())
      if (auto part = weight.getDefiningOp<WeightOp>())
        key.push_back(getKey(part));
    collect(concat, builder.getArrayAttr(key));
  });
  for (auto &[key, uses] : usesOf) {
    if (uses.products.empty())
      continue;
    auto options =
        remark::RemarkOpts::name("weight").category("hybrid-pack-weights");
    if (!uses.refused.empty()) {
      remark::missed(uses.loc, options)
          << ("a weight stays in its order: " + uses.refused).str();
      continue;
    }
    ++numPacked;
    remark::passed(uses.loc, options)
        << "a weight is stored in panels"
        << remark::metric("columns of a panel", int64_t(panel));
    for (RowsProduct &product : uses.products)
      pack(product);
  }
}

} // namespace
} // namespace hybrid
