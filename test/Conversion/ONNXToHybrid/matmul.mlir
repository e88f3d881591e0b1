// RUN: hybrid-opt %s --convert-onnx-to-hybrid --cse | FileCheck %s

// CHECK-DAG: #[[MK:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[KN:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-DAG: #[[MN:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-DAG: #[[NK:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-DAG: #[[KM:.*]] = affine_map<(d0, d1, d2) -> (d2, d0)>

module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {

// A matrix times a weight: leading dimensions become one.
// CHECK-LABEL: func.func @rows_times_weight(
// CHECK:         %[[X:.*]] = tensor.collapse_shape %arg0 {{\[\[}}0, 1], [2]]
// CHECK:         %[[ZERO:.*]] = linalg.fill
// CHECK:         %[[Y:.*]] = linalg.generic {indexing_maps = [#[[MK]], #[[KN]], #[[MN]]], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %arg1 : tensor<?x16xf32>, tensor<16x32xf32>) outs(%[[ZERO]] :
// CHECK:           %[[P:.*]] = arith.mulf
// CHECK-NEXT:      arith.addf %{{.*}}, %[[P]]
// CHECK:         tensor.expand_shape %[[Y]] {{\[\[}}0, 1], [2]]
func.func @rows_times_weight(%x: tensor<?x?x16xf32> {onnx.name = "x", onnx.dims = ["b", "t", 16]},
                             %w: tensor<16x32xf32> {onnx.name = "w", onnx.dims = [16, 32]})
    -> (tensor<?x?x32xf32> {onnx.name = "y", onnx.dims = ["b", "t", 32]}) {
  %y = onnx.MatMul(%x, %w) : (tensor<?x?x16xf32>, tensor<16x32xf32>) -> tensor<?x?x32xf32>
  return %y : tensor<?x?x32xf32>
}

// CHECK-LABEL: func.func @batched_half(
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%{{.*}}, %{{.*}} : tensor<?x?x16xf16>, tensor<?x16x8xf16>) outs(%{{.*}} : tensor<?x?x8xf32>)
// CHECK:           arith.extf
// CHECK:           arith.extf
// CHECK:           arith.mulf {{.*}} : f32
// CHECK:         arith.truncf {{.*}} : f32 to f16
// CHECK:         tensor.expand_shape {{.*}} into tensor<?x4x?x8xf16>
func.func @batched_half(%a: tensor<?x4x?x16xf16> {onnx.name = "a", onnx.dims = ["b", 4, "t", 16]},
                        %b: tensor<?x1x16x8xf16> {onnx.name = "b", onnx.dims = ["b", 1, 16, 8]})
    -> (tensor<?x4x?x8xf16> {onnx.name = "y", onnx.dims = ["b", 4, "t", 8]}) {
  %y = onnx.MatMul(%a, %b) : (tensor<?x4x?x16xf16>, tensor<?x1x16x8xf16>) -> tensor<?x4x?x8xf16>
  return %y : tensor<?x4x?x8xf16>
}

// CHECK-LABEL: func.func @vectors(
// CHECK:         linalg.generic {{.*}} iterator_types = ["reduction"]} ins(%arg0, %arg1 : tensor<16xf32>, tensor<16xf32>) outs(%{{.*}} : tensor<f32>)
func.func @vectors(%a: tensor<16xf32> {onnx.name = "a", onnx.dims = [16]},
                   %b: tensor<16xf32> {onnx.name = "b", onnx.dims = [16]})
    -> (tensor<f32> {onnx.name = "y", onnx.dims = []}) {
  %y = onnx.MatMul(%a, %b) : (tensor<16xf32>, tensor<16xf32>) -> tensor<f32>
  return %y : tensor<f32>
}

// CHECK-LABEL: func.func @gemm(
// CHECK:         %[[P:.*]] = linalg.generic {indexing_maps = [#[[MK]], #[[NK]], #[[MN]]], {{.*}} ins(%arg0, %arg1 :
// CHECK:         linalg.generic {{.*}} ins(%[[P]], %arg2 :
// CHECK:           %[[TWO:.*]] = arith.constant 2.0
// CHECK:           %[[SCALED:.*]] = arith.mulf %{{.*}}, %[[TWO]]
// CHECK:           arith.addf %[[SCALED]]
func.func @gemm(%a: tensor<?x16xf32> {onnx.name = "a", onnx.dims = ["n", 16]},
                %b: tensor<8x16xf32> {onnx.name = "b", onnx.dims = [8, 16]},
                %c: tensor<8xf32> {onnx.name = "c", onnx.dims = [8]})
    -> (tensor<?x8xf32> {onnx.name = "y", onnx.dims = ["n", 8]}) {
  %y = onnx.Gemm(%a, %b, %c) {alpha = 2.0 : f32, transB = 1 : i64}
    : (tensor<?x16xf32>, tensor<8x16xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @fused(
// CHECK:         linalg.generic {indexing_maps = [#[[KM]], #[[KN]], #[[MN]]], {{.*}} ins(%arg0, %arg1 :
// CHECK:         arith.mulf %{{.*}}, %{{.*}}
// CHECK:         %[[HALF:.*]] = arith.constant 5.0
// CHECK:         arith.mulf %{{.*}}, %[[HALF]]
func.func @fused(%a: tensor<16x?xf32> {onnx.name = "a", onnx.dims = [16, "n"]},
                 %b: tensor<16x8xf32> {onnx.name = "b", onnx.dims = [16, 8]})
    -> (tensor<?x8xf32> {onnx.name = "y", onnx.dims = ["n", 8]}) {
  %y = onnx.ms.FusedMatMul(%a, %b) {alpha = 0.5 : f32, transA = 1 : i64}
    : (tensor<16x?xf32>, tensor<16x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @integers(
// CHECK:         arith.extui {{.*}} : i8 to i32
// CHECK:         arith.extui {{.*}} : i8 to i32
// CHECK:         arith.subi
// CHECK:         arith.extsi {{.*}} : i8 to i32
// CHECK:         arith.muli {{.*}} : i32
// CHECK:         arith.addi {{.*}} : i32
func.func @integers(%a: tensor<?x16xui8> {onnx.name = "a", onnx.dims = ["n", 16]},
                    %b: tensor<16x8xi8> {onnx.name = "b", onnx.dims = [16, 8]},
                    %z: tensor<ui8> {onnx.name = "z", onnx.dims = []})
    -> (tensor<?x8xi32> {onnx.name = "y", onnx.dims = ["n", 8]}) {
  %none = onnx.None : none
  %y = onnx.MatMulInteger(%a, %b, %z, %none)
    : (tensor<?x16xui8>, tensor<16x8xi8>, tensor<ui8>, none) -> tensor<?x8xi32>
  return %y : tensor<?x8xi32>
}
}
