// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-loops | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-loops --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Near misses.
// The state that is read is the one before it decays:
// RUN: sed 's/%%m = onnx.Mul(%%D, %%ku)/%%m = onnx.Mul(%%S, %%ku)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-loops --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=HELD
// HELD: Missed{{.*}}a factor cannot be computed for all positions at once
// The state is read before it is updated:
// RUN: sed 's/%%nq = onnx.Mul(%%n, %%qu)/%%nq = onnx.Mul(%%D, %%qu)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-loops --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=READ
// READ: Missed{{.*}}the next state is not multiplied by a query and summed
// The key depends on the state:
// RUN: sed 's/onnx.Unsqueeze(%%k, %%a3) : (tensor<?x4x8xf32>/onnx.ReduceSum(%%S, %%a3) : (tensor<?x4x8x12xf32>/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-loops --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=KEY
// KEY: Missed{{.*}}a factor depends on both key and value, or on what is summed
// The decay may be negative:
// RUN: sed 's/%%e = onnx.Exp(%%gu)/%%e = onnx.Tanh(%%gu)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-loops --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=DECAY
// DECAY: Missed{{.*}}the decay is provably no exponential
// An output that only the state gives:
// RUN: sed 's/onnx.Yield(%%n, %%y)/onnx.Yield(%%n, %%kv)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-loops --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=YIELD
// YIELD: Missed{{.*}}an output cannot be computed for all positions at once
// From the last position to the first:
// RUN: sed 's/{num_scan_inputs = 5 : i64}/{num_scan_inputs = 5 : i64, scan_input_directions = array<i64: 0, 0, 0, 0, 1>}/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-loops --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=BACK
// BACK: Missed{{.*}}it scans backward
// It may stop before:
// RUN: sed 's/onnx.Yield(%%go, /onnx.Yield(%%stop, /' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-loops --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=STOP
// STOP: Missed{{.*}}its number of iterations is not known before
// It reads one position only:
// RUN: sed 's/%%gk = onnx.Gather(%%K, %%i)/%%gk = onnx.Gather(%%K, %%one)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-loops --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=POSITION
// POSITION: Missed{{.*}}a factor is the same position of a tensor in each step

