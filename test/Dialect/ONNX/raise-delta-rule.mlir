// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Near misses of the first function.
// Row 2 is multiplied with rows as they were before row 1 was replaced:
// RUN: sed 's/%%112 = onnx.Slice(%%row1,/%%112 = onnx.Slice(%%start,/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=ROW
// ROW: Missed{{.*}}a row is not the one before the last plus its product with all rows above it
// The row is written to another place:
// RUN: sed 's/%%129 = onnx.Expand(%%28,/%%129 = onnx.Expand(%%23,/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=PLACE
// PLACE: Missed{{.*}}a row is not the one before the last plus its product with all rows above it
// The matrix that is inverted has a diagonal of its own:
// RUN: sed 's/onnx.Trilu(%%81, %%25)/onnx.Trilu(%%81, %%26)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=DIAGONAL
// DIAGONAL: Missed{{.*}}the substitution does not start from the negative lower triangle
// Keys that are weighted are multiplied with queries, not keys:
// RUN: sed 's/%%80 = onnx.MatMul(%%70, %%79)/%%80 = onnx.MatMul(%%68, %%79)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=SYSTEM
// SYSTEM: Missed{{.*}}what is inverted is not the weighted keys times keys and decay
// Keys without weights read the state:
// RUN: sed 's/%%86 = onnx.Mul(%%70, %%85)/%%86 = onnx.Mul(%%69, %%85)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=NEW
// NEW: Missed{{.*}}a chunk's new values are not the inverse times weighted values, less what the state has of them
// Later keys are masked by a number:
// RUN: sed 's/%%77 = onnx.Where(%%2, %%3, %%76)/%%77 = onnx.Where(%%2, %%1, %%76)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=MASK
// MASK: Missed{{.*}}what is inverted is not the weighted keys times keys and decay
// Inside of a chunk, weighted keys stand for queries:
// RUN: sed 's/%%83 = onnx.Mul(%%82,/%%83 = onnx.Mul(%%80,/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=OUTPUT
// OUTPUT: Missed{{.*}}a chunk's output is not what the queries read in the state and in the chunk
// The second chunk starts from the first state:
// RUN: sed 's/onnx.MatMul(%%166, %%state1)/onnx.MatMul(%%166, %%past)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATE
// STATE: Missed{{.*}}a chunk does not start from the state behind the one before
// The state decays by the first position only:
// RUN: sed 's/%%142 = onnx.Gather(%%sums, %%25)/%%142 = onnx.Gather(%%sums, %%26)/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=LAST
// LAST: Missed{{.*}}a chunk does not start from the state behind the one before
// The second chunk's output is written to the first's place:
// RUN: sed 's/%%176 = onnx.Expand(%%23,/%%176 = onnx.Expand(%%26,/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=ORDER
// ORDER: Missed{{.*}}the chunks' outputs are not joined in order
// Padding in front:
// RUN: sed 's/dense<\[0, 0, 0, 0, 0, 1\]>/dense<[0, 0, 1, 0, 0, 0]>/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=PAD
// PAD: Missed{{.*}}what is inverted is not the weighted keys times keys and decay
// The identity matrix is none: no candidate.
// RUN: sed 's/dense<\[\[1.000000e+00, 0.000000e+00/dense<[[2.000000e+00, 0.000000e+00/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-delta-rule | FileCheck %s --check-prefix=EYE
// EYE-LABEL: func.func @chunked(
// EYE-NOT: LinearAttention
// EYE: return

