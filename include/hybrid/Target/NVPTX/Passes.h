//===- Passes.h - level 4 to level 5 on NVIDIA GPUs --------------*- C++
//-*-===//

#ifndef HYBRID_TARGET_NVPTX_PASSES_H
#define HYBRID_TARGET_NVPTX_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace hybrid {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "hybrid/Target/NVPTX/Passes.h.inc"

/// The nested module that hybrid-outline-device makes.
inline constexpr llvm::StringLiteral kDeviceModule = "device";

/// On kernels (a unit attribute): launched for one token of each sequence.
inline constexpr llvm::StringLiteral kFewRowsAttr = "hybrid.few_rows";

} // namespace hybrid

#endif // HYBRID_TARGET_NVPTX_PASSES_H
