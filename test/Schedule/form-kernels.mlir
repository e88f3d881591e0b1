// RUN: hybrid-opt %s --hybrid-form-kernels --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-form-kernels --split-input-file --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: hybrid-opt %s --pass-pipeline="builtin.module(hybrid-form-kernels{fuse-epilogues=false})" --split-input-file | FileCheck %s --check-prefix=APART

// Layers that differ only in weights share a kernel; another epsilon is another
// kernel. Parameters are the tensors read, then the destinations.

// CHECK-LABEL: func.func @layers(
// CHECK-SAME: %[[X:.*]]: tensor<?x64xf32>
// CHECK: %[[W0:.*]] = hybrid.weight "l0.norm"
// CHECK: %[[W1:.*]] = hybrid.weight "l1.norm"
// CHECK: %[[E:.*]] = tensor.empty
// CHECK: %[[A:.*]] = hybrid.launch @norm_0 ins(%[[X]], %[[W0]] : tensor<?x64xf32>, tensor<64xf32>) outs(%[[E]] : tensor<?x64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: %[[B:.*]] = hybrid.launch @norm_0 ins(%[[A]], %[[W1]] :
// CHECK-NEXT: %[[C:.*]] = hybrid.launch @norm_1 ins(%[[B]], %[[W1]] :
// CHECK-NEXT: return %[[C]]
// CHECK: func.func private @norm_0(%[[P:.*]]: tensor<?x64xf32>, %[[S:.*]]: tensor<64xf32>, %[[O:.*]]: tensor<?x64xf32> {hybrid.writeonly}) -> tensor<?x64xf32> attributes {hybrid.kernel}
// CHECK-NEXT: %[[R:.*]] = hybrid.norm rms ins(%[[P]] : {{.*}}) scale(%[[S]] : {{.*}}) outs(%[[O]] :
// CHECK-NEXT: return %[[R]]
// CHECK: func.func private @norm_1(
// CHECK-NOT: func.func
func.func @layers(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {hybrid.entry} {
  %n = hybrid.dim "seq"
  %w0 = hybrid.weight "l0.norm" from "m.onnx"[0, 256] : tensor<64xf32>
  %w1 = hybrid.weight "l1.norm" from "m.onnx"[256, 256] : tensor<64xf32>
  %e = tensor.empty(%n) : tensor<?x64xf32>
  %0 = hybrid.norm rms ins(%x : tensor<?x64xf32>) scale(%w0 : tensor<64xf32>) outs(%e : tensor<?x64xf32>) {axis = 1 : i64, epsilon = 1.0e-5 : f64} -> tensor<?x64xf32>
  %1 = hybrid.norm rms ins(%0 : tensor<?x64xf32>) scale(%w1 : tensor<64xf32>) outs(%e : tensor<?x64xf32>) {axis = 1 : i64, epsilon = 1.0e-5 : f64} -> tensor<?x64xf32>
  %2 = hybrid.norm rms ins(%1 : tensor<?x64xf32>) scale(%w1 : tensor<64xf32>) outs(%e : tensor<?x64xf32>) {axis = 1 : i64, epsilon = 1.0e-6 : f64} -> tensor<?x64xf32>
  return %2 : tensor<?x64xf32>
}

// -----

// Two entries share kernels, and a function that is no entry stays.

// CHECK-LABEL: func.func @prefill(
// CHECK: hybrid.launch @norm_0
// CHECK-LABEL: func.func @decode(
// CHECK: hybrid.launch @norm_0
// CHECK-LABEL: func.func @helper(
// CHECK: hybrid.norm
// CHECK-LABEL: func.func private @norm_0(
// CHECK-NOT: func.func
func.func @prefill(%x: tensor<64xf32>) -> tensor<64xf32> attributes {hybrid.entry} {
  %e = tensor.empty() : tensor<64xf32>
  %0 = hybrid.norm rms ins(%x : tensor<64xf32>) outs(%e : tensor<64xf32>) {axis = 0 : i64, epsilon = 1.0e-5 : f64} -> tensor<64xf32>
  return %0 : tensor<64xf32>
}
func.func @decode(%x: tensor<64xf32>) -> tensor<64xf32> attributes {hybrid.entry} {
  %e = tensor.empty() : tensor<64xf32>
  %0 = hybrid.norm rms ins(%x : tensor<64xf32>) outs(%e : tensor<64xf32>) {axis = 0 : i64, epsilon = 1.0e-5 : f64} -> tensor<64xf32>
  return %0 : tensor<64xf32>
}
func.func @helper(%x: tensor<64xf32>, %o: tensor<64xf32>) -> tensor<64xf32> {
  %0 = hybrid.norm rms ins(%x : tensor<64xf32>) outs(%o : tensor<64xf32>) {axis = 0 : i64, epsilon = 1.0e-5 : f64} -> tensor<64xf32>
  return %0 : tensor<64xf32>
}

// -----

// A contraction takes its only consumer along: one kernel, launched once. Its
// accumulator is a buffer of its own; the fill is in the kernel, whose entry no
// longer has one.

#id = affine_map<(d0, d1) -> (d0, d1)>
#column = affine_map<(d0, d1) -> (d1)>
#lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
#rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
#out = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-LABEL: func.func @epilogue(
// CHECK-SAME: %[[X:.*]]: tensor<?x64xf32>, %[[Y:.*]]: tensor<?x128xf16>
// CHECK: %[[N:.*]] = hybrid.dim "seq"
// CHECK: %[[W:.*]] = hybrid.weight "w"
// CHECK: %[[B:.*]] = hybrid.weight "b"
// CHECK-NOT: linalg
// CHECK: %[[E:.*]] = tensor.empty(%[[N]]) : tensor<?x128xf16>
// CHECK-NEXT: %[[R:.*]] = hybrid.launch @matmul_0 ins(%[[X]], %[[W]], %[[B]], %[[Y]] : {{.*}}) outs(%[[E]] : tensor<?x128xf16>) sizes(%[[N]]) -> tensor<?x128xf16>
// CHECK-NEXT: return %[[R]]
// CHECK: func.func private @matmul_0(
// CHECK-SAME: %[[O:[^ ]*]]: tensor<?x128xf16> {hybrid.writeonly}, %[[N:.*]]: index)
// CHECK: %[[ACC:.*]] = tensor.empty(%[[N]]) : tensor<?x128xf32>
// CHECK: %[[ZERO:.*]] = linalg.fill {{.*}} outs(%[[ACC]] :
// CHECK: %[[P:.*]] = linalg.generic {{.*}} outs(%[[ZERO]] : tensor<?x128xf32>)
// CHECK: %[[R:.*]] = linalg.generic {{.*}} ins(%[[P]], {{.*}}) outs(%[[O]] : tensor<?x128xf16>)
// CHECK: return %[[R]]
// CHECK-NOT: func.func
// REMARK: form-kernels.mlir:[[#@LINE+15]]:{{.*}}: remark: [Passed] epilogue | Category:hybrid-form-kernels

// APART-LABEL: func.func @epilogue(
// APART: %[[P:.*]] = hybrid.launch @matmul_0
// APART: hybrid.launch @map_0 ins(%[[P]],
// APART: func.func private @matmul_0({{.*}}, %[[O:[^ ]*]]: tensor<?x128xf32> {hybrid.writeonly}) -> tensor<?x128xf32>
// APART: linalg.fill {{.*}} outs(%[[O]] :
// APART: func.func private @map_0(
func.func @epilogue(%x: tensor<?x64xf32>, %y: tensor<?x128xf16>) -> tensor<?x128xf16> attributes {hybrid.entry} {
  %zero = arith.constant 0.0 : f32
  %n = hybrid.dim "seq"
  %w = hybrid.weight "w" from "m.onnx"[0, 32768] : tensor<64x128xf32>
  %b = hybrid.weight "b" from "m.onnx"[32768, 512] : tensor<128xf32>
  %acc = tensor.empty(%n) : tensor<?x128xf32>
  %f = linalg.fill ins(%zero : f32) outs(%acc : tensor<?x128xf32>) -> tensor<?x128xf32>
  %0 = linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
         ins(%x, %w : tensor<?x64xf32>, tensor<64x128xf32>) outs(%f : tensor<?x128xf32>) {
  ^bb0(%l: f32, %r: f32, %c: f32):
    %p = arith.mulf %l, %r : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  } -> tensor<?x128xf32>
  %e = tensor.empty(%n) : tensor<?x128xf16>
  %1 = linalg.generic {indexing_maps = [#id, #column, #id, #id], iterator_types = ["parallel", "parallel"]}
         ins(%0, %b, %y : tensor<?x128xf32>, tensor<128xf32>, tensor<?x128xf16>) outs(%e : tensor<?x128xf16>) {
  ^bb0(%c: f32, %i: f32, %o: f16, %out: f16):
    %s = arith.addf %c, %i : f32
    %t = arith.truncf %s : f32 to f16
    %u = arith.addf %t, %o : f16
    linalg.yield %u : f16
  } -> tensor<?x128xf16>
  return %1 : tensor<?x128xf16>
}

// -----

// A contraction that is used twice stands alone, and so does one whose consumer
// reads it transposed.

#id = affine_map<(d0, d1) -> (d0, d1)>
#transposed = affine_map<(d0, d1) -> (d1, d0)>
#lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
#rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
#out = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-LABEL: func.func @no_epilogue(
// CHECK: %[[P:.*]] = hybrid.launch @matmul_0
// CHECK-NEXT: %[[M:.*]] = hybrid.launch @map_0 ins(%[[P]] :
// CHECK-NEXT: %[[Q:.*]] = hybrid.launch @matmul_0
// CHECK-NEXT: %[[T:.*]] = hybrid.launch @map_1 ins(%[[Q]] :
// CHECK-NEXT: return %[[P]], %[[M]], %[[T]]
// REMARK-NOT: remark:
func.func @no_epilogue(%x: tensor<8x8xf32>, %w: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>) attributes {hybrid.entry} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<8x8xf32>) -> tensor<8x8xf32>
  %0 = linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
         ins(%x, %w : tensor<8x8xf32>, tensor<8x8xf32>) outs(%f : tensor<8x8xf32>) {
  ^bb0(%l: f32, %r: f32, %c: f32):
    %p = arith.mulf %l, %r : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  } -> tensor<8x8xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
         ins(%0 : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
  ^bb0(%c: f32, %out: f32):
    %s = arith.negf %c : f32
    linalg.yield %s : f32
  } -> tensor<8x8xf32>
  %2 = linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
         ins(%1, %w : tensor<8x8xf32>, tensor<8x8xf32>) outs(%f : tensor<8x8xf32>) {
  ^bb0(%l: f32, %r: f32, %c: f32):
    %p = arith.mulf %l, %r : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  } -> tensor<8x8xf32>
  %3 = linalg.generic {indexing_maps = [#transposed, #id], iterator_types = ["parallel", "parallel"]}
         ins(%2 : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
  ^bb0(%c: f32, %out: f32):
    %s = arith.negf %c : f32
    linalg.yield %s : f32
  } -> tensor<8x8xf32>
  return %0, %1, %3 : tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>
}

// -----

// An operation that joins two contractions goes with one of them, launched where
// both are known.

#id = affine_map<(d0, d1) -> (d0, d1)>
#lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
#rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
#out = affine_map<(d0, d1, d2) -> (d0, d1)>
// REMARK: form-kernels.mlir:[[#@LINE+10]]:{{.*}}: remark: [Passed] epilogue
// CHECK-LABEL: func.func @joined(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<8x8xf32>, %[[U:[a-z0-9]*]]: tensor<8x8xf32>, %[[V:[a-z0-9]*]]: tensor<8x8xf32>
// CHECK: %[[Q:.*]] = hybrid.launch @matmul_[[#]] ins(%[[X]], %[[V]] :
// CHECK-NEXT: %[[R:.*]] = hybrid.launch @matmul_[[#]] ins(%[[X]], %[[U]], %[[Q]] :
// CHECK-NEXT: return %[[R]]
func.func @joined(%x: tensor<8x8xf32>, %u: tensor<8x8xf32>, %v: tensor<8x8xf32>) -> tensor<8x8xf32> attributes {hybrid.entry} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<8x8xf32>) -> tensor<8x8xf32>
  %0 = linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
         ins(%x, %u : tensor<8x8xf32>, tensor<8x8xf32>) outs(%f : tensor<8x8xf32>) {
  ^bb0(%l: f32, %r: f32, %c: f32):
    %p = arith.mulf %l, %r : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  } -> tensor<8x8xf32>
  %1 = linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
         ins(%x, %v : tensor<8x8xf32>, tensor<8x8xf32>) outs(%f : tensor<8x8xf32>) {
  ^bb0(%l: f32, %r: f32, %c: f32):
    %p = arith.mulf %l, %r : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  } -> tensor<8x8xf32>
  %2 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
         ins(%0, %1 : tensor<8x8xf32>, tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
  ^bb0(%l: f32, %r: f32, %out: f32):
    %p = arith.mulf %l, %r : f32
    linalg.yield %p : f32
  } -> tensor<8x8xf32>
  return %2 : tensor<8x8xf32>
}

// -----

// A state is read by the operation that updates it: its parameter is no
// write-only one. An operand given thrice is one parameter.

hybrid.state @s recurrent present "s1" : tensor<?x2x4x4xf32>
// CHECK-LABEL: func.func @state(
// CHECK-SAME: %[[Q:.*]]: tensor<?x?x2x4xf32>
// CHECK: %[[S:.*]] = hybrid.read_state @s
// CHECK: %[[R:.*]]:2 = hybrid.launch @scan_0 ins(%[[Q]] : tensor<?x?x2x4xf32>) outs(%{{.*}}, %[[S]] : tensor<?x?x2x4xf32>, tensor<?x2x4x4xf32>)
// CHECK: hybrid.write_state %[[R]]#1, @s
// CHECK: func.func private @scan_0(%{{.*}}: tensor<?x?x2x4xf32>, %{{.*}}: tensor<?x?x2x4xf32> {hybrid.writeonly}, %{{.*}}: tensor<?x2x4x4xf32>) ->
func.func @state(%q: tensor<?x?x2x4xf32>) -> tensor<?x?x2x4xf32> attributes {hybrid.entry} {
  %b = hybrid.dim "batch"
  %n = hybrid.dim "seq"
  %e = tensor.empty(%b, %n) : tensor<?x?x2x4xf32>
  %s = hybrid.read_state @s : tensor<?x2x4x4xf32>
  %y, %s1 = hybrid.scan linear ins(%q, %q, %q : tensor<?x?x2x4xf32>, tensor<?x?x2x4xf32>, tensor<?x?x2x4xf32>)
    outs(%e, %s : tensor<?x?x2x4xf32>, tensor<?x2x4x4xf32>) {scale = 1.0 : f64} -> tensor<?x?x2x4xf32>, tensor<?x2x4x4xf32>
  hybrid.write_state %s1, @s : tensor<?x2x4x4xf32>
  return %y : tensor<?x?x2x4xf32>
}

// -----

// What a body captures becomes a parameter: a table that it gathers from, a size;
// a scalar travels as its computation. A generic that reads its destination keeps
// the destination's old values.

#id = affine_map<(d0) -> (d0)>
// CHECK-LABEL: func.func @captures(
// CHECK-SAME: %[[I:.*]]: tensor<?xi64>, %[[T:.*]]: tensor<?xf32>)
// CHECK: %[[LAST:.*]] = affine.apply
// CHECK-NOT: arith.index_cast
// CHECK: %[[G:.*]] = hybrid.launch @map_0 ins(%[[I]], %[[T]] : tensor<?xi64>, tensor<?xf32>) outs(%{{.*}} : tensor<?xf32>) sizes(%[[LAST]])
// CHECK: hybrid.launch @map_1 ins(%[[T]] : tensor<?xf32>) outs(%[[G]] : tensor<?xf32>) ->
// CHECK: func.func private @map_0(%[[I:.*]]: tensor<?xi64>, %[[T:.*]]: tensor<?xf32>, %{{.*}}: tensor<?xf32> {hybrid.writeonly}, %[[LAST:.*]]: index)
// CHECK: %[[INT:.*]] = arith.index_cast %[[LAST]] : index to i64
// CHECK: %[[REAL:.*]] = arith.sitofp %[[INT]]
// CHECK: %[[FIRST:.*]] = tensor.extract %[[T]]
// CHECK: linalg.generic
// CHECK: arith.minsi %{{.*}}, %[[LAST]]
// CHECK: tensor.extract %[[T]]
// CHECK: arith.mulf %{{.*}}, %[[REAL]]
// CHECK: arith.addf %{{.*}}, %[[FIRST]]
// CHECK: func.func private @map_1(%{{.*}}: tensor<?xf32>, %{{.*}}: tensor<?xf32>) ->
func.func @captures(%i: tensor<?xi64>, %t: tensor<?xf32>) -> tensor<?xf32> attributes {hybrid.entry} {
  %c0 = arith.constant 0 : index
  %n = hybrid.dim "seq"
  %last = affine.apply affine_map<()[s0] -> (s0 - 1)>()[%n]
  %int = arith.index_cast %last : index to i64
  %real = arith.sitofp %int : i64 to f32
  %first = tensor.extract %t[%c0] : tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%i : tensor<?xi64>) outs(%e : tensor<?xf32>) {
  ^bb0(%in: i64, %out: f32):
    %2 = arith.index_cast %in : i64 to index
    %3 = arith.minsi %2, %last : index
    %4 = tensor.extract %t[%3] : tensor<?xf32>
    %5 = arith.mulf %4, %real : f32
    %6 = arith.addf %5, %first : f32
    linalg.yield %6 : f32
  } -> tensor<?xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%t : tensor<?xf32>) outs(%0 : tensor<?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %2 = arith.mulf %in, %out : f32
    linalg.yield %2 : f32
  } -> tensor<?xf32>
  return %1 : tensor<?xf32>
}

