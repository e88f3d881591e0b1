// RUN: hybrid-opt %s --hybrid-tile-to-grid --canonicalize --cse --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-tile-to-grid --split-input-file --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: hybrid-opt %s --pass-pipeline="builtin.module(func.func(hybrid-tile-to-grid{tile-sizes=2},canonicalize,cse))" --split-input-file | FileCheck %s --check-prefix=GIVEN
// RUN: hybrid-opt %s --pass-pipeline="builtin.module(func.func(hybrid-tile-to-grid{tile-sizes=0},canonicalize,cse))" --split-input-file | FileCheck %s --check-prefix=WHOLE

// Elementwise work: whole rows, as many as a block is worth. The last tile may be
// smaller; tiles of the destination are written where they belong.

#id = affine_map<(d0, d1) -> (d0, d1)>
// CHECK: #[[TILE:.*]] = affine_map<(d0)[s0] -> (-d0 + s0, [[ROWS:[0-9]+]])>
// CHECK-LABEL: func.func private @elementwise(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x64xf32>, %[[O:[^:]*]]: tensor<?x64xf32>
// CHECK: %[[N:.*]] = tensor.dim %[[X]]
// CHECK-NEXT: %[[R:.*]] = scf.forall (%[[I:.*]]) = (0) to (%[[N]]) step ([[ROWS]]) shared_outs(%[[SHARED:.*]] = %[[O]])
// CHECK-NEXT: %[[SIZE:.*]] = affine.min #[[TILE]](%[[I]])[%[[N]]]
// CHECK-NEXT: %[[XT:.*]] = tensor.extract_slice %[[X]][%[[I]], 0] [%[[SIZE]], 64] [1, 1]
// CHECK-NEXT: %[[OT:.*]] = tensor.extract_slice %[[SHARED]][%[[I]], 0] [%[[SIZE]], 64] [1, 1]
// CHECK-NEXT: %[[RT:.*]] = linalg.generic {{.*}} ins(%[[XT]] : tensor<?x64xf32>) outs(%[[OT]] : tensor<?x64xf32>)
// CHECK: tensor.parallel_insert_slice %[[RT]] into %[[SHARED]][%[[I]], 0] [%[[SIZE]], 64] [1, 1]
// CHECK: return %[[R]]
// REMARK: tile-to-grid.mlir:[[#@LINE+7]]:{{.*}}: remark: [Passed] grid | Category:hybrid-tile-to-grid

// GIVEN-LABEL: func.func private @elementwise(
// GIVEN: scf.forall (%{{.*}}) = (0) to (%{{.*}}) step (2)
// WHOLE-LABEL: func.func private @elementwise(
// WHOLE-NOT: scf.forall
func.func private @elementwise(%x: tensor<?x64xf32>, %o: tensor<?x64xf32> {hybrid.writeonly}) -> tensor<?x64xf32> attributes {hybrid.kernel} {
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<?x64xf32>) outs(%o : tensor<?x64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.negf %in : f32
    linalg.yield %1 : f32
  } -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

// Little work is one block, and so is work without parallel loops or elements.

