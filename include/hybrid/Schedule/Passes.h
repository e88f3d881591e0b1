//===- Passes.h - level 2 to level 3 -----------------------------*- C++ -*-===//

#ifndef HYBRID_SCHEDULE_PASSES_H
#define HYBRID_SCHEDULE_PASSES_H

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Pass/Pass.h"

namespace hybrid {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "hybrid/Schedule/Passes.h.inc"

/// Marks kernels (a unit attribute).
inline constexpr llvm::StringLiteral kKernelAttr = "hybrid.kernel";
/// On launches: the number of the group that becomes one launch.
inline constexpr llvm::StringLiteral kGroupAttr = "hybrid.group";
/// On a kernel's parameter: every element is written and none is read.
inline constexpr llvm::StringLiteral kWriteOnlyAttr = "hybrid.writeonly";

} // namespace hybrid

#endif // HYBRID_SCHEDULE_PASSES_H
