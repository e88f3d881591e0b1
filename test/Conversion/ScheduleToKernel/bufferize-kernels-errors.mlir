// RUN: hybrid-opt %s --pass-pipeline='builtin.module(func.func(hybrid-bufferize-kernels))' --verify-diagnostics

func.func private @too_large(%x: memref<131072xf32>, %o: memref<131072xf32>) attributes {hybrid.kernel} {
  %in = bufferization.to_tensor %x restrict : memref<131072xf32> to tensor<131072xf32>
  %out = bufferization.to_tensor %o restrict writable : memref<131072xf32> to tensor<131072xf32>
  // expected-error @+1 {{a kernel's block needs more than 262144 bytes between its operations}}
  %e = tensor.empty() : tensor<131072xf32>
  %t = hybrid.cumsum ins(%in : tensor<131072xf32>) outs(%e : tensor<131072xf32>) {axis = 0 : i64} -> tensor<131072xf32>
  %r = hybrid.cumsum ins(%t : tensor<131072xf32>) outs(%out : tensor<131072xf32>) {axis = 0 : i64} -> tensor<131072xf32>
  bufferization.materialize_in_destination %r in restrict writable %o : (tensor<131072xf32>, memref<131072xf32>) -> ()
  return
}
