// RUN: hybrid-opt %s --hybrid-expand-weights | FileCheck %s
// RUN: hybrid-opt %s --hybrid-expand-weights --remarks-filter="hybrid-expand-weights" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// REMARK: [Missed] weight
// REMARK-SAME: the numbers of a quantised weight are computed whenever the model runs

// The sign of four bits is extended; scales of a column have no row.
// CHECK-LABEL: func.func @half_bytes
// CHECK: %[[Q:.*]] = hybrid.weight "q"
// CHECK: %[[S:.*]] = hybrid.weight "s"
// CHECK-NOT: hybrid.dequantize_weight
// CHECK: linalg.generic
// CHECK: tensor.extract %[[Q]]
// CHECK: arith.shli
// CHECK: arith.shrsi
// CHECK: arith.sitofp
// CHECK: tensor.extract %[[S]]
// CHECK: arith.extf %{{.*}} : f16 to f32
// CHECK: arith.subf
// CHECK: arith.mulf
func.func @half_bytes() -> tensor<64x128xf32> {
  %q = hybrid.weight "q" from "m.onnx"[0, 4096] : tensor<64x64xi8>
  %s = hybrid.weight "s" from "m.onnx"[4096, 256] : tensor<1x128xf16>
  %w = hybrid.dequantize_weight %q scales %s {axis = 0 : i64, bits = 4 : i64, block = 64 : i64, is_signed} : (tensor<64x64xi8>, tensor<1x128xf16>) -> tensor<64x128xf32>
  return %w : tensor<64x128xf32>
}

// CHECK-LABEL: func.func @unused
// CHECK-NOT: hybrid.dequantize_weight
// CHECK: return
func.func @unused() {
  %q = hybrid.weight "q" from "m.onnx"[0, 4096] : tensor<64x64xi8>
  %s = hybrid.weight "s" from "m.onnx"[4096, 512] : tensor<64x2xf32>
  %w = hybrid.dequantize_weight %q scales %s {axis = 1 : i64, bits = 8 : i64, block = 32 : i64, zero_point = 128 : i64} : (tensor<64x64xi8>, tensor<64x2xf32>) -> tensor<64x64xf32>
  return
}
