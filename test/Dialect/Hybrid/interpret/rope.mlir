// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// A quarter turn takes (x1, x2) to (-x2, x1); pairs are (1, 3) and (2, 4), 5 stays.
// Position 1 turns, position 0 does not.
// CHECK: halves#0: 1x1x2x5 {{\[\[\[}}[-3, -4, 1, 2, 5], [1, 2, 3, 4, 5]]]]
func.func @halves() -> tensor<1x1x2x5xf32> {
  %x = arith.constant dense<[[[[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]]]]> : tensor<1x1x2x5xf32>
  %cos = arith.constant dense<[[1.0, 1.0], [0.0, 0.0]]> : tensor<2x2xf32>
  %sin = arith.constant dense<[[0.0, 0.0], [1.0, 1.0]]> : tensor<2x2xf32>
  %p = arith.constant dense<[[1, 0]]> : tensor<1x2xi64>
  %o = tensor.empty() : tensor<1x1x2x5xf32>
  %r = hybrid.rope ins(%x, %cos, %sin : tensor<1x1x2x5xf32>, tensor<2x2xf32>, tensor<2x2xf32>)
    positions(%p : tensor<1x2xi64>) outs(%o : tensor<1x1x2x5xf32>) {rotary_dim = 4 : i64} -> tensor<1x1x2x5xf32>
  return %r : tensor<1x1x2x5xf32>
}

// Pairs (1, 2) and (3, 4); the second time step turns by cos 0.6, sin 0.8.
// CHECK: interleaved#0: 1x2x1x4 {{\[\[\[}}[1, 2, 3, 4]], {{\[}}[-1, 2, -1.4, 4.8]]]]
func.func @interleaved() -> tensor<1x2x1x4xf64> {
  %x = arith.constant dense<[[[[1.0, 2.0, 3.0, 4.0]], [[1.0, 2.0, 3.0, 4.0]]]]> : tensor<1x2x1x4xf64>
  %cos = arith.constant dense<[[[1.0, 1.0], [0.6, 0.6]]]> : tensor<1x2x2xf64>
  %sin = arith.constant dense<[[[0.0, 0.0], [0.8, 0.8]]]> : tensor<1x2x2xf64>
  %o = tensor.empty() : tensor<1x2x1x4xf64>
  %r = hybrid.rope ins(%x, %cos, %sin : tensor<1x2x1x4xf64>, tensor<1x2x2xf64>, tensor<1x2x2xf64>)
    outs(%o : tensor<1x2x1x4xf64>) {interleaved, rotary_dim = 4 : i64, layout = #hybrid.layout<bthd>} -> tensor<1x2x1x4xf64>
  return %r : tensor<1x2x1x4xf64>
}
