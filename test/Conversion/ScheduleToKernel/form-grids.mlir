// RUN: hybrid-opt %s --hybrid-form-grids | FileCheck %s

// The forall becomes the block's number, its trip count stands at the launch.

// CHECK-LABEL: func.func @main
// CHECK: %[[N:.*]] = hybrid.dim "batch"
// CHECK: %[[BLOCKS:.*]] = affine.apply #[[$CEIL:.*]]()[%[[N]]]
// CHECK: hybrid.launch @scale grid(%[[BLOCKS]])
// CHECK-NOT: scf.forall
// CHECK-LABEL: func.func private @scale
// CHECK-SAME: %[[BLOCK:[a-z0-9]+]]: index) attributes {hybrid.kernel}
// CHECK-NOT: scf.forall
// CHECK: affine.apply {{.*}}[%[[BLOCK]]
// CHECK: memref.store

// A kernel whose effects are outside of one forall is a single block.
// CHECK-LABEL: func.func private @whole
// CHECK-SAME: index) attributes {hybrid.kernel}
// CHECK: memref.store
module attributes {hybrid.symbols = [{name = "batch", role = "batch", capacity = 8 : i64}]} {
  func.func @main(%arena: memref<?xi8>, %weights: memref<?xi8>, %in: memref<?xi8>) attributes {hybrid.entry} {
    %c0 = arith.constant 0 : index
    %n = hybrid.dim "batch"
    %x = memref.view %in[%c0][%n] : memref<?xi8> to memref<?xf32>
    hybrid.launch @scale outs(%x : memref<?xf32>)
    hybrid.launch @whole outs(%x : memref<?xf32>)
    return
  }
  func.func private @scale(%x: memref<?xf32>) attributes {hybrid.kernel} {
    %c0 = arith.constant 0 : index
    %one = arith.constant 1.0 : f32
    %n = memref.dim %x, %c0 : memref<?xf32>
    scf.forall (%i) = (0) to (%n) step (8) {
      memref.store %one, %x[%i] : memref<?xf32>
    }
    return
  }
  func.func private @whole(%x: memref<?xf32>) attributes {hybrid.kernel} {
    %c0 = arith.constant 0 : index
    %one = arith.constant 1.0 : f32
    memref.store %one, %x[%c0] : memref<?xf32>
    return
  }
}
