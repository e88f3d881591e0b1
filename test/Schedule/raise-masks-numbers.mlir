// RUN: hybrid-opt %s --hybrid-raise-masks --canonicalize --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-raise-masks --split-input-file --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Masks of numbers: 0 where a key is visible, the lowest float else. Here by a
// triangle of ones, as ONNX's Trilu makes it, compared with 0.

#all = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @triangle(
// CHECK-NOT: linalg.generic
// CHECK: hybrid.attention
// CHECK-NOT: mask(
// CHECK-SAME: {causal, scale = 1.000000e+00 : f64}
func.func @triangle(%q: tensor<1x2x?x8xf32>, %k: tensor<1x2x?x8xf32>) -> tensor<1x2x?x8xf32> {
  %t = hybrid.dim "t"
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %low = arith.constant -3.40282347E+38 : f32
  %e = tensor.empty(%t, %t) : tensor<?x?xf32>
  %eb = tensor.empty(%t, %t) : tensor<?x?xi1>
  %ones = linalg.fill ins(%one : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
  %lower = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]} ins(%ones : tensor<?x?xf32>) outs(%e : tensor<?x?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %0 = arith.cmpi sle, %j, %i : index
    %1 = arith.select %0, %in, %zero : f32
    linalg.yield %1 : f32
  } -> tensor<?x?xf32>
  %blocked = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]} ins(%lower : tensor<?x?xf32>) outs(%eb : tensor<?x?xi1>) {
  ^bb0(%in: f32, %out: i1):
    %0 = arith.cmpf oeq, %in, %zero : f32
    linalg.yield %0 : i1
  } -> tensor<?x?xi1>
  %mask = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]} ins(%blocked : tensor<?x?xi1>) outs(%e : tensor<?x?xf32>) {
  ^bb0(%in: i1, %out: f32):
    %0 = arith.select %in, %low, %zero : f32
    linalg.yield %0 : f32
  } -> tensor<?x?xf32>
  %o = tensor.empty(%t) : tensor<1x2x?x8xf32>
  %r = hybrid.attention ins(%q, %k, %k : tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>) mask(%mask : tensor<?x?xf32>)
    kv_length(%t) q_offset(%c0) outs(%o : tensor<1x2x?x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x?x8xf32>
  return %r : tensor<1x2x?x8xf32>
}

// -----

// transformers' test for packed sequences: positions against those before, by
// Concat and Slice, whose steps are all 1, so that the cumulative sum of the
// others is 0 everywhere.

