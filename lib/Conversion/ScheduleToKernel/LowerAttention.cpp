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

/// Emits the computation of one query row at a time.
class AttentionLowering {
public:
  AttentionLowering(AttentionOp op)
      : op(op), b(op, op.getQuery().getType().getElementType()) {}

  void lower();

private:
  void lowerRow(Value batch, Value head, Value row);
  /// The score of key `key`, -inf if it is not visible.
  Value score(Value key);
  SmallVector<Value> queryIndex(Value row, Value d) {
    SmallVector<Value> index(4);
    index[0] = batch;
    index[op.getQueryHeadDim()] = head;
    index[op.getQueryTimeDim()] = row;
    index[3] = d;
    return index;
  }
  SmallVector<Value> keyIndex(Value key, Value d) {
    SmallVector<Value> index(4);
    index[0] = batch;
    index[op.getKvHeadDim()] = kvHead;
    index[op.getKvTimeDim()] = key;
    index[3] = d;
    return index;
  }

  AttentionOp op;
  LoopBuilder b;
  Value batch, head, kvHead, row;
  /// Absolute position of the row; first and one past the last visible key.
  Value position, low, high;
  Value headDim, valueDim;
  Value query, scores, accumulator;
};

void AttentionLowering::lower() {
  Value q = op.getQuery(), k = op.getKey();
  Value heads = b.dim(q, op.getQueryHeadDim());
  Value group = b.divI(heads, b.dim(k, op.getKvHeadDim()));
  headDim = b.dim(q, 3);
  valueDim = b.dim(op.getValue(), 3);
  query = b.scratch({headDim});
  scores = b.scratch({b.index(kKeyTile)});
  accumulator = b.scratch({valueDim});
  b.nest({b.dim(q, 0), heads, b.dim(q, op.getQueryTimeDim())},
         [&](ValueRange ivs) {
           kvHead = b.divI(ivs[1], group);
           lowerRow(ivs[0], ivs[1], ivs[2]);
         });
}

void AttentionLowering::lowerRow(Value batchIv, Value headIv, Value rowIv) {
  batch = batchIv;
  head = headIv;
  row = rowIv;
  Value zero = b.index(0), one = b.index(1);
  position = b.addI(op.getQOffset(), row);
  high = op.getKvLength();
  if (Value lengths = op.getLengths()) {
    Value length = b.toIndex(memref::LoadOp::create(b, lengths, batch));
    Value rows = b.dim(op.getQuery(), op.getQueryTimeDim());
    position = b.addI(b.subI(length, rows), position);
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

  // The row, scaled, in the compute type.
  b.loop(zero, headDim, [&](Value d) {
    Value value = b.load(op.getQuery(), queryIndex(row, d));
    b.store(b.mul(value, b.real(op.getScale().convertToDouble())), query, d);
  });
  b.loop(zero, valueDim, [&](Value d) { b.store(b.real(0), accumulator, d); });

  auto finish = b.reduce(
      low, high, b.index(kKeyTile), {b.negInf(), b.real(0)},
      [&](Value first, ValueRange carried) -> SmallVector<Value> {
        Value count = b.minI(b.index(kKeyTile), b.subI(high, first));
        Value tileMax = b.reduce(zero, count, one, carried[0],
                                 [&](Value i, ValueRange best) {
                                   Value s = score(b.addI(first, i));
                                   b.store(s, scores, i);
                                   return SmallVector<Value>{b.max(best[0], s)};
                                 })[0];
        // With nothing visible so far, any finite reference will do.
        Value reference = b.select(b.isNegInf(tileMax), b.real(0), tileMax);
        Value rescale = b.exp(b.sub(carried[0], reference));
        Value sum = b.sum(count, [&](Value i) {
          Value p = b.exp(b.sub(b.load(scores, i), reference));
          b.store(p, scores, i);
          return p;
        });
        b.loop(zero, valueDim, [&](Value d) {
          b.store(b.mul(b.load(accumulator, d), rescale), accumulator, d);
        });
        b.loop(zero, count, [&](Value i) {
          Value p = b.load(scores, i);
          b.loop(zero, valueDim, [&](Value d) {
            Value v = b.load(op.getValue(), keyIndex(b.addI(first, i), d));
            b.store(b.add(b.load(accumulator, d), b.mul(p, v)), accumulator, d);
          });
        });
        return {tileMax, b.add(b.mul(carried[1], rescale), sum)};
      });
  Value best = finish[0], normaliser = finish[1];
  Value factor = b.real(1);
  if (Value sinks = op.getSinks()) {
    Value sink = b.load(sinks, head);
    Value total = b.max(best, sink);
    Value rescale = b.exp(b.sub(best, total));
    normaliser = b.add(b.mul(normaliser, rescale), b.exp(b.sub(sink, total)));
    factor = rescale;
  }
  Value empty = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, normaliser,
                                      b.real(0));
  Value inverse = b.select(empty, b.real(0), b.div(factor, normaliser));
  b.loop(zero, valueDim, [&](Value d) {
    b.store(b.mul(b.load(accumulator, d), inverse), op.getInit(),
            queryIndex(row, d));
  });
  if (op.getEmptyIsMean())
    lowerMeanOfValues(b, op, empty, batch, kvHead,
                      [&](Value d) { return queryIndex(row, d); });
}

Value AttentionLowering::score(Value key) {
  Value s = b.sum(headDim, [&](Value d) {
    return b.mul(b.load(query, d), b.load(op.getKey(), keyIndex(key, d)));
  });
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
  AttentionLowering(op).lower();
  op.erase();
}

} // namespace hybrid
