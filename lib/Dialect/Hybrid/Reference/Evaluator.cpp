//===- Evaluator.cpp - the meaning of hybrid operations -------------------===//
//
// One function per operation that follows the formula in its description, in
// loops that are as plain as possible. Shapes are checked before: by verifying
// a copy of the operation with the operands' static types.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/Reference/Evaluator.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <limits>
#include <numeric>

using namespace mlir;
using namespace hybrid;

using Results = std::vector<RefTensor>;

static constexpr double minusInfinity =
    -std::numeric_limits<double>::infinity();

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

namespace {
/// The concrete operands of an operation.
class Operands {
public:
  Operands(Operation *op, ArrayRef<RefTensor> tensors,
           ArrayRef<int64_t> indices)
      : tensors(tensors), indices(indices) {
    for (Value value : op->getOperands()) {
      bool isIndex = value.getType().isIndex();
      numbers.try_emplace(value, isIndex ? numIndices : numTensors);
      ++(isIndex ? numIndices : numTensors);
    }
  }

  /// Whether there are as many as the operation takes.
  bool areComplete() const {
    return tensors.size() == numTensors && indices.size() == numIndices;
  }

  const RefTensor &operator[](Value value) const {
    return tensors[numbers.lookup(value)];
  }
  /// The same for an operand that may be absent.
  const RefTensor *find(Value value) const {
    return value ? &(*this)[value] : nullptr;
  }
  int64_t index(Value value) const { return indices[numbers.lookup(value)]; }

private:
  ArrayRef<RefTensor> tensors;
  ArrayRef<int64_t> indices;
  DenseMap<Value, unsigned> numbers;
  unsigned numTensors = 0, numIndices = 0;
};
} // namespace

