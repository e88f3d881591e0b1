//===- ONNXDialect.h - The onnx dialect, types and attributes ---*- C++ -*-===//

#ifndef HYBRID_DIALECT_ONNX_IR_ONNXDIALECT_H
#define HYBRID_DIALECT_ONNX_IR_ONNXDIALECT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/Operation.h"

#include "dialects/ONNX/ONNXDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/ONNX/ONNXTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/ONNX/ONNXAttributes.h.inc"

namespace hybrid::onnx {

/// The operator set version that gives `op`, an op of the onnx dialect, its
/// meaning: its own `onnx.opset`, or else the enclosing module's for its
/// domain; 0 if neither says.
int64_t getOpsetVersion(mlir::Operation *op);

/// "com.microsoft" for onnx.ms.*, the `domain` attribute of onnx.Unknown, and
/// "" for all others.
llvm::StringRef getDomain(mlir::Operation *op);

/// ONNX's name of the operator: "Add" for onnx.Add, "LinearAttention" for
/// onnx.ms.LinearAttention, the `op_type` attribute of onnx.Unknown.
llvm::StringRef getOpType(mlir::Operation *op);

/// The name of the node as in the file, from the location; if the node had
/// none, its operator and first output. Empty for ops without such a location.
std::string getNodeName(mlir::Location loc);

/// The bytes of `type` as in a file: elements below one byte are packed.
/// nullopt if the type isn't static, has no such size, or overflows.
std::optional<uint64_t> getByteSize(mlir::ShapedType type);

/// Whether `value` is an input that the node leaves out.
inline bool isAbsent(mlir::Value value) {
  return mlir::isa<mlir::NoneType>(value.getType());
}

} // namespace hybrid::onnx

#endif // HYBRID_DIALECT_ONNX_IR_ONNXDIALECT_H
