// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-moe | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Near misses of the first function. Weights are added to others:
// RUN: sed 's/dense<0.0> : tensor<f32>/dense<1.0> : tensor<f32>/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=ZERO
// ZERO: Missed{{.*}}weights are not put where their experts are, among zeros
// An expert is weighed twice:
// RUN: sed 's/Slice(%%full, %%one, %%two,/Slice(%%full, %%zero, %%one,/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=TWICE
// TWICE: Missed{{.*}}weights are not taken once for each expert
// One has a matrix that is computed:
// RUN: sed 's/Gemm(%%x, %%u1, %%c1)/Gemm(%%x, %%v1, %%c1)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=COMPUTED
// COMPUTED: Missed{{.*}}matrices of the experts are not of one stack
// One has no bias:
// RUN: sed 's/Gemm(%%x, %%u1, %%c1)/Gemm(%%x, %%u1, %%none)/;/%%h1 = /s/tensor<6xf32>/none/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=LACKS
// LACKS: Missed{{.*}}experts are not computed alike
// One multiplies by the other's transpose:
// RUN: sed 's/%%o1 = onnx.Gemm(%%a1, %%d1, %%none) {transB = 1 : i64}/%%o1 = onnx.Gemm(%%a1, %%t1, %%none)/;/%%o1 = /s/8x6xf32/6x8xf32/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=TURNED
// TURNED: Missed{{.*}}experts are not computed alike

