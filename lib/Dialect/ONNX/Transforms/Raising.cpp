//===- Raising.cpp - What the raising passes share ------------------------===//

#include "Raising.h"

#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace hybrid::onnx {

FailureOr<GraphView> GraphView::create(func::FuncOp func, StringRef pass) {
  FailureOr<SymbolicShapes> shapes = SymbolicShapes::compute(func);
  if (failed(shapes))
    return failure();
  return GraphView(func, std::move(*shapes), pass);
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

SmallVector<AffineExpr> GraphView::getShape(Value value) const {
  auto it = fresh.find(value);
  if (it != fresh.end())
    return it->second;
  std::optional<ArrayRef<AffineExpr>> shape = shapes.getShape(value);
  return shape ? SmallVector<AffineExpr>(*shape) : SmallVector<AffineExpr>();
}

int64_t GraphView::getRank(Value value) const {
  auto it = fresh.find(value);
  if (it != fresh.end())
    return it->second.size();
  std::optional<ArrayRef<AffineExpr>> shape = shapes.getShape(value);
  return shape ? static_cast<int64_t>(shape->size()) : -1;
}

AffineExpr GraphView::getDim(Value value, int64_t dim) const {
  SmallVector<AffineExpr> shape = getShape(value);
  int64_t rank = shape.size();
  if (dim < 0)
    dim += rank;
  return dim >= 0 && dim < rank ? shape[dim] : AffineExpr();
}

std::optional<int64_t> GraphView::getFixedDim(Value value, int64_t dim) const {
  auto constant =
      dyn_cast_or_null<AffineConstantExpr>(shapes.simplify(getDim(value, dim)));
  return constant ? std::optional(constant.getValue()) : std::nullopt;
}

bool GraphView::isEqual(AffineExpr a, AffineExpr b) const {
  return a && b && shapes.isEqual(a, b);
}

bool GraphView::isFixed(AffineExpr expr, int64_t value) const {
  return isEqual(expr, getConstant(value));
}

bool GraphView::hasShape(Value value, ArrayRef<AffineExpr> shape) const {
  if (getRank(value) != static_cast<int64_t>(shape.size()))
    return false;
  return llvm::all_of(llvm::zip_equal(getShape(value), shape), [&](auto pair) {
    return isEqual(std::get<0>(pair), std::get<1>(pair));
  });
}

AffineExpr GraphView::getConstant(int64_t value) const {
  return getAffineConstantExpr(value, func->getContext());
}

//===----------------------------------------------------------------------===//
// Values known at compile time
//===----------------------------------------------------------------------===//

/// The first element of `dense`, which is not empty.
static std::optional<double> getFirst(DenseElementsAttr dense) {
  if (auto floats = dyn_cast<DenseFPElementsAttr>(dense)) {
    APFloat number = *floats.begin();
    bool lost = false;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
    return number.convertToDouble();
  }
  if (auto integers = dyn_cast<DenseIntElementsAttr>(dense))
    return static_cast<double>((*integers.begin()).getSExtValue());
  return std::nullopt;
}

std::optional<double> GraphView::getNumber(Value value) const {
  if (auto cast = value.getDefiningOp<CastOp>())
    value = cast.getInput();
  auto constant = value.getDefiningOp<ConstantOp>();
  auto dense =
      constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
  return dense && dense.getNumElements() == 1 ? getFirst(dense) : std::nullopt;
}

bool GraphView::isNumber(Value value, double number) const {
  std::optional<double> found = getNumber(value);
  return found && *found == number;
}

std::optional<double> GraphView::getFill(Value value) const {
  if (auto cast = value.getDefiningOp<CastOp>())
    return getFill(cast.getInput());
  if (auto expand = value.getDefiningOp<ExpandOp>())
    return getFill(expand.getInput());
  auto fill = value.getDefiningOp<ConstantOfShapeOp>();
  auto constant = value.getDefiningOp<ConstantOp>();
  if (fill && !fill.getValue())
    return 0;
  Attribute all = fill       ? Attribute(*fill.getValue())
                  : constant ? Attribute(constant.getValue())
                             : Attribute();
  auto dense = dyn_cast_or_null<DenseElementsAttr>(all);
  return dense && dense.getNumElements() > 0 && dense.isSplat()
             ? getFirst(dense)
             : std::nullopt;
}

std::optional<SmallVector<AffineExpr>>
GraphView::getElements(Value value) const {
  return shapes.getElements(value);
}

std::optional<SmallVector<int64_t>> GraphView::getIntegers(Value value) const {
  std::optional<SmallVector<AffineExpr>> elements = getElements(value);
  if (!elements)
    return std::nullopt;
  SmallVector<int64_t> integers;
  for (AffineExpr element : *elements) {
    auto constant =
        dyn_cast_or_null<AffineConstantExpr>(shapes.simplify(element));
    if (!constant)
      return std::nullopt;
    integers.push_back(constant.getValue());
  }
  return integers;
}

std::optional<int64_t> GraphView::getInteger(Value value) const {
  std::optional<SmallVector<int64_t>> integers = getIntegers(value);
  return integers && integers->size() == 1 ? std::optional(integers->front())
                                           : std::nullopt;
}

std::optional<SliceRange> GraphView::getSlice(SliceOp slice) const {
  Value data = slice.getData();
  auto getAll = [&](Value value) {
    return isa<NoneType>(value.getType()) ? std::nullopt : getElements(value);
  };
  auto starts = getAll(slice.getStarts());
  auto axes = getAll(slice.getAxes()), steps = getAll(slice.getSteps());
  if (!starts || starts->size() != 1 || getRank(data) < 1)
    return std::nullopt;
  auto getOne = [&](Value value, std::optional<SmallVector<AffineExpr>> &all,
                    int64_t otherwise) -> std::optional<int64_t> {
    if (isa<NoneType>(value.getType()))
      return otherwise;
    if (!all || all->size() != 1)
      return std::nullopt;
    auto constant =
        dyn_cast_or_null<AffineConstantExpr>(shapes.simplify((*all)[0]));
    return constant ? std::optional(constant.getValue()) : std::nullopt;
  };
  std::optional<int64_t> axis = getOne(slice.getAxes(), axes, 0);
  std::optional<int64_t> step = getOne(slice.getSteps(), steps, 1);
  if (!axis || !step || *step < 1)
    return std::nullopt;
  SliceRange range;
  range.axis = normalizeAxis(data, *axis);
  range.step = *step;
  range.length = getDim(slice.getOutput(), range.axis);
  AffineExpr start = starts->front(), size = getDim(data, range.axis);
  if (range.axis < 0 || !start || !size || !range.length)
    return std::nullopt;
  if (!shapes.isAtLeast(start, 0)) {
    if (!shapes.isAtLeast(-start, 1))
      return std::nullopt;
    start = start + size;
  }
  // A start that is cut off is not what it says.
  if (!shapes.isAtLeast(start, 0) || !shapes.isAtLeast(size - start, 0))
    return std::nullopt;
  range.start = shapes.simplify(start);
  return range;
}

Value GraphView::getSilu(Value value) const {
  if (!llvm::hasNItems(value.getUses(), 2))
    return Value();
  for (Operation *user : value.getUsers()) {
    auto sigmoid = dyn_cast<SigmoidOp>(user);
    auto product =
        sigmoid ? getOnlyUser<MulOp>(sigmoid->getResult(0)) : nullptr;
    if (product && getOther(product, sigmoid->getResult(0)) == value)
      return product->getResult(0);
  }
  return Value();
}

int64_t GraphView::normalizeAxis(Value value, int64_t axis) const {
  int64_t rank = getRank(value);
  if (axis < 0)
    axis += rank;
  return axis >= 0 && axis < rank ? axis : -1;
}

bool GraphView::isAxis(Value axes, Value data, int64_t axis) const {
  if (isa<NoneType>(axes.getType()))
    return false;
  std::optional<int64_t> number = getInteger(axes);
  return number && axis >= 0 && normalizeAxis(data, *number) == axis;
}

//===----------------------------------------------------------------------===//
// Changes
//===----------------------------------------------------------------------===//

void GraphView::replace(Value old, Value value) {
  setShape(value, getShape(old));
  old.replaceAllUsesWith(value);
}

void GraphView::setShape(Value value, ArrayRef<AffineExpr> shape) {
  fresh[value] = SmallVector<AffineExpr>(shape);
}

void GraphView::eraseDead() {
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(getBlock().getOperations())))
    if (isOpTriviallyDead(&op))
      op.erase();
}

