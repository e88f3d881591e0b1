//===- RaiseRotary.cpp - pass onnx-raise-rotary ---------------------------===//
//
// With x1 and x2 the halves of x (of its first R channels, where Concat appends
// the others unchanged), two forms occur:
//
//   x · cos + Concat(-x2, x1) · sin            cos and sin R wide, both halves
//                                              the same (the anchor is Neg)
//   Concat(x1 · cos - x2 · sin, x2 · cos + x1 · sin)        R / 2 wide
//
// In the second, x1 and x2 may also be the even and the odd channels. Where the
// results are written back as such, the embedding is interleaved; where they
// are written as halves, the channels of x are put in this order before.
//
//===----------------------------------------------------------------------===//

#include "Raising.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXRAISEROTARY
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

namespace {

/// Where the two channels of a pair lie.
enum class Layout { Halves, Pairs };

/// Tables of which only one half is needed, made once.
class Tables {
public:
  explicit Tables(GraphView &view) : view(view) {}

  /// The first half of `table` along the last dimension, if the second is
  /// equal. Made where `table` is.
  Value getHalf(Value table);
  /// `table`, whose shape broadcasts against [B, H, T, ·], as [B, T, ·] or
  /// [1, T, ·]; null if it depends on the head.
  Value getPerPosition(Value table, AffineExpr length);

private:
  Value makeHalf(Value table);
  Value makeHalf(ConstantOp table);
  Value cloneHalf(Operation *op, unsigned operand);

  GraphView &view;
  DenseMap<Value, Value> halves, perPosition;
};

Value Tables::cloneHalf(Operation *op, unsigned operand) {
  Value half = getHalf(op->getOperand(operand));
  if (!half)
    return Value();
  Value table = op->getResult(0);
  SmallVector<AffineExpr> shape = view.getShape(table);
  if (shape.empty())
    return Value();
  shape.back() = view.getDim(half, -1);
  RaisedBuilder raised(op);
  Operation *clone = raised.builder.clone(*op);
  clone->setOperand(operand, half);
  Value result = clone->getResult(0);
  result.setType(getTensorType(shape, getElementTypeOrSelf(table.getType())));
  view.setShape(result, shape);
  return result;
}

/// Of a table in the file.
Value Tables::makeHalf(ConstantOp table) {
  auto dense = dyn_cast<DenseFPElementsAttr>(table.getValue());
  if (!dense || dense.getType().getShape().back() % 2)
    return Value();
  SmallVector<int64_t> shape(dense.getType().getShape());
  int64_t columns = shape.back(), half = columns / 2, i = 0;
  SmallVector<APFloat> all(dense.getValues<APFloat>()), kept;
  for (const APFloat &element : all) {
    int64_t column = i % columns;
    if (column < half)
      kept.push_back(element);
    else if (!element.bitwiseIsEqual(all[i - half]))
      return Value();
    ++i;
  }
  shape.back() = half;
  auto type = RankedTensorType::get(shape, dense.getElementType());
  RaisedBuilder raised(table.getOperation());
  Value result = ConstantOp::create(raised.builder, raised.loc, type,
                                    DenseElementsAttr::get(type, kept));
  view.setShape(result, llvm::map_to_vector(shape, [&](int64_t size) {
                  return view.getConstant(size);
                }));
  return result;
}

Value Tables::makeHalf(Value table) {
  Operation *op = table.getDefiningOp();
  int64_t rank = view.getRank(table);
  if (!op || rank < 1)
    return Value();
  if (auto concat = dyn_cast<ConcatOp>(op)) {
    bool isTwice = concat.getInputs().size() == 2 &&
                   concat.getInputs()[0] == concat.getInputs()[1] &&
                   view.isLastAxis(table, concat.getAxis());
    return isTwice ? concat.getInputs()[0] : Value();
  }
  if (auto constant = dyn_cast<ConstantOp>(op))
    return makeHalf(constant);
  if (isa<CosOp, SinOp, CastOp, IdentityOp>(op))
    return cloneHalf(op, 0);
  if (isa<MulOp>(op)) {
    for (unsigned i : {0, 1})
      if (view.getNumber(op->getOperand(1 - i)) &&
          view.haveSameShape(op->getOperand(i), table))
        return cloneHalf(op, i);
    return Value();
  }
  if (auto unsqueeze = dyn_cast<UnsqueezeOp>(op)) {
    std::optional<int64_t> axis = view.getInteger(unsqueeze.getAxes());
    bool keepsLast = axis && view.normalizeAxis(table, *axis) >= 0 &&
                     view.normalizeAxis(table, *axis) < rank - 1;
    return keepsLast ? cloneHalf(op, 0) : Value();
  }
  return Value();
}

Value Tables::getHalf(Value table) {
  auto [it, isNew] = halves.try_emplace(table);
  if (!isNew)
    return it->second;
  Value half = makeHalf(table);
  halves[table] = half;
  return half;
}

Value Tables::getPerPosition(Value table, AffineExpr length) {
  SmallVector<AffineExpr> shape = view.getShape(table);
  int64_t rank = shape.size();
  if (rank < 2 || rank > 4 || !view.isEqual(shape[rank - 2], length) ||
      (rank >= 3 && !view.isFixed(shape[rank - 3], 1)))
    return Value();
  // With [B, 1, T, ·], of [B, T, ·]; [1, T, ·] is right already.
  if (rank == 3)
    return table;
  auto unsqueeze = table.getDefiningOp<UnsqueezeOp>();
  if (rank == 4 && unsqueeze) {
    std::optional<int64_t> axis = view.getInteger(unsqueeze.getAxes());
    if (axis && view.normalizeAxis(table, *axis) == 1)
      return unsqueeze.getData();
  }
  Value &known = perPosition[table];
  if (known)
    return known;
  RaisedBuilder raised(table);
  SmallVector<AffineExpr> wanted = {rank == 4 ? shape[0] : view.getConstant(1),
                                    shape[rank - 2], shape[rank - 1]};
  Type type = getTensorType(wanted, getElementTypeOrSelf(table.getType()));
  Value axes = raised.getIntegers({rank == 4 ? 1 : 0});
  Value operands[] = {table, axes};
  known = rank == 4
              ? raised.create<SqueezeOp>(type, operands, 13)->getResult(0)
              : raised.create<UnsqueezeOp>(type, operands, 13)->getResult(0);
  view.setShape(known, wanted);
  return known;
}

class Rotation {
public:
  Rotation(GraphView &view, Tables &tables) : view(view), tables(tables) {}

