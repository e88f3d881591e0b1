// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --verify-diagnostics

module attributes {onnx.opsets = {ai.onnx = 21 : i64}} {
func.func @contraction(%a: tensor<?x3xf32> {onnx.dims = ["n", 3]}, %b: tensor<4x5xf32>) {
  // expected-error @+1 {{(MatMul, operator set 21) on [n, 3], [4, 5]: contracted dimensions must be equal: 3 and 4}}
  %0 = onnx.MatMul(%a, %b) : (tensor<?x3xf32>, tensor<4x5xf32>) -> tensor<*xf32>
  return
}
}

// -----

func.func @broadcast(%a: tensor<3xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{dimensions of the operands must be equal: 3 and 4}}
  %0 = onnx.Add(%a, %b) : (tensor<3xf32>, tensor<4xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @lying_declaration(%a: tensor<3x4xf32>) {
  // expected-error @+1 {{the file declares 'tensor<3x5xf32>' for output 0, but dimension 1 is 4}}
  %0 = onnx.Relu(%a) : (tensor<3x4xf32>) -> tensor<3x5xf32>
  // expected-error @+1 {{the file declares 'tensor<3xf32>' for output 0, but the operator gives rank 2}}
  %1 = onnx.Exp(%a) : (tensor<3x4xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @reshape(%a: tensor<3x4xf32>) {
  %shape = onnx.Constant dense<[5, 2]> : tensor<2xi64>
  // expected-error @+1 {{on [3, 4], [2]: numbers of elements must be equal: 12 and 10}}
  %0 = onnx.Reshape(%a, %shape) : (tensor<3x4xf32>, tensor<2xi64>) -> tensor<*xf32>
  return
}

// -----

func.func @axis(%a: tensor<3x4xf32>) {
  // expected-error @+1 {{axis 2 is out of range for rank 2}}
  %0 = onnx.Gather(%a, %a) {axis = 2 : i64} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @permutation(%a: tensor<3x4xf32>) {
  // expected-error @+1 {{perm is no permutation of 2 axes}}
  %0 = onnx.Transpose(%a) {perm = array<i64: 0, 0>} : (tensor<3x4xf32>) -> tensor<*xf32>
  return
}

// -----

func.func @heads(%a: tensor<1x3x16xf32>) {
  %none = onnx.None : none
  // expected-error @+1 {{with operands of rank 3, q_num_heads and kv_num_heads must be positive}}
  %0:4 = onnx.Attention(%a, %a, %a, %none, %none, %none, %none)
      : (tensor<1x3x16xf32>, tensor<1x3x16xf32>, tensor<1x3x16xf32>, none, none, none, none)
      -> (tensor<*xf32>, none, none, none)
  return
}
