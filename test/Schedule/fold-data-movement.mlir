// RUN: hybrid-opt %s --hybrid-fold-data-movement --canonicalize --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-fold-data-movement --split-input-file --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#swapped = affine_map<(d0, d1, d2) -> (d0, d2, d1)>

// REMARK: Passed{{.*}}the convolution reads and writes tokens by channels without transpositions

// CHECK-LABEL: func.func @conv(
// CHECK-SAME: %[[X:[^:]*]]: tensor<2x?x8xf32>, %[[W:[^:]*]]: tensor<8x4xf32>, %[[S:[^:]*]]: tensor<2x8x3xf32>, %[[T:[^:]*]]: index)
// CHECK-NOT: linalg.generic
// CHECK: %[[Y:.*]]:2 = hybrid.causal_conv ins(%[[X]], %[[W]] : {{.*}}) outs(%{{.*}}, %[[S]] : {{.*}}) {layout = #hybrid.conv_layout<btc>} -> tensor<2x?x8xf32>, tensor<2x8x3xf32>
// CHECK: return %[[Y]]#0, %[[Y]]#1
func.func @conv(%x: tensor<2x?x8xf32>, %w: tensor<8x4xf32>, %s: tensor<2x8x3xf32>, %t: index) -> (tensor<2x?x8xf32>, tensor<2x8x3xf32>) {
  %a = tensor.empty(%t) : tensor<2x8x?xf32>
  %in = linalg.generic {indexing_maps = [#swapped, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x : tensor<2x?x8xf32>) outs(%a : tensor<2x8x?xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  } -> tensor<2x8x?xf32>
  %y:2 = hybrid.causal_conv ins(%in, %w : tensor<2x8x?xf32>, tensor<8x4xf32>) outs(%a, %s : tensor<2x8x?xf32>, tensor<2x8x3xf32>) -> tensor<2x8x?xf32>, tensor<2x8x3xf32>
  %b = tensor.empty(%t) : tensor<2x?x8xf32>
  %out = linalg.generic {indexing_maps = [#swapped, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%y#0 : tensor<2x8x?xf32>) outs(%b : tensor<2x?x8xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  } -> tensor<2x?x8xf32>
  return %out, %y#1 : tensor<2x?x8xf32>, tensor<2x8x3xf32>
}

// -----

// Another reader gets channels by tokens as before; if it is a convolution, it
// does not need them either.

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#swapped = affine_map<(d0, d1, d2) -> (d0, d2, d1)>

// CHECK-LABEL: func.func @conv_other_reader(
// CHECK: %[[Y:.*]]:2 = hybrid.causal_conv {{.*}} {layout = #hybrid.conv_layout<btc>}
// CHECK: %[[Z:.*]]:2 = hybrid.causal_conv ins(%[[Y]]#0, {{.*}} {layout = #hybrid.conv_layout<btc>}
// CHECK: %[[BACK:.*]] = linalg.generic {{.*}} ins(%[[Z]]#0 : tensor<2x?x8xf32>) outs(%{{.*}} : tensor<2x8x?xf32>)
// CHECK: return %[[BACK]]
func.func @conv_other_reader(%x: tensor<2x?x8xf32>, %w: tensor<8x4xf32>, %s: tensor<2x8x3xf32>, %s2: tensor<2x8x3xf32>, %t: index) -> tensor<2x8x?xf32> {
  %a = tensor.empty(%t) : tensor<2x8x?xf32>
  %in = linalg.generic {indexing_maps = [#swapped, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x : tensor<2x?x8xf32>) outs(%a : tensor<2x8x?xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  } -> tensor<2x8x?xf32>
  %y:2 = hybrid.causal_conv ins(%in, %w : tensor<2x8x?xf32>, tensor<8x4xf32>) outs(%a, %s : tensor<2x8x?xf32>, tensor<2x8x3xf32>) -> tensor<2x8x?xf32>, tensor<2x8x3xf32>
  %z:2 = hybrid.causal_conv ins(%y#0, %w : tensor<2x8x?xf32>, tensor<8x4xf32>) outs(%a, %s2 : tensor<2x8x?xf32>, tensor<2x8x3xf32>) -> tensor<2x8x?xf32>, tensor<2x8x3xf32>
  return %z#0 : tensor<2x8x?xf32>
}

// -----

// One key for all heads, one query for each two.

#all = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
#id4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#group = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d4)>
#id5 = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>

// REMARK: Passed{{.*}}queries are not repeated for the heads of a group
// REMARK: Passed{{.*}}keys are not repeated for the heads of a group

// CHECK-LABEL: func.func @scan(
// CHECK-SAME: %[[K:[^:]*]]: tensor<1x3x8xf32>, %[[Q:[^:]*]]: tensor<1x3x2x8xf32>
// CHECK: %[[ONE:.*]] = tensor.expand_shape %[[K]] {{\[\[}}0], [1], [2, 3]] output_shape [1, 3, 1, 8]
// CHECK: hybrid.scan linear ins(%[[Q]], %[[ONE]], %{{.*}} : tensor<1x3x2x8xf32>, tensor<1x3x1x8xf32>, tensor<1x3x4x5xf32>)
func.func @scan(%k: tensor<1x3x8xf32>, %q: tensor<1x3x2x8xf32>, %v: tensor<1x3x4x5xf32>, %s: tensor<1x4x8x5xf32>) -> tensor<1x3x4x5xf32> {
  %a = tensor.empty() : tensor<1x3x4x8xf32>
  %keys = linalg.generic {indexing_maps = [#all, #id4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%k : tensor<1x3x8xf32>) outs(%a : tensor<1x3x4x8xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  } -> tensor<1x3x4x8xf32>
  %b = tensor.empty() : tensor<1x3x2x2x8xf32>
  %repeated = linalg.generic {indexing_maps = [#group, #id5], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} ins(%q : tensor<1x3x2x8xf32>) outs(%b : tensor<1x3x2x2x8xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  } -> tensor<1x3x2x2x8xf32>
  %queries = tensor.collapse_shape %repeated [[0], [1], [2, 3], [4]] : tensor<1x3x2x2x8xf32> into tensor<1x3x4x8xf32>
  %c = tensor.empty() : tensor<1x3x4x5xf32>
  %y:2 = hybrid.scan linear ins(%queries, %keys, %v : tensor<1x3x4x8xf32>, tensor<1x3x4x8xf32>, tensor<1x3x4x5xf32>) outs(%c, %s : tensor<1x3x4x5xf32>, tensor<1x4x8x5xf32>) {scale = 1.0 : f64} -> tensor<1x3x4x5xf32>, tensor<1x4x8x5xf32>
  return %y#0 : tensor<1x3x4x5xf32>
}

// -----

// REMARK: Passed{{.*}}the norm is of the shape that its consumer reads

// CHECK-LABEL: func.func @norm(
// CHECK-SAME: %[[X:[^:]*]]: tensor<2x3x8xf32>
// CHECK: %[[ROWS:.*]] = tensor.collapse_shape %[[X]] {{\[\[}}0, 1], [2]]
// CHECK: %[[R:.*]] = hybrid.norm rms ins(%[[ROWS]] : tensor<6x8xf32>) {{.*}} {axis = 1 : i64
// CHECK: return %[[R]]
func.func @norm(%x: tensor<2x3x8xf32>) -> tensor<6x8xf32> {
  %o = tensor.empty() : tensor<2x3x8xf32>
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) outs(%o : tensor<2x3x8xf32>) {axis = 2 : i64, epsilon = 1.0 : f64} -> tensor<2x3x8xf32>
  %c = tensor.collapse_shape %r [[0, 1], [2]] : tensor<2x3x8xf32> into tensor<6x8xf32>
  return %c : tensor<6x8xf32>
}

// -----

// What is normalised together does not become part of another dimension.

// CHECK-LABEL: func.func @norm_stays(
// CHECK: hybrid.norm rms ins(%{{.*}} : tensor<2x3x8xf32>)
func.func @norm_stays(%x: tensor<2x3x8xf32>) -> tensor<2x24xf32> {
  %o = tensor.empty() : tensor<2x3x8xf32>
  %r = hybrid.norm rms ins(%x : tensor<2x3x8xf32>) outs(%o : tensor<2x3x8xf32>) {axis = 2 : i64, epsilon = 1.0 : f64} -> tensor<2x3x8xf32>
  %c = tensor.collapse_shape %r [[0], [1, 2]] : tensor<2x3x8xf32> into tensor<2x24xf32>
  return %c : tensor<2x24xf32>
}
