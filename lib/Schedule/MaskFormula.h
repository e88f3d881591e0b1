//===- MaskFormula.h - elements of masks as formulas ------------*- C++ -*-===//
//
// An element of a mask is evaluated to a formula over its indices: integers as
// affine expressions, booleans as disjunctions of conjunctions of inequalities,
// floats that have one of two values as a boolean that chooses. What is read
// from a tensor that says something of keys alone is an unknown of the formula.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_SCHEDULE_MASKFORMULA_H
#define HYBRID_LIB_SCHEDULE_MASKFORMULA_H

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <optional>

namespace hybrid {

/// Expressions that are all ≥ 0.
using Conjunction = llvm::SmallVector<mlir::AffineExpr, 4>;
/// One of the conjunctions holds.
using Disjunction = llvm::SmallVector<Conjunction, 2>;

/// Minus infinity, or what stands for it where a type has a lowest number: the
/// exponential of a score that it is added to is 0 beside any other's.
bool isBlocking(double number, mlir::Type type);

/// A number, or where there is none a truth value, or (isChoice) one of two
/// floats that it chooses.
struct Formula {
  mlir::AffineExpr number;
  Disjunction truth;
  bool isChoice = false;
  double whenTrue = 0, whenFalse = 0;
  /// A choice that is a sum: where it blocks, it may do so more than once.
  bool isSum = false;

  bool isTruth() const { return !number && !isChoice; }
};

/// An element that is no formula: of `tensor`, which is as it is where it is
/// read, or the sum of its elements along `sumAxis` up to this one.
struct Unknown {
  mlir::Value tensor;
  llvm::SmallVector<mlir::AffineExpr, 4> index;
  int64_t sumAxis = -1;

  bool isSum() const { return sumAxis >= 0; }
  bool operator==(const Unknown &other) const {
    return tensor == other.tensor && index == other.index &&
           sumAxis == other.sumAxis;
  }
};

/// Evaluates elements of tensors; nullopt where they are no formula.
class MaskEvaluator {
public:
  explicit MaskEvaluator(mlir::MLIRContext *context) : context(context) {}

  /// Dimension i of all formulas is less than `sizes[i]`; those in `keyDims`
  /// may be dimensions of an unknown.
  void setSizes(llvm::ArrayRef<mlir::AffineExpr> sizes,
                llvm::ArrayRef<unsigned> keyDims) {
    this->sizes = llvm::to_vector<4>(sizes);
    this->keyDims = llvm::to_vector<2>(keyDims);
  }
  /// For all values of the dimensions; false means "not proven".
  bool isNonNegative(mlir::AffineExpr expr);
  /// True or false for all values of the dimensions.
  std::optional<bool> decide(const Disjunction &truth);

  std::optional<Formula> evaluate(mlir::Value tensor,
                                  llvm::ArrayRef<mlir::AffineExpr> index);
  mlir::AffineExpr getNumber(mlir::OpFoldResult index);
  mlir::AffineExpr simplify(mlir::AffineExpr expr) {
    return simplifyAffineExpr(expr, /*numDims=*/4, symbols.size());
  }

  /// Whether an unknown takes part in `expr`.
  bool hasUnknown(mlir::AffineExpr expr) const;
  /// The unknown that the symbol `expr` stands for; null if it is none.
  const Unknown *findUnknown(mlir::AffineExpr expr) const;
  unsigned getNumSymbols() const { return symbols.size(); }
  /// Function arguments that formulas take to hold zeros and ones.
  llvm::ArrayRef<mlir::Value> getFlags() const { return flags; }

private:
  using Index = llvm::SmallVector<mlir::AffineExpr, 4>;
  std::optional<Formula> evaluateKnown(mlir::Value tensor,
                                       llvm::ArrayRef<mlir::AffineExpr> index);
  std::optional<Formula>
  evaluateUnknown(mlir::Value tensor, llvm::ArrayRef<mlir::AffineExpr> index);
  std::optional<Formula> evaluateTable(mlir::DenseElementsAttr table,
                                       llvm::ArrayRef<mlir::AffineExpr> index);
  std::optional<Formula> evaluateSum(CumSumOp sums,
                                     llvm::ArrayRef<mlir::AffineExpr> index);
  std::optional<Formula> evaluateScalar(mlir::Value value,
                                        mlir::linalg::GenericOp body,
                                        llvm::ArrayRef<mlir::AffineExpr> loops);
  std::optional<Formula> evaluateOp(mlir::Operation *op,
                                    mlir::linalg::GenericOp body,
                                    llvm::ArrayRef<mlir::AffineExpr> loops);
  std::optional<Formula> evaluateNumbers(mlir::Operation *op, const Formula &a,
                                         const Formula &b);
  std::optional<Formula>
  evaluateInsertion(mlir::tensor::InsertSliceOp insert,
                    llvm::ArrayRef<mlir::AffineExpr> index);
  std::optional<Formula> evaluateChoice(mlir::Operation *op,
                                        llvm::ArrayRef<Formula> operands);
  std::optional<Formula> evaluateArithmetic(mlir::Operation *op,
                                            const Formula &a,
                                            const Formula &b);
  std::optional<Formula> evaluateFlag(const Formula &formula);
  std::optional<Disjunction> getOnes(const Formula &choice);
  std::optional<Formula> makeOrdered(const Disjunction &truth, double whenTrue,
                                     double whenFalse);
  std::optional<Formula> evaluateSelect(const Formula &condition,
                                        const Formula &a, const Formula &b);
  std::optional<Disjunction> negate(const Disjunction &truth);
  std::optional<Formula> makeConstant(const mlir::APInt &value);
  std::optional<Formula> makeFloat(mlir::APFloat value);
  std::optional<Formula> compare(mlir::arith::CmpIPredicate predicate,
                                 mlir::AffineExpr a, mlir::AffineExpr b);
  mlir::AffineExpr addSymbol(const Unknown &symbol);
  /// Along reassociated dimensions of which at most one is not 1.
  std::optional<Index>
  regroup(llvm::ArrayRef<mlir::ReassociationIndices> groups,
          mlir::RankedTensorType expanded,
          llvm::ArrayRef<mlir::AffineExpr> index, bool toExpanded);

  mlir::MLIRContext *context;
  llvm::SmallVector<mlir::AffineExpr, 4> sizes;
  llvm::SmallVector<unsigned, 2> keyDims;
  /// Sizes and other index values, whose tensor is a scalar, and unknowns.
  llvm::SmallVector<Unknown, 8> symbols;
  llvm::SmallVector<mlir::Value, 1> flags;
  /// Values that many users share are evaluated for each.
  unsigned numSteps = 0;
};

} // namespace hybrid

#endif // HYBRID_LIB_SCHEDULE_MASKFORMULA_H
