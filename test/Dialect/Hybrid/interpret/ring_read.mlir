// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// Two sinks and a window of three. After 6 positions 0, 1, 3, 4, 5 are kept;
// position 5 lies where 2 lay. After 1 position only that one is.

// CHECK: behind#0: 2x1x7x1 {{\[\[\[}}[0], [1], [3], [4], [5], [6], [7]]], {{\[\[\[}}10], [11], [12], [0], [0], [0], [0]]]]
func.func @behind() -> tensor<2x1x7x1xf32> {
  %ps = arith.constant dense<[6, 1]> : tensor<2xi64>
  %ring = arith.constant dense<[[[[0.0], [1.0], [5.0], [3.0], [4.0]]], [[[10.0], [-1.0], [-1.0], [-1.0], [-1.0]]]]> : tensor<2x1x5x1xf32>
  %x = arith.constant dense<[[[[6.0]], [[7.0]]], [[[11.0]], [[12.0]]]]> : tensor<2x2x1x1xf32>
  %o = tensor.empty() : tensor<2x1x7x1xf32>
  %r = hybrid.ring_read ins(%ring, %x : tensor<2x1x5x1xf32>, tensor<2x2x1x1xf32>) positions(%ps : tensor<2xi64>) outs(%o : tensor<2x1x7x1xf32>)
    {layout = #hybrid.layout<bthd>, sink_prefix = 2 : i64} -> tensor<2x1x7x1xf32>
  return %r : tensor<2x1x7x1xf32>
}
