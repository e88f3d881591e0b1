// RUN: hybrid-opt %s --split-input-file --onnx-specialize-entries | FileCheck %s

// CHECK-LABEL: func.func @prefill(
// CHECK-SAME:  onnx.bindings = {t = "p + s"}
// CHECK-LABEL: func.func @decode(
// CHECK-SAME:  onnx.bindings = {s = "1", t = "p + s"}
// CHECK-NOT:   func.func
func.func @main(%ids: tensor<?x?xi64> {onnx.dims = ["b", "s"], onnx.name = "input_ids"},
                %k: tensor<?x2x4xf32> {onnx.dims = ["b", 2, 4], onnx.name = "past_conv.0", onnx.state = {kind = "conv", present = "present_conv.0"}})
    -> (tensor<?x2x4xf32> {onnx.dims = ["b", 2, 4], onnx.name = "present_conv.0"})
    attributes {onnx.bindings = {t = "p + s"}, onnx.roles = {batch = "b", seq = "s"}} {
  return %k : tensor<?x2x4xf32>
}

// -----

// A call has one token anyway.
// CHECK-LABEL: func.func @prefill(
// CHECK-NOT:   func.func
func.func @main(%k: tensor<?x2x4xf32> {onnx.dims = ["b", 2, 4], onnx.name = "past_conv.0", onnx.state = {kind = "conv", present = "present_conv.0"}})
    -> (tensor<?x2x4xf32> {onnx.dims = ["b", 2, 4], onnx.name = "present_conv.0"})
    attributes {onnx.bindings = {s = "1"}, onnx.roles = {batch = "b", seq = "s"}} {
  return %k : tensor<?x2x4xf32>
}

// -----

// Without states.
// CHECK-LABEL: func.func @main(
// CHECK-NOT:   func.func
func.func @main(%ids: tensor<?x?xi64> {onnx.dims = ["b", "s"], onnx.name = "input_ids"})
    -> (tensor<?x?xi64> {onnx.dims = ["b", "s"], onnx.name = "y"})
    attributes {onnx.bindings = {}, onnx.roles = {batch = "b", seq = "s"}} {
  return %ids : tensor<?x?xi64>
}
