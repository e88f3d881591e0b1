//===- Raising.h - What the raising passes share ----------------*- C++ -*-===//
//
// Exporters write one operator as many. A raising pass finds such a group by an
// operator that it cannot do without (the anchor), proves that shapes, axes and
// constants say what the one operator says, and replaces the group's result.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_RAISING_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_RAISING_H

#include "hybrid/Dialect/ONNX/Transforms/SymbolicShape.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/Pass/Pass.h"
#include "llvm/ADT/DenseMap.h"

#include <optional>

namespace hybrid::onnx {
class SliceOp;

/// A Slice along one dimension.
struct SliceRange {
  int64_t axis;
  /// From the front, like the length.
  mlir::AffineExpr start, length;
  int64_t step;
};

/// One function with its shapes, and values that are known at compile time.
class GraphView {
public:
  /// `pass` is the argument of the pass: the category of its remarks.
  static mlir::FailureOr<GraphView> create(mlir::func::FuncOp func,
                                           llvm::StringRef pass);

  mlir::Block &getBlock() { return func.getBody().front(); }
  SymbolicShapes &getShapes() { return shapes; }

  /// -1 if it isn't known.
  int64_t getRank(mlir::Value value) const;
  /// One expression per dimension; empty if the rank isn't known.
  llvm::SmallVector<mlir::AffineExpr> getShape(mlir::Value value) const;
  /// Null if it isn't known; dimensions count from the end if negative.
  mlir::AffineExpr getDim(mlir::Value value, int64_t dim) const;
  std::optional<int64_t> getFixedDim(mlir::Value value, int64_t dim) const;
  /// Provably equal; false if one is null.
  bool isEqual(mlir::AffineExpr a, mlir::AffineExpr b) const;
  bool isFixed(mlir::AffineExpr expr, int64_t value) const;
  bool hasShape(mlir::Value value,
                llvm::ArrayRef<mlir::AffineExpr> shape) const;
  bool haveSameShape(mlir::Value a, mlir::Value b) const {
    llvm::SmallVector<mlir::AffineExpr> shape = getShape(b);
    return getRank(b) >= 0 && hasShape(a, shape);
  }
  mlir::AffineExpr getConstant(int64_t value) const;

  /// The number of a constant with one element.
  std::optional<double> getNumber(mlir::Value value) const;
  bool isNumber(mlir::Value value, double number) const;
  /// The number that all elements of a tensor are.
  std::optional<double> getFill(mlir::Value value) const;
  /// All elements, where they are known at compile time.
  std::optional<llvm::SmallVector<int64_t>>
  getIntegers(mlir::Value value) const;
  /// The same for one element.
  std::optional<int64_t> getInteger(mlir::Value value) const;
  /// All elements as expressions over sizes.
  std::optional<llvm::SmallVector<mlir::AffineExpr>>
  getElements(mlir::Value value) const;
  /// Null where the slice isn't of one dimension, or its start isn't known.
  std::optional<SliceRange> getSlice(SliceOp slice) const;
  /// x · sigmoid(x) of `value`, which is used for nothing else; or null.
  mlir::Value getSilu(mlir::Value value) const;
  /// `axis` counted from the front; -1 when out of range or the rank is
  /// unknown.
  int64_t normalizeAxis(mlir::Value value, int64_t axis) const;
  /// Whether `axis`, counted from either end, is the last dimension.
  bool isLastAxis(mlir::Value value, int64_t axis) const {
    int64_t rank = getRank(value);
    return rank > 0 && normalizeAxis(value, axis) == rank - 1;
  }
  /// Whether `axes`, an operand that may be absent, is known, and the dimension
  /// `axis` of `data`, counted from the front, alone.
  bool isAxis(mlir::Value axes, mlir::Value data, int64_t axis) const;

  /// All uses of `old` become uses of `fresh`, which has the same shape.
  void replace(mlir::Value old, mlir::Value fresh);
  /// `fresh`, made by the pass, has this shape.
  void setShape(mlir::Value fresh, llvm::ArrayRef<mlir::AffineExpr> shape);
  /// Erases what nobody uses any more.
  void eraseDead();

