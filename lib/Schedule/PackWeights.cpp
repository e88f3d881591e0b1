//===- PackWeights.cpp - pass hybrid-pack-weights -------------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/Hybrid/Transforms/Products.h"
#include "hybrid/Schedule/CostModel.h"
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

/// Numbers of a matrix from which on it is quantised; of smaller ones little is
/// gained.
constexpr int64_t kQuantizedSize = 1 << 14;
/// Rows that share a scale where the weight is quantised here.
constexpr int64_t kQuantizedBlock = 32;

struct PackWeights : impl::PackWeightsPassBase<PackWeights> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    StringRef chosen = quantize;
    if (chosen == "none" || chosen == "q8" || chosen == "q4")
      return success();
    return emitError(UnknownLoc::get(context))
           << "'" << chosen
           << "' is no form of a weight: there are none, q8 and q4";
  }
  void runOnOperation() override;

private:
  /// What reads a weight, and in which order; entries share weights.
  struct Uses {
    SmallVector<RowsProduct> products;
    StringRef refused;
    Location loc;
  };
  void collect(Operation *weight, Attribute key);
  void refuseQuantized(Uses &uses);
  QuantizationAttr chooseQuantization(RowsProduct &product);
  void pack(RowsProduct &product, QuantizationAttr form);
  bool hasFewRows(MatmulOp op);

  llvm::MapVector<Attribute, Uses> usesOf;
};

/// The largest block that panels can have where the file has `block`; 0 if
/// there is none.
int64_t getPackedBlock(int64_t block, int64_t rows) {
  for (int64_t size : {128, 64, 32, 16})
    if (block % size == 0 || block >= rows)
      return size;
  return 0;
}

/// How panels hold the integers of a file.
QuantizationAttr getQuantization(DequantizeWeightOp op, int64_t rows) {
  int64_t bits = op.getBits(), middle = int64_t(1) << (bits - 1);
  bool hasZeros = op.getZeroPoints() ||
                  op.getZeroPoint() != (op.getIsSigned() ? 0 : middle);
  return QuantizationAttr::get(
      op.getContext(), bits, getPackedBlock(op.getBlock(), rows),
      getElementTypeOrSelf(op.getScales()), hasZeros, op.getRoundedRows());
}

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

/// Says what is in the way of keeping the integers of a file.
void PackWeights::refuseQuantized(Uses &uses) {
  RowsProduct &product = uses.products.front();
  auto weight = product.matrix->get().getDefiningOp<DequantizeWeightOp>();
  if (!weight)
    return;
  auto type = cast<RankedTensorType>(weight.getResult().getType());
  int64_t rows = type.getDimSize(product.isTransposed ? 1 : 0);
  auto scales = cast<RankedTensorType>(weight.getScales().getType());
  bool isAlongRows = weight.getAxis() == (product.isTransposed ? 1 : 0);
  if (!isAlongRows && scales.getNumElements() != 1)
    uses.refused = "its blocks lie across columns";
  else if (!getPackedBlock(weight.getBlock(), rows))
    uses.refused = "the size of its blocks is no multiple of 16";
  else if (!getElementTypeOrSelf(product.op->getResult(0)).isF32())
    uses.refused = "its products are not summed in float32";
}

/// How the weight of a product is quantised; null: it stays.
QuantizationAttr PackWeights::chooseQuantization(RowsProduct &product) {
  Value matrix = product.matrix->get();
  auto type = cast<RankedTensorType>(matrix.getType());
  if (auto weight = matrix.getDefiningOp<DequantizeWeightOp>())
    return getQuantization(weight,
                           type.getDimSize(product.isTransposed ? 1 : 0));
  if (quantize == "none" || type.getNumElements() < kQuantizedSize ||
      !isa<FloatType>(type.getElementType()) ||
      !getElementTypeOrSelf(product.op->getResult(0)).isF32())
    return {};
  return QuantizationAttr::get(&getContext(), quantize == "q8" ? 8 : 4,
                               kQuantizedBlock, Float16Type::get(&getContext()),
                               /*zero_points=*/false, /*rounded_rows=*/false);
}

/// Whether a sequence, however long, brings a row per token of a step at most:
/// it then takes the form for few rows, whatever else is in the batch, so that
/// its result does not depend on that.
bool PackWeights::hasFewRows(MatmulOp op) {
  llvm::StringMap<int64_t> symbols = getLongestSequence(getOperation());
  ShapeEvaluator shapes(symbols, /*batch=*/1);
  std::optional<ShapeEvaluator::Shape> shape = shapes.getShape(op.getInit());
  return shape && shape->front() <= 1;
}

void PackWeights::pack(RowsProduct &product, QuantizationAttr form) {
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
  if (form)
    packedType =
        RankedTensorType::get({packedType.getDimSize(0),
                               llvm::divideCeilSigned(rows, form.getBlock()),
                               width * form.getColumnBytes()},
                              builder.getI8Type());
  Value packed =
      PackWeightsOp::create(builder, loc, packedType, product.matrix->get(),
                            product.isTransposed, form);
  // Every element is written, so that nothing has to be zero before.
  auto matmul =
      MatmulOp::create(builder, loc, op->getResultTypes(), product.getInput(),
                       packed, product.getFill().getOutputs()[0], form);
  if (form)
    matmul->setAttr(kStepRowsAttr, builder.getBoolAttr(hasFewRows(matmul)));
  op->getResult(0).replaceAllUsesWith(matmul->getResult(0));
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
  getOperation().walk([&](DequantizeWeightOp weight) {
    SmallVector<Attribute> key = {weight->getAttrDictionary()};
    for (Value operand : weight->getOperands()) {
      Attribute value;
      if (auto part = operand.getDefiningOp<WeightOp>())
        key.push_back(getKey(part));
      else if (matchPattern(operand, m_Constant(&value)))
        key.push_back(value);
    }
    collect(weight, builder.getArrayAttr(key));
  });
  for (auto &[key, uses] : usesOf) {
    if (uses.products.empty())
      continue;
    refuseQuantized(uses);
    auto options =
        remark::RemarkOpts::name("weight").category("hybrid-pack-weights");
    if (!uses.refused.empty()) {
      remark::missed(uses.loc, options)
          << ("a weight stays in its order: " + uses.refused).str();
      continue;
    }
    ++numPacked;
    QuantizationAttr form = chooseQuantization(uses.products.front());
    if (form) {
      ++numQuantized;
      remark::passed(uses.loc, options)
          << "a quantised weight is stored in panels"
          << remark::metric("columns of a panel", int64_t(panel))
          << remark::metric("bits of a number", form.getBits());
    } else {
      remark::passed(uses.loc, options)
          << "a weight is stored in panels"
          << remark::metric("columns of a panel", int64_t(panel));
    }
    for (RowsProduct &product : uses.products)
      pack(product, form);
  }
}

} // namespace
} // namespace hybrid
