// RUN: hybrid-opt %s --convert-onnx-to-hybrid --cse | FileCheck %s

// CHECK-DAG: #[[XYZ:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[XY:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>

module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {

// CHECK-LABEL: func.func @sum_over_constant_axes(
// CHECK:         %[[ZERO:.*]] = linalg.fill
// CHECK:         %[[SUM:.*]] = linalg.generic {indexing_maps = [#[[XYZ]], #[[XY]]], iterator_types = ["parallel", "parallel", "reduction"]} ins(%arg0 : tensor<?x4x8xf32>) outs(%[[ZERO]] :
// CHECK:           arith.addf
// CHECK:         return %[[SUM]]
func.func @sum_over_constant_axes(%x: tensor<?x4x8xf32> {onnx.name = "x", onnx.dims = ["n", 4, 8]})
    -> (tensor<?x4xf32> {onnx.name = "y", onnx.dims = ["n", 4]}) {
  %axes = onnx.Constant dense<[-1]> : tensor<1xi64>
  %y = onnx.ReduceSum(%x, %axes) {keepdims = 0 : i64} : (tensor<?x4x8xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// The number of elements is a size of the call.
// CHECK-LABEL: func.func @mean_over_dynamic_axis(
// CHECK:         %[[N:.*]] = hybrid.dim "n"
// CHECK:         linalg.generic {{.*}} iterator_types = ["reduction", "parallel"]} ins(%arg0 : tensor<?x4xf16>) outs(%{{.*}} : tensor<4xf32>)
// CHECK:           arith.extf
// CHECK:           arith.addf {{.*}} : f32
// CHECK:         linalg.generic
// CHECK:           %[[I:.*]] = arith.index_cast %[[N]] : index to i64
// CHECK:           %[[COUNT:.*]] = arith.sitofp %[[I]] : i64 to f32
// CHECK:           %[[MEAN:.*]] = arith.divf %{{.*}}, %[[COUNT]]
// CHECK:           arith.truncf %[[MEAN]] : f32 to f16
// CHECK:         tensor.expand_shape {{.*}} into tensor<1x4xf16>
func.func @mean_over_dynamic_axis(%x: tensor<?x4xf16> {onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<1x4xf16> {onnx.name = "y", onnx.dims = [1, 4]}) {
  %axes = onnx.Constant dense<[0]> : tensor<1xi64>
  %y = onnx.ReduceMean(%x, %axes) : (tensor<?x4xf16>, tensor<1xi64>) -> tensor<1x4xf16>
  return %y : tensor<1x4xf16>
}

// CHECK-LABEL: func.func @all_axes(
// CHECK:         %[[LOWEST:.*]] = arith.constant 0xFF800000 : f32
// CHECK:         linalg.fill ins(%[[LOWEST]]
// CHECK:         linalg.generic {{.*}} iterator_types = ["reduction", "reduction"]}
// CHECK:           arith.maximumf
func.func @all_axes(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<f32> {onnx.name = "y", onnx.dims = []}) {
  %none = onnx.None : none
  %y = onnx.ReduceMax(%x, %none) {keepdims = 0 : i64} : (tensor<?x4xf32>, none) -> tensor<f32>
  return %y : tensor<f32>
}

// CHECK-LABEL: func.func @no_axes_is_elementwise(
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel"]}
// CHECK:           arith.mulf %[[X:.*]], %[[X]]
func.func @no_axes_is_elementwise(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]})
    -> (tensor<?xf32> {onnx.name = "y", onnx.dims = ["n"]}) {
  %none = onnx.None : none
  %y = onnx.ReduceSumSquare(%x, %none) {noop_with_empty_axes = 1 : i64}
    : (tensor<?xf32>, none) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @norm_of_integers(
// CHECK:         linalg.generic {{.*}} outs(%{{.*}} : tensor<2xf64>)
// CHECK:           arith.sitofp %{{.*}} : i32 to f64
// CHECK:         linalg.generic {{.*}} outs(%{{.*}} : tensor<2xi32>)
// CHECK:           math.sqrt
// CHECK:           arith.fptosi
func.func @norm_of_integers(%x: tensor<2x4xi32> {onnx.name = "x", onnx.dims = [2, 4]})
    -> (tensor<2xi32> {onnx.name = "y", onnx.dims = [2]}) {
  %axes = onnx.Constant dense<[1]> : tensor<1xi64>
  %y = onnx.ReduceL2(%x, %axes) {keepdims = 0 : i64} : (tensor<2x4xi32>, tensor<1xi64>) -> tensor<2xi32>
  return %y : tensor<2xi32>
}

// CHECK-LABEL: func.func @log_sum_exp(
// CHECK:           arith.maximumf
// CHECK:           %[[ISINF:.*]] = arith.cmpf oeq, %{{.*}}, %{{.*}} : f32
// CHECK:           arith.select %[[ISINF]]
// CHECK:           arith.subf
// CHECK-NEXT:      math.exp
// CHECK:           arith.addf
// CHECK:           %[[LOG:.*]] = math.log
// CHECK-NEXT:      arith.addf %[[LOG]]
func.func @log_sum_exp(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<?x1xf32> {onnx.name = "y", onnx.dims = ["n", 1]}) {
  %axes = onnx.Constant dense<[1]> : tensor<1xi64>
  %y = onnx.ReduceLogSumExp(%x, %axes) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// The largest element, then its first position.
// CHECK-LABEL: func.func @argmax(
// CHECK:         %[[MAX:.*]] = linalg.generic {{.*}} ins(%arg0 :
// CHECK:           arith.maximumf
// CHECK:         linalg.generic {{.*}} ins(%arg0, %[[MAX]] :
// CHECK:           %[[BEST:.*]] = arith.ori
// CHECK:           linalg.index 1
// CHECK:           %[[FIRST:.*]] = arith.minsi
// CHECK:           arith.select %[[BEST]], %[[FIRST]]
func.func @argmax(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<?xi64> {onnx.name = "y", onnx.dims = ["n"]}) {
  %y = onnx.ArgMax(%x) {axis = 1 : i64, keepdims = 0 : i64} : (tensor<?x4xf32>) -> tensor<?xi64>
  return %y : tensor<?xi64>
}

// CHECK-LABEL: func.func @cumsum(
// CHECK:         hybrid.cumsum ins(%arg0 : tensor<?x4xf32>) outs(%{{.*}} : tensor<?x4xf32>) {axis = 0 : i64, exclusive, reverse}
func.func @cumsum(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<?x4xf32> {onnx.name = "y", onnx.dims = ["n", 4]}) {
  %axis = onnx.Constant dense<-2> : tensor<i64>
  %y = onnx.CumSum(%x, %axis) {exclusive = 1 : i64, reverse = 1 : i64}
    : (tensor<?x4xf32>, tensor<i64>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
}
