// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// mean(x²) = 25: divide by 5.
// CHECK: rms#0: 1x4 {{\[}}[1, -1.4, 0.2, 1]]
func.func @rms() -> tensor<1x4xf64> {
  %x = arith.constant dense<[[5.0, -7.0, 1.0, 5.0]]> : tensor<1x4xf64>
  %o = tensor.empty() : tensor<1x4xf64>
  %r = hybrid.norm rms ins(%x : tensor<1x4xf64>) outs(%o : tensor<1x4xf64>) {axis = 1 : i64, epsilon = 0.0 : f64} -> tensor<1x4xf64>
  return %r : tensor<1x4xf64>
}

// Mean 3, variance 4: [-1, 1], times 3 or (zero-centred) 4, plus 10.
// CHECK: layer#0: 2x2 {{\[}}[7, 13], [7, 13]]
// CHECK: layer#1: 2x2 {{\[}}[-4, 4], [-4, 4]]
func.func @layer() -> (tensor<2x2xf64>, tensor<2x2xf64>) {
  %x = arith.constant dense<[[1.0, 5.0], [1.0, 5.0]]> : tensor<2x2xf64>
  %w = arith.constant dense<3.0> : tensor<2xf64>
  %b = arith.constant dense<10.0> : tensor<1xf64>
  %o = tensor.empty() : tensor<2x2xf64>
  %r = hybrid.norm layer ins(%x : tensor<2x2xf64>) scale(%w : tensor<2xf64>) bias(%b : tensor<1xf64>)
    outs(%o : tensor<2x2xf64>) {axis = 1 : i64, epsilon = 0.0 : f64} -> tensor<2x2xf64>
  // Over both dimensions the statistics are the same here.
  %z = hybrid.norm layer ins(%x : tensor<2x2xf64>) scale(%w : tensor<2xf64>)
    outs(%o : tensor<2x2xf64>) {axis = 0 : i64, epsilon = 0.0 : f64, zero_centered} -> tensor<2x2xf64>
  return %r, %z : tensor<2x2xf64>, tensor<2x2xf64>
}

// Groups of two: each is divided by its own root mean square, 5 and 1; epsilon
// of 24 makes sqrt(25 + 24) = 7 and sqrt(1 + 24) = 5 of it.
// CHECK: groups#0: 4 [1, -1, 1, 1]
// CHECK: groups#1: 4 [0.714286, -0.714286, 0.2, 0.2]
func.func @groups() -> (tensor<4xf64>, tensor<4xf64>) {
  %x = arith.constant dense<[5.0, -5.0, 1.0, 1.0]> : tensor<4xf64>
  %o = tensor.empty() : tensor<4xf64>
  %r = hybrid.norm rms ins(%x : tensor<4xf64>) outs(%o : tensor<4xf64>) {axis = 0 : i64, epsilon = 0.0 : f64, group_size = 2 : i64} -> tensor<4xf64>
  %e = hybrid.norm rms ins(%x : tensor<4xf64>) outs(%o : tensor<4xf64>) {axis = 0 : i64, epsilon = 24.0 : f64, group_size = 2 : i64} -> tensor<4xf64>
  return %r, %e : tensor<4xf64>, tensor<4xf64>
}

// 7/5 and 1/5 are no bf16 numbers: they are rounded to 1.3984375 and 0.2001953125
// before they are scaled by 1024.
// CHECK: rounded#0: 4 [1024, -1432, 205, 1024]
func.func @rounded() -> tensor<4xbf16> {
  %x = arith.constant dense<[5.0, -7.0, 1.0, 5.0]> : tensor<4xbf16>
  %w = arith.constant dense<1024.0> : tensor<4xf32>
  %o = tensor.empty() : tensor<4xbf16>
  %r = hybrid.norm rms ins(%x : tensor<4xbf16>) scale(%w : tensor<4xf32>)
    outs(%o : tensor<4xbf16>) {axis = 0 : i64, epsilon = 0.0 : f64} -> tensor<4xbf16>
  return %r : tensor<4xbf16>
}
