//===- Passes.td - level 4 to level 5 on the CPU -----------*- tablegen -*-===//

#ifndef HYBRID_TARGET_CPU_PASSES_TD
#define HYBRID_TARGET_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def ExpandMathPass : Pass<"hybrid-expand-math", "::mlir::func::FuncOp"> {
  let summary = "Replaces float32 exp, log, tanh, erf, … by polynomials";
  let description = [{
    Calls of the C library's functions cannot be vectorised; upstream's rational
    approximations can. float16 and bfloat16 functions are computed in float32.
    sin, cos and pow, whose approximations lose accuracy for large arguments, stay calls.

    Before:
    ```mlir
    %r = math.exp %x : f32
    ```
    After: `arith` and `math.fma` operations.
  }];
  let dependentDialects = ["::mlir::math::MathDialect", "::mlir::arith::ArithDialect",
                           "::mlir::vector::VectorDialect", "::mlir::amx::AMXDialect"];
}

def LowerToAbiPass : Pass<"hybrid-lower-to-abi", "::mlir::ModuleOp"> {
  let summary = "Gives kernels and entries the signatures of the runtime's ABI";
  let description = [{
    A kernel becomes `@<kernel>(ptr args, i64 block)`, which unpacks the launch's argument
    array and calls the kernel's body; parameters that are only written do not alias others.
    An entry becomes `@hybrid_<entry>(ptr context, ptr call)`: each `hybrid.launch`
    fills an argument array and calls the context's `launch`. `@hybrid_<entry>_shapes`
    computes the sizes of inputs and outputs. See include/hybrid/Runtime/ABI.h.

    Before:
    ```mlir
    hybrid.launch @k grid(%n) ins(%x : memref<?x64xf32>)
    ```
    After: stores of a pointer and a size, and an indirect `llvm.call`.

    With `for-device` the kernels are a GPU's: `@<kernel>(ptr args)` has the argument array as
    a parameter by value, takes the block's number from the hardware, and is marked
    `hybrid.device` for `hybrid-outline-device`; launches pass no function.
  }];
  let options = [
    Option<"forDevice", "for-device", "bool", "false", "kernels for a GPU">
  ];
  let statistics = [
    Statistic<"numSlots", "num-slots", "argument slots of all launches">
  ];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect", "::mlir::affine::AffineDialect"];
}

#endif // HYBRID_TARGET_CPU_PASSES_TD
