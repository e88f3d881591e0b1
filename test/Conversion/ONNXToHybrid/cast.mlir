// RUN: hybrid-opt %s --convert-onnx-to-hybrid --cse | FileCheck %s

module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {

// What no integer holds becomes the nearest one, and NaN 0.
// CHECK-LABEL: func.func @float_to_int(
// CHECK-DAG:       %[[LOW:.*]] = arith.constant -2.14748365E+9 : f32
// CHECK-DAG:       %[[HIGH:.*]] = arith.constant 2.14748365E+9 : f32
// CHECK-DAG:       %[[SMALL:.*]] = arith.cmpf olt, %[[X:.*]], %[[LOW]]
// CHECK-DAG:       %[[BIG:.*]] = arith.cmpf ole, %[[HIGH]], %[[X]]
// CHECK-DAG:       %[[NAN:.*]] = arith.cmpf uno, %[[X]], %[[X]]
// CHECK:           %[[INSIDE:.*]] = arith.select %{{.*}}, %{{.*}}, %[[X]]
// CHECK:           %[[I:.*]] = arith.fptosi %[[INSIDE]] : f32 to i32
// CHECK:           %[[J:.*]] = arith.select %[[SMALL]], %c-2147483648_i32, %[[I]]
// CHECK:           arith.select %[[BIG]], %c2147483647_i32, %[[J]]
func.func @float_to_int(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]})
    -> (tensor<?xi32> {onnx.name = "y", onnx.dims = ["n"]}) {
  %y = onnx.Cast(%x) {to = 6 : i64} : (tensor<?xf32>) -> tensor<?xi32>
  return %y : tensor<?xi32>
}

// CHECK-LABEL: func.func @float_to_bool(
// CHECK:         arith.cmpf une, %{{.*}}, %{{.*}} : f32
func.func @float_to_bool(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]})
    -> (tensor<?xi1> {onnx.name = "y", onnx.dims = ["n"]}) {
  %y = onnx.Cast(%x) {to = 9 : i64} : (tensor<?xf32>) -> tensor<?xi1>
  return %y : tensor<?xi1>
}

// CHECK-LABEL: func.func @bool_to_float(
// CHECK:         arith.uitofp %{{.*}} : i1 to f32
func.func @bool_to_float(%x: tensor<?xi1> {onnx.name = "x", onnx.dims = ["n"]})
    -> (tensor<?xf32> {onnx.name = "y", onnx.dims = ["n"]}) {
  %y = onnx.Cast(%x) {to = 1 : i64} : (tensor<?xi1>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @unsigned_to_float(
// CHECK:         arith.uitofp %{{.*}} : i8 to f16
func.func @unsigned_to_float(%x: tensor<?xui8> {onnx.name = "x", onnx.dims = ["n"]})
    -> (tensor<?xf16> {onnx.name = "y", onnx.dims = ["n"]}) {
  %y = onnx.Cast(%x) {to = 10 : i64} : (tensor<?xui8>) -> tensor<?xf16>
  return %y : tensor<?xf16>
}

// CHECK-LABEL: func.func @like(
// CHECK:         %[[WIDE:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK:         arith.truncf %[[WIDE]] : f32 to f16
func.func @like(%x: tensor<?xbf16> {onnx.name = "x", onnx.dims = ["n"]},
                %t: tensor<1xf16> {onnx.name = "t", onnx.dims = [1]})
    -> (tensor<?xf16> {onnx.name = "y", onnx.dims = ["n"]}) {
  %y = onnx.CastLike(%x, %t) : (tensor<?xbf16>, tensor<1xf16>) -> tensor<?xf16>
  return %y : tensor<?xf16>
}

// CHECK-LABEL: func.func @same_type(
// CHECK-NEXT:    return %arg0
func.func @same_type(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]})
    -> (tensor<?xf32> {onnx.name = "y", onnx.dims = ["n"]}) {
  %y = onnx.Cast(%x) {to = 1 : i64} : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @bits(
// CHECK:         arith.bitcast %{{.*}} : f32 to i32
func.func @bits(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]})
    -> (tensor<?xi32> {onnx.name = "y", onnx.dims = ["n"]}) {
  %y = onnx.BitCast(%x) {to = 6 : i64} : (tensor<?xf32>) -> tensor<?xi32>
  return %y : tensor<?xi32>
}
}
