//===- ArgumentDims.h - Symbols for dims of graph inputs --------*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_ARGUMENTDIMS_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_ARGUMENTDIMS_H

#include "ShapeInference.h"
#include "llvm/ADT/SetVector.h"

namespace hybrid::onnx {

/// Finds the symbols of a graph and gives every dynamic dimension of its inputs
/// an expression over them.
class ArgumentDims {
public:
  struct Dim {
    mlir::BlockArgument argument;
    int64_t index;
    /// The name in the file.
    std::string text;
    Expr expr;
  };

  ArgumentDims(mlir::func::FuncOp func, const SymbolicShapeOptions &options,
               SymbolicAlgebra &math);

  void run();
  llvm::ArrayRef<Dim> getDims() const { return dims; }
  const std::map<std::string, std::string> &getBindings() const {
    return bindings;
  }
  /// A name of the file: bound, or a symbol; null if it has no value.
  Expr lookup(llvm::StringRef name) {
    llvm::SetVector<llvm::StringRef> unknown;
    Expr expr = resolve(name, unknown, 0);
    return unknown.empty() ? expr : Expr();
  }

private:
  void collect();
  bool isPlainName(llvm::StringRef text);
  int64_t minimumOf(const Dim &dim, llvm::StringRef name) const;
  void nameExactly(Dim &dim, llvm::StringRef name);
  bool define(Dim &dim, size_t maxUnknown);
  Expr resolve(llvm::StringRef name, llvm::SetVector<llvm::StringRef> &unknown,
               unsigned depth);

  mlir::func::FuncOp func;
  SymbolicShapeOptions options;
  SymbolicAlgebra &math;
  std::map<std::string, std::string> bindings;
  std::vector<Dim> dims;
};

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_ARGUMENTDIMS_H
