//===- Chunking.h - What chunked recurrences share --------------*- C++ -*-===//
//
// Exporters write recurrences over time in chunks: time padded and cut in two
// dimensions, triangular masks between the positions of a chunk, groups of
// heads repeated.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_CHUNKING_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_CHUNKING_H

#include "Raising.h"
#include "mlir/IR/BuiltinAttributes.h"

namespace hybrid::onnx {
class CumSumOp;

/// The elements of a Constant; null for other values.
mlir::DenseElementsAttr getDense(mlir::Value value);

/// What a triangular mask keeps for column <= row + diagonal, and replaces by
/// `masked` elsewhere in the last two dimensions: Where, or for 0 also Trilu;
/// null for other values.
mlir::Value skipTriangle(GraphView &view, mlir::Value value, int64_t diagonal,
                         double masked);

/// An inclusive sum from the front along the dimension `fromBack`, 1 for the
/// last.
bool isCumSumAlong(GraphView &view, CumSumOp op, int64_t fromBack);

/// v [..., T, ...] of Pad(v), by zeros behind T along `axis` only, or of any
/// other `value` itself; null for another Pad.
mlir::Value skipPad(GraphView &view, mlir::Value value, int64_t axis);
/// v of Reshape(v) with dimension `axis` cut in chunks and positions; or null.
mlir::Value skipCut(GraphView &view, mlir::Value value, int64_t axis);
/// Both: v as it was before it was padded and cut; or null.
mlir::Value getPerToken(GraphView &view, mlir::Value chunked, int64_t axis);

/// x [B, T, G, N] of Reshape(Expand or Tile(Unsqueeze(x))) [B, T, G · R, N];
/// `heads` itself if it is none.
mlir::Value getRepeated(GraphView &view, mlir::Value heads);

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_CHUNKING_H
