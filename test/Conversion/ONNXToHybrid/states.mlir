// RUN: hybrid-opt %s --split-input-file --convert-onnx-to-hybrid="max-context=100 max-batch=4" --cse | FileCheck %s

// Keys and values are appended in place; attention reads the whole cache.
module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @prefill(%x: tensor<?x?x16xf32> {onnx.name = "x", onnx.dims = ["b", "s", 16]},
                  %pk: tensor<?x2x?x8xf32> {onnx.name = "past_key.0", onnx.dims = ["b", 2, "p", 8], onnx.state = {kind = "kv", length_axis = 2 : i64, present = "present_key.0"}},
                  %pv: tensor<?x2x?x8xf32> {onnx.name = "past_value.0", onnx.dims = ["b", 2, "p", 8], onnx.state = {kind = "kv", length_axis = 2 : i64, present = "present_value.0"}})
      -> (tensor<?x?x16xf32> {onnx.name = "y", onnx.dims = ["b", "s", 16]},
          tensor<?x2x?x8xf32> {onnx.name = "present_key.0", onnx.dims = ["b", 2, "t", 8]},
          tensor<?x2x?x8xf32> {onnx.name = "present_value.0", onnx.dims = ["b", 2, "t", 8]})
      attributes {onnx.bindings = {t = "p + s"}, onnx.roles = {batch = "b", past = "p", seq = "s"}} {
    %none = onnx.None : none
    %y:4 = onnx.Attention(%x, %x, %x, %none, %pk, %pv, %none) {q_num_heads = 2 : i64, kv_num_heads = 2 : i64, is_causal = 1 : i64}
      : (tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<?x?x16xf32>, none, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, none)
      -> (tensor<?x?x16xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, none)
    return %y#0, %y#1, %y#2 : tensor<?x?x16xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>
  }
}

// CHECK:       hybrid.symbols = [{capacity = 4 : i64, name = "b", role = "batch"}, {capacity = 100 : i64, name = "s", role = "seq"}, {capacity = 100 : i64, name = "p", role = "past"}]
// CHECK:       hybrid.state @past_key.0 kv present "present_key.0" length_axis 2 : tensor<?x2x100x8xf32>
// CHECK:       hybrid.state @past_value.0 kv present "present_value.0" length_axis 2 : tensor<?x2x100x8xf32>
// CHECK-LABEL: func.func @prefill(%arg0: tensor<?x?x16xf32> {{{.*}}}) -> (tensor<?x?x16xf32> {{{.*}}}) attributes {hybrid.entry}
// CHECK-DAG:   %[[PAST:.*]] = hybrid.dim "p"
// CHECK-DAG:   %[[S:.*]] = hybrid.dim "s"
// CHECK-DAG:   %[[N:.*]] = affine.apply #{{.*}}()[%[[S]], %[[PAST]]]
// CHECK-DAG:   %[[K0:.*]] = hybrid.read_state @past_key.0
// CHECK-DAG:   %[[V0:.*]] = hybrid.read_state @past_value.0
// CHECK:       %[[K1:.*]] = hybrid.cache_append ins(%{{.*}}) at(%[[PAST]]) outs(%[[K0]] : tensor<?x2x100x8xf32>) {layout = #hybrid.layout<bthd>}
// CHECK:       %[[V1:.*]] = hybrid.cache_append ins(%{{.*}}) at(%[[PAST]]) outs(%[[V0]]
// CHECK:       hybrid.attention ins(%{{.*}}, %[[K1]], %[[V1]] : {{.*}}) kv_length(%[[N]]) q_offset(%[[PAST]])
// CHECK-SAME:  {causal, q_layout = #hybrid.layout<bthd>,
// CHECK:       hybrid.write_state %[[K1]], @past_key.0
// CHECK:       hybrid.write_state %[[V1]], @past_value.0

// -----

// A concatenation appends too; its other users see the valid part. One token.
module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @decode(%x: tensor<?x2x?x8xf32> {onnx.name = "x", onnx.dims = ["b", 2, "s", 8]},
                  %pk: tensor<?x2x?x8xf32> {onnx.name = "past_key.0", onnx.dims = ["b", 2, "p", 8], onnx.state = {kind = "kv", length_axis = 2 : i64, present = "present_key.0"}})
      -> (tensor<?x2x?x8xf32> {onnx.name = "present_key.0", onnx.dims = ["b", 2, "t", 8]},
          tensor<?x2x?x8xf32> {onnx.name = "y", onnx.dims = ["b", 2, "t", 8]})
      attributes {onnx.bindings = {t = "p + s", s = "1"}, onnx.roles = {batch = "b", past = "p", seq = "s"}} {
    %k = onnx.Concat(%pk, %x) {axis = -2 : i64} : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
    %y = onnx.Identity(%k) : (tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
    return %k, %y : tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>
  }
}

// CHECK-LABEL: func.func @decode(
// CHECK-SAME:  %[[X:.*]]: tensor<?x2x1x8xf32>
// CHECK-DAG:   %[[PAST:.*]] = hybrid.dim "p"
// CHECK-DAG:   %[[B:.*]] = hybrid.dim "b"
// CHECK-DAG:   %[[N:.*]] = affine.apply #{{.*}}()[%[[PAST]]]
// CHECK:       %[[K:.*]] = hybrid.cache_append ins(%[[X]] : {{.*}}) at(%[[PAST]])
// CHECK:       %[[VALID:.*]] = tensor.extract_slice %[[K]][0, 0, 0, 0] [%[[B]], 2, %[[N]], 8]
// CHECK:       hybrid.write_state %[[K]], @past_key.0
// CHECK:       return %[[VALID]]

// -----

// A state that no op updates in place is written at the end.
module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<?x4x3xf32> {onnx.name = "x", onnx.dims = ["b", 4, 3]},
                  %p: tensor<?x4x3xf32> {onnx.name = "past_conv.0", onnx.dims = ["b", 4, 3], onnx.state = {kind = "conv", present = "present_conv.0"}})
      -> (tensor<?x4x3xf32> {onnx.name = "y", onnx.dims = ["b", 4, 3]},
          tensor<?x4x3xf32> {onnx.name = "present_conv.0", onnx.dims = ["b", 4, 3]}) {
    return %p, %x : tensor<?x4x3xf32>, tensor<?x4x3xf32>
  }
}

// CHECK-LABEL: func.func @main(
// CHECK:       %[[S:.*]] = hybrid.read_state @past_conv.0
// CHECK:       hybrid.write_state %arg0, @past_conv.0
// CHECK:       return %[[S]]
