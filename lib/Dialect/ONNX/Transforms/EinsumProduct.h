//===- EinsumProduct.h - Einsum as a product of matrices --------*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_EINSUMPRODUCT_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_EINSUMPRODUCT_H

#include "Raising.h"

namespace hybrid::onnx {
class EinsumOp;

/// An Einsum of rank 4 that has two dimensions for which it multiplies matrices
/// (batch and heads): its result, of Transposes around a MatMul in front of it.
/// `left` is the left factor, or null for the one whose index comes first. Null
/// for another Einsum.
mlir::Value createProduct(GraphView &view, EinsumOp einsum, mlir::Value left);

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_EINSUMPRODUCT_H
