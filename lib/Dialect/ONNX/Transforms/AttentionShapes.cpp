//===- AttentionShapes.cpp - Shapes of attention and recurrences ----------===//

#include "ShapeInference.h"

using namespace mlir;
using namespace hybrid::onnx;

/// `dim` divided by a number of heads from an attribute; null if that is not
/// positive.
static Expr perHead(OpShape &op, Expr dim, int64_t heads) {
  return heads > 0 ? op.math.floorDiv(dim, op.constant(heads)) : Expr();
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {
/// Sizes of an attention, whichever way its operands are laid out.
struct AttentionSizes {
  Expr batch, queryHeads, keyHeads, queries, keys, dim, valueDim;
};
} // namespace

static LogicalResult setPresent(OpShape &op, const AttentionSizes &sizes,
                                unsigned pastKey, unsigned pastValue) {
  Expr past = op.constant(0);
  const Shape *key = op.shape(pastKey), *value = op.shape(pastValue);
  if (op.has(pastKey)) {
    past = key && key->size() == 4 ? (*key)[2] : Expr();
    if (key && key->size() == 4 &&
        (failed(op.require((*key)[0], sizes.batch, "batches of past_key")) ||
         failed(op.require((*key)[1], sizes.keyHeads, "heads of past_key")) ||
         failed(op.require((*key)[3], sizes.dim, "head sizes of past_key"))))
      return failure();
  }
  if (value && value->size() == 4 &&
      (failed(op.require((*value)[2], past, "lengths of the caches")) ||
       failed(op.require((*value)[3], sizes.valueDim,
                         "head sizes of past_value"))))
    return failure();
  Expr total = op.math.add(past, sizes.keys);
  op.set(1, Shape{sizes.batch, sizes.keyHeads, total, sizes.dim});
  op.set(2, Shape{sizes.batch, sizes.keyHeads, total, sizes.valueDim});
  op.set(3, Shape{sizes.batch, sizes.queryHeads, sizes.queries, total});
  return success();
}

static LogicalResult attention(OpShape &op) {
  const Shape *q = op.shape(0), *k = op.shape(1), *v = op.shape(2);
  if (!q || !k || !v)
    return success();
  if (q->size() != k->size() || q->size() != v->size() ||
      (q->size() != 3 && q->size() != 4))
    return op.error() << "Q, K and V must all have rank 3 or all rank 4";
  AttentionSizes sizes;
  sizes.batch = (*q)[0];
  if (failed(op.require((*q)[0], (*k)[0], "batches of Q and K")) ||
      failed(op.require((*k)[0], (*v)[0], "batches of K and V")))
    return failure();
  if (q->size() == 4) {
    sizes.queryHeads = (*q)[1];
    sizes.keyHeads = (*k)[1];
    sizes.queries = (*q)[2];
    sizes.keys = (*k)[2];
    sizes.dim = (*q)[3];
    sizes.valueDim = (*v)[3];
    op.set(0,
           Shape{sizes.batch, sizes.queryHeads, sizes.queries, sizes.valueDim});
  } else {
    int64_t queryHeads = op.integer("q_num_heads", 0);
    int64_t keyHeads = op.integer("kv_num_heads", 0);
    if (queryHeads <= 0 || keyHeads <= 0)
      return op.error() << "with operands of rank 3, q_num_heads and "
                           "kv_num_heads must be positive";
    sizes.queryHeads = op.constant(queryHeads);
    sizes.keyHeads = op.constant(keyHeads);
    sizes.queries = (*q)[1];
    sizes.keys = (*k)[1];
    sizes.dim = perHead(op, (*q)[2], queryHeads);
    sizes.valueDim = perHead(op, (*v)[2], keyHeads);
    op.set(0, Shape{sizes.batch, sizes.queries,
                    op.math.mul(sizes.valueDim, sizes.queryHeads)});
  }
  Expr keyDim = q->size() == 4
                    ? (*k)[3]
                    : perHead(op, (*k)[2], op.integer("kv_num_heads", 0));
  Expr values = q->size() == 4 ? (*v)[2] : (*v)[1];
  if (failed(op.require(sizes.dim, keyDim, "head sizes of Q and K")) ||
      failed(op.require(sizes.keys, values, "lengths of K and V")))
    return failure();
  return setPresent(op, sizes, 4, 5);
}

/// com.microsoft: query [B, S, Hq * D], or packed with keys and values.
static LogicalResult groupQueryAttention(OpShape &op) {
  const Shape *query = op.shape(0), *key = op.shape(1);
  if (!query || query->size() != 3)
    return success();
  int64_t queryHeads = op.integer("num_heads", 0);
  int64_t keyHeads = op.integer("kv_num_heads", 0);
  if (queryHeads <= 0 || keyHeads <= 0)
    return op.error() << "num_heads and kv_num_heads must be positive";
  AttentionSizes sizes;
  sizes.batch = (*query)[0];
  sizes.queryHeads = op.constant(queryHeads);
  sizes.keyHeads = op.constant(keyHeads);
  sizes.queries = sizes.keys = (*query)[1];
  bool packed = !op.has(1);
  sizes.dim =
      perHead(op, (*query)[2], packed ? queryHeads + 2 * keyHeads : queryHeads);
  sizes.valueDim = sizes.dim;
  if (key && key->size() == 3 &&
      (failed(op.require((*key)[0], sizes.batch, "batches")) ||
       failed(op.require((*key)[1], sizes.keys, "lengths")) ||
       failed(op.require(perHead(op, (*key)[2], keyHeads), sizes.dim,
                         "head sizes"))))
    return failure();
  op.set(0, Shape{sizes.batch, sizes.queries,
                  op.math.mul(sizes.dim, sizes.queryHeads)});
  return setPresent(op, sizes, 3, 4);
}

/// com.microsoft: query [B, S, H], keys and values [B, L, H] or [B, N, L, D].
static LogicalResult multiHeadAttention(OpShape &op) {
  const Shape *query = op.shape(0), *key = op.shape(1), *value = op.shape(2);
  int64_t heads = op.integer("num_heads", 0);
  if (heads <= 0)
    return op.error() << "num_heads must be positive";
  if (!query)
    return success();
  AttentionSizes sizes;
  sizes.batch = (*query)[0];
  sizes.queryHeads = sizes.keyHeads = op.constant(heads);
  sizes.queries = (*query)[1];
  if (query->size() == 5) { // [B, S, N, 3, D]
    sizes.keys = sizes.queries;
    sizes.dim = sizes.valueDim = (*query)[4];
  } else {
    sizes.dim = perHead(op, query->back(), heads);
    if (key && key->size() == 5) { // [B, L, N, 2, D]
      sizes.keys = (*key)[1];
      sizes.valueDim = (*key)[4];
    } else if (value && value->size() == 4) {
      sizes.keys = (*value)[2];
      sizes.valueDim = (*value)[3];
    } else if (value && value->size() == 3) {
      sizes.keys = (*value)[1];
      sizes.valueDim = perHead(op, (*value)[2], heads);
    }
  }
  op.set(0, Shape{sizes.batch, sizes.queries,
                  op.math.mul(sizes.valueDim, sizes.queryHeads)});
  return setPresent(op, sizes, 6, 7);
}

//===----------------------------------------------------------------------===//
// Recurrences
//===----------------------------------------------------------------------===//

/// ai.onnx and com.microsoft LinearAttention; the latter allows more key heads
/// than query heads, and a window of states.
static LogicalResult linearAttention(OpShape &op) {
  const Shape *query = op.shape(0), *key = op.shape(1), *value = op.shape(2);
  if (!query || !key || !value)
    return success();
  if (query->size() != 3 || key->size() != 3 || value->size() != 3)
    return op.error() << "query, key and value must have rank 3";
  int64_t queryHeads = op.integer("q_num_heads", 0);
  int64_t keyHeads = op.integer("kv_num_heads", 0);
  if (queryHeads <= 0 || keyHeads <= 0)
    return op.error() << "q_num_heads and kv_num_heads must be positive";
  for (const Shape *other : {key, value})
    if (failed(op.require((*query)[0], (*other)[0], "batches")) ||
        failed(op.require((*query)[1], (*other)[1], "lengths")))
      return failure();
  Expr keyDim = perHead(op, (*query)[2], queryHeads);
  Expr valueDim = perHead(op, (*value)[2], keyHeads);
  op.set(0, Shape{(*query)[0], (*query)[1],
                  op.math.mul(valueDim,
                              op.constant(std::max(queryHeads, keyHeads)))});
  Shape state{(*query)[0], op.constant(keyHeads), keyDim, valueDim};
  if (int64_t window = op.integer("state_window", 0); window > 0)
    state.insert(state.begin(), op.constant(window));
  if (const Shape *past = op.shape(3)) {
    if (past->size() != state.size())
      return op.error() << "past_state must have rank " << state.size();
    for (auto [have, want] : llvm::zip(*past, state))
      if (failed(op.require(have, want,
                            "dimensions of past_state and the "
                            "state")))
        return failure();
  }
  op.set(1, std::move(state));
  return success();
}

/// ai.onnx and com.microsoft CausalConvWithState.
static LogicalResult causalConv(OpShape &op) {
  const Shape *input = op.shape(0), *weight = op.shape(1);
  if (!input)
    return success();
  op.set(0, input);
  if (const Shape *past = op.shape(3))
    op.set(1, past);
  bool plain = op.integer("ndim", 1) == 1 && !op.integer("channels_last", 0) &&
               !op.integer("state_channels_last", 0) &&
               !op.integer("state_window", 0) && !op.integer("state_length", 0);
  if (!plain || !weight || input->size() != 3 || weight->size() != 3)
    return success();
  if (failed(op.require((*input)[1], (*weight)[0],
                        "channels of input and weight")))
    return failure();
  Expr reach = op.math.sub((*weight)[2], op.constant(1));
  Shape state{(*input)[0], (*input)[1],
              op.math.mul(reach, op.constant(op.integer("dilation", 1)))};
  if (const Shape *past = op.shape(3)) {
    if (past->size() != 3)
      return op.error() << "past_state must have rank 3";
    for (auto [have, want] : llvm::zip(*past, state))
      if (failed(op.require(have, want,
                            "dimensions of past_state and the "
                            "state")))
        return failure();
  }
  op.set(1, std::move(state));
  return success();
}

/// com.microsoft: decay like a, beta like b.
static LogicalResult linearAttentionGate(OpShape &op) {
  op.set(0, op.shape(0));
  op.set(1, op.has(3) ? op.shape(3) : op.shape(0));
  return success();
}

void hybrid::onnx::addAttentionShapes(ShapeFunctions &functions) {
  functions["Attention"] = attention;
  functions["CausalConvWithState"] = causalConv;
  functions["LinearAttention"] = linearAttention;
  functions["ms.CausalConvWithState"] = causalConv;
  functions["ms.GroupQueryAttention"] = groupQueryAttention;
  functions["ms.LinearAttention"] = linearAttention;
  functions["ms.LinearAttentionGate"] = linearAttentionGate;
  functions["ms.MultiHeadAttention"] = multiHeadAttention;
}
