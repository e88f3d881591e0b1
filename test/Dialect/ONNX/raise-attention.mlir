// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-attention | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-attention --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// transformers in torch's export: the scale on the scores, a mask of numbers,
// repeated heads, caches that grow.
// CHECK-LABEL: func.func @eager(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x4x?x16xf32> {{{[^}]*}}}, %[[K:[^:]*]]: {{[^}]*}}}, %[[V:[^:]*]]: {{[^}]*}}}, %[[PK:[^:]*]]: {{[^}]*}}}, %[[PV:[^:]*]]: {{[^}]*}}}, %[[M:[^:]*]]: tensor<?x1x?x?xf32>
// CHECK: %[[Y:.*]], %[[PRK:.*]], %[[PRV:.*]], %{{.*}} = onnx.Attention(%[[Q]], %[[K]], %[[V]], %[[M]], %[[PK]], %[[PV]], %{{.*}}) {{{.*}}scale = 2.500000e-01 : f32}
// CHECK: return %[[Y]], %[[PRK]], %[[PRV]]
// REMARK: Passed{{.*}}onnx-raise-attention{{.*}}became Attention
// REMARK: Passed{{.*}}took past keys and values as operands
func.func @eager(%q: tensor<?x4x?x16xf32> {onnx.dims = ["b", 4, "t", 16]}, %k: tensor<?x2x?x16xf32> {onnx.dims = ["b", 2, "t", 16]},
    %v: tensor<?x2x?x16xf32> {onnx.dims = ["b", 2, "t", 16]}, %pk: tensor<?x2x?x16xf32> {onnx.dims = ["b", 2, "p", 16]},
    %pv: tensor<?x2x?x16xf32> {onnx.dims = ["b", 2, "p", 16]}, %mask: tensor<?x1x?x?xf32> {onnx.dims = ["b", 1, "t", "p + t"]})
    -> (tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) {
  %scale = onnx.Constant dense<0.25> : tensor<f32>
  %two = onnx.Constant dense<2> : tensor<1xi64>
  %repeats = onnx.Constant dense<[1, 1, 2, 1, 1]> : tensor<5xi64>
  %heads = onnx.Constant dense<[0, 4, -1, 16]> : tensor<4xi64>
  %ck = onnx.Concat(%pk, %k) {axis = -2 : i64} : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) -> tensor<?x2x?x16xf32>
  %cv = onnx.Concat(%pv, %v) {axis = -2 : i64} : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) -> tensor<?x2x?x16xf32>
  %uk = onnx.Unsqueeze(%ck, %two) : (tensor<?x2x?x16xf32>, tensor<1xi64>) -> tensor<?x2x1x?x16xf32>
  %ek = onnx.Expand(%uk, %repeats) : (tensor<?x2x1x?x16xf32>, tensor<5xi64>) -> tensor<?x2x2x?x16xf32>
  %rk = onnx.Reshape(%ek, %heads) : (tensor<?x2x2x?x16xf32>, tensor<4xi64>) -> tensor<?x4x?x16xf32>
  %uv = onnx.Unsqueeze(%cv, %two) : (tensor<?x2x?x16xf32>, tensor<1xi64>) -> tensor<?x2x1x?x16xf32>
  %ev = onnx.Expand(%uv, %repeats) : (tensor<?x2x1x?x16xf32>, tensor<5xi64>) -> tensor<?x2x2x?x16xf32>
  %rv = onnx.Reshape(%ev, %heads) : (tensor<?x2x2x?x16xf32>, tensor<4xi64>) -> tensor<?x4x?x16xf32>
  %t = onnx.Transpose(%rk) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x4x?x16xf32>) -> tensor<?x4x16x?xf32>
  %p = onnx.MatMul(%q, %t) : (tensor<?x4x?x16xf32>, tensor<?x4x16x?xf32>) -> tensor<?x4x?x?xf32>
  %c = onnx.Mul(%p, %scale) : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %s = onnx.Add(%c, %mask) : (tensor<?x4x?x?xf32>, tensor<?x1x?x?xf32>) -> tensor<?x4x?x?xf32>
  %w = onnx.Softmax(%s) : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %y = onnx.MatMul(%w, %rv) : (tensor<?x4x?x?xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
  return %y, %ck, %cv : tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>
}

