//===- HybridDialect.td - the hybrid dialect ---------------*- tablegen -*-===//
//
// See docs/Dialects/Hybrid.md for the rationale.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_DIALECT_TD
#define HYBRID_DIALECT_TD

include "mlir/IR/OpBase.td"

def Hybrid_Dialect : Dialect {
  let name = "hybrid";
  let cppNamespace = "::hybrid";
  let summary = "What hybrid language models are made of";
  let description = [{
    Softmax attention, recurrences over time, short causal convolutions, rotary
    embedding and normalisation as single operations in destination style, with
    the states that they carry from call to call. Operations take tensors
    (levels 2 and 3 of the compiler) or memrefs (level 4). Every constraint of
    an operation is numbered; verifier messages cite the number.
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let useDefaultAttributePrinterParser = 1;
}

#endif // HYBRID_DIALECT_TD