// CHECK-LABEL: func.func private @small(
// CHECK-NOT: scf.forall
// CHECK: return
func.func private @small(%x: tensor<4x8xf32>, %o: tensor<4x8xf32>) -> tensor<4x8xf32> attributes {hybrid.kernel} {
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<4x8xf32>) outs(%o : tensor<4x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.negf %in : f32
    linalg.yield %1 : f32
  } -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func private @to_scalar(
// CHECK-NOT: scf.forall
// CHECK: return
func.func private @to_scalar(%x: tensor<1000x10000xf32>, %o: tensor<f32>) -> tensor<f32> attributes {hybrid.kernel} {
  %0 = linalg.generic {indexing_maps = [#id, affine_map<(d0, d1) -> ()>], iterator_types = ["reduction", "reduction"]} ins(%x : tensor<1000x10000xf32>) outs(%o : tensor<f32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.addf %out, %in : f32
    linalg.yield %1 : f32
  } -> tensor<f32>
  return %0 : tensor<f32>
}

// CHECK-LABEL: func.func private @empty(
// CHECK-NOT: scf.forall
// CHECK: return
func.func private @empty(%x: tensor<?x0xf32>, %o: tensor<?x0xf32>) -> tensor<?x0xf32> attributes {hybrid.kernel} {
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<?x0xf32>) outs(%o : tensor<?x0xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.negf %in : f32
    linalg.yield %1 : f32
  } -> tensor<?x0xf32>
  return %0 : tensor<?x0xf32>
}

// The sum of a long row is one block's work.

// CHECK-LABEL: func.func private @rows(
// CHECK: scf.forall (%{{.*}}) in (1000)
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<1x10000xf32>) outs(%{{.*}} : tensor<1xf32>)
func.func private @rows(%x: tensor<1000x10000xf32>, %o: tensor<1000xf32>) -> tensor<1000xf32> attributes {hybrid.kernel} {
  %0 = linalg.generic {indexing_maps = [#id, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<1000x10000xf32>) outs(%o : tensor<1000xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.addf %out, %in : f32
    linalg.yield %1 : f32
  } -> tensor<1000xf32>
  return %0 : tensor<1000xf32>
}

// Only kernels are cut.

// CHECK-LABEL: func.func @no_kernel(
// CHECK-NOT: scf.forall
// CHECK: return
func.func @no_kernel(%x: tensor<1000x1000xf32>, %o: tensor<1000x1000xf32>) -> tensor<1000x1000xf32> {
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<1000x1000xf32>) outs(%o : tensor<1000x1000xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.negf %in : f32
    linalg.yield %1 : f32
  } -> tensor<1000x1000xf32>
  return %0 : tensor<1000x1000xf32>
}

// -----

// A contraction with its epilogue: fill, product and epilogue run on one tile, with
// rows and columns cut and the reduction whole.

#id = affine_map<(d0, d1) -> (d0, d1)>
#lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
#rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
#out = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-LABEL: func.func private @matmul(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x64xf32>, %[[W:[^:]*]]: tensor<64x4096xf32>, %[[Y:[^:]*]]: tensor<?x4096xf32>,
// CHECK-NOT: linalg.generic
// CHECK: scf.forall (%[[I:.*]], %[[J:.*]]) = (0, 0) to (%{{.*}}, 4096) step ([[ROWS:[0-9]+]], [[COLUMNS:[0-9]+]])
// CHECK: %[[SIZE:.*]] = affine.min
// CHECK-DAG: %[[XT:.*]] = tensor.extract_slice %[[X]][%[[I]], 0] [%[[SIZE]], 64]
// CHECK-DAG: %[[WT:.*]] = tensor.extract_slice %[[W]][0, %[[J]]] [64, [[COLUMNS]]]
// CHECK-DAG: %[[ZERO:.*]] = linalg.fill {{.*}} -> tensor<?x[[COLUMNS]]xf32>
// CHECK: %[[P:.*]] = linalg.generic {{.*}} ins(%[[XT]], %[[WT]] : {{.*}}) outs(%[[ZERO]] :
// CHECK: %[[YT:.*]] = tensor.extract_slice %[[Y]][%[[I]], %[[J]]] [%[[SIZE]], [[COLUMNS]]]
// CHECK: linalg.generic {{.*}} ins(%[[P]], %[[YT]] :
// CHECK-NOT: linalg.generic
// CHECK: return
// REMARK: remark: [Passed] grid

// GIVEN-LABEL: func.func private @matmul(
// GIVEN: scf.forall (%{{.*}}) = (0) to (%{{.*}}) step (2)
func.func private @matmul(%x: tensor<?x64xf32>, %w: tensor<64x4096xf32>, %y: tensor<?x4096xf32>, %o: tensor<?x4096xf32> {hybrid.writeonly}, %n: index) -> tensor<?x4096xf32> attributes {hybrid.kernel} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%n) : tensor<?x4096xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x4096xf32>) -> tensor<?x4096xf32>
  %0 = linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
         ins(%x, %w : tensor<?x64xf32>, tensor<64x4096xf32>) outs(%f : tensor<?x4096xf32>) {
  ^bb0(%l: f32, %r: f32, %c: f32):
    %p = arith.mulf %l, %r : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  } -> tensor<?x4096xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%0, %y : tensor<?x4096xf32>, tensor<?x4096xf32>) outs(%o : tensor<?x4096xf32>) {
  ^bb0(%in: f32, %in_0: f32, %out: f32):
    %2 = arith.addf %in, %in_0 : f32
    linalg.yield %2 : f32
  } -> tensor<?x4096xf32>
  return %1 : tensor<?x4096xf32>
}

