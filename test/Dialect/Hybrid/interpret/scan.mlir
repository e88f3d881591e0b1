// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// S = 1 + 2·3 = 7, y = 7·1; S = 7 + 1·4 = 11, y = 11·2; times scale 0.5.
// CHECK: linear#0: 1x2x1x1 {{\[\[\[}}[3.5]], {{\[}}[11]]]]
// CHECK: linear#1: 1x1x1x1 {{\[\[\[}}[11]]]]
func.func @linear() -> (tensor<1x2x1x1xf32>, tensor<1x1x1x1xf32>) {
  %q = arith.constant dense<[[[[1.0]], [[2.0]]]]> : tensor<1x2x1x1xf32>
  %k = arith.constant dense<[[[[2.0]], [[1.0]]]]> : tensor<1x2x1x1xf32>
  %v = arith.constant dense<[[[[3.0]], [[4.0]]]]> : tensor<1x2x1x1xf32>
  %s = arith.constant dense<1.0> : tensor<1x1x1x1xf32>
  %o = tensor.empty() : tensor<1x2x1x1xf32>
  %y, %s1 = hybrid.scan linear ins(%q, %k, %v : tensor<1x2x1x1xf32>, tensor<1x2x1x1xf32>, tensor<1x2x1x1xf32>)
    outs(%o, %s : tensor<1x2x1x1xf32>, tensor<1x1x1x1xf32>) {scale = 0.5 : f64} -> tensor<1x2x1x1xf32>, tensor<1x1x1x1xf32>
  return %y, %s1 : tensor<1x2x1x1xf32>, tensor<1x1x1x1xf32>
}

// A decay of ln 2 per key channel: rows of the state times 2 and 1, then k ⊗ v
// with k = [1, 1], v = [10, 20]: S = [[12, 24], [13, 24]]. Query [1, 0] reads
// row 0.
// CHECK: gated#0: 1x1x1x2 {{\[\[\[}}[12, 24]]]]
// CHECK: gated#1: 1x1x2x2 {{\[\[\[}}[12, 24], [13, 24]]]]
func.func @gated() -> (tensor<1x1x1x2xf64>, tensor<1x1x2x2xf64>) {
  %q = arith.constant dense<[[[[1.0, 0.0]]]]> : tensor<1x1x1x2xf64>
  %k = arith.constant dense<1.0> : tensor<1x1x1x2xf64>
  %v = arith.constant dense<[[[[10.0, 20.0]]]]> : tensor<1x1x1x2xf64>
  %g = arith.constant dense<[[[[0.69314718055994529, 0.0]]]]> : tensor<1x1x1x2xf64>
  %s = arith.constant dense<[[[[1.0, 2.0], [3.0, 4.0]]]]> : tensor<1x1x2x2xf64>
  %o = tensor.empty() : tensor<1x1x1x2xf64>
  %y, %s1 = hybrid.scan gated ins(%q, %k, %v : tensor<1x1x1x2xf64>, tensor<1x1x1x2xf64>, tensor<1x1x1x2xf64>)
    decay(%g : tensor<1x1x1x2xf64>)
    outs(%o, %s : tensor<1x1x1x2xf64>, tensor<1x1x2x2xf64>) {scale = 1.0 : f64} -> tensor<1x1x1x2xf64>, tensor<1x1x2x2xf64>
  return %y, %s1 : tensor<1x1x1x2xf64>, tensor<1x1x2x2xf64>
}