// -----

// torch's scaled_dot_product_attention: the root of the scale on both sides,
// batch and heads as one dimension around the transposition; a boolean mask
// that Where applies.
// CHECK-LABEL: func.func @sdpa(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x4x8x16xf32> {{{[^}]*}}}, %[[K:[^:]*]]: {{[^}]*}}}, %[[V:[^:]*]]: {{[^}]*}}}, %[[M:[^:]*]]: tensor<8x8xi1>
// CHECK: %[[VISIBLE:.*]] = onnx.Not(%[[M]])
// CHECK: onnx.Attention(%[[Q]], %[[K]], %[[V]], %[[VISIBLE]], %{{.*}} {{{.*}}scale = 2.500000e-01 : f32}
// REMARK: Passed{{.*}}became Attention
func.func @sdpa(%q: tensor<?x4x8x16xf32> {onnx.dims = ["b", 4, 8, 16]}, %k: tensor<?x4x8x16xf32> {onnx.dims = ["b", 4, 8, 16]},
    %v: tensor<?x4x8x16xf32> {onnx.dims = ["b", 4, 8, 16]}, %blocked: tensor<8x8xi1> {onnx.dims = [8, 8]}) -> tensor<?x4x8x16xf32> {
  %root = onnx.Constant dense<0.5> : tensor<1xf32>
  %low = onnx.Constant dense<0xFF800000> : tensor<f32>
  %three = onnx.Constant dense<[-1, 8, 16]> : tensor<3xi64>
  %four = onnx.Constant dense<[-1, 4, 16, 8]> : tensor<4xi64>
  %joined = onnx.Reshape(%k, %three) : (tensor<?x4x8x16xf32>, tensor<3xi64>) -> tensor<?x8x16xf32>
  %turned = onnx.Transpose(%joined) {perm = array<i64: 0, 2, 1>} : (tensor<?x8x16xf32>) -> tensor<?x16x8xf32>
  %t = onnx.Reshape(%turned, %four) : (tensor<?x16x8xf32>, tensor<4xi64>) -> tensor<?x4x16x8xf32>
  %sq = onnx.Mul(%q, %root) : (tensor<?x4x8x16xf32>, tensor<1xf32>) -> tensor<?x4x8x16xf32>
  %sk = onnx.Mul(%t, %root) : (tensor<?x4x16x8xf32>, tensor<1xf32>) -> tensor<?x4x16x8xf32>
  %p = onnx.MatMul(%sq, %sk) : (tensor<?x4x8x16xf32>, tensor<?x4x16x8xf32>) -> tensor<?x4x8x8xf32>
  %s = onnx.Where(%blocked, %low, %p) : (tensor<8x8xi1>, tensor<f32>, tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %w = onnx.Softmax(%s) : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %y = onnx.MatMul(%w, %v) : (tensor<?x4x8x8xf32>, tensor<?x4x8x16xf32>) -> tensor<?x4x8x16xf32>
  return %y : tensor<?x4x8x16xf32>
}

// -----

// In 16 bits with the softmax in 32, with a soft cap and two masks: one that
// Where applies with the lowest number, one that is added.
// CHECK-LABEL: func.func @half(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x4x8x16xf16> {{{[^}]*}}}, %[[K:[^:]*]]: {{[^}]*}}}, %[[V:[^:]*]]: {{[^}]*}}}, %[[M:[^:]*]]: tensor<8x8xi1> {{{[^}]*}}}, %[[N:[^:]*]]: tensor<?x1x1x8xf16>
// CHECK: %[[FIRST:.*]] = onnx.Where(%[[M]], {{.*}} -> tensor<8x8xf16>
// CHECK: %[[BOTH:.*]] = onnx.Add(%[[FIRST]], %[[N]]) : {{.*}} -> tensor<?x1x8x8xf16>
// CHECK: onnx.Attention(%[[Q]], %[[K]], %[[V]], %[[BOTH]], {{.*}}scale = 5.000000e-01 : f32, softcap = 3.000000e+01 : f32}
// REMARK: Passed{{.*}}became Attention
func.func @half(%q: tensor<?x4x8x16xf16> {onnx.dims = ["b", 4, 8, 16]}, %k: tensor<?x4x8x16xf16> {onnx.dims = ["b", 4, 8, 16]},
    %v: tensor<?x4x8x16xf16> {onnx.dims = ["b", 4, 8, 16]}, %visible: tensor<8x8xi1> {onnx.dims = [8, 8]},
    %added: tensor<?x1x1x8xf16> {onnx.dims = ["b", 1, 1, 8]}) -> tensor<?x4x8x16xf16> {
  %divisor = onnx.Constant dense<2.0> : tensor<f16>
  %cap = onnx.Constant dense<30.0> : tensor<f16>
  %low = onnx.Constant dense<-6.550400e+04> : tensor<f16>
  %t = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x4x8x16xf16>) -> tensor<?x4x16x8xf16>
  %p = onnx.MatMul(%q, %t) : (tensor<?x4x8x16xf16>, tensor<?x4x16x8xf16>) -> tensor<?x4x8x8xf16>
  %c = onnx.Div(%p, %divisor) : (tensor<?x4x8x8xf16>, tensor<f16>) -> tensor<?x4x8x8xf16>
  %c1 = onnx.Div(%c, %cap) : (tensor<?x4x8x8xf16>, tensor<f16>) -> tensor<?x4x8x8xf16>
  %c2 = onnx.Tanh(%c1) : (tensor<?x4x8x8xf16>) -> tensor<?x4x8x8xf16>
  %c3 = onnx.Mul(%c2, %cap) : (tensor<?x4x8x8xf16>, tensor<f16>) -> tensor<?x4x8x8xf16>
  %s = onnx.Where(%visible, %c3, %low) : (tensor<8x8xi1>, tensor<?x4x8x8xf16>, tensor<f16>) -> tensor<?x4x8x8xf16>
  %s1 = onnx.Add(%added, %s) : (tensor<?x1x1x8xf16>, tensor<?x4x8x8xf16>) -> tensor<?x4x8x8xf16>
  %wide = onnx.Cast(%s1) {to = 1 : i64} : (tensor<?x4x8x8xf16>) -> tensor<?x4x8x8xf32>
  %w = onnx.Softmax(%wide) : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %narrow = onnx.Cast(%w) {to = 10 : i64} : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf16>
  %y = onnx.MatMul(%narrow, %v) : (tensor<?x4x8x8xf16>, tensor<?x4x8x16xf16>) -> tensor<?x4x8x16xf16>
  return %y : tensor<?x4x8x16xf16>
}

