// RUN: hybrid-opt %s --split-input-file --onnx-bind-states | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-bind-states=none=true | FileCheck %s --check-prefix=NONE

// The names of every exporter; unrelated names for one length.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    onnx.name = "input_ids"}
// CHECK-SAME:    onnx.name = "attention_mask"}
// CHECK-SAME:    onnx.name = "past_key_values.0.key", onnx.state = {kind = "kv", length_axis = 2 : i64, present = "present.0.key"}
// CHECK-SAME:    onnx.name = "past_key.1", onnx.state = {kind = "kv", length_axis = 2 : i64, present = "present_key.1"}
// CHECK-SAME:    onnx.name = "past.2.conv", onnx.state = {kind = "conv", present = "present.2.conv"}
// CHECK-SAME:    onnx.name = "past_states.3.ssm_state", onnx.state = {kind = "recurrent", present = "present.3.ssm_state"}
// CHECK-SAME:    onnx.name = "input.past_key_values.layers.4.conv_states.0", onnx.state = {kind = "conv", present = "output.past_key_values.layers.4.conv_states.0"}
// CHECK-SAME:    onnx.name = "past_ssm5", onnx.state = {kind = "conv", present = "present_ssm5"}
// CHECK-SAME:  attributes {onnx.bindings = {b2 = "b", mask_past = "p", mask_seq = "s", p1 = "p", t = "p + s"}, onnx.roles = {batch = "b", past = "p", seq = "s"}}

// NONE-LABEL: func.func @main(
// NONE-NOT:     onnx.state
// NONE-SAME:  attributes {onnx.bindings = {b2 = "b", mask_past = "p", mask_seq = "s", p1 = "p", t = "p + s"}, onnx.roles = {batch = "b", seq = "s"}}
func.func @main(%ids: tensor<?x?xi64> {onnx.dims = ["b", "s"], onnx.name = "input_ids"},
                %mask: tensor<?x?xi64> {onnx.dims = ["b", "mask_past + mask_seq"], onnx.name = "attention_mask"},
                %k0: tensor<?x2x?x8xf32> {onnx.dims = ["b", 2, "p", 8], onnx.name = "past_key_values.0.key"},
                %k1: tensor<?x2x?x8xf32> {onnx.dims = ["b", 2, "p1", 8], onnx.name = "past_key.1"},
                %c2: tensor<?x16x3xf32> {onnx.dims = ["b", 16, 3], onnx.name = "past.2.conv"},
                %s3: tensor<?x4x8x8xf32> {onnx.dims = ["b2", 4, 8, 8], onnx.name = "past_states.3.ssm_state"},
                %c4: tensor<?x16x3xf32> {onnx.dims = ["b", 16, 3], onnx.name = "input.past_key_values.layers.4.conv_states.0"},
                %s5: tensor<?x16x3xf32> {onnx.dims = ["b", 16, 3], onnx.name = "past_ssm5"},
                %new: tensor<?x2x?x8xf32> {onnx.dims = ["b", 2, "s", 8], onnx.name = "new"})
    -> (tensor<?x2x?x8xf32> {onnx.dims = ["b", 2, "t", 8], onnx.name = "present.0.key"},
        tensor<?x2x?x8xf32> {onnx.dims = ["b", 2, "p1 + s", 8], onnx.name = "present_key.1"},
        tensor<?x16x3xf32> {onnx.dims = ["b", 16, 3], onnx.name = "present.2.conv"},
        tensor<?x4x8x8xf32> {onnx.dims = ["b2", 4, 8, 8], onnx.name = "present.3.ssm_state"},
        tensor<?x16x3xf32> {onnx.dims = ["b", 16, 3], onnx.name = "output.past_key_values.layers.4.conv_states.0"},
        tensor<?x16x3xf32> {onnx.dims = ["b", 16, 3], onnx.name = "present_ssm5"}) {
  %0 = onnx.Concat(%k0, %new) {axis = 2 : i64} : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
  %1 = onnx.Concat(%k1, %new) {axis = 2 : i64} : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
  return %0, %1, %c2, %s3, %c4, %s5 : tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x16x3xf32>, tensor<?x4x8x8xf32>, tensor<?x16x3xf32>, tensor<?x16x3xf32>
}