/// Verifies `op` on the given shapes.
static LogicalResult verifyShapes(Operation *op, ArrayRef<RefTensor> tensors) {
  Block block;
  SmallVector<Type> types;
  for (Value value : op->getOperands()) {
    auto type = dyn_cast<ShapedType>(value.getType());
    if (!type) {
      types.push_back(value.getType());
      continue;
    }
    const RefTensor &tensor = tensors.front();
    tensors = tensors.drop_front();
    if (failed(verifyCompatibleShape(type.getShape(), tensor.shape)) ||
        tensor.data.size() != RefTensor::count(tensor.shape))
      return op->emitOpError() << "an operand of type " << type
                               << " is evaluated on another shape";
    types.push_back(RankedTensorType::get(tensor.shape, type.getElementType()));
  }
  SmallVector<Location> locations(types.size(), op->getLoc());
  block.addArguments(types, locations);
  auto destination = cast<DestinationStyleOpInterface>(op);
  SmallVector<Type> resultTypes;
  for (OpOperand &init : destination.getDpsInitsMutable())
    resultTypes.push_back(types[init.getOperandNumber()]);
  OpBuilder builder(op->getContext());
  builder.setInsertionPointToEnd(&block);
  return verify(mlir::clone(builder, op, resultTypes, block.getArguments()));
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// An index into a tensor of rank 4 with heads at dimension `headDim`.
static SmallVector<int64_t> headIndex(unsigned headDim, int64_t batch,
                                      int64_t head, int64_t time, int64_t d) {
  if (headDim == 1)
    return {batch, head, time, d};
  return {batch, time, head, d};
}

/// The element of `tensor` that broadcasts to `index`, last dimensions aligned.
static double broadcastAt(const RefTensor &tensor, ArrayRef<int64_t> index) {
  SmallVector<int64_t> own(index.take_back(tensor.shape.size()));
  for (auto [position, size] : llvm::zip(own, tensor.shape))
    if (size == 1)
      position = 0;
  return tensor.at(own);
}

static bool isVisible(AttentionOp op, int64_t position, int64_t key) {
  if (op.getCausal() && key > position)
    return false;
  if (op.getWindowLeft() >= 0 && key < position - op.getWindowLeft() &&
      key >= op.getSinkPrefix())
    return false;
  return op.getWindowRight() < 0 || key <= position + op.getWindowRight();
}

/// What is added to the score of `index` = [b, h, i, j].
static double maskAt(AttentionOp op, const RefTensor &mask,
                     ArrayRef<int64_t> index) {
  if (index.back() >= mask.shape.back())
    return minusInfinity;
  double value = broadcastAt(mask, index);
  if (op.getMask().getType().getElementType().isInteger(1))
    return value != 0 ? 0 : minusInfinity;
  return value;
}

/// Turns scores into probabilities; where all scores are minus infinity, into
/// equal ones (emptyIsMean) or zeros.
static void softmax(std::vector<double> &scores, const double *sink,
                    bool emptyIsMean) {
  double highest = minusInfinity;
  for (double score : scores)
    highest = std::max(highest, score);
  if (highest == minusInfinity) {
    scores.assign(scores.size(), emptyIsMean ? 1.0 / scores.size() : 0);
    return;
  }
  if (sink)
    highest = std::max(highest, *sink);
  double sum = sink ? std::exp(*sink - highest) : 0;
  for (double &score : scores)
    sum += score = std::exp(score - highest);
  for (double &score : scores)
    score /= sum;
}

static FailureOr<Results> evaluateOp(AttentionOp op, const Operands &operands) {
  const RefTensor &query = operands[op.getQuery()],
                  &key = operands[op.getKey()],
                  &value = operands[op.getValue()];
  const RefTensor *mask = operands.find(op.getMask()),
                  *sinks = operands.find(op.getSinks()),
                  *lengths = operands.find(op.getLengths());
  unsigned queryHead = op.getQueryHeadDim(), kvHead = op.getKvHeadDim();
  int64_t batch = query.shape[0], heads = query.shape[queryHead],
          time = query.shape[op.getQueryTimeDim()];
  int64_t numKeys = operands.index(op.getKvLength());
  if (numKeys < 0 || numKeys > key.shape[op.getKvTimeDim()])
    return op.emitOpError() << "kv_length " << numKeys << " is not within the "
                            << key.shape[op.getKvTimeDim()] << " positions";
  int64_t group = heads / key.shape[kvHead];
  double scale = op.getScale().convertToDouble(),
         softcap = op.getSoftcap().convertToDouble();

  RefTensor result(operands[op.getInit()].shape);
  std::vector<double> scores(numKeys);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < time; ++i) {
        int64_t position = operands.index(op.getQOffset()) + i;
        if (lengths)
          position += static_cast<int64_t>(lengths->at({b})) - time;
        for (int64_t j = 0; j < numKeys; ++j) {
          double &score = scores[j];
          score = 0;
          for (int64_t d = 0; d < query.shape[3]; ++d)
            score += query.at(headIndex(queryHead, b, h, i, d)) *
                     key.at(headIndex(kvHead, b, h / group, j, d));
          score *= scale;
          if (softcap > 0)
            score = softcap * std::tanh(score / softcap);
          if (mask)
            score += maskAt(op, *mask, {b, h, i, j});
          if (!isVisible(op, position, j) || (lengths && j >= lengths->at({b})))
            score = minusInfinity;
        }
        softmax(scores, sinks ? &sinks->data[h] : nullptr, op.getEmptyIsMean());
        for (int64_t d = 0; d < value.shape[3]; ++d) {
          double &out = result.at(headIndex(queryHead, b, h, i, d));
          for (int64_t j = 0; j < numKeys; ++j)
            if (scores[j] != 0)
              out +=
                  scores[j] * value.at(headIndex(kvHead, b, h / group, j, d));
        }
      }
  return Results{result};
}

//===----------------------------------------------------------------------===//
// Scan
//===----------------------------------------------------------------------===//

/// exp(decay) for row `row` of the state.
static double decayAt(const RefTensor &decay, int64_t b, int64_t t, int64_t h,
                      int64_t row) {
  if (decay.shape.size() == 3)
    return std::exp(decay.at({b, t, h}));
  return std::exp(decay.at({b, t, h, row}));
}

