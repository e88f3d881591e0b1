// RUN: hybrid-opt %s --hybrid-choose-scan-forms --split-input-file | FileCheck %s
// RUN: hybrid-opt %s --hybrid-choose-scan-forms=form=sequential --split-input-file | FileCheck %s --check-prefix=SEQUENTIAL
// RUN: hybrid-opt %s --hybrid-choose-scan-forms="form=associative chunk=32" --split-input-file | FileCheck %s --check-prefix=ASSOCIATIVE
// RUN: hybrid-opt %s --hybrid-choose-scan-forms="form=chunked chunk=40" --split-input-file | FileCheck %s --check-prefix=CHUNKED
// RUN: hybrid-opt %s --hybrid-choose-scan-forms --split-input-file --remarks-filter="hybrid-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: not hybrid-opt %s --hybrid-choose-scan-forms=form=abacus --split-input-file 2>&1 | FileCheck %s --check-prefix=FORM
// RUN: not hybrid-opt %s --hybrid-choose-scan-forms=chunk=-1 --split-input-file 2>&1 | FileCheck %s --check-prefix=LENGTH

// FORM: error: 'abacus' is no form of a scan: there are auto, sequential, chunked and associative
// LENGTH: error: a scan's chunk has 1 to 128 steps, not -1

// The number of steps is dynamic: chunks, and few steps one by one.

// CHECK-LABEL: func.func @gated_delta(
// CHECK: hybrid.scan gated_delta
// CHECK-SAME: {chunk = {{[0-9]+}} : i64, form = #hybrid.scan_form<chunked>, scale = 1.000000e+00 : f64, sequential_below = {{[0-9]+}} : i64}
// SEQUENTIAL-LABEL: func.func @gated_delta(
// SEQUENTIAL: {form = #hybrid.scan_form<sequential>, scale
// ASSOCIATIVE-LABEL: func.func @gated_delta(
// ASSOCIATIVE: {form = #hybrid.scan_form<sequential>, scale
// CHUNKED-LABEL: func.func @gated_delta(
// CHUNKED: {chunk = 40 : i64, form = #hybrid.scan_form<chunked>, scale
// REMARK: Passed{{.*}}chunked in chunks of {{[0-9]+}}, sequential below {{[0-9]+}} steps: a step costs {{[0-9]+}} instead of {{[0-9]+}}
func.func @gated_delta(%q: tensor<1x?x4x128xf32>, %v: tensor<1x?x4x128xf32>, %g: tensor<1x?x4xf32>, %o: tensor<1x?x4x128xf32>, %s: tensor<1x4x128x128xf32>)
    -> (tensor<1x?x4x128xf32>, tensor<1x4x128x128xf32>) {
  %r:2 = hybrid.scan gated_delta ins(%q, %q, %v : tensor<1x?x4x128xf32>, tensor<1x?x4x128xf32>, tensor<1x?x4x128xf32>) decay(%g : tensor<1x?x4xf32>) beta(%g : tensor<1x?x4xf32>)
    outs(%o, %s : tensor<1x?x4x128xf32>, tensor<1x4x128x128xf32>) {scale = 1.0 : f64} -> tensor<1x?x4x128xf32>, tensor<1x4x128x128xf32>
  return %r#0, %r#1 : tensor<1x?x4x128xf32>, tensor<1x4x128x128xf32>
}

// -----

// A decode step.

// CHECK-LABEL: func.func @one_step(
// CHECK: {form = #hybrid.scan_form<sequential>, scale
// CHUNKED-LABEL: func.func @one_step(
// CHUNKED: {form = #hybrid.scan_form<sequential>, scale
// REMARK: Missed{{.*}}sequential: there is one step only
func.func @one_step(%q: tensor<1x1x4x128xf32>, %g: tensor<1x1x4xf32>, %s: tensor<1x4x128x128xf32>) -> tensor<1x1x4x128xf32> {
  %r:2 = hybrid.scan gated ins(%q, %q, %q : tensor<1x1x4x128xf32>, tensor<1x1x4x128xf32>, tensor<1x1x4x128xf32>) decay(%g : tensor<1x1x4xf32>)
    outs(%q, %s : tensor<1x1x4x128xf32>, tensor<1x4x128x128xf32>) {scale = 1.0 : f64} -> tensor<1x1x4x128xf32>, tensor<1x4x128x128xf32>
  return %r#0 : tensor<1x1x4x128xf32>
}

// -----

// A state so small that what a chunk adds is more than what it saves.

// CHECK-LABEL: func.func @small(
// CHECK: {form = #hybrid.scan_form<sequential>, scale
// ASSOCIATIVE-LABEL: func.func @small(
// ASSOCIATIVE: {chunk = 32 : i64, form = #hybrid.scan_form<associative>, scale
// REMARK: Missed{{.*}}sequential: cheaper than chunks for these head dimensions
func.func @small(%q: tensor<1x64x4x4xf32>, %g: tensor<1x64x4x4xf32>, %s: tensor<1x4x4x4xf32>) -> tensor<1x64x4x4xf32> {
  %r:2 = hybrid.scan gated ins(%q, %q, %q : tensor<1x64x4x4xf32>, tensor<1x64x4x4xf32>, tensor<1x64x4x4xf32>) decay(%g : tensor<1x64x4x4xf32>)
    outs(%q, %s : tensor<1x64x4x4xf32>, tensor<1x4x4x4xf32>) {scale = 1.0 : f64} -> tensor<1x64x4x4xf32>, tensor<1x4x4x4xf32>
  return %r#0 : tensor<1x64x4x4xf32>
}

// -----

// What is decided stays; what cannot be cut in chunks is refused.

// CHECK-LABEL: func.func @decided(
// CHECK: {chunk = 7 : i64, form = #hybrid.scan_form<associative>, scale
// CHECK: {form = #hybrid.scan_form<sequential>, scale
// REMARK: Missed{{.*}}sequential: other forms need static head dimensions of at most 256
func.func @decided(%q: tensor<1x64x4x4xf32>, %s: tensor<1x4x4x4xf32>, %d: tensor<1x64x4x?xf32>, %t: tensor<1x4x4x?xf32>)
    -> (tensor<1x64x4x4xf32>, tensor<1x64x4x?xf32>) {
  %0:2 = hybrid.scan linear ins(%q, %q, %q : tensor<1x64x4x4xf32>, tensor<1x64x4x4xf32>, tensor<1x64x4x4xf32>)
    outs(%q, %s : tensor<1x64x4x4xf32>, tensor<1x4x4x4xf32>) {chunk = 7 : i64, form = #hybrid.scan_form<associative>, scale = 1.0 : f64} -> tensor<1x64x4x4xf32>, tensor<1x4x4x4xf32>
  %1:2 = hybrid.scan linear ins(%q, %q, %d : tensor<1x64x4x4xf32>, tensor<1x64x4x4xf32>, tensor<1x64x4x?xf32>)
    outs(%d, %t : tensor<1x64x4x?xf32>, tensor<1x4x4x?xf32>) {scale = 1.0 : f64} -> tensor<1x64x4x?xf32>, tensor<1x4x4x?xf32>
  return %0#0, %1#0 : tensor<1x64x4x4xf32>, tensor<1x64x4x?xf32>
}
