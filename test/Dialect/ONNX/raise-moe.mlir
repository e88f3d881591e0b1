// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-moe | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Near misses of the first function. An expert has another one's matrix:
// RUN: sed 's/%%g2 = onnx.Gather(%%up, %%n2)/%%g2 = onnx.Gather(%%up, %%n1)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=MATRIX
// MATRIX: Missed{{.*}}an expert has another one's matrix
// It has another activation:
// RUN: sed 's/%%a2 = onnx.Sigmoid/%%a2 = onnx.Tanh/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=ALIKE
// ALIKE: Missed{{.*}}experts are not computed alike
// It gets other rows:
// RUN: sed 's/%%h2 = onnx.MatMul(%%x, /%%h2 = onnx.MatMul(%%z, /' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=INPUT
// INPUT: Missed{{.*}}experts are not computed alike
// It has other weights:
// RUN: sed 's/%%p2 = onnx.Mul(%%w, /%%p2 = onnx.Mul(%%v, /' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=WEIGHT
// WEIGHT: Missed{{.*}}experts have weights of their own
// It takes part twice, another one not at all:
// RUN: sed 's/onnx.Equal(%%i, %%n2)/onnx.Equal(%%i, %%n1)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=TWICE
// TWICE: Missed{{.*}}numbers are not compared once with each expert
// The sum up to it is a result, too:
// RUN: sed '0,/return %%y :/s//return %%y1 :/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=SUM
// SUM: Missed{{.*}}what experts give is not only summed
// There are more matrices:
// RUN: sed 's/3x12x8xf32/5x12x8xf32/;s/3x8x6xf32/5x8x6xf32/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=MORE
// MORE: Missed{{.*}}there are more or fewer matrices than experts to choose from

