// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-norms | FileCheck %s
// RUN: hybrid-opt %s --split-input-file --onnx-infer-shapes --onnx-raise-norms --remarks-filter="onnx-.*" --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// torch: Pow, Sqrt, Reciprocal.
// CHECK-LABEL: func.func @torch(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x64xf32>
// CHECK-SAME: %[[W:[^:]*]]: tensor<64xf32>
// CHECK-NEXT: %[[Y:.*]] = onnx.RMSNormalization(%[[X]], %[[W]]) {epsilon = 9.99999997E-7 : f32, onnx.opset = 23 : i64} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: return %[[Y]]
// REMARK: Passed{{.*}}onnx-raise-norms{{.*}}became RMSNormalization
func.func @torch(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]}, %w: tensor<64xf32> {onnx.dims = [64]}) -> tensor<?x64xf32> {
  %two = onnx.Constant dense<2.0> : tensor<f32>
  %epsilon = onnx.Constant dense<9.99999997E-7> : tensor<f32>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %square = onnx.Pow(%x, %two) : (tensor<?x64xf32>, tensor<f32>) -> tensor<?x64xf32>
  %mean = onnx.ReduceMean(%square, %last) : (tensor<?x64xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %sum = onnx.Add(%mean, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %root = onnx.Sqrt(%sum) : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %inverse = onnx.Reciprocal(%root) : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = onnx.Mul(%x, %inverse) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
  %y = onnx.Mul(%w, %n) : (tensor<64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// mobius: Mul, Sqrt, Div, here without a scale.
// CHECK-LABEL: func.func @mobius(
// CHECK: %[[ONE:.*]] = onnx.Constant dense<1.000000e+00> : tensor<1xf32>
// CHECK: onnx.RMSNormalization(%{{.*}}, %[[ONE]])
// REMARK: Passed{{.*}}became RMSNormalization
func.func @mobius(%x: tensor<?x6xf32> {onnx.dims = ["n", 6]}) -> tensor<?x6xf32> {
  %epsilon = onnx.Constant dense<9.99999997E-7> : tensor<f32>
  %last = onnx.Constant dense<1> : tensor<1xi64>
  %square = onnx.Mul(%x, %x) : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  %mean = onnx.ReduceMean(%square, %last) : (tensor<?x6xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %sum = onnx.Add(%epsilon, %mean) : (tensor<f32>, tensor<?x1xf32>) -> tensor<?x1xf32>
  %root = onnx.Sqrt(%sum) : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = onnx.Div(%x, %root) : (tensor<?x6xf32>, tensor<?x1xf32>) -> tensor<?x6xf32>
  return %n : tensor<?x6xf32>
}

// -----

// In 16 bits: what is cast to float32 and back is normalised; the scale is the
// 16-bit one behind.
// CHECK-LABEL: func.func @half(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x64xf16>
// CHECK-SAME: %[[W:[^:]*]]: tensor<64xf16>
// CHECK-NEXT: onnx.RMSNormalization(%[[X]], %[[W]]) {{.*}} : (tensor<?x64xf16>, tensor<64xf16>) -> tensor<?x64xf16>
// CHECK-NEXT: return
// REMARK: Passed{{.*}}became RMSNormalization
func.func @half(%x: tensor<?x64xf16> {onnx.dims = ["n", 64]}, %w: tensor<64xf16> {onnx.dims = [64]}) -> tensor<?x64xf16> {
  %power = onnx.Constant dense<-0.5> : tensor<f32>
  %two = onnx.Constant dense<2.0> : tensor<f32>
  %epsilon = onnx.Constant dense<9.99999974E-6> : tensor<f32>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %wide = onnx.Cast(%x) {to = 1 : i64} : (tensor<?x64xf16>) -> tensor<?x64xf32>
  %square = onnx.Pow(%wide, %two) : (tensor<?x64xf32>, tensor<f32>) -> tensor<?x64xf32>
  %mean = onnx.ReduceMean(%square, %last) : (tensor<?x64xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %sum = onnx.Add(%mean, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %inverse = onnx.Pow(%sum, %power) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %n = onnx.Mul(%wide, %inverse) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
  %narrow = onnx.Cast(%n) {to = 10 : i64} : (tensor<?x64xf32>) -> tensor<?x64xf16>
  %y = onnx.Mul(%w, %narrow) : (tensor<64xf16>, tensor<?x64xf16>) -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

// CHECK-LABEL: func.func @layer(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x64xf32> {{{[^}]*}}}, %[[W:[^:]*]]: tensor<64xf32> {{{[^}]*}}}, %[[B:[^:]*]]: tensor<64xf32>
// CHECK-NEXT: %[[Y:.*]], %{{.*}}, %{{.*}} = onnx.LayerNormalization(%[[X]], %[[W]], %[[B]]) {epsilon = 9.99999997E-7 : f32, onnx.opset = 17 : i64}
// CHECK-NEXT: return %[[Y]]
// REMARK: Passed{{.*}}became LayerNormalization
func.func @layer(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]}, %w: tensor<64xf32> {onnx.dims = [64]}, %b: tensor<64xf32> {onnx.dims = [64]}) -> tensor<?x64xf32> {
  %two = onnx.Constant dense<2.0> : tensor<f32>
  %one = onnx.Constant dense<1.0> : tensor<f32>
  %epsilon = onnx.Constant dense<9.99999997E-7> : tensor<f32>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %average = onnx.ReduceMean(%x, %last) : (tensor<?x64xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %centred = onnx.Sub(%x, %average) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
  %square = onnx.Pow(%centred, %two) : (tensor<?x64xf32>, tensor<f32>) -> tensor<?x64xf32>
  %mean = onnx.ReduceMean(%square, %last) : (tensor<?x64xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %sum = onnx.Add(%mean, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %root = onnx.Sqrt(%sum) : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %inverse = onnx.Div(%one, %root) : (tensor<f32>, tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = onnx.Mul(%centred, %inverse) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
  %scaled = onnx.Mul(%n, %w) : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %y = onnx.Add(%scaled, %b) : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// A gate is no scale per channel: it stays a product.
// CHECK-LABEL: func.func @gate(
// CHECK: %[[N:.*]] = onnx.RMSNormalization(
// CHECK-NEXT: onnx.Mul(%[[N]],
// REMARK: Passed{{.*}}became RMSNormalization
func.func @gate(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]}, %z: tensor<?x64xf32> {onnx.dims = ["n", 64]}) -> tensor<?x64xf32> {
  %epsilon = onnx.Constant dense<9.99999974E-6> : tensor<f32>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %square = onnx.Mul(%x, %x) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %mean = onnx.ReduceMean(%square, %last) : (tensor<?x64xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %sum = onnx.Add(%mean, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %root = onnx.Sqrt(%sum) : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = onnx.Div(%x, %root) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
  %y = onnx.Mul(%n, %z) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @other_axis(
// CHECK-NOT: Normalization
// REMARK: Missed{{.*}}the mean of squares is not over the last dimension, kept as 1
func.func @other_axis(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]}) -> tensor<?x64xf32> {
  %epsilon = onnx.Constant dense<9.99999974E-6> : tensor<f32>
  %first = onnx.Constant dense<0> : tensor<1xi64>
  %square = onnx.Mul(%x, %x) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %mean = onnx.ReduceMean(%square, %first) : (tensor<?x64xf32>, tensor<1xi64>) -> tensor<1x64xf32>
  %sum = onnx.Add(%mean, %epsilon) : (tensor<1x64xf32>, tensor<f32>) -> tensor<1x64xf32>
  %root = onnx.Sqrt(%sum) : (tensor<1x64xf32>) -> tensor<1x64xf32>
  %n = onnx.Div(%x, %root) : (tensor<?x64xf32>, tensor<1x64xf32>) -> tensor<?x64xf32>
  return %n : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @epsilon_outside(
// CHECK-NOT: Normalization
// REMARK: Missed{{.*}}the mean of squares is not only used in a sum with epsilon
func.func @epsilon_outside(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]}) -> tensor<?x64xf32> {
  %epsilon = onnx.Constant dense<9.99999974E-6> : tensor<f32>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %square = onnx.Mul(%x, %x) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %mean = onnx.ReduceMean(%square, %last) : (tensor<?x64xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %root = onnx.Sqrt(%mean) : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %sum = onnx.Add(%root, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %n = onnx.Div(%x, %sum) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
  return %n : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @epsilon_varies(
// CHECK-NOT: Normalization
// REMARK: Missed{{.*}}epsilon is not a constant
func.func @epsilon_varies(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]}, %epsilon: tensor<f32> {onnx.dims = []}) -> tensor<?x64xf32> {
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %square = onnx.Mul(%x, %x) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %mean = onnx.ReduceMean(%square, %last) : (tensor<?x64xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %sum = onnx.Add(%mean, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %root = onnx.Sqrt(%sum) : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = onnx.Div(%x, %root) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
  return %n : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @root_is_used(
// CHECK-NOT: Normalization
// REMARK: Missed{{.*}}the root is not only used as a divisor
func.func @root_is_used(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]}) -> (tensor<?x64xf32>, tensor<?x1xf32>) {
  %epsilon = onnx.Constant dense<9.99999974E-6> : tensor<f32>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %square = onnx.Mul(%x, %x) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %mean = onnx.ReduceMean(%square, %last) : (tensor<?x64xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %sum = onnx.Add(%mean, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %root = onnx.Sqrt(%sum) : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = onnx.Div(%x, %root) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
  return %n, %root : tensor<?x64xf32>, tensor<?x1xf32>
}

// -----

// CHECK-LABEL: func.func @other_dividend(
// CHECK-NOT: Normalization
// REMARK: Missed{{.*}}what is divided is not what was squared
func.func @other_dividend(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]}, %y: tensor<?x64xf32> {onnx.dims = ["n", 64]}) -> tensor<?x64xf32> {
  %epsilon = onnx.Constant dense<9.99999974E-6> : tensor<f32>
  %last = onnx.Constant dense<-1> : tensor<1xi64>
  %square = onnx.Mul(%x, %x) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %mean = onnx.ReduceMean(%square, %last) : (tensor<?x64xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %sum = onnx.Add(%mean, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %root = onnx.Sqrt(%sum) : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %n = onnx.Div(%y, %root) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
  return %n : tensor<?x64xf32>
}
