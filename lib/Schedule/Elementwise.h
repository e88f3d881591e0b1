//===- Elementwise.h - what elementwise operations do -----------*- C++ -*-===//

#ifndef HYBRID_LIB_SCHEDULE_ELEMENTWISE_H
#define HYBRID_LIB_SCHEDULE_ELEMENTWISE_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace hybrid {

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