#row = affine_map<(d0, d1) -> (d0)>
#id = affine_map<(d0) -> (d0)>
#all = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @packed(
// CHECK-NOT: linalg.generic
// CHECK: hybrid.attention
// CHECK-NOT: mask(
// CHECK-SAME: {causal, scale = 1.000000e+00 : f64}
func.func @packed(%q: tensor<1x2x?x8xf32>, %k: tensor<1x2x?x8xf32>) -> tensor<1x2x?x8xf32> {
  %t = hybrid.dim "t"
  %n = affine.apply affine_map<()[s0] -> (s0 + 1)>()[%t]
  %c0 = arith.constant 0 : index
  %et = tensor.empty(%t) : tensor<?xi64>
  %positions = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel"]} outs(%et : tensor<?xi64>) {
  ^bb0(%out: i64):
    %0 = linalg.index 0 : index
    %1 = arith.index_cast %0 : index to i64
    linalg.yield %1 : i64
  } -> tensor<?xi64>
  %first = tensor.extract_slice %positions[0] [1] [1] : tensor<?xi64> to tensor<1xi64>
  %e1 = tensor.empty() : tensor<1xi64>
  %before = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%first : tensor<1xi64>) outs(%e1 : tensor<1xi64>) {
  ^bb0(%in: i64, %out: i64):
    %c1 = arith.constant 1 : i64
    %0 = arith.subi %in, %c1 : i64
    linalg.yield %0 : i64
  } -> tensor<1xi64>
  %en = tensor.empty(%n) : tensor<?xi64>
  %joined0 = tensor.insert_slice %before into %en[0] [1] [1] : tensor<1xi64> into tensor<?xi64>
  %joined = tensor.insert_slice %positions into %joined0[1] [%t] [1] : tensor<?xi64> into tensor<?xi64>
  %left = tensor.extract_slice %joined[0] [%t] [1] : tensor<?xi64> to tensor<?xi64>
  %right = tensor.extract_slice %joined[1] [%t] [1] : tensor<?xi64> to tensor<?xi64>
  %breaks = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%right, %left : tensor<?xi64>, tensor<?xi64>) outs(%et : tensor<?xi64>) {
  ^bb0(%a: i64, %b: i64, %out: i64):
    %c1 = arith.constant 1 : i64
    %true = arith.constant true
    %0 = arith.subi %a, %b : i64
    %1 = arith.cmpi eq, %0, %c1 : i64
    %2 = arith.xori %1, %true : i1
    %3 = arith.extui %2 : i1 to i64
    linalg.yield %3 : i64
  } -> tensor<?xi64>
  %sequence = hybrid.cumsum ins(%breaks : tensor<?xi64>) outs(%et : tensor<?xi64>) {axis = 0 : i64} -> tensor<?xi64>
  %em = tensor.empty(%t, %t) : tensor<?x?xi1>
  %mask = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%em : tensor<?x?xi1>) {
  ^bb0(%out: i1):
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %last = arith.subi %t, %one : index
    %below = arith.cmpi slt, %j, %zero : index
    %wrapped = arith.addi %j, %t : index
    %chosen = arith.select %below, %wrapped, %j : index
    %most = arith.minsi %chosen, %last : index
    %column = arith.maxsi %most, %zero : index
    %a = tensor.extract %sequence[%i] : tensor<?xi64>
    %b = tensor.extract %sequence[%column] : tensor<?xi64>
    %same = arith.cmpi eq, %a, %b : i64
    %p = tensor.extract %positions[%i] : tensor<?xi64>
    %r = tensor.extract %positions[%column] : tensor<?xi64>
    %visible = arith.cmpi sle, %r, %p : i64
    %0 = arith.andi %same, %visible : i1
    linalg.yield %0 : i1
  } -> tensor<?x?xi1>
  %o = tensor.empty(%t) : tensor<1x2x?x8xf32>
  %y = hybrid.attention ins(%q, %k, %k : tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>) mask(%mask : tensor<?x?xi1>)
    kv_length(%t) q_offset(%c0) outs(%o : tensor<1x2x?x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x?x8xf32>
  return %y : tensor<1x2x?x8xf32>
}

// -----

// One query that sees all keys: nothing is left of the mask, whatever would
// stand for invisible ones.

#all = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @decode(
// CHECK: hybrid.attention
// CHECK-NOT: mask(
// CHECK-SAME: {scale = 1.000000e+00 : f64}
func.func @decode(%q: tensor<1x2x1x8xf32>, %k: tensor<1x2x64x8xf32>) -> tensor<1x2x1x8xf32> {
  %p = hybrid.dim "p"
  %n = affine.apply affine_map<()[s0] -> (s0 + 1)>()[%p]
  %e = tensor.empty(%n) : tensor<1x?xf32>
  %mask = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<1x?xf32>) {
  ^bb0(%out: f32):
    %zero = arith.constant 0.0 : f32
    %low = arith.constant -100.0 : f32
    %j = linalg.index 1 : index
    %0 = arith.cmpi sle, %j, %p : index
    %1 = arith.select %0, %zero, %low : f32
    linalg.yield %1 : f32
  } -> tensor<1x?xf32>
  %o = tensor.empty() : tensor<1x2x1x8xf32>
  %r = hybrid.attention ins(%q, %k, %k : tensor<1x2x1x8xf32>, tensor<1x2x64x8xf32>, tensor<1x2x64x8xf32>) mask(%mask : tensor<1x?xf32>)
    kv_length(%n) q_offset(%p) outs(%o : tensor<1x2x1x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x1x8xf32>
  return %r : tensor<1x2x1x8xf32>
}

// -----

// What stays: a number that hides nothing; a strict triangle, whose first query
// sees no key at all, so that a finite number makes its weights equal; numbers
// added to scores where keys are visible; another float type's lowest number.

// REMARK: Missed{{.*}}the mask stays: what it adds to a score does not block it
// REMARK: Missed{{.*}}the mask stays: it compares positions otherwise than a window does
// REMARK: Missed{{.*}}the mask stays: it adds another number than 0 to what is visible
// REMARK: Missed{{.*}}the mask stays: what it adds to a score does not block it

