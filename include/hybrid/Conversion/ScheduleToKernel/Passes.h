//===- Passes.h - level 3 to level 4 -----------------------------*- C++
//-*-===//

#ifndef HYBRID_CONVERSION_SCHEDULETOKERNEL_PASSES_H
#define HYBRID_CONVERSION_SCHEDULETOKERNEL_PASSES_H

#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace hybrid {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "hybrid/Conversion/ScheduleToKernel/Passes.h.inc"

/// Entry parameters after bufferisation: arena, weights, then inputs, outputs
/// and states.
inline constexpr unsigned kArenaParam = 0, kWeightsParam = 1,
                          kFirstBufferParam = 2;

/// Module attributes that later stages and the manifest read.
inline constexpr llvm::StringLiteral kWeightsAttr = "hybrid.weights";
inline constexpr llvm::StringLiteral kArenaBytesAttr = "hybrid.arena_bytes";
/// On entries after bufferisation: dictionaries of the former parameters and
/// results (name, dims, type, role, …), for the manifest.
inline constexpr llvm::StringLiteral kInputsAttr = "hybrid.inputs";
inline constexpr llvm::StringLiteral kOutputsAttr = "hybrid.outputs";

/// On kernels for GPUs (i64): threads of a block, and the bytes of shared
/// memory that it uses.
inline constexpr llvm::StringLiteral kThreadsAttr = "hybrid.threads";
inline constexpr llvm::StringLiteral kSharedBytesAttr = "hybrid.shared_bytes";

/// On a contraction (a unit attribute): its operands lie in a near cache, so
/// that reading one again costs little.
inline constexpr llvm::StringLiteral kInCacheAttr = "hybrid.in_cache";

/// Rows of a block whose products run on matrix units: each cuts weights into
/// pieces for itself.
inline constexpr int64_t kMatrixUnitRows = 256;

/// The sizes that the `hybrid.dims` attribute `dims` states: integers, and
/// expressions over symbols, whose values `symbol` gives (null: no such one).
/// Emits an error at `loc` if a dimension is neither.
mlir::FailureOr<llvm::SmallVector<mlir::OpFoldResult>>
buildDims(mlir::OpBuilder &builder, mlir::Location loc, mlir::ArrayAttr dims,
          llvm::function_ref<mlir::Value(llvm::StringRef)> symbol);

} // namespace hybrid

#endif // HYBRID_CONVERSION_SCHEDULETOKERNEL_PASSES_H
