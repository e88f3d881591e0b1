//===- DistributeComputations.cpp - norms, caches, … for threads ----------===//
//
// Norms: all threads share a long row, the lanes of a warp a short one. What
// has independent elements is handed out element by element, neighbours to
// neighbouring threads.
//
//===----------------------------------------------------------------------===//

#include "ThreadBuilder.h"

using namespace mlir;

namespace hybrid {
namespace {

/// Elements up to which the lanes of one warp share a row.
constexpr int64_t kWarpRow = 512;

SmallVector<Value> getSizes(LoopBuilder &b, Value memref) {
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < cast<MemRefType>(memref.getType()).getRank(); ++i)
    sizes.push_back(b.dim(memref, i));
  return sizes;
}

/// The index of a tensor that broadcasts from the right against `index`.
SmallVector<Value> broadcastIndex(LoopBuilder &b, Value memref,
                                  ValueRange index) {
  auto type = cast<MemRefType>(memref.getType());
  SmallVector<Value> result;
  unsigned skip = index.size() - type.getRank();
  for (int64_t i = 0; i < type.getRank(); ++i)
    result.push_back(type.getDimSize(i) == 1 ? b.index(0) : index[skip + i]);
  return result;
}

/// Rows of which sums are taken: the row `outer`, its elements numbered.
class RowReduction {
public:
  RowReduction(ThreadBuilder &b, ArrayRef<Value> outer, Value length)
      : b(b), outer(outer), length(length) {
    auto known = getConstantIntValue(length);
    byWarps = known && *known <= kWarpRow;
    if (!byWarps)
      scratch = b.shared({b.numWarps()}, b.getComputeType());
  }

  /// body(outer) with all its threads.
  void rows(llvm::function_ref<void(ValueRange)> body) {
    if (byWarps)
      return b.warps(outer, body);
    b.nest(outer, body);
  }
  Value sum(llvm::function_ref<Value(Value)> term) {
    Value own = b.reduce(
        first(), length, step(), b.real(0), [&](Value i, ValueRange carried) {
          return SmallVector<Value>{b.add(carried[0], term(i))};
        })[0];
    auto add = [&](Value x, Value y) { return b.add(x, y); };
    return byWarps ? b.reduceLanes(own, add) : b.reduceBlock(own, add, scratch);
  }
  void elements(llvm::function_ref<void(Value)> body) {
    b.loop(first(), length, step(), body);
  }

private:
  Value first() { return byWarps ? b.lane() : b.thread(); }
  Value step() { return b.index(byWarps ? kWarpSize : b.numThreads()); }

  ThreadBuilder &b;
  SmallVector<Value> outer;
  Value length, scratch;
  bool byWarps;
};

Value toReal(LoopBuilder &b, Value count) {
  return arith::UIToFPOp::create(
      b, b.getComputeType(),
      arith::IndexCastOp::create(b, b.getI64Type(), count));
}

} // namespace

void distributeNorm(NormOp op, int64_t threads) {
  ThreadBuilder b(op, op.getInput().getType().getElementType(), threads);
  Value input = op.getInput();
  SmallVector<Value> sizes = getSizes(b, input);
  unsigned axis = op.getAxis();
  SmallVector<Value> outer(sizes.begin(), sizes.begin() + axis),
      inner(sizes.begin() + axis, sizes.end());
  // With groups the last dimension is two: group and place in it.
  Value groups = b.index(1), groupSize;
  if (op.getGroupSize() > 0) {
    groupSize = b.index(op.getGroupSize());
    groups = b.divI(inner.back(), groupSize);
    inner.back() = groupSize;
  }
  outer.push_back(groups);
  Value length = b.index(1);
  for (Value size : inner)
    length = b.mulI(length, size);
  Value count = toReal(b, length);
  RowReduction row(b, outer, length);
  row.rows([&](ValueRange o) {
    auto at = [&](Value i) {
      SmallVector<Value> index(o.drop_back());
      llvm::append_range(index, b.delinearize(i, inner));
      if (groupSize)
        index.back() = b.addI(b.mulI(o.back(), groupSize), index.back());
      return index;
    };
    Value mean;
    if (op.getKind() == NormKind::Layer)
      mean =
          b.div(row.sum([&](Value i) { return b.load(input, at(i)); }), count);
    auto centred = [&](ValueRange index) {
      Value x = b.load(input, index);
      return mean ? b.sub(x, mean) : x;
    };
    Value variance = b.div(row.sum([&](Value i) {
      Value x = centred(at(i));
      return b.mul(x, x);
    }),
                           count);
    Value inverse =
        b.rsqrt(b.add(variance, b.real(op.getEpsilon().convertToDouble())));
    row.elements([&](Value i) {
      SmallVector<Value> index = at(i);
      Value n = b.roundTo(op.getInput().getType().getElementType(),
                          b.mul(centred(index), inverse));
      if (Value scale = op.getScale()) {
        Value s = b.load(scale, broadcastIndex(b, scale, index));
        if (op.getZeroCentered())
          s = b.add(s, b.real(1));
        n = b.mul(n, s);
      }
      if (Value bias = op.getBias())
        n = b.add(n, b.load(bias, broadcastIndex(b, bias, index)));
      b.store(n, op.getInit(), index);
    });
  });
  op.erase();
}

