// RUN: hybrid-opt %s --hybrid-lower-device-ops --verify-diagnostics --split-input-file

func.func @dimension() -> index {
  // expected-error @below {{blocks have one dimension}}
  %id = gpu.thread_id y
  return %id : index
}

// -----

func.func @bits(%x: f16, %from: i32) -> f16 {
  %width = arith.constant 32 : i32
  // expected-error @below {{shuffles move 32 or 64 bits, not 'f16'}}
  %a, %v = gpu.shuffle xor %x, %from, %width : f16
  return %a : f16
}
