//===- Indexing.h - Positions in tensors, known or not ----------*- C++ -*-===//

#ifndef HYBRID_LIB_CONVERSION_ONNXTOHYBRID_INDEXING_H
#define HYBRID_LIB_CONVERSION_ONNXTOHYBRID_INDEXING_H

#include "Lowering.h"

namespace hybrid {

/// The elements of an integer tensor, if all follow from the inputs' shapes.
std::optional<Shape> getKnownElements(Lowering &lowering, mlir::Value value);

/// `index`, counted from the end of `size` elements where it is negative, and
/// then clamped to [0, last]. Nullopt if its sign isn't known.
std::optional<mlir::AffineExpr> resolveIndex(Lowering &lowering,
                                             mlir::AffineExpr index,
                                             mlir::AffineExpr size,
                                             mlir::AffineExpr last);

/// The tensor, or one with a zero appended along `axis` if it may be empty
/// there: a clamped index then always points to an element.
Tensor ensureNonEmpty(Lowering &lowering, const Tensor &tensor, int64_t axis);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_ONNXTOHYBRID_INDEXING_H
