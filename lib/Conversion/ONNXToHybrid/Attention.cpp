//===- Attention.cpp - Attention, TensorScatter ---------------------------===//

#include "Attention.h"

#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace hybrid {

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

static Tensor toBHTD(Lowering &l, const Heads &heads) {
  if (heads.layout == HeadLayout::BHTD)
    return heads.tensor;
  return l.transpose(heads.tensor, {0, 2, 1, 3});
}

/// The state that `past` and `present` are the two sides of, if any.
static State *getCacheState(Lowering &l, Value past, Value present,
                            Type elementType) {
  if (Lowering::isAbsent(past) || Lowering::isAbsent(present))
    return nullptr;
  State *state = l.getPastState(past);
  bool bound = state && state == l.getPresentState(present) &&
               state->lengthAxis == 2 && !state->written &&
               state->elementType == elementType;
  return bound ? state : nullptr;
}

/// Writes `fresh` behind the state's past values; `length` is their number
/// afterwards, and `present` the graph's value for all of them.
static Tensor appendToState(Lowering &l, State &state, const Heads &fresh,
                            AffineExpr before, AffineExpr length,
                            Value present) {
  Tensor cache = l.readState(state);
  Tensor appended = cache;
  if (state.lengthAxis == 2 && cache.getRank() == 4) {
    auto append = CacheAppendOp::create(
        l.b, l.loc, TypeRange{cache.value.getType()}, fresh.tensor.value,
        l.index(before), /*positions=*/Value(), cache.value, fresh.layout);
    appended.value = append.getResult(0);
  } else {
    Shape offsets(cache.getRank(), l.fixed(0));
    offsets[state.lengthAxis] = before;
    appended = l.insertSlice(fresh.tensor, cache, offsets);
  }
  l.writeState(state, appended);
  // For other users of the present value; goes away where there are none.
  Shape valid = cache.shape;
  valid[state.lengthAxis] = length;
  l.set(present,
        l.extractSlice(appended, Shape(valid.size(), l.fixed(0)), valid));
  return appended;
}

static Cache appendHeads(Lowering &l, State &state, const Heads &fresh,
                         Value past, Value present) {
  AffineExpr before = l.shape(past)[2];
  AffineExpr length =
      l.symbols.simplify(before + fresh.tensor.shape[fresh.getTimeDim()]);
  Tensor all = appendToState(l, state, fresh, before, length, present);
  return {{all, HeadLayout::BHTD}, length, before};
}

bool lowerCacheConcat(Operation *op, Lowering &l) {
  auto concat = dyn_cast<onnx::ConcatOp>(op);
  if (!concat || concat.getInputs().size() != 2)
    return false;
  Value past = concat.getInputs()[0], result = concat->getResult(0);
  State *state = l.getPastState(past);
  if (!state || state != l.getPresentState(result) || state->written ||
      state->elementType != l.elementType(result))
    return false;
  std::optional<int64_t> axis = Lowering::normalizeAxis(
      static_cast<int64_t>(concat.getAxis()), state->shape.size());
  if (!axis || *axis != state->lengthAxis)
    return false;
  Tensor fresh = l.get(concat.getInputs()[1]);
  AffineExpr before = l.shape(past)[*axis];
  appendToState(l, *state, {fresh, HeadLayout::BHTD}, before,
                l.symbols.simplify(before + fresh.shape[*axis]), result);
  return true;
}

static Cache joinTensors(Lowering &l, const Heads &fresh, Value past,
                         Value present) {
  if (Lowering::isAbsent(past)) {
    if (l.isNeeded(present))
      l.set(present, toBHTD(l, fresh));
    return {fresh, fresh.tensor.shape[fresh.getTimeDim()], l.fixed(0)};
  }
  Tensor before = l.get(past);
  Tensor all = l.concat({before, toBHTD(l, fresh)}, 2);
  if (l.isNeeded(present))
    l.set(present, all);
  return {{all, HeadLayout::BHTD}, all.shape[2], before.shape[2]};
}