static FailureOr<Results> evaluateOp(ScanOp op, const Operands &operands) {
  const RefTensor &query = operands[op.getQuery()],
                  &key = operands[op.getKey()],
                  &value = operands[op.getValue()];
  const RefTensor *decay = operands.find(op.getDecay()),
                  *beta = operands.find(op.getBeta());
  int64_t batch = query.shape[0], time = query.shape[1],
          queryHeads = query.shape[2], keyHeads = key.shape[2],
          valueHeads = value.shape[2], rows = key.shape[3],
          columns = value.shape[3];
  double scale = op.getScale().convertToDouble();
  RefTensor output(operands[op.getInit()].shape);
  RefTensor state = operands[op.getState()];
  int64_t outputs = output.shape[2];

  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < valueHeads; ++h) {
      int64_t k = h * keyHeads / valueHeads;
      for (int64_t t = 0; t < time; ++t) {
        if (decay)
          for (int64_t r = 0; r < rows; ++r)
            for (int64_t c = 0; c < columns; ++c)
              state.at({b, h, r, c}) *= decayAt(*decay, b, t, h, r);
        std::vector<double> update(columns);
        for (int64_t c = 0; c < columns; ++c) {
          update[c] = value.at({b, t, h, c});
          if (!beta)
            continue;
          for (int64_t r = 0; r < rows; ++r)
            update[c] -= state.at({b, h, r, c}) * key.at({b, t, k, r});
          update[c] *= beta->at({b, t, beta->shape[2] == 1 ? 0 : h});
        }
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t c = 0; c < columns; ++c)
            state.at({b, h, r, c}) += key.at({b, t, k, r}) * update[c];
        for (int64_t o = 0; o < outputs; ++o) {
          if (o * valueHeads / outputs != h)
            continue;
          int64_t q = o * queryHeads / outputs;
          for (int64_t c = 0; c < columns; ++c) {
            double sum = 0;
            for (int64_t r = 0; r < rows; ++r)
              sum += state.at({b, h, r, c}) * query.at({b, t, q, r});
            output.at({b, t, o, c}) = scale * sum;
          }
        }
      }
    }
  return Results{output, state};
}

//===----------------------------------------------------------------------===//
// Causal convolution, rotary embedding
//===----------------------------------------------------------------------===//

static double activate(Activation activation, double x) {
  switch (activation) {
  case Activation::None:
    return x;
  case Activation::Silu:
    return x / (1 + std::exp(-x));
  case Activation::Sigmoid:
    return 1 / (1 + std::exp(-x));
  }
  llvm_unreachable("all activations are above");
}

static FailureOr<Results> evaluateOp(CausalConvOp op,
                                     const Operands &operands) {
  const RefTensor &input = operands[op.getInput()],
                  &weight = operands[op.getWeight()],
                  &before = operands[op.getState()];
  const RefTensor *bias = operands.find(op.getBias());
  bool isTimeLast = op.getTimeDim() == 2;
  int64_t batch = input.shape[0], channels = input.shape[op.getChannelDim()],
          time = input.shape[op.getTimeDim()], width = weight.shape[1];
  auto indexOf = [&](int64_t b, int64_t c, int64_t t) -> SmallVector<int64_t> {
    if (isTimeLast)
      return {b, c, t};
    return {b, t, c};
  };
  // P = concat(state, input)
  auto padded = [&](int64_t b, int64_t c, int64_t t) {
    return t < width - 1 ? before.at({b, c, t})
                         : input.at(indexOf(b, c, t - (width - 1)));
  };
  RefTensor result(input.shape), state(before.shape);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t t = 0; t < time; ++t) {
        double sum = bias ? bias->at({c}) : 0;
        for (int64_t k = 0; k < width; ++k)
          sum += weight.at({c, k}) * padded(b, c, t + k);
        result.at(indexOf(b, c, t)) = activate(op.getActivation(), sum);
      }
      for (int64_t k = 0; k < width - 1; ++k)
        state.at({b, c, k}) = padded(b, c, time + k);
    }
  return Results{result, state};
}

