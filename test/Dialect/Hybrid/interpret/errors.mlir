// RUN: hybrid-opt %s --hybrid-interpret --split-input-file --verify-diagnostics -o /dev/null
// RUN: not hybrid-opt %s --hybrid-interpret=dims=seq -o /dev/null 2>&1 | FileCheck %s

// CHECK: error: dims must be given as name=value, but 'seq' is not

func.func @unknown() -> tensor<2xf32> {
  %x = arith.constant dense<1.0> : tensor<2xf32>
  // expected-error @+1 {{'arith.negf' op is not known to the reference interpreter}}
  %r = arith.negf %x : tensor<2xf32>
  return %r : tensor<2xf32>
}

// -----

func.func @no_size() -> tensor<?xf32> {
  // expected-error @+1 {{'hybrid.dim' op has no value for 'seq'}}
  %n = hybrid.dim "seq"
  %r = tensor.empty(%n) : tensor<?xf32>
  return %r : tensor<?xf32>
}

// -----

// Sizes that are dynamic in the types are checked as well.

func.func @shapes() -> tensor<?xf32> {
  %c2 = arith.constant 2 : index
  %x = arith.constant dense<1.0> : tensor<3xf32>
  %y = tensor.empty(%c2) : tensor<?xf32>
  // expected-error @+1 {{'hybrid.gated_norm' op C1: gate must have shape [2], but is 'tensor<3xf32>'}}
  %r = hybrid.gated_norm gate_first ins(%y, %x : tensor<?xf32>, tensor<3xf32>) outs(%y : tensor<?xf32>) {activation = #hybrid.activation<silu>, epsilon = 0.0 : f64} -> tensor<?xf32>
  return %r : tensor<?xf32>
}

// -----

func.func @position() -> tensor<1x1x2x1xf32> {
  %c1 = arith.constant 1 : index
  %x = arith.constant dense<1.0> : tensor<1x1x2x1xf32>
  // expected-error @+1 {{'hybrid.cache_append' op positions 1 to 2 are not within the 2 of the cache}}
  %r = hybrid.cache_append ins(%x : tensor<1x1x2x1xf32>) at(%c1) outs(%x : tensor<1x1x2x1xf32>) -> tensor<1x1x2x1xf32>
  return %r : tensor<1x1x2x1xf32>
}
