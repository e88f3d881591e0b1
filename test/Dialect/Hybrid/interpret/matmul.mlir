// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// Columns 0 and 1 lie in the first panel, column 2 in the second, which is filled up.
// CHECK: panels#0: 2x3 {{\[}}[21, 42, 3], [43, 86, 7]]
func.func @panels() -> tensor<2x3xf32> {
  %x = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %w = arith.constant dense<[[[1.0, 2.0], [10.0, 20.0]], [[1.0, 0.0], [1.0, 0.0]]]> : tensor<2x2x2xf32>
  %o = tensor.empty() : tensor<2x3xf32>
  %r = hybrid.matmul ins(%x, %w : tensor<2x2xf32>, tensor<2x2x2xf32>) outs(%o : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}
