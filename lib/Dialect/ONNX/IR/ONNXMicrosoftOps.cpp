//===- ONNXMicrosoftOps.cpp - Generated ops
//---------------------------------------===//

#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"

using namespace mlir;
using namespace hybrid::onnx;

#define GET_OP_CLASSES
#include "dialects/ONNX/ONNXMicrosoftOps.cpp.inc"

void ONNXDialect::addMicrosoftOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/ONNX/ONNXMicrosoftOps.cpp.inc"
      >();
}
