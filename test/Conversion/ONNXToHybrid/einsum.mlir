// RUN: hybrid-opt %s --convert-onnx-to-hybrid --cse | FileCheck %s

module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {

// CHECK-LABEL: func.func @pair(
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]} ins(%arg0, %arg1 :
// CHECK:           arith.mulf
// CHECK:           arith.addf
func.func @pair(%a: tensor<?x?x4x8xf32> {onnx.name = "a", onnx.dims = ["b", "c", 4, 8]},
                %b: tensor<?x?x4x8xf32> {onnx.name = "b", onnx.dims = ["b", "c", 4, 8]})
    -> (tensor<?x4x8x8xf32> {onnx.name = "y", onnx.dims = ["b", 4, 8, 8]}) {
  %y = onnx.Einsum(%a, %b) {equation = "bchn,bchp->bhnp"}
    : (tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>) -> tensor<?x4x8x8xf32>
  return %y : tensor<?x4x8x8xf32>
}

// Two at a time; a label goes as soon as nothing needs it.
// CHECK-LABEL: func.func @three_operands(
// CHECK:         %[[LS:.*]] = linalg.generic {{.*}} ins(%arg0, %arg1 : {{.*}} outs(%{{.*}} : tensor<?x?xf32>)
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins(%[[LS]], %arg2 : {{.*}} outs(%{{.*}} : tensor<?xf32>)
func.func @three_operands(%a: tensor<?x8xf32> {onnx.name = "a", onnx.dims = ["l", 8]},
                          %b: tensor<?x8xf32> {onnx.name = "b", onnx.dims = ["s", 8]},
                          %c: tensor<?x?xf32> {onnx.name = "c", onnx.dims = ["l", "s"]})
    -> (tensor<?xf32> {onnx.name = "y", onnx.dims = ["l"]}) {
  %y = onnx.Einsum(%a, %b, %c) {equation = "ln,sn,ls->l"}
    : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @diagonal(
// CHECK:         linalg.generic
// CHECK:           %[[B:.*]] = linalg.index 0
// CHECK:           %[[I:.*]] = linalg.index 1
// CHECK:           tensor.extract %arg0[%[[B]], %[[I]], %[[I]]]
func.func @diagonal(%x: tensor<?x4x4xf32> {onnx.name = "x", onnx.dims = ["b", 4, 4]})
    -> (tensor<?x4xf32> {onnx.name = "y", onnx.dims = ["b", 4]}) {
  %y = onnx.Einsum(%x) {equation = "...ii->...i"} : (tensor<?x4x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @implicit_output(
// CHECK:         linalg.generic {{.*}} ins(%arg0, %arg1 : {{.*}} outs(%{{.*}} : tensor<4x2xf32>)
func.func @implicit_output(%a: tensor<4x8xf32> {onnx.name = "a", onnx.dims = [4, 8]},
                           %b: tensor<8x2xf32> {onnx.name = "b", onnx.dims = [8, 2]})
    -> (tensor<4x2xf32> {onnx.name = "y", onnx.dims = [4, 2]}) {
  %y = onnx.Einsum(%a, %b) {equation = "ij, jk"} : (tensor<4x8xf32>, tensor<8x2xf32>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}
}
