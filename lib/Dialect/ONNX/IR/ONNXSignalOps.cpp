//===- ONNXSignalOps.cpp - Generated ops
//---------------------------------------===//

#include "hybrid/Dialect/ONNX/IR/ONNXSignalOps.h"

using namespace mlir;
using namespace hybrid::onnx;

#define GET_OP_CLASSES
#include "dialects/ONNX/ONNXSignalOps.cpp.inc"

void ONNXDialect::addSignalOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/ONNX/ONNXSignalOps.cpp.inc"
      >();
}
