//===- Manifest.h - the artifact's manifest ---------------------*- C++ -*-===//

#ifndef HYBRID_LIB_COMPILER_MANIFEST_H
#define HYBRID_LIB_COMPILER_MANIFEST_H

#include "hybrid/Target/CPU/CPUTarget.h"
#include "hybrid/Target/NVPTX/GPUTarget.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

#include <map>

namespace hybrid {

/// Bytes of the states of one sequence by kind, as the manifest names kinds: of
/// `length` tokens, or at full capacity.
std::map<std::string, int64_t>
getStateBytes(mlir::ModuleOp module,
              std::optional<int64_t> length = std::nullopt);

/// How many weights are stored as integers of 4 bits ("q4") and of 8 ("q8").
std::map<std::string, int64_t> countQuantizedWeights(mlir::ModuleOp module);

/// The manifest (docs/artifact.md) of a module at level 4, without what the
/// artifact writer adds. `model` becomes its "model" object. With `gpu` the
/// kernels are for it, and `target` runs the host program.
llvm::Expected<llvm::json::Object>
buildManifest(mlir::ModuleOp module, const CPUTarget &target,
              const std::optional<GPUTarget> &gpu, llvm::json::Object model);

} // namespace hybrid

#endif // HYBRID_LIB_COMPILER_MANIFEST_H
