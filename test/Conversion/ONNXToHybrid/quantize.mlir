// RUN: hybrid-opt %s --convert-onnx-to-hybrid --cse | FileCheck %s

module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {

// Rounds to even, adds the zero point, saturates.
// CHECK-LABEL: func.func @per_tensor(
// CHECK:         ^bb0(%[[X:.*]]: f32, %[[S:.*]]: f32, %[[Z:.*]]: i8, %{{.*}}: i8):
// CHECK:           %[[ZERO:.*]] = arith.uitofp %[[Z]] : i8 to f32
// CHECK:           %[[Q:.*]] = arith.divf %[[X]], %[[S]]
// CHECK:           %[[R:.*]] = math.roundeven %[[Q]]
// CHECK:           %[[Y:.*]] = arith.addf %[[R]], %[[ZERO]]
// CHECK:           arith.fptoui
// CHECK:           arith.select
func.func @per_tensor(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["n", 4]},
                      %s: tensor<f32> {onnx.name = "s", onnx.dims = []},
                      %z: tensor<ui8> {onnx.name = "z", onnx.dims = []})
    -> (tensor<?x4xui8> {onnx.name = "y", onnx.dims = ["n", 4]}) {
  %y = onnx.QuantizeLinear(%x, %s, %z) : (tensor<?x4xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x4xui8>
  return %y : tensor<?x4xui8>
}

// CHECK-LABEL: func.func @per_channel(
// CHECK:         ^bb0(%[[X:.*]]: i8, %[[S:.*]]: f16, %[[Z:.*]]: i8, %{{.*}}: f16):
// CHECK-DAG:       %[[XW:.*]] = arith.extsi %[[X]] : i8 to i32
// CHECK-DAG:       %[[ZW:.*]] = arith.extsi %[[Z]] : i8 to i32
// CHECK:           %[[D:.*]] = arith.subi %[[XW]], %[[ZW]]
// CHECK-DAG:       %[[DF:.*]] = arith.sitofp %[[D]] : i32 to f32
// CHECK-DAG:       %[[SF:.*]] = arith.extf %[[S]] : f16 to f32
// CHECK:           %[[P:.*]] = arith.mulf %[[DF]], %[[SF]]
// CHECK:           arith.truncf %[[P]] : f32 to f16
func.func @per_channel(%x: tensor<?x4xi8> {onnx.name = "x", onnx.dims = ["n", 4]},
                       %s: tensor<4xf16> {onnx.name = "s", onnx.dims = [4]},
                       %z: tensor<4xi8> {onnx.name = "z", onnx.dims = [4]})
    -> (tensor<?x4xf16> {onnx.name = "y", onnx.dims = ["n", 4]}) {
  %y = onnx.DequantizeLinear(%x, %s, %z) {axis = 1 : i64}
    : (tensor<?x4xi8>, tensor<4xf16>, tensor<4xi8>) -> tensor<?x4xf16>
  return %y : tensor<?x4xf16>
}

// A block is a dimension of its own.
// CHECK-LABEL: func.func @blocked(
// CHECK:         %[[X:.*]] = tensor.expand_shape %arg0 {{.*}} into tensor<8x2x32xi8>
// CHECK:         %[[Y:.*]] = linalg.generic {{.*}} ins(%[[X]], %arg1 : tensor<8x2x32xi8>, tensor<8x2xf32>)
// CHECK:         tensor.collapse_shape %[[Y]] {{.*}} into tensor<8x64xf32>
func.func @blocked(%x: tensor<8x64xui8> {onnx.name = "x", onnx.dims = [8, 64]},
                   %s: tensor<8x2xf32> {onnx.name = "s", onnx.dims = [8, 2]})
    -> (tensor<8x64xf32> {onnx.name = "y", onnx.dims = [8, 64]}) {
  %none = onnx.None : none
  %y = onnx.DequantizeLinear(%x, %s, %none) {axis = 1 : i64, block_size = 32 : i64}
    : (tensor<8x64xui8>, tensor<8x2xf32>, none) -> tensor<8x64xf32>
  return %y : tensor<8x64xf32>
}

// CHECK-LABEL: func.func @dynamic(
// CHECK:         arith.maximumf
// CHECK:         arith.minimumf
// CHECK:         %[[S:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<f32>)
// CHECK:           arith.subf
// CHECK:           arith.divf
// CHECK:         %[[Z:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<i8>)
// CHECK:         linalg.generic {{.*}} ins(%arg0, %[[S]], %[[Z]] :
func.func @dynamic(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]})
    -> (tensor<?xui8> {onnx.name = "y", onnx.dims = ["n"]}, tensor<f32> {onnx.name = "s", onnx.dims = []}, tensor<ui8> {onnx.name = "z", onnx.dims = []}) {
  %y, %s, %z = onnx.DynamicQuantizeLinear(%x) : (tensor<?xf32>) -> (tensor<?xui8>, tensor<f32>, tensor<ui8>)
  return %y, %s, %z : tensor<?xui8>, tensor<f32>, tensor<ui8>
}
}
