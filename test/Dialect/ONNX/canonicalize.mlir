// RUN: hybrid-opt %s --canonicalize | FileCheck %s

// Constants and none values are shared; weights that nothing uses go.
// CHECK-LABEL: func.func @shared
func.func @shared(%x: tensor<?xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  // CHECK-DAG: %[[NONE:.*]] = onnx.None
  // CHECK-DAG: %[[ONE:.*]] = onnx.Constant dense<1.000000e+00>
  // CHECK-NOT: onnx.None
  // CHECK-NOT: onnx.Constant
  // CHECK-NOT: onnx.Initializer
  %0 = onnx.None : none
  %1 = onnx.None : none
  %2 = onnx.Constant dense<1.0> : tensor<f32>
  %3 = onnx.Constant dense<1.0> : tensor<f32>
  %4 = onnx.Initializer "unused" <"model.onnx", 0, 400> : tensor<100xf32>
  // CHECK: onnx.Clip(%{{.*}}, %[[ONE]], %[[NONE]])
  %a = onnx.Clip(%x, %2, %0) : (tensor<?xf32>, tensor<f32>, none) -> tensor<*xf32>
  // CHECK: onnx.Clip(%{{.*}}, %[[NONE]], %[[ONE]])
  %b = onnx.Clip(%x, %1, %3) : (tensor<?xf32>, none, tensor<f32>) -> tensor<*xf32>
  return %a, %b : tensor<*xf32>, tensor<*xf32>
}
