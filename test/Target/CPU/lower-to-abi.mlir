// RUN: hybrid-opt %s --hybrid-lower-to-abi | FileCheck %s

// An entry takes the context and the call; a launch fills argument slots and
// calls the context's first field. A kernel unpacks its slots.

// CHECK-LABEL: func.func @hybrid_main_shapes(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
// CHECK: llvm.store
// CHECK-LABEL: func.func @hybrid_main(
// CHECK-SAME: !llvm.ptr, %{{.*}}: !llvm.ptr)
// CHECK: llvm.alloca
// CHECK-NOT: hybrid.launch
// CHECK: %[[KERNEL:.*]] = constant @double : (!llvm.ptr, i64) -> ()
// CHECK: llvm.call %{{.*}}(%{{.*}}) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, i64, i64, !llvm.ptr, i64) -> ()
// CHECK-LABEL: func.func @double(
// CHECK-SAME: !llvm.ptr, %{{.*}}: i64)
// CHECK: llvm.load
// CHECK: call @double.body
// CHECK-LABEL: func.func private @double.body
// CHECK-SAME: !llvm.ptr {llvm.noalias}
module attributes {hybrid.symbols = [{name = "n", role = "dim", capacity = 64 : i64}]} {
  func.func @main(%arena: memref<?xi8>, %weights: memref<?xi8>, %in: memref<?xi8>, %out: memref<?xi8>) attributes {hybrid.entry,
      hybrid.inputs = [{hybrid.name = "x", hybrid.dims = ["n"], hybrid.type = tensor<?xf32>}],
      hybrid.outputs = [{hybrid.name = "y", hybrid.dims = ["n"], hybrid.type = tensor<?xf32>}]} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %n = hybrid.dim "n"
    %x = memref.view %in[%c0][%n] : memref<?xi8> to memref<?xf32>
    %y = memref.view %out[%c0][%n] : memref<?xi8> to memref<?xf32>
    hybrid.launch @double grid(%c1) ins(%x : memref<?xf32>) outs(%y : memref<?xf32>)
    return
  }
  func.func private @double(%x: memref<?xf32>, %y: memref<?xf32>, %block: index) attributes {hybrid.kernel} {
    %v = memref.load %x[%block] : memref<?xf32>
    %s = arith.addf %v, %v : f32
    memref.store %s, %y[%block] : memref<?xf32>
    return
  }
}