  /// Null, or why this is none. The anchor is the Neg of the first form.
  const char *matchNegation(NegOp negation);
  /// Whether `concat` looks like the second form.
  bool isCandidate(ConcatOp concat);
  const char *matchPair(ConcatOp concat);
  const char *finish();
  void rewrite();
  Operation *getResultOp() { return result.getDefiningOp(); }

private:
  /// Sets x to what `first` and `second` are the halves, or the even and the
  /// odd channels of; and `reads`.
  bool matchParts(Value first, Value second);
  bool matchHalves(Value first, Value second);
  bool matchPairs(Value first, Value second);
  /// Of a Concat of both parts: what it joins, and what is whole then.
  const char *matchJoined(ConcatOp concat);
  Value getJoined(ConcatOp concat, unsigned index);
  void matchRest();
  bool isSlice(Value value, Value data, int64_t start, int64_t length,
               int64_t step = 1);
  Value separate(RaisedBuilder &raised);

  GraphView &view;
  Tables &tables;
  Value x, cos, sin, result;
  Layout reads = Layout::Halves, writes = Layout::Halves;
  int64_t rotaryDim = 0;
};

bool Rotation::isSlice(Value value, Value data, int64_t start, int64_t length,
                       int64_t step) {
  auto slice = value.getDefiningOp<SliceOp>();
  if (!slice || slice.getData() != data)
    return false;
  std::optional<SliceRange> range = view.getSlice(slice);
  return range && range->axis == view.getRank(data) - 1 &&
         range->step == step && view.isFixed(range->start, start) &&
         view.isFixed(range->length, length);
}

bool Rotation::matchParts(Value first, Value second) {
  if (matchHalves(first, second)) {
    reads = Layout::Halves;
    return true;
  }
  reads = Layout::Pairs;
  return matchPairs(first, second);
}

/// Slices with step 2, or both columns of x as [..., R / 2, 2].
bool Rotation::matchPairs(Value first, Value second) {
  if (auto slice = first.getDefiningOp<SliceOp>()) {
    x = slice.getData();
    std::optional<int64_t> size = view.getFixedDim(x, -1);
    if (!size || *size % 2)
      return false;
    rotaryDim = *size;
    return isSlice(first, x, 0, *size / 2, 2) &&
           isSlice(second, x, 1, *size / 2, 2);
  }
  auto even = first.getDefiningOp<GatherOp>();
  auto odd = second.getDefiningOp<GatherOp>();
  auto reshape = even ? even.getData().getDefiningOp<ReshapeOp>() : nullptr;
  if (!reshape || !odd || odd.getData() != even.getData())
    return false;
  Value paired = reshape.getReshaped();
  auto isColumn = [&](GatherOp gather, int64_t column) {
    std::optional<int64_t> index = view.getInteger(gather.getIndices());
    return index && (*index == column || *index == column - 2) &&
           view.getRank(gather.getIndices()) == 0 &&
           view.isLastAxis(paired, gather.getAxis());
  };
  x = reshape.getData();
  std::optional<int64_t> size = view.getFixedDim(x, -1);
  if (!size || *size % 2 || !isColumn(even, 0) || !isColumn(odd, 1))
    return false;
  rotaryDim = *size;
  SmallVector<AffineExpr> shape = view.getShape(x);
  shape.back() = view.getConstant(*size / 2);
  shape.push_back(view.getConstant(2));
  return view.hasShape(paired, shape);
}

bool Rotation::matchHalves(Value first, Value second) {
  auto split = first.getDefiningOp<SplitOp>();
  if (split) {
    x = split.getInput();
    std::optional<int64_t> size = view.getFixedDim(x, -1);
    if (!size || split->getNumResults() != 2 || split->getResult(0) != first ||
        split->getResult(1) != second || !view.isLastAxis(x, split.getAxis()) ||
        !view.isFixed(view.getDim(first, -1), *size / 2) || *size % 2)
      return false;
    rotaryDim = *size;
    return true;
  }
  auto slice = first.getDefiningOp<SliceOp>();
  if (!slice)
    return false;
  x = slice.getData();
  std::optional<int64_t> size = view.getFixedDim(x, -1);
  if (!size || *size % 2)
    return false;
  rotaryDim = *size;
  return isSlice(first, x, 0, *size / 2) &&
         isSlice(second, x, *size / 2, *size / 2);
}

const char *Rotation::matchNegation(NegOp negation) {
  auto swapped = getOnlyUser<ConcatOp>(negation->getResult(0));
  if (!swapped || swapped.getInputs().size() != 2 ||
      swapped.getInputs()[0] != negation->getResult(0) ||
      !matchHalves(swapped.getInputs()[1], negation->getOperand(0)))
    return "what is negated is not the second half of what Concat swaps";
  auto turned = getOnlyUser<MulOp>(swapped->getResult(0));
  auto sum = turned ? getOnlyUser<AddOp>(turned->getResult(0)) : nullptr;
  auto kept = sum ? getOther(sum, turned->getResult(0)).getDefiningOp<MulOp>()
                  : nullptr;
  if (!kept || !kept->getResult(0).hasOneUse() ||
      (kept->getOperand(0) != x && kept->getOperand(1) != x))
    return "the swapped halves are not multiplied and added to the product of "
           "the whole";
  sin = tables.getHalf(getOther(turned, swapped->getResult(0)));
  cos = tables.getHalf(getOther(kept, x));
  if (!sin || !cos)
    return "the halves of cosine and sine are not provably equal";
  result = sum->getResult(0);
  return nullptr;
}

/// What `concat` joins; where it stacks, what it stacks.
Value Rotation::getJoined(ConcatOp concat, unsigned index) {
  Value input = concat.getInputs()[index];
  auto unsqueeze = input.getDefiningOp<UnsqueezeOp>();
  if (!unsqueeze)
    return input;
  std::optional<int64_t> axis = view.getInteger(unsqueeze.getAxes());
  return axis && view.isLastAxis(input, *axis) ? unsqueeze.getData() : input;
}

bool Rotation::isCandidate(ConcatOp concat) {
  if (concat.getInputs().size() != 2)
    return false;
  auto real = getJoined(concat, 0).getDefiningOp<SubOp>();
  auto imaginary = getJoined(concat, 1).getDefiningOp<AddOp>();
  auto isProduct = [](Value value) {
    return isa_and_nonnull<MulOp>(value.getDefiningOp());
  };
  return real && imaginary && llvm::all_of(real->getOperands(), isProduct) &&
         llvm::all_of(imaginary->getOperands(), isProduct) &&
         view.isLastAxis(concat->getResult(0), concat.getAxis());
}

const char *Rotation::matchPair(ConcatOp concat) {
  Operation *real = getJoined(concat, 0).getDefiningOp();
  Operation *imaginary = getJoined(concat, 1).getDefiningOp();
  Operation *first = real->getOperand(0).getDefiningOp();
  Operation *second = real->getOperand(1).getDefiningOp();
  Value x1, x2;
  // x1 · cos and x2 · sin, factors in any order.
  for (unsigned i : {0, 1})
    for (unsigned j : {0, 1})
      if (!x1 && matchParts(first->getOperand(i), second->getOperand(j))) {
        x1 = first->getOperand(i);
        x2 = second->getOperand(j);
        cos = first->getOperand(1 - i);
        sin = second->getOperand(1 - j);
      }
  if (!x1)
    return "what is rotated are neither the halves nor the even and odd "
           "channels of one tensor";
  auto isProduct = [](Value value, Value a, Value b) {
    Operation *op = value.getDefiningOp();
    return (op->getOperand(0) == a && op->getOperand(1) == b) ||
           (op->getOperand(0) == b && op->getOperand(1) == a);
  };
  Value left = imaginary->getOperand(0), right = imaginary->getOperand(1);
  if (!(isProduct(left, x1, sin) && isProduct(right, x2, cos)) &&
      !(isProduct(right, x1, sin) && isProduct(left, x2, cos)))
    return "the second half is not x1 · sin + x2 · cos";
  // The loop above leaves x as it was tried last.
  matchParts(x1, x2);
  return matchJoined(concat);
}

const char *Rotation::matchJoined(ConcatOp concat) {
  result = concat->getResult(0);
  if (getJoined(concat, 0) == concat.getInputs()[0])
    return nullptr;
  if (reads == Layout::Halves)
    return "halves are read, but even and odd channels written";
  writes = Layout::Pairs;
  auto reshape = getOnlyUser<ReshapeOp>(result);
  if (!reshape || !view.haveSameShape(reshape.getReshaped(), x))
    return "the pairs are not joined to the shape of what is rotated";
  result = reshape.getReshaped();
  return nullptr;
}

/// Channels behind the rotated ones, appended as they were.
void Rotation::matchRest() {
  if (reads != writes)
    return;
  auto rotated = x.getDefiningOp<SliceOp>();
  auto joined = getOnlyUser<ConcatOp>(result);
  if (!rotated || !joined || joined.getInputs().size() != 2 ||
      joined.getInputs()[0] != result)
    return;
  Value whole = rotated.getData();
  std::optional<int64_t> size = view.getFixedDim(whole, -1);
  if (!size || !isSlice(x, whole, 0, rotaryDim) ||
      !isSlice(joined.getInputs()[1], whole, rotaryDim, *size - rotaryDim) ||
      !view.haveSameShape(joined->getResult(0), whole))
    return;
  x = whole;
  result = joined->getResult(0);
}

const char *Rotation::finish() {
  if (view.getRank(x) != 4)
    return "what is rotated is not of rank 4";
  if (getElementTypeOrSelf(cos.getType()) != getElementTypeOrSelf(x.getType()))
    return "cosine and input have different element types";
  AffineExpr half = view.getConstant(rotaryDim / 2);
  if (!view.isEqual(view.getDim(cos, -1), half) ||
      !view.isEqual(view.getDim(sin, -1), half) ||
      !view.haveSameShape(cos, sin))
    return "cosine and sine have not half as many columns as are rotated";
  AffineExpr length = view.getDim(x, 2);
  cos = tables.getPerPosition(cos, length);
  sin = tables.getPerPosition(sin, length);
  if (!cos || !sin)
    return "cosine and sine are not per position of [batch, heads, positions, "
           "channels]";
  AffineExpr batch = view.getDim(cos, 0);
  if (!view.isFixed(batch, 1) && !view.isEqual(batch, view.getDim(x, 0)))
    return "the batch of cosine and sine is not the input's";
  matchRest();
  return nullptr;
}

/// x with its even channels in the first half, its odd ones in the second. A
/// transpose that x comes from becomes part of this one.
Value Rotation::separate(RaisedBuilder &raised) {
  int64_t half = rotaryDim / 2;
  Value source = x;
  SmallVector<int64_t> perm = {0, 1, 2, 3};
  auto moved = x.getDefiningOp<TransposeOp>();
  if (moved && moved.getPerm() && moved.getPerm()->back() == 3) {
    source = moved.getData();
    perm.assign(moved.getPerm()->begin(), moved.getPerm()->end());
  }
  perm.insert(perm.end() - 1, 4);
  SmallVector<AffineExpr> shape = view.getShape(x);
  SmallVector<AffineExpr> pairs = view.getShape(source), parts = shape;
  pairs.back() = view.getConstant(half);
  pairs.push_back(view.getConstant(2));
  parts.back() = view.getConstant(2);
  parts.push_back(view.getConstant(half));
  Type element = getElementTypeOrSelf(x.getType());
  Value split[] = {source, raised.getIntegers({0, 0, 0, half, 2})};
  Value paired = raised.create<ReshapeOp>(getTensorType(pairs, element), split)
                     ->getResult(0);
  Value turned =
      raised
          .create<TransposeOp>(
              getTensorType(parts, element), paired, 0,
              {raised.builder.getNamedAttr(
                  "perm", raised.builder.getDenseI64ArrayAttr(perm))})
          ->getResult(0);
  Value joined[] = {turned, raised.getIntegers({0, 0, 0, rotaryDim})};
  Value whole = raised.create<ReshapeOp>(getTensorType(shape, element), joined)
                    ->getResult(0);
  view.setShape(paired, pairs);
  view.setShape(turned, parts);
  view.setShape(whole, shape);
  return whole;
}

void Rotation::rewrite() {
  RaisedBuilder raised(getResultOp());
  Value operands[] = {reads == writes ? x : separate(raised), cos, sin,
                      raised.getNone()};
  SmallVector<NamedAttribute> attributes = {
      raised.getNamed("rotary_embedding_dim", rotaryDim)};
  if (writes == Layout::Pairs)
    attributes.push_back(raised.getNamed("interleaved", int64_t(1)));
  auto rotary = raised.create<RotaryEmbeddingOp>(result.getType(), operands, 23,
                                                 attributes);
  view.replace(result, rotary->getResult(0));
}

struct RaiseRotary : hybrid::onnx::impl::ONNXRaiseRotaryBase<RaiseRotary> {
  void runOnOperation() override {
    auto raise = [&](GraphView &view) { raiseRotations(view); };
    if (failed(raiseIn(getOperation(), getArgument(), raise)))
      signalPassFailure();
  }

private:
  void raiseRotations(GraphView &view) {
    Tables tables(view);
    for (Operation &op : llvm::make_early_inc_range(view.getBlock())) {
      Rotation rotation(view, tables);
      const char *why = nullptr;
      if (auto negation = dyn_cast<NegOp>(op)) {
        // Most negations rotate nothing.
        if (!getOnlyUser<ConcatOp>(negation->getResult(0)))
          continue;
        why = rotation.matchNegation(negation);
      } else if (auto concat = dyn_cast<ConcatOp>(op);
                 concat && rotation.isCandidate(concat)) {
        why = rotation.matchPair(concat);
      } else {
        continue;
      }
      if (!why)
        why = rotation.finish();
      if (why) {
        ++numRefused;
        view.reportRefused(&op, why);
        continue;
      }
      ++numRaised;
      view.reportRaised(rotation.getResultOp(), "became RotaryEmbedding");
      rotation.rewrite();
    }
    view.eraseDead();
  }
};

} // namespace
