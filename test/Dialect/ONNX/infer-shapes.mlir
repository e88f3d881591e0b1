// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes | FileCheck %s

// The example of the pass's description.
// CHECK-LABEL: func.func @transpose(
// CHECK-SAME: -> tensor<64x?xf32>
func.func @transpose(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]})
    -> tensor<?x?xf32> {
  // CHECK: onnx.Transpose(%{{.*}}) {perm = array<i64: 1, 0>} : (tensor<?x64xf32>) -> tensor<64x?xf32>
  %perm = onnx.Transpose(%x) {perm = array<i64: 1, 0>}
      : (tensor<?x64xf32>) -> tensor<?x?xf32>
  return %perm : tensor<?x?xf32>
}

// -----

// A head dimension that the file only names is what the operator needs.
// CHECK-LABEL: func.func @learned_dimension(
// CHECK-SAME: %{{.*}}: tensor<?x4x64xf32> {
// CHECK-SAME: %{{.*}}: tensor<?x2x?x16xf32> {
func.func @learned_dimension(
    %q: tensor<?x4x64xf32> {onnx.dims = ["batch", 4, 64]},
    %kv: tensor<?x4x32xf32> {onnx.dims = ["batch", 4, 32]},
    %past: tensor<?x2x?x?xf32> {onnx.dims = ["batch", 2, "past", "head"]})
    -> tensor<*xf32> {
  %none = onnx.None : none
  // CHECK: onnx.Attention
  // CHECK-SAME: -> (tensor<?x4x64xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, none)
  %y:4 = onnx.Attention(%q, %kv, %kv, %none, %past, %past, %none)
      {kv_num_heads = 2 : i64, q_num_heads = 4 : i64}
      : (tensor<?x4x64xf32>, tensor<?x4x32xf32>, tensor<?x4x32xf32>, none,
         tensor<?x2x?x?xf32>, tensor<?x2x?x?xf32>, none)
      -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>, none)
  return %y#0 : tensor<*xf32>
}

// -----

// What the file declares without ground must hold for every input: the
// expression wins. Where nothing is known, the declaration does.
// CHECK-LABEL: func.func @declared(
// CHECK-SAME: -> (tensor<?xf32>, tensor<1x7xi64>)
func.func @declared(%x: tensor<?xf32> {onnx.dims = ["n"]})
    -> (tensor<5xf32>, tensor<*xi64>) {
  %r = onnx.Relu(%x) : (tensor<?xf32>) -> tensor<5xf32>
  %nz = onnx.NonZero(%x) : (tensor<?xf32>) -> tensor<1x7xi64>
  %id = onnx.Identity(%nz) : (tensor<1x7xi64>) -> tensor<*xi64>
  return %r, %id : tensor<5xf32>, tensor<*xi64>
}

// -----

// CHECK-LABEL: func.func @subgraphs(
// CHECK-SAME: -> (tensor<?x4xf32>, tensor<3x4xf32>)
func.func @subgraphs(%c: tensor<i1>, %x: tensor<?x4xf32> {onnx.dims = ["n", 4]},
                     %row: tensor<4xf32>)
    -> (tensor<*xf32>, tensor<*xf32>) {
  %none = onnx.None : none
  // CHECK: onnx.If(%{{.*}}) : (tensor<i1>) -> tensor<?x4xf32>
  %0 = onnx.If(%c) : (tensor<i1>) -> tensor<*xf32> {
    // CHECK: onnx.Relu(%{{.*}}) : (tensor<?x4xf32>) -> tensor<?x4xf32>
    %a = onnx.Relu(%x) : (tensor<?x4xf32>) -> tensor<*xf32>
    onnx.Yield(%a) : tensor<*xf32>
  } else {
    onnx.Yield(%x) : tensor<?x4xf32>
  }
  %trips = onnx.Constant dense<3> : tensor<i64>
  // CHECK: onnx.Loop
  // CHECK-SAME: -> (tensor<4xf32>, tensor<3x4xf32>)
  %1:2 = onnx.Loop(%trips, %none, %row)
      : (tensor<i64>, none, tensor<4xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<*xf32>):
    %n = onnx.Neg(%v) : (tensor<*xf32>) -> tensor<*xf32>
    onnx.Yield(%go, %n, %n) : tensor<i1>, tensor<*xf32>, tensor<*xf32>
  }
  return %0, %1#1 : tensor<*xf32>, tensor<*xf32>
}