void distributeGatedNorm(GatedNormOp op, int64_t threads) {
  ThreadBuilder b(op, op.getInput().getType().getElementType(), threads);
  Value input = op.getInput();
  SmallVector<Value> outer = getSizes(b, input);
  Value channels = outer.pop_back_val();
  Value groupSize =
      op.getGroupSize() > 0 ? b.index(op.getGroupSize()) : channels;
  outer.push_back(b.divI(channels, groupSize));
  bool gateFirst = op.getOrder() == GateOrder::GateFirst;
  Value count = toReal(b, groupSize);
  RowReduction row(b, outer, groupSize);
  row.rows([&](ValueRange o) {
    Value base = b.mulI(o.back(), groupSize);
    auto at = [&](Value i) {
      SmallVector<Value> index(o.drop_back());
      index.push_back(b.addI(base, i));
      return index;
    };
    auto gate = [&](Value i) {
      return b.activate(op.getActivation(), b.load(op.getGate(), at(i)));
    };
    auto gated = [&](Value i) {
      Value x = b.load(input, at(i));
      return gateFirst ? b.mul(x, gate(i)) : x;
    };
    Value variance = b.div(row.sum([&](Value i) {
      Value x = gated(i);
      return b.mul(x, x);
    }),
                           count);
    Value inverse =
        b.rsqrt(b.add(variance, b.real(op.getEpsilon().convertToDouble())));
    row.elements([&](Value i) {
      Value n = b.mul(gated(i), inverse);
      if (Value scale = op.getScale()) {
        bool perGroup = op.getGroupSize() > 0 &&
                        cast<MemRefType>(scale.getType()).getDimSize(0) ==
                            (int64_t)op.getGroupSize();
        n = b.mul(n, b.load(scale, perGroup ? i : b.addI(base, i)));
      }
      if (!gateFirst)
        n = b.mul(n, gate(i));
      b.store(n, op.getInit(), at(i));
    });
  });
  op.erase();
}

void distributeRope(RopeOp op, int64_t threads) {
  ThreadBuilder b(op, op.getInput().getType().getElementType(), threads);
  Value input = op.getInput();
  int64_t half = op.getRotaryDim() / 2;
  auto tableType = cast<MemRefType>(op.getCos().getType());
  Value zero = b.index(0), rest = b.subI(b.dim(input, 3), b.index(2 * half));
  SmallVector<Value> outer = getSizes(b, input);
  outer.back() = b.addI(b.index(half), rest);
  b.parallel(outer, [&](ValueRange ivs) {
    Value batch = ivs[0], t = ivs[op.getTimeDim()], m = ivs[3];
    auto at = [&](Value d) {
      return SmallVector<Value>{ivs[0], ivs[1], ivs[2], d};
    };
    auto branch = scf::IfOp::create(
        b, b.cmpI(arith::CmpIPredicate::ult, m, b.index(half)),
        /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.elseBlock());
    Value same = b.addI(m, b.index(half));
    b.store(b.load(input, at(same)), op.getInit(), at(same));
    b.setInsertionPointToStart(branch.thenBlock());
    SmallVector<Value> table;
    if (Value positions = op.getPositions()) {
      auto type = cast<MemRefType>(positions.getType());
      Value position = b.toIndex(memref::LoadOp::create(
          b, positions, ValueRange{type.getDimSize(0) == 1 ? zero : batch, t}));
      // A position outside the table must not read outside it.
      Value last = b.subI(b.dim(op.getCos(), 0), b.index(1));
      table = {b.maxI(zero, b.minI(position, last))};
    } else {
      table = {tableType.getDimSize(0) == 1 ? zero : batch, t};
    }
    table.push_back(m);
    Value c = b.load(op.getCos(), table), s = b.load(op.getSin(), table);
    Value first = op.getInterleaved() ? b.mulI(m, b.index(2)) : m;
    Value second = b.addI(first, b.index(op.getInterleaved() ? 1 : half));
    Value x1 = b.load(input, at(first)), x2 = b.load(input, at(second));
    b.store(b.sub(b.mul(c, x1), b.mul(s, x2)), op.getInit(), at(first));
    b.store(b.add(b.mul(s, x1), b.mul(c, x2)), op.getInit(), at(second));
  });
  op.erase();
}

