//===- LowerAttention.cpp - streaming softmax -----------------------------===//
//
// Keys are visited in tiles; a running maximum and normaliser rescale what has
// been accumulated ("online softmax": Milakov and Gimelshein, arXiv 1805.02867;
// FlashAttention: Dao et al., arXiv 2205.14135). Keys that causality or the
// window excludes for a query are not visited, except between a sink prefix
// and the window.
//
//===----------------------------------------------------------------------===//

#include "AttentionLowering.h"

using namespace mlir;

namespace hybrid {
namespace {

/// Keys whose scores are held at a time.
constexpr int64_t kKeyTile = 32;

/// Rows here are those of all heads that share a head of keys: each tile of
/// keys and values is read from memory once, and serves one row after another.
class AttentionLowering {
public:
  AttentionLowering(AttentionOp op, unsigned vectorBits)
      : op(op), b(op, op.getQuery().getType().getElementType()),
        lanes(vectorBits / b.getComputeType().getIntOrFloatBitWidth()) {}

  void lower();

private:
  void lowerRows(Value group);
  void setBounds();
  void startRow();
  void visitTile(Value first);
  void multiplyValues(Value begin, Value count, Value rescale);
  void finishRow();
  /// Vectors of a row of `memref`, whose last dimension has this size; 0 if it
  /// isn't whole vectors.
  int64_t countVectors(Value memref) {
    auto type = cast<MemRefType>(memref.getType());
    bool isWhole = lanes > 1 && type.isLastDimUnitStride() &&
                   !type.isDynamicDim(3) && type.getDimSize(3) % lanes == 0;
    return isWhole ? type.getDimSize(3) / lanes : 0;
  }
  Value offset(int64_t vector) { return b.index(vector * lanes); }
  /// The score of key `key`, -inf if it is not visible.
  Value score(Value key);
  SmallVector<Value> queryIndex(Value d) {
    SmallVector<Value> index(4, d);
    index[0] = batch;
    index[op.getQueryHeadDim()] = head;
    index[op.getQueryTimeDim()] = row;
    return index;
  }
  SmallVector<Value> keyIndex(Value key, Value d) {
    SmallVector<Value> index(4, d);
    index[0] = batch;
    index[op.getKvHeadDim()] = kvHead;
    index[op.getKvTimeDim()] = key;
    return index;
  }
  Value loadIndex(Value memref) {
    return memref::LoadOp::create(b, memref, rowIndex);
  }
  void storeIndex(Value value, Value memref) {
    memref::StoreOp::create(b, value, memref, rowIndex);
  }