static FailureOr<Results> evaluateOp(RopeOp op, const Operands &operands) {
  const RefTensor &input = operands[op.getInput()],
                  &cos = operands[op.getCos()], &sin = operands[op.getSin()];
  const RefTensor *positions = operands.find(op.getPositions());
  unsigned head = op.getHeadDim();
  int64_t pairs = op.getRotaryDim() / 2;
  RefTensor result = input;
  for (int64_t b = 0; b < input.shape[0]; ++b)
    for (int64_t t = 0; t < input.shape[op.getTimeDim()]; ++t) {
      SmallVector<int64_t> row = {cos.shape[0] == 1 ? 0 : b, t, 0};
      if (positions) {
        row = {static_cast<int64_t>(
                   positions->at({positions->shape[0] == 1 ? 0 : b, t})),
               0};
        if (row[0] < 0 || row[0] >= cos.shape[0])
          return op.emitOpError() << "position " << row[0] << " is not in the "
                                  << cos.shape[0] << " rows of cos and sin";
      }
      for (int64_t h = 0; h < input.shape[head]; ++h)
        for (int64_t m = 0; m < pairs; ++m) {
          bool isInterleaved = op.getInterleaved();
          auto first = headIndex(head, b, h, t, isInterleaved ? 2 * m : m);
          auto second =
              headIndex(head, b, h, t, isInterleaved ? 2 * m + 1 : m + pairs);
          row.back() = m;
          double c = cos.at(row), s = sin.at(row), x1 = input.at(first),
                 x2 = input.at(second);
          result.at(first) = c * x1 - s * x2;
          result.at(second) = s * x1 + c * x2;
        }
    }
  return Results{result};
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

/// `value` as a number of the 16-bit float `type`; wider types are not rounded.
static double roundTo(Type type, double value) {
  if (type.getIntOrFloatBitWidth() > 16)
    return value;
  APFloat rounded(value);
  bool losesInfo;
  rounded.convert(cast<FloatType>(type).getFloatSemantics(),
                  APFloat::rmNearestTiesToEven, &losesInfo);
  rounded.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
  return rounded.convertToDouble();
}

/// (x - mean) / sqrt(variance + epsilon), without mean for rms.
static void normalize(MutableArrayRef<double> x, NormKind kind,
                      double epsilon) {
  double mean = 0, variance = 0;
  if (kind == NormKind::Layer)
    mean = std::accumulate(x.begin(), x.end(), 0.0) / x.size();
  for (double &value : x) {
    value -= mean;
    variance += value * value / x.size();
  }
  for (double &value : x)
    value /= std::sqrt(variance + epsilon);
}

static FailureOr<Results> evaluateOp(NormOp op, const Operands &operands) {
  RefTensor result = operands[op.getInput()];
  const RefTensor *scale = operands.find(op.getScale()),
                  *bias = operands.find(op.getBias());
  ArrayRef<int64_t> shape = result.shape;
  size_t group = op.getGroupSize() > 0
                     ? op.getGroupSize()
                     : RefTensor::count(shape.drop_front(op.getAxis()));
  MutableArrayRef<double> data(result.data);
  for (size_t first = 0; first < data.size(); first += group)
    normalize(data.slice(first, group), op.getKind(),
              op.getEpsilon().convertToDouble());
  Type type = op.getInput().getType().getElementType();
  SmallVector<int64_t> index(shape.size(), 0);
  for (double &value : data) {
    value = roundTo(type, value);
    if (scale)
      value *= broadcastAt(*scale, index) + (op.getZeroCentered() ? 1 : 0);
    if (bias)
      value += broadcastAt(*bias, index);
    for (int64_t dim = shape.size() - 1; dim >= 0; --dim) {
      if (++index[dim] < shape[dim])
        break;
      index[dim] = 0;
    }
  }
  return Results{result};
}

static FailureOr<Results> evaluateOp(GatedNormOp op, const Operands &operands) {
  RefTensor result = operands[op.getInput()];
  const RefTensor &gate = operands[op.getGate()];
  const RefTensor *scale = operands.find(op.getScale());
  int64_t channels = result.shape.back();
  size_t group = op.getGroupSize() > 0 ? op.getGroupSize() : channels;
  bool isGateFirst = op.getOrder() == GateOrder::GateFirst;
  MutableArrayRef<double> data(result.data);
  for (size_t first = 0; first < data.size(); first += group) {
    MutableArrayRef<double> x = data.slice(first, group);
    auto applyGate = [&] {
      for (auto [i, value] : llvm::enumerate(x))
        value *= activate(op.getActivation(), gate.data[first + i]);
    };
    if (isGateFirst)
      applyGate();
    normalize(x, NormKind::Rms, op.getEpsilon().convertToDouble());
    if (scale)
      for (auto [i, value] : llvm::enumerate(x))
        value *= scale->data[(first + i) % scale->data.size()];
    if (!isGateFirst)
      applyGate();
  }
  return Results{result};
}

//===----------------------------------------------------------------------===//
// Caches, running sum
//===----------------------------------------------------------------------===//

/// The slot of a ring of `size` slots in which `position` lies.
static int64_t ringSlot(int64_t position, int64_t size, int64_t sinkPrefix) {
  if (position < sinkPrefix)
    return position;
  return sinkPrefix + (position - sinkPrefix) % (size - sinkPrefix);
}

static FailureOr<Results> evaluateOp(CacheAppendOp op,
                                     const Operands &operands) {
  const RefTensor &input = operands[op.getInput()];
  RefTensor cache = operands[op.getCache()];
  const RefTensor *positions = operands.find(op.getPositions());
  int64_t time = input.shape[op.getTimeDim()];
  for (int64_t b = 0; b < cache.shape[0]; ++b) {
    int64_t position = operands.index(op.getPosition());
    if (positions)
      position += positions->data[b];
    int64_t size = cache.shape[2];
    if (position < 0 || (!op.getRing() && position + time > size))
      return op.emitOpError()
             << "positions " << position << " to " << position + time - 1
             << " are not within the " << size << " of the cache";
    for (int64_t t = 0; t < time; ++t) {
      int64_t slot = position + t;
      if (op.getRing())
        slot = ringSlot(slot, size, op.getSinkPrefix());
      for (int64_t h = 0; h < cache.shape[1]; ++h)
        for (int64_t d = 0; d < cache.shape[3]; ++d)
          cache.at({b, h, slot, d}) =
              input.at(headIndex(op.getHeadDim(), b, h, t, d));
    }
  }
  return Results{cache};
}

static FailureOr<Results> evaluateOp(RingReadOp op, const Operands &operands) {
  const RefTensor &ring = operands[op.getRing()];
  const RefTensor &input = operands[op.getInput()];
  const RefTensor &positions = operands[op.getPositions()];
  int64_t size = ring.shape[2], time = input.shape[op.getTimeDim()],
          sinkPrefix = op.getSinkPrefix();
  RefTensor result({ring.shape[0], ring.shape[1], size + time, ring.shape[3]});
  for (int64_t b = 0; b < ring.shape[0]; ++b) {
    int64_t position = positions.data[b], kept = std::min(position, size);
    if (position < 0)
      return op.emitOpError() << "position " << position << " is negative";
    for (int64_t j = 0; j < kept + time; ++j) {
      int64_t slot =
          ringSlot(j < sinkPrefix ? j : j + position - kept, size, sinkPrefix);
      for (int64_t h = 0; h < ring.shape[1]; ++h)
        for (int64_t d = 0; d < ring.shape[3]; ++d)
          result.at({b, h, j, d}) =
              j < kept
                  ? ring.at({b, h, slot, d})
                  : input.at(headIndex(op.getHeadDim(), b, h, j - kept, d));
    }
  }
  return Results{result};
}

static FailureOr<Results> evaluateOp(CumSumOp op, const Operands &operands) {
  const RefTensor &input = operands[op.getInput()];
  ArrayRef<int64_t> shape = input.shape;
  int64_t length = shape[op.getAxis()];
  int64_t inner = RefTensor::count(shape.drop_front(op.getAxis() + 1));
  int64_t outer = RefTensor::count(shape.take_front(op.getAxis()));
  RefTensor result(shape);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t k = 0; k < inner; ++k) {
      double sum = 0;
      for (int64_t step = 0; step < length; ++step) {
        int64_t i = op.getReverse() ? length - 1 - step : step;
        int64_t at = (o * length + i) * inner + k;
        result.data[at] = op.getExclusive() ? sum : sum + input.data[at];
        sum += input.data[at];
      }
    }
  return Results{result};
}

