// RUN: hybrid-opt %s --hybrid-plan-arena | FileCheck %s

// Buffers that live at the same time lie apart, others share: %c takes the
// place of %a. Sizes are those at the capacities: 8 · 16 · 4 bytes each.

// CHECK: hybrid.arena_bytes = 1024 : i64
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[ARENA:[a-z0-9]+]]: memref<?xi8>
// CHECK-NOT: memref.alloc
// CHECK: %[[AT_A:.*]] = arith.constant [[A:[0-9]+]] : index
// CHECK: %[[VIEW_A:.*]] = memref.view %[[ARENA]][%[[AT_A]]]
// CHECK: %[[AT_B:.*]] = arith.constant [[B:[0-9]+]] : index
// CHECK: %[[VIEW_B:.*]] = memref.view %[[ARENA]][%[[AT_B]]]
// CHECK: hybrid.launch @k ins(%[[VIEW_A]]
// CHECK: %[[AT_C:.*]] = arith.constant [[A]] : index
// CHECK: memref.view %[[ARENA]][%[[AT_C]]]
module attributes {hybrid.symbols = [{name = "batch", role = "batch", capacity = 8 : i64}]} {
  func.func @main(%arena: memref<?xi8>, %weights: memref<?xi8>) attributes {hybrid.entry} {
    %n = hybrid.dim "batch"
    %a = memref.alloc(%n) : memref<?x16xf32>
    %b = memref.alloc(%n) : memref<?x16xf32>
    hybrid.launch @k ins(%a : memref<?x16xf32>) outs(%b : memref<?x16xf32>)
    %c = memref.alloc(%n) : memref<?x16xf32>
    hybrid.launch @k ins(%b : memref<?x16xf32>) outs(%c : memref<?x16xf32>)
    return
  }
  func.func private @k(memref<?x16xf32>, memref<?x16xf32>) attributes {hybrid.kernel}
}
