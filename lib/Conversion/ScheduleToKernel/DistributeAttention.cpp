//===- DistributeAttention.cpp - streaming softmax by warps ---------------===//
//
// A warp takes a query row at a time, its lanes 32 keys at a time: each lane
// has the score of one key, the lanes together maximum and normaliser (online
// softmax, see LowerAttention.cpp), and then each lane some of the output's
// elements, for which it passes over the 32 values. With one row per block all
// its warps take a part of the keys each and put their results together at the
// end (split keys, as in flash decoding: Dao et al., 2023).
//
//===----------------------------------------------------------------------===//

#include "ThreadBuilder.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace hybrid {
namespace {

class AttentionDistribution {
public:
  AttentionDistribution(AttentionOp op, int64_t threads)
      : op(op), b(op, op.getQuery().getType().getElementType(), threads) {}
  void lower();

private:
  void lowerRow(Value place);
  void findBounds();
  Value score(Value key);
  Value dot(Value key);
  void finish(Value best, Value normaliser, ValueRange sums);
  void mergeWarps(Value best, Value normaliser, ValueRange sums);
  void storeRow(llvm::function_ref<Value(int64_t part, Value d)> element);
  void storeMean(Value isEmpty);
  SmallVector<Value> queryIndex(Value d) {
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
  /// body for each of the lane's output elements that exist.
  int64_t numParts() { return llvm::divideCeil(valueDim, kWarpSize); }
  Value element(int64_t part) {
    return b.addI(b.index(part * kWarpSize), b.lane());
  }

  AttentionOp op;
  ThreadBuilder b;
  int64_t headDim = 0, valueDim = 0;
  bool splitsKeys = false;
  Value batch, head, kvHead, row, group;
  Value position, low, high;
  /// [warps, headDim]: the warp's row, scaled.
  Value query;
  /// With split keys: [warps, valueDim + 2].
  Value partial;
};

/// First and one past the last key that is visible to the row.
void AttentionDistribution::findBounds() {
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
}

/// Elements of a row are contiguous: loads of 16 bytes where they fit.
Value AttentionDistribution::dot(Value key) {
  auto type = cast<MemRefType>(op.getKey().getType());
  int64_t width = 16 * 8 / type.getElementTypeBitWidth();
  Value w = b.warp();
  if (headDim % width || !b.isAligned(op.getKey(), width))
    return b.sum(b.index(headDim), [&](Value d) {
      return b.mul(b.load(query, {w, d}),
                   b.load(op.getKey(), keyIndex(key, d)));
    });
  return b.reduce(
      b.index(0), b.index(headDim), b.index(width), b.real(0),
      [&](Value d, ValueRange carried) {
        Value keys = b.loadAligned(op.getKey(), keyIndex(key, d), width);
        Value sum = carried[0];
        for (int64_t i = 0; i < width; ++i) {
          Value k = vector::ExtractOp::create(b, keys, ArrayRef<int64_t>{i});
          sum = b.add(sum, b.mul(b.load(query, {w, b.addI(d, b.index(i))}), k));
        }
        return SmallVector<Value>{sum};
      })[0];
}

Value AttentionDistribution::score(Value key) {
  Value s = dot(key);
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

void AttentionDistribution::storeRow(
    llvm::function_ref<Value(int64_t, Value)> value) {
  for (int64_t part = 0; part < numParts(); ++part) {
    Value d = element(part);
    OpBuilder::InsertionGuard guard(b);
    if ((part + 1) * kWarpSize > valueDim) {
      auto exists = scf::IfOp::create(
          b, b.cmpI(arith::CmpIPredicate::ult, d, b.index(valueDim)),
          /*withElseRegion=*/false);
      b.setInsertionPointToStart(exists.thenBlock());
    }
    b.store(value(part, d), op.getInit(), queryIndex(d));
  }
}

/// Where the row is empty: the mean of all values.
void AttentionDistribution::storeMean(Value isEmpty) {
  auto found = scf::IfOp::create(b, isEmpty, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(found.thenBlock());
  Value keys = b.minI(op.getKvLength(), b.dim(op.getKey(), op.getKvTimeDim()));
  Value count = arith::SIToFPOp::create(
      b, b.getComputeType(),
      arith::IndexCastOp::create(b, b.getI64Type(), b.maxI(keys, b.index(1))));
  storeRow([&](int64_t, Value d) {
    Value sum = b.sum(keys, [&](Value key) {
      return b.load(op.getValue(), keyIndex(key, d));
    });
    return b.div(sum, count);
  });
}

/// All lanes have maximum and normaliser, each its elements of the sums.
void AttentionDistribution::finish(Value best, Value normaliser,
                                   ValueRange sums) {
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
  storeRow([&](int64_t part, Value) { return b.mul(sums[part], inverse); });
  if (op.getEmptyIsMean())
    storeMean(empty);
}

/// Each warp has seen some of the keys; the first puts their results together.
void AttentionDistribution::mergeWarps(Value best, Value normaliser,
                                       ValueRange sums) {
  Value w = b.warp();
  auto put = [&](Value value, Value at) { b.store(value, partial, {w, at}); };
  for (int64_t part = 0; part < numParts(); ++part) {
    Value d = element(part);
    OpBuilder::InsertionGuard guard(b);
    if ((part + 1) * kWarpSize > valueDim) {
      auto exists = scf::IfOp::create(
          b, b.cmpI(arith::CmpIPredicate::ult, d, b.index(valueDim)),
          /*withElseRegion=*/false);
      b.setInsertionPointToStart(exists.thenBlock());
    }
    put(sums[part], d);
  }
  put(best, b.index(valueDim));
  put(normaliser, b.index(valueDim + 1));
  b.barrier();
  auto isFirst =
      scf::IfOp::create(b, b.cmpI(arith::CmpIPredicate::eq, w, b.index(0)),
                        /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(isFirst.thenBlock());
    auto get = [&](int64_t warp, Value at) {
      return b.load(partial, {b.index(warp), at});
    };
    Value all = b.negInf();
    for (int64_t i = 0; i < b.numWarps(); ++i)
      all = b.max(all, get(i, b.index(valueDim)));
    Value reference = b.select(b.isNegInf(all), b.real(0), all);
    Value total = b.real(0);
    SmallVector<Value> merged(numParts(), b.real(0));
    for (int64_t i = 0; i < b.numWarps(); ++i) {
      Value weight = b.exp(b.sub(get(i, b.index(valueDim)), reference));
      total = b.add(total, b.mul(weight, get(i, b.index(valueDim + 1))));
      for (int64_t part = 0; part < numParts(); ++part) {
        // Elements that don't exist are not read.
        Value d = b.minI(element(part), b.index(valueDim - 1));
        merged[part] = b.add(merged[part], b.mul(weight, get(i, d)));
      }
    }
    finish(all, total, merged);
  }
  b.barrier();
}

void AttentionDistribution::lowerRow(Value rowIv) {
  row = rowIv;
  findBounds();
  Value w = b.warp();
  b.loop(b.lane(), b.index(headDim), b.index(kWarpSize), [&](Value d) {
    Value value = b.load(op.getQuery(), queryIndex(d));
    b.store(b.mul(value, b.real(op.getScale().convertToDouble())), query,
            {w, d});
  });
  // Only this warp reads what it has written.
  NVVM::SyncWarpOp::create(
      b, arith::ConstantIntOp::create(b, int32_t(0xffffffff), 32));
  Value first = low, step = b.index(kWarpSize);
  if (splitsKeys) {
    first = b.addI(low, b.mulI(w, step));
    step = b.index(b.numThreads());
  }
  SmallVector<Value> init(2 + numParts(), b.real(0));
  init[0] = b.negInf();
  auto results = b.reduce(
      first, high, step, init,
      [&](Value start, ValueRange carried) -> SmallVector<Value> {
        Value key = b.addI(start, b.lane());
        Value exists = b.cmpI(arith::CmpIPredicate::slt, key, high);
        auto branch = scf::IfOp::create(b, TypeRange{b.getComputeType()},
                                        exists, /*withElseRegion=*/true);
        {
          OpBuilder::InsertionGuard guard(b);
          b.setInsertionPointToStart(branch.thenBlock());
          scf::YieldOp::create(b, score(key));
          b.setInsertionPointToStart(branch.elseBlock());
          scf::YieldOp::create(b, b.negInf());
        }
        Value s = branch.getResult(0);
        Value best = b.max(carried[0], b.reduceLanes(s, [&](Value x, Value y) {
          return b.max(x, y);
        }));
        // With nothing visible so far, any finite reference will do.
        Value reference = b.select(b.isNegInf(best), b.real(0), best);
        Value rescale = b.exp(b.sub(carried[0], reference));
        Value p = b.exp(b.sub(s, reference));
        Value normaliser = b.add(b.mul(carried[1], rescale), b.sumLanes(p));
        SmallVector<Value> sums = {best, normaliser};
        for (Value sum : carried.drop_front(2))
          sums.push_back(b.mul(sum, rescale));
        Value count = b.minI(b.index(kWarpSize), b.subI(high, start));
        auto passed = b.reduce(
            b.index(0), count, b.index(1), ArrayRef(sums).drop_front(2),
            [&](Value i, ValueRange before) {
              Value weight = b.broadcast(p, i);
              SmallVector<Value> next;
              for (int64_t part = 0; part < numParts(); ++part) {
                Value d = element(part);
                if ((part + 1) * kWarpSize > valueDim)
                  d = b.minI(d, b.index(valueDim - 1));
                Value v = b.load(op.getValue(), keyIndex(b.addI(start, i), d));
                next.push_back(b.add(before[part], b.mul(weight, v)));
              }
              return next;
            });
        for (auto [sum, value] :
             llvm::zip(MutableArrayRef(sums).drop_front(2), passed))
          sum = value;
        return sums;
      });
  if (splitsKeys)
    mergeWarps(results[0], results[1], results.drop_front(2));
  else
    finish(results[0], results[1], results.drop_front(2));
  NVVM::SyncWarpOp::create(
      b, arith::ConstantIntOp::create(b, int32_t(0xffffffff), 32));
}

void AttentionDistribution::lower() {
  Value q = op.getQuery(), k = op.getKey();
  headDim = cast<MemRefType>(q.getType()).getDimSize(3);
  valueDim = cast<MemRefType>(op.getValue().getType()).getDimSize(3);
  Value heads = b.dim(q, op.getQueryHeadDim()),
        rows = b.dim(q, op.getQueryTimeDim());
  group = b.divI(heads, b.dim(k, op.getKvHeadDim()));
  query = b.shared({b.numWarps(), headDim}, b.getComputeType());
  splitsKeys = isConstantIntValue(rows, 1);
  if (splitsKeys)
    partial = b.shared({b.numWarps(), valueDim + 2}, b.getComputeType());
  auto visit = [&](ValueRange place) {
    batch = place[0];
    head = place[1];
    kvHead = b.divI(head, group);
    lowerRow(place[2]);
  };
  SmallVector<Value> space = {b.dim(q, 0), heads, rows};
  if (splitsKeys)
    b.nest(space, visit);
  else
    b.warps(space, visit);
  op.erase();
}

} // namespace

void distributeAttention(AttentionOp op, int64_t threads) {
  AttentionDistribution(op, threads).lower();
}

} // namespace hybrid