/// exp(x) / Σ exp(x)
static void softmax(std::vector<double> &values) {
  softmax(values, /*sink=*/nullptr, /*emptyIsMean=*/false);
}

/// Where the `count` largest of `values` are, the largest first; of equal ones
/// the first, and last what is no number.
static std::vector<int64_t> chooseLargest(const std::vector<double> &values,
                                          int64_t count) {
  std::vector<int64_t> places(values.size());
  std::iota(places.begin(), places.end(), 0);
  auto key = [&](int64_t i) {
    return std::isnan(values[i]) ? minusInfinity : values[i];
  };
  std::stable_sort(places.begin(), places.end(),
                   [&](int64_t a, int64_t b) { return key(a) > key(b); });
  places.resize(count);
  return places;
}

/// What experts of groups that are not chosen are chosen by.
static void hideGroups(RouteOp op, std::vector<double> &choice) {
  int64_t groups = op.getGroups();
  if (groups == 1)
    return;
  auto size = static_cast<int64_t>(choice.size()) / groups;
  std::vector<double> worth(groups);
  for (int64_t g = 0; g < groups; ++g) {
    std::vector<double> own(choice.begin() + g * size,
                            choice.begin() + (g + 1) * size);
    for (int64_t e : chooseLargest(own, op.getGroupBest()))
      worth[g] += own[e];
  }
  std::vector<bool> isChosen(groups);
  for (int64_t g : chooseLargest(worth, op.getChosenGroups()))
    isChosen[g] = true;
  double others =
      op.getOthers() ? op.getOthers()->convertToDouble() : minusInfinity;
  for (size_t e = 0; e < choice.size(); ++e)
    if (!isChosen[e / size])
      choice[e] = others;
}

