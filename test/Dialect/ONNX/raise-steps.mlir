// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-steps | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Near misses of the first function. The second step reads the first position:
// RUN: sed 's/%%a1 = onnx.Gather(%%decay, %%i1)/%%a1 = onnx.Gather(%%decay, %%i0)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=ORDER
// ORDER: Missed{{.*}}there is not one step per position, each like the first
// The outputs are joined in another order:
// RUN: sed 's/onnx.Concat(%%u0, %%u1)/onnx.Concat(%%u1, %%u0)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=JOIN
// JOIN: Missed{{.*}}the outputs are not joined along the time
// The state between is a result, too:
// RUN: sed 's/return %%y, %%s1 :/return %%y, %%s0 :/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATE
// STATE: Missed{{.*}}a state between steps is used elsewhere
// C of the other position:
// RUN: sed 's/%%c1 = onnx.Gather(%%C, %%i1)/%%c1 = onnx.Gather(%%C, %%i0)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=READ
// READ: Missed{{.*}}there is not one step per position, each like the first
// Of the third: the second step reads the first position's weight:
// RUN: sed 's/%%67 = onnx.Gather(%%18, %%9)/%%67 = onnx.Gather(%%18, %%5)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=WEIGHT
// WEIGHT: Missed{{.*}}there is not one step per position, each like the first
// The outputs are written in another order:
// RUN: sed 's/%%57 = onnx.Expand(%%5,/%%57 = onnx.Expand(%%9,/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=PLACE
// PLACE: Missed{{.*}}the outputs are not joined along the time
// What the state has of the value is read before it decays: no candidate.
// RUN: sed 's/%%45 = onnx.Mul(%%41, %%44)/%%45 = onnx.Mul(%%past, %%44)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps | FileCheck %s --check-prefix=HELD
// HELD-LABEL: func.func @delta(
// HELD-NOT: update_rule = "gated_delta"
// HELD: return
// The decay may be negative: no candidate.
// RUN: sed 's/%%decay = onnx.Exp/%%decay = onnx.Tanh/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps | FileCheck %s --check-prefix=DECAY
// DECAY-LABEL: func.func @unrolled(
// DECAY-NOT: LinearAttention
// DECAY: return

