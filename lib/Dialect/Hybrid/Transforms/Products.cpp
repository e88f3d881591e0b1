//===- Products.cpp - products among linalg operations --------------------===//

#include "hybrid/Dialect/Hybrid/Transforms/Products.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace hybrid;

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

bool hybrid::isContraction(Operation *op) {
  if (isa<MatmulOp>(op))
    return true;
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  return linalgOp && linalgOp.getNumReductionLoops() > 0 &&
         linalgOp.getNumDpsInputs() == 2 && op->getNumResults() == 1;
}

std::optional<RowsProduct> hybrid::getRowsProduct(OpOperand &matrix) {
  auto op = dyn_cast<linalg::GenericOp>(matrix.getOwner());
  if (!op || op.getNumLoops() != 3 || op.getNumReductionLoops() != 1 ||
      op.getNumDpsInputs() != 2 || op->getNumResults() != 1 ||
      op.hasIndexSemantics() || op.isDpsInit(&matrix) || !isMultiplyAdd(op))
    return std::nullopt;
  AffineMap out = op.getIndexingMapsArray().back();
  if (out.getNumResults() != 2 || !out.isProjectedPermutation())
    return std::nullopt;
  MLIRContext *context = op.getContext();
  AffineExpr m = out.getResult(0), n = out.getResult(1), k;
  for (auto [loop, type] : llvm::enumerate(op.getIteratorTypesArray()))
    if (type == utils::IteratorType::reduction)
      k = getAffineDimExpr(loop, context);
  auto isMap = [&](OpOperand *operand, AffineExpr first, AffineExpr second) {
    return op.getMatchingIndexingMap(operand) ==
           AffineMap::get(3, 0, {first, second}, context);
  };
  RowsProduct product{op, op.getDpsInputOperand(1 - matrix.getOperandNumber()),
                      &matrix, isMap(&matrix, n, k)};
  linalg::FillOp fill = product.getFill();
  if (!fill || !matchPattern(fill.getInputs()[0], m_AnyZeroFloat()) ||
      !isMap(product.rows, m, k) ||
      !(product.isTransposed || isMap(&matrix, k, n)))
    return std::nullopt;
  return product;
}
