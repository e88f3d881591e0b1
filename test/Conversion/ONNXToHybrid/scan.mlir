// RUN: hybrid-opt %s --split-input-file --convert-onnx-to-hybrid --cse | FileCheck %s

// Without a past: a state of zeros. The scale's default is 1 / sqrt(dk).
module attributes {onnx.opsets = {ai.onnx = 27 : i64}} {
  func.func @main(%q: tensor<?x?x32xf16> {onnx.name = "q", onnx.dims = ["b", "t", 32]},
                  %v: tensor<?x?x8xf16> {onnx.name = "v", onnx.dims = ["b", "t", 8]})
      -> (tensor<?x?x8xf16> {onnx.name = "y", onnx.dims = ["b", "t", 8]},
          tensor<?x2x16x4xf16> {onnx.name = "s", onnx.dims = ["b", 2, 16, 4]}) {
    %none = onnx.None : none
    %y:2 = onnx.LinearAttention(%q, %q, %v, %none, %none, %none) {q_num_heads = 2 : i64, kv_num_heads = 2 : i64, update_rule = "linear"}
      : (tensor<?x?x32xf16>, tensor<?x?x32xf16>, tensor<?x?x8xf16>, none, none, none) -> (tensor<?x?x8xf16>, tensor<?x2x16x4xf16>)
    return %y#0, %y#1 : tensor<?x?x8xf16>, tensor<?x2x16x4xf16>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:       %[[Z:.*]] = linalg.fill ins(%{{.*}} : f16) outs(%{{.*}} : tensor<?x2x16x4xf16>)
// CHECK:       %[[Y:.*]]:2 = hybrid.scan linear ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x?x2x16xf16>, tensor<?x?x2x16xf16>, tensor<?x?x2x4xf16>) outs(%{{.*}}, %[[Z]] :
// CHECK-SAME:  {scale = 2.500000e-01 : f64}
// CHECK:       %[[R:.*]] = tensor.collapse_shape %[[Y]]#0
// CHECK:       return %[[R]], %[[Y]]#1

// -----

// More value heads than query heads, a decay per key channel, a plain past
// state that is not overwritten.
module attributes {onnx.opsets = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  func.func @main(%q: tensor<1x5x32xf32> {onnx.name = "q", onnx.dims = [1, 5, 32]},
                  %v: tensor<1x5x16xf32> {onnx.name = "v", onnx.dims = [1, 5, 16]},
                  %g: tensor<1x5x64xf32> {onnx.name = "g", onnx.dims = [1, 5, 64]},
                  %b: tensor<1x5x1xf32> {onnx.name = "b", onnx.dims = [1, 5, 1]},
                  %s: tensor<1x4x16x4xf32> {onnx.name = "s", onnx.dims = [1, 4, 16, 4]})
      -> (tensor<1x5x16xf32> {onnx.name = "y", onnx.dims = [1, 5, 16]},
          tensor<1x4x16x4xf32> {onnx.name = "n", onnx.dims = [1, 4, 16, 4]}) {
    %y:2 = onnx.ms.LinearAttention(%q, %q, %v, %s, %g, %b) {q_num_heads = 2 : i64, kv_num_heads = 4 : i64, update_rule = "gated_delta", scale = 1.0 : f32}
      : (tensor<1x5x32xf32>, tensor<1x5x32xf32>, tensor<1x5x16xf32>, tensor<1x4x16x4xf32>, tensor<1x5x64xf32>, tensor<1x5x1xf32>) -> (tensor<1x5x16xf32>, tensor<1x4x16x4xf32>)
    return %y#0, %y#1 : tensor<1x5x16xf32>, tensor<1x4x16x4xf32>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:       %[[COPY:.*]] = linalg.generic {{.*}} ins(%arg4 :
// CHECK:       hybrid.scan gated_delta ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<1x5x2x16xf32>, tensor<1x5x2x16xf32>, tensor<1x5x4x4xf32>)
// CHECK-SAME:  decay(%{{.*}} : tensor<1x5x4x16xf32>) beta(%arg3 : tensor<1x5x1xf32>) outs(%{{.*}}, %[[COPY]] : tensor<1x5x4x4xf32>,

// -----

// A state of the model is updated in place.
module attributes {onnx.opsets = {ai.onnx = 27 : i64}} {
  func.func @main(%x: tensor<?x6x?xf32> {onnx.name = "x", onnx.dims = ["b", 6, "t"]},
                  %w: tensor<6x1x4xf32> {onnx.name = "w", onnx.dims = [6, 1, 4]},
                  %c: tensor<6xf32> {onnx.name = "c", onnx.dims = [6]},
                  %s: tensor<?x6x3xf32> {onnx.name = "past_conv.0", onnx.dims = ["b", 6, 3], onnx.state = {kind = "conv", present = "present_conv.0"}})
      -> (tensor<?x6x?xf32> {onnx.name = "y", onnx.dims = ["b", 6, "t"]},
          tensor<?x6x3xf32> {onnx.name = "present_conv.0", onnx.dims = ["b", 6, 3]}) {
    %y:2 = onnx.CausalConvWithState(%x, %w, %c, %s) {activation = "swish"}
      : (tensor<?x6x?xf32>, tensor<6x1x4xf32>, tensor<6xf32>, tensor<?x6x3xf32>) -> (tensor<?x6x?xf32>, tensor<?x6x3xf32>)
    return %y#0, %y#1 : tensor<?x6x?xf32>, tensor<?x6x3xf32>
  }
}

// CHECK:       hybrid.state @past_conv.0 conv present "present_conv.0" : tensor<?x6x3xf32>
// CHECK-LABEL: func.func @main(
// CHECK:       %[[S:.*]] = hybrid.read_state @past_conv.0
// CHECK:       %[[W:.*]] = tensor.collapse_shape %arg1 {{.*}} into tensor<6x4xf32>
// CHECK:       %[[Y:.*]]:2 = hybrid.causal_conv ins(%arg0, %[[W]] : {{.*}}) bias(%arg2 : tensor<6xf32>) outs(%{{.*}}, %[[S]] : {{.*}}) {activation = #hybrid.activation<silu>}
// CHECK:       hybrid.write_state %[[Y]]#1, @past_conv.0
// CHECK:       return %[[Y]]#0
