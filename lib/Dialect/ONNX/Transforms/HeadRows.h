//===- HeadRows.h - Heads behind the time -----------------------*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_HEADROWS_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_HEADROWS_H

#include "Raising.h"

namespace hybrid::onnx {

/// Makes [B, T, H, ...] of [B, H, T, ...], as LinearAttention packs it. What
/// exporters compute for each position and head behind their transpose
/// (normalisation, scale, casts) is computed before it instead, and once for
/// each group of heads that they repeat.
class HeadRows {
public:
  /// What it makes, `raised` inserts.
  HeadRows(GraphView &view, RaisedBuilder &raised)
      : view(view), raised(raised) {}

  /// The number of heads of `value` [B, H, T, N] before they are repeated.
  int64_t getGroups(mlir::Value value);
  /// `value` [B, H, T, N] or [B, H, T] as [B, T, heads, ...]; heads is H or
  /// getGroups(value).
  mlir::Value get(mlir::Value value, int64_t heads);
  /// [B, T, H, N] as [B, T, channels].
  mlir::Value flatten(mlir::Value value, int64_t channels);
  /// [B, T, H · N] as [B, H, T, N].
  mlir::Value unflatten(mlir::Value value, int64_t heads, int64_t channels);

private:
  mlir::Value getUntransposed(mlir::Value value);
  bool isPerHead(mlir::Operation *op);
  mlir::Value transpose(mlir::Value value);

  GraphView &view;
  RaisedBuilder &raised;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, mlir::Value> known;
};

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_HEADROWS_H
