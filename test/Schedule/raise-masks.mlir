// RUN: hybrid-opt %s --hybrid-raise-masks --canonicalize --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-raise-masks --split-input-file --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// A window and a prefix, by tensors of positions as exporters write them.

// REMARK: Passed{{.*}}the mask is computed from positions alone: it became attributes

#none = affine_map<(d0) -> ()>
#id = affine_map<(d0) -> (d0)>
#all = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
#sum = affine_map<()[s0, s1] -> (s0 + s1)>
// CHECK-LABEL: func.func @window(
// CHECK-NOT: linalg.generic
// CHECK: hybrid.attention
// CHECK-NOT: mask(
// CHECK-SAME: causal, scale = 1.000000e+00 : f64, sink_prefix = 2 : i64, window_left = 7 : i64
func.func @window(%q: tensor<1x2x?x8xf32>, %k: tensor<1x2x64x8xf32>, %t: index, %p: index) -> tensor<1x2x?x8xf32> {
  %n = affine.apply #sum()[%t, %p]
  %one = arith.constant dense<1> : tensor<i64>
  %start = arith.index_cast %p : index to i64
  %e0 = tensor.empty() : tensor<i64>
  %first = linalg.fill ins(%start : i64) outs(%e0 : tensor<i64>) -> tensor<i64>
  %et = tensor.empty(%t) : tensor<?xi64>
  %queries = linalg.generic {indexing_maps = [#none, #none, #id], iterator_types = ["parallel"]} ins(%first, %one : tensor<i64>, tensor<i64>) outs(%et : tensor<?xi64>) {
  ^bb0(%in: i64, %step: i64, %out: i64):
    %0 = linalg.index 0 : index
    %1 = arith.index_cast %0 : index to i64
    %2 = arith.muli %1, %step : i64
    %3 = arith.addi %in, %2 : i64
    linalg.yield %3 : i64
  } -> tensor<?xi64>
  %en = tensor.empty(%n) : tensor<?xi64>
  %keys = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel"]} outs(%en : tensor<?xi64>) {
  ^bb0(%out: i64):
    %0 = linalg.index 0 : index
    %1 = arith.index_cast %0 : index to i64
    linalg.yield %1 : i64
  } -> tensor<?xi64>
  %rows = tensor.expand_shape %queries [[0, 1]] output_shape [%t, 1] : tensor<?xi64> into tensor<?x1xi64>
  %column = tensor.collapse_shape %rows [[0, 1]] : tensor<?x1xi64> into tensor<?xi64>
  %em = tensor.empty(%t, %n) : tensor<?x?xi1>
  %mask = linalg.generic {indexing_maps = [#row, #col, #all], iterator_types = ["parallel", "parallel"]} ins(%column, %keys : tensor<?xi64>, tensor<?xi64>) outs(%em : tensor<?x?xi1>) {
  ^bb0(%i: i64, %j: i64, %out: i1):
    %c8 = arith.constant 8 : i64
    %c2 = arith.constant 2 : i64
    %0 = arith.subi %i, %j : i64
    %1 = arith.cmpi slt, %0, %c8 : i64
    %2 = arith.cmpi slt, %j, %c2 : i64
    %3 = arith.ori %1, %2 : i1
    linalg.yield %3 : i1
  } -> tensor<?x?xi1>
  %o = tensor.empty(%t) : tensor<1x2x?x8xf32>
  %r = hybrid.attention ins(%q, %k, %k : tensor<1x2x?x8xf32>, tensor<1x2x64x8xf32>, tensor<1x2x64x8xf32>) mask(%mask : tensor<?x?xi1>)
    kv_length(%n) q_offset(%p) outs(%o : tensor<1x2x?x8xf32>) {causal, scale = 1.0 : f64} -> tensor<1x2x?x8xf32>
  return %r : tensor<1x2x?x8xf32>
}

// A causal mask: the last key is the query's own, and there is one query.

// REMARK: Passed{{.*}}it became attributes

// CHECK-LABEL: func.func @causal(
// CHECK: hybrid.attention
// CHECK-NOT: mask(
// CHECK-SAME: {causal, scale = 1.000000e+00 : f64}
func.func @causal(%q: tensor<1x2x1x8xf32>, %k: tensor<1x2x64x8xf32>, %one: index, %p: index) -> tensor<1x2x1x8xf32> {
  %c1 = arith.constant 1 : index
  %n = affine.apply #sum()[%c1, %p]
  %em = tensor.empty(%n) : tensor<1x?xi1>
  %mask = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%em : tensor<1x?xi1>) {
  ^bb0(%out: i1):
    %j = linalg.index 1 : index
    %0 = arith.cmpi sge, %p, %j : index
    linalg.yield %0 : i1
  } -> tensor<1x?xi1>
  %o = tensor.empty() : tensor<1x2x1x8xf32>
  %r = hybrid.attention ins(%q, %k, %k : tensor<1x2x1x8xf32>, tensor<1x2x64x8xf32>, tensor<1x2x64x8xf32>) mask(%mask : tensor<1x?xi1>)
    kv_length(%n) q_offset(%p) outs(%o : tensor<1x2x1x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x1x8xf32>
  return %r : tensor<1x2x1x8xf32>
}

// -----

// What attributes cannot say stays: keys beyond the mask, which are not
// visible; a prefix of the window; a prefix that is visible before it is there;
// data.

// REMARK: Missed{{.*}}the mask stays: it is not known to have a column for each key
// REMARK: Missed{{.*}}the mask stays: it shows only what of a window is in a prefix
// REMARK: Missed{{.*}}the mask stays: only a part of it is causal
// REMARK: Missed{{.*}}the mask stays: its elements are not computed from positions and from what is known of each key

#all = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @keep(
// CHECK-COUNT-4: hybrid.attention {{.*}} mask(
func.func @keep(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x64x8xf32>, %data: tensor<4x64xi1>, %p: index) -> (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) {
  %n = arith.constant 64 : index
  %c7 = arith.constant 7 : index
  %c2 = arith.constant 2 : index
  %short = tensor.empty() : tensor<4x63xi1>
  %m0 = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%short : tensor<4x63xi1>) {
  ^bb0(%out: i1):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %a = arith.addi %i, %p : index
    %0 = arith.cmpi sge, %a, %j : index
    linalg.yield %0 : i1
  } -> tensor<4x63xi1>
  %e = tensor.empty() : tensor<4x64xi1>
  %m1 = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<4x64xi1>) {
  ^bb0(%out: i1):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %a = arith.addi %i, %p : index
    %b = arith.addi %j, %c7 : index
    %0 = arith.cmpi sge, %b, %a : index
    %1 = arith.cmpi slt, %j, %c2 : index
    %2 = arith.andi %0, %1 : i1
    linalg.yield %2 : i1
  } -> tensor<4x64xi1>
  %m2 = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<4x64xi1>) {
  ^bb0(%out: i1):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %a = arith.addi %i, %p : index
    %0 = arith.cmpi sge, %a, %j : index
    %1 = arith.cmpi slt, %j, %c2 : index
    %2 = arith.ori %0, %1 : i1
    linalg.yield %2 : i1
  } -> tensor<4x64xi1>
  %o = tensor.empty() : tensor<1x2x4x8xf32>
  %r0 = hybrid.attention ins(%q, %k, %k : tensor<1x2x4x8xf32>, tensor<1x2x64x8xf32>, tensor<1x2x64x8xf32>) mask(%m0 : tensor<4x63xi1>)
    kv_length(%n) q_offset(%p) outs(%o : tensor<1x2x4x8xf32>) {causal, scale = 1.0 : f64} -> tensor<1x2x4x8xf32>
  %r1 = hybrid.attention ins(%q, %k, %k : tensor<1x2x4x8xf32>, tensor<1x2x64x8xf32>, tensor<1x2x64x8xf32>) mask(%m1 : tensor<4x64xi1>)
    kv_length(%n) q_offset(%p) outs(%o : tensor<1x2x4x8xf32>) {causal, scale = 1.0 : f64} -> tensor<1x2x4x8xf32>
  %r2 = hybrid.attention ins(%q, %k, %k : tensor<1x2x4x8xf32>, tensor<1x2x64x8xf32>, tensor<1x2x64x8xf32>) mask(%m2 : tensor<4x64xi1>)
    kv_length(%n) q_offset(%p) outs(%o : tensor<1x2x4x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x4x8xf32>
  %r3 = hybrid.attention ins(%q, %k, %k : tensor<1x2x4x8xf32>, tensor<1x2x64x8xf32>, tensor<1x2x64x8xf32>) mask(%data : tensor<4x64xi1>)
    kv_length(%n) q_offset(%p) outs(%o : tensor<1x2x4x8xf32>) {causal, scale = 1.0 : f64} -> tensor<1x2x4x8xf32>
  return %r0, %r1, %r2, %r3 : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>
}
