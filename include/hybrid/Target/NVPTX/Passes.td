//===- Passes.td - level 4 to level 5 on NVIDIA GPUs -------*- tablegen -*-===//

#ifndef HYBRID_TARGET_NVPTX_PASSES_TD
#define HYBRID_TARGET_NVPTX_PASSES_TD

include "mlir/Pass/PassBase.td"

def MoveConstantsPass : Pass<"hybrid-move-constants", "::mlir::ModuleOp"> {
  let summary = "Moves the constants of entries to the weights";
  let description = [{
    For targets that do not see the host program's memory: what an entry has as a global
    constant becomes a view of the weights section, whose description in `hybrid.weights`
    carries the data itself.

    Before:
    ```mlir
    %c = memref.get_global @__constant_8xf32 : memref<8xf32>
    ```
    After:
    ```mlir
    %c = memref.view %weights[%c256][] : memref<?xi8> to memref<8xf32>
    ```
  }];
  let statistics = [
    Statistic<"numConstants", "num-constants", "different constants moved">
  ];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

def SeparateDecodePass : Pass<"hybrid-separate-decode", "::mlir::ModuleOp"> {
  let summary = "Gives the entry decode kernels of its own";
  let description = [{
    Kernels that `decode` shares with another entry are cloned, and all of its kernels marked
    `hybrid.few_rows`: hybrid-tile-to-grid cuts their products for one token of each sequence.

    Before:
    ```mlir
    func.func @prefill(%x: memref<?xf32>) attributes {hybrid.entry} {
      hybrid.launch @k ins(%x : memref<?xf32>)
      return
    }
    func.func @decode(%x: memref<?xf32>) attributes {hybrid.entry} {
      hybrid.launch @k ins(%x : memref<?xf32>)
      return
    }
    ```
    After:
    ```mlir
    func.func @prefill(%x: memref<?xf32>) attributes {hybrid.entry} {
      hybrid.launch @k ins(%x : memref<?xf32>)
      return
    }
    func.func @decode(%x: memref<?xf32>) attributes {hybrid.entry} {
      hybrid.launch @k_decode ins(%x : memref<?xf32>)
      return
    }
    ```
  }];
  let statistics = [
    Statistic<"numCloned", "num-cloned", "kernels cloned">
  ];
}

def ExpandDeviceMathPass : Pass<"hybrid-expand-device-math", "::mlir::func::FuncOp"> {
  let summary = "Replaces math functions by what a GPU has instructions for";
  let description = [{
    There is no library of functions on the device. float32 exp becomes a power of two of
    the hardware with the product's rounding error put back (2 ulp); sin and cos a polynomial behind a
    reduction in float64 (2 ulp up to 2^30); log, tanh, erf, … upstream's rational approximations, as on the
    CPU; pow is exp(y · log x). float16 and bfloat16
    functions are computed in float32.

    Before:
    ```mlir
    %r = math.exp %x : f32
    ```
    After: `arith` and `math.fma` operations and `math.exp2` with the flag `afn`.
  }];
  let statistics = [
    Statistic<"numExpanded", "num-expanded", "exp, sin, cos and pow replaced">
  ];
  let dependentDialects = ["::mlir::math::MathDialect", "::mlir::arith::ArithDialect",
                           "::mlir::vector::VectorDialect"];
}

def OutlineDevicePass : Pass<"hybrid-outline-device", "::mlir::ModuleOp"> {
  let summary = "Moves a GPU's kernels into a module of their own";
  let description = [{
    Functions marked `hybrid.device` move to the nested module `@device`, which becomes
    an image (PTX, cubin); what stays is the host program.

    Before:
    ```mlir
    module {
      func.func @k(%args: !llvm.ptr {llvm.byval = !llvm.array<2 x i64>}) attributes {hybrid.device, nvvm.kernel} {
        return
      }
    }
    ```
    After:
    ```mlir
    module {
      module @device {
        func.func @k(%args: !llvm.ptr {llvm.byval = !llvm.array<2 x i64>}) attributes {nvvm.kernel} {
          return
        }
      }
    }
    ```
  }];
  let statistics = [
    Statistic<"numOutlined", "num-outlined", "functions moved">
  ];
}

def LowerDeviceOpsPass : Pass<"hybrid-lower-device-ops", "::mlir::ModuleOp"> {
  let summary = "Turns thread numbers, barriers and shuffles into NVVM operations";
  let description = [{
    For the operations that hybrid-distribute-threads makes, on 32- and 64-bit values. Shared
    memory becomes a global array of unknown size, whose size a launch states.

    Before:
    ```mlir
    gpu.barrier
    ```
    After:
    ```mlir
    nvvm.barrier0
    ```
  }];
  let statistics = [
    Statistic<"numLowered", "num-lowered", "operations replaced">
  ];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect",
                           "::mlir::arith::ArithDialect", "::mlir::vector::VectorDialect"];
}

#endif // HYBRID_TARGET_NVPTX_PASSES_TD
