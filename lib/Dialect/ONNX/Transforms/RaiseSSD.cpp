//===- RaiseSSD.cpp - pass onnx-raise-ssd ---------------------------------===//
//
// The chunked "segment-sum" form of Mamba-2's recurrence (Dao and Gu,
// arXiv 2405.21060, listing 1), with time padded to c chunks of l = s
// positions:
//
//   A[b,h,c,l]      logarithms of the decay, X[b,c,s,h,p], B[b,c,s,h,n],
//   a               = cumulative sum of A over l        C[b,c,l,h,n]
//   L[b,h,c,l,s]    = exp(A summed over (s, l]), 0 for s > l     ("segsum")
//   inside          = Σ_{s,n} C · B · L · X
//   chunk[b,c,h,p,n] = Σ_l B · exp(a[last] - a) · X
//   all             = Concat(initial, chunk) along c
//   D[b,h,z,c]      = segsum of (0, a[last])
//   states[b,z,h,p,n] = Σ_c D · all;  the last one is the state afterwards
//   before          = Σ_n C · states[:-1] · exp(a)
//   y               = inside + before                     [b,c,l,h,p]
//
// The anchor is y's sum. Each product may be written in any way that
// Contraction reads.
//
//===----------------------------------------------------------------------===//

#include "Chunking.h"
#include "Contraction.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"

#include <cmath>

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXRAISESSD
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

namespace {

//===----------------------------------------------------------------------===//
// Segment sums
//===----------------------------------------------------------------------===//

/// Reads segment sums and the cumulative sums beside them.
class Segments {
public:
  explicit Segments(GraphView &view) : view(view) {}

  /// x of exp(segsum(x)), x's last dimension summed; or null.
  Value getSource(Value value);
  /// x of a cumulative sum over the last dimension.
  Value getCumulated(Value value);
  /// x of the last element along the last dimension of its cumulative sum, kept
  /// as 1 or (`keeps` false) gone.
  Value getTotal(Value value, bool keeps);

private:
  bool isSegmentSum(Value value, Value &source);

  GraphView &view;
};

Value Segments::getSource(Value value) {
  auto exponential = value.getDefiningOp<ExpOp>();
  if (!exponential)
    return Value();
  Value sums = skipTriangle(view, exponential->getOperand(0), 0, -INFINITY);
  auto cumulated = sums ? sums.getDefiningOp<CumSumOp>() : nullptr;
  if (!cumulated || !isCumSumAlong(view, cumulated, 2))
    return Value();
  Value repeated = skipTriangle(view, cumulated.getX(), -1, 0);
  auto expand = repeated ? repeated.getDefiningOp<ExpandOp>() : nullptr;
  auto unsqueeze =
      expand ? expand.getInput().getDefiningOp<UnsqueezeOp>() : nullptr;
  if (!unsqueeze)
    return Value();
  Value source = unsqueeze.getData();
  SmallVector<AffineExpr> shape = view.getShape(source);
  std::optional<int64_t> axis = view.getInteger(unsqueeze.getAxes());
  if (shape.empty() || !axis ||
      !view.isLastAxis(unsqueeze.getExpanded(), *axis))
    return Value();
  // An exporter may have baked in the number m of chunks: then Expand works
  // only where the source has as many, because both are at least 2.
  AffineExpr size = view.getDim(repeated, -1);
  bool isBakedIn = view.getShapes().isAtLeast(shape.back(), 2) &&
                   view.getShapes().isAtLeast(size, 2);
  if (isBakedIn)
    shape.back() = size;
  shape.push_back(shape.back());
  return view.hasShape(repeated, shape) ? source : Value();
}

Value Segments::getCumulated(Value value) {
  auto op = value.getDefiningOp<CumSumOp>();
  return op && isCumSumAlong(view, op, 1) ? op.getX() : Value();
}

Value Segments::getTotal(Value value, bool keeps) {
  if (keeps) {
    auto slice = value.getDefiningOp<SliceOp>();
    std::optional<SliceRange> range =
        slice ? view.getSlice(slice) : std::nullopt;
    if (!range || range->axis != view.getRank(value) - 1 ||
        !view.isFixed(range->length, 1) ||
        !view.isEqual(range->start + 1, view.getDim(slice.getData(), -1)))
      return Value();
    return getCumulated(slice.getData());
  }
  if (auto squeeze = value.getDefiningOp<SqueezeOp>()) {
    if (isa<NoneType>(squeeze.getAxes().getType()))
      return Value();
    std::optional<int64_t> axis = view.getInteger(squeeze.getAxes());
    Value data = squeeze.getData();
    return axis && view.isLastAxis(data, *axis) ? getTotal(data, true)
                                                : Value();
  }
  auto gather = value.getDefiningOp<GatherOp>();
  if (!gather || view.getRank(gather.getIndices()) != 0)
    return Value();
  std::optional<int64_t> index = view.getInteger(gather.getIndices());
  Value data = gather.getData();
  if (!index || !view.isLastAxis(data, gather.getAxis()))
    return Value();
  bool isLast = *index == -1 || view.isFixed(view.getDim(data, -1), *index + 1);
  return isLast ? getCumulated(data) : Value();
}

//===----------------------------------------------------------------------===//
// The recurrence
//===----------------------------------------------------------------------===//

/// Indices of y's dimensions.
enum Label : int { kBatch, kChunk, kPosition, kHead, kValue };

class SSD {
public:
  SSD(GraphView &view, AddOp sum) : view(view), segments(view), sum(sum) {}

