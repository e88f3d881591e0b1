//===- Passes.td - level 1 to level 2 ----------------------*- tablegen -*-===//

#ifndef HYBRID_CONVERSION_ONNXTOHYBRID_PASSES_TD
#define HYBRID_CONVERSION_ONNXTOHYBRID_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertONNXToHybridPass : Pass<"convert-onnx-to-hybrid", "::mlir::ModuleOp"> {
  let summary = "Lower the onnx dialect to level 2: hybrid and linalg on tensors";
  let description = [{
    Rewrites every function of the module, as `onnx-bind-states` and
    `onnx-specialize-entries` left them, into an entry function of level 2
    (docs/levels.md). Arguments with `onnx.state` become `hybrid.state`s;
    dynamic dimensions become affine expressions over `hybrid.dim`; the module
    gets `hybrid.symbols`. Shape arithmetic is not lowered at all.

    Capacities: no dimension of role batch, seq or dim may exceed its capacity at
    run time, and past + seq may not exceed that of past. Where the positions
    of tokens index a table of P rows (rotary embedding), past is limited to P.

    All nodes that cannot be lowered are reported, grouped by operator.

    ```mlir
    func.func @main(%x: tensor<?x64xf32> {onnx.name = "x", onnx.dims = ["n", 64]},
                    %w: tensor<64xf32> {onnx.name = "w", onnx.dims = [64]})
        -> (tensor<?x64xf32> {onnx.name = "y", onnx.dims = ["n", 64]}) {
      %0 = onnx.RMSNormalization(%x, %w) {epsilon = 1.0e-06 : f32}
        : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
      return %0 : tensor<?x64xf32>
    }
    ```
    becomes
    ```mlir
    func.func @main(%x: tensor<?x64xf32> {hybrid.dims = ["n", 64], hybrid.name = "x", hybrid.role = "data"}, …)
        -> (tensor<?x64xf32> {hybrid.dims = ["n", 64], hybrid.name = "y"}) attributes {hybrid.entry} {
      %n = hybrid.dim "n"
      %0 = tensor.empty(%n) : tensor<?x64xf32>
      %1 = hybrid.norm rms ins(%x : tensor<?x64xf32>) scale(%w : tensor<64xf32>)
             outs(%0 : tensor<?x64xf32>) {axis = 1 : i64, epsilon = 9.9999999747524271E-7 : f64} -> tensor<?x64xf32>
      return %1 : tensor<?x64xf32>
    }
    ```
  }];
  let options = [
    Option<"maxBatch", "max-batch", "int64_t", "8",
           "Capacity of the batch dimension">,
    Option<"maxSeq", "max-seq", "int64_t", "2048",
           "Most tokens of one sequence in one call">,
    Option<"maxContext", "max-context", "int64_t", "4096",
           "Most tokens that a session holds, this call's included">,
    ListOption<"dims", "dim", "std::string",
               "Capacities of other dimensions, name:capacity (default: 4096 each)">
  ];
  let dependentDialects = [
    "::hybrid::HybridDialect", "::mlir::affine::AffineDialect",
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
}

#endif // HYBRID_CONVERSION_ONNXTOHYBRID_PASSES_TD
