// RUN: hybrid-opt %s --hybrid-bufferize-kernels --split-input-file | FileCheck %s

// Tiles become views; the result is computed in the destination.

#id = affine_map<(d0, d1) -> (d0, d1)>
#tile = affine_map<(d0)[s0] -> (-d0 + s0, 128)>
// CHECK-LABEL: func.func private @tiles(
// CHECK-SAME: %[[X:[^:]*]]: memref<?x64xf32, strided<[328, 1], offset: 128>>, %[[O:[^:]*]]: memref<?x64xf32>)
// CHECK-NOT: memref.alloc
// CHECK: %[[N:.*]] = memref.dim %[[X]]
// CHECK-NEXT: scf.forall (%[[I:.*]]) = (0) to (%[[N]]) step (128) {
// CHECK-NEXT: %[[SIZE:.*]] = affine.min
// CHECK-NEXT: %[[XT:.*]] = memref.subview %[[X]][%[[I]], 0] [%[[SIZE]], 64] [1, 1]
// CHECK-NEXT: %[[OT:.*]] = memref.subview %[[O]][%[[I]], 0] [%[[SIZE]], 64] [1, 1]
// CHECK-NEXT: linalg.generic {{.*}} ins(%[[XT]] : {{.*}}) outs(%[[OT]] :
// CHECK-NOT: linalg.generic
// CHECK-NOT: memref.copy
// CHECK: return
func.func private @tiles(%x: memref<?x64xf32, strided<[328, 1], offset: 128>>, %o: memref<?x64xf32>) attributes {hybrid.kernel} {
  %c0 = arith.constant 0 : index
  %xt = bufferization.to_tensor %x restrict : memref<?x64xf32, strided<[328, 1], offset: 128>> to tensor<?x64xf32>
  %ot = bufferization.to_tensor %o restrict writable : memref<?x64xf32> to tensor<?x64xf32>
  %n = tensor.dim %xt, %c0 : tensor<?x64xf32>
  %0 = scf.forall (%i) = (0) to (%n) step (128) shared_outs(%shared = %ot) -> (tensor<?x64xf32>) {
    %size = affine.min #tile(%i)[%n]
    %1 = tensor.extract_slice %xt[%i, 0] [%size, 64] [1, 1] : tensor<?x64xf32> to tensor<?x64xf32>
    %2 = tensor.extract_slice %shared[%i, 0] [%size, 64] [1, 1] : tensor<?x64xf32> to tensor<?x64xf32>
    %3 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%1 : tensor<?x64xf32>) outs(%2 : tensor<?x64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %4 = arith.negf %in : f32
      linalg.yield %4 : f32
    } -> tensor<?x64xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %3 into %shared[%i, 0] [%size, 64] [1, 1] : tensor<?x64xf32> into tensor<?x64xf32>
    }
  }
  bufferization.materialize_in_destination %0 in restrict writable %o : (tensor<?x64xf32>, memref<?x64xf32>) -> ()
  return
}

// -----

// What a block needs between its operations lies on the stack, at the function's
// start, with the largest size of a tile; the view of it has the actual size.

#id = affine_map<(d0, d1) -> (d0, d1)>
#tile = affine_map<(d0)[s0] -> (-d0 + s0, 32)>
// CHECK-LABEL: func.func private @between(
// CHECK-NEXT: %[[STACK:.*]] = memref.alloca() {alignment = 64 : i64} : memref<32x64xf32>
// CHECK: scf.forall
// CHECK: %[[SIZE:.*]] = affine.min
// CHECK: %[[VIEW:.*]] = memref.reinterpret_cast %[[STACK]] to offset: [0], sizes: [%[[SIZE]], 64], strides: [64, 1]
// CHECK: %[[SUM:.*]] = memref.cast %[[VIEW]] : memref<?x64xf32, strided<[64, 1]>> to memref<?x64xf32>
// CHECK: hybrid.cumsum {{.*}} outs(%[[SUM]] :
// CHECK: linalg.generic {{.*}} ins(%[[SUM]] :
// CHECK-NOT: memref.alloc
// CHECK: return
func.func private @between(%x: memref<?x64xf32>, %o: memref<?x64xf32>) attributes {hybrid.kernel} {
  %c0 = arith.constant 0 : index
  %xt = bufferization.to_tensor %x restrict : memref<?x64xf32> to tensor<?x64xf32>
  %ot = bufferization.to_tensor %o restrict writable : memref<?x64xf32> to tensor<?x64xf32>
  %n = tensor.dim %xt, %c0 : tensor<?x64xf32>
  %0 = scf.forall (%i) = (0) to (%n) step (32) shared_outs(%shared = %ot) -> (tensor<?x64xf32>) {
    %size = affine.min #tile(%i)[%n]
    %1 = tensor.extract_slice %xt[%i, 0] [%size, 64] [1, 1] : tensor<?x64xf32> to tensor<?x64xf32>
    %2 = tensor.extract_slice %shared[%i, 0] [%size, 64] [1, 1] : tensor<?x64xf32> to tensor<?x64xf32>
    %e = tensor.empty(%size) : tensor<?x64xf32>
    %3 = hybrid.cumsum ins(%1 : tensor<?x64xf32>) outs(%e : tensor<?x64xf32>) {axis = 1 : i64} -> tensor<?x64xf32>
    %4 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%3 : tensor<?x64xf32>) outs(%2 : tensor<?x64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %5 = arith.negf %in : f32
      linalg.yield %5 : f32
    } -> tensor<?x64xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %4 into %shared[%i, 0] [%size, 64] [1, 1] : tensor<?x64xf32> into tensor<?x64xf32>
    }
  }
  bufferization.materialize_in_destination %0 in restrict writable %o : (tensor<?x64xf32>, memref<?x64xf32>) -> ()
  return
}

