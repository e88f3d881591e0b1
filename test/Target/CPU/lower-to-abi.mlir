// RUN: hybrid-opt %s --hybrid-lower-to-abi --split-input-file | FileCheck %s

// An entry takes the context and the call; a launch fills argument slots and calls
// the context's first field with the kernel, its number, the grid and the slots. A
// kernel unpacks its slots.

module attributes {hybrid.symbols = [{name = "n", role = "dim", capacity = 64 : i64}]} {
  // CHECK-LABEL: func.func @hybrid_main_shapes(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
  // CHECK-LABEL: func.func @hybrid_main(
  // CHECK-SAME: %[[CONTEXT:.*]]: !llvm.ptr, %[[CALL:.*]]: !llvm.ptr) {
  // CHECK: %[[SLOTS:.*]] = llvm.alloca
  // CHECK-NOT: hybrid.launch
  // CHECK: %[[FUNCTION:.*]] = constant @double : (!llvm.ptr, i64) -> ()
  // CHECK: %[[KERNEL:.*]] = builtin.unrealized_conversion_cast %[[FUNCTION]]
  // CHECK: %[[NUMBER:.*]] = llvm.mlir.constant(0 : i64)
  // CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[CONTEXT]][0]
  // CHECK: %[[LAUNCH:.*]] = llvm.load %[[FIELD]]
  // CHECK: %[[GRID:.*]] = arith.index_cast
  // CHECK: %[[COUNT:.*]] = llvm.mlir.constant(4 : i64)
  // CHECK: llvm.call %[[LAUNCH]](%[[CONTEXT]], %[[KERNEL]], %[[NUMBER]], %[[GRID]], %[[SLOTS]], %[[COUNT]]) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, i64, i64, !llvm.ptr, i64) -> ()
  // CHECK: return{{$}}
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
  // CHECK-LABEL: func.func @double(
  // CHECK-SAME: %[[SLOTS:.*]]: !llvm.ptr, %[[BLOCK:.*]]: i64) attributes {llvm.linkage = #llvm.linkage<internal>
  // CHECK: %[[S0:.*]] = llvm.getelementptr %[[SLOTS]][0]
  // CHECK: %[[X:.*]] = llvm.load %[[S0]] : !llvm.ptr -> !llvm.ptr
  // CHECK: %[[S1:.*]] = llvm.getelementptr %[[SLOTS]][1]
  // CHECK: %[[NX:.*]] = llvm.load %[[S1]] : !llvm.ptr -> i64
  // CHECK: %[[Y:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
  // CHECK: %[[NY:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
  // CHECK: call @double.body(%[[X]], %[[NX]], %[[Y]], %[[NY]], %[[BLOCK]])
  // CHECK-LABEL: func.func private @double.body(
  // CHECK-SAME: !llvm.ptr {llvm.noalias}, %{{.*}}: i64, %{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: i64, %{{.*}}: i64)
  // CHECK-SAME: alwaysinline
  // CHECK: memref.store
  func.func private @double(%x: memref<?xf32>, %y: memref<?xf32>, %block: index) attributes {hybrid.kernel} {
    %v = memref.load %x[%block] : memref<?xf32>
    %s = arith.addf %v, %v : f32
    memref.store %s, %y[%block] : memref<?xf32>
    return
  }
}

// -----

// Where an entry's buffers come from: the call holds arena, weights, symbols, and
// tables of inputs, outputs and states. What is not used is not loaded.

