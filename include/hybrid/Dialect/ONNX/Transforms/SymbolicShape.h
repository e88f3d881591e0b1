//===- SymbolicShape.h - Symbolic shapes of an ONNX graph -------*- C++ -*-===//
//
// Every dimension of every tensor, and every element of small integer tensors,
// as an affine (or semi-affine) expression over named symbols.
//
// Expressions hold symbols and constants only, never `d0`-like dimensions.
// Two expressions built by one SymbolicShapes are equal for all values of the
// symbols if they are the same pointer; `isEqual` also tries harder.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_DIALECT_ONNX_TRANSFORMS_SYMBOLICSHAPE_H
#define HYBRID_DIALECT_ONNX_TRANSFORMS_SYMBOLICSHAPE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace hybrid::onnx {

/// What is known about a graph beyond the graph.
struct SymbolicShapeOptions {
  /// Name of a dimension → expression over other names, for example
  /// {"total_sequence_length", "past_sequence_length + sequence_length"}.
  /// Operators: + - * floordiv mod ( ), `//` for floordiv, `%` for mod.
  std::map<std::string, std::string> bindings;
  /// Smallest value of a named dimension. Without an entry: 1 for dimensions
  /// of integer graph inputs of rank ≤ 2 (tokens, positions, masks) and for
  /// dimension 0 (the batch) of every input; 0 for all others (a state may be
  /// empty).
  std::map<std::string, int64_t> minimums;
};

/// How a symbol gets its value at run time.
struct SymbolInfo {
  enum class Kind {
    /// Dimension `index` of the function argument `value`, minus `lhs` if set
    /// (`lhs` holds only symbols of smaller number). This is what a graph input
    /// whose dimension is called "past + seq" gives, where "seq" is known.
    InputDim,
    /// Dimension `index` of `value`, which depends on data (NonZero, …).
    ValueDim,
    /// Element `index` (row-major) of the integer tensor `value`.
    Element,
    /// The larger of `lhs` and `rhs`.
    Max,
    /// The smaller of `lhs` and `rhs`.
    Min,
  };
  Kind kind;
  /// The name in the file, or a made-up one ("max0", "unknown1", …); unique.
  std::string name;
  mlir::Value value;
  int64_t index = 0;
  mlir::AffineExpr lhs, rhs;
  /// The symbol is never below this.
  int64_t minimum = 0;
};

/// Shapes and small integer values of everything in one function.
///
/// The result refers to values of the function as it was when it was analysed:
/// it stays valid for values that are not erased, and knows nothing about
/// values created later. Values inside the regions of If, Loop and Scan are
/// covered; in a loop an expression holds for every iteration.
class SymbolicShapes {
public:
  /// Analyses `func`, whose arguments carry `onnx.dims`. Emits an error at each
  /// operator whose operands provably cannot have the right shapes and then
  /// fails.
  static mlir::FailureOr<SymbolicShapes>
  compute(mlir::func::FuncOp func, const SymbolicShapeOptions &options = {});

  SymbolicShapes(SymbolicShapes &&);
  SymbolicShapes &operator=(SymbolicShapes &&);
  ~SymbolicShapes();

  /// One expression per dimension; nullopt if the rank is unknown or `value`
  /// isn't a tensor. A scalar has an empty shape. A dimension that depends on
  /// data is a symbol of kind ValueDim.
  std::optional<llvm::ArrayRef<mlir::AffineExpr>>
  getShape(mlir::Value value) const;

  /// The elements, row-major, of an integer or bool tensor of rank ≤ 1 (or a
  /// constant of any rank) with at most 64 elements; nullopt unless all are
  /// known. False is 0 and true is 1.
  std::optional<llvm::SmallVector<mlir::AffineExpr>>
  getElements(mlir::Value value) const;

  /// The number of elements; a null expression if the rank is unknown.
  mlir::AffineExpr getNumElements(mlir::Value value) const;

  unsigned getNumSymbols() const;
  /// The symbol that `getAffineSymbolExpr(i)` stands for. Operands of Max and
  /// Min have smaller numbers.
  const SymbolInfo &getSymbol(unsigned i) const;
  llvm::StringRef getSymbolName(unsigned i) const { return getSymbol(i).name; }
  /// The expression for a name of the file, after bindings; null if the name
  /// does not occur.
  mlir::AffineExpr lookupSymbol(llvm::StringRef name) const;

  /// Equal for all values of the symbols within their minimums. False means
  /// "not proven".
  bool isEqual(mlir::AffineExpr a, mlir::AffineExpr b) const;
  /// `expr >= bound` for all values of the symbols within their minimums.
  bool isAtLeast(mlir::AffineExpr expr, int64_t bound) const;
  /// The canonical form: sums of products in a fixed order. Null stays null.
  mlir::AffineExpr simplify(mlir::AffineExpr expr) const;
  /// The larger or smaller of both: one of them, if that can be proven, or else
  /// a symbol of kind Max or Min.
  mlir::AffineExpr getMax(mlir::AffineExpr a, mlir::AffineExpr b);
  mlir::AffineExpr getMin(mlir::AffineExpr a, mlir::AffineExpr b);

  /// With the names of the symbols: "batch", "past + seq", "(seq + 63) floordiv
  /// 64".
  std::string print(mlir::AffineExpr expr) const;

  /// True if `expr` holds a ValueDim or Element symbol, directly or through
  /// Max and Min: it cannot be computed from the shapes of the inputs alone.
  bool dependsOnData(mlir::AffineExpr expr) const;

private:
  struct Impl;
  explicit SymbolicShapes(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace hybrid::onnx

#endif // HYBRID_DIALECT_ONNX_TRANSFORMS_SYMBOLICSHAPE_H
