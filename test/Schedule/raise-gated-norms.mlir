// RUN: hybrid-opt %s --hybrid-raise-gated-norms --canonicalize --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-raise-gated-norms --split-input-file --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Mamba-2: sigmoid, product with its operand, product with the input.
#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-LABEL: func.func @gate_first(
// CHECK-SAME: %[[Y:[^:]*]]: tensor<1x?x128xf32>, %[[Z:[^:]*]]: tensor<1x?x128xf32>, %[[W:[^:]*]]: tensor<128xf32>
// CHECK-NOT: linalg.generic
// CHECK: hybrid.gated_norm gate_first ins(%[[Y]], %[[Z]] : {{.*}} scale(%[[W]] : {{.*}} {activation = #hybrid.activation<silu>, epsilon = {{.*}} : f64}
// REMARK: Passed{{.*}}hybrid-raise-gated-norms{{.*}}the gate became part of the norm
func.func @gate_first(%y: tensor<1x?x128xf32>, %z: tensor<1x?x128xf32>, %w: tensor<128xf32>, %t: index) -> tensor<1x?x128xf32> {
  %o = tensor.empty(%t) : tensor<1x?x128xf32>
  %s = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z : tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%in: f32, %out: f32):
    %one = arith.constant 1.0 : f32
    %0 = arith.negf %in : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %one, %1 : f32
    %3 = arith.divf %one, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<1x?x128xf32>
  %g = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z, %s : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  %x = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%y, %g : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  %r = hybrid.norm rms ins(%x : tensor<1x?x128xf32>) scale(%w : tensor<128xf32>) outs(%o : tensor<1x?x128xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x?x128xf32>
  return %r : tensor<1x?x128xf32>
}

// -----

