//===- Contraction.h - Products summed over indices -------------*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_CONTRACTION_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_CONTRACTION_H

#include "Raising.h"

namespace hybrid::onnx {

/// A tensor in a product, with the index that each of its dimensions has; -1
/// for a dimension of size 1 that is repeated.
struct Factor {
  mlir::Value value;
  llvm::SmallVector<int, 5> labels;
};

/// A tensor as the sum of products of others over all indices that are not its
/// own: Einsum, Mul with broadcasting, MatMul and ReduceSum, with Transpose,
/// Unsqueeze, Squeeze and Expand between them, all say it in their way.
class Contraction {
public:
  /// Of `value`, whose dimensions get the indices 0, 1, …; null if its rank is
  /// not known.
  static std::optional<Contraction> get(GraphView &view, mlir::Value value);

  llvm::ArrayRef<Factor> getFactors() const { return factors; }
  /// The only factor, if its dimensions have exactly these indices.
  mlir::Value getOnly(llvm::ArrayRef<int> labels) const;

private:
  explicit Contraction(GraphView &view) : view(view) {}

  void flatten(mlir::Value value, llvm::ArrayRef<int> labels);
  bool flattenEinsum(mlir::Operation *op, llvm::ArrayRef<int> labels);
  bool flattenProduct(mlir::Operation *op, llvm::ArrayRef<int> labels);
  bool flattenMatMul(mlir::Operation *op, llvm::ArrayRef<int> labels);
  bool flattenSum(mlir::Operation *op, llvm::ArrayRef<int> labels);
  bool flattenView(mlir::Operation *op, llvm::ArrayRef<int> labels);
  /// The indices of `operand`, which broadcasts from the right to `result`.
  llvm::SmallVector<int, 5> broadcast(mlir::Value operand, mlir::Value result,
                                      llvm::ArrayRef<int> labels);

  GraphView &view;
  llvm::SmallVector<Factor, 4> factors;
  int numLabels = 0;
};

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_CONTRACTION_H