std::pair<Cache, Cache> updateCaches(const AttentionSpec &spec, Lowering &l) {
  State *keys = getCacheState(l, spec.pastKey, spec.presentKey,
                              spec.key.tensor.getElementType());
  State *values = getCacheState(l, spec.pastValue, spec.presentValue,
                                spec.value.tensor.getElementType());
  if (keys && values && keys != values)
    return {
        appendHeads(l, *keys, spec.key, spec.pastKey, spec.presentKey),
        appendHeads(l, *values, spec.value, spec.pastValue, spec.presentValue)};
  return {joinTensors(l, spec.key, spec.pastKey, spec.presentKey),
          joinTensors(l, spec.value, spec.pastValue, spec.presentValue)};
}

LogicalResult checkHeads(const AttentionSpec &spec, Lowering &l) {
  auto sizes = [&](const Heads &heads) {
    return std::pair(l.getFixed(heads.tensor.shape[heads.getHeadDim()]),
                     l.getFixed(heads.tensor.shape[3]));
  };
  auto [queryHeads, queryDim] = sizes(spec.query);
  auto [keyHeads, keyDim] = sizes(spec.key);
  auto [valueHeads, valueDim] = sizes(spec.value);
  if (!queryHeads || !keyHeads || !valueHeads || !queryDim || !keyDim ||
      !valueDim || *keyHeads < 1)
    return l.unsupported(spec.op,
                         "the numbers of heads and head sizes must be fixed");
  if (*queryHeads % *keyHeads || *keyHeads != *valueHeads ||
      *queryDim != *keyDim)
    return l.unsupported(
        spec.op, "query [" + Twine(*queryHeads) + " heads of " +
                     Twine(*queryDim) + "], key [" + Twine(*keyHeads) + " of " +
                     Twine(*keyDim) + "] and value [" + Twine(*valueHeads) +
                     " of " + Twine(*valueDim) + "] don't fit together");
  bool pastKey = Lowering::isAbsent(spec.pastKey);
  if (pastKey != Lowering::isAbsent(spec.pastValue))
    return l.unsupported(spec.op, "past_key and past_value go together");
  if (!pastKey && (l.rank(spec.pastKey) != 4 || l.rank(spec.pastValue) != 4))
    return l.unsupported(spec.op, "past_key and past_value must be of rank 4");
  if (spec.mask && (spec.mask.getRank() < 1 || spec.mask.getRank() > 4))
    return l.unsupported(spec.op, "the mask must be of rank 1 to 4");
  return success();
}

/// The state that `heads` is the valid part of, as appendToState cuts it; or
/// null.
static Value getBuffer(const Heads &heads) {
  auto valid = heads.tensor.value.getDefiningOp<tensor::ExtractSliceOp>();
  bool isPart = valid && valid.getSource().getDefiningOp<CacheAppendOp>() &&
                valid.hasZeroOffset() && valid.hasUnitStride() &&
                heads.layout == HeadLayout::BHTD &&
                valid.getSourceType().getRank() == 4 &&
                valid.getType().getRank() == 4;
  for (unsigned dim : {1u, 3u})
    isPart = isPart && valid.getSourceType().getDimSize(dim) ==
                           valid.getType().getDimSize(dim);
  return isPart ? valid.getSource() : Value();
}

