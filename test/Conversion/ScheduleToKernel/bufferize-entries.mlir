// RUN: hybrid-opt %s --hybrid-bufferize-entries --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-bufferize-entries --split-input-file --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Parameters: arena, weights, inputs, outputs, states. The result is computed in
// the output's buffer. What the manifest needs to know stays as attributes.

module attributes {hybrid.symbols = [{name = "batch", role = "batch", capacity = 8 : i64}]} {
  func.func private @map_0(%x: tensor<?x64xf32>, %o: tensor<?x64xf32> {hybrid.writeonly}) -> tensor<?x64xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x64xf32>
  }
  // CHECK-LABEL: func.func @main(
  // CHECK-SAME: %[[ARENA:[^:]*]]: memref<?xi8>, %[[WEIGHTS:[^:]*]]: memref<?xi8>, %[[IN:[^:]*]]: memref<?xi8>, %[[OUT:[^:]*]]: memref<?xi8>)
  // CHECK-SAME: hybrid.entry
  // CHECK-SAME: hybrid.inputs = [{hybrid.dims = ["batch", 64], hybrid.name = "x", hybrid.role = "data", hybrid.type = tensor<?x64xf32>}]
  // CHECK-SAME: hybrid.outputs = [{hybrid.dims = ["batch", 64], hybrid.name = "y", hybrid.type = tensor<?x64xf32>}]
  // CHECK: %[[C0:.*]] = arith.constant 0 : index
  // CHECK: %[[N:.*]] = hybrid.dim "batch"
  // CHECK: %[[X:.*]] = memref.view %[[IN]][%[[C0]]][%[[N]]] : memref<?xi8> to memref<?x64xf32>
  // CHECK: %[[Y:.*]] = memref.view %[[OUT]][%[[C0]]][%[[N]]] : memref<?xi8> to memref<?x64xf32>
  // CHECK-NEXT: hybrid.launch @map_0 ins(%[[X]] : memref<?x64xf32>) outs(%[[Y]] : memref<?x64xf32>){{$}}
  // CHECK-NEXT: return{{$}}
  func.func @main(%x: tensor<?x64xf32> {hybrid.name = "x", hybrid.dims = ["batch", 64], hybrid.role = "data"})
      -> (tensor<?x64xf32> {hybrid.name = "y", hybrid.dims = ["batch", 64]}) attributes {hybrid.entry} {
    %n = hybrid.dim "batch"
    %e = tensor.empty(%n) : tensor<?x64xf32>
    %r = hybrid.launch @map_0 ins(%x : tensor<?x64xf32>) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
    return %r : tensor<?x64xf32>
  }
}

// -----

// Intermediate values are allocated, one buffer per value; a reshape in front of
// an output is one of the output.