// A product for each of three experts, of which two are chosen: SwiGLU by
// matrices [out, in].
// CHECK-LABEL: func.func @each(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<?x?x8xf32> {{{[^}]*}}}, %[[Z:[a-z0-9]*]]: {{[^}]*}}}, %[[L:[a-z0-9]*]]: {{[^}]*}}}, %[[UP:[a-z0-9]*]]: tensor<3x12x8xf32>, %[[DOWN:[a-z0-9]*]]: tensor<3x8x6xf32>
// CHECK: %[[I:.*]], %[[W:.*]] = onnx.Route(%[[L]], %{{.*}}) {k = 2 : i64, score = "identity", weight = "softmax"} : (tensor<?x?x3xf32>, none) -> (tensor<?x?x2xi64>, tensor<?x?x2xf32>)
// CHECK-NOT: onnx.TopK
// CHECK-NOT: onnx.Equal
// CHECK: %[[E:.*]] = onnx.Reshape(%[[I]], {{.*}} -> tensor<?xi64>
// CHECK: %[[R:.*]] = onnx.Reshape(%[[X]], {{.*}} -> tensor<?x8xf32>
// CHECK: %[[H:.*]] = onnx.ExpertMatMul(%[[R]], %[[UP]], %[[E]]) {chosen = 2 : i64} : (tensor<?x8xf32>, tensor<3x12x8xf32>, tensor<?xi64>) -> tensor<?x12xf32>
// CHECK: %[[S:.*]]:2 = onnx.Split(%[[H]], {{.*}} {axis = -1 : i64, {{.*}} -> (tensor<?x6xf32>, tensor<?x6xf32>)
// CHECK: onnx.Sigmoid(%[[S]]#0)
// CHECK: %[[A:.*]] = onnx.Mul(%{{.*}}, %[[S]]#1)
// CHECK: %[[D:.*]] = onnx.ExpertMatMul(%[[A]], %[[DOWN]], %[[E]]) : (tensor<?x6xf32>, tensor<3x8x6xf32>, tensor<?xi64>) -> tensor<?x8xf32>
// CHECK: %[[F:.*]] = onnx.Reshape(%[[W]], {{.*}} -> tensor<?x1x2xf32>
// CHECK: %[[T:.*]] = onnx.Reshape(%[[D]], {{.*}} -> tensor<?x2x8xf32>
// CHECK: %[[M:.*]] = onnx.MatMul(%[[F]], %[[T]])
// CHECK: %[[SHAPE:.*]] = onnx.Shape(%[[X]])
// CHECK: %[[Y:.*]] = onnx.Reshape(%[[M]], %[[SHAPE]])
// CHECK: return %[[Y]]
// REMARK: Passed{{.*}}only what is chosen of the experts is computed
// REMARK: Passed{{.*}}became Route
func.func @each(%x: tensor<?x?x8xf32> {onnx.dims = ["b", "t", 8]}, %z: tensor<?x?x8xf32> {onnx.dims = ["b", "t", 8]}, %l: tensor<?x?x3xf32> {onnx.dims = ["b", "t", 3]},
    %up: tensor<3x12x8xf32>, %down: tensor<3x8x6xf32>) -> tensor<?x?x8xf32> {
  %none = onnx.None : none
  %k = onnx.Constant dense<2> : tensor<1xi64>
  %first = onnx.Constant dense<0> : tensor<1xi64>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %v, %i = onnx.TopK(%l, %k) : (tensor<?x?x3xf32>, tensor<1xi64>) -> (tensor<?x?x2xf32>, tensor<?x?x2xi64>)
  %w = onnx.Softmax(%v) : (tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
  %n0 = onnx.Constant dense<0> : tensor<1xi64>
  %g0 = onnx.Gather(%up, %n0) : (tensor<3x12x8xf32>, tensor<1xi64>) -> tensor<1x12x8xf32>
  %q0 = onnx.Squeeze(%g0, %first) : (tensor<1x12x8xf32>, tensor<1xi64>) -> tensor<12x8xf32>
  %m0 = onnx.Transpose(%q0) : (tensor<12x8xf32>) -> tensor<8x12xf32>
  %h0 = onnx.MatMul(%x, %m0) : (tensor<?x?x8xf32>, tensor<8x12xf32>) -> tensor<?x?x12xf32>
  %s0:2 = onnx.Split(%h0, %none) {axis = 2 : i64, num_outputs = 2 : i64} : (tensor<?x?x12xf32>, none) -> (tensor<?x?x6xf32>, tensor<?x?x6xf32>)
  %a0 = onnx.Sigmoid(%s0#0) : (tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %b0 = onnx.Mul(%s0#0, %a0) : (tensor<?x?x6xf32>, tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %c0 = onnx.Mul(%b0, %s0#1) : (tensor<?x?x6xf32>, tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %d0 = onnx.Gather(%down, %n0) : (tensor<3x8x6xf32>, tensor<1xi64>) -> tensor<1x8x6xf32>
  %f0 = onnx.Squeeze(%d0, %first) : (tensor<1x8x6xf32>, tensor<1xi64>) -> tensor<8x6xf32>
  %j0 = onnx.Transpose(%f0) {perm = array<i64: 1, 0>} : (tensor<8x6xf32>) -> tensor<6x8xf32>
  %o0 = onnx.MatMul(%c0, %j0) : (tensor<?x?x6xf32>, tensor<6x8xf32>) -> tensor<?x?x8xf32>
  %is0 = onnx.Equal(%i, %n0) : (tensor<?x?x2xi64>, tensor<1xi64>) -> tensor<?x?x2xi1>
  %hot0 = onnx.Cast(%is0) {to = 1 : i64} : (tensor<?x?x2xi1>) -> tensor<?x?x2xf32>
  %p0 = onnx.Mul(%w, %hot0) : (tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
  %r0 = onnx.ReduceSum(%p0, %last) : (tensor<?x?x2xf32>, tensor<1xi64>) -> tensor<?x?x1xf32>
  %t0 = onnx.Mul(%o0, %r0) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %n1 = onnx.Constant dense<1> : tensor<1xi64>
  %g1 = onnx.Gather(%up, %n1) : (tensor<3x12x8xf32>, tensor<1xi64>) -> tensor<1x12x8xf32>
  %q1 = onnx.Squeeze(%g1, %first) : (tensor<1x12x8xf32>, tensor<1xi64>) -> tensor<12x8xf32>
  %m1 = onnx.Transpose(%q1) : (tensor<12x8xf32>) -> tensor<8x12xf32>
  %h1 = onnx.MatMul(%x, %m1) : (tensor<?x?x8xf32>, tensor<8x12xf32>) -> tensor<?x?x12xf32>
  %s1:2 = onnx.Split(%h1, %none) {axis = 2 : i64, num_outputs = 2 : i64} : (tensor<?x?x12xf32>, none) -> (tensor<?x?x6xf32>, tensor<?x?x6xf32>)
  %a1 = onnx.Sigmoid(%s1#0) : (tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %b1 = onnx.Mul(%s1#0, %a1) : (tensor<?x?x6xf32>, tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %c1 = onnx.Mul(%b1, %s1#1) : (tensor<?x?x6xf32>, tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %d1 = onnx.Gather(%down, %n1) : (tensor<3x8x6xf32>, tensor<1xi64>) -> tensor<1x8x6xf32>
  %f1 = onnx.Squeeze(%d1, %first) : (tensor<1x8x6xf32>, tensor<1xi64>) -> tensor<8x6xf32>
  %j1 = onnx.Transpose(%f1) {perm = array<i64: 1, 0>} : (tensor<8x6xf32>) -> tensor<6x8xf32>
  %o1 = onnx.MatMul(%c1, %j1) : (tensor<?x?x6xf32>, tensor<6x8xf32>) -> tensor<?x?x8xf32>
  %is1 = onnx.Equal(%i, %n1) : (tensor<?x?x2xi64>, tensor<1xi64>) -> tensor<?x?x2xi1>
  %hot1 = onnx.Cast(%is1) {to = 1 : i64} : (tensor<?x?x2xi1>) -> tensor<?x?x2xf32>
  %p1 = onnx.Mul(%w, %hot1) : (tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
  %r1 = onnx.ReduceSum(%p1, %last) : (tensor<?x?x2xf32>, tensor<1xi64>) -> tensor<?x?x1xf32>
  %t1 = onnx.Mul(%o1, %r1) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %n2 = onnx.Constant dense<2> : tensor<1xi64>
  %g2 = onnx.Gather(%up, %n2) : (tensor<3x12x8xf32>, tensor<1xi64>) -> tensor<1x12x8xf32>
  %q2 = onnx.Squeeze(%g2, %first) : (tensor<1x12x8xf32>, tensor<1xi64>) -> tensor<12x8xf32>
  %m2 = onnx.Transpose(%q2) : (tensor<12x8xf32>) -> tensor<8x12xf32>
  %h2 = onnx.MatMul(%x, %m2) : (tensor<?x?x8xf32>, tensor<8x12xf32>) -> tensor<?x?x12xf32>
  %s2:2 = onnx.Split(%h2, %none) {axis = 2 : i64, num_outputs = 2 : i64} : (tensor<?x?x12xf32>, none) -> (tensor<?x?x6xf32>, tensor<?x?x6xf32>)
  %a2 = onnx.Sigmoid(%s2#0) : (tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %b2 = onnx.Mul(%s2#0, %a2) : (tensor<?x?x6xf32>, tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %c2 = onnx.Mul(%b2, %s2#1) : (tensor<?x?x6xf32>, tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %d2 = onnx.Gather(%down, %n2) : (tensor<3x8x6xf32>, tensor<1xi64>) -> tensor<1x8x6xf32>
  %f2 = onnx.Squeeze(%d2, %first) : (tensor<1x8x6xf32>, tensor<1xi64>) -> tensor<8x6xf32>
  %j2 = onnx.Transpose(%f2) {perm = array<i64: 1, 0>} : (tensor<8x6xf32>) -> tensor<6x8xf32>
  %o2 = onnx.MatMul(%c2, %j2) : (tensor<?x?x6xf32>, tensor<6x8xf32>) -> tensor<?x?x8xf32>
  %is2 = onnx.Equal(%i, %n2) : (tensor<?x?x2xi64>, tensor<1xi64>) -> tensor<?x?x2xi1>
  %hot2 = onnx.Cast(%is2) {to = 1 : i64} : (tensor<?x?x2xi1>) -> tensor<?x?x2xf32>
  %p2 = onnx.Mul(%w, %hot2) : (tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
  %r2 = onnx.ReduceSum(%p2, %last) : (tensor<?x?x2xf32>, tensor<1xi64>) -> tensor<?x?x1xf32>
  %t2 = onnx.Mul(%o2, %r2) : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %y1 = onnx.Add(%t0, %t1) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %y = onnx.Add(%y1, %t2) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// Products with the whole stack [in, out], and weights that are 0 where an
// expert isn't chosen, by sigmoids that a bias takes part in choosing.
// CHECK-LABEL: func.func @stack(
// CHECK-SAME: %[[BIAS:[a-z0-9]*]]: tensor<3xf32>
// CHECK: %[[I:.*]], %[[W:.*]] = onnx.Route(%{{.*}}, %[[BIAS]]) {k = 2 : i64, score = "sigmoid", weight = "score"}
// CHECK: %[[E:.*]] = onnx.Reshape(%[[I]], {{.*}} -> tensor<?xi64>
// CHECK-NOT: GatherElements
// CHECK: onnx.ExpertMatMul(%{{.*}}, %{{.*}}, %[[E]]) {chosen = 2 : i64, transposed}
// CHECK: onnx.Relu({{.*}} -> tensor<?x7xf32>
// CHECK: onnx.ExpertMatMul(%{{.*}}, %{{.*}}, %[[E]]) {transposed}
// CHECK: onnx.Reshape(%[[W]], {{.*}} -> tensor<?x1x2xf32>
// REMARK: Passed{{.*}}only what is chosen of the experts is computed
// REMARK: Passed{{.*}}became Route
func.func @stack(%x: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %l: tensor<?x3xf32> {onnx.dims = ["n", 3]}, %bias: tensor<3xf32>,
    %in: tensor<3x8x7xf32>, %out: tensor<3x7x8xf32>) -> tensor<?x8xf32> {
  %k = onnx.Constant dense<2> : tensor<1xi64>
  %first = onnx.Constant dense<0> : tensor<1xi64>
  %second = onnx.Constant dense<1> : tensor<1xi64>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %numbers = onnx.Constant dense<[0, 1, 2]> : tensor<3xi64>
  %s = onnx.Sigmoid(%l) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %c = onnx.Add(%s, %bias) : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %v, %i = onnx.TopK(%c, %k) {axis = -1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %column = onnx.Unsqueeze(%i, %last) : (tensor<?x2xi64>, tensor<1xi64>) -> tensor<?x2x1xi64>
  %is = onnx.Equal(%column, %numbers) : (tensor<?x2x1xi64>, tensor<3xi64>) -> tensor<?x2x3xi1>
  %cast = onnx.Cast(%is) {to = 1 : i64} : (tensor<?x2x3xi1>) -> tensor<?x2x3xf32>
  %hot = onnx.ReduceSum(%cast, %second) {keepdims = 0 : i64} : (tensor<?x2x3xf32>, tensor<1xi64>) -> tensor<?x3xf32>
  %some = onnx.Mul(%s, %hot) : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
  %turned = onnx.Transpose(%some) {perm = array<i64: 1, 0>} : (tensor<?x3xf32>) -> tensor<3x?xf32>
  %factors = onnx.Unsqueeze(%turned, %last) : (tensor<3x?xf32>, tensor<1xi64>) -> tensor<3x?x1xf32>
  %h = onnx.MatMul(%x, %in) : (tensor<?x8xf32>, tensor<3x8x7xf32>) -> tensor<3x?x7xf32>
  %a = onnx.Relu(%h) : (tensor<3x?x7xf32>) -> tensor<3x?x7xf32>
  %o = onnx.MatMul(%a, %out) : (tensor<3x?x7xf32>, tensor<3x7x8xf32>) -> tensor<3x?x8xf32>
  %t = onnx.Mul(%o, %factors) : (tensor<3x?x8xf32>, tensor<3x?x1xf32>) -> tensor<3x?x8xf32>
  %y = onnx.ReduceSum(%t, %first) {keepdims = 0 : i64} : (tensor<3x?x8xf32>, tensor<1xi64>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// A matrix gathered for each row, of which there are two for each input row.
// CHECK-LABEL: func.func @gathered(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<?x8xf32> {{{[^}]*}}}, %[[W:[a-z0-9]*]]: {{[^}]*}}}, %[[I:[a-z0-9]*]]: tensor<?x2xi64>
// CHECK: %[[F:.*]] = onnx.Reshape(%[[W]], {{.*}} -> tensor<?xf32>
// CHECK: %[[E:.*]] = onnx.Reshape(%[[I]], {{.*}} -> tensor<?xi64>
// CHECK: %[[H:.*]] = onnx.ExpertMatMul(%[[X]], %{{.*}}, %[[E]]) {chosen = 2 : i64} : (tensor<?x8xf32>, tensor<3x6x8xf32>, tensor<?xi64>) -> tensor<?x6xf32>
// CHECK: %[[A:.*]] = onnx.Relu(%[[H]])
// CHECK: %[[D:.*]] = onnx.ExpertMatMul(%[[A]], %{{.*}}, %[[E]]) {transposed} : (tensor<?x6xf32>, tensor<3x6x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
// CHECK-NOT: ReduceSum
// CHECK: onnx.MatMul({{.*}} : (tensor<?x1x2xf32>, tensor<?x2x8xf32>) -> tensor<?x1x8xf32>
// REMARK: Passed{{.*}}became ExpertMatMul
// REMARK: Passed{{.*}}became ExpertMatMul
// REMARK: Passed{{.*}}the sum over chosen experts became a product
func.func @gathered(%x: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %w: tensor<?x2xf32> {onnx.dims = ["n", 2]}, %i: tensor<?x2xi64> {onnx.dims = ["n", 2]},
    %up: tensor<3x6x8xf32>, %down: tensor<3x6x8xf32>) -> tensor<?x8xf32> {
  %second = onnx.Constant dense<1> : tensor<1xi64>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %two = onnx.Constant dense<[1, 2, 1]> : tensor<3xi64>
  %rows = onnx.Constant dense<[-1, 8]> : tensor<2xi64>
  %pairs = onnx.Constant dense<[-1, 2, 8]> : tensor<3xi64>
  %u = onnx.Unsqueeze(%x, %second) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x1x8xf32>
  %r = onnx.Expand(%u, %two) : (tensor<?x1x8xf32>, tensor<3xi64>) -> tensor<?x2x8xf32>
  %each = onnx.Reshape(%r, %rows) : (tensor<?x2x8xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %f = onnx.Reshape(%w, %last) : (tensor<?x2xf32>, tensor<1xi64>) -> tensor<?xf32>
  %e = onnx.Reshape(%i, %last) : (tensor<?x2xi64>, tensor<1xi64>) -> tensor<?xi64>
  %en = onnx.Unsqueeze(%e, %last) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
  %g = onnx.GatherND(%up, %en) : (tensor<3x6x8xf32>, tensor<?x1xi64>) -> tensor<?x6x8xf32>
  %column = onnx.Unsqueeze(%each, %last) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x8x1xf32>
  %h = onnx.MatMul(%g, %column) : (tensor<?x6x8xf32>, tensor<?x8x1xf32>) -> tensor<?x6x1xf32>
  %hs = onnx.Squeeze(%h, %last) : (tensor<?x6x1xf32>, tensor<1xi64>) -> tensor<?x6xf32>
  %a = onnx.Relu(%hs) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  %d = onnx.Gather(%down, %e) : (tensor<3x6x8xf32>, tensor<?xi64>) -> tensor<?x6x8xf32>
  %row = onnx.Unsqueeze(%a, %second) : (tensor<?x6xf32>, tensor<1xi64>) -> tensor<?x1x6xf32>
  %o = onnx.MatMul(%row, %d) : (tensor<?x1x6xf32>, tensor<?x6x8xf32>) -> tensor<?x1x8xf32>
  %os = onnx.Squeeze(%o, %second) : (tensor<?x1x8xf32>, tensor<1xi64>) -> tensor<?x8xf32>
  %fc = onnx.Unsqueeze(%f, %last) : (tensor<?xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %t = onnx.Mul(%os, %fc) : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
  %tp = onnx.Reshape(%t, %pairs) : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x2x8xf32>
  %y = onnx.ReduceSum(%tp, %second) {keepdims = 0 : i64} : (tensor<?x2x8xf32>, tensor<1xi64>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// The gathered matrices are used elsewhere, too, and their product as it is.
// CHECK-LABEL: func.func @gathered_keep(
// CHECK-NOT: ExpertMatMul
// REMARK: Missed{{.*}}the product is not only used as rows
func.func @gathered_keep(%x: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %i: tensor<?xi64> {onnx.dims = ["n"]}, %up: tensor<3x6x8xf32>) -> tensor<?x6x1xf32> {
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %g = onnx.Gather(%up, %i) : (tensor<3x6x8xf32>, tensor<?xi64>) -> tensor<?x6x8xf32>
  %column = onnx.Unsqueeze(%x, %last) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x8x1xf32>
  %h = onnx.MatMul(%g, %column) : (tensor<?x6x8xf32>, tensor<?x8x1xf32>) -> tensor<?x6x1xf32>
  return %h : tensor<?x6x1xf32>
}

// -----

// One matrix for each of the rows, but there are others of those.
// CHECK-LABEL: func.func @gathered_rows(
// CHECK-NOT: ExpertMatMul
// REMARK: Missed{{.*}}there is not one matrix for each row
func.func @gathered_rows(%x: tensor<1x8xf32>, %i: tensor<?xi64> {onnx.dims = ["n"]}, %up: tensor<3x6x8xf32>) -> tensor<?x6xf32> {
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %g = onnx.Gather(%up, %i) : (tensor<3x6x8xf32>, tensor<?xi64>) -> tensor<?x6x8xf32>
  %column = onnx.Unsqueeze(%x, %last) : (tensor<1x8xf32>, tensor<1xi64>) -> tensor<1x8x1xf32>
  %h = onnx.MatMul(%g, %column) : (tensor<?x6x8xf32>, tensor<1x8x1xf32>) -> tensor<?x6x1xf32>
  %y = onnx.Squeeze(%h, %last) : (tensor<?x6x1xf32>, tensor<1xi64>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// -----

// Shares of a softmax over all experts, with a number beside their sum, times
// another.
// CHECK-LABEL: func.func @share(
// CHECK: onnx.Route(%{{.*}}, %{{.*}}) {epsilon = 9.9999999{{.*}}E-7 : f64, k = 2 : i64, scale = 2.500000e+00 : f64, score = "softmax", weight = "share"}
// CHECK-NOT: ReduceSum
// REMARK: Passed{{.*}}became ExpertMatMul
// REMARK: Passed{{.*}}became Route
func.func @share(%x: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %l: tensor<?x3xf32> {onnx.dims = ["n", 3]}, %up: tensor<3x6x8xf32>) -> (tensor<?x2xf32>, tensor<?x6xf32>) {
  %k = onnx.Constant dense<2> : tensor<1xi64>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %epsilon = onnx.Constant dense<9.99999997E-7> : tensor<f32>
  %factor = onnx.Constant dense<2.500000e+00> : tensor<f32>
  %rows = onnx.Constant dense<[-1, 8]> : tensor<2xi64>
  %two = onnx.Constant dense<[1, 2, 1]> : tensor<3xi64>
  %second = onnx.Constant dense<1> : tensor<1xi64>
  %s = onnx.Softmax(%l) {axis = -1 : i64} : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %v, %i = onnx.TopK(%s, %k) {axis = -1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %t = onnx.ReduceSum(%v, %last) : (tensor<?x2xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %d = onnx.Add(%t, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %q = onnx.Div(%v, %d) : (tensor<?x2xf32>, tensor<?x1xf32>) -> tensor<?x2xf32>
  %w = onnx.Mul(%q, %factor) : (tensor<?x2xf32>, tensor<f32>) -> tensor<?x2xf32>
  %e = onnx.Reshape(%i, %last) : (tensor<?x2xi64>, tensor<1xi64>) -> tensor<?xi64>
  %u = onnx.Unsqueeze(%x, %second) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x1x8xf32>
  %r = onnx.Expand(%u, %two) : (tensor<?x1x8xf32>, tensor<3xi64>) -> tensor<?x2x8xf32>
  %each = onnx.Reshape(%r, %rows) : (tensor<?x2x8xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %g = onnx.Gather(%up, %e) : (tensor<3x6x8xf32>, tensor<?xi64>) -> tensor<?x6x8xf32>
  %column = onnx.Unsqueeze(%each, %last) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x8x1xf32>
  %h = onnx.MatMul(%g, %column) : (tensor<?x6x8xf32>, tensor<?x8x1xf32>) -> tensor<?x6x1xf32>
  %y = onnx.Squeeze(%h, %last) : (tensor<?x6x1xf32>, tensor<1xi64>) -> tensor<?x6xf32>
  return %w, %y : tensor<?x2xf32>, tensor<?x6xf32>
}

// -----

// Rounded scores may be equal where those of a router in float32 are not.
// CHECK-LABEL: func.func @half(
// CHECK: onnx.TopK
// REMARK: Passed{{.*}}became ExpertMatMul
// REMARK: Missed{{.*}}scores are compared in less than float32
func.func @half(%x: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %l: tensor<?x3xf16> {onnx.dims = ["n", 3]}, %up: tensor<3x6x8xf32>) -> (tensor<?x2xf16>, tensor<?x6xf32>) {
  %k = onnx.Constant dense<2> : tensor<1xi64>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %epsilon = onnx.Constant dense<9.99999997E-7> : tensor<f32>
  %factor = onnx.Constant dense<2.500000e+00> : tensor<f32>
  %rows = onnx.Constant dense<[-1, 8]> : tensor<2xi64>
  %two = onnx.Constant dense<[1, 2, 1]> : tensor<3xi64>
  %second = onnx.Constant dense<1> : tensor<1xi64>
  %s = onnx.Softmax(%l) {axis = -1 : i64} : (tensor<?x3xf16>) -> tensor<?x3xf16>
  %v, %i = onnx.TopK(%s, %k) {axis = -1 : i64} : (tensor<?x3xf16>, tensor<1xi64>) -> (tensor<?x2xf16>, tensor<?x2xi64>)
  %w = onnx.Softmax(%v) {axis = -1 : i64} : (tensor<?x2xf16>) -> tensor<?x2xf16>
  %e = onnx.Reshape(%i, %last) : (tensor<?x2xi64>, tensor<1xi64>) -> tensor<?xi64>
  %u = onnx.Unsqueeze(%x, %second) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x1x8xf32>
  %r = onnx.Expand(%u, %two) : (tensor<?x1x8xf32>, tensor<3xi64>) -> tensor<?x2x8xf32>
  %each = onnx.Reshape(%r, %rows) : (tensor<?x2x8xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %g = onnx.Gather(%up, %e) : (tensor<3x6x8xf32>, tensor<?xi64>) -> tensor<?x6x8xf32>
  %column = onnx.Unsqueeze(%each, %last) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x8x1xf32>
  %h = onnx.MatMul(%g, %column) : (tensor<?x6x8xf32>, tensor<?x8x1xf32>) -> tensor<?x6x1xf32>
  %y = onnx.Squeeze(%h, %last) : (tensor<?x6x1xf32>, tensor<1xi64>) -> tensor<?x6xf32>
  return %w, %y : tensor<?x2xf16>, tensor<?x6xf32>
}

// -----

// The smallest are chosen.
// CHECK-LABEL: func.func @smallest(
// CHECK: onnx.TopK
// REMARK: Missed{{.*}}it does not choose the largest of the last dimension
func.func @smallest(%x: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %l: tensor<?x3xf32> {onnx.dims = ["n", 3]}, %up: tensor<3x6x8xf32>) -> (tensor<?x2xf32>, tensor<?x6xf32>) {
  %k = onnx.Constant dense<2> : tensor<1xi64>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %epsilon = onnx.Constant dense<9.99999997E-7> : tensor<f32>
  %factor = onnx.Constant dense<2.500000e+00> : tensor<f32>
  %rows = onnx.Constant dense<[-1, 8]> : tensor<2xi64>
  %two = onnx.Constant dense<[1, 2, 1]> : tensor<3xi64>
  %second = onnx.Constant dense<1> : tensor<1xi64>
  %s = onnx.Softmax(%l) {axis = -1 : i64} : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %v, %i = onnx.TopK(%s, %k) {largest = 0 : i64, axis = -1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %w = onnx.Softmax(%v) {axis = -1 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %e = onnx.Reshape(%i, %last) : (tensor<?x2xi64>, tensor<1xi64>) -> tensor<?xi64>
  %u = onnx.Unsqueeze(%x, %second) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x1x8xf32>
  %r = onnx.Expand(%u, %two) : (tensor<?x1x8xf32>, tensor<3xi64>) -> tensor<?x2x8xf32>
  %each = onnx.Reshape(%r, %rows) : (tensor<?x2x8xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %g = onnx.Gather(%up, %e) : (tensor<3x6x8xf32>, tensor<?xi64>) -> tensor<?x6x8xf32>
  %column = onnx.Unsqueeze(%each, %last) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x8x1xf32>
  %h = onnx.MatMul(%g, %column) : (tensor<?x6x8xf32>, tensor<?x8x1xf32>) -> tensor<?x6x1xf32>
  %y = onnx.Squeeze(%h, %last) : (tensor<?x6x1xf32>, tensor<1xi64>) -> tensor<?x6xf32>
  return %w, %y : tensor<?x2xf32>, tensor<?x6xf32>
}

// -----

// What was chosen with a bias weighs with it.
// CHECK-LABEL: func.func @biased(
// CHECK: onnx.TopK
// REMARK: Missed{{.*}}the bias becomes part of the weights
func.func @biased(%x: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %l: tensor<?x3xf32> {onnx.dims = ["n", 3]}, %up: tensor<3x6x8xf32>) -> (tensor<?x2xf32>, tensor<?x6xf32>) {
  %k = onnx.Constant dense<2> : tensor<1xi64>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %epsilon = onnx.Constant dense<9.99999997E-7> : tensor<f32>
  %factor = onnx.Constant dense<2.500000e+00> : tensor<f32>
  %rows = onnx.Constant dense<[-1, 8]> : tensor<2xi64>
  %two = onnx.Constant dense<[1, 2, 1]> : tensor<3xi64>
  %second = onnx.Constant dense<1> : tensor<1xi64>
  %bias = onnx.Constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %s = onnx.Add(%l, %bias) : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %v, %i = onnx.TopK(%s, %k) {axis = -1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %w = onnx.Softmax(%v) {axis = -1 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %e = onnx.Reshape(%i, %last) : (tensor<?x2xi64>, tensor<1xi64>) -> tensor<?xi64>
  %u = onnx.Unsqueeze(%x, %second) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x1x8xf32>
  %r = onnx.Expand(%u, %two) : (tensor<?x1x8xf32>, tensor<3xi64>) -> tensor<?x2x8xf32>
  %each = onnx.Reshape(%r, %rows) : (tensor<?x2x8xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %g = onnx.Gather(%up, %e) : (tensor<3x6x8xf32>, tensor<?xi64>) -> tensor<?x6x8xf32>
  %column = onnx.Unsqueeze(%each, %last) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x8x1xf32>
  %h = onnx.MatMul(%g, %column) : (tensor<?x6x8xf32>, tensor<?x8x1xf32>) -> tensor<?x6x1xf32>
  %y = onnx.Squeeze(%h, %last) : (tensor<?x6x1xf32>, tensor<1xi64>) -> tensor<?x6xf32>
  return %w, %y : tensor<?x2xf32>, tensor<?x6xf32>
}