void GraphView::reportRaised(Operation *op, StringRef what) const {
  remark::passed(op->getLoc(), remark::RemarkOpts::name("raise").category(pass))
      << what;
}

void GraphView::reportRefused(Operation *op, StringRef why) const {
  remark::missed(op->getLoc(), remark::RemarkOpts::name("raise").category(pass))
      << why;
}

LogicalResult raiseIn(func::FuncOp func, StringRef pass,
                      llvm::function_ref<void(GraphView &)> raise) {
  if (func.isExternal())
    return success();
  FailureOr<GraphView> view = GraphView::create(func, pass);
  if (failed(view))
    return failure();
  raise(*view);
  return success();
}

Value RaisedBuilder::getNone() {
  return NoneOp::create(builder, loc, builder.getNoneType());
}

Value RaisedBuilder::getIntegers(ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get({static_cast<int64_t>(values.size())},
                                    builder.getI64Type());
  return ConstantOp::create(builder, loc, type,
                            DenseElementsAttr::get(type, values));
}

void RaisedBuilder::setVersion(Operation *op, int64_t opset) {
  if (getOpsetVersion(op) < opset)
    op->setAttr(ONNXDialect::kOpsetAttr,
                Builder(op->getContext()).getI64IntegerAttr(opset));
}

RankedTensorType getTensorType(ArrayRef<AffineExpr> shape, Type elementType) {
  SmallVector<int64_t> dims;
  for (AffineExpr dim : shape) {
    auto constant = dyn_cast<AffineConstantExpr>(dim);
    dims.push_back(constant ? constant.getValue() : ShapedType::kDynamic);
  }
  return RankedTensorType::get(dims, elementType);
}

} // namespace hybrid::onnx