module attributes {hybrid.symbols = [{name = "batch", role = "batch", capacity = 8 : i64}]} {
  func.func private @map_0(%x: tensor<?x8xf32>, %o: tensor<?x8xf32> {hybrid.writeonly}) -> tensor<?x8xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x8xf32>
  }
  // CHECK-LABEL: func.func @intermediate(
  // CHECK: %[[N:.*]] = hybrid.dim "batch"
  // CHECK: %[[OUT:.*]] = memref.view %{{.*}} : memref<?xi8> to memref<?x2x4xf32>
  // CHECK: %[[Y:.*]] = memref.collapse_shape %[[OUT]] {{\[\[}}0], [1, 2]] : memref<?x2x4xf32> into memref<?x8xf32>
  // CHECK: %[[A:.*]] = memref.alloc(%[[N]]) {alignment = 64 : i64} : memref<?x8xf32>
  // CHECK: hybrid.launch @map_0 ins(%{{.*}}) outs(%[[A]] :
  // CHECK-NEXT: hybrid.launch @map_0 ins(%[[A]] : {{.*}}) outs(%[[Y]] :
  // CHECK-NEXT: return
  func.func @intermediate(%x: tensor<?x8xf32> {hybrid.name = "x", hybrid.dims = ["batch", 8]})
      -> (tensor<?x2x4xf32> {hybrid.name = "y", hybrid.dims = ["batch", 2, 4]}) attributes {hybrid.entry} {
    %n = hybrid.dim "batch"
    %e = tensor.empty(%n) : tensor<?x8xf32>
    %a = hybrid.launch @map_0 ins(%x : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
    %b = hybrid.launch @map_0 ins(%a : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
    %y = tensor.expand_shape %b [[0], [1, 2]] output_shape [%n, 2, 4] : tensor<?x8xf32> into tensor<?x2x4xf32>
    return %y : tensor<?x2x4xf32>
  }
}

// -----

// A cache that a kernel updates is updated in place, read from there and never
// copied, in each entry. The batch is the symbol with that role.

module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}, {name = "past", role = "past", capacity = 64 : i64}]} {
  hybrid.state @k kv present "k1" length_axis 2 : tensor<?x2x64x16xf32>
  func.func private @append(%x: tensor<?x2x1x16xf32>, %s: tensor<?x2x64x16xf32>, %p: index) -> tensor<?x2x64x16xf32> attributes {hybrid.kernel} {
    return %s : tensor<?x2x64x16xf32>
  }
  func.func private @attend(%q: tensor<?x4x1x16xf32>, %k: tensor<?x2x64x16xf32>, %o: tensor<?x4x1x16xf32> {hybrid.writeonly}, %n: index) -> tensor<?x4x1x16xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x4x1x16xf32>
  }
  // CHECK-LABEL: func.func @decode(
  // CHECK-SAME: %[[STATE:[^: ,]*]]: memref<?xi8>) attributes
  // CHECK: %[[B:.*]] = hybrid.dim "b"
  // CHECK: %[[K:.*]] = memref.view %[[STATE]][%{{.*}}][%[[B]]] : memref<?xi8> to memref<?x2x64x16xf32>
  // CHECK: %[[P:.*]] = hybrid.dim "past"
  // CHECK: %[[N:.*]] = affine.apply
  // CHECK-NOT: memref.alloc
  // CHECK: hybrid.launch @append ins(%{{.*}}) outs(%[[K]] : memref<?x2x64x16xf32>) sizes(%[[P]])
  // CHECK-NEXT: hybrid.launch @attend ins(%{{.*}}, %[[K]] : {{.*}}) outs(%{{.*}}) sizes(%[[N]])
  // CHECK-NEXT: return
  // CHECK-LABEL: func.func @reset(
  // CHECK-NOT: memref.alloc
  // CHECK: hybrid.launch @append
  // CHECK-NEXT: return
  // CHECK-NOT: @copy
  // REMARK-NOT: remark:
  func.func @decode(%q: tensor<?x4x1x16xf32> {hybrid.name = "q", hybrid.dims = ["b", 4, 1, 16]}, %x: tensor<?x2x1x16xf32> {hybrid.name = "x", hybrid.dims = ["b", 2, 1, 16]})
      -> (tensor<?x4x1x16xf32> {hybrid.name = "y", hybrid.dims = ["b", 4, 1, 16]}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %p = hybrid.dim "past"
    %n = affine.apply affine_map<()[s0] -> (s0 + 1)>()[%p]
    %k = hybrid.read_state @k : tensor<?x2x64x16xf32>
    %k1 = hybrid.launch @append ins(%x : tensor<?x2x1x16xf32>) outs(%k : tensor<?x2x64x16xf32>) sizes(%p) -> tensor<?x2x64x16xf32>
    %e = tensor.empty(%b) : tensor<?x4x1x16xf32>
    %y = hybrid.launch @attend ins(%q, %k1 : tensor<?x4x1x16xf32>, tensor<?x2x64x16xf32>) outs(%e : tensor<?x4x1x16xf32>) sizes(%n) -> tensor<?x4x1x16xf32>
    hybrid.write_state %k1, @k : tensor<?x2x64x16xf32>
    return %y : tensor<?x4x1x16xf32>
  }
  func.func @reset(%x: tensor<?x2x1x16xf32> {hybrid.name = "x", hybrid.dims = ["b", 2, 1, 16]}) attributes {hybrid.entry} {
    %p = arith.constant 0 : index
    %k = hybrid.read_state @k : tensor<?x2x64x16xf32>
    %k1 = hybrid.launch @append ins(%x : tensor<?x2x1x16xf32>) outs(%k : tensor<?x2x64x16xf32>) sizes(%p) -> tensor<?x2x64x16xf32>
    hybrid.write_state %k1, @k : tensor<?x2x64x16xf32>
    return
  }
}

