// RUN: hybrid-opt %s --pass-pipeline='builtin.module(func.func(hybrid-vectorize-contractions{vector-bits=256}))' | FileCheck %s

// The number of rows chooses: 2 to 16 take the thin form, which reads four rows of
// the right operand at a time and fetches the next four ahead; others the
// outer-product form with 3 vectors of 8 columns, 4 rows. Both are masked at the edge.
// CHECK-LABEL: func.func @columns
// CHECK-NOT: linalg.generic
// CHECK: %[[ROWS:.*]] = memref.dim %{{.*}}, %c0
// CHECK: %[[BEYOND:.*]] = arith.subi %[[ROWS]], %c2
// CHECK: %[[THIN:.*]] = arith.cmpi ult, %[[BEYOND]], %c15
// CHECK: scf.if %[[THIN]]
// CHECK: scf.for %{{.*}} = %c0{{.*}} to %c64{{.*}} step %c4
// CHECK-COUNT-4: vector.broadcast
// CHECK: vector.load {{.*}} vector<8xf32>
// CHECK-COUNT-4: vector.fma
// CHECK: vector.store
// CHECK-COUNT-4: memref.prefetch %{{.*}}, read, locality<3>, data
// CHECK: vector.maskedstore
// CHECK: } else {
// CHECK: vector.load {{.*}} vector<8xf32>
// CHECK: vector.fma
// CHECK: vector.store
// CHECK: vector.create_mask
// CHECK: vector.maskedload
// CHECK: vector.maskedstore
func.func @columns(%a: memref<?x64xf32>, %b: memref<64x100xf32>, %c: memref<?x100xf32>) {
  linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : memref<?x64xf32>, memref<64x100xf32>) outs(%c : memref<?x100xf32>) {
  ^bb0(%x: f32, %y: f32, %z: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %z, %p : f32
    linalg.yield %s : f32
  }
  return
}

// One row alone, and a short reduction, keep the outer-product form.
// CHECK-LABEL: func.func @one_row
// CHECK-NOT: scf.if
// CHECK-NOT: memref.prefetch
// CHECK: return
func.func @one_row(%a: memref<1x64xf32>, %b: memref<64x100xf32>, %c: memref<1x100xf32>, %d: memref<?x8xf32>, %e: memref<8x100xf32>, %f: memref<?x100xf32>) {
  linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : memref<1x64xf32>, memref<64x100xf32>) outs(%c : memref<1x100xf32>) {
  ^bb0(%x: f32, %y: f32, %z: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %z, %p : f32
    linalg.yield %s : f32
  }
  linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%d, %e : memref<?x8xf32>, memref<8x100xf32>) outs(%f : memref<?x100xf32>) {
  ^bb0(%x: f32, %y: f32, %z: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %z, %p : f32
    linalg.yield %s : f32
  }
  return
}

// Dot form for a transposed right operand; 16-bit operands are extended.
// CHECK-LABEL: func.func @dots
// CHECK-NOT: linalg.generic
// CHECK: vector.load {{.*}} vector<8xf16>
// CHECK: arith.extf {{.*}} vector<8xf16> to vector<8xf32>
// CHECK: vector.reduction <add>
func.func @dots(%a: memref<?x64xf16>, %b: memref<128x64xf16>, %c: memref<?x128xf32>) {
  linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : memref<?x64xf16>, memref<128x64xf16>) outs(%c : memref<?x128xf32>) {
  ^bb0(%x: f16, %y: f16, %z: f32):
    %xe = arith.extf %x : f16 to f32
    %ye = arith.extf %y : f16 to f32
    %p = arith.mulf %xe, %ye : f32
    %s = arith.addf %z, %p : f32
    linalg.yield %s : f32
  }
  return
}

// Integers are left to scalar loops.
// CHECK-LABEL: func.func @integers
// CHECK: linalg.generic
func.func @integers(%a: memref<4x8xi32>, %b: memref<8x16xi32>, %c: memref<4x16xi32>) {
  linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : memref<4x8xi32>, memref<8x16xi32>) outs(%c : memref<4x16xi32>) {
  ^bb0(%x: i32, %y: i32, %z: i32):
    %p = arith.muli %x, %y : i32
    %s = arith.addi %z, %p : i32
    linalg.yield %s : i32
  }
  return
}
