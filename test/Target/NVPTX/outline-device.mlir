// RUN: hybrid-opt %s --hybrid-outline-device | FileCheck %s

// CHECK: module {
// CHECK: module @device {
// CHECK: memref.global "private" constant @table
// CHECK: func.func @body
// CHECK-NOT: hybrid.device
// CHECK: llvm.func @k
// CHECK: }
// CHECK: func.func @main
func.func @main() {
  return
}
memref.global "private" constant @table : memref<2xf32> = dense<[1.0, 2.0]>
func.func @body(%i: index) -> f32 attributes {hybrid.device} {
  %t = memref.get_global @table : memref<2xf32>
  %x = memref.load %t[%i] : memref<2xf32>
  return %x : f32
}
llvm.func @k(%args: !llvm.ptr {llvm.byval = !llvm.array<2 x i64>}) attributes {hybrid.device, nvvm.kernel} {
  llvm.return
}
