//===- Positions.h - Tensors written a position at a time -------*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_POSITIONS_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_POSITIONS_H

#include "Raising.h"

namespace hybrid::onnx {

/// A tensor of which one position along `axis` is replaced by `update`, whose
/// size there is 1.
struct PositionWrite {
  mlir::Value data, update;
  int64_t axis, position;
};
/// Of a ScatterElements.
std::optional<PositionWrite> getPositionWrite(GraphView &view,
                                              mlir::Value value);
/// What Identity operators pass on.
mlir::Value skipIdentity(mlir::Value value);

/// What parts are put together to, all along one axis and in order.
struct Joined {
  mlir::Value value;
  int64_t axis;
  /// Whether an Unsqueeze gives the parts this axis.
  bool isNew;
};
/// Concat of `parts`, or one ScatterElements after another that write them to
/// all positions of a tensor; null if they are used otherwise, too.
std::optional<Joined> getJoined(GraphView &view,
                                llvm::ArrayRef<mlir::Value> parts);

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_POSITIONS_H
