// RUN: hybrid-opt %s --hybrid-per-sequence-positions --cse --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-per-sequence-positions --split-input-file --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Appends, and attention that sees what was appended. The mask only counts.

// REMARK: Passed{{.*}}each sequence of a call has a position of its own

#rows = affine_map<(d0, d1) -> (d0)>
#all = affine_map<(d0, d1) -> (d0, d1)>
#next = affine_map<()[s0] -> (s0 + 1)>
#sum = affine_map<()[s0, s1] -> (s0 + s1)>
module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}, {name = "t", role = "seq", capacity = 64 : i64}, {name = "p", role = "past", capacity = 64 : i64}]} {
  hybrid.state @key kv present "present_key" length_axis 2 : tensor<?x2x64x8xf32>
  // CHECK-LABEL: func.func @prefill(
  // CHECK-SAME: %[[POSITIONS:[a-z0-9]*]]: tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "$positions", hybrid.role = "positions"})
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
  // CHECK-DAG: %[[B:.*]] = hybrid.dim "b"
  // CHECK-DAG: %[[T:.*]] = hybrid.dim "t"
  // CHECK-DAG: %[[P:.*]] = hybrid.dim "p"
  // CHECK-DAG: %[[N:.*]] = affine.apply #{{.*}}()[%[[P]], %[[T]]]
  // CHECK: %[[K:.*]] = hybrid.cache_append ins(%{{.*}}) at(%[[ZERO]]) positions(%[[POSITIONS]] : tensor<?xi64>)
  // CHECK: %[[LENGTHS:.*]] = linalg.generic {{.*}} ins(%[[POSITIONS]] : tensor<?xi64>) outs(%{{.*}}) {
  // CHECK: %[[NUMBER:.*]] = arith.index_cast %[[T]] : index to i64
  // CHECK: arith.addi %{{.*}}, %[[NUMBER]] : i64
  // CHECK: hybrid.attention ins(%{{.*}}, %[[K]], %[[K]] : {{.*}}) lengths(%[[LENGTHS]] : tensor<?xi64>) kv_length(%[[N]]) q_offset(%[[ZERO]]) {{.*}}window_left = 4
  func.func @prefill(%x: tensor<?x2x?x8xf32> {hybrid.dims = ["b", 2, "t", 8], hybrid.name = "x", hybrid.role = "data"},
                     %mask: tensor<?x?xi64> {hybrid.dims = ["b", "t + p"], hybrid.name = "mask", hybrid.role = "attention_mask"})
      -> (tensor<?x2x?x8xf32> {hybrid.dims = ["b", 2, "t", 8], hybrid.name = "y"}, tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "n"}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %t = hybrid.dim "t"
    %p = hybrid.dim "p"
    %n = affine.apply #sum()[%p, %t]
    %c0 = arith.constant 0 : i64
    %k0 = hybrid.read_state @key : tensor<?x2x64x8xf32>
    %i = tensor.empty(%b) : tensor<?xi64>
    %z = linalg.fill ins(%c0 : i64) outs(%i : tensor<?xi64>) -> tensor<?xi64>
    %count = linalg.generic {indexing_maps = [#all, #rows], iterator_types = ["parallel", "reduction"]} ins(%mask : tensor<?x?xi64>) outs(%z : tensor<?xi64>) {
    ^bb0(%in: i64, %out: i64):
      %s = arith.addi %in, %out : i64
      linalg.yield %s : i64
    } -> tensor<?xi64>
    %k1 = hybrid.cache_append ins(%x : tensor<?x2x?x8xf32>) at(%p) outs(%k0 : tensor<?x2x64x8xf32>) -> tensor<?x2x64x8xf32>
    // A view that nobody uses.
    %view = tensor.extract_slice %k1[0, 0, 0, 0] [%b, 2, %n, 8] [1, 1, 1, 1] : tensor<?x2x64x8xf32> to tensor<?x2x?x8xf32>
    %o = tensor.empty(%b, %t) : tensor<?x2x?x8xf32>
    %y = hybrid.attention ins(%x, %k1, %k1 : tensor<?x2x?x8xf32>, tensor<?x2x64x8xf32>, tensor<?x2x64x8xf32>) kv_length(%n) q_offset(%p)
      outs(%o : tensor<?x2x?x8xf32>) {causal, window_left = 4 : i64, scale = 1.0 : f64} -> tensor<?x2x?x8xf32>
    hybrid.write_state %k1, @key : tensor<?x2x64x8xf32>
    return %y, %count : tensor<?x2x?x8xf32>, tensor<?xi64>
  }
  // Only the last of two queries is computed. It is the last of the sequence.
  // CHECK-LABEL: func.func @decode(
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
  // CHECK: hybrid.cache_append ins(%{{.*}}) at(%[[ZERO]]) positions(
  // CHECK: arith.constant 2 : index
  // CHECK: hybrid.attention {{.*}} q_offset(%[[ZERO]])
  func.func @decode(%x: tensor<?x2x2x8xf32> {hybrid.dims = ["b", 2, 2, 8], hybrid.name = "x", hybrid.role = "data"},
                    %q: tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "q", hybrid.role = "data"})
      -> (tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "y"}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %p = hybrid.dim "p"
    %p1 = affine.apply #next()[%p]
    %p2 = affine.apply #next()[%p1]
    %k0 = hybrid.read_state @key : tensor<?x2x64x8xf32>
    %k1 = hybrid.cache_append ins(%x : tensor<?x2x2x8xf32>) at(%p) outs(%k0 : tensor<?x2x64x8xf32>) -> tensor<?x2x64x8xf32>
    %o = tensor.empty(%b) : tensor<?x2x1x8xf32>
    %y = hybrid.attention ins(%q, %k1, %k1 : tensor<?x2x1x8xf32>, tensor<?x2x64x8xf32>, tensor<?x2x64x8xf32>) kv_length(%p2) q_offset(%p1)
      outs(%o : tensor<?x2x1x8xf32>) {causal, scale = 1.0 : f64} -> tensor<?x2x1x8xf32>
    hybrid.write_state %k1, @key : tensor<?x2x64x8xf32>
    return %y : tensor<?x2x1x8xf32>
  }
}

