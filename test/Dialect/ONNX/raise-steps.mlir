// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-steps | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Near misses of the first function. The second step reads the first position:
// RUN: sed 's/%%a1 = onnx.Gather(%%decay, %%i1)/%%a1 = onnx.Gather(%%decay, %%i0)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=ORDER
// ORDER: Missed{{.*}}there is not one step per position
// The outputs are joined in another order:
// RUN: sed 's/onnx.Concat(%%u0, %%u1)/onnx.Concat(%%u1, %%u0)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=JOIN
// JOIN: Missed{{.*}}the outputs are not joined along the time
// The state between is a result, too:
// RUN: sed 's/return %%y, %%s1 :/return %%y, %%s0 :/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATE
// STATE: Missed{{.*}}a state between steps is used elsewhere
// C of the other position:
// RUN: sed 's/%%c1 = onnx.Gather(%%C, %%i1)/%%c1 = onnx.Gather(%%C, %%i0)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=READ
// READ: Missed{{.*}}a state is not multiplied by its position's C and summed
// The decay is no exponential: no candidate.
// RUN: sed 's/%%decay = onnx.Exp/%%decay = onnx.Sigmoid/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-steps | FileCheck %s --check-prefix=DECAY
// DECAY-LABEL: func.func @unrolled(
// DECAY-NOT: LinearAttention
// DECAY: return

// A loop over two positions that torch has unrolled: dt [b,t,d], A [d,n],
// B and C [b,t,n], x [b,t,d].
// CHECK-LABEL: func.func @unrolled(
// CHECK-SAME: %[[DT:[^:]*]]: tensor<?x2x8xf32> {{{[^}]*}}}, %[[A:[^:]*]]: tensor<8x4xf32> {{{[^}]*}}}, %[[B:[^:]*]]: tensor<?x2x4xf32> {{{[^}]*}}}, %[[C:[^:]*]]: {{[^}]*}}}, %[[X:[^:]*]]: tensor<?x2x8xf32> {{{[^}]*}}}, %[[S:[^:]*]]: tensor<?x8x4xf32>
// CHECK: %[[E:.*]] = onnx.Mul({{.*}} -> tensor<?x2x8x4xf32>
// CHECK: %[[G:.*]] = onnx.Reshape(%[[E]], {{.*}} -> tensor<?x2x32xf32>
// CHECK: %[[P:.*]] = onnx.Reshape(%[[S]], {{.*}} -> tensor<?x8x4x1xf32>
// CHECK: %[[V:.*]] = onnx.Mul(%[[DT]], %[[X]])
// CHECK: %[[Y:.*]], %[[N:.*]] = onnx.ms.LinearAttention(%[[C]], %[[B]], %[[V]], %[[P]], %[[G]], %{{.*}}) {kv_num_heads = 8 : i64, {{.*}}q_num_heads = 1 : i64, scale = 1.000000e+00 : f32, update_rule = "gated"}
// CHECK: %[[L:.*]] = onnx.Reshape(%[[N]], {{.*}} -> tensor<?x8x4xf32>
// CHECK-NEXT: return %[[Y]], %[[L]]
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
// CHECK: %[[R:.*]] = onnx.Reshape(%[[Y]], {{.*}} -> tensor<?x8xf32>
// CHECK: %[[L:.*]] = onnx.Reshape(%[[N]], {{.*}} -> tensor<?x8x4xf32>
// CHECK-NEXT: return %[[R]], %[[L]]
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