void distributeCumSum(CumSumOp op, int64_t threads) {
  Type type = op.getInput().getType().getElementType();
  ThreadBuilder b(op, type, threads);
  bool isFloat = isa<FloatType>(type);
  SmallVector<Value> outer = getSizes(b, op.getInput());
  unsigned axis = op.getAxis();
  Value length = outer[axis], one = b.index(1);
  outer[axis] = one;
  Value none =
      isFloat
          ? b.real(0)
          : arith::ConstantOp::create(b, b.getIntegerAttr(type, 0)).getResult();
  b.parallel(outer, [&](ValueRange ivs) {
    b.reduce(b.index(0), length, one, none, [&](Value i, ValueRange carried) {
      SmallVector<Value> index(ivs);
      index[axis] = op.getReverse() ? b.subI(b.subI(length, one), i) : i;
      Value x = b.load(op.getInput(), index);
      // A running sum must keep its order.
      Value next = isFloat ? arith::AddFOp::create(b, carried[0], x).getResult()
                           : b.addI(carried[0], x);
      Value result = op.getExclusive() ? carried[0] : next;
      if (isFloat)
        b.store(result, op.getInit(), index);
      else
        memref::StoreOp::create(b, result, op.getInit(), index);
      return SmallVector<Value>{next};
    });
  });
  op.erase();
}

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

static SmallVector<Value> headIndex(unsigned headDim, Value batch, Value head,
                                    Value time, Value d) {
  SmallVector<Value> index = {batch, time, time, d};
  index[headDim] = head;
  return index;
}

/// The slot of a position from the sink prefix on.
static Value ringSlot(ThreadBuilder &b, Value position, int64_t size,
                      int64_t sinks) {
  Value behind = b.subI(position, b.index(sinks));
  return b.addI(b.index(sinks), b.remI(behind, b.index(size - sinks)));
}

static int64_t numPositions(Value cache) {
  return cast<MemRefType>(cache.getType()).getDimSize(2);
}

void distributeCacheAppend(CacheAppendOp op, int64_t threads) {
  ThreadBuilder b(op, op.getInput().getType().getElementType(), threads);
  Value input = op.getInput(), cache = op.getCache();
  Value time = b.dim(input, op.getTimeDim());
  SmallVector<Value> space = {b.dim(input, 0), b.dim(input, op.getHeadDim()),
                              time, b.dim(input, 3)};
  b.parallel(space, [&](ValueRange ivs) {
    Value t = ivs[2], first = op.getPosition();
    if (Value positions = op.getPositions())
      first = b.addI(b.toIndex(memref::LoadOp::create(b, positions, ivs[0])),
                     first);
    Value slot = b.addI(first, t), isKept;
    if (op.getRing()) {
      int64_t size = numPositions(cache), sinks = op.getSinkPrefix();
      // The prefix, and of the rest what later positions don't overwrite.
      Value inPrefix = b.cmpI(arith::CmpIPredicate::slt, slot, b.index(sinks));
      Value ends = b.subI(time, b.index(size - sinks));
      isKept = arith::OrIOp::create(b, inPrefix,
                                    b.cmpI(arith::CmpIPredicate::sge, t, ends));
      Value inRing = ringSlot(b, b.maxI(slot, b.index(sinks)), size, sinks);
      slot = b.select(inPrefix, slot, inRing);
    }
    OpBuilder::InsertionGuard guard(b);
    if (isKept) {
      auto branch = scf::IfOp::create(b, isKept, /*withElseRegion=*/false);
      b.setInsertionPointToStart(branch.thenBlock());
    }
    Value value = memref::LoadOp::create(
        b, input, headIndex(op.getHeadDim(), ivs[0], ivs[1], t, ivs[3]));
    memref::StoreOp::create(b, value, cache,
                            ValueRange{ivs[0], ivs[1], slot, ivs[3]});
  });
  op.erase();
}

