//===- IndexRange.h - Bounds of a slice -------------------------*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_INDEXRANGE_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_INDEXRANGE_H

#include "ShapeInference.h"

namespace hybrid::onnx {

/// What a slice picks of one axis: null where it is not known.
struct SliceRange {
  Expr first, count;
};

/// ONNX Slice of a dimension of size `dim`: `start` and `end` may be negative
/// (from the end) or out of range (clamped); `step` is not 0.
SliceRange sliceRange(OpShape &op, Expr dim, Expr start, Expr end,
                      int64_t step);

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_INDEXRANGE_H
