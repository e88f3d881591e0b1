// RUN: hybrid-opt %s --split-input-file --convert-onnx-to-hybrid="dim=a_b:7" --cse | FileCheck %s

// Names become letters, digits, dots and underscores; sizes of results are
// expressions over them.
// CHECK:       hybrid.symbols = [{capacity = 7 : i64, name = "a_b", role = "dim"}, {capacity = 4096 : i64, name = "_2n", role = "dim"}]
// CHECK-LABEL: func.func @main(
// CHECK-SAME:  {hybrid.dims = ["a_b", 4], hybrid.name = "x", hybrid.role = "data"}
// CHECK-SAME:  {hybrid.dims = ["_2n", 4], hybrid.name = "y", hybrid.role = "data"}
// CHECK-SAME:  -> (tensor<?xf32> {hybrid.dims = ["a_b * 4 + _2n * 4"], hybrid.name = "all"}, tensor<?x2xf32> {hybrid.dims = ["(min(1000000, a_b) + 1) floordiv 2", 2], hybrid.name = "half"})
// CHECK-DAG:   hybrid.dim "a_b"
// CHECK-DAG:   hybrid.dim "_2n"
func.func @main(%x: tensor<?x4xf32> {onnx.dims = ["a b", 4], onnx.name = "x"},
                %y: tensor<?x4xf32> {onnx.dims = ["2n", 4], onnx.name = "y"})
    -> (tensor<?xf32> {onnx.dims = ["u"], onnx.name = "all"}, tensor<?x2xf32> {onnx.dims = ["v", 2], onnx.name = "half"}) {
  %0 = onnx.Concat(%x, %y) {axis = 0 : i64} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %minus = onnx.Constant dense<-1> : tensor<1xi64>
  %1 = onnx.Reshape(%0, %minus) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?xf32>
  %starts = onnx.Constant dense<0> : tensor<2xi64>
  %ends = onnx.Constant dense<1000000> : tensor<2xi64>
  %axes = onnx.Constant dense<[0, 1]> : tensor<2xi64>
  %steps = onnx.Constant dense<2> : tensor<2xi64>
  %2 = onnx.Slice(%x, %starts, %ends, %axes, %steps) : (tensor<?x4xf32>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>) -> tensor<?x2xf32>
  return %1, %2 : tensor<?xf32>, tensor<?x2xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK-SAME:  -> (tensor<?x4xf32> {hybrid.dims = ["max(n, m)", 4], hybrid.name = "z"})
func.func @main(%x: tensor<?x4xf32> {onnx.dims = ["n", 4], onnx.name = "x"},
                %y: tensor<?x4xf32> {onnx.dims = ["m", 4], onnx.name = "y"})
    -> (tensor<?x4xf32> {onnx.dims = ["k", 4], onnx.name = "z"}) {
  %0 = onnx.Add(%x, %y) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
