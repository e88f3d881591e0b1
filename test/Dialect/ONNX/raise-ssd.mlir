// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-ssd | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-ssd --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Near misses of the first function. Another order of the segment sum's mask:
// RUN: sed 's/onnx.Trilu(%61, %62) {upper = 0/onnx.Trilu(%61, %57) {upper = 0/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-ssd --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=CHUNKS
// CHUNKS: Missed{{.*}}the decay between chunks is not the segment sum of their totals
// C in B's place:
// RUN: sed 's/^  %83 = onnx.Einsum(%30,/  %83 = onnx.Einsum(%23,/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-ssd --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATES
// STATES: Missed{{.*}}the chunks' states are not B · decay to the end · X
// An initial state that isn't zero:
// RUN: sed 's/onnx.Expand(%34, %85)/onnx.Expand(%one, %85)/; s/^  %85 = /  %one = onnx.Constant dense<1.0> : tensor<f32>\n&/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-ssd --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=INITIAL
// INITIAL: Missed{{.*}}the initial state is neither zero nor one state per sequence
// A cumulative sum that leaves out its own position:
// RUN: sed 's/^  %67 = onnx.CumSum(%39, %10)/& {exclusive = 1 : i64}/' %s | hybrid-opt --split-input-file --onnx-infer-shapes --onnx-raise-ssd --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=CUMSUM
// CUMSUM: Missed{{.*}}the other term is not C · state · exp(cumulative decay)

