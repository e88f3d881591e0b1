// RUN: hybrid-opt %s --hybrid-separate-decode | FileCheck %s

// CHECK-LABEL: func.func @prefill(
// CHECK-NEXT: hybrid.launch @shared ins
// CHECK-LABEL: func.func @decode(
// CHECK-NEXT: hybrid.launch @shared_decode ins
// CHECK-NEXT: hybrid.launch @own ins
// CHECK-NEXT: hybrid.launch @shared_decode ins
// CHECK: func.func private @shared(%{{.*}}: memref<?xf32>) attributes {hybrid.kernel}
// CHECK: func.func private @shared_decode(%{{.*}}: memref<?xf32>) attributes {hybrid.few_rows, hybrid.kernel}
// CHECK: func.func private @own(%{{.*}}: memref<?xf32>) attributes {hybrid.few_rows, hybrid.kernel}
func.func @prefill(%x: memref<?xf32>) attributes {hybrid.entry} {
  hybrid.launch @shared ins(%x : memref<?xf32>)
  return
}
func.func @decode(%x: memref<?xf32>) attributes {hybrid.entry} {
  hybrid.launch @shared ins(%x : memref<?xf32>)
  hybrid.launch @own ins(%x : memref<?xf32>)
  hybrid.launch @shared ins(%x : memref<?xf32>)
  return
}
func.func private @shared(%x: memref<?xf32>) attributes {hybrid.kernel} {
  return
}
func.func private @own(%x: memref<?xf32>) attributes {hybrid.kernel} {
  return
}
