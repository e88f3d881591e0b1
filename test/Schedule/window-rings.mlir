// RUN: hybrid-opt %s --hybrid-window-rings --cse --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-window-rings --split-input-file --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// One state of keys and values. With several queries they see what was kept and
// the new positions; a single one sees all that is left after the append.

// REMARK: Passed{{.*}}state 'key' is a ring of 10 positions instead of 64

#id = affine_map<(d0) -> (d0)>
// CHECK: hybrid.state @key kv_window present "present_key" length_axis 2 sink_prefix 2 capacity 64 : tensor<?x2x10x8xf32>
module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}, {name = "t", role = "seq", capacity = 64 : i64}, {name = "p", role = "past", capacity = 64 : i64}]} {
  hybrid.state @key kv present "present_key" length_axis 2 : tensor<?x2x64x8xf32>
  // CHECK-LABEL: func.func @prefill(
  // CHECK-SAME: tensor<?x2x?x8xf32> {{{[^}]*}}}, %[[POSITIONS:[a-z0-9]*]]: tensor<?xi64>
  // CHECK: %[[T:.*]] = hybrid.dim "t"
  // CHECK: %[[OLD:.*]] = hybrid.read_state @key : tensor<?x2x10x8xf32>
  // CHECK: %[[X1:.*]] = hybrid.norm
  // CHECK: %[[ALL:.*]] = affine.apply #{{.*}}()[%[[T]]]
  // CHECK: tensor.empty(%{{.*}}, %[[ALL]]) : tensor<?x2x?x8xf32>
  // CHECK: %[[K:.*]] = hybrid.ring_read ins(%[[OLD]], %[[X1]] : {{.*}}) positions(%[[POSITIONS]] : tensor<?xi64>) {{.*}} {sink_prefix = 2 : i64} -> tensor<?x2x?x8xf32>
  // CHECK: %[[NEW:.*]] = hybrid.cache_append ins(%[[X1]] : {{.*}}) {{.*}} outs(%[[OLD]] : tensor<?x2x10x8xf32>) {ring, sink_prefix = 2 : i64}
  // CHECK: %[[LENGTHS:.*]] = linalg.generic {{.*}} ins(%[[POSITIONS]] : tensor<?xi64>)
  // CHECK: arith.minsi %{{.*}}, %c10_i64
  // CHECK: hybrid.attention ins(%[[X1]], %[[K]], %[[K]] : {{.*}}) lengths(%[[LENGTHS]] : tensor<?xi64>) kv_length(%[[ALL]]) {{.*}} {causal, scale = 1.000000e+00 : f64, sink_prefix = 2 : i64, window_left = 7 : i64}
  // CHECK: hybrid.write_state %[[NEW]], @key
  func.func @prefill(%x: tensor<?x2x?x8xf32> {hybrid.dims = ["b", 2, "t", 8], hybrid.name = "x", hybrid.role = "data"},
                     %positions: tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "$positions", hybrid.role = "positions"})
      -> (tensor<?x2x?x8xf32> {hybrid.dims = ["b", 2, "t", 8], hybrid.name = "y"}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %t = hybrid.dim "t"
    %n = arith.constant 64 : index
    %c0 = arith.constant 0 : index
    %k0 = hybrid.read_state @key : tensor<?x2x64x8xf32>
    %i = tensor.empty(%b) : tensor<?xi64>
    %lengths = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%positions : tensor<?xi64>) outs(%i : tensor<?xi64>) {
    ^bb0(%in: i64, %out: i64):
      %more = arith.index_cast %t : index to i64
      %s = arith.addi %in, %more : i64
      linalg.yield %s : i64
    } -> tensor<?xi64>
    %o = tensor.empty(%b, %t) : tensor<?x2x?x8xf32>
    %x1 = hybrid.norm rms ins(%x : tensor<?x2x?x8xf32>) outs(%o : tensor<?x2x?x8xf32>) {axis = 3 : i64, epsilon = 1.0 : f64} -> tensor<?x2x?x8xf32>
    %k1 = hybrid.cache_append ins(%x1 : tensor<?x2x?x8xf32>) at(%c0) positions(%positions : tensor<?xi64>) outs(%k0 : tensor<?x2x64x8xf32>) -> tensor<?x2x64x8xf32>
    %y = hybrid.attention ins(%x1, %k1, %k1 : tensor<?x2x?x8xf32>, tensor<?x2x64x8xf32>, tensor<?x2x64x8xf32>) lengths(%lengths : tensor<?xi64>) kv_length(%n) q_offset(%c0)
      outs(%o : tensor<?x2x?x8xf32>) {causal, window_left = 7 : i64, sink_prefix = 2 : i64, scale = 1.0 : f64} -> tensor<?x2x?x8xf32>
    hybrid.write_state %k1, @key : tensor<?x2x64x8xf32>
    return %y : tensor<?x2x?x8xf32>
  }
  // CHECK-LABEL: func.func @decode(
  // CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<?x2x1x8xf32> {{{[^}]*}}}, %[[POSITIONS:[a-z0-9]*]]: tensor<?xi64>
  // CHECK-NOT: hybrid.ring_read
  // CHECK: %[[NEW:.*]] = hybrid.cache_append {{.*}} {ring, sink_prefix = 2 : i64} -> tensor<?x2x10x8xf32>
  // CHECK: arith.minsi %{{.*}}, %c9_i64
  // CHECK: hybrid.attention ins(%[[X]], %[[NEW]], %[[NEW]] : {{.*}}) lengths(%{{.*}} : tensor<?xi64>) kv_length(%c10) {{.*}} {scale = 1.000000e+00 : f64}
  func.func @decode(%x: tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "x", hybrid.role = "data"},
                    %positions: tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "$positions", hybrid.role = "positions"})
      -> (tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "y"}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %n = arith.constant 64 : index
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %k0 = hybrid.read_state @key : tensor<?x2x64x8xf32>
    %i = tensor.empty(%b) : tensor<?xi64>
    %lengths = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%positions : tensor<?xi64>) outs(%i : tensor<?xi64>) {
    ^bb0(%in: i64, %out: i64):
      %more = arith.index_cast %c1 : index to i64
      %s = arith.addi %in, %more : i64
      linalg.yield %s : i64
    } -> tensor<?xi64>
    %o = tensor.empty(%b) : tensor<?x2x1x8xf32>
    %k1 = hybrid.cache_append ins(%x : tensor<?x2x1x8xf32>) at(%c0) positions(%positions : tensor<?xi64>) outs(%k0 : tensor<?x2x64x8xf32>) -> tensor<?x2x64x8xf32>
    %y = hybrid.attention ins(%x, %k1, %k1 : tensor<?x2x1x8xf32>, tensor<?x2x64x8xf32>, tensor<?x2x64x8xf32>) lengths(%lengths : tensor<?xi64>) kv_length(%n) q_offset(%c0)
      outs(%o : tensor<?x2x1x8xf32>) {causal, window_left = 7 : i64, sink_prefix = 2 : i64, scale = 1.0 : f64} -> tensor<?x2x1x8xf32>
    hybrid.write_state %k1, @key : tensor<?x2x64x8xf32>
    return %y : tensor<?x2x1x8xf32>
  }
}

