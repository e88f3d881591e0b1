// RUN: hybrid-opt %s --hybrid-lower-device-ops | FileCheck %s

// CHECK: llvm.mlir.global external @hybrid_shared() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<0 x i8>
// CHECK-LABEL: func.func @all(
// CHECK: %[[SHARED:.*]] = llvm.mlir.addressof @hybrid_shared : !llvm.ptr<3>
// CHECK: llvm.addrspacecast %[[SHARED]] : !llvm.ptr<3> to !llvm.ptr
// CHECK: %[[ID:.*]] = nvvm.read.ptx.sreg.tid.x : i32
// CHECK: arith.index_castui %[[ID]] : i32 to index
// CHECK: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : f32 -> f32
// CHECK: nvvm.shfl.sync idx %{{.*}} : i32 -> i32
// CHECK: nvvm.shfl.sync idx %{{.*}} : i32 -> i32
// CHECK: nvvm.barrier0
func.func @all(%x: f32, %y: i64, %from: i32) -> (index, f32, i64, memref<4xf32>) {
  %shared = gpu.dynamic_shared_memory : memref<?xi8, #gpu.address_space<workgroup>>
  %bytes = memref.memory_space_cast %shared : memref<?xi8, #gpu.address_space<workgroup>> to memref<?xi8>
  %zero = arith.constant 0 : index
  %view = memref.view %bytes[%zero][] : memref<?xi8> to memref<4xf32>
  %id = gpu.thread_id x
  %width = arith.constant 32 : i32
  %a, %v0 = gpu.shuffle xor %x, %from, %width : f32
  %b, %v1 = gpu.shuffle idx %y, %from, %width : i64
  gpu.barrier
  return %id, %a, %b, %view : index, f32, i64, memref<4xf32>
}
