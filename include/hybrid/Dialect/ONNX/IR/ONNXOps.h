//===- ONNXOps.h - All ops of the onnx dialect ------------------*- C++ -*-===//

#ifndef HYBRID_DIALECT_ONNX_IR_ONNXOPS_H
#define HYBRID_DIALECT_ONNX_IR_ONNXOPS_H

#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXQuantOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXSignalOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

#endif // HYBRID_DIALECT_ONNX_IR_ONNXOPS_H
