// RUN: hybrid-opt %s --hybrid-form-kernels --split-input-file --verify-diagnostics

// A scalar that only the caller knows cannot travel to a kernel.

#id = affine_map<(d0) -> (d0)>
// expected-error @+1 {{a scalar that a kernel uses is not computed from sizes}}
func.func @captured(%x: tensor<8xf32>, %s: f32) -> tensor<8xf32> attributes {hybrid.entry} {
  %e = tensor.empty() : tensor<8xf32>
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.mulf %in, %s : f32
    linalg.yield %1 : f32
  } -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

func.func @operand(%x: tensor<8xi1>) -> tensor<8xf32> attributes {hybrid.entry} {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  %two = arith.constant 2.0 : f32
  %c = tensor.extract %x[%c0] : tensor<8xi1>
  // expected-error @+1 {{a scalar that a kernel uses is not computed from sizes}}
  %s = scf.if %c -> f32 {
    scf.yield %one : f32
  } else {
    scf.yield %two : f32
  }
  %e = tensor.empty() : tensor<8xf32>
  %0 = linalg.fill ins(%s : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}
