//===- Contrib.cpp - com.microsoft operators of language models -----------===//

#include "Attention.h"
#include "Positions.h"
#include "Scalars.h"

#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <cmath>

using namespace mlir;

namespace hybrid {

//===----------------------------------------------------------------------===//
// GroupQueryAttention
//===----------------------------------------------------------------------===//

namespace {
/// All sequences of a batch have the same number of cached tokens, which is
/// what a session holds. Sequences of unequal length that are padded on the
/// right therefore give the operator's results for a first prompt (what follows
/// a sequence's end is not visible to it), but not when such a batch goes on.
class GroupQueryAttention {
public:
  GroupQueryAttention(onnx::MsGroupQueryAttentionOp op, Lowering &l)
      : op(op), l(l) {
    spec.op = op;
  }

  LogicalResult run() {
    if (failed(checkAttributes()) || failed(splitInputs()))
      return failure();
    spec.pastKey = op.getPastKey();
    spec.pastValue = op.getPastValue();
    spec.presentKey = op.getPresentKey();
    spec.presentValue = op.getPresentValue();
    spec.mask = l.get(op.getAttentionBias());
    if (failed(checkHeads(spec, l)) || failed(normalize()) || failed(rotate()))
      return failure();
    setParameters();
    auto [keys, values] = updateCaches(spec, l);
    Tensor output =
        createAttention(spec, keys, values, l.elementType(op.getOutput()), l);
    l.set(op.getOutput(), l.reshape(output, l.shape(op.getOutput())));
    return success();
  }

private:
  LogicalResult checkAttributes() {
    if (op.getKQuantType() != "NONE" || op.getVQuantType() != "NONE")
      return l.unsupported(op, "a quantised cache", "quant_type NONE works");
    if (op.getSlidingWindowCache())
      return l.unsupported(op, "sliding_window_cache = 1",
                           "local_window_size alone works");
    if (!Lowering::isAbsent(op.getQuerySeqlens()))
      return l.unsupported(op, "query_seqlens");
    if (l.isNeeded(op.getOutputQk()))
      return l.unsupported(op, "output_qk");
    return success();
  }

  /// Sets spec.query, spec.key and spec.value; they may be packed in one input.
  LogicalResult splitInputs() {
    int64_t queryHeads = op.getNumHeads(), keyHeads = op.getKvNumHeads();
    Tensor query = l.get(op.getQuery());
    Tensor key = l.get(op.getKey()), value = l.get(op.getValue());
    if (query.getRank() == 3 && !key && !value && queryHeads > 0 &&
        keyHeads > 0) {
      std::optional<int64_t> width = l.getFixed(query.shape[2]);
      int64_t heads = queryHeads + 2 * keyHeads;
      if (width && *width % heads == 0) {
        int64_t headDim = *width / heads;
        Tensor packed = query;
        auto part = [&](int64_t first, int64_t count) {
          Shape offsets = {l.fixed(0), l.fixed(0), l.fixed(first * headDim)};
          Shape sizes = packed.shape;
          sizes[2] = l.fixed(count * headDim);
          return l.extractSlice(packed, offsets, sizes);
        };
        query = part(0, queryHeads);
        key = part(queryHeads, keyHeads);
        value = part(queryHeads + keyHeads, keyHeads);
      }
    }
    std::optional<Heads> q, k, v;
    if (query.getRank() == 3 && key && key.getRank() == 3 && value &&
        value.getRank() == 3) {
      q = splitHeads(l, query, queryHeads);
      k = splitHeads(l, key, keyHeads);
      v = splitHeads(l, value, keyHeads);
    }
    if (!q || !k || !v)
      return l.unsupported(op, "query, key and value must be [B, T, H * D], or "
                               "packed in query");
    spec.query = *q;
    spec.key = *k;
    spec.value = *v;
    return success();
  }

