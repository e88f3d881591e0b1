//===- Passes.td - passes of the hybrid dialect ------------*- tablegen -*-===//

#ifndef HYBRID_PASSES_TD
#define HYBRID_PASSES_TD

include "mlir/Pass/PassBase.td"

def InterpretPass : Pass<"hybrid-interpret", "::mlir::ModuleOp"> {
  let summary = "evaluate functions and print what they return";
  let description = [{
    Evaluates every public function without arguments by the reference evaluator
    (plain loops in float64: the meaning of the operations) and prints one line
    per result to the standard output. The module stays as it is. Operations
    that the evaluator knows: the hybrid computations, `hybrid.parallel`,
    `hybrid.dim`, `arith.constant`, `tensor.empty` (zeros), `tensor.dim` and
    `linalg.fill`.

    For

    ```mlir
    func.func @running_sum() -> tensor<4xf32> {
      %x = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
      %o = tensor.empty() : tensor<4xf32>
      %r = hybrid.cumsum ins(%x : tensor<4xf32>) outs(%o : tensor<4xf32>) {axis = 0 : i64} -> tensor<4xf32>
      return %r : tensor<4xf32>
    }
    ```

    it prints

    ```
    running_sum#0: 4 [1, 3, 6, 10]
    ```
  }];
  let options = [
    ListOption<"dims", "dims", "std::string",
               "values of hybrid.dim, as name=value">
  ];
  let statistics = [
    Statistic<"numFunctions", "num-functions", "functions evaluated">
  ];
}

def LowerParallelPass : Pass<"hybrid-lower-parallel"> {
  let summary = "turn hybrid.parallel into its branches and their combination";
  let description = [{
    The branches follow each other in the surrounding block; one `linalg.generic`
    combines their values, for `concat` a chain of `tensor.insert_slice`. Sums of
    16-bit floats are formed in float32. Leaves a remark for each operation.

    ```mlir
    func.func @add(%a: tensor<2x8xf32>, %b: tensor<2x8xf32>) -> tensor<2x8xf32> {
      %r = hybrid.parallel add {
        hybrid.yield %a : tensor<2x8xf32>
      }, {
        hybrid.yield %b : tensor<2x8xf32>
      } : tensor<2x8xf32>
      return %r : tensor<2x8xf32>
    }
    ```

    becomes

    ```mlir
    #map = affine_map<(d0, d1) -> (d0, d1)>
    func.func @add(%a: tensor<2x8xf32>, %b: tensor<2x8xf32>) -> tensor<2x8xf32> {
      %0 = tensor.empty() : tensor<2x8xf32>
      %1 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
             ins(%a, %b : tensor<2x8xf32>, tensor<2x8xf32>) outs(%0 : tensor<2x8xf32>) {
      ^bb0(%in: f32, %in_0: f32, %out: f32):
        %2 = arith.addf %in, %in_0 : f32
        linalg.yield %2 : f32
      } -> tensor<2x8xf32>
      return %1 : tensor<2x8xf32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numParallels", "num-parallels", "parallel operations lowered">,
    Statistic<"numBranches", "num-branches", "branches inlined">
  ];
}

#endif // HYBRID_PASSES_TD