Tensor createAttention(const AttentionSpec &spec, const Cache &keys,
                       const Cache &values, Type elementType, Lowering &l) {
  // `length` says how many positions are valid.
  Value key = getBuffer(keys.tensor), value = getBuffer(values.tensor);
  if (!key || !value ||
      cast<ShapedType>(key.getType()).getDimSize(2) !=
          cast<ShapedType>(value.getType()).getDimSize(2)) {
    key = keys.tensor.tensor.value;
    value = values.tensor.tensor.value;
  }
  Shape shape = spec.query.tensor.shape;
  shape[3] = values.tensor.tensor.shape[3];
  Tensor init = l.empty(shape, elementType);
  // Positions that `lengths` gives count from the end of each sequence.
  AffineExpr offset = spec.lengths ? l.fixed(0) : keys.past;
  auto attention = AttentionOp::create(
      l.b, l.loc, TypeRange{init.value.getType()}, spec.query.tensor.value, key,
      value, spec.mask.value, spec.sinks.value, spec.lengths.value,
      l.index(keys.length), l.index(offset), init.value, APFloat(spec.scale),
      APFloat(spec.softcap), spec.causal, spec.windowLeft, /*window_right=*/-1,
      /*sink_prefix=*/0,
      /*empty_is_mean=*/false, spec.query.layout, keys.tensor.layout);
  return {attention.getResult(0), init.shape};
}

//===----------------------------------------------------------------------===//
// Attention with the scores as a result
//===----------------------------------------------------------------------===//

namespace {
/// Attention step by step, with tensors for all that hybrid.attention never
/// stores: for nodes that ask for the scores.
class Decomposition {
public:
  Decomposition(const AttentionSpec &spec, const Cache &keys,
                const Cache &values, Lowering &l)
      : spec(spec), l(l), past(keys.past), query(toBHTD(l, spec.query)),
        key(getValid(keys)), value(getValid(values)),
        type(getComputeType(query.getElementType())) {
    scoreShape = {query.shape[0], query.shape[1], query.shape[2], key.shape[2]};
  }

  /// The output [B, H, T, Dv] and, of element type `type`, the scores at the
  /// stage `mode` [B, H, T, n].
  std::pair<Tensor, Tensor> run(int64_t mode) {
    SmallVector<Tensor> stages = {multiplyKeys()};
    stages.push_back(spec.softcap > 0 ? cap(stages.back()) : stages.back());
    stages.push_back(addBias(stages.back()));
    stages.push_back(softmax(stages.back()));
    return {multiplyValues(stages.back()), stages[mode]};
  }

private:
  Tensor getValid(const Cache &cache) {
    Tensor tensor = toBHTD(l, cache.tensor);
    Shape valid = tensor.shape;
    valid[2] = cache.length;
    return l.extractSlice(tensor, Shape(4, l.fixed(0)), valid);
  }

  /// [B, H, …] as [B, Hkv, H/Hkv, …].
  Tensor group(const Tensor &tensor) {
    int64_t heads = *l.getFixed(tensor.shape[1]);
    int64_t keyHeads = *l.getFixed(key.shape[1]);
    return l.reshape(tensor, {tensor.shape[0], l.fixed(keyHeads),
                              l.fixed(heads / keyHeads), tensor.shape[2],
                              tensor.shape[3]});
  }

  /// out[b,h,g,m,n] += x[b,h,g,m,k] · y[b,h,…], whose last two dimensions are
  /// (n, k), or (k, n) with `transposed`.
  Tensor contract(const Tensor &x, const Tensor &y, bool transposed) {
    Tensor grouped = group(x);
    AffineExpr columns = y.shape[transposed ? 3 : 2];
    Shape shape = grouped.shape;
    shape[4] = columns;
    SmallVector<AffineExpr> d;
    for (unsigned i = 0; i < 6; ++i)
      d.push_back(l.b.getAffineDimExpr(i)); // b h g m n k
    MLIRContext *context = l.b.getContext();
    AffineMap maps[] = {
        AffineMap::get(6, 0, {d[0], d[1], d[2], d[3], d[5]}, context),
        transposed ? AffineMap::get(6, 0, {d[0], d[1], d[5], d[4]}, context)
                   : AffineMap::get(6, 0, {d[0], d[1], d[4], d[5]}, context),
        AffineMap::get(6, 0, {d[0], d[1], d[2], d[3], d[4]}, context)};
    SmallVector<utils::IteratorType> iterators(5,
                                               utils::IteratorType::parallel);
    iterators.push_back(utils::IteratorType::reduction);
    Tensor product =
        l.generic({grouped, y}, l.zeros(shape, type), maps, iterators,
                  [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                    Value left = convertFloat(b, loc, args[0], type);
                    Value right = convertFloat(b, loc, args[1], type);
                    Value term = arith::MulFOp::create(b, loc, left, right);
                    return arith::AddFOp::create(b, loc, args[2], term);
                  });
    return l.reshape(product, {x.shape[0], x.shape[1], x.shape[2], columns});
  }

