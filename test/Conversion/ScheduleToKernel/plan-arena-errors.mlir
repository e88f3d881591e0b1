// RUN: hybrid-opt %s --hybrid-plan-arena --split-input-file --verify-diagnostics

module attributes {hybrid.symbols = []} {
  func.func @unbounded(%arena: memref<?xi8>, %weights: memref<?xi8>, %n: index) attributes {hybrid.entry} {
    // expected-error @+1 {{a buffer of type 'memref<?xf32>' has no bound at the symbols' capacities}}
    %a = memref.alloc(%n) : memref<?xf32>
    return
  }
}

// -----

module attributes {hybrid.symbols = [{name = "n", role = "dim", capacity = 4611686018427387904 : i64}]} {
  func.func @huge(%arena: memref<?xi8>, %weights: memref<?xi8>) attributes {hybrid.entry} {
    %n = hybrid.dim "n"
    // expected-error @+1 {{would exceed 64 TiB at the symbols' capacities; compile with smaller ones}}
    %a = memref.alloc(%n) : memref<?xf32>
    return
  }
}
