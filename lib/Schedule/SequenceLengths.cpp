//===- SequenceLengths.cpp - lengths of sequences -------------------------===//

#include "SequenceLengths.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

Value hybrid::createLengths(OpBuilder &b, Location loc, Value positions,
                            Value batch, OpFoldResult count,
                            std::optional<int64_t> most) {
  auto type = cast<RankedTensorType>(positions.getType());
  Value init = tensor::EmptyOp::create(b, loc, type, ValueRange{batch});
  Value number = getValueOrCreateConstantIndexOp(b, loc, count);
  AffineMap identity = b.getMultiDimIdentityMap(1);
  auto sum = linalg::GenericOp::create(
      b, loc, TypeRange{type}, ValueRange{positions}, ValueRange{init},
      ArrayRef{identity, identity}, {utils::IteratorType::parallel},
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value length = args[0];
        if (most) {
          Value limit = arith::ConstantOp::create(
              b, loc, b.getIntegerAttr(type.getElementType(), *most));
          length = arith::MinSIOp::create(b, loc, length, limit);
        }
        Value added =
            arith::IndexCastOp::create(b, loc, type.getElementType(), number);
        length = arith::AddIOp::create(b, loc, length, added);
        linalg::YieldOp::create(b, loc, length);
      });
  return sum.getResult(0);
}

std::optional<OpFoldResult> hybrid::matchLengths(Value lengths,
                                                 Value positions) {
  auto sum = lengths.getDefiningOp<linalg::GenericOp>();
  if (!sum || sum.getNumDpsInputs() != 1 || sum.getDpsInputs()[0] != positions)
    return std::nullopt;
  auto added = sum.getBody()
                   ->getTerminator()
                   ->getOperand(0)
                   .getDefiningOp<arith::AddIOp>();
  if (!added || added.getLhs() != sum.getBody()->getArgument(0))
    return std::nullopt;
  auto number = added.getRhs().getDefiningOp<arith::IndexCastOp>();
  if (!number || number.getIn().getParentBlock() == sum.getBody())
    return std::nullopt;
  return getAsOpFoldResult(number.getIn());
}
