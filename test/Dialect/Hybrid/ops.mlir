// RUN: hybrid-opt %s | hybrid-opt | FileCheck %s
// RUN: hybrid-opt %s --mlir-print-op-generic | hybrid-opt | FileCheck %s

// The examples of the operations' descriptions, and each optional part.

// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<1x4x?x16xf32>, %k: tensor<1x2x512x16xf32>, %v: tensor<1x2x512x16xf32>,
                     %o: tensor<1x4x?x16xf32>, %n: index, %p: index) -> tensor<1x4x?x16xf32> {
  // CHECK: hybrid.attention ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<1x4x?x16xf32>, tensor<1x2x512x16xf32>, tensor<1x2x512x16xf32>) kv_length(%{{.*}}) q_offset(%{{.*}}) outs(%{{.*}} : tensor<1x4x?x16xf32>) {causal, scale = 2.500000e-01 : f64} -> tensor<1x4x?x16xf32>
  %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x?x16xf32>, tensor<1x2x512x16xf32>, tensor<1x2x512x16xf32>)
         kv_length(%n) q_offset(%p) outs(%o : tensor<1x4x?x16xf32>)
         {causal, scale = 2.500000e-01 : f64} -> tensor<1x4x?x16xf32>
  return %r : tensor<1x4x?x16xf32>
}

