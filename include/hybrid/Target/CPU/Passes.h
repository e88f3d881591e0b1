//===- Passes.h - level 4 to level 5 on the CPU ------------------*- C++ -*-===//

#ifndef HYBRID_TARGET_CPU_PASSES_H
#define HYBRID_TARGET_CPU_PASSES_H

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace hybrid {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "hybrid/Target/CPU/Passes.h.inc"

/// On functions that lower-to-abi made for a GPU.
inline constexpr llvm::StringLiteral kDeviceAttr = "hybrid.device";

} // namespace hybrid

#endif // HYBRID_TARGET_CPU_PASSES_H
