// RUN: hybrid-opt %s --hybrid-expand-device-math | FileCheck %s

// CHECK-LABEL: func.func @exp(
// CHECK-DAG: arith.maximumf
// CHECK-DAG: arith.minimumf
// CHECK: math.exp2 %{{.*}} fastmath<afn> : f32
// CHECK: math.fma
// CHECK-NOT: math.exp{{ }}
func.func @exp(%x: f32) -> f32 {
  %r = math.exp %x : f32
  return %r : f32
}

// CHECK-LABEL: func.func @half(
// CHECK: arith.extf %{{.*}} : f16 to f32
// CHECK: math.exp2 %{{.*}} fastmath<afn> : f32
// CHECK: arith.truncf %{{.*}} : f32 to f16
func.func @half(%x: f16) -> f16 {
  %r = math.exp %x : f16
  return %r : f16
}

// The reduction is in float64.

// CHECK-LABEL: func.func @circular(
// CHECK: arith.extf %{{.*}} : f32 to f64
// CHECK: math.roundeven
// CHECK: math.fma {{.*}} : f64
// CHECK-NOT: math.sin
// CHECK-NOT: math.cos
// CHECK: return
func.func @circular(%x: f32) -> (f32, f32) {
  %s = math.sin %x : f32
  %c = math.cos %x : f32
  return %s, %c : f32, f32
}

// CHECK-LABEL: func.func @others(
// CHECK-NOT: math.{{tanh|erf|log|powf}}
// CHECK: return
func.func @others(%x: f32, %y: f32) -> (f32, f32, f32, f32) {
  %a = math.tanh %x : f32
  %b = math.erf %x : f32
  %c = math.log %x : f32
  %d = math.powf %x, %y : f32
  return %a, %b, %c, %d : f32, f32, f32, f32
}
