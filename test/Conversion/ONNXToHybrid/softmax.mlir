// RUN: hybrid-opt %s --convert-onnx-to-hybrid --cse | FileCheck %s

module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {

// CHECK-LABEL: func.func @softmax(
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins(%arg0 : tensor<?x4xbf16>) outs(%{{.*}} : tensor<?xf32>)
// CHECK:           arith.maximumf
// CHECK:         %[[EXP:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<?x4xf32>)
// CHECK:           arith.subf
// CHECK:           math.exp
// CHECK:         %[[SUM:.*]] = linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins(%[[EXP]] :
// CHECK:           arith.addf
// CHECK:         linalg.generic {{.*}} ins(%[[EXP]], %{{.*}} : {{.*}} outs(%{{.*}} : tensor<?x4xbf16>)
// CHECK:           arith.divf
// CHECK:           arith.truncf
func.func @softmax(%x: tensor<?x4xbf16> {onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<?x4xbf16> {onnx.name = "y", onnx.dims = ["n", 4]}) {
  %y = onnx.Softmax(%x) {axis = -1 : i64} : (tensor<?x4xbf16>) -> tensor<?x4xbf16>
  return %y : tensor<?x4xbf16>
}

// CHECK-LABEL: func.func @log_softmax(
// CHECK:         linalg.generic {{.*}} iterator_types = ["reduction", "parallel"]}
// CHECK:         arith.subf
// CHECK:         math.exp
// CHECK:         %[[LOG:.*]] = math.log
// CHECK:         arith.subf %{{.*}}, %[[LOG]]
func.func @log_softmax(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<?x4xf32> {onnx.name = "y", onnx.dims = ["n", 4]}) {
  %y = onnx.LogSoftmax(%x) {axis = 0 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @hardmax(
// CHECK:         arith.maximumf
// CHECK:         arith.minsi
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]}
// CHECK:           %[[HERE:.*]] = arith.cmpi eq
// CHECK:           arith.select %[[HERE]]
func.func @hardmax(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<?x4xf32> {onnx.name = "y", onnx.dims = ["n", 4]}) {
  %y = onnx.Hardmax(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
}
