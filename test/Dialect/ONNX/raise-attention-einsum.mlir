// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-attention | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-attention --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Products by Einsum, heads behind the positions.
// CHECK-LABEL: func.func @einsum(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x?x4x8xf32> {{{[^}]*}}}, %[[K:[^:]*]]: {{[^}]*}}}, %[[V:[^:]*]]: {{[^}]*}}}, %[[M:[^:]*]]: tensor<?x1x1x?xf32>
// CHECK-DAG: %[[HQ:.*]] = onnx.Transpose(%[[Q]]) {{{.*}}perm = array<i64: 0, 2, 1, 3>}
// CHECK-DAG: %[[HK:.*]] = onnx.Transpose(%[[K]]) {{{.*}}perm = array<i64: 0, 2, 1, 3>}
// CHECK-DAG: %[[HV:.*]] = onnx.Transpose(%[[V]]) {{{.*}}perm = array<i64: 0, 2, 1, 3>}
// CHECK: %[[A:[^,]*]], {{.*}} = onnx.Attention(%[[HQ]], %[[HK]], %[[HV]], %[[M]],
// CHECK-NOT: onnx.Einsum
// CHECK-NOT: onnx.MatMul
// CHECK: %[[Y:.*]] = onnx.Transpose(%[[A]]) {{{.*}}perm = array<i64: 0, 2, 1, 3>}
// CHECK: return %[[Y]]
// REMARK: Passed{{.*}}became Attention
func.func @einsum(%q: tensor<?x?x4x8xf32> {onnx.dims = ["b", "t", 4, 8]}, %k: tensor<?x?x4x8xf32> {onnx.dims = ["b", "n", 4, 8]},
    %v: tensor<?x?x4x8xf32> {onnx.dims = ["b", "n", 4, 8]}, %mask: tensor<?x1x1x?xf32> {onnx.dims = ["b", 1, 1, "n"]}) -> tensor<?x?x4x8xf32> {
  %root = onnx.Constant dense<2.0> : tensor<f32>
  %p = onnx.Einsum(%q, %k) {equation = "bthd,bshd->bhts"} : (tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>) -> tensor<?x4x?x?xf32>
  %c = onnx.Div(%p, %root) : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %s = onnx.Add(%c, %mask) : (tensor<?x4x?x?xf32>, tensor<?x1x1x?xf32>) -> tensor<?x4x?x?xf32>
  %w = onnx.Softmax(%s) {axis = -1 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %y = onnx.Einsum(%w, %v) {equation = "bhts,bshd->bthd"} : (tensor<?x4x?x?xf32>, tensor<?x?x4x8xf32>) -> tensor<?x?x4x8xf32>
  return %y : tensor<?x?x4x8xf32>
}

// -----

// Keys first, heads first, values by MatMul's order of factors turned around.
// CHECK-LABEL: func.func @keys_first(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x4x?x8xf32> {{{[^}]*}}}, %[[K:[^:]*]]: {{[^}]*}}}, %[[V:[^:]*]]:
// CHECK: onnx.Attention(%[[Q]], %[[K]], %[[V]],
// CHECK-NOT: onnx.Einsum
// REMARK: Passed{{.*}}became Attention
func.func @keys_first(%q: tensor<?x4x?x8xf32> {onnx.dims = ["b", 4, "t", 8]}, %k: tensor<?x4x?x8xf32> {onnx.dims = ["b", 4, "n", 8]},
    %v: tensor<?x4x?x8xf32> {onnx.dims = ["b", 4, "n", 8]}) -> tensor<?x4x?x8xf32> {
  %p = onnx.Einsum(%k, %q) {equation = "b h n d, b h t d -> b h t n"} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x?xf32>
  %w = onnx.Softmax(%p) {axis = -1 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %y = onnx.Einsum(%v, %w) {equation = "bhnd,bhtn->bhtd"} : (tensor<?x4x?x8xf32>, tensor<?x4x?x?xf32>) -> tensor<?x4x?x8xf32>
  return %y : tensor<?x4x?x8xf32>
}

// -----

// The scale is not positive: all stays as it was, also what was tried.
// CHECK-LABEL: func.func @negative(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x?x4x8xf32> {{{[^}]*}}}, %[[K:[^:]*]]: {{[^}]*}}}, %[[V:[^:]*]]:
// CHECK-NOT: onnx.Transpose
// CHECK: onnx.Einsum(%[[Q]], %[[K]]) {equation = "bthd,bshd->bhts"}
// CHECK-NOT: onnx.MatMul
// CHECK: onnx.Einsum(%{{.*}}, %[[V]]) {equation = "bhts,bshd->bthd"}
// REMARK: Missed{{.*}}the scale is not positive
func.func @negative(%q: tensor<?x?x4x8xf32> {onnx.dims = ["b", "t", 4, 8]}, %k: tensor<?x?x4x8xf32> {onnx.dims = ["b", "n", 4, 8]},
    %v: tensor<?x?x4x8xf32> {onnx.dims = ["b", "n", 4, 8]}) -> tensor<?x?x4x8xf32> {
  %root = onnx.Constant dense<-2.0> : tensor<f32>
  %p = onnx.Einsum(%q, %k) {equation = "bthd,bshd->bhts"} : (tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>) -> tensor<?x4x?x?xf32>
  %c = onnx.Div(%p, %root) : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %w = onnx.Softmax(%c) {axis = -1 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %y = onnx.Einsum(%w, %v) {equation = "bhts,bshd->bthd"} : (tensor<?x4x?x?xf32>, tensor<?x?x4x8xf32>) -> tensor<?x?x4x8xf32>
  return %y : tensor<?x?x4x8xf32>
}

// -----

// One Transpose of the keys from [batch, positions, heads, size], as exporters
// make it of two.
// CHECK-LABEL: func.func @turned_keys(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x4x?x8xf32> {{{[^}]*}}}, %[[K:[^:]*]]: {{[^}]*}}}, %[[V:[^:]*]]:
// CHECK: %[[HK:.*]] = onnx.Transpose(%[[K]]) {{{.*}}perm = array<i64: 0, 2, 1, 3>}
// CHECK: onnx.Attention(%[[Q]], %[[HK]], %[[V]],
// REMARK: Passed{{.*}}became Attention
func.func @turned_keys(%q: tensor<?x4x?x8xf32> {onnx.dims = ["b", 4, "t", 8]}, %k: tensor<?x?x4x8xf32> {onnx.dims = ["b", "n", 4, 8]},
    %v: tensor<?x4x?x8xf32> {onnx.dims = ["b", 4, "n", 8]}) -> tensor<?x4x?x8xf32> {
  %t = onnx.Transpose(%k) {perm = array<i64: 0, 2, 3, 1>} : (tensor<?x?x4x8xf32>) -> tensor<?x4x8x?xf32>
  %p = onnx.MatMul(%q, %t) : (tensor<?x4x?x8xf32>, tensor<?x4x8x?xf32>) -> tensor<?x4x?x?xf32>
  %w = onnx.Softmax(%p) {axis = -1 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %y = onnx.MatMul(%w, %v) : (tensor<?x4x?x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %y : tensor<?x4x?x8xf32>
}

// -----

// The Einsum sums over the heads, too: it is no product for each of them.
// CHECK-LABEL: func.func @summed(
// CHECK: onnx.Einsum({{.*}} {equation = "bhts,bshd->btd"}
// REMARK-NOT: remark:
func.func @summed(%s: tensor<?x4x?x?xf32> {onnx.dims = ["b", 4, "t", "n"]}, %v: tensor<?x?x4x8xf32> {onnx.dims = ["b", "n", 4, 8]}) -> tensor<?x?x8xf32> {
  %w = onnx.Softmax(%s) {axis = -1 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %y = onnx.Einsum(%w, %v) {equation = "bhts,bshd->btd"} : (tensor<?x4x?x?xf32>, tensor<?x?x4x8xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}