module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}, {name = "past", role = "past", capacity = 64 : i64}]} {
  // CHECK-NOT: hybrid.state
  hybrid.state @s recurrent present "s1" : tensor<?x4xf32>
  hybrid.state @t recurrent present "t1" : tensor<?x4xf32>

  // All dimensions of inputs, then of outputs.
  // CHECK-LABEL: func.func @hybrid_main_shapes(
  // CHECK-SAME: %[[DIMS:.*]]: !llvm.ptr, %[[SHAPES:.*]]: !llvm.ptr) {
  // CHECK: llvm.getelementptr %[[DIMS]][0]
  // CHECK: %[[D0:.*]] = llvm.getelementptr %[[SHAPES]][0]
  // CHECK: llvm.store %{{.*}}, %[[D0]] : i64, !llvm.ptr
  // CHECK: arith.constant 8 : index
  // CHECK: %[[D1:.*]] = llvm.getelementptr %[[SHAPES]][1]
  // CHECK: llvm.store %{{.*}}, %[[D1]]
  // CHECK: llvm.getelementptr %[[DIMS]][0]
  // CHECK: llvm.getelementptr %[[DIMS]][1]
  // CHECK: affine.apply #{{.*}}()
  // CHECK: %[[D2:.*]] = llvm.getelementptr %[[SHAPES]][2]
  // CHECK: llvm.store %{{.*}}, %[[D2]]
  // CHECK: %[[D3:.*]] = llvm.getelementptr %[[SHAPES]][3]
  // CHECK: llvm.store %{{.*}}, %[[D3]]
  // CHECK-NOT: llvm.store
  // CHECK: return

  // CHECK-LABEL: func.func @hybrid_main(
  // CHECK-SAME: %[[CONTEXT:.*]]: !llvm.ptr, %[[CALL:.*]]: !llvm.ptr) {
  // CHECK: %[[SYMBOLS:.*]] = llvm.getelementptr %[[CALL]][2]
  // CHECK: llvm.load %[[SYMBOLS]]
  // CHECK: %[[WEIGHTS:.*]] = llvm.getelementptr %[[CALL]][1]
  // CHECK: llvm.load %[[WEIGHTS]]
  // CHECK: %[[INPUTS:.*]] = llvm.getelementptr %[[CALL]][3]
  // CHECK: %[[TABLE:.*]] = llvm.load %[[INPUTS]]
  // CHECK: %[[FIRST:.*]] = llvm.getelementptr %[[TABLE]][0]
  // CHECK: llvm.load %[[FIRST]]
  // CHECK-NOT: llvm.getelementptr %[[CALL]][4]
  // CHECK: %[[STATES:.*]] = llvm.getelementptr %[[CALL]][5]
  // CHECK: %[[TABLE:.*]] = llvm.load %[[STATES]]
  // CHECK: %[[SECOND:.*]] = llvm.getelementptr %[[TABLE]][1]
  // CHECK: llvm.load %[[SECOND]]

  // A memref contributes its pointer, its dynamic sizes, a dynamic offset and
  // dynamic strides; then come the sizes of the launch. Static facts are not passed.
  // CHECK: constant @k :
  // CHECK: llvm.mlir.constant(6 : i64)
  // CHECK: llvm.call
  // CHECK: constant @l :
  // CHECK: llvm.mlir.constant(1 : i64)
  // CHECK: llvm.mlir.constant(4 : i64)
  // CHECK: llvm.call
  func.func @main(%arena: memref<?xi8>, %weights: memref<?xi8>, %in: memref<?xi8>, %out: memref<?xi8>, %scalar: memref<?xi8>, %s: memref<?xi8>, %t: memref<?xi8>) attributes {hybrid.entry,
      hybrid.inputs = [{hybrid.name = "x", hybrid.dims = ["b", 8], hybrid.type = tensor<?x8xf32>}],
      hybrid.outputs = [{hybrid.name = "y", hybrid.dims = ["b", "past + 1"], hybrid.type = tensor<?x?xf32>}, {hybrid.name = "scalar", hybrid.dims = [], hybrid.type = tensor<f32>}]} {
    %c0 = arith.constant 0 : index
    %c64 = arith.constant 64 : index
    %b = hybrid.dim "b"
    %p = hybrid.dim "past"
    %x = memref.view %in[%c0][%b] : memref<?xi8> to memref<?x8xf32>
    %h = memref.subview %x[0, 4] [%b, 4] [1, 1] : memref<?x8xf32> to memref<?x4xf32, strided<[8, 1], offset: 4>>
    %w = memref.view %weights[%c64][] : memref<?xi8> to memref<4xf32>
    %v = memref.view %t[%c0][%b] : memref<?xi8> to memref<?x4xf32>
    %d = memref.subview %v[0, %p] [%b, 1] [%p, 1] : memref<?x4xf32> to memref<?x1xf32, strided<[?, 1], offset: ?>>
    hybrid.launch @k grid(%b) ins(%h, %w : memref<?x4xf32, strided<[8, 1], offset: 4>>, memref<4xf32>) outs(%v : memref<?x4xf32>) sizes(%p)
    hybrid.launch @l grid(%b) outs(%d : memref<?x1xf32, strided<[?, 1], offset: ?>>)
    return
  }
  // CHECK-LABEL: func.func private @k.body(
  // CHECK-SAME: %{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: i64, %{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: i64, %[[P:.*]]: i64, %[[BLOCK:.*]]: i64)
  // CHECK: arith.index_cast %[[P]] : i64 to index
  // CHECK: arith.index_cast %[[BLOCK]] : i64 to index
  func.func private @k(%h: memref<?x4xf32, strided<[8, 1], offset: 4>>, %w: memref<4xf32>, %s: memref<?x4xf32>, %p: index, %block: index) attributes {hybrid.kernel} {
    %v = memref.load %h[%block, %p] : memref<?x4xf32, strided<[8, 1], offset: 4>>
    %u = memref.load %w[%p] : memref<4xf32>
    %t = arith.addf %v, %u : f32
    memref.store %t, %s[%block, %p] : memref<?x4xf32>
    return
  }
  // CHECK-LABEL: func.func private @l.body(
  // CHECK-SAME: %[[BASE:.*]]: !llvm.ptr {llvm.noalias}, %[[SIZE:.*]]: i64, %[[OFFSET:.*]]: i64, %[[STRIDE:.*]]: i64, %{{.*}}: i64)
  // CHECK-DAG: llvm.insertvalue %[[SIZE]], %{{.*}}[3, 0]
  // CHECK-DAG: llvm.insertvalue %[[OFFSET]], %{{.*}}[2]
  // CHECK-DAG: llvm.insertvalue %[[STRIDE]], %{{.*}}[4, 0]
  func.func private @l(%s: memref<?x1xf32, strided<[?, 1], offset: ?>>, %block: index) attributes {hybrid.kernel} {
    %c0 = arith.constant 0 : index
    %v = memref.load %s[%block, %c0] : memref<?x1xf32, strided<[?, 1], offset: ?>>
    memref.store %v, %s[%block, %c0] : memref<?x1xf32, strided<[?, 1], offset: ?>>
    return
  }
}