  Tensor multiplyKeys() {
    Tensor product = contract(query, key, /*transposed=*/false);
    return l.elementwise(
        {product}, scoreShape, type,
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          return arith::MulFOp::create(b, loc, args[0],
                                       l.scalar(type, spec.scale));
        });
  }

  Tensor cap(const Tensor &scores) {
    return l.elementwise(
        {scores}, scoreShape, type,
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value limit = l.scalar(type, spec.softcap);
          Value ratio = arith::DivFOp::create(b, loc, args[0], limit);
          Value curve = math::TanhOp::create(b, loc, ratio);
          return arith::MulFOp::create(b, loc, curve, limit);
        });
  }

  /// Minus infinity for keys beyond the mask.
  Tensor padMask() {
    Shape shape = spec.mask.shape;
    if (l.isEqual(shape.back(), scoreShape.back()))
      return spec.mask;
    shape.back() = scoreShape.back();
    Type element = spec.mask.getElementType();
    double blocked =
        element.isInteger(1) ? 0 : -std::numeric_limits<double>::infinity();
    return l.insertSlice(spec.mask, l.fill(shape, element, blocked),
                         Shape(shape.size(), l.fixed(0)));
  }

  /// Position `key` is visible from query `i` of batch `b`, if anything but the
  /// mask says so.
  Value isVisible(OpBuilder &b, Location loc, Value before, Value length) {
    Value key = linalg::IndexOp::create(b, loc, 3);
    Value visible;
    auto both = [&](Value condition) {
      visible =
          visible
              ? arith::AndIOp::create(b, loc, visible, condition).getResult()
              : condition;
    };
    if (length)
      both(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, key,
                                 length));
    if (spec.causal) {
      Value row = linalg::IndexOp::create(b, loc, 2);
      Value position = arith::AddIOp::create(b, loc, row, before);
      both(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, key,
                                 position));
    }
    return visible;
  }

  Tensor addBias(const Tensor &scores) {
    SmallVector<Tensor> inputs = {scores};
    if (spec.mask)
      inputs.push_back(padMask());
    if (inputs.size() == 1 && !spec.causal && !spec.lengths)
      return scores;
    Value offset = l.index(past), rows = l.index(scoreShape[2]);
    return l.elementwise(
        inputs, scoreShape, type,
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value blocked =
              l.scalar(type, -std::numeric_limits<double>::infinity());
          Value score = args[0];
          if (spec.mask && spec.mask.getElementType().isInteger(1))
            score = arith::SelectOp::create(b, loc, args[1], score, blocked);
          else if (spec.mask)
            score = arith::AddFOp::create(b, loc, score,
                                          convertFloat(b, loc, args[1], type));
          Value length, before = offset;
          if (spec.lengths) {
            Value batch = linalg::IndexOp::create(b, loc, 0);
            Value number = tensor::ExtractOp::create(b, loc, spec.lengths.value,
                                                     ValueRange{batch});
            length =
                arith::IndexCastOp::create(b, loc, b.getIndexType(), number);
            before = arith::SubIOp::create(b, loc, length, rows);
          }
          if (Value visible = isVisible(b, loc, before, length))
            score = arith::SelectOp::create(b, loc, visible, score, blocked);
          return score;
        });
  }

  Tensor softmax(const Tensor &scores) {
    double infinity = std::numeric_limits<double>::infinity();
    Tensor highest =
        l.reduce(scores, {3}, l.scalar(type, -infinity),
                 [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                   return arith::MaximumFOp::create(b, loc, args[0], args[1]);
                 });
    Tensor powers = l.elementwise(
        {scores, l.unsqueeze(highest, 3)}, scoreShape, type,
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          // A row without visible keys is all 0.
          Value blocked =
              arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, args[1],
                                    l.scalar(type, -infinity));
          Value shift = arith::SelectOp::create(b, loc, blocked,
                                                l.scalar(type, 0), args[1]);
          Value difference = arith::SubFOp::create(b, loc, args[0], shift);
          return math::ExpOp::create(b, loc, difference);
        });
    Tensor sum =
        l.reduce(powers, {3}, l.scalar(type, 0),
                 [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                   return arith::AddFOp::create(b, loc, args[0], args[1]);
                 });
    return l.elementwise(
        {powers, l.unsqueeze(sum, 3)}, scoreShape, type,
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value zero = l.scalar(type, 0);
          Value none = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                             args[1], zero);
          Value share = arith::DivFOp::create(b, loc, args[0], args[1]);
          return arith::SelectOp::create(b, loc, none, zero, share);
        });
  }

  Tensor multiplyValues(const Tensor &shares) {
    return contract(shares, value, /*transposed=*/true);
  }

  const AttentionSpec &spec;
  Lowering &l;
  AffineExpr past;
  Tensor query, key, value;
  Type type;
  Shape scoreShape;
};
} // namespace

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// The three inputs with their heads, or an error.
static LogicalResult splitInputs(onnx::AttentionOp op, AttentionSpec &spec,
                                 Lowering &l) {
  Tensor inputs[] = {l.get(op.getQ()), l.get(op.getK()), l.get(op.getV())};
  unsigned rank = inputs[0].getRank();
  int64_t queryHeads = op.getQNumHeads().value_or(0);
  int64_t keyHeads = op.getKvNumHeads().value_or(0);
  std::optional<Heads> query = splitHeads(l, inputs[0], queryHeads);
  std::optional<Heads> key = splitHeads(l, inputs[1], keyHeads);
  std::optional<Heads> value = splitHeads(l, inputs[2], keyHeads);
  if (!query || !key || !value || inputs[1].getRank() != rank ||
      inputs[2].getRank() != rank)
    return l.unsupported(op, "Q, K and V must be [B, H, T, D], or all [B, T, "
                             "H * D] with q_num_heads and kv_num_heads");
  spec.query = *query;
  spec.key = *key;
  spec.value = *value;
  return success();
}

