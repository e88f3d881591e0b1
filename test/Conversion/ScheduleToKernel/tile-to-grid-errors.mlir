// RUN: hybrid-opt %s --pass-pipeline="builtin.module(func.func(hybrid-tile-to-grid{tile-sizes=1,3}))" --verify-diagnostics

// Three query heads do not share one group's keys.

func.func private @attention(%q: tensor<?x4x?x16xf32>, %k: tensor<?x2x64x16xf32>, %o: tensor<?x4x?x16xf32> {hybrid.writeonly}, %n: index, %p: index) -> tensor<?x4x?x16xf32> attributes {hybrid.kernel} {
  // expected-error-re @below {{{{faild|failed}} to tile operation}}
  // expected-error @below {{failed to generate tiling loops}}
  // expected-error @below {{this operation cannot be cut into tiles}}
  %0 = hybrid.attention ins(%q, %k, %k : tensor<?x4x?x16xf32>, tensor<?x2x64x16xf32>, tensor<?x2x64x16xf32>)
         kv_length(%n) q_offset(%p) outs(%o : tensor<?x4x?x16xf32>) {causal, scale = 2.5e-01 : f64} -> tensor<?x4x?x16xf32>
  return %0 : tensor<?x4x?x16xf32>
}
