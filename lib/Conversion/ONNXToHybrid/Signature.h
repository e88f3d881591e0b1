//===- Signature.h - arguments, results and symbols of entries --*- C++ -*-===//

#ifndef HYBRID_LIB_CONVERSION_ONNXTOHYBRID_SIGNATURE_H
#define HYBRID_LIB_CONVERSION_ONNXTOHYBRID_SIGNATURE_H

#include "hybrid/Dialect/ONNX/Transforms/SymbolicShape.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/StringMap.h"

#include <optional>
#include <utility>

namespace hybrid {

/// Capacities that the user gives.
struct Capacities {
  int64_t batch = 8, seq = 2048, context = 4096, other = 4096;
  llvm::StringMap<int64_t> byName;
};

/// The values that an integer input may have, because they index tables, and
/// the number of rows of the tables that are indexed by position.
struct InputRange {
  std::optional<std::pair<int64_t, int64_t>> range;
  std::optional<int64_t> positions;
};
InputRange findInputRange(mlir::Value input,
                          const onnx::SymbolicShapes &symbols);

/// The most positions that the tables allow which tokens' positions index;
/// INT64_MAX if there are none.
int64_t findMaxPositions(mlir::func::FuncOp func,
                         const onnx::SymbolicShapes &symbols);

/// `hybrid.dims` for `shape`: integers, names, expressions.
mlir::ArrayAttr getDimsAttr(mlir::MLIRContext *context,
                            llvm::ArrayRef<mlir::AffineExpr> shape,
                            const onnx::SymbolicShapes &symbols);

/// Collects `hybrid.symbols` over all entries.
class SymbolTableBuilder {
public:
  SymbolTableBuilder(const Capacities &capacities) : capacities(capacities) {}

  /// Adds the symbols of the shapes of `func`'s inputs, whose roles its
  /// attribute `onnx.roles` gives. `context` is the capacity for past + seq, as
  /// far as `func` has positions.
  void add(mlir::func::FuncOp func, const onnx::SymbolicShapes &symbols,
           int64_t context);
  mlir::ArrayAttr build(mlir::MLIRContext *context) const;

private:
  struct Entry {
    std::string name;
    llvm::StringRef role;
    int64_t capacity;
  };
  const Capacities &capacities;
  llvm::SmallVector<Entry> entries;
};

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_ONNXTOHYBRID_SIGNATURE_H
