// RUN: hybrid-opt %s --hybrid-move-constants | FileCheck %s

// Behind the weights, each constant once.

// CHECK: module attributes
// CHECK-SAME: {at = 64 : i64, parts = [{data = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, length = 8 : i64}], rows = 1 : i64}
// CHECK-NOT: memref.global
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[WEIGHTS:[a-z0-9]*]]: memref<?xi8>)
// CHECK: %[[AT:.*]] = arith.constant 64 : index
// CHECK: memref.view %[[WEIGHTS]][%[[AT]]][] : memref<?xi8> to memref<2xf32>
// CHECK-NOT: memref.get_global
module attributes {hybrid.weights = [{at = 0 : i64, parts = [{file = "m.onnx", length = 12 : i64, offset = 0 : i64}], rows = 1 : i64}]} {
  memref.global "private" constant @c : memref<2xf32> = dense<[1.0, 2.0]>
  func.func @main(%arena: memref<?xi8>, %weights: memref<?xi8>) attributes {hybrid.entry} {
    %c = memref.get_global @c : memref<2xf32>
    hybrid.launch @k ins(%c : memref<2xf32>)
    return
  }
  func.func private @k(%x: memref<2xf32>) attributes {hybrid.kernel} {
    return
  }
}