  /// The norm of each head's query and key, if there are weights for it.
  LogicalResult normalize() {
    bool hasWeights = !Lowering::isAbsent(op.getQNormWeight());
    if (hasWeights != !Lowering::isAbsent(op.getKNormWeight()))
      return l.unsupported(op, "q_norm_weight and k_norm_weight go together");
    if (!hasWeights)
      return success();
    auto norm = [&](Heads &heads, Value weight, std::optional<APFloat> own) {
      double epsilon = own.value_or(op.getQkNormEpsilon()).convertToFloat();
      Tensor init = l.empty(heads.tensor.shape, heads.tensor.getElementType());
      auto result = NormOp::create(l.b, l.loc, TypeRange{init.value.getType()},
                                   heads.tensor.value, l.get(weight).value,
                                   Value(), init.value, NormKind::Rms,
                                   /*axis=*/3, APFloat(epsilon));
      heads.tensor.value = result.getResult(0);
    };
    norm(spec.query, op.getQNormWeight(), op.getQNormEpsilon());
    norm(spec.key, op.getKNormWeight(), op.getKNormEpsilon());
    return success();
  }

  LogicalResult rotate() {
    if (op.getDoRotary().value_or(0) == 0)
      return success();
    Tensor cos = l.get(op.getCosCache()), sin = l.get(op.getSinCache());
    int64_t headDim = *l.getFixed(spec.query.tensor.shape[3]);
    std::optional<int64_t> half;
    if (cos && sin && cos.getRank() == 2 && sin.getRank() == 2)
      half = l.getFixed(cos.shape[1]);
    if (!half || *half < 1 || 2 * *half > headDim)
      return l.unsupported(op,
                           "do_rotary needs cos_cache and sin_cache of rank "
                           "2, at most half as wide as a head");
    Tensor positions;
    if (!Lowering::isAbsent(op.getPositionIds())) {
      if (l.rank(op.getPositionIds()) != 2)
        return l.unsupported(op, "position_ids must be [B, T]");
      positions = getPositions(l, op.getPositionIds(), cos.shape[0]);
    } else {
      if (l.rank(op.getSeqlensK()) == 0)
        return l.unsupported(op, "seqlens_k must be [B]");
      positions = countPositions(cos.shape[0]);
    }
    bool interleaved = op.getRotaryInterleaved().value_or(0) != 0;
    for (Heads *heads : {&spec.query, &spec.key})
      heads->tensor =
          createRope(l, *heads, cos, sin, positions, 2 * *half, interleaved);
    return success();
  }

  /// The last T positions of each sequence; all from 0 on for a sequence that
  /// is shorter than T, whose padding stands on the right.
  Tensor countPositions(AffineExpr rows) {
    Type i64 = l.b.getI64Type();
    Tensor last = l.cast(l.get(op.getSeqlensK()), i64);
    AffineExpr batch = spec.query.tensor.shape[0];
    AffineExpr length = spec.query.tensor.shape[1];
    // seqlens_k may be [B] or [B, 1].
    last = l.reshape(last, {batch, l.fixed(1)});
    Value tokens = l.index(length);
    Tensor positions = l.elementwise(
        {last}, {batch, length}, i64,
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value count = arith::IndexCastOp::create(b, loc, i64, tokens);
          Value one = l.scalarInt(i64, 1);
          Value end = arith::AddIOp::create(b, loc, args.front(), one);
          Value first = arith::SubIOp::create(b, loc, end, count);
          first = arith::MaxSIOp::create(b, loc, first, l.scalarInt(i64, 0));
          Value column = linalg::IndexOp::create(b, loc, 1);
          Value number = arith::IndexCastOp::create(b, loc, i64, column);
          return arith::AddIOp::create(b, loc, first, number);
        });
    return limitPositions(l, positions, rows);
  }