// -----

// A state that is not read is computed in place, too.

module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}]} {
  hybrid.state @c conv present "c1" : tensor<?x8xf32>
  func.func private @map_0(%x: tensor<?x8xf32>, %o: tensor<?x8xf32> {hybrid.writeonly}) -> tensor<?x8xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x8xf32>
  }
  // CHECK-LABEL: func.func @fresh_state(
  // CHECK-SAME: %[[STATE:[^: ,]*]]: memref<?xi8>) attributes
  // CHECK: %[[S:.*]] = memref.view %[[STATE]]
  // CHECK-NOT: memref.alloc
  // CHECK: hybrid.launch @map_0 ins(%{{.*}}) outs(%[[S]] :
  // CHECK-NEXT: return
  func.func @fresh_state(%x: tensor<?x8xf32> {hybrid.name = "x", hybrid.dims = ["b", 8]}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %e = tensor.empty(%b) : tensor<?x8xf32>
    %s = hybrid.launch @map_0 ins(%x : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
    hybrid.write_state %s, @c : tensor<?x8xf32>
    return
  }
}

// -----

// Reads of a state see the old value wherever they stand. Here the update works on
// a copy, and the state changes at the end.

module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}]} {
  hybrid.state @c recurrent present "c1" : tensor<?x8xf32>
  func.func private @update(%x: tensor<?x8xf32>, %s: tensor<?x8xf32>) -> tensor<?x8xf32> attributes {hybrid.kernel} {
    return %s : tensor<?x8xf32>
  }
  func.func private @map_0(%x: tensor<?x8xf32>, %o: tensor<?x8xf32> {hybrid.writeonly}) -> tensor<?x8xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x8xf32>
  }
  // CHECK-LABEL: func.func @old_value(
  // CHECK: %[[S:.*]] = memref.view %{{.*}} : memref<?xi8> to memref<?x8xf32>
  // CHECK: %[[X:.*]] = memref.view %{{.*}} : memref<?xi8> to memref<?x8xf32>
  // CHECK: %[[Y:.*]] = memref.view %{{.*}} : memref<?xi8> to memref<?x8xf32>
  // CHECK: %[[COPY:.*]] = memref.alloc
  // CHECK: hybrid.launch @copy_0 ins(%[[S]] : memref<?x8xf32>) outs(%[[COPY]] : memref<?x8xf32>)
  // CHECK-NEXT: hybrid.launch @update ins(%[[X]] : {{.*}}) outs(%[[COPY]] :
  // CHECK-NEXT: hybrid.launch @map_0 ins(%[[S]] : {{.*}}) outs(%[[Y]] :
  // CHECK-NEXT: hybrid.launch @copy_0 ins(%[[COPY]] : {{.*}}) outs(%[[S]] :
  // CHECK-NEXT: return
  // CHECK: func.func private @copy_0(%[[FROM:.*]]: tensor<?x8xf32>, %[[TO:.*]]: tensor<?x8xf32> {hybrid.writeonly}) -> tensor<?x8xf32> attributes {hybrid.kernel}
  // CHECK: linalg.generic {{.*}} ins(%[[FROM]] : {{.*}}) outs(%[[TO]] :
  // REMARK: bufferize-entries.mlir:[[#@LINE+5]]:{{.*}}: remark: [Missed] copy | Category:hybrid-bufferize-entries | Remark="a tensor of this operation is copied"
  func.func @old_value(%x: tensor<?x8xf32> {hybrid.name = "x", hybrid.dims = ["b", 8]})
      -> (tensor<?x8xf32> {hybrid.name = "y", hybrid.dims = ["b", 8]}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %s = hybrid.read_state @c : tensor<?x8xf32>
    %s1 = hybrid.launch @update ins(%x : tensor<?x8xf32>) outs(%s : tensor<?x8xf32>) -> tensor<?x8xf32>
    hybrid.write_state %s1, @c : tensor<?x8xf32>
    %old = hybrid.read_state @c : tensor<?x8xf32>
    %e = tensor.empty(%b) : tensor<?x8xf32>
    %y = hybrid.launch @map_0 ins(%old : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
    return %y : tensor<?x8xf32>
  }
}

