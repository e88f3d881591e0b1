//===- Substitution.cpp - Unrolled forward substitution -------------------===//

#include "Substitution.h"

#include "Chunking.h"
#include "Contraction.h"
#include "Positions.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace hybrid::onnx {

//===----------------------------------------------------------------------===//
// Positions that are written
//===----------------------------------------------------------------------===//

/// Whether `indices` is [0, 1, …, count - 1] as [count, 1].
static bool isIota(GraphView &view, Value indices, int64_t count) {
  std::optional<SmallVector<int64_t>> elements = view.getIntegers(indices);
  if (elements)
    return llvm::equal(*elements, llvm::seq<int64_t>(0, count));
  // The first elements of a Range as long as the dimension.
  auto unsqueeze = indices.getDefiningOp<UnsqueezeOp>();
  auto slice =
      unsqueeze ? unsqueeze.getData().getDefiningOp<SliceOp>() : nullptr;
  auto range = slice ? slice.getData().getDefiningOp<RangeOp>() : nullptr;
  if (!range || !view.isNumber(range->getOperand(0), 0) ||
      !view.isNumber(range->getOperand(2), 1) ||
      isa<NoneType>(slice.getEnds().getType()))
    return false;
  auto isOne = [&](Value value, int64_t number) {
    return view.getInteger(value) == number;
  };
  return isOne(slice.getStarts(), 0) && isOne(slice.getEnds(), count) &&
         (isa<NoneType>(slice.getSteps().getType()) ||
          isOne(slice.getSteps(), 1));
}

