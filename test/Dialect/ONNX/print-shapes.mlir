// RUN: hybrid-opt %s --split-input-file --onnx-print-shapes -o /dev/null | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-print-shapes=summary-only=true -o /dev/null | FileCheck %s --check-prefix=SUMMARY
// RUN: hybrid-opt %s --split-input-file --onnx-print-shapes=bindings=mask_len=past+seq -o /dev/null | FileCheck %s --check-prefix=BOUND

// The example of the pass's description: a shape computed in the graph.
// CHECK: x input [batch, seq, 128]
// CHECK: shape Shape [3] = {batch, seq, 128}
// CHECK: sizes Concat [4] = {batch, seq, 8, -1}
// CHECK: heads Reshape [batch, seq, 8, 16]
// CHECK: y output [batch, seq, 8, 16]
// CHECK-NEXT: values {{[0-9]+}}, unknown rank 0, data-dependent 0
// SUMMARY-NOT: input
// SUMMARY: values {{[0-9]+}}, unknown rank 0, data-dependent 0
func.func @main(%x: tensor<?x?x128xf32> {onnx.name = "x", onnx.dims = ["batch", "seq", 128]} loc("x"))
    -> (tensor<*xf32> {onnx.name = "y"}) {
  %none = onnx.None : none
  %shape = onnx.Shape(%x) : (tensor<?x?x128xf32>) -> tensor<*xi64> loc("shape")
  %first = onnx.Constant dense<[0, 1]> : tensor<2xi64>
  %bs = onnx.Gather(%shape, %first) {axis = 0 : i64} : (tensor<*xi64>, tensor<2xi64>) -> tensor<*xi64>
  %rest = onnx.Constant dense<[8, -1]> : tensor<2xi64>
  %sizes = onnx.Concat(%bs, %rest) {axis = 0 : i64} : (tensor<*xi64>, tensor<2xi64>) -> tensor<*xi64> loc("sizes")
  %heads = onnx.Reshape(%x, %sizes) : (tensor<?x?x128xf32>, tensor<*xi64>) -> tensor<*xf32> loc("heads")
  return %heads : tensor<*xf32>
}

// -----