// -----

// Attention: one head and some query rows per block; the keys of its group stay
// whole, and the tile's place in time is in q_offset.

// CHECK: #[[GROUP:.*]] = affine_map<()[s0] -> (s0 floordiv 2)>
// CHECK: #[[SUM:.*]] = affine_map<()[s0, s1] -> (s0 + s1)>
// CHECK-LABEL: func.func private @attention(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x4x?x16xf32>, %[[K:[^:]*]]: tensor<?x2x64x16xf32>, %[[O:[^:]*]]: tensor<?x4x?x16xf32> {hybrid.writeonly}, %[[N:[^:]*]]: index, %[[P:[^:]*]]: index)
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]], %[[T:.*]]) = (0, 0, 0) to (%{{.*}}, 4, %{{.*}}) step (1, 1, {{[0-9]+}})
// CHECK-DAG: %[[QT:.*]] = tensor.extract_slice %[[Q]][%[[B]], %[[H]], %[[T]], 0]
// CHECK-DAG: %[[KH:.*]] = affine.apply #[[GROUP]]()[%[[H]]]
// CHECK-DAG: %[[KT:.*]] = tensor.extract_slice %[[K]][%[[B]], %[[KH]], 0, 0] [1, 1, 64, 16]
// CHECK-DAG: %[[OFFSET:.*]] = affine.apply #[[SUM]]()[%[[P]], %[[T]]]
// CHECK: hybrid.attention ins(%[[QT]], %[[KT]], %[[KT]] : {{.*}}) kv_length(%[[N]]) q_offset(%[[OFFSET]])
func.func private @attention(%q: tensor<?x4x?x16xf32>, %k: tensor<?x2x64x16xf32>, %o: tensor<?x4x?x16xf32> {hybrid.writeonly}, %n: index, %p: index) -> tensor<?x4x?x16xf32> attributes {hybrid.kernel} {
  %0 = hybrid.attention ins(%q, %k, %k : tensor<?x4x?x16xf32>, tensor<?x2x64x16xf32>, tensor<?x2x64x16xf32>)
         kv_length(%n) q_offset(%p) outs(%o : tensor<?x4x?x16xf32>) {causal, scale = 2.5e-01 : f64} -> tensor<?x4x?x16xf32>
  return %0 : tensor<?x4x?x16xf32>
}

// -----

// A scan: one head and some columns of its state per block, time in order.

// CHECK-LABEL: func.func private @scan(
// CHECK: scf.forall (%{{.*}}, %{{.*}}, %{{.*}}) = (0, 0, 0) to (%{{.*}}, 8, 128) step (1, 1, [[COLUMNS:[0-9]+]]) shared_outs(%[[OUT:.*]] = %{{.*}}, %[[STATE:.*]] = %{{.*}})
// CHECK: %[[R:.*]]:2 = hybrid.scan gated {{.*}} outs(%{{.*}}, %{{.*}} : tensor<1x?x1x[[COLUMNS]]xf32>, tensor<1x1x16x[[COLUMNS]]xf32>)
// CHECK-DAG: tensor.parallel_insert_slice %[[R]]#0 into %[[OUT]]
// CHECK-DAG: tensor.parallel_insert_slice %[[R]]#1 into %[[STATE]]

// GIVEN-LABEL: func.func private @scan(
// GIVEN: scf.forall (%{{.*}}) = (0) to (%{{.*}}) step (2)
func.func private @scan(%q: tensor<?x?x8x16xf32>, %v: tensor<?x?x8x128xf32>, %g: tensor<?x?x8xf32>, %o: tensor<?x?x8x128xf32> {hybrid.writeonly}, %s: tensor<?x8x16x128xf32>) -> (tensor<?x?x8x128xf32>, tensor<?x8x16x128xf32>) attributes {hybrid.kernel} {
  %0:2 = hybrid.scan gated ins(%q, %q, %v : tensor<?x?x8x16xf32>, tensor<?x?x8x16xf32>, tensor<?x?x8x128xf32>) decay(%g : tensor<?x?x8xf32>)
    outs(%o, %s : tensor<?x?x8x128xf32>, tensor<?x8x16x128xf32>) {scale = 1.0 : f64} -> tensor<?x?x8x128xf32>, tensor<?x8x16x128xf32>
  return %0#0, %0#1 : tensor<?x?x8x128xf32>, tensor<?x8x16x128xf32>
}

