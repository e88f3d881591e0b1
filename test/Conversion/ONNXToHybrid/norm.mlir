// RUN: hybrid-opt %s --split-input-file --convert-onnx-to-hybrid --cse | FileCheck %s

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<?x?x64xf16> {onnx.name = "x", onnx.dims = ["b", "t", 64]},
                  %w: tensor<64xf16> {onnx.name = "w", onnx.dims = [64]})
      -> (tensor<?x?x64xf16> {onnx.name = "y", onnx.dims = ["b", "t", 64]}) {
    %y = onnx.RMSNormalization(%x, %w) {epsilon = 0.5 : f32} : (tensor<?x?x64xf16>, tensor<64xf16>) -> tensor<?x?x64xf16>
    return %y : tensor<?x?x64xf16>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:       hybrid.norm rms ins(%arg0 : tensor<?x?x64xf16>) scale(%arg1 : tensor<64xf16>)
// CHECK-SAME:  {axis = 2 : i64, epsilon = 5.000000e-01 : f64}

// -----

// The mean and the inverse deviation only where they are used.
module attributes {onnx.opsets = {ai.onnx = 17 : i64}} {
  func.func @main(%x: tensor<?x64xf32> {onnx.name = "x", onnx.dims = ["b", 64]},
                  %w: tensor<64xf32> {onnx.name = "w", onnx.dims = [64]})
      -> (tensor<?x64xf32> {onnx.name = "y", onnx.dims = ["b", 64]}, tensor<?x1xf32> {onnx.name = "m", onnx.dims = ["b", 1]}) {
    %y:3 = onnx.LayerNormalization(%x, %w, %w) {epsilon = 0.5 : f32} : (tensor<?x64xf32>, tensor<64xf32>, tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x1xf32>, tensor<?x1xf32>)
    return %y#0, %y#1 : tensor<?x64xf32>, tensor<?x1xf32>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:       %[[Y:.*]] = hybrid.norm layer ins(%arg0 : tensor<?x64xf32>) scale(%arg1 : tensor<64xf32>) bias(%arg1 : tensor<64xf32>)
// CHECK:       linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]} ins(%arg0
// CHECK:       arith.divf
// CHECK:       %[[M:.*]] = tensor.expand_shape {{.*}} into tensor<?x1xf32>
// CHECK-NOT:   math.sqrt
// CHECK:       return %[[Y]], %[[M]]

// -----

module attributes {onnx.opsets = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  func.func @main(%x: tensor<?x?x64xf16> {onnx.name = "x", onnx.dims = ["b", "t", 64]},
                  %s: tensor<?x?x64xf16> {onnx.name = "s", onnx.dims = ["b", "t", 64]},
                  %w: tensor<64xf16> {onnx.name = "w", onnx.dims = [64]})
      -> (tensor<?x?x64xf16> {onnx.name = "y", onnx.dims = ["b", "t", 64]}, tensor<?x?x64xf16> {onnx.name = "z", onnx.dims = ["b", "t", 64]}) {
    %none = onnx.None : none
    %y:4 = onnx.ms.SkipSimplifiedLayerNormalization(%x, %s, %w, %none) {epsilon = 0.5 : f32}
      : (tensor<?x?x64xf16>, tensor<?x?x64xf16>, tensor<64xf16>, none) -> (tensor<?x?x64xf16>, none, none, tensor<?x?x64xf16>)
    return %y#0, %y#3 : tensor<?x?x64xf16>, tensor<?x?x64xf16>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:       %[[SUM:.*]] = linalg.generic {{.*}} ins(%arg0, %arg1 :
// CHECK:       arith.addf {{.*}} : f32
// CHECK:       arith.truncf {{.*}} : f32 to f16
// CHECK:       %[[Y:.*]] = hybrid.norm rms ins(%[[SUM]] : tensor<?x?x64xf16>) scale(%arg2
// CHECK:       return %[[Y]], %[[SUM]]

// -----

// Groups as wide as the scale.
module attributes {onnx.opsets = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  func.func @main(%x: tensor<?x64xf32> {onnx.name = "x", onnx.dims = ["b", 64]},
                  %g: tensor<?x64xf32> {onnx.name = "g", onnx.dims = ["b", 64]},
                  %w: tensor<16xf32> {onnx.name = "w", onnx.dims = [16]})
      -> (tensor<?x64xf32> {onnx.name = "y", onnx.dims = ["b", 64]}) {
    %y = onnx.ms.GatedRMSNorm(%x, %w, %g) {activation = "sigmoid", epsilon = 0.5 : f32}
      : (tensor<?x64xf32>, tensor<16xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:       hybrid.gated_norm norm_first ins(%arg0, %arg1 :
// CHECK-SAME:  scale(%arg2 : tensor<16xf32>)
// CHECK-SAME:  {activation = #hybrid.activation<sigmoid>, epsilon = 5.000000e-01 : f64, group_size = 16 : i64}

// -----

module attributes {onnx.opsets = {ai.onnx = 22 : i64}} {
  func.func @main(%x: tensor<?x64xf16> {onnx.name = "x", onnx.dims = ["b", 64]})
      -> (tensor<?x64xf16> {onnx.name = "y", onnx.dims = ["b", 64]}) {
    %y = onnx.LpNormalization(%x) {p = 2 : i64} : (tensor<?x64xf16>) -> tensor<?x64xf16>
    return %y : tensor<?x64xf16>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:       %[[SQUARES:.*]] = linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]} ins(%arg0 : tensor<?x64xf16>) outs(%{{.*}} : tensor<?xf32>)
// CHECK:       linalg.generic {{.*}} ins(%arg0, %[[SQUARES]] :
// CHECK:       %[[NORM:.*]] = math.sqrt
// CHECK:       arith.cmpf oeq, %[[NORM]]
// CHECK:       arith.divf
