//===- DistributeContractions.h - products for threads ----------*- C++ -*-===//

#ifndef HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_DISTRIBUTECONTRACTIONS_H
#define HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_DISTRIBUTECONTRACTIONS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace hybrid {

class ThreadBuilder;

/// result[m, n] += Σ rows[m, k] · matrix[k, n] or (isTransposed) matrix[n, k],
/// on memrefs, summed in float32.
struct RowsTimesMatrix {
  mlir::linalg::GenericOp op;
  mlir::Value rows, matrix, result;
  bool isTransposed;
  /// The result starts from zero instead of what it holds.
  bool isFromZero;

  /// None for operations that are no such product.
  static std::optional<RowsTimesMatrix> match(mlir::Operation *op);
};

/// Replaces a product of matrices by code that all threads of a block run: with
/// few rows (known at run time) all of them stream the matrix, with more tiles
/// of both operands go through shared memory and sums stay in registers.
void distributeProduct(const RowsTimesMatrix &product, int64_t threads);

/// Whether the tiles of a product can go to tensor cores: 16-bit floats in
/// whole vectors.
bool fitsTensorCores(const RowsTimesMatrix &product, int64_t threads);
/// Emits such a product (DistributeTensorCores.cpp).
void multiplyOnTensorCores(const RowsTimesMatrix &product, ThreadBuilder &b);

/// If `fill` sets to zero what the product right behind it adds to, marks the
/// product to start from zero and returns true: the fill is not needed.
bool foldIntoProduct(mlir::linalg::FillOp fill);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_DISTRIBUTECONTRACTIONS_H