static LogicalResult lowerAttention(onnx::AttentionOp op, Lowering &l) {
  AttentionSpec spec;
  spec.op = op;
  if (failed(splitInputs(op, spec, l)))
    return failure();
  spec.pastKey = op.getPastKey();
  spec.pastValue = op.getPastValue();
  spec.presentKey = op.getPresentKey();
  spec.presentValue = op.getPresentValue();
  spec.mask = l.get(op.getAttnMask());
  if (spec.mask && isa<IntegerType>(spec.mask.getElementType()) &&
      !spec.mask.getElementType().isInteger(1))
    spec.mask =
        l.cast(spec.mask, l.b.getF32Type(), l.isUnsigned(op.getAttnMask()));
  spec.causal = op.getIsCausal() != 0;
  spec.softcap = op.getSoftcap().convertToFloat();
  if (failed(checkHeads(spec, l)))
    return failure();
  int64_t headDim = *l.getFixed(spec.query.tensor.shape[3]);
  spec.scale = op.getScale() ? op.getScale()->convertToFloat()
                             : 1 / std::sqrt(double(headDim));
  if (spec.softcap < 0)
    return l.unsupported(op, "softcap must not be negative");
  if (!Lowering::isAbsent(op.getNonpadKvSeqlen())) {
    if (!Lowering::isAbsent(spec.pastKey))
      return l.unsupported(op, "nonpad_kv_seqlen and past_key exclude each "
                               "other");
    if (l.rank(op.getNonpadKvSeqlen()) != 1)
      return l.unsupported(op, "nonpad_kv_seqlen must be [B]");
    spec.lengths = l.cast(l.get(op.getNonpadKvSeqlen()), l.b.getI64Type());
  }

  auto [keys, values] = updateCaches(spec, l);
  Type type = l.elementType(op.getY());
  ShapeRef shape = l.shape(op.getY());
  if (!l.isNeeded(op.getQkMatmulOutput())) {
    Tensor output = createAttention(spec, keys, values, type, l);
    l.set(op.getY(), l.reshape(output, shape));
    return success();
  }
  int64_t mode = op.getQkMatmulOutputMode();
  if (mode < 0 || mode > 3)
    return l.unsupported(op, "qk_matmul_output_mode must be 0, 1, 2 or 3");
  auto [output, scores] = Decomposition(spec, keys, values, l).run(mode);
  if (spec.query.layout == HeadLayout::BTHD)
    output = l.transpose(output, {0, 2, 1, 3});
  l.set(op.getY(), l.reshape(l.cast(output, type), shape));
  l.set(op.getQkMatmulOutput(),
        l.cast(scores, l.elementType(op.getQkMatmulOutput())));
  return success();
}

