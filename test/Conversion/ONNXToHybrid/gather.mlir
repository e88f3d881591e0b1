// RUN: hybrid-opt %s --convert-onnx-to-hybrid --cse | FileCheck %s

// CHECK-DAG: #[[BT:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-DAG: #[[BTD:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {

// Indices from data are counted from the end where negative, and clamped.
// CHECK-LABEL: func.func @embedding(
// CHECK:         linalg.generic {indexing_maps = [#[[BT]], #[[BTD]]], {{.*}} ins(%arg1 : tensor<?x?xi64>)
// CHECK-NEXT:    ^bb0(%[[I:.*]]: i64,
// CHECK-NEXT:      %[[AT:.*]] = arith.index_cast %[[I]] : i64 to index
// CHECK:           %[[END:.*]] = arith.addi %[[AT]], %c100
// CHECK:           %[[NEG:.*]] = arith.cmpi slt, %[[AT]], %c0
// CHECK:           %[[FIXED:.*]] = arith.select %[[NEG]], %[[END]], %[[AT]]
// CHECK:           %[[UPPER:.*]] = arith.minsi %[[FIXED]], %{{.*}}
// CHECK:           %[[SAFE:.*]] = arith.maxsi %[[UPPER]], %c0
// CHECK:           %[[D:.*]] = linalg.index 2
// CHECK:           tensor.extract %arg0[%[[SAFE]], %[[D]]]
func.func @embedding(%w: tensor<100x16xf32> {onnx.name = "w", onnx.dims = [100, 16]},
                     %i: tensor<?x?xi64> {onnx.name = "i", onnx.dims = ["b", "t"]})
    -> (tensor<?x?x16xf32> {onnx.name = "y", onnx.dims = ["b", "t", 16]}) {
  %y = onnx.Gather(%w, %i) : (tensor<100x16xf32>, tensor<?x?xi64>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// A known position is a view.
// CHECK-LABEL: func.func @last_element(
// CHECK:         %[[X:.*]] = tensor.extract_slice %arg0[%{{.*}}, 0] [1, 8] [1, 1]
// CHECK:         %[[Y:.*]] = tensor.collapse_shape %[[X]]
// CHECK:         return %[[Y]]
func.func @last_element(%x: tensor<?x8xf32> {onnx.name = "x", onnx.dims = ["n", 8]})
    -> (tensor<8xf32> {onnx.name = "y", onnx.dims = [8]}) {
  %i = onnx.Constant dense<-1> : tensor<i64>
  %y = onnx.Gather(%x, %i) : (tensor<?x8xf32>, tensor<i64>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// What may be empty gets one element to read.
// CHECK-LABEL: func.func @maybe_empty(
// CHECK:         %[[N:.*]] = hybrid.dim "n"
// CHECK:         %[[ZERO:.*]] = linalg.fill {{.*}} -> tensor<8x1xf32>
// CHECK:         %[[X:.*]] = tensor.insert_slice %[[ZERO]] into %{{.*}}[0, %[[N]]] [8, 1]
// CHECK:         tensor.extract %[[X]]
func.func @maybe_empty(%x: tensor<8x?xf32> {onnx.name = "x", onnx.dims = [8, "n"]},
                       %i: tensor<3xi64> {onnx.name = "i", onnx.dims = [3]})
    -> (tensor<8x3xf32> {onnx.name = "y", onnx.dims = [8, 3]}) {
  %y = onnx.Gather(%x, %i) {axis = 1 : i64} : (tensor<8x?xf32>, tensor<3xi64>) -> tensor<8x3xf32>
  return %y : tensor<8x3xf32>
}

// CHECK-LABEL: func.func @gather_elements(
// CHECK:         linalg.generic {{.*}} ins(%arg1 :
// CHECK:           %[[ROW:.*]] = linalg.index 0
// CHECK:           %[[AT:.*]] = arith.maxsi
// CHECK:           tensor.extract %arg0[%[[ROW]], %[[AT]]]
func.func @gather_elements(%x: tensor<?x8xf32> {onnx.name = "x", onnx.dims = ["n", 8]},
                           %i: tensor<?x2xi64> {onnx.name = "i", onnx.dims = ["n", 2]})
    -> (tensor<?x2xf32> {onnx.name = "y", onnx.dims = ["n", 2]}) {
  %y = onnx.GatherElements(%x, %i) {axis = 1 : i64} : (tensor<?x8xf32>, tensor<?x2xi64>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @gather_nd(
// CHECK:           tensor.extract %arg1[%[[ROW:.*]], %c0]
// CHECK:           %[[FIRST:.*]] = arith.maxsi
// CHECK:           tensor.extract %arg1[%[[ROW]], %c1]
// CHECK:           %[[SECOND:.*]] = arith.maxsi
// CHECK:           %[[REST:.*]] = linalg.index 1
// CHECK:           tensor.extract %arg0[%[[FIRST]], %[[SECOND]], %[[REST]]]
func.func @gather_nd(%x: tensor<4x5x6xf32> {onnx.name = "x", onnx.dims = [4, 5, 6]},
                     %i: tensor<?x2xi64> {onnx.name = "i", onnx.dims = ["n", 2]})
    -> (tensor<?x6xf32> {onnx.name = "y", onnx.dims = ["n", 6]}) {
  %y = onnx.GatherND(%x, %i) : (tensor<4x5x6xf32>, tensor<?x2xi64>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// One update after another.
// CHECK-LABEL: func.func @scatter_elements(
// CHECK:         %[[COPY:.*]] = linalg.generic {{.*}} ins(%arg0 :
// CHECK:         scf.for %[[I:.*]] = %c0 to %c16 step %c1 iter_args(%[[T:.*]] = %[[COPY]])
// CHECK:           %[[P:.*]]:2 = affine.delinearize_index %[[I]] into (2, 8)
// CHECK:           tensor.extract %arg1[%[[P]]#0, %[[P]]#1]
// CHECK:           %[[AT:.*]] = arith.maxsi
// CHECK-DAG:       %[[U:.*]] = tensor.extract %arg2[%[[P]]#0, %[[P]]#1]
// CHECK-DAG:       %[[OLD:.*]] = tensor.extract %[[T]][%[[AT]], %[[P]]#1]
// CHECK:           %[[SUM:.*]] = arith.addf %[[OLD]], %[[U]]
// CHECK:           tensor.insert %[[SUM]] into %[[T]][%[[AT]], %[[P]]#1]
func.func @scatter_elements(%x: tensor<4x8xf32> {onnx.name = "x", onnx.dims = [4, 8]},
                            %i: tensor<2x8xi64> {onnx.name = "i", onnx.dims = [2, 8]},
                            %u: tensor<2x8xf32> {onnx.name = "u", onnx.dims = [2, 8]})
    -> (tensor<4x8xf32> {onnx.name = "y", onnx.dims = [4, 8]}) {
  %y = onnx.ScatterElements(%x, %i, %u) {reduction = "add"}
    : (tensor<4x8xf32>, tensor<2x8xi64>, tensor<2x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @scatter_slices(
// CHECK:         %[[N:.*]] = hybrid.dim "n"
// CHECK:         scf.for %[[I:.*]] = %c0 to %[[N]] step %c1 iter_args(%[[T:.*]] =
// CHECK:           tensor.extract %arg1[%[[I]], %c0]
// CHECK:           %[[AT:.*]] = arith.maxsi
// CHECK:           %[[U:.*]] = tensor.extract_slice %arg2[%[[I]], 0] [1, 8] [1, 1]
// CHECK:           tensor.insert_slice %[[U]] into %[[T]][%[[AT]], 0] [1, 8] [1, 1]
func.func @scatter_slices(%x: tensor<4x8xf32> {onnx.name = "x", onnx.dims = [4, 8]},
                          %i: tensor<?x1xi64> {onnx.name = "i", onnx.dims = ["n", 1]},
                          %u: tensor<?x8xf32> {onnx.name = "u", onnx.dims = ["n", 8]})
    -> (tensor<4x8xf32> {onnx.name = "y", onnx.dims = [4, 8]}) {
  %y = onnx.ScatterND(%x, %i, %u) : (tensor<4x8xf32>, tensor<?x1xi64>, tensor<?x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// Neighbours are written as one block.
// CHECK-LABEL: func.func @scatter_at_known_places(
// CHECK-NOT:     scf.for
// CHECK:         tensor.insert_slice %arg1 into %{{.*}}[1, 0] [2, 8] [1, 1]
func.func @scatter_at_known_places(%x: tensor<4x8xf32> {onnx.name = "x", onnx.dims = [4, 8]},
                                   %u: tensor<2x8xf32> {onnx.name = "u", onnx.dims = [2, 8]})
    -> (tensor<4x8xf32> {onnx.name = "y", onnx.dims = [4, 8]}) {
  %i = onnx.Constant dense<[[1], [2]]> : tensor<2x1xi64>
  %y = onnx.ScatterND(%x, %i, %u) : (tensor<4x8xf32>, tensor<2x1xi64>, tensor<2x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
}
