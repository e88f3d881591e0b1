// RUN: hybrid-opt %s --hybrid-lower-parallel --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-lower-parallel --split-input-file --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// The example of the pass's description.

// REMARK: remark: [Passed] branches | Category:hybrid-lower-parallel
// REMARK-SAME: branches side by side
// REMARK-SAME: branches=2, combine=add

// CHECK: #[[MAP:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @add(
// CHECK-SAME: %[[A:.*]]: tensor<2x8xf32>, %[[B:.*]]: tensor<2x8xf32>
// CHECK: %[[EMPTY:.*]] = tensor.empty() : tensor<2x8xf32>
// CHECK: %[[R:.*]] = linalg.generic {indexing_maps = [#[[MAP]], #[[MAP]], #[[MAP]]], iterator_types = ["parallel", "parallel"]}
// CHECK-SAME: ins(%[[A]], %[[B]] : tensor<2x8xf32>, tensor<2x8xf32>) outs(%[[EMPTY]] : tensor<2x8xf32>)
// CHECK: %[[SUM:.*]] = arith.addf
// CHECK: linalg.yield %[[SUM]] : f32
// CHECK: return %[[R]]
func.func @add(%a: tensor<2x8xf32>, %b: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %r = hybrid.parallel add {
    hybrid.yield %a : tensor<2x8xf32>
  }, {
    hybrid.yield %b : tensor<2x8xf32>
  } : tensor<2x8xf32>
  return %r : tensor<2x8xf32>
}

// -----

// What the description says it becomes.
#map = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @after
func.func @after(%a: tensor<2x8xf32>, %b: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %0 = tensor.empty() : tensor<2x8xf32>
  %1 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
         ins(%a, %b : tensor<2x8xf32>, tensor<2x8xf32>) outs(%0 : tensor<2x8xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %2 = arith.addf %in, %in_0 : f32
    linalg.yield %2 : f32
  } -> tensor<2x8xf32>
  return %1 : tensor<2x8xf32>
}

// -----

// The branches' operations come one after another, and the dynamic size from the
// destination of the first. Three branches of bf16: sums in f32.

