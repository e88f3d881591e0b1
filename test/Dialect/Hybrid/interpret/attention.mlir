// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// Queries of zero make all visible keys equally probable.

// CHECK: causal#0: 1x1x3x1 {{\[\[\[}}[2], [3], [4]]]]
func.func @causal() -> tensor<1x1x3x1xf32> {
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %q = arith.constant dense<0.0> : tensor<1x1x3x1xf32>
  %v = arith.constant dense<[[[[2.0], [4.0], [6.0], [100.0]]]]> : tensor<1x1x4x1xf32>
  %o = tensor.empty() : tensor<1x1x3x1xf32>
  %r = hybrid.attention ins(%q, %v, %v : tensor<1x1x3x1xf32>, tensor<1x1x4x1xf32>, tensor<1x1x4x1xf32>)
         kv_length(%c3) q_offset(%c0) outs(%o : tensor<1x1x3x1xf32>) {causal, scale = 1.0 : f64} -> tensor<1x1x3x1xf32>
  return %r : tensor<1x1x3x1xf32>
}

// Two query heads on one key head; key 0 scores ln 3 and key 1 scores 0, times
// 1 for head 0 and 0 for head 1: (3·8 + 1·4)/4 and (8 + 4)/2.
// CHECK: grouped#0: 1x2x1x1 {{\[\[\[}}[7]], {{\[}}[6]]]]
func.func @grouped() -> tensor<1x2x1x1xf64> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %q = arith.constant dense<[[[[1.0]], [[0.0]]]]> : tensor<1x2x1x1xf64>
  %k = arith.constant dense<[[[[2.1972245773362196], [0.0]]]]> : tensor<1x1x2x1xf64>
  %v = arith.constant dense<[[[[8.0], [4.0]]]]> : tensor<1x1x2x1xf64>
  %o = tensor.empty() : tensor<1x2x1x1xf64>
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x2x1x1xf64>, tensor<1x1x2x1xf64>, tensor<1x1x2x1xf64>)
         kv_length(%c2) q_offset(%c0) outs(%o : tensor<1x2x1x1xf64>) {scale = 0.5 : f64} -> tensor<1x2x1x1xf64>
  return %r : tensor<1x2x1x1xf64>
}