/// Of [..., L]: what is written at the first `count` elements of the last
/// dimension of `row`.
static Value getWrittenFront(GraphView &view, Value value, Value row,
                             int64_t count) {
  int64_t last = view.getRank(row) - 1;
  value = skipIdentity(value);
  if (auto concat = value.getDefiningOp<ConcatOp>()) {
    if (concat.getInputs().size() != 2 ||
        view.normalizeAxis(value, static_cast<int64_t>(concat.getAxis())) !=
            last)
      return Value();
    auto rest = concat.getInputs()[1].getDefiningOp<SliceOp>();
    std::optional<SliceRange> range = rest ? view.getSlice(rest) : std::nullopt;
    bool isRest = range && rest.getData() == row && range->axis == last &&
                  range->step == 1 && view.isFixed(range->start, count) &&
                  view.haveSameShape(value, row);
    return isRest ? concat.getInputs()[0] : Value();
  }
  // With the last dimension in front, as ScatterND writes it.
  auto back = value.getDefiningOp<TransposeOp>();
  auto scatter = back
                     ? skipIdentity(back.getData()).getDefiningOp<ScatterNDOp>()
                     : nullptr;
  if (!scatter || scatter.getReduction() != "none" || !back.getPerm())
    return Value();
  auto data = scatter.getData().getDefiningOp<TransposeOp>();
  auto updates = scatter.getUpdates().getDefiningOp<TransposeOp>();
  if (!data || !updates || !data.getPerm() || data.getData() != row ||
      data.getPerm() != updates.getPerm())
    return Value();
  ArrayRef<int64_t> forth = *data.getPerm(), backPerm = *back.getPerm();
  for (auto [i, dim] : llvm::enumerate(backPerm))
    if (forth[dim] != static_cast<int64_t>(i))
      return Value();
  bool isFront = forth[0] == last &&
                 view.isFixed(view.getDim(updates.getData(), last), count) &&
                 isIota(view, scatter.getIndices(), count);
  return isFront ? updates.getData() : Value();
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// Whether `value` is the first `count` elements of `data` along `axes`.
static bool isFront(GraphView &view, Value value, Value data,
                    ArrayRef<int64_t> axes, int64_t count) {
  SmallVector<int64_t> left(axes);
  while (!left.empty()) {
    auto slice = value.getDefiningOp<SliceOp>();
    std::optional<SliceRange> range =
        slice ? view.getSlice(slice) : std::nullopt;
    auto *axis = range ? llvm::find(left, range->axis) : left.end();
    if (axis == left.end() || range->step != 1 ||
        !view.isFixed(range->start, 0) || !view.isFixed(range->length, count))
      return false;
    left.erase(axis);
    value = skipIdentity(slice.getData());
  }
  return value == data;
}

/// X before row `row` was replaced in `value`; or null.
static Value getBeforeRow(GraphView &view, Value value, int64_t row) {
  std::optional<PositionWrite> write = getPositionWrite(view, value);
  int64_t rank = view.getRank(value);
  if (!write || write->axis != rank - 2 || write->position != row)
    return Value();
  Value before = write->data;
  auto unsqueeze = write->update.getDefiningOp<UnsqueezeOp>();
  std::optional<int64_t> axis =
      unsqueeze ? view.getInteger(unsqueeze.getAxes()) : std::nullopt;
  if (!axis || view.normalizeAxis(write->update, *axis) != rank - 2)
    return Value();
  // The whole row as it was: what keeps its elements behind the first ones.
  Value whole;
  for (Operation *user : before.getUsers())
    if (auto gather = dyn_cast<GatherOp>(user);
        gather && view.getInteger(gather.getIndices()) == row &&
        view.getRank(gather.getIndices()) == 0 &&
        view.normalizeAxis(before, static_cast<int64_t>(gather.getAxis())) ==
            rank - 2)
      whole = whole ? whole : gather->getResult(0);
  if (!whole)
    return Value();
  Value front = getWrittenFront(view, unsqueeze.getData(), whole, row);
  auto sum = front ? skipIdentity(front).getDefiningOp<AddOp>() : nullptr;
  if (!sum)
    return Value();
  for (unsigned i : {0, 1}) {
    if (!isFront(view, sum->getOperand(i), whole, {rank - 2}, row))
      continue;
    std::optional<Contraction> product =
        Contraction::get(view, sum->getOperand(1 - i));
    if (!product || product->getFactors().size() != 2)
      continue;
    // Σ_m X[i, m] · X[m, j] for j, m < i.
    SmallVector<int> outer =
        llvm::to_vector(llvm::seq<int>(0, static_cast<int>(rank - 2)));
    int column = static_cast<int>(rank - 2), inner = -1;
    for (const Factor &factor : product->getFactors())
      if (isFront(view, factor.value, whole, {rank - 2}, row) &&
          ArrayRef<int>(factor.labels).drop_back() == ArrayRef<int>(outer))
        inner = factor.labels.back();
    SmallVector<int> square(outer);
    square.append({inner, column});
    for (const Factor &factor : product->getFactors())
      if (inner > column && ArrayRef<int>(factor.labels) == ArrayRef(square) &&
          isFront(view, factor.value, before, {rank - 2, rank - 1}, row))
        return before;
  }
  return Value();
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

static bool isIdentityMatrix(Value value) {
  if (auto cast = value.getDefiningOp<CastOp>())
    value = cast.getInput();
  if (auto eye = value.getDefiningOp<EyeLikeOp>())
    return eye.getK() == 0;
  auto dense = dyn_cast_or_null<DenseFPElementsAttr>(getDense(value));
  if (!dense || dense.getType().getRank() != 2 ||
      dense.getType().getDimSize(0) != dense.getType().getDimSize(1))
    return false;
  int64_t size = dense.getType().getDimSize(0), i = 0;
  for (const APFloat &element : dense.getValues<APFloat>()) {
    bool isDiagonal = i / size == i % size;
    if (isDiagonal ? !element.isExactlyValue(1.0) : !element.isZero())
      return false;
    ++i;
  }
  return true;
}

Value skipIdentityMatrix(GraphView &view, Value value) {
  auto sum = value.getDefiningOp<AddOp>();
  if (!sum)
    return Value();
  for (unsigned i : {0, 1}) {
    Value other = sum->getOperand(1 - i);
    // An identity of another size would have failed to broadcast, but for 1.
    if (isIdentityMatrix(sum->getOperand(i)) &&
        view.isEqual(view.getDim(other, -1),
                     view.getDim(sum->getOperand(i), -1)) &&
        view.haveSameShape(other, value))
      return other;
  }
  return Value();
}

Value getSubstituted(GraphView &view, Value value, const char *&why) {
  Value current = skipIdentityMatrix(view, value);
  if (!current)
    return Value();
  std::optional<int64_t> size = view.getFixedDim(value, -1);
  if (!size || view.getFixedDim(value, -2) != size) {
    why = "the matrix that is inverted is not square";
    return Value();
  }
  for (int64_t row = *size - 1; row > 0; --row) {
    current = getBeforeRow(view, skipIdentity(current), row);
    if (!current) {
      why = "a row is not the one before the last plus its product with all "
            "rows above it";
      return Value();
    }
  }
  // -lower(P) or lower(-P).
  why = "the substitution does not start from the negative lower triangle";
  if (auto negative = current.getDefiningOp<NegOp>())
    return skipTriangle(view, negative->getOperand(0), -1, 0);
  Value inside = skipTriangle(view, current, -1, 0);
  auto negative = inside ? inside.getDefiningOp<NegOp>() : nullptr;
  return negative ? negative->getOperand(0) : Value();
}

} // namespace hybrid::onnx
