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
    16-bit floats are formed in float32. Operations of branches that do not run side
    by side (`form` is sequential or merged) get locations with a `#hybrid.branch`,
    which `hybrid-group-launches` heeds. Leaves a remark for each operation.

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

def TrimOutputsPass : Pass<"hybrid-trim-outputs", "::mlir::ModuleOp"> {
  let summary = "compute outputs only from a position on that the call chooses";
  let description = [{
    A generator reads the logits of a prompt's last position only. Where an entry
    has an output of shape [batch, seq, …], this pass adds a symbol of role `from`
    (0 ≤ from < seq; 0 keeps everything), gives the output the shape
    [batch, seq - from, …] and moves the slice `[:, from:]` up through what works
    position by position: contractions with weights, elementwise operations,
    norms, casts and reshapes that keep batch and positions, alone or merged into
    one dimension. It stops at a value that another operation needs whole, so
    states stay as they are. An output is trimmed only where a contraction
    with a weight then has fewer rows. Leaves a remark for each output of that
    shape.

    ```mlir
    module attributes {hybrid.symbols = [{name = "batch", role = "batch", capacity = 4 : i64}, {name = "seq", role = "seq", capacity = 64 : i64} ]} {
      func.func @prefill(%x: tensor<?x?x8xf32> {hybrid.dims = ["batch", "seq", 8], hybrid.name = "x"}) -> (tensor<?x?x32xf32> {hybrid.dims = ["batch", "seq", 32], hybrid.name = "logits"}) attributes {hybrid.entry} {
        %b = hybrid.dim "batch"
        %t = hybrid.dim "seq"
        %w = hybrid.weight "head" from "model.onnx"[0, 1024] : tensor<8x32xf32>
        %e = tensor.empty(%b, %t) : tensor<?x?x8xf32>
        %n = hybrid.norm rms ins(%x : tensor<?x?x8xf32>) outs(%e : tensor<?x?x8xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<?x?x8xf32>
        %rows = tensor.collapse_shape %n [[0, 1], [2]] : tensor<?x?x8xf32> into tensor<?x8xf32>
        %m = affine.apply affine_map<()[s0, s1] -> (s0 * s1)>()[%b, %t]
        %zero = arith.constant 0.0 : f32
        %o = tensor.empty(%m) : tensor<?x32xf32>
        %f = linalg.fill ins(%zero : f32) outs(%o : tensor<?x32xf32>) -> tensor<?x32xf32>
        %y = linalg.matmul ins(%rows, %w : tensor<?x8xf32>, tensor<8x32xf32>) outs(%f : tensor<?x32xf32>) -> tensor<?x32xf32>
        %logits = tensor.expand_shape %y [[0, 1], [2]] output_shape [%b, %t, 32] : tensor<?x32xf32> into tensor<?x?x32xf32>
        return %logits : tensor<?x?x32xf32>
      }
    }
    ```

    becomes

    ```mlir
    module attributes {hybrid.symbols = [{name = "batch", role = "batch", capacity = 4 : i64}, {name = "seq", role = "seq", capacity = 64 : i64}, {name = "from", role = "from", capacity = 64 : i64} ]} {
      func.func @prefill(%x: tensor<?x?x8xf32> {hybrid.dims = ["batch", "seq", 8], hybrid.name = "x"}) -> (tensor<?x?x32xf32> {hybrid.dims = ["batch", "seq - from", 32], hybrid.name = "logits"}) attributes {hybrid.entry} {
        %b = hybrid.dim "batch"
        %t = hybrid.dim "seq"
        %from = hybrid.dim "from"
        %wanted = affine.apply affine_map<()[s0, s1] -> (s0 - s1)>()[%t, %from]
        %w = hybrid.weight "head" from "model.onnx"[0, 1024] : tensor<8x32xf32>
        %s = tensor.extract_slice %x[0, %from, 0] [%b, %wanted, 8] [1, 1, 1] : tensor<?x?x8xf32> to tensor<?x?x8xf32>
        %e = tensor.empty(%b, %wanted) : tensor<?x?x8xf32>
        %n = hybrid.norm rms ins(%s : tensor<?x?x8xf32>) outs(%e : tensor<?x?x8xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<?x?x8xf32>
        %rows = tensor.collapse_shape %n [[0, 1], [2]] : tensor<?x?x8xf32> into tensor<?x8xf32>
        %m = affine.apply affine_map<()[s0, s1] -> (s0 * s1)>()[%b, %wanted]
        %zero = arith.constant 0.0 : f32
        %o = tensor.empty(%m) : tensor<?x32xf32>
        %f = linalg.fill ins(%zero : f32) outs(%o : tensor<?x32xf32>) -> tensor<?x32xf32>
        %y = linalg.matmul ins(%rows, %w : tensor<?x8xf32>, tensor<8x32xf32>) outs(%f : tensor<?x32xf32>) -> tensor<?x32xf32>
        %logits = tensor.expand_shape %y [[0, 1], [2]] output_shape [%b, %wanted, 32] : tensor<?x32xf32> into tensor<?x?x32xf32>
        return %logits : tensor<?x?x32xf32>
      }
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numOutputs", "num-outputs", "outputs trimmed">,
    Statistic<"numOperations", "num-operations", "operations that have fewer rows">,
    Statistic<"numContractions", "num-contractions", "contractions among them">
  ];
}

#endif // HYBRID_PASSES_TD
