//===- ONNX.td - The onnx dialect -----------------------------------------===//

#ifndef HYBRID_DIALECT_ONNX_ONNX_TD
#define HYBRID_DIALECT_ONNX_ONNX_TD

include "dialects/ONNX/ONNXBase.td"
include "dialects/ONNX/ONNXCoreOps.td"
include "dialects/ONNX/ONNXMathOps.td"
include "dialects/ONNX/ONNXMicrosoftOps.td"
include "dialects/ONNX/ONNXNNOps.td"
include "dialects/ONNX/ONNXQuantOps.td"
include "dialects/ONNX/ONNXReductionOps.td"
include "dialects/ONNX/ONNXSignalOps.td"
include "dialects/ONNX/ONNXTensorOps.td"

#endif // HYBRID_DIALECT_ONNX_ONNX_TD
