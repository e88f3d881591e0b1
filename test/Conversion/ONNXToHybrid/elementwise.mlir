// RUN: hybrid-opt %s --convert-onnx-to-hybrid --cse | FileCheck %s

// CHECK-DAG: #[[ID:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[COL:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-DAG: #[[ROW:.*]] = affine_map<(d0, d1) -> (d0)>

module attributes {onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}} {

// Dimensions that broadcast are dropped from the operand, not materialised.
// CHECK-LABEL: func.func @add_broadcast(
// CHECK:         %[[SUM:.*]] = linalg.generic {indexing_maps = [#[[ID]], #[[COL]], #[[ID]]], iterator_types = ["parallel", "parallel"]} ins(%arg0, %arg1 :
// CHECK:           arith.addf
// CHECK:         %[[C:.*]] = tensor.collapse_shape %arg2 {{.*}} : tensor<?x1xf32> into tensor<?xf32>
// CHECK:         linalg.generic {indexing_maps = [#[[ID]], #[[ROW]], #[[ID]]], {{.*}} ins(%[[SUM]], %[[C]] :
// CHECK:           arith.mulf
func.func @add_broadcast(%a: tensor<?x4xf32> {onnx.name = "a", onnx.dims = ["n", 4]},
                         %b: tensor<4xf32> {onnx.name = "b", onnx.dims = [4]},
                         %c: tensor<?x1xf32> {onnx.name = "c", onnx.dims = ["n", 1]})
    -> (tensor<?x4xf32> {onnx.name = "y", onnx.dims = ["n", 4]}) {
  %0 = onnx.Add(%a, %b) : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %y = onnx.Mul(%0, %c) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// 16-bit floats are rounded once per operator.
// CHECK-LABEL: func.func @half_is_computed_in_f32(
// CHECK:         linalg.generic
// CHECK-NEXT:    ^bb0(%[[X:.*]]: f16, %{{.*}}: f16):
// CHECK-NEXT:      %[[WIDE:.*]] = arith.extf %[[X]] : f16 to f32
// CHECK:           %[[NEG:.*]] = arith.negf %[[WIDE]] : f32
// CHECK-NEXT:      %[[EXP:.*]] = math.exp %[[NEG]] : f32
// CHECK-NEXT:      %[[SUM:.*]] = arith.addf %{{.*}}, %[[EXP]] : f32
// CHECK-NEXT:      %[[Y:.*]] = arith.divf %{{.*}}, %[[SUM]] : f32
// CHECK-NEXT:      %[[NARROW:.*]] = arith.truncf %[[Y]] : f32 to f16
// CHECK-NEXT:      linalg.yield %[[NARROW]] : f16
func.func @half_is_computed_in_f32(%x: tensor<?x4xf16> {onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<?x4xf16> {onnx.name = "y", onnx.dims = ["n", 4]}) {
  %y = onnx.Sigmoid(%x) : (tensor<?x4xf16>) -> tensor<?x4xf16>
  return %y : tensor<?x4xf16>
}

// Neither a zero divisor nor -1 reaches arith.divsi.
// CHECK-LABEL: func.func @integer_division(
// CHECK:         ^bb0(%[[A:.*]]: i64, %[[B:.*]]: i64, %{{.*}}: i64):
// CHECK:           %[[ZERO:.*]] = arith.cmpi eq, %[[B]], %c0
// CHECK:           %[[MINUS:.*]] = arith.cmpi eq, %[[B]], %c-1
// CHECK:           %[[UNSAFE:.*]] = arith.ori %[[ZERO]], %[[MINUS]]
// CHECK:           %[[D:.*]] = arith.select %[[UNSAFE]], %c1{{.*}}, %[[B]]
// CHECK:           %[[Q:.*]] = arith.divsi %[[A]], %[[D]]
// CHECK:           %[[NEG:.*]] = arith.subi %{{.*}}, %[[A]]
// CHECK:           %[[R:.*]] = arith.select %[[MINUS]], %[[NEG]], %[[Q]]
// CHECK:           arith.select %[[ZERO]], %{{.*}}, %[[R]]
func.func @integer_division(%a: tensor<8xi64> {onnx.name = "a", onnx.dims = [8]},
                            %b: tensor<8xi64> {onnx.name = "b", onnx.dims = [8]})
    -> (tensor<8xi64> {onnx.name = "y", onnx.dims = [8]}) {
  %y = onnx.Div(%a, %b) : (tensor<8xi64>, tensor<8xi64>) -> tensor<8xi64>
  return %y : tensor<8xi64>
}

// Unsigned operands take unsigned predicates.
// CHECK-LABEL: func.func @unsigned(
// CHECK:         arith.maxui
// CHECK:         arith.cmpi ult
func.func @unsigned(%a: tensor<?xui8> {onnx.name = "a", onnx.dims = ["n"]},
                    %b: tensor<?xui8> {onnx.name = "b", onnx.dims = ["n"]},
                    %c: tensor<?xui8> {onnx.name = "c", onnx.dims = ["n"]})
    -> (tensor<?xi1> {onnx.name = "y", onnx.dims = ["n"]}) {
  %m = onnx.Max(%a, %b) : (tensor<?xui8>, tensor<?xui8>) -> tensor<?xui8>
  %y = onnx.Less(%m, %c) : (tensor<?xui8>, tensor<?xui8>) -> tensor<?xi1>
  return %y : tensor<?xi1>
}

// The result has the divisor's sign.
// CHECK-LABEL: func.func @python_modulo(
// CHECK:         ^bb0(%[[A:.*]]: i32, %[[B:.*]]: i32, %{{.*}}: i32):
// CHECK:           %[[R:.*]] = arith.remsi %[[A]], %{{.*}}
// CHECK-DAG:       %[[BNEG:.*]] = arith.cmpi slt, %[[B]], %c0
// CHECK-DAG:       %[[RNEG:.*]] = arith.cmpi slt, %[[R]], %c0
// CHECK:           %[[OTHER:.*]] = arith.xori %[[RNEG]], %[[BNEG]]
// CHECK:           %[[SUM:.*]] = arith.addi %[[R]], %[[B]]
// CHECK:           %[[MOVED:.*]] = arith.select %[[OTHER]], %[[SUM]], %[[R]]
// CHECK:           arith.select %{{.*}}, %[[R]], %[[MOVED]]
func.func @python_modulo(%a: tensor<8xi32> {onnx.name = "a", onnx.dims = [8]},
                         %b: tensor<8xi32> {onnx.name = "b", onnx.dims = [8]})
    -> (tensor<8xi32> {onnx.name = "y", onnx.dims = [8]}) {
  %y = onnx.Mod(%a, %b) : (tensor<8xi32>, tensor<8xi32>) -> tensor<8xi32>
  return %y : tensor<8xi32>
}

// CHECK-LABEL: func.func @fmod(
// CHECK:         arith.remf
func.func @fmod(%a: tensor<8xf32> {onnx.name = "a", onnx.dims = [8]},
                %b: tensor<8xf32> {onnx.name = "b", onnx.dims = [8]})
    -> (tensor<8xf32> {onnx.name = "y", onnx.dims = [8]}) {
  %y = onnx.Mod(%a, %b) {fmod = 1 : i64} : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// A constant exponent needs no power function.
// CHECK-LABEL: func.func @square(
// CHECK:         linalg.generic {{.*}} ins(%arg0 : tensor<?xf32>)
// CHECK-NOT:     math.powf
// CHECK:         arith.mulf %[[X:.*]], %[[X]] : f32
func.func @square(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]})
    -> (tensor<?xf32> {onnx.name = "y", onnx.dims = ["n"]}) {
  %two = onnx.Constant dense<2.0> : tensor<f32>
  %y = onnx.Pow(%x, %two) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @power_of_integers(
// CHECK:         math.powf {{.*}} : f64
// CHECK:         arith.fptosi {{.*}} : f64 to i32
func.func @power_of_integers(%x: tensor<4xi32> {onnx.name = "x", onnx.dims = [4]},
                             %e: tensor<4xi64> {onnx.name = "e", onnx.dims = [4]})
    -> (tensor<4xi32> {onnx.name = "y", onnx.dims = [4]}) {
  %y = onnx.Pow(%x, %e) : (tensor<4xi32>, tensor<4xi64>) -> tensor<4xi32>
  return %y : tensor<4xi32>
}

// CHECK-LABEL: func.func @clip_max_only(
// CHECK-NOT:     arith.maximumf
// CHECK:         arith.minimumf
// CHECK-NOT:     arith.maximumf
// CHECK:         return
func.func @clip_max_only(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]},
                         %max: tensor<f32> {onnx.name = "max", onnx.dims = []})
    -> (tensor<?xf32> {onnx.name = "y", onnx.dims = ["n"]}) {
  %none = onnx.None : none
  %y = onnx.Clip(%x, %none, %max) : (tensor<?xf32>, none, tensor<f32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @where(
// CHECK:         ^bb0(%[[C:.*]]: i1, %[[X:.*]]: bf16, %[[Y:.*]]: bf16, %{{.*}}: bf16):
// CHECK-NEXT:      arith.select %[[C]], %[[X]], %[[Y]] : bf16
func.func @where(%c: tensor<?x1xi1> {onnx.name = "c", onnx.dims = ["n", 1]},
                 %x: tensor<?x4xbf16> {onnx.name = "x", onnx.dims = ["n", 4]},
                 %y: tensor<4xbf16> {onnx.name = "y", onnx.dims = [4]})
    -> (tensor<?x4xbf16> {onnx.name = "z", onnx.dims = ["n", 4]}) {
  %z = onnx.Where(%c, %x, %y) : (tensor<?x1xi1>, tensor<?x4xbf16>, tensor<4xbf16>) -> tensor<?x4xbf16>
  return %z : tensor<?x4xbf16>
}

// Without overflow.
// CHECK-LABEL: func.func @softplus(
// CHECK:         %[[ABS:.*]] = math.absf %[[X:.*]] : f32
// CHECK:         %[[NEG:.*]] = arith.negf %[[ABS]] : f32
// CHECK:         %[[EXP:.*]] = math.exp %[[NEG]] : f32
// CHECK:         %[[TAIL:.*]] = math.log1p %[[EXP]] : f32
// CHECK:         %[[MAX:.*]] = arith.maximumf %[[X]], %{{.*}} : f32
// CHECK:         arith.addf %[[MAX]], %[[TAIL]] : f32
func.func @softplus(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]})
    -> (tensor<?xf32> {onnx.name = "y", onnx.dims = ["n"]}) {
  %y = onnx.Softplus(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @mean_of_three(
// CHECK:         %[[AB:.*]] = arith.addf
// CHECK:         %[[ABC:.*]] = arith.addf %[[AB]]
// CHECK:         %[[THREE:.*]] = arith.constant 3.0
// CHECK:         arith.divf %[[ABC]], %[[THREE]]
func.func @mean_of_three(%a: tensor<?xf32> {onnx.name = "a", onnx.dims = ["n"]},
                         %b: tensor<?xf32> {onnx.name = "b", onnx.dims = ["n"]},
                         %c: tensor<?xf32> {onnx.name = "c", onnx.dims = ["n"]})
    -> (tensor<?xf32> {onnx.name = "y", onnx.dims = ["n"]}) {
  %y = onnx.Mean(%a, %b, %c) : (tensor<?xf32>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// CHECK-LABEL: func.func @round(
// CHECK:         math.roundeven
func.func @round(%x: tensor<4xf32> {onnx.name = "x", onnx.dims = [4]})
    -> (tensor<4xf32> {onnx.name = "y", onnx.dims = [4]}) {
  %y = onnx.Round(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: func.func @shift_by_too_much(
// CHECK:         ^bb0(%[[A:.*]]: i32, %[[B:.*]]: i32, %{{.*}}: i32):
// CHECK:           %[[OK:.*]] = arith.cmpi ult, %[[B]], %c32
// CHECK:           %[[BY:.*]] = arith.select %[[OK]], %[[B]], %c0
// CHECK:           %[[Y:.*]] = arith.shrui %[[A]], %[[BY]]
// CHECK:           arith.select %[[OK]], %[[Y]], %c0
func.func @shift_by_too_much(%a: tensor<8xui32> {onnx.name = "a", onnx.dims = [8]},
                             %b: tensor<8xui32> {onnx.name = "b", onnx.dims = [8]})
    -> (tensor<8xui32> {onnx.name = "y", onnx.dims = [8]}) {
  %y = onnx.BitShift(%a, %b) {direction = "RIGHT"} : (tensor<8xui32>, tensor<8xui32>) -> tensor<8xui32>
  return %y : tensor<8xui32>
}
}
