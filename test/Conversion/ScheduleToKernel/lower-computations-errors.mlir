// RUN: hybrid-opt %s --hybrid-lower-computations --split-input-file --verify-diagnostics

func.func @tensors(%x: tensor<8xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{has to be bufferised before it can become loops}}
  %0 = hybrid.cumsum ins(%x : tensor<8xf32>) outs(%o : tensor<8xf32>) {axis = 0 : i64} -> tensor<8xf32>
  return %0 : tensor<8xf32>
}
