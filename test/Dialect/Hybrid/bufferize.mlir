// RUN: hybrid-opt %s --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" --canonicalize --split-input-file | FileCheck %s

// Destinations become buffers without a copy, also where they are updated.

// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[Q:.*]]: memref<1x4x?x16xf32>, %[[K:.*]]: memref<1x2x512x16xf32>, %[[O:.*]]: memref<1x4x?x16xf32>
// CHECK-NOT: memref.alloc
// CHECK-NOT: memref.copy
// CHECK: hybrid.attention ins(%[[Q]], %[[K]], %[[K]] : memref<1x4x?x16xf32>, memref<1x2x512x16xf32>, memref<1x2x512x16xf32>)
// CHECK-SAME: outs(%[[O]] : memref<1x4x?x16xf32>) {causal, note = "kept", scale = 2.500000e-01 : f64}{{$}}
// CHECK: return %[[O]]
func.func @attention(%q: tensor<1x4x?x16xf32> {bufferization.writable = false}, %k: tensor<1x2x512x16xf32> {bufferization.writable = false},
                     %o: tensor<1x4x?x16xf32>, %n: index, %p: index) -> tensor<1x4x?x16xf32> {
  %r = hybrid.attention ins(%q, %k, %k : tensor<1x4x?x16xf32>, tensor<1x2x512x16xf32>, tensor<1x2x512x16xf32>)
         kv_length(%n) q_offset(%p) outs(%o : tensor<1x4x?x16xf32>)
         {causal, scale = 2.500000e-01 : f64, note = "kept"} -> tensor<1x4x?x16xf32>
  return %r : tensor<1x4x?x16xf32>
}

// -----

// CHECK-LABEL: func.func @states(
// CHECK-SAME: %[[X:.*]]: memref<1x8x?xf32>, %[[W:.*]]: memref<8x4xf32>, %[[O:.*]]: memref<1x8x?xf32>, %[[S:.*]]: memref<1x8x3xf32>, %[[C:.*]]: memref<1x2x512x16xf32>, %[[K:.*]]: memref<1x2x?x16xf32>
// CHECK-NOT: memref.alloc
// CHECK-NOT: memref.copy
// CHECK: hybrid.causal_conv ins(%[[X]], %[[W]] : {{.*}}) outs(%[[O]], %[[S]] : memref<1x8x?xf32>, memref<1x8x3xf32>){{$}}
// CHECK: hybrid.cache_append ins(%[[K]] : {{.*}}) at(%{{.*}}) outs(%[[C]] : memref<1x2x512x16xf32>){{$}}
// CHECK: return %[[O]], %[[S]], %[[C]]
func.func @states(%x: tensor<1x8x?xf32>, %w: tensor<8x4xf32>, %o: tensor<1x8x?xf32>, %s: tensor<1x8x3xf32>,
                  %c: tensor<1x2x512x16xf32>, %k: tensor<1x2x?x16xf32>, %p: index)
    -> (tensor<1x8x?xf32>, tensor<1x8x3xf32>, tensor<1x2x512x16xf32>) {
  %y, %s1 = hybrid.causal_conv ins(%x, %w : tensor<1x8x?xf32>, tensor<8x4xf32>)
    outs(%o, %s : tensor<1x8x?xf32>, tensor<1x8x3xf32>) -> tensor<1x8x?xf32>, tensor<1x8x3xf32>
  %c1 = hybrid.cache_append ins(%k : tensor<1x2x?x16xf32>) at(%p) outs(%c : tensor<1x2x512x16xf32>) -> tensor<1x2x512x16xf32>
  return %y, %s1, %c1 : tensor<1x8x?xf32>, tensor<1x8x3xf32>, tensor<1x2x512x16xf32>
}

// -----

// The destination's old value is not read, so its buffer can be one whose value is
// still needed only as a shape; the old state is read, so it is copied while
// somebody else needs it.

// CHECK-LABEL: func.func @old_values(
// CHECK-SAME: %[[X:.*]]: memref<1x3x2x4xf32>, %[[O:.*]]: memref<1x3x2x4xf32>, %[[S:.*]]: memref<1x2x4x4xf32>
// CHECK: %[[COPY:.*]] = memref.alloc() {{.*}} : memref<1x2x4x4xf32>
// CHECK: memref.copy %[[S]], %[[COPY]]
// CHECK-NOT: memref.copy
// CHECK: hybrid.scan linear ins(%[[X]], %[[X]], %[[X]] : {{.*}}) outs(%[[O]], %[[COPY]] :
// CHECK: return %[[O]], %[[COPY]], %[[S]]
func.func @old_values(%x: tensor<1x3x2x4xf32>, %o: tensor<1x3x2x4xf32>, %s: tensor<1x2x4x4xf32>)
    -> (tensor<1x3x2x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  %y, %s1 = hybrid.scan linear ins(%x, %x, %x : tensor<1x3x2x4xf32>, tensor<1x3x2x4xf32>, tensor<1x3x2x4xf32>)
    outs(%o, %s : tensor<1x3x2x4xf32>, tensor<1x2x4x4xf32>) {scale = 1.0 : f64} -> tensor<1x3x2x4xf32>, tensor<1x2x4x4xf32>
  return %y, %s1, %s : tensor<1x3x2x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}