void distributeRingRead(RingReadOp op, int64_t threads) {
  ThreadBuilder b(op, op.getInput().getType().getElementType(), threads);
  Value input = op.getInput(), init = op.getInit();
  int64_t size = numPositions(op.getRing()), sinks = op.getSinkPrefix();
  Type element = cast<MemRefType>(init.getType()).getElementType();
  b.parallel(getSizes(b, init), [&](ValueRange ivs) {
    Value j = ivs[2], d = ivs[3];
    Value position =
        b.toIndex(memref::LoadOp::create(b, op.getPositions(), ivs[0]));
    Value kept = b.minI(position, b.index(size));
    Value shift = b.subI(position, kept);
    Value time = b.dim(input, op.getTimeDim());
    auto choose = [&](Value condition, llvm::function_ref<Value()> yes,
                      llvm::function_ref<Value()> no) -> Value {
      auto branch = scf::IfOp::create(b, TypeRange{element}, condition,
                                      /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      scf::YieldOp::create(b, yes());
      b.setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(b, no());
      return branch.getResult(0);
    };
    Value isKept = b.cmpI(arith::CmpIPredicate::slt, j, kept);
    Value isGiven = b.cmpI(arith::CmpIPredicate::slt, b.subI(j, kept), time);
    Value value = choose(
        isKept,
        [&]() -> Value {
          Value inPrefix = b.cmpI(arith::CmpIPredicate::slt, j, b.index(sinks));
          Value later = b.maxI(b.addI(j, shift), b.index(sinks));
          Value slot = b.select(inPrefix, j, ringSlot(b, later, size, sinks));
          return memref::LoadOp::create(b, op.getRing(),
                                        ValueRange{ivs[0], ivs[1], slot, d});
        },
        [&] {
          return choose(
              isGiven,
              [&]() -> Value {
                return memref::LoadOp::create(b, input,
                                              headIndex(op.getHeadDim(), ivs[0],
                                                        ivs[1], b.subI(j, kept),
                                                        d));
              },
              [&]() -> Value {
                return arith::ConstantOp::create(b, b.getZeroAttr(element));
              });
        });
    memref::StoreOp::create(b, value, init, ivs);
  });
  op.erase();
}

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

namespace {

class CausalConvDistribution {
public:
  CausalConvDistribution(CausalConvOp op, int64_t threads)
      : op(op), b(op, op.getInput().getType().getElementType(), threads),
        isChannelLast(op.getLayout() == ConvLayout::BTC) {}
  void lower();

private:
  SmallVector<Value> inputIndex(Value batch, Value channel, Value t) {
    SmallVector<Value> index = {batch, channel, t};
    if (isChannelLast)
      std::swap(index[1], index[2]);
    return index;
  }
  Value loadColumn(Value batch, Value channel, Value column);
  void computeOutput(Value batch, Value channel, Value t);
  void updateState(Value batch, Value channel);

  CausalConvOp op;
  ThreadBuilder b;
  bool isChannelLast;
  Value length, taps, width;
};

/// A column of concat(state, input).
Value CausalConvDistribution::loadColumn(Value batch, Value channel,
                                         Value column) {
  Value inState = b.cmpI(arith::CmpIPredicate::ult, column, width);
  auto branch =
      scf::IfOp::create(b, TypeRange{b.getComputeType()}, inState, true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, b.load(op.getState(), {batch, channel, column}));
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(
      b,
      b.load(op.getInput(), inputIndex(batch, channel, b.subI(column, width))));
  return branch.getResult(0);
}

void CausalConvDistribution::computeOutput(Value batch, Value channel,
                                           Value t) {
  auto product = [&](Value k) {
    return b.mul(b.load(op.getWeight(), {channel, k}),
                 loadColumn(batch, channel, b.addI(t, k)));
  };
  Value sum;
  std::optional<int64_t> count = getConstantIntValue(taps);
  if (count && *count <= 8) {
    sum = b.real(0);
    for (int64_t k = 0; k < *count; ++k)
      sum = b.add(sum, product(b.index(k)));
  } else {
    sum = b.sum(taps, product);
  }
  if (op.getBias())
    sum = b.add(sum, b.load(op.getBias(), channel));
  b.store(b.activate(op.getActivation(), sum), op.getInit(),
          inputIndex(batch, channel, t));
}

/// Column i of the new state is column i + length of concat(state, input): in
/// ascending order none is overwritten before it is read.
void CausalConvDistribution::updateState(Value batch, Value channel) {
  b.loop(b.index(0), width, [&](Value i) {
    b.store(loadColumn(batch, channel, b.addI(i, length)), op.getState(),
            {batch, channel, i});
  });
}

void CausalConvDistribution::lower() {
  length = b.dim(op.getInput(), op.getTimeDim());
  taps = b.dim(op.getWeight(), 1);
  width = b.dim(op.getState(), 2);
  Value batch = b.dim(op.getInput(), 0),
        channels = b.dim(op.getInput(), op.getChannelDim());
  if (isChannelLast)
    b.parallel({batch, length, channels},
               [&](ValueRange btc) { computeOutput(btc[0], btc[2], btc[1]); });
  else
    b.parallel({batch, channels, length},
               [&](ValueRange bct) { computeOutput(bct[0], bct[1], bct[2]); });
  b.barrier();
  b.parallel({batch, channels},
             [&](ValueRange bc) { updateState(bc[0], bc[1]); });
  op.erase();
}

} // namespace

void distributeCausalConv(CausalConvOp op, int64_t threads) {
  CausalConvDistribution(op, threads).lower();
}

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

/// A warp for each element of the output; its lanes share the sum where the
/// matrix is contiguous along it, and the columns where it is so along those.
void distributeExpertMatMul(ExpertMatMulOp op, int64_t threads) {
  ThreadBuilder b(op, op.getInput().getType().getElementType(), threads);
  Value zero = b.index(0), numExperts = b.dim(op.getWeight(), 0),
        length = b.dim(op.getInput(), 1);
  auto getExpert = [&](Value row) {
    Value expert = b.toIndex(memref::LoadOp::create(b, op.getExperts(), row));
    Value fromEnd = b.addI(expert, numExperts);
    expert = b.select(b.cmpI(arith::CmpIPredicate::slt, expert, zero), fromEnd,
                      expert);
    return b.maxI(zero, b.minI(expert, b.subI(numExperts, b.index(1))));
  };
  auto term = [&](Value row, Value expert, Value column, Value h) {
    SmallVector<Value> index = {expert, column, h};
    if (op.getTransposed())
      std::swap(index[1], index[2]);
    return b.mul(
        b.load(op.getInput(), {b.divI(row, b.index(op.getChosen())), h}),
        b.load(op.getWeight(), index));
  };
  SmallVector<Value> space = {b.dim(op.getInit(), 0), b.dim(op.getInit(), 1)};
  if (op.getTransposed()) {
    b.parallel(space, [&](ValueRange place) {
      Value expert = getExpert(place[0]);
      b.store(
          b.sum(length,
                [&](Value h) { return term(place[0], expert, place[1], h); }),
          op.getInit(), place);
    });
  } else {
    b.warps(space, [&](ValueRange place) {
      Value expert = getExpert(place[0]);
      Value own =
          b.reduce(b.lane(), length, b.index(kWarpSize), b.real(0),
                   [&](Value h, ValueRange carried) {
                     return SmallVector<Value>{b.add(
                         carried[0], term(place[0], expert, place[1], h))};
                   })[0];
      Value sum = b.sumLanes(own);
      auto isFirst =
          scf::IfOp::create(b, b.cmpI(arith::CmpIPredicate::eq, b.lane(), zero),
                            /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(isFirst.thenBlock());
      b.store(sum, op.getInit(), place);
    });
  }
  op.erase();
}

} // namespace hybrid
