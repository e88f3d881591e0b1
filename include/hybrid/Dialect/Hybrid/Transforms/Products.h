//===- Products.h - products among linalg operations ------------*- C++ -*-===//

#ifndef HYBRID_DIALECT_HYBRID_TRANSFORMS_PRODUCTS_H
#define HYBRID_DIALECT_HYBRID_TRANSFORMS_PRODUCTS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace hybrid {

/// Whether the body of `op`, which has two inputs, is sum + left · right in
/// floating point, of which the factors may be extended.
bool isMultiplyAdd(mlir::linalg::GenericOp op);

/// Whether `op` is a product on whose tiles elementwise work can run: one
/// result that sums over two inputs.
bool isContraction(mlir::Operation *op);

/// A product from zero on: result[m, n] = Σ rows[m, k] · matrix[k, n] over k,
/// or (isTransposed) matrix[n, k].
struct RowsProduct {
  mlir::linalg::GenericOp op;
  mlir::OpOperand *rows, *matrix;
  bool isTransposed;

  mlir::Value getInput() const { return rows->get(); }
  mlir::linalg::FillOp getFill() {
    return op.getDpsInits()[0].getDefiningOp<mlir::linalg::FillOp>();
  }
  int64_t getNumColumns() {
    return mlir::cast<mlir::RankedTensorType>(op->getResult(0).getType())
        .getDimSize(1);
  }
};

/// The product that reads `matrix`; none if its reader is no such product.
std::optional<RowsProduct> getRowsProduct(mlir::OpOperand &matrix);

} // namespace hybrid

#endif // HYBRID_DIALECT_HYBRID_TRANSFORMS_PRODUCTS_H