// -----

// A kernel does not write where it reads: the new value of a state that it
// computes from the old one is copied afterwards.

module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}]} {
  hybrid.state @c recurrent present "c1" : tensor<?x8xf32>
  func.func private @map_0(%x: tensor<?x8xf32>, %o: tensor<?x8xf32> {hybrid.writeonly}) -> tensor<?x8xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x8xf32>
  }
  // CHECK-LABEL: func.func @new_from_old(
  // CHECK: %[[S:.*]] = memref.view %{{.*}} : memref<?xi8> to memref<?x8xf32>
  // CHECK: %[[Y:.*]] = memref.view %{{.*}} : memref<?xi8> to memref<?x8xf32>
  // CHECK: %[[NEW:.*]] = memref.alloc
  // CHECK: hybrid.launch @map_0 ins(%[[S]] : {{.*}}) outs(%[[NEW]] :
  // CHECK-NEXT: hybrid.launch @map_0 ins(%[[S]] : {{.*}}) outs(%[[Y]] :
  // CHECK-NEXT: hybrid.launch @copy_0 ins(%[[NEW]] : {{.*}}) outs(%[[S]] :
  // CHECK-NEXT: return
  func.func @new_from_old() -> (tensor<?x8xf32> {hybrid.name = "y", hybrid.dims = ["b", 8]}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %s = hybrid.read_state @c : tensor<?x8xf32>
    %e = tensor.empty(%b) : tensor<?x8xf32>
    %s1 = hybrid.launch @map_0 ins(%s : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
    hybrid.write_state %s1, @c : tensor<?x8xf32>
    %y = hybrid.launch @map_0 ins(%s : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
    return %y : tensor<?x8xf32>
  }
}

// -----

// States that take over each other's values: all old values are copied before
// the first state changes.

module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}]} {
  hybrid.state @c recurrent present "c1" : tensor<?x8xf32>
  hybrid.state @d recurrent present "d1" : tensor<?x8xf32>
  // CHECK-LABEL: func.func @exchange(
  // CHECK-SAME: %[[C:[^: ,]*]]: memref<?xi8>, %[[D:[^: ,]*]]: memref<?xi8>) attributes
  // CHECK-DAG: %[[VC:.*]] = memref.view %[[C]]
  // CHECK-DAG: %[[VD:.*]] = memref.view %[[D]]
  // CHECK: hybrid.launch @copy_0 ins(%[[VC]] : {{.*}}) outs(%[[OLDC:[^ ]*]] :
  // CHECK: hybrid.launch @copy_0 ins(%[[VD]] : {{.*}}) outs(%[[OLDD:[^ ]*]] :
  // CHECK: hybrid.launch @copy_0 ins(%[[OLDC]] : {{.*}}) outs(%[[VD]] :
  // CHECK: hybrid.launch @copy_0 ins(%[[OLDD]] : {{.*}}) outs(%[[VC]] :
  func.func @exchange() attributes {hybrid.entry} {
    %c = hybrid.read_state @c : tensor<?x8xf32>
    %d = hybrid.read_state @d : tensor<?x8xf32>
    hybrid.write_state %c, @d : tensor<?x8xf32>
    hybrid.write_state %d, @c : tensor<?x8xf32>
    return
  }
}

// -----

// A window that moves on by one: views of one buffer that overlap are not copied
// onto each other.