// CHECK-LABEL: func.func @sub(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<1x?x64xbf16>
// CHECK: %[[N:.*]] = hybrid.dim "seq"
// CHECK: %[[O:.*]] = tensor.empty(%[[N]])
// CHECK: %[[A:.*]] = hybrid.norm rms
// CHECK: %[[B:.*]] = hybrid.norm layer
// CHECK-NOT: tensor.dim
// CHECK: %[[EMPTY:.*]] = tensor.empty(%[[N]])
// CHECK: linalg.generic
// CHECK-SAME: ins(%[[A]], %[[B]], %[[X]] :
// CHECK-SAME: outs(%[[EMPTY]] :
// CHECK: %[[E0:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK: %[[E1:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK: %[[E2:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK: %[[D0:.*]] = arith.subf %[[E0]], %[[E1]] : f32
// CHECK: %[[D1:.*]] = arith.subf %[[D0]], %[[E2]] : f32
// CHECK: arith.truncf %[[D1]] : f32 to bf16
func.func @sub(%x: tensor<1x?x64xbf16>) -> tensor<1x?x64xbf16> {
  %n = hybrid.dim "seq"
  %o = tensor.empty(%n) : tensor<1x?x64xbf16>
  %r = hybrid.parallel sub {
    %a = hybrid.norm rms ins(%x : tensor<1x?x64xbf16>) outs(%o : tensor<1x?x64xbf16>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x?x64xbf16>
    hybrid.yield %a : tensor<1x?x64xbf16>
  }, {
    %b = hybrid.norm layer ins(%x : tensor<1x?x64xbf16>) outs(%o : tensor<1x?x64xbf16>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x?x64xbf16>
    hybrid.yield %b : tensor<1x?x64xbf16>
  }, {
    hybrid.yield %x : tensor<1x?x64xbf16>
  } : tensor<1x?x64xbf16>
  return %r : tensor<1x?x64xbf16>
}

// -----

// CHECK-LABEL: func.func @mean(
// CHECK: linalg.generic
// CHECK: %[[SUM:.*]] = arith.addf
// CHECK: %[[TWO:.*]] = arith.constant 2.000000e+00 : f32
// CHECK: arith.divf %[[SUM]], %[[TWO]]
func.func @mean(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %r = hybrid.parallel mean {
    hybrid.yield %a : tensor<4xf32>
  }, {
    hybrid.yield %b : tensor<4xf32>
  } : tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @concat(
// CHECK-SAME: %[[A:.*]]: tensor<2x3xf32>, %[[B:.*]]: tensor<2x?xf32>, %[[N:.*]]: index
// CHECK: %[[LAST:.*]] = affine.apply #{{.*}}()[%[[N]]]
// CHECK: %[[EMPTY:.*]] = tensor.empty(%[[LAST]]) : tensor<2x?xf32>
// CHECK: %[[I0:.*]] = tensor.insert_slice %[[A]] into %[[EMPTY]][0, 0] [2, 3] [1, 1]
// CHECK: tensor.insert_slice %{{.*}} into %[[I0]][0, 3] [2, %[[N]]] [1, 1]
func.func @concat(%a: tensor<2x3xf32>, %b: tensor<2x?xf32>, %n: index) -> tensor<2x?xf32> {
  %o = tensor.empty(%n) : tensor<2x?xf32>
  %d = tensor.cast %o : tensor<2x?xf32> to tensor<?x?xf32>
  %e = tensor.cast %d : tensor<?x?xf32> to tensor<2x?xf32>
  %r = hybrid.parallel concat {
    hybrid.yield %a : tensor<2x3xf32>
  }, {
    %y = hybrid.cumsum ins(%b : tensor<2x?xf32>) outs(%e : tensor<2x?xf32>) {axis = 1 : i64} -> tensor<2x?xf32>
    hybrid.yield %y : tensor<2x?xf32>
  } : tensor<2x?xf32>
  return %r : tensor<2x?xf32>
}

// -----

// CHECK-DAG: #[[ID:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[SCALAR:.*]] = affine_map<(d0, d1) -> ()>
// CHECK-DAG: #[[LAST:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-LABEL: func.func @weighted(
// CHECK: %[[ONE:.*]] = tensor.collapse_shape %{{.*}} [] : tensor<1xf32> into tensor<f32>
// CHECK: linalg.generic {indexing_maps = [#[[ID]], #[[ID]], #[[ID]], #[[SCALAR]], #[[LAST]], #[[SCALAR]], #[[ID]]]
// CHECK: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %[[C:.*]]: f32, %[[U:.*]]: f32, %[[V:.*]]: f32, %[[W:.*]]: f32, %{{.*}}: f32):
// CHECK: %[[T0:.*]] = arith.mulf %[[U]], %[[A]]
// CHECK: %[[T1:.*]] = arith.mulf %[[V]], %[[B]]
// CHECK: %[[S0:.*]] = arith.addf %[[T0]], %[[T1]]
// CHECK: %[[T2:.*]] = arith.mulf %[[W]], %[[C]]
// CHECK: arith.addf %[[S0]], %[[T2]]
func.func @weighted(%a: tensor<2x8xf32>, %u: tensor<f32>, %v: tensor<8xf32>, %w: tensor<1xf32>) -> tensor<2x8xf32> {
  %r = hybrid.parallel weighted weights(%u, %v, %w : tensor<f32>, tensor<8xf32>, tensor<1xf32>) {
    hybrid.yield %a : tensor<2x8xf32>
  }, {
    hybrid.yield %a : tensor<2x8xf32>
  }, {
    hybrid.yield %a : tensor<2x8xf32>
  } : tensor<2x8xf32>
  return %r : tensor<2x8xf32>
}

// -----

// Inner operations are lowered first.

// CHECK-LABEL: func.func @nested(
// CHECK: %[[INNER:.*]] = linalg.generic
// CHECK: arith.subf
// CHECK: linalg.generic
// CHECK-SAME: ins(%{{.*}}, %[[INNER]] :
// CHECK: arith.addf
// CHECK-NOT: hybrid.parallel
func.func @nested(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %r = hybrid.parallel add {
    hybrid.yield %a : tensor<4xf32>
  }, {
    %i = hybrid.parallel sub {
      hybrid.yield %a : tensor<4xf32>
    }, {
      hybrid.yield %b : tensor<4xf32>
    } : tensor<4xf32>
    hybrid.yield %i : tensor<4xf32>
  } : tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

// Other results; a form in turn is in the locations, for later passes.

// RUN: hybrid-opt %s --hybrid-lower-parallel --split-input-file --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s --check-prefix=LOCATION
// LOCATION-LABEL: func.func @others(
// LOCATION: %[[A:.*]] = linalg.exp {{.*}} loc(fused<#hybrid.branch<0, 0>>[
// LOCATION: %[[B:.*]] = linalg.tanh {{.*}} loc(fused<#hybrid.branch<0, 1>>[
// LOCATION: %[[R:.*]] = linalg.generic
// LOCATION: return %[[R]], %[[B]], %[[A]]
func.func @others(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %r:3 = hybrid.parallel add {
    %e = linalg.exp ins(%a : tensor<4xf32>) outs(%a : tensor<4xf32>) -> tensor<4xf32>
    hybrid.yield %a, %e : tensor<4xf32>, tensor<4xf32>
  }, {
    %t = linalg.tanh ins(%a : tensor<4xf32>) outs(%a : tensor<4xf32>) -> tensor<4xf32>
    hybrid.yield %t, %t : tensor<4xf32>, tensor<4xf32>
  } {form = #hybrid.branch_form<sequential>} : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
  return %r#0, %r#2, %r#1 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