  void setParameters() {
    int64_t headDim = *l.getFixed(spec.query.tensor.shape[3]);
    double scale = op.getScale() ? op.getScale()->convertToFloat() : 0;
    spec.scale = scale == 0 ? 1 / std::sqrt(double(headDim)) : scale;
    spec.softcap = op.getSoftcap() ? op.getSoftcap()->convertToFloat() : 0;
    spec.causal = op.getCausal() != 0;
    // The window counts the token itself.
    int64_t window = op.getLocalWindowSize();
    spec.windowLeft = window > 0 ? window - 1 : -1;
    spec.sinks = l.get(op.getHeadSink());
    // A 0 among the scores.
    if (!spec.sinks && static_cast<int64_t>(op.getSmoothSoftmax()) == 1)
      spec.sinks = l.zeros({spec.query.tensor.shape[2]},
                           spec.query.tensor.getElementType());
  }

  onnx::MsGroupQueryAttentionOp op;
  Lowering &l;
  AttentionSpec spec;
};
} // namespace

//===----------------------------------------------------------------------===//
// LinearAttentionGate, GatedAdd
//===----------------------------------------------------------------------===//

/// decay = decay_scale · softplus(a + dt_bias), beta = sigmoid(b).
static LogicalResult lowerGate(onnx::MsLinearAttentionGateOp op, Lowering &l) {
  Tensor a = l.get(op.getA());
  Type type = l.elementType(op.getDecay());
  Tensor decay = l.elementwise(
      {a, l.get(op.getDtBias()), l.get(op.getDecayScale())}, a.shape, type,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Type f32 = b.getF32Type();
        SmallVector<Value> x;
        for (Value arg : args)
          x.push_back(convertFloat(b, loc, arg, f32));
        Value step =
            Scalars{b, loc}.softplus(arith::AddFOp::create(b, loc, x[0], x[1]));
        Value product = arith::MulFOp::create(b, loc, step, x[2]);
        return convertFloat(b, loc, product, type);
      });
  l.set(op.getDecay(), decay);
  if (!l.isNeeded(op.getBeta()))
    return success();
  Tensor input = l.get(op.getB());
  if (!input)
    return l.unsupported(op, "the result beta needs the input b");
  Type betaType = l.elementType(op.getBeta());
  l.set(op.getBeta(),
        l.elementwise(
            {input}, input.shape, betaType,
            [&](OpBuilder &b, Location loc, ValueRange args) {
              Value x = convertFloat(b, loc, args[0], b.getF32Type());
              return convertFloat(b, loc, Scalars{b, loc}.sigmoid(x), betaType);
            }));
  return success();
}

/// X + Y · gate; the product is rounded.
static LogicalResult lowerGatedAdd(onnx::MsGatedAddOp op, Lowering &l) {
  if (!Lowering::isAbsent(op.getGateWeight()))
    return l.unsupported(op, "gate_weight",
                         "a gate of shape [..., 1] without it works");
  Tensor x = l.get(op.getX());
  Type type = x.getElementType(), compute = getComputeType(type);
  l.set(op.getOutput(),
        l.elementwise({x, l.get(op.getY()), l.get(op.getGate())}, x.shape, type,
                      [&](OpBuilder &b, Location loc, ValueRange args) {
                        auto wide = [&](Value value) {
                          return convertFloat(b, loc, value, compute);
                        };
                        Value product = arith::MulFOp::create(
                            b, loc, wide(args[1]), wide(args[2]));
                        product = convertFloat(b, loc, product, type);
                        Value sum = arith::AddFOp::create(b, loc, wide(args[0]),
                                                          wide(product));
                        return convertFloat(b, loc, sum, type);
                      }));
  return success();
}

void registerContrib(Registry &registry) {
  registry.add<onnx::MsGroupQueryAttentionOp>(
      [](onnx::MsGroupQueryAttentionOp op, Lowering &l) {
        return GroupQueryAttention(op, l).run();
      });
  registry.add<onnx::MsLinearAttentionGateOp>(lowerGate);
  registry.add<onnx::MsGatedAddOp>(lowerGatedAdd);
}

} // namespace hybrid