// -----

// After onnxruntime's optimiser: heads split and joined again on the way, keys
// transposed once for both.
// CHECK-LABEL: func.func @optimised(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x4x8x16xf32> {{{[^}]*}}}, %[[K:[^:]*]]: {{[^}]*}}}, %[[V:[^:]*]]: tensor<?x4x8x16xf32>
// CHECK: onnx.Attention(%[[Q]], %[[K]], %[[V]], %{{.*}} {{{.*}}scale = 1.000000e+00 : f32}
// REMARK: Passed{{.*}}became Attention
func.func @optimised(%q: tensor<?x4x8x16xf32> {onnx.dims = ["b", 4, 8, 16]}, %k: tensor<?x4x8x16xf32> {onnx.dims = ["b", 4, 8, 16]},
    %v: tensor<?x4x8x16xf32> {onnx.dims = ["b", 4, 8, 16]}) -> tensor<?x4x8x16xf32> {
  %joined = onnx.Constant dense<[0, 0, 64]> : tensor<3xi64>
  %split = onnx.Constant dense<[0, 0, 4, 16]> : tensor<4xi64>
  %k1 = onnx.Transpose(%k) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x4x8x16xf32>) -> tensor<?x8x4x16xf32>
  %k2 = onnx.Reshape(%k1, %joined) : (tensor<?x8x4x16xf32>, tensor<3xi64>) -> tensor<?x8x64xf32>
  %k3 = onnx.Reshape(%k2, %split) : (tensor<?x8x64xf32>, tensor<4xi64>) -> tensor<?x8x4x16xf32>
  %k4 = onnx.Transpose(%k3) {perm = array<i64: 0, 2, 3, 1>} : (tensor<?x8x4x16xf32>) -> tensor<?x4x16x8xf32>
  %v1 = onnx.Transpose(%v) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x4x8x16xf32>) -> tensor<?x8x4x16xf32>
  %v2 = onnx.Reshape(%v1, %joined) : (tensor<?x8x4x16xf32>, tensor<3xi64>) -> tensor<?x8x64xf32>
  %v3 = onnx.Reshape(%v2, %split) : (tensor<?x8x64xf32>, tensor<4xi64>) -> tensor<?x8x4x16xf32>
  %v4 = onnx.Transpose(%v3) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x8x4x16xf32>) -> tensor<?x4x8x16xf32>
  %p = onnx.MatMul(%q, %k4) : (tensor<?x4x8x16xf32>, tensor<?x4x16x8xf32>) -> tensor<?x4x8x8xf32>
  %w = onnx.Softmax(%p) : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %y = onnx.MatMul(%w, %v4) : (tensor<?x4x8x8xf32>, tensor<?x4x8x16xf32>) -> tensor<?x4x8x16xf32>
  return %y : tensor<?x4x8x16xf32>
}

