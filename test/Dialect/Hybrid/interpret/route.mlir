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