// Weights scattered among zeros, and experts with matrices and biases of their
// own; what is added before them stays.
// CHECK-LABEL: func.func @scattered(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<?x8xf32> {{{[^}]*}}}, %[[L:[a-z0-9]*]]: {{[^}]*}}}, %[[R:[a-z0-9]*]]: tensor<?x8xf32>
// CHECK-DAG: %[[U0:.*]] = onnx.Initializer "u0"
// CHECK-DAG: %[[U1:.*]] = onnx.Initializer "u1"
// CHECK-DAG: %[[D0:.*]] = onnx.Initializer "d0"
// CHECK-DAG: %[[D1:.*]] = onnx.Initializer "d1"
// CHECK: %[[I:.*]], %[[W:.*]] = onnx.Route(%[[L]],
// CHECK-NOT: ScatterElements
// CHECK: %[[E:.*]] = onnx.Reshape(%[[I]], {{.*}} -> tensor<?xi64>
// CHECK: %[[DOWN:.*]] = onnx.Concat(%[[D0]], %[[D1]])
// CHECK: %[[DOWNS:.*]] = onnx.Reshape(%[[DOWN]], {{.*}} -> tensor<2x8x6xf32>
// CHECK: %[[UP:.*]] = onnx.Concat(%[[U0]], %[[U1]]) {axis = 0 : i64, {{.*}} -> tensor<12x8xf32>
// CHECK: %[[UPS:.*]] = onnx.Reshape(%[[UP]], {{.*}} -> tensor<2x6x8xf32>
// CHECK: %[[H:.*]] = onnx.ExpertMatMul(%[[X]], %[[UPS]], %[[E]]) : {{.*}} -> tensor<?x6xf32>
// CHECK: %[[BIASES:.*]] = onnx.Constant dense<{{\[\[}}1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00, 5.000000e+00, 6.000000e+00], [-1.000000e+00
// CHECK: %[[BIAS:.*]] = onnx.Gather(%[[BIASES]], %[[E]])
// CHECK: %[[B:.*]] = onnx.Add(%[[H]], %[[BIAS]])
// CHECK: %[[A:.*]] = onnx.Relu(%[[B]])
// CHECK: onnx.ExpertMatMul(%[[A]], %[[DOWNS]], %[[E]])
// CHECK: %[[S:.*]] = onnx.Reshape({{.*}} -> tensor<?x8xf32>
// CHECK: %[[Y:.*]] = onnx.Add(%[[S]], %[[R]])
// CHECK: return %[[Y]]
// REMARK: Passed{{.*}}only what is chosen of the experts is computed
// REMARK: Passed{{.*}}became Route
func.func @scattered(%x: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %l: tensor<?x2xf32> {onnx.dims = ["n", 2]}, %r: tensor<?x8xf32> {onnx.dims = ["n", 8]}) -> tensor<?x8xf32> {
  %none = onnx.None : none
  %u0 = onnx.Initializer "u0" <"m", 0, 192> : tensor<6x8xf32>
  %u1 = onnx.Initializer "u1" <"m", 192, 192> : tensor<6x8xf32>
  %v1 = onnx.Neg(%u1) : (tensor<6x8xf32>) -> tensor<6x8xf32>
  %d0 = onnx.Initializer "d0" <"m", 384, 192> : tensor<8x6xf32>
  %d1 = onnx.Initializer "d1" <"m", 576, 192> : tensor<8x6xf32>
  %t1 = onnx.Initializer "t1" <"m", 768, 192> : tensor<6x8xf32>
  %c0 = onnx.Constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]> : tensor<6xf32>
  %c1 = onnx.Constant dense<[-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]> : tensor<6xf32>
  %zero = onnx.Constant dense<0> : tensor<1xi64>
  %one = onnx.Constant dense<1> : tensor<1xi64>
  %two = onnx.Constant dense<2> : tensor<1xi64>
  %nothing = onnx.Constant dense<0.0> : tensor<f32>
  %s = onnx.Softmax(%l) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %w, %i = onnx.TopK(%s, %one) : (tensor<?x2xf32>, tensor<1xi64>) -> (tensor<?x1xf32>, tensor<?x1xi64>)
  %shape = onnx.Shape(%s) : (tensor<?x2xf32>) -> tensor<2xi64>
  %zeros = onnx.Expand(%nothing, %shape) : (tensor<f32>, tensor<2xi64>) -> tensor<?x2xf32>
  %full = onnx.ScatterElements(%zeros, %i, %w) {axis = -1 : i64} : (tensor<?x2xf32>, tensor<?x1xi64>, tensor<?x1xf32>) -> tensor<?x2xf32>
  %f0 = onnx.Slice(%full, %zero, %one, %one, %one) : (tensor<?x2xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x1xf32>
  %h0 = onnx.Gemm(%x, %u0, %c0) {transB = 1 : i64} : (tensor<?x8xf32>, tensor<6x8xf32>, tensor<6xf32>) -> tensor<?x6xf32>
  %a0 = onnx.Relu(%h0) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  %o0 = onnx.Gemm(%a0, %d0, %none) {transB = 1 : i64} : (tensor<?x6xf32>, tensor<8x6xf32>, none) -> tensor<?x8xf32>
  %z0 = onnx.Mul(%o0, %f0) : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
  %y0 = onnx.Add(%r, %z0) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %f1 = onnx.Slice(%full, %one, %two, %one, %one) : (tensor<?x2xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x1xf32>
  %h1 = onnx.Gemm(%x, %u1, %c1) {transB = 1 : i64} : (tensor<?x8xf32>, tensor<6x8xf32>, tensor<6xf32>) -> tensor<?x6xf32>
  %a1 = onnx.Relu(%h1) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  %o1 = onnx.Gemm(%a1, %d1, %none) {transB = 1 : i64} : (tensor<?x6xf32>, tensor<8x6xf32>, none) -> tensor<?x8xf32>
  %z1 = onnx.Mul(%o1, %f1) : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
  %y1 = onnx.Add(%y0, %z1) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y1 : tensor<?x8xf32>
}

// -----

// Where(number = e, weight, 0), summed without a dimension of one, and matrices
// [in, out].
// CHECK-LABEL: func.func @where(
// CHECK: onnx.Route(
// CHECK-NOT: onnx.Equal
// CHECK: onnx.Concat({{.*}} -> tensor<16x8xf32>
// CHECK: onnx.ExpertMatMul({{.*}} {chosen = 2 : i64, transposed} : (tensor<?x8xf32>, tensor<2x8x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
// REMARK: Passed{{.*}}only what is chosen of the experts is computed
// REMARK: Passed{{.*}}became Route
func.func @where(%x: tensor<?x?x8xf32> {onnx.dims = ["b", "t", 8]}, %l: tensor<?x?x2xf32> {onnx.dims = ["b", "t", 2]}) -> tensor<?x?x8xf32> {
  %u0 = onnx.Initializer "u0" <"m", 0, 256> : tensor<8x8xf32>
  %u1 = onnx.Initializer "u1" <"m", 256, 256> : tensor<8x8xf32>
  %zero = onnx.Constant dense<0> : tensor<i64>
  %one = onnx.Constant dense<1> : tensor<i64>
  %two = onnx.Constant dense<2> : tensor<1xi64>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %nothing = onnx.Constant dense<0.000000e+00> : tensor<f32>
  %w, %i = onnx.TopK(%l, %two) : (tensor<?x?x2xf32>, tensor<1xi64>) -> (tensor<?x?x2xf32>, tensor<?x?x2xi64>)
  %xs = onnx.Shape(%x) : (tensor<?x?x8xf32>) -> tensor<3xi64>
  %none = onnx.Expand(%nothing, %xs) : (tensor<f32>, tensor<3xi64>) -> tensor<?x?x8xf32>
  %e0 = onnx.Equal(%i, %zero) : (tensor<?x?x2xi64>, tensor<i64>) -> tensor<?x?x2xi1>
  %p0 = onnx.Where(%e0, %w, %nothing) : (tensor<?x?x2xi1>, tensor<?x?x2xf32>, tensor<f32>) -> tensor<?x?x2xf32>
  %s0 = onnx.ReduceSum(%p0, %last) {keepdims = 0 : i64} : (tensor<?x?x2xf32>, tensor<1xi64>) -> tensor<?x?xf32>
  %f0 = onnx.Unsqueeze(%s0, %last) : (tensor<?x?xf32>, tensor<1xi64>) -> tensor<?x?x1xf32>
  %o0 = onnx.MatMul(%x, %u0) : (tensor<?x?x8xf32>, tensor<8x8xf32>) -> tensor<?x?x8xf32>
  %z0 = onnx.Mul(%o0, %f0) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %y0 = onnx.Add(%none, %z0) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %e1 = onnx.Equal(%i, %one) : (tensor<?x?x2xi64>, tensor<i64>) -> tensor<?x?x2xi1>
  %p1 = onnx.Where(%e1, %w, %nothing) : (tensor<?x?x2xi1>, tensor<?x?x2xf32>, tensor<f32>) -> tensor<?x?x2xf32>
  %s1 = onnx.ReduceSum(%p1, %last) {keepdims = 0 : i64} : (tensor<?x?x2xf32>, tensor<1xi64>) -> tensor<?x?xf32>
  %f1 = onnx.Unsqueeze(%s1, %last) : (tensor<?x?xf32>, tensor<1xi64>) -> tensor<?x?x1xf32>
  %o1 = onnx.MatMul(%x, %u1) : (tensor<?x?x8xf32>, tensor<8x8xf32>) -> tensor<?x?x8xf32>
  %z1 = onnx.Mul(%o1, %f1) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %y1 = onnx.Add(%y0, %z1) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %y1 : tensor<?x?x8xf32>
}
