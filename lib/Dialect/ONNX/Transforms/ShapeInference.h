//===- ShapeInference.h - Symbolic shapes, operator by operator -*- C++ -*-===//
//
// How the shape functions see an operator. A shape is a list of expressions; a
// null expression is a dimension that the function cannot tell.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_SHAPEINFERENCE_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_SHAPEINFERENCE_H

#include "SymbolicAlgebra.h"
#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>

namespace hybrid::onnx {

using Expr = mlir::AffineExpr;
using Shape = llvm::SmallVector<Expr, 4>;

/// Tensors with more elements are not followed.
constexpr int64_t kMaxElements = 64;

class ArgumentDims;
class OpShape;

/// The state of one analysis.
class ShapeInference {
public:
  ShapeInference(mlir::func::FuncOp func, const SymbolicShapeOptions &options);

  ~ShapeInference();

  /// Fails after emitting errors.
  mlir::LogicalResult run();

  /// The value of a name of the file; null if it has none.
  Expr lookupName(llvm::StringRef name) const;

  /// Infers everything in `block`; shapes of its arguments are set before.
  mlir::LogicalResult runOnBlock(mlir::Block &block);

  const Shape *getShape(mlir::Value value) const;
  const Shape *getElements(mlir::Value value) const;
  /// Null dimensions become what the type says, or else symbols.
  void setShape(mlir::Value value, Shape shape);
  void setElements(mlir::Value value, Shape elements);
  /// The symbol for dimension `index` of `value`.
  Expr dimSymbol(mlir::Value value, int64_t index);
  /// The symbol for an element of `value`.
  Expr elementSymbol(mlir::Value value, int64_t index);
  /// `a` and `b` must be equal for the model to be valid: learns from it. Fails
  /// if they cannot be.
  mlir::LogicalResult require(Expr a, Expr b);

  SymbolicAlgebra math;
  llvm::DenseMap<mlir::Value, Shape> shapes;
  llvm::DenseMap<mlir::Value, Shape> elements;
  /// Loops around the op that is looked at.
  unsigned loopDepth = 0;
  /// Whether that op may not run at all: then what it demands of its operands
  /// says nothing about the symbols.
  bool conditional = false;

private:
  void setArguments();
  void learnFromResults();
  mlir::LogicalResult inferOp(mlir::Operation *op);
  mlir::LogicalResult finish(mlir::Operation *op, OpShape &view);

  mlir::func::FuncOp func;
  /// By (value, index).
  std::map<std::pair<const void *, int64_t>, Expr> dimSymbols, elementSymbols;
  std::unique_ptr<ArgumentDims> arguments;
  bool learned = false;
};

/// Resolves names in an expression; a null result ends the parse.
using NameResolver = llvm::function_ref<Expr(llvm::StringRef)>;

/// Parses "(past + seq) * 2", "s0 // 64", "Max(1, s0)"; null if the text is no
/// such expression or a name has no value.
Expr parseExpr(llvm::StringRef text, SymbolicAlgebra &math,
               NameResolver resolve);

/// One operator during inference.
class OpShape {
public:
  OpShape(mlir::Operation *op, ShapeInference &inference)
      : op(op), inference(inference), math(inference.math),
        results(op->getNumResults()), resultElements(op->getNumResults()) {}

  // Operands.
  bool has(unsigned operand) const {
    return operand < op->getNumOperands() && !isAbsent(op->getOperand(operand));
  }
  /// Null if the rank is not known.
  const Shape *shape(unsigned operand) const {
    return has(operand) ? inference.getShape(op->getOperand(operand)) : nullptr;
  }
  /// Null if no element is known; single elements may be null.
  const Shape *elements(unsigned operand) const {
    return has(operand) ? inference.getElements(op->getOperand(operand))
                        : nullptr;
  }
  /// All elements as constants.
  std::optional<llvm::SmallVector<int64_t>> constants(unsigned operand) const;
  /// Element `index` as a size: known, or else a symbol. Null if the operand is
  /// not a small integer tensor.
  Expr sizeElement(unsigned operand, int64_t index) const;

  // Attributes.
  int64_t integer(llvm::StringRef name, int64_t otherwise) const;
  bool flag(llvm::StringRef name) const { return op->hasAttr(name); }
  std::optional<int64_t> maybeInteger(llvm::StringRef name) const;
  llvm::StringRef string(llvm::StringRef name, llvm::StringRef otherwise) const;
  std::optional<llvm::SmallVector<int64_t>> list(llvm::StringRef name) const;

  // Results.
  void set(unsigned result, Shape shape) {
    if (result < results.size())
      results[result] = std::move(shape);
  }
  void set(unsigned result, const Shape *shape) {
    if (shape)
      set(result, *shape);
  }
  void setElements(unsigned result, Shape elements) {
    if (result < resultElements.size())
      resultElements[result] = std::move(elements);
  }
  Expr constant(int64_t value) const { return math.constant(value); }

  // Rules that several operators share.
  /// `axis` counted from the front; nullopt after an error if out of range.
  std::optional<int64_t> axis(int64_t axis, int64_t rank);
  /// An error unless `a` and `b` can be equal.
  mlir::LogicalResult require(Expr a, Expr b, const llvm::Twine &what);
  /// Dimension of a multidirectional broadcast; an error if there is none.
  mlir::FailureOr<Expr> broadcastDim(Expr a, Expr b);
  mlir::FailureOr<Shape> broadcast(const Shape &a, const Shape &b);
  Expr product(llvm::ArrayRef<Expr> dims) const;

  /// "node 'x' (Op, operator set 21): ", then the operand shapes as a note.
  mlir::InFlightDiagnostic error() const;
  std::string print(const Shape *shape) const;

  mlir::Operation *op;
  ShapeInference &inference;
  SymbolicAlgebra &math;
  llvm::SmallVector<std::optional<Shape>, 2> results;
  llvm::SmallVector<std::optional<Shape>, 2> resultElements;
};

using ShapeFunction = mlir::LogicalResult (*)(OpShape &);
using ShapeFunctions = llvm::StringMap<ShapeFunction>;

// The shape functions, by name of the op without "onnx.".
void addElementwiseShapes(ShapeFunctions &functions);
void addTensorShapes(ShapeFunctions &functions);
void addIndexingShapes(ShapeFunctions &functions);
void addReductionShapes(ShapeFunctions &functions);
void addNNShapes(ShapeFunctions &functions);
void addAttentionShapes(ShapeFunctions &functions);
void addSignalShapes(ShapeFunctions &functions);
void addControlFlowShapes(ShapeFunctions &functions);
/// Functions for elements; they run after the shape functions.
void addElementFunctions(ShapeFunctions &functions);

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_SHAPEINFERENCE_H