// -----

// A mask of keys has an element for each position, of whichever sequence; one
// for each pair of a query and a key hasn't, nor has one that is more than what
// the input says.

// REMARK: Passed{{.*}}each sequence of a call has a position of its own
// REMARK: Missed{{.*}}uses input 'm', which is as long as the longest sequence

#key = affine_map<(d0, d1, d2, d3) -> (d0, d3)>
#full = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#sum = affine_map<()[s0, s1] -> (s0 + s1)>
module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}, {name = "t", role = "seq", capacity = 64 : i64}, {name = "p", role = "past", capacity = 64 : i64}]} {
  hybrid.state @key kv present "present_key" length_axis 2 : tensor<?x2x64x8xf32>
  // CHECK-LABEL: func.func @keys(
  // CHECK: %[[M:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<?x1x1x?xi1>)
  // CHECK: hybrid.attention {{.*}} mask(%[[M]] : tensor<?x1x1x?xi1>) lengths(
  func.func @keys(%x: tensor<?x2x?x8xf32> {hybrid.dims = ["b", 2, "t", 8], hybrid.name = "x", hybrid.role = "data"},
                  %m: tensor<?x?xi64> {hybrid.dims = ["b", "t + p"], hybrid.name = "m", hybrid.role = "attention_mask"})
      -> (tensor<?x2x?x8xf32> {hybrid.dims = ["b", 2, "t", 8], hybrid.name = "y"}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %t = hybrid.dim "t"
    %p = hybrid.dim "p"
    %n = affine.apply #sum()[%p, %t]
    %k0 = hybrid.read_state @key : tensor<?x2x64x8xf32>
    %k1 = hybrid.cache_append ins(%x : tensor<?x2x?x8xf32>) at(%p) outs(%k0 : tensor<?x2x64x8xf32>) -> tensor<?x2x64x8xf32>
    %s = tensor.extract_slice %m[0, 0] [%b, %n] [1, 1] : tensor<?x?xi64> to tensor<?x?xi64>
    %e = tensor.empty(%b, %n) : tensor<?x1x1x?xi1>
    %mask = linalg.generic {indexing_maps = [#key, #full], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%s : tensor<?x?xi64>) outs(%e : tensor<?x1x1x?xi1>) {
    ^bb0(%in: i64, %out: i1):
      %c0 = arith.constant 0 : i64
      %v = arith.cmpi ne, %in, %c0 : i64
      linalg.yield %v : i1
    } -> tensor<?x1x1x?xi1>
    %o = tensor.empty(%b, %t) : tensor<?x2x?x8xf32>
    %y = hybrid.attention ins(%x, %k1, %k1 : tensor<?x2x?x8xf32>, tensor<?x2x64x8xf32>, tensor<?x2x64x8xf32>) mask(%mask : tensor<?x1x1x?xi1>) kv_length(%n) q_offset(%p)
      outs(%o : tensor<?x2x?x8xf32>) {causal, scale = 1.0 : f64} -> tensor<?x2x?x8xf32>
    hybrid.write_state %k1, @key : tensor<?x2x64x8xf32>
    return %y : tensor<?x2x?x8xf32>
  }
}

// -----

#key = affine_map<(d0, d1, d2, d3) -> (d0, d3)>
#full = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#next = affine_map<()[s0] -> (s0 + 1)>
module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}, {name = "p", role = "past", capacity = 64 : i64}]} {
  hybrid.state @key kv present "present_key" length_axis 2 : tensor<?x2x64x8xf32>
  // CHECK-LABEL: func.func @columns(
  // CHECK-NOT: "positions"
  // CHECK: hybrid.attention {{.*}} mask(%{{.*}} : tensor<?x1x1x?xi1>) kv_length(
  func.func @columns(%x: tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "x", hybrid.role = "data"},
                     %m: tensor<?x?xi64> {hybrid.dims = ["b", "p + 1"], hybrid.name = "m", hybrid.role = "attention_mask"})
      -> (tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "y"}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %p = hybrid.dim "p"
    %n = affine.apply #next()[%p]
    %k0 = hybrid.read_state @key : tensor<?x2x64x8xf32>
    %k1 = hybrid.cache_append ins(%x : tensor<?x2x1x8xf32>) at(%p) outs(%k0 : tensor<?x2x64x8xf32>) -> tensor<?x2x64x8xf32>
    %e = tensor.empty(%b, %n) : tensor<?x1x1x?xi1>
    %mask = linalg.generic {indexing_maps = [#key, #full], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%m : tensor<?x?xi64>) outs(%e : tensor<?x1x1x?xi1>) {
    ^bb0(%in: i64, %out: i1):
      %j = linalg.index 3 : index
      %c = arith.index_cast %j : index to i64
      %v = arith.cmpi sge, %in, %c : i64
      linalg.yield %v : i1
    } -> tensor<?x1x1x?xi1>
    %o = tensor.empty(%b) : tensor<?x2x1x8xf32>
    %y = hybrid.attention ins(%x, %k1, %k1 : tensor<?x2x1x8xf32>, tensor<?x2x64x8xf32>, tensor<?x2x64x8xf32>) mask(%mask : tensor<?x1x1x?xi1>) kv_length(%n) q_offset(%p)
      outs(%o : tensor<?x2x1x8xf32>) {causal, scale = 1.0 : f64} -> tensor<?x2x1x8xf32>
    hybrid.write_state %k1, @key : tensor<?x2x64x8xf32>
    return %y : tensor<?x2x1x8xf32>
  }
}

