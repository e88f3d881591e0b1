//===- Positions.cpp - Tensors written a position at a time ---------------===//

#include "Positions.h"

#include "Chunking.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

using namespace mlir;

namespace hybrid::onnx {

Value skipIdentity(Value value) {
  while (auto identity = value.getDefiningOp<IdentityOp>())
    value = identity.getInput();
  return value;
}

/// The only number in a tensor of indices.
static std::optional<int64_t> getOnlyIndex(GraphView &view, Value indices) {
  indices = skipIdentity(indices);
  if (auto expand = indices.getDefiningOp<ExpandOp>())
    return getOnlyIndex(view, expand.getInput());
  DenseElementsAttr dense = getDense(indices);
  if (dense && dense.isSplat() && isa<IntegerType>(dense.getElementType()))
    return dense.getSplatValue<APInt>().getSExtValue();
  return view.getInteger(indices);
}

std::optional<PositionWrite> getPositionWrite(GraphView &view, Value value) {
  auto scatter = skipIdentity(value).getDefiningOp<ScatterElementsOp>();
  if (!scatter || scatter.getReduction() != "none")
    return std::nullopt;
  PositionWrite write;
  write.data = skipIdentity(scatter.getData());
  write.update = scatter.getUpdates();
  write.axis =
      view.normalizeAxis(write.data, static_cast<int64_t>(scatter.getAxis()));
  std::optional<int64_t> index = getOnlyIndex(view, scatter.getIndices());
  if (write.axis < 0 || !index)
    return std::nullopt;
  std::optional<int64_t> size = view.getFixedDim(write.data, write.axis);
  if (!size)
    return std::nullopt;
  write.position = *index < 0 ? *index + *size : *index;
  // The indices have the shape of the updates: all else is written.
  SmallVector<AffineExpr> shape = view.getShape(write.data);
  shape[write.axis] = view.getConstant(1);
  return view.hasShape(write.update, shape) ? std::optional(write)
                                            : std::nullopt;
}

/// The only user, but for those that read the shape.
static Operation *getOnlyReader(Value value) {
  Operation *reader = nullptr;
  for (Operation *user : value.getUsers()) {
    if (isa<ShapeOp>(user))
      continue;
    if (reader)
      return nullptr;
    reader = user;
  }
  return reader;
}

std::optional<Joined> getJoined(GraphView &view, ArrayRef<Value> parts) {
  std::optional<Joined> joined;
  auto agrees = [&](Value value, int64_t axis, bool isNew) {
    if (joined && (joined->axis != axis || joined->isNew != isNew))
      return false;
    joined = Joined{value, axis, isNew};
    return true;
  };
  for (auto [i, source] : llvm::enumerate(parts)) {
    Value part = source;
    std::optional<int64_t> added;
    Operation *user = getOnlyReader(part);
    if (auto unsqueeze = dyn_cast_or_null<UnsqueezeOp>(user)) {
      part = unsqueeze.getExpanded();
      user = getOnlyReader(part);
      if (std::optional<int64_t> axis = view.getInteger(unsqueeze.getAxes()))
        added = view.normalizeAxis(part, *axis);
    }
    if (!user || user->getNumResults() != 1)
      return std::nullopt;
    Value whole = user->getResult(0);
    if (auto concat = dyn_cast<ConcatOp>(user)) {
      int64_t axis =
          view.normalizeAxis(whole, static_cast<int64_t>(concat.getAxis()));
      if (axis < 0 || concat.getInputs().size() != parts.size() ||
          concat.getInputs()[i] != part || (i > 0 && joined->value != whole) ||
          !agrees(whole, axis, added == axis))
        return std::nullopt;
      continue;
    }
    std::optional<PositionWrite> write = getPositionWrite(view, whole);
    if (!write || write->update != part ||
        write->position != static_cast<int64_t>(i) ||
        (i > 0 && write->data != joined->value) ||
        !view.isFixed(view.getDim(whole, write->axis),
                      static_cast<int64_t>(parts.size())) ||
        !agrees(whole, write->axis, added == write->axis))
      return std::nullopt;
  }
  if (!joined)
    return std::nullopt;
  while (auto identity = getOnlyUser<IdentityOp>(joined->value))
    joined->value = identity->getResult(0);
  return joined;
}

} // namespace hybrid::onnx
