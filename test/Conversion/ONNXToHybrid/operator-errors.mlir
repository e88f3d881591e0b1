// RUN: hybrid-opt %s --split-input-file --convert-onnx-to-hybrid --verify-diagnostics

// An axis must be known at compile time.
module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<8x4xf32> {onnx.name = "x", onnx.dims = [8, 4]}, %a: tensor<i64> {onnx.name = "a", onnx.dims = []})
      -> (tensor<8x4xf32> {onnx.name = "y", onnx.dims = [8, 4]}) {
    // expected-error @below {{its input axis is not a constant; an axis known at compile time works}}
    %y = onnx.CumSum(%x, %a) : (tensor<8x4xf32>, tensor<i64>) -> tensor<8x4xf32>
    return %y : tensor<8x4xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<8x4xf32> {onnx.name = "x", onnx.dims = [8, 4]})
      -> (tensor<8x4xf32> {onnx.name = "y", onnx.dims = [8, 4]}) {
    // expected-error @below {{axis 2 is outside a tensor of rank 2}}
    %y = onnx.Softmax(%x) {axis = 2 : i64} : (tensor<8x4xf32>) -> tensor<8x4xf32>
    return %y : tensor<8x4xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<8xf32> {onnx.name = "x", onnx.dims = [8]})
      -> (tensor<10xf32> {onnx.name = "y", onnx.dims = [10]}) {
    %none = onnx.None : none
    %p = onnx.Constant dense<1> : tensor<2xi64>
    // expected-error @below {{mode is "mirror"; "constant", "reflect", "edge" and "wrap" work}}
    %y = onnx.Pad(%x, %p, %none, %none) {mode = "mirror"} : (tensor<8xf32>, tensor<2xi64>, none, none) -> tensor<10xf32>
    return %y : tensor<10xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<8xf32> {onnx.name = "x", onnx.dims = [8]})
      -> (tensor<8xf32> {onnx.name = "y", onnx.dims = [8]}) {
    // expected-error @below {{no conversion from f32 to f8E4M3FN; f16, bf16, f32, f64, bool and integers of 8 to 64 bits work}}
    %c = onnx.Cast(%x) {to = 17 : i64} : (tensor<8xf32>) -> tensor<8xf8E4M3FN>
    %y = onnx.Cast(%c) {to = 1 : i64} : (tensor<8xf8E4M3FN>) -> tensor<8xf32>
    return %y : tensor<8xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<8xui8> {onnx.name = "x", onnx.dims = [8]})
      -> (tensor<8xui8> {onnx.name = "y", onnx.dims = [8]}) {
    // expected-error @below {{direction is "UP"; "LEFT" and "RIGHT" work}}
    %y = onnx.BitShift(%x, %x) {direction = "UP"} : (tensor<8xui8>, tensor<8xui8>) -> tensor<8xui8>
    return %y : tensor<8xui8>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<8xi64> {onnx.name = "x", onnx.dims = [8]})
      -> (tensor<8xi64> {onnx.name = "y", onnx.dims = [8]}) {
    // expected-error @below {{an input has an element type that the operator doesn't take; float inputs work}}
    %y = onnx.Exp(%x) : (tensor<8xi64>) -> tensor<8xi64>
    return %y : tensor<8xi64>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<8xf32> {onnx.name = "x", onnx.dims = [8]}, %h: tensor<8xf16> {onnx.name = "h", onnx.dims = [8]})
      -> (tensor<8xf32> {onnx.name = "y", onnx.dims = [8]}) {
    // expected-error @below {{the inputs' element types differ; insert a Cast}}
    %y = onnx.Add(%x, %h) : (tensor<8xf32>, tensor<8xf16>) -> tensor<8xf32>
    return %y : tensor<8xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<8xf32> {onnx.name = "x", onnx.dims = [8]}, %i: tensor<2x1xi64> {onnx.name = "i", onnx.dims = [2, 1]}, %u: tensor<2xf32> {onnx.name = "u", onnx.dims = [2]})
      -> (tensor<8xf32> {onnx.name = "y", onnx.dims = [8]}) {
    // expected-error @below {{reduction is "xor"; "none", "add", "mul", "min" and "max" work}}
    %y = onnx.ScatterND(%x, %i, %u) {reduction = "xor"} : (tensor<8xf32>, tensor<2x1xi64>, tensor<2xf32>) -> tensor<8xf32>
    return %y : tensor<8xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<8xf32> {onnx.name = "x", onnx.dims = [8]}, %t: tensor<i1> {onnx.name = "t", onnx.dims = []})
      -> (tensor<8xf32> {onnx.name = "y", onnx.dims = [8]}) {
    %none = onnx.None : none
    // expected-error @below {{training_mode is not a constant false; export the model for inference}}
    %y, %m = onnx.Dropout(%x, %none, %t) : (tensor<8xf32>, none, tensor<i1>) -> (tensor<8xf32>, none)
    return %y : tensor<8xf32>
  }
}

// -----

module attributes {onnx.opsets = {ai.onnx = 23 : i64}} {
  func.func @main(%x: tensor<?xf32> {onnx.name = "x", onnx.dims = ["n"]})
      -> (tensor<9xf32> {onnx.name = "y", onnx.dims = [9]}) {
    %k = onnx.Constant dense<9> : tensor<1xi64>
    // expected-error @below {{K = 9 may be more than the n elements}}
    %y, %i = onnx.TopK(%x, %k) : (tensor<?xf32>, tensor<1xi64>) -> (tensor<9xf32>, tensor<9xi64>)
    return %y : tensor<9xf32>
  }
}
