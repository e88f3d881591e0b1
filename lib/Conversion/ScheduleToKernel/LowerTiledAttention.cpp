//===- LowerTiledAttention.cpp - streaming softmax over rows --------------===//
//
// FlashAttention-2's loops (Dao, arXiv 2307.08691) for vectors: a block of rows
// visits tiles of keys. Lanes are rows as long as there are scores, so that
// maxima and sums of rows need no reduction across lanes, and products with
// values run over the values' dimension:
//
//   scores[key, rows] = Σ_d key[key, d] · query[d, rows]
//   result[row, dims] = result · rescale + Σ_key exp(scores)[key, row] · value
//
// Tiles of keys and values are copied to the stack in float32, zeros behind the
// last key, and both products keep a block of sums in registers.
//
//===----------------------------------------------------------------------===//

#include "AttentionLowering.h"

#include <numeric>

using namespace mlir;

namespace hybrid {
namespace {

/// Rows of a block and keys of a tile.
constexpr int64_t kRows = 32, kKeys = 48;
/// Rows from which on this pays.
constexpr int64_t kFewRows = 4;

class TiledAttentionLowering {
public:
  TiledAttentionLowering(AttentionOp op, unsigned vectorBits)
      : op(op), b(op, op.getQuery().getType().getElementType()),
        lanes(vectorBits / 32), numVectors(kRows / lanes),
        keyBlock(vectorBits >= 512 ? 12 : 6),
        rowBlock(vectorBits >= 512 ? 8 : 4),
        headDim(op.getQuery().getType().getDimSize(3)),
        valueDim(op.getValue().getType().getDimSize(3)) {}

  void lower();

private:
  using Vectors = SmallVector<Value>;
  VectorType getVectorType() {
    return VectorType::get({lanes}, b.getComputeType());
  }
  Value toI32(Value index) {
    return arith::IndexCastOp::create(b, b.getI32Type(), index);
  }
  Value splatI32(Value integer) {
    return vector::BroadcastOp::create(
        b, VectorType::get({lanes}, b.getI32Type()), integer);
  }
  Value zeroVector() { return b.splat(b.real(0), lanes); }
  SmallVector<Value> queryIndex(Value row, Value d);
  SmallVector<Value> keyIndex(Value key, Value d);
  /// fn(offset) for whole vectors of a row of `size`, then tail(d) for each
  /// element behind them.
  void overRow(int64_t size, function_ref<void(Value)> fn,
               function_ref<void(Value)> tail);

  void setBounds();
  void loadQuery();
  void loadTile(Value first, Value source, Value buffer, int64_t size);
  void multiplyKeys();
  Value adjustScore(Value score, Value key, int64_t v);
  Vectors maskScores(Value first, ValueRange maxima);
  Vectors exponentiate(ValueRange references, ValueRange sums);
  void multiplyValues();
  Vectors visitTile(Value first, ValueRange carried);
  void finish(ValueRange carried);
  void storeRow(Value row);

