// RUN: hybrid-opt %s --hybrid-specialize-kernels --split-input-file --verify-diagnostics

func.func private @k(%x: tensor<4xf32>, %o: tensor<4xf32>) -> tensor<4xf32> attributes {hybrid.kernel} {
  return %o : tensor<4xf32>
}
func.func @tensors(%x: tensor<4xf32>, %o: tensor<4xf32>) -> tensor<4xf32> attributes {hybrid.entry} {
  // expected-error @+1 {{has to be on memrefs and of a kernel that is one block}}
  %0 = hybrid.launch @k ins(%x : tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func private @k(tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> attributes {hybrid.kernel}
func.func @no_body(%x: memref<4xf32>, %o: memref<4xf32>) attributes {hybrid.entry} {
  // expected-error @+1 {{has to be on memrefs and of a kernel that is one block}}
  hybrid.launch @k ins(%x : memref<4xf32>) outs(%o : memref<4xf32>)
  return
}
