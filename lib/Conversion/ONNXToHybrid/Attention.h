//===- Attention.h - Attention with a cache ---------------------*- C++ -*-===//

#ifndef HYBRID_LIB_CONVERSION_ONNXTOHYBRID_ATTENTION_H
#define HYBRID_LIB_CONVERSION_ONNXTOHYBRID_ATTENTION_H

#include "Rope.h"

namespace hybrid {

/// What Attention and GroupQueryAttention have in common.
struct AttentionSpec {
  mlir::Operation *op = nullptr;
  /// This call's queries, keys and values. All three have one layout.
  Heads query, key, value;
  /// The cache's operands and results [B, H, T, D]; all may be absent.
  mlir::Value pastKey, pastValue, presentKey, presentValue;
  /// [B | 1, H | 1, T, n] or fewer leading dimensions, boolean or float.
  Tensor mask;
  /// [H], and i64 [B].
  Tensor sinks, lengths;
  double scale = 1, softcap = 0;
  bool causal = false;
  int64_t windowLeft = -1;
};

/// The keys or values that queries see.
struct Cache {
  Heads tensor;
  /// How many of its positions are valid, and how many came before this call.
  mlir::AffineExpr length, past;
};

/// Checks that heads and head sizes fit together.
mlir::LogicalResult checkHeads(const AttentionSpec &spec, Lowering &l);

/// Adds this call's keys and values to the past ones, in place where they are
/// states of the model, and sets the present results.
std::pair<Cache, Cache> updateCaches(const AttentionSpec &spec, Lowering &l);

/// hybrid.attention over `keys` and `values`, in the query's layout, of element
/// type `elementType`.
Tensor createAttention(const AttentionSpec &spec, const Cache &keys,
                       const Cache &values, mlir::Type elementType,
                       Lowering &l);

/// Concat of a state's past and new values along the dimension that grows,
/// where the result is the state's present: appends in place. False if `op`
/// isn't that.
bool lowerCacheConcat(mlir::Operation *op, Lowering &l);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_ONNXTOHYBRID_ATTENTION_H
