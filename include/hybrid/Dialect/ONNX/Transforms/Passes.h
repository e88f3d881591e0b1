//===- Passes.h - Passes inside the onnx dialect ----------------*- C++ -*-===//

#ifndef HYBRID_DIALECT_ONNX_TRANSFORMS_PASSES_H
#define HYBRID_DIALECT_ONNX_TRANSFORMS_PASSES_H

#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "hybrid/Dialect/ONNX/Transforms/SymbolicShape.h"
#include "mlir/Pass/Pass.h"

namespace hybrid::onnx {

#define GEN_PASS_DECL
#include "dialects/ONNX/ONNXPasses.h.inc"

#define GEN_PASS_REGISTRATION
#include "dialects/ONNX/ONNXPasses.h.inc"

} // namespace hybrid::onnx

#endif // HYBRID_DIALECT_ONNX_TRANSFORMS_PASSES_H
