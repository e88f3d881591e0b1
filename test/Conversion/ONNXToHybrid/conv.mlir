// RUN: hybrid-opt %s --convert-onnx-to-hybrid --cse | FileCheck %s

module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {

// One loop that reads the padded input through one view per tap.
// CHECK-LABEL: func.func @depthwise(
// CHECK:         %[[P:.*]] = tensor.insert_slice %arg0 into %{{.*}}[0, 0, 2]
// CHECK-DAG:     %[[X0:.*]] = tensor.extract_slice %[[P]][0, 0, 0]
// CHECK-DAG:     %[[X1:.*]] = tensor.extract_slice %[[P]][0, 0, 1]
// CHECK-DAG:     %[[X2:.*]] = tensor.extract_slice %[[P]][0, 0, 2]
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[X0]], %{{.*}}, %[[X1]], %{{.*}}, %[[X2]], %{{.*}}, %arg2 :
// CHECK-COUNT-3:   arith.mulf
func.func @depthwise(%x: tensor<?x64x?xf32> {onnx.name = "x", onnx.dims = ["b", 64, "t"]},
                     %w: tensor<64x1x3xf32> {onnx.name = "w", onnx.dims = [64, 1, 3]},
                     %bias: tensor<64xf32> {onnx.name = "bias", onnx.dims = [64]})
    -> (tensor<?x64x?xf32> {onnx.name = "y", onnx.dims = ["b", 64, "t + 2"]}) {
  %y = onnx.Conv(%x, %w, %bias) {group = 64 : i64, pads = array<i64: 2, 2>}
    : (tensor<?x64x?xf32>, tensor<64x1x3xf32>, tensor<64xf32>) -> tensor<?x64x?xf32>
  return %y : tensor<?x64x?xf32>
}

// Windows are copied next to each other.
// CHECK-LABEL: func.func @dense_2d(
// CHECK:         tensor.extract
// CHECK:         %[[W:.*]] = tensor.collapse_shape %arg1 {{.*}} into tensor<4x27xf32>
// CHECK:         %[[X:.*]] = tensor.collapse_shape %{{.*}} into tensor<1x27x16xf32>
// CHECK:         %[[Y:.*]] = linalg.generic {{.*}} ins(%[[W]], %[[X]] :
// CHECK:         tensor.expand_shape %[[Y]] {{.*}} into tensor<1x4x4x4xf32>
func.func @dense_2d(%x: tensor<1x3x8x8xf32> {onnx.name = "x", onnx.dims = [1, 3, 8, 8]},
                    %w: tensor<4x3x3x3xf32> {onnx.name = "w", onnx.dims = [4, 3, 3, 3]})
    -> (tensor<1x4x4x4xf32> {onnx.name = "y", onnx.dims = [1, 4, 4, 4]}) {
  %none = onnx.None : none
  %y = onnx.Conv(%x, %w, %none) {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>}
    : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>, none) -> tensor<1x4x4x4xf32>
  return %y : tensor<1x4x4x4xf32>
}

// CHECK-LABEL: func.func @pointwise(
// CHECK-NOT:     tensor.extract
// CHECK:         linalg.generic {{.*}} ins(%{{.*}}, %arg0 : tensor<4x8xf32>, tensor<?x8x?xf32>)
func.func @pointwise(%x: tensor<?x8x?xf32> {onnx.name = "x", onnx.dims = ["b", 8, "t"]},
                     %w: tensor<4x8x1xf32> {onnx.name = "w", onnx.dims = [4, 8, 1]})
    -> (tensor<?x4x?xf32> {onnx.name = "y", onnx.dims = ["b", 4, "t"]}) {
  %none = onnx.None : none
  %y = onnx.Conv(%x, %w, %none) : (tensor<?x8x?xf32>, tensor<4x8x1xf32>, none) -> tensor<?x4x?xf32>
  return %y : tensor<?x4x?xf32>
}
}
