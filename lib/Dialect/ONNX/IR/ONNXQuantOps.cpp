//===- ONNXQuantOps.cpp - Generated ops
//---------------------------------------===//

#include "hybrid/Dialect/ONNX/IR/ONNXQuantOps.h"

using namespace mlir;
using namespace hybrid::onnx;

#define GET_OP_CLASSES
#include "dialects/ONNX/ONNXQuantOps.cpp.inc"

void ONNXDialect::addQuantOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/ONNX/ONNXQuantOps.cpp.inc"
      >();
}