//===----------------------------------------------------------------------===//
// TensorScatter
//===----------------------------------------------------------------------===//

/// Every element of the result is chosen from past_cache and update, so that
/// order doesn't matter and nothing is written outside.
static LogicalResult lowerTensorScatter(onnx::TensorScatterOp op, Lowering &l) {
  Tensor past = l.get(op.getPastCache()), update = l.get(op.getUpdate());
  Tensor starts = l.get(op.getWriteIndices());
  std::optional<int64_t> axis = Lowering::normalizeAxis(
      static_cast<int64_t>(op.getAxis()), past.getRank());
  StringRef mode = op.getMode();
  if (!axis || *axis == 0 || update.getRank() != past.getRank())
    return l.unsupported(op, "axis must be a dimension other than the first of "
                             "past_cache and update");
  if (mode != "linear" && mode != "circular")
    return l.unsupported(op, "unknown mode '" + mode + "'",
                         "linear and circular work");
  if (starts && starts.getRank() != 1)
    return l.unsupported(op, "write_indices must be [B]");
  bool circular = mode == "circular";
  Value rows = l.index(update.shape[*axis]);
  Value capacity = l.index(past.shape[*axis]);
  Tensor result = l.elementwise(
      {past}, past.shape, past.getElementType(),
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        SmallVector<Value> position;
        for (unsigned i = 0; i < past.getRank(); ++i)
          position.push_back(linalg::IndexOp::create(b, loc, i));
        // The row of the update that lands here, if it has that many.
        Value row = position[*axis];
        if (starts) {
          Value number = tensor::ExtractOp::create(b, loc, starts.value,
                                                   ValueRange{position[0]});
          Value start =
              arith::IndexCastOp::create(b, loc, b.getIndexType(), number);
          row = arith::SubIOp::create(b, loc, row, start);
        }
        Value zero = arith::ConstantIndexOp::create(b, loc, 0);
        if (circular) {
          row = arith::RemSIOp::create(b, loc, row, capacity);
          Value wrapped = arith::AddIOp::create(b, loc, row, capacity);
          Value negative = arith::CmpIOp::create(
              b, loc, arith::CmpIPredicate::slt, row, zero);
          row = arith::SelectOp::create(b, loc, negative, wrapped, row);
        }
        // Unsigned: negative rows are none of the update's either.
        Value written =
            arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, row, rows);
        position[*axis] = arith::SelectOp::create(b, loc, written, row, zero);
        Value fresh = tensor::ExtractOp::create(b, loc, update.value, position);
        return arith::SelectOp::create(b, loc, written, fresh, args.front());
      });
  l.set(op.getPresentCache(), result);
  return success();
}

void registerAttention(Registry &registry) {
  registry.add<onnx::AttentionOp>(lowerAttention);
  registry.add<onnx::TensorScatterOp>(lowerTensorScatter);
}

} // namespace hybrid