// Padding to a multiple of the chunk, as torch exports it, and cutting it off.
// CHECK: padding Mod [] = {seq * -1 + ((seq + 63) floordiv 64) * 64}
// CHECK: padded Pad [1, ((seq + 63) floordiv 64) * 64]
// CHECK: chunks Reshape [1, (seq + 63) floordiv 64, 64]
// CHECK: cut Slice [1, seq]
func.func @chunks(%x: tensor<1x?xf32> {onnx.dims = [1, "seq"]}) {
  %none = onnx.None : none
  %c64 = onnx.Constant dense<64> : tensor<i64>
  %zero = onnx.Constant dense<0> : tensor<1xi64>
  %one = onnx.Constant dense<1> : tensor<1xi64>
  %c1 = onnx.Constant dense<1> : tensor<i64>
  %zeros = onnx.Constant dense<0> : tensor<3xi64>
  %seq1 = onnx.Shape(%x) {start = 1 : i64} : (tensor<1x?xf32>) -> tensor<1xi64>
  %seq = onnx.Squeeze(%seq1, %none) : (tensor<1xi64>, none) -> tensor<i64>
  %m = onnx.Mod(%seq, %c64) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %d = onnx.Sub(%c64, %m) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %p = onnx.Mod(%d, %c64) : (tensor<i64>, tensor<i64>) -> tensor<i64> loc("padding")
  %p1 = onnx.Unsqueeze(%p, %zero) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %pads = onnx.Concat(%zeros, %p1) {axis = 0 : i64} : (tensor<3xi64>, tensor<1xi64>) -> tensor<4xi64>
  %padded = onnx.Pad(%x, %pads, %none, %none) : (tensor<1x?xf32>, tensor<4xi64>, none, none) -> tensor<*xf32> loc("padded")
  %shape = onnx.Constant dense<[1, -1, 64]> : tensor<3xi64>
  %chunks = onnx.Reshape(%padded, %shape) : (tensor<*xf32>, tensor<3xi64>) -> tensor<*xf32> loc("chunks")
  %cut = onnx.Slice(%padded, %zero, %seq1, %one, %none) : (tensor<*xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<*xf32> loc("cut")
  return
}

// -----

// Two names for one length; a binding says so.
// CHECK: scores Add [seq, max(
// CHECK: symbol max(
// BOUND: scores Add [seq, seq + past]
// BOUND-NOT: symbol
// BOUND: values
func.func @mask(%q: tensor<?x?xf32> {onnx.dims = ["seq", "past + seq"]},
                %past: tensor<?xi64> {onnx.dims = ["past"]},
                %tokens: tensor<?xi64> {onnx.dims = ["seq"]},
                %m: tensor<1x?xf32> {onnx.dims = [1, "mask_len"]},
                %ids: tensor<?xi64> {onnx.dims = ["mask_len"]}) {
  %scores = onnx.Add(%q, %m) : (tensor<?x?xf32>, tensor<1x?xf32>) -> tensor<*xf32> loc("scores")
  return
}

// -----

// Slices are clamped; signs that are known give exact lengths.
// CHECK: last Slice [3]
// CHECK: all_but Slice [n + 2]
// CHECK: reverse Slice [n + 5]
// CHECK: every_other Slice [n floordiv 2 + 3]
func.func @slices(%n: tensor<?xf32> {onnx.dims = ["n"]}, %five: tensor<5xf32>) {
  %none = onnx.None : none
  %x = onnx.Concat(%n, %five) {axis = 0 : i64} : (tensor<?xf32>, tensor<5xf32>) -> tensor<*xf32>
  %m3 = onnx.Constant dense<-3> : tensor<1xi64>
  %m1 = onnx.Constant dense<-1> : tensor<1xi64>
  %c0 = onnx.Constant dense<0> : tensor<1xi64>
  %c2 = onnx.Constant dense<2> : tensor<1xi64>
  %end = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %start = onnx.Constant dense<-9223372036854775807> : tensor<1xi64>
  %0 = onnx.Slice(%x, %m3, %end, %c0, %none) : (tensor<*xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<*xf32> loc("last")
  %1 = onnx.Slice(%x, %c0, %m3, %c0, %none) : (tensor<*xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<*xf32> loc("all_but")
  %2 = onnx.Slice(%x, %m1, %start, %c0, %m1) : (tensor<*xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32> loc("reverse")
  %3 = onnx.Slice(%x, %c0, %end, %c0, %c2) : (tensor<*xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32> loc("every_other")
  return
}

// -----

// A loop that grows its carried value: only the rank holds in all iterations.
// CHECK: grown Loop [unknown{{[0-9]*}}, 4] from data
// CHECK: symbol unknown{{.*}}: dimension 0 of 'grown'
func.func @growing_loop(%x: tensor<1x4xf32>, %trips: tensor<i64>) {
  %none = onnx.None : none
  %0 = onnx.Loop(%trips, %none, %x) : (tensor<i64>, none, tensor<1x4xf32>) -> tensor<*xf32> {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<*xf32>):
    %more = onnx.Concat(%v, %x) {axis = 0 : i64} : (tensor<*xf32>, tensor<1x4xf32>) -> tensor<*xf32>
    onnx.Yield(%go, %more) : tensor<i1>, tensor<*xf32>
  } loc("grown")
  return
}

// -----

// A branch for one token: that it squeezes the length says nothing about it.
// CHECK: y If [batch, seq, 64]
func.func @one_token(%c: tensor<i1>, %x: tensor<?x?x64xf32> {onnx.dims = ["batch", "seq", 64]}) {
  %axis = onnx.Constant dense<1> : tensor<1xi64>
  %y = onnx.If(%c) : (tensor<i1>) -> tensor<*xf32> {
    %0 = onnx.Squeeze(%x, %axis) : (tensor<?x?x64xf32>, tensor<1xi64>) -> tensor<*xf32>
    %1 = onnx.Relu(%0) : (tensor<*xf32>) -> tensor<*xf32>
    onnx.Yield(%x) : tensor<?x?x64xf32>
  } else {
    onnx.Yield(%x) : tensor<?x?x64xf32>
  } loc("y")
  return
}
