//===- LowerCaches.cpp - caches of keys and values to loops ---------------===//

#include "LoopBuilder.h"

using namespace mlir;

namespace hybrid {
namespace {

/// Where the positions of a ring lie.
struct Ring {
  LoopBuilder &b;
  int64_t size, sinkPrefix;

  int64_t window() const { return size - sinkPrefix; }
  /// The slot of a position from the sink prefix on.
  Value slot(Value position) const {
    Value behind = b.subI(position, b.index(sinkPrefix));
    Value turned = arith::RemUIOp::create(b, behind, b.index(window()));
    return b.addI(b.index(sinkPrefix), turned);
  }
};

/// An index into keys or values with `heads` at dimension `headDim`.
SmallVector<Value> headIndex(unsigned headDim, Value batch, Value head,
                             Value time, Value d) {
  SmallVector<Value> index = {batch, time, time, d};
  index[headDim] = head;
  return index;
}

void copyRow(LoopBuilder &b, Value from,
             llvm::function_ref<SmallVector<Value>(Value)> fromAt, Value to,
             llvm::function_ref<SmallVector<Value>(Value)> toAt) {
  b.loop(b.index(0), b.dim(to, 3), [&](Value d) {
    Value value = memref::LoadOp::create(b, from, fromAt(d));
    memref::StoreOp::create(b, value, to, toAt(d));
  });
}

int64_t numPositions(Value cache) {
  return cast<MemRefType>(cache.getType()).getDimSize(2);
}

} // namespace

void lowerCacheAppend(CacheAppendOp op) {
  LoopBuilder b(op, op.getInput().getType().getElementType());
  Value input = op.getInput(), cache = op.getCache();
  Value time = b.dim(input, op.getTimeDim()), zero = b.index(0);
  b.nest({b.dim(input, 0), b.dim(input, op.getHeadDim())}, [&](ValueRange bh) {
    Value first = op.getPosition();
    if (Value positions = op.getPositions())
      first =
          b.addI(b.toIndex(memref::LoadOp::create(b, positions, bh[0])), first);
    auto append = [&](Value t, Value slot) {
      copyRow(
          b, input,
          [&](Value d) {
            return headIndex(op.getHeadDim(), bh[0], bh[1], t, d);
          },
          cache,
          [&](Value d) {
            return SmallVector<Value>{bh[0], bh[1], slot, d};
          });
    };
    if (!op.getRing()) {
      b.loop(zero, time, [&](Value t) { append(t, b.addI(first, t)); });
      return;
    }
    Ring ring{b, numPositions(cache), int64_t(op.getSinkPrefix())};
    Value sinks = b.maxI(b.subI(b.index(ring.sinkPrefix), first), zero);
    b.loop(zero, b.minI(sinks, time),
           [&](Value t) { append(t, b.addI(first, t)); });
    Value last = b.maxI(b.subI(time, b.index(ring.window())), sinks);
    b.loop(last, time,
           [&](Value t) { append(t, ring.slot(b.addI(first, t))); });
  });
  op.erase();
}

void lowerRingRead(RingReadOp op) {
  LoopBuilder b(op, op.getInput().getType().getElementType());
  Value input = op.getInput(), init = op.getInit(), zero = b.index(0);
  Ring ring{b, numPositions(op.getRing()), int64_t(op.getSinkPrefix())};
  b.nest({b.dim(init, 0), b.dim(init, 1)}, [&](ValueRange bh) {
    Value position =
        b.toIndex(memref::LoadOp::create(b, op.getPositions(), bh[0]));
    Value kept = b.minI(position, b.index(ring.size));
    Value shift = b.subI(position, kept);
    auto initAt = [&](Value j) {
      return [&bh, j](Value d) {
        return SmallVector<Value>{bh[0], bh[1], j, d};
      };
    };
    auto keep = [&](Value j, Value slot) {
      copyRow(
          b, op.getRing(),
          [&](Value d) {
            return SmallVector<Value>{bh[0], bh[1], slot, d};
          },
          init, initAt(j));
    };
    Value sinks = b.minI(kept, b.index(ring.sinkPrefix));
    b.loop(zero, sinks, [&](Value j) { keep(j, j); });
    b.loop(sinks, kept, [&](Value j) { keep(j, ring.slot(b.addI(j, shift))); });
    Value time = b.dim(input, op.getTimeDim());
    b.loop(zero, time, [&](Value t) {
      copyRow(
          b, input,
          [&](Value d) {
            return headIndex(op.getHeadDim(), bh[0], bh[1], t, d);
          },
          init, initAt(b.addI(kept, t)));
    });
    Type element = cast<MemRefType>(init.getType()).getElementType();
    Value none = arith::ConstantOp::create(b, b.getZeroAttr(element));
    b.loop(b.addI(kept, time), b.dim(init, 2), [&](Value j) {
      b.loop(zero, b.dim(init, 3), [&](Value d) {
        memref::StoreOp::create(b, none, init, ValueRange{bh[0], bh[1], j, d});
      });
    });
  });
  op.erase();
}

} // namespace hybrid