static FailureOr<Results> evaluateOp(RouteOp op, const Operands &operands) {
  const RefTensor &logits = operands[op.getLogits()];
  const RefTensor *bias = operands.find(op.getBias());
  int64_t all = logits.shape[1];
  RefTensor experts(operands[op.getExperts()].shape);
  RefTensor weights(experts.shape);
  int64_t few = experts.shape[1];
  for (int64_t n = 0; n < logits.shape[0]; ++n) {
    std::vector<double> scores(all);
    for (int64_t e = 0; e < all; ++e)
      scores[e] = logits.at({n, e});
    if (op.getScore() == RouteScore::Softmax)
      softmax(scores);
    for (double &score : scores)
      if (op.getScore() == RouteScore::Sigmoid)
        score = 1 / (1 + std::exp(-score));
    std::vector<double> choice(all);
    for (int64_t e = 0; e < all; ++e)
      choice[e] = scores[e] + (bias ? bias->at({e}) : 0);
    hideGroups(op, choice);
    std::vector<int64_t> best = chooseLargest(choice, few);
    std::vector<double> chosen(few);
    for (int64_t k = 0; k < few; ++k) {
      experts.at({n, k}) = best[k];
      chosen[k] = scores[best[k]];
    }
    if (op.getWeight() == RouteWeight::Softmax)
      softmax(chosen);
    double divisor = 1;
    if (op.getWeight() == RouteWeight::Share)
      divisor = std::accumulate(chosen.begin(), chosen.end(),
                                op.getEpsilon().convertToDouble());
    for (int64_t k = 0; k < few; ++k)
      weights.at({n, k}) =
          op.getScale().convertToDouble() * chosen[k] / divisor;
  }
  return Results{experts, weights};
}

