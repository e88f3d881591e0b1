//===- Elementwise.cpp - what elementwise operations do -------------------===//

#include "Elementwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hybrid {

linalg::GenericOp getElementwise(Value tensor) {
  auto op = tensor.getDefiningOp<linalg::GenericOp>();
  bool isElementwise = op && op->getNumResults() == 1 &&
                       op.getNumReductionLoops() == 0 &&
                       op.getIndexingMapsArray().back().isIdentity();
  return isElementwise ? op : linalg::GenericOp();
}

Value skipRounding(Value scalar) {
  while (Operation *op = scalar.getDefiningOp()) {
    if (!isa<arith::ExtFOp, arith::TruncFOp>(op))
      break;
    scalar = op->getOperand(0);
  }
  return scalar;
}

OpOperand *getInput(linalg::GenericOp op, Value scalar) {
  auto argument = dyn_cast<BlockArgument>(scalar);
  return argument && argument.getOwner() == op.getBody() &&
                 argument.getArgNumber() < op.getNumDpsInputs()
             ? op.getDpsInputOperand(argument.getArgNumber())
             : nullptr;
}

Value getYielded(linalg::GenericOp op) {
  return skipRounding(op.getBody()->getTerminator()->getOperand(0));
}

std::optional<Product> getProduct(linalg::GenericOp op) {
  auto product = op ? getYielded(op).getDefiningOp<arith::MulFOp>() : nullptr;
  if (!product)
    return std::nullopt;
  Product found{op, getInput(op, skipRounding(product.getLhs())),
                getInput(op, skipRounding(product.getRhs()))};
  return found.left && found.right ? std::optional(found) : std::nullopt;
}

bool isInOrder(OpOperand *operand) {
  return cast<linalg::GenericOp>(operand->getOwner())
      .getMatchingIndexingMap(operand)
      .isIdentity();
}

} // namespace hybrid
