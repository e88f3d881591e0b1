// RUN: hybrid-opt %s --hybrid-raise-branches --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-raise-branches --split-input-file --remarks-filter="hybrid-raise-branches" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK --implicit-check-not=remark:

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// What a branch computes for others (here new states) becomes a further result;
// its readers stand behind the branches.

// REMARK: remark: [Passed] branches | Category:hybrid-raise-branches
// REMARK-SAME: branches=2, combine=add

hybrid.state @past_a conv present "present_a" : tensor<1x8x1xf32>
hybrid.state @past_b conv present "present_b" : tensor<1x8x1xf32>
// CHECK-LABEL: func.func @add(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<1x8x4xf32>
// CHECK: %[[A0:.*]] = hybrid.read_state @past_a
// CHECK: %[[B0:.*]] = hybrid.read_state @past_b
// CHECK: %[[H:.*]] = hybrid.norm rms ins(%[[X]]
// CHECK: %[[R:[a-z_0-9]*]], %[[OTHERS:[a-z_0-9]*]]:2 = hybrid.parallel{{ +}}add {
// CHECK:   %[[A:.*]]:2 = hybrid.causal_conv ins(%[[H]], %{{.*}}) outs(%{{.*}}, %[[A0]] :
// CHECK:   hybrid.yield %[[A]]#0, %[[A]]#1 : tensor<1x8x4xf32>, tensor<1x8x1xf32>
// CHECK: }, {
// CHECK:   %[[B:.*]]:2 = hybrid.causal_conv ins(%[[H]], %{{.*}}) outs(%{{.*}}, %[[B0]] :
// CHECK:   hybrid.yield %[[B]]#0, %[[B]]#1 : tensor<1x8x4xf32>, tensor<1x8x1xf32>
// CHECK: } : tensor<1x8x4xf32>, tensor<1x8x1xf32>, tensor<1x8x1xf32>
// CHECK-DAG: hybrid.write_state %[[OTHERS]]#0, @past_a
// CHECK-DAG: hybrid.write_state %[[OTHERS]]#1, @past_b
// CHECK: return %[[R]]
func.func @add(%x: tensor<1x8x4xf32>, %w: tensor<8x2xf32>, %o: tensor<1x8x4xf32>) -> tensor<1x8x4xf32> attributes {hybrid.entry} {
  %a0 = hybrid.read_state @past_a : tensor<1x8x1xf32>
  %b0 = hybrid.read_state @past_b : tensor<1x8x1xf32>
  %h = hybrid.norm rms ins(%x : tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x8x4xf32>
  %a:2 = hybrid.causal_conv ins(%h, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %a0 : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  hybrid.write_state %a#1, @past_a : tensor<1x8x1xf32>
  %b:2 = hybrid.causal_conv ins(%h, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %b0 : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %r = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a#0, %b#0 : tensor<1x8x4xf32>, tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %s = arith.addf %in, %in_0 : f32
    linalg.yield %s : f32
  } -> tensor<1x8x4xf32>
  hybrid.write_state %b#1, @past_b : tensor<1x8x1xf32>
  return %r : tensor<1x8x4xf32>
}

// -----

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#last = affine_map<(d0, d1, d2) -> (d2)>
#none = affine_map<(d0, d1, d2) -> ()>

// Factors of all branches become weights; a factor of one alone stays in it.

// REMARK: remark: [Passed] branches
// REMARK-SAME: combine=weighted
// REMARK: remark: [Passed] branches
// REMARK-SAME: combine=add
// CHECK-LABEL: func.func @weighted(
// CHECK-SAME: %[[BETA:[a-z0-9]*]]: tensor<4xf32>
// CHECK: %[[HALF:[a-z0-9_]*]] = arith.constant dense<2.500000e-01> : tensor<f32>
// CHECK: hybrid.parallel{{ +}}weighted weights(%[[BETA]], %[[HALF]] : tensor<4xf32>, tensor<f32>) {
// CHECK-NEXT: %[[A:.*]]:2 = hybrid.causal_conv
// CHECK-NEXT: hybrid.yield %[[A]]#0
// CHECK: }, {
// CHECK-NEXT: %[[B:.*]]:2 = hybrid.causal_conv
// CHECK-NEXT: hybrid.yield %[[B]]#0
// CHECK: hybrid.parallel{{ +}}add {
// CHECK-NEXT: %[[A:.*]]:2 = hybrid.causal_conv
// CHECK-NEXT: %[[F:.*]] = linalg.generic
// CHECK: hybrid.yield %[[F]]
func.func @weighted(%x: tensor<1x8x4xf32>, %w: tensor<8x2xf32>, %s: tensor<1x8x1xf32>, %beta: tensor<4xf32>, %o: tensor<1x8x4xf32>) -> (tensor<1x8x4xf32>, tensor<1x8x4xf32>) attributes {hybrid.entry} {
  %quarter = arith.constant 0.25 : f32
  %a:2 = hybrid.causal_conv ins(%x, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %s : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %f = linalg.generic {indexing_maps = [#last, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%beta, %a#0 : tensor<4xf32>, tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %p = arith.mulf %in, %in_0 : f32
    linalg.yield %p : f32
  } -> tensor<1x8x4xf32>
  %b:2 = hybrid.causal_conv ins(%x, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %s : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %g = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%b#0 : tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %out: f32):
    %p = arith.mulf %in, %quarter : f32
    linalg.yield %p : f32
  } -> tensor<1x8x4xf32>
  %r = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%f, %g : tensor<1x8x4xf32>, tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %p = arith.addf %in, %in_0 : f32
    linalg.yield %p : f32
  } -> tensor<1x8x4xf32>
  %c:2 = hybrid.causal_conv ins(%r, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %s : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %h = linalg.generic {indexing_maps = [#last, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%beta, %c#0 : tensor<4xf32>, tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %p = arith.mulf %in, %in_0 : f32
    linalg.yield %p : f32
  } -> tensor<1x8x4xf32>
  %d:2 = hybrid.causal_conv ins(%r, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %s : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %t = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%h, %d#0 : tensor<1x8x4xf32>, tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %p = arith.addf %in, %in_0 : f32
    linalg.yield %p : f32
  } -> tensor<1x8x4xf32>
  return %r, %t : tensor<1x8x4xf32>, tensor<1x8x4xf32>
}

// -----

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// The mean in one operation or in two, a difference, a concatenation; in 16 bits,
// too.

// REMARK-COUNT-4: remark: [Passed] branches
// CHECK-LABEL: func.func @others(
// CHECK: %[[P:.*]] = hybrid.parallel{{ +}}mean {
// CHECK-NOT: arith.divf
// CHECK: %[[Q:.*]] = hybrid.parallel{{ +}}mean {
// CHECK: hybrid.causal_conv ins(%[[P]]
// CHECK: %[[D:.*]] = hybrid.parallel{{ +}}sub {
// CHECK: hybrid.causal_conv ins(%[[Q]]
// CHECK: %[[C:[a-z_0-9]*]] = hybrid.parallel{{ +}}concat {
// CHECK: hybrid.causal_conv ins(%[[D]]
// CHECK: } : tensor<1x8x8xbf16>
// CHECK: return %[[C]]
func.func @others(%x: tensor<1x8x4xbf16>, %w: tensor<8x2xbf16>, %s: tensor<1x8x1xbf16>, %o: tensor<1x8x4xbf16>) -> tensor<1x8x8xbf16> attributes {hybrid.entry} {
  %two = arith.constant dense<2.0> : tensor<bf16>
  %half = arith.constant 0.5 : f32
  %a:2 = hybrid.causal_conv ins(%x, %w : tensor<1x8x4xbf16>, tensor<8x2xbf16>) outs(%o, %s : tensor<1x8x4xbf16>, tensor<1x8x1xbf16>) -> tensor<1x8x4xbf16>, tensor<1x8x1xbf16>
  %b:2 = hybrid.causal_conv ins(%x, %w : tensor<1x8x4xbf16>, tensor<8x2xbf16>) outs(%o, %s : tensor<1x8x4xbf16>, tensor<1x8x1xbf16>) -> tensor<1x8x4xbf16>, tensor<1x8x1xbf16>
  %0 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a#0, %b#0 : tensor<1x8x4xbf16>, tensor<1x8x4xbf16>) outs(%o : tensor<1x8x4xbf16>) {
  ^bb0(%in: bf16, %in_0: bf16, %out: bf16):
    %u = arith.extf %in : bf16 to f32
    %v = arith.extf %in_0 : bf16 to f32
    %p = arith.addf %u, %v : f32
    %q = arith.truncf %p : f32 to bf16
    linalg.yield %q : bf16
  } -> tensor<1x8x4xbf16>
  %1 = linalg.generic {indexing_maps = [#id, affine_map<(d0, d1, d2) -> ()>, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%0, %two : tensor<1x8x4xbf16>, tensor<bf16>) outs(%o : tensor<1x8x4xbf16>) {
  ^bb0(%in: bf16, %in_0: bf16, %out: bf16):
    %p = arith.divf %in, %in_0 : bf16
    linalg.yield %p : bf16
  } -> tensor<1x8x4xbf16>
  %c:2 = hybrid.causal_conv ins(%1, %w : tensor<1x8x4xbf16>, tensor<8x2xbf16>) outs(%o, %s : tensor<1x8x4xbf16>, tensor<1x8x1xbf16>) -> tensor<1x8x4xbf16>, tensor<1x8x1xbf16>
  %d:2 = hybrid.causal_conv ins(%1, %w : tensor<1x8x4xbf16>, tensor<8x2xbf16>) outs(%o, %s : tensor<1x8x4xbf16>, tensor<1x8x1xbf16>) -> tensor<1x8x4xbf16>, tensor<1x8x1xbf16>
  %2 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%c#0, %d#0 : tensor<1x8x4xbf16>, tensor<1x8x4xbf16>) outs(%o : tensor<1x8x4xbf16>) {
  ^bb0(%in: bf16, %in_0: bf16, %out: bf16):
    %u = arith.extf %in : bf16 to f32
    %v = arith.extf %in_0 : bf16 to f32
    %p = arith.addf %u, %v : f32
    %m = arith.mulf %p, %half : f32
    %q = arith.truncf %m : f32 to bf16
    linalg.yield %q : bf16
  } -> tensor<1x8x4xbf16>
  %e:2 = hybrid.causal_conv ins(%2, %w : tensor<1x8x4xbf16>, tensor<8x2xbf16>) outs(%o, %s : tensor<1x8x4xbf16>, tensor<1x8x1xbf16>) -> tensor<1x8x4xbf16>, tensor<1x8x1xbf16>
  %f:2 = hybrid.causal_conv ins(%2, %w : tensor<1x8x4xbf16>, tensor<8x2xbf16>) outs(%o, %s : tensor<1x8x4xbf16>, tensor<1x8x1xbf16>) -> tensor<1x8x4xbf16>, tensor<1x8x1xbf16>
  %3 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%e#0, %f#0 : tensor<1x8x4xbf16>, tensor<1x8x4xbf16>) outs(%o : tensor<1x8x4xbf16>) {
  ^bb0(%in: bf16, %in_0: bf16, %out: bf16):
    %p = arith.subf %in, %in_0 : bf16
    linalg.yield %p : bf16
  } -> tensor<1x8x4xbf16>
  %g:2 = hybrid.causal_conv ins(%3, %w : tensor<1x8x4xbf16>, tensor<8x2xbf16>) outs(%o, %s : tensor<1x8x4xbf16>, tensor<1x8x1xbf16>) -> tensor<1x8x4xbf16>, tensor<1x8x1xbf16>
  %h:2 = hybrid.causal_conv ins(%3, %w : tensor<1x8x4xbf16>, tensor<8x2xbf16>) outs(%o, %s : tensor<1x8x4xbf16>, tensor<1x8x1xbf16>) -> tensor<1x8x4xbf16>, tensor<1x8x1xbf16>
  %4 = tensor.empty() : tensor<1x8x8xbf16>
  %5 = tensor.insert_slice %g#0 into %4[0, 0, 0] [1, 8, 4] [1, 1, 1] : tensor<1x8x4xbf16> into tensor<1x8x8xbf16>
  %6 = tensor.insert_slice %h#0 into %5[0, 0, 4] [1, 8, 4] [1, 1, 1] : tensor<1x8x4xbf16> into tensor<1x8x8xbf16>
  return %6 : tensor<1x8x8xbf16>
}

// -----

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// Not branches: a residual sum, a branch that mixes no tokens, a product, a mixer
// that both sums share.

// CHECK-LABEL: func.func @near_misses(
// CHECK-NOT: hybrid.parallel
func.func @near_misses(%x: tensor<1x8x4xf32>, %w: tensor<8x2xf32>, %s: tensor<1x8x1xf32>, %o: tensor<1x8x4xf32>) -> (tensor<1x8x4xf32>, tensor<1x8x4xf32>, tensor<1x8x4xf32>) attributes {hybrid.entry} {
  %a:2 = hybrid.causal_conv ins(%x, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %s : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %residual = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x, %a#0 : tensor<1x8x4xf32>, tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %p = arith.addf %in, %in_0 : f32
    linalg.yield %p : f32
  } -> tensor<1x8x4xf32>
  %b:2 = hybrid.causal_conv ins(%residual, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %s : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %c = hybrid.norm rms ins(%residual : tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x8x4xf32>
  %norm = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%b#0, %c : tensor<1x8x4xf32>, tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %p = arith.addf %in, %in_0 : f32
    linalg.yield %p : f32
  } -> tensor<1x8x4xf32>
  %d:2 = hybrid.causal_conv ins(%norm, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %s : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %e:2 = hybrid.causal_conv ins(%norm, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %s : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %product = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%d#0, %e#0 : tensor<1x8x4xf32>, tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %p = arith.mulf %in, %in_0 : f32
    linalg.yield %p : f32
  } -> tensor<1x8x4xf32>
  %f = hybrid.norm rms ins(%d#0 : tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x8x4xf32>
  %g = hybrid.norm layer ins(%d#0 : tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x8x4xf32>
  %shared = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%f, %g : tensor<1x8x4xf32>, tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %p = arith.addf %in, %in_0 : f32
    linalg.yield %p : f32
  } -> tensor<1x8x4xf32>
  return %product, %shared, %norm : tensor<1x8x4xf32>, tensor<1x8x4xf32>, tensor<1x8x4xf32>
}

// -----

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// (x + a) + b: the residual x is shared, and with it the layers before.

// REMARK: remark: [Passed] branches
// REMARK-SAME: branches=2, combine=add
// CHECK-LABEL: func.func @residual(
// CHECK: %[[X:.*]]:2 = hybrid.causal_conv
// CHECK: %[[H:.*]] = hybrid.norm rms ins(%[[X]]#0
// CHECK: hybrid.parallel{{ +}}add {
// CHECK-NEXT: %[[A:.*]]:2 = hybrid.causal_conv ins(%[[H]]
// CHECK-NEXT: %[[T:.*]] = linalg.generic {{.*}} ins(%[[X]]#0, %[[A]]#0
// CHECK: hybrid.yield %[[T]]
// CHECK: }, {
// CHECK-NEXT: %[[B:.*]]:2 = hybrid.causal_conv ins(%[[H]]
// CHECK-NEXT: hybrid.yield %[[B]]#0
func.func @residual(%e: tensor<1x8x4xf32>, %w: tensor<8x2xf32>, %s: tensor<1x8x1xf32>, %o: tensor<1x8x4xf32>) -> tensor<1x8x4xf32> attributes {hybrid.entry} {
  %x:2 = hybrid.causal_conv ins(%e, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %s : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %h = hybrid.norm rms ins(%x#0 : tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x8x4xf32>
  %a:2 = hybrid.causal_conv ins(%h, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %s : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %t = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x#0, %a#0 : tensor<1x8x4xf32>, tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %sum = arith.addf %in, %in_0 : f32
    linalg.yield %sum : f32
  } -> tensor<1x8x4xf32>
  %b:2 = hybrid.causal_conv ins(%h, %w : tensor<1x8x4xf32>, tensor<8x2xf32>) outs(%o, %s : tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>, tensor<1x8x1xf32>
  %r = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%t, %b#0 : tensor<1x8x4xf32>, tensor<1x8x4xf32>) outs(%o : tensor<1x8x4xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %sum = arith.addf %in, %in_0 : f32
    linalg.yield %sum : f32
  } -> tensor<1x8x4xf32>
  return %r : tensor<1x8x4xf32>
}