// -----

// A dimension that becomes two dynamic ones.

module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}, {name = "t", role = "seq", capacity = 64 : i64}]} {
  // CHECK-LABEL: func.func @hybrid_reshape(
  // CHECK-NOT: memref.expand_shape
  // CHECK: memref.reinterpret_cast %{{.*}} to offset: [0], sizes: [%[[B:.*]], %[[T:.*]], 4], strides: [%{{.*}}, 4, 1]
  func.func @reshape(%arena: memref<?xi8>, %weights: memref<?xi8>, %in: memref<?xi8>) attributes {hybrid.entry,
      hybrid.inputs = [{hybrid.name = "x", hybrid.dims = ["b * t", 4], hybrid.type = tensor<?x4xf32>}], hybrid.outputs = []} {
    %c0 = arith.constant 0 : index
    %b = hybrid.dim "b"
    %t = hybrid.dim "t"
    %n = affine.apply affine_map<()[s0, s1] -> (s0 * s1)>()[%b, %t]
    %x = memref.view %in[%c0][%n] : memref<?xi8> to memref<?x4xf32>
    %y = memref.expand_shape %x [[0, 1], [2]] output_shape [%b, %t, 4] : memref<?x4xf32> into memref<?x?x4xf32>
    hybrid.launch @k grid(%b) outs(%y : memref<?x?x4xf32>)
    return
  }
  func.func private @k(%x: memref<?x?x4xf32>, %block: index) attributes {hybrid.kernel} {
    return
  }
}