  AttentionOp op;
  LoopBuilder b;
  int64_t lanes, numVectors, keyBlock, rowBlock, headDim, valueDim;
  Value batch, head, kvHead, firstRow, numRows;
  /// Keys that any row of the block sees lie in [low, high); of these, vector v
  /// of rows sees those in [lows[v], highs[v]) (null: all) and sinks.
  Value low, high;
  Vectors lows, highs;
  /// The block's rows as columns, a tile of keys and one of values, scores, the
  /// result, factors of rows, sums of rows.
  Value query, keys, values, scores, result, factors, normalisers;
};

SmallVector<Value> TiledAttentionLowering::queryIndex(Value row, Value d) {
  SmallVector<Value> index(4, d);
  index[0] = batch;
  index[op.getQueryHeadDim()] = head;
  index[op.getQueryTimeDim()] = row;
  return index;
}

SmallVector<Value> TiledAttentionLowering::keyIndex(Value key, Value d) {
  SmallVector<Value> index(4, d);
  index[0] = batch;
  index[op.getKvHeadDim()] = kvHead;
  index[op.getKvTimeDim()] = key;
  return index;
}

void TiledAttentionLowering::overRow(int64_t size, function_ref<void(Value)> fn,
                                     function_ref<void(Value)> tail) {
  int64_t whole = size / lanes * lanes;
  b.loop(b.index(0), b.index(whole), b.index(lanes), fn);
  if (whole < size)
    b.loop(b.index(whole), b.index(size), tail);
}

void TiledAttentionLowering::setBounds() {
  Value zero = b.index(0), one = b.index(1);
  Value position = b.addI(op.getQOffset(), firstRow);
  high = op.getKvLength();
  if (Value lengths = op.getLengths()) {
    Value length = b.toIndex(memref::LoadOp::create(b, lengths, batch));
    Value rows = b.dim(op.getQuery(), op.getQueryTimeDim());
    position = b.addI(b.subI(length, rows), position);
    high = b.minI(high, length);
  }
  if (Value mask = op.getMask())
    high = b.minI(high,
                  b.dim(mask, cast<MemRefType>(mask.getType()).getRank() - 1));
  high = b.minI(high, b.dim(op.getKey(), op.getKvTimeDim()));
  // One past the last key of a row, as far as it depends on the row.
  std::optional<int64_t> ahead;
  if (op.getWindowRight() >= 0)
    ahead = op.getWindowRight() + 1;
  if (op.getCausal())
    ahead = 1;
  Value last = b.addI(position, b.subI(numRows, one));
  bool hasWindow = op.getWindowLeft() >= 0;
  Value behind = b.index(std::max<int64_t>(op.getWindowLeft(), 0));
  low = zero;
  if (hasWindow && op.getSinkPrefix() == 0)
    low = b.maxI(zero, b.subI(position, behind));
  SmallVector<int32_t> numbers(lanes);
  std::iota(numbers.begin(), numbers.end(), 0);
  Value iota = arith::ConstantOp::create(b, b.getI32VectorAttr(numbers));
  Value common = splatI32(toI32(high));
  lows.assign(numVectors, {});
  highs.assign(numVectors, common);
  for (int64_t v = 0; v < numVectors; ++v) {
    auto relativeTo = [&](Value offset) -> Value {
      Value first = b.addI(b.addI(position, offset), b.index(v * lanes));
      return arith::AddIOp::create(b, splatI32(toI32(first)), iota);
    };
    if (ahead)
      highs[v] = arith::MinSIOp::create(b, common, relativeTo(b.index(*ahead)));
    if (hasWindow)
      lows[v] = relativeTo(b.subI(zero, behind));
  }
  if (ahead)
    high = b.minI(high, b.addI(last, b.index(*ahead)));
}

/// Scaled, one column per row, zeros where there are fewer rows.
void TiledAttentionLowering::loadQuery() {
  Value zero = b.index(0);
  Value isPartial = b.cmpI(arith::CmpIPredicate::ult, numRows, b.index(kRows));
  auto partial = scf::IfOp::create(b, isPartial, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(partial.thenBlock());
    b.nest({b.index(headDim), b.index(kRows)},
           [&](ValueRange at) { b.store(b.real(0), query, at); });
  }
  Value scale = b.real(op.getScale().convertToDouble());
  b.nest({numRows, b.index(headDim)}, [&](ValueRange at) {
    Value q = b.load(op.getQuery(), queryIndex(b.addI(firstRow, at[0]), at[1]));
    b.store(b.mul(q, scale), query, {at[1], at[0]});
  });
  b.loop(zero, b.index(kRows), [&](Value row) {
    overRow(
        valueDim,
        [&](Value d) {
          b.storeVector(zeroVector(), result, {row, d});
        },
        [&](Value d) {
          b.store(b.real(0), result, {row, d});
        });
  });
}

/// Copies keys or values from `first` on.
void TiledAttentionLowering::loadTile(Value first, Value source, Value buffer,
                                      int64_t size) {
  b.loop(b.index(0), b.index(kKeys), [&](Value i) {
    Value key = b.addI(first, i);
    Value exists = b.cmpI(arith::CmpIPredicate::slt, key, high);
    auto choice = scf::IfOp::create(b, exists, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    overRow(
        size,
        [&](Value d) {
          b.storeVector(b.loadVector(source, keyIndex(key, d), lanes), buffer,
                        {i, d});
        },
        [&](Value d) {
          b.store(b.load(source, keyIndex(key, d)), buffer, {i, d});
        });
    b.setInsertionPointToStart(choice.elseBlock());
    overRow(
        size,
        [&](Value d) {
          b.storeVector(zeroVector(), buffer, {i, d});
        },
        [&](Value d) {
          b.store(b.real(0), buffer, {i, d});
        });
  });
}

void TiledAttentionLowering::multiplyKeys() {
  const int64_t width = std::min<int64_t>(numVectors, 2);
  b.loop(b.index(0), b.index(kKeys), b.index(keyBlock), [&](Value key) {
    b.loop(b.index(0), b.index(kRows), b.index(width * lanes), [&](Value row) {
      Vectors init(keyBlock * width, zeroVector());
      auto sums = b.reduce(
          b.index(0), b.index(headDim), b.index(1), init,
          [&](Value d, ValueRange carried) {
            Vectors rows, next;
            for (int64_t v = 0; v < width; ++v)
              rows.push_back(b.loadVector(
                  query, {d, b.addI(row, b.index(v * lanes))}, lanes));
            for (int64_t i = 0; i < keyBlock; ++i) {
              Value factor =
                  b.splat(b.load(keys, {b.addI(key, b.index(i)), d}), lanes);
              for (int64_t v = 0; v < width; ++v)
                next.push_back(b.fma(factor, rows[v], carried[i * width + v]));
            }
            return next;
          });
      for (int64_t i = 0; i < keyBlock; ++i)
        for (int64_t v = 0; v < width; ++v)
          b.storeVector(
              sums[i * width + v], scores,
              {b.addI(key, b.index(i)), b.addI(row, b.index(v * lanes))});
    });
  });
}

/// The score of `key` for vector `v` of rows, -inf where it is not visible.
Value TiledAttentionLowering::adjustScore(Value score, Value key, int64_t v) {
  double softcap = op.getSoftcap().convertToDouble();
  if (softcap > 0) {
    Value cap = b.splat(b.real(softcap), lanes);
    score = b.mul(cap, b.tanh(b.div(score, cap)));
  }
  Value negInf = b.splat(b.negInf(), lanes);
  if (Value mask = op.getMask()) {
    auto type = cast<MemRefType>(mask.getType());
    Value existing = b.minI(key, b.subI(high, b.index(1)));
    Value all[] = {batch, head, b.index(0), existing};
    SmallVector<Value> index;
    for (int64_t i = 0; i < type.getRank(); ++i)
      index.push_back(type.getDimSize(i) == 1 && i + 1 < type.getRank()
                          ? b.index(0)
                          : all[4 - type.getRank() + i]);
    Value m = b.load(mask, index);
    score = type.getElementType().isInteger(1)
                ? b.select(m, score, negInf)
                : b.add(score, b.splat(m, lanes));
  }
  Value number = splatI32(toI32(key));
  Value visible =
      arith::CmpIOp::create(b, arith::CmpIPredicate::slt, number, highs[v]);
  if (lows[v]) {
    Value isNear =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sge, number, lows[v]);
    if (op.getSinkPrefix() > 0) {
      Value isSink =
          b.cmpI(arith::CmpIPredicate::slt, key, b.index(op.getSinkPrefix()));
      isNear = arith::OrIOp::create(
          b, isNear,
          vector::BroadcastOp::create(
              b, VectorType::get({lanes}, b.getI1Type()), isSink));
    }
    visible = arith::AndIOp::create(b, visible, isNear);
  }
  return b.select(visible, score, negInf);
}

/// Final scores of the tile; the rows' maxima with them.
TiledAttentionLowering::Vectors
TiledAttentionLowering::maskScores(Value first, ValueRange maxima) {
  return llvm::to_vector_of<Value>(
      b.reduce(b.index(0), b.index(kKeys), b.index(1), maxima,
               [&](Value i, ValueRange best) {
                 Vectors next;
                 for (int64_t v = 0; v < numVectors; ++v) {
                   SmallVector<Value> at = {i, b.index(v * lanes)};
                   Value score = adjustScore(b.loadVector(scores, at, lanes),
                                             b.addI(first, i), v);
                   b.storeVector(score, scores, at);
                   next.push_back(b.max(best[v], score));
                 }
                 return next;
               }));
}

/// Scores become exponentials; the rows' sums with them.
TiledAttentionLowering::Vectors
TiledAttentionLowering::exponentiate(ValueRange references, ValueRange sums) {
  return llvm::to_vector_of<Value>(b.reduce(
      b.index(0), b.index(kKeys), b.index(1), sums,
      [&](Value i, ValueRange before) {
        Vectors next;
        for (int64_t v = 0; v < numVectors; ++v) {
          SmallVector<Value> at = {i, b.index(v * lanes)};
          Value p =
              b.exp(b.sub(b.loadVector(scores, at, lanes), references[v]));
          b.storeVector(p, scores, at);
          next.push_back(b.add(before[v], p));
        }
        return next;
      }));
}

/// result = result · factors + exponentials · values.
void TiledAttentionLowering::multiplyValues() {
  int64_t all = valueDim / lanes, width = all % 2 ? 1 : 2;
  b.loop(b.index(0), b.index(kRows), b.index(rowBlock), [&](Value row) {
    b.loop(b.index(0), b.index(valueDim), b.index(width * lanes), [&](Value d) {
      auto at = [&](int64_t i, int64_t v) {
        return SmallVector<Value>{b.addI(row, b.index(i)),
                                  b.addI(d, b.index(v * lanes))};
      };
      Vectors init;
      for (int64_t i = 0; i < rowBlock; ++i) {
        Value factor = b.splat(b.load(factors, b.addI(row, b.index(i))), lanes);
        for (int64_t v = 0; v < width; ++v)
          init.push_back(b.mul(b.loadVector(result, at(i, v), lanes), factor));
      }
      auto sums = b.reduce(
          b.index(0), b.index(kKeys), b.index(1), init,
          [&](Value key, ValueRange carried) {
            Vectors columns, next;
            for (int64_t v = 0; v < width; ++v)
              columns.push_back(b.loadVector(
                  values, {key, b.addI(d, b.index(v * lanes))}, lanes));
            for (int64_t i = 0; i < rowBlock; ++i) {
              Value factor = b.splat(
                  b.load(scores, {key, b.addI(row, b.index(i))}), lanes);
              for (int64_t v = 0; v < width; ++v)
                next.push_back(
                    b.fma(factor, columns[v], carried[i * width + v]));
            }
            return next;
          });
      for (int64_t i = 0; i < rowBlock; ++i)
        for (int64_t v = 0; v < width; ++v)
          b.storeVector(sums[i * width + v], result, at(i, v));
    });
  });
}

/// Carried: maxima, then sums, of the vectors of rows.
TiledAttentionLowering::Vectors
TiledAttentionLowering::visitTile(Value first, ValueRange carried) {
  ValueRange before = carried.take_front(numVectors);
  loadTile(first, op.getKey(), keys, headDim);
  loadTile(first, op.getValue(), values, valueDim);
  multiplyKeys();
  Vectors next = maskScores(first, before), references, sums;
  Value negInf = b.splat(b.negInf(), lanes);
  for (int64_t v = 0; v < numVectors; ++v) {
    // With nothing visible so far, any finite reference will do.
    Value isEmpty =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, next[v], negInf);
    references.push_back(b.select(isEmpty, zeroVector(), next[v]));
    Value rescale = b.exp(b.sub(before[v], references[v]));
    b.storeVector(rescale, factors, b.index(v * lanes));
    sums.push_back(b.mul(carried[numVectors + v], rescale));
  }
  llvm::append_range(next, exponentiate(references, sums));
  multiplyValues();
  return next;
}

/// Divides by the sums of rows and stores the block.
void TiledAttentionLowering::finish(ValueRange carried) {
  for (int64_t v = 0; v < numVectors; ++v) {
    Value best = carried[v], sum = carried[numVectors + v];
    Value factor = b.splat(b.real(1), lanes);
    if (Value sinks = op.getSinks()) {
      Value sink = b.splat(b.load(sinks, head), lanes);
      Value total = b.max(best, sink);
      factor = b.exp(b.sub(best, total));
      sum = b.add(b.mul(sum, factor), b.exp(b.sub(sink, total)));
    }
    Value empty =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, zeroVector());
    b.storeVector(b.select(empty, zeroVector(), b.div(factor, sum)), factors,
                  b.index(v * lanes));
    b.storeVector(sum, normalisers, b.index(v * lanes));
  }
  b.loop(b.index(0), numRows, [&](Value row) { storeRow(row); });
}

