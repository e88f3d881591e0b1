//===- HeadRows.cpp - Heads behind the time -------------------------------===//

#include "HeadRows.h"

#include "Chunking.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

using namespace mlir;

namespace hybrid::onnx {

/// x of Transpose(x) with batch, heads and time in the places of batch, time
/// and heads.
Value HeadRows::getUntransposed(Value value) {
  auto transpose = value.getDefiningOp<TransposeOp>();
  if (!transpose || !transpose.getPerm())
    return Value();
  ArrayRef<int64_t> perm = *transpose.getPerm();
  bool isSwapped = perm == ArrayRef<int64_t>({0, 2, 1, 3}) ||
                   perm == ArrayRef<int64_t>({0, 2, 1});
  return isSwapped ? transpose.getData() : Value();
}

/// Whether each element of the result is made of those of the same batch, head
/// and position: elementwise with operands of rank 4 and numbers, or the sum
/// over all channels.
bool HeadRows::isPerHead(Operation *op) {
  if (auto sum = dyn_cast<ReduceSumOp>(op)) {
    if (isa<NoneType>(sum.getAxes().getType()) || sum.getKeepdims() == 0)
      return false;
    std::optional<int64_t> axis = view.getInteger(sum.getAxes());
    return axis && view.normalizeAxis(sum.getData(), *axis) == 3;
  }
  if (!isa<MulOp, AddOp, SubOp, DivOp, SqrtOp, ReciprocalOp, CastOp>(op))
    return false;
  int64_t rank = view.getRank(op->getResult(0));
  SmallVector<AffineExpr> shape = view.getShape(op->getResult(0));
  return rank == 4 && llvm::all_of(op->getOperands(), [&](Value operand) {
           if (view.getNumber(operand))
             return true;
           return view.getRank(operand) == 4 &&
                  view.isEqual(view.getDim(operand, 0), shape[0]) &&
                  view.isEqual(view.getDim(operand, 1), shape[1]) &&
                  view.isEqual(view.getDim(operand, 2), shape[2]);
         });
}

int64_t HeadRows::getGroups(Value value) {
  Operation *op = value.getDefiningOp();
  int64_t heads = view.getFixedDim(value, 1).value_or(0);
  if (Value source = getUntransposed(value))
    return view.getFixedDim(getRepeated(view, source), 2).value_or(heads);
  if (!op || !isPerHead(op))
    return heads;
  std::optional<int64_t> groups;
  for (Value operand : op->getOperands()) {
    if (isa<NoneType>(operand.getType()) || view.getRank(operand) != 4 ||
        view.getNumber(operand))
      continue;
    int64_t own = getGroups(operand);
    if (groups && *groups != own)
      return heads;
    groups = own;
  }
  return groups.value_or(heads);
}

Value HeadRows::transpose(Value value) {
  SmallVector<AffineExpr> shape = view.getShape(value);
  SmallVector<int64_t> perm = {0, 2, 1, 3};
  perm.resize(shape.size());
  std::swap(shape[1], shape[2]);
  Type type = getTensorType(shape, getElementTypeOrSelf(value.getType()));
  Value result =
      raised
          .create<TransposeOp>(
              type, value, 0,
              {raised.builder.getNamedAttr(
                  "perm", raised.builder.getDenseI64ArrayAttr(perm))})
          ->getResult(0);
  view.setShape(result, shape);
  return result;
}

Value HeadRows::get(Value value, int64_t heads) {
  Value &result = known[{value, heads}];
  if (result)
    return result;
  Operation *op = value.getDefiningOp();
  if (Value source = getUntransposed(value)) {
    bool isWhole = view.isFixed(view.getDim(value, 1), heads);
    return result = isWhole ? source : getRepeated(view, source);
  }
  if (!op || !isPerHead(op))
    return result = transpose(value);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(view.getRank(operand) == 4 && !view.getNumber(operand)
                           ? get(operand, heads)
                           : operand);
  SmallVector<AffineExpr> shape = view.getShape(value);
  shape[1] = view.getConstant(heads);
  std::swap(shape[1], shape[2]);
  Operation *clone = raised.builder.clone(*op);
  clone->setOperands(operands);
  Value fresh = clone->getResult(0);
  fresh.setType(getTensorType(shape, getElementTypeOrSelf(value.getType())));
  view.setShape(fresh, shape);
  // The map may have grown meanwhile.
  return known[{value, heads}] = fresh;
}

Value HeadRows::flatten(Value value, int64_t channels) {
  SmallVector<AffineExpr> shape = view.getShape(value);
  shape = {shape[0], shape[1], view.getConstant(channels)};
  Value operands[] = {value, raised.getIntegers({0, 0, channels})};
  Type type = getTensorType(shape, getElementTypeOrSelf(value.getType()));
  Value result = raised.create<ReshapeOp>(type, operands)->getResult(0);
  view.setShape(result, shape);
  return result;
}

Value HeadRows::unflatten(Value value, int64_t heads, int64_t channels) {
  SmallVector<AffineExpr> shape = view.getShape(value);
  shape = {shape[0], shape[1], view.getConstant(heads),
           view.getConstant(channels)};
  Value operands[] = {value, raised.getIntegers({0, 0, heads, channels})};
  Type type = getTensorType(shape, getElementTypeOrSelf(value.getType()));
  Value result = raised.create<ReshapeOp>(type, operands)->getResult(0);
  view.setShape(result, shape);
  return transpose(result);
}

} // namespace hybrid::onnx
