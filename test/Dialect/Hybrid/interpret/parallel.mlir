// RUN: hybrid-opt %s --hybrid-interpret=dims=seq=2,other=7 -o /dev/null | FileCheck %s

// Branches [[1, 2], [1, 2]] and its running sum [[1, 3], [1, 3]].
// CHECK: combine#0: 2x2 {{\[}}[2, 5], [2, 5]]
// CHECK: combine#1: 2x2 {{\[}}[0, -1], [0, -1]]
// CHECK: combine#2: 2x2 {{\[}}[1, 2.5], [1, 2.5]]
// CHECK: combine#3: 2x4 {{\[}}[1, 2, 1, 3], [1, 2, 1, 3]]
// CHECK: combine#4: 2x2 {{\[}}[20, 320], [20, 320]]
func.func @combine() -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x4xf32>, tensor<2x2xf32>) {
  %a = arith.constant dense<[[1.0, 2.0], [1.0, 2.0]]> : tensor<2x2xf32>
  %ten = arith.constant dense<10.0> : tensor<f32>
  %w = arith.constant dense<[10.0, 100.0]> : tensor<2xf32>
  %o = tensor.empty() : tensor<2x2xf32>
  %b = hybrid.cumsum ins(%a : tensor<2x2xf32>) outs(%o : tensor<2x2xf32>) {axis = 1 : i64} -> tensor<2x2xf32>
  %0 = hybrid.parallel add {
    hybrid.yield %a : tensor<2x2xf32>
  }, {
    hybrid.yield %b : tensor<2x2xf32>
  } : tensor<2x2xf32>
  %1 = hybrid.parallel sub {
    hybrid.yield %a : tensor<2x2xf32>
  }, {
    hybrid.yield %b : tensor<2x2xf32>
  } : tensor<2x2xf32>
  %2 = hybrid.parallel mean {
    hybrid.yield %a : tensor<2x2xf32>
  }, {
    %c = hybrid.cumsum ins(%a : tensor<2x2xf32>) outs(%o : tensor<2x2xf32>) {axis = 1 : i64} -> tensor<2x2xf32>
    hybrid.yield %c : tensor<2x2xf32>
  } : tensor<2x2xf32>
  %3 = hybrid.parallel concat {
    hybrid.yield %a : tensor<2x2xf32>
  }, {
    hybrid.yield %b : tensor<2x2xf32>
  } : tensor<2x4xf32>
  %4 = hybrid.parallel weighted weights(%ten, %w : tensor<f32>, tensor<2xf32>) {
    hybrid.yield %a : tensor<2x2xf32>
  }, {
    hybrid.yield %b : tensor<2x2xf32>
  } : tensor<2x2xf32>
  return %0, %1, %2, %3, %4 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x4xf32>, tensor<2x2xf32>
}

// What branches yield beside their value.
// CHECK: others#0: 2 [8, 6]
// CHECK: others#1: 2 [5, 4]
func.func @others() -> (tensor<2xf32>, tensor<2xf32>) {
  %a = arith.constant dense<[3.0, 2.0]> : tensor<2xf32>
  %b = arith.constant dense<[5.0, 4.0]> : tensor<2xf32>
  %r, %s = hybrid.parallel add {
    hybrid.yield %a, %b : tensor<2xf32>, tensor<2xf32>
  }, {
    hybrid.yield %b : tensor<2xf32>
  } : tensor<2xf32>, tensor<2xf32>
  return %r, %s : tensor<2xf32>, tensor<2xf32>
}

// Sizes by name.
// CHECK: sizes#0: 2 [5, 10]
func.func @sizes() -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = hybrid.dim "seq"
  %five = arith.constant 5.0 : f32
  %e = tensor.empty(%n) : tensor<?xf32>
  %m = tensor.dim %e, %c0 : tensor<?xf32>
  %o = tensor.empty(%m) : tensor<?xf32>
  %x = linalg.fill ins(%five : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %r = hybrid.cumsum ins(%x : tensor<?xf32>) outs(%o : tensor<?xf32>) {axis = 0 : i64} -> tensor<?xf32>
  return %r : tensor<?xf32>
}
