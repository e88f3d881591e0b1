// RUN: hybrid-opt %s --hybrid-bufferize-kernels --split-input-file --verify-diagnostics

func.func private @unbounded(%x: memref<?xf32>, %o: memref<?xf32>, %n: index) attributes {hybrid.kernel} {
  %xt = bufferization.to_tensor %x restrict : memref<?xf32> to tensor<?xf32>
  %ot = bufferization.to_tensor %o restrict writable : memref<?xf32> to tensor<?xf32>
  // expected-error @+1 {{a buffer inside a kernel has no static bound: 'memref<?xf32>'}}
  %e = tensor.empty(%n) : tensor<?xf32>
  %0 = hybrid.cumsum ins(%xt : tensor<?xf32>) outs(%e : tensor<?xf32>) {axis = 0 : i64} -> tensor<?xf32>
  %1 = hybrid.cumsum ins(%0 : tensor<?xf32>) outs(%ot : tensor<?xf32>) {axis = 0 : i64} -> tensor<?xf32>
  bufferization.materialize_in_destination %1 in restrict writable %o : (tensor<?xf32>, memref<?xf32>) -> ()
  return
}

// -----

// 256 KiB are the most, all buffers together.

func.func private @large(%x: memref<40000xf32>, %o: memref<40000xf32>) attributes {hybrid.kernel} {
  %xt = bufferization.to_tensor %x restrict : memref<40000xf32> to tensor<40000xf32>
  %ot = bufferization.to_tensor %o restrict writable : memref<40000xf32> to tensor<40000xf32>
  %e = tensor.empty() : tensor<40000xf32>
  // expected-error @+1 {{a kernel's block needs more than 262144 bytes between its operations: 'memref<40000xf32>'}}
  %f = tensor.empty() : tensor<40000xf32>
  %0 = hybrid.cumsum ins(%xt : tensor<40000xf32>) outs(%e : tensor<40000xf32>) {axis = 0 : i64} -> tensor<40000xf32>
  %1 = hybrid.cumsum ins(%0 : tensor<40000xf32>) outs(%f : tensor<40000xf32>) {axis = 0 : i64} -> tensor<40000xf32>
  %2 = hybrid.cumsum ins(%1 : tensor<40000xf32>) outs(%ot : tensor<40000xf32>) {axis = 0 : i64} -> tensor<40000xf32>
  bufferization.materialize_in_destination %2 in restrict writable %o : (tensor<40000xf32>, memref<40000xf32>) -> ()
  return
}