// -----

// The other computations: channels, rows, heads.

// CHECK-LABEL: func.func private @conv(
// CHECK: scf.forall {{.*}} = (0, 0) to (%{{.*}}, 192) step (1, {{[0-9]+}})
func.func private @conv(%x: tensor<?x192x?xf32>, %w: tensor<192x4xf32>, %o: tensor<?x192x?xf32> {hybrid.writeonly}, %s: tensor<?x192x3xf32>) -> (tensor<?x192x?xf32>, tensor<?x192x3xf32>) attributes {hybrid.kernel} {
  %0:2 = hybrid.causal_conv ins(%x, %w : tensor<?x192x?xf32>, tensor<192x4xf32>)
    outs(%o, %s : tensor<?x192x?xf32>, tensor<?x192x3xf32>) -> tensor<?x192x?xf32>, tensor<?x192x3xf32>
  return %0#0, %0#1 : tensor<?x192x?xf32>, tensor<?x192x3xf32>
}

// CHECK-LABEL: func.func private @norm(
// CHECK: scf.forall {{.*}} = (0, 0) to (%{{.*}}, %{{.*}}) step (1, {{[0-9]+}})
// CHECK: hybrid.norm rms ins(%{{.*}} : tensor<1x?x64xf32>)
func.func private @norm(%x: tensor<?x?x64xf32>, %o: tensor<?x?x64xf32> {hybrid.writeonly}) -> tensor<?x?x64xf32> attributes {hybrid.kernel} {
  %0 = hybrid.norm rms ins(%x : tensor<?x?x64xf32>) outs(%o : tensor<?x?x64xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<?x?x64xf32>
  return %0 : tensor<?x?x64xf32>
}

// CHECK-LABEL: func.func private @gated_norm(
// CHECK: scf.forall {{.*}} = (0, 0) to (%{{.*}}, %{{.*}}) step (1, {{[0-9]+}})
func.func private @gated_norm(%x: tensor<?x?x64xf32>, %o: tensor<?x?x64xf32> {hybrid.writeonly}) -> tensor<?x?x64xf32> attributes {hybrid.kernel} {
  %0 = hybrid.gated_norm gate_first ins(%x, %x : tensor<?x?x64xf32>, tensor<?x?x64xf32>) outs(%o : tensor<?x?x64xf32>)
    {activation = #hybrid.activation<silu>, epsilon = 1.0e-5 : f64} -> tensor<?x?x64xf32>
  return %0 : tensor<?x?x64xf32>
}

// CHECK-LABEL: func.func private @append(
// CHECK-SAME: %{{.*}}: tensor<?x2x?x16xf32>, %{{.*}}: tensor<?x2x64x16xf32>, %[[P:.*]]: index)
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]], %[[T:.*]]) = (0, 0, 0) to (%{{.*}}, 2, %{{.*}}) step (1, 1, {{[0-9]+}}) shared_outs(%[[CACHE:.*]] = %{{.*}})
// CHECK: %[[PLACE:.*]] = affine.apply #{{.*}}()[%[[T]], %[[P]]]
// CHECK: tensor.extract_slice %[[CACHE]][%[[B]], %[[H]], %[[PLACE]], 0]
func.func private @append(%x: tensor<?x2x?x16xf32>, %c: tensor<?x2x64x16xf32>, %p: index) -> tensor<?x2x64x16xf32> attributes {hybrid.kernel} {
  %0 = hybrid.cache_append ins(%x : tensor<?x2x?x16xf32>) at(%p) outs(%c : tensor<?x2x64x16xf32>) -> tensor<?x2x64x16xf32>
  return %0 : tensor<?x2x64x16xf32>
}

