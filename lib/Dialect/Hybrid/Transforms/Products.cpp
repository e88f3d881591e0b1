//===- Products.cpp - products among linalg operations --------------------===//

#include "hybrid/Dialect/Hybrid/Transforms/Products.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

/// The input behind a possible extension; null if it is none.
static BlockArgument getFactor(Value value) {
  if (auto ext = value.getDefiningOp<arith::ExtFOp>())
    value = ext.getIn();
  return dyn_cast<BlockArgument>(value);
}

bool hybrid::isMultiplyAdd(linalg::GenericOp op) {
  Block &body = *op.getBody();
  auto add = body.getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!add)
    return false;
  Value sum = body.getArgument(2);
  Value product = add.getLhs() == sum   ? add.getRhs()
                  : add.getRhs() == sum ? add.getLhs()
                                        : Value();
  auto mul = product ? product.getDefiningOp<arith::MulFOp>() : arith::MulFOp();
  if (!mul)
    return false;
  BlockArgument a = getFactor(mul.getLhs()), b = getFactor(mul.getRhs());
  return a && b && a != b && a.getArgNumber() + b.getArgNumber() == 1;
}
