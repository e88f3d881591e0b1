// RUN: hybrid-opt %s --pass-pipeline='builtin.module(func.func(hybrid-lower-computations))' | FileCheck %s
// RUN: not hybrid-opt %S/Inputs/cumsum-on-tensors.mlir --pass-pipeline='builtin.module(func.func(hybrid-lower-computations))' 2>&1 | FileCheck %s --check-prefix=TENSORS
// TENSORS: error: {{.*}}has to be bufferised before it can become loops

// Rotation of pairs: two loads, two stores.
// CHECK-LABEL: func.func @rope
// CHECK-NOT: hybrid.rope
// CHECK-COUNT-3: scf.for
// CHECK: memref.store
func.func @rope(%x: memref<1x3x4x16xf32>, %c: memref<1x3x8xf32>, %s: memref<1x3x8xf32>, %o: memref<1x3x4x16xf32>) {
  hybrid.rope ins(%x, %c, %s : memref<1x3x4x16xf32>, memref<1x3x8xf32>, memref<1x3x8xf32>) outs(%o : memref<1x3x4x16xf32>) {layout = #hybrid.layout<bthd>, rotary_dim = 16 : i64}
  return
}

// Streaming softmax: scores of one tile of keys, never of all.
// CHECK-LABEL: func.func @attention
// CHECK-NOT: hybrid.attention
// CHECK: memref.alloca() {{.*}} : memref<16xf32>
// CHECK: memref.alloca() {{.*}} : memref<32xf32>
// CHECK: math.exp
func.func @attention(%q: memref<1x1x5x16xf16>, %k: memref<1x1x512x16xf16>, %o: memref<1x1x5x16xf16>, %n: index, %p: index) {
  hybrid.attention ins(%q, %k, %k : memref<1x1x5x16xf16>, memref<1x1x512x16xf16>, memref<1x1x512x16xf16>) kv_length(%n) q_offset(%p) outs(%o : memref<1x1x5x16xf16>) {causal, scale = 2.5e-01 : f64}
  return
}

// The state lies on the stack in float32 while time passes.
// CHECK-LABEL: func.func @scan
// CHECK-NOT: hybrid.scan
// CHECK: memref.alloca() {{.*}} : memref<16x32xf32>
// CHECK: math.exp
func.func @scan(%q: memref<1x7x1x16xf32>, %v: memref<1x7x1x32xf32>, %g: memref<1x7x1xf32>, %o: memref<1x7x1x32xf32>, %s: memref<1x1x16x32xf16>) {
  hybrid.scan gated ins(%q, %q, %v : memref<1x7x1x16xf32>, memref<1x7x1x16xf32>, memref<1x7x1x32xf32>) decay(%g : memref<1x7x1xf32>) outs(%o, %s : memref<1x7x1x32xf32>, memref<1x1x16x32xf16>) {scale = 1.0 : f64}
  return
}
