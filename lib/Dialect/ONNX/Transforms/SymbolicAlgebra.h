//===- SymbolicAlgebra.h - Canonical expressions over symbols ---*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_SYMBOLICALGEBRA_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_SYMBOLICALGEBRA_H

#include "hybrid/Dialect/ONNX/Transforms/SymbolicShape.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

#include <map>
#include <vector>

namespace hybrid::onnx {

/// The minimum of a symbol that may be anything.
constexpr int64_t kNoMinimum = INT64_MIN;

/// Symbols, and arithmetic on expressions over them. An expression is null if
/// it is not known (an operand was null, a number overflowed, it got too
/// large); results are canonical, so that equal ones are the same pointer.
///
/// Canonical form: a polynomial with integer coefficients over atoms, where an
/// atom is a symbol or a floor division. Modulo and ceiling division are
/// written with floor division (x mod c = x - c * (x floordiv c)), so that for
/// example a length plus its padding to a multiple of c becomes c * ceildiv.
class SymbolicAlgebra {
public:
  using Expr = mlir::AffineExpr;

  explicit SymbolicAlgebra(mlir::MLIRContext *context) : context(context) {}

  // Symbols.
  Expr addSymbol(SymbolInfo info);
  const SymbolInfo &getSymbol(unsigned i) const { return symbols[i]; }
  SymbolInfo &getSymbol(unsigned i) { return symbols[i]; }
  unsigned getNumSymbols() const { return symbols.size(); }
  /// The symbol with this name, before substitution; null if there is none.
  Expr lookup(llvm::StringRef name) const;
  /// A name like `stem` that no symbol has.
  std::string uniqueName(llvm::StringRef stem);
  void rename(unsigned i, llvm::StringRef name);
  /// Replaces symbol `i` by `expr` in all results from now on.
  void substitute(unsigned i, Expr expr);
  bool isSubstituted(unsigned i) const { return substitution.count(i); }
  /// Keeps the symbols that `order` lists, in that order, and forgets all
  /// substitutions. Expressions from before must go through `renumbered`.
  void renumber(llvm::ArrayRef<unsigned> order);
  /// Whether `expr`, from before the last `renumber`, holds a symbol that was
  /// not kept.
  bool anyDropped(Expr expr) const;
  /// `expr` in the numbering after the last `renumber`.
  Expr renumbered(Expr expr) const;

  // Arithmetic.
  Expr constant(int64_t value) const;
  Expr add(Expr a, Expr b);
  Expr sub(Expr a, Expr b);
  Expr mul(Expr a, Expr b);
  Expr neg(Expr a);
  /// Rounds towards minus infinity; null if the divisor is or may be 0.
  Expr floorDiv(Expr a, Expr b);
  Expr ceilDiv(Expr a, Expr b);
  /// Has the sign of `b`.
  Expr mod(Expr a, Expr b);
  /// Rounds towards zero, as integer division in ONNX; null if the signs are
  /// not known.
  Expr truncDiv(Expr a, Expr b);
  Expr max(Expr a, Expr b);
  Expr min(Expr a, Expr b);
  Expr canonical(Expr expr);

  // Proofs: false means "not proven".
  bool isEqual(Expr a, Expr b);
  bool isAtLeast(Expr expr, int64_t bound);
  /// a >= b
  bool isAtLeast(Expr a, Expr b);
  /// a and b differ for all values of the symbols.
  bool isDifferent(Expr a, Expr b);
  static std::optional<int64_t> constantValue(Expr expr);

  /// Makes `a` and `b` equal by substituting a symbol, if one of them occurs
  /// alone; derived symbols go first. True if something was substituted.
  bool unify(Expr a, Expr b);

  std::string print(Expr expr) const;
  /// True if `expr` holds a symbol for which `test` holds, also inside Max and
  /// Min.
  bool anySymbol(Expr expr,
                 llvm::function_ref<bool(const SymbolInfo &)> test) const;

private:
  /// Atom numbers, ascending; repeated for powers.
  using Monomial = llvm::SmallVector<unsigned, 2>;
  struct MonomialOrder {
    bool operator()(const Monomial &a, const Monomial &b) const;
  };
  using Poly = std::map<Monomial, int64_t, MonomialOrder>;
  using MaybePoly = std::optional<Poly>;

  unsigned atomNumber(Expr atom, unsigned cost = 1);
  unsigned costOf(const Poly &poly) const;
  bool prove(const Poly &poly);
  MaybePoly toPoly(Expr expr);
  MaybePoly computePoly(Expr expr);
  MaybePoly symbolPoly(unsigned i);
  Expr toExpr(const Poly &poly);
  Expr toExpr(const MaybePoly &poly) { return poly ? toExpr(*poly) : Expr(); }
  static Poly constantPoly(int64_t value);
  Poly atomPoly(Expr atom, unsigned cost = 1);
  static std::optional<int64_t> constantOf(const Poly &poly);
  static MaybePoly addPoly(const Poly &a, const Poly &b, int64_t factor);
  static MaybePoly mulPoly(const Poly &a, const Poly &b);
  static MaybePoly scalePoly(const Poly &a, int64_t factor);
  MaybePoly floorDivPoly(const Poly &a, const Poly &b);
  MaybePoly divisionPoly(const Poly &a, const Poly &b);
  static Poly primitivePart(const Poly &poly);
  Expr solveFor(Poly poly, unsigned number, int64_t coefficient);
  MaybePoly floorDivConstant(Poly numerator, int64_t divisor);
  MaybePoly reducedFloorDiv(Poly numerator, int64_t divisor);
  static std::optional<Poly> divideExactly(const Poly &a, const Poly &b);
  MaybePoly replaceAtom(const Poly &poly, unsigned atom, const Poly &value);

  bool isNonNegative(const Poly &poly, unsigned depth = 0);
  bool isNonNegativeAfterShift(const Poly &poly);
  bool isNonNegativeByAtom(const Poly &poly, unsigned atom, unsigned depth);
  std::optional<int64_t> atomMinimum(unsigned atom);
  std::optional<int64_t> lowerBound(const Poly &poly);

  Expr extremum(SymbolInfo::Kind kind, Expr a, Expr b);

  mlir::MLIRContext *context;
  std::vector<SymbolInfo> symbols;
  llvm::StringMap<unsigned> symbolByName;
  llvm::DenseMap<unsigned, Expr> substitution;
  std::vector<Expr> atoms;
  /// How large an atom is, all that it contains counted.
  std::vector<unsigned> atomCosts;
  /// What is left for the proof under way.
  unsigned proofSteps = 0;
  llvm::DenseMap<Expr, unsigned> atomNumbers;
  llvm::DenseMap<unsigned, std::optional<int64_t>> minimumCache;
  std::map<Expr, MaybePoly, bool (*)(Expr, Expr)> polyCache{[](Expr a, Expr b) {
    return a.getAsOpaquePointer() < b.getAsOpaquePointer();
  }};
  /// Kind, operands → symbol.
  std::map<std::tuple<int, const void *, const void *>, Expr> extrema;
  llvm::SmallVector<Expr> renumbering;
};

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_SYMBOLICALGEBRA_H