// CHECK-LABEL: func.func @attention_full
func.func @attention_full(%q: tensor<2x?x4x16xbf16>, %k: tensor<2x512x2x16xbf16>, %v: tensor<2x512x2x32xbf16>,
                          %mask: tensor<?x512xi1>, %sinks: tensor<4xf32>, %lengths: tensor<2xi64>,
                          %o: tensor<2x?x4x32xbf16>, %n: index, %p: index) -> tensor<2x?x4x32xbf16> {
  // CHECK: mask(%{{.*}} : tensor<?x512xi1>) sinks(%{{.*}} : tensor<4xf32>) lengths(%{{.*}} : tensor<2xi64>)
  // CHECK-SAME: kv_layout = #hybrid.layout<bthd>, q_layout = #hybrid.layout<bthd>
  // CHECK-SAME: sink_prefix = 4 : i64, softcap = 3.000000e+01 : f64, window_left = 128 : i64, window_right = 0 : i64
  %r = hybrid.attention ins(%q, %k, %v : tensor<2x?x4x16xbf16>, tensor<2x512x2x16xbf16>, tensor<2x512x2x32xbf16>)
         mask(%mask : tensor<?x512xi1>) sinks(%sinks : tensor<4xf32>) lengths(%lengths : tensor<2xi64>)
         kv_length(%n) q_offset(%p) outs(%o : tensor<2x?x4x32xbf16>)
         {scale = 2.500000e-01 : f64, softcap = 30.0 : f64, window_left = 128 : i64, window_right = 0 : i64,
          sink_prefix = 4 : i64, q_layout = #hybrid.layout<bthd>, kv_layout = #hybrid.layout<bthd>}
         -> tensor<2x?x4x32xbf16>
  return %r : tensor<2x?x4x32xbf16>
}

// CHECK-LABEL: func.func @attention_memref
func.func @attention_memref(%q: memref<1x4x1x16xf32>, %k: memref<1x2x512x16xf32, strided<[?, 16, 32, 1], offset: ?>>,
                            %v: memref<1x2x512x16xf32>, %o: memref<1x4x1x16xf32>, %n: index, %p: index) {
  // CHECK: hybrid.attention ins({{.*}}) kv_length(%{{.*}}) q_offset(%{{.*}}) outs(%{{.*}} : memref<1x4x1x16xf32>) {scale = 1.000000e+00 : f64}{{$}}
  hybrid.attention ins(%q, %k, %v : memref<1x4x1x16xf32>, memref<1x2x512x16xf32, strided<[?, 16, 32, 1], offset: ?>>, memref<1x2x512x16xf32>)
    kv_length(%n) q_offset(%p) outs(%o : memref<1x4x1x16xf32>) {scale = 1.0 : f64}
  return
}

// CHECK-LABEL: func.func @scan
func.func @scan(%q: tensor<1x?x8x16xf32>, %k: tensor<1x?x8x16xf32>, %v: tensor<1x?x8x32xf32>, %g: tensor<1x?x8xf32>,
                %o: tensor<1x?x8x32xf32>, %s0: tensor<1x8x16x32xf32>) -> (tensor<1x?x8x32xf32>, tensor<1x8x16x32xf32>) {
  // CHECK: hybrid.scan gated ins(%{{.*}}, %{{.*}}, %{{.*}} : {{.*}}) decay(%{{.*}} : tensor<1x?x8xf32>) outs(%{{.*}}, %{{.*}} : tensor<1x?x8x32xf32>, tensor<1x8x16x32xf32>) {scale = 1.000000e+00 : f64} -> tensor<1x?x8x32xf32>, tensor<1x8x16x32xf32>
  %y, %s1 = hybrid.scan gated ins(%q, %k, %v : tensor<1x?x8x16xf32>, tensor<1x?x8x16xf32>, tensor<1x?x8x32xf32>)
         decay(%g : tensor<1x?x8xf32>) outs(%o, %s0 : tensor<1x?x8x32xf32>, tensor<1x8x16x32xf32>)
         {scale = 1.000000e+00 : f64} -> tensor<1x?x8x32xf32>, tensor<1x8x16x32xf32>
  return %y, %s1 : tensor<1x?x8x32xf32>, tensor<1x8x16x32xf32>
}

// CHECK-LABEL: func.func @scan_rules
func.func @scan_rules(%q: tensor<1x3x2x4xf32>, %k: tensor<1x3x2x4xf32>, %v: tensor<1x3x4x5xf32>, %g: tensor<1x3x4x4xf32>,
                      %b: tensor<1x3x1xf32>, %o: tensor<1x3x4x5xf32>, %s: tensor<1x4x4x5xf32>) {
  // CHECK: hybrid.scan linear ins
  %0:2 = hybrid.scan linear ins(%q, %k, %v : tensor<1x3x2x4xf32>, tensor<1x3x2x4xf32>, tensor<1x3x4x5xf32>)
         outs(%o, %s : tensor<1x3x4x5xf32>, tensor<1x4x4x5xf32>) {scale = 1.0 : f64} -> tensor<1x3x4x5xf32>, tensor<1x4x4x5xf32>
  // CHECK: hybrid.scan delta ins({{.*}}) beta(%{{.*}} : tensor<1x3x1xf32>) outs
  %1:2 = hybrid.scan delta ins(%q, %k, %v : tensor<1x3x2x4xf32>, tensor<1x3x2x4xf32>, tensor<1x3x4x5xf32>)
         beta(%b : tensor<1x3x1xf32>)
         outs(%o, %s : tensor<1x3x4x5xf32>, tensor<1x4x4x5xf32>) {scale = 1.0 : f64} -> tensor<1x3x4x5xf32>, tensor<1x4x4x5xf32>
  // CHECK: hybrid.scan gated_delta ins({{.*}}) decay(%{{.*}} : tensor<1x3x4x4xf32>) beta(%{{.*}} : tensor<1x3x1xf32>) outs
  %2:2 = hybrid.scan gated_delta ins(%q, %k, %v : tensor<1x3x2x4xf32>, tensor<1x3x2x4xf32>, tensor<1x3x4x5xf32>)
         decay(%g : tensor<1x3x4x4xf32>) beta(%b : tensor<1x3x1xf32>)
         outs(%o, %s : tensor<1x3x4x5xf32>, tensor<1x4x4x5xf32>) {scale = 1.0 : f64} -> tensor<1x3x4x5xf32>, tensor<1x4x4x5xf32>
  return
}

// CHECK-LABEL: func.func @scan_forms
func.func @scan_forms(%q: tensor<1x?x2x4xf32>, %v: tensor<1x?x2x5xf32>, %o: tensor<1x?x2x5xf32>, %s: tensor<1x2x4x5xf32>) {
  // CHECK: {form = #hybrid.scan_form<sequential>, scale = 1.000000e+00 : f64}
  %0:2 = hybrid.scan linear ins(%q, %q, %v : tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>, tensor<1x?x2x5xf32>)
         outs(%o, %s : tensor<1x?x2x5xf32>, tensor<1x2x4x5xf32>) {form = #hybrid.scan_form<sequential>, scale = 1.0 : f64} -> tensor<1x?x2x5xf32>, tensor<1x2x4x5xf32>
  // CHECK: {chunk = 48 : i64, form = #hybrid.scan_form<chunked>, scale = 1.000000e+00 : f64, sequential_below = 20 : i64}
  %1:2 = hybrid.scan linear ins(%q, %q, %v : tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>, tensor<1x?x2x5xf32>)
         outs(%o, %s : tensor<1x?x2x5xf32>, tensor<1x2x4x5xf32>)
         {form = #hybrid.scan_form<chunked>, chunk = 48 : i64, sequential_below = 20 : i64, scale = 1.0 : f64} -> tensor<1x?x2x5xf32>, tensor<1x2x4x5xf32>
  // CHECK: {chunk = 16 : i64, form = #hybrid.scan_form<associative>, scale = 1.000000e+00 : f64}
  %2:2 = hybrid.scan linear ins(%q, %q, %v : tensor<1x?x2x4xf32>, tensor<1x?x2x4xf32>, tensor<1x?x2x5xf32>)
         outs(%o, %s : tensor<1x?x2x5xf32>, tensor<1x2x4x5xf32>)
         {form = #hybrid.scan_form<associative>, chunk = 16 : i64, scale = 1.0 : f64} -> tensor<1x?x2x5xf32>, tensor<1x2x4x5xf32>
  return
}

// CHECK-LABEL: func.func @causal_conv
func.func @causal_conv(%x: tensor<1x192x?xf32>, %w: tensor<192x4xf32>, %b: tensor<192xf32>, %o: tensor<1x192x?xf32>,
                       %s0: tensor<1x192x3xf32>) -> (tensor<1x192x?xf32>, tensor<1x192x3xf32>) {
  // CHECK: hybrid.causal_conv ins(%{{.*}}, %{{.*}} : tensor<1x192x?xf32>, tensor<192x4xf32>) bias(%{{.*}} : tensor<192xf32>) outs(%{{.*}}, %{{.*}} : tensor<1x192x?xf32>, tensor<1x192x3xf32>) {activation = #hybrid.activation<silu>} -> tensor<1x192x?xf32>, tensor<1x192x3xf32>
  %y, %s1 = hybrid.causal_conv ins(%x, %w : tensor<1x192x?xf32>, tensor<192x4xf32>) bias(%b : tensor<192xf32>)
         outs(%o, %s0 : tensor<1x192x?xf32>, tensor<1x192x3xf32>)
         {activation = #hybrid.activation<silu>} -> tensor<1x192x?xf32>, tensor<1x192x3xf32>
  return %y, %s1 : tensor<1x192x?xf32>, tensor<1x192x3xf32>
}

// CHECK-LABEL: func.func @causal_conv_btc
func.func @causal_conv_btc(%x: tensor<1x?x192xf32>, %w: tensor<192x4xf32>, %o: tensor<1x?x192xf32>, %s0: tensor<1x192x3xf32>) {
  // CHECK: {layout = #hybrid.conv_layout<btc>}
  %y, %s1 = hybrid.causal_conv ins(%x, %w : tensor<1x?x192xf32>, tensor<192x4xf32>)
         outs(%o, %s0 : tensor<1x?x192xf32>, tensor<1x192x3xf32>)
         {layout = #hybrid.conv_layout<btc>} -> tensor<1x?x192xf32>, tensor<1x192x3xf32>
  return
}

// CHECK-LABEL: func.func @rope
func.func @rope(%x: tensor<1x?x4x16xf32>, %cos: tensor<512x8xf32>, %sin: tensor<512x8xf32>, %p: tensor<1x?xi64>,
                %o: tensor<1x?x4x16xf32>) -> tensor<1x?x4x16xf32> {
  // CHECK: hybrid.rope ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<1x?x4x16xf32>, tensor<512x8xf32>, tensor<512x8xf32>) positions(%{{.*}} : tensor<1x?xi64>) outs(%{{.*}} : tensor<1x?x4x16xf32>) {layout = #hybrid.layout<bthd>, rotary_dim = 16 : i64} -> tensor<1x?x4x16xf32>
  %r = hybrid.rope ins(%x, %cos, %sin : tensor<1x?x4x16xf32>, tensor<512x8xf32>, tensor<512x8xf32>)
         positions(%p : tensor<1x?xi64>) outs(%o : tensor<1x?x4x16xf32>)
         {layout = #hybrid.layout<bthd>, rotary_dim = 16 : i64} -> tensor<1x?x4x16xf32>
  return %r : tensor<1x?x4x16xf32>
}

// CHECK-LABEL: func.func @rope_rows
func.func @rope_rows(%x: tensor<2x4x?x16xf32>, %cos: tensor<1x?x8xf32>, %sin: tensor<1x?x8xf32>, %o: tensor<2x4x?x16xf32>) {
  // CHECK: {interleaved, rotary_dim = 8 : i64}
  %r = hybrid.rope ins(%x, %cos, %sin : tensor<2x4x?x16xf32>, tensor<1x?x8xf32>, tensor<1x?x8xf32>)
         outs(%o : tensor<2x4x?x16xf32>) {rotary_dim = 8 : i64, interleaved} -> tensor<2x4x?x16xf32>
  return
}

// CHECK-LABEL: func.func @norm
func.func @norm(%x: tensor<1x?x64xf32>, %w: tensor<64xf32>, %b1: tensor<1xf32>, %o: tensor<1x?x64xf32>) -> tensor<1x?x64xf32> {
  // CHECK: hybrid.norm rms ins(%{{.*}} : tensor<1x?x64xf32>) scale(%{{.*}} : tensor<64xf32>) outs(%{{.*}} : tensor<1x?x64xf32>) {axis = 2 : i64, epsilon = 1.000000e-05 : f64} -> tensor<1x?x64xf32>
  %r = hybrid.norm rms ins(%x : tensor<1x?x64xf32>) scale(%w : tensor<64xf32>)
         outs(%o : tensor<1x?x64xf32>) {axis = 2 : i64, epsilon = 1.000000e-05 : f64} -> tensor<1x?x64xf32>
  // CHECK: hybrid.norm layer {{.*}} bias(%{{.*}} : tensor<1xf32>) outs
  // CHECK-SAME: group_size = 16 : i64, zero_centered
  %1 = hybrid.norm layer ins(%x : tensor<1x?x64xf32>) scale(%w : tensor<64xf32>) bias(%b1 : tensor<1xf32>)
         outs(%o : tensor<1x?x64xf32>) {axis = 2 : i64, epsilon = 0.0 : f64, group_size = 16 : i64, zero_centered} -> tensor<1x?x64xf32>
  return %r : tensor<1x?x64xf32>
}

// CHECK-LABEL: func.func @gated_norm
func.func @gated_norm(%x: tensor<1x?x128xf32>, %z: tensor<1x?x128xf32>, %w: tensor<128xf32>, %o: tensor<1x?x128xf32>) -> tensor<1x?x128xf32> {
  // CHECK: hybrid.gated_norm gate_first ins(%{{.*}}, %{{.*}} : tensor<1x?x128xf32>, tensor<1x?x128xf32>) scale(%{{.*}} : tensor<128xf32>) outs(%{{.*}} : tensor<1x?x128xf32>) {activation = #hybrid.activation<silu>, epsilon = 1.000000e-05 : f64} -> tensor<1x?x128xf32>
  %r = hybrid.gated_norm gate_first ins(%x, %z : tensor<1x?x128xf32>, tensor<1x?x128xf32>) scale(%w : tensor<128xf32>)
         outs(%o : tensor<1x?x128xf32>) {activation = #hybrid.activation<silu>, epsilon = 1.000000e-05 : f64} -> tensor<1x?x128xf32>
  // CHECK: hybrid.gated_norm norm_first
  %1 = hybrid.gated_norm norm_first ins(%x, %z : tensor<1x?x128xf32>, tensor<1x?x128xf32>)
         outs(%o : tensor<1x?x128xf32>) {activation = #hybrid.activation<sigmoid>, epsilon = 1.000000e-05 : f64, group_size = 32 : i64} -> tensor<1x?x128xf32>
  return %r : tensor<1x?x128xf32>
}

// CHECK-LABEL: func.func @cache_append
func.func @cache_append(%k: tensor<1x?x2x16xf32>, %p: index, %c0: tensor<1x2x512x16xf32>) -> tensor<1x2x512x16xf32> {
  // CHECK: hybrid.cache_append ins(%{{.*}} : tensor<1x?x2x16xf32>) at(%{{.*}}) outs(%{{.*}} : tensor<1x2x512x16xf32>) {layout = #hybrid.layout<bthd>} -> tensor<1x2x512x16xf32>
  %c1 = hybrid.cache_append ins(%k : tensor<1x?x2x16xf32>) at(%p) outs(%c0 : tensor<1x2x512x16xf32>)
          {layout = #hybrid.layout<bthd>} -> tensor<1x2x512x16xf32>
  return %c1 : tensor<1x2x512x16xf32>
}

// CHECK-LABEL: func.func @cache_append_positions
func.func @cache_append_positions(%k: tensor<?x?x2x16xf32>, %ps: tensor<?xi64>, %zero: index, %c2: tensor<?x2x512x16xf32>) -> tensor<?x2x512x16xf32> {
  // CHECK: hybrid.cache_append ins(%{{.*}} : tensor<?x?x2x16xf32>) at(%{{.*}}) positions(%{{.*}} : tensor<?xi64>) outs(%{{.*}} : tensor<?x2x512x16xf32>) {layout = #hybrid.layout<bthd>} -> tensor<?x2x512x16xf32>
  %c3 = hybrid.cache_append ins(%k : tensor<?x?x2x16xf32>) at(%zero) positions(%ps : tensor<?xi64>)
          outs(%c2 : tensor<?x2x512x16xf32>) {layout = #hybrid.layout<bthd>} -> tensor<?x2x512x16xf32>
  return %c3 : tensor<?x2x512x16xf32>
}

// CHECK-LABEL: func.func @cache_append_ring
func.func @cache_append_ring(%k: tensor<?x?x2x16xf32>, %ps: tensor<?xi64>, %zero: index, %c2: tensor<?x2x10x16xf32>) -> tensor<?x2x10x16xf32> {
  // CHECK: hybrid.cache_append {{.*}} {layout = #hybrid.layout<bthd>, ring, sink_prefix = 2 : i64} -> tensor<?x2x10x16xf32>
  %c3 = hybrid.cache_append ins(%k : tensor<?x?x2x16xf32>) at(%zero) positions(%ps : tensor<?xi64>)
          outs(%c2 : tensor<?x2x10x16xf32>) {layout = #hybrid.layout<bthd>, ring, sink_prefix = 2 : i64} -> tensor<?x2x10x16xf32>
  return %c3 : tensor<?x2x10x16xf32>
}

// CHECK-LABEL: func.func @ring_read
func.func @ring_read(%k: tensor<1x4x2x16xf32>, %ps: tensor<1xi64>, %ring: tensor<1x2x10x16xf32>, %o: tensor<1x2x14x16xf32>) -> tensor<1x2x14x16xf32> {
  // CHECK: hybrid.ring_read ins(%{{.*}}, %{{.*}} : tensor<1x2x10x16xf32>, tensor<1x4x2x16xf32>) positions(%{{.*}} : tensor<1xi64>) outs(%{{.*}} : tensor<1x2x14x16xf32>) {layout = #hybrid.layout<bthd>, sink_prefix = 2 : i64} -> tensor<1x2x14x16xf32>
  %r = hybrid.ring_read ins(%ring, %k : tensor<1x2x10x16xf32>, tensor<1x4x2x16xf32>) positions(%ps : tensor<1xi64>)
         outs(%o : tensor<1x2x14x16xf32>) {layout = #hybrid.layout<bthd>, sink_prefix = 2 : i64} -> tensor<1x2x14x16xf32>
  return %r : tensor<1x2x14x16xf32>
}

// CHECK-LABEL: func.func @cumsum
func.func @cumsum(%x: tensor<1x?x64xf32>, %o: tensor<1x?x64xf32>, %i: tensor<4xi64>) -> tensor<1x?x64xf32> {
  // CHECK: hybrid.cumsum ins(%{{.*}} : tensor<1x?x64xf32>) outs(%{{.*}} : tensor<1x?x64xf32>) {axis = 1 : i64} -> tensor<1x?x64xf32>
  %r = hybrid.cumsum ins(%x : tensor<1x?x64xf32>) outs(%o : tensor<1x?x64xf32>) {axis = 1 : i64} -> tensor<1x?x64xf32>
  // CHECK: {axis = 0 : i64, exclusive, reverse}
  %1 = hybrid.cumsum ins(%i : tensor<4xi64>) outs(%i : tensor<4xi64>) {axis = 0 : i64, exclusive, reverse} -> tensor<4xi64>
  return %r : tensor<1x?x64xf32>
}

// CHECK-LABEL: func.func @empty_is_mean
func.func @empty_is_mean(%q: tensor<?x4x?x16xf32>, %k: tensor<?x4x?x16xf32>, %m: tensor<?x1x1x?xi1>, %n: index) -> tensor<?x4x?x16xf32> {
  // CHECK: mask(%{{.*}} : tensor<?x1x1x?xi1>) {{.*}} {causal, empty_is_mean, scale = 1.000000e+00 : f64}
  %r = hybrid.attention ins(%q, %k, %k : tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>) mask(%m : tensor<?x1x1x?xi1>)
         kv_length(%n) q_offset(%n) outs(%q : tensor<?x4x?x16xf32>) {causal, empty_is_mean, scale = 1.0 : f64} -> tensor<?x4x?x16xf32>
  return %r : tensor<?x4x?x16xf32>
}

// CHECK-LABEL: func.func @route
func.func @route(%l: tensor<?x64xf32>, %b: tensor<64xf32>, %e: tensor<?x8xi64>, %w: tensor<?x8xf32>) -> (tensor<?x8xi64>, tensor<?x8xf32>) {
  // CHECK: hybrid.route sigmoid ins(%{{.*}} : tensor<?x64xf32>) bias(%{{.*}} : tensor<64xf32>) outs(%{{.*}}, %{{.*}} : tensor<?x8xi64>, tensor<?x8xf32>) {epsilon = 5.000000e-01 : f64, scale = 2.500000e+00 : f64, weight = #hybrid.route_weight<share>} -> tensor<?x8xi64>, tensor<?x8xf32>
  %0:2 = hybrid.route sigmoid ins(%l : tensor<?x64xf32>) bias(%b : tensor<64xf32>) outs(%e, %w : tensor<?x8xi64>, tensor<?x8xf32>)
           {epsilon = 0.5 : f64, scale = 2.5 : f64, weight = #hybrid.route_weight<share>} -> tensor<?x8xi64>, tensor<?x8xf32>
  // CHECK: hybrid.route identity ins(%{{.*}} : tensor<?x64xf32>) outs(
  %1:2 = hybrid.route identity ins(%l : tensor<?x64xf32>) outs(%0#0, %0#1 : tensor<?x8xi64>, tensor<?x8xf32>)
           {weight = #hybrid.route_weight<softmax>} -> tensor<?x8xi64>, tensor<?x8xf32>
  // CHECK: {chosen_groups = 4 : i64, group_best = 2 : i64, groups = 8 : i64, others = 0.000000e+00 : f64}
  %2:2 = hybrid.route sigmoid ins(%l : tensor<?x64xf32>) outs(%1#0, %1#1 : tensor<?x8xi64>, tensor<?x8xf32>)
           {chosen_groups = 4 : i64, group_best = 2 : i64, groups = 8 : i64, others = 0.0 : f64} -> tensor<?x8xi64>, tensor<?x8xf32>
  return %2#0, %2#1 : tensor<?x8xi64>, tensor<?x8xf32>
}

// CHECK-LABEL: func.func @expert_matmul
func.func @expert_matmul(%x: tensor<?x64xf32>, %w: tensor<4x96x64xf32>, %t: tensor<4x64x96xf16>, %e: tensor<?xi64>, %o: tensor<?x96xf32>) -> tensor<?x96xf32> {
  // CHECK: hybrid.expert_matmul ins(%{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<4x96x64xf32>) experts(%{{.*}} : tensor<?xi64>) outs(%{{.*}} : tensor<?x96xf32>) {chosen = 2 : i64} -> tensor<?x96xf32>
  %r = hybrid.expert_matmul ins(%x, %w : tensor<?x64xf32>, tensor<4x96x64xf32>) experts(%e : tensor<?xi64>)
         outs(%o : tensor<?x96xf32>) {chosen = 2 : i64} -> tensor<?x96xf32>
  // CHECK: outs(%{{.*}} : tensor<?x96xf32>) {transposed} -> tensor<?x96xf32>
  %1 = hybrid.expert_matmul ins(%x, %t : tensor<?x64xf32>, tensor<4x64x96xf16>) experts(%e : tensor<?xi64>)
         outs(%r : tensor<?x96xf32>) {transposed} -> tensor<?x96xf32>
  return %1 : tensor<?x96xf32>
}

// CHECK-LABEL: func.func @parallel
func.func @parallel(%a: tensor<1x?x64xf32>, %b: tensor<1x?x64xf32>, %w: tensor<f32>, %w1: tensor<64xf32>) -> tensor<1x?x64xf32> {
  // CHECK: hybrid.parallel mean {
  // CHECK-NEXT: hybrid.yield %{{.*}} : tensor<1x?x64xf32>
  // CHECK-NEXT: }, {
  // CHECK-NEXT: hybrid.yield %{{.*}} : tensor<1x?x64xf32>
  // CHECK-NEXT: } : tensor<1x?x64xf32>
  %r = hybrid.parallel mean {
    hybrid.yield %a : tensor<1x?x64xf32>
  }, {
    hybrid.yield %b : tensor<1x?x64xf32>
  } : tensor<1x?x64xf32>
  // CHECK: hybrid.parallel weighted weights(%{{.*}}, %{{.*}} : tensor<f32>, tensor<64xf32>)
  %1 = hybrid.parallel weighted weights(%w, %w1 : tensor<f32>, tensor<64xf32>) {
    hybrid.yield %a : tensor<1x?x64xf32>
  }, {
    hybrid.yield %b : tensor<1x?x64xf32>
  } : tensor<1x?x64xf32>
  // CHECK: hybrid.parallel concat
  %2 = hybrid.parallel concat {
    hybrid.yield %a : tensor<1x?x64xf32>
  }, {
    hybrid.yield %b : tensor<1x?x64xf32>
  } : tensor<1x?x128xf32>
  // CHECK: %{{.*}}, %{{.*}}:2 = hybrid.parallel add {
  // CHECK: } {form = #hybrid.branch_form<merged>} : tensor<1x?x64xf32>, tensor<f32>, tensor<64xf32>
  %3:3 = hybrid.parallel add {
    hybrid.yield %a, %w : tensor<1x?x64xf32>, tensor<f32>
  }, {
    hybrid.yield %b, %w1 : tensor<1x?x64xf32>, tensor<64xf32>
  } {form = #hybrid.branch_form<merged>} : tensor<1x?x64xf32>, tensor<f32>, tensor<64xf32>
  return %r : tensor<1x?x64xf32>
}

// CHECK-LABEL: func.func @concat_weights
func.func @concat_weights() {
  %a = hybrid.weight "a" from "m.onnx"[0, 16] : tensor<2x2xf32>
  // CHECK: hybrid.concat_weights %{{.*}}, %{{.*}} {axis = 1 : i64} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x4xf32>
  %w = hybrid.concat_weights %a, %a {axis = 1 : i64} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x4xf32>
  return
}

// CHECK-LABEL: func.func @matmul
func.func @matmul(%x: tensor<?x64xf32>, %o: tensor<?x80xf32>) -> tensor<?x80xf32> {
  %w = hybrid.weight "w" from "m.onnx"[0, 20480] : tensor<64x80xf32>
  // CHECK: hybrid.pack_weights %{{.*}} : tensor<64x80xf32> -> tensor<3x64x32xf32>
  %p = hybrid.pack_weights %w : tensor<64x80xf32> -> tensor<3x64x32xf32>
  // CHECK: hybrid.pack_weights %{{.*}} {transposed} : tensor<64x80xf32> -> tensor<2x80x32xf32>
  %t = hybrid.pack_weights %w {transposed} : tensor<64x80xf32> -> tensor<2x80x32xf32>
  // CHECK: hybrid.matmul ins(%{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<3x64x32xf32>) outs(%{{.*}} : tensor<?x80xf32>) -> tensor<?x80xf32>
  %r = hybrid.matmul ins(%x, %p : tensor<?x64xf32>, tensor<3x64x32xf32>) outs(%o : tensor<?x80xf32>) -> tensor<?x80xf32>
  return %r : tensor<?x80xf32>
}

// CHECK-LABEL: func.func @rows_in_tiles
func.func @rows_in_tiles(%x: tensor<?x80xf32>, %w: tensor<1x80x32xbf16>, %t: tensor<?x3x6x16x32xbf16>, %o: tensor<?x32xf32>) -> tensor<?x32xf32> {
  // CHECK: hybrid.pack_rows ins(%{{.*}} : tensor<?x80xf32>) outs(%{{.*}} : tensor<?x3x6x16x32xbf16>) -> tensor<?x3x6x16x32xbf16>
  %p = hybrid.pack_rows ins(%x : tensor<?x80xf32>) outs(%t : tensor<?x3x6x16x32xbf16>) -> tensor<?x3x6x16x32xbf16>
  // CHECK: hybrid.matmul ins(%{{.*}}, %{{.*}} : tensor<?x3x6x16x32xbf16>, tensor<1x80x32xbf16>) outs(%{{.*}} : tensor<?x32xf32>) -> tensor<?x32xf32>
  %r = hybrid.matmul ins(%p, %w : tensor<?x3x6x16x32xbf16>, tensor<1x80x32xbf16>) outs(%o : tensor<?x32xf32>) -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}

// CHECK: hybrid.state @past_key.1 kv present "present_key.1" length_axis 2 : tensor<?x2x512x16xf32>
hybrid.state @"past_key.1" kv present "present_key.1" length_axis 2 : tensor<?x2x512x16xf32>
// CHECK: hybrid.state @past_conv conv present "present_conv" : tensor<?x192x3xf32>
hybrid.state @past_conv conv present "present_conv" : tensor<?x192x3xf32>
// CHECK: hybrid.state @window kv_window
hybrid.state @window kv_window present "w" length_axis 1 sink_prefix 4 capacity 512 : tensor<1x64x16xf32>
// CHECK: hybrid.state @memory recurrent
hybrid.state @memory recurrent present "m" : tensor<?x8x16x32xf32>

// CHECK-LABEL: func.func @program
func.func @program() {
  // CHECK: hybrid.dim "seq"
  %t = hybrid.dim "seq"
  // CHECK: hybrid.weight "l0.wq" from "model.onnx"[4096, 16384] : tensor<64x64xf32>
  %w = hybrid.weight "l0.wq" from "model.onnx"[4096, 16384] : tensor<64x64xf32>
  // CHECK: %[[S:.*]] = hybrid.read_state @past_conv : tensor<?x192x3xf32>
  %s = hybrid.read_state @past_conv : tensor<?x192x3xf32>
  // CHECK: hybrid.write_state %[[S]], @past_conv : tensor<?x192x3xf32>
  hybrid.write_state %s, @past_conv : tensor<?x192x3xf32>
  // CHECK: hybrid.read_state @past_key.1 : tensor<1x2x512x16xf32>
  %k = hybrid.read_state @"past_key.1" : tensor<1x2x512x16xf32>
  return
}

func.func private @matmul_0(tensor<?x64xf32>, tensor<64x64xf32>, tensor<?x64xf32> {hybrid.writeonly}, index) -> tensor<?x64xf32> attributes {hybrid.kernel}
func.func private @matmul_1(memref<?x64xf32>, memref<?x64xf32>, index, index) attributes {hybrid.kernel}

// CHECK-LABEL: func.func @launch
func.func @launch(%a: tensor<?x64xf32>, %w: tensor<64x64xf32>, %o: tensor<?x64xf32>, %n: index) -> tensor<?x64xf32> {
  // CHECK: hybrid.launch @matmul_0 ins(%{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<64x64xf32>) outs(%{{.*}} : tensor<?x64xf32>) sizes(%{{.*}}) -> tensor<?x64xf32>
  %r = hybrid.launch @matmul_0 ins(%a, %w : tensor<?x64xf32>, tensor<64x64xf32>) outs(%o : tensor<?x64xf32>) sizes(%n) -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @launch_memref
func.func @launch_memref(%a: memref<?x64xf32>, %o: memref<?x64xf32, strided<[128, 1], offset: ?>>, %n: index, %g: index) {
  // CHECK: hybrid.launch @matmul_1 grid(%{{.*}}) ins(%{{.*}} : memref<?x64xf32>) outs(%{{.*}} : memref<?x64xf32, strided<[128, 1], offset: ?>>) sizes(%{{.*}}){{$}}
  hybrid.launch @matmul_1 grid(%g) ins(%a : memref<?x64xf32>) outs(%o : memref<?x64xf32, strided<[128, 1], offset: ?>>) sizes(%n)
  return
}

// CHECK-LABEL: func.func @quantized
func.func @quantized(%x: tensor<?x128xf32>, %o: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %q = hybrid.weight "q" from "m.onnx"[0, 4096] : tensor<64x64xi8>
  %s = hybrid.weight "s" from "m.onnx"[4096, 512] : tensor<64x4xf16>
  %z = hybrid.weight "z" from "m.onnx"[4608, 128] : tensor<64x2xi8>
  // CHECK: hybrid.dequantize_weight %{{.*}} scales %{{.*}} zero_points %{{.*}} {axis = 1 : i64, bits = 4 : i64, block = 32 : i64} : (tensor<64x64xi8>, tensor<64x4xf16>, tensor<64x2xi8>) -> tensor<64x128xf32>
  %w = hybrid.dequantize_weight %q scales %s zero_points %z {axis = 1 : i64, bits = 4 : i64, block = 32 : i64} : (tensor<64x64xi8>, tensor<64x4xf16>, tensor<64x2xi8>) -> tensor<64x128xf32>
  // CHECK: hybrid.pack_weights %{{.*}} {quantization = #hybrid.quantization<bits = 4, block = 32, scale = f16, zero_points = true>, transposed} : tensor<64x128xf32> -> tensor<2x4x608xi8>
  %p = hybrid.pack_weights %w {transposed, quantization = #hybrid.quantization<bits = 4, block = 32, scale = f16, zero_points = true>} : tensor<64x128xf32> -> tensor<2x4x608xi8>
  // CHECK: hybrid.matmul ins(%{{.*}}, %{{.*}} : tensor<?x128xf32>, tensor<2x4x608xi8>) outs(%{{.*}} : tensor<?x64xf32>) {quantization = #hybrid.quantization<bits = 4, block = 32, scale = f16, zero_points = true>} -> tensor<?x64xf32>
  %r = hybrid.matmul ins(%x, %p : tensor<?x128xf32>, tensor<2x4x608xi8>) outs(%o : tensor<?x64xf32>) {quantization = #hybrid.quantization<bits = 4, block = 32, scale = f16, zero_points = true>} -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}