// -----

// Names alone make no state: the type must fit, and only one dimension may grow.
// CHECK-LABEL: func.func @main(
// CHECK-NOT:     onnx.state
func.func @main(%a: tensor<?x16xf32> {onnx.dims = ["b", 16], onnx.name = "past.0.a"},
                %b: tensor<?x16xf32> {onnx.dims = ["b", 16], onnx.name = "past.0.b"},
                %c: tensor<?x?xf16> {onnx.dims = ["n", "m"], onnx.name = "c"})
    -> (tensor<?x?xf16> {onnx.dims = ["n", "m"], onnx.name = "present.0.a"}, tensor<1x16xf32> {onnx.dims = [1, 16], onnx.name = "present.0.b"}) {
  %d = onnx.Constant dense<0.0> : tensor<1x16xf32>
  return %c, %d : tensor<?x?xf16>, tensor<1x16xf32>
}

// -----

// The state keeps its size only if a call has one token.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    onnx.state = {kind = "conv", present = "present.0.conv"}
// CHECK-SAME:  attributes {onnx.bindings = {s = "1"}
func.func @main(%x: tensor<?x16x?xf32> {onnx.dims = ["b", 16, "s"], onnx.name = "x"},
                %ids: tensor<?x?xi64> {onnx.dims = ["b", "s"], onnx.name = "input_ids"},
                %p: tensor<?x16x3xf32> {onnx.dims = ["b", 16, 3], onnx.name = "past.0.conv"})
    -> (tensor<?x16x?xf32> {onnx.dims = ["b", 16, "s + 2"], onnx.name = "present.0.conv"}) {
  %starts = onnx.Constant dense<1> : tensor<1xi64>
  %ends = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %axes = onnx.Constant dense<2> : tensor<1xi64>
  %steps = onnx.None : none
  %all = onnx.Concat(%p, %x) {axis = 2 : i64} : (tensor<?x16x3xf32>, tensor<?x16x?xf32>) -> tensor<?x16x?xf32>
  %last = onnx.Slice(%all, %starts, %ends, %axes, %steps) : (tensor<?x16x?xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, none) -> tensor<?x16x?xf32>
  return %last : tensor<?x16x?xf32>
}

// -----

// The head size that a file leaves open follows from the cache's user.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:  attributes {onnx.bindings = {d = "8"}
func.func @main(%x: tensor<?x?x16xf32> {onnx.dims = ["b", "s", 16], onnx.name = "x"},
                %pk: tensor<?x2x?x?xf32> {onnx.dims = ["b", 2, "p", "d"], onnx.name = "past_key_values.0.key"},
                %pv: tensor<?x2x?x?xf32> {onnx.dims = ["b", 2, "p", "d"], onnx.name = "past_key_values.0.value"})
    -> (tensor<?x?x16xf32> {onnx.dims = ["b", "s", 16], onnx.name = "y"},
        tensor<?x2x?x?xf32> {onnx.dims = ["b", 2, "p + s", "d"], onnx.name = "present.0.key"},
        tensor<?x2x?x?xf32> {onnx.dims = ["b", 2, "p + s", "d"], onnx.name = "present.0.value"}) {
  %none = onnx.None : none
  %y:4 = onnx.Attention(%x, %x, %x, %none, %pk, %pv, %none) {q_num_heads = 2 : i64, kv_num_heads = 2 : i64}
    : (tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<?x?x16xf32>, none, tensor<?x2x?x?xf32>, tensor<?x2x?x?xf32>, none)
    -> (tensor<?x?x16xf32>, tensor<?x2x?x?xf32>, tensor<?x2x?x?xf32>, none)
  return %y#0, %y#1, %y#2 : tensor<?x?x16xf32>, tensor<?x2x?x?xf32>, tensor<?x2x?x?xf32>
}