module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}]} {
  hybrid.state @c conv present "c1" : tensor<?x4xf32>
  // CHECK-LABEL: func.func @window(
  // CHECK: %[[S:.*]] = memref.view %{{.*}} : memref<?xi8> to memref<?x4xf32>
  // CHECK-DAG: %[[TAIL:.*]] = memref.subview %[[S]][0, 1]
  // CHECK-DAG: %[[NEW:.*]] = memref.alloc
  // CHECK-DAG: %[[FRONT:.*]] = memref.subview %[[NEW]][0, 0]
  // CHECK: hybrid.launch @copy_0 ins(%[[TAIL]] : {{.*}}) outs(%[[FRONT]] :
  // CHECK: %[[END:.*]] = memref.subview %[[NEW]][0, 3]
  // CHECK: hybrid.launch @copy_1 ins(%{{.*}}) outs(%[[END]] :
  // CHECK: hybrid.launch @copy_2 ins(%[[NEW]] : {{.*}}) outs(%[[S]] :
  func.func @window(%x: tensor<?x1xf32> {hybrid.name = "x", hybrid.dims = ["b", 1]}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %s = hybrid.read_state @c : tensor<?x4xf32>
    %t = tensor.extract_slice %s[0, 1] [%b, 3] [1, 1] : tensor<?x4xf32> to tensor<?x3xf32>
    %e = tensor.empty(%b) : tensor<?x4xf32>
    %i = tensor.insert_slice %t into %e[0, 0] [%b, 3] [1, 1] : tensor<?x3xf32> into tensor<?x4xf32>
    %j = tensor.insert_slice %x into %i[0, 3] [%b, 1] [1, 1] : tensor<?x1xf32> into tensor<?x4xf32>
    hybrid.write_state %j, @c : tensor<?x4xf32>
    return
  }
}

// -----

// Slices reach kernels as strided views, and a concatenation's parts are computed
// where they belong: no copies.

