// RUN: hybrid-opt %s | FileCheck %s
// RUN: hybrid-opt %s --mlir-print-op-generic | hybrid-opt | FileCheck %s

// CHECK: module attributes {onnx.opsets = {ai.onnx = 27 : i64, com.microsoft = 1 : i64}}
module attributes {onnx.opsets = {ai.onnx = 27 : i64, com.microsoft = 1 : i64}} {

// CHECK-LABEL: func.func @values(
// CHECK-SAME: tensor<?x64xf32> {onnx.dims = ["batch", 64], onnx.name = "x"}
func.func @values(%x: tensor<?x64xf32> {onnx.name = "x", onnx.dims = ["batch", 64]})
    -> (tensor<64x64xf32> {onnx.name = "w"}) {
  // CHECK: onnx.None : none
  %none = onnx.None : none
  // CHECK: onnx.Constant dense<[0, 1]> : tensor<2xi64>
  %axes = onnx.Constant dense<[0, 1]> : tensor<2xi64>
  // CHECK: onnx.Initializer "w" <"model.onnx.data", 4096, 16384> : tensor<64x64xf32>
  %w = onnx.Initializer "w" <"model.onnx.data", 4096, 16384> : tensor<64x64xf32>
  return %w : tensor<64x64xf32>
}

// Packed types: two elements of four bits in a byte.
// CHECK-LABEL: func.func @packed_initializers
func.func @packed_initializers() {
  %0 = onnx.Initializer "i4" <"w.data", 0, 2> : tensor<3xi4>
  %1 = onnx.Initializer "u2" <"w.data", 2, 1> : tensor<4xui2>
  %2 = onnx.Initializer "bool" <"w.data", 3, 5> : tensor<5xi1>
  %3 = onnx.Initializer "f8" <"w.data", 8, 4> : tensor<4xf8E4M3FN>
  %4 = onnx.Initializer "f4" <"w.data", 12, 2> : tensor<4xf4E2M1FN>
  return
}

// CHECK-LABEL: func.func @attention
func.func @attention(%x: tensor<1x4x64xf32>) {
  %none = onnx.None : none
  // CHECK: onnx.Attention(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {is_causal = 1 : i64, kv_num_heads = 4 : i64, q_num_heads = 4 : i64} : (tensor<1x4x64xf32>, tensor<1x4x64xf32>, tensor<1x4x64xf32>, none, none, none, none) -> (tensor<1x4x64xf32>, none, none, none)
  %y:4 = onnx.Attention(%x, %x, %x, %none, %none, %none, %none)
      {is_causal = 1 : i64, kv_num_heads = 4 : i64, q_num_heads = 4 : i64}
      : (tensor<1x4x64xf32>, tensor<1x4x64xf32>, tensor<1x4x64xf32>, none, none, none, none)
      -> (tensor<1x4x64xf32>, none, none, none)
  // CHECK: onnx.ms.QuickGelu(%{{.*}}) {alpha = 1.000000e+00 : f32}
  %z = onnx.ms.QuickGelu(%y#0) {alpha = 1.0 : f32}
      : (tensor<1x4x64xf32>) -> tensor<1x4x64xf32>
  return
}

// CHECK-LABEL: func.func @experts
func.func @experts(%x: tensor<?x64xf32>, %l: tensor<?x4xf32>, %b: tensor<4xf32>, %w: tensor<4x96x64xf32>, %i: tensor<?xi64>) {
  // CHECK: onnx.Route(%{{.*}}, %{{.*}}) {k = 2 : i64, score = "sigmoid", weight = "share"} : (tensor<?x4xf32>, tensor<4xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>)
  %e, %f = onnx.Route(%l, %b) {k = 2 : i64, score = "sigmoid", weight = "share"} : (tensor<?x4xf32>, tensor<4xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>)
  // CHECK: onnx.Route({{.*}} {group_best = 2 : i64, groups = 2 : i64, k = 2 : i64, others = 0.000000e+00 : f64, score = "sigmoid", weight = "score"}
  %g, %h = onnx.Route(%l, %b) {k = 2 : i64, score = "sigmoid", weight = "score", groups = 2 : i64, group_best = 2 : i64, others = 0.0 : f64} : (tensor<?x4xf32>, tensor<4xf32>) -> (tensor<?x2xi64>, tensor<?x2xf32>)
  // CHECK: onnx.ExpertMatMul(%{{.*}}, %{{.*}}, %{{.*}}) {chosen = 2 : i64} : (tensor<?x64xf32>, tensor<4x96x64xf32>, tensor<?xi64>) -> tensor<?x96xf32>
  %y = onnx.ExpertMatMul(%x, %w, %i) {chosen = 2 : i64} : (tensor<?x64xf32>, tensor<4x96x64xf32>, tensor<?xi64>) -> tensor<?x96xf32>
  return
}

// CHECK-LABEL: func.func @unknown
func.func @unknown(%x: tensor<?xf32>, %s: tensor<2x!onnx.String>,
                   %q: !onnx.Opaque<"seq(tensor(FLOAT))">) {
  // CHECK: onnx.Unknown "org.example" "Frobnicate"(%{{.*}}) {node_attributes = {alpha = 2.000000e+00 : f32}, reason = "the operator is not known to the dialect"} : (tensor<?xf32>) -> tensor<*xf32>
  %0 = onnx.Unknown "org.example" "Frobnicate"(%x) {
    node_attributes = {alpha = 2.0 : f32},
    reason = "the operator is not known to the dialect"
  } : (tensor<?xf32>) -> tensor<*xf32>
  // CHECK: onnx.Unknown "" "SequenceMap"
  // CHECK: onnx.Yield(%{{.*}}) : tensor<?xf32>
  %1 = onnx.Unknown "" "SequenceMap"(%q) {region_names = ["body"]}
      : (!onnx.Opaque<"seq(tensor(FLOAT))">) -> !onnx.Opaque<"unknown"> {
  ^bb0(%element: tensor<?xf32>):
    onnx.Yield(%element) : tensor<?xf32>
  }
  return
}

// CHECK-LABEL: func.func @control_flow
func.func @control_flow(%cond: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %none = onnx.None : none
  // CHECK: onnx.If(%{{.*}}) : (tensor<i1>) -> tensor<4xf32> {
  // CHECK: } else {
  %0 = onnx.If(%cond) : (tensor<i1>) -> tensor<4xf32> {
    %a = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
    onnx.Yield(%a) : tensor<4xf32>
  } else {
    onnx.Yield(%x) : tensor<4xf32>
  }
  %trips = onnx.Constant dense<3> : tensor<i64>
  // CHECK: onnx.Loop(%{{.*}}, %{{.*}}, %{{.*}}) : (tensor<i64>, none, tensor<4xf32>) -> (tensor<4xf32>, tensor<3x4xf32>) {
  %1:2 = onnx.Loop(%trips, %none, %0)
      : (tensor<i64>, none, tensor<4xf32>) -> (tensor<4xf32>, tensor<3x4xf32>) {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<4xf32>):
    %n = onnx.Neg(%v) : (tensor<4xf32>) -> tensor<4xf32>
    onnx.Yield(%go, %n, %x) : tensor<i1>, tensor<4xf32>, tensor<4xf32>
  }
  // CHECK: onnx.Scan(%{{.*}}, %{{.*}}) {num_scan_inputs = 1 : i64} : (tensor<4xf32>, tensor<3x4xf32>) -> tensor<4xf32> {
  %2 = onnx.Scan(%0, %1#1) {num_scan_inputs = 1 : i64}
      : (tensor<4xf32>, tensor<3x4xf32>) -> tensor<4xf32> {
  ^bb0(%state: tensor<4xf32>, %slice: tensor<4xf32>):
    %sum = onnx.Add(%state, %slice)
        : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    onnx.Yield(%sum) : tensor<4xf32>
  }
  return %2 : tensor<4xf32>
}
}