// The gated delta rule, time first. Its decay and its weight are per head.
// CHECK-LABEL: func.func @scan_delta(
// CHECK-SAME: %[[S:[^:]*]]: tensor<?x4x8x12xf32> {{{[^}]*}}}, %[[Q:[^:]*]]: tensor<?x?x4x8xf32> {{{[^}]*}}}, %[[K:[^:]*]]: tensor<?x?x4x8xf32> {{{[^}]*}}}, %[[V:[^:]*]]: tensor<?x?x4x12xf32>
// CHECK: %[[TV:.*]] = onnx.Transpose(%[[V]]) {perm = array<i64: 1, 0, 2, 3>}
// CHECK: %[[TQ:.*]] = onnx.Transpose(%[[Q]]) {perm = array<i64: 1, 0, 2, 3>}
// CHECK: %[[FQ:.*]] = onnx.Reshape(%[[TQ]], {{.*}} -> tensor<?x?x32xf32>
// CHECK: %[[TK:.*]] = onnx.Transpose(%[[K]]) {perm = array<i64: 1, 0, 2, 3>}
// CHECK: %[[FK:.*]] = onnx.Reshape(%[[TK]], {{.*}} -> tensor<?x?x32xf32>
// CHECK: %[[FV:.*]] = onnx.Reshape(%[[TV]], {{.*}} -> tensor<?x?x48xf32>
// CHECK: %[[Y:.*]], %[[N:.*]] = onnx.ms.LinearAttention(%[[FQ]], %[[FK]], %[[FV]], %[[S]], %{{.*}}, %{{.*}}) {kv_num_heads = 4 : i64, onnx.opset = 1 : i64, q_num_heads = 4 : i64, scale = 1.000000e+00 : f32} : ({{.*}}, tensor<?x?x4xf32>, tensor<?x?x4xf32>)
// CHECK: %[[H:.*]] = onnx.Reshape(%[[Y]], {{.*}} -> tensor<?x?x4x12xf32>
// CHECK: %[[R:.*]] = onnx.Transpose(%[[H]]) {perm = array<i64: 1, 0, 2, 3>}
// CHECK-NEXT: return %[[R]], %[[N]]
// REMARK: Passed{{.*}}onnx-raise-loops{{.*}}its steps became LinearAttention
func.func @scan_delta(%S0: tensor<?x4x8x12xf32> {onnx.dims = ["b", 4, 8, 12]}, %Q: tensor<?x?x4x8xf32> {onnx.dims = ["t", "b", 4, 8]},
    %K: tensor<?x?x4x8xf32> {onnx.dims = ["t", "b", 4, 8]}, %V: tensor<?x?x4x12xf32> {onnx.dims = ["t", "b", 4, 12]},
    %G: tensor<?x?x4xf32> {onnx.dims = ["t", "b", 4]}, %B: tensor<?x?x4xf32> {onnx.dims = ["t", "b", 4]}) -> (tensor<?x?x4x12xf32>, tensor<?x4x8x12xf32>) {
  %a2 = onnx.Constant dense<2> : tensor<1xi64>
  %a3 = onnx.Constant dense<3> : tensor<1xi64>
  %a23 = onnx.Constant dense<[2, 3]> : tensor<2xi64>
  %r:2 = onnx.Scan(%S0, %Q, %K, %V, %G, %B) {num_scan_inputs = 5 : i64} : (tensor<?x4x8x12xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x12xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> (tensor<?x4x8x12xf32>, tensor<?x?x4x12xf32>) {
  ^bb0(%S: tensor<?x4x8x12xf32>, %q: tensor<?x4x8xf32>, %k: tensor<?x4x8xf32>, %v: tensor<?x4x12xf32>, %g: tensor<?x4xf32>, %b: tensor<?x4xf32>):
    %gu = onnx.Unsqueeze(%g, %a23) : (tensor<?x4xf32>, tensor<2xi64>) -> tensor<?x4x1x1xf32>
    %e = onnx.Exp(%gu) : (tensor<?x4x1x1xf32>) -> tensor<?x4x1x1xf32>
    %D = onnx.Mul(%S, %e) : (tensor<?x4x8x12xf32>, tensor<?x4x1x1xf32>) -> tensor<?x4x8x12xf32>
    %ku = onnx.Unsqueeze(%k, %a3) : (tensor<?x4x8xf32>, tensor<1xi64>) -> tensor<?x4x8x1xf32>
    %m = onnx.Mul(%D, %ku) : (tensor<?x4x8x12xf32>, tensor<?x4x8x1xf32>) -> tensor<?x4x8x12xf32>
    %kv = onnx.ReduceSum(%m, %a2) {keepdims = 0 : i64} : (tensor<?x4x8x12xf32>, tensor<1xi64>) -> tensor<?x4x12xf32>
    %d = onnx.Sub(%v, %kv) : (tensor<?x4x12xf32>, tensor<?x4x12xf32>) -> tensor<?x4x12xf32>
    %bu = onnx.Unsqueeze(%b, %a2) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x4x1xf32>
    %db = onnx.Mul(%d, %bu) : (tensor<?x4x12xf32>, tensor<?x4x1xf32>) -> tensor<?x4x12xf32>
    %du = onnx.Unsqueeze(%db, %a2) : (tensor<?x4x12xf32>, tensor<1xi64>) -> tensor<?x4x1x12xf32>
    %o = onnx.Mul(%ku, %du) : (tensor<?x4x8x1xf32>, tensor<?x4x1x12xf32>) -> tensor<?x4x8x12xf32>
    %n = onnx.Add(%D, %o) : (tensor<?x4x8x12xf32>, tensor<?x4x8x12xf32>) -> tensor<?x4x8x12xf32>
    %qu = onnx.Unsqueeze(%q, %a3) : (tensor<?x4x8xf32>, tensor<1xi64>) -> tensor<?x4x8x1xf32>
    %nq = onnx.Mul(%n, %qu) : (tensor<?x4x8x12xf32>, tensor<?x4x8x1xf32>) -> tensor<?x4x8x12xf32>
    %y = onnx.ReduceSum(%nq, %a2) {keepdims = 0 : i64} : (tensor<?x4x8x12xf32>, tensor<1xi64>) -> tensor<?x4x12xf32>
    onnx.Yield(%n, %y) : tensor<?x4x8x12xf32>, tensor<?x4x12xf32>
  }
  return %r#1, %r#0 : tensor<?x?x4x12xf32>, tensor<?x4x8x12xf32>
}

// -----

// Mamba-1: discretisation, and what skips the state, in the body; batch first.
// CHECK-LABEL: func.func @scan_mamba(
// CHECK-NOT: onnx.Scan
// CHECK: onnx.Softplus({{.*}} : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
// CHECK: onnx.ms.LinearAttention({{.*}} {kv_num_heads = 16 : i64, onnx.opset = 1 : i64, q_num_heads = 1 : i64, scale = 1.000000e+00 : f32, update_rule = "gated"} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x16xf32>, tensor<?x16x8x1xf32>, tensor<?x?x128xf32>, none)
// CHECK: onnx.Add(
// CHECK: return
// REMARK: Passed{{.*}}its steps became LinearAttention
func.func @scan_mamba(%h0: tensor<?x16x8xf32> {onnx.dims = ["b", 16, 8]}, %DT: tensor<?x?x16xf32> {onnx.dims = ["b", "t", 16]},
    %B: tensor<?x?x8xf32> {onnx.dims = ["b", "t", 8]}, %C: tensor<?x?x8xf32> {onnx.dims = ["b", "t", 8]},
    %X: tensor<?x?x16xf32> {onnx.dims = ["b", "t", 16]}, %A: tensor<16x8xf32>, %skip: tensor<16xf32>) -> (tensor<?x?x16xf32>, tensor<?x16x8xf32>) {
  %a1 = onnx.Constant dense<1> : tensor<1xi64>
  %a2 = onnx.Constant dense<2> : tensor<1xi64>
  %r:2 = onnx.Scan(%h0, %DT, %B, %C, %X) {num_scan_inputs = 4 : i64, scan_input_axes = array<i64: 1, 1, 1, 1>, scan_output_axes = array<i64: 1>} : (tensor<?x16x8xf32>, tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x16xf32>) -> (tensor<?x16x8xf32>, tensor<?x?x16xf32>) {
  ^bb0(%h: tensor<?x16x8xf32>, %dt: tensor<?x16xf32>, %b: tensor<?x8xf32>, %c: tensor<?x8xf32>, %x: tensor<?x16xf32>):
    %p = onnx.Softplus(%dt) : (tensor<?x16xf32>) -> tensor<*xf32>
    %pu = onnx.Unsqueeze(%p, %a2) : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
    %pa = onnx.Mul(%pu, %A) : (tensor<*xf32>, tensor<16x8xf32>) -> tensor<*xf32>
    %w = onnx.Exp(%pa) : (tensor<*xf32>) -> tensor<*xf32>
    %wh = onnx.Mul(%w, %h) : (tensor<*xf32>, tensor<?x16x8xf32>) -> tensor<*xf32>
    %px = onnx.Mul(%p, %x) : (tensor<*xf32>, tensor<?x16xf32>) -> tensor<*xf32>
    %pxu = onnx.Unsqueeze(%px, %a2) : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
    %bu = onnx.Unsqueeze(%b, %a1) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
    %pxb = onnx.Mul(%pxu, %bu) : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
    %next = onnx.Add(%wh, %pxb) : (tensor<*xf32>, tensor<*xf32>) -> tensor<?x16x8xf32>
    %cu = onnx.Unsqueeze(%c, %a1) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<*xf32>
    %hc = onnx.Mul(%next, %cu) : (tensor<?x16x8xf32>, tensor<*xf32>) -> tensor<*xf32>
    %read = onnx.ReduceSum(%hc, %a2) {keepdims = 0 : i64} : (tensor<*xf32>, tensor<1xi64>) -> tensor<*xf32>
    %xs = onnx.Mul(%x, %skip) : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<*xf32>
    %out = onnx.Add(%read, %xs) : (tensor<*xf32>, tensor<*xf32>) -> tensor<?x16xf32>
    onnx.Yield(%next, %out) : tensor<?x16x8xf32>, tensor<?x16xf32>
  }
  return %r#1, %r#0 : tensor<?x?x16xf32>, tensor<?x16x8xf32>
}

// -----

// Gated linear attention in a Loop, with a decay per key channel that is a
// sigmoid, and a state with values in front of keys.
// CHECK-LABEL: func.func @loop_gated(
// CHECK-NOT: onnx.Loop
// CHECK: %[[SIGMOID:.*]] = onnx.Sigmoid(
// CHECK: %[[LOG:.*]] = onnx.Log(%[[SIGMOID]])
// CHECK: onnx.ms.LinearAttention({{.*}} {kv_num_heads = 4 : i64, onnx.opset = 1 : i64, q_num_heads = 4 : i64, scale = 1.000000e+00 : f32, update_rule = "gated"} : (tensor<?x?x32xf32>, tensor<?x?x32xf32>, tensor<?x?x48xf32>, tensor<?x4x8x12xf32>, tensor<?x?x32xf32>, none)
// CHECK: return
// REMARK: Passed{{.*}}its steps became LinearAttention
func.func @loop_gated(%S0: tensor<?x4x12x8xf32> {onnx.dims = ["b", 4, 12, 8]}, %Q: tensor<?x?x4x8xf32> {onnx.dims = ["b", "t", 4, 8]},
    %K: tensor<?x?x4x8xf32> {onnx.dims = ["b", "t", 4, 8]}, %V: tensor<?x?x4x12xf32> {onnx.dims = ["b", "t", 4, 12]},
    %G: tensor<?x?x4x8xf32> {onnx.dims = ["b", "t", 4, 8]}) -> (tensor<?x?x4x12xf32>, tensor<?x4x12x8xf32>) {
  %none = onnx.None : none
  %a2 = onnx.Constant dense<2> : tensor<1xi64>
  %one = onnx.Constant dense<1> : tensor<i64>
  %stop = onnx.Constant dense<false> : tensor<i1>
  %half = onnx.Constant dense<5.000000e-01> : tensor<f32>
  %shape = onnx.Shape(%Q) : (tensor<?x?x4x8xf32>) -> tensor<4xi64>
  %t = onnx.Gather(%shape, %one) : (tensor<4xi64>, tensor<i64>) -> tensor<i64>
  %r:2 = onnx.Loop(%t, %none, %S0) : (tensor<i64>, none, tensor<?x4x12x8xf32>) -> (tensor<?x4x12x8xf32>, tensor<?x?x4x12xf32>) {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %S: tensor<?x4x12x8xf32>):
    %q = onnx.Gather(%Q, %i) {axis = 1 : i64} : (tensor<?x?x4x8xf32>, tensor<i64>) -> tensor<?x4x8xf32>
    %gk = onnx.Gather(%K, %i) {axis = 1 : i64} : (tensor<?x?x4x8xf32>, tensor<i64>) -> tensor<?x4x8xf32>
    %v = onnx.Gather(%V, %i) {axis = 1 : i64} : (tensor<?x?x4x12xf32>, tensor<i64>) -> tensor<?x4x12xf32>
    %g = onnx.Gather(%G, %i) {axis = 1 : i64} : (tensor<?x?x4x8xf32>, tensor<i64>) -> tensor<?x4x8xf32>
    %s = onnx.Sigmoid(%g) : (tensor<?x4x8xf32>) -> tensor<?x4x8xf32>
    %su = onnx.Unsqueeze(%s, %a2) : (tensor<?x4x8xf32>, tensor<1xi64>) -> tensor<?x4x1x8xf32>
    %D = onnx.Mul(%su, %S) : (tensor<?x4x1x8xf32>, tensor<?x4x12x8xf32>) -> tensor<?x4x12x8xf32>
    %kv = onnx.Einsum(%v, %gk) {equation = "bhv,bhk->bhvk"} : (tensor<?x4x12xf32>, tensor<?x4x8xf32>) -> tensor<?x4x12x8xf32>
    %n = onnx.Add(%kv, %D) : (tensor<?x4x12x8xf32>, tensor<?x4x12x8xf32>) -> tensor<?x4x12x8xf32>
    %y = onnx.Einsum(%n, %q) {equation = "bhvk,bhk->bhv"} : (tensor<?x4x12x8xf32>, tensor<?x4x8xf32>) -> tensor<?x4x12xf32>
    %ys = onnx.Mul(%y, %half) : (tensor<?x4x12xf32>, tensor<f32>) -> tensor<?x4x12xf32>
    onnx.Yield(%go, %n, %ys) : tensor<i1>, tensor<?x4x12x8xf32>, tensor<?x4x12xf32>
  }
  return %r#1, %r#0 : tensor<?x?x4x12xf32>, tensor<?x4x12x8xf32>
}