void TiledAttentionLowering::storeRow(Value row) {
  Value factor = b.splat(b.load(factors, row), lanes);
  Value target = b.addI(firstRow, row);
  b.loop(b.index(0), b.index(valueDim), b.index(lanes), [&](Value d) {
    Value value = b.mul(b.loadVector(result, {row, d}, lanes), factor);
    b.storeVector(value, op.getInit(), queryIndex(target, d));
  });
  if (!op.getEmptyIsMean())
    return;
  Value isEmpty = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ,
                                        b.load(normalisers, row), b.real(0));
  lowerMeanOfValues(b, op, isEmpty, batch, kvHead,
                    [&](Value d) { return queryIndex(target, d); });
}

void TiledAttentionLowering::lower() {
  auto scratch = [&](ArrayRef<int64_t> shape) {
    SmallVector<Value> sizes;
    for (int64_t size : shape)
      sizes.push_back(b.index(size));
    return b.scratch(sizes);
  };
  query = scratch({headDim, kRows});
  keys = scratch({kKeys, headDim});
  values = scratch({kKeys, valueDim});
  scores = scratch({kKeys, kRows});
  result = scratch({kRows, valueDim});
  factors = scratch({kRows});
  normalisers = scratch({kRows});
  Value q = op.getQuery(), rows = b.dim(q, op.getQueryTimeDim());
  Value heads = b.dim(q, op.getQueryHeadDim());
  Value group = b.divI(heads, b.dim(op.getKey(), op.getKvHeadDim()));
  Value blocks = b.divI(b.addI(rows, b.index(kRows - 1)), b.index(kRows));
  b.nest({b.dim(q, 0), heads, blocks}, [&](ValueRange ivs) {
    batch = ivs[0];
    head = ivs[1];
    kvHead = b.divI(head, group);
    firstRow = b.mulI(ivs[2], b.index(kRows));
    numRows = b.minI(b.subI(rows, firstRow), b.index(kRows));
    setBounds();
    loadQuery();
    Vectors init(numVectors, b.splat(b.negInf(), lanes));
    init.append(numVectors, zeroVector());
    finish(b.reduce(low, high, b.index(kKeys), init,
                    [&](Value first, ValueRange carried) {
                      return visitTile(first, carried);
                    }));
  });
}

} // namespace