// CHECK-LABEL: func.func private @cumsum(
// CHECK: scf.forall {{.*}} in (100)
// CHECK: hybrid.cumsum ins(%{{.*}} : tensor<1x1000xf32>)
func.func private @cumsum(%x: tensor<100x1000xf32>, %o: tensor<100x1000xf32> {hybrid.writeonly}) -> tensor<100x1000xf32> attributes {hybrid.kernel} {
  %0 = hybrid.cumsum ins(%x : tensor<100x1000xf32>) outs(%o : tensor<100x1000xf32>) {axis = 1 : i64} -> tensor<100x1000xf32>
  return %0 : tensor<100x1000xf32>
}

// -----

// A loop that keeps its order is one block, whatever stands in it.

#id = affine_map<(d0) -> (d0)>
// CHECK-LABEL: func.func private @loop(
// CHECK-NOT: scf.forall
// CHECK: return
func.func private @loop(%x: tensor<?xf32>, %o: tensor<?xf32>, %n: index) -> tensor<?xf32> attributes {hybrid.kernel} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %o) -> (tensor<?xf32>) {
    %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<?xf32>) outs(%acc : tensor<?xf32>) {
    ^bb0(%in: f32, %out: f32):
      %2 = arith.addf %in, %out : f32
      linalg.yield %2 : f32
    } -> tensor<?xf32>
    scf.yield %1 : tensor<?xf32>
  }
  return %0 : tensor<?xf32>
}

// Of a step of one token, heads that share keys: 16 heads of 4 are 4 blocks, 16 heads of
// 2 as well, so that more than one block is left.

// CHECK-LABEL: func.func private @attention_step(
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<?x16x1x64xf32>, %[[K:[a-z0-9]*]]: tensor<?x4x64x64xf32>, %[[L:[a-z0-9]*]]: tensor<?x2x64x64xf32>
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]]) = (0, 0) to (%{{.*}}, 16) step (1, 4)
// CHECK-DAG: tensor.extract_slice %[[Q]][%[[B]], %[[H]], 0, 0] [1, 4, 1, 64]
// CHECK-DAG: tensor.extract_slice %[[K]][%[[B]], %{{.*}}, 0, 0] [1, 1, 64, 64]
// CHECK-LABEL: func.func private @attention_step_shared(
// CHECK: scf.forall ({{.*}}) = (0, 0) to (%{{.*}}, 16) step (1, 4)
// CHECK: tensor.extract_slice %{{.*}}[%{{.*}}, %{{.*}}, 0, 0] [1, 1, 64, 64] [1, 1, 1, 1] : tensor<?x2x64x64xf32>
func.func private @attention_step(%q: tensor<?x16x1x64xf32>, %k: tensor<?x4x64x64xf32>, %l: tensor<?x2x64x64xf32>, %o: tensor<?x16x1x64xf32> {hybrid.writeonly}, %n: index, %p: index) -> tensor<?x16x1x64xf32> attributes {hybrid.kernel} {
  %0 = hybrid.attention ins(%q, %k, %k : tensor<?x16x1x64xf32>, tensor<?x4x64x64xf32>, tensor<?x4x64x64xf32>)
       kv_length(%n) q_offset(%p) outs(%o : tensor<?x16x1x64xf32>) {causal, scale = 2.5e-01 : f64} -> tensor<?x16x1x64xf32>
  return %0 : tensor<?x16x1x64xf32>
}
func.func private @attention_step_shared(%q: tensor<?x16x1x64xf32>, %l: tensor<?x2x64x64xf32>, %o: tensor<?x16x1x64xf32> {hybrid.writeonly}, %n: index, %p: index) -> tensor<?x16x1x64xf32> attributes {hybrid.kernel} {
  %0 = hybrid.attention ins(%q, %l, %l : tensor<?x16x1x64xf32>, tensor<?x2x64x64xf32>, tensor<?x2x64x64xf32>)
       kv_length(%n) q_offset(%p) outs(%o : tensor<?x16x1x64xf32>) {causal, scale = 2.5e-01 : f64} -> tensor<?x16x1x64xf32>
  return %0 : tensor<?x16x1x64xf32>
}
