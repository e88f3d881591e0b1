//===- PassOptions.h - Options that shape passes share ----------*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_PASSOPTIONS_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_PASSOPTIONS_H

#include "hybrid/Dialect/ONNX/Transforms/SymbolicShape.h"
#include "llvm/ADT/ArrayRef.h"

namespace hybrid::onnx {

/// From "name=expression" entries; an error at `loc` for others.
inline mlir::FailureOr<SymbolicShapeOptions>
makeShapeOptions(llvm::ArrayRef<std::string> bindings, mlir::Location loc) {
  SymbolicShapeOptions options;
  for (llvm::StringRef binding : bindings) {
    auto [name, expression] = binding.split('=');
    if (name.trim().empty() || expression.trim().empty()) {
      mlir::emitError(loc) << "binding '" << binding
                           << "' is not of the form name=expression";
      return mlir::failure();
    }
    options.bindings[name.trim().str()] = expression.trim().str();
  }
  return options;
}

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_PASSOPTIONS_H
