// RUN: hybrid-opt %s --hybrid-expand-math | FileCheck %s

// Rational functions of float32, scalar or vector.

// CHECK-LABEL: func.func @polynomials(
// CHECK-NOT: math.exp
// CHECK-NOT: math.log
// CHECK-NOT: math.tanh
// CHECK-NOT: math.erf
// CHECK: math.fma {{.*}} : f32
// CHECK: return
func.func @polynomials(%x: f32) -> (f32, f32, f32, f32, f32, f32, f32) {
  %0 = math.exp %x : f32
  %1 = math.expm1 %x : f32
  %2 = math.log %x : f32
  %3 = math.log1p %x : f32
  %4 = math.log2 %x : f32
  %5 = math.tanh %x : f32
  %6 = math.erf %x : f32
  return %0, %1, %2, %3, %4, %5, %6 : f32, f32, f32, f32, f32, f32, f32
}

// CHECK-LABEL: func.func @vector(
// CHECK-NOT: math.exp
// CHECK: math.fma {{.*}} : vector<8xf32>
// CHECK: return
func.func @vector(%x: vector<8xf32>) -> vector<8xf32> {
  %0 = math.exp %x : vector<8xf32>
  return %0 : vector<8xf32>
}

// Large arguments need the C library's range reduction, and float64 its precision.

// CHECK-LABEL: func.func @calls(
// CHECK-SAME: %[[X:.*]]: f32, %[[D:.*]]: f64)
// CHECK-DAG: math.sin %[[X]] : f32
// CHECK-DAG: math.cos %[[X]] : f32
// CHECK-DAG: math.powf %[[X]], %[[X]] : f32
// CHECK-DAG: math.exp %[[D]] : f64
// CHECK-DAG: math.sqrt %[[X]] : f32
// CHECK: return
func.func @calls(%x: f32, %d: f64) -> (f32, f32, f32, f64, f32) {
  %0 = math.sin %x : f32
  %1 = math.cos %x : f32
  %2 = math.powf %x, %x : f32
  %3 = math.exp %d : f64
  %4 = math.sqrt %x : f32
  return %0, %1, %2, %3, %4 : f32, f32, f32, f64, f32
}

// 16-bit functions are computed in float32, calls and polynomials alike.

// CHECK-LABEL: func.func @half(
// CHECK-SAME: %[[X:.*]]: f16, %[[B:.*]]: bf16)
// CHECK: arith.extf %[[X]] : f16 to f32
// CHECK-NOT: math.tanh
// CHECK: arith.truncf {{.*}} f32 to f16
// CHECK: %[[E:.*]] = arith.extf %[[B]] : bf16 to f32
// CHECK: %[[S:.*]] = math.sin %[[E]] : f32
// CHECK: arith.truncf %[[S]] : f32 to bf16
func.func @half(%x: f16, %b: bf16) -> (f16, bf16) {
  %0 = math.tanh %x : f16
  %1 = math.sin %b : bf16
  return %0, %1 : f16, bf16
}

// No instruction rounds float64 to 16 bits, nor does libc.

// CHECK-LABEL: func.func @narrow(
// CHECK-SAME: %[[X:.*]]: f64, %[[V:.*]]: vector<4xf64>)
// CHECK-DAG: %[[MIDDLE:.*]] = arith.truncf %[[X]] : f64 to f32
// CHECK-DAG: arith.truncf %[[MIDDLE]] : f32 to f16
// CHECK-DAG: %[[MIDDLES:.*]] = arith.truncf %[[V]] : vector<4xf64> to vector<4xf32>
// CHECK-DAG: arith.truncf %[[MIDDLES]] : vector<4xf32> to vector<4xbf16>
func.func @narrow(%x: f64, %v: vector<4xf64>) -> (f16, vector<4xbf16>) {
  %0 = arith.truncf %x : f64 to f16
  %1 = arith.truncf %v : vector<4xf64> to vector<4xbf16>
  return %0, %1 : f16, vector<4xbf16>
}
