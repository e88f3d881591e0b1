//===- Products.h - products among linalg operations ------------*- C++ -*-===//

#ifndef HYBRID_DIALECT_HYBRID_TRANSFORMS_PRODUCTS_H
#define HYBRID_DIALECT_HYBRID_TRANSFORMS_PRODUCTS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace hybrid {

/// Whether the body of `op`, which has two inputs, is sum + left · right in
/// floating point, of which the factors may be extended.
bool isMultiplyAdd(mlir::linalg::GenericOp op);

} // namespace hybrid

#endif // HYBRID_DIALECT_HYBRID_TRANSFORMS_PRODUCTS_H
