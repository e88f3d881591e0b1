// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// sigmoid(0) = ½ and sigmoid(ln 3) = ¾. Norm first: [1, -1]·2·[½, ¾]. Gate first:
// [10, -10]·[½, ¾] = [5, -7.5], divided by sqrt((25 + 56.25)/2), times 2.
// CHECK: orders#0: 2 [1, -1.5]
// CHECK: orders#1: 2 [1.56893, -2.35339]
func.func @orders() -> (tensor<2xf64>, tensor<2xf64>) {
  %x = arith.constant dense<[10.0, -10.0]> : tensor<2xf64>
  %z = arith.constant dense<[0.0, 1.0986122886681098]> : tensor<2xf64>
  %w = arith.constant dense<2.0> : tensor<2xf64>
  %o = tensor.empty() : tensor<2xf64>
  %n = hybrid.gated_norm norm_first ins(%x, %z : tensor<2xf64>, tensor<2xf64>) scale(%w : tensor<2xf64>)
    outs(%o : tensor<2xf64>) {activation = #hybrid.activation<sigmoid>, epsilon = 0.0 : f64} -> tensor<2xf64>
  %g = hybrid.gated_norm gate_first ins(%x, %z : tensor<2xf64>, tensor<2xf64>) scale(%w : tensor<2xf64>)
    outs(%o : tensor<2xf64>) {activation = #hybrid.activation<sigmoid>, epsilon = 0.0 : f64} -> tensor<2xf64>
  return %n, %g : tensor<2xf64>, tensor<2xf64>
}

// Two groups of two with one scale for both; silu(ln 3) = 0.823959.
// CHECK: groups#0: 4 [0.823959, -8.23959, 0.823959, 8.23959]
func.func @groups() -> tensor<4xf64> {
  %x = arith.constant dense<[5.0, -5.0, 2.0, 2.0]> : tensor<4xf64>
  %z = arith.constant dense<1.0986122886681098> : tensor<4xf64>
  %w = arith.constant dense<[1.0, 10.0]> : tensor<2xf64>
  %o = tensor.empty() : tensor<4xf64>
  %n = hybrid.gated_norm norm_first ins(%x, %z : tensor<4xf64>, tensor<4xf64>) scale(%w : tensor<2xf64>)
    outs(%o : tensor<4xf64>) {activation = #hybrid.activation<silu>, epsilon = 0.0 : f64, group_size = 2 : i64} -> tensor<4xf64>
  return %n : tensor<4xf64>
}
