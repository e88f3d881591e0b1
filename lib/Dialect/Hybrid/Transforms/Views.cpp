//===- Views.cpp - what tensors are views of ------------------------------===//

#include "hybrid/Dialect/Hybrid/Transforms/Views.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

bool hybrid::isView(Operation *op) {
  return isa<tensor::ExtractSliceOp, tensor::CastOp, tensor::ExpandShapeOp,
             tensor::CollapseShapeOp>(op);
}

Value hybrid::getViewed(Value value) {
  Operation *def = value.getDefiningOp();
  return def && isView(def) ? def->getOperand(0) : Value();
}

Value hybrid::skipViews(Value value) {
  while (Value viewed = getViewed(value))
    value = viewed;
  return value;
}