// As mamba2-minimal writes it, from torch: einsum of up to four operands. One
// group of B and C for four heads.
// CHECK-LABEL: func.func @einsum(
// CHECK-SAME: %[[A:[^:]*]]: tensor<?x?x4xf32> {{{[^}]*}}}, %[[B:[^:]*]]: {{[^}]*}}}, %[[C:[^:]*]]: {{[^}]*}}}, %[[X:[^:]*]]: tensor<?x?x4x32xf32>
// CHECK-DAG: %[[Q:.*]] = onnx.Reshape(%[[C]], {{.*}} -> tensor<?x?x16xf32>
// CHECK-DAG: %[[K:.*]] = onnx.Reshape(%[[B]], {{.*}} -> tensor<?x?x16xf32>
// CHECK-DAG: %[[V:.*]] = onnx.Reshape(%[[X]], {{.*}} -> tensor<?x?x128xf32>
// CHECK: %[[Y:.*]], %{{.*}} = onnx.ms.LinearAttention(%[[Q]], %[[K]], %[[V]], %{{.*}}, %[[A]], %{{.*}}) {kv_num_heads = 4 : i64, {{.*}}q_num_heads = 1 : i64, scale = 1.000000e+00 : f32, update_rule = "gated"}
// CHECK: %[[R:.*]] = onnx.Reshape(%[[Y]], {{.*}} -> tensor<?x?x4x32xf32>
// CHECK-NEXT: return %[[R]]
// REMARK: Passed{{.*}}became LinearAttention
func.func @einsum(%a: tensor<?x?x4xf32> {onnx.dims = ["b", "t", 4]}, %B: tensor<?x?x1x16xf32> {onnx.dims = ["b", "t", 1, 16]}, %C: tensor<?x?x1x16xf32> {onnx.dims = ["b", "t", 1, 16]}, %x: tensor<?x?x4x32xf32> {onnx.dims = ["b", "t", 4, 32]}, %ids: tensor<?x?xi64> {onnx.dims = ["b", "t"]}) -> (tensor<?x?x4x32xf32>) {
  %0 = onnx.Constant dense<3> : tensor<1xi64>
  %1 = onnx.Unsqueeze(%C, %0) : (tensor<?x?x1x16xf32>, tensor<1xi64>) -> tensor<?x?x1x1x16xf32>
  %2 = onnx.Constant dense<[1, 1, 1, 4, 1]> : tensor<5xi64>
  %3 = onnx.Expand(%1, %2) : (tensor<?x?x1x1x16xf32>, tensor<5xi64>) -> tensor<?x?x1x4x16xf32>
  %4 = onnx.Shape(%C) {end = 2 : i64} : (tensor<?x?x1x16xf32>) -> tensor<2xi64>
  %5 = onnx.Constant dense<-1> : tensor<1xi64>
  %6 = onnx.Constant dense<16> : tensor<1xi64>
  %7 = onnx.Concat(%4, %5, %6) {axis = 0 : i64} : (tensor<2xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %8 = onnx.Reshape(%3, %7) : (tensor<?x?x1x4x16xf32>, tensor<4xi64>) -> tensor<?x?x4x16xf32>
  %9 = onnx.Constant dense<0> : tensor<1xi64>
  %10 = onnx.Constant dense<-1> : tensor<i64>
  %11 = onnx.Shape(%ids) {end = 2 : i64, start = 1 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %12 = onnx.None : none
  %13 = onnx.Squeeze(%11, %12) : (tensor<1xi64>, none) -> tensor<i64>
  %14 = onnx.Mul(%10, %13) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %15 = onnx.Constant dense<16> : tensor<i64>
  %16 = onnx.Mod(%14, %15) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %17 = onnx.Reshape(%16, %5) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %18 = onnx.Concat(%9, %9, %9, %9, %9, %17, %9, %9) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<8xi64>
  %19 = onnx.Pad(%8, %18, %12, %12) : (tensor<?x?x4x16xf32>, tensor<8xi64>, none, none) -> tensor<?x?x4x16xf32>
  %20 = onnx.Shape(%ids) {end = 1 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %21 = onnx.Constant dense<4> : tensor<1xi64>
  %22 = onnx.Concat(%20, %5, %6, %21, %6) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<5xi64>
  %23 = onnx.Reshape(%19, %22) {allowzero = 1 : i64} : (tensor<?x?x4x16xf32>, tensor<5xi64>) -> tensor<?x?x16x4x16xf32>
  %24 = onnx.Unsqueeze(%B, %0) : (tensor<?x?x1x16xf32>, tensor<1xi64>) -> tensor<?x?x1x1x16xf32>
  %25 = onnx.Expand(%24, %2) : (tensor<?x?x1x1x16xf32>, tensor<5xi64>) -> tensor<?x?x1x4x16xf32>
  %26 = onnx.Shape(%B) {end = 2 : i64} : (tensor<?x?x1x16xf32>) -> tensor<2xi64>
  %27 = onnx.Concat(%26, %5, %6) {axis = 0 : i64} : (tensor<2xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %28 = onnx.Reshape(%25, %27) : (tensor<?x?x1x4x16xf32>, tensor<4xi64>) -> tensor<?x?x4x16xf32>
  %29 = onnx.Pad(%28, %18, %12, %12) : (tensor<?x?x4x16xf32>, tensor<8xi64>, none, none) -> tensor<?x?x4x16xf32>
  %30 = onnx.Reshape(%29, %22) {allowzero = 1 : i64} : (tensor<?x?x4x16xf32>, tensor<5xi64>) -> tensor<?x?x16x4x16xf32>
  %31 = onnx.Constant dense<"0xFEFFFCFFF8FFF0FFE0FFC0FF80FF00FF00FE00FC00F800F000E000C000800000"> : tensor<16x16xi1>
  %32 = onnx.Constant dense<0xFF800000> : tensor<f32>
  %33 = onnx.Constant dense<"0xFFFFFEFFFCFFF8FFF0FFE0FFC0FF80FF00FF00FE00FC00F800F000E000C00080"> : tensor<16x16xi1>
  %34 = onnx.Constant dense<0.000000e+00> : tensor<f32>
  %35 = onnx.Concat(%9, %9, %9, %9, %17, %9) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<6xi64>
  %36 = onnx.Pad(%a, %35, %12, %12) : (tensor<?x?x4xf32>, tensor<6xi64>, none, none) -> tensor<?x?x4xf32>
  %37 = onnx.Concat(%20, %5, %6, %21) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %38 = onnx.Reshape(%36, %37) {allowzero = 1 : i64} : (tensor<?x?x4xf32>, tensor<4xi64>) -> tensor<?x?x16x4xf32>
  %39 = onnx.Transpose(%38) {perm = array<i64: 0, 3, 1, 2>} : (tensor<?x?x16x4xf32>) -> tensor<?x4x?x16xf32>
  %40 = onnx.Unsqueeze(%39, %21) : (tensor<?x4x?x16xf32>, tensor<1xi64>) -> tensor<?x4x?x16x1xf32>
  %41 = onnx.Add(%13, %16) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %42 = onnx.Div(%41, %15) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %43 = onnx.Reshape(%42, %5) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %44 = onnx.Concat(%20, %21, %43, %6, %6) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<5xi64>
  %45 = onnx.Expand(%40, %44) : (tensor<?x4x?x16x1xf32>, tensor<5xi64>) -> tensor<?x4x?x16x16xf32>
  %46 = onnx.Where(%33, %34, %45) : (tensor<16x16xi1>, tensor<f32>, tensor<?x4x?x16x16xf32>) -> tensor<?x4x?x16x16xf32>
  %47 = onnx.Constant dense<-2> : tensor<i64>
  %48 = onnx.CumSum(%46, %47) : (tensor<?x4x?x16x16xf32>, tensor<i64>) -> tensor<?x4x?x16x16xf32>
  %49 = onnx.Where(%31, %32, %48) : (tensor<16x16xi1>, tensor<f32>, tensor<?x4x?x16x16xf32>) -> tensor<?x4x?x16x16xf32>
  %50 = onnx.Exp(%49) : (tensor<?x4x?x16x16xf32>) -> tensor<?x4x?x16x16xf32>
  %51 = onnx.Pad(%x, %18, %12, %12) : (tensor<?x?x4x32xf32>, tensor<8xi64>, none, none) -> tensor<?x?x4x32xf32>
  %52 = onnx.Constant dense<32> : tensor<1xi64>
  %53 = onnx.Concat(%20, %43, %6, %21, %52) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<5xi64>
  %54 = onnx.Reshape(%51, %53) {allowzero = 1 : i64} : (tensor<?x?x4x32xf32>, tensor<5xi64>) -> tensor<?x?x16x4x32xf32>
  %55 = onnx.Einsum(%23, %30, %50, %54) {equation = "bclhn,bcshn,bhcls,bcshp->bclhp"} : (tensor<?x?x16x4x16xf32>, tensor<?x?x16x4x16xf32>, tensor<?x4x?x16x16xf32>, tensor<?x?x16x4x32xf32>) -> tensor<?x?x16x4x32xf32>
  %56 = onnx.Constant dense<true> : tensor<i1>
  %57 = onnx.Constant dense<1> : tensor<i64>
  %58 = onnx.Add(%57, %42) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %59 = onnx.Reshape(%58, %5) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %60 = onnx.Concat(%59, %59) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
  %61 = onnx.Expand(%56, %60) : (tensor<i1>, tensor<2xi64>) -> tensor<?x?xi1>
  %62 = onnx.Constant dense<0> : tensor<i64>
  %63 = onnx.Trilu(%61, %62) {upper = 0 : i64} : (tensor<?x?xi1>, tensor<i64>) -> tensor<?x?xi1>
  %64 = onnx.Not(%63) : (tensor<?x?xi1>) -> tensor<?x?xi1>
  %65 = onnx.Trilu(%61, %10) {upper = 0 : i64} : (tensor<?x?xi1>, tensor<i64>) -> tensor<?x?xi1>
  %66 = onnx.Not(%65) : (tensor<?x?xi1>) -> tensor<?x?xi1>
  %67 = onnx.CumSum(%39, %10) : (tensor<?x4x?x16xf32>, tensor<i64>) -> tensor<?x4x?x16xf32>
  %68 = onnx.Gather(%67, %10) {axis = 3 : i64} : (tensor<?x4x?x16xf32>, tensor<i64>) -> tensor<?x4x?xf32>
  %69 = onnx.Constant dense<[0, 0, 1, 0, 0, 0]> : tensor<6xi64>
  %70 = onnx.Pad(%68, %69, %12, %12) : (tensor<?x4x?xf32>, tensor<6xi64>, none, none) -> tensor<?x4x?xf32>
  %71 = onnx.Unsqueeze(%70, %0) : (tensor<?x4x?xf32>, tensor<1xi64>) -> tensor<?x4x?x1xf32>
  %72 = onnx.Concat(%20, %21, %59, %59) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %73 = onnx.Expand(%71, %72) : (tensor<?x4x?x1xf32>, tensor<4xi64>) -> tensor<?x4x?x?xf32>
  %74 = onnx.Where(%66, %34, %73) : (tensor<?x?xi1>, tensor<f32>, tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %75 = onnx.CumSum(%74, %47) : (tensor<?x4x?x?xf32>, tensor<i64>) -> tensor<?x4x?x?xf32>
  %76 = onnx.Where(%64, %32, %75) : (tensor<?x?xi1>, tensor<f32>, tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %77 = onnx.Exp(%76) : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %78 = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %79 = onnx.Constant dense<1> : tensor<1xi64>
  %80 = onnx.Slice(%67, %5, %78, %0, %79) : (tensor<?x4x?x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x1xf32>
  %81 = onnx.Sub(%80, %67) : (tensor<?x4x?x1xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
  %82 = onnx.Exp(%81) : (tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
  %83 = onnx.Einsum(%30, %82, %54) {equation = "bclhn,bhcl,bclhp->bchpn"} : (tensor<?x?x16x4x16xf32>, tensor<?x4x?x16xf32>, tensor<?x?x16x4x32xf32>) -> tensor<?x?x4x32x16xf32>
  %84 = onnx.Slice(%83, %9, %79, %79, %79) : (tensor<?x?x4x32x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x1x4x32x16xf32>
  %85 = onnx.Shape(%84) : (tensor<?x1x4x32x16xf32>) -> tensor<5xi64>
  %86 = onnx.Expand(%34, %85) : (tensor<f32>, tensor<5xi64>) -> tensor<?x1x4x32x16xf32>
  %87 = onnx.Concat(%86, %83) {axis = 1 : i64} : (tensor<?x1x4x32x16xf32>, tensor<?x?x4x32x16xf32>) -> tensor<?x?x4x32x16xf32>
  %88 = onnx.Einsum(%77, %87) {equation = "bhzc,bchpn->bzhpn"} : (tensor<?x4x?x?xf32>, tensor<?x?x4x32x16xf32>) -> tensor<?x?x4x32x16xf32>
  %89 = onnx.Slice(%88, %9, %5, %79, %79) : (tensor<?x?x4x32x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x4x32x16xf32>
  %90 = onnx.Exp(%67) : (tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
  %91 = onnx.Einsum(%23, %89, %90) {equation = "bclhn,bchpn,bhcl->bclhp"} : (tensor<?x?x16x4x16xf32>, tensor<?x?x4x32x16xf32>, tensor<?x4x?x16xf32>) -> tensor<?x?x16x4x32xf32>
  %92 = onnx.Add(%55, %91) : (tensor<?x?x16x4x32xf32>, tensor<?x?x16x4x32xf32>) -> tensor<?x?x16x4x32xf32>
  %93 = onnx.Mul(%15, %42) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %94 = onnx.Reshape(%93, %5) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %95 = onnx.Concat(%20, %94, %21, %52) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %96 = onnx.Reshape(%92, %95) {allowzero = 1 : i64} : (tensor<?x?x16x4x32xf32>, tensor<4xi64>) -> tensor<?x?x4x32xf32>
  %97 = onnx.Slice(%96, %9, %11, %79, %79) : (tensor<?x?x4x32xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x4x32xf32>
  return %97 : tensor<?x?x4x32xf32>
}

// -----

// transformers' torch_forward, from torch's exporter: einsum of two operands
// and products that broadcast, padding added to x for the skip connection.
// CHECK-LABEL: func.func @broadcast(
// CHECK: onnx.ms.LinearAttention({{.*}} {kv_num_heads = 8 : i64, {{.*}}q_num_heads = 2 : i64, scale = 1.000000e+00 : f32, update_rule = "gated"}
// CHECK-NOT: onnx.Pad
// CHECK: onnx.Mul({{.*}} -> tensor<?x?x8x16xf32>
// CHECK-NEXT: onnx.Add({{.*}} -> tensor<?x?x8x16xf32>
// CHECK-NEXT: return
// REMARK: Passed{{.*}}became LinearAttention
func.func @broadcast(%a: tensor<?x?x8xf32> {onnx.dims = ["b", "t", 8]}, %B: tensor<?x?x2x24xf32> {onnx.dims = ["b", "t", 2, 24]}, %C: tensor<?x?x2x24xf32> {onnx.dims = ["b", "t", 2, 24]}, %xdt: tensor<?x?x8x16xf32> {onnx.dims = ["b", "t", 8, 16]}, %x: tensor<?x?x8x16xf32> {onnx.dims = ["b", "t", 8, 16]}, %ids: tensor<?x?xi64> {onnx.dims = ["b", "t"]}) -> (tensor<?x?x8x16xf32>) {
  %0 = onnx.Constant dense<3> : tensor<1xi64>
  %1 = onnx.Unsqueeze(%C, %0) : (tensor<?x?x2x24xf32>, tensor<1xi64>) -> tensor<?x?x2x1x24xf32>
  %2 = onnx.Constant dense<[1, 1, 1, 4, 1]> : tensor<5xi64>
  %3 = onnx.Expand(%1, %2) : (tensor<?x?x2x1x24xf32>, tensor<5xi64>) -> tensor<?x?x2x4x24xf32>
  %4 = onnx.Shape(%C) {end = 2 : i64} : (tensor<?x?x2x24xf32>) -> tensor<2xi64>
  %5 = onnx.Constant dense<-1> : tensor<1xi64>
  %6 = onnx.Constant dense<24> : tensor<1xi64>
  %7 = onnx.Concat(%4, %5, %6) {axis = 0 : i64} : (tensor<2xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %8 = onnx.Reshape(%3, %7) : (tensor<?x?x2x4x24xf32>, tensor<4xi64>) -> tensor<?x?x8x24xf32>
  %9 = onnx.Constant dense<0> : tensor<1xi64>
  %10 = onnx.Constant dense<16> : tensor<i64>
  %11 = onnx.Constant dense<-1> : tensor<i64>
  %12 = onnx.Shape(%ids) {end = 2 : i64, start = 1 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %13 = onnx.None : none
  %14 = onnx.Squeeze(%12, %13) : (tensor<1xi64>, none) -> tensor<i64>
  %15 = onnx.Mod(%14, %10) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %16 = onnx.Mul(%11, %15) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %17 = onnx.Add(%10, %16) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %18 = onnx.Mod(%17, %10) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %19 = onnx.Reshape(%18, %5) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %20 = onnx.Concat(%9, %9, %9, %9, %9, %19, %9, %9) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<8xi64>
  %21 = onnx.Constant dense<0.000000e+00> : tensor<f32>
  %22 = onnx.Pad(%8, %20, %21, %13) : (tensor<?x?x8x24xf32>, tensor<8xi64>, tensor<f32>, none) -> tensor<?x?x8x24xf32>
  %23 = onnx.Shape(%ids) {end = 1 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %24 = onnx.Constant dense<16> : tensor<1xi64>
  %25 = onnx.Constant dense<8> : tensor<1xi64>
  %26 = onnx.Concat(%23, %5, %24, %25, %6) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<5xi64>
  %27 = onnx.Reshape(%22, %26) {allowzero = 1 : i64} : (tensor<?x?x8x24xf32>, tensor<5xi64>) -> tensor<?x?x16x8x24xf32>
  %28 = onnx.Unsqueeze(%B, %0) : (tensor<?x?x2x24xf32>, tensor<1xi64>) -> tensor<?x?x2x1x24xf32>
  %29 = onnx.Expand(%28, %2) : (tensor<?x?x2x1x24xf32>, tensor<5xi64>) -> tensor<?x?x2x4x24xf32>
  %30 = onnx.Shape(%B) {end = 2 : i64} : (tensor<?x?x2x24xf32>) -> tensor<2xi64>
  %31 = onnx.Concat(%30, %5, %6) {axis = 0 : i64} : (tensor<2xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %32 = onnx.Reshape(%29, %31) : (tensor<?x?x2x4x24xf32>, tensor<4xi64>) -> tensor<?x?x8x24xf32>
  %33 = onnx.Pad(%32, %20, %21, %13) : (tensor<?x?x8x24xf32>, tensor<8xi64>, tensor<f32>, none) -> tensor<?x?x8x24xf32>
  %34 = onnx.Reshape(%33, %26) {allowzero = 1 : i64} : (tensor<?x?x8x24xf32>, tensor<5xi64>) -> tensor<?x?x16x8x24xf32>
  %35 = onnx.Einsum(%27, %34) {equation = "bclhn,bcshn->bclsh"} : (tensor<?x?x16x8x24xf32>, tensor<?x?x16x8x24xf32>) -> tensor<?x?x16x16x8xf32>
  %36 = onnx.Constant dense<"0xFEFFFCFFF8FFF0FFE0FFC0FF80FF00FF00FE00FC00F800F000E000C000800000"> : tensor<16x16xi1>
  %37 = onnx.Constant dense<0xFF800000> : tensor<f32>
  %38 = onnx.Constant dense<"0xFFFFFEFFFCFFF8FFF0FFE0FFC0FF80FF00FF00FE00FC00F800F000E000C00080"> : tensor<16x16xi1>
  %39 = onnx.Concat(%9, %9, %9, %9, %19, %9) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<6xi64>
  %40 = onnx.Pad(%a, %39, %21, %13) : (tensor<?x?x8xf32>, tensor<6xi64>, tensor<f32>, none) -> tensor<?x?x8xf32>
  %41 = onnx.Concat(%23, %5, %24, %25) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %42 = onnx.Reshape(%40, %41) {allowzero = 1 : i64} : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x16x8xf32>
  %43 = onnx.Transpose(%42) {perm = array<i64: 0, 3, 1, 2>} : (tensor<?x?x16x8xf32>) -> tensor<?x8x?x16xf32>
  %44 = onnx.Constant dense<4> : tensor<1xi64>
  %45 = onnx.Unsqueeze(%43, %44) : (tensor<?x8x?x16xf32>, tensor<1xi64>) -> tensor<?x8x?x16x1xf32>
  %46 = onnx.Add(%14, %18) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %47 = onnx.Div(%46, %10) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %48 = onnx.Reshape(%47, %5) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %49 = onnx.Concat(%23, %25, %48, %24, %24) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<5xi64>
  %50 = onnx.Expand(%45, %49) : (tensor<?x8x?x16x1xf32>, tensor<5xi64>) -> tensor<?x8x?x16x16xf32>
  %51 = onnx.Where(%38, %21, %50) : (tensor<16x16xi1>, tensor<f32>, tensor<?x8x?x16x16xf32>) -> tensor<?x8x?x16x16xf32>
  %52 = onnx.Constant dense<-2> : tensor<i64>
  %53 = onnx.CumSum(%51, %52) : (tensor<?x8x?x16x16xf32>, tensor<i64>) -> tensor<?x8x?x16x16xf32>
  %54 = onnx.Where(%36, %37, %53) : (tensor<16x16xi1>, tensor<f32>, tensor<?x8x?x16x16xf32>) -> tensor<?x8x?x16x16xf32>
  %55 = onnx.Exp(%54) : (tensor<?x8x?x16x16xf32>) -> tensor<?x8x?x16x16xf32>
  %56 = onnx.Transpose(%55) {perm = array<i64: 0, 2, 3, 4, 1>} : (tensor<?x8x?x16x16xf32>) -> tensor<?x?x16x16x8xf32>
  %57 = onnx.Mul(%35, %56) : (tensor<?x?x16x16x8xf32>, tensor<?x?x16x16x8xf32>) -> tensor<?x?x16x16x8xf32>
  %58 = onnx.Pad(%xdt, %20, %21, %13) : (tensor<?x?x8x16xf32>, tensor<8xi64>, tensor<f32>, none) -> tensor<?x?x8x16xf32>
  %59 = onnx.Concat(%23, %48, %24, %25, %24) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<5xi64>
  %60 = onnx.Reshape(%58, %59) {allowzero = 1 : i64} : (tensor<?x?x8x16xf32>, tensor<5xi64>) -> tensor<?x?x16x8x16xf32>
  %61 = onnx.Einsum(%57, %60) {equation = "bclsh,bcshp->bclhp"} : (tensor<?x?x16x16x8xf32>, tensor<?x?x16x8x16xf32>) -> tensor<?x?x16x8x16xf32>
  %62 = onnx.Constant dense<true> : tensor<i1>
  %63 = onnx.Constant dense<1> : tensor<i64>
  %64 = onnx.Add(%63, %47) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %65 = onnx.Reshape(%64, %5) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %66 = onnx.Concat(%65, %65) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
  %67 = onnx.Expand(%62, %66) : (tensor<i1>, tensor<2xi64>) -> tensor<?x?xi1>
  %68 = onnx.Constant dense<0> : tensor<i64>
  %69 = onnx.Trilu(%67, %68) {upper = 0 : i64} : (tensor<?x?xi1>, tensor<i64>) -> tensor<?x?xi1>
  %70 = onnx.Not(%69) : (tensor<?x?xi1>) -> tensor<?x?xi1>
  %71 = onnx.Trilu(%67, %11) {upper = 0 : i64} : (tensor<?x?xi1>, tensor<i64>) -> tensor<?x?xi1>
  %72 = onnx.Not(%71) : (tensor<?x?xi1>) -> tensor<?x?xi1>
  %73 = onnx.CumSum(%43, %11) : (tensor<?x8x?x16xf32>, tensor<i64>) -> tensor<?x8x?x16xf32>
  %74 = onnx.Gather(%73, %11) {axis = 3 : i64} : (tensor<?x8x?x16xf32>, tensor<i64>) -> tensor<?x8x?xf32>
  %75 = onnx.Constant dense<[0, 0, 1, 0, 0, 0]> : tensor<6xi64>
  %76 = onnx.Pad(%74, %75, %13, %13) : (tensor<?x8x?xf32>, tensor<6xi64>, none, none) -> tensor<?x8x?xf32>
  %77 = onnx.Unsqueeze(%76, %0) : (tensor<?x8x?xf32>, tensor<1xi64>) -> tensor<?x8x?x1xf32>
  %78 = onnx.Concat(%23, %25, %65, %65) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %79 = onnx.Expand(%77, %78) : (tensor<?x8x?x1xf32>, tensor<4xi64>) -> tensor<?x8x?x?xf32>
  %80 = onnx.Where(%72, %21, %79) : (tensor<?x?xi1>, tensor<f32>, tensor<?x8x?x?xf32>) -> tensor<?x8x?x?xf32>
  %81 = onnx.CumSum(%80, %52) : (tensor<?x8x?x?xf32>, tensor<i64>) -> tensor<?x8x?x?xf32>
  %82 = onnx.Where(%70, %37, %81) : (tensor<?x?xi1>, tensor<f32>, tensor<?x8x?x?xf32>) -> tensor<?x8x?x?xf32>
  %83 = onnx.Exp(%82) : (tensor<?x8x?x?xf32>) -> tensor<?x8x?x?xf32>
  %84 = onnx.Transpose(%83) {perm = array<i64: 0, 3, 2, 1>} : (tensor<?x8x?x?xf32>) -> tensor<?x?x?x8xf32>
  %85 = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %86 = onnx.Constant dense<1> : tensor<1xi64>
  %87 = onnx.Slice(%73, %5, %85, %0, %86) : (tensor<?x8x?x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x8x?x1xf32>
  %88 = onnx.Sub(%87, %73) : (tensor<?x8x?x1xf32>, tensor<?x8x?x16xf32>) -> tensor<?x8x?x16xf32>
  %89 = onnx.Exp(%88) : (tensor<?x8x?x16xf32>) -> tensor<?x8x?x16xf32>
  %90 = onnx.Transpose(%89) {perm = array<i64: 0, 2, 3, 1>} : (tensor<?x8x?x16xf32>) -> tensor<?x?x16x8xf32>
  %91 = onnx.Unsqueeze(%90, %44) : (tensor<?x?x16x8xf32>, tensor<1xi64>) -> tensor<?x?x16x8x1xf32>
  %92 = onnx.Mul(%34, %91) : (tensor<?x?x16x8x24xf32>, tensor<?x?x16x8x1xf32>) -> tensor<?x?x16x8x24xf32>
  %93 = onnx.Einsum(%92, %60) {equation = "bclhn,bclhp->bchpn"} : (tensor<?x?x16x8x24xf32>, tensor<?x?x16x8x16xf32>) -> tensor<?x?x8x16x24xf32>
  %94 = onnx.Slice(%93, %9, %86, %86, %86) : (tensor<?x?x8x16x24xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x8x16x24xf32>
  %95 = onnx.Shape(%94) : (tensor<?x?x8x16x24xf32>) -> tensor<5xi64>
  %96 = onnx.Expand(%21, %95) : (tensor<f32>, tensor<5xi64>) -> tensor<?x?x8x16x24xf32>
  %97 = onnx.Concat(%96, %93) {axis = 1 : i64} : (tensor<?x?x8x16x24xf32>, tensor<?x?x8x16x24xf32>) -> tensor<?x?x8x16x24xf32>
  %98 = onnx.Einsum(%84, %97) {equation = "bzch,bzhpn->bchpn"} : (tensor<?x?x?x8xf32>, tensor<?x?x8x16x24xf32>) -> tensor<?x?x8x16x24xf32>
  %99 = onnx.Slice(%98, %9, %5, %86, %86) : (tensor<?x?x8x16x24xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x8x16x24xf32>
  %100 = onnx.Einsum(%27, %99) {equation = "bclhn,bchpn->bclhp"} : (tensor<?x?x16x8x24xf32>, tensor<?x?x8x16x24xf32>) -> tensor<?x?x16x8x16xf32>
  %101 = onnx.Exp(%73) : (tensor<?x8x?x16xf32>) -> tensor<?x8x?x16xf32>
  %102 = onnx.Transpose(%101) {perm = array<i64: 0, 2, 3, 1>} : (tensor<?x8x?x16xf32>) -> tensor<?x?x16x8xf32>
  %103 = onnx.Unsqueeze(%102, %44) : (tensor<?x?x16x8xf32>, tensor<1xi64>) -> tensor<?x?x16x8x1xf32>
  %104 = onnx.Mul(%100, %103) : (tensor<?x?x16x8x16xf32>, tensor<?x?x16x8x1xf32>) -> tensor<?x?x16x8x16xf32>
  %105 = onnx.Add(%61, %104) : (tensor<?x?x16x8x16xf32>, tensor<?x?x16x8x16xf32>) -> tensor<?x?x16x8x16xf32>
  %106 = onnx.Concat(%23, %5, %25, %24) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %107 = onnx.Reshape(%105, %106) {allowzero = 1 : i64} : (tensor<?x?x16x8x16xf32>, tensor<4xi64>) -> tensor<?x?x8x16xf32>
  %108 = onnx.Constant dense<[[1.03232503], [1.0865438], [0.86982876], [0.83794707], [0.869789779], [1.02914524], [0.958724558], [0.933119952]]> : tensor<8x1xf32>
  %109 = onnx.Pad(%x, %20, %21, %13) : (tensor<?x?x8x16xf32>, tensor<8xi64>, tensor<f32>, none) -> tensor<?x?x8x16xf32>
  %110 = onnx.Mul(%108, %109) : (tensor<8x1xf32>, tensor<?x?x8x16xf32>) -> tensor<?x?x8x16xf32>
  %111 = onnx.Add(%107, %110) : (tensor<?x?x8x16xf32>, tensor<?x?x8x16xf32>) -> tensor<?x?x8x16xf32>
  %112 = onnx.Slice(%111, %9, %12, %86, %86) : (tensor<?x?x8x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x8x16xf32>
  return %112 : tensor<?x?x8x16xf32>
}

// -----

// transformers' own exporter: with a state, and with the number of chunks of
// its sample (one) in the shape of the decay between them. That is right for
// up to 256 tokens; the operator has no such limit.
// CHECK-LABEL: func.func @baked_in(
// CHECK-SAME: %[[STATE:[^:]*]]: tensor<?x8x16x24xf32>
// CHECK: %[[PAST:.*]] = onnx.Transpose(%[[STATE]]) {perm = array<i64: 0, 1, 3, 2>}
// CHECK: %{{.*}}, %[[PRESENT:.*]] = onnx.ms.LinearAttention({{[^,]*}}, {{[^,]*}}, {{[^,]*}}, %[[PAST]],
// CHECK: %[[NEW:.*]] = onnx.Transpose(%[[PRESENT]]) {perm = array<i64: 0, 1, 3, 2>}
// CHECK-NEXT: return %{{.*}}, %[[NEW]]
// REMARK: Passed{{.*}}became LinearAttention with a past state
func.func @baked_in(%a: tensor<?x?x8xf32> {onnx.dims = ["b", "t", 8]}, %B: tensor<?x?x2x24xf32> {onnx.dims = ["b", "t", 2, 24]}, %C: tensor<?x?x2x24xf32> {onnx.dims = ["b", "t", 2, 24]}, %xdt: tensor<?x?x8x16xf32> {onnx.dims = ["b", "t", 8, 16]}, %x: tensor<?x?x8x16xf32> {onnx.dims = ["b", "t", 8, 16]}, %state: tensor<?x8x16x24xf32> {onnx.dims = ["b", 8, 16, 24]}, %ids: tensor<?x?xi64> {onnx.dims = ["b", "t"]}, %positions: tensor<?x?xi64> {onnx.dims = ["b", "t"]}) -> (tensor<?x?x8x16xf32>, tensor<?x8x16x24xf32>) {
  %0 = onnx.Constant dense<3> : tensor<1xi64>
  %1 = onnx.Unsqueeze(%C, %0) : (tensor<?x?x2x24xf32>, tensor<1xi64>) -> tensor<?x?x2x1x24xf32>
  %2 = onnx.Constant dense<[1, 1, 1, 4, 1]> : tensor<5xi64>
  %3 = onnx.Tile(%1, %2) : (tensor<?x?x2x1x24xf32>, tensor<5xi64>) -> tensor<?x?x2x4x24xf32>
  %4 = onnx.Shape(%C) {end = 2 : i64} : (tensor<?x?x2x24xf32>) -> tensor<2xi64>
  %5 = onnx.Constant dense<-1> : tensor<1xi64>
  %6 = onnx.Constant dense<24> : tensor<1xi64>
  %7 = onnx.Concat(%4, %5, %6) {axis = 0 : i64} : (tensor<2xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %8 = onnx.Reshape(%3, %7) : (tensor<?x?x2x4x24xf32>, tensor<4xi64>) -> tensor<?x?x8x24xf32>
  %9 = onnx.Constant dense<0> : tensor<1xi64>
  %10 = onnx.Constant dense<256> : tensor<i64>
  %11 = onnx.Shape(%ids) {end = 2 : i64, start = 1 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %12 = onnx.None : none
  %13 = onnx.Squeeze(%11, %12) : (tensor<1xi64>, none) -> tensor<i64>
  %14 = onnx.Mod(%13, %10) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %15 = onnx.Sub(%10, %14) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %16 = onnx.Mod(%15, %10) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %17 = onnx.Reshape(%16, %5) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %18 = onnx.Concat(%9, %9, %9, %9, %9, %17, %9, %9) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<8xi64>
  %19 = onnx.Constant dense<0.000000e+00> : tensor<f32>
  %20 = onnx.Pad(%8, %18, %19, %12) : (tensor<?x?x8x24xf32>, tensor<8xi64>, tensor<f32>, none) -> tensor<?x?x8x24xf32>
  %21 = onnx.Shape(%positions) {end = 1 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %22 = onnx.Constant dense<256> : tensor<1xi64>
  %23 = onnx.Constant dense<8> : tensor<1xi64>
  %24 = onnx.Concat(%21, %5, %22, %23, %6) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<5xi64>
  %25 = onnx.Reshape(%20, %24) {allowzero = 1 : i64} : (tensor<?x?x8x24xf32>, tensor<5xi64>) -> tensor<?x?x256x8x24xf32>
  %26 = onnx.Unsqueeze(%B, %0) : (tensor<?x?x2x24xf32>, tensor<1xi64>) -> tensor<?x?x2x1x24xf32>
  %27 = onnx.Tile(%26, %2) : (tensor<?x?x2x1x24xf32>, tensor<5xi64>) -> tensor<?x?x2x4x24xf32>
  %28 = onnx.Shape(%B) {end = 2 : i64} : (tensor<?x?x2x24xf32>) -> tensor<2xi64>
  %29 = onnx.Concat(%28, %5, %6) {axis = 0 : i64} : (tensor<2xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %30 = onnx.Reshape(%27, %29) : (tensor<?x?x2x4x24xf32>, tensor<4xi64>) -> tensor<?x?x8x24xf32>
  %31 = onnx.Pad(%30, %18, %19, %12) : (tensor<?x?x8x24xf32>, tensor<8xi64>, tensor<f32>, none) -> tensor<?x?x8x24xf32>
  %32 = onnx.Reshape(%31, %24) {allowzero = 1 : i64} : (tensor<?x?x8x24xf32>, tensor<5xi64>) -> tensor<?x?x256x8x24xf32>
  %33 = onnx.Einsum(%25, %32) {equation = "bclhn,bcshn->bclsh"} : (tensor<?x?x256x8x24xf32>, tensor<?x?x256x8x24xf32>) -> tensor<?x?x256x256x8xf32>
  %34 = onnx.Constant dense<true> : tensor<i1>
  %35 = onnx.Add(%13, %16) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %36 = onnx.Div(%35, %10) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %37 = onnx.Sign(%35) : (tensor<i64>) -> tensor<i64>
  %38 = onnx.Constant dense<1> : tensor<i64>
  %39 = onnx.Equal(%37, %38) : (tensor<i64>, tensor<i64>) -> tensor<i1>
  %40 = onnx.Not(%39) : (tensor<i1>) -> tensor<i1>
  %41 = onnx.Mod(%35, %10) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %42 = onnx.Cast(%41) {to = 9 : i64} : (tensor<i64>) -> tensor<i1>
  %43 = onnx.And(%40, %42) : (tensor<i1>, tensor<i1>) -> tensor<i1>
  %44 = onnx.Cast(%43) {to = 7 : i64} : (tensor<i1>) -> tensor<i64>
  %45 = onnx.Sub(%36, %44) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %46 = onnx.Div(%35, %45) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %47 = onnx.Sign(%45) : (tensor<i64>) -> tensor<i64>
  %48 = onnx.Equal(%37, %47) : (tensor<i64>, tensor<i64>) -> tensor<i1>
  %49 = onnx.Not(%48) : (tensor<i1>) -> tensor<i1>
  %50 = onnx.Mod(%35, %45) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %51 = onnx.Cast(%50) {to = 9 : i64} : (tensor<i64>) -> tensor<i1>
  %52 = onnx.And(%49, %51) : (tensor<i1>, tensor<i1>) -> tensor<i1>
  %53 = onnx.Cast(%52) {to = 7 : i64} : (tensor<i1>) -> tensor<i64>
  %54 = onnx.Sub(%46, %53) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %55 = onnx.Reshape(%54, %5) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %56 = onnx.Concat(%55, %55) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
  %57 = onnx.Expand(%34, %56) : (tensor<i1>, tensor<2xi64>) -> tensor<?x?xi1>
  %58 = onnx.Constant dense<0> : tensor<i64>
  %59 = onnx.Trilu(%57, %58) {upper = 0 : i64} : (tensor<?x?xi1>, tensor<i64>) -> tensor<?x?xi1>
  %60 = onnx.Not(%59) : (tensor<?x?xi1>) -> tensor<?x?xi1>
  %61 = onnx.Constant dense<0xFF800000> : tensor<f32>
  %62 = onnx.Constant dense<-1> : tensor<i64>
  %63 = onnx.Trilu(%57, %62) {upper = 0 : i64} : (tensor<?x?xi1>, tensor<i64>) -> tensor<?x?xi1>
  %64 = onnx.Not(%63) : (tensor<?x?xi1>) -> tensor<?x?xi1>
  %65 = onnx.Concat(%9, %9, %9, %9, %17, %9) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<6xi64>
  %66 = onnx.Pad(%a, %65, %19, %12) : (tensor<?x?x8xf32>, tensor<6xi64>, tensor<f32>, none) -> tensor<?x?x8xf32>
  %67 = onnx.Concat(%21, %5, %22, %23) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %68 = onnx.Reshape(%66, %67) {allowzero = 1 : i64} : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x256x8xf32>
  %69 = onnx.Transpose(%68) {perm = array<i64: 0, 3, 1, 2>} : (tensor<?x?x256x8xf32>) -> tensor<?x8x?x256xf32>
  %70 = onnx.Constant dense<4> : tensor<1xi64>
  %71 = onnx.Unsqueeze(%69, %70) : (tensor<?x8x?x256xf32>, tensor<1xi64>) -> tensor<?x8x?x256x1xf32>
  %72 = onnx.Reshape(%45, %5) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  %73 = onnx.Concat(%21, %23, %72, %55, %55) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<5xi64>
  %74 = onnx.Expand(%71, %73) : (tensor<?x8x?x256x1xf32>, tensor<5xi64>) -> tensor<?x8x?x256x?xf32>
  %75 = onnx.Where(%64, %19, %74) : (tensor<?x?xi1>, tensor<f32>, tensor<?x8x?x256x?xf32>) -> tensor<?x8x1x256x?xf32>
  %76 = onnx.Constant dense<-2> : tensor<i64>
  %77 = onnx.CumSum(%75, %76) : (tensor<?x8x1x256x?xf32>, tensor<i64>) -> tensor<?x8x1x256x?xf32>
  %78 = onnx.Where(%60, %61, %77) : (tensor<?x?xi1>, tensor<f32>, tensor<?x8x1x256x?xf32>) -> tensor<?x8x1x256x?xf32>
  %79 = onnx.Exp(%78) : (tensor<?x8x1x256x?xf32>) -> tensor<?x8x1x256x?xf32>
  %80 = onnx.Transpose(%79) {perm = array<i64: 0, 2, 3, 4, 1>} : (tensor<?x8x1x256x?xf32>) -> tensor<?x1x256x?x8xf32>
  %81 = onnx.Mul(%33, %80) : (tensor<?x?x256x256x8xf32>, tensor<?x1x256x?x8xf32>) -> tensor<?x?x256x256x8xf32>
  %82 = onnx.Pad(%xdt, %18, %19, %12) : (tensor<?x?x8x16xf32>, tensor<8xi64>, tensor<f32>, none) -> tensor<?x?x8x16xf32>
  %83 = onnx.Constant dense<16> : tensor<1xi64>
  %84 = onnx.Concat(%21, %5, %22, %23, %83) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<5xi64>
  %85 = onnx.Reshape(%82, %84) {allowzero = 1 : i64} : (tensor<?x?x8x16xf32>, tensor<5xi64>) -> tensor<?x?x256x8x16xf32>
  %86 = onnx.Einsum(%81, %85) {equation = "bclsh,bcshp->bclhp"} : (tensor<?x?x256x256x8xf32>, tensor<?x?x256x8x16xf32>) -> tensor<?x?x256x8x16xf32>
  %87 = onnx.Constant dense<[[false, true], [false, false]]> : tensor<2x2xi1>
  %88 = onnx.Constant dense<[[true, true], [false, true]]> : tensor<2x2xi1>
  %89 = onnx.CumSum(%69, %62) : (tensor<?x8x?x256xf32>, tensor<i64>) -> tensor<?x8x1x256xf32>
  %90 = onnx.Gather(%89, %62) {axis = 3 : i64} : (tensor<?x8x1x256xf32>, tensor<i64>) -> tensor<?x8x1xf32>
  %91 = onnx.Constant dense<[0, 0, 1, 0, 0, 0]> : tensor<6xi64>
  %92 = onnx.Pad(%90, %91, %12, %12) : (tensor<?x8x1xf32>, tensor<6xi64>, none, none) -> tensor<?x8x2xf32>
  %93 = onnx.Unsqueeze(%92, %0) : (tensor<?x8x2xf32>, tensor<1xi64>) -> tensor<?x8x2x1xf32>
  %94 = onnx.Constant dense<2> : tensor<1xi64>
  %95 = onnx.Concat(%21, %23, %94, %94) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %96 = onnx.Expand(%93, %95) : (tensor<?x8x2x1xf32>, tensor<4xi64>) -> tensor<?x8x2x2xf32>
  %97 = onnx.Where(%88, %19, %96) : (tensor<2x2xi1>, tensor<f32>, tensor<?x8x2x2xf32>) -> tensor<?x8x2x2xf32>
  %98 = onnx.CumSum(%97, %76) : (tensor<?x8x2x2xf32>, tensor<i64>) -> tensor<?x8x2x2xf32>
  %99 = onnx.Where(%87, %61, %98) : (tensor<2x2xi1>, tensor<f32>, tensor<?x8x2x2xf32>) -> tensor<?x8x2x2xf32>
  %100 = onnx.Exp(%99) : (tensor<?x8x2x2xf32>) -> tensor<?x8x2x2xf32>
  %101 = onnx.Transpose(%100) {perm = array<i64: 0, 3, 2, 1>} : (tensor<?x8x2x2xf32>) -> tensor<?x2x2x8xf32>
  %102 = onnx.Constant dense<1> : tensor<1xi64>
  %103 = onnx.Unsqueeze(%state, %102) : (tensor<?x8x16x24xf32>, tensor<1xi64>) -> tensor<?x1x8x16x24xf32>
  %104 = onnx.Constant dense<9223372036854775807> : tensor<1xi64>
  %105 = onnx.Slice(%89, %5, %104, %0, %102) : (tensor<?x8x1x256xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x8x1x1xf32>
  %106 = onnx.Sub(%105, %89) : (tensor<?x8x1x1xf32>, tensor<?x8x1x256xf32>) -> tensor<?x8x1x256xf32>
  %107 = onnx.Exp(%106) : (tensor<?x8x1x256xf32>) -> tensor<?x8x1x256xf32>
  %108 = onnx.Transpose(%107) {perm = array<i64: 0, 2, 3, 1>} : (tensor<?x8x1x256xf32>) -> tensor<?x1x256x8xf32>
  %109 = onnx.Unsqueeze(%108, %70) : (tensor<?x1x256x8xf32>, tensor<1xi64>) -> tensor<?x1x256x8x1xf32>
  %110 = onnx.Mul(%32, %109) : (tensor<?x?x256x8x24xf32>, tensor<?x1x256x8x1xf32>) -> tensor<?x?x256x8x24xf32>
  %111 = onnx.Einsum(%110, %85) {equation = "bclhn,bclhp->bchpn"} : (tensor<?x?x256x8x24xf32>, tensor<?x?x256x8x16xf32>) -> tensor<?x?x8x16x24xf32>
  %112 = onnx.Concat(%103, %111) {axis = 1 : i64} : (tensor<?x1x8x16x24xf32>, tensor<?x?x8x16x24xf32>) -> tensor<?x?x8x16x24xf32>
  %113 = onnx.Einsum(%101, %112) {equation = "bzch,bzhpn->bchpn"} : (tensor<?x2x2x8xf32>, tensor<?x?x8x16x24xf32>) -> tensor<?x2x8x16x24xf32>
  %114 = onnx.Slice(%113, %9, %5, %102, %102) : (tensor<?x2x8x16x24xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x1x8x16x24xf32>
  %115 = onnx.Einsum(%25, %114) {equation = "bclhn,bchpn->bclhp"} : (tensor<?x?x256x8x24xf32>, tensor<?x1x8x16x24xf32>) -> tensor<?x1x256x8x16xf32>
  %116 = onnx.Exp(%89) : (tensor<?x8x1x256xf32>) -> tensor<?x8x1x256xf32>
  %117 = onnx.Transpose(%116) {perm = array<i64: 0, 2, 3, 1>} : (tensor<?x8x1x256xf32>) -> tensor<?x1x256x8xf32>
  %118 = onnx.Unsqueeze(%117, %70) : (tensor<?x1x256x8xf32>, tensor<1xi64>) -> tensor<?x1x256x8x1xf32>
  %119 = onnx.Mul(%115, %118) : (tensor<?x1x256x8x16xf32>, tensor<?x1x256x8x1xf32>) -> tensor<?x1x256x8x16xf32>
  %120 = onnx.Add(%86, %119) : (tensor<?x?x256x8x16xf32>, tensor<?x1x256x8x16xf32>) -> tensor<?x?x256x8x16xf32>
  %121 = onnx.Concat(%21, %5, %23, %83) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %122 = onnx.Reshape(%120, %121) {allowzero = 1 : i64} : (tensor<?x?x256x8x16xf32>, tensor<4xi64>) -> tensor<?x?x8x16xf32>
  %123 = onnx.Constant dense<[[1.30265486], [1.07683825], [0.950844287], [1.116570e+00], [1.23672891], [1.0874877], [0.903172612], [0.750094234]]> : tensor<8x1xf32>
  %124 = onnx.Pad(%x, %18, %19, %12) : (tensor<?x?x8x16xf32>, tensor<8xi64>, tensor<f32>, none) -> tensor<?x?x8x16xf32>
  %125 = onnx.Mul(%123, %124) : (tensor<8x1xf32>, tensor<?x?x8x16xf32>) -> tensor<?x?x8x16xf32>
  %126 = onnx.Add(%122, %125) : (tensor<?x?x8x16xf32>, tensor<?x?x8x16xf32>) -> tensor<?x?x8x16xf32>
  %127 = onnx.Slice(%126, %9, %11, %102, %102) : (tensor<?x?x8x16xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x8x16xf32>
  %128 = onnx.Gather(%113, %62) {axis = 1 : i64} : (tensor<?x2x8x16x24xf32>, tensor<i64>) -> tensor<?x8x16x24xf32>
  return %127, %128 : tensor<?x?x8x16xf32>, tensor<?x8x16x24xf32>
}
