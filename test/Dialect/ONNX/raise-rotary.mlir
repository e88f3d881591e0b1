// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-rotary | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-rotary --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// transformers: cosine and sine of frequencies that stand there twice; only the
// first half of the channels is rotated. The halves of the tables come out of
// the frequencies, once for query and key.
// CHECK-LABEL: func.func @partial(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x4x?x16xf32> {{{[^}]*}}}, %[[K:[^:]*]]: tensor<?x2x?x16xf32> {{{[^}]*}}}, %[[F:[^:]*]]: tensor<1x?x4xf32>
// CHECK-DAG: %[[COS:.*]] = onnx.Cos(%[[F]]) : (tensor<1x?x4xf32>) -> tensor<1x?x4xf32>
// CHECK-DAG: %[[SIN:.*]] = onnx.Sin(%[[F]]) : (tensor<1x?x4xf32>) -> tensor<1x?x4xf32>
// CHECK: %[[RQ:.*]] = onnx.RotaryEmbedding(%[[Q]], %[[COS]], %[[SIN]], %{{.*}}) {onnx.opset = 23 : i64, rotary_embedding_dim = 8 : i64}
// CHECK: %[[RK:.*]] = onnx.RotaryEmbedding(%[[K]], %[[COS]], %[[SIN]], %{{.*}}) {onnx.opset = 23 : i64, rotary_embedding_dim = 8 : i64}
// CHECK-NEXT: return %[[RQ]], %[[RK]]
// REMARK: Passed{{.*}}onnx-raise-rotary{{.*}}became RotaryEmbedding
// REMARK: Passed{{.*}}onnx-raise-rotary{{.*}}became RotaryEmbedding
func.func @partial(%q: tensor<?x4x?x16xf32> {onnx.dims = ["b", 4, "t", 16]}, %k: tensor<?x2x?x16xf32> {onnx.dims = ["b", 2, "t", 16]},
    %f: tensor<1x?x4xf32> {onnx.dims = [1, "t", 4]}) -> (tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>) {
  %c0 = onnx.Constant dense<0> : tensor<1xi64>
  %c1 = onnx.Constant dense<1> : tensor<1xi64>
  %c3 = onnx.Constant dense<3> : tensor<1xi64>
  %c4 = onnx.Constant dense<4> : tensor<1xi64>
  %c8 = onnx.Constant dense<8> : tensor<1xi64>
  %end = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %ff = onnx.Concat(%f, %f) {axis = -1 : i64} : (tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<1x?x8xf32>
  %c = onnx.Cos(%ff) : (tensor<1x?x8xf32>) -> tensor<1x?x8xf32>
  %s = onnx.Sin(%ff) : (tensor<1x?x8xf32>) -> tensor<1x?x8xf32>
  %cos = onnx.Unsqueeze(%c, %c1) : (tensor<1x?x8xf32>, tensor<1xi64>) -> tensor<1x1x?x8xf32>
  %sin = onnx.Unsqueeze(%s, %c1) : (tensor<1x?x8xf32>, tensor<1xi64>) -> tensor<1x1x?x8xf32>
  %qr = onnx.Slice(%q, %c0, %c8, %c3, %c1) : (tensor<?x4x?x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x8xf32>
  %qp = onnx.Slice(%q, %c8, %end, %c3, %c1) : (tensor<?x4x?x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x8xf32>
  %q1 = onnx.Slice(%qr, %c0, %c4, %c3, %c1) : (tensor<?x4x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x4xf32>
  %q2 = onnx.Slice(%qr, %c4, %end, %c3, %c1) : (tensor<?x4x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x4xf32>
  %qc = onnx.Mul(%qr, %cos) : (tensor<?x4x?x8xf32>, tensor<1x1x?x8xf32>) -> tensor<?x4x?x8xf32>
  %qn = onnx.Neg(%q2) : (tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %qt = onnx.Concat(%qn, %q1) {axis = -1 : i64} : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x8xf32>
  %qs = onnx.Mul(%qt, %sin) : (tensor<?x4x?x8xf32>, tensor<1x1x?x8xf32>) -> tensor<?x4x?x8xf32>
  %qo = onnx.Add(%qc, %qs) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  %qj = onnx.Concat(%qo, %qp) {axis = -1 : i64} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x16xf32>
  %kr = onnx.Slice(%k, %c0, %c8, %c3, %c1) : (tensor<?x2x?x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x?x8xf32>
  %kp = onnx.Slice(%k, %c8, %end, %c3, %c1) : (tensor<?x2x?x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x?x8xf32>
  %k1 = onnx.Slice(%kr, %c0, %c4, %c3, %c1) : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x?x4xf32>
  %k2 = onnx.Slice(%kr, %c4, %end, %c3, %c1) : (tensor<?x2x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x?x4xf32>
  %kc = onnx.Mul(%kr, %cos) : (tensor<?x2x?x8xf32>, tensor<1x1x?x8xf32>) -> tensor<?x2x?x8xf32>
  %kn = onnx.Neg(%k2) : (tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %kt = onnx.Concat(%kn, %k1) {axis = -1 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x8xf32>
  %ks = onnx.Mul(%kt, %sin) : (tensor<?x2x?x8xf32>, tensor<1x1x?x8xf32>) -> tensor<?x2x?x8xf32>
  %ko = onnx.Add(%kc, %ks) : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x2x?x8xf32>
  %kj = onnx.Concat(%ko, %kp) {axis = -1 : i64} : (tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x2x?x16xf32>
  return %qj, %kj : tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>
}

// -----

// Both halves written down, tables per position, Split.
// CHECK-LABEL: func.func @halves(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4x?x16xf32> {{{[^}]*}}}, %[[COS:[^:]*]]: tensor<?x8xf32> {{{[^}]*}}}, %[[SIN:[^:]*]]: tensor<?x8xf32>
// CHECK-DAG: %[[C:.*]] = onnx.Unsqueeze(%[[COS]], {{.*}} -> tensor<1x?x8xf32>
// CHECK-DAG: %[[S:.*]] = onnx.Unsqueeze(%[[SIN]], {{.*}} -> tensor<1x?x8xf32>
// CHECK: onnx.RotaryEmbedding(%[[X]], %[[C]], %[[S]], %{{.*}}) {onnx.opset = 23 : i64, rotary_embedding_dim = 16 : i64}
// REMARK: Passed{{.*}}became RotaryEmbedding
func.func @halves(%x: tensor<?x4x?x16xf32> {onnx.dims = ["b", 4, "t", 16]}, %cos: tensor<?x8xf32> {onnx.dims = ["t", 8]},
    %sin: tensor<?x8xf32> {onnx.dims = ["t", 8]}) -> tensor<?x4x?x16xf32> {
  %sizes = onnx.Constant dense<[8, 8]> : tensor<2xi64>
  %h:2 = onnx.Split(%x, %sizes) {axis = -1 : i64} : (tensor<?x4x?x16xf32>, tensor<2xi64>) -> (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>)
  %0 = onnx.Mul(%h#0, %cos) : (tensor<?x4x?x8xf32>, tensor<?x8xf32>) -> tensor<?x4x?x8xf32>
  %1 = onnx.Mul(%h#1, %sin) : (tensor<?x4x?x8xf32>, tensor<?x8xf32>) -> tensor<?x4x?x8xf32>
  %real = onnx.Sub(%0, %1) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  %2 = onnx.Mul(%h#0, %sin) : (tensor<?x4x?x8xf32>, tensor<?x8xf32>) -> tensor<?x4x?x8xf32>
  %3 = onnx.Mul(%h#1, %cos) : (tensor<?x4x?x8xf32>, tensor<?x8xf32>) -> tensor<?x4x?x8xf32>
  %imaginary = onnx.Add(%2, %3) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  %y = onnx.Concat(%real, %imaginary) {axis = -1 : i64} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x16xf32>
  return %y : tensor<?x4x?x16xf32>
}

// -----

// Even and odd channels are read, but halves written: the transpose in front
// becomes one that also puts the channels in this order.
// CHECK-LABEL: func.func @separated(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x?x4x16xf32>
// CHECK: %[[P:.*]] = onnx.Reshape(%[[X]], {{.*}} -> tensor<?x?x4x8x2xf32>
// CHECK: %[[T:.*]] = onnx.Transpose(%[[P]]) {perm = array<i64: 0, 2, 1, 4, 3>} : (tensor<?x?x4x8x2xf32>) -> tensor<?x4x?x2x8xf32>
// CHECK: %[[S:.*]] = onnx.Reshape(%[[T]], {{.*}} -> tensor<?x4x?x16xf32>
// CHECK: onnx.RotaryEmbedding(%[[S]], {{.*}}) {onnx.opset = 23 : i64, rotary_embedding_dim = 16 : i64}
// REMARK: Passed{{.*}}became RotaryEmbedding
func.func @separated(%w: tensor<?x?x4x16xf32> {onnx.dims = ["b", "t", 4, 16]}, %cos: tensor<?x8xf32> {onnx.dims = ["t", 8]},
    %sin: tensor<?x8xf32> {onnx.dims = ["t", 8]}) -> tensor<?x4x?x16xf32> {
  %x = onnx.Transpose(%w) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x4x16xf32>) -> tensor<?x4x?x16xf32>
  %c0 = onnx.Constant dense<0> : tensor<1xi64>
  %c1 = onnx.Constant dense<1> : tensor<1xi64>
  %c2 = onnx.Constant dense<2> : tensor<1xi64>
  %c3 = onnx.Constant dense<3> : tensor<1xi64>
  %end = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %x1 = onnx.Slice(%x, %c0, %end, %c3, %c2) : (tensor<?x4x?x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x8xf32>
  %x2 = onnx.Slice(%x, %c1, %end, %c3, %c2) : (tensor<?x4x?x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x8xf32>
  %0 = onnx.Mul(%x1, %cos) : (tensor<?x4x?x8xf32>, tensor<?x8xf32>) -> tensor<?x4x?x8xf32>
  %1 = onnx.Mul(%x2, %sin) : (tensor<?x4x?x8xf32>, tensor<?x8xf32>) -> tensor<?x4x?x8xf32>
  %real = onnx.Sub(%0, %1) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  %2 = onnx.Mul(%x1, %sin) : (tensor<?x4x?x8xf32>, tensor<?x8xf32>) -> tensor<?x4x?x8xf32>
  %3 = onnx.Mul(%x2, %cos) : (tensor<?x4x?x8xf32>, tensor<?x8xf32>) -> tensor<?x4x?x8xf32>
  %imaginary = onnx.Add(%2, %3) : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  %y = onnx.Concat(%real, %imaginary) {axis = -1 : i64} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x16xf32>
  return %y : tensor<?x4x?x16xf32>
}

// -----

// The same without a transpose.
// CHECK-LABEL: func.func @separated_alone(
// CHECK: onnx.Transpose({{.*}}) {perm = array<i64: 0, 1, 2, 4, 3>} : (tensor<1x4x8x8x2xf32>) -> tensor<1x4x8x2x8xf32>
// CHECK: onnx.RotaryEmbedding({{.*}}) {onnx.opset = 23 : i64, rotary_embedding_dim = 16 : i64}
// REMARK: Passed{{.*}}became RotaryEmbedding
func.func @separated_alone(%x: tensor<1x4x8x16xf32>, %cos: tensor<8x8xf32>, %sin: tensor<8x8xf32>) -> tensor<1x4x8x16xf32> {
  %c0 = onnx.Constant dense<0> : tensor<1xi64>
  %c1 = onnx.Constant dense<1> : tensor<1xi64>
  %c2 = onnx.Constant dense<2> : tensor<1xi64>
  %c3 = onnx.Constant dense<3> : tensor<1xi64>
  %end = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %x1 = onnx.Slice(%x, %c0, %end, %c3, %c2) : (tensor<1x4x8x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x4x8x8xf32>
  %x2 = onnx.Slice(%x, %c1, %end, %c3, %c2) : (tensor<1x4x8x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x4x8x8xf32>
  %0 = onnx.Mul(%x1, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %1 = onnx.Mul(%x2, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %real = onnx.Sub(%0, %1) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %2 = onnx.Mul(%x1, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %3 = onnx.Mul(%x2, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %imaginary = onnx.Add(%2, %3) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %y = onnx.Concat(%real, %imaginary) {axis = -1 : i64} : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x16xf32>
  return %y : tensor<1x4x8x16xf32>
}

// -----

// Even and odd channels are read and written.
// CHECK-LABEL: func.func @interleaved(
// CHECK-SAME: %[[X:[^:]*]]: tensor<1x4x8x16xf32>
// CHECK: onnx.RotaryEmbedding(%[[X]], {{.*}}) {interleaved = 1 : i64, onnx.opset = 23 : i64, rotary_embedding_dim = 16 : i64}
// CHECK-NEXT: return
// REMARK: Passed{{.*}}became RotaryEmbedding
func.func @interleaved(%x: tensor<1x4x8x16xf32>, %cos: tensor<8x8xf32>, %sin: tensor<8x8xf32>) -> tensor<1x4x8x16xf32> {
  %c0 = onnx.Constant dense<0> : tensor<1xi64>
  %c1 = onnx.Constant dense<1> : tensor<1xi64>
  %c2 = onnx.Constant dense<2> : tensor<1xi64>
  %c3 = onnx.Constant dense<3> : tensor<1xi64>
  %end = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %x1 = onnx.Slice(%x, %c0, %end, %c3, %c2) : (tensor<1x4x8x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x4x8x8xf32>
  %x2 = onnx.Slice(%x, %c1, %end, %c3, %c2) : (tensor<1x4x8x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x4x8x8xf32>
  %0 = onnx.Mul(%x1, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %1 = onnx.Mul(%x2, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %real = onnx.Sub(%0, %1) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %2 = onnx.Mul(%x1, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %3 = onnx.Mul(%x2, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %imaginary = onnx.Add(%2, %3) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %ur = onnx.Unsqueeze(%real, %last) : (tensor<1x4x8x8xf32>, tensor<1xi64>) -> tensor<1x4x8x8x1xf32>
  %ui = onnx.Unsqueeze(%imaginary, %last) : (tensor<1x4x8x8xf32>, tensor<1xi64>) -> tensor<1x4x8x8x1xf32>
  %pairs = onnx.Concat(%ur, %ui) {axis = -1 : i64} : (tensor<1x4x8x8x1xf32>, tensor<1x4x8x8x1xf32>) -> tensor<1x4x8x8x2xf32>
  %whole = onnx.Constant dense<[0, 0, 0, 16]> : tensor<4xi64>
  %y = onnx.Reshape(%pairs, %whole) : (tensor<1x4x8x8x2xf32>, tensor<4xi64>) -> tensor<1x4x8x16xf32>
  return %y : tensor<1x4x8x16xf32>
}

// -----

// The same, by columns of [..., 8, 2].
// CHECK-LABEL: func.func @interleaved_columns(
// CHECK-SAME: %[[X:[^:]*]]: tensor<1x4x8x16xf32>
// CHECK: onnx.RotaryEmbedding(%[[X]], {{.*}}) {interleaved = 1 : i64, onnx.opset = 23 : i64, rotary_embedding_dim = 16 : i64}
// REMARK: Passed{{.*}}became RotaryEmbedding
func.func @interleaved_columns(%x: tensor<1x4x8x16xf32>, %cos: tensor<8x8xf32>, %sin: tensor<8x8xf32>) -> tensor<1x4x8x16xf32> {
  %i0 = onnx.Constant dense<0> : tensor<i64>
  %i1 = onnx.Constant dense<1> : tensor<i64>
  %sizes = onnx.Constant dense<[0, 0, 0, 8, 2]> : tensor<5xi64>
  %p = onnx.Reshape(%x, %sizes) : (tensor<1x4x8x16xf32>, tensor<5xi64>) -> tensor<1x4x8x8x2xf32>
  %x1 = onnx.Gather(%p, %i0) {axis = -1 : i64} : (tensor<1x4x8x8x2xf32>, tensor<i64>) -> tensor<1x4x8x8xf32>
  %x2 = onnx.Gather(%p, %i1) {axis = -1 : i64} : (tensor<1x4x8x8x2xf32>, tensor<i64>) -> tensor<1x4x8x8xf32>
  %0 = onnx.Mul(%x1, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %1 = onnx.Mul(%x2, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %real = onnx.Sub(%0, %1) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %2 = onnx.Mul(%x1, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %3 = onnx.Mul(%x2, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %imaginary = onnx.Add(%2, %3) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %ur = onnx.Unsqueeze(%real, %last) : (tensor<1x4x8x8xf32>, tensor<1xi64>) -> tensor<1x4x8x8x1xf32>
  %ui = onnx.Unsqueeze(%imaginary, %last) : (tensor<1x4x8x8xf32>, tensor<1xi64>) -> tensor<1x4x8x8x1xf32>
  %pairs = onnx.Concat(%ur, %ui) {axis = -1 : i64} : (tensor<1x4x8x8x1xf32>, tensor<1x4x8x8x1xf32>) -> tensor<1x4x8x8x2xf32>
  %whole = onnx.Constant dense<[0, 0, 0, 16]> : tensor<4xi64>
  %y = onnx.Reshape(%pairs, %whole) : (tensor<1x4x8x8x2xf32>, tensor<4xi64>) -> tensor<1x4x8x16xf32>
  return %y : tensor<1x4x8x16xf32>
}

// -----

// The odd channels stand for the first half.
// CHECK-LABEL: func.func @odd_first(
// CHECK-NOT: onnx.RotaryEmbedding
// REMARK: Missed{{.*}}what is rotated are neither the halves nor the even and odd channels of one tensor
func.func @odd_first(%x: tensor<1x4x8x16xf32>, %cos: tensor<8x8xf32>, %sin: tensor<8x8xf32>) -> tensor<1x4x8x16xf32> {
  %c0 = onnx.Constant dense<0> : tensor<1xi64>
  %c1 = onnx.Constant dense<1> : tensor<1xi64>
  %c2 = onnx.Constant dense<2> : tensor<1xi64>
  %c3 = onnx.Constant dense<3> : tensor<1xi64>
  %end = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %x1 = onnx.Slice(%x, %c1, %end, %c3, %c2) : (tensor<1x4x8x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x4x8x8xf32>
  %x2 = onnx.Slice(%x, %c0, %end, %c3, %c2) : (tensor<1x4x8x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x4x8x8xf32>
  %0 = onnx.Mul(%x1, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %1 = onnx.Mul(%x2, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %real = onnx.Sub(%0, %1) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %2 = onnx.Mul(%x1, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %3 = onnx.Mul(%x2, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %imaginary = onnx.Add(%2, %3) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %y = onnx.Concat(%real, %imaginary) {axis = -1 : i64} : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x16xf32>
  return %y : tensor<1x4x8x16xf32>
}

// -----

// Halves are read, but even and odd channels written.
// CHECK-LABEL: func.func @joined_as_pairs(
// CHECK-NOT: onnx.RotaryEmbedding
// REMARK: Missed{{.*}}halves are read, but even and odd channels written
func.func @joined_as_pairs(%x: tensor<1x4x8x16xf32>, %cos: tensor<8x8xf32>, %sin: tensor<8x8xf32>) -> tensor<1x4x8x16xf32> {
  %sizes = onnx.Constant dense<[8, 8]> : tensor<2xi64>
  %h:2 = onnx.Split(%x, %sizes) {axis = -1 : i64} : (tensor<1x4x8x16xf32>, tensor<2xi64>) -> (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>)
  %0 = onnx.Mul(%h#0, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %1 = onnx.Mul(%h#1, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %real = onnx.Sub(%0, %1) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %2 = onnx.Mul(%h#0, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %3 = onnx.Mul(%h#1, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %imaginary = onnx.Add(%2, %3) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %ur = onnx.Unsqueeze(%real, %last) : (tensor<1x4x8x8xf32>, tensor<1xi64>) -> tensor<1x4x8x8x1xf32>
  %ui = onnx.Unsqueeze(%imaginary, %last) : (tensor<1x4x8x8xf32>, tensor<1xi64>) -> tensor<1x4x8x8x1xf32>
  %pairs = onnx.Concat(%ur, %ui) {axis = -1 : i64} : (tensor<1x4x8x8x1xf32>, tensor<1x4x8x8x1xf32>) -> tensor<1x4x8x8x2xf32>
  %whole = onnx.Constant dense<[0, 0, 0, 16]> : tensor<4xi64>
  %y = onnx.Reshape(%pairs, %whole) : (tensor<1x4x8x8x2xf32>, tensor<4xi64>) -> tensor<1x4x8x16xf32>
  return %y : tensor<1x4x8x16xf32>
}

// -----

// Tables in the file, whose halves are equal.
// CHECK-LABEL: func.func @constant_tables(
// CHECK-DAG: onnx.Constant dense<{{\[\[\[\[}}1.000000e+00, 2.000000e+00]]]]> : tensor<1x1x1x2xf32>
// CHECK-DAG: onnx.Constant dense<{{\[\[\[\[}}3.000000e+00, 4.000000e+00]]]]> : tensor<1x1x1x2xf32>
// CHECK: onnx.RotaryEmbedding({{.*}}) {onnx.opset = 23 : i64, rotary_embedding_dim = 4 : i64}
// REMARK: Passed{{.*}}became RotaryEmbedding
func.func @constant_tables(%x: tensor<1x4x1x4xf32>) -> tensor<1x4x1x4xf32> {
  %cos = onnx.Constant dense<[[[[1.0, 2.0, 1.0, 2.0]]]]> : tensor<1x1x1x4xf32>
  %sin = onnx.Constant dense<[[[[3.0, 4.0, 3.0, 4.0]]]]> : tensor<1x1x1x4xf32>
  %sizes = onnx.Constant dense<[2, 2]> : tensor<2xi64>
  %h:2 = onnx.Split(%x, %sizes) {axis = -1 : i64} : (tensor<1x4x1x4xf32>, tensor<2xi64>) -> (tensor<1x4x1x2xf32>, tensor<1x4x1x2xf32>)
  %n = onnx.Neg(%h#1) : (tensor<1x4x1x2xf32>) -> tensor<1x4x1x2xf32>
  %t = onnx.Concat(%n, %h#0) {axis = -1 : i64} : (tensor<1x4x1x2xf32>, tensor<1x4x1x2xf32>) -> tensor<1x4x1x4xf32>
  %0 = onnx.Mul(%x, %cos) : (tensor<1x4x1x4xf32>, tensor<1x1x1x4xf32>) -> tensor<1x4x1x4xf32>
  %1 = onnx.Mul(%t, %sin) : (tensor<1x4x1x4xf32>, tensor<1x1x1x4xf32>) -> tensor<1x4x1x4xf32>
  %y = onnx.Add(%0, %1) : (tensor<1x4x1x4xf32>, tensor<1x4x1x4xf32>) -> tensor<1x4x1x4xf32>
  return %y : tensor<1x4x1x4xf32>
}

// -----

// And where they are not.
// CHECK-LABEL: func.func @constant_tables_differ(
// CHECK-NOT: onnx.RotaryEmbedding
// REMARK: Missed{{.*}}the halves of cosine and sine are not provably equal
func.func @constant_tables_differ(%x: tensor<1x4x1x4xf32>) -> tensor<1x4x1x4xf32> {
  %cos = onnx.Constant dense<[[[[1.0, 2.0, 1.0, 2.0]]]]> : tensor<1x1x1x4xf32>
  %sin = onnx.Constant dense<[[[[3.0, 4.0, 3.0, 5.0]]]]> : tensor<1x1x1x4xf32>
  %sizes = onnx.Constant dense<[2, 2]> : tensor<2xi64>
  %h:2 = onnx.Split(%x, %sizes) {axis = -1 : i64} : (tensor<1x4x1x4xf32>, tensor<2xi64>) -> (tensor<1x4x1x2xf32>, tensor<1x4x1x2xf32>)
  %n = onnx.Neg(%h#1) : (tensor<1x4x1x2xf32>) -> tensor<1x4x1x2xf32>
  %t = onnx.Concat(%n, %h#0) {axis = -1 : i64} : (tensor<1x4x1x2xf32>, tensor<1x4x1x2xf32>) -> tensor<1x4x1x4xf32>
  %0 = onnx.Mul(%x, %cos) : (tensor<1x4x1x4xf32>, tensor<1x1x1x4xf32>) -> tensor<1x4x1x4xf32>
  %1 = onnx.Mul(%t, %sin) : (tensor<1x4x1x4xf32>, tensor<1x1x1x4xf32>) -> tensor<1x4x1x4xf32>
  %y = onnx.Add(%0, %1) : (tensor<1x4x1x4xf32>, tensor<1x4x1x4xf32>) -> tensor<1x4x1x4xf32>
  return %y : tensor<1x4x1x4xf32>
}

// -----

// The second half has the sign of the other direction.
// CHECK-LABEL: func.func @other_sign(
// CHECK-NOT: onnx.RotaryEmbedding
// REMARK: Missed{{.*}}the second half is not x1 · sin + x2 · cos
func.func @other_sign(%x: tensor<1x4x8x16xf32>, %cos: tensor<8x8xf32>, %sin: tensor<8x8xf32>) -> tensor<1x4x8x16xf32> {
  %sizes = onnx.Constant dense<[8, 8]> : tensor<2xi64>
  %h:2 = onnx.Split(%x, %sizes) {axis = -1 : i64} : (tensor<1x4x8x16xf32>, tensor<2xi64>) -> (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>)
  %0 = onnx.Mul(%h#0, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %1 = onnx.Mul(%h#1, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %real = onnx.Sub(%0, %1) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %2 = onnx.Mul(%h#0, %cos) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %3 = onnx.Mul(%h#1, %sin) : (tensor<1x4x8x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8x8xf32>
  %imaginary = onnx.Add(%2, %3) : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %y = onnx.Concat(%real, %imaginary) {axis = -1 : i64} : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x16xf32>
  return %y : tensor<1x4x8x16xf32>
}

// -----

// Tables whose halves may differ.
// CHECK-LABEL: func.func @unknown_halves(
// CHECK-NOT: onnx.RotaryEmbedding
// REMARK: Missed{{.*}}the halves of cosine and sine are not provably equal
func.func @unknown_halves(%x: tensor<1x4x8x16xf32>, %cos: tensor<1x1x8x16xf32>, %sin: tensor<1x1x8x16xf32>) -> tensor<1x4x8x16xf32> {
  %sizes = onnx.Constant dense<[8, 8]> : tensor<2xi64>
  %h:2 = onnx.Split(%x, %sizes) {axis = -1 : i64} : (tensor<1x4x8x16xf32>, tensor<2xi64>) -> (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>)
  %n = onnx.Neg(%h#1) : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %t = onnx.Concat(%n, %h#0) {axis = -1 : i64} : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x16xf32>
  %0 = onnx.Mul(%x, %cos) : (tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32>) -> tensor<1x4x8x16xf32>
  %1 = onnx.Mul(%t, %sin) : (tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32>) -> tensor<1x4x8x16xf32>
  %y = onnx.Add(%0, %1) : (tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32>
  return %y : tensor<1x4x8x16xf32>
}

// -----

// A table per head, with [batch, positions, heads, channels].
// CHECK-LABEL: func.func @per_head(
// CHECK-NOT: onnx.RotaryEmbedding
// REMARK: Missed{{.*}}cosine and sine are not per position of [batch, heads, positions, channels]
func.func @per_head(%x: tensor<1x8x4x16xf32>, %cos: tensor<1x8x1x8xf32>, %sin: tensor<1x8x1x8xf32>) -> tensor<1x8x4x16xf32> {
  %sizes = onnx.Constant dense<[8, 8]> : tensor<2xi64>
  %h:2 = onnx.Split(%x, %sizes) {axis = -1 : i64} : (tensor<1x8x4x16xf32>, tensor<2xi64>) -> (tensor<1x8x4x8xf32>, tensor<1x8x4x8xf32>)
  %0 = onnx.Mul(%h#0, %cos) : (tensor<1x8x4x8xf32>, tensor<1x8x1x8xf32>) -> tensor<1x8x4x8xf32>
  %1 = onnx.Mul(%h#1, %sin) : (tensor<1x8x4x8xf32>, tensor<1x8x1x8xf32>) -> tensor<1x8x4x8xf32>
  %real = onnx.Sub(%0, %1) : (tensor<1x8x4x8xf32>, tensor<1x8x4x8xf32>) -> tensor<1x8x4x8xf32>
  %2 = onnx.Mul(%h#0, %sin) : (tensor<1x8x4x8xf32>, tensor<1x8x1x8xf32>) -> tensor<1x8x4x8xf32>
  %3 = onnx.Mul(%h#1, %cos) : (tensor<1x8x4x8xf32>, tensor<1x8x1x8xf32>) -> tensor<1x8x4x8xf32>
  %imaginary = onnx.Add(%2, %3) : (tensor<1x8x4x8xf32>, tensor<1x8x4x8xf32>) -> tensor<1x8x4x8xf32>
  %y = onnx.Concat(%real, %imaginary) {axis = -1 : i64} : (tensor<1x8x4x8xf32>, tensor<1x8x4x8xf32>) -> tensor<1x8x4x16xf32>
  return %y : tensor<1x8x4x16xf32>
}
