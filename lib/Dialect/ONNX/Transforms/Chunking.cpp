//===- Chunking.cpp - What chunked recurrences share ----------------------===//

#include "Chunking.h"

#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

using namespace mlir;

namespace hybrid::onnx {

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

DenseElementsAttr getDense(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  return constant ? dyn_cast<DenseElementsAttr>(constant.getValue())
                  : DenseElementsAttr();
}

//===----------------------------------------------------------------------===//
// Triangles and sums
//===----------------------------------------------------------------------===//

/// Whether `condition` is `blocks` exactly where column > row + diagonal.
static bool isBlocked(GraphView &view, Value condition, bool blocks,
                      int64_t diagonal) {
  if (auto negated = condition.getDefiningOp<NotOp>())
    return isBlocked(view, negated->getOperand(0), !blocks, diagonal);
  if (auto triangle = condition.getDefiningOp<TriluOp>()) {
    std::optional<int64_t> k = 0;
    if (!isa<NoneType>(triangle.getK().getType()))
      k = view.getInteger(triangle.getK());
    bool isUpper = triangle.getUpper() != 0;
    return k && view.getFill(triangle.getInput()).value_or(0) != 0 &&
           isUpper == blocks && *k == (isUpper ? diagonal + 1 : diagonal);
  }
  auto dense = dyn_cast_or_null<DenseIntElementsAttr>(getDense(condition));
  if (!dense || !dense.getElementType().isInteger(1) ||
      dense.getType().getRank() < 2)
    return false;
  ArrayRef<int64_t> shape = dense.getType().getShape();
  int64_t rows = shape[shape.size() - 2], columns = shape.back();
  if (dense.getNumElements() != rows * columns)
    return false;
  int64_t i = 0;
  for (bool element : dense.getValues<bool>()) {
    bool isAbove = i % columns > i / columns + diagonal;
    if (element != (isAbove ? blocks : !blocks))
      return false;
    ++i;
  }
  return true;
}

Value skipTriangle(GraphView &view, Value value, int64_t diagonal,
                   double masked) {
  if (auto triangle = value.getDefiningOp<TriluOp>()) {
    std::optional<int64_t> k = 0;
    if (!isa<NoneType>(triangle.getK().getType()))
      k = view.getInteger(triangle.getK());
    bool isKept =
        masked == 0 && triangle.getUpper() == 0 && k && *k == diagonal;
    return isKept ? triangle.getInput() : Value();
  }
  auto where = value.getDefiningOp<WhereOp>();
  if (!where)
    return Value();
  for (bool blocks : {true, false}) {
    Value other = blocks ? where.getX() : where.getY();
    Value kept = blocks ? where.getY() : where.getX();
    if (view.isNumber(other, masked) && view.haveSameShape(kept, value) &&
        isBlocked(view, where.getCondition(), blocks, diagonal))
      return kept;
  }
  return Value();
}

bool isCumSumAlong(GraphView &view, CumSumOp op, int64_t fromBack) {
  std::optional<int64_t> axis = view.getInteger(op.getAxis());
  return axis && op.getExclusive() == 0 && op.getReverse() == 0 &&
         view.normalizeAxis(op.getX(), *axis) ==
             view.getRank(op.getX()) - fromBack;
}

//===----------------------------------------------------------------------===//
// Time and heads
//===----------------------------------------------------------------------===//

Value skipPad(GraphView &view, Value value, int64_t axis) {
  auto pad = value.getDefiningOp<PadOp>();
  if (!pad)
    return value;
  size_t rank = view.getRank(value);
  auto pads = view.getElements(pad.getPads());
  if (!pads || pads->size() != 2 * rank || pad.getMode() != "constant" ||
      !isa<NoneType>(pad.getAxes().getType()) ||
      (!isa<NoneType>(pad.getConstantValue().getType()) &&
       !view.isNumber(pad.getConstantValue(), 0)))
    return Value();
  for (size_t i = 0; i < pads->size(); ++i)
    if (i != rank + axis && !view.isFixed((*pads)[i], 0))
      return Value();
  return pad.getData();
}

Value skipCut(GraphView &view, Value value, int64_t axis) {
  auto reshape = value.getDefiningOp<ReshapeOp>();
  if (!reshape)
    return Value();
  Value whole = reshape.getData();
  SmallVector<AffineExpr> to = view.getShape(value);
  SmallVector<AffineExpr> from = view.getShape(whole);
  int64_t rank = from.size();
  if (rank <= axis || to.size() != from.size() + 1 ||
      !view.isEqual(view.getShapes().simplify(to[axis] * to[axis + 1]),
                    from[axis]))
    return Value();
  for (int64_t dim = 0; dim < rank; ++dim)
    if (dim != axis && !view.isEqual(from[dim], to[dim + (dim > axis)]))
      return Value();
  return whole;
}

Value getPerToken(GraphView &view, Value chunked, int64_t axis) {
  Value whole = skipCut(view, chunked, axis);
  return whole ? skipPad(view, whole, axis) : Value();
}

Value getRepeated(GraphView &view, Value heads) {
  auto reshape = heads.getDefiningOp<ReshapeOp>();
  Operation *repeat = reshape ? reshape.getData().getDefiningOp() : nullptr;
  if (!isa_and_nonnull<ExpandOp, TileOp>(repeat))
    return heads;
  auto unsqueeze = repeat->getOperand(0).getDefiningOp<UnsqueezeOp>();
  if (!unsqueeze)
    return heads;
  Value source = unsqueeze.getData();
  SmallVector<AffineExpr> from = view.getShape(source);
  std::optional<int64_t> axis = view.getInteger(unsqueeze.getAxes());
  std::optional<int64_t> groups = view.getFixedDim(source, 2);
  std::optional<int64_t> repeats = view.getFixedDim(repeat->getResult(0), 3);
  bool isRepeated =
      from.size() == 4 && axis && (*axis == 3 || *axis == -2) && groups &&
      repeats &&
      view.hasShape(
          repeat->getResult(0),
          {from[0], from[1], from[2], view.getConstant(*repeats), from[3]}) &&
      view.hasShape(heads, {from[0], from[1],
                            view.getConstant(*groups * *repeats), from[3]});
  return isRepeated ? source : heads;
}

} // namespace hybrid::onnx
