// RUN: hybrid-opt %s --split-input-file --verify-diagnostics

func.func @initializer_i1() {
  // expected-error @+1 {{(I1) has type 'tensor<2x!onnx.String>', whose size is not known}}
  %0 = onnx.Initializer "w" <"model.onnx", 0, 8> : tensor<2x!onnx.String>
  return
}

// -----

func.func @initializer_i2() {
  // expected-error @+1 {{(I2) has a source of 8 bytes, but 'tensor<3xf32>' takes 12}}
  %0 = onnx.Initializer "w" <"model.onnx", 0, 8> : tensor<3xf32>
  return
}

// -----

func.func @missing_attribute(%x: tensor<4xf32>) {
  // expected-error @+1 {{requires attribute 'to'}}
  %0 = "onnx.Cast"(%x) : (tensor<4xf32>) -> tensor<4xf16>
  return
}

// -----

func.func @required_operand_left_out(%x: tensor<4xf32>) {
  %none = onnx.None : none
  // expected-error @+1 {{operand #1 must be tensor or opaque ONNX value, but got 'none'}}
  %0 = onnx.Add(%x, %none) : (tensor<4xf32>, none) -> tensor<4xf32>
  return
}

// -----

func.func @branch_outputs(%c: tensor<i1>, %x: tensor<4xf32>) {
  // expected-error @+1 {{has a else_branch with 0 outputs where it needs 1}}
  %0 = onnx.If(%c) : (tensor<i1>) -> tensor<4xf32> {
    onnx.Yield(%x) : tensor<4xf32>
  } else {
    onnx.Yield()
  }
  return
}

// -----

func.func @loop_inputs(%x: tensor<4xf32>) {
  %none = onnx.None : none
  // expected-error @+1 {{has a body with 2 inputs where it needs 3}}
  %0 = onnx.Loop(%none, %none, %x) : (none, none, tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>):
    onnx.Yield(%go, %x) : tensor<i1>, tensor<4xf32>
  }
  return
}

// -----

func.func @scan_inputs(%x: tensor<4xf32>) {
  // expected-error @+1 {{scans 2 of 1 inputs}}
  %0 = onnx.Scan(%x) {num_scan_inputs = 2 : i64} : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%s: tensor<f32>):
    onnx.Yield(%s) : tensor<f32>
  }
  return
}
