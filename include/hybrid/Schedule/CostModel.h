//===- CostModel.h - what launches cost at given sizes ----------*- C++ -*-===//

#ifndef HYBRID_SCHEDULE_COSTMODEL_H
#define HYBRID_SCHEDULE_COSTMODEL_H

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace hybrid {

/// Index arithmetic and shapes at concrete values of the module's symbols.
class ShapeEvaluator {
public:
  using Shape = llvm::SmallVector<int64_t>;

  /// `symbols` holds a value for each name that hybrid.dim may ask for; states
  /// have `batch` sequences.
  ShapeEvaluator(const llvm::StringMap<int64_t> &symbols, int64_t batch)
      : symbols(symbols), batch(batch) {}

  /// States the shape of `value`, a parameter.
  void setShape(mlir::Value value, Shape shape) {
    shapes[value] = std::move(shape);
  }
  /// States the number that `value`, a parameter, holds.
  void setIndex(mlir::Value value, int64_t number);

  /// The shape of a tensor without dynamic sizes; none if it depends on data,
  /// or on a symbol that has no value.
  std::optional<Shape> getShape(mlir::Value value);
  /// The number that an index or integer holds, under the same conditions.
  std::optional<int64_t> getIndex(mlir::Value value);

  /// A fresh evaluator for the body of a kernel.
  ShapeEvaluator nested() const { return ShapeEvaluator(symbols, batch); }

private:
  mlir::Attribute getConstant(mlir::Value value);
  mlir::Attribute computeConstant(mlir::OpResult result);
  std::optional<Shape> computeShape(mlir::Value value);
  std::optional<Shape> resolve(llvm::ArrayRef<mlir::OpFoldResult> sizes);

  const llvm::StringMap<int64_t> &symbols;
  int64_t batch;
  llvm::DenseMap<mlir::Value, mlir::Attribute> constants;
  llvm::DenseMap<mlir::Value, Shape> shapes;
};

/// On a product with a quantised weight: whether one sequence brings one row at
/// most (a Boolean).
inline constexpr llvm::StringLiteral kStepRowsAttr = "hybrid.step_rows";

/// The module's symbols for one sequence that is as long as it may be.
llvm::StringMap<int64_t> getLongestSequence(mlir::ModuleOp module);

/// Where a launch's operand comes from.
enum class Origin { Activation, Weight, State };

/// Follows views, and updates in place, from an operand in an entry.
Origin getOrigin(mlir::Value value);

/// The cost of a launch: of all operations of its kernel, without what passes
/// between them.
struct LaunchCost : Cost {
  /// Of the bytes read, those of weights and other constants.
  double weightBytes = 0;
  /// Of the FLOPs, those of products of matrices (contractions, attention), and
  /// the bits of their narrowest operand's elements (0: none).
  double matrixFlops = 0;
  unsigned matrixBits = 0;

  double getBytes() const { return bytesRead + bytesWritten; }
  LaunchCost &operator+=(const LaunchCost &other);
};

/// The cost of `launch`, a launch on tensors, whose kernel `kernels` finds.
/// None if a size is unknown.
std::optional<LaunchCost> getLaunchCost(LaunchOp launch, ShapeEvaluator &entry,
                                        const mlir::SymbolTable &kernels);

/// FLOPs and exponentials of a linalg operation on operands of these shapes,
/// one per shaped operand; no bytes. Additions, multiplications and the like
/// count one, negations and conversions nothing, and neither do integers.
Cost getLinalgCost(mlir::Operation *op,
                   llvm::ArrayRef<ShapeEvaluator::Shape> shapes);

} // namespace hybrid

#endif // HYBRID_SCHEDULE_COSTMODEL_H
