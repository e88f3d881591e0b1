//===- Passes.h - passes of the hybrid dialect -------------------*- C++
//-*-===//

#ifndef HYBRID_DIALECT_HYBRID_TRANSFORMS_PASSES_H
#define HYBRID_DIALECT_HYBRID_TRANSFORMS_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace hybrid {

#define GEN_PASS_DECL
#include "dialects/Hybrid/HybridPasses.h.inc"

/// registerHybridPasses(), and one function per pass.
#define GEN_PASS_REGISTRATION
#include "dialects/Hybrid/HybridPasses.h.inc"

} // namespace hybrid

#endif // HYBRID_DIALECT_HYBRID_TRANSFORMS_PASSES_H