static FailureOr<Results> evaluateOp(ExpertMatMulOp op,
                                     const Operands &operands) {
  const RefTensor &input = operands[op.getInput()],
                  &weight = operands[op.getWeight()],
                  &experts = operands[op.getExperts()];
  int64_t numExperts = weight.shape[0];
  RefTensor result(operands[op.getInit()].shape);
  if (numExperts == 0 && !result.data.empty())
    return op.emitOpError() << "is evaluated without experts";
  for (int64_t m = 0; m < result.shape[0]; ++m) {
    auto expert = static_cast<int64_t>(experts.at({m}));
    if (expert < 0)
      expert += numExperts;
    expert = std::clamp<int64_t>(expert, 0, numExperts - 1);
    for (int64_t o = 0; o < result.shape[1]; ++o)
      for (int64_t h = 0; h < input.shape[1]; ++h)
        result.at({m, o}) += input.at({m / op.getChosen(), h}) *
                             (op.getTransposed() ? weight.at({expert, h, o})
                                                 : weight.at({expert, o, h}));
  }
  return Results{result};
}

/// Where pack_rows puts a piece of input[i, l].
static SmallVector<int64_t> getTileIndex(int64_t i, int64_t l, int64_t piece) {
  return {i / 32, l / 32, 2 * piece + i / 16 % 2, i % 16, l % 32};
}

/// `value` with 8 significant bits: without the others, or rounded.
static float toBF16(float value, bool isRounded) {
  if (!std::isfinite(value))
    return value;
  uint32_t bits = llvm::bit_cast<uint32_t>(value) + (isRounded ? 0x8000 : 0);
  return llvm::bit_cast<float>(bits & 0xffff0000);
}

static FailureOr<Results> evaluateOp(PackRowsOp op, const Operands &operands) {
  const RefTensor &input = operands[op.getInput()];
  RefTensor result(operands[op.getInit()].shape);
  for (int64_t i = 0; i < input.shape[0]; ++i)
    for (int64_t l = 0; l < input.shape[1]; ++l) {
      float rest = input.at({i, l});
      for (int64_t piece = 0; piece < result.shape[2] / 2; ++piece) {
        float value = toBF16(rest, /*isRounded=*/piece > 0);
        result.at(getTileIndex(i, l, piece)) = value;
        rest -= value;
      }
    }
  return Results{result};
}

/// The number of `count` little-endian bytes, elements of an i8 tensor.
static uint32_t readBytes(const RefTensor &bytes, int64_t panel, int64_t block,
                          int64_t at, int64_t count) {
  uint32_t number = 0;
  for (int64_t i = 0; i < count; ++i)
    number |= (uint32_t(int32_t(bytes.at({panel, block, at + i}))) & 0xff)
              << (8 * i);
  return number;
}

/// The number at row `l` and column `j` of a weight in panels of `width`
/// columns.
static double dequantize(const RefTensor &weight, QuantizationAttr form,
                         int64_t l, int64_t j, int64_t width) {
  int64_t bits = form.getBits(), perWord = form.getRowsPerWord();
  int64_t panel = j / width, column = j % width, block = l / form.getBlock();
  int64_t row = l % form.getBlock();
  uint32_t word =
      readBytes(weight, panel, block, (row / perWord * width + column) * 4, 4);
  double integer = (word >> (row % perWord * bits)) & ((1 << bits) - 1);
  int64_t scales = width * form.getBlock() * bits / 8;
  int64_t size = form.getScaleBytes();
  auto type = cast<FloatType>(form.getScale());
  llvm::APFloat scale(
      type.getFloatSemantics(),
      llvm::APInt(8 * size, readBytes(weight, panel, block,
                                      scales + column * size, size)));
  double zero = 1 << (bits - 1);
  if (form.getZeroPoints())
    zero = readBytes(weight, panel, block, scales + width * size + column, 1);
  return (integer - zero) * scale.convertToDouble();
}

