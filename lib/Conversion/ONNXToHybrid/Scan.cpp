//===- Scan.cpp - LinearAttention and CausalConvWithState -----------------===//

#include "Lowering.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"

#include <cmath>

using namespace mlir;

namespace hybrid {

//===----------------------------------------------------------------------===//
// States of fixed size
//===----------------------------------------------------------------------===//

namespace {
/// What an op with a state updates: the model's state itself, or a tensor of
/// the op's own.
struct StateSlot {
  Tensor tensor;
  State *state = nullptr;
};
} // namespace

static StateSlot openState(Lowering &l, Value past, Value present,
                           ShapeRef shape) {
  State *state = Lowering::isAbsent(past) ? nullptr : l.getPastState(past);
  if (state && state == l.getPresentState(present) && !state->written &&
      state->elementType == l.elementType(present))
    return {l.readState(*state), state};
  if (Lowering::isAbsent(past))
    return {l.zeros(shape, l.elementType(present)), nullptr};
  return {l.copy(l.get(past)), nullptr};
}

static void closeState(Lowering &l, const StateSlot &slot, Value present,
                       Value updated) {
  Tensor tensor{updated, slot.tensor.shape};
  if (slot.state)
    l.writeState(*slot.state, tensor);
  l.set(present, tensor);
}

//===----------------------------------------------------------------------===//
// LinearAttention
//===----------------------------------------------------------------------===//

namespace {
/// The same for both domains.
struct LinearAttention {
  Operation *op;
  Value query, key, value, past, decay, beta, output, present;
  int64_t queryHeads, valueHeads;
  StringRef rule;
  double scale;
};
} // namespace

/// Splits the last dimension in `heads` equal parts.
static Tensor splitHeads(Lowering &l, const Tensor &tensor, int64_t heads,
                         int64_t headDim) {
  Shape shape = tensor.shape;
  shape.back() = l.fixed(heads);
  shape.push_back(l.fixed(headDim));
  return l.reshape(tensor, shape);
}

/// The number of key heads, or an error where sizes don't fit together.
static FailureOr<int64_t> getKeyHeads(const LinearAttention &a, Lowering &l) {
  for (Value value : {a.query, a.key, a.value})
    if (l.rank(value) != 3 || !l.getFixed(l.shape(value).back())) {
      (void)l.unsupported(a.op, "query, key and value must be of rank 3 with a "
                                "fixed last dimension");
      return failure();
    }
  int64_t queryDim = *l.getFixed(l.shape(a.query).back());
  int64_t keyDim = *l.getFixed(l.shape(a.key).back());
  int64_t valueDim = *l.getFixed(l.shape(a.value).back());
  int64_t queryHeads = a.queryHeads, valueHeads = a.valueHeads;
  auto divides = [](int64_t part, int64_t whole) {
    return part > 0 && whole > 0 && whole % part == 0;
  };
  if (!divides(queryHeads, queryDim) || !divides(valueHeads, valueDim) ||
      !divides(queryDim / queryHeads, keyDim) ||
      !divides(keyDim / (queryDim / queryHeads), valueHeads) ||
      (!divides(queryHeads, valueHeads) && !divides(valueHeads, queryHeads))) {
    (void)l.unsupported(a.op, "q_num_heads = " + Twine(queryHeads) +
                                  " and kv_num_heads = " + Twine(valueHeads) +
                                  " don't fit the last dimensions " +
                                  Twine(queryDim) + ", " + Twine(keyDim) +
                                  " and " + Twine(valueDim) +
                                  " of query, key and value");
    return failure();
  }
  return keyDim / (queryDim / queryHeads);
}

static LogicalResult lowerLinearAttention(const LinearAttention &a,
                                          Lowering &l) {
  std::optional<UpdateRule> rule = symbolizeUpdateRule(a.rule);
  if (!rule)
    return l.unsupported(a.op, "unknown update_rule '" + a.rule + "'",
                         "linear, gated, delta and gated_delta work");
  bool hasDecay = !Lowering::isAbsent(a.decay);
  bool hasBeta = !Lowering::isAbsent(a.beta);
  bool gated = *rule == UpdateRule::Gated || *rule == UpdateRule::GatedDelta;
  bool delta = *rule == UpdateRule::Delta || *rule == UpdateRule::GatedDelta;
  if (hasDecay != gated || hasBeta != delta)
    return l.unsupported(
        a.op, "update_rule '" + a.rule + "' " + (gated ? "needs" : "forbids") +
                  " decay and " + (delta ? "needs" : "forbids") + " beta");
  FailureOr<int64_t> keyHeads = getKeyHeads(a, l);
  if (failed(keyHeads))
    return failure();
  int64_t headDim = *l.getFixed(l.shape(a.query).back()) / a.queryHeads;
  int64_t valueDim = *l.getFixed(l.shape(a.value).back()) / a.valueHeads;

  Tensor query = splitHeads(l, l.get(a.query), a.queryHeads, headDim);
  Tensor key = splitHeads(l, l.get(a.key), *keyHeads, headDim);
  Tensor value = splitHeads(l, l.get(a.value), a.valueHeads, valueDim);
  Tensor decay = l.get(a.decay), beta = l.get(a.beta);
  if (decay) {
    std::optional<int64_t> last = l.getFixed(decay.shape.back());
    if (decay.getRank() != 3 || !last ||
        (*last != a.valueHeads && *last != a.valueHeads * headDim))
      return l.unsupported(a.op, "decay must be [B, T, kv_num_heads] or "
                                 "[B, T, kv_num_heads * head size]");
    if (*last != a.valueHeads)
      decay = splitHeads(l, decay, a.valueHeads, headDim);
  }
  if (beta && (beta.getRank() != 3 ||
               (!l.isOne(beta.shape.back()) &&
                !l.isEqual(beta.shape.back(), l.fixed(a.valueHeads)))))
    return l.unsupported(a.op,
                         "beta must be [B, T, kv_num_heads] or [B, T, 1]");

  Shape stateShape = {query.shape[0], l.fixed(a.valueHeads), l.fixed(headDim),
                      l.fixed(valueDim)};
  if (!Lowering::isAbsent(a.past) && l.rank(a.past) != 4)
    return l.unsupported(a.op, "past_state must be of rank 4");
  StateSlot slot = openState(l, a.past, a.present, stateShape);
  int64_t outputHeads = std::max(a.queryHeads, a.valueHeads);
  Tensor init = l.empty(
      {query.shape[0], query.shape[1], l.fixed(outputHeads), l.fixed(valueDim)},
      l.elementType(a.output));
  double scale = a.scale == 0 ? 1 / std::sqrt(double(headDim)) : a.scale;
  auto scan = ScanOp::create(
      l.b, l.loc, TypeRange{init.value.getType(), slot.tensor.value.getType()},
      query.value, key.value, value.value, decay.value, beta.value, init.value,
      slot.tensor.value, *rule, APFloat(scale), /*form=*/ScanFormAttr(),
      /*chunk=*/IntegerAttr(), /*sequential_below=*/IntegerAttr());
  Tensor output{scan.getResult(0), init.shape};
  l.set(a.output, l.reshape(output, {init.shape[0], init.shape[1],
                                     l.fixed(outputHeads * valueDim)}));
  closeState(l, slot, a.present, scan.getResult(1));
  return success();
}

template <typename OpTy>
static LinearAttention getLinearAttention(OpTy op) {
  return {op,
          op.getQuery(),
          op.getKey(),
          op.getValue(),
          op.getPastState(),
          op.getDecay(),
          op.getBeta(),
          op.getOutput(),
          op.getPresentState(),
          static_cast<int64_t>(op.getQNumHeads()),
          static_cast<int64_t>(op.getKvNumHeads()),
          op.getUpdateRule(),
          op.getScale().convertToFloat()};
}

//===----------------------------------------------------------------------===//
// CausalConvWithState
//===----------------------------------------------------------------------===//

template <typename OpTy>
static LogicalResult lowerCausalConv(OpTy op, Lowering &l) {
  StringRef name = op.getActivation();
  Activation activation = Activation::None;
  if (name == "silu" || name == "swish")
    activation = Activation::Silu;
  else if (name != "none")
    return l.unsupported(op, "unknown activation '" + name + "'",
                         "none, silu and swish work");
  Tensor input = l.get(op.getInput()), weight = l.get(op.getWeight());
  if (input.getRank() != 3 || weight.getRank() != 3 ||
      !l.isOne(weight.shape[1]) || !l.getFixed(weight.shape[2]) ||
      *l.getFixed(weight.shape[2]) < 1)
    return l.unsupported(op, "input must be [B, C, T] and weight [C, 1, K]");
  if (!Lowering::isAbsent(op.getPastState()) && l.rank(op.getPastState()) != 3)
    return l.unsupported(op, "past_state must be [B, C, K - 1]");
  int64_t width = *l.getFixed(weight.shape[2]);
  Tensor taps = l.reshape(weight, {weight.shape[0], weight.shape[2]});
  Tensor bias = l.get(op.getBias());
  StateSlot slot =
      openState(l, op.getPastState(), op.getPresentState(),
                {input.shape[0], input.shape[1], l.fixed(width - 1)});
  Tensor init = l.empty(input.shape, l.elementType(op.getOutput()));
  auto conv = CausalConvOp::create(
      l.b, l.loc, TypeRange{init.value.getType(), slot.tensor.value.getType()},
      input.value, taps.value, bias.value, init.value, slot.tensor.value,
      activation);
  l.set(op.getOutput(), {conv.getResult(0), init.shape});
  closeState(l, slot, op.getPresentState(), conv.getResult(1));
  return success();
}

static LogicalResult lowerMsCausalConv(onnx::MsCausalConvWithStateOp op,
                                       Lowering &l) {
  if (op.getNdim() != 1 || op.getDilation() != 1 || op.getChannelsLast() ||
      op.getStateChannelsLast() == 1 || op.getStateWindow() ||
      op.getStateLength() || op.getInputChannels() ||
      op.getInputChannelOffset() || op.getStateUpdateCapacity())
    return l.unsupported(
        op, "an attribute other than activation differs from its default",
        "ndim = 1 and dilation = 1 with the channels first and the state "
        "[B, C, K - 1] work");
  return lowerCausalConv(op, l);
}

void registerScan(Registry &registry) {
  registry.add<onnx::LinearAttentionOp>(
      [](onnx::LinearAttentionOp op, Lowering &l) {
        return lowerLinearAttention(getLinearAttention(op), l);
      });
  registry.add<onnx::MsLinearAttentionOp>(
      [](onnx::MsLinearAttentionOp op, Lowering &l) {
        if (op.getStateWindow())
          return l.unsupported(op, "state_window is not 0");
        return lowerLinearAttention(getLinearAttention(op), l);
      });
  registry.add<onnx::CausalConvWithStateOp>(
      lowerCausalConv<onnx::CausalConvWithStateOp>);
  registry.add<onnx::MsCausalConvWithStateOp>(lowerMsCausalConv);
}

} // namespace hybrid
