//===- CPUTarget.h - code for CPUs -------------------------------*- C++
//-*-===//

#ifndef HYBRID_TARGET_CPU_CPUTARGET_H
#define HYBRID_TARGET_CPU_CPUTARGET_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace hybrid {

/// What code is generated for.
struct CPUTarget {
  /// For example x86_64-unknown-linux-gnu.
  std::string triple;
  /// LLVM's name of the instruction set level: x86-64, x86-64-v3, generic, ….
  std::string cpu;
  /// What the code may use, LLVM's names without sign; the runtime refuses a
  /// machine that lacks one.
  std::vector<std::string> features;
  /// Width of the vectors that kernels are written with.
  unsigned vectorBits = 128;

  /// `spec` is what stands behind "cpu" in --target: empty or "native" for the
  /// machine that compiles; otherwise a level (x86-64, x86-64-v2, -v3, -v4,
  /// aarch64), then +feature or -feature, separated by commas.
  static llvm::Expected<CPUTarget> parse(llvm::StringRef spec);

  /// Whether there are tiles of bfloat16 (AMX), beside vectors of 512 bits.
  bool hasMatrixUnit() const;
};

/// Translates a module in the LLVM dialect and optimises it for `target`.
llvm::Expected<std::unique_ptr<llvm::Module>>
translateForCPU(mlir::ModuleOp module, llvm::LLVMContext &context,
                const CPUTarget &target, unsigned optLevel);

/// A relocatable ELF object.
llvm::Expected<llvm::SmallVector<char, 0>>
emitObject(llvm::Module &module, const CPUTarget &target, unsigned optLevel);

/// Links `object` to a shared object, in process, and returns its bytes.
/// C library functions stay undefined: the process that loads it has them.
llvm::Expected<llvm::SmallVector<char, 0>>
linkShared(llvm::ArrayRef<char> object, const CPUTarget &target);

} // namespace hybrid

#endif // HYBRID_TARGET_CPU_CPUTARGET_H
