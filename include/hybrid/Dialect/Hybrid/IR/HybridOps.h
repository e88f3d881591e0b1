//===- HybridOps.h - the hybrid dialect --------------------------*- C++
//-*-===//
//
// Dialect, attributes, interfaces and operations. docs/Dialects/Hybrid.md holds
// the rationale, dialects/Hybrid/*.td the operations' meaning.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_DIALECT_HYBRID_IR_HYBRIDOPS_H
#define HYBRID_DIALECT_HYBRID_IR_HYBRIDOPS_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/TilingInterface.h"

namespace hybrid {

/// What an operation costs; see CostModelInterface.
struct Cost {
  /// Floating-point operations; a fused multiply-add counts two.
  double flops = 0;
  /// Exponentials and other transcendental functions.
  double exps = 0;
  /// Bytes of operands read, and of results written, once each.
  double bytesRead = 0, bytesWritten = 0;
  /// Bytes of states among them, counted in both of the above.
  double stateBytes = 0;

  Cost &operator+=(const Cost &other) {
    flops += other.flops;
    exps += other.exps;
    bytesRead += other.bytesRead;
    bytesWritten += other.bytesWritten;
    stateBytes += other.stateBytes;
    return *this;
  }
};

} // namespace hybrid

#include "dialects/Hybrid/HybridDialect.h.inc"
#include "dialects/Hybrid/HybridEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Hybrid/HybridAttributes.h.inc"

#include "dialects/Hybrid/HybridInterfaces.h.inc"

#define GET_OP_CLASSES
#include "dialects/Hybrid/HybridOps.h.inc"

namespace hybrid {

/// Marks entry functions (a unit attribute).
inline constexpr llvm::StringLiteral kEntryAttr = "hybrid.entry";
/// On the module: its symbols, dictionaries {name, role, capacity}.
inline constexpr llvm::StringLiteral kSymbolsAttr = "hybrid.symbols";

/// Whether `op`, a computation or a launch, uses the old value of its
/// destination `operand`: the states of scan and causal_conv, the cache of
/// cache_append, and what a kernel does not declare `hybrid.writeonly`. False
/// for operands that are no destination.
bool readsDestination(mlir::Operation *op, mlir::OpOperand &operand);

/// hybrid.pack_rows: rows that lie together, two tiles of 16, and the length of
/// a tile.
inline constexpr int64_t kTileGroupRows = 32, kTileStep = 32;
/// Pieces of bfloat16 of a number of `type` there; 0: it is cut into none.
int64_t getNumPieces(mlir::Type type);

} // namespace hybrid

#endif // HYBRID_DIALECT_HYBRID_IR_HYBRIDOPS_H