// In groups of 32 channels; the scale is per channel.
#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#last = affine_map<(d0, d1, d2) -> (d2)>
// CHECK-LABEL: func.func @grouped(
// CHECK-SAME: %[[Y:[^:]*]]: tensor<1x?x128xf32>, %[[Z:[^:]*]]: tensor<1x?x128xf32>, %[[W:[^:]*]]: tensor<128xf32>
// CHECK-NOT: linalg.generic
// CHECK: hybrid.gated_norm gate_first ins(%[[Y]], %[[Z]] : {{.*}} scale(%[[W]] : {{.*}} group_size = 32 : i64}
// REMARK: Passed{{.*}}the gate became part of the norm
func.func @grouped(%y: tensor<1x?x128xf32>, %z: tensor<1x?x128xf32>, %w: tensor<128xf32>, %t: index) -> tensor<1x?x128xf32> {
  %o = tensor.empty(%t) : tensor<1x?x128xf32>
  %s = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z : tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%in: f32, %out: f32):
    %one = arith.constant 1.0 : f32
    %0 = arith.negf %in : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %one, %1 : f32
    %3 = arith.divf %one, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<1x?x128xf32>
  %g = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z, %s : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  %x = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%g, %y : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %e = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [1, %t, 4, 32] : tensor<1x?x128xf32> into tensor<1x?x4x32xf32>
  %oe = tensor.empty(%t) : tensor<1x?x4x32xf32>
  %n = hybrid.norm rms ins(%e : tensor<1x?x4x32xf32>) scale(%one : tensor<1xf32>) outs(%oe : tensor<1x?x4x32xf32>) {axis = 3 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x?x4x32xf32>
  %c = tensor.collapse_shape %n [[0], [1], [2, 3]] : tensor<1x?x4x32xf32> into tensor<1x?x128xf32>
  %r = linalg.generic {indexing_maps = [#last, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%w, %c : tensor<128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  return %r : tensor<1x?x128xf32>
}

// -----

// Gated DeltaNet: the gate behind, here all of it in one body.
#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-LABEL: func.func @norm_first(
// CHECK-SAME: %[[Y:[^:]*]]: tensor<1x?x128xf32>, %[[Z:[^:]*]]: tensor<1x?x128xf32>, %[[W:[^:]*]]: tensor<128xf32>
// CHECK: hybrid.gated_norm norm_first ins(%[[Y]], %[[Z]] : {{.*}} scale(%[[W]] : {{.*}} {activation = #hybrid.activation<silu>
// REMARK: Passed{{.*}}the gate became part of the norm
func.func @norm_first(%y: tensor<1x?x128xf32>, %z: tensor<1x?x128xf32>, %w: tensor<128xf32>, %t: index) -> tensor<1x?x128xf32> {
  %o = tensor.empty(%t) : tensor<1x?x128xf32>
  %n = hybrid.norm rms ins(%y : tensor<1x?x128xf32>) scale(%w : tensor<128xf32>) outs(%o : tensor<1x?x128xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x?x128xf32>
  %g = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z : tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%in: f32, %out: f32):
    %one = arith.constant 1.0 : f32
    %0 = arith.negf %in : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %1, %one : f32
    %3 = arith.divf %one, %2 : f32
    %4 = arith.mulf %in, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<1x?x128xf32>
  %r = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%n, %g : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  return %r : tensor<1x?x128xf32>
}

// -----

// KDA: a sigmoid behind.
#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-LABEL: func.func @sigmoid_behind(
// CHECK: hybrid.gated_norm norm_first {{.*}} {activation = #hybrid.activation<sigmoid>
// REMARK: Passed{{.*}}the gate became part of the norm
func.func @sigmoid_behind(%y: tensor<1x?x128xf32>, %z: tensor<1x?x128xf32>, %w: tensor<128xf32>, %t: index) -> tensor<1x?x128xf32> {
  %o = tensor.empty(%t) : tensor<1x?x128xf32>
  %n = hybrid.norm rms ins(%y : tensor<1x?x128xf32>) scale(%w : tensor<128xf32>) outs(%o : tensor<1x?x128xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x?x128xf32>
  %g = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z : tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%in: f32, %out: f32):
    %one = arith.constant 1.0 : f32
    %0 = arith.negf %in : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %one, %1 : f32
    %3 = arith.divf %one, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<1x?x128xf32>
  %r = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%g, %n : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  return %r : tensor<1x?x128xf32>
}

// -----

// The operation has no such form.
#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-LABEL: func.func @sigmoid_in_front(
// CHECK-NOT: gated_norm
// REMARK: Missed{{.*}}the gate in front is no SiLU, or the element types differ
func.func @sigmoid_in_front(%y: tensor<1x?x128xf32>, %z: tensor<1x?x128xf32>, %w: tensor<128xf32>, %t: index) -> tensor<1x?x128xf32> {
  %o = tensor.empty(%t) : tensor<1x?x128xf32>
  %s = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z : tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%in: f32, %out: f32):
    %one = arith.constant 1.0 : f32
    %0 = arith.negf %in : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %one, %1 : f32
    %3 = arith.divf %one, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<1x?x128xf32>
  %x = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%y, %s : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  %r = hybrid.norm rms ins(%x : tensor<1x?x128xf32>) scale(%w : tensor<128xf32>) outs(%o : tensor<1x?x128xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x?x128xf32>
  return %r : tensor<1x?x128xf32>
}

// -----

// The sigmoid is of another tensor: y · (y · sigmoid(z)).
#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-LABEL: func.func @other_sigmoid(
// CHECK-NOT: gated_norm
func.func @other_sigmoid(%y: tensor<1x?x128xf32>, %z: tensor<1x?x128xf32>, %w: tensor<128xf32>, %t: index) -> tensor<1x?x128xf32> {
  %o = tensor.empty(%t) : tensor<1x?x128xf32>
  %s = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z : tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%in: f32, %out: f32):
    %one = arith.constant 1.0 : f32
    %0 = arith.negf %in : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %one, %1 : f32
    %3 = arith.divf %one, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<1x?x128xf32>
  %g = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%y, %s : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  %x = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%y, %g : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  %r = hybrid.norm rms ins(%x : tensor<1x?x128xf32>) scale(%w : tensor<128xf32>) outs(%o : tensor<1x?x128xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x?x128xf32>
  return %r : tensor<1x?x128xf32>
}

// -----

// A layer norm.
#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-LABEL: func.func @layer(
// CHECK-NOT: gated_norm
func.func @layer(%y: tensor<1x?x128xf32>, %z: tensor<1x?x128xf32>, %w: tensor<128xf32>, %t: index) -> tensor<1x?x128xf32> {
  %o = tensor.empty(%t) : tensor<1x?x128xf32>
  %s = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z : tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%in: f32, %out: f32):
    %one = arith.constant 1.0 : f32
    %0 = arith.negf %in : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %one, %1 : f32
    %3 = arith.divf %one, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<1x?x128xf32>
  %g = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z, %s : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  %x = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%y, %g : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  %r = hybrid.norm layer ins(%x : tensor<1x?x128xf32>) scale(%w : tensor<128xf32>) outs(%o : tensor<1x?x128xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x?x128xf32>
  return %r : tensor<1x?x128xf32>
}

// -----

// The product is a result, too.
#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-LABEL: func.func @product_is_used(
// CHECK-NOT: gated_norm
func.func @product_is_used(%y: tensor<1x?x128xf32>, %z: tensor<1x?x128xf32>, %w: tensor<128xf32>, %t: index) -> (tensor<1x?x128xf32>, tensor<1x?x128xf32>) {
  %o = tensor.empty(%t) : tensor<1x?x128xf32>
  %s = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z : tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%in: f32, %out: f32):
    %one = arith.constant 1.0 : f32
    %0 = arith.negf %in : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %one, %1 : f32
    %3 = arith.divf %one, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<1x?x128xf32>
  %g = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%z, %s : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  %x = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%y, %g : tensor<1x?x128xf32>, tensor<1x?x128xf32>) outs(%o : tensor<1x?x128xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %0 = arith.mulf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<1x?x128xf32>
  %r = hybrid.norm rms ins(%x : tensor<1x?x128xf32>) scale(%w : tensor<128xf32>) outs(%o : tensor<1x?x128xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x?x128xf32>
  return %r, %x : tensor<1x?x128xf32>, tensor<1x?x128xf32>
}