  AttentionOp op;
  LoopBuilder b;
  int64_t lanes;
  /// The row at hand: its number among all of `kvHead`, its head and place.
  Value batch, kvHead, rowsPerHead, rowIndex, head, row;
  /// Absolute position of the row; first and one past the last visible key.
  Value position, low, high;
  Value headDim, valueDim;
  Value scores;
  /// Per row: scaled query, result, maximum, sum, visible keys.
  Value query, accumulator, maxima, sums, lows, highs;
};

void AttentionLowering::lower() {
  Value q = op.getQuery(), kvHeads = b.dim(op.getKey(), op.getKvHeadDim());
  Value group = b.divI(b.dim(q, op.getQueryHeadDim()), kvHeads);
  rowsPerHead = b.dim(q, op.getQueryTimeDim());
  headDim = b.dim(q, 3);
  valueDim = b.dim(op.getValue(), 3);
  Value numRows = b.mulI(group, rowsPerHead);
  query = b.scratch({numRows, headDim});
  accumulator = b.scratch({numRows, valueDim});
  maxima = b.scratch({numRows});
  sums = b.scratch({numRows});
  lows = b.scratch({numRows}, b.getIndexType());
  highs = b.scratch({numRows}, b.getIndexType());
  scores = b.scratch({b.index(kKeyTile)});
  b.nest({b.dim(q, 0), kvHeads}, [&](ValueRange ivs) {
    batch = ivs[0];
    kvHead = ivs[1];
    lowerRows(group);
  });
}

void AttentionLowering::lowerRows(Value group) {
  Value zero = b.index(0), one = b.index(1);
  Value numRows = b.mulI(group, rowsPerHead);
  auto select = [&](Value index) {
    rowIndex = index;
    head = b.addI(b.mulI(kvHead, group), b.divI(index, rowsPerHead));
    row = b.createOrFold<arith::RemUIOp>(index, rowsPerHead);
  };
  Value none = b.dim(op.getKey(), op.getKvTimeDim());
  auto visible =
      b.reduce(zero, numRows, one, {none, zero},
               [&](Value index, ValueRange all) -> SmallVector<Value> {
                 select(index);
                 setBounds();
                 startRow();
                 return {b.minI(all[0], low), b.maxI(all[1], high)};
               });
  b.loop(visible[0], visible[1], b.index(kKeyTile), [&](Value first) {
    b.loop(zero, numRows, [&](Value index) {
      select(index);
      visitTile(first);
    });
  });
  b.loop(zero, numRows, [&](Value index) {
    select(index);
    finishRow();
  });
}

/// Also sets `position`.
void AttentionLowering::setBounds() {
  Value zero = b.index(0), one = b.index(1);
  position = b.addI(op.getQOffset(), row);
  high = op.getKvLength();
  if (Value lengths = op.getLengths()) {
    Value length = b.toIndex(memref::LoadOp::create(b, lengths, batch));
    position = b.addI(b.subI(length, rowsPerHead), position);
    high = b.minI(high, length);
  }
  if (Value mask = op.getMask()) {
    // The last dimension alone does not broadcast.
    unsigned rank = cast<MemRefType>(mask.getType()).getRank();
    high = b.minI(high, b.dim(mask, rank - 1));
  }
  high = b.minI(high, b.dim(op.getKey(), op.getKvTimeDim()));
  if (op.getCausal())
    high = b.minI(high, b.addI(position, one));
  if (op.getWindowRight() >= 0)
    high = b.minI(high, b.addI(position, b.index(op.getWindowRight() + 1)));
  low = zero;
  if (op.getWindowLeft() >= 0 && op.getSinkPrefix() == 0)
    low = b.maxI(zero, b.subI(position, b.index(op.getWindowLeft())));
}

void AttentionLowering::startRow() {
  Value zero = b.index(0);
  storeIndex(low, lows);
  storeIndex(high, highs);
  b.store(b.negInf(), maxima, rowIndex);
  b.store(b.real(0), sums, rowIndex);
  b.loop(zero, headDim, [&](Value d) {
    Value value = b.load(op.getQuery(), queryIndex(d));
    b.store(b.mul(value, b.real(op.getScale().convertToDouble())), query,
            {rowIndex, d});
  });
  b.loop(zero, valueDim, [&](Value d) {
    b.store(b.real(0), accumulator, {rowIndex, d});
  });
}

/// The keys from `first` on that the row sees.
void AttentionLowering::visitTile(Value first) {
  Value zero = b.index(0), one = b.index(1);
  Value begin = b.maxI(first, loadIndex(lows));
  Value end = b.minI(b.addI(first, b.index(kKeyTile)), loadIndex(highs));
  Value count = b.maxI(b.subI(end, begin), zero);
  // Only windows behind sinks ask for the position again.
  if (op.getWindowLeft() >= 0 && op.getSinkPrefix() > 0)
    setBounds();
  Value before = b.load(maxima, rowIndex);
  Value best =
      b.reduce(zero, count, one, before, [&](Value i, ValueRange best) {
        Value s = score(b.addI(begin, i));
        b.store(s, scores, i);
        return SmallVector<Value>{b.max(best[0], s)};
      })[0];
  // With nothing visible so far, any finite reference will do.
  Value reference = b.select(b.isNegInf(best), b.real(0), best);
  Value rescale = b.exp(b.sub(before, reference));
  Value sum = b.sum(count, [&](Value i) {
    Value p = b.exp(b.sub(b.load(scores, i), reference));
    b.store(p, scores, i);
    return p;
  });
  multiplyValues(begin, count, rescale);
  b.store(best, maxima, rowIndex);
  b.store(b.add(b.mul(b.load(sums, rowIndex), rescale), sum), sums, rowIndex);
}

/// accumulator = accumulator · rescale + Σ scores · values.
void AttentionLowering::multiplyValues(Value begin, Value count,
                                       Value rescale) {
  Value zero = b.index(0), one = b.index(1);
  int64_t numVectors = countVectors(op.getValue());
  if (numVectors == 0) {
    b.loop(zero, valueDim, [&](Value d) {
      b.store(b.mul(b.load(accumulator, {rowIndex, d}), rescale), accumulator,
              {rowIndex, d});
    });
    b.loop(zero, count, [&](Value i) {
      Value p = b.load(scores, i), key = b.addI(begin, i);
      b.loop(zero, valueDim, [&](Value d) {
        Value v = b.load(op.getValue(), keyIndex(key, d));
        b.store(b.add(b.load(accumulator, {rowIndex, d}), b.mul(p, v)),
                accumulator, {rowIndex, d});
      });
    });
    return;
  }
  // As many sums as fit registers beside the values.
  for (int64_t first = 0; first < numVectors; first += 8) {
    int64_t end = std::min(first + 8, numVectors);
    SmallVector<Value> init;
    Value factor = b.splat(rescale, lanes);
    for (int64_t v = first; v < end; ++v)
      init.push_back(b.mul(
          b.loadVector(accumulator, {rowIndex, offset(v)}, lanes), factor));
    auto sums =
        b.reduce(zero, count, one, init, [&](Value i, ValueRange carried) {
          Value p = b.splat(b.load(scores, i), lanes), key = b.addI(begin, i);
          SmallVector<Value> next;
          for (int64_t v = first; v < end; ++v)
            next.push_back(b.fma(
                p, b.loadVector(op.getValue(), keyIndex(key, offset(v)), lanes),
                carried[v - first]));
          return next;
        });
    for (int64_t v = first; v < end; ++v)
      b.storeVector(sums[v - first], accumulator, {rowIndex, offset(v)});
  }
}

void AttentionLowering::finishRow() {
  Value best = b.load(maxima, rowIndex), normaliser = b.load(sums, rowIndex);
  Value factor = b.real(1);
  if (Value sinks = op.getSinks()) {
    Value sink = b.load(sinks, head);
    Value total = b.max(best, sink);
    factor = b.exp(b.sub(best, total));
    normaliser = b.add(b.mul(normaliser, factor), b.exp(b.sub(sink, total)));
  }
  Value empty = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, normaliser,
                                      b.real(0));
  Value inverse = b.select(empty, b.real(0), b.div(factor, normaliser));
  b.loop(b.index(0), valueDim, [&](Value d) {
    b.store(b.mul(b.load(accumulator, {rowIndex, d}), inverse), op.getInit(),
            queryIndex(d));
  });
  if (op.getEmptyIsMean())
    lowerMeanOfValues(b, op, empty, batch, kvHead,
                      [&](Value d) { return queryIndex(d); });
}

Value AttentionLowering::score(Value key) {
  Value s;
  if (int64_t numVectors = countVectors(op.getKey())) {
    Value sum = b.splat(b.real(0), lanes);
    for (int64_t v = 0; v < numVectors; ++v)
      sum = b.fma(b.loadVector(query, {rowIndex, offset(v)}, lanes),
                  b.loadVector(op.getKey(), keyIndex(key, offset(v)), lanes),
                  sum);
    s = vector::ReductionOp::create(b, vector::CombiningKind::ADD, sum,
                                    arith::FastMathFlags::reassoc);
  } else {
    s = b.sum(headDim, [&](Value d) {
      return b.mul(b.load(query, {rowIndex, d}),
                   b.load(op.getKey(), keyIndex(key, d)));
    });
  }
  double softcap = op.getSoftcap().convertToDouble();
  if (softcap > 0)
    s = b.mul(b.real(softcap), b.tanh(b.div(s, b.real(softcap))));
  if (Value mask = op.getMask()) {
    auto type = cast<MemRefType>(mask.getType());
    Value all[] = {batch, head, row, key};
    SmallVector<Value> index;
    for (int64_t i = 0; i < type.getRank(); ++i)
      index.push_back(type.getDimSize(i) == 1 ? b.index(0)
                                              : all[4 - type.getRank() + i]);
    Value m = b.load(mask, index);
    s = type.getElementType().isInteger(1) ? b.select(m, s, b.negInf())
                                           : b.add(s, m);
  }
  // Only a window behind a sink prefix isn't an interval of keys.
  if (op.getWindowLeft() >= 0 && op.getSinkPrefix() > 0) {
    Value first = b.subI(position, b.index(op.getWindowLeft()));
    Value visible = arith::OrIOp::create(
        b, b.cmpI(arith::CmpIPredicate::sge, key, first),
        b.cmpI(arith::CmpIPredicate::slt, key, b.index(op.getSinkPrefix())));
    s = b.select(visible, s, b.negInf());
  }
  return s;
}

} // namespace

