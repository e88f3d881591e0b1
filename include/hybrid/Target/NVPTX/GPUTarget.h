//===- GPUTarget.h - code for NVIDIA GPUs ------------------------*- C++
//-*-===//

#ifndef HYBRID_TARGET_NVPTX_GPUTARGET_H
#define HYBRID_TARGET_NVPTX_GPUTARGET_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>

namespace hybrid {

/// What code is generated for.
struct GPUTarget {
  /// LLVM's and ptxas's name: sm_80, sm_90a, ….
  std::string arch;
  /// The PTX version to write, times ten: 80 is PTX 8.0.
  unsigned ptxVersion = 80;
  /// Bytes of shared memory that a block may have.
  int64_t maxShared = 0;

  /// `spec` is what stands behind "cuda" in --target: an architecture.
  static llvm::Expected<GPUTarget> parse(llvm::StringRef spec);
};

/// Translates the device's module, in the LLVM dialect, optimises it and
/// returns its PTX. An error names the functions that nothing defines.
llvm::Expected<std::string> emitPTX(mlir::ModuleOp module,
                                    const GPUTarget &target, unsigned optLevel);

/// NVIDIA's assembler, on PATH, in $CUDA_HOME or in /usr/local/cuda; nothing if
/// there is none.
std::optional<std::string> findPtxas();

/// Assembles PTX to machine code. `log` gets what ptxas says of registers,
/// spills and shared memory.
llvm::Expected<llvm::SmallVector<char, 0>> assemble(llvm::StringRef ptxas,
                                                    llvm::StringRef ptx,
                                                    const GPUTarget &target,
                                                    std::string &log);

} // namespace hybrid

#endif // HYBRID_TARGET_NVPTX_GPUTARGET_H
