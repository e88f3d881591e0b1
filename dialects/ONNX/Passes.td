//===- Passes.td - Passes inside the onnx dialect -------------------------===//

#ifndef HYBRID_DIALECT_ONNX_PASSES_TD
#define HYBRID_DIALECT_ONNX_PASSES_TD

include "mlir/Pass/PassBase.td"

def ONNXInferShapes : Pass<"onnx-infer-shapes", "::mlir::func::FuncOp"> {
  let summary = "Infer shapes and refine the types of all values";
  let description = [{
    Computes the symbolic shape of every value (see SymbolicShape.h) and writes
    what is static into the types. Dimensions that are expressions stay dynamic:
    the expressions live in the analysis, not in the IR.

    ```mlir
    func.func @main(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]})
        -> tensor<?x?xf32> {
      %perm = onnx.Transpose(%x) {perm = array<i64: 1, 0>}
          : (tensor<?x64xf32>) -> tensor<?x?xf32>
      return %perm : tensor<?x?xf32>
    }
    ```
    becomes
    ```mlir
    func.func @main(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]})
        -> tensor<64x?xf32> {
      %perm = onnx.Transpose(%x) {perm = array<i64: 1, 0>}
          : (tensor<?x64xf32>) -> tensor<64x?xf32>
      return %perm : tensor<64x?xf32>
    }
    ```
  }];
  let options = [
    ListOption<"bindings", "bindings", "std::string",
               "Names of dimensions as expressions over other names: "
               "total=past+seq (default: none)">
  ];
  let statistics = [
    Statistic<"numRefined", "num-refined", "Results whose type changed">
  ];
}

def ONNXPrintShapes : Pass<"onnx-print-shapes", "::mlir::func::FuncOp"> {
  let summary = "Print the symbolic shape of every value";
  let description = [{
    One line per result: its name in the file, its operator, its shape, and its
    elements if it is a small integer tensor whose elements are known; then one
    line per symbol that is not a dimension of an input, and the number of
    values with an unknown rank or with dimensions that depend on data.

    ```
    /layers.0/Reshape_output_0 Reshape [batch, seq, 8, 16]
    shape Concat [4] = {batch, seq, 8, 16}
    values 2, unknown rank 0, data-dependent 0
    ```
  }];
  let options = [
    ListOption<"bindings", "bindings", "std::string",
               "Names of dimensions as expressions over other names: "
               "total=past+seq (default: none)">,
    Option<"summaryOnly", "summary-only", "bool", "false",
           "Print only the last line">
  ];
}

#endif // HYBRID_DIALECT_ONNX_PASSES_TD
