// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-convs | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-convs --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// torch: padded on both sides, cut off, SiLU.
// CHECK-LABEL: func.func @padded(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x64x?xf32> {{{[^}]*}}}, %[[W:[^:]*]]: {{[^}]*}}}, %[[B:[^:]*]]: tensor<64xf32>
// CHECK: %[[Y:.*]], %{{.*}} = onnx.CausalConvWithState(%[[X]], %[[W]], %[[B]], %{{.*}}) {activation = "silu", onnx.opset = 27 : i64} : {{.*}} -> (tensor<?x64x?xf32>, tensor<?x64x3xf32>)
// CHECK-NEXT: return %[[Y]]
// REMARK: Passed{{.*}}onnx-raise-convs{{.*}}became CausalConvWithState
func.func @padded(%x: tensor<?x64x?xf32> {onnx.dims = ["b", 64, "t"]}, %w: tensor<64x1x4xf32> {onnx.dims = [64, 1, 4]},
    %b: tensor<64xf32> {onnx.dims = [64]}) -> tensor<?x64x?xf32> {
  %c0 = onnx.Constant dense<0> : tensor<1xi64>
  %c1 = onnx.Constant dense<1> : tensor<1xi64>
  %c2 = onnx.Constant dense<2> : tensor<1xi64>
  %t = onnx.Shape(%x) {start = 2 : i64} : (tensor<?x64x?xf32>) -> tensor<1xi64>
  %c = onnx.Conv(%x, %w, %b) {dilations = array<i64: 1>, group = 64 : i64, kernel_shape = array<i64: 4>, pads = array<i64: 3, 3>, strides = array<i64: 1>}
      : (tensor<?x64x?xf32>, tensor<64x1x4xf32>, tensor<64xf32>) -> tensor<?x64x?xf32>
  %s = onnx.Slice(%c, %c0, %t, %c2, %c1) : (tensor<?x64x?xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x64x?xf32>
  %g = onnx.Sigmoid(%s) : (tensor<?x64x?xf32>) -> tensor<?x64x?xf32>
  %y = onnx.Mul(%s, %g) : (tensor<?x64x?xf32>, tensor<?x64x?xf32>) -> tensor<?x64x?xf32>
  return %y : tensor<?x64x?xf32>
}

// -----

// The SiLU behind the transposition moves into the convolution.
// CHECK-LABEL: func.func @transposed(
// CHECK: %[[Y:.*]], %{{.*}} = onnx.CausalConvWithState({{.*}} {activation = "silu", onnx.opset = 27 : i64}
// CHECK-NEXT: %[[T:.*]] = onnx.Transpose(%[[Y]]) {perm = array<i64: 0, 2, 1>} : (tensor<?x64x?xf32>) -> tensor<?x?x64xf32>
// CHECK-NEXT: return %[[T]]
// REMARK: Passed{{.*}}became CausalConvWithState
func.func @transposed(%x: tensor<?x64x?xf32> {onnx.dims = ["b", 64, "t"]}, %w: tensor<64x1x4xf32> {onnx.dims = [64, 1, 4]}) -> tensor<?x?x64xf32> {
  %none = onnx.None : none
  %c = onnx.Conv(%x, %w, %none) {group = 64 : i64, pads = array<i64: 3, 0>} : (tensor<?x64x?xf32>, tensor<64x1x4xf32>, none) -> tensor<?x64x?xf32>
  %t = onnx.Transpose(%c) {perm = array<i64: 0, 2, 1>} : (tensor<?x64x?xf32>) -> tensor<?x?x64xf32>
  %g = onnx.Sigmoid(%t) : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  %y = onnx.Mul(%t, %g) : (tensor<?x?x64xf32>, tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  return %y : tensor<?x?x64xf32>
}

// -----

// mobius: K - 1 past columns, the bias behind.
// CHECK-LABEL: func.func @state(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x64x?xf32> {{{[^}]*}}}, %[[W:[^:]*]]: {{[^}]*}}}, %[[B:[^:]*]]: tensor<64xf32> {{{[^}]*}}}, %[[P:[^:]*]]: tensor<?x64x3xf32>
// CHECK: %[[Y:.*]], %[[S:.*]] = onnx.CausalConvWithState(%[[X]], %[[W]], %[[B]], %[[P]]) {activation = "silu", onnx.opset = 27 : i64}
// CHECK-NEXT: return %[[Y]], %[[S]]
// REMARK: Passed{{.*}}became CausalConvWithState with a past
func.func @state(%x: tensor<?x64x?xf32> {onnx.dims = ["b", 64, "t"]}, %w: tensor<64x1x4xf32> {onnx.dims = [64, 1, 4]}, %b: tensor<64xf32> {onnx.dims = [64]},
    %past: tensor<?x64x3xf32> {onnx.dims = ["b", 64, 3]}) -> (tensor<?x64x?xf32>, tensor<?x64x3xf32>) {
  %none = onnx.None : none
  %axes = onnx.Constant dense<[0, 2]> : tensor<2xi64>
  %c2 = onnx.Constant dense<2> : tensor<1xi64>
  %start = onnx.Constant dense<-3> : tensor<1xi64>
  %end = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %p = onnx.Concat(%past, %x) {axis = 2 : i64} : (tensor<?x64x3xf32>, tensor<?x64x?xf32>) -> tensor<?x64x?xf32>
  %present = onnx.Slice(%p, %start, %end, %c2, %none) : (tensor<?x64x?xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x64x3xf32>
  %c = onnx.Conv(%p, %w, %none) {group = 64 : i64, pads = array<i64: 0, 0>} : (tensor<?x64x?xf32>, tensor<64x1x4xf32>, none) -> tensor<?x64x?xf32>
  %bias = onnx.Unsqueeze(%b, %axes) : (tensor<64xf32>, tensor<2xi64>) -> tensor<1x64x1xf32>
  %s = onnx.Add(%c, %bias) : (tensor<?x64x?xf32>, tensor<1x64x1xf32>) -> tensor<?x64x?xf32>
  %g = onnx.Sigmoid(%s) : (tensor<?x64x?xf32>) -> tensor<?x64x?xf32>
  %y = onnx.Mul(%s, %g) : (tensor<?x64x?xf32>, tensor<?x64x?xf32>) -> tensor<?x64x?xf32>
  return %y, %present : tensor<?x64x?xf32>, tensor<?x64x3xf32>
}

// -----

// transformers' exporter: K past columns. The weight gets a tap of 0. (The
// tokens say that there is at least one, so that -t is not 0.)
// CHECK-LABEL: func.func @wide_state(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x64x?xf32> {{{[^}]*}}}, %[[W:[^:]*]]: tensor<64x1x3xf32> {{{[^}]*}}}, %[[P:[^:]*]]: tensor<?x64x3xf32>
// CHECK: %[[PADS:.*]] = onnx.Constant dense<[0, 0, 1, 0, 0, 0]>
// CHECK: %[[WIDE:.*]] = onnx.Pad(%[[W]], %[[PADS]], {{.*}} -> tensor<64x1x4xf32>
// CHECK: %[[Y:.*]], %[[S:.*]] = onnx.CausalConvWithState(%[[X]], %[[WIDE]], %{{.*}}, %[[P]]) {onnx.opset = 27 : i64}
// CHECK-NEXT: return %[[Y]], %[[S]]
// REMARK: Passed{{.*}}became CausalConvWithState with a past
func.func @wide_state(%x: tensor<?x64x?xf32> {onnx.dims = ["b", 64, "t"]}, %w: tensor<64x1x3xf32> {onnx.dims = [64, 1, 3]},
    %past: tensor<?x64x3xf32> {onnx.dims = ["b", 64, 3]}, %ids: tensor<?x?xi64> {onnx.dims = ["b", "t"]}) -> (tensor<?x64x?xf32>, tensor<?x64x3xf32>) {
  %none = onnx.None : none
  %c0 = onnx.Constant dense<0> : tensor<1xi64>
  %c1 = onnx.Constant dense<1> : tensor<1xi64>
  %c2 = onnx.Constant dense<2> : tensor<1xi64>
  %c3 = onnx.Constant dense<3> : tensor<1xi64>
  %start = onnx.Constant dense<-3> : tensor<1xi64>
  %end = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %t = onnx.Shape(%x) {start = 2 : i64} : (tensor<?x64x?xf32>) -> tensor<1xi64>
  %length = onnx.Add(%t, %c3) : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi64>
  %minus = onnx.Neg(%t) : (tensor<1xi64>) -> tensor<1xi64>
  %p = onnx.Concat(%past, %x) {axis = -1 : i64} : (tensor<?x64x3xf32>, tensor<?x64x?xf32>) -> tensor<?x64x?xf32>
  %present = onnx.Slice(%p, %start, %end, %c2, %c1) : (tensor<?x64x?xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x64x3xf32>
  %c = onnx.Conv(%p, %w, %none) {group = 64 : i64, pads = array<i64: 2, 2>} : (tensor<?x64x?xf32>, tensor<64x1x3xf32>, none) -> tensor<?x64x?xf32>
  %s = onnx.Slice(%c, %c0, %length, %c2, %c1) : (tensor<?x64x?xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x64x?xf32>
  %y = onnx.Slice(%s, %minus, %end, %c2, %c1) : (tensor<?x64x?xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x64x?xf32>
  return %y, %present : tensor<?x64x?xf32>, tensor<?x64x3xf32>
}

// -----

// As many columns as inputs, but each sees the next one.
// CHECK-LABEL: func.func @centred(
// CHECK-NOT: onnx.CausalConvWithState
// REMARK: Missed{{.*}}what is kept of the result is not one column per input, each seeing the inputs up to its own
func.func @centred(%x: tensor<?x64x?xf32> {onnx.dims = ["b", 64, "t"]}, %w: tensor<64x1x3xf32> {onnx.dims = [64, 1, 3]}) -> tensor<?x64x?xf32> {
  %none = onnx.None : none
  %c = onnx.Conv(%x, %w, %none) {group = 64 : i64, pads = array<i64: 1, 1>} : (tensor<?x64x?xf32>, tensor<64x1x3xf32>, none) -> tensor<?x64x?xf32>
  return %c : tensor<?x64x?xf32>
}

// -----

// The result behind the columns cut off is used, too.
// CHECK-LABEL: func.func @result_is_used(
// CHECK-NOT: onnx.CausalConvWithState
// REMARK: Missed{{.*}}what is kept of the result
func.func @result_is_used(%x: tensor<1x64x8xf32>, %w: tensor<64x1x4xf32>) -> (tensor<1x64x8xf32>, tensor<1x64x11xf32>) {
  %none = onnx.None : none
  %c0 = onnx.Constant dense<0> : tensor<1xi64>
  %c1 = onnx.Constant dense<1> : tensor<1xi64>
  %c2 = onnx.Constant dense<2> : tensor<1xi64>
  %c8 = onnx.Constant dense<8> : tensor<1xi64>
  %c = onnx.Conv(%x, %w, %none) {group = 64 : i64, pads = array<i64: 3, 3>} : (tensor<1x64x8xf32>, tensor<64x1x4xf32>, none) -> tensor<1x64x11xf32>
  %s = onnx.Slice(%c, %c0, %c8, %c2, %c1) : (tensor<1x64x11xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x64x8xf32>
  return %s, %c : tensor<1x64x8xf32>, tensor<1x64x11xf32>
}

// -----

// Two channels each are mixed: not depthwise.
// CHECK-LABEL: func.func @grouped(
// CHECK-NOT: onnx.CausalConvWithState
func.func @grouped(%x: tensor<1x64x8xf32>, %w: tensor<64x2x4xf32>) -> tensor<1x64x8xf32> {
  %none = onnx.None : none
  %c = onnx.Conv(%x, %w, %none) {group = 32 : i64, pads = array<i64: 3, 0>} : (tensor<1x64x8xf32>, tensor<64x2x4xf32>, none) -> tensor<1x64x8xf32>
  return %c : tensor<1x64x8xf32>
}
