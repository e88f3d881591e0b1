//===- RaiseDeltaRule.cpp - pass onnx-raise-delta-rule --------------------===//
//
// The gated delta rule in chunks (Yang et al., arXiv 2412.06464), with time
// padded to c chunks of L positions, all [batch, head, chunk, position, ...]:
//
//   a           = cumulative sum of the decay's logarithms g over a chunk
//   D[i,j]      = exp(a[i] - a[j]), 0 for j > i
//   T           = (I + strictly lower part of (β k)[i] · k[j] · D[i,j])⁻¹
//   u, w        = T · (β v), T · (β k · exp(a))
//
// and for one chunk after another, with the state S [batch, head, key, value]:
//
//   new         = u - w · S
//   y           = (q · exp(a)) · S + (q · kᵀ · D) · new
//   S           = exp(a[last]) · S + (k · exp(a[last] - a))ᵀ · new
//
// The anchor is the first chunk's `new`. Each product may be written in any way
// that Contraction reads, and positions may be taken before or behind products.
//
//===----------------------------------------------------------------------===//

#include "Chunking.h"
#include "Contraction.h"
#include "HeadRows.h"
#include "Positions.h"
#include "Substitution.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"

#include <cmath>

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXRAISEDELTARULE
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

namespace {

using Labels = SmallVector<int, 5>;

/// exp(a[plus] - a[minus]) of a cumulative sum a, or exp(a[plus]).
struct Gate {
  Value sums;
  Labels plus, minus;
  /// Whether it is 0 where the column is behind the row.
  bool isMasked = false;
};

/// The factors of a product, which are taken one after another.
class Terms {
public:
  Terms(GraphView &view, Value value, ArrayRef<int> labels);

  size_t size() const { return factors.size(); }
  ArrayRef<Factor> getFactors() const { return factors; }
  /// Removes the factor; false if there is none.
  bool take(Value value, ArrayRef<int> labels);
  /// Removes the factor with these indices, if it is the only one; or null.
  Value takeOnly(ArrayRef<int> labels);
  /// Removes exp(sums[plus] - sums[minus]); `sums` is set if it is null. The
  /// result says whether it was there.
  bool takeGate(Value &sums, ArrayRef<int> plus, ArrayRef<int> minus,
                bool mustMask);
  /// Removes constants with one element, and gives their product.
  double takeScale();

private:
  void append(Value value, ArrayRef<int> labels);
  std::optional<Gate> getGate(const Factor &factor);
  Value getSums(Value value, ArrayRef<int> labels, Labels &own);

