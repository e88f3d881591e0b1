// RUN: hybrid-opt %s --hybrid-lower-to-abi --split-input-file --verify-diagnostics

module attributes {hybrid.symbols = [{name = "n", role = "dim", capacity = 64 : i64}]} {
  func.func private @k(%x: memref<?xf32>, %block: index) attributes {hybrid.kernel} {
    return
  }
  func.func @unknown_symbol(%arena: memref<?xi8>, %weights: memref<?xi8>) attributes {hybrid.entry, hybrid.inputs = [], hybrid.outputs = []} {
    %c0 = arith.constant 0 : index
    // expected-error @+1 {{symbol is not in the module's hybrid.symbols}}
    %m = hybrid.dim "m"
    %x = memref.view %arena[%c0][%m] : memref<?xi8> to memref<?xf32>
    hybrid.launch @k grid(%m) outs(%x : memref<?xf32>)
    return
  }
}

// -----

module attributes {hybrid.symbols = [{name = "n", role = "dim", capacity = 64 : i64}]} {
  // expected-error @+1 {{dimension "m" of ["m"] is not an expression over the module's hybrid.symbols}}
  func.func @unknown_dimension(%arena: memref<?xi8>, %weights: memref<?xi8>, %in: memref<?xi8>) attributes {hybrid.entry,
      hybrid.inputs = [{hybrid.name = "x", hybrid.dims = ["m"], hybrid.type = tensor<?xf32>}], hybrid.outputs = []} {
    return
  }
}

// -----

func.func private @k(%x: memref<4xf32>) attributes {hybrid.kernel} {
  return
}
func.func @no_grid(%arena: memref<?xi8>, %weights: memref<?xi8>) attributes {hybrid.entry, hybrid.inputs = [], hybrid.outputs = []} {
  %c0 = arith.constant 0 : index
  %x = memref.view %arena[%c0][] : memref<?xi8> to memref<4xf32>
  // expected-error @+1 {{needs a grid}}
  hybrid.launch @k outs(%x : memref<4xf32>)
  return
}

// -----

// expected-error @+1 {{entries and kernels have to be at level 4}}
func.func private @tensors(%x: tensor<4xf32>) -> tensor<4xf32> attributes {hybrid.kernel} {
  return %x : tensor<4xf32>
}

// -----

// expected-error @+1 {{entries and kernels have to be at level 4}}
func.func private @no_body(memref<4xf32>, index) attributes {hybrid.kernel}

// -----

// expected-error @+1 {{entries and kernels have to be at level 4}}
func.func @no_signature(%arena: memref<?xi8>, %weights: memref<?xi8>) attributes {hybrid.entry} {
  return
}