  /// Remarks at `op`.
  void reportRaised(mlir::Operation *op, llvm::StringRef what) const;
  void reportRefused(mlir::Operation *op, llvm::StringRef why) const;

private:
  GraphView(mlir::func::FuncOp func, SymbolicShapes shapes,
            llvm::StringRef pass)
      : func(func), shapes(std::move(shapes)), pass(pass) {}

  mlir::func::FuncOp func;
  SymbolicShapes shapes;
  llvm::StringRef pass;
  /// Of values that passes made.
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::AffineExpr>> fresh;
};

/// Calls `raise` with a view of `func`, unless that is a declaration. Fails,
/// with a diagnostic, where shapes cannot be inferred. `pass` as for
/// GraphView::create.
mlir::LogicalResult raiseIn(mlir::func::FuncOp func, llvm::StringRef pass,
                            llvm::function_ref<void(GraphView &)> raise);

/// Raises the groups around the operators of type AnchorOp, each with a remark.
/// A Group is made of the view and the anchor, and says in this order whether
/// it isCandidate(), what is wrong with it (match(); null for nothing), where
/// it is reported (getResultOp()) and as what (getMeaning()), before rewrite().
template <typename AnchorOp, typename Group>
void raiseGroups(GraphView &view, mlir::Pass::Statistic &numRaised,
                 mlir::Pass::Statistic &numRefused) {
  for (auto anchor : llvm::to_vector(view.getBlock().getOps<AnchorOp>())) {
    Group group(view, anchor);
    if (!group.isCandidate())
      continue;
    if (const char *why = group.match()) {
      ++numRefused;
      view.reportRefused(anchor, why);
      continue;
    }
    ++numRaised;
    view.reportRaised(group.getResultOp(), group.getMeaning());
    group.rewrite();
  }
  view.eraseDead();
}

/// Makes operators of a version that may be newer than the graph's.
class RaisedBuilder {
public:
  /// Before `op`, with its location.
  explicit RaisedBuilder(mlir::Operation *op)
      : builder(op), loc(op->getLoc()) {}
  /// Behind `value`, with its location.
  explicit RaisedBuilder(mlir::Value value)
      : builder(value.getContext()), loc(value.getLoc()) {
    builder.setInsertionPointAfterValue(value);
  }

  template <typename OpTy>
  OpTy create(mlir::TypeRange types, mlir::ValueRange operands,
              int64_t opset = 0,
              llvm::ArrayRef<mlir::NamedAttribute> attributes = {}) {
    auto op = OpTy::create(builder, loc, types, operands, attributes);
    if (opset > 0)
      setVersion(op, opset);
    return op;
  }
  mlir::Value getNone();
  mlir::Value getIntegers(llvm::ArrayRef<int64_t> values);
  mlir::NamedAttribute getNamed(llvm::StringRef name, int64_t value) {
    return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
  }
  mlir::NamedAttribute getNamed(llvm::StringRef name, double value) {
    return builder.getNamedAttr(name, builder.getF32FloatAttr(value));
  }
  mlir::NamedAttribute getNamed(llvm::StringRef name, llvm::StringRef value) {
    return builder.getNamedAttr(name, builder.getStringAttr(value));
  }

  mlir::OpBuilder builder;
  mlir::Location loc;

private:
  static void setVersion(mlir::Operation *op, int64_t opset);
};

/// The type of a tensor with this shape; dimensions that are no constants are
/// dynamic.
mlir::RankedTensorType getTensorType(llvm::ArrayRef<mlir::AffineExpr> shape,
                                     mlir::Type elementType);
/// The only user of a value that is used once, if it is an OpTy.
template <typename OpTy>
OpTy getOnlyUser(mlir::Value value) {
  return value.hasOneUse() ? llvm::dyn_cast<OpTy>(*value.user_begin()) : OpTy();
}
/// The other operand of a binary operation.
inline mlir::Value getOther(mlir::Operation *op, mlir::Value operand) {
  return op->getOperand(op->getOperand(0) == operand ? 1 : 0);
}

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_RAISING_H
