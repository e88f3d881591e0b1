// RUN: hybrid-opt %s --split-input-file --convert-onnx-to-hybrid --cse | FileCheck %s

// Positions that are an input: their range is checked before the call.
module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<?x?x64xf32> {onnx.name = "x", onnx.dims = ["b", "t", 64]},
                  %c: tensor<50x8xf32> {onnx.name = "c", onnx.dims = [50, 8]},
                  %p: tensor<?x?xi64> {onnx.name = "position_ids", onnx.dims = ["b", "t"]})
      -> (tensor<?x?x64xf32> {onnx.name = "y", onnx.dims = ["b", "t", 64]}) {
    %y = onnx.RotaryEmbedding(%x, %c, %c, %p) {num_heads = 4 : i64, interleaved = 1 : i64}
      : (tensor<?x?x64xf32>, tensor<50x8xf32>, tensor<50x8xf32>, tensor<?x?xi64>) -> tensor<?x?x64xf32>
    return %y : tensor<?x?x64xf32>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK-SAME:  hybrid.name = "position_ids", hybrid.range = [0, 49], hybrid.role = "position_ids"
// CHECK-NOT:   linalg.generic
// CHECK:       hybrid.rope ins(%{{.*}}, %arg1, %arg1 : tensor<?x?x4x16xf32>, tensor<50x8xf32>, tensor<50x8xf32>) positions(%arg2 : tensor<?x?xi64>)
// CHECK-SAME:  {interleaved, layout = #hybrid.layout<bthd>, rotary_dim = 16 : i64}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<?x4x?x16xf32> {onnx.name = "x", onnx.dims = ["b", 4, "t", 16]},
                  %c: tensor<?x?x4xf32> {onnx.name = "c", onnx.dims = ["b", "t", 4]})
      -> (tensor<?x4x?x16xf32> {onnx.name = "y", onnx.dims = ["b", 4, "t", 16]}) {
    %none = onnx.None : none
    %y = onnx.RotaryEmbedding(%x, %c, %c, %none) {rotary_embedding_dim = 8 : i64}
      : (tensor<?x4x?x16xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>, none) -> tensor<?x4x?x16xf32>
    return %y : tensor<?x4x?x16xf32>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:       hybrid.rope ins(%arg0, %arg1, %arg1 : tensor<?x4x?x16xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) outs(
// CHECK-SAME:  {rotary_dim = 8 : i64}

// -----

// One offset: computed positions are limited to the table.
module attributes {onnx.opsets = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  func.func @main(%x: tensor<?x?x64xf32> {onnx.name = "x", onnx.dims = ["b", "t", 64]},
                  %c: tensor<50x8xf32> {onnx.name = "c", onnx.dims = [50, 8]},
                  %p: tensor<1xi64> {onnx.name = "offset", onnx.dims = [1]})
      -> (tensor<?x?x64xf32> {onnx.name = "y", onnx.dims = ["b", "t", 64]}) {
    %y = onnx.ms.RotaryEmbedding(%x, %p, %c, %c)
      : (tensor<?x?x64xf32>, tensor<1xi64>, tensor<50x8xf32>, tensor<50x8xf32>) -> tensor<?x?x64xf32>
    return %y : tensor<?x?x64xf32>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:       %[[COUNT:.*]] = linalg.generic {{.*}} ins(%arg2 : tensor<1xi64>) outs(%{{.*}} : tensor<1x?xi64>)
// CHECK:       %[[POS:.*]] = linalg.generic {{.*}} ins(%[[COUNT]] : tensor<1x?xi64>)
// CHECK:       arith.minsi
// CHECK:       arith.maxsi
// CHECK:       hybrid.rope {{.*}} positions(%[[POS]] : tensor<1x?xi64>)

// -----

module attributes {onnx.opsets = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  func.func @main(%x: tensor<?x?x64xf32> {onnx.name = "x", onnx.dims = ["b", "t", 64]},
                  %c: tensor<50x8xf32> {onnx.name = "c", onnx.dims = [50, 8]},
                  %p: tensor<3x?x?xi64> {onnx.name = "position_ids", onnx.dims = [3, "b", "t"]})
      -> (tensor<?x?x64xf32> {onnx.name = "y", onnx.dims = ["b", "t", 64]}) {
    %y = onnx.ms.MRotaryEmbedding(%x, %p, %c, %c) {mrope_section = array<i64: 4, 2, 2>, mrope_layout = 1 : i64}
      : (tensor<?x?x64xf32>, tensor<3x?x?xi64>, tensor<50x8xf32>, tensor<50x8xf32>) -> tensor<?x?x64xf32>
    return %y : tensor<?x?x64xf32>
  }
}

// Column 2 of 8 belongs to the width, column 7 to the time again.
// CHECK-LABEL: func.func @main(
// CHECK:       %[[COS:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<?x?x8xf32>)
// CHECK:       %[[COLUMN:.*]] = linalg.index 2
// CHECK:       %[[PHASE:.*]] = arith.remui %[[COLUMN]], %c3
// CHECK:       arith.cmpi eq, %[[PHASE]], %c1
// CHECK:       arith.cmpi ult, %[[COLUMN]], %c6
// CHECK:       %[[STREAM:.*]] = arith.select %{{.*}}, %c2, %{{.*}} : index
// CHECK:       tensor.extract %arg2[%[[STREAM]], %{{.*}}, %{{.*}}]
// CHECK:       hybrid.rope ins(%{{.*}}, %[[COS]], %{{.*}} : tensor<?x?x4x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) outs(
