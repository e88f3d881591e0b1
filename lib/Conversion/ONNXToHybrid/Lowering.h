//===- Lowering.h - from onnx ops to level 2 ---------------------*- C++
//-*-===//
//
// What the lowerings of single ONNX operators are written with. The pass
// (ONNXToHybrid.cpp) walks the ops of an entry function in order and calls, for
// each, the function that a Registry holds; it reads its operands with
// `Lowering::get` and hands over its results with `Lowering::set`.
//
// Shape arithmetic never reaches these functions: an op all of whose results
// are known to SymbolicShapes, element by element, is skipped, and so is an op
// that nobody needs. Where such a value is used as data after all, `get` makes
// it.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_CONVERSION_ONNXTOHYBRID_LOWERING_H
#define HYBRID_LIB_CONVERSION_ONNXTOHYBRID_LOWERING_H

#include "hybrid/Dialect/ONNX/Transforms/SymbolicShape.h"

#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

#include <functional>
#include <memory>
#include <optional>

namespace hybrid {

/// One expression over symbols per dimension. Constants are
/// AffineConstantExpr; see SymbolicShape.h.
using Shape = llvm::SmallVector<mlir::AffineExpr, 4>;
using ShapeRef = llvm::ArrayRef<mlir::AffineExpr>;

/// A level-2 tensor together with its shape. Null when a value is absent.
struct Tensor {
  mlir::Value value;
  Shape shape;

  explicit operator bool() const { return static_cast<bool>(value); }
  unsigned getRank() const { return shape.size(); }
  mlir::Type getElementType() const {
    return mlir::cast<mlir::RankedTensorType>(value.getType()).getElementType();
  }
};

/// Body of a loop over elements: from the scalars of the inputs, in order, the
/// scalar of the output.
using BodyFn = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location,
                                              mlir::ValueRange)>;

/// A state of the model in one entry function: graph input `name`, whose
/// argument is `past`, and graph output `present`, for which the function
/// returns `presentValue`.
struct State {
  llvm::StringRef name, present;
  mlir::BlockArgument past;
  mlir::Value presentValue;
  /// The dimension that grows, or -1 for states of fixed size.
  int64_t lengthAxis = -1;
  /// Batch (and other symbols), with the capacity at lengthAxis.
  Shape shape;
  mlir::Type elementType;
  bool written = false;
};

class Lowering {
public:
  Lowering(mlir::OpBuilder &builder, onnx::SymbolicShapes &symbols);

  /// Inserts at the end of the new function's body.
  mlir::OpBuilder &b;
  /// Of the node being lowered.
  mlir::Location loc;
  onnx::SymbolicShapes &symbols;

  //===--- Values of the ONNX graph --------------------------------------===//

  /// An operand or result that the node leaves out (`onnx.None`, NoneType).
  static bool isAbsent(mlir::Value value);
  /// A result that is present and used by something that is lowered.
  bool isNeeded(mlir::Value result) const;
  /// The level-2 tensor for `value`; null if it is absent. Initializers become
  /// hybrid.weight, small constants arith.constant, known shape arithmetic a
  /// constant or a tiny linalg.generic. Integers are signless, see isUnsigned.
  Tensor get(mlir::Value value);
  /// The bytes of an initializer as a weight of another type, `shape` elements
  /// of `elementType`, or a constant in another shape; null if `value` is none
  /// of both, or has another number of bytes.
  mlir::Value getBytes(mlir::Value value, llvm::ArrayRef<int64_t> shape,
                       mlir::Type elementType);
  /// Binds `result` to `tensor`, whose element type is `elementType(result)`
  /// and whose shape must be shape(result) as far as both are known. Does
  /// nothing for an absent result.
  void set(mlir::Value result, const Tensor &tensor);

  /// The rank is always known: the pass refuses a graph where it isn't.
  ShapeRef shape(mlir::Value value) const;
  unsigned rank(mlir::Value value) const { return shape(value).size(); }
  /// The element type at level 2: signless integers, i1 for bool.
  mlir::Type elementType(mlir::Value value) const;
  bool isUnsigned(mlir::Value value) const;

