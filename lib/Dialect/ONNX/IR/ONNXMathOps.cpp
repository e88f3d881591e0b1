//===- ONNXMathOps.cpp - Generated ops
//---------------------------------------===//

#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"

using namespace mlir;
using namespace hybrid::onnx;

#define GET_OP_CLASSES
#include "dialects/ONNX/ONNXMathOps.cpp.inc"

void ONNXDialect::addMathOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/ONNX/ONNXMathOps.cpp.inc"
      >();
}