// d = ½·(10 - 3·2) = 2, S = 3 + 2·2 = 7, y = 7. With a decay of ln 2 the state is
// 6 first: d = ½·(10 - 6·2) = -1, S = 6 - 2 = 4.
// CHECK: delta#0: 1x1x1x1 {{\[\[\[}}[7]]]]
// CHECK: delta#1: 1x1x1x1 {{\[\[\[}}[4]]]]
func.func @delta() -> (tensor<1x1x1x1xf64>, tensor<1x1x1x1xf64>) {
  %q = arith.constant dense<1.0> : tensor<1x1x1x1xf64>
  %k = arith.constant dense<2.0> : tensor<1x1x1x1xf64>
  %v = arith.constant dense<10.0> : tensor<1x1x1x1xf64>
  %b = arith.constant dense<0.5> : tensor<1x1x1xf64>
  %g = arith.constant dense<0.69314718055994529> : tensor<1x1x1xf64>
  %s = arith.constant dense<3.0> : tensor<1x1x1x1xf64>
  %o = tensor.empty() : tensor<1x1x1x1xf64>
  %y, %s1 = hybrid.scan delta ins(%q, %k, %v : tensor<1x1x1x1xf64>, tensor<1x1x1x1xf64>, tensor<1x1x1x1xf64>)
    beta(%b : tensor<1x1x1xf64>)
    outs(%o, %s : tensor<1x1x1x1xf64>, tensor<1x1x1x1xf64>) {scale = 1.0 : f64} -> tensor<1x1x1x1xf64>, tensor<1x1x1x1xf64>
  %z, %s2 = hybrid.scan gated_delta ins(%q, %k, %v : tensor<1x1x1x1xf64>, tensor<1x1x1x1xf64>, tensor<1x1x1x1xf64>)
    decay(%g : tensor<1x1x1xf64>) beta(%b : tensor<1x1x1xf64>)
    outs(%o, %s : tensor<1x1x1x1xf64>, tensor<1x1x1x1xf64>) {scale = 1.0 : f64} -> tensor<1x1x1x1xf64>, tensor<1x1x1x1xf64>
  return %y, %z : tensor<1x1x1x1xf64>, tensor<1x1x1x1xf64>
}

// Four query heads 1, 2, 3, 4 on two value heads with states 10, 20 that one key
// head of zero leaves alone.
// CHECK: more_queries#0: 1x1x4x1 {{\[\[\[}}[10], [20], [60], [80]]]]
func.func @more_queries() -> tensor<1x1x4x1xf32> {
  %q = arith.constant dense<[[[[1.0], [2.0], [3.0], [4.0]]]]> : tensor<1x1x4x1xf32>
  %k = arith.constant dense<0.0> : tensor<1x1x1x1xf32>
  %v = arith.constant dense<5.0> : tensor<1x1x2x1xf32>
  %s = arith.constant dense<[[[[10.0]], [[20.0]]]]> : tensor<1x2x1x1xf32>
  %o = tensor.empty() : tensor<1x1x4x1xf32>
  %y, %s1 = hybrid.scan linear ins(%q, %k, %v : tensor<1x1x4x1xf32>, tensor<1x1x1x1xf32>, tensor<1x1x2x1xf32>)
    outs(%o, %s : tensor<1x1x4x1xf32>, tensor<1x2x1x1xf32>) {scale = 1.0 : f64} -> tensor<1x1x4x1xf32>, tensor<1x2x1x1xf32>
  return %y : tensor<1x1x4x1xf32>
}

// Two query and key heads on four value heads: states are 1, 1, 10, 10 times 1 …
// 4, read by 1, 1, 2, 2.
// CHECK: more_values#0: 1x1x4x1 {{\[\[\[}}[1], [2], [60], [80]]]]
// CHECK: more_values#1: 1x4x1x1 {{\[\[\[}}[1]], {{\[}}[2]], {{\[}}[30]], {{\[}}[40]]]]
func.func @more_values() -> (tensor<1x1x4x1xf32>, tensor<1x4x1x1xf32>) {
  %q = arith.constant dense<[[[[1.0], [2.0]]]]> : tensor<1x1x2x1xf32>
  %k = arith.constant dense<[[[[1.0], [10.0]]]]> : tensor<1x1x2x1xf32>
  %v = arith.constant dense<[[[[1.0], [2.0], [3.0], [4.0]]]]> : tensor<1x1x4x1xf32>
  %s = arith.constant dense<0.0> : tensor<1x4x1x1xf32>
  %o = tensor.empty() : tensor<1x1x4x1xf32>
  %y, %s1 = hybrid.scan linear ins(%q, %k, %v : tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32>, tensor<1x1x4x1xf32>)
    outs(%o, %s : tensor<1x1x4x1xf32>, tensor<1x4x1x1xf32>) {scale = 1.0 : f64} -> tensor<1x1x4x1xf32>, tensor<1x4x1x1xf32>
  return %y, %s1 : tensor<1x1x4x1xf32>, tensor<1x4x1x1xf32>
}
