// RUN: hybrid-opt %s --hybrid-specialize-kernels --split-input-file | FileCheck %s

// One clone per combination of layouts, the first under the kernel's name; sizes
// that a launch knows are known in its kernel. Who isn't launched goes.

#id = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @main(
// CHECK: hybrid.launch @map_0 ins(%{{.*}} : memref<?x64xf32>)
// CHECK-NEXT: hybrid.launch @[[STRIDED:.*]] ins(%{{.*}} : memref<?x64xf32, strided<[328, 1], offset: 128>>)
// CHECK-NEXT: hybrid.launch @map_0 ins(%{{.*}} : memref<?x64xf32>)
// CHECK-NEXT: hybrid.launch @[[STATIC:.*]] ins(%{{.*}} : memref<2x64xf32>)
// CHECK-NOT: @unused
// CHECK: func.func private @map_0(%[[X:.*]]: memref<?x64xf32>, %[[O:.*]]: memref<?x64xf32>, %[[N:.*]]: index) attributes {hybrid.kernel}
// CHECK-DAG: %[[XT:.*]] = bufferization.to_tensor %[[X]] restrict : memref<?x64xf32>
// CHECK-DAG: %[[OT:.*]] = bufferization.to_tensor %[[O]] restrict writable : memref<?x64xf32>
// CHECK: %[[R:.*]] = linalg.generic {{.*}} ins(%[[XT]] : tensor<?x64xf32>) outs(%[[OT]] : tensor<?x64xf32>)
// CHECK: arith.index_cast %[[N]]
// CHECK: bufferization.materialize_in_destination %[[R]] in restrict writable %[[O]]
// CHECK-NEXT: return{{$}}
// CHECK: func.func private @[[STRIDED]](%{{.*}}: memref<?x64xf32, strided<[328, 1], offset: 128>>, %{{.*}}: memref<?x64xf32>, %{{.*}}: index)
// CHECK: func.func private @[[STATIC]](%[[X:.*]]: memref<2x64xf32>, %{{.*}}: memref<?x64xf32>, %{{.*}}: index)
// CHECK: %[[XT:.*]] = bufferization.to_tensor %[[X]] restrict : memref<2x64xf32> to tensor<2x64xf32>
// CHECK: tensor.cast %[[XT]] : tensor<2x64xf32> to tensor<?x64xf32>
// CHECK-NOT: func.func
func.func @main(%a: memref<?x64xf32>, %b: memref<?x64xf32, strided<[328, 1], offset: 128>>, %c: memref<2x64xf32>, %o: memref<?x64xf32>, %n: index) attributes {hybrid.entry} {
  hybrid.launch @map_0 ins(%a : memref<?x64xf32>) outs(%o : memref<?x64xf32>) sizes(%n)
  hybrid.launch @map_0 ins(%b : memref<?x64xf32, strided<[328, 1], offset: 128>>) outs(%o : memref<?x64xf32>) sizes(%n)
  hybrid.launch @map_0 ins(%a : memref<?x64xf32>) outs(%o : memref<?x64xf32>) sizes(%n)
  hybrid.launch @map_0 ins(%c : memref<2x64xf32>) outs(%o : memref<?x64xf32>) sizes(%n)
  return
}
func.func private @map_0(%x: tensor<?x64xf32>, %o: tensor<?x64xf32> {hybrid.writeonly}, %n: index) -> tensor<?x64xf32> attributes {hybrid.kernel} {
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<?x64xf32>) outs(%o : tensor<?x64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.index_cast %n : index to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.mulf %in, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}
func.func private @unused(%x: tensor<?x64xf32>, %o: tensor<?x64xf32> {hybrid.writeonly}) -> tensor<?x64xf32> attributes {hybrid.kernel} {
  return %o : tensor<?x64xf32>
}

// -----

// Each result goes to its destination.

// CHECK-LABEL: func.func @two_results(
// CHECK: func.func private @scan_0(
// CHECK-SAME: %[[Q:[^:]*]]: memref<?x3x2x4xf32>, %[[O:[^:]*]]: memref<?x3x2x4xf32>, %[[S:[^:]*]]: memref<?x2x4x4xf32>)
// CHECK-DAG: %[[QT:.*]] = bufferization.to_tensor %[[Q]] restrict :
// CHECK-DAG: %[[OT:.*]] = bufferization.to_tensor %[[O]] restrict writable :
// CHECK-DAG: %[[ST:.*]] = bufferization.to_tensor %[[S]] restrict writable :
// CHECK: %[[R:.*]]:2 = hybrid.scan linear ins(%[[QT]], %[[QT]], %[[QT]] : {{.*}}) outs(%[[OT]], %[[ST]] :
// CHECK-NEXT: bufferization.materialize_in_destination %[[R]]#0 in restrict writable %[[O]]
// CHECK-NEXT: bufferization.materialize_in_destination %[[R]]#1 in restrict writable %[[S]]
func.func @two_results(%q: memref<?x3x2x4xf32>, %o: memref<?x3x2x4xf32>, %s: memref<?x2x4x4xf32>) attributes {hybrid.entry} {
  hybrid.launch @scan_0 ins(%q : memref<?x3x2x4xf32>) outs(%o, %s : memref<?x3x2x4xf32>, memref<?x2x4x4xf32>)
  return
}
func.func private @scan_0(%q: tensor<?x3x2x4xf32>, %o: tensor<?x3x2x4xf32> {hybrid.writeonly}, %s: tensor<?x2x4x4xf32>) -> (tensor<?x3x2x4xf32>, tensor<?x2x4x4xf32>) attributes {hybrid.kernel} {
  %0:2 = hybrid.scan linear ins(%q, %q, %q : tensor<?x3x2x4xf32>, tensor<?x3x2x4xf32>, tensor<?x3x2x4xf32>)
    outs(%o, %s : tensor<?x3x2x4xf32>, tensor<?x2x4x4xf32>) {scale = 1.0 : f64} -> tensor<?x3x2x4xf32>, tensor<?x2x4x4xf32>
  return %0#0, %0#1 : tensor<?x3x2x4xf32>, tensor<?x2x4x4xf32>
}