  /// Every element, where all are known at compile time: from a small
  /// constant or initializer (the bytes of a big one are not read) or from
  /// shape arithmetic. Row-major.
  std::optional<llvm::SmallVector<int64_t>>
  constantInts(mlir::Value value) const;
  /// The same for any element type, of at most 64 KiB. The element type is the
  /// level-2 one.
  std::optional<mlir::DenseElementsAttr> constant(mlir::Value value) const;
  /// A constant with one element, of a float or integer type, as a number.
  std::optional<double> constantScalar(mlir::Value value) const;
  /// `axis` counted from the front; nullopt when out of range.
  static std::optional<int64_t> normalizeAxis(int64_t axis, int64_t rank);

  //===--- Sizes
  //------------------------------------------------------------===//

  mlir::AffineExpr fixed(int64_t value) const;
  std::optional<int64_t> getFixed(mlir::AffineExpr expr) const;
  bool isOne(mlir::AffineExpr expr) const;
  /// Provably equal for all values of the symbols.
  bool isEqual(mlir::AffineExpr a, mlir::AffineExpr b) const;
  bool isEqual(ShapeRef a, ShapeRef b) const;
  mlir::AffineExpr product(ShapeRef shape) const;
  /// The size as an attribute or an index value computed in the entry's head.
  mlir::OpFoldResult size(mlir::AffineExpr expr);
  llvm::SmallVector<mlir::OpFoldResult> sizes(ShapeRef shape);
  /// The size as an index value.
  mlir::Value index(mlir::AffineExpr expr);

  //===--- Tensors
  //------------------------------------------------------------===//

  mlir::RankedTensorType type(ShapeRef shape, mlir::Type elementType) const;
  Tensor empty(ShapeRef shape, mlir::Type elementType);
  /// A tensor of one scalar value.
  Tensor fill(ShapeRef shape, mlir::Value scalar);
  /// A tensor of one constant; `value` is converted to `elementType`.
  Tensor fill(ShapeRef shape, mlir::Type elementType, double value);
  Tensor zeros(ShapeRef shape, mlir::Type elementType);
  /// A scalar constant of a float, integer or index type.
  mlir::Value scalar(mlir::Type type, double value);
  mlir::Value scalarInt(mlir::Type type, int64_t value);

  /// The same elements, row-major, under another shape of as many elements:
  /// collapse and expand where dimensions group, else through rank 1.
  Tensor reshape(const Tensor &tensor, ShapeRef shape);
  /// A loop over `shape`, all parallel; inputs broadcast from the right. A
  /// dimension that is 1 broadcasts, one that is provably equal maps one to
  /// one. Where neither is proven the element is read at min(i, size - 1),
  /// which is right whether the size turns out to be 1 or the output's.
  Tensor elementwise(llvm::ArrayRef<Tensor> inputs, ShapeRef shape,
                     mlir::Type elementType, BodyFn body);
  /// The tensor at `shape`, elements repeated (ONNX Expand).
  Tensor broadcast(const Tensor &tensor, ShapeRef shape);
  /// Element type conversion by ONNX Cast's rules between numeric types
  /// (float to integer truncates, anything to i1 is ≠ 0).
  Tensor cast(const Tensor &tensor, mlir::Type elementType,
              bool fromUnsigned = false, bool toUnsigned = false);
  /// result dimension i is tensor dimension permutation[i].
  Tensor transpose(const Tensor &tensor, llvm::ArrayRef<int64_t> permutation);
  /// Combines along `axes` (sorted), which vanish, starting from `init`: the
  /// body gets (element, accumulator). The result's element type is init's.
  Tensor reduce(const Tensor &tensor, llvm::ArrayRef<int64_t> axes,
                mlir::Value init, BodyFn body);
  /// A general linalg.generic: `maps` are one per input, then the output's.
  /// `output` is the destination (and accumulator). The body gets the inputs'
  /// scalars and the output's.
  Tensor generic(llvm::ArrayRef<Tensor> inputs, const Tensor &output,
                 llvm::ArrayRef<mlir::AffineMap> maps,
                 llvm::ArrayRef<mlir::utils::IteratorType> iterators,
                 BodyFn body);
  /// Step 1 where `strides` is empty.
  Tensor extractSlice(const Tensor &tensor, ShapeRef offsets, ShapeRef sizes,
                      llvm::ArrayRef<int64_t> strides = {});
  Tensor insertSlice(const Tensor &tensor, const Tensor &into,
                     ShapeRef offsets);
  Tensor concat(llvm::ArrayRef<Tensor> tensors, int64_t axis);
  /// `tensor` with a size-1 dimension inserted at / removed from `axis`.
  Tensor unsqueeze(const Tensor &tensor, int64_t axis);
  Tensor squeeze(const Tensor &tensor, int64_t axis);
  /// A copy into memory of its own, to be updated in place.
  Tensor copy(const Tensor &tensor);

