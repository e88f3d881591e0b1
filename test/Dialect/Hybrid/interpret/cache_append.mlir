// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// CHECK: append#0: 1x2x3x1 {{\[\[\[}}[-1], [1], [3]], {{\[}}[-1], [2], [4]]]]
func.func @append() -> tensor<1x2x3x1xf32> {
  %c1 = arith.constant 1 : index
  %x = arith.constant dense<[[[[1.0], [2.0]], [[3.0], [4.0]]]]> : tensor<1x2x2x1xf32>
  %c = arith.constant dense<-1.0> : tensor<1x2x3x1xf32>
  %r = hybrid.cache_append ins(%x : tensor<1x2x2x1xf32>) at(%c1) outs(%c : tensor<1x2x3x1xf32>)
    {layout = #hybrid.layout<bthd>} -> tensor<1x2x3x1xf32>
  return %r : tensor<1x2x3x1xf32>
}

// CHECK: positions#0: 2x1x3x1 {{\[\[\[}}[-1], [-1], [1]]], {{\[\[}}[-1], [2], [-1]]]]
func.func @positions() -> tensor<2x1x3x1xf32> {
  %c1 = arith.constant 1 : index
  %ps = arith.constant dense<[1, 0]> : tensor<2xi64>
  %x = arith.constant dense<[[[[1.0]]], [[[2.0]]]]> : tensor<2x1x1x1xf32>
  %c = arith.constant dense<-1.0> : tensor<2x1x3x1xf32>
  %r = hybrid.cache_append ins(%x : tensor<2x1x1x1xf32>) at(%c1) positions(%ps : tensor<2xi64>) outs(%c : tensor<2x1x3x1xf32>)
    -> tensor<2x1x3x1xf32>
  return %r : tensor<2x1x3x1xf32>
}

// Positions 1 to 5, of which 1 is a sink, and 3 … 5 are the last three: slots
// 1 + (p - 2) mod 3 behind the sinks 0 and 1.

// CHECK: ring#0: 1x1x5x1 {{\[\[\[}}[-1], [1], [5], [3], [4]]]]
func.func @ring() -> tensor<1x1x5x1xf32> {
  %c1 = arith.constant 1 : index
  %x = arith.constant dense<[[[[1.0], [2.0], [3.0], [4.0], [5.0]]]]> : tensor<1x1x5x1xf32>
  %c = arith.constant dense<-1.0> : tensor<1x1x5x1xf32>
  %r = hybrid.cache_append ins(%x : tensor<1x1x5x1xf32>) at(%c1) outs(%c : tensor<1x1x5x1xf32>)
    {ring, sink_prefix = 2 : i64} -> tensor<1x1x5x1xf32>
  return %r : tensor<1x1x5x1xf32>
}
