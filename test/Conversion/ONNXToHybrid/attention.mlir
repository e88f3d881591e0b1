// RUN: hybrid-opt %s --split-input-file --convert-onnx-to-hybrid --cse | FileCheck %s

// Heads of rank 3 are split, not transposed.
module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%q: tensor<?x?x64xf32> {onnx.name = "q", onnx.dims = ["b", "t", 64]},
                  %k: tensor<?x?x32xf32> {onnx.name = "k", onnx.dims = ["b", "s", 32]},
                  %v: tensor<?x?x32xf32> {onnx.name = "v", onnx.dims = ["b", "s", 32]})
      -> (tensor<?x?x64xf32> {onnx.name = "y", onnx.dims = ["b", "t", 64]}) {
    %none = onnx.None : none
    %y:4 = onnx.Attention(%q, %k, %v, %none, %none, %none, %none) {q_num_heads = 4 : i64, kv_num_heads = 2 : i64, is_causal = 1 : i64, softcap = 2.0 : f32, scale = 0.5 : f32}
      : (tensor<?x?x64xf32>, tensor<?x?x32xf32>, tensor<?x?x32xf32>, none, none, none, none) -> (tensor<?x?x64xf32>, none, none, none)
    return %y#0 : tensor<?x?x64xf32>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[Q:.*]]: tensor<?x?x64xf32> {hybrid.dims = ["b", "t", 64], hybrid.name = "q", hybrid.role = "data"}
// CHECK-DAG:  %[[B:.*]] = hybrid.dim "b"
// CHECK-DAG:  %[[T:.*]] = hybrid.dim "t"
// CHECK-DAG:  %[[S:.*]] = hybrid.dim "s"
// CHECK:      %[[QH:.*]] = tensor.expand_shape %[[Q]] {{.*}} into tensor<?x?x4x16xf32>
// CHECK:      %[[KH:.*]] = tensor.expand_shape {{.*}} into tensor<?x?x2x16xf32>
// CHECK:      %[[VH:.*]] = tensor.expand_shape {{.*}} into tensor<?x?x2x16xf32>
// CHECK:      %[[E:.*]] = tensor.empty(%[[B]], %[[T]]) : tensor<?x?x4x16xf32>
// CHECK:      %[[Y:.*]] = hybrid.attention ins(%[[QH]], %[[KH]], %[[VH]] :
// CHECK-SAME: kv_length(%[[S]]) q_offset(%c0) outs(%[[E]]
// CHECK-SAME: {causal, kv_layout = #hybrid.layout<bthd>, q_layout = #hybrid.layout<bthd>, scale = 5.000000e-01 : f64, softcap = 2.000000e+00 : f64}
// CHECK:      %[[R:.*]] = tensor.collapse_shape %[[Y]]
// CHECK:      return %[[R]]

// -----

// A mask, a plain cache: it is joined with the new keys, and returned.
module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%q: tensor<2x4x?x8xf16> {onnx.name = "q", onnx.dims = [2, 4, "t", 8]},
                  %k: tensor<2x2x?x8xf16> {onnx.name = "k", onnx.dims = [2, 2, "t", 8]},
                  %v: tensor<2x2x?x8xf16> {onnx.name = "v", onnx.dims = [2, 2, "t", 8]},
                  %m: tensor<?x?xi1> {onnx.name = "m", onnx.dims = ["t", "p + t"]},
                  %pk: tensor<2x2x?x8xf16> {onnx.name = "pk", onnx.dims = [2, 2, "p", 8]},
                  %pv: tensor<2x2x?x8xf16> {onnx.name = "pv", onnx.dims = [2, 2, "p", 8]})
      -> (tensor<2x4x?x8xf16> {onnx.name = "y", onnx.dims = [2, 4, "t", 8]}, tensor<2x2x?x8xf16> {onnx.name = "nk", onnx.dims = [2, 2, "p + t", 8]},
          tensor<2x2x?x8xf16> {onnx.name = "nv", onnx.dims = [2, 2, "p + t", 8]}) {
    %none = onnx.None : none
    %y:4 = onnx.Attention(%q, %k, %v, %m, %pk, %pv, %none) {is_causal = 1 : i64}
      : (tensor<2x4x?x8xf16>, tensor<2x2x?x8xf16>, tensor<2x2x?x8xf16>, tensor<?x?xi1>, tensor<2x2x?x8xf16>, tensor<2x2x?x8xf16>, none)
      -> (tensor<2x4x?x8xf16>, tensor<2x2x?x8xf16>, tensor<2x2x?x8xf16>, none)
    return %y#0, %y#1, %y#2 : tensor<2x4x?x8xf16>, tensor<2x2x?x8xf16>, tensor<2x2x?x8xf16>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK-DAG:  %[[T:.*]] = hybrid.dim "t"
// CHECK-DAG:  %[[P:.*]] = hybrid.dim "p"
// CHECK-DAG:  %[[N:.*]] = affine.apply #{{.*}}()[%[[T]], %[[P]]]
// CHECK:      tensor.insert_slice %arg4 into
// CHECK:      %[[K:.*]] = tensor.insert_slice %arg1 into %{{.*}}[0, 0, %[[P]], 0]
// CHECK:      tensor.insert_slice %arg5 into
// CHECK:      %[[V:.*]] = tensor.insert_slice %arg2 into %{{.*}}[0, 0, %[[P]], 0]
// CHECK:      %[[Y:.*]] = hybrid.attention ins(%arg0, %[[K]], %[[V]] : {{.*}}) mask(%arg3 : tensor<?x?xi1>) kv_length(%[[N]]) q_offset(%[[P]])
// CHECK:      return %[[Y]], %[[K]], %[[V]]

// -----

// Valid lengths per sequence.
module attributes {onnx.opsets = {ai.onnx = 24 : i64}} {
  func.func @main(%q: tensor<2x4x1x8xf32> {onnx.name = "q", onnx.dims = [2, 4, 1, 8]},
                  %k: tensor<2x4x9x8xf32> {onnx.name = "k", onnx.dims = [2, 4, 9, 8]},
                  %n: tensor<2xi64> {onnx.name = "n", onnx.dims = [2]})
      -> (tensor<2x4x1x8xf32> {onnx.name = "y", onnx.dims = [2, 4, 1, 8]}) {
    %none = onnx.None : none
    %y:4 = onnx.Attention(%q, %k, %k, %none, %none, %none, %n)
      : (tensor<2x4x1x8xf32>, tensor<2x4x9x8xf32>, tensor<2x4x9x8xf32>, none, none, none, tensor<2xi64>)
      -> (tensor<2x4x1x8xf32>, none, none, none)
    return %y#0 : tensor<2x4x1x8xf32>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:      hybrid.attention {{.*}} lengths(%arg2 : tensor<2xi64>) kv_length(%c9) q_offset(%c0)
// CHECK-NOT:  causal

// -----

// Where the scores are a result, they are formed step by step.
module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%q: tensor<2x4x3x8xf16> {onnx.name = "q", onnx.dims = [2, 4, 3, 8]},
                  %k: tensor<2x2x9x8xf16> {onnx.name = "k", onnx.dims = [2, 2, 9, 8]})
      -> (tensor<2x4x3x8xf16> {onnx.name = "y", onnx.dims = [2, 4, 3, 8]}, tensor<2x4x3x9xf16> {onnx.name = "qk", onnx.dims = [2, 4, 3, 9]}) {
    %none = onnx.None : none
    %y:4 = onnx.Attention(%q, %k, %k, %none, %none, %none, %none) {qk_matmul_output_mode = 3 : i64, is_causal = 1 : i64}
      : (tensor<2x4x3x8xf16>, tensor<2x2x9x8xf16>, tensor<2x2x9x8xf16>, none, none, none, none)
      -> (tensor<2x4x3x8xf16>, none, none, tensor<2x4x3x9xf16>)
    return %y#0, %y#3 : tensor<2x4x3x8xf16>, tensor<2x4x3x9xf16>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK-NOT:  hybrid.attention
// Q·K over groups of query heads, in f32.
// CHECK:      linalg.generic {{.*}}iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "reduction"]} ins(%{{.*}}, %arg1 : tensor<2x2x2x3x8xf16>, tensor<2x2x9x8xf16>) outs(%{{.*}} : tensor<2x2x2x3x9xf32>)
// Keys after the query are not visible.
// CHECK:      %[[COL:.*]] = linalg.index 3
// CHECK:      %[[ROW:.*]] = linalg.index 2
// CHECK:      %[[POS:.*]] = arith.addi %[[ROW]], %c0
// CHECK:      arith.cmpi sle, %[[COL]], %[[POS]]
// CHECK:      arith.maximumf
// CHECK:      math.exp
// CHECK:      %[[P:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<2x4x3x9xf32>)
// CHECK:      arith.divf
// CHECK:      linalg.generic {{.*}} ins(%{{.*}}, %arg1 : tensor<2x2x2x3x9xf32>, tensor<2x2x9x8xf16>) outs(%{{.*}} : tensor<2x2x2x3x8xf32>)
// CHECK:      %[[SCORES:.*]] = linalg.generic {{.*}} ins(%[[P]] : tensor<2x4x3x9xf32>) outs(%{{.*}} : tensor<2x4x3x9xf16>)
// CHECK:      return %{{.*}}, %[[SCORES]]

// -----

module attributes {onnx.opsets = {ai.onnx = 24 : i64}} {
  func.func @main(%c: tensor<2x4x16x8xf32> {onnx.name = "c", onnx.dims = [2, 4, 16, 8]},
                  %u: tensor<2x4x?x8xf32> {onnx.name = "u", onnx.dims = [2, 4, "t", 8]},
                  %n: tensor<2xi64> {onnx.name = "n", onnx.dims = [2]})
      -> (tensor<2x4x16x8xf32> {onnx.name = "y", onnx.dims = [2, 4, 16, 8]}) {
    %y = onnx.TensorScatter(%c, %u, %n) {mode = "circular"}
      : (tensor<2x4x16x8xf32>, tensor<2x4x?x8xf32>, tensor<2xi64>) -> tensor<2x4x16x8xf32>
    return %y : tensor<2x4x16x8xf32>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:      %[[T:.*]] = hybrid.dim "t"
// CHECK:      linalg.generic {{.*}} ins(%arg0 : tensor<2x4x16x8xf32>)
// CHECK:      %[[ROW:.*]] = linalg.index 2
// CHECK:      %[[START:.*]] = arith.index_cast
// CHECK:      %[[SINCE:.*]] = arith.subi %[[ROW]], %[[START]]
// CHECK:      arith.remsi %[[SINCE]], %c16
// CHECK:      %[[HERE:.*]] = arith.cmpi ult, %[[WHICH:.*]], %[[T]]
// CHECK:      %[[SAFE:.*]] = arith.select %[[HERE]], %[[WHICH]], %c0
// CHECK:      tensor.extract %arg1[%{{.*}}, %{{.*}}, %[[SAFE]], %{{.*}}]
