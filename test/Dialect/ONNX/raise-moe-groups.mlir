// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-moe | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Near misses of the first function. The groups are worth what is chosen by
// without the bias:
// RUN: sed '0,/onnx.Reshape(%%c, %%parts)/s//onnx.Reshape(%%s, %%parts)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=WORTH
// WORTH: Missed{{.*}}groups are worth something else than what is chosen by
// They are worth their mean:
// RUN: sed '0,/onnx.ReduceSum(%%bests/s//onnx.ReduceMean(%%bests/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=MEAN
// MEAN: Missed{{.*}}a group is not worth its best experts
// Those that are worth least are chosen:
// RUN: sed '0,/onnx.TopK(%%worth, %%two) {/s//onnx.TopK(%%worth, %%two) {largest = 0 : i64, /' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=LEAST
// LEAST: Missed{{.*}}it does not choose the groups that are worth most
// Chosen groups are marked with twos:
// RUN: sed 's/%%ones = onnx.ConstantOfShape(%%is) {value = dense<1.0>/%%ones = onnx.ConstantOfShape(%%is) {value = dense<2.0>/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=MARK
// MARK: Missed{{.*}}chosen groups are not marked with ones among zeros
// The groups are every other expert:
// RUN: sed '/%%column = /s/%%last/%%second/;/%%column = /s/4x1xf32/1x4xf32/;s/<.1, 4, 2.>/<[1, 2, 4]>/;/%%wide/s/4x1xf32/1x4xf32/;/%%wide/s/4x2xf32/2x4xf32/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: Missed{{.*}}the mask of experts is not one of groups

// Three experts of one group of two are chosen, by the second function: what
// hides the third is its weight.
// RUN: sed 's/onnx.TopK(%%worth, %%two)/onnx.TopK(%%worth, %%second)/;s/tensor<?x2x/tensor<?x1x/g' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-moe --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=WEIGH
// WEIGH: Missed{{.*}}experts of other groups may be chosen, and weigh what hides them