// A loop over two positions that torch has unrolled: dt [b,t,d], A [d,n],
// B and C [b,t,n], x [b,t,d].
// CHECK-LABEL: func.func @unrolled(
// CHECK-SAME: %[[DT:[^:]*]]: tensor<?x2x8xf32> {{{[^}]*}}}, %[[A:[^:]*]]: tensor<8x4xf32> {{{[^}]*}}}, %[[B:[^:]*]]: tensor<?x2x4xf32> {{{[^}]*}}}, %[[C:[^:]*]]: {{[^}]*}}}, %[[X:[^:]*]]: tensor<?x2x8xf32> {{{[^}]*}}}, %[[S:[^:]*]]: tensor<?x8x4xf32>
// CHECK: %[[V:.*]] = onnx.Mul({{.*}} -> tensor<?x2x8x1xf32>
// CHECK: %[[Q:.*]] = onnx.Unsqueeze(%[[C]],
// CHECK: %[[FQ:.*]] = onnx.Reshape(%[[Q]], {{.*}} -> tensor<?x2x4xf32>
// CHECK: %[[K:.*]] = onnx.Unsqueeze(%[[B]],
// CHECK: %[[FK:.*]] = onnx.Reshape(%[[K]], {{.*}} -> tensor<?x2x4xf32>
// CHECK: %[[E:.*]] = onnx.Mul({{.*}} -> tensor<?x2x8x4xf32>
// CHECK: %[[G:.*]] = onnx.Reshape(%[[E]], {{.*}} -> tensor<?x2x32xf32>
// CHECK: %[[FV:.*]] = onnx.Reshape(%[[V]], {{.*}} -> tensor<?x2x8xf32>
// CHECK: %[[P:.*]] = onnx.Reshape(%[[S]], {{.*}} -> tensor<?x8x4x1xf32>
// CHECK: %[[Y:.*]], %[[N:.*]] = onnx.ms.LinearAttention(%[[FQ]], %[[FK]], %[[FV]], %[[P]], %[[G]], %{{.*}}) {kv_num_heads = 8 : i64, {{.*}}q_num_heads = 1 : i64, scale = 1.000000e+00 : f32, update_rule = "gated"}
// CHECK: %[[R:.*]] = onnx.Reshape(%[[Y]], {{.*}} -> tensor<?x2x8x1xf32>
// CHECK: %[[L:.*]] = onnx.Reshape(%[[N]], {{.*}} -> tensor<?x8x4xf32>
// CHECK: %[[F:.*]] = onnx.Reshape(%[[R]], {{.*}} -> tensor<?x2x8xf32>
// CHECK-NEXT: return %[[F]], %[[L]]
// REMARK: Passed{{.*}}its steps became LinearAttention
func.func @unrolled(%dt: tensor<?x2x8xf32> {onnx.dims = ["b", 2, 8]}, %A: tensor<8x4xf32> {onnx.dims = [8, 4]},
    %B: tensor<?x2x4xf32> {onnx.dims = ["b", 2, 4]}, %C: tensor<?x2x4xf32> {onnx.dims = ["b", 2, 4]},
    %x: tensor<?x2x8xf32> {onnx.dims = ["b", 2, 8]}, %s: tensor<?x8x4xf32> {onnx.dims = ["b", 8, 4]}) -> (tensor<?x2x8xf32>, tensor<?x8x4xf32>) {
  %i0 = onnx.Constant dense<0> : tensor<i64>
  %i1 = onnx.Constant dense<1> : tensor<i64>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %one = onnx.Constant dense<1> : tensor<1xi64>
  %two = onnx.Constant dense<2> : tensor<1xi64>
  %udt = onnx.Unsqueeze(%dt, %last) : (tensor<?x2x8xf32>, tensor<1xi64>) -> tensor<?x2x8x1xf32>
  %e = onnx.Mul(%udt, %A) : (tensor<?x2x8x1xf32>, tensor<8x4xf32>) -> tensor<?x2x8x4xf32>
  %decay = onnx.Exp(%e) : (tensor<?x2x8x4xf32>) -> tensor<?x2x8x4xf32>
  %ub = onnx.Unsqueeze(%B, %two) : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x2x1x4xf32>
  %db = onnx.Mul(%udt, %ub) : (tensor<?x2x8x1xf32>, tensor<?x2x1x4xf32>) -> tensor<?x2x8x4xf32>
  %ux = onnx.Unsqueeze(%x, %last) : (tensor<?x2x8xf32>, tensor<1xi64>) -> tensor<?x2x8x1xf32>
  %input = onnx.Mul(%db, %ux) : (tensor<?x2x8x4xf32>, tensor<?x2x8x1xf32>) -> tensor<?x2x8x4xf32>
  %a0 = onnx.Gather(%decay, %i0) {axis = 1 : i64} : (tensor<?x2x8x4xf32>, tensor<i64>) -> tensor<?x8x4xf32>
  %p0 = onnx.Mul(%a0, %s) : (tensor<?x8x4xf32>, tensor<?x8x4xf32>) -> tensor<?x8x4xf32>
  %x0 = onnx.Gather(%input, %i0) {axis = 1 : i64} : (tensor<?x2x8x4xf32>, tensor<i64>) -> tensor<?x8x4xf32>
  %s0 = onnx.Add(%p0, %x0) : (tensor<?x8x4xf32>, tensor<?x8x4xf32>) -> tensor<?x8x4xf32>
  %c0 = onnx.Gather(%C, %i0) {axis = 1 : i64} : (tensor<?x2x4xf32>, tensor<i64>) -> tensor<?x4xf32>
  %y0 = onnx.Einsum(%s0, %c0) {equation = "bdn,bn->bd"} : (tensor<?x8x4xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
  %a1 = onnx.Gather(%decay, %i1) {axis = 1 : i64} : (tensor<?x2x8x4xf32>, tensor<i64>) -> tensor<?x8x4xf32>
  %p1 = onnx.Mul(%a1, %s0) : (tensor<?x8x4xf32>, tensor<?x8x4xf32>) -> tensor<?x8x4xf32>
  %x1 = onnx.Gather(%input, %i1) {axis = 1 : i64} : (tensor<?x2x8x4xf32>, tensor<i64>) -> tensor<?x8x4xf32>
  %s1 = onnx.Add(%p1, %x1) : (tensor<?x8x4xf32>, tensor<?x8x4xf32>) -> tensor<?x8x4xf32>
  %c1 = onnx.Gather(%C, %i1) {axis = 1 : i64} : (tensor<?x2x4xf32>, tensor<i64>) -> tensor<?x4xf32>
  %y1 = onnx.Einsum(%s1, %c1) {equation = "bdn,bn->bd"} : (tensor<?x8x4xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
  %u0 = onnx.Unsqueeze(%y0, %one) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x1x8xf32>
  %u1 = onnx.Unsqueeze(%y1, %one) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x1x8xf32>
  %y = onnx.Concat(%u0, %u1) {axis = 1 : i64} : (tensor<?x1x8xf32>, tensor<?x1x8xf32>) -> tensor<?x2x8xf32>
  return %y, %s1 : tensor<?x2x8xf32>, tensor<?x8x4xf32>
}

// -----

// mobius: one step, by Squeeze, Mul and ReduceSum.
// CHECK-LABEL: func.func @step(
// CHECK: %[[Y:.*]], %[[N:.*]] = onnx.ms.LinearAttention({{.*}} {kv_num_heads = 8 : i64, {{.*}}q_num_heads = 1 : i64
// CHECK: %[[R:.*]] = onnx.Reshape(%[[Y]], {{.*}} -> tensor<?x1x8x1xf32>
// CHECK: %[[L:.*]] = onnx.Reshape(%[[N]], {{.*}} -> tensor<?x8x4xf32>
// CHECK: %[[F:.*]] = onnx.Reshape(%[[R]], {{.*}} -> tensor<?x8xf32>
// CHECK-NEXT: return %[[F]], %[[L]]
// REMARK: Passed{{.*}}its steps became LinearAttention
func.func @step(%e: tensor<?x1x8x4xf32> {onnx.dims = ["b", 1, 8, 4]}, %B: tensor<?x1x4xf32> {onnx.dims = ["b", 1, 4]},
    %C: tensor<?x1x4xf32> {onnx.dims = ["b", 1, 4]}, %x: tensor<?x1x8xf32> {onnx.dims = ["b", 1, 8]},
    %s: tensor<?x8x4xf32> {onnx.dims = ["b", 8, 4]}) -> (tensor<?x8xf32>, tensor<?x8x4xf32>) {
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %one = onnx.Constant dense<1> : tensor<1xi64>
  %two = onnx.Constant dense<2> : tensor<1xi64>
  %decay = onnx.Exp(%e) : (tensor<?x1x8x4xf32>) -> tensor<?x1x8x4xf32>
  %ub = onnx.Unsqueeze(%B, %two) : (tensor<?x1x4xf32>, tensor<1xi64>) -> tensor<?x1x1x4xf32>
  %ux = onnx.Unsqueeze(%x, %last) : (tensor<?x1x8xf32>, tensor<1xi64>) -> tensor<?x1x8x1xf32>
  %input = onnx.Mul(%ux, %ub) : (tensor<?x1x8x1xf32>, tensor<?x1x1x4xf32>) -> tensor<?x1x8x4xf32>
  %a = onnx.Squeeze(%decay, %one) : (tensor<?x1x8x4xf32>, tensor<1xi64>) -> tensor<?x8x4xf32>
  %b = onnx.Squeeze(%input, %one) : (tensor<?x1x8x4xf32>, tensor<1xi64>) -> tensor<?x8x4xf32>
  %p = onnx.Mul(%a, %s) : (tensor<?x8x4xf32>, tensor<?x8x4xf32>) -> tensor<?x8x4xf32>
  %n = onnx.Add(%p, %b) : (tensor<?x8x4xf32>, tensor<?x8x4xf32>) -> tensor<?x8x4xf32>
  %c = onnx.Squeeze(%C, %one) : (tensor<?x1x4xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  %uc = onnx.Unsqueeze(%c, %one) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %r = onnx.Mul(%n, %uc) : (tensor<?x8x4xf32>, tensor<?x1x4xf32>) -> tensor<?x8x4xf32>
  %y = onnx.ReduceSum(%r, %last) {keepdims = 0 : i64} : (tensor<?x8x4xf32>, tensor<1xi64>) -> tensor<?x8xf32>
  return %y, %n : tensor<?x8xf32>, tensor<?x8x4xf32>
}

// -----

// transformers' torch_recurrent_gated_delta_rule: the delta rule (the operator's
// default), whose keys are scaled by a norm; outputs are written one by one.
// CHECK-LABEL: func.func @delta(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x2x2x4xf32> {{{[^}]*}}}, %[[K:[^:]*]]: tensor<?x2x2x4xf32> {{{[^}]*}}}, %[[V:[^:]*]]: tensor<?x2x2x3xf32>
// CHECK: %[[NK:.*]] = onnx.Mul(%[[K]], {{.*}} -> tensor<?x2x2x4xf32>
// CHECK: %[[FK:.*]] = onnx.Reshape(%[[NK]], {{.*}} -> tensor<?x2x8xf32>
// CHECK: %[[FV:.*]] = onnx.Reshape(%[[V]], {{.*}} -> tensor<?x2x6xf32>
// CHECK: %[[Y:.*]], %[[N:.*]] = onnx.ms.LinearAttention(%{{.*}}, %[[FK]], %[[FV]], %{{.*}}) {kv_num_heads = 2 : i64, onnx.opset = 1 : i64, q_num_heads = 2 : i64, scale = 1.000000e+00 : f32}
// CHECK-NOT: ScatterElements
// CHECK: return %{{.*}}, %[[N]]
// REMARK: Passed{{.*}}its steps became LinearAttention
func.func @delta(%q: tensor<?x2x2x4xf32> {onnx.dims = ["batch", 2, 2, 4]}, %k: tensor<?x2x2x4xf32> {onnx.dims = ["batch", 2, 2, 4]}, %v: tensor<?x2x2x3xf32> {onnx.dims = ["batch", 2, 2, 3]}, %g: tensor<?x2x2xf32> {onnx.dims = ["batch", 2, 2]}, %beta: tensor<?x2x2xf32> {onnx.dims = ["batch", 2, 2]}, %past: tensor<?x2x4x3xf32> {onnx.dims = ["batch", 2, 4, 3]})
    -> (tensor<?x2x2x3xf32> {onnx.dims = ["batch", 2, 2, 3]}, tensor<?x2x4x3xf32> {onnx.dims = ["batch", 2, 4, 3]}) {
  %0 = onnx.Constant dense<2.000000e+01> : tensor<f32>
  %1 = onnx.Constant dense<0.000000e+00> : tensor<f32>
  %2 = onnx.Constant dense<-1> : tensor<1xi64>
  %3 = onnx.Constant dense<9.99999997E-7> : tensor<f32>
  %4 = onnx.Constant dense<2.000000e+00> : tensor<f32>
  %5 = onnx.Constant dense<0> : tensor<i64>
  %6 = onnx.Constant dense<2> : tensor<1xi64>
  %7 = onnx.Constant dense<[2, 3]> : tensor<2xi64>
  %8 = onnx.Constant dense<-2> : tensor<1xi64>
  %9 = onnx.Constant dense<1> : tensor<i64>
  %10 = onnx.Softplus(%g) : (tensor<?x2x2xf32>) -> tensor<?x2x2xf32>
  %11 = onnx.Greater(%g, %0) : (tensor<?x2x2xf32>, tensor<f32>) -> tensor<?x2x2xi1>
  %12 = onnx.Where(%11, %g, %10) : (tensor<?x2x2xi1>, tensor<?x2x2xf32>, tensor<?x2x2xf32>) -> tensor<?x2x2xf32>
  %13 = onnx.Neg(%12) : (tensor<?x2x2xf32>) -> tensor<?x2x2xf32>
  %14 = onnx.Sigmoid(%beta) : (tensor<?x2x2xf32>) -> tensor<?x2x2xf32>
  %15 = onnx.Transpose(%q) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x2x2x4xf32>) -> tensor<?x2x2x4xf32>
  %16 = onnx.Transpose(%k) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x2x2x4xf32>) -> tensor<?x2x2x4xf32>
  %17 = onnx.Transpose(%v) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x2x2x3xf32>) -> tensor<?x2x2x3xf32>
  %18 = onnx.Transpose(%14) {perm = array<i64: 0, 2, 1>} : (tensor<?x2x2xf32>) -> tensor<?x2x2xf32>
  %19 = onnx.Transpose(%13) {perm = array<i64: 0, 2, 1>} : (tensor<?x2x2xf32>) -> tensor<?x2x2xf32>
  %20 = onnx.Mul(%15, %15) : (tensor<?x2x2x4xf32>, tensor<?x2x2x4xf32>) -> tensor<?x2x2x4xf32>
  %21 = onnx.ReduceSum(%20, %2) : (tensor<?x2x2x4xf32>, tensor<1xi64>) -> tensor<?x2x2x1xf32>
  %22 = onnx.Add(%21, %3) : (tensor<?x2x2x1xf32>, tensor<f32>) -> tensor<?x2x2x1xf32>
  %23 = onnx.Sqrt(%22) : (tensor<?x2x2x1xf32>) -> tensor<?x2x2x1xf32>
  %24 = onnx.Reciprocal(%23) : (tensor<?x2x2x1xf32>) -> tensor<?x2x2x1xf32>
  %25 = onnx.Mul(%15, %24) : (tensor<?x2x2x4xf32>, tensor<?x2x2x1xf32>) -> tensor<?x2x2x4xf32>
  %26 = onnx.Mul(%16, %16) : (tensor<?x2x2x4xf32>, tensor<?x2x2x4xf32>) -> tensor<?x2x2x4xf32>
  %27 = onnx.ReduceSum(%26, %2) : (tensor<?x2x2x4xf32>, tensor<1xi64>) -> tensor<?x2x2x1xf32>
  %28 = onnx.Add(%27, %3) : (tensor<?x2x2x1xf32>, tensor<f32>) -> tensor<?x2x2x1xf32>
  %29 = onnx.Sqrt(%28) : (tensor<?x2x2x1xf32>) -> tensor<?x2x2x1xf32>
  %30 = onnx.Reciprocal(%29) : (tensor<?x2x2x1xf32>) -> tensor<?x2x2x1xf32>
  %31 = onnx.Mul(%16, %30) : (tensor<?x2x2x4xf32>, tensor<?x2x2x1xf32>) -> tensor<?x2x2x4xf32>
  %32 = onnx.Div(%25, %4) : (tensor<?x2x2x4xf32>, tensor<f32>) -> tensor<?x2x2x4xf32>
  %33 = onnx.Shape(%17) : (tensor<?x2x2x3xf32>) -> tensor<4xi64>
  %34 = onnx.Expand(%1, %33) : (tensor<f32>, tensor<4xi64>) -> tensor<?x2x2x3xf32>
  %35 = onnx.Gather(%32, %5) {axis = 2 : i64} : (tensor<?x2x2x4xf32>, tensor<i64>) -> tensor<?x2x4xf32>
  %36 = onnx.Gather(%31, %5) {axis = 2 : i64} : (tensor<?x2x2x4xf32>, tensor<i64>) -> tensor<?x2x4xf32>
  %37 = onnx.Gather(%17, %5) {axis = 2 : i64} : (tensor<?x2x2x3xf32>, tensor<i64>) -> tensor<?x2x3xf32>
  %38 = onnx.Gather(%19, %5) {axis = 2 : i64} : (tensor<?x2x2xf32>, tensor<i64>) -> tensor<?x2xf32>
  %39 = onnx.Exp(%38) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %40 = onnx.Unsqueeze(%39, %7) : (tensor<?x2xf32>, tensor<2xi64>) -> tensor<?x2x1x1xf32>
  %41 = onnx.Mul(%past, %40) : (tensor<?x2x4x3xf32>, tensor<?x2x1x1xf32>) -> tensor<?x2x4x3xf32>
  %42 = onnx.Gather(%18, %5) {axis = 2 : i64} : (tensor<?x2x2xf32>, tensor<i64>) -> tensor<?x2xf32>
  %43 = onnx.Unsqueeze(%42, %2) : (tensor<?x2xf32>, tensor<1xi64>) -> tensor<?x2x1xf32>
  %44 = onnx.Unsqueeze(%36, %2) : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x2x4x1xf32>
  %45 = onnx.Mul(%41, %44) : (tensor<?x2x4x3xf32>, tensor<?x2x4x1xf32>) -> tensor<?x2x4x3xf32>
  %46 = onnx.ReduceSum(%45, %8) {keepdims = 0 : i64} : (tensor<?x2x4x3xf32>, tensor<1xi64>) -> tensor<?x2x3xf32>
  %47 = onnx.Sub(%37, %46) : (tensor<?x2x3xf32>, tensor<?x2x3xf32>) -> tensor<?x2x3xf32>
  %48 = onnx.Mul(%47, %43) : (tensor<?x2x3xf32>, tensor<?x2x1xf32>) -> tensor<?x2x3xf32>
  %49 = onnx.Unsqueeze(%48, %8) : (tensor<?x2x3xf32>, tensor<1xi64>) -> tensor<?x2x1x3xf32>
  %50 = onnx.Mul(%44, %49) : (tensor<?x2x4x1xf32>, tensor<?x2x1x3xf32>) -> tensor<?x2x4x3xf32>
  %51 = onnx.Add(%41, %50) : (tensor<?x2x4x3xf32>, tensor<?x2x4x3xf32>) -> tensor<?x2x4x3xf32>
  %52 = onnx.Unsqueeze(%35, %2) : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x2x4x1xf32>
  %53 = onnx.Mul(%51, %52) : (tensor<?x2x4x3xf32>, tensor<?x2x4x1xf32>) -> tensor<?x2x4x3xf32>
  %54 = onnx.ReduceSum(%53, %8) {keepdims = 0 : i64} : (tensor<?x2x4x3xf32>, tensor<1xi64>) -> tensor<?x2x3xf32>
  %55 = onnx.Unsqueeze(%54, %6) : (tensor<?x2x3xf32>, tensor<1xi64>) -> tensor<?x2x1x3xf32>
  %56 = onnx.Shape(%55) : (tensor<?x2x1x3xf32>) -> tensor<4xi64>
  %57 = onnx.Expand(%5, %56) : (tensor<i64>, tensor<4xi64>) -> tensor<?x?x?x?xi64>
  %58 = onnx.ScatterElements(%34, %57, %55) {axis = 2 : i64} : (tensor<?x2x2x3xf32>, tensor<?x?x?x?xi64>, tensor<?x2x1x3xf32>) -> tensor<?x2x2x3xf32>
  %59 = onnx.Identity(%58) : (tensor<?x2x2x3xf32>) -> tensor<?x2x2x3xf32>
  %60 = onnx.Gather(%32, %9) {axis = 2 : i64} : (tensor<?x2x2x4xf32>, tensor<i64>) -> tensor<?x2x4xf32>
  %61 = onnx.Gather(%31, %9) {axis = 2 : i64} : (tensor<?x2x2x4xf32>, tensor<i64>) -> tensor<?x2x4xf32>
  %62 = onnx.Gather(%17, %9) {axis = 2 : i64} : (tensor<?x2x2x3xf32>, tensor<i64>) -> tensor<?x2x3xf32>
  %63 = onnx.Gather(%19, %9) {axis = 2 : i64} : (tensor<?x2x2xf32>, tensor<i64>) -> tensor<?x2xf32>
  %64 = onnx.Exp(%63) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %65 = onnx.Unsqueeze(%64, %7) : (tensor<?x2xf32>, tensor<2xi64>) -> tensor<?x2x1x1xf32>
  %66 = onnx.Mul(%51, %65) : (tensor<?x2x4x3xf32>, tensor<?x2x1x1xf32>) -> tensor<?x2x4x3xf32>
  %67 = onnx.Gather(%18, %9) {axis = 2 : i64} : (tensor<?x2x2xf32>, tensor<i64>) -> tensor<?x2xf32>
  %68 = onnx.Unsqueeze(%67, %2) : (tensor<?x2xf32>, tensor<1xi64>) -> tensor<?x2x1xf32>
  %69 = onnx.Unsqueeze(%61, %2) : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x2x4x1xf32>
  %70 = onnx.Mul(%66, %69) : (tensor<?x2x4x3xf32>, tensor<?x2x4x1xf32>) -> tensor<?x2x4x3xf32>
  %71 = onnx.ReduceSum(%70, %8) {keepdims = 0 : i64} : (tensor<?x2x4x3xf32>, tensor<1xi64>) -> tensor<?x2x3xf32>
  %72 = onnx.Sub(%62, %71) : (tensor<?x2x3xf32>, tensor<?x2x3xf32>) -> tensor<?x2x3xf32>
  %73 = onnx.Mul(%72, %68) : (tensor<?x2x3xf32>, tensor<?x2x1xf32>) -> tensor<?x2x3xf32>
  %74 = onnx.Unsqueeze(%73, %8) : (tensor<?x2x3xf32>, tensor<1xi64>) -> tensor<?x2x1x3xf32>
  %75 = onnx.Mul(%69, %74) : (tensor<?x2x4x1xf32>, tensor<?x2x1x3xf32>) -> tensor<?x2x4x3xf32>
  %76 = onnx.Add(%66, %75) : (tensor<?x2x4x3xf32>, tensor<?x2x4x3xf32>) -> tensor<?x2x4x3xf32>
  %77 = onnx.Unsqueeze(%60, %2) : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x2x4x1xf32>
  %78 = onnx.Mul(%76, %77) : (tensor<?x2x4x3xf32>, tensor<?x2x4x1xf32>) -> tensor<?x2x4x3xf32>
  %79 = onnx.ReduceSum(%78, %8) {keepdims = 0 : i64} : (tensor<?x2x4x3xf32>, tensor<1xi64>) -> tensor<?x2x3xf32>
  %80 = onnx.Unsqueeze(%79, %6) : (tensor<?x2x3xf32>, tensor<1xi64>) -> tensor<?x2x1x3xf32>
  %81 = onnx.Shape(%80) : (tensor<?x2x1x3xf32>) -> tensor<4xi64>
  %82 = onnx.Expand(%9, %81) : (tensor<i64>, tensor<4xi64>) -> tensor<?x?x?x?xi64>
  %83 = onnx.ScatterElements(%59, %82, %80) {axis = 2 : i64} : (tensor<?x2x2x3xf32>, tensor<?x?x?x?xi64>, tensor<?x2x1x3xf32>) -> tensor<?x2x2x3xf32>
  %84 = onnx.Identity(%83) : (tensor<?x2x2x3xf32>) -> tensor<?x2x2x3xf32>
  %85 = onnx.Transpose(%84) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x2x2x3xf32>) -> tensor<?x2x2x3xf32>
  return %85, %76 : tensor<?x2x2x3xf32>, tensor<?x2x4x3xf32>
}

