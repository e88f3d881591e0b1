//===- Passes.h - level 1 to level 2 -----------------------------*- C++ -*-===//

#ifndef HYBRID_CONVERSION_ONNXTOHYBRID_PASSES_H
#define HYBRID_CONVERSION_ONNXTOHYBRID_PASSES_H

#include "mlir/Pass/Pass.h"

namespace hybrid {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "lib/Conversion/ONNXToHybrid/Passes.h.inc"

} // namespace hybrid

#endif // HYBRID_CONVERSION_ONNXTOHYBRID_PASSES_H
