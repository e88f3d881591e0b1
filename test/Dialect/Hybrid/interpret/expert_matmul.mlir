// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// Numbers count from the end where negative, and are limited.

// CHECK: chosen#0: 4x2 {{\[}}[1, 2], [30, 40], [300, 400], [300, 400]]
func.func @chosen() -> tensor<4x2xf32> {
  %x = arith.constant dense<[[1.0], [10.0]]> : tensor<2x1xf32>
  %w = arith.constant dense<[[[1.0], [2.0]], [[30.0], [40.0]]]> : tensor<2x2x1xf32>
  %e = arith.constant dense<[0, -1, 7, 1]> : tensor<4xi64>
  %o = tensor.empty() : tensor<4x2xf32>
  %r = hybrid.expert_matmul ins(%x, %w : tensor<2x1xf32>, tensor<2x2x1xf32>) experts(%e : tensor<4xi64>)
         outs(%o : tensor<4x2xf32>) {chosen = 2 : i64} -> tensor<4x2xf32>
  return %r : tensor<4x2xf32>
}

// CHECK: transposed#0: 1x2 {{\[}}[7, 10]]
func.func @transposed() -> tensor<1x2xf32> {
  %x = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %w = arith.constant dense<[[[1.0, 2.0], [3.0, 4.0]]]> : tensor<1x2x2xf32>
  %e = arith.constant dense<[0]> : tensor<1xi64>
  %o = tensor.empty() : tensor<1x2xf32>
  %r = hybrid.expert_matmul ins(%x, %w : tensor<1x2xf32>, tensor<1x2x2xf32>) experts(%e : tensor<1xi64>)
         outs(%o : tensor<1x2xf32>) {transposed} -> tensor<1x2xf32>
  return %r : tensor<1x2xf32>
}
