//===- Views.h - what tensors are views of ----------------------*- C++ -*-===//

#ifndef HYBRID_DIALECT_HYBRID_TRANSFORMS_VIEWS_H
#define HYBRID_DIALECT_HYBRID_TRANSFORMS_VIEWS_H

#include "mlir/IR/Value.h"

namespace hybrid {

/// Whether the result of `op` is a part of its first operand, or that in
/// another shape or type; not for null.
bool isView(mlir::Operation *op);
/// The tensor that `value` is a view of; null if it is none.
mlir::Value getViewed(mlir::Value value);
/// The tensor behind all views.
mlir::Value skipViews(mlir::Value value);

} // namespace hybrid

#endif // HYBRID_DIALECT_HYBRID_TRANSFORMS_VIEWS_H