  /// One of both terms has a segment sum for a factor.
  bool isCandidate();
  /// Null, or why this is none.
  const char *match();
  void rewrite();
  Operation *getResultOp() { return sum; }
  StringRef getMeaning() const {
    return past ? "became LinearAttention with a past state"
                : "became LinearAttention";
  }

private:
  bool matchInside(Value term);
  const char *matchBefore(Value term);
  const char *matchStates(Value states);
  const char *matchChunks(Value chunks);
  const char *matchInitial(Value initial);
  const char *matchResult();
  void matchFinal(Value states);
  bool isExpOf(Value value, Value source);
  Value flattenHeads(RaisedBuilder &raised, Value value);
  bool canCut(Value value);
  Value cut(RaisedBuilder &raised, Value value, Value output);

  GraphView &view;
  Segments segments;
  AddOp sum;
  Value inside, before;
  /// The factors, chunked.
  Value a, b, c, x;
  /// [B, H, chunks, positions], as `a` is used.
  Value decays;
  Value past;
  /// The padded y [B, T', H, P], the Slice that cuts the padding off it (or off
  /// what is added to it), and the states after the call.
  Value padded;
  SliceOp slice;
  SmallVector<Value, 1> finals;
  /// Per token: [B, T, H], [B, T, G, N], [B, T, H, P].
  Value decay, key, query, value;
  SmallVector<AffineExpr> shape;
};

bool SSD::matchInside(Value term) {
  std::optional<Contraction> product = Contraction::get(view, term);
  if (!product || product->getFactors().size() != 4)
    return false;
  // L gives s its index.
  int source = -1;
  for (const Factor &factor : product->getFactors())
    if (Value found = segments.getSource(factor.value);
        found && factor.labels.size() == 5 &&
        ArrayRef<int>(factor.labels).take_front(4) ==
            ArrayRef<int>({kBatch, kHead, kChunk, kPosition})) {
      source = factor.labels[4];
      decays = found;
    }
  if (source <= kValue)
    return false;
  int channel = -1;
  for (const Factor &factor : product->getFactors()) {
    ArrayRef<int> labels = factor.labels;
    if (labels.size() != 5 || segments.getSource(factor.value))
      continue;
    if (labels == ArrayRef<int>({kBatch, kChunk, source, kHead, kValue}))
      x = factor.value;
    else if (labels.take_front(4) ==
             ArrayRef<int>({kBatch, kChunk, kPosition, kHead}))
      c = factor.value, channel = labels[4];
  }
  if (!c || !x || channel <= kValue || channel == source)
    return false;
  for (const Factor &factor : product->getFactors())
    if (ArrayRef<int>(factor.labels) ==
        ArrayRef<int>({kBatch, kChunk, source, kHead, channel}))
      b = factor.value;
  return static_cast<bool>(b);
}

bool SSD::isCandidate() {
  if (view.getRank(sum->getResult(0)) != 5)
    return false;
  for (unsigned i : {0, 1})
    if (matchInside(sum->getOperand(i))) {
      before = sum->getOperand(1 - i);
      return true;
    }
  return false;
}

/// exp of the cumulative sum of `source`.
bool SSD::isExpOf(Value value, Value source) {
  auto exponential = value.getDefiningOp<ExpOp>();
  return exponential &&
         segments.getCumulated(exponential->getOperand(0)) == source;
}

const char *SSD::matchBefore(Value term) {
  std::optional<Contraction> product = Contraction::get(view, term);
  if (!product || product->getFactors().size() != 3)
    return "the other term is no product of three factors";
  Value states;
  bool hasC = false, hasDecay = false;
  int channel = -1;
  for (const Factor &factor : product->getFactors())
    if (factor.value == c && factor.labels.size() == 5 &&
        ArrayRef<int>(factor.labels).take_front(4) ==
            ArrayRef<int>({kBatch, kChunk, kPosition, kHead})) {
      hasC = true;
      channel = factor.labels[4];
    }
  for (const Factor &factor : product->getFactors()) {
    ArrayRef<int> labels = factor.labels;
    if (labels == ArrayRef<int>({kBatch, kHead, kChunk, kPosition}))
      hasDecay = isExpOf(factor.value, decays);
    else if (labels == ArrayRef<int>({kBatch, kChunk, kHead, kValue, channel}))
      states = factor.value;
  }
  if (!hasC || !hasDecay || !states || channel <= kValue)
    return "the other term is not C · state · exp(cumulative decay)";
  auto slice = states.getDefiningOp<SliceOp>();
  std::optional<SliceRange> range = slice ? view.getSlice(slice) : std::nullopt;
  // All but the last: the slice's end is -1.
  std::optional<int64_t> end;
  if (slice && !isa<NoneType>(slice.getEnds().getType()))
    end = view.getInteger(slice.getEnds());
  if (!range || range->axis != 1 || range->step != 1 ||
      !view.isFixed(range->start, 0) || !end || *end != -1)
    return "the states before each chunk are not all but the last";
  return matchStates(slice.getData());
}

/// states[b,z,h,p,n] = Σ_c D[b,h,z,c] · all[b,c,h,p,n]
const char *SSD::matchStates(Value states) {
  std::optional<Contraction> product = Contraction::get(view, states);
  if (!product || product->getFactors().size() != 2)
    return "the states are no product with the chunks' decay";
  Value all, between;
  for (unsigned i : {0, 1}) {
    const Factor &first = product->getFactors()[i];
    const Factor &second = product->getFactors()[1 - i];
    ArrayRef<int> labels = first.labels, others = second.labels;
    // Here 0 … 4 are b, z, h, p, n.
    if (labels.size() == 4 &&
        labels.take_front(3) == ArrayRef<int>({0, 2, 1}) && labels[3] > 4 &&
        others == ArrayRef<int>({0, labels[3], 2, 3, 4})) {
      between = first.value;
      all = second.value;
    }
  }
  Value totals = between ? segments.getSource(between) : Value();
  auto pad = totals ? totals.getDefiningOp<PadOp>() : nullptr;
  std::optional<SmallVector<int64_t>> pads;
  if (pad)
    pads = view.getIntegers(pad.getPads());
  bool isZero = pad && pad.getMode() == "constant" &&
                isa<NoneType>(pad.getAxes().getType()) &&
                (isa<NoneType>(pad.getConstantValue().getType()) ||
                 view.isNumber(pad.getConstantValue(), 0));
  if (!isZero || !pads ||
      ArrayRef<int64_t>(*pads) != ArrayRef<int64_t>({0, 0, 1, 0, 0, 0}) ||
      segments.getTotal(pad.getData(), /*keeps=*/false) != decays)
    return "the decay between chunks is not the segment sum of their totals";
  auto concat = all.getDefiningOp<ConcatOp>();
  if (!concat || concat.getInputs().size() != 2 ||
      view.normalizeAxis(all, static_cast<int64_t>(concat.getAxis())) != 1 ||
      !view.isFixed(view.getDim(concat.getInputs()[0], 1), 1))
    return "the chunks' states are not appended to one initial state";
  matchFinal(states);
  if (const char *why = matchInitial(concat.getInputs()[0]))
    return why;
  return matchChunks(concat.getInputs()[1]);
}

/// Zeros, or the state before the call.
const char *SSD::matchInitial(Value initial) {
  if (auto unsqueeze = initial.getDefiningOp<UnsqueezeOp>()) {
    std::optional<int64_t> axis = view.getInteger(unsqueeze.getAxes());
    if (!axis || view.normalizeAxis(initial, *axis) != 1)
      return "the initial state is not one state per sequence";
    past = unsqueeze.getData();
    return nullptr;
  }
  if (view.getFill(initial) == 0.0)
    return nullptr;
  return "the initial state is neither zero nor one state per sequence";
}

/// chunks[b,c,h,p,n] = Σ_l B[b,c,l,h,n] · exp(a[last] - a)[b,h,c,l] ·
/// X[b,c,l,h,p]
const char *SSD::matchChunks(Value chunks) {
  const char *why = "the chunks' states are not B · decay to the end · X";
  std::optional<Contraction> product = Contraction::get(view, chunks);
  if (!product || product->getFactors().size() != 3)
    return why;
  int position = -1;
  for (const Factor &factor : product->getFactors()) {
    // Here 0 … 4 are b, c, h, p, n.
    ArrayRef<int> labels = factor.labels;
    if (labels.size() != 4 || labels.take_front(3) != ArrayRef<int>({0, 2, 1}))
      continue;
    auto exponential = factor.value.getDefiningOp<ExpOp>();
    auto rest = exponential ? exponential->getOperand(0).getDefiningOp<SubOp>()
                            : nullptr;
    if (rest && segments.getTotal(rest->getOperand(0), true) == decays &&
        segments.getCumulated(rest->getOperand(1)) == decays)
      position = labels[3];
  }
  if (position <= 4)
    return why;
  bool hasB = false, hasX = false;
  for (const Factor &factor : product->getFactors()) {
    ArrayRef<int> labels = factor.labels;
    hasB |=
        factor.value == b && labels == ArrayRef<int>({0, 1, position, 2, 4});
    hasX |=
        factor.value == x && labels == ArrayRef<int>({0, 1, position, 2, 3});
  }
  return hasB && hasX ? nullptr : why;
}

/// The state after the last chunk: Gather or Slice of `states`.
void SSD::matchFinal(Value states) {
  finals.clear();
  for (Operation *user : states.getUsers()) {
    if (auto gather = dyn_cast<GatherOp>(user)) {
      std::optional<int64_t> index = view.getInteger(gather.getIndices());
      if (index && *index == -1 && view.getRank(gather.getIndices()) == 0 &&
          view.normalizeAxis(states, static_cast<int64_t>(gather.getAxis())) ==
              1)
        finals.push_back(gather->getResult(0));
      continue;
    }
    auto slice = dyn_cast<SliceOp>(user);
    std::optional<SliceRange> range =
        slice ? view.getSlice(slice) : std::nullopt;
    if (!range || range->axis != 1 || !view.isFixed(range->length, 1) ||
        !view.isEqual(range->start + 1, view.getDim(states, 1)))
      continue;
    if (auto squeeze = getOnlyUser<SqueezeOp>(slice.getOutput()))
      finals.push_back(squeeze->getResult(0));
  }
}

const char *SSD::matchResult() {
  auto reshape = getOnlyUser<ReshapeOp>(sum->getResult(0));
  shape = view.getShape(value);
  SmallVector<AffineExpr> from = view.getShape(sum->getResult(0));
  if (!reshape || view.getRank(reshape.getReshaped()) != 4 ||
      !view.isEqual(view.getDim(reshape.getReshaped(), 0), shape[0]) ||
      !view.isEqual(view.getDim(reshape.getReshaped(), 2), shape[2]) ||
      !view.isEqual(view.getDim(reshape.getReshaped(), 3), shape[3]))
    return "the chunks are not joined to [batch, time, heads, channels]";
  padded = reshape.getReshaped();
  if (view.isEqual(view.getDim(padded, 1), shape[1]))
    return nullptr;
  Value last = padded;
  while (last.hasOneUse() && isa<AddOp, MulOp>(*last.user_begin()))
    last = (*last.user_begin())->getResult(0);
  slice = getOnlyUser<SliceOp>(last);
  std::optional<SliceRange> range = slice ? view.getSlice(slice) : std::nullopt;
  if (!range || range->axis != 1 || range->step != 1 ||
      !view.isFixed(range->start, 0) || !view.isEqual(range->length, shape[1]))
    return "the padding is not cut off behind";
  return canCut(last) ? nullptr
                      : "what is done to the padded result is not elementwise "
                        "along the time";
}

const char *SSD::match() {
  if (const char *why = matchBefore(before))
    return why;
  std::optional<Contraction> transposed = Contraction::get(view, decays);
  a = transposed ? transposed->getOnly({0, 2, 3, 1}) : Value();
  // decays [b,h,c,l] of a [b,c,l,h].
  decay = a ? getPerToken(view, a, 1) : Value();
  key = getPerToken(view, b, 1);
  query = getPerToken(view, c, 1);
  value = getPerToken(view, x, 1);
  if (!decay || !key || !query || !value)
    return "a factor is not padded by zeros and cut into chunks";
  SmallVector<AffineExpr> values = view.getShape(value);
  SmallVector<AffineExpr> keys = view.getShape(key);
  if (values.size() != 4 || keys.size() != 4 ||
      !view.hasShape(decay, {values[0], values[1], values[2]}) ||
      !view.hasShape(key, {values[0], values[1], values[2], keys[3]}) ||
      !view.hasShape(query, {values[0], values[1], values[2], keys[3]}))
    return "batches, lengths or heads of the factors are not provably equal";
  for (Value tensor : {value, key})
    if (!view.getFixedDim(tensor, 2) || !view.getFixedDim(tensor, 3))
      return "the number of heads or a head size is not fixed";
  Value keyGroups = getRepeated(view, key),
        queryGroups = getRepeated(view, query);
  if (view.isEqual(view.getDim(keyGroups, 2), view.getDim(queryGroups, 2))) {
    key = keyGroups;
    query = queryGroups;
  }
  if (const char *why = matchResult())
    return why;
  Operation *last = slice ? slice.getOperation() : padded.getDefiningOp();
  for (Value final : finals)
    for (Operation *user : final.getUsers())
      if (user->getBlock() != last->getBlock() || user->isBeforeInBlock(last))
        return "the last state is used before the result is complete";
  return nullptr;
}

//===----------------------------------------------------------------------===//
// The operator
//===----------------------------------------------------------------------===//

/// Whether `cut` has a result for `value`.
bool SSD::canCut(Value value) {
  SmallVector<AffineExpr> whole = view.getShape(padded);
  int64_t rank = view.getRank(value);
  if (value == padded || (rank >= 0 && rank < 3) ||
      (rank == 4 && view.isFixed(view.getDim(value, 1), 1)) ||
      (rank == 3 && view.isFixed(view.getDim(value, 0), 1)))
    return true;
  if (!view.hasShape(value, whole))
    return false;
  Operation *op = value.getDefiningOp();
  if (auto pad = dyn_cast_or_null<PadOp>(op))
    return view.hasShape(pad.getData(),
                         {whole[0], shape[1], whole[2], whole[3]});
  return isa_and_nonnull<AddOp, MulOp>(op) &&
         llvm::all_of(op->getOperands(),
                      [&](Value operand) { return canCut(operand); });
}

/// The first T positions of `value`, where `output` is those of the padded y.
Value SSD::cut(RaisedBuilder &raised, Value value, Value output) {
  if (value == padded)
    return output;
  if (!view.hasShape(value, view.getShape(padded)))
    return value;
  if (auto pad = value.getDefiningOp<PadOp>())
    return pad.getData();
  Operation *op = value.getDefiningOp();
  Value operands[] = {cut(raised, op->getOperand(0), output),
                      cut(raised, op->getOperand(1), output)};
  Type type = slice.getOutput().getType();
  Value result = isa<AddOp>(op)
                     ? raised.create<AddOp>(type, operands)->getResult(0)
                     : raised.create<MulOp>(type, operands)->getResult(0);
  view.setShape(result, shape);
  return result;
}

/// [B, T, H, N] as [B, T, H · N].
Value SSD::flattenHeads(RaisedBuilder &raised, Value tensor) {
  SmallVector<AffineExpr> from = view.getShape(tensor);
  int64_t channels =
      *view.getFixedDim(tensor, 2) * *view.getFixedDim(tensor, 3);
  SmallVector<AffineExpr> to = {from[0], from[1], view.getConstant(channels)};
  Value operands[] = {tensor, raised.getIntegers({0, 0, channels})};
  return raised
      .create<ReshapeOp>(
          getTensorType(to, getElementTypeOrSelf(tensor.getType())), operands)
      ->getResult(0);
}

void SSD::rewrite() {
  Operation *last = slice ? slice.getOperation() : padded.getDefiningOp();
  RaisedBuilder raised(last);
  int64_t heads = *view.getFixedDim(value, 2);
  int64_t groups = *view.getFixedDim(key, 2);
  AffineExpr batch = shape[0], count = view.getConstant(heads);
  AffineExpr channels = view.getDim(key, 3);
  Type element = getElementTypeOrSelf(value.getType());
  SmallVector<AffineExpr> flat = {
      batch, shape[1], view.getConstant(heads * *view.getFixedDim(value, 3))};
  // The graph's states are [B, H, P, N].
  SmallVector<AffineExpr> stateShape = {batch, count, channels, shape[3]};
  auto transpose = [&](Value state, ArrayRef<AffineExpr> to) -> Value {
    Type type = getTensorType(to, getElementTypeOrSelf(state.getType()));
    return raised
        .create<TransposeOp>(
            type, state, 0,
            {raised.builder.getNamedAttr(
                "perm", raised.builder.getDenseI64ArrayAttr({0, 1, 3, 2}))})
        ->getResult(0);
  };
  Value initial = past ? transpose(past, stateShape) : raised.getNone();
  Value operands[] = {flattenHeads(raised, query),
                      flattenHeads(raised, key),
                      flattenHeads(raised, value),
                      initial,
                      decay,
                      raised.getNone()};
  Type types[] = {getTensorType(flat, element),
                  getTensorType(stateShape, element)};
  auto scan = raised.create<MsLinearAttentionOp>(
      types, operands, 1,
      {raised.getNamed("kv_num_heads", heads),
       raised.getNamed("q_num_heads", groups), raised.getNamed("scale", 1.0),
       raised.getNamed("update_rule", "gated")});
  Value joined[] = {
      scan.getOutput(),
      raised.getIntegers({0, 0, heads, *view.getFixedDim(value, 3)})};
  Value output =
      raised.create<ReshapeOp>(getTensorType(shape, element), joined)
          ->getResult(0);
  view.setShape(output, shape);
  view.replace(slice ? slice.getOutput() : padded,
               slice ? cut(raised, slice.getData(), output) : output);
  for (Value final : finals)
    view.replace(final,
                 transpose(scan.getPresentState(), view.getShape(final)));
}

struct RaiseSSD : hybrid::onnx::impl::ONNXRaiseSSDBase<RaiseSSD> {
  void runOnOperation() override {
    auto raise = [&](GraphView &view) {
      raiseGroups<AddOp, SSD>(view, numRaised, numRefused);
    };
    if (failed(raiseIn(getOperation(), getArgument(), raise)))
      signalPassFailure();
  }
};

} // namespace