static FailureOr<Results> evaluateOp(MatmulOp op, const Operands &operands) {
  const RefTensor &input = operands[op.getInput()],
                  &weight = operands[op.getWeight()];
  RefTensor result(operands[op.getInit()].shape);
  QuantizationAttr form = op.getQuantizationAttr();
  int64_t length = weight.shape[1] * (form ? form.getBlock() : 1);
  int64_t panel = weight.shape[2] / (form ? form.getColumnBytes() : 1);
  bool isTiled = input.shape.size() == 5;
  // Blocks may reach beyond the rows.
  length = std::min(length, isTiled ? 32 * input.shape[1] : input.shape[1]);
  auto getWeight = [&](int64_t l, int64_t j) {
    if (form)
      return dequantize(weight, form, l, j, panel);
    return weight.at({j / panel, l, j % panel});
  };
  auto getInput = [&](int64_t i, int64_t l) {
    if (!isTiled)
      return input.at({i, l});
    double sum = 0;
    for (int64_t piece = 0; piece < input.shape[2] / 2; ++piece)
      sum += input.at(getTileIndex(i, l, piece));
    return sum;
  };
  for (int64_t i = 0; i < result.shape[0]; ++i)
    for (int64_t j = 0; j < result.shape[1]; ++j)
      for (int64_t l = 0; l < length; ++l)
        result.at({i, j}) += getInput(i, l) * getWeight(l, j);
  return Results{result};
}

//===----------------------------------------------------------------------===//
// Parallel
//===----------------------------------------------------------------------===//

/// The concatenation of `parts` along the last dimension.
static RefTensor concatenate(ArrayRef<RefTensor> parts) {
  RefTensor result;
  result.shape = parts.front().shape;
  size_t rows = RefTensor::count(ArrayRef<int64_t>(result.shape).drop_back());
  result.shape.back() = 0;
  for (const RefTensor &part : parts)
    result.shape.back() += part.shape.back();
  for (size_t row = 0; row < rows; ++row)
    for (const RefTensor &part : parts) {
      auto begin = part.data.begin() + row * part.shape.back();
      result.data.insert(result.data.end(), begin, begin + part.shape.back());
    }
  return result;
}

static FailureOr<Results> evaluateParallel(ParallelOp op,
                                           ArrayRef<RefTensor> operands) {
  size_t numWeights = op.getWeights().size();
  if (operands.size() != numWeights + op.getBranches().size())
    return op.emitOpError("is evaluated on another number of operands");
  ArrayRef<RefTensor> weights = operands.take_front(numWeights),
                      branches = operands.drop_front(numWeights);
  bool isConcat = op.getCombine() == Combine::Concat;
  ArrayRef<int64_t> shape = branches.front().shape;
  for (const RefTensor &branch : branches) {
    ArrayRef<int64_t> own = branch.shape;
    if (isConcat
            ? own.size() != shape.size() || own.drop_back() != shape.drop_back()
            : own != shape)
      return op.emitOpError("has branches that differ in shape");
  }
  if (isConcat)
    return Results{concatenate(branches)};

  RefTensor result(shape);
  for (auto [n, branch] : llvm::enumerate(branches)) {
    for (auto [i, value] : llvm::enumerate(branch.data)) {
      double factor = 1;
      if (op.getCombine() == Combine::Sub && n > 0)
        factor = -1;
      if (op.getCombine() == Combine::Mean)
        factor = 1.0 / branches.size();
      if (op.getCombine() == Combine::Weighted)
        factor = weights[n].data[i % weights[n].data.size()];
      result.data[i] += factor * value;
    }
  }
  return Results{result};
}

//===----------------------------------------------------------------------===//
// Dispatch
//===----------------------------------------------------------------------===//

FailureOr<Results> hybrid::evaluate(Operation *op, ArrayRef<RefTensor> tensors,
                                    ArrayRef<int64_t> indices) {
  if (auto parallel = dyn_cast<ParallelOp>(op))
    return evaluateParallel(parallel, tensors);
  if (!isa<CostModelInterface>(op))
    return op->emitOpError("is no hybrid computation");
  Operands operands(op, tensors, indices);
  if (!operands.areComplete())
    return op->emitOpError("is evaluated on another number of operands");
  if (failed(verifyShapes(op, tensors)))
    return failure();
  return TypeSwitch<Operation *, FailureOr<Results>>(op)
      .Case<AttentionOp, ScanOp, CausalConvOp, RopeOp, NormOp, GatedNormOp,
            CacheAppendOp, RingReadOp, CumSumOp, RouteOp, ExpertMatMulOp,
            PackRowsOp, MatmulOp>(
          [&](auto computation) { return evaluateOp(computation, operands); });
}
