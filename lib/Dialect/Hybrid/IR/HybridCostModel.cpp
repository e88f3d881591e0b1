//===- HybridCostModel.cpp - what computations cost -----------------------===//
//
// The floor of each formula: a multiplication or addition counts one, whatever
// is read or written counts once, operands that do not take part (keys beyond
// what is visible) not at all. Destinations that are updated in place are
// states; so are keys and values that come from one.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"

#include <numeric>

#include <cmath>

using namespace mlir;
using namespace hybrid;

using Shapes = ArrayRef<SmallVector<int64_t>>;

namespace {
/// The shapes of an operation's operands by operand.
class OperandShapes {
public:
  OperandShapes(Operation *op, Shapes shapes) : op(op) {
    for (OpOperand &operand : op->getOpOperands()) {
      bool isShaped = isa<ShapedType>(operand.get().getType());
      byOperand.push_back(isShaped ? shapes.front() : ArrayRef<int64_t>());
      if (isShaped)
        shapes = shapes.drop_front();
    }
  }

  ArrayRef<int64_t> operator[](Value value) const {
    for (OpOperand &operand : op->getOpOperands())
      if (operand.get() == value)
        return byOperand[operand.getOperandNumber()];
    return {};
  }

  /// Elements of `value`; 0 without one.
  double count(Value value) const {
    if (!value)
      return 0;
    ArrayRef<int64_t> shape = (*this)[value];
    return std::accumulate(shape.begin(), shape.end(), 1.0,
                           std::multiplies<double>());
  }

  /// Bytes of `value`; 0 without one.
  double bytes(Value value) const {
    return value ? count(value) * elementBytes(value) : 0;
  }

  static double elementBytes(Value value) {
    Type type = cast<ShapedType>(value.getType()).getElementType();
    return type.isIntOrFloat() ? (type.getIntOrFloatBitWidth() + 7) / 8 : 8;
  }

private:
  Operation *op;
  SmallVector<ArrayRef<int64_t>> byOperand;
};
} // namespace

/// Every input read, every destination written, and read where it is a state.
static Cost getTraffic(DestinationStyleOpInterface op,
                       const OperandShapes &shapes) {
  Cost cost;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<ShapedType>(operand.get().getType()))
      continue;
    double bytes = shapes.bytes(operand.get());
    if (!op.isDpsInit(&operand)) {
      cost.bytesRead += bytes;
      continue;
    }
    cost.bytesWritten += bytes;
    if (!readsDestination(op, operand))
      continue;
    cost.bytesRead += bytes;
    cost.stateBytes += 2 * bytes;
  }
  return cost;
}

/// Whether `value` is a state, possibly updated.
static bool isState(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<ReadStateOp>(op))
      return true;
    auto destination = dyn_cast<DestinationStyleOpInterface>(op);
    if (!destination)
      return false;
    OpOperand *init = destination.getTiedOpOperand(cast<OpResult>(value));
    if (!readsDestination(op, *init))
      return false;
    value = init->get();
  }
  return false;
}

/// The pairs of query and key that are visible to each other, and the range of
/// keys that any query sees, for one batch and head.
struct Visible {
  double pairs = 0;
  int64_t keys = 0;
};

static Visible getVisible(AttentionOp op, int64_t time, int64_t numKeys,
                          int64_t firstQuery) {
  Visible visible;
  int64_t left = op.getWindowLeft(), right = op.getWindowRight();
  int64_t lowest = numKeys, highest = 0;
  for (int64_t i = 0; i < time; ++i) {
    int64_t position = firstQuery + i, begin = 0, end = numKeys;
    if (op.getCausal())
      end = std::min(end, position + 1);
    if (right >= 0)
      end = std::min(end, position + right + 1);
    end = std::max<int64_t>(end, 0);
    if (left >= 0)
      begin = std::clamp<int64_t>(position - left, 0, end);
    int64_t prefix = std::min(op.getSinkPrefix(), begin);
    visible.pairs += end - begin + prefix;
    lowest = std::min(lowest, begin);
    highest = std::max(highest, end);
  }
  int64_t prefix = std::min(op.getSinkPrefix(), lowest);
  visible.keys = std::max<int64_t>(highest - lowest, 0) + prefix;
  return visible;
}