  //===--- States
  //-------------------------------------------------------------===//

  /// The state whose past is `value` (an argument), or null.
  State *getPastState(mlir::Value value);
  /// The state whose present is `value`, or null.
  State *getPresentState(mlir::Value value);
  /// The whole state before this call, at full capacity. Use `get` on the past
  /// for its valid part.
  Tensor readState(State &state);
  /// Sets the state's value after this call (full capacity), once.
  void writeState(State &state, const Tensor &tensor);

  //===--- Errors
  //---------------------------------------------------------------===//

  /// An error at `op` that names node, operator, domain, opset and input types:
  /// `why` says what is not supported, `hint` what would work (may be empty).
  mlir::LogicalResult unsupported(mlir::Operation *op, const llvm::Twine &why,
                                  const llvm::Twine &hint = "") const;

  /// Shared with the pass; see LoweringImpl.h.
  struct Impl;

private:
  friend class EntryConverter;

  Tensor materialize(mlir::Value value);
  Tensor createView(const Tensor &tensor, ShapeRef shape);
  Tensor materializeKnown(llvm::ArrayRef<mlir::AffineExpr> elements,
                          ShapeRef dims, mlir::Type elementType);
  mlir::Value symbolValue(unsigned number);

  std::shared_ptr<Impl> impl;
};

/// f32 for the 16-bit float types, else `type`: what arithmetic is done in.
mlir::Type getComputeType(mlir::Type type);
/// Float to float, widening or narrowing, or nothing to do.
mlir::Value convertFloat(mlir::OpBuilder &b, mlir::Location loc,
                         mlir::Value value, mlir::Type to);

/// Operator → lowering.
class Registry {
public:
  using LowerFn =
      std::function<mlir::LogicalResult(mlir::Operation *, Lowering &)>;

  /// `fn` is callable as LogicalResult(OpTy, Lowering &).
  template <typename OpTy, typename Fn>
  void add(Fn fn) {
    functions[OpTy::getOperationName()] = [fn](mlir::Operation *op,
                                               Lowering &lowering) {
      return fn(mlir::cast<OpTy>(op), lowering);
    };
  }
  /// Null if there is none.
  const LowerFn *lookup(llvm::StringRef operationName) const {
    auto it = functions.find(operationName);
    return it == functions.end() ? nullptr : &it->second;
  }

private:
  llvm::StringMap<LowerFn> functions;
};

// One per file of this folder.
void registerElementwise(Registry &registry);
void registerCast(Registry &registry);
void registerReduction(Registry &registry);
void registerMovement(Registry &registry);
void registerGather(Registry &registry);
void registerMatMul(Registry &registry);
void registerExperts(Registry &registry);
void registerEinsum(Registry &registry);
void registerConv(Registry &registry);
void registerSort(Registry &registry);
void registerSoftmax(Registry &registry);
void registerQuantize(Registry &registry);
void registerAttention(Registry &registry);
void registerScan(Registry &registry);
void registerNorm(Registry &registry);
void registerRope(Registry &registry);
void registerContrib(Registry &registry);
void registerContribQuant(Registry &registry);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_ONNXTOHYBRID_LOWERING_H
