//===- Contraction.h - Products summed over indices -------------*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_CONTRACTION_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_CONTRACTION_H

#include "Raising.h"

namespace hybrid::onnx {

/// A tensor in a product, with the index that each of its dimensions has; -1
/// for a dimension of size 1 that is repeated, getFixedLabel(i) for one of
/// which only position i is read.
struct Factor {
  mlir::Value value;
  llvm::SmallVector<int, 5> labels;

  bool operator==(const Factor &other) const {
    return value == other.value && labels == other.labels;
  }
};

inline int getFixedLabel(int64_t position) {
  return -2 - static_cast<int>(position);
}

/// The indices of `operand`, which broadcasts from the right to `result`, whose
/// dimensions have the indices `labels`.
llvm::SmallVector<int, 5> getBroadcastLabels(const GraphView &view,
                                             mlir::Value operand,
                                             mlir::Value result,
                                             llvm::ArrayRef<int> labels);

/// A tensor as the sum of products of others over all indices that are not its
/// own: Einsum, Mul with broadcasting, MatMul and ReduceSum, with Transpose,
/// Unsqueeze, Squeeze and Expand between them, all say it in their way.
class Contraction {
public:
  /// Of `value`, whose dimensions get the indices 0, 1, …; null if its rank is
  /// not known.
  static std::optional<Contraction> get(GraphView &view, mlir::Value value);
  /// The same where its dimensions have the indices `labels`, and where also
  /// what one position is taken of (Gather, Slice, Split) is a factor. Indices
  /// that are summed over count from behind the largest one, and `numReserved`.
  static Contraction getAt(GraphView &view, mlir::Value value,
                           llvm::ArrayRef<int> labels, int numReserved = 0);

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
  bool flattenPosition(mlir::Value value, llvm::ArrayRef<int> labels);

  GraphView &view;
  llvm::SmallVector<Factor, 4> factors;
  int numLabels = 0;
  bool readsPositions = false;
};

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_CONTRACTION_H