Cost AttentionOp::getCost(Shapes operandShapes, ArrayRef<int64_t> lengths) {
  OperandShapes shapes(*this, operandShapes);
  ArrayRef<int64_t> query = shapes[getQuery()], key = shapes[getKey()],
                    value = shapes[getValue()];
  int64_t time = query[getQueryTimeDim()];
  int64_t numKeys = std::min(lengths[0], key[getKvTimeDim()]);
  // With lengths the queries are the last positions; how many keys each batch
  // has is not known here, so all are counted.
  int64_t first = getLengths() ? numKeys - time + lengths[1] : lengths[1];
  Visible visible = getVisible(*this, time, numKeys, first);

  double heads = double(query[0]) * query[getQueryHeadDim()];
  double pairs = heads * visible.pairs, rows = heads * time;
  Cost cost;
  // Dot product, scale, subtraction of the maximum, sum, weighted value.
  cost.flops = pairs * (2.0 * query[3] + 3 + 2.0 * value[3]) + rows * value[3];
  cost.exps = pairs;
  if (getSoftcap().convertToDouble() > 0) {
    cost.flops += 2 * pairs;
    cost.exps += pairs;
  }
  if (getMask())
    cost.flops += pairs;
  if (getSinks()) {
    cost.flops += 2 * rows;
    cost.exps += rows;
  }

  double kvRows = double(key[0]) * key[getKvHeadDim()] * visible.keys;
  double kvBytes = 0;
  for (Value cache : {getKey(), getValue()}) {
    double bytes =
        kvRows * shapes[cache][3] * OperandShapes::elementBytes(cache);
    kvBytes += bytes;
    if (isState(cache))
      cost.stateBytes += bytes;
  }
  cost.bytesRead = kvBytes + shapes.bytes(getQuery()) +
                   shapes.bytes(getMask()) + shapes.bytes(getSinks()) +
                   shapes.bytes(getLengths());
  cost.bytesWritten = shapes.bytes(getInit());
  return cost;
}

namespace {
/// FLOPs of one sequence's scan.
struct ScanFlops {
  double valueHeads, outputs, keyDim, valueDim;
  bool isGated, isDelta, perKey;

  double getState() const { return keyDim * valueDim; }
  /// One step after another: the outer product into the state, and one product
  /// with it per output.
  double ofSteps(double steps) const;
  /// As LowerScanChunked.cpp says it; pairs of steps are those at or below the
  /// diagonal.
  double ofChunk(double steps) const;
  /// Brent and Kung's prefix sum of a row of states per key channel.
  double ofPrefixSum(double steps) const;
};
} // namespace

double ScanFlops::ofSteps(double steps) const {
  double perStep =
      valueHeads * 2 * getState() + outputs * (2 * getState() + valueDim);
  if (isGated)
    perStep += valueHeads * getState();
  if (isDelta)
    perStep += valueHeads * (2 * getState() + 2 * valueDim);
  return steps * perStep;
}

double ScanFlops::ofChunk(double steps) const {
  double pairs = steps * (steps + 1) / 2, before = pairs - steps;
  // Queries by keys, by the values; by the state, which adds to the former.
  double flops = outputs * (pairs * 2 * (keyDim + valueDim) +
                            steps * (2 * getState() + 2 * valueDim));
  flops += valueHeads * steps * 2 * getState();
  if (isDelta)
    flops += valueHeads * (before * 2 * (keyDim + valueDim) +
                           steps * (2 * getState() + 2 * valueDim));
  if (isGated) {
    // Decays of pairs, or of keys within a sub-block; of queries, keys, state.
    double between =
        perKey ? steps * std::min(steps, 16.0) / 2 * keyDim : pairs;
    double scores = outputs + (isDelta ? valueHeads : 0);
    flops += scores * (between + steps * keyDim) +
             valueHeads * (steps * keyDim + getState());
  }
  return flops;
}

double ScanFlops::ofPrefixSum(double steps) const {
  if (steps < 1)
    return 0;
  double combinations = 2 * steps - 2 - std::floor(std::log2(steps)) + 1;
  return valueHeads *
             (steps * getState() + combinations * (2 * getState() + keyDim)) +
         outputs * steps * (2 * getState() + valueDim);
}

/// FLOPs are those of the operation's form; without one, of the sequential.
Cost ScanOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  Cost cost = getTraffic(*this, shapes);
  ArrayRef<int64_t> init = shapes[getInit()], state = shapes[getState()];
  ScanFlops flops = {double(state[1]),
                     double(init[2]),
                     double(state[2]),
                     double(state[3]),
                     getDecay() != nullptr,
                     getBeta() != nullptr,
                     getDecay() && shapes[getDecay()].size() == 4};
  if (getDecay())
    cost.exps = shapes.count(getDecay());
  int64_t steps = init[1], chunk = getChunk().value_or(0), rest = steps;
  double perSequence = 0;
  if (chunk > 0 &&
      getForm().value_or(ScanForm::Sequential) != ScanForm::Sequential) {
    bool isChunked = *getForm() == ScanForm::Chunked;
    rest = steps % chunk;
    double perChunk =
        isChunked ? flops.ofChunk(chunk) : flops.ofPrefixSum(chunk);
    perSequence = double(steps / chunk) * perChunk;
    if (rest > 0 && rest >= getSequentialBelow().value_or(0)) {
      // A last chunk is computed as if it were full.
      perSequence += isChunked ? perChunk : flops.ofPrefixSum(rest);
      rest = 0;
    }
  }
  cost.flops = init[0] * (perSequence + flops.ofSteps(rest));
  return cost;
}

