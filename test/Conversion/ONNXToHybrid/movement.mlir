// RUN: hybrid-opt %s --convert-onnx-to-hybrid --cse | FileCheck %s

module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {

// CHECK-LABEL: func.func @reshape_is_a_view(
// CHECK:         %[[Y:.*]] = tensor.expand_shape %arg0 {{\[\[}}0], [1], [2, 3]] output_shape [%{{.*}}, %{{.*}}, 4, 16]
// CHECK-NEXT:    return %[[Y]]
func.func @reshape_is_a_view(%x: tensor<?x?x64xf32> {onnx.name = "x", onnx.dims = ["b", "t", 64]})
    -> (tensor<?x?x4x16xf32> {onnx.name = "y", onnx.dims = ["b", "t", 4, 16]}) {
  %shape = onnx.Constant dense<[0, 0, 4, -1]> : tensor<4xi64>
  %y = onnx.Reshape(%x, %shape) : (tensor<?x?x64xf32>, tensor<4xi64>) -> tensor<?x?x4x16xf32>
  return %y : tensor<?x?x4x16xf32>
}

// CHECK-LABEL: func.func @unsqueeze(
// CHECK:         %[[Y:.*]] = tensor.expand_shape %arg0 {{.*}} into tensor<?x1x?x1xf32>
// CHECK-NEXT:    return %[[Y]]
func.func @unsqueeze(%x: tensor<?x?xf32> {onnx.name = "x", onnx.dims = ["b", "t"]})
    -> (tensor<?x1x?x1xf32> {onnx.name = "y", onnx.dims = ["b", 1, "t", 1]}) {
  %axes = onnx.Constant dense<[1, -1]> : tensor<2xi64>
  %y = onnx.Unsqueeze(%x, %axes) : (tensor<?x?xf32>, tensor<2xi64>) -> tensor<?x1x?x1xf32>
  return %y : tensor<?x1x?x1xf32>
}

// Only what somebody needs is cut out.
// CHECK-LABEL: func.func @split(
// CHECK-NOT:     tensor.extract_slice
// CHECK:         tensor.extract_slice %arg0[0, 2] [%{{.*}}, 6] [1, 1]
// CHECK-NOT:     tensor.extract_slice
// CHECK:         return
func.func @split(%x: tensor<?x8xf32> {onnx.name = "x", onnx.dims = ["n", 8]})
    -> (tensor<?x6xf32> {onnx.name = "y", onnx.dims = ["n", 6]}) {
  %sizes = onnx.Constant dense<[2, 6]> : tensor<2xi64>
  %0, %y = onnx.Split(%x, %sizes) {axis = 1 : i64}
    : (tensor<?x8xf32>, tensor<2xi64>) -> (tensor<?x2xf32>, tensor<?x6xf32>)
  return %y : tensor<?x6xf32>
}

// CHECK-LABEL: func.func @slice_from_the_end(
// CHECK:         %[[N:.*]] = hybrid.dim "n"
// CHECK:         %[[LAST:.*]] = affine.apply {{.*}}[%[[N]]]
// CHECK:         tensor.extract_slice %arg0[%[[LAST]], 0] [1, 8] [1, 1]
func.func @slice_from_the_end(%x: tensor<?x8xf32> {onnx.name = "x", onnx.dims = ["n", 8]})
    -> (tensor<1x8xf32> {onnx.name = "y", onnx.dims = [1, 8]}) {
  %starts = onnx.Constant dense<[-1]> : tensor<1xi64>
  %ends = onnx.Constant dense<[9223372036854775807]> : tensor<1xi64>
  %axes = onnx.Constant dense<[0]> : tensor<1xi64>
  %none = onnx.None : none
  %y = onnx.Slice(%x, %starts, %ends, %axes, %none)
    : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<1x8xf32>
  return %y : tensor<1x8xf32>
}

// CHECK-LABEL: func.func @slice_backwards(
// CHECK:         %[[SEVEN:.*]] = arith.constant 7 : index
// CHECK:         linalg.generic
// CHECK:           %[[I:.*]] = linalg.index 0
// CHECK:           %[[BACK:.*]] = arith.muli %[[I]], %c-2
// CHECK:           %[[AT:.*]] = arith.addi %[[SEVEN]], %[[BACK]]
// CHECK:           tensor.extract %arg0[%[[AT]]]
func.func @slice_backwards(%x: tensor<8xf32> {onnx.name = "x", onnx.dims = [8]})
    -> (tensor<4xf32> {onnx.name = "y", onnx.dims = [4]}) {
  %starts = onnx.Constant dense<[-1]> : tensor<1xi64>
  %ends = onnx.Constant dense<[-9223372036854775808]> : tensor<1xi64>
  %axes = onnx.Constant dense<[0]> : tensor<1xi64>
  %steps = onnx.Constant dense<[-2]> : tensor<1xi64>
  %y = onnx.Slice(%x, %starts, %ends, %axes, %steps)
    : (tensor<8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: func.func @concat(
// CHECK-DAG:     %[[N:.*]] = hybrid.dim "n"
// CHECK-DAG:     %[[M:.*]] = hybrid.dim "m"
// CHECK:         %[[FIRST:.*]] = tensor.insert_slice %arg0 into %{{.*}}[0, 0] [%[[N]], 8]
// CHECK:         tensor.insert_slice %arg1 into %[[FIRST]][%[[N]], 0] [%[[M]], 8]
func.func @concat(%x: tensor<?x8xf32> {onnx.name = "x", onnx.dims = ["n", 8]},
                  %y: tensor<?x8xf32> {onnx.name = "y", onnx.dims = ["m", 8]})
    -> (tensor<?x8xf32> {onnx.name = "z", onnx.dims = ["n + m", 8]}) {
  %z = onnx.Concat(%x, %y) {axis = 0 : i64} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @concat_weights(
// CHECK:         %[[A:.*]] = hybrid.weight "a"
// CHECK:         %[[B:.*]] = hybrid.weight "b"
// CHECK:         hybrid.concat_weights %[[A]], %[[B]] {axis = 0 : i64} : (tensor<2x8xf32>, tensor<3x8xf32>) -> tensor<5x8xf32>
func.func @concat_weights() -> (tensor<5x8xf32> {onnx.name = "z", onnx.dims = [5, 8]}) {
  %a = onnx.Initializer "a" <"m", 0, 64> : tensor<2x8xf32>
  %b = onnx.Initializer "b" <"m", 64, 96> : tensor<3x8xf32>
  %z = onnx.Concat(%a, %b) {axis = 0 : i64} : (tensor<2x8xf32>, tensor<3x8xf32>) -> tensor<5x8xf32>
  return %z : tensor<5x8xf32>
}

// CHECK-LABEL: func.func @expand(
// CHECK:         %[[X:.*]] = tensor.collapse_shape %arg0
// CHECK:         linalg.generic {{.*}} ins(%[[X]] : tensor<?xf32>) outs(%{{.*}} : tensor<?x8xf32>)
// CHECK-NEXT:    ^bb0(%[[IN:.*]]: f32,
// CHECK-NEXT:      linalg.yield %[[IN]]
func.func @expand(%x: tensor<?x1xf32> {onnx.name = "x", onnx.dims = ["n", 1]})
    -> (tensor<?x8xf32> {onnx.name = "y", onnx.dims = ["n", 8]}) {
  %shape = onnx.Constant dense<[1, 8]> : tensor<2xi64>
  %y = onnx.Expand(%x, %shape) : (tensor<?x1xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// A repeated dimension is two loops.
// CHECK-LABEL: func.func @tile(
// CHECK:         %[[T:.*]] = linalg.generic {{.*}} ins(%arg0 : tensor<?x4xf32>) outs(%{{.*}} : tensor<?x3x4xf32>)
// CHECK:         tensor.collapse_shape %[[T]] {{\[\[}}0], [1, 2]]
func.func @tile(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<?x12xf32> {onnx.name = "y", onnx.dims = ["n", 12]}) {
  %r = onnx.Constant dense<[1, 3]> : tensor<2xi64>
  %y = onnx.Tile(%x, %r) : (tensor<?x4xf32>, tensor<2xi64>) -> tensor<?x12xf32>
  return %y : tensor<?x12xf32>
}

// CHECK-LABEL: func.func @pad_and_crop(
// CHECK:         %[[X:.*]] = tensor.extract_slice %arg0[0, 0] [%{{.*}}, 7] [1, 1]
// CHECK:         %[[P:.*]] = linalg.fill
// CHECK:         tensor.insert_slice %[[X]] into %[[P]][0, 3] [%{{.*}}, 7] [1, 1]
func.func @pad_and_crop(%x: tensor<?x8xf32> {onnx.name = "x", onnx.dims = ["n", 8]})
    -> (tensor<?x10xf32> {onnx.name = "y", onnx.dims = ["n", 10]}) {
  %pads = onnx.Constant dense<[0, 3, 0, -1]> : tensor<4xi64>
  %none = onnx.None : none
  %y = onnx.Pad(%x, %pads, %none, %none) : (tensor<?x8xf32>, tensor<4xi64>, none, none) -> tensor<?x10xf32>
  return %y : tensor<?x10xf32>
}

// CHECK-LABEL: func.func @pad_reflect(
// CHECK:         linalg.generic
// CHECK:           arith.remsi
// CHECK:           %[[LOW:.*]] = arith.minsi
// CHECK:           %[[AT:.*]] = arith.maxsi %[[LOW]]
// CHECK:           tensor.extract %arg0[%[[AT]]]
func.func @pad_reflect(%x: tensor<4xf32> {onnx.name = "x", onnx.dims = [4]})
    -> (tensor<7xf32> {onnx.name = "y", onnx.dims = [7]}) {
  %pads = onnx.Constant dense<[2, 1]> : tensor<2xi64>
  %none = onnx.None : none
  %y = onnx.Pad(%x, %pads, %none, %none) {mode = "reflect"}
    : (tensor<4xf32>, tensor<2xi64>, none, none) -> tensor<7xf32>
  return %y : tensor<7xf32>
}

// CHECK-LABEL: func.func @lower_triangle(
// CHECK:         ^bb0(%[[X:.*]]: f32, %{{.*}}: f32):
// CHECK:           %[[I:.*]] = linalg.index 0
// CHECK:           %[[ROW:.*]] = arith.addi %[[I]], %c-1
// CHECK:           %[[COLUMN:.*]] = linalg.index 1
// CHECK:           %[[KEEP:.*]] = arith.cmpi sle, %[[COLUMN]], %[[ROW]]
// CHECK:           arith.select %[[KEEP]], %[[X]], %{{.*}}
func.func @lower_triangle(%x: tensor<?x?xf32> {onnx.name = "x", onnx.dims = ["n", "n"]})
    -> (tensor<?x?xf32> {onnx.name = "y", onnx.dims = ["n", "n"]}) {
  %k = onnx.Constant dense<-1> : tensor<i64>
  %y = onnx.Trilu(%x, %k) {upper = 0 : i64} : (tensor<?x?xf32>, tensor<i64>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// CHECK-LABEL: func.func @range(
// CHECK:         %[[R:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<?xi64>)
// CHECK:           linalg.index 0
// CHECK:           arith.muli
// CHECK:           arith.addi
// CHECK:         linalg.generic {{.*}} ins(%[[R]], %[[R]] :
func.func @range(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]})
    -> (tensor<?xi64> {onnx.name = "y", onnx.dims = ["n"]}) {
  %zero = onnx.Constant dense<0> : tensor<i64>
  %one = onnx.Constant dense<1> : tensor<i64>
  %size = onnx.Size(%x) : (tensor<?xf32>) -> tensor<i64>
  %0 = onnx.Range(%zero, %size, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %y = onnx.Add(%0, %0) : (tensor<?xi64>, tensor<?xi64>) -> tensor<?xi64>
  return %y : tensor<?xi64>
}

// CHECK-LABEL: func.func @one_hot(
// CHECK:         linalg.generic
// CHECK:           %[[HOT:.*]] = arith.cmpi eq
// CHECK:           %[[OFF:.*]] = tensor.extract %arg1[%c0]
// CHECK:           %[[ON:.*]] = tensor.extract %arg1[%c1]
// CHECK:           arith.select %[[HOT]], %[[ON]], %[[OFF]]
func.func @one_hot(%i: tensor<?xi64> {onnx.name = "i", onnx.dims = ["n"]},
                   %v: tensor<2xf32> {onnx.name = "v", onnx.dims = [2]})
    -> (tensor<?x5xf32> {onnx.name = "y", onnx.dims = ["n", 5]}) {
  %d = onnx.Constant dense<5> : tensor<i64>
  %y = onnx.OneHot(%i, %d, %v) : (tensor<?xi64>, tensor<i64>, tensor<2xf32>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}
}
