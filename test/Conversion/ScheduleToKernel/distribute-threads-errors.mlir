// RUN: hybrid-opt %s --hybrid-distribute-threads=max-shared=1024 --verify-diagnostics

// expected-error @below {{a block needs 4096 bytes of shared memory, the device has 1024: smaller tiles are needed}}
func.func @large(%x: memref<1024xf32>) attributes {hybrid.kernel} {
  %t = memref.alloca() : memref<1024xf32>
  linalg.copy ins(%x : memref<1024xf32>) outs(%t : memref<1024xf32>)
  return
}
