// RUN: hybrid-opt %s --pass-pipeline='builtin.module(func.func(hybrid-expand-math))' | FileCheck %s

// CHECK-LABEL: func.func @exp
// CHECK-NOT: math.exp
// CHECK: arith.
// CHECK: return
func.func @exp(%x: f32) -> f32 {
  %r = math.exp %x : f32
  return %r : f32
}

// Large arguments need the C library's range reduction.
// CHECK-LABEL: func.func @sin
// CHECK: math.sin
func.func @sin(%x: f32) -> f32 {
  %r = math.sin %x : f32
  return %r : f32
}

// 16-bit functions are computed in float32.
// CHECK-LABEL: func.func @tanh16
// CHECK: arith.extf
// CHECK-NOT: math.tanh
// CHECK: arith.truncf
func.func @tanh16(%x: f16) -> f16 {
  %r = math.tanh %x : f16
  return %r : f16
}

// CHECK-LABEL: func.func @narrow
// CHECK: arith.truncf {{.*}} f64 to f32
// CHECK: arith.truncf {{.*}} f32 to f16
func.func @narrow(%x: f64) -> f16 {
  %r = arith.truncf %x : f64 to f16
  return %r : f16
}
