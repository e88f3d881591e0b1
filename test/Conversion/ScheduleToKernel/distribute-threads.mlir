// RUN: hybrid-opt %s --hybrid-distribute-threads --split-input-file | FileCheck %s

// Neighbouring elements go to neighbouring threads; behind all but the last
// operation stands a barrier, and what lies between them is in shared memory.

#id = affine_map<(d0) -> (d0)>
// CHECK-LABEL: func.func @chain(
// CHECK-SAME: hybrid.shared_bytes = 4096 : i64, hybrid.threads = 256 : i64
// CHECK: %[[SHARED:.*]] = gpu.dynamic_shared_memory
// CHECK: %[[BYTES:.*]] = memref.memory_space_cast %[[SHARED]]
// CHECK: %[[T:.*]] = memref.view %[[BYTES]]
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %{{.*}} step %{{.*}} {
// CHECK: %[[X:.*]] = memref.load %arg0[%[[I]]]
// CHECK: %[[E:.*]] = math.exp %[[X]]
// CHECK: memref.store %[[E]], %[[T]][%[[I]]]
// CHECK: gpu.barrier
// CHECK: scf.for
// CHECK: memref.store %{{.*}}, %arg1
// CHECK-NOT: gpu.barrier
// CHECK: return
func.func @chain(%x: memref<1024xf32>, %y: memref<1024xf32>) attributes {hybrid.kernel} {
  %t = memref.alloca() : memref<1024xf32>
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : memref<1024xf32>) outs(%t : memref<1024xf32>) {
  ^bb0(%in: f32, %out: f32):
    %e = math.exp %in : f32
    linalg.yield %e : f32
  }
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%t : memref<1024xf32>) outs(%y : memref<1024xf32>) {
  ^bb0(%in: f32, %out: f32):
    %e = arith.negf %in : f32
    linalg.yield %e : f32
  }
  return
}

// -----

// A long reduction of few results: the lanes of a warp share it.

// CHECK-LABEL: func.func @sum(
// CHECK: scf.for {{.*}} iter_args
// CHECK: arith.addf
// CHECK: gpu.shuffle xor
// CHECK-COUNT-4: gpu.shuffle xor
// CHECK: scf.if
// CHECK: memref.store
func.func @sum(%x: memref<4x1024xf32>, %y: memref<4xf32>) attributes {hybrid.kernel} {
  linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]} ins(%x : memref<4x1024xf32>) outs(%y : memref<4xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %out, %in : f32
    linalg.yield %s : f32
  }
  return
}

// -----

// A product that starts from zero needs no fill. One row: all threads stream the
// matrix, 16 bytes at a time.

// CHECK-LABEL: func.func @gemv(
// CHECK-NOT: linalg.fill
// CHECK: vector.load %arg1{{.*}} {alignment = 16 : i64} : memref<256x64xf32>, vector<4xf32>
// CHECK: gpu.shuffle xor
// CHECK: gpu.barrier
func.func @gemv(%x: memref<1x256xf32>, %w: memref<256x64xf32>, %y: memref<1x64xf32>) attributes {hybrid.kernel} {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%y : memref<1x64xf32>)
  linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %w : memref<1x256xf32>, memref<256x64xf32>) outs(%y : memref<1x64xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %p = arith.mulf %in, %in_0 : f32
    %s = arith.addf %out, %p : f32
    linalg.yield %s : f32
  }
  return
}

// -----

// Many rows of 16-bit floats: tensor cores.

// CHECK-LABEL: func.func @gemm(
// CHECK: scf.if
// CHECK: } else {
// CHECK: nvvm.mma.sync
// CHECK-SAME: multiplicandAPtxType = #nvvm.mma_type<bf16>
func.func @gemm(%x: memref<?x256xbf16>, %w: memref<256x64xbf16>, %y: memref<?x64xf32>) attributes {hybrid.kernel} {
  linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %w : memref<?x256xbf16>, memref<256x64xbf16>) outs(%y : memref<?x64xf32>) {
  ^bb0(%in: bf16, %in_0: bf16, %out: f32):
    %a = arith.extf %in : bf16 to f32
    %b = arith.extf %in_0 : bf16 to f32
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %out, %p : f32
    linalg.yield %s : f32
  }
  return
}