// -----

// One entry that needs the common position is enough: none gets positions.

// REMARK: Missed{{.*}}the sequences of a call share one position: the mask of 'hybrid.attention' has a column for each position of the longest

// CHECK-LABEL: func.func @prefill(
// CHECK-NOT: "positions"
// CHECK: hybrid.cache_append ins(%{{.*}}) at(%{{.*}}) outs(
// CHECK-LABEL: func.func @decode(
// CHECK-NOT: "positions"
// CHECK: return
module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}, {name = "p", role = "past", capacity = 64 : i64}]} {
  hybrid.state @key kv present "present_key" length_axis 2 : tensor<?x2x64x8xf32>
  func.func @prefill(%x: tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "x", hybrid.role = "data"}) attributes {hybrid.entry} {
    %p = hybrid.dim "p"
    %k0 = hybrid.read_state @key : tensor<?x2x64x8xf32>
    %k1 = hybrid.cache_append ins(%x : tensor<?x2x1x8xf32>) at(%p) outs(%k0 : tensor<?x2x64x8xf32>) -> tensor<?x2x64x8xf32>
    hybrid.write_state %k1, @key : tensor<?x2x64x8xf32>
    return
  }
  func.func @decode(%x: tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "x", hybrid.role = "data"},
                    %m: tensor<1x64xi1> {hybrid.dims = [1, 64], hybrid.name = "m", hybrid.role = "data"})
      -> (tensor<?x2x1x8xf32> {hybrid.dims = ["b", 2, 1, 8], hybrid.name = "y"}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %p = hybrid.dim "p"
    %k0 = hybrid.read_state @key : tensor<?x2x64x8xf32>
    %o = tensor.empty(%b) : tensor<?x2x1x8xf32>
    %y = hybrid.attention ins(%x, %k0, %k0 : tensor<?x2x1x8xf32>, tensor<?x2x64x8xf32>, tensor<?x2x64x8xf32>) mask(%m : tensor<1x64xi1>) kv_length(%p) q_offset(%p)
      outs(%o : tensor<?x2x1x8xf32>) {causal, scale = 1.0 : f64} -> tensor<?x2x1x8xf32>
    return %y : tensor<?x2x1x8xf32>
  }
}