Cost CausalConvOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  Cost cost = getTraffic(*this, shapes);
  double elements = shapes.count(getInit());
  cost.flops = elements * (2.0 * shapes[getWeight()][1] + (getBias() ? 1 : 0));
  if (getActivation() != Activation::None) {
    cost.flops += 2 * elements;
    cost.exps = elements;
  }
  return cost;
}

Cost RopeOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  ArrayRef<int64_t> input = shapes[getInput()];
  double rows = double(input[0]) * input[1] * input[2];
  Cost cost;
  cost.flops = 3 * rows * getRotaryDim();
  // Of the tables, what the positions select.
  double angles = double(input[0]) * input[getTimeDim()] * (getRotaryDim() / 2);
  if (!getPositions() && shapes[getCos()][0] == 1)
    angles /= input[0];
  cost.bytesRead = shapes.bytes(getInput()) + shapes.bytes(getPositions()) +
                   angles * (OperandShapes::elementBytes(getCos()) +
                             OperandShapes::elementBytes(getSin()));
  cost.bytesWritten = shapes.bytes(getInit());
  return cost;
}

Cost NormOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  Cost cost = getTraffic(*this, shapes);
  // Square, sum and factor; the layer norm's sum and subtraction.
  double perElement = getKind() == NormKind::Layer ? 5 : 3;
  perElement += (getScale() ? 1 : 0) + (getBias() ? 1 : 0);
  cost.flops = perElement * shapes.count(getInput());
  return cost;
}

Cost GatedNormOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  Cost cost = getTraffic(*this, shapes);
  double elements = shapes.count(getInput());
  // The norm, the gate's product and its logistic function.
  double perElement = 3 + 1 + 2 + (getScale() ? 1 : 0);
  if (getActivation() == Activation::Silu)
    perElement += 1;
  cost.flops = perElement * elements;
  cost.exps = elements;
  return cost;
}

Cost CacheAppendOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  Cost cost;
  cost.bytesRead = cost.bytesWritten = cost.stateBytes =
      shapes.bytes(getInput());
  cost.bytesRead += shapes.bytes(getPositions());
  return cost;
}

Cost RingReadOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  Cost cost = getTraffic(*this, shapes);
  cost.stateBytes = shapes.bytes(getRing());
  return cost;
}

Cost CumSumOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  Cost cost = getTraffic(*this, shapes);
  cost.flops = shapes.count(getInput());
  return cost;
}

/// Of the matrices, as many as rows can choose.
Cost ExpertMatMulOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  ArrayRef<int64_t> weight = shapes[getWeight()];
  double rows = shapes[getInit()][0],
         matrix = double(weight[1]) * weight[2] *
                  OperandShapes::elementBytes(getWeight());
  Cost cost;
  cost.flops = 2 * rows * weight[1] * weight[2];
  cost.bytesRead = shapes.bytes(getInput()) + shapes.bytes(getExperts()) +
                   std::min<double>(rows, weight[0]) * matrix;
  cost.bytesWritten = shapes.bytes(getInit());
  return cost;
}

Cost RouteOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  Cost cost = getTraffic(*this, shapes);
  double scores = shapes.count(getLogits()),
         weights = shapes.count(getWeights());
  // A comparison for each score and chosen one.
  cost.flops = scores * shapes[getWeights()][1] + 2 * weights;
  // Each group's best, and the best groups.
  if (getGroups() > 1)
    cost.flops += scores * getGroupBest() +
                  static_cast<double>(shapes[getLogits()][0]) * getGroups() *
                      (getChosenGroups() + getGroupBest());
  if (getScore() != RouteScore::Identity) {
    cost.exps += scores;
    cost.flops += 2 * scores;
  }
  if (getWeight() == RouteWeight::Softmax)
    cost.exps += weights;
  return cost;
}

Cost PackRowsOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  Cost cost;
  cost.bytesRead = shapes.bytes(getInput());
  cost.bytesWritten = shapes.bytes(getInit());
  return cost;
}

/// What fills the last panel up counts nothing, nor do pieces of numbers.
Cost MatmulOp::getCost(Shapes operandShapes, ArrayRef<int64_t>) {
  OperandShapes shapes(*this, operandShapes);
  double length = shapes[getWeight()][1];
  double columnBytes = length * OperandShapes::elementBytes(getWeight());
  if (QuantizationAttr form = getQuantizationAttr()) {
    columnBytes = length * form.getColumnBytes();
    length = getInput().getType().getRank() == 2 ? shapes[getInput()][1]
                                                 : length * form.getBlock();
  }
  Cost cost;
  cost.flops = 2 * shapes.count(getInit()) * length;
  cost.bytesRead =
      shapes.bytes(getInput()) + shapes[getInit()][1] * columnBytes;
  cost.bytesWritten = shapes.bytes(getInit());
  return cost;
}
