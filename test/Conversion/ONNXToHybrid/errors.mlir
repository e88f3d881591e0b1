// RUN: hybrid-opt %s --split-input-file --convert-onnx-to-hybrid --verify-diagnostics

// All operators that are missing, not only the first; none that nobody needs.
module attributes {onnx.opsets = {ai.onnx = 17 : i64, org.example = 2 : i64}} {
  // expected-error-re @below {{operators that cannot be compiled:{{[[:space:]]}}  org.example::Frobnicate (opset 2), 2 nodes: 'first' 'second'{{[[:space:]]}}  ai.onnx::Bernoulli (opset 17), 1 node: 'third'}}
  func.func @main(%x: tensor<4x4xf32> {onnx.name = "x", onnx.dims = [4, 4]}) -> (tensor<4x4xf32> {onnx.name = "y"}) {
    %a = onnx.Unknown "org.example" "Frobnicate" (%x) : (tensor<4x4xf32>) -> tensor<4x4xf32> loc("first")
    %b = onnx.Unknown "org.example" "Frobnicate" (%a) : (tensor<4x4xf32>) -> tensor<4x4xf32> loc("second")
    %c = onnx.Unknown "org.example" "Unused" (%a) : (tensor<4x4xf32>) -> tensor<4x4xf32>
    %d = onnx.Bernoulli(%b) : (tensor<4x4xf32>) -> tensor<4x4xf32> loc("third")
    return %d : tensor<4x4xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 27 : i64}} {
  func.func @main(%q: tensor<1x?x32xf32> {onnx.name = "q", onnx.dims = [1, "t", 32]})
      -> (tensor<1x?x32xf32> {onnx.name = "y", onnx.dims = [1, "t", 32]}) {
    %none = onnx.None : none
    // expected-error @below {{(ai.onnx LinearAttention, opset 27, inputs [1, t, 32] f32, [1, t, 32] f32, [1, t, 32] f32, -, -, -): update_rule 'gated' needs decay and forbids beta}}
    %y:2 = onnx.LinearAttention(%q, %q, %q, %none, %none, %none) {q_num_heads = 2 : i64, kv_num_heads = 2 : i64, update_rule = "gated"}
      : (tensor<1x?x32xf32>, tensor<1x?x32xf32>, tensor<1x?x32xf32>, none, none, none) -> (tensor<1x?x32xf32>, tensor<1x2x16x16xf32>)
    return %y#0 : tensor<1x?x32xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  func.func @main(%a: tensor<?x40xf32> {onnx.name = "a", onnx.dims = ["b", 40]},
                  %w: tensor<6x3x8xui8> {onnx.name = "w", onnx.dims = [6, 3, 8]},
                  %s: tensor<6x3xf32> {onnx.name = "s", onnx.dims = [6, 3]})
      -> (tensor<?x6xf32> {onnx.name = "y", onnx.dims = ["b", 6]}) {
    %none = onnx.None : none
    // expected-error @below {{weight_prepacked = 1; portable weights (0) work}}
    %y = onnx.ms.MatMulNBits(%a, %w, %s, %none, %none, %none) {K = 40 : i64, N = 6 : i64, block_size = 16 : i64, weight_prepacked = 1 : i64}
      : (tensor<?x40xf32>, tensor<6x3x8xui8>, tensor<6x3xf32>, none, none, none) -> tensor<?x6xf32>
    return %y : tensor<?x6xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  // expected-error @below {{state 'past_conv.0': dimension 1 ('c') has no fixed size; give it one (binding c=<size>)}}
  func.func @main(%p: tensor<?x?x3xf32> {onnx.name = "past_conv.0", onnx.dims = ["b", "c", 3], onnx.state = {kind = "conv", present = "present_conv.0"}})
      -> (tensor<?x?x3xf32> {onnx.name = "present_conv.0", onnx.dims = ["b", "c", 3]}) {
    return %p : tensor<?x?x3xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  // expected-error @below {{state 'past_conv.0': no output 'present_conv.1'}}
  func.func @main(%p: tensor<?x4x3xf32> {onnx.name = "past_conv.0", onnx.dims = ["b", 4, 3], onnx.state = {kind = "conv", present = "present_conv.1"}})
      -> (tensor<?x4x3xf32> {onnx.name = "present_conv.0", onnx.dims = ["b", 4, 3]}) {
    return %p : tensor<?x4x3xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  // expected-error @below {{state 'past_conv.0' has 3 in dimension 2, and 'present_conv.0' t; compile without states}}
  func.func @main(%x: tensor<?x4x?xf32> {onnx.name = "x", onnx.dims = ["b", 4, "t"]},
                  %p: tensor<?x4x3xf32> {onnx.name = "past_conv.0", onnx.dims = ["b", 4, 3], onnx.state = {kind = "conv", present = "present_conv.0"}})
      -> (tensor<?x4x?xf32> {onnx.name = "present_conv.0", onnx.dims = ["b", 4, "t"]}) {
    return %x : tensor<?x4x?xf32>
  }
}

// -----

// What a run's data decides has no place in a program whose memory is planned.
module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%n: tensor<i64> {onnx.name = "n", onnx.dims = []})
      -> (tensor<i64> {onnx.name = "y", onnx.dims = []}) {
    %zero = onnx.Constant dense<0> : tensor<i64>
    %one = onnx.Constant dense<1> : tensor<i64>
    %none = onnx.None : none
    // expected-error-re @below {{(ai.onnx Range, opset 23, inputs [] i64, [] i64, [] i64): a size depends on data: {{.*}}; sizes must follow from the sizes of inputs}}
    %i = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    %y = onnx.ReduceSum(%i, %none) {keepdims = 0 : i64} : (tensor<?xi64>, none) -> tensor<i64>
    return %y : tensor<i64>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  // expected-error @below {{input 'x' has more than 2^40 elements}}
  func.func @main(%x: tensor<4294967296x4294967296x?xf32> {onnx.name = "x", onnx.dims = [4294967296, 4294967296, "n"]})
      -> (tensor<4294967296x4294967296x?xf32> {onnx.name = "y", onnx.dims = [4294967296, 4294967296, "n"]}) {
    return %x : tensor<4294967296x4294967296x?xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 21 : i64, com.microsoft = 1 : i64}} {
  func.func @main(%a: tensor<?x40xf32> {onnx.name = "a", onnx.dims = ["b", 40]},
                  %w: tensor<6x3x8xui8> {onnx.name = "w", onnx.dims = [6, 3, 8]},
                  %s: tensor<6x3xf32> {onnx.name = "s", onnx.dims = [6, 3]},
                  %g: tensor<48xi32> {onnx.name = "g", onnx.dims = [48]})
      -> (tensor<?x6xf32> {onnx.name = "y", onnx.dims = ["b", 6]}) {
    %none = onnx.None : none
    // expected-error @below {{an order of the rows (g_idx) is not known; weights whose blocks are in order work}}
    %y = onnx.ms.MatMulNBits(%a, %w, %s, %none, %g, %none) {K = 40 : i64, N = 6 : i64, block_size = 16 : i64}
      : (tensor<?x40xf32>, tensor<6x3x8xui8>, tensor<6x3xf32>, none, tensor<48xi32>, none) -> tensor<?x6xf32>
    return %y : tensor<?x6xf32>
  }
}
