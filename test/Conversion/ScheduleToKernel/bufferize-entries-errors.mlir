// RUN: hybrid-opt %s --hybrid-bufferize-entries --split-input-file --verify-diagnostics

// expected-error @+1 {{every parameter and result of an entry needs hybrid.dims, one per dimension}}
func.func @no_dims(%x: tensor<4xf32> {hybrid.name = "x"}) attributes {hybrid.entry} {
  return
}

// -----

// expected-error @+1 {{every parameter and result of an entry needs hybrid.dims, one per dimension}}
func.func @rank() -> (tensor<4xf32> {hybrid.name = "y", hybrid.dims = [2, 2]}) attributes {hybrid.entry} {
  %0 = arith.constant dense<1.0> : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// expected-error @+1 {{every parameter and result of an entry needs hybrid.dims, one per dimension}}
func.func @scalar(%x: f32 {hybrid.name = "x", hybrid.dims = []}) attributes {hybrid.entry} {
  return
}

// -----

// No symbols at all.

// expected-error @+1 {{dimension "n" of ["n"] is not an expression over the module's hybrid.symbols}}
func.func @no_symbols(%x: tensor<?xf32> {hybrid.name = "x", hybrid.dims = ["n"]}) attributes {hybrid.entry} {
  return
}

// -----

module attributes {hybrid.symbols = [{name = "n", role = "dim", capacity = 8 : i64}]} {
  // expected-error @+1 {{dimension "n + m" of ["n + m"] is not an expression over the module's hybrid.symbols}}
  func.func @unknown_symbol(%x: tensor<?xf32> {hybrid.name = "x", hybrid.dims = ["n + m"]}) attributes {hybrid.entry} {
    return
  }
}

// -----

module attributes {hybrid.symbols = [{name = "n", role = "dim", capacity = 8 : i64}]} {
  // expected-error @+1 {{dimension "max(n" of ["max(n"] is not an expression}}
  func.func @syntax(%x: tensor<?xf32> {hybrid.name = "x", hybrid.dims = ["max(n"]}) attributes {hybrid.entry} {
    return
  }
}

// -----

module attributes {hybrid.symbols = [{name = "n", role = "dim", capacity = 8 : i64}]} {
  // expected-error @+1 {{dimension "n n" of ["n n"] is not an expression}}
  func.func @trailing_text(%x: tensor<?xf32> {hybrid.name = "x", hybrid.dims = ["n n"]}) attributes {hybrid.entry} {
    return
  }
}

// -----

// expected-error @+1 {{dimension "4 floordiv 0" of ["4 floordiv 0"] is not an expression}}
func.func @division_by_zero(%x: tensor<?xf32> {hybrid.name = "x", hybrid.dims = ["4 floordiv 0"]}) attributes {hybrid.entry} {
  return
}

// -----

module attributes {hybrid.symbols = [{name = "n", role = "dim", capacity = 8 : i64}]} {
  // expected-error @+1 {{dimension "n mod (1 - 1)" of ["n mod (1 - 1)"] is not an expression}}
  func.func @remainder_by_zero(%x: tensor<?xf32> {hybrid.name = "x", hybrid.dims = ["n mod (1 - 1)"]}) attributes {hybrid.entry} {
    return
  }
}

// -----

// expected-error @+1 {{dimension "2 - 3" of ["2 - 3"] is not an expression}}
func.func @negative(%x: tensor<?xf32> {hybrid.name = "x", hybrid.dims = ["2 - 3"]}) attributes {hybrid.entry} {
  return
}

// -----

// expected-error @+1 {{is not an expression}}
func.func @depth(%x: tensor<?xf32> {hybrid.name = "x", hybrid.dims = ["(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))"]}) attributes {hybrid.entry} {
  return
}

// -----

// expected-error @+1 {{dimension 1.500000e+00 : f64 of [1.500000e+00] is not an expression}}
func.func @number(%x: tensor<?xf32> {hybrid.name = "x", hybrid.dims = [1.5]}) attributes {hybrid.entry} {
  return
}

// -----

// The batch of a state has to be a symbol.

hybrid.state @c conv present "c1" : tensor<?x4xf32>
// expected-error @+1 {{dimension "batch" of ["batch", 4] is not an expression over the module's hybrid.symbols}}
func.func @state() attributes {hybrid.entry} {
  %c = hybrid.read_state @c : tensor<?x4xf32>
  hybrid.write_state %c, @c : tensor<?x4xf32>
  return
}
