//===- ONNXTensorOps.cpp - Generated ops
//---------------------------------------===//

#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

using namespace mlir;
using namespace hybrid::onnx;

#define GET_OP_CLASSES
#include "dialects/ONNX/ONNXTensorOps.cpp.inc"

void ONNXDialect::addTensorOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/ONNX/ONNXTensorOps.cpp.inc"
      >();
}
