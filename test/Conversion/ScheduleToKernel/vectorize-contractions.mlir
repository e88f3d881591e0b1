// RUN: hybrid-opt %s --pass-pipeline='builtin.module(func.func(hybrid-vectorize-contractions{vector-bits=256}))' | FileCheck %s

// Outer-product form: 3 vectors of 8 columns, 4 rows; masked at the edge.
// CHECK-LABEL: func.func @columns
// CHECK-NOT: linalg.generic
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