bool canTileAttention(AttentionOp op, unsigned vectorBits) {
  auto isRow = [](Value value) {
    auto type = cast<MemRefType>(value.getType());
    return type.isLastDimUnitStride() && !type.isDynamicDim(3);
  };
  auto query = cast<MemRefType>(op.getQuery().getType());
  auto value = cast<MemRefType>(op.getValue().getType());
  int64_t lanes = vectorBits / 32,
          rows = query.getDimSize(op.getQueryTimeDim());
  if (!llvm::all_of(
          ValueRange{op.getQuery(), op.getKey(), op.getValue(), op.getInit()},
          isRow) ||
      query.getElementType().isF64() || lanes < 2 || kRows % lanes ||
      value.getDimSize(3) % lanes ||
      (!ShapedType::isDynamic(rows) && rows < kFewRows))
    return false;
  // Lanes are rows: what each sees of a mask would have to be gathered.
  auto mask =
      op.getMask() ? cast<MemRefType>(op.getMask().getType()) : MemRefType();
  return !mask || mask.getRank() < 2 ||
         mask.getDimSize(mask.getRank() - 2) == 1;
}

void lowerTiledAttention(AttentionOp op, unsigned vectorBits) {
  TiledAttentionLowering(op, vectorBits).lower();
  op.erase();
}

} // namespace hybrid