// -----

// CHECK-LABEL: func.func @scores_are_used(
// CHECK-NOT: onnx.Attention
// REMARK: Missed{{.*}}the scores are used elsewhere
func.func @scores_are_used(%q: tensor<1x4x8x16xf32>, %t: tensor<1x4x16x8xf32>, %v: tensor<1x4x8x16xf32>) -> (tensor<1x4x8x16xf32>, tensor<1x4x8x8xf32>) {
  %p = onnx.MatMul(%q, %t) : (tensor<1x4x8x16xf32>, tensor<1x4x16x8xf32>) -> tensor<1x4x8x8xf32>
  %w = onnx.Softmax(%p) : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %y = onnx.MatMul(%w, %v) : (tensor<1x4x8x8xf32>, tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32>
  return %y, %p : tensor<1x4x8x16xf32>, tensor<1x4x8x8xf32>
}

// -----

// The softmax goes over the queries.
// CHECK-LABEL: func.func @other_axis(
// CHECK-NOT: onnx.Attention
func.func @other_axis(%q: tensor<1x4x8x16xf32>, %k: tensor<1x4x8x16xf32>, %v: tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32> {
  %t = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x4x8x16xf32>) -> tensor<1x4x16x8xf32>
  %p = onnx.MatMul(%q, %t) : (tensor<1x4x8x16xf32>, tensor<1x4x16x8xf32>) -> tensor<1x4x8x8xf32>
  %w = onnx.Softmax(%p) {axis = 2 : i64} : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %y = onnx.MatMul(%w, %v) : (tensor<1x4x8x8xf32>, tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32>
  return %y : tensor<1x4x8x16xf32>
}

// -----

// A scale that is computed.
// CHECK-LABEL: func.func @scale_varies(
// CHECK-NOT: onnx.Attention
// REMARK: Missed{{.*}}the softmax is not of a product of matrices with a constant scale, a soft cap and masks, in this order
func.func @scale_varies(%q: tensor<1x4x8x16xf32>, %k: tensor<1x4x8x16xf32>, %v: tensor<1x4x8x16xf32>, %scale: tensor<f32>) -> tensor<1x4x8x16xf32> {
  %t = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x4x8x16xf32>) -> tensor<1x4x16x8xf32>
  %p = onnx.MatMul(%q, %t) : (tensor<1x4x8x16xf32>, tensor<1x4x16x8xf32>) -> tensor<1x4x8x8xf32>
  %s = onnx.Mul(%p, %scale) : (tensor<1x4x8x8xf32>, tensor<f32>) -> tensor<1x4x8x8xf32>
  %w = onnx.Softmax(%s) : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %y = onnx.MatMul(%w, %v) : (tensor<1x4x8x8xf32>, tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32>
  return %y : tensor<1x4x8x16xf32>
}

// -----

// A scale behind the mask scales the mask, too.
// CHECK-LABEL: func.func @scale_behind_mask(
// CHECK-NOT: onnx.Attention
// REMARK: Missed{{.*}}in this order
func.func @scale_behind_mask(%q: tensor<1x4x8x16xf32>, %k: tensor<1x4x8x16xf32>, %v: tensor<1x4x8x16xf32>, %mask: tensor<8x8xf32>) -> tensor<1x4x8x16xf32> {
  %scale = onnx.Constant dense<0.25> : tensor<f32>
  %t = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x4x8x16xf32>) -> tensor<1x4x16x8xf32>
  %p = onnx.MatMul(%q, %t) : (tensor<1x4x8x16xf32>, tensor<1x4x16x8xf32>) -> tensor<1x4x8x8xf32>
  %m = onnx.Add(%p, %mask) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %s = onnx.Mul(%m, %scale) : (tensor<1x4x8x8xf32>, tensor<f32>) -> tensor<1x4x8x8xf32>
  %w = onnx.Softmax(%s) : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %y = onnx.MatMul(%w, %v) : (tensor<1x4x8x8xf32>, tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32>
  return %y : tensor<1x4x8x16xf32>
}

// -----

// -100 hides nothing.
// CHECK-LABEL: func.func @not_blocked(
// CHECK-NOT: onnx.Attention
// REMARK: Missed{{.*}}in this order
func.func @not_blocked(%q: tensor<1x4x8x16xf32>, %k: tensor<1x4x8x16xf32>, %v: tensor<1x4x8x16xf32>, %visible: tensor<8x8xi1>) -> tensor<1x4x8x16xf32> {
  %low = onnx.Constant dense<-100.0> : tensor<f32>
  %t = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x4x8x16xf32>) -> tensor<1x4x16x8xf32>
  %p = onnx.MatMul(%q, %t) : (tensor<1x4x8x16xf32>, tensor<1x4x16x8xf32>) -> tensor<1x4x8x8xf32>
  %s = onnx.Where(%visible, %p, %low) : (tensor<8x8xi1>, tensor<1x4x8x8xf32>, tensor<f32>) -> tensor<1x4x8x8xf32>
  %w = onnx.Softmax(%s) : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %y = onnx.MatMul(%w, %v) : (tensor<1x4x8x8xf32>, tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32>
  return %y : tensor<1x4x8x16xf32>
}

// -----

// One sequence's keys for all.
// CHECK-LABEL: func.func @shared_keys(
// CHECK-NOT: onnx.Attention
// REMARK: Missed{{.*}}batches, heads or lengths of query, key and value are not provably equal
func.func @shared_keys(%q: tensor<?x4x8x16xf32> {onnx.dims = ["b", 4, 8, 16]}, %k: tensor<1x4x8x16xf32> {onnx.dims = [1, 4, 8, 16]}, %v: tensor<1x4x8x16xf32> {onnx.dims = [1, 4, 8, 16]}) -> tensor<?x4x8x16xf32> {
  %t = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x4x8x16xf32>) -> tensor<1x4x16x8xf32>
  %p = onnx.MatMul(%q, %t) : (tensor<?x4x8x16xf32>, tensor<1x4x16x8xf32>) -> tensor<?x4x8x8xf32>
  %w = onnx.Softmax(%p) : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %y = onnx.MatMul(%w, %v) : (tensor<?x4x8x8xf32>, tensor<1x4x8x16xf32>) -> tensor<?x4x8x16xf32>
  return %y : tensor<?x4x8x16xf32>
}
