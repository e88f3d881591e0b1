// RUN: hybrid-opt %s --hybrid-pack-rows --canonicalize --cse --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-pack-rows --split-input-file --remarks-filter="hybrid-pack-rows" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Two products share the rows of a sequence; a step of one token stays.

// REMARK: [Passed] product | Category:hybrid-pack-rows
// REMARK-SAME: rows are multiplied in tiles of bf16", pieces of a number=3
// REMARK: [Missed] product
// REMARK-SAME: rows stay as they are: there are few

// CHECK-DAG: #[[GROUPS:.*]] = affine_map<()[s0] -> (s0 ceildiv 32)>
// CHECK-LABEL: func.func @prefill(
// CHECK: %[[SIZE:.*]] = arith.muli
// CHECK: %[[NUM:.*]] = affine.apply #[[GROUPS]]()[%[[SIZE]]]
// CHECK: %[[E:.*]] = tensor.empty(%[[NUM]]) : tensor<?x2x6x16x32xbf16>
// CHECK: %[[P:.*]] = hybrid.pack_rows ins(%{{.*}} : tensor<?x40xf32>) outs(%[[E]] : tensor<?x2x6x16x32xbf16>) -> tensor<?x2x6x16x32xbf16>
// CHECK: hybrid.matmul ins(%[[P]], %{{.*}} : tensor<?x2x6x16x32xbf16>, tensor<3x40x32xf32>)
// CHECK-NOT: hybrid.pack_rows
// CHECK: hybrid.matmul ins(%[[P]], %{{.*}} : tensor<?x2x6x16x32xbf16>, tensor<3x40x32xbf16>)
// CHECK-LABEL: func.func @decode(
// CHECK-NOT: hybrid.pack_rows
module attributes {hybrid.symbols = [{capacity = 8 : i64, name = "batch", role = "batch"}, {capacity = 512 : i64, name = "seq", role = "seq"}]} {
  func.func @prefill(%x: tensor<?x40xf32>, %v: tensor<3x40x32xf32>, %w: tensor<3x40x32xbf16>) -> (tensor<?x80xf32>, tensor<?x80xf32>) attributes {hybrid.entry} {
    %batch = hybrid.dim "batch"
    %seq = hybrid.dim "seq"
    %rows = arith.muli %batch, %seq : index
    %o = tensor.empty(%rows) : tensor<?x80xf32>
    %r = hybrid.matmul ins(%x, %v : tensor<?x40xf32>, tensor<3x40x32xf32>) outs(%o : tensor<?x80xf32>) -> tensor<?x80xf32>
    %s = hybrid.matmul ins(%x, %w : tensor<?x40xf32>, tensor<3x40x32xbf16>) outs(%o : tensor<?x80xf32>) -> tensor<?x80xf32>
    return %r, %s : tensor<?x80xf32>, tensor<?x80xf32>
  }
  func.func @decode(%x: tensor<?x40xf32>, %v: tensor<3x40x32xf32>) -> tensor<?x80xf32> attributes {hybrid.entry} {
    %batch = hybrid.dim "batch"
    %o = tensor.empty(%batch) : tensor<?x80xf32>
    %r = hybrid.matmul ins(%x, %v : tensor<?x40xf32>, tensor<3x40x32xf32>) outs(%o : tensor<?x80xf32>) -> tensor<?x80xf32>
    return %r : tensor<?x80xf32>
  }
}

// -----

// REMARK: [Missed] product
// REMARK-SAME: rows stay as they are: their length or the weight's panels do not fit tiles
// REMARK: [Missed] product
// REMARK-SAME: rows stay as they are: their numbers cannot be cut into pieces of bf16

// CHECK-LABEL: func.func @refused(
// CHECK-NOT: hybrid.pack_rows
func.func @refused(%x: tensor<64x40xf32>, %v: tensor<5x40x16xf32>, %y: tensor<64x40xf64>, %w: tensor<3x40x32xf64>, %o: tensor<64x80xf32>, %p: tensor<64x80xf64>) -> (tensor<64x80xf32>, tensor<64x80xf64>) {
  %r = hybrid.matmul ins(%x, %v : tensor<64x40xf32>, tensor<5x40x16xf32>) outs(%o : tensor<64x80xf32>) -> tensor<64x80xf32>
  %s = hybrid.matmul ins(%y, %w : tensor<64x40xf64>, tensor<3x40x32xf64>) outs(%p : tensor<64x80xf64>) -> tensor<64x80xf64>
  return %r, %s : tensor<64x80xf32>, tensor<64x80xf64>
}
