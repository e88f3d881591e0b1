//===- Elementwise.h - what elementwise operations do -----------*- C++ -*-===//

#ifndef HYBRID_LIB_SCHEDULE_ELEMENTWISE_H
#define HYBRID_LIB_SCHEDULE_ELEMENTWISE_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace hybrid {

/// The elementwise operation that makes `tensor`: one loop per dimension, all
/// parallel, the output's elements in their order. Null if it is none.
mlir::linalg::GenericOp getElementwise(mlir::Value tensor);

/// Behind conversions between floats: rounding between steps in 16 bits is left
/// out, the result gets more exact.
mlir::Value skipRounding(mlir::Value scalar);

/// The operand of `op` that `scalar` in its body is an element of, or null.
mlir::OpOperand *getInput(mlir::linalg::GenericOp op, mlir::Value scalar);

/// What the body computes, before rounding.
mlir::Value getYielded(mlir::linalg::GenericOp op);

/// The factors where `op` is a product of elements of two tensors.
struct Product {
  mlir::linalg::GenericOp op;
  mlir::OpOperand *left = nullptr, *right = nullptr;
};
/// None if `op` is null or no product.
std::optional<Product> getProduct(mlir::linalg::GenericOp op);

/// Whether an operand's elements are read in the order of the loops.
bool isInOrder(mlir::OpOperand *operand);

/// The body only yields an input: a broadcast, a transpose or a copy.
inline bool isDataMovement(mlir::linalg::GenericOp op) {
  mlir::Block &body = *op.getBody();
  if (body.getOperations().size() != 1)
    return false;
  auto arg =
      llvm::dyn_cast<mlir::BlockArgument>(body.getTerminator()->getOperand(0));
  return arg && arg.getArgNumber() < op.getNumDpsInputs();
}

/// Merging would turn code that vectorises into code that walks memory
/// element by element: the body loads, branches or loops.
inline bool hasControlOrLoads(mlir::linalg::GenericOp op) {
  return llvm::any_of(*op.getBody(), [](mlir::Operation &inner) {
    return inner.getNumRegions() > 0 ||
           llvm::isa<mlir::tensor::ExtractOp>(inner);
  });
}

} // namespace hybrid

#endif // HYBRID_LIB_SCHEDULE_ELEMENTWISE_H
