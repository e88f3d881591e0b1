//===- ExpandWeights.cpp - pass hybrid-expand-weights ---------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_EXPANDWEIGHTSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// Computes one number, where the loops over rows and columns stand.
class NumberBuilder {
public:
  NumberBuilder(OpBuilder &builder, Location loc, DequantizeWeightOp op)
      : b(loc, builder), op(op) {}

  Value build();

private:
  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }
  Value loadInteger(Value bytes, Value row, Value column);

  ImplicitLocOpBuilder b;
  DequantizeWeightOp op;
};

/// The integer at [row, column] of a packed matrix, as f32.
Value NumberBuilder::loadInteger(Value bytes, Value row, Value column) {
  Type i32 = b.getI32Type();
  int64_t bits = op.getBits(), perByte = 8 / bits;
  Value at = b.createOrFold<arith::DivUIOp>(column, constant(perByte));
  Value number = tensor::ExtractOp::create(b, bytes, ValueRange{row, at});
  number = arith::ExtUIOp::create(b, i32, number);
  auto make = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(value));
  };
  // To the highest bits and down again, which extends the sign.
  Value place = arith::RemUIOp::create(b, column, constant(perByte));
  Value shift = arith::IndexCastOp::create(b, i32, place);
  shift = arith::MulIOp::create(b, shift, make(bits));
  shift = arith::SubIOp::create(b, make(32 - bits), shift);
  number = arith::ShLIOp::create(b, number, shift);
  if (op.getIsSigned())
    number = arith::ShRSIOp::create(b, number, make(32 - bits));
  else
    number = arith::ShRUIOp::create(b, number, make(32 - bits));
  return arith::SIToFPOp::create(b, b.getF32Type(), number);
}

Value NumberBuilder::build() {
  SmallVector<Value> index = {linalg::IndexOp::create(b, 0),
                              linalg::IndexOp::create(b, 1)};
  Value number = loadInteger(op.getIntegers(), index[0], index[1]);
  auto scales = cast<RankedTensorType>(op.getScales().getType());
  int64_t axis = op.getAxis();
  SmallVector<Value> own(index);
  own[axis] = arith::DivUIOp::create(b, index[axis], constant(op.getBlock()));
  for (int64_t i = 0; i < 2; ++i)
    if (scales.getDimSize(i) == 1)
      own[i] = constant(0);
  Value zero = arith::ConstantOp::create(
      b, b.getF32FloatAttr(static_cast<float>(op.getZeroPoint())));
  if (Value zeros = op.getZeroPoints())
    zero = loadInteger(zeros, own[0], own[1]);
  Value scale = tensor::ExtractOp::create(b, op.getScales(), own);
  if (!scale.getType().isF32())
    scale = arith::ExtFOp::create(b, b.getF32Type(), scale);
  return arith::MulFOp::create(b, arith::SubFOp::create(b, number, zero),
                               scale);
}

struct ExpandWeights : impl::ExpandWeightsPassBase<ExpandWeights> {
  void runOnOperation() override {
    SmallVector<DequantizeWeightOp> weights;
    getOperation().walk([&](DequantizeWeightOp op) { weights.push_back(op); });
    for (DequantizeWeightOp op : weights) {
      if (!llvm::all_of(op->getUsers(), llvm::IsaPred<PackWeightsOp>))
        expand(op);
      if (op->use_empty())
        op.erase();
    }
  }

  void expand(DequantizeWeightOp op);
};

void ExpandWeights::expand(DequantizeWeightOp op) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op.getResult().getType());
  Value empty = tensor::EmptyOp::create(builder, loc, type.getShape(),
                                        type.getElementType());
  SmallVector<utils::IteratorType> parallel(2, utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      builder, loc, TypeRange{type}, ValueRange(), ValueRange{empty},
      ArrayRef{builder.getMultiDimIdentityMap(2)}, parallel,
      [&](OpBuilder &b, Location loc, ValueRange) {
        Value number = NumberBuilder(b, loc, op).build();
        linalg::YieldOp::create(b, loc, number);
      });
  op.getResult().replaceUsesWithIf(generic.getResult(0), [](OpOperand &use) {
    return !isa<PackWeightsOp>(use.getOwner());
  });
  ++numExpanded;
  remark::missed(
      loc, remark::RemarkOpts::name("weight").category("hybrid-expand-weights"))
      << "the numbers of a quantised weight are computed whenever the model "
         "runs";
}

} // namespace
} // namespace hybrid