module attributes {hybrid.symbols = [{name = "t", role = "seq", capacity = 16 : i64}]} {
  func.func private @half(%x: tensor<?x4xf32>, %o: tensor<?x4xf32> {hybrid.writeonly}) -> tensor<?x4xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x4xf32>
  }
  func.func private @full(%x: tensor<?x8xf32>, %o: tensor<?x8xf32> {hybrid.writeonly}) -> tensor<?x8xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x8xf32>
  }
  // CHECK-LABEL: func.func @split_and_concat(
  // CHECK-NOT: @copy
  // CHECK: %[[C:.*]] = memref.alloc
  // CHECK: %[[G0:.*]] = memref.subview %[[C]][0, 0]
  // CHECK: %[[R:.*]] = memref.alloc
  // CHECK: hybrid.launch @full ins(%{{.*}}) outs(%[[R]] :
  // CHECK: %[[H0:.*]] = memref.subview %[[R]][0, 0] {{.*}} : memref<?x8xf32> to memref<?x4xf32, strided<[8, 1]>>
  // CHECK: %[[H1:.*]] = memref.subview %[[R]][0, 4] {{.*}} : memref<?x8xf32> to memref<?x4xf32, strided<[8, 1], offset: 4>>
  // CHECK: hybrid.launch @half ins(%[[H0]] : memref<?x4xf32, strided<[8, 1]>>) outs(%[[G0]] : memref<?x4xf32, strided<[8, 1]>>)
  // CHECK-NOT: @copy
  // CHECK: %[[G1:.*]] = memref.subview %[[C]][0, 4]
  // CHECK-NEXT: hybrid.launch @half ins(%[[H1]] : {{.*}}) outs(%[[G1]] : memref<?x4xf32, strided<[8, 1], offset: 4>>)
  // CHECK-NEXT: hybrid.launch @full ins(%[[C]] :
  // CHECK-NEXT: return
  func.func @split_and_concat(%x: tensor<?x8xf32> {hybrid.name = "x", hybrid.dims = ["t", 8]})
      -> (tensor<?x8xf32> {hybrid.name = "y", hybrid.dims = ["t", 8]}) attributes {hybrid.entry} {
    %t = hybrid.dim "t"
    %e8 = tensor.empty(%t) : tensor<?x8xf32>
    %e4 = tensor.empty(%t) : tensor<?x4xf32>
    %r = hybrid.launch @full ins(%x : tensor<?x8xf32>) outs(%e8 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %h0 = tensor.extract_slice %r[0, 0] [%t, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
    %h1 = tensor.extract_slice %r[0, 4] [%t, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
    %g0 = hybrid.launch @half ins(%h0 : tensor<?x4xf32>) outs(%e4 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %g1 = hybrid.launch @half ins(%h1 : tensor<?x4xf32>) outs(%e4 : tensor<?x4xf32>) -> tensor<?x4xf32>
    %i0 = tensor.insert_slice %g0 into %e8[0, 0] [%t, 4] [1, 1] : tensor<?x4xf32> into tensor<?x8xf32>
    %i1 = tensor.insert_slice %g1 into %i0[0, 4] [%t, 4] [1, 1] : tensor<?x4xf32> into tensor<?x8xf32>
    %y = hybrid.launch @full ins(%i1 : tensor<?x8xf32>) outs(%e8 : tensor<?x8xf32>) -> tensor<?x8xf32>
    return %y : tensor<?x8xf32>
  }
}

// -----

// Weights have one place for all entries and names, each at a multiple of 64
// bytes; small constants are globals. An output that is an input or a weight is a
// copy.

// CHECK: module attributes {
// CHECK-SAME: hybrid.weights = [{at = 0 : i64, parts = [{file = "m.onnx", length = 16 : i64, offset = 100 : i64}], rows = 1 : i64}, {at = 64 : i64, parts = [{file = "m.onnx", length = 4 : i64, offset = 0 : i64}], rows = 1 : i64}, {at = 128 : i64, parts = [{file = "w.bin", length = 16 : i64, offset = 100 : i64}], rows = 1 : i64}]
module attributes {hybrid.symbols = []} {
  // CHECK: memref.global "private" constant @[[GLOBAL:.*]] : memref<2xf32> = dense<[1.000000e+00, 2.000000e+00]>
  // CHECK-LABEL: func.func @first(
  // CHECK-SAME: %[[ARENA:[^:]*]]: memref<?xi8>, %[[WEIGHTS:[^:]*]]: memref<?xi8>, %[[X:[^:]*]]: memref<?xi8>,
  // CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
  // CHECK-DAG: %[[C64:.*]] = arith.constant 64 : index
  // CHECK-DAG: %[[W:.*]] = memref.view %[[WEIGHTS]][%[[C0]]][] : memref<?xi8> to memref<4xf32>
  // CHECK-DAG: %[[S:.*]] = memref.view %[[WEIGHTS]][%[[C64]]][] : memref<?xi8> to memref<f32>
  // CHECK-DAG: %[[Z:.*]] = memref.get_global @[[GLOBAL]] : memref<2xf32>
  // CHECK-DAG: %[[IN:.*]] = memref.view %[[X]]
  // CHECK: hybrid.launch @copy_0 ins(%[[IN]] : memref<3xi64>)
  // CHECK: hybrid.launch @copy_1 ins(%[[W]] : memref<4xf32>)
  // CHECK: hybrid.launch @copy_2 ins(%[[S]] : memref<f32>)
  // CHECK: hybrid.launch @copy_3 ins(%[[Z]] : memref<2xf32>)
  func.func @first(%x: tensor<3xi64> {hybrid.name = "x", hybrid.dims = [3]})
      -> (tensor<3xi64> {hybrid.name = "x1", hybrid.dims = [3]}, tensor<4xf32> {hybrid.name = "w", hybrid.dims = [4]},
          tensor<f32> {hybrid.name = "s", hybrid.dims = []}, tensor<2xf32> {hybrid.name = "z", hybrid.dims = [2]}) attributes {hybrid.entry} {
    %w = hybrid.weight "w" from "m.onnx"[100, 16] : tensor<4xf32>
    %s = hybrid.weight "s" from "m.onnx"[0, 4] : tensor<f32>
    %z = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
    return %x, %w, %s, %z : tensor<3xi64>, tensor<4xf32>, tensor<f32>, tensor<2xf32>
  }
  // CHECK-LABEL: func.func @second(
  // CHECK-SAME: %[[ARENA:[^:]*]]: memref<?xi8>, %[[WEIGHTS:[^:]*]]: memref<?xi8>,
  // CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
  // CHECK-DAG: %[[C128:.*]] = arith.constant 128 : index
  // CHECK-DAG: %[[W:.*]] = memref.view %[[WEIGHTS]][%[[C0]]][] : memref<?xi8> to memref<2x2xf32>
  // CHECK-DAG: %[[V:.*]] = memref.view %[[WEIGHTS]][%[[C128]]][] : memref<?xi8> to memref<2x2xf32>
  // CHECK: hybrid.launch @copy_[[N:.*]] ins(%[[W]] : memref<2x2xf32>)
  // CHECK: hybrid.launch @copy_[[N]] ins(%[[V]] : memref<2x2xf32>)
  func.func @second() -> (tensor<2x2xf32> {hybrid.name = "w", hybrid.dims = [2, 2]}, tensor<2x2xf32> {hybrid.name = "v", hybrid.dims = [2, 2]}) attributes {hybrid.entry} {
    %w = hybrid.weight "w as a matrix" from "m.onnx"[100, 16] : tensor<2x2xf32>
    %v = hybrid.weight "v" from "w.bin"[100, 16] : tensor<2x2xf32>
    return %w, %v : tensor<2x2xf32>, tensor<2x2xf32>
  }
}

// -----

// Sizes are expressions over symbols. The whole text may be a symbol's name, and
// symbols that are not used need no value. States may be named like copies.

module attributes {hybrid.symbols = [{name = "n", role = "dim", capacity = 8 : i64}, {name = "batch-size", role = "batch", capacity = 8 : i64}, {name = "unused", role = "dim", capacity = 8 : i64}]} {
  hybrid.state @copy_0 conv present "p" : tensor<?x4xf32>
  // CHECK: #[[SUM:.*]] = affine_map<()[s0] -> (s0 * 2 + 1)>
  // CHECK: #[[DIV:.*]] = affine_map<()[s0] -> (s0 ceildiv 4)>
  // CHECK: #[[MAX:.*]] = affine_map<()[s0] -> ({{3, s0|s0, 3}})>
  // CHECK-LABEL: func.func @expressions(
  // CHECK-NOT: "unused"
  // CHECK-DAG: %[[N:.*]] = hybrid.dim "n"
  // CHECK-DAG: %[[B:.*]] = hybrid.dim "batch-size"
  // CHECK-DAG: %[[SUM1:.*]] = affine.apply #[[SUM]]()[%[[N]]]
  // CHECK-DAG: %[[DIV1:.*]] = affine.apply #[[DIV]]()[%[[N]]]
  // CHECK-DAG: %[[MAX1:.*]] = affine.max #[[MAX]]()[%[[N]]]
  // CHECK: memref.view %{{.*}}[%{{.*}}][%[[SUM1]], %[[DIV1]], %[[MAX1]], %[[B]]] : memref<?xi8> to memref<?x?x?x?x6xf32>
  // CHECK: hybrid.launch @copy_1
  func.func @expressions(%x: tensor<?x?x?x?x6xf32> {hybrid.name = "x", hybrid.dims = ["2*n + 1", "n ceildiv 4", "max(n, 3)", "batch-size", "(2 + 1) * 2"]})
      -> (tensor<?x?x?x?x6xf32> {hybrid.name = "y", hybrid.dims = ["2*n + 1", "n ceildiv 4", "max(n, 3)", "batch-size", 6]}) attributes {hybrid.entry} {
    return %x : tensor<?x?x?x?x6xf32>
  }
}

// -----

// Two results that are written into one filled tensor do not meet in the buffer
// of the first.

module attributes {hybrid.symbols = [{name = "batch", role = "batch", capacity = 8 : i64}]} {
  func.func private @fill_0(%o: tensor<?x8xf32> {hybrid.writeonly}) -> tensor<?x8xf32> attributes {hybrid.kernel} {
    return %o : tensor<?x8xf32>
  }
  // CHECK-LABEL: func.func @two_results(
  // CHECK-SAME: %{{[^:]*}}: memref<?xi8>, %{{[^:]*}}: memref<?xi8>, %[[IN:[^:]*]]: memref<?xi8>, %[[OUT0:[^:]*]]: memref<?xi8>, %[[OUT1:[^:]*]]: memref<?xi8>)
  // CHECK-DAG: %[[Y0:.*]] = memref.view %[[OUT0]]
  // CHECK-DAG: %[[Y1:.*]] = memref.view %[[OUT1]]
  // CHECK: hybrid.launch @fill_0 outs(%[[FILLED:[^ ]*]]
  // The second result leaves the shared buffer before the first one comes there.
  // CHECK-COUNT-2: hybrid.launch @copy_1
  // CHECK: hybrid.launch @copy_0 ins(%[[FILLED]] : {{.*}}) outs(%[[APART:[^ ]*]] :
  // CHECK-NEXT: hybrid.launch @copy_0 ins(%{{.*}}) outs(%[[Y0]] :
  // CHECK-NEXT: hybrid.launch @copy_0 ins(%[[APART]] : {{.*}}) outs(%[[Y1]] :
  // CHECK-NEXT: return
  func.func @two_results(%x: tensor<?x8xf32> {hybrid.name = "x", hybrid.dims = ["batch", 8]})
      -> (tensor<?x8xf32> {hybrid.name = "y", hybrid.dims = ["batch", 8]}, tensor<?x8xf32> {hybrid.name = "z", hybrid.dims = ["batch", 8]}) attributes {hybrid.entry} {
    %n = hybrid.dim "batch"
    %e = tensor.empty(%n) : tensor<?x8xf32>
    %f = hybrid.launch @fill_0 outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = tensor.extract_slice %x[0, 0] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
    %r = tensor.extract_slice %x[0, 4] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
    %y = tensor.insert_slice %l into %f[0, 0] [%n, 4] [1, 1] : tensor<?x4xf32> into tensor<?x8xf32>
    %z = tensor.insert_slice %r into %f[0, 0] [%n, 4] [1, 1] : tensor<?x4xf32> into tensor<?x8xf32>
    return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
  }
}

// -----

// Weights side by side are stored as one, row by row, and not by themselves unless
// something else uses them.

// CHECK: module attributes {
// CHECK-SAME: hybrid.weights = [{at = 0 : i64, parts = [{file = "m.onnx", length = 16 : i64, offset = 0 : i64}, {file = "w.bin", length = 24 : i64, offset = 8 : i64}], rows = 2 : i64}, {at = 64 : i64, parts = [{file = "w.bin", length = 24 : i64, offset = 8 : i64}], rows = 1 : i64}]
module attributes {hybrid.symbols = []} {
  // CHECK-LABEL: func.func @entry(
  // CHECK-SAME: %{{[^:]*}}: memref<?xi8>, %[[WEIGHTS:[^:]*]]: memref<?xi8>
  // CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
  // CHECK-DAG: memref.view %[[WEIGHTS]][%[[C0]]][] : memref<?xi8> to memref<2x5xf32>
  func.func @entry() -> (tensor<2x5xf32> {hybrid.name = "w", hybrid.dims = [2, 5]}, tensor<2x3xf32> {hybrid.name = "b", hybrid.dims = [2, 3]}) attributes {hybrid.entry} {
    %a = hybrid.weight "a" from "m.onnx"[0, 16] : tensor<2x2xf32>
    %b = hybrid.weight "b" from "w.bin"[8, 24] : tensor<2x3xf32>
    %w = hybrid.concat_weights %a, %b {axis = 1 : i64} : (tensor<2x2xf32>, tensor<2x3xf32>) -> tensor<2x5xf32>
    return %w, %b : tensor<2x5xf32>, tensor<2x3xf32>
  }
}

// -----

// A weight in panels is stored filled up; in its own order only where that is used.

// CHECK: module attributes {
// CHECK-SAME: hybrid.weights = [{at = 0 : i64, panels = {bytes = 4 : i64, columns = 5 : i64, rows = 2 : i64, transposed, width = 4 : i64}, parts = [{file = "m.onnx", length = 40 : i64, offset = 0 : i64}], rows = 1 : i64}]
module attributes {hybrid.symbols = []} {
  // CHECK-LABEL: func.func @entry(
  // CHECK-SAME: %{{[^:]*}}: memref<?xi8>, %[[WEIGHTS:[^:]*]]: memref<?xi8>
  // CHECK: memref.view %[[WEIGHTS]][%{{.*}}][] : memref<?xi8> to memref<2x2x4xf32>
  func.func @entry() -> (tensor<2x2x4xf32> {hybrid.name = "w", hybrid.dims = [2, 2, 4]}) attributes {hybrid.entry} {
    %a = hybrid.weight "a" from "m.onnx"[0, 40] : tensor<5x2xf32>
    %w = hybrid.pack_weights %a {transposed} : tensor<5x2xf32> -> tensor<2x2x4xf32>
    return %w : tensor<2x2x4xf32>
  }
}
