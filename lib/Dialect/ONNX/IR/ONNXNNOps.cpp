//===- ONNXNNOps.cpp - Generated ops
//---------------------------------------===//

#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"

using namespace mlir;
using namespace hybrid::onnx;

#define GET_OP_CLASSES
#include "dialects/ONNX/ONNXNNOps.cpp.inc"

void ONNXDialect::addNNOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/ONNX/ONNXNNOps.cpp.inc"
      >();
}
