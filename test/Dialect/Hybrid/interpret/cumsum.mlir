// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// CHECK: running_sum#0: 4 [1, 3, 6, 10]
func.func @running_sum() -> tensor<4xf32> {
  %x = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %o = tensor.empty() : tensor<4xf32>
  %r = hybrid.cumsum ins(%x : tensor<4xf32>) outs(%o : tensor<4xf32>) {axis = 0 : i64} -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// CHECK: directions#0: 2x2 {{\[}}[0, 0], [1, 2]]
// CHECK: directions#1: 2x2 {{\[}}[3, 2], [7, 4]]
// CHECK: directions#2: 2x2 {{\[}}[3, 4], [0, 0]]
func.func @directions() -> (tensor<2x2xi64>, tensor<2x2xi64>, tensor<2x2xi64>) {
  %x = arith.constant dense<[[1, 2], [3, 4]]> : tensor<2x2xi64>
  %o = tensor.empty() : tensor<2x2xi64>
  %0 = hybrid.cumsum ins(%x : tensor<2x2xi64>) outs(%o : tensor<2x2xi64>) {axis = 0 : i64, exclusive} -> tensor<2x2xi64>
  %1 = hybrid.cumsum ins(%x : tensor<2x2xi64>) outs(%o : tensor<2x2xi64>) {axis = 1 : i64, reverse} -> tensor<2x2xi64>
  %2 = hybrid.cumsum ins(%x : tensor<2x2xi64>) outs(%o : tensor<2x2xi64>) {axis = 0 : i64, reverse, exclusive} -> tensor<2x2xi64>
  return %0, %1, %2 : tensor<2x2xi64>, tensor<2x2xi64>, tensor<2x2xi64>
}