  GraphView &view;
  SmallVector<Factor> factors;
  /// Whether a mask around a product has been read.
  bool isMasked = false;
};

Terms::Terms(GraphView &view, Value value, ArrayRef<int> labels) : view(view) {
  append(value, labels);
}

void Terms::append(Value value, ArrayRef<int> labels) {
  Contraction product = Contraction::getAt(view, value, labels);
  for (const Factor &factor : product.getFactors()) {
    // A lower triangle of a product.
    Value inside = skipTriangle(view, factor.value, 0, 0);
    if (inside && !inside.getDefiningOp<ExpOp>()) {
      isMasked = true;
      append(inside, factor.labels);
      continue;
    }
    factors.push_back(factor);
  }
}

bool Terms::take(Value value, ArrayRef<int> labels) {
  auto *it = llvm::find(factors, Factor{value, Labels(labels)});
  if (!value || it == factors.end())
    return false;
  factors.erase(it);
  return true;
}

Value Terms::takeOnly(ArrayRef<int> labels) {
  auto has = [&](const Factor &factor) {
    return ArrayRef<int>(factor.labels) == labels;
  };
  auto *it = llvm::find_if(factors, has);
  if (it == factors.end() || llvm::count_if(factors, has) != 1)
    return Value();
  Value value = it->value;
  factors.erase(it);
  return value;
}

double Terms::takeScale() {
  double scale = 1;
  llvm::erase_if(factors, [&](const Factor &factor) {
    std::optional<double> number = view.getNumber(factor.value);
    if (number)
      scale *= *number;
    return number.has_value();
  });
  return scale;
}

/// The cumulative sum that `value` is a view of, with its indices.
Value Terms::getSums(Value value, ArrayRef<int> labels, Labels &own) {
  Contraction source = Contraction::getAt(view, value, labels);
  if (source.getFactors().size() != 1)
    return Value();
  const Factor &only = source.getFactors().front();
  auto sums = only.value.getDefiningOp<CumSumOp>();
  own = only.labels;
  return sums && isCumSumAlong(view, sums, 1) ? only.value : Value();
}

std::optional<Gate> Terms::getGate(const Factor &factor) {
  Gate gate;
  Value value = factor.value;
  if (Value inside = skipTriangle(view, value, 0, 0)) {
    gate.isMasked = true;
    value = inside;
  }
  auto exponential = value.getDefiningOp<ExpOp>();
  if (!exponential)
    return std::nullopt;
  Value exponent = exponential->getOperand(0);
  if (Value inside = skipTriangle(view, exponent, 0, -INFINITY)) {
    gate.isMasked = true;
    exponent = inside;
  } else if (Value lower = skipTriangle(view, exponent, 0, 0)) {
    exponent = lower;
  }
  gate.sums = getSums(exponent, factor.labels, gate.plus);
  if (gate.sums)
    return gate;
  Contraction source = Contraction::getAt(view, exponent, factor.labels);
  if (source.getFactors().size() != 1)
    return std::nullopt;
  const Factor &only = source.getFactors().front();
  auto difference = only.value.getDefiningOp<SubOp>();
  if (!difference)
    return std::nullopt;
  auto read = [&](unsigned i, Labels &own) {
    Value operand = difference->getOperand(i);
    return getSums(operand,
                   getBroadcastLabels(view, operand, only.value, only.labels),
                   own);
  };
  gate.sums = read(0, gate.plus);
  if (!gate.sums || read(1, gate.minus) != gate.sums)
    return std::nullopt;
  return gate;
}

bool Terms::takeGate(Value &sums, ArrayRef<int> plus, ArrayRef<int> minus,
                     bool mustMask) {
  for (const Factor &factor : factors) {
    std::optional<Gate> gate = getGate(factor);
    if (!gate || ArrayRef<int>(gate->plus) != plus ||
        ArrayRef<int>(gate->minus) != minus || (sums && sums != gate->sums) ||
        (mustMask && !gate->isMasked && !isMasked))
      continue;
    sums = gate->sums;
    return take(factor.value, Labels(factor.labels));
  }
  return false;
}

class DeltaRule {
public:
  DeltaRule(GraphView &view, SubOp first) : view(view), first(first) {}

  /// A product with a sum of an identity matrix, of the first chunk, less
  /// another product.
  bool isCandidate();
  /// Null, or why this is none.
  const char *match();
  void rewrite();
  Operation *getResultOp() { return first; }
  StringRef getMeaning() const {
    return past ? "became LinearAttention with a past state"
                : "became LinearAttention";
  }

private:
  int getChunkLabel(int64_t index) const {
    return numChunks == 1 ? -1 : getFixedLabel(index);
  }
  Value getInverse(Value value, int64_t *chunk);
  const char *matchSystem();
  const char *matchState();
  const char *matchChunk(SubOp fresh, int64_t index);
  bool isNew(SubOp fresh, int64_t index);
  bool isInside(Value term, SubOp fresh, int64_t index);
  bool isBefore(Value term, int64_t index);
  bool isDecayed(Value term, int64_t index);
  bool isUpdate(Value term, SubOp fresh, int64_t index);
  SubOp findNext(int64_t index);
  const char *matchResult();
  const char *matchTokens();
  Value skipScale(Value factor);
  bool takeWeightedKeys(Terms &terms, ArrayRef<int> position, int channel);
  bool takeWeightedValues(Terms &terms, ArrayRef<int> position, int channel);
  Value getWeighted(Value weighted, Value plain);

