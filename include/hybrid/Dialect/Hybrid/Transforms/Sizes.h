//===- Sizes.h - sizes of tensors from where they were made -----*- C++ -*-===//

#ifndef HYBRID_DIALECT_HYBRID_TRANSFORMS_SIZES_H
#define HYBRID_DIALECT_HYBRID_TRANSFORMS_SIZES_H

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/BuiltinTypes.h"

namespace hybrid {

/// The size of dimension `dim` of `value`, from its type or from the operation
/// that made it; none where neither says it. Creates nothing.
std::optional<mlir::OpFoldResult> findSize(mlir::Value value, int64_t dim);

} // namespace hybrid

#endif // HYBRID_DIALECT_HYBRID_TRANSFORMS_SIZES_H
