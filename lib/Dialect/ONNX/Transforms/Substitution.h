//===- Substitution.h - Unrolled forward substitution -----------*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_SUBSTITUTION_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_SUBSTITUTION_H

#include "Raising.h"

namespace hybrid::onnx {

/// P of (I + strictly lower part of P)⁻¹ in the last two dimensions, L x L,
/// that is computed a row at a time, as exporters unroll it:
///
///   X = -lower(P);  X[i, :i] += X[i, :i] · X[:i, :i] for i = 1 … L - 1;  X + I
///
/// Null if `value` is no such sum; `why` then says what is wrong if it is a sum
/// with an identity matrix.
mlir::Value getSubstituted(GraphView &view, mlir::Value value,
                           const char *&why);
/// Whether `value` is a sum with an identity matrix; the other operand.
mlir::Value skipIdentityMatrix(GraphView &view, mlir::Value value);

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_SUBSTITUTION_H