// -----

// Plain destinations are only written: after a fill nobody copies, and a second
// use of the filled tensor gets a buffer of its own that is not copied into.

// CHECK-LABEL: func.func @written_only(
// CHECK-SAME: %[[X:.*]]: memref<4x8xf32>
// CHECK: %[[A:.*]] = memref.alloc()
// CHECK: linalg.fill
// CHECK-NOT: memref.copy
// CHECK: hybrid.norm rms ins(%[[X]] :
// CHECK-NOT: memref.copy
// CHECK: hybrid.cumsum ins(%[[X]] :
// CHECK-NOT: memref.copy
// CHECK: return
func.func @written_only(%x: tensor<4x8xf32> {bufferization.writable = false}) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
  %c = arith.constant 1.0 : f32
  %e = tensor.empty() : tensor<4x8xf32>
  %f = linalg.fill ins(%c : f32) outs(%e : tensor<4x8xf32>) -> tensor<4x8xf32>
  %0 = hybrid.norm rms ins(%x : tensor<4x8xf32>) outs(%f : tensor<4x8xf32>) {axis = 1 : i64, epsilon = 0.0 : f64} -> tensor<4x8xf32>
  %1 = hybrid.cumsum ins(%x : tensor<4x8xf32>) outs(%f : tensor<4x8xf32>) {axis = 1 : i64} -> tensor<4x8xf32>
  return %f, %0, %1 : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
}

// -----

// A launch reads a destination unless the kernel's parameter is write-only: then
// the value that others need is not copied into its new buffer.

func.func private @update(%x: tensor<8xf32>, %o: tensor<8xf32>) -> tensor<8xf32> attributes {hybrid.kernel} {
  %r = hybrid.cumsum ins(%x : tensor<8xf32>) outs(%o : tensor<8xf32>) {axis = 0 : i64} -> tensor<8xf32>
  return %r : tensor<8xf32>
}
func.func private @make(%x: tensor<8xf32>, %o: tensor<8xf32> {hybrid.writeonly}) -> tensor<8xf32> attributes {hybrid.kernel} {
  %r = hybrid.cumsum ins(%x : tensor<8xf32>) outs(%o : tensor<8xf32>) {axis = 0 : i64} -> tensor<8xf32>
  return %r : tensor<8xf32>
}

// CHECK-LABEL: func.func @read(
// CHECK-SAME: %[[X:.*]]: memref<8xf32>, %[[O:.*]]: memref<8xf32>
// CHECK: %[[COPY:.*]] = memref.alloc()
// CHECK: memref.copy %[[O]], %[[COPY]] :
// CHECK: hybrid.launch @update ins(%[[X]] : memref<8xf32>) outs(%[[COPY]] : memref<8xf32>) {note = "kept"}{{$}}
// CHECK: return %[[COPY]], %[[O]]
func.func @read(%x: tensor<8xf32>, %o: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %r = hybrid.launch @update ins(%x : tensor<8xf32>) outs(%o : tensor<8xf32>) {note = "kept"} -> tensor<8xf32>
  return %r, %o : tensor<8xf32>, tensor<8xf32>
}

// CHECK-LABEL: func.func @written(
// CHECK-SAME: %[[X:.*]]: memref<8xf32>, %[[O:.*]]: memref<8xf32>
// CHECK: %[[NEW:.*]] = memref.alloc()
// CHECK-NOT: memref.copy
// CHECK: hybrid.launch @make ins(%[[X]] : memref<8xf32>) outs(%[[NEW]] : memref<8xf32>){{$}}
// CHECK: return %[[NEW]], %[[O]]
func.func @written(%x: tensor<8xf32>, %o: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %r = hybrid.launch @make ins(%x : tensor<8xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return %r, %o : tensor<8xf32>, tensor<8xf32>
}

// A slice of a buffer is given as it is, whatever its strides.

// CHECK-LABEL: func.func @strided(
// CHECK: %[[VIEW:.*]] = memref.subview
// CHECK-NOT: memref.copy
// CHECK: hybrid.launch @make ins(%[[VIEW]] : memref<8xf32, strided<[1], offset: 8>>)
func.func @strided(%x: tensor<32xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %s = tensor.extract_slice %x[8] [8] [1] : tensor<32xf32> to tensor<8xf32>
  %r = hybrid.launch @make ins(%s : tensor<8xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return %r : tensor<8xf32>
}
