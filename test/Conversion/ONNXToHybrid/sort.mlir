// RUN: hybrid-opt %s --convert-onnx-to-hybrid --cse | FileCheck %s

module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {

// Each element's place is the number of those before it.
// CHECK-LABEL: func.func @few(
// CHECK:         %[[PLACE:.*]] = linalg.generic {{.*}} ins(%arg0, %arg0 : {{.*}} outs(%{{.*}} : tensor<?x8xi32>)
// CHECK:         linalg.generic {{.*}} ins(%arg0, %[[PLACE]] : {{.*}} outs(%{{.*}} : tensor<?x2xf32>)
// CHECK:           arith.cmpi eq
// CHECK:         linalg.generic {{.*}} ins(%arg0, %[[PLACE]] : {{.*}} outs(%{{.*}} : tensor<?x2xi64>)
func.func @few(%x: tensor<?x8xf32> {onnx.name = "x", onnx.dims = ["n", 8]})
    -> (tensor<?x2xf32> {onnx.name = "v", onnx.dims = ["n", 2]}, tensor<?x2xi64> {onnx.name = "i", onnx.dims = ["n", 2]}) {
  %k = onnx.Constant dense<2> : tensor<1xi64>
  %v, %i = onnx.TopK(%x, %k) : (tensor<?x8xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  return %v, %i : tensor<?x2xf32>, tensor<?x2xi64>
}

// The next element in the order, twice.
// CHECK-LABEL: func.func @many(
// CHECK:         %[[V0:.*]] = linalg.generic {{.*}} ins(%arg0 : {{.*}} outs(%{{.*}} : tensor<?xf32>)
// CHECK:         %[[I0:.*]] = linalg.generic {{.*}} ins(%arg0, %[[V0]] : {{.*}} outs(%{{.*}} : tensor<?xi64>)
// CHECK:         %[[V1:.*]] = linalg.generic {{.*}} ins(%arg0, %[[V0]], %[[I0]] : {{.*}} outs(%{{.*}} : tensor<?xf32>)
// CHECK:         %[[I1:.*]] = linalg.generic {{.*}} ins(%arg0, %[[V0]], %[[I0]], %[[V1]] : {{.*}} outs(%{{.*}} : tensor<?xi64>)
// CHECK:         tensor.insert_slice %{{.*}} into %{{.*}}[0, 0] [%{{.*}}, 1] [1, 1] : tensor<?x1xf32>
// CHECK:         tensor.insert_slice %{{.*}} into %{{.*}}[0, 1] [%{{.*}}, 1] [1, 1] : tensor<?x1xf32>
func.func @many(%x: tensor<?x5000xf32> {onnx.name = "x", onnx.dims = ["n", 5000]})
    -> (tensor<?x2xf32> {onnx.name = "v", onnx.dims = ["n", 2]}, tensor<?x2xi64> {onnx.name = "i", onnx.dims = ["n", 2]}) {
  %k = onnx.Constant dense<2> : tensor<1xi64>
  %v, %i = onnx.TopK(%x, %k) {largest = 0 : i64}
    : (tensor<?x5000xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  return %v, %i : tensor<?x2xf32>, tensor<?x2xi64>
}
}