// -----

// Keys are windowed, but the values have another reader; so both stay.

// REMARK: Missed{{.*}}state 'value' keeps all positions: 'tensor.extract_slice' uses it, too
// REMARK: Missed{{.*}}state 'key' keeps all positions: the keys or values beside it are in no ring

#id = affine_map<(d0) -> (d0)>
// CHECK: hybrid.state @key kv present "present_key" length_axis 2 : tensor<?x2x64x8xf32>
// CHECK: hybrid.state @value kv present
module {
  hybrid.state @key kv present "present_key" length_axis 2 : tensor<?x2x64x8xf32>
  hybrid.state @value kv present "present_value" length_axis 2 : tensor<?x2x64x8xf32>
  func.func @decode(%x: tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "x", hybrid.role = "data"},
                    %positions: tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "$positions", hybrid.role = "positions"})
      -> (tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "y"}, tensor<1x2x64x8xf32> {hybrid.dims = [1, 2, 64, 8], hybrid.name = "z"}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %n = arith.constant 64 : index
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %k0 = hybrid.read_state @key : tensor<?x2x64x8xf32>
    %v0 = hybrid.read_state @value : tensor<?x2x64x8xf32>
    %i = tensor.empty(%b) : tensor<?xi64>
    %lengths = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%positions : tensor<?xi64>) outs(%i : tensor<?xi64>) {
    ^bb0(%in: i64, %out: i64):
      %more = arith.index_cast %c1 : index to i64
      %s = arith.addi %in, %more : i64
      linalg.yield %s : i64
    } -> tensor<?xi64>
    %o = tensor.empty(%b) : tensor<?x2x1x8xf32>
    %k1 = hybrid.cache_append ins(%x : tensor<?x2x1x8xf32>) at(%c0) positions(%positions : tensor<?xi64>) outs(%k0 : tensor<?x2x64x8xf32>) -> tensor<?x2x64x8xf32>
    %v1 = hybrid.cache_append ins(%x : tensor<?x2x1x8xf32>) at(%c0) positions(%positions : tensor<?xi64>) outs(%v0 : tensor<?x2x64x8xf32>) -> tensor<?x2x64x8xf32>
    %y = hybrid.attention ins(%x, %k1, %v1 : tensor<?x2x1x8xf32>, tensor<?x2x64x8xf32>, tensor<?x2x64x8xf32>) lengths(%lengths : tensor<?xi64>) kv_length(%n) q_offset(%c0)
      outs(%o : tensor<?x2x1x8xf32>) {causal, window_left = 7 : i64, scale = 1.0 : f64} -> tensor<?x2x1x8xf32>
    %z = tensor.extract_slice %v1[0, 0, 0, 0] [1, 2, 64, 8] [1, 1, 1, 1] : tensor<?x2x64x8xf32> to tensor<1x2x64x8xf32>
    hybrid.write_state %k1, @key : tensor<?x2x64x8xf32>
    hybrid.write_state %v1, @value : tensor<?x2x64x8xf32>
    return %y, %z : tensor<?x2x1x8xf32>, tensor<1x2x64x8xf32>
  }
}

