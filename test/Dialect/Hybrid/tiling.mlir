// RUN: hybrid-opt %s --transform-interpreter --canonicalize --cse --split-input-file --verify-diagnostics | FileCheck %s

// Tiles of one head of one batch and two queries: the key head is head / 2, query
// positions count from the tile's first query.

// CHECK-DAG: #[[HALF:.*]] = affine_map<()[s0] -> (s0 floordiv 2)>
// CHECK-DAG: #[[POSITION:.*]] = affine_map<(d0)[s0] -> (d0 * 2 + s0)>
// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[Q:[a-z0-9_]+]]: tensor<2x4x8x16xf32>, %[[K:[a-z0-9_]+]]: tensor<2x2x64x16xf32>, %[[V:[a-z0-9_]+]]: tensor<2x2x64x32xf32>
// CHECK-SAME: %[[MASK:[a-z0-9_]+]]: tensor<1x8x64xi1>, %[[SINKS:[a-z0-9_]+]]: tensor<4xf32>, %[[O:[a-z0-9_]+]]: tensor<2x4x8x32xf32>
// CHECK-SAME: %[[N:[a-z0-9_]+]]: index, %[[P:[a-z0-9_]+]]: index
// CHECK: scf.forall (%[[B:[a-z0-9_]+]], %[[H:[a-z0-9_]+]], %[[I:[a-z0-9_]+]]) in (2, 4, 4) shared_outs(%[[OUT:[a-z0-9_]+]] = %[[O]])
// CHECK: %[[T:[a-z0-9_]+]] = affine.apply #{{.*}}(%[[I]])
// CHECK: %[[QS:[a-z0-9_]+]] = tensor.extract_slice %[[Q]][%[[B]], %[[H]], %[[T]], 0] [1, 1, 2, 16]
// CHECK: %[[KH:[a-z0-9_]+]] = affine.apply #[[HALF]]()[%[[H]]]
// CHECK: %[[KS:[a-z0-9_]+]] = tensor.extract_slice %[[K]][%[[B]], %[[KH]], 0, 0] [1, 1, 64, 16]
// CHECK: %[[VS:[a-z0-9_]+]] = tensor.extract_slice %[[V]][%[[B]], %[[KH]], 0, 0] [1, 1, 64, 32]
// CHECK: %[[MS:[a-z0-9_]+]] = tensor.extract_slice %[[MASK]][0, %[[T]], 0] [1, 2, 64]
// CHECK: %[[SS:[a-z0-9_]+]] = tensor.extract_slice %[[SINKS]][%[[H]]] [1]
// CHECK: %[[OS:[a-z0-9_]+]] = tensor.extract_slice %[[OUT]][%[[B]], %[[H]], %[[T]], 0] [1, 1, 2, 32]
// CHECK: %[[FIRST:[a-z0-9_]+]] = affine.apply #[[POSITION]](%[[I]])[%[[P]]]
// CHECK: hybrid.attention ins(%[[QS]], %[[KS]], %[[VS]] :
// CHECK-SAME: mask(%[[MS]] : tensor<1x2x64xi1>) sinks(%[[SS]] : tensor<1xf32>) kv_length(%[[N]]) q_offset(%[[FIRST]]) outs(%[[OS]]
// CHECK-SAME: {causal, note = "kept", scale = 1.000000e+00 : f64} -> tensor<1x1x2x32xf32>
// CHECK: tensor.parallel_insert_slice %{{.*}} into %[[OUT]][%[[B]], %[[H]], %[[T]], 0] [1, 1, 2, 32]
func.func @attention(%q: tensor<2x4x8x16xf32>, %k: tensor<2x2x64x16xf32>, %v: tensor<2x2x64x32xf32>,
                     %mask: tensor<1x8x64xi1>, %sinks: tensor<4xf32>, %o: tensor<2x4x8x32xf32>, %n: index, %p: index) -> tensor<2x4x8x32xf32> {
  %r = hybrid.attention ins(%q, %k, %v : tensor<2x4x8x16xf32>, tensor<2x2x64x16xf32>, tensor<2x2x64x32xf32>)
    mask(%mask : tensor<1x8x64xi1>) sinks(%sinks : tensor<4xf32>)
    kv_length(%n) q_offset(%p) outs(%o : tensor<2x4x8x32xf32>) {causal, scale = 1.0 : f64, note = "kept"} -> tensor<2x4x8x32xf32>
  return %r : tensor<2x4x8x32xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.attention"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_forall %op tile_sizes [1, 1, 2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// With lengths, the queries of a tile are not the last of their sequence: q_offset
// says how far before. 5 dynamic queries in tiles of 2 have a remainder.

// CHECK-DAG: #[[MIN:.*]] = affine_map<(d0)[s0] -> (-d0 + s0, 2)>
// CHECK-DAG: #[[BACK:.*]] = affine_map<()[s0, s1, s2, s3] -> (s0 - s1 + s2 + s3)>
// CHECK-LABEL: func.func @attention_lengths(
// CHECK-SAME: %[[Q:[a-z0-9_]+]]: tensor<2x?x4x16xf32>, %[[K:[a-z0-9_]+]]: tensor<2x2x64x16xf32>, %[[L:[a-z0-9_]+]]: tensor<2xi64>
// CHECK-SAME: %[[P:[a-z0-9_]+]]: index
// CHECK: %[[TIME:[a-z0-9_]+]] = tensor.dim %[[Q]]
// CHECK: scf.for %[[B:[a-z0-9_]+]] =
// CHECK: scf.for %[[T:[a-z0-9_]+]] =
// CHECK: %[[SIZE:[a-z0-9_]+]] = affine.min #[[MIN]](%[[T]])[%[[TIME]]]
// CHECK: %[[QS:[a-z0-9_]+]] = tensor.extract_slice %[[Q]][%[[B]], %[[T]], 0, 0] [1, %[[SIZE]], 4, 16]
// CHECK: %[[KS:[a-z0-9_]+]] = tensor.extract_slice %[[K]][%[[B]], 0, 0, 0] [1, 2, 64, 16]
// CHECK: %[[LS:[a-z0-9_]+]] = tensor.extract_slice %[[L]][%[[B]]] [1]
// CHECK: %[[FIRST:[a-z0-9_]+]] = affine.apply #[[BACK]]()[%[[SIZE]], %[[TIME]], %[[P]], %[[T]]]
// CHECK: hybrid.attention ins(%[[QS]], %[[KS]], %[[KS]] :
// CHECK-SAME: lengths(%[[LS]] : tensor<1xi64>)
// CHECK-SAME: q_offset(%[[FIRST]])
func.func @attention_lengths(%q: tensor<2x?x4x16xf32>, %k: tensor<2x2x64x16xf32>, %l: tensor<2xi64>, %p: index, %n: index, %o: tensor<2x?x4x16xf32>) -> tensor<2x?x4x16xf32> {
  %r = hybrid.attention ins(%q, %k, %k : tensor<2x?x4x16xf32>, tensor<2x2x64x16xf32>, tensor<2x2x64x16xf32>)
    lengths(%l : tensor<2xi64>)
    kv_length(%n) q_offset(%p) outs(%o : tensor<2x?x4x16xf32>) {causal, scale = 1.0 : f64, q_layout = #hybrid.layout<bthd>} -> tensor<2x?x4x16xf32>
  return %r : tensor<2x?x4x16xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.attention"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loops:2 = transform.structured.tile_using_for %op tile_sizes [1, 0, 2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// Tiles of three heads would cut the groups of two.

func.func @attention_groups(%q: tensor<1x6x8x16xf32>, %k: tensor<1x3x64x16xf32>, %o: tensor<1x6x8x16xf32>, %n: index) -> tensor<1x6x8x16xf32> {
  // expected-error @+2 {{faild to tile operation}}
  // expected-error @+1 {{failed to generate tiling loops}}
  %r = hybrid.attention ins(%q, %k, %k : tensor<1x6x8x16xf32>, tensor<1x3x64x16xf32>, tensor<1x3x64x16xf32>)
    kv_length(%n) q_offset(%n) outs(%o : tensor<1x6x8x16xf32>) {scale = 1.0 : f64} -> tensor<1x6x8x16xf32>
  return %r : tensor<1x6x8x16xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.attention"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_for %op tile_sizes [0, 3] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// Value heads share key heads by 2; query head h is value head h. Time is never
// cut, both results are.

// CHECK-DAG: #[[HALF:.*]] = affine_map<()[s0] -> (s0 floordiv 2)>
// CHECK-LABEL: func.func @scan(
// CHECK: %[[R:[a-z0-9_]+]]:2 = scf.forall (%[[H:[a-z0-9_]+]], %[[D:[a-z0-9_]+]]) in (4, 2) shared_outs(%[[OUT:[a-z0-9_]+]] = %{{.*}}, %[[STATE:[a-z0-9_]+]] = %{{.*}})
// CHECK: %[[C:[a-z0-9_]+]] = affine.apply #{{.*}}(%[[D]])
// CHECK: %[[QS:[a-z0-9_]+]] = tensor.extract_slice %{{.*}}[0, 0, %[[H]], 0] [3, %{{.*}}, 1, 16] {{.*}} : tensor<3x?x4x16xf32>
// CHECK: %[[KH:[a-z0-9_]+]] = affine.apply #[[HALF]]()[%[[H]]]
// CHECK: %[[KS:[a-z0-9_]+]] = tensor.extract_slice %{{.*}}[0, 0, %[[KH]], 0] [3, %{{.*}}, 1, 16] {{.*}} : tensor<3x?x2x16xf32>
// CHECK: %[[VS:[a-z0-9_]+]] = tensor.extract_slice %{{.*}}[0, 0, %[[H]], %[[C]]] [3, %{{.*}}, 1, 8] {{.*}} : tensor<3x?x4x16xf32>
// CHECK: %[[GS:[a-z0-9_]+]] = tensor.extract_slice %{{.*}}[0, 0, %[[H]], 0] [3, %{{.*}}, 1, 16] {{.*}} : tensor<3x?x4x16xf32>
// CHECK: %[[OS:[a-z0-9_]+]] = tensor.extract_slice %[[OUT]][0, 0, %[[H]], %[[C]]] [3, %{{.*}}, 1, 8]
// CHECK: %[[SS:[a-z0-9_]+]] = tensor.extract_slice %[[STATE]][0, %[[H]], 0, %[[C]]] [3, 1, 16, 8]
// CHECK: hybrid.scan gated_delta ins(%[[QS]], %[[KS]], %[[VS]] : {{.*}}) decay(%[[GS]] : {{.*}}) beta(%{{.*}} : tensor<3x?x1xf32>) outs(%[[OS]], %[[SS]] :
// CHECK-DAG: tensor.parallel_insert_slice %{{.*}} into %[[OUT]][0, 0, %[[H]], %[[C]]] [3, %{{.*}}, 1, 8]
// CHECK-DAG: tensor.parallel_insert_slice %{{.*}} into %[[STATE]][0, %[[H]], 0, %[[C]]] [3, 1, 16, 8]
func.func @scan(%q: tensor<3x?x4x16xf32>, %k: tensor<3x?x2x16xf32>, %v: tensor<3x?x4x16xf32>, %g: tensor<3x?x4x16xf32>, %b: tensor<3x?x1xf32>,
                %o: tensor<3x?x4x16xf32>, %s: tensor<3x4x16x16xf32>) -> (tensor<3x?x4x16xf32>, tensor<3x4x16x16xf32>) {
  %r:2 = hybrid.scan gated_delta ins(%q, %k, %v : tensor<3x?x4x16xf32>, tensor<3x?x2x16xf32>, tensor<3x?x4x16xf32>)
    decay(%g : tensor<3x?x4x16xf32>) beta(%b : tensor<3x?x1xf32>)
    outs(%o, %s : tensor<3x?x4x16xf32>, tensor<3x4x16x16xf32>) {scale = 1.0 : f64} -> tensor<3x?x4x16xf32>, tensor<3x4x16x16xf32>
  return %r#0, %r#1 : tensor<3x?x4x16xf32>, tensor<3x4x16x16xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.scan"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_forall %op tile_sizes [0, 1, 8] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// More query than value heads: a tile of one value head has two output heads. The
// form stays.

// CHECK-DAG: #[[TWICE:.*]] = affine_map<()[s0] -> (s0 * 2)>
// CHECK-LABEL: func.func @scan_queries(
// CHECK: scf.forall (%[[H:[a-z0-9_]+]]) in (2)
// CHECK: %[[QH:[a-z0-9_]+]] = affine.apply #[[TWICE]]()[%[[H]]]
// CHECK: tensor.extract_slice %{{.*}}[0, 0, %[[QH]], 0] [3, 7, 2, 16]
// CHECK: hybrid.scan linear ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<3x7x2x16xf32>, tensor<3x7x1x16xf32>, tensor<3x7x1x8xf32>)
// CHECK-SAME: outs({{.*}} : tensor<3x7x2x8xf32>, tensor<3x1x16x8xf32>) {chunk = 4 : i64, form = #hybrid.scan_form<chunked>, scale
// CHECK: tensor.parallel_insert_slice %{{.*}}[0, 0, %[[QH]], 0] [3, 7, 2, 8]
func.func @scan_queries(%q: tensor<3x7x4x16xf32>, %k: tensor<3x7x1x16xf32>, %v: tensor<3x7x2x8xf32>, %o: tensor<3x7x4x8xf32>, %s: tensor<3x2x16x8xf32>)
    -> (tensor<3x7x4x8xf32>, tensor<3x2x16x8xf32>) {
  %r:2 = hybrid.scan linear ins(%q, %k, %v : tensor<3x7x4x16xf32>, tensor<3x7x1x16xf32>, tensor<3x7x2x8xf32>)
    outs(%o, %s : tensor<3x7x4x8xf32>, tensor<3x2x16x8xf32>) {form = #hybrid.scan_form<chunked>, chunk = 4 : i64, scale = 1.0 : f64} -> tensor<3x7x4x8xf32>, tensor<3x2x16x8xf32>
  return %r#0, %r#1 : tensor<3x7x4x8xf32>, tensor<3x2x16x8xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.scan"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_forall %op tile_sizes [0, 1, 0] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// CHECK-LABEL: func.func @causal_conv(
// CHECK: scf.forall (%[[B:[a-z0-9_]+]], %[[I:[a-z0-9_]+]]) in (2, 3)
// CHECK: %[[C:[a-z0-9_]+]] = affine.apply #{{.*}}(%[[I]])
// CHECK: tensor.extract_slice %{{.*}}[%[[B]], 0, %[[C]]] [1, %{{.*}}, 64]
// CHECK: tensor.extract_slice %{{.*}}[%[[C]], 0] [64, 4]
// CHECK: tensor.extract_slice %{{.*}}[%[[C]]] [64]
// CHECK: tensor.extract_slice %{{.*}}[%[[B]], 0, %[[C]]] [1, %{{.*}}, 64]
// CHECK: tensor.extract_slice %{{.*}}[%[[B]], %[[C]], 0] [1, 64, 3]
// CHECK: hybrid.causal_conv
// CHECK-DAG: tensor.parallel_insert_slice %{{.*}}[%[[B]], 0, %[[C]]] [1, %{{.*}}, 64]
// CHECK-DAG: tensor.parallel_insert_slice %{{.*}}[%[[B]], %[[C]], 0] [1, 64, 3]
func.func @causal_conv(%x: tensor<2x?x192xf32>, %w: tensor<192x4xf32>, %b: tensor<192xf32>, %o: tensor<2x?x192xf32>, %s: tensor<2x192x3xf32>)
    -> (tensor<2x?x192xf32>, tensor<2x192x3xf32>) {
  %r:2 = hybrid.causal_conv ins(%x, %w : tensor<2x?x192xf32>, tensor<192x4xf32>) bias(%b : tensor<192xf32>)
    outs(%o, %s : tensor<2x?x192xf32>, tensor<2x192x3xf32>) {layout = #hybrid.conv_layout<btc>} -> tensor<2x?x192xf32>, tensor<2x192x3xf32>
  return %r#0, %r#1 : tensor<2x?x192xf32>, tensor<2x192x3xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.causal_conv"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_forall %op tile_sizes [1, 64] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// With positions the tables stay whole, and positions for all batches are not cut
// by batch. Without, the tables' rows follow time.

// CHECK-LABEL: func.func @rope(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: tensor<2x8x4x16xf32>, %[[TABLE:[a-z0-9_]+]]: tensor<512x8xf32>, %[[P:[a-z0-9_]+]]: tensor<1x8xi64>, %[[ROWS:[a-z0-9_]+]]: tensor<2x8x8xf32>
// CHECK: scf.forall (%[[B:[a-z0-9_]+]], %[[H:[a-z0-9_]+]], %[[I:[a-z0-9_]+]]) in (2, 4, 4)
// CHECK: %[[T:[a-z0-9_]+]] = affine.apply #{{.*}}(%[[I]])
// CHECK: %[[XS:[a-z0-9_]+]] = tensor.extract_slice %[[X]][%[[B]], %[[T]], %[[H]], 0] [1, 2, 1, 16]
// CHECK: %[[PS:[a-z0-9_]+]] = tensor.extract_slice %[[P]][0, %[[T]]] [1, 2]
// CHECK: hybrid.rope ins(%[[XS]], %[[TABLE]], %[[TABLE]] : {{.*}}) positions(%[[PS]] : tensor<1x2xi64>)
// CHECK: scf.forall (%[[B:[a-z0-9_]+]], %[[H:[a-z0-9_]+]], %[[I:[a-z0-9_]+]]) in (2, 4, 4)
// CHECK: %[[T:[a-z0-9_]+]] = affine.apply #{{.*}}(%[[I]])
// CHECK: %[[RS:[a-z0-9_]+]] = tensor.extract_slice %[[ROWS]][%[[B]], %[[T]], 0] [1, 2, 8]
// CHECK: hybrid.rope ins(%{{.*}}, %[[RS]], %[[RS]] :
func.func @rope(%x: tensor<2x8x4x16xf32>, %table: tensor<512x8xf32>, %p: tensor<1x8xi64>, %rows: tensor<2x8x8xf32>, %o: tensor<2x8x4x16xf32>)
    -> (tensor<2x8x4x16xf32>, tensor<2x8x4x16xf32>) {
  %0 = hybrid.rope ins(%x, %table, %table : tensor<2x8x4x16xf32>, tensor<512x8xf32>, tensor<512x8xf32>)
    positions(%p : tensor<1x8xi64>) outs(%o : tensor<2x8x4x16xf32>) {layout = #hybrid.layout<bthd>, rotary_dim = 16 : i64} -> tensor<2x8x4x16xf32>
  %1 = hybrid.rope ins(%x, %rows, %rows : tensor<2x8x4x16xf32>, tensor<2x8x8xf32>, tensor<2x8x8xf32>)
    outs(%o : tensor<2x8x4x16xf32>) {layout = #hybrid.layout<bthd>, rotary_dim = 16 : i64} -> tensor<2x8x4x16xf32>
  return %0, %1 : tensor<2x8x4x16xf32>, tensor<2x8x4x16xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.rope"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_forall %op tile_sizes [1, 1, 2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// The scale has the normalised dimension only, the bias one that is tiled.

// CHECK-LABEL: func.func @norm(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: tensor<2x8x64xf32>, %[[W:[a-z0-9_]+]]: tensor<64xf32>, %[[B:[a-z0-9_]+]]: tensor<8x1xf32>
// CHECK: scf.forall (%[[I:[a-z0-9_]+]]) in (4)
// CHECK: %[[T:[a-z0-9_]+]] = affine.apply
// CHECK: %[[XS:[a-z0-9_]+]] = tensor.extract_slice %[[X]][0, %[[T]], 0] [2, 2, 64]
// CHECK: %[[BS:[a-z0-9_]+]] = tensor.extract_slice %[[B]][%[[T]], 0] [2, 1]
// CHECK: hybrid.norm rms ins(%[[XS]] : {{.*}}) scale(%[[W]] : tensor<64xf32>) bias(%[[BS]] : tensor<2x1xf32>)
func.func @norm(%x: tensor<2x8x64xf32>, %w: tensor<64xf32>, %b: tensor<8x1xf32>, %o: tensor<2x8x64xf32>) -> tensor<2x8x64xf32> {
  %r = hybrid.norm rms ins(%x : tensor<2x8x64xf32>) scale(%w : tensor<64xf32>) bias(%b : tensor<8x1xf32>)
    outs(%o : tensor<2x8x64xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<2x8x64xf32>
  return %r : tensor<2x8x64xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.norm"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_forall %op tile_sizes [0, 2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// CHECK-LABEL: func.func @gated_norm(
// CHECK: scf.forall (%[[B:[a-z0-9_]+]], %[[T:[a-z0-9_]+]]) in (2, 8)
// CHECK-COUNT-3: tensor.extract_slice %{{.*}}[%[[B]], %[[T]], 0] [1, 1, 64]
// CHECK: hybrid.gated_norm norm_first {{.*}} scale(%{{.*}} : tensor<64xf32>)
func.func @gated_norm(%x: tensor<2x8x64xf32>, %z: tensor<2x8x64xf32>, %w: tensor<64xf32>, %o: tensor<2x8x64xf32>) -> tensor<2x8x64xf32> {
  %r = hybrid.gated_norm norm_first ins(%x, %z : tensor<2x8x64xf32>, tensor<2x8x64xf32>) scale(%w : tensor<64xf32>)
    outs(%o : tensor<2x8x64xf32>) {activation = #hybrid.activation<silu>, epsilon = 1.0e-5 : f64} -> tensor<2x8x64xf32>
  return %r : tensor<2x8x64xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.gated_norm"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_forall %op tile_sizes [1, 1] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// The summed dimension has no loop.

// CHECK-LABEL: func.func @cumsum(
// CHECK: scf.forall (%[[I:[a-z0-9_]+]], %[[J:[a-z0-9_]+]]) in (2, 4)
// CHECK: %[[D:[a-z0-9_]+]] = affine.apply
// CHECK-COUNT-2: tensor.extract_slice %{{.*}}[%[[I]], 0, %[[D]]] [1, 8, 16]
// CHECK: hybrid.cumsum {{.*}} {axis = 1 : i64} -> tensor<1x8x16xf32>
func.func @cumsum(%x: tensor<2x8x64xf32>, %o: tensor<2x8x64xf32>) -> tensor<2x8x64xf32> {
  %r = hybrid.cumsum ins(%x : tensor<2x8x64xf32>) outs(%o : tensor<2x8x64xf32>) {axis = 1 : i64} -> tensor<2x8x64xf32>
  return %r : tensor<2x8x64xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.cumsum"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_forall %op tile_sizes [1, 16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// A tile over time writes at 0 of the part of the cache that it covers; without
// one the position stays.

// CHECK-DAG: #[[AT:.*]] = affine_map<(d0)[s0] -> (d0 * 2 + s0)>
// CHECK-LABEL: func.func @cache_append(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: tensor<2x8x2x16xf32>, %[[P:[a-z0-9_]+]]: index, %[[CACHE:[a-z0-9_]+]]: tensor<2x2x512x16xf32>
// CHECK-DAG: %[[C0:[a-z0-9_]+]] = arith.constant 0 : index
// CHECK: scf.forall (%[[H:[a-z0-9_]+]], %[[I:[a-z0-9_]+]]) in (2, 4) shared_outs(%[[OUT:[a-z0-9_]+]] = %[[CACHE]])
// CHECK-DAG: %[[XS:[a-z0-9_]+]] = tensor.extract_slice %[[X]][0, %{{.*}}, %[[H]], 0] [2, 2, 1, 16]
// CHECK-DAG: %[[FIRST:[a-z0-9_]+]] = affine.apply #[[AT]](%[[I]])[%[[P]]]
// CHECK: %[[CS:[a-z0-9_]+]] = tensor.extract_slice %[[OUT]][0, %[[H]], %[[FIRST]], 0] [2, 1, 2, 16]
// CHECK: hybrid.cache_append ins(%[[XS]] : {{.*}}) at(%[[C0]]) outs(%[[CS]] : tensor<2x1x2x16xf32>)
// CHECK: tensor.parallel_insert_slice %{{.*}} into %[[OUT]][0, %[[H]], %[[FIRST]], 0] [2, 1, 2, 16]
func.func @cache_append(%x: tensor<2x8x2x16xf32>, %p: index, %c: tensor<2x2x512x16xf32>) -> tensor<2x2x512x16xf32> {
  %r = hybrid.cache_append ins(%x : tensor<2x8x2x16xf32>) at(%p) outs(%c : tensor<2x2x512x16xf32>) {layout = #hybrid.layout<bthd>} -> tensor<2x2x512x16xf32>
  return %r : tensor<2x2x512x16xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.cache_append"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_forall %op tile_sizes [0, 1, 2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// CHECK-LABEL: func.func @cache_append_heads(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: tensor<2x2x?x16xf32>, %[[P:[a-z0-9_]+]]: index, %[[CACHE:[a-z0-9_]+]]: tensor<2x2x512x16xf32>
// CHECK: scf.forall (%[[B:[a-z0-9_]+]], %[[H:[a-z0-9_]+]]) in (2, 2) shared_outs(%[[OUT:[a-z0-9_]+]] = %[[CACHE]])
// CHECK: %[[CS:[a-z0-9_]+]] = tensor.extract_slice %[[OUT]][%[[B]], %[[H]], 0, 0] [1, 1, 512, 16]
// CHECK: hybrid.cache_append ins(%{{.*}} : tensor<1x1x?x16xf32>) at(%[[P]]) outs(%[[CS]] : tensor<1x1x512x16xf32>)
// CHECK: tensor.parallel_insert_slice %{{.*}} into %[[OUT]][%[[B]], %[[H]], 0, 0] [1, 1, 512, 16]
func.func @cache_append_heads(%x: tensor<2x2x?x16xf32>, %p: index, %c: tensor<2x2x512x16xf32>) -> tensor<2x2x512x16xf32> {
  %r = hybrid.cache_append ins(%x : tensor<2x2x?x16xf32>) at(%p) outs(%c : tensor<2x2x512x16xf32>) -> tensor<2x2x512x16xf32>
  return %r : tensor<2x2x512x16xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.cache_append"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_forall %op tile_sizes [1, 1, 0] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// Where each sequence has a position of its own, a tile over time is of one
// sequence, and its position says where its part of the cache starts.

// CHECK-LABEL: func.func @cache_append_positions(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: tensor<2x2x8x16xf32>, %[[P:[a-z0-9_]+]]: index, %[[PS:[a-z0-9_]+]]: tensor<2xi64>, %[[CACHE:[a-z0-9_]+]]: tensor<2x2x512x16xf32>
// CHECK: scf.forall (%[[B:[a-z0-9_]+]], %[[H:[a-z0-9_]+]], %[[I:[a-z0-9_]+]]) in (2, 2, 4) shared_outs(%[[OUT:[a-z0-9_]+]] = %[[CACHE]])
// CHECK: %[[OWN:[a-z0-9_]+]] = tensor.extract %[[PS]][%[[B]]]
// CHECK: %[[NUMBER:[a-z0-9_]+]] = arith.index_cast %[[OWN]]
// CHECK: %[[FIRST:[a-z0-9_]+]] = affine.apply #{{.*}}(%[[I]])[%[[P]], %[[NUMBER]]]
// CHECK: %[[CS:[a-z0-9_]+]] = tensor.extract_slice %[[OUT]][%[[B]], %[[H]], %[[FIRST]], 0] [1, 1, 2, 16]
// CHECK: hybrid.cache_append ins(%{{.*}} : tensor<1x1x2x16xf32>) at(%{{.*}}) outs(%[[CS]] : tensor<1x1x2x16xf32>)
// CHECK: tensor.parallel_insert_slice
func.func @cache_append_positions(%x: tensor<2x2x8x16xf32>, %p: index, %ps: tensor<2xi64>, %c: tensor<2x2x512x16xf32>) -> tensor<2x2x512x16xf32> {
  %r = hybrid.cache_append ins(%x : tensor<2x2x8x16xf32>) at(%p) positions(%ps : tensor<2xi64>) outs(%c : tensor<2x2x512x16xf32>) -> tensor<2x2x512x16xf32>
  return %r : tensor<2x2x512x16xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.cache_append"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.tile_using_forall %op tile_sizes [1, 1, 2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// Producers go into a tile of their consumer: the norm computes two of the rows, the
// convolution one batch with all its time.

// CHECK-LABEL: func.func @fuse(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: tensor<2x?x64xf32>
// CHECK: scf.for %[[B:[a-z0-9_]+]] =
// CHECK: %[[XS:[a-z0-9_]+]] = tensor.extract_slice %[[X]][%[[B]], 0, 0] [1, %{{.*}}, 64]
// CHECK: %[[CONV:[a-z0-9_]+]]:2 = hybrid.causal_conv ins(%[[XS]],
// CHECK: %[[NORM:[a-z0-9_]+]] = hybrid.norm rms ins(%[[CONV]]#0 :
// CHECK: hybrid.cumsum ins(%[[NORM]] :
func.func @fuse(%x: tensor<2x?x64xf32>, %w: tensor<64x4xf32>, %s: tensor<2x64x3xf32>, %o: tensor<2x?x64xf32>) -> tensor<2x?x64xf32> {
  %c:2 = hybrid.causal_conv ins(%x, %w : tensor<2x?x64xf32>, tensor<64x4xf32>) outs(%o, %s : tensor<2x?x64xf32>, tensor<2x64x3xf32>)
    {layout = #hybrid.conv_layout<btc>} -> tensor<2x?x64xf32>, tensor<2x64x3xf32>
  %n = hybrid.norm rms ins(%c#0 : tensor<2x?x64xf32>) outs(%o : tensor<2x?x64xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<2x?x64xf32>
  %r = hybrid.cumsum ins(%n : tensor<2x?x64xf32>) outs(%o : tensor<2x?x64xf32>) {axis = 1 : i64} -> tensor<2x?x64xf32>
  return %r : tensor<2x?x64xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.cumsum"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.fuse %op tile_sizes [1] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// A tile of time of the norm needs all time of the scan, so that one stays outside.

// CHECK-LABEL: func.func @not_fused(
// CHECK: hybrid.scan
// CHECK: scf.for
// CHECK-NOT: hybrid.scan
// CHECK: hybrid.norm
func.func @not_fused(%x: tensor<1x8x2x4xf32>, %s: tensor<1x2x4x4xf32>, %o: tensor<1x8x2x4xf32>) -> tensor<1x8x2x4xf32> {
  %c:2 = hybrid.scan linear ins(%x, %x, %x : tensor<1x8x2x4xf32>, tensor<1x8x2x4xf32>, tensor<1x8x2x4xf32>)
    outs(%o, %s : tensor<1x8x2x4xf32>, tensor<1x2x4x4xf32>) {scale = 1.0 : f64} -> tensor<1x8x2x4xf32>, tensor<1x2x4x4xf32>
  %n = hybrid.norm rms ins(%c#0 : tensor<1x8x2x4xf32>) outs(%o : tensor<1x8x2x4xf32>) {axis = 3 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x8x2x4xf32>
  return %n : tensor<1x8x2x4xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.norm"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.fuse %op tile_sizes [0, 2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// A tile of columns takes the panels that it lies in, the last tile a part of one.

// CHECK-LABEL: func.func @matmul(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<8x16xf32>, %[[W:[a-z0-9]*]]: tensor<3x16x32xf32>
// CHECK: scf.for %[[I:[a-z0-9]*]] =
// CHECK: scf.for %[[J:[a-z0-9]*]] =
// CHECK: %[[SIZE:.*]] = affine.min
// CHECK-DAG: %[[FIRST:.*]] = affine.apply #{{.*}}()[%[[J]]]
// CHECK-DAG: %[[NUM:.*]] = affine.apply #{{.*}}()[%[[SIZE]]]
// CHECK-DAG: %[[ROWS:.*]] = tensor.extract_slice %[[X]][%[[I]], 0] [4, 16] [1, 1]
// CHECK: %[[PANELS:.*]] = tensor.extract_slice %[[W]][%[[FIRST]], 0, 0] [%[[NUM]], 16, 32] [1, 1, 1]
// CHECK: hybrid.matmul ins(%[[ROWS]], %[[PANELS]] :
func.func @matmul(%x: tensor<8x16xf32>, %w: tensor<3x16x32xf32>, %o: tensor<8x80xf32>) -> tensor<8x80xf32> {
  %r = hybrid.matmul ins(%x, %w : tensor<8x16xf32>, tensor<3x16x32xf32>) outs(%o : tensor<8x80xf32>) -> tensor<8x80xf32>
  return %r : tensor<8x80xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.matmul"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loops:2 = transform.structured.fuse %op tile_sizes [4, 64] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// Rows in tiles: a block of rows takes the groups of 32 that it lies in.

// CHECK-DAG: #[[FLOOR:.*]] = affine_map<()[s0] -> (s0 floordiv 32)>
// CHECK-DAG: #[[CEIL:.*]] = affine_map<()[s0] -> (s0 ceildiv 32)>
// CHECK-LABEL: func.func @tiled_rows(
// CHECK: %[[TILES:.*]] = hybrid.pack_rows
// CHECK: scf.for %[[I:[a-z0-9]*]] =
// CHECK: scf.for
// CHECK: %[[SIZE:.*]] = affine.min #{{.*}}(%[[I]])
// CHECK-DAG: %[[FIRST:.*]] = affine.apply #[[FLOOR]]()[%[[I]]]
// CHECK-DAG: %[[NUM:.*]] = affine.apply #[[CEIL]]()[%[[SIZE]]]
// CHECK: %[[GROUPS:.*]] = tensor.extract_slice %[[TILES]][%[[FIRST]], 0, 0, 0, 0] [%[[NUM]], 1, 6, 16, 32]
// CHECK: hybrid.matmul ins(%[[GROUPS]], %{{.*}} : tensor<?x1x6x16x32xbf16>, tensor<?x16x32xf32>)
func.func @tiled_rows(%x: tensor<70x16xf32>, %t: tensor<3x1x6x16x32xbf16>, %w: tensor<3x16x32xf32>, %o: tensor<70x80xf32>) -> tensor<70x80xf32> {
  %p = hybrid.pack_rows ins(%x : tensor<70x16xf32>) outs(%t : tensor<3x1x6x16x32xbf16>) -> tensor<3x1x6x16x32xbf16>
  %r = hybrid.matmul ins(%p, %w : tensor<3x1x6x16x32xbf16>, tensor<3x16x32xf32>) outs(%o : tensor<70x80xf32>) -> tensor<70x80xf32>
  return %r : tensor<70x80xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.matmul"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loops:2 = transform.structured.fuse %op tile_sizes [32, 32] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// A block of rows is cut into tiles for itself.

// CHECK-LABEL: func.func @pack_rows(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<70x16xf32>, %[[O:[a-z0-9]*]]: tensor<3x1x6x16x32xbf16>
// CHECK: scf.for %[[I:[a-z0-9]*]] =
// CHECK-DAG: tensor.extract_slice %[[X]][%[[I]], 0] [%{{.*}}, 16] [1, 1]
// CHECK-DAG: tensor.extract_slice %{{.*}}[%{{.*}}, 0, 0, 0, 0] [%{{.*}}, 1, 6, 16, 32]
// CHECK: hybrid.pack_rows ins(%{{.*}} : tensor<?x16xf32>) outs(%{{.*}} : tensor<?x1x6x16x32xbf16>)
func.func @pack_rows(%x: tensor<70x16xf32>, %o: tensor<3x1x6x16x32xbf16>) -> tensor<3x1x6x16x32xbf16> {
  %r = hybrid.pack_rows ins(%x : tensor<70x16xf32>) outs(%o : tensor<3x1x6x16x32xbf16>) -> tensor<3x1x6x16x32xbf16>
  return %r : tensor<3x1x6x16x32xbf16>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["hybrid.pack_rows"]} in %root : (!transform.any_op) -> !transform.any_op
    %tiled, %loop = transform.structured.fuse %op tile_sizes [32] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