void lowerMeanOfValues(LoopBuilder &b, AttentionOp op, Value isEmpty,
                       Value batch, Value kvHead,
                       function_ref<SmallVector<Value>(Value)> resultIndex) {
  auto found = scf::IfOp::create(b, isEmpty, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(found.thenBlock());
  Value keys = b.minI(op.getKvLength(), b.dim(op.getKey(), op.getKvTimeDim()));
  Value count = arith::SIToFPOp::create(
      b, b.getComputeType(),
      arith::IndexCastOp::create(b, b.getI64Type(), b.maxI(keys, b.index(1))));
  b.loop(b.index(0), b.dim(op.getValue(), 3), [&](Value d) {
    Value sum = b.sum(keys, [&](Value key) {
      SmallVector<Value> index(4, d);
      index[0] = batch;
      index[op.getKvHeadDim()] = kvHead;
      index[op.getKvTimeDim()] = key;
      return b.load(op.getValue(), index);
    });
    b.store(b.div(sum, count), op.getInit(), resultIndex(d));
  });
}

void lowerAttention(AttentionOp op, unsigned vectorBits) {
  if (canTileAttention(op, vectorBits))
    return lowerTiledAttention(op, vectorBits);
  AttentionLowering(op, vectorBits).lower();
  op.erase();
}

} // namespace hybrid