// -----

// A window that is not smaller than the capacity; one position for all.

// REMARK: Missed{{.*}}state 'short' keeps all positions: its capacity is not above the window
// REMARK: Missed{{.*}}state 'common' keeps all positions: the sequences of a call share one position

#id = affine_map<(d0) -> (d0)>
// CHECK: hybrid.state @short kv present
// CHECK: hybrid.state @common kv present
module {
  hybrid.state @short kv present "present_short" length_axis 2 : tensor<?x2x8x8xf32>
  hybrid.state @common kv present "present_common" length_axis 2 : tensor<?x2x64x8xf32>
  func.func @decode(%x: tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "x", hybrid.role = "data"},
                    %positions: tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "$positions", hybrid.role = "positions"})
      -> (tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "y"}, tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "z"}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %past = hybrid.dim "p"
    %n = arith.constant 64 : index
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %s0 = hybrid.read_state @short : tensor<?x2x8x8xf32>
    %k0 = hybrid.read_state @common : tensor<?x2x64x8xf32>
    %i = tensor.empty(%b) : tensor<?xi64>
    %lengths = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%positions : tensor<?xi64>) outs(%i : tensor<?xi64>) {
    ^bb0(%in: i64, %out: i64):
      %more = arith.index_cast %c1 : index to i64
      %s = arith.addi %in, %more : i64
      linalg.yield %s : i64
    } -> tensor<?xi64>
    %o = tensor.empty(%b) : tensor<?x2x1x8xf32>
    %s1 = hybrid.cache_append ins(%x : tensor<?x2x1x8xf32>) at(%c0) positions(%positions : tensor<?xi64>) outs(%s0 : tensor<?x2x8x8xf32>) -> tensor<?x2x8x8xf32>
    %y = hybrid.attention ins(%x, %s1, %s1 : tensor<?x2x1x8xf32>, tensor<?x2x8x8xf32>, tensor<?x2x8x8xf32>) lengths(%lengths : tensor<?xi64>) kv_length(%n) q_offset(%c0)
      outs(%o : tensor<?x2x1x8xf32>) {causal, window_left = 7 : i64, scale = 1.0 : f64} -> tensor<?x2x1x8xf32>
    %k1 = hybrid.cache_append ins(%x : tensor<?x2x1x8xf32>) at(%past) outs(%k0 : tensor<?x2x64x8xf32>) -> tensor<?x2x64x8xf32>
    %z = hybrid.attention ins(%x, %k1, %k1 : tensor<?x2x1x8xf32>, tensor<?x2x64x8xf32>, tensor<?x2x64x8xf32>) kv_length(%n) q_offset(%past)
      outs(%o : tensor<?x2x1x8xf32>) {causal, window_left = 7 : i64, scale = 1.0 : f64} -> tensor<?x2x1x8xf32>
    hybrid.write_state %s1, @short : tensor<?x2x8x8xf32>
    hybrid.write_state %k1, @common : tensor<?x2x64x8xf32>
    return %y, %z : tensor<?x2x1x8xf32>, tensor<?x2x1x8xf32>
  }
}