// As transformers writes DeepSeek-V3's: sigmoids, a bias, four groups of two
// experts by the sum of their best two, and the experts of two groups.
// CHECK-LABEL: func.func @sums(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<?x8xf32> {{{[^}]*}}}, %[[L:[a-z0-9]*]]: tensor<?x8xf32> {{{[^}]*}}}, %[[BIAS:[a-z0-9]*]]: tensor<8xf32>
// CHECK: %{{.*}}, %[[W:.*]] = onnx.Route(%[[L]], %[[BIAS]]) {chosen_groups = 2 : i64, group_best = 2 : i64, groups = 4 : i64, k = 3 : i64, scale = 2.500000e+00 : f64, score = "sigmoid", weight = "share"} : (tensor<?x8xf32>, tensor<8xf32>) -> (tensor<?x3xi64>, tensor<?x3xf32>)
// CHECK-NOT: onnx.TopK
// CHECK: return %[[W]]
// REMARK: Passed{{.*}}became ExpertMatMul
// REMARK: Passed{{.*}}became Route, limited to groups
func.func @sums(%x: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %l: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %bias: tensor<8xf32>, %up: tensor<8x6x8xf32>) -> (tensor<?x3xf32>, tensor<?x6xf32>) {
  %second = onnx.Constant dense<1> : tensor<1xi64>
  %two = onnx.Constant dense<2> : tensor<1xi64>
  %k = onnx.Constant dense<3> : tensor<1xi64>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %parts = onnx.Constant dense<[-1, 4, 2]> : tensor<3xi64>
  %each = onnx.Constant dense<[1, 4, 2]> : tensor<3xi64>
  %all = onnx.Constant dense<[-1, 8]> : tensor<2xi64>
  %zero = onnx.Constant dense<0.0> : tensor<f32>
  %hidden = onnx.Constant dense<0xFF800000> : tensor<f32>
  %factor = onnx.Constant dense<2.5> : tensor<f32>
  %s = onnx.Sigmoid(%l) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %c = onnx.Add(%s, %bias) : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %g = onnx.Reshape(%c, %parts) : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x4x2xf32>
  %bests, %bi = onnx.TopK(%g, %two) {axis = -1 : i64} : (tensor<?x4x2xf32>, tensor<1xi64>) -> (tensor<?x4x2xf32>, tensor<?x4x2xi64>)
  %worth = onnx.ReduceSum(%bests, %last) {keepdims = 0 : i64} : (tensor<?x4x2xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  %gv, %gi = onnx.TopK(%worth, %two) {axis = -1 : i64, sorted = 0 : i64} : (tensor<?x4xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %ws = onnx.Shape(%worth) : (tensor<?x4xf32>) -> tensor<2xi64>
  %zeros = onnx.Expand(%zero, %ws) : (tensor<f32>, tensor<2xi64>) -> tensor<?x4xf32>
  %is = onnx.Shape(%gi) : (tensor<?x2xi64>) -> tensor<2xi64>
  %ones = onnx.ConstantOfShape(%is) {value = dense<1.0> : tensor<1xf32>} : (tensor<2xi64>) -> tensor<?x2xf32>
  %mark = onnx.ScatterElements(%zeros, %gi, %ones) {axis = 1 : i64} : (tensor<?x4xf32>, tensor<?x2xi64>, tensor<?x2xf32>) -> tensor<?x4xf32>
  %column = onnx.Unsqueeze(%mark, %last) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x4x1xf32>
  %wide = onnx.Expand(%column, %each) : (tensor<?x4x1xf32>, tensor<3xi64>) -> tensor<?x4x2xf32>
  %flat = onnx.Reshape(%wide, %all) : (tensor<?x4x2xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %bits = onnx.Cast(%flat) {to = 9 : i64} : (tensor<?x8xf32>) -> tensor<?x8xi1>
  %not = onnx.Not(%bits) : (tensor<?x8xi1>) -> tensor<?x8xi1>
  %m = onnx.Where(%not, %hidden, %c) : (tensor<?x8xi1>, tensor<f32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %v, %i = onnx.TopK(%m, %k) {axis = -1 : i64, sorted = 0 : i64} : (tensor<?x8xf32>, tensor<1xi64>) -> (tensor<?x3xf32>, tensor<?x3xi64>)
  %t = onnx.GatherElements(%s, %i) {axis = 1 : i64} : (tensor<?x8xf32>, tensor<?x3xi64>) -> tensor<?x3xf32>
  %sum = onnx.ReduceSum(%t, %last) : (tensor<?x3xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %q = onnx.Div(%t, %sum) : (tensor<?x3xf32>, tensor<?x1xf32>) -> tensor<?x3xf32>
  %w = onnx.Mul(%q, %factor) : (tensor<?x3xf32>, tensor<f32>) -> tensor<?x3xf32>
  %e = onnx.Reshape(%i, %last) : (tensor<?x3xi64>, tensor<1xi64>) -> tensor<?xi64>
  %times = onnx.Constant dense<[1, 3, 1]> : tensor<3xi64>
  %rows = onnx.Constant dense<[-1, 8]> : tensor<2xi64>
  %u = onnx.Unsqueeze(%x, %second) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x1x8xf32>
  %r = onnx.Expand(%u, %times) : (tensor<?x1x8xf32>, tensor<3xi64>) -> tensor<?x3x8xf32>
  %x3 = onnx.Reshape(%r, %rows) : (tensor<?x3x8xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %ge = onnx.Gather(%up, %e) : (tensor<8x6x8xf32>, tensor<?xi64>) -> tensor<?x6x8xf32>
  %xc = onnx.Unsqueeze(%x3, %last) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x8x1xf32>
  %h = onnx.MatMul(%ge, %xc) : (tensor<?x6x8xf32>, tensor<?x8x1xf32>) -> tensor<?x6x1xf32>
  %y = onnx.Squeeze(%h, %last) : (tensor<?x6x1xf32>, tensor<1xi64>) -> tensor<?x6xf32>
  return %w, %y : tensor<?x3xf32>, tensor<?x6xf32>
}

// -----

// As it writes DeepSeek-V2's: softmax, groups by their best, and weights that
// are what is chosen by. Those of experts hidden by 0 are 0, as what is chosen
// before them: they need no number of their own.
// CHECK-LABEL: func.func @maxima(
// CHECK: onnx.Route(%{{.*}}, %{{.*}}) {chosen_groups = 2 : i64, groups = 4 : i64, k = 3 : i64, score = "softmax", weight = "score"} : (tensor<?x8xf32>, none) -> (tensor<?x3xi64>, tensor<?x3xf32>)
// CHECK-NOT: onnx.TopK
// REMARK: Passed{{.*}}became ExpertMatMul
// REMARK: Passed{{.*}}became Route, limited to groups
func.func @maxima(%x: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %l: tensor<?x8xf32> {onnx.dims = ["n", 8]}, %up: tensor<8x6x8xf32>) -> (tensor<?x3xf32>, tensor<?x6xf32>) {
  %second = onnx.Constant dense<1> : tensor<1xi64>
  %two = onnx.Constant dense<2> : tensor<1xi64>
  %k = onnx.Constant dense<3> : tensor<1xi64>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %parts = onnx.Constant dense<[-1, 4, 2]> : tensor<3xi64>
  %each = onnx.Constant dense<[1, 4, 2]> : tensor<3xi64>
  %all = onnx.Constant dense<[-1, 8]> : tensor<2xi64>
  %zero = onnx.Constant dense<0.0> : tensor<f32>
  %one = onnx.Constant dense<1.0> : tensor<f32>
  %s = onnx.Softmax(%l) {axis = -1 : i64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %g = onnx.Reshape(%s, %parts) : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x4x2xf32>
  %worth = onnx.ReduceMax(%g, %last) {keepdims = 0 : i64} : (tensor<?x4x2xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  %gv, %gi = onnx.TopK(%worth, %two) {axis = -1 : i64, sorted = 0 : i64} : (tensor<?x4xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %ws = onnx.Shape(%worth) : (tensor<?x4xf32>) -> tensor<2xi64>
  %zeros = onnx.Expand(%zero, %ws) : (tensor<f32>, tensor<2xi64>) -> tensor<?x4xf32>
  %is = onnx.Shape(%gi) : (tensor<?x2xi64>) -> tensor<2xi64>
  %ones = onnx.Expand(%one, %is) : (tensor<f32>, tensor<2xi64>) -> tensor<?x2xf32>
  %mark = onnx.ScatterElements(%zeros, %gi, %ones) {axis = 1 : i64} : (tensor<?x4xf32>, tensor<?x2xi64>, tensor<?x2xf32>) -> tensor<?x4xf32>
  %column = onnx.Unsqueeze(%mark, %last) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x4x1xf32>
  %wide = onnx.Expand(%column, %each) : (tensor<?x4x1xf32>, tensor<3xi64>) -> tensor<?x4x2xf32>
  %flat = onnx.Reshape(%wide, %all) : (tensor<?x4x2xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %bits = onnx.Cast(%flat) {to = 9 : i64} : (tensor<?x8xf32>) -> tensor<?x8xi1>
  %m = onnx.Where(%bits, %s, %zero) : (tensor<?x8xi1>, tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %v, %i = onnx.TopK(%m, %k) {axis = -1 : i64, sorted = 0 : i64} : (tensor<?x8xf32>, tensor<1xi64>) -> (tensor<?x3xf32>, tensor<?x3xi64>)
  %e = onnx.Reshape(%i, %last) : (tensor<?x3xi64>, tensor<1xi64>) -> tensor<?xi64>
  %times = onnx.Constant dense<[1, 3, 1]> : tensor<3xi64>
  %rows = onnx.Constant dense<[-1, 8]> : tensor<2xi64>
  %u = onnx.Unsqueeze(%x, %second) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x1x8xf32>
  %r = onnx.Expand(%u, %times) : (tensor<?x1x8xf32>, tensor<3xi64>) -> tensor<?x3x8xf32>
  %x3 = onnx.Reshape(%r, %rows) : (tensor<?x3x8xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %ge = onnx.Gather(%up, %e) : (tensor<8x6x8xf32>, tensor<?xi64>) -> tensor<?x6x8xf32>
  %xc = onnx.Unsqueeze(%x3, %last) : (tensor<?x8xf32>, tensor<1xi64>) -> tensor<?x8x1xf32>
  %h = onnx.MatMul(%ge, %xc) : (tensor<?x6x8xf32>, tensor<?x8x1xf32>) -> tensor<?x6x1xf32>
  %y = onnx.Squeeze(%h, %last) : (tensor<?x6x1xf32>, tensor<1xi64>) -> tensor<?x6xf32>
  return %v, %y : tensor<?x3xf32>, tensor<?x6xf32>
}
