//===- LoweringImpl.h - what Lowering and its pass share --------*- C++ -*-===//

#ifndef HYBRID_LIB_CONVERSION_ONNXTOHYBRID_LOWERINGIMPL_H
#define HYBRID_LIB_CONVERSION_ONNXTOHYBRID_LOWERINGIMPL_H

#include "Lowering.h"

#include "llvm/ADT/DenseSet.h"

namespace hybrid {

struct Lowering::Impl {
  /// The block of the ONNX graph, and the new function's.
  mlir::Block *graph = nullptr, *body = nullptr;
  /// Ops of `graph` that must be lowered.
  llvm::DenseSet<mlir::Operation *> live;
  llvm::DenseMap<mlir::Value, Tensor> values;
  /// What a reshaped tensor was before: reshapes do not pile up.
  llvm::DenseMap<mlir::Value, Tensor> reshaped;
  llvm::DenseMap<mlir::AffineExpr, mlir::Value> sizes;
  llvm::DenseMap<mlir::Value, State *> pasts, presents;
  llvm::DenseMap<State *, mlir::Value> reads;
  llvm::SmallVector<std::pair<State *, Tensor>> writes;
  mlir::Operation *lastInHead = nullptr;
  /// An error was emitted that no return value could carry.
  bool broken = false;

  /// Creates an op in the entry's head: sizes, and reads of states.
  mlir::Value inHead(mlir::OpBuilder &b,
                     llvm::function_ref<mlir::Value(mlir::Location)> create);
  /// The elements, if all are known from shapes and constants alone.
  static std::optional<llvm::SmallVector<mlir::AffineExpr>>
  getKnown(const onnx::SymbolicShapes &symbols, mlir::Value value);
  /// The name at level 2 of the dimension of an input that `symbol` describes:
  /// letters, digits, dots and underscores. A symbol that is only a part of the
  /// dimension ("past" of "past + seq") isn't the dimension: that has a name of
  /// its own.
  static std::string getDimName(const onnx::SymbolInfo &symbol);
};

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_ONNXTOHYBRID_LOWERINGIMPL_H