  GraphView &view;
  SubOp first;
  int64_t numChunks = 0, length = 0;
  /// T, and chunked or as the factors have them.
  Value inverse, query, key, sums;
  /// β, v and β v: chunked, or padded only where they are multiplied so.
  Value weightedKey, weightedValue, beta, value;
  bool isBetaChunked = false, isValueChunked = false;
  std::optional<double> scale;
  /// The state in front of the chunk that is matched, and before the first.
  Value state, initial, past;
  SmallVector<Value> outputs;
  /// [B, H, T, V]: what is replaced.
  Value result;
  SmallVector<AffineExpr> shape;
  Value tokens[5];
};

/// Indices of [B, H, chunk, position, channel].
enum Label : int { kBatch, kHead, kChunk, kRow, kColumn };

//===----------------------------------------------------------------------===//
// The system of a chunk
//===----------------------------------------------------------------------===//

/// The factor of `value` [B, H, L, V] that is a sum with an identity matrix,
/// and the chunk that it is taken of.
Value DeltaRule::getInverse(Value value, int64_t *chunk) {
  Contraction product = Contraction::getAt(view, value, {0, 1, 2, 3});
  for (const Factor &factor : product.getFactors()) {
    ArrayRef<int> labels = factor.labels;
    if (labels.size() != 5 || labels[0] != 0 || labels[1] != 1 ||
        labels[3] != 2 || labels[2] > -1 ||
        !skipIdentityMatrix(view, factor.value))
      continue;
    *chunk = labels[2] == -1 ? 0 : getFixedLabel(0) - labels[2];
    return factor.value;
  }
  return Value();
}

bool DeltaRule::isCandidate() {
  if (view.getRank(first->getResult(0)) != 4)
    return false;
  int64_t chunk = -1;
  inverse = getInverse(first->getOperand(0), &chunk);
  return inverse && chunk == 0;
}

/// x of x · β, cut or not; sets or compares β. `plain`: x, if it is known.
Value DeltaRule::getWeighted(Value weighted, Value plain) {
  Value whole = skipCut(view, weighted, 2);
  if (!whole)
    return Value();
  Value padded = skipPad(view, whole, 2);
  auto product = padded ? padded.getDefiningOp<MulOp>() : nullptr;
  if (!product)
    return Value();
  for (unsigned i : {0, 1}) {
    auto unsqueeze = product->getOperand(1 - i).getDefiningOp<UnsqueezeOp>();
    std::optional<int64_t> axis =
        unsqueeze ? view.getInteger(unsqueeze.getAxes()) : std::nullopt;
    if (!axis || view.normalizeAxis(unsqueeze.getExpanded(), *axis) != 3)
      continue;
    Value weight = skipPad(view, unsqueeze.getData(), 2);
    Value source = skipPad(view, product->getOperand(i), 2);
    if (!weight || !source || (plain && plain != source) ||
        (beta && (isBetaChunked || beta != weight)))
      continue;
    beta = weight;
    return source;
  }
  return Value();
}

/// β k, at [position, channel].
bool DeltaRule::takeWeightedKeys(Terms &terms, ArrayRef<int> position,
                                 int channel) {
  Labels whole(position);
  whole.push_back(channel);
  if (weightedKey)
    return terms.take(weightedKey, whole);
  if (beta)
    return terms.take(key, whole) && terms.take(beta, position);
  if (terms.take(key, whole)) {
    isBetaChunked = true;
    beta = terms.takeOnly(position);
    return static_cast<bool>(beta);
  }
  Value product = terms.takeOnly(whole);
  Value plain = product ? getPerToken(view, key, 2) : Value();
  if (!plain || !getWeighted(product, plain))
    return false;
  weightedKey = product;
  return true;
}

bool DeltaRule::takeWeightedValues(Terms &terms, ArrayRef<int> position,
                                   int channel) {
  Labels whole(position);
  whole.push_back(channel);
  if (weightedValue)
    return terms.take(weightedValue, whole);
  if (isBetaChunked) {
    if (!terms.take(beta, position))
      return false;
    Value found = terms.takeOnly(whole);
    isValueChunked = true;
    bool isSame = found && (!value || value == found);
    value = found;
    return isSame;
  }
  Value product = terms.takeOnly(whole);
  value = product ? getWeighted(product, Value()) : Value();
  weightedValue = product;
  return static_cast<bool>(value);
}

const char *DeltaRule::matchSystem() {
  const char *why = nullptr;
  Value system = getSubstituted(view, inverse, why);
  if (!system)
    return why;
  std::optional<int64_t> chunks = view.getFixedDim(inverse, kChunk);
  std::optional<int64_t> rows = view.getFixedDim(inverse, kRow);
  if (view.getRank(inverse) != 5 || !chunks || !rows)
    return "the number of chunks or of positions is not fixed";
  numChunks = *chunks;
  length = *rows;
  why = "what is inverted is not the weighted keys times keys and decay";
  Terms terms(view, system, {kBatch, kHead, kChunk, kRow, kColumn});
  if (!terms.takeGate(sums, {kBatch, kHead, kChunk, kRow},
                      {kBatch, kHead, kChunk, kColumn}, /*mustMask=*/false))
    return why;
  int channel = -1;
  for (const Factor &factor : terms.getFactors())
    if (factor.labels.size() == 5 && factor.labels[4] > kColumn &&
        ArrayRef<int>(factor.labels).take_front(4) ==
            ArrayRef<int>({kBatch, kHead, kChunk, kColumn})) {
      channel = factor.labels[4];
      key = factor.value;
    }
  if (channel < 0 ||
      !terms.take(key, {kBatch, kHead, kChunk, kColumn, channel}) ||
      !takeWeightedKeys(terms, {kBatch, kHead, kChunk, kRow}, channel))
    return why;
  return terms.size() == 0 ? nullptr : why;
}

//===----------------------------------------------------------------------===//
// One chunk
//===----------------------------------------------------------------------===//

/// u - w · S, [B, H, L, V].
bool DeltaRule::isNew(SubOp fresh, int64_t index) {
  int chunk = getChunkLabel(index);
  auto takeInverse = [&](Terms &terms, int &inner) {
    for (const Factor &factor : terms.getFactors())
      if (factor.value == inverse && factor.labels.size() == 5 &&
          ArrayRef<int>(factor.labels).take_front(4) ==
              ArrayRef<int>({0, 1, chunk, 2})) {
        inner = factor.labels[4];
        return terms.take(inverse, Labels(factor.labels));
      }
    return false;
  };
  Terms values(view, fresh->getOperand(0), {0, 1, 2, 3});
  int inner = -1;
  if (!takeInverse(values, inner) ||
      !takeWeightedValues(values, {0, 1, chunk, inner}, 3) || values.size())
    return false;
  Terms read(view, fresh->getOperand(1), {0, 1, 2, 3});
  if (!takeInverse(read, inner) ||
      !read.takeGate(sums, {0, 1, chunk, inner}, {}, false))
    return false;
  for (const Factor &factor : read.getFactors()) {
    ArrayRef<int> labels = factor.labels;
    if (labels.size() != 4 || labels[0] != 0 || labels[1] != 1 ||
        labels[3] != 3 || (index > 0 && factor.value != state))
      continue;
    int channel = labels[2];
    state = factor.value;
    return read.take(state, Labels(labels)) &&
           takeWeightedKeys(read, {0, 1, chunk, inner}, channel) &&
           read.size() == 0;
  }
  return false;
}

/// (q · exp(a)) · S
bool DeltaRule::isBefore(Value term, int64_t index) {
  int chunk = getChunkLabel(index);
  Terms terms(view, term, {0, 1, 2, 3});
  double factor = terms.takeScale();
  if (!terms.takeGate(sums, {0, 1, chunk, 2}, {}, false))
    return false;
  for (const Factor &candidate : terms.getFactors()) {
    if (candidate.value != state)
      continue;
    int channel = candidate.labels[2];
    if (!terms.take(state, {0, 1, channel, 3}))
      return false;
    Value found = terms.takeOnly({0, 1, chunk, 2, channel});
    if (!found || (query && query != found) || (scale && *scale != factor))
      return false;
    query = found;
    scale = factor;
    return terms.size() == 0;
  }
  return false;
}

/// (q · kᵀ · D) · new
bool DeltaRule::isInside(Value term, SubOp fresh, int64_t index) {
  int chunk = getChunkLabel(index);
  Terms terms(view, term, {0, 1, 2, 3});
  if (!scale || terms.takeScale() != *scale)
    return false;
  int inner = -1, channel = -1;
  for (const Factor &factor : terms.getFactors())
    if (factor.value == fresh->getResult(0) && factor.labels.size() == 4)
      inner = factor.labels[2];
  for (const Factor &factor : terms.getFactors())
    if (factor.value == query && factor.labels.size() == 5 &&
        factor.labels[3] == 2)
      channel = factor.labels[4];
  return inner > 3 && channel > 3 && inner != channel &&
         terms.take(fresh->getResult(0), {0, 1, inner, 3}) &&
         terms.takeGate(sums, {0, 1, chunk, 2}, {0, 1, chunk, inner}, true) &&
         terms.take(query, {0, 1, chunk, 2, channel}) &&
         terms.take(key, {0, 1, chunk, inner, channel}) && terms.size() == 0;
}

/// exp(a[last]) · S
bool DeltaRule::isDecayed(Value term, int64_t index) {
  Terms terms(view, term, {0, 1, 2, 3});
  return terms.take(state, {0, 1, 2, 3}) &&
         terms.takeGate(sums,
                        {0, 1, getChunkLabel(index), getFixedLabel(length - 1)},
                        {}, false) &&
         terms.size() == 0;
}

/// (k · exp(a[last] - a))ᵀ · new
bool DeltaRule::isUpdate(Value term, SubOp fresh, int64_t index) {
  int chunk = getChunkLabel(index), inner = -1;
  Terms terms(view, term, {0, 1, 2, 3});
  for (const Factor &factor : terms.getFactors())
    if (factor.value == fresh->getResult(0) && factor.labels.size() == 4)
      inner = factor.labels[2];
  return inner > 3 && terms.take(fresh->getResult(0), {0, 1, inner, 3}) &&
         terms.takeGate(sums, {0, 1, chunk, getFixedLabel(length - 1)},
                        {0, 1, chunk, inner}, false) &&
         terms.take(key, {0, 1, chunk, inner, 2}) && terms.size() == 0;
}

/// The only value that a product gives; what is summed where it is summed.
static Value getProduct(Operation *user) {
  Value value = user->getNumResults() == 1 ? user->getResult(0) : Value();
  if (isa<MatMulOp, EinsumOp>(user))
    return value;
  if (!isa<MulOp, UnsqueezeOp>(user))
    return Value();
  if (auto sum = getOnlyUser<ReduceSumOp>(value))
    return sum->getResult(0);
  auto product = getOnlyUser<MulOp>(value);
  auto sum =
      product ? getOnlyUser<ReduceSumOp>(product->getResult(0)) : nullptr;
  return sum ? sum->getResult(0) : Value();
}

const char *DeltaRule::matchChunk(SubOp fresh, int64_t index) {
  if (!isNew(fresh, index))
    return "a chunk's new values are not the inverse times weighted values, "
           "less what the state has of them";
  if (index == 0)
    initial = state;
  Value output, next;
  for (Operation *user : fresh->getUsers()) {
    Value product = getProduct(user);
    auto sum = product ? getOnlyUser<AddOp>(product) : nullptr;
    if (!sum)
      continue;
    Value other = getOther(sum, product);
    if (isBefore(other, index) && isInside(product, fresh, index))
      output = sum->getResult(0);
    else if (isDecayed(other, index) && isUpdate(product, fresh, index))
      next = sum->getResult(0);
  }
  if (!output)
    return "a chunk's output is not what the queries read in the state and in "
           "the chunk";
  outputs.push_back(output);
  state = next;
  return nullptr;
}

/// The new values of the next chunk, which read `state`.
SubOp DeltaRule::findNext(int64_t index) {
  for (Operation *user : state.getUsers()) {
    Value read = getProduct(user);
    if (!read)
      continue;
    for (Operation *reader : read.getUsers()) {
      auto fresh = dyn_cast<SubOp>(reader);
      int64_t chunk = -1;
      if (fresh && fresh->getOperand(1) == read &&
          getInverse(fresh->getOperand(0), &chunk) == inverse && chunk == index)
        return fresh;
    }
  }
  return SubOp();
}

//===----------------------------------------------------------------------===//
// The result
//===----------------------------------------------------------------------===//

/// All chunks written to one tensor or appended, joined to [B, H, T', V], and
/// its padding cut off.
const char *DeltaRule::matchResult() {
  std::optional<Joined> whole = getJoined(view, outputs);
  if (!whole || whole->axis != kChunk)
    return "the chunks' outputs are not joined in order";
  Value joined = whole->value;
  if (view.getRank(joined) == 5) {
    auto reshape = getOnlyUser<ReshapeOp>(joined);
    SmallVector<AffineExpr> from = view.getShape(joined);
    if (!reshape ||
        !view.hasShape(
            reshape.getReshaped(),
            {from[0], from[1], view.getConstant(numChunks * length), from[4]}))
      return "the chunks are not joined to [batch, heads, time, channels]";
    joined = reshape.getReshaped();
  }
  result = joined;
  if (view.hasShape(joined, shape))
    return nullptr;
  auto slice = getOnlyUser<SliceOp>(joined);
  std::optional<SliceRange> range = slice ? view.getSlice(slice) : std::nullopt;
  if (!range || range->axis != 2 || range->step != 1 ||
      !view.isFixed(range->start, 0) ||
      !view.hasShape(slice.getOutput(), shape))
    return "the padding is not cut off behind";
  result = slice.getOutput();
  return nullptr;
}

/// x of x times a number, which goes to `scale`; or `factor` itself.
Value DeltaRule::skipScale(Value factor) {
  auto product = factor.getDefiningOp<MulOp>();
  for (unsigned i : {0, 1}) {
    std::optional<double> number =
        product ? view.getNumber(product->getOperand(i)) : std::nullopt;
    if (!number || !view.haveSameShape(product->getOperand(1 - i), factor))
      continue;
    *scale *= *number;
    return product->getOperand(1 - i);
  }
  return factor;
}

/// q, k, v, g and β per position.
const char *DeltaRule::matchTokens() {
  auto getToken = [&](Value part, bool isChunked) {
    return isChunked ? getPerToken(view, part, 2) : part;
  };
  Value decay = sums.getDefiningOp<CumSumOp>().getX();
  Value queries = skipCut(view, query, 2);
  queries = queries ? skipPad(view, skipScale(queries), 2) : Value();
  tokens[0] = queries ? skipScale(queries) : Value();
  tokens[1] = getToken(key, true);
  tokens[2] = getToken(value, isValueChunked);
  tokens[3] = getToken(decay, true);
  tokens[4] = getToken(beta, isBetaChunked);
  // 0 stands for another scale in the operator.
  if (*scale == 0)
    return "the queries are scaled by 0";
  for (Value token : tokens)
    if (!token)
      return "a factor is not padded by zeros and cut into chunks";
  shape = view.getShape(tokens[2]);
  SmallVector<AffineExpr> keys = view.getShape(tokens[1]);
  if (shape.size() != 4 || keys.size() != 4 ||
      !view.getFixedDim(tokens[2], 1) || !view.getFixedDim(tokens[2], 3) ||
      !view.getFixedDim(tokens[1], 3))
    return "the number of heads or a head size is not fixed";
  SmallVector<AffineExpr> each = {shape[0], shape[1], shape[2]};
  if (!view.hasShape(tokens[1], {each[0], each[1], each[2], keys[3]}) ||
      !view.hasShape(tokens[0], {each[0], each[1], each[2], keys[3]}) ||
      !view.hasShape(tokens[3], each) || !view.hasShape(tokens[4], each))
    return "batches, heads or lengths of the factors are not provably equal";
  Type element = getElementTypeOrSelf(tokens[2].getType());
  for (Value token : tokens)
    if (getElementTypeOrSelf(token.getType()) != element)
      return "the factors have different element types";
  return nullptr;
}

const char *DeltaRule::matchState() {
  if (view.getFill(initial) != 0.0)
    past = initial;
  if (past && !view.hasShape(past, {shape[0], shape[1],
                                    view.getDim(tokens[1], 3), shape[3]}))
    return "the state is not [batch, heads, key channels, value channels]";
  if (!state)
    return nullptr;
  Operation *last = result.getDefiningOp();
  for (Operation *user : state.getUsers())
    if (user->getBlock() != last->getBlock() || user->isBeforeInBlock(last))
      return "the last state is used before the result is complete";
  return nullptr;
}

const char *DeltaRule::match() {
  if (const char *why = matchSystem())
    return why;
  SubOp fresh = first;
  for (int64_t index = 0; index < numChunks; ++index) {
    if (index > 0)
      fresh = state ? findNext(index) : SubOp();
    if (!fresh)
      return "a chunk does not start from the state behind the one before";
    if (const char *why = matchChunk(fresh, index))
      return why;
  }
  if (const char *why = matchTokens())
    return why;
  if (const char *why = matchResult())
    return why;
  return matchState();
}

//===----------------------------------------------------------------------===//
// The operator
//===----------------------------------------------------------------------===//

void DeltaRule::rewrite() {
  RaisedBuilder raised(result.getDefiningOp());
  HeadRows rows(view, raised);
  int64_t heads = *view.getFixedDim(tokens[2], 1);
  int64_t keyChannels = *view.getFixedDim(tokens[1], 3);
  int64_t valueChannels = *view.getFixedDim(tokens[2], 3);
  int64_t groups = rows.getGroups(tokens[0]) == rows.getGroups(tokens[1])
                       ? rows.getGroups(tokens[0])
                       : heads;
  Type element = getElementTypeOrSelf(tokens[2].getType());
  auto flatten = [&](Value token, int64_t count, int64_t channels) {
    return rows.flatten(rows.get(token, count), count * channels);
  };
  Value operands[] = {flatten(tokens[0], groups, keyChannels),
                      flatten(tokens[1], groups, keyChannels),
                      flatten(tokens[2], heads, valueChannels),
                      past ? past : raised.getNone(),
                      rows.get(tokens[3], heads),
                      rows.get(tokens[4], heads)};
  SmallVector<AffineExpr> flat = {shape[0], shape[2],
                                  view.getConstant(heads * valueChannels)};
  SmallVector<AffineExpr> stateShape = {
      shape[0], shape[1], view.getConstant(keyChannels), shape[3]};
  Type types[] = {getTensorType(flat, element),
                  getTensorType(stateShape, element)};
  auto scan = raised.create<MsLinearAttentionOp>(
      types, operands, 1,
      {raised.getNamed("kv_num_heads", heads),
       raised.getNamed("q_num_heads", groups), raised.getNamed("scale", *scale),
       raised.getNamed("update_rule", "gated_delta")});
  view.setShape(scan.getOutput(), flat);
  view.replace(result, rows.unflatten(scan.getOutput(), heads, valueChannels));
  if (state)
    view.replace(state, scan.getPresentState());
}

struct RaiseDeltaRule
    : hybrid::onnx::impl::ONNXRaiseDeltaRuleBase<RaiseDeltaRule> {
  void runOnOperation() override {
    auto raise = [&](GraphView &view) {
      raiseGroups<SubOp, DeltaRule>(view, numRaised, numRefused);
    };
    if (failed(raiseIn(getOperation(), getArgument(), raise)))
      signalPassFailure();
  }
};

} // namespace
