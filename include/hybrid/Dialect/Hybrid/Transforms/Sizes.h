//===- Sizes.h - sizes of tensors from where they were made -----*- C++ -*-===//

#ifndef HYBRID_DIALECT_HYBRID_TRANSFORMS_SIZES_H
#define HYBRID_DIALECT_HYBRID_TRANSFORMS_SIZES_H

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/BuiltinOps.h"

namespace hybrid {

/// The size of dimension `dim` of `value`, from its type or from the operation
/// that made it; none where neither says it. Creates nothing.
std::optional<mlir::OpFoldResult> findSize(mlir::Value value, int64_t dim);

/// The symbol of a program with `role` (batch, seq, past, …), of which there is
/// at most one but for `dim`; null if there is none.
mlir::DictionaryAttr findSymbol(mlir::ModuleOp module, llvm::StringRef role);

/// The name of that symbol; empty if there is none.
llvm::StringRef findSymbolName(mlir::ModuleOp module, llvm::StringRef role);

} // namespace hybrid

#endif // HYBRID_DIALECT_HYBRID_TRANSFORMS_SIZES_H