// -----

// From a state of zeros, which the operator starts from without an operand.
// CHECK-LABEL: func.func @from_zeros(
// CHECK: %[[NONE:.*]] = onnx.None
// CHECK: %[[Y:.*]], %[[N:.*]] = onnx.ms.LinearAttention(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %[[NONE]], %{{[^,]*}}, %[[NONE]]) {kv_num_heads = 8 : i64
// CHECK: return
// REMARK: Passed{{.*}}its steps became LinearAttention
func.func @from_zeros(%e: tensor<2x1x8x4xf32>, %B: tensor<2x1x4xf32>, %C: tensor<2x1x4xf32>, %x: tensor<2x1x8xf32>) -> tensor<2x8xf32> {
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %one = onnx.Constant dense<1> : tensor<1xi64>
  %two = onnx.Constant dense<2> : tensor<1xi64>
  %s = onnx.Constant dense<0.0> : tensor<2x8x4xf32>
  %decay = onnx.Exp(%e) : (tensor<2x1x8x4xf32>) -> tensor<2x1x8x4xf32>
  %ub = onnx.Unsqueeze(%B, %two) : (tensor<2x1x4xf32>, tensor<1xi64>) -> tensor<2x1x1x4xf32>
  %ux = onnx.Unsqueeze(%x, %last) : (tensor<2x1x8xf32>, tensor<1xi64>) -> tensor<2x1x8x1xf32>
  %input = onnx.Mul(%ux, %ub) : (tensor<2x1x8x1xf32>, tensor<2x1x1x4xf32>) -> tensor<2x1x8x4xf32>
  %a = onnx.Squeeze(%decay, %one) : (tensor<2x1x8x4xf32>, tensor<1xi64>) -> tensor<2x8x4xf32>
  %b = onnx.Squeeze(%input, %one) : (tensor<2x1x8x4xf32>, tensor<1xi64>) -> tensor<2x8x4xf32>
  %p = onnx.Mul(%a, %s) : (tensor<2x8x4xf32>, tensor<2x8x4xf32>) -> tensor<2x8x4xf32>
  %n = onnx.Add(%p, %b) : (tensor<2x8x4xf32>, tensor<2x8x4xf32>) -> tensor<2x8x4xf32>
  %c = onnx.Squeeze(%C, %one) : (tensor<2x1x4xf32>, tensor<1xi64>) -> tensor<2x4xf32>
  %y = onnx.Einsum(%n, %c) {equation = "bdn,bn->bd"} : (tensor<2x8x4xf32>, tensor<2x4xf32>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}