// -----

// A loop updates its destination element by element.

// CHECK-LABEL: func.func private @loop(
// CHECK-SAME: %[[X:[^:]*]]: memref<?xf32>, %[[O:[^:]*]]: memref<?xf32>, %[[N:[^:]*]]: index)
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %[[N]] step %{{.*}} {
// CHECK-NEXT: %[[V:.*]] = memref.load %[[X]][%[[I]]]
// CHECK-NEXT: memref.store %[[V]], %[[O]][%[[I]]]
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func private @loop(%x: memref<?xf32>, %o: memref<?xf32>, %n: index) attributes {hybrid.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %xt = bufferization.to_tensor %x restrict : memref<?xf32> to tensor<?xf32>
  %ot = bufferization.to_tensor %o restrict writable : memref<?xf32> to tensor<?xf32>
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %ot) -> (tensor<?xf32>) {
    %1 = tensor.extract %xt[%i] : tensor<?xf32>
    %2 = tensor.insert %1 into %acc[%i] : tensor<?xf32>
    scf.yield %2 : tensor<?xf32>
  }
  bufferization.materialize_in_destination %0 in restrict writable %o : (tensor<?xf32>, memref<?xf32>) -> ()
  return
}

// -----

// A copy that has to be is work like other work: two destinations, one value.

// CHECK-LABEL: func.func private @copied(
// CHECK-SAME: %[[X:[^:]*]]: memref<8xf32>, %[[O:[^:]*]]: memref<8xf32>, %[[P:[^:]*]]: memref<8xf32>)
// CHECK: hybrid.cumsum ins(%[[X]] : {{.*}}) outs(%[[A:.*]] : memref<8xf32>)
// CHECK: linalg.generic {{.*}} ins(%[[A]] : memref<8xf32>)
// CHECK-NOT: memref.copy
// CHECK: return
func.func private @copied(%x: memref<8xf32>, %o: memref<8xf32>, %p: memref<8xf32>) attributes {hybrid.kernel} {
  %xt = bufferization.to_tensor %x restrict : memref<8xf32> to tensor<8xf32>
  %ot = bufferization.to_tensor %o restrict writable : memref<8xf32> to tensor<8xf32>
  %0 = hybrid.cumsum ins(%xt : tensor<8xf32>) outs(%ot : tensor<8xf32>) {axis = 0 : i64} -> tensor<8xf32>
  bufferization.materialize_in_destination %0 in restrict writable %o : (tensor<8xf32>, memref<8xf32>) -> ()
  bufferization.materialize_in_destination %0 in restrict writable %p : (tensor<8xf32>, memref<8xf32>) -> ()
  return
}

// -----

// Two results of one operation stay apart, and only kernels are touched.

// CHECK-LABEL: func.func private @two_results(
// CHECK-SAME: %[[Q:[^:]*]]: memref<1x3x2x4xf32>, %[[O:[^:]*]]: memref<1x3x2x4xf32>, %[[S:[^:]*]]: memref<1x2x4x4xf32>)
// CHECK-NEXT: hybrid.scan linear ins(%[[Q]], %[[Q]], %[[Q]] : {{.*}}) outs(%[[O]], %[[S]] :
// CHECK-NEXT: return
func.func private @two_results(%q: memref<1x3x2x4xf32>, %o: memref<1x3x2x4xf32>, %s: memref<1x2x4x4xf32>) attributes {hybrid.kernel} {
  %qt = bufferization.to_tensor %q restrict : memref<1x3x2x4xf32> to tensor<1x3x2x4xf32>
  %ot = bufferization.to_tensor %o restrict writable : memref<1x3x2x4xf32> to tensor<1x3x2x4xf32>
  %st = bufferization.to_tensor %s restrict writable : memref<1x2x4x4xf32> to tensor<1x2x4x4xf32>
  %0:2 = hybrid.scan linear ins(%qt, %qt, %qt : tensor<1x3x2x4xf32>, tensor<1x3x2x4xf32>, tensor<1x3x2x4xf32>)
    outs(%ot, %st : tensor<1x3x2x4xf32>, tensor<1x2x4x4xf32>) {scale = 1.0 : f64} -> tensor<1x3x2x4xf32>, tensor<1x2x4x4xf32>
  bufferization.materialize_in_destination %0#0 in restrict writable %o : (tensor<1x3x2x4xf32>, memref<1x3x2x4xf32>) -> ()
  bufferization.materialize_in_destination %0#1 in restrict writable %s : (tensor<1x2x4x4xf32>, memref<1x2x4x4xf32>) -> ()
  return
}

// CHECK-LABEL: func.func @no_kernel(
// CHECK: bufferization.to_tensor
func.func @no_kernel(%x: memref<8xf32>) -> tensor<8xf32> {
  %xt = bufferization.to_tensor %x restrict : memref<8xf32> to tensor<8xf32>
  return %xt : tensor<8xf32>
}
