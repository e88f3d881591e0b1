//===- PackWeights.cpp - pass hybrid-pack-weights -------------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/Hybrid/Transforms/Products.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_PACKWEIGHTSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// A product of rows with a weight of the model.
struct Product {
  linalg::GenericOp op;
  OpOperand *rows, *weight;
  bool isTransposed;
};

std::optional<Product> match(OpOperand &weight) {
  auto op = dyn_cast<linalg::GenericOp>(weight.getOwner());
  if (!op || op.getNumLoops() != 3 || op.getNumReductionLoops() != 1 ||
      op.getNumDpsInputs() != 2 || op->getNumResults() != 1 ||
      op.hasIndexSemantics() || op.isDpsInit(&weight) || !isMultiplyAdd(op))
    return std::nullopt;
  OpOperand *rows = op.getDpsInputOperand(1 - weight.getOperandNumber());
  AffineMap out = op.getIndexingMapsArray().back();
  if (out.getNumResults() != 2 || !out.isProjectedPermutation())
    return std::nullopt;
  AffineExpr m = out.getResult(0), n = out.getResult(1), k;
  for (auto [loop, type] : llvm::enumerate(op.getIteratorTypesArray()))
    if (type == utils::IteratorType::reduction)
      k = getAffineDimExpr(loop, op.getContext());
  auto isMap = [&](OpOperand *operand, AffineExpr first, AffineExpr second) {
    return op.getMatchingIndexingMap(operand) ==
           AffineMap::get(3, 0, {first, second}, op.getContext());
  };
  Product product{op, rows, &weight, isMap(&weight, n, k)};
  auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
  bool isFresh = fill && matchPattern(fill.getInputs()[0], m_AnyZeroFloat());
  auto sum = cast<FloatType>(getElementTypeOrSelf(op->getResult(0)));
  if (!isFresh || sum.getWidth() < 32 || !isMap(rows, m, k) ||
      !(product.isTransposed || isMap(&weight, k, n)))
    return std::nullopt;
  return product;
}

struct PackWeights : impl::PackWeightsPassBase<PackWeights> {
  using Base::Base;

  void runOnOperation() override;

private:
  /// What reads a weight, and in which order; entries share weights.
  struct Uses {
    SmallVector<Product> products;
    StringRef refused;
    Location loc;
  };
  void collect(Operation *weight, Attribute key);
  void pack(Product &product);

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
    std::optional<Product> product = match(use);
    if (!product) {
      uses.refused = "it is not only multiplied";
      continue;
    }
    if (!uses.products.empty() &&
        uses.products.front().isTransposed != product->isTransposed)
      uses.refused = "products read it in different orders";
    int64_t columns =
        cast<RankedTensorType>(product->op->getResult(0).getType())
            .getDimSize(1);
    if (columns < panel)
      uses.refused = "it has fewer columns than a panel";
    uses.products.push_back(*product);
  }
}

void PackWeights::pack(Product &product) {
  linalg::GenericOp op = product.op;
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(product.weight->get().getType());
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  if (product.isTransposed)
    std::swap(rows, columns);
  int64_t width = panel;
  auto packedType = RankedTensorType::get(
      {llvm::divideCeilSigned(columns, width), rows, width},
      type.getElementType());
  Value packed = PackWeightsOp::create(
      builder, loc, packedType, product.weight->get(), product.isTransposed);
  // Every element is written, so that nothing has to be zero before.
  auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
  Value result =
      MatmulOp::create(builder, loc, op->getResultTypes(), product.rows->get(),
                       packed, fill.getOutputs()[0])
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
    for (Product &product : uses.products)
      pack(product);
  }
}

} // namespace
} // namespace hybrid
