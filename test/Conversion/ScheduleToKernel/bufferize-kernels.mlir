// RUN: hybrid-opt %s --pass-pipeline='builtin.module(func.func(hybrid-bufferize-kernels))' | FileCheck %s

// Work on a tile happens in place in the kernel's parameter: nothing is
// allocated and nothing copied.

// CHECK-LABEL: func.func private @double
// CHECK-NOT: memref.alloc
// CHECK-NOT: memref.copy
// CHECK: linalg.generic
// CHECK-SAME: memref<8xf32
// CHECK: return
func.func private @double(%x: memref<8xf32>, %o: memref<8xf32>) attributes {hybrid.kernel} {
  %in = bufferization.to_tensor %x restrict : memref<8xf32> to tensor<8xf32>
  %out = bufferization.to_tensor %o restrict writable : memref<8xf32> to tensor<8xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
      ins(%in : tensor<8xf32>) outs(%out : tensor<8xf32>) {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  bufferization.materialize_in_destination %r in restrict writable %o : (tensor<8xf32>, memref<8xf32>) -> ()
  return
}

// A temporary lies on the stack.

// CHECK-LABEL: func.func private @temporary
// CHECK: memref.alloca() {{.*}} : memref<8xf32>
// CHECK-NOT: memref.alloc(
func.func private @temporary(%x: memref<8xf32>, %o: memref<8xf32>) attributes {hybrid.kernel} {
  %in = bufferization.to_tensor %x restrict : memref<8xf32> to tensor<8xf32>
  %out = bufferization.to_tensor %o restrict writable : memref<8xf32> to tensor<8xf32>
  %e = tensor.empty() : tensor<8xf32>
  %t = hybrid.cumsum ins(%in : tensor<8xf32>) outs(%e : tensor<8xf32>) {axis = 0 : i64} -> tensor<8xf32>
  %r = hybrid.cumsum ins(%t : tensor<8xf32>) outs(%out : tensor<8xf32>) {axis = 0 : i64} -> tensor<8xf32>
  bufferization.materialize_in_destination %r in restrict writable %o : (tensor<8xf32>, memref<8xf32>) -> ()
  return
}