// -----

// A fill that is data is work of its own; a loop that keeps its order is one
// kernel; views and empties stay in the entry.

// CHECK-LABEL: func.func @fill_and_loop(
// CHECK-SAME: %[[T:.*]]: tensor<?xf32>)
// CHECK: %[[N:.*]] = hybrid.dim "seq"
// CHECK: %[[E:.*]] = tensor.empty(%[[N]])
// CHECK-NEXT: %[[F:.*]] = hybrid.launch @fill_0 outs(%[[E]] : tensor<?xf32>)
// CHECK-NEXT: %[[I:.*]] = tensor.insert_slice %[[T]] into %[[F]]
// CHECK-NEXT: %[[L:.*]] = hybrid.launch @loop_0 ins(%[[T]] : tensor<?xf32>) outs(%[[I]] : tensor<?xf32>) sizes(%[[N]])
// CHECK: return %[[L]]
// CHECK: func.func private @fill_0(%{{.*}}: tensor<?xf32> {hybrid.writeonly})
// CHECK: func.func private @loop_0(%{{.*}}: tensor<?xf32>, %[[O:.*]]: tensor<?xf32>, %[[N:.*]]: index)
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[N]] {{.*}} iter_args(%{{.*}} = %[[O]])
func.func @fill_and_loop(%t: tensor<?xf32>) -> tensor<?xf32> attributes {hybrid.entry} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1.0 : f32
  %n = hybrid.dim "seq"
  %e = tensor.empty(%n) : tensor<?xf32>
  %f = linalg.fill ins(%one : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %i = tensor.insert_slice %t into %f[0] [%n] [1] : tensor<?xf32> into tensor<?xf32>
  %l = scf.for %k = %c0 to %n step %c1 iter_args(%acc = %i) -> tensor<?xf32> {
    %x = tensor.extract %t[%k] : tensor<?xf32>
    %r = tensor.insert %x into %acc[%k] : tensor<?xf32>
    scf.yield %r : tensor<?xf32>
  }
  return %l : tensor<?xf32>
}

// -----

// States may be named like kernels.

// CHECK: hybrid.state @norm_0
// CHECK: hybrid.launch @norm_1
// CHECK: func.func private @norm_1(
hybrid.state @norm_0 conv present "p" : tensor<?x8x3xf32>
func.func @names(%x: tensor<64xf32>) -> tensor<64xf32> attributes {hybrid.entry} {
  %e = tensor.empty() : tensor<64xf32>
  %0 = hybrid.norm rms ins(%x : tensor<64xf32>) outs(%e : tensor<64xf32>) {axis = 0 : i64, epsilon = 1.0e-5 : f64} -> tensor<64xf32>
  return %0 : tensor<64xf32>
}
