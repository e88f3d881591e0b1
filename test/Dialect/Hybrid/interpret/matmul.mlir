// RUN: hybrid-opt %s --hybrid-interpret -o /dev/null | FileCheck %s

// Columns 0 and 1 lie in the first panel, column 2 in the second, which is filled up.
// CHECK: panels#0: 2x3 {{\[}}[21, 42, 3], [43, 86, 7]]
func.func @panels() -> tensor<2x3xf32> {
  %x = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %w = arith.constant dense<[[[1.0, 2.0], [10.0, 20.0]], [[1.0, 0.0], [1.0, 0.0]]]> : tensor<2x2x2xf32>
  %o = tensor.empty() : tensor<2x3xf32>
  %r = hybrid.matmul ins(%x, %w : tensor<2x2xf32>, tensor<2x2x2xf32>) outs(%o : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// Pieces of bf16 have 8 significant bits: 1 + 2^-10 + 2^-20 is three of them, in the
// first row and step of a tile.
// CHECK: pieces#0: 1x1x6x16x32 {{\[+}}1, 0, {{.*}}[0.000976562, 0, {{.*}}[9.53674e-07, 0, 
// The product has all bits again.
// CHECK: tiled#0: 1x1 {{\[}}[1.00098]]
func.func @pieces() -> tensor<1x1x6x16x32xbf16> {
  %x = arith.constant dense<0x3F802008> : tensor<1x1xf32>
  %o = tensor.empty() : tensor<1x1x6x16x32xbf16>
  %r = hybrid.pack_rows ins(%x : tensor<1x1xf32>) outs(%o : tensor<1x1x6x16x32xbf16>) -> tensor<1x1x6x16x32xbf16>
  return %r : tensor<1x1x6x16x32xbf16>
}
func.func @tiled() -> tensor<1x1xf32> {
  %x = arith.constant dense<0x3F802008> : tensor<1x1xf32>
  %o = tensor.empty() : tensor<1x1x6x16x32xbf16>
  %r = hybrid.pack_rows ins(%x : tensor<1x1xf32>) outs(%o : tensor<1x1x6x16x32xbf16>) -> tensor<1x1x6x16x32xbf16>
  %w = arith.constant dense<1.0> : tensor<1x1x1xf32>
  %p = tensor.empty() : tensor<1x1xf32>
  %y = hybrid.matmul ins(%r, %w : tensor<1x1x6x16x32xbf16>, tensor<1x1x1xf32>) outs(%p : tensor<1x1xf32>) -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// Numbers 1 and 2 in one column: of 8 bits around 128, of 4 bits around 8, low bits
// first, and of 8 bits as (3 - 1) · 2 and (5 - 1) · 2 with a zero point of 1.
// CHECK: bytes#0: 1x1 {{\[}}[21]]
// CHECK: halves#0: 1x1 {{\[}}[21]]
// CHECK: zeros#0: 1x1 {{\[}}[84]]
func.func @bytes() -> tensor<1x1xf32> {
  %x = arith.constant dense<[[1.0, 10.0]]> : tensor<1x2xf32>
  %w = arith.constant dense<[[[-127, -126, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 60]]]> : tensor<1x1x18xi8>
  %o = tensor.empty() : tensor<1x1xf32>
  %y = hybrid.matmul ins(%x, %w : tensor<1x2xf32>, tensor<1x1x18xi8>) outs(%o : tensor<1x1xf32>) {quantization = #hybrid.quantization<bits = 8, block = 16, scale = f16>} -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}
func.func @halves() -> tensor<1x1xf32> {
  %x = arith.constant dense<[[1.0, 10.0]]> : tensor<1x2xf32>
  %w = arith.constant dense<[[[-87, 9, 9, 9, 9, 9, 9, 9, 0, 60]]]> : tensor<1x1x10xi8>
  %o = tensor.empty() : tensor<1x1xf32>
  %y = hybrid.matmul ins(%x, %w : tensor<1x2xf32>, tensor<1x1x10xi8>) outs(%o : tensor<1x1xf32>) {quantization = #hybrid.quantization<bits = 4, block = 16, scale = f16>} -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}
func.func @zeros() -> tensor<1x1xf32> {
  %x = arith.constant dense<[[1.0, 10.0]]> : tensor<1x2xf32>
  %w = arith.constant dense<[[[3, 5, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 64, 1]]]> : tensor<1x1x19xi8>
  %o = tensor.empty() : tensor<1x1xf32>
  %y = hybrid.matmul ins(%x, %w : tensor<1x2xf32>, tensor<1x1x19xi8>) outs(%o : tensor<1x1xf32>) {quantization = #hybrid.quantization<bits = 8, block = 16, scale = f16, zero_points = true>} -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}