#all = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @keep(
// CHECK-COUNT-4: hybrid.attention {{.*}} mask(
func.func @keep(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x4x8xf32>) -> (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) {
  %c0 = arith.constant 0 : index
  %n = arith.constant 4 : index
  %e = tensor.empty() : tensor<4x4xf32>
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %hundred = arith.constant -100.0 : f32
  %half = arith.constant -65504.0 : f32
  %low = arith.constant -3.40282347E+38 : f32
  %m0 = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<4x4xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %0 = arith.cmpi sle, %j, %i : index
    %1 = arith.select %0, %zero, %hundred : f32
    linalg.yield %1 : f32
  } -> tensor<4x4xf32>
  %m1 = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<4x4xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %0 = arith.cmpi slt, %j, %i : index
    %1 = arith.select %0, %zero, %low : f32
    linalg.yield %1 : f32
  } -> tensor<4x4xf32>
  %m2 = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<4x4xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %0 = arith.cmpi sle, %j, %i : index
    %1 = arith.select %0, %one, %low : f32
    linalg.yield %1 : f32
  } -> tensor<4x4xf32>
  %m3 = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<4x4xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %0 = arith.cmpi sle, %j, %i : index
    %1 = arith.select %0, %zero, %half : f32
    linalg.yield %1 : f32
  } -> tensor<4x4xf32>
  %o = tensor.empty() : tensor<1x2x4x8xf32>
  %r0 = hybrid.attention ins(%q, %k, %k : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) mask(%m0 : tensor<4x4xf32>)
    kv_length(%n) q_offset(%c0) outs(%o : tensor<1x2x4x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x4x8xf32>
  %r1 = hybrid.attention ins(%q, %k, %k : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) mask(%m1 : tensor<4x4xf32>)
    kv_length(%n) q_offset(%c0) outs(%o : tensor<1x2x4x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x4x8xf32>
  %r2 = hybrid.attention ins(%q, %k, %k : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) mask(%m2 : tensor<4x4xf32>)
    kv_length(%n) q_offset(%c0) outs(%o : tensor<1x2x4x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x4x8xf32>
  %r3 = hybrid.attention ins(%q, %k, %k : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) mask(%m3 : tensor<4x4xf32>)
    kv_length(%n) q_offset(%c0) outs(%o : tensor<1x2x4x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x4x8xf32>
  return %r0, %r1, %r2, %r3 : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>
}

// -----

// A mask that the file holds: all keys up to the query's own, and of those the last
// two. Whatever is no such table stays.

// CHECK-LABEL: func.func @tables(
// CHECK: hybrid.attention
// CHECK-NOT: mask(
// CHECK-SAME: {causal, scale = 1.000000e+00 : f64}
// CHECK: hybrid.attention
// CHECK-NOT: mask(
// CHECK-SAME: {causal, scale = 1.000000e+00 : f64, window_left = 1 : i64}
// CHECK: hybrid.attention
// CHECK-SAME: mask(
func.func @tables(%q: tensor<1x2x3x8xf32>, %o: tensor<1x2x3x8xf32>) -> (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) {
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %causal = arith.constant dense<[[[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]]]> : tensor<1x1x3x3xf32>
  %0 = hybrid.attention ins(%q, %q, %q : tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) mask(%causal : tensor<1x1x3x3xf32>)
         kv_length(%c3) q_offset(%c0) outs(%o : tensor<1x2x3x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x3x8xf32>
  %window = arith.constant dense<[[true, false, false], [true, true, false], [false, true, true]]> : tensor<3x3xi1>
  %1 = hybrid.attention ins(%q, %q, %q : tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) mask(%window : tensor<3x3xi1>)
         kv_length(%c3) q_offset(%c0) outs(%o : tensor<1x2x3x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x3x8xf32>
  %holes = arith.constant dense<[[true, false, false], [true, true, false], [true, false, true]]> : tensor<3x3xi1>
  %2 = hybrid.attention ins(%q, %q, %q : tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) mask(%holes : tensor<3x3xi1>)
         kv_length(%c3) q_offset(%c0) outs(%o : tensor<1x2x3x8xf32>) {scale = 1.0 : f64} -> tensor<1x2x3x8xf32>
  return %0, %1, %2 : tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>
}

// -----

// 1 - (what is past · what counts), times the lowest float: the input holds zeros
// and ones then.
#all = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#key = affine_map<(d0, d1, d2, d3) -> (d0, d3)>
// CHECK-LABEL: func.func @inverted(
// CHECK-SAME: %[[A:[a-z0-9]*]]: tensor<?x?xi64> {hybrid.range = [0, 1]}
// CHECK: %[[KEYS:.*]] = tensor.extract_slice %[[A]]
// CHECK: %[[M:.*]] = linalg.generic {{.*}} ins(%[[KEYS]] : tensor<?x?xi64>) outs(%{{.*}} : tensor<?x1x1x?xi1>)
// CHECK: hybrid.attention {{.*}} mask(%[[M]] : tensor<?x1x1x?xi1>)
// CHECK-SAME: {causal, empty_is_mean, scale = 1.000000e+00 : f64}
// REMARK: Passed{{.*}}what the mask says of positions became attributes
func.func @inverted(%q: tensor<?x2x?x8xf32>, %k: tensor<?x2x?x8xf32>, %a: tensor<?x?xi64>) -> tensor<?x2x?x8xf32> {
  %b = hybrid.dim "b"
  %t = hybrid.dim "t"
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  %low = arith.constant -3.40282347E+38 : f32
  %e = tensor.empty(%b, %t, %t) : tensor<?x1x?x?xf32>
  %mask = linalg.generic {indexing_maps = [#key, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%a : tensor<?x?xi64>) outs(%e : tensor<?x1x?x?xf32>) {
  ^bb0(%in: i64, %out: f32):
    %i = linalg.index 2 : index
    %j = linalg.index 3 : index
    %0 = arith.cmpi sle, %j, %i : index
    %1 = arith.uitofp %0 : i1 to f32
    %2 = arith.sitofp %in : i64 to f32
    %3 = arith.mulf %1, %2 : f32
    %4 = arith.subf %one, %3 : f32
    %5 = arith.mulf %4, %low : f32
    linalg.yield %5 : f32
  } -> tensor<?x1x?x?xf32>
  %o = tensor.empty(%b, %t) : tensor<?x2x?x8xf32>
  %r = hybrid.attention ins(%q, %k, %k : tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) mask(%mask : tensor<?x1x?x?xf32>)
    kv_length(%t) q_offset(%c0) outs(%o : tensor<?x2x?x8xf32>) {scale = 1.0 : f64} -> tensor<?x2x?x8xf32>
  return %r : tensor<?x2x?x8xf32>
}

// -----

// The product of two numbers that nothing knows is no choice of two.
#all = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#key = affine_map<(d0, d1, d2, d3) -> (d0, d3)>
// CHECK-LABEL: func.func @computed(
// CHECK: hybrid.attention {{.*}} mask(%{{.*}} : tensor<?x1x?x?xf32>)
// REMARK: Missed{{.*}}the mask stays
func.func @computed(%q: tensor<?x2x?x8xf32>, %k: tensor<?x2x?x8xf32>, %a: tensor<?x?xf32>) -> tensor<?x2x?x8xf32> {
  %b = hybrid.dim "b"
  %t = hybrid.dim "t"
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  %low = arith.constant -3.40282347E+38 : f32
  %e = tensor.empty(%b, %t, %t) : tensor<?x1x?x?xf32>
  %mask = linalg.generic {indexing_maps = [#key, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%a : tensor<?x?xf32>) outs(%e : tensor<?x1x?x?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %i = linalg.index 2 : index
    %j = linalg.index 3 : index
    %0 = arith.cmpi sle, %j, %i : index
    %1 = arith.uitofp %0 : i1 to f32
    %2 = arith.mulf %1, %in : f32
    %3 = arith.subf %one, %2 : f32
    %4 = arith.mulf %3, %low : f32
    linalg.yield %4 : f32
  } -> tensor<?x1x?x?xf32>
  %o = tensor.empty(%b, %t) : tensor<?x2x?x8xf32>
  %r = hybrid.attention ins(%q, %k, %k : tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) mask(%mask : tensor<?x1x?x?xf32>)
    kv_length(%t) q_offset(%c0) outs(%o : tensor<?x2x?x8xf32>) {scale = 1.0 : f64} -> tensor<?x2x?x8xf32>
  return %r : tensor<?x2x?x8xf32>
}
