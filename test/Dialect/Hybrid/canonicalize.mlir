// RUN: hybrid-opt %s --canonicalize --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --resolve-shaped-type-result-dims --canonicalize --cse --split-input-file | FileCheck %s --check-prefix=DIMS

// Casts that only forget sizes are folded into the operation.

// CHECK-LABEL: func.func @cast_into_norm(
// CHECK-SAME: %[[X:.*]]: tensor<1x4x64xf32>
// CHECK: %[[O:.*]] = tensor.empty() : tensor<1x4x64xf32>
// CHECK: %[[R:.*]] = hybrid.norm rms ins(%[[X]] : tensor<1x4x64xf32>) outs(%[[O]] : tensor<1x4x64xf32>) {axis = 2 : i64, epsilon = 1.000000e-05 : f64, keep} -> tensor<1x4x64xf32>
// CHECK: tensor.cast %[[R]] : tensor<1x4x64xf32> to tensor<1x?x64xf32>
func.func @cast_into_norm(%x: tensor<1x4x64xf32>) -> tensor<1x?x64xf32> {
  %o = tensor.empty() : tensor<1x4x64xf32>
  %0 = tensor.cast %x : tensor<1x4x64xf32> to tensor<1x?x64xf32>
  %1 = tensor.cast %o : tensor<1x4x64xf32> to tensor<1x?x64xf32>
  %r = hybrid.norm rms ins(%0 : tensor<1x?x64xf32>) outs(%1 : tensor<1x?x64xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64, keep} -> tensor<1x?x64xf32>
  return %r : tensor<1x?x64xf32>
}

// -----

// CHECK-LABEL: func.func @cast_into_scan(
// CHECK-NOT: tensor.cast %arg
// CHECK: hybrid.scan linear
// CHECK-SAME: -> tensor<1x3x2x5xf32>, tensor<1x2x4x5xf32>
func.func @cast_into_scan(%q: tensor<1x3x2x4xf32>, %v: tensor<1x3x2x5xf32>, %s: tensor<1x2x4x5xf32>) -> (tensor<1x?x2x5xf32>, tensor<1x2x4x5xf32>) {
  %0 = tensor.cast %q : tensor<1x3x2x4xf32> to tensor<1x?x2x4xf32>
  %1 = tensor.cast %v : tensor<1x3x2x5xf32> to tensor<1x?x2x5xf32>
  %r:2 = hybrid.scan linear ins(%0, %0, %1 : tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>, tensor<1x?x2x5xf32>)
    outs(%1, %s : tensor<1x?x2x5xf32>, tensor<1x2x4x5xf32>) {scale = 1.0 : f64} -> tensor<1x?x2x5xf32>, tensor<1x2x4x5xf32>
  return %r#0, %r#1 : tensor<1x?x2x5xf32>, tensor<1x2x4x5xf32>
}

// -----

// A launch matches its kernel up to static sizes, so it takes the cast as well.

func.func private @k(tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32> attributes {hybrid.kernel}
// CHECK-LABEL: func.func @cast_into_launch(
// CHECK: hybrid.launch @k ins(%{{.*}} : tensor<4xf32>) outs(%{{.*}} : tensor<?xf32>) -> tensor<?xf32>
func.func @cast_into_launch(%x: tensor<4xf32>, %o: tensor<?xf32>) -> tensor<?xf32> {
  %0 = tensor.cast %x : tensor<4xf32> to tensor<?xf32>
  %r = hybrid.launch @k ins(%0 : tensor<?xf32>) outs(%o : tensor<?xf32>) -> tensor<?xf32>
  return %r : tensor<?xf32>
}

// -----

// On tensors a computation has no effect: without uses it goes. On memrefs it
// stays.

// CHECK-LABEL: func.func @unused(
// CHECK-NOT: hybrid.norm {{.*}} tensor
// CHECK: hybrid.norm {{.*}} memref
// CHECK: return
func.func @unused(%x: tensor<4xf32>, %m: memref<4xf32>, %o: memref<4xf32>) {
  %r = hybrid.norm rms ins(%x : tensor<4xf32>) outs(%x : tensor<4xf32>) {axis = 0 : i64, epsilon = 0.0 : f64} -> tensor<4xf32>
  hybrid.norm rms ins(%m : memref<4xf32>) outs(%o : memref<4xf32>) {axis = 0 : i64, epsilon = 0.0 : f64}
  return
}

// -----

// An operation with a state that is updated in place has two results; each is as
// large as its destination.

// DIMS-LABEL: func.func @sizes(
// DIMS-SAME: %[[O:[a-z0-9]*]]: tensor<1x192x?xf32>, %[[S:[a-z0-9]*]]: tensor<?x192x3xf32>
// DIMS-DAG: %[[C0:.*]] = arith.constant 0 : index
// DIMS-DAG: %[[C2:.*]] = arith.constant 2 : index
// DIMS-DAG: %[[D0:.*]] = tensor.dim %[[O]], %[[C2]]
// DIMS-DAG: %[[D1:.*]] = tensor.dim %[[S]], %[[C0]]
// DIMS-NOT: hybrid.causal_conv
// DIMS: return %[[D0]], %[[D1]]
func.func @sizes(%o: tensor<1x192x?xf32>, %s: tensor<?x192x3xf32>, %w: tensor<192x4xf32>) -> (index, index) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %r:2 = hybrid.causal_conv ins(%o, %w : tensor<1x192x?xf32>, tensor<192x4xf32>) outs(%o, %s : tensor<1x192x?xf32>, tensor<?x192x3xf32>)
    -> tensor<1x192x?xf32>, tensor<?x192x3xf32>
  %0 = tensor.dim %r#0, %c2 : tensor<1x192x?xf32>
  %1 = tensor.dim %r#1, %c0 : tensor<?x192x3xf32>
  return %0, %1 : index, index
}

// -----

// A branch's size comes from outside of it; concat adds the last ones up.

// DIMS: #[[SUM:.*]] = affine_map<()[s0, s1] -> (s0 + s1)>
// DIMS-LABEL: func.func @parallel_sizes(
// DIMS-SAME: %[[A:[a-z0-9]*]]: tensor<?x?xf32>, %[[B:[a-z0-9]*]]: tensor<?x?xf32>
// DIMS-DAG: %[[C0:.*]] = arith.constant 0 : index
// DIMS-DAG: %[[C1:.*]] = arith.constant 1 : index
// DIMS-DAG: %[[A0:.*]] = tensor.dim %[[A]], %[[C0]]
// DIMS-DAG: %[[A1:.*]] = tensor.dim %[[A]], %[[C1]]
// DIMS-DAG: %[[B1:.*]] = tensor.dim %[[B]], %[[C1]]
// DIMS-DAG: %[[R1:.*]] = affine.apply #[[SUM]]()[%[[A1]], %[[B1]]]
// DIMS: return %[[A0]], %[[R1]]
func.func @parallel_sizes(%a: tensor<?x?xf32>, %b: tensor<?x?xf32>) -> (index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = hybrid.parallel concat {
    hybrid.yield %a : tensor<?x?xf32>
  }, {
    %y = hybrid.cumsum ins(%b : tensor<?x?xf32>) outs(%b : tensor<?x?xf32>) {axis = 1 : i64} -> tensor<?x?xf32>
    hybrid.yield %y : tensor<?x?xf32>
  } : tensor<?x?xf32>
  %0 = tensor.dim %r, %c0 : tensor<?x?xf32>
  %1 = tensor.dim %r, %c1 : tensor<?x?xf32>
  return %0, %1 : index, index
}