// transformers 5 by torch.onnx: two chunks of three positions (64 in the models),
// one key head for two value heads, a state before and after. The L2 norm of
// the keys goes before their repetition, the scale of the queries becomes the
// operator's.
// CHECK-LABEL: func.func @chunked(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x5x1x4xf32> {{{[^}]*}}}, %[[K:[^:]*]]: tensor<?x5x1x4xf32> {{{[^}]*}}}, %[[V:[^:]*]]: tensor<?x5x2x2xf32> {{{[^}]*}}}, %[[G:[^:]*]]: tensor<?x5x2xf32> {{{[^}]*}}}, %[[BETA:[^:]*]]: tensor<?x5x2xf32> {{{[^}]*}}}, %[[PAST:[^:]*]]: tensor<?x2x4x2xf32>
// CHECK: %[[DECAY:.*]] = onnx.Neg(
// CHECK: %[[WEIGHT:.*]] = onnx.Sigmoid(%[[BETA]])
// CHECK: %[[NQ:.*]] = onnx.Mul(%[[Q]], %{{.*}}) : (tensor<?x5x1x4xf32>, tensor<?x5x1x1xf32>)
// CHECK: %[[FQ:.*]] = onnx.Reshape(%[[NQ]], {{.*}} -> tensor<?x5x4xf32>
// CHECK: %[[NK:.*]] = onnx.Mul(%[[K]], %{{.*}}) : (tensor<?x5x1x4xf32>, tensor<?x5x1x1xf32>)
// CHECK: %[[FK:.*]] = onnx.Reshape(%[[NK]], {{.*}} -> tensor<?x5x4xf32>
// CHECK: %[[FV:.*]] = onnx.Reshape(%[[V]], {{.*}} -> tensor<?x5x4xf32>
// CHECK: %[[Y:.*]], %[[S:.*]] = onnx.ms.LinearAttention(%[[FQ]], %[[FK]], %[[FV]], %[[PAST]], %[[DECAY]], %[[WEIGHT]]) {kv_num_heads = 2 : i64, onnx.opset = 1 : i64, q_num_heads = 1 : i64, scale = 5.000000e-01 : f32}
// CHECK: onnx.Reshape(%[[Y]], {{.*}} -> tensor<?x5x2x2xf32>
// CHECK-NOT: ScatterElements
// CHECK: return %{{.*}}, %[[S]]
// REMARK: Passed{{.*}}onnx-raise-delta-rule{{.*}}became LinearAttention with a past state
func.func @chunked(%q: tensor<?x5x1x4xf32> {onnx.dims = ["batch", 5, 1, 4]}, %k: tensor<?x5x1x4xf32> {onnx.dims = ["batch", 5, 1, 4]}, %v: tensor<?x5x2x2xf32> {onnx.dims = ["batch", 5, 2, 2]}, %g: tensor<?x5x2xf32> {onnx.dims = ["batch", 5, 2]}, %beta: tensor<?x5x2xf32> {onnx.dims = ["batch", 5, 2]}, %past: tensor<?x2x4x2xf32> {onnx.dims = ["batch", 2, 4, 2]})
    -> (tensor<?x5x2x2xf32> {onnx.dims = ["batch", 5, 2, 2]}, tensor<?x2x4x2xf32> {onnx.dims = ["batch", 2, 4, 2]}) {
  %0 = onnx.None : none
  %1 = onnx.Constant dense<2.000000e+01> : tensor<f32>
  %2 = onnx.Constant dense<[[false, true, true], [false, false, true], [false, false, false]]> : tensor<3x3xi1>
  %3 = onnx.Constant dense<0xFF800000> : tensor<f32>
  %4 = onnx.Constant dense<0> : tensor<1xi64>
  %5 = onnx.Constant dense<1> : tensor<1xi64>
  %6 = onnx.Constant dense<3> : tensor<1xi64>
  %7 = onnx.Constant dense<4> : tensor<1xi64>
  %8 = onnx.Constant dense<2> : tensor<1xi64>
  %9 = onnx.Constant dense<[[1.000000e+00, 0.000000e+00, 0.000000e+00], [0.000000e+00, 1.000000e+00, 0.000000e+00], [0.000000e+00, 0.000000e+00, 1.000000e+00]]> : tensor<3x3xf32>
  %10 = onnx.Constant dense<0.000000e+00> : tensor<f32>
  %11 = onnx.Constant dense<-1> : tensor<1xi64>
  %12 = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %13 = onnx.Constant dense<5> : tensor<1xi64>
  %14 = onnx.Constant dense<[1, 1, 1, 2, 1]> : tensor<5xi64>
  %15 = onnx.Constant dense<[-1, 5, 2, 4]> : tensor<4xi64>
  %16 = onnx.Constant dense<9.99999997E-7> : tensor<f32>
  %17 = onnx.Constant dense<5.000000e-01> : tensor<f32>
  %18 = onnx.Constant dense<[0, 0, 0, 0, 0, 0, 1, 0]> : tensor<8xi64>
  %19 = onnx.Constant dense<[0, 0, 0, 0, 0, 1]> : tensor<6xi64>
  %20 = onnx.Constant dense<[-1, 2, 2, 3, 4]> : tensor<5xi64>
  %21 = onnx.Constant dense<[-1, 2, 2, 3, 2]> : tensor<5xi64>
  %22 = onnx.Constant dense<[-1, 2, 2, 3]> : tensor<4xi64>
  %23 = onnx.Constant dense<1> : tensor<i64>
  %24 = onnx.Constant dense<3> : tensor<i64>
  %25 = onnx.Constant dense<-1> : tensor<i64>
  %26 = onnx.Constant dense<0> : tensor<i64>
  %27 = onnx.Constant dense<-2> : tensor<1xi64>
  %28 = onnx.Constant dense<2> : tensor<i64>
  %29 = onnx.Constant dense<[3, 4]> : tensor<2xi64>
  %30 = onnx.Constant dense<[-1, 2, 6, 2]> : tensor<4xi64>
  %31 = onnx.Softplus(%g) : (tensor<?x5x2xf32>) -> tensor<?x5x2xf32>
  %32 = onnx.Greater(%g, %1) : (tensor<?x5x2xf32>, tensor<f32>) -> tensor<?x5x2xi1>
  %33 = onnx.Where(%32, %g, %31) : (tensor<?x5x2xi1>, tensor<?x5x2xf32>, tensor<?x5x2xf32>) -> tensor<?x5x2xf32>
  %34 = onnx.Neg(%33) : (tensor<?x5x2xf32>) -> tensor<?x5x2xf32>
  %35 = onnx.Sigmoid(%beta) : (tensor<?x5x2xf32>) -> tensor<?x5x2xf32>
  %36 = onnx.Unsqueeze(%q, %6) : (tensor<?x5x1x4xf32>, tensor<1xi64>) -> tensor<?x5x1x1x4xf32>
  %37 = onnx.Expand(%36, %14) : (tensor<?x5x1x1x4xf32>, tensor<5xi64>) -> tensor<?x5x1x2x4xf32>
  %38 = onnx.Reshape(%37, %15) {allowzero = 1 : i64} : (tensor<?x5x1x2x4xf32>, tensor<4xi64>) -> tensor<?x5x2x4xf32>
  %39 = onnx.Unsqueeze(%k, %6) : (tensor<?x5x1x4xf32>, tensor<1xi64>) -> tensor<?x5x1x1x4xf32>
  %40 = onnx.Expand(%39, %14) : (tensor<?x5x1x1x4xf32>, tensor<5xi64>) -> tensor<?x5x1x2x4xf32>
  %41 = onnx.Reshape(%40, %15) {allowzero = 1 : i64} : (tensor<?x5x1x2x4xf32>, tensor<4xi64>) -> tensor<?x5x2x4xf32>
  %42 = onnx.Transpose(%38) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x5x2x4xf32>) -> tensor<?x2x5x4xf32>
  %43 = onnx.Transpose(%41) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x5x2x4xf32>) -> tensor<?x2x5x4xf32>
  %44 = onnx.Transpose(%v) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x5x2x2xf32>) -> tensor<?x2x5x2xf32>
  %45 = onnx.Transpose(%35) {perm = array<i64: 0, 2, 1>} : (tensor<?x5x2xf32>) -> tensor<?x2x5xf32>
  %46 = onnx.Transpose(%34) {perm = array<i64: 0, 2, 1>} : (tensor<?x5x2xf32>) -> tensor<?x2x5xf32>
  %47 = onnx.Mul(%42, %42) : (tensor<?x2x5x4xf32>, tensor<?x2x5x4xf32>) -> tensor<?x2x5x4xf32>
  %48 = onnx.ReduceSum(%47, %11) : (tensor<?x2x5x4xf32>, tensor<1xi64>) -> tensor<?x2x5x1xf32>
  %49 = onnx.Add(%48, %16) : (tensor<?x2x5x1xf32>, tensor<f32>) -> tensor<?x2x5x1xf32>
  %50 = onnx.Sqrt(%49) : (tensor<?x2x5x1xf32>) -> tensor<?x2x5x1xf32>
  %51 = onnx.Reciprocal(%50) : (tensor<?x2x5x1xf32>) -> tensor<?x2x5x1xf32>
  %52 = onnx.Mul(%42, %51) : (tensor<?x2x5x4xf32>, tensor<?x2x5x1xf32>) -> tensor<?x2x5x4xf32>
  %53 = onnx.Mul(%43, %43) : (tensor<?x2x5x4xf32>, tensor<?x2x5x4xf32>) -> tensor<?x2x5x4xf32>
  %54 = onnx.ReduceSum(%53, %11) : (tensor<?x2x5x4xf32>, tensor<1xi64>) -> tensor<?x2x5x1xf32>
  %55 = onnx.Add(%54, %16) : (tensor<?x2x5x1xf32>, tensor<f32>) -> tensor<?x2x5x1xf32>
  %56 = onnx.Sqrt(%55) : (tensor<?x2x5x1xf32>) -> tensor<?x2x5x1xf32>
  %57 = onnx.Reciprocal(%56) : (tensor<?x2x5x1xf32>) -> tensor<?x2x5x1xf32>
  %58 = onnx.Mul(%43, %57) : (tensor<?x2x5x4xf32>, tensor<?x2x5x1xf32>) -> tensor<?x2x5x4xf32>
  %59 = onnx.Mul(%52, %17) : (tensor<?x2x5x4xf32>, tensor<f32>) -> tensor<?x2x5x4xf32>
  %60 = onnx.Pad(%59, %18, %0, %0) : (tensor<?x2x5x4xf32>, tensor<8xi64>, none, none) -> tensor<?x2x6x4xf32>
  %61 = onnx.Pad(%58, %18, %0, %0) : (tensor<?x2x5x4xf32>, tensor<8xi64>, none, none) -> tensor<?x2x6x4xf32>
  %62 = onnx.Pad(%44, %18, %0, %0) : (tensor<?x2x5x2xf32>, tensor<8xi64>, none, none) -> tensor<?x2x6x2xf32>
  %63 = onnx.Pad(%45, %19, %0, %0) : (tensor<?x2x5xf32>, tensor<6xi64>, none, none) -> tensor<?x2x6xf32>
  %64 = onnx.Pad(%46, %19, %0, %0) : (tensor<?x2x5xf32>, tensor<6xi64>, none, none) -> tensor<?x2x6xf32>
  %65 = onnx.Unsqueeze(%63, %11) : (tensor<?x2x6xf32>, tensor<1xi64>) -> tensor<?x2x6x1xf32>
  %66 = onnx.Mul(%62, %65) : (tensor<?x2x6x2xf32>, tensor<?x2x6x1xf32>) -> tensor<?x2x6x2xf32>
  %67 = onnx.Mul(%61, %65) : (tensor<?x2x6x4xf32>, tensor<?x2x6x1xf32>) -> tensor<?x2x6x4xf32>
  %68 = onnx.Reshape(%60, %20) {allowzero = 1 : i64} : (tensor<?x2x6x4xf32>, tensor<5xi64>) -> tensor<?x2x2x3x4xf32>
  %69 = onnx.Reshape(%61, %20) {allowzero = 1 : i64} : (tensor<?x2x6x4xf32>, tensor<5xi64>) -> tensor<?x2x2x3x4xf32>
  %70 = onnx.Reshape(%67, %20) {allowzero = 1 : i64} : (tensor<?x2x6x4xf32>, tensor<5xi64>) -> tensor<?x2x2x3x4xf32>
  %71 = onnx.Reshape(%66, %21) {allowzero = 1 : i64} : (tensor<?x2x6x2xf32>, tensor<5xi64>) -> tensor<?x2x2x3x2xf32>
  %72 = onnx.Reshape(%64, %22) {allowzero = 1 : i64} : (tensor<?x2x6xf32>, tensor<4xi64>) -> tensor<?x2x2x3xf32>
  %sums = onnx.CumSum(%72, %24) : (tensor<?x2x2x3xf32>, tensor<i64>) -> tensor<?x2x2x3xf32>
  %74 = onnx.Unsqueeze(%sums, %7) : (tensor<?x2x2x3xf32>, tensor<1xi64>) -> tensor<?x2x2x3x1xf32>
  %75 = onnx.Unsqueeze(%sums, %6) : (tensor<?x2x2x3xf32>, tensor<1xi64>) -> tensor<?x2x2x1x3xf32>
  %76 = onnx.Sub(%74, %75) : (tensor<?x2x2x3x1xf32>, tensor<?x2x2x1x3xf32>) -> tensor<?x2x2x3x3xf32>
  %77 = onnx.Where(%2, %3, %76) : (tensor<3x3xi1>, tensor<f32>, tensor<?x2x2x3x3xf32>) -> tensor<?x2x2x3x3xf32>
  %decays = onnx.Exp(%77) : (tensor<?x2x2x3x3xf32>) -> tensor<?x2x2x3x3xf32>
  %79 = onnx.Transpose(%69) {perm = array<i64: 0, 1, 2, 4, 3>} : (tensor<?x2x2x3x4xf32>) -> tensor<?x2x2x4x3xf32>
  %80 = onnx.MatMul(%70, %79) : (tensor<?x2x2x3x4xf32>, tensor<?x2x2x4x3xf32>) -> tensor<?x2x2x3x3xf32>
  %81 = onnx.Mul(%80, %decays) : (tensor<?x2x2x3x3xf32>, tensor<?x2x2x3x3xf32>) -> tensor<?x2x2x3x3xf32>
  %82 = onnx.MatMul(%68, %79) : (tensor<?x2x2x3x4xf32>, tensor<?x2x2x4x3xf32>) -> tensor<?x2x2x3x3xf32>
  %83 = onnx.Mul(%82, %decays) : (tensor<?x2x2x3x3xf32>, tensor<?x2x2x3x3xf32>) -> tensor<?x2x2x3x3xf32>
  %84 = onnx.Exp(%sums) : (tensor<?x2x2x3xf32>) -> tensor<?x2x2x3xf32>
  %85 = onnx.Unsqueeze(%84, %11) : (tensor<?x2x2x3xf32>, tensor<1xi64>) -> tensor<?x2x2x3x1xf32>
  %86 = onnx.Mul(%70, %85) : (tensor<?x2x2x3x4xf32>, tensor<?x2x2x3x1xf32>) -> tensor<?x2x2x3x4xf32>
  %87 = onnx.Trilu(%81, %25) {upper = 0 : i64} : (tensor<?x2x2x3x3xf32>, tensor<i64>) -> tensor<?x2x2x3x3xf32>
  %start = onnx.Neg(%87) : (tensor<?x2x2x3x3xf32>) -> tensor<?x2x2x3x3xf32>
  %89 = onnx.Gather(%start, %23) {axis = 3 : i64} : (tensor<?x2x2x3x3xf32>, tensor<i64>) -> tensor<?x2x2x3xf32>
  %90 = onnx.Slice(%89, %4, %5, %6, %5) : (tensor<?x2x2x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x2x1xf32>
  %91 = onnx.Slice(%start, %4, %5, %6, %5) : (tensor<?x2x2x3x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x2x1x3xf32>
  %92 = onnx.Slice(%91, %4, %5, %7, %5) : (tensor<?x2x2x1x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x2x1x1xf32>
  %93 = onnx.Unsqueeze(%90, %11) : (tensor<?x2x2x1xf32>, tensor<1xi64>) -> tensor<?x2x2x1x1xf32>
  %94 = onnx.Mul(%93, %92) : (tensor<?x2x2x1x1xf32>, tensor<?x2x2x1x1xf32>) -> tensor<?x2x2x1x1xf32>
  %95 = onnx.ReduceSum(%94, %27) {keepdims = 0 : i64} : (tensor<?x2x2x1x1xf32>, tensor<1xi64>) -> tensor<?x2x2x1xf32>
  %96 = onnx.Add(%90, %95) : (tensor<?x2x2x1xf32>, tensor<?x2x2x1xf32>) -> tensor<?x2x2x1xf32>
  %97 = onnx.Shape(%89) : (tensor<?x2x2x3xf32>) -> tensor<4xi64>
  %98 = onnx.Gather(%97, %24) : (tensor<4xi64>, tensor<i64>) -> tensor<i64>
  %99 = onnx.Range(%26, %98, %23) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %100 = onnx.Slice(%99, %4, %5, %4, %5) : (tensor<?xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xi64>
  %101 = onnx.Unsqueeze(%100, %11) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
  %102 = onnx.Transpose(%96) {perm = array<i64: 3, 1, 2, 0>} : (tensor<?x2x2x1xf32>) -> tensor<1x2x2x?xf32>
  %103 = onnx.Transpose(%89) {perm = array<i64: 3, 1, 2, 0>} : (tensor<?x2x2x3xf32>) -> tensor<3x2x2x?xf32>
  %104 = onnx.ScatterND(%103, %101, %102) : (tensor<3x2x2x?xf32>, tensor<?x1xi64>, tensor<1x2x2x?xf32>) -> tensor<3x2x2x?xf32>
  %105 = onnx.Transpose(%104) {perm = array<i64: 3, 1, 2, 0>} : (tensor<3x2x2x?xf32>) -> tensor<?x2x2x3xf32>
  %106 = onnx.Unsqueeze(%105, %6) : (tensor<?x2x2x3xf32>, tensor<1xi64>) -> tensor<?x2x2x1x3xf32>
  %107 = onnx.Shape(%106) : (tensor<?x2x2x1x3xf32>) -> tensor<5xi64>
  %108 = onnx.Expand(%23, %107) : (tensor<i64>, tensor<5xi64>) -> tensor<?x?x?x?x?xi64>
  %row1 = onnx.ScatterElements(%start, %108, %106) {axis = 3 : i64} : (tensor<?x2x2x3x3xf32>, tensor<?x?x?x?x?xi64>, tensor<?x2x2x1x3xf32>) -> tensor<?x2x2x3x3xf32>
  %110 = onnx.Gather(%row1, %28) {axis = 3 : i64} : (tensor<?x2x2x3x3xf32>, tensor<i64>) -> tensor<?x2x2x3xf32>
  %111 = onnx.Slice(%110, %4, %8, %6, %5) : (tensor<?x2x2x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x2x2xf32>
  %112 = onnx.Slice(%row1, %4, %8, %6, %5) : (tensor<?x2x2x3x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x2x2x3xf32>
  %113 = onnx.Slice(%112, %4, %8, %7, %5) : (tensor<?x2x2x2x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x2x2x2xf32>
  %114 = onnx.Unsqueeze(%111, %11) : (tensor<?x2x2x2xf32>, tensor<1xi64>) -> tensor<?x2x2x2x1xf32>
  %115 = onnx.Mul(%114, %113) : (tensor<?x2x2x2x1xf32>, tensor<?x2x2x2x2xf32>) -> tensor<?x2x2x2x2xf32>
  %116 = onnx.ReduceSum(%115, %27) {keepdims = 0 : i64} : (tensor<?x2x2x2x2xf32>, tensor<1xi64>) -> tensor<?x2x2x2xf32>
  %117 = onnx.Add(%111, %116) : (tensor<?x2x2x2xf32>, tensor<?x2x2x2xf32>) -> tensor<?x2x2x2xf32>
  %118 = onnx.Shape(%110) : (tensor<?x2x2x3xf32>) -> tensor<4xi64>
  %119 = onnx.Gather(%118, %24) : (tensor<4xi64>, tensor<i64>) -> tensor<i64>
  %120 = onnx.Range(%26, %119, %23) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %121 = onnx.Slice(%120, %4, %8, %4, %5) : (tensor<?xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xi64>
  %122 = onnx.Unsqueeze(%121, %11) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
  %123 = onnx.Transpose(%117) {perm = array<i64: 3, 1, 2, 0>} : (tensor<?x2x2x2xf32>) -> tensor<2x2x2x?xf32>
  %124 = onnx.Transpose(%110) {perm = array<i64: 3, 1, 2, 0>} : (tensor<?x2x2x3xf32>) -> tensor<3x2x2x?xf32>
  %125 = onnx.ScatterND(%124, %122, %123) : (tensor<3x2x2x?xf32>, tensor<?x1xi64>, tensor<2x2x2x?xf32>) -> tensor<3x2x2x?xf32>
  %126 = onnx.Transpose(%125) {perm = array<i64: 3, 1, 2, 0>} : (tensor<3x2x2x?xf32>) -> tensor<?x2x2x3xf32>
  %127 = onnx.Unsqueeze(%126, %6) : (tensor<?x2x2x3xf32>, tensor<1xi64>) -> tensor<?x2x2x1x3xf32>
  %128 = onnx.Shape(%127) : (tensor<?x2x2x1x3xf32>) -> tensor<5xi64>
  %129 = onnx.Expand(%28, %128) : (tensor<i64>, tensor<5xi64>) -> tensor<?x?x?x?x?xi64>
  %row2 = onnx.ScatterElements(%row1, %129, %127) {axis = 3 : i64} : (tensor<?x2x2x3x3xf32>, tensor<?x?x?x?x?xi64>, tensor<?x2x2x1x3xf32>) -> tensor<?x2x2x3x3xf32>
  %inverse = onnx.Add(%row2, %9) : (tensor<?x2x2x3x3xf32>, tensor<3x3xf32>) -> tensor<?x2x2x3x3xf32>
  %132 = onnx.MatMul(%inverse, %71) : (tensor<?x2x2x3x3xf32>, tensor<?x2x2x3x2xf32>) -> tensor<?x2x2x3x2xf32>
  %133 = onnx.MatMul(%inverse, %86) : (tensor<?x2x2x3x3xf32>, tensor<?x2x2x3x4xf32>) -> tensor<?x2x2x3x4xf32>
  %134 = onnx.Shape(%132) : (tensor<?x2x2x3x2xf32>) -> tensor<5xi64>
  %135 = onnx.Expand(%10, %134) : (tensor<f32>, tensor<5xi64>) -> tensor<?x2x2x3x2xf32>
  %136 = onnx.Mul(%68, %85) : (tensor<?x2x2x3x4xf32>, tensor<?x2x2x3x1xf32>) -> tensor<?x2x2x3x4xf32>
  %137 = onnx.Slice(%sums, %11, %12, %6, %5) : (tensor<?x2x2x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x2x1xf32>
  %138 = onnx.Sub(%137, %sums) : (tensor<?x2x2x1xf32>, tensor<?x2x2x3xf32>) -> tensor<?x2x2x3xf32>
  %139 = onnx.Exp(%138) : (tensor<?x2x2x3xf32>) -> tensor<?x2x2x3xf32>
  %140 = onnx.Unsqueeze(%139, %11) : (tensor<?x2x2x3xf32>, tensor<1xi64>) -> tensor<?x2x2x3x1xf32>
  %141 = onnx.Mul(%69, %140) : (tensor<?x2x2x3x4xf32>, tensor<?x2x2x3x1xf32>) -> tensor<?x2x2x3x4xf32>
  %142 = onnx.Gather(%sums, %25) {axis = 3 : i64} : (tensor<?x2x2x3xf32>, tensor<i64>) -> tensor<?x2x2xf32>
  %143 = onnx.Exp(%142) : (tensor<?x2x2xf32>) -> tensor<?x2x2xf32>
  %144 = onnx.Unsqueeze(%143, %29) : (tensor<?x2x2xf32>, tensor<2xi64>) -> tensor<?x2x2x1x1xf32>
  %145 = onnx.Gather(%132, %26) {axis = 2 : i64} : (tensor<?x2x2x3x2xf32>, tensor<i64>) -> tensor<?x2x3x2xf32>
  %146 = onnx.Gather(%133, %26) {axis = 2 : i64} : (tensor<?x2x2x3x4xf32>, tensor<i64>) -> tensor<?x2x3x4xf32>
  %147 = onnx.MatMul(%146, %past) : (tensor<?x2x3x4xf32>, tensor<?x2x4x2xf32>) -> tensor<?x2x3x2xf32>
  %new0 = onnx.Sub(%145, %147) : (tensor<?x2x3x2xf32>, tensor<?x2x3x2xf32>) -> tensor<?x2x3x2xf32>
  %149 = onnx.Gather(%136, %26) {axis = 2 : i64} : (tensor<?x2x2x3x4xf32>, tensor<i64>) -> tensor<?x2x3x4xf32>
  %150 = onnx.MatMul(%149, %past) : (tensor<?x2x3x4xf32>, tensor<?x2x4x2xf32>) -> tensor<?x2x3x2xf32>
  %151 = onnx.Gather(%83, %26) {axis = 2 : i64} : (tensor<?x2x2x3x3xf32>, tensor<i64>) -> tensor<?x2x3x3xf32>
  %152 = onnx.MatMul(%151, %new0) : (tensor<?x2x3x3xf32>, tensor<?x2x3x2xf32>) -> tensor<?x2x3x2xf32>
  %153 = onnx.Add(%150, %152) : (tensor<?x2x3x2xf32>, tensor<?x2x3x2xf32>) -> tensor<?x2x3x2xf32>
  %154 = onnx.Unsqueeze(%153, %8) : (tensor<?x2x3x2xf32>, tensor<1xi64>) -> tensor<?x2x1x3x2xf32>
  %155 = onnx.Shape(%154) : (tensor<?x2x1x3x2xf32>) -> tensor<5xi64>
  %156 = onnx.Expand(%26, %155) : (tensor<i64>, tensor<5xi64>) -> tensor<?x?x?x?x?xi64>
  %157 = onnx.ScatterElements(%135, %156, %154) {axis = 2 : i64} : (tensor<?x2x2x3x2xf32>, tensor<?x?x?x?x?xi64>, tensor<?x2x1x3x2xf32>) -> tensor<?x2x2x3x2xf32>
  %158 = onnx.Identity(%157) : (tensor<?x2x2x3x2xf32>) -> tensor<?x2x2x3x2xf32>
  %159 = onnx.Gather(%144, %26) {axis = 2 : i64} : (tensor<?x2x2x1x1xf32>, tensor<i64>) -> tensor<?x2x1x1xf32>
  %160 = onnx.Mul(%past, %159) : (tensor<?x2x4x2xf32>, tensor<?x2x1x1xf32>) -> tensor<?x2x4x2xf32>
  %161 = onnx.Gather(%141, %26) {axis = 2 : i64} : (tensor<?x2x2x3x4xf32>, tensor<i64>) -> tensor<?x2x3x4xf32>
  %162 = onnx.Transpose(%161) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x2x3x4xf32>) -> tensor<?x2x4x3xf32>
  %163 = onnx.MatMul(%162, %new0) : (tensor<?x2x4x3xf32>, tensor<?x2x3x2xf32>) -> tensor<?x2x4x2xf32>
  %state1 = onnx.Add(%160, %163) : (tensor<?x2x4x2xf32>, tensor<?x2x4x2xf32>) -> tensor<?x2x4x2xf32>
  %165 = onnx.Gather(%132, %23) {axis = 2 : i64} : (tensor<?x2x2x3x2xf32>, tensor<i64>) -> tensor<?x2x3x2xf32>
  %166 = onnx.Gather(%133, %23) {axis = 2 : i64} : (tensor<?x2x2x3x4xf32>, tensor<i64>) -> tensor<?x2x3x4xf32>
  %167 = onnx.MatMul(%166, %state1) : (tensor<?x2x3x4xf32>, tensor<?x2x4x2xf32>) -> tensor<?x2x3x2xf32>
  %new1 = onnx.Sub(%165, %167) : (tensor<?x2x3x2xf32>, tensor<?x2x3x2xf32>) -> tensor<?x2x3x2xf32>
  %169 = onnx.Gather(%136, %23) {axis = 2 : i64} : (tensor<?x2x2x3x4xf32>, tensor<i64>) -> tensor<?x2x3x4xf32>
  %170 = onnx.MatMul(%169, %state1) : (tensor<?x2x3x4xf32>, tensor<?x2x4x2xf32>) -> tensor<?x2x3x2xf32>
  %171 = onnx.Gather(%83, %23) {axis = 2 : i64} : (tensor<?x2x2x3x3xf32>, tensor<i64>) -> tensor<?x2x3x3xf32>
  %172 = onnx.MatMul(%171, %new1) : (tensor<?x2x3x3xf32>, tensor<?x2x3x2xf32>) -> tensor<?x2x3x2xf32>
  %173 = onnx.Add(%170, %172) : (tensor<?x2x3x2xf32>, tensor<?x2x3x2xf32>) -> tensor<?x2x3x2xf32>
  %174 = onnx.Unsqueeze(%173, %8) : (tensor<?x2x3x2xf32>, tensor<1xi64>) -> tensor<?x2x1x3x2xf32>
  %175 = onnx.Shape(%174) : (tensor<?x2x1x3x2xf32>) -> tensor<5xi64>
  %176 = onnx.Expand(%23, %175) : (tensor<i64>, tensor<5xi64>) -> tensor<?x?x?x?x?xi64>
  %177 = onnx.ScatterElements(%158, %176, %174) {axis = 2 : i64} : (tensor<?x2x2x3x2xf32>, tensor<?x?x?x?x?xi64>, tensor<?x2x1x3x2xf32>) -> tensor<?x2x2x3x2xf32>
  %178 = onnx.Identity(%177) : (tensor<?x2x2x3x2xf32>) -> tensor<?x2x2x3x2xf32>
  %179 = onnx.Gather(%144, %23) {axis = 2 : i64} : (tensor<?x2x2x1x1xf32>, tensor<i64>) -> tensor<?x2x1x1xf32>
  %180 = onnx.Mul(%state1, %179) : (tensor<?x2x4x2xf32>, tensor<?x2x1x1xf32>) -> tensor<?x2x4x2xf32>
  %181 = onnx.Gather(%141, %23) {axis = 2 : i64} : (tensor<?x2x2x3x4xf32>, tensor<i64>) -> tensor<?x2x3x4xf32>
  %182 = onnx.Transpose(%181) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x2x3x4xf32>) -> tensor<?x2x4x3xf32>
  %183 = onnx.MatMul(%182, %new1) : (tensor<?x2x4x3xf32>, tensor<?x2x3x2xf32>) -> tensor<?x2x4x2xf32>
  %state2 = onnx.Add(%180, %183) : (tensor<?x2x4x2xf32>, tensor<?x2x4x2xf32>) -> tensor<?x2x4x2xf32>
  %185 = onnx.Reshape(%178, %30) {allowzero = 1 : i64} : (tensor<?x2x2x3x2xf32>, tensor<4xi64>) -> tensor<?x2x6x2xf32>
  %186 = onnx.Slice(%185, %4, %13, %8, %5) : (tensor<?x2x6x2xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x5x2xf32>
  %187 = onnx.Transpose(%186) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x2x5x2xf32>) -> tensor<?x5x2x2xf32>
  return %187, %state2 : tensor<?x5x2x2xf32>, tensor<?x2x4x2xf32>
}

// -----

// transformers 4: masks around products, weights per chunk, the scale behind the
// padding; one chunk, no state, sizes fixed, places as constants.
// CHECK-LABEL: func.func @masked(
// CHECK: onnx.ms.LinearAttention({{.*}}) {kv_num_heads = 2 : i64, onnx.opset = 1 : i64, q_num_heads = 2 : i64, scale = 5.000000e-01 : f32} : (tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x4xf32>, none, tensor<1x2x2xf32>, tensor<1x2x2xf32>)
// CHECK-NOT: ScatterElements
// CHECK: return
// REMARK: Passed{{.*}}became LinearAttention
func.func @masked(%q: tensor<1x2x2x4xf32>, %k: tensor<1x2x2x4xf32>, %v: tensor<1x2x2x2xf32>, %g: tensor<1x2x2xf32>, %beta: tensor<1x2x2xf32>)
    -> (tensor<1x2x2x2xf32>) {
  %0 = onnx.None : none
  %1 = onnx.Constant dense<2.000000e+01> : tensor<f32>
  %2 = onnx.Constant dense<[1, 2, -1, 3, 4]> : tensor<5xi64>
  %3 = onnx.Constant dense<[1, 2, -1, 3, 2]> : tensor<5xi64>
  %4 = onnx.Constant dense<[1, 2, -1, 3]> : tensor<4xi64>
  %5 = onnx.Constant dense<[[true, true, true], [false, true, true], [false, false, true]]> : tensor<3x3xi1>
  %6 = onnx.Constant dense<0.000000e+00> : tensor<f32>
  %7 = onnx.Constant dense<0> : tensor<1xi64>
  %8 = onnx.Constant dense<1> : tensor<1xi64>
  %9 = onnx.Constant dense<3> : tensor<1xi64>
  %10 = onnx.Constant dense<4> : tensor<1xi64>
  %11 = onnx.Constant dense<0> : tensor<1x1xi64>
  %12 = onnx.Constant dense<1> : tensor<1x2x1x1x3xi64>
  %13 = onnx.Constant dense<2> : tensor<1xi64>
  %14 = onnx.Constant dense<[[0], [1]]> : tensor<2x1xi64>
  %15 = onnx.Constant dense<2> : tensor<1x2x1x1x3xi64>
  %16 = onnx.Constant dense<[[1.000000e+00, 0.000000e+00, 0.000000e+00], [0.000000e+00, 1.000000e+00, 0.000000e+00], [0.000000e+00, 0.000000e+00, 1.000000e+00]]> : tensor<3x3xf32>
  %17 = onnx.Constant dense<0.000000e+00> : tensor<1x2x4x2xf32>
  %18 = onnx.Constant dense<0.000000e+00> : tensor<1x2x1x3x2xf32>
  %19 = onnx.Constant dense<[[false, true, true], [false, false, true], [false, false, false]]> : tensor<3x3xi1>
  %20 = onnx.Constant dense<0> : tensor<1x2x1x3x2xi64>
  %21 = onnx.Constant dense<[1, 2, -1, 2]> : tensor<4xi64>
  %22 = onnx.Constant dense<-1> : tensor<1xi64>
  %23 = onnx.Constant dense<9.99999997E-7> : tensor<f32>
  %24 = onnx.Constant dense<[0, 0, 0, 0, 0, 0, 1, 0]> : tensor<8xi64>
  %25 = onnx.Constant dense<[0, 0, 0, 0, 0, 1]> : tensor<6xi64>
  %26 = onnx.Constant dense<5.000000e-01> : tensor<f32>
  %27 = onnx.Constant dense<0> : tensor<i64>
  %28 = onnx.Constant dense<-1> : tensor<i64>
  %29 = onnx.Constant dense<-2> : tensor<1xi64>
  %30 = onnx.Constant dense<1> : tensor<i64>
  %31 = onnx.Constant dense<2> : tensor<i64>
  %32 = onnx.Softplus(%g) : (tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %33 = onnx.Greater(%g, %1) : (tensor<1x2x2xf32>, tensor<f32>) -> tensor<1x2x2xi1>
  %34 = onnx.Where(%33, %g, %32) : (tensor<1x2x2xi1>, tensor<1x2x2xf32>, tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %35 = onnx.Neg(%34) : (tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %36 = onnx.Sigmoid(%beta) : (tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %37 = onnx.Mul(%q, %q) : (tensor<1x2x2x4xf32>, tensor<1x2x2x4xf32>) -> tensor<1x2x2x4xf32>
  %38 = onnx.ReduceSum(%37, %22) : (tensor<1x2x2x4xf32>, tensor<1xi64>) -> tensor<1x2x2x1xf32>
  %39 = onnx.Add(%38, %23) : (tensor<1x2x2x1xf32>, tensor<f32>) -> tensor<1x2x2x1xf32>
  %40 = onnx.Sqrt(%39) : (tensor<1x2x2x1xf32>) -> tensor<1x2x2x1xf32>
  %41 = onnx.Reciprocal(%40) : (tensor<1x2x2x1xf32>) -> tensor<1x2x2x1xf32>
  %42 = onnx.Mul(%q, %41) : (tensor<1x2x2x4xf32>, tensor<1x2x2x1xf32>) -> tensor<1x2x2x4xf32>
  %43 = onnx.Mul(%k, %k) : (tensor<1x2x2x4xf32>, tensor<1x2x2x4xf32>) -> tensor<1x2x2x4xf32>
  %44 = onnx.ReduceSum(%43, %22) : (tensor<1x2x2x4xf32>, tensor<1xi64>) -> tensor<1x2x2x1xf32>
  %45 = onnx.Add(%44, %23) : (tensor<1x2x2x1xf32>, tensor<f32>) -> tensor<1x2x2x1xf32>
  %46 = onnx.Sqrt(%45) : (tensor<1x2x2x1xf32>) -> tensor<1x2x2x1xf32>
  %47 = onnx.Reciprocal(%46) : (tensor<1x2x2x1xf32>) -> tensor<1x2x2x1xf32>
  %48 = onnx.Mul(%k, %47) : (tensor<1x2x2x4xf32>, tensor<1x2x2x1xf32>) -> tensor<1x2x2x4xf32>
  %49 = onnx.Transpose(%42) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x2x2x4xf32>) -> tensor<1x2x2x4xf32>
  %50 = onnx.Transpose(%48) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x2x2x4xf32>) -> tensor<1x2x2x4xf32>
  %51 = onnx.Transpose(%v) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
  %52 = onnx.Transpose(%36) {perm = array<i64: 0, 2, 1>} : (tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %53 = onnx.Transpose(%35) {perm = array<i64: 0, 2, 1>} : (tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %54 = onnx.Pad(%49, %24, %0, %0) : (tensor<1x2x2x4xf32>, tensor<8xi64>, none, none) -> tensor<1x2x3x4xf32>
  %55 = onnx.Pad(%50, %24, %0, %0) : (tensor<1x2x2x4xf32>, tensor<8xi64>, none, none) -> tensor<1x2x3x4xf32>
  %56 = onnx.Pad(%51, %24, %0, %0) : (tensor<1x2x2x2xf32>, tensor<8xi64>, none, none) -> tensor<1x2x3x2xf32>
  %57 = onnx.Pad(%52, %25, %0, %0) : (tensor<1x2x2xf32>, tensor<6xi64>, none, none) -> tensor<1x2x3xf32>
  %58 = onnx.Pad(%53, %25, %0, %0) : (tensor<1x2x2xf32>, tensor<6xi64>, none, none) -> tensor<1x2x3xf32>
  %59 = onnx.Mul(%54, %26) : (tensor<1x2x3x4xf32>, tensor<f32>) -> tensor<1x2x3x4xf32>
  %60 = onnx.Unsqueeze(%57, %22) : (tensor<1x2x3xf32>, tensor<1xi64>) -> tensor<1x2x3x1xf32>
  %61 = onnx.Mul(%56, %60) : (tensor<1x2x3x2xf32>, tensor<1x2x3x1xf32>) -> tensor<1x2x3x2xf32>
  %62 = onnx.Mul(%55, %60) : (tensor<1x2x3x4xf32>, tensor<1x2x3x1xf32>) -> tensor<1x2x3x4xf32>
  %63 = onnx.Reshape(%59, %2) {allowzero = 1 : i64} : (tensor<1x2x3x4xf32>, tensor<5xi64>) -> tensor<1x2x1x3x4xf32>
  %64 = onnx.Reshape(%55, %2) {allowzero = 1 : i64} : (tensor<1x2x3x4xf32>, tensor<5xi64>) -> tensor<1x2x1x3x4xf32>
  %65 = onnx.Reshape(%62, %2) {allowzero = 1 : i64} : (tensor<1x2x3x4xf32>, tensor<5xi64>) -> tensor<1x2x1x3x4xf32>
  %66 = onnx.Reshape(%61, %3) {allowzero = 1 : i64} : (tensor<1x2x3x2xf32>, tensor<5xi64>) -> tensor<1x2x1x3x2xf32>
  %67 = onnx.Reshape(%58, %4) {allowzero = 1 : i64} : (tensor<1x2x3xf32>, tensor<4xi64>) -> tensor<1x2x1x3xf32>
  %68 = onnx.CumSum(%67, %28) : (tensor<1x2x1x3xf32>, tensor<i64>) -> tensor<1x2x1x3xf32>
  %69 = onnx.Unsqueeze(%68, %22) : (tensor<1x2x1x3xf32>, tensor<1xi64>) -> tensor<1x2x1x3x1xf32>
  %70 = onnx.Unsqueeze(%68, %29) : (tensor<1x2x1x3xf32>, tensor<1xi64>) -> tensor<1x2x1x1x3xf32>
  %71 = onnx.Sub(%69, %70) : (tensor<1x2x1x3x1xf32>, tensor<1x2x1x1x3xf32>) -> tensor<1x2x1x3x3xf32>
  %72 = onnx.Trilu(%71, %27) {upper = 0 : i64} : (tensor<1x2x1x3x3xf32>, tensor<i64>) -> tensor<1x2x1x3x3xf32>
  %73 = onnx.Exp(%72) : (tensor<1x2x1x3x3xf32>) -> tensor<1x2x1x3x3xf32>
  %74 = onnx.Trilu(%73, %27) {upper = 0 : i64} : (tensor<1x2x1x3x3xf32>, tensor<i64>) -> tensor<1x2x1x3x3xf32>
  %75 = onnx.Transpose(%64) {perm = array<i64: 0, 1, 2, 4, 3>} : (tensor<1x2x1x3x4xf32>) -> tensor<1x2x1x4x3xf32>
  %76 = onnx.MatMul(%65, %75) : (tensor<1x2x1x3x4xf32>, tensor<1x2x1x4x3xf32>) -> tensor<1x2x1x3x3xf32>
  %77 = onnx.Mul(%76, %74) : (tensor<1x2x1x3x3xf32>, tensor<1x2x1x3x3xf32>) -> tensor<1x2x1x3x3xf32>
  %78 = onnx.Where(%5, %6, %77) : (tensor<3x3xi1>, tensor<f32>, tensor<1x2x1x3x3xf32>) -> tensor<1x2x1x3x3xf32>
  %79 = onnx.Neg(%78) : (tensor<1x2x1x3x3xf32>) -> tensor<1x2x1x3x3xf32>
  %80 = onnx.Gather(%79, %30) {axis = 3 : i64} : (tensor<1x2x1x3x3xf32>, tensor<i64>) -> tensor<1x2x1x3xf32>
  %81 = onnx.Slice(%80, %7, %8, %9, %8) : (tensor<1x2x1x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x2x1x1xf32>
  %82 = onnx.Slice(%79, %7, %8, %9, %8) : (tensor<1x2x1x3x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x2x1x1x3xf32>
  %83 = onnx.Slice(%82, %7, %8, %10, %8) : (tensor<1x2x1x1x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x2x1x1x1xf32>
  %84 = onnx.Unsqueeze(%81, %22) : (tensor<1x2x1x1xf32>, tensor<1xi64>) -> tensor<1x2x1x1x1xf32>
  %85 = onnx.Mul(%84, %83) : (tensor<1x2x1x1x1xf32>, tensor<1x2x1x1x1xf32>) -> tensor<1x2x1x1x1xf32>
  %86 = onnx.ReduceSum(%85, %29) {keepdims = 0 : i64} : (tensor<1x2x1x1x1xf32>, tensor<1xi64>) -> tensor<1x2x1x1xf32>
  %87 = onnx.Add(%81, %86) : (tensor<1x2x1x1xf32>, tensor<1x2x1x1xf32>) -> tensor<1x2x1x1xf32>
  %88 = onnx.Transpose(%87) {perm = array<i64: 3, 1, 2, 0>} : (tensor<1x2x1x1xf32>) -> tensor<1x2x1x1xf32>
  %89 = onnx.Transpose(%80) {perm = array<i64: 3, 1, 2, 0>} : (tensor<1x2x1x3xf32>) -> tensor<3x2x1x1xf32>
  %90 = onnx.ScatterND(%89, %11, %88) : (tensor<3x2x1x1xf32>, tensor<1x1xi64>, tensor<1x2x1x1xf32>) -> tensor<3x2x1x1xf32>
  %91 = onnx.Transpose(%90) {perm = array<i64: 3, 1, 2, 0>} : (tensor<3x2x1x1xf32>) -> tensor<1x2x1x3xf32>
  %92 = onnx.Unsqueeze(%91, %9) : (tensor<1x2x1x3xf32>, tensor<1xi64>) -> tensor<1x2x1x1x3xf32>
  %93 = onnx.ScatterElements(%79, %12, %92) {axis = 3 : i64} : (tensor<1x2x1x3x3xf32>, tensor<1x2x1x1x3xi64>, tensor<1x2x1x1x3xf32>) -> tensor<1x2x1x3x3xf32>
  %94 = onnx.Gather(%93, %31) {axis = 3 : i64} : (tensor<1x2x1x3x3xf32>, tensor<i64>) -> tensor<1x2x1x3xf32>
  %95 = onnx.Slice(%94, %7, %13, %9, %8) : (tensor<1x2x1x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x2x1x2xf32>
  %96 = onnx.Slice(%93, %7, %13, %9, %8) : (tensor<1x2x1x3x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x2x1x2x3xf32>
  %97 = onnx.Slice(%96, %7, %13, %10, %8) : (tensor<1x2x1x2x3xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x2x1x2x2xf32>
  %98 = onnx.Unsqueeze(%95, %22) : (tensor<1x2x1x2xf32>, tensor<1xi64>) -> tensor<1x2x1x2x1xf32>
  %99 = onnx.Mul(%98, %97) : (tensor<1x2x1x2x1xf32>, tensor<1x2x1x2x2xf32>) -> tensor<1x2x1x2x2xf32>
  %100 = onnx.ReduceSum(%99, %29) {keepdims = 0 : i64} : (tensor<1x2x1x2x2xf32>, tensor<1xi64>) -> tensor<1x2x1x2xf32>
  %101 = onnx.Add(%95, %100) : (tensor<1x2x1x2xf32>, tensor<1x2x1x2xf32>) -> tensor<1x2x1x2xf32>
  %102 = onnx.Transpose(%101) {perm = array<i64: 3, 1, 2, 0>} : (tensor<1x2x1x2xf32>) -> tensor<2x2x1x1xf32>
  %103 = onnx.Transpose(%94) {perm = array<i64: 3, 1, 2, 0>} : (tensor<1x2x1x3xf32>) -> tensor<3x2x1x1xf32>
  %104 = onnx.ScatterND(%103, %14, %102) : (tensor<3x2x1x1xf32>, tensor<2x1xi64>, tensor<2x2x1x1xf32>) -> tensor<3x2x1x1xf32>
  %105 = onnx.Transpose(%104) {perm = array<i64: 3, 1, 2, 0>} : (tensor<3x2x1x1xf32>) -> tensor<1x2x1x3xf32>
  %106 = onnx.Unsqueeze(%105, %9) : (tensor<1x2x1x3xf32>, tensor<1xi64>) -> tensor<1x2x1x1x3xf32>
  %107 = onnx.ScatterElements(%93, %15, %106) {axis = 3 : i64} : (tensor<1x2x1x3x3xf32>, tensor<1x2x1x1x3xi64>, tensor<1x2x1x1x3xf32>) -> tensor<1x2x1x3x3xf32>
  %108 = onnx.Add(%107, %16) : (tensor<1x2x1x3x3xf32>, tensor<3x3xf32>) -> tensor<1x2x1x3x3xf32>
  %109 = onnx.MatMul(%108, %66) : (tensor<1x2x1x3x3xf32>, tensor<1x2x1x3x2xf32>) -> tensor<1x2x1x3x2xf32>
  %110 = onnx.Exp(%68) : (tensor<1x2x1x3xf32>) -> tensor<1x2x1x3xf32>
  %111 = onnx.Unsqueeze(%110, %22) : (tensor<1x2x1x3xf32>, tensor<1xi64>) -> tensor<1x2x1x3x1xf32>
  %112 = onnx.Mul(%65, %111) : (tensor<1x2x1x3x4xf32>, tensor<1x2x1x3x1xf32>) -> tensor<1x2x1x3x4xf32>
  %113 = onnx.MatMul(%108, %112) : (tensor<1x2x1x3x3xf32>, tensor<1x2x1x3x4xf32>) -> tensor<1x2x1x3x4xf32>
  %114 = onnx.Gather(%63, %27) {axis = 2 : i64} : (tensor<1x2x1x3x4xf32>, tensor<i64>) -> tensor<1x2x3x4xf32>
  %115 = onnx.Gather(%64, %27) {axis = 2 : i64} : (tensor<1x2x1x3x4xf32>, tensor<i64>) -> tensor<1x2x3x4xf32>
  %116 = onnx.Gather(%109, %27) {axis = 2 : i64} : (tensor<1x2x1x3x2xf32>, tensor<i64>) -> tensor<1x2x3x2xf32>
  %117 = onnx.Transpose(%115) {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x2x3x4xf32>) -> tensor<1x2x4x3xf32>
  %118 = onnx.MatMul(%114, %117) : (tensor<1x2x3x4xf32>, tensor<1x2x4x3xf32>) -> tensor<1x2x3x3xf32>
  %119 = onnx.Gather(%74, %27) {axis = 2 : i64} : (tensor<1x2x1x3x3xf32>, tensor<i64>) -> tensor<1x2x3x3xf32>
  %120 = onnx.Mul(%118, %119) : (tensor<1x2x3x3xf32>, tensor<1x2x3x3xf32>) -> tensor<1x2x3x3xf32>
  %121 = onnx.Where(%19, %6, %120) : (tensor<3x3xi1>, tensor<f32>, tensor<1x2x3x3xf32>) -> tensor<1x2x3x3xf32>
  %122 = onnx.Gather(%113, %27) {axis = 2 : i64} : (tensor<1x2x1x3x4xf32>, tensor<i64>) -> tensor<1x2x3x4xf32>
  %123 = onnx.MatMul(%122, %17) : (tensor<1x2x3x4xf32>, tensor<1x2x4x2xf32>) -> tensor<1x2x3x2xf32>
  %124 = onnx.Sub(%116, %123) : (tensor<1x2x3x2xf32>, tensor<1x2x3x2xf32>) -> tensor<1x2x3x2xf32>
  %125 = onnx.Gather(%68, %27) {axis = 2 : i64} : (tensor<1x2x1x3xf32>, tensor<i64>) -> tensor<1x2x3xf32>
  %126 = onnx.Unsqueeze(%125, %9) : (tensor<1x2x3xf32>, tensor<1xi64>) -> tensor<1x2x3x1xf32>
  %127 = onnx.Exp(%126) : (tensor<1x2x3x1xf32>) -> tensor<1x2x3x1xf32>
  %128 = onnx.Mul(%114, %127) : (tensor<1x2x3x4xf32>, tensor<1x2x3x1xf32>) -> tensor<1x2x3x4xf32>
  %129 = onnx.MatMul(%128, %17) : (tensor<1x2x3x4xf32>, tensor<1x2x4x2xf32>) -> tensor<1x2x3x2xf32>
  %130 = onnx.MatMul(%121, %124) : (tensor<1x2x3x3xf32>, tensor<1x2x3x2xf32>) -> tensor<1x2x3x2xf32>
  %131 = onnx.Add(%129, %130) : (tensor<1x2x3x2xf32>, tensor<1x2x3x2xf32>) -> tensor<1x2x3x2xf32>
  %132 = onnx.Unsqueeze(%131, %13) : (tensor<1x2x3x2xf32>, tensor<1xi64>) -> tensor<1x2x1x3x2xf32>
  %133 = onnx.ScatterElements(%18, %20, %132) {axis = 2 : i64} : (tensor<1x2x1x3x2xf32>, tensor<1x2x1x3x2xi64>, tensor<1x2x1x3x2xf32>) -> tensor<1x2x1x3x2xf32>
  %134 = onnx.Reshape(%133, %21) {allowzero = 1 : i64} : (tensor<1x2x1x3x2xf32>, tensor<4xi64>) -> tensor<1x2x3x2xf32>
  %135 = onnx.Slice(%134, %7, %13, %13, %8) : (tensor<1x2x3x2xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x2x2x2xf32>
  %136 = onnx.Transpose(%135) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
  return %136 : tensor<1x2x2x2xf32>
}