// Time before heads. Query 4 + i sees keys 4+i-1 … 4+i, and key 0: (1+4+5)/3,
// (1+5+6)/3 of values 1, 2, ….
// CHECK: window#0: 1x2x1x1 {{\[\[\[}}[3.33333]], {{\[}}[4]]]]
func.func @window() -> tensor<1x2x1x1xf32> {
  %c4 = arith.constant 4 : index
  %c6 = arith.constant 6 : index
  %q = arith.constant dense<0.0> : tensor<1x2x1x1xf32>
  %v = arith.constant dense<[[[[1.0]], [[2.0]], [[3.0]], [[4.0]], [[5.0]], [[6.0]]]]> : tensor<1x6x1x1xf32>
  %o = tensor.empty() : tensor<1x2x1x1xf32>
  %r = hybrid.attention ins(%q, %v, %v : tensor<1x2x1x1xf32>, tensor<1x6x1x1xf32>, tensor<1x6x1x1xf32>)
         kv_length(%c6) q_offset(%c4) outs(%o : tensor<1x2x1x1xf32>)
         {scale = 1.0 : f64, window_left = 1 : i64, window_right = 0 : i64, sink_prefix = 1 : i64,
          q_layout = #hybrid.layout<bthd>, kv_layout = #hybrid.layout<bthd>} -> tensor<1x2x1x1xf32>
  return %r : tensor<1x2x1x1xf32>
}

// A boolean mask of one row: keys 0 and 2, and nothing beyond its end; the
// second query has no key.
// CHECK: masked#0: 1x1x2x1 {{\[\[\[}}[3], [0]]]]
func.func @masked() -> tensor<1x1x2x1xf32> {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %q = arith.constant dense<0.0> : tensor<1x1x2x1xf32>
  %v = arith.constant dense<[[[[1.0], [2.0], [5.0], [100.0]]]]> : tensor<1x1x4x1xf32>
  %m = arith.constant dense<[[true, false, true], [false, false, false]]> : tensor<2x3xi1>
  %o = tensor.empty() : tensor<1x1x2x1xf32>
  %r = hybrid.attention ins(%q, %v, %v : tensor<1x1x2x1xf32>, tensor<1x1x4x1xf32>, tensor<1x1x4x1xf32>)
         mask(%m : tensor<2x3xi1>)
         kv_length(%c4) q_offset(%c0) outs(%o : tensor<1x1x2x1xf32>) {scale = 1.0 : f64} -> tensor<1x1x2x1xf32>
  return %r : tensor<1x1x2x1xf32>
}

// The sink of head 0 has the weight of one key, the others' sum is 6 of 3 keys;
// head 1's has none.
// CHECK: sinks#0: 1x2x1x1 {{\[\[\[}}[1.5]], {{\[}}[2]]]]
func.func @sinks() -> tensor<1x2x1x1xf32> {
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %q = arith.constant dense<0.0> : tensor<1x2x1x1xf32>
  %v = arith.constant dense<[[[[1.0], [2.0], [3.0]]]]> : tensor<1x1x3x1xf32>
  %s = arith.constant dense<[0.0, 0xFF800000]> : tensor<2xf32>
  %o = tensor.empty() : tensor<1x2x1x1xf32>
  %r = hybrid.attention ins(%q, %v, %v : tensor<1x2x1x1xf32>, tensor<1x1x3x1xf32>, tensor<1x1x3x1xf32>)
         sinks(%s : tensor<2xf32>)
         kv_length(%c3) q_offset(%c0) outs(%o : tensor<1x2x1x1xf32>) {scale = 1.0 : f64} -> tensor<1x2x1x1xf32>
  return %r : tensor<1x2x1x1xf32>
}

// Two queries at the end of sequences of 2 and 4: they see 1, 2 and 3, 4 keys.
// CHECK: lengths#0: 2x1x2x1 {{\[\[\[}}[1], [1.5]]], {{\[\[}}[2], [2.5]]]]
func.func @lengths() -> tensor<2x1x2x1xf32> {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %q = arith.constant dense<0.0> : tensor<2x1x2x1xf32>
  %v = arith.constant dense<[[[[1.0], [2.0], [3.0], [4.0]]], [[[1.0], [2.0], [3.0], [4.0]]]]> : tensor<2x1x4x1xf32>
  %l = arith.constant dense<[2, 4]> : tensor<2xi64>
  %o = tensor.empty() : tensor<2x1x2x1xf32>
  %r = hybrid.attention ins(%q, %v, %v : tensor<2x1x2x1xf32>, tensor<2x1x4x1xf32>, tensor<2x1x4x1xf32>)
         lengths(%l : tensor<2xi64>)
         kv_length(%c4) q_offset(%c0) outs(%o : tensor<2x1x2x1xf32>) {causal, scale = 1.0 : f64} -> tensor<2x1x2x1xf32>
  return %r : tensor<2x1x2x1xf32>
}

// 2·tanh(s/2) of scores ±1e9 is ±2; a mask of -4 and 0 makes them -2 and -2.
// CHECK: softcap#0: 1x1x1x1 {{\[\[\[}}[5]]]]
func.func @softcap() -> tensor<1x1x1x1xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %q = arith.constant dense<1.0> : tensor<1x1x1x1xf32>
  %k = arith.constant dense<[[[[1.0], [-1.0]]]]> : tensor<1x1x2x1xf32>
  %v = arith.constant dense<[[[[4.0], [6.0]]]]> : tensor<1x1x2x1xf32>
  %m = arith.constant dense<[-4.0, 0.0]> : tensor<2xf32>
  %o = tensor.empty() : tensor<1x1x1x1xf32>
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x1x1x1xf32>, tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32>)
         mask(%m : tensor<2xf32>)
         kv_length(%c2) q_offset(%c0) outs(%o : tensor<1x1x1x1xf32>) {scale = 1.0e9 : f64, softcap = 2.0 : f64} -> tensor<1x1x1x1xf32>
  return %r : tensor<1x1x1x1xf32>
}

// A query that sees no key, as it is and with the mean of all values, those
// that attributes hide among them.

// CHECK: blind#0: 1x1x2x1 {{\[}}{{\[}}{{\[}}[0], [2]]]]
// CHECK: blind#1: 1x1x2x1 {{\[}}{{\[}}{{\[}}[2.5], [2]]]]
func.func @blind() -> (tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32>) {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %q = arith.constant dense<1.0> : tensor<1x1x2x1xf32>
  %v = arith.constant dense<[[[[1.0], [2.0], [3.0], [4.0]]]]> : tensor<1x1x4x1xf32>
  %m = arith.constant dense<[[[[false, true, true, true]]]]> : tensor<1x1x1x4xi1>
  %o = tensor.empty() : tensor<1x1x2x1xf32>
  %0 = hybrid.attention ins(%q, %v, %v : tensor<1x1x2x1xf32>, tensor<1x1x4x1xf32>, tensor<1x1x4x1xf32>)
         mask(%m : tensor<1x1x1x4xi1>)
         kv_length(%c4) q_offset(%c0) outs(%o : tensor<1x1x2x1xf32>) {causal, scale = 1.0 : f64} -> tensor<1x1x2x1xf32>
  %1 = hybrid.attention ins(%q, %v, %v : tensor<1x1x2x1xf32>, tensor<1x1x4x1xf32>, tensor<1x1x4x1xf32>)
         mask(%m : tensor<1x1x1x4xi1>)
         kv_length(%c4) q_offset(%c0) outs(%o : tensor<1x1x2x1xf32>) {causal, empty_is_mean, scale = 1.0 : f64} -> tensor<1x1x2x1xf32>
  return %0, %1 : tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32>
}