// -----

// Positions computed from past.

// REMARK: Missed{{.*}}the sequences of a call share one position: 'linalg.generic' depends on how long the longest is

#id = affine_map<(d0) -> (d0)>
// CHECK-LABEL: func.func @main(
// CHECK-NOT: "positions"
// CHECK: return
module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}, {name = "p", role = "past", capacity = 64 : i64}]} {
  hybrid.state @s conv present "t" : tensor<?x2xf32>
  func.func @main(%x: tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "x", hybrid.role = "tokens"})
      -> (tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "y"}) attributes {hybrid.entry} {
    %b = hybrid.dim "b"
    %p = hybrid.dim "p"
    %o = tensor.empty(%b) : tensor<?xi64>
    %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<?xi64>) outs(%o : tensor<?xi64>) {
    ^bb0(%in: i64, %out: i64):
      %n = arith.index_cast %p : index to i64
      %s = arith.addi %in, %n : i64
      linalg.yield %s : i64
    } -> tensor<?xi64>
    return %y : tensor<?xi64>
  }
}

// -----

// An input as long as the longest, whose columns are not only added up.

// REMARK: Missed{{.*}}'linalg.generic' uses input 'm', which is as long as the longest sequence

#id2 = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
// CHECK-LABEL: func.func @main(
// CHECK-NOT: "positions"
// CHECK: return
module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}, {name = "p", role = "past", capacity = 64 : i64}]} {
  hybrid.state @s conv present "t" : tensor<?x2xf32>
  func.func @main(%m: tensor<?x?xi64> {hybrid.dims = ["b", "p + 1"], hybrid.name = "m", hybrid.role = "attention_mask"}, %i: tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "i", hybrid.role = "data"})
      -> (tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "y"}) attributes {hybrid.entry} {
    %y = linalg.generic {indexing_maps = [#id2, #row], iterator_types = ["parallel", "reduction"]} ins(%m : tensor<?x?xi64>) outs(%i : tensor<?xi64>) {
    ^bb0(%in: i64, %out: i64):
      %s = arith.minsi %in, %out : i64
      linalg.yield %s : i64
    } -> tensor<?xi64>
    return %y : tensor<?xi64>
  }
}

// -----

// Position ids that all sequences share.

// REMARK: Missed{{.*}}input 'ids' has no row for each sequence

// CHECK-LABEL: func.func @main(
// CHECK-NOT: "positions"
// CHECK: return
module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}, {name = "t", role = "seq", capacity = 8 : i64}, {name = "p", role = "past", capacity = 64 : i64}]} {
  hybrid.state @s conv present "t" : tensor<?x2xf32>
  func.func @main(%ids: tensor<1x?xi64> {hybrid.dims = [1, "t"], hybrid.name = "ids", hybrid.role = "position_ids"})
      -> (tensor<1x?xi64> {hybrid.dims = [1, "t"], hybrid.name = "y"}) attributes {hybrid.entry} {
    return %ids : tensor<1x?xi64>
  }
}

// -----

// Without states, or without a position, there is nothing to say.

// REMARK-NOT: remark

// CHECK-LABEL: func.func @main(
// CHECK-NOT: "positions"
// CHECK: return
module attributes {hybrid.symbols = [{name = "b", role = "batch", capacity = 8 : i64}]} {
  hybrid.state @s conv present "t" : tensor<?x2xf32>
  func.func @main(%x: tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "x", hybrid.role = "tokens"})
      -> (tensor<?xi64> {hybrid.dims = ["b"], hybrid.name = "y"}) attributes {hybrid.entry} {
    return %x : tensor<?xi64>
  }
}
