// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// P = [1, 2, 3, 4, 5]: 100·p[t] + 10·p[t+1] + p[t+2].
// CHECK: bct#0: 1x1x3 {{\[\[}}[123, 234, 345]]]
// CHECK: bct#1: 1x1x2 {{\[\[}}[4, 5]]]
func.func @bct() -> (tensor<1x1x3xf32>, tensor<1x1x2xf32>) {
  %x = arith.constant dense<[[[3.0, 4.0, 5.0]]]> : tensor<1x1x3xf32>
  %w = arith.constant dense<[[100.0, 10.0, 1.0]]> : tensor<1x3xf32>
  %s = arith.constant dense<[[[1.0, 2.0]]]> : tensor<1x1x2xf32>
  %o = tensor.empty() : tensor<1x1x3xf32>
  %y, %s1 = hybrid.causal_conv ins(%x, %w : tensor<1x1x3xf32>, tensor<1x3xf32>)
    outs(%o, %s : tensor<1x1x3xf32>, tensor<1x1x2xf32>) -> tensor<1x1x3xf32>, tensor<1x1x2xf32>
  return %y, %s1 : tensor<1x1x3xf32>, tensor<1x1x2xf32>
}

// One step of two channels, fewer than the kernel is wide: the state moves on by
// one. Channel 0: 1 + 2·1 + 3·1 + 0.5 = 6.5; channel 1: 30·2 + 0.25 = 60.25.
// CHECK: btc#0: 1x1x2 {{\[\[}}[6.5, 60.25]]]
// CHECK: btc#1: 1x2x2 {{\[\[}}[2, 3], [20, 30]]]
func.func @btc() -> (tensor<1x1x2xf32>, tensor<1x2x2xf32>) {
  %x = arith.constant dense<[[[3.0, 30.0]]]> : tensor<1x1x2xf32>
  %w = arith.constant dense<[[1.0, 1.0, 1.0], [0.0, 0.0, 2.0]]> : tensor<2x3xf32>
  %b = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %s = arith.constant dense<[[[1.0, 2.0], [10.0, 20.0]]]> : tensor<1x2x2xf32>
  %o = tensor.empty() : tensor<1x1x2xf32>
  %y, %s1 = hybrid.causal_conv ins(%x, %w : tensor<1x1x2xf32>, tensor<2x3xf32>) bias(%b : tensor<2xf32>)
    outs(%o, %s : tensor<1x1x2xf32>, tensor<1x2x2xf32>) {layout = #hybrid.conv_layout<btc>} -> tensor<1x1x2xf32>, tensor<1x2x2xf32>
  return %y, %s1 : tensor<1x1x2xf32>, tensor<1x2x2xf32>
}

// silu(0) = 0, silu(ln 3) = ln 3 · 3/4 = 0.823959.
// CHECK: silu#0: 1x1x2 {{\[\[}}[0, 0.823959]]]
func.func @silu() -> tensor<1x1x2xf32> {
  %x = arith.constant dense<[[[0.0, 1.09861228]]]> : tensor<1x1x2xf32>
  %w = arith.constant dense<1.0> : tensor<1x1xf32>
  %s = tensor.empty() : tensor<1x1x0xf32>
  %o = tensor.empty() : tensor<1x1x2xf32>
  %y, %s1 = hybrid.causal_conv ins(%x, %w : tensor<1x1x2xf32>, tensor<1x1xf32>)
    outs(%o, %s : tensor<1x1x2xf32>, tensor<1x1x0xf32>) {activation = #hybrid.activation<silu>} -> tensor<1x1x2xf32>, tensor<1x1x0xf32>
  return %y : tensor<1x1x2xf32>
}
