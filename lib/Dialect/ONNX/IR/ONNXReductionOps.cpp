//===- ONNXReductionOps.cpp - Generated ops
//---------------------------------------===//

#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"

using namespace mlir;
using namespace hybrid::onnx;

#define GET_OP_CLASSES
#include "dialects/ONNX/ONNXReductionOps.cpp.inc"

void ONNXDialect::addReductionOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/ONNX/ONNXReductionOps.cpp.inc"
      >();
}
