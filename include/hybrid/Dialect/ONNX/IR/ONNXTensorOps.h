//===- ONNXTensorOps.h - Tensor operators -----------------------*- C++ -*-===//

#ifndef HYBRID_DIALECT_ONNX_IR_ONNXTENSOROPS_H
#define HYBRID_DIALECT_ONNX_IR_ONNXTENSOROPS_H

#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "dialects/ONNX/ONNXTensorOps.h.inc"

#endif // HYBRID_DIALECT_ONNX_IR_ONNXTENSOROPS_H
