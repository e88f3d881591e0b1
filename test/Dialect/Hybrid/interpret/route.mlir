// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// The larger one first, of equal ones the lower number; what is no number last.

// CHECK: order#0: 3x2 {{\[}}[1, 3], [0, 1], [2, 0]]
// CHECK: order#1: 3x2 {{\[}}[4, 3], [2, 2], [5, -1]]
func.func @order() -> (tensor<3x2xi64>, tensor<3x2xf32>) {
  %l = arith.constant dense<[[1.0, 4.0, 2.0, 3.0], [2.0, 2.0, 2.0, 2.0], [-1.0, 0x7FC00000, 5.0, 0xFF800000]]> : tensor<3x4xf32>
  %e = tensor.empty() : tensor<3x2xi64>
  %w = tensor.empty() : tensor<3x2xf32>
  %r:2 = hybrid.route identity ins(%l : tensor<3x4xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>) -> tensor<3x2xi64>, tensor<3x2xf32>
  return %r#0, %r#1 : tensor<3x2xi64>, tensor<3x2xf32>
}

// The bias chooses, the scores weigh: sigmoids 0.5 and 0.5 of 1 + 1 and scale 3;
// softmax of equal logits.

// CHECK: weights#0: 1x2 {{\[}}[2, 0]]
// CHECK: weights#1: 1x2 {{\[}}[0.75, 0.75]]
// CHECK: weights#2: 1x2 {{\[}}[0.25, 0.25]]
// CHECK: weights#3: 1x2 {{\[}}[0.5, 0.5]]
func.func @weights() -> (tensor<1x2xi64>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>) {
  %l = arith.constant dense<0.0> : tensor<1x4xf32>
  %b = arith.constant dense<[0.5, -1.0, 2.0, 0.25]> : tensor<4xf32>
  %e = tensor.empty() : tensor<1x2xi64>
  %w = tensor.empty() : tensor<1x2xf32>
  %0:2 = hybrid.route sigmoid ins(%l : tensor<1x4xf32>) bias(%b : tensor<4xf32>) outs(%e, %w : tensor<1x2xi64>, tensor<1x2xf32>)
           {epsilon = 1.0 : f64, scale = 3.0 : f64, weight = #hybrid.route_weight<share>} -> tensor<1x2xi64>, tensor<1x2xf32>
  %1:2 = hybrid.route softmax ins(%l : tensor<1x4xf32>) outs(%e, %w : tensor<1x2xi64>, tensor<1x2xf32>) -> tensor<1x2xi64>, tensor<1x2xf32>
  %2:2 = hybrid.route identity ins(%l : tensor<1x4xf32>) outs(%e, %w : tensor<1x2xi64>, tensor<1x2xf32>)
           {weight = #hybrid.route_weight<softmax>} -> tensor<1x2xi64>, tensor<1x2xf32>
  return %0#0, %0#1, %1#1, %2#1 : tensor<1x2xi64>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>
}

// Of three groups of two experts, two are chosen: by the sum of both experts
// [3, 2], [4, -9], [2, 2] the first and the last, by the better one (4, 3) the
// first two. An expert that is hidden may be chosen by the number it has then,
// and weighs what it had; of equal groups the first ones are chosen.

// CHECK: groups#0: 3x2 {{\[}}[0, 1], [0, 1], [4, 2]]
// CHECK: groups#1: 3x2 {{\[}}[2, 0], [0, 1], [4, 2]]
// CHECK: groups#2: 3x2 {{\[}}[0, 2], [2, 3], [4, 0]]
// CHECK: groups#3: 3x2 {{\[}}[3, 4], [1, 1], [7, 5]]
func.func @groups() -> (tensor<3x2xi64>, tensor<3x2xi64>, tensor<3x2xi64>, tensor<3x2xf32>) {
  %l = arith.constant dense<[[3.0, 2.0, 4.0, -9.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0], [5.0, 0x7FC00000, 6.0, -7.0, 7.0, 1.0]]> : tensor<3x6xf32>
  %e = tensor.empty() : tensor<3x2xi64>
  %w = tensor.empty() : tensor<3x2xf32>
  %0:2 = hybrid.route identity ins(%l : tensor<3x6xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>)
           {chosen_groups = 2 : i64, group_best = 2 : i64, groups = 3 : i64} -> tensor<3x2xi64>, tensor<3x2xf32>
  %1:2 = hybrid.route identity ins(%l : tensor<3x6xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>)
           {chosen_groups = 2 : i64, groups = 3 : i64} -> tensor<3x2xi64>, tensor<3x2xf32>
  %2:2 = hybrid.route identity ins(%l : tensor<3x6xf32>) outs(%e, %w : tensor<3x2xi64>, tensor<3x2xf32>)
           {chosen_groups = 1 : i64, group_best = 2 : i64, groups = 3 : i64, others = 2.5 : f64} -> tensor<3x2xi64>, tensor<3x2xf32>
  return %0#0, %1#0, %2#0, %2#1 : tensor<3x2xi64>, tensor<3x2xi64>, tensor<3x2xi64>, tensor<3x2xf32>
}
