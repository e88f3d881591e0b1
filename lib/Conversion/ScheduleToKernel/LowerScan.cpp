//===- LowerScan.cpp - the recurrence, step after step --------------------===//
//
// The sequential form: a loop over time with the state of one head (and some of
// its value columns) in a stack buffer in the compute type. Columns of a state
// do not depend on each other under any update rule, so that a block may hold
// any number of them.
//
//===----------------------------------------------------------------------===//

#include "LoopBuilder.h"

using namespace mlir;

namespace hybrid {
namespace {

class ScanLowering {
public:
  ScanLowering(ScanOp op)
      : op(op), b(op, op.getQuery().getType().getElementType()),
        hasDecay(op.getDecay() != nullptr), hasBeta(op.getBeta() != nullptr),
        perKey(hasDecay &&
               cast<MemRefType>(op.getDecay().getType()).getRank() == 4) {}

  void lower();

private:
  void lowerHead(Value batch, Value head);
  void step(Value batch, Value head, Value t);

  ScanOp op;
  LoopBuilder b;
  bool hasDecay, hasBeta, perKey;
  Value keyDim, valueDim, state, delta, row;
  /// Output heads per value head, value heads per query and per key head.
  Value outputsPerHead, headsPerQuery, headsPerKey;
};

void ScanLowering::lower() {
  Value heads = b.dim(op.getValue(), 2);
  Value queryHeads = b.dim(op.getQuery(), 2);
  Value one = b.index(1);
  outputsPerHead = b.divI(b.dim(op.getInit(), 2), heads);
  headsPerQuery = b.maxI(one, b.divI(heads, queryHeads));
  headsPerKey = b.divI(heads, b.dim(op.getKey(), 2));
  keyDim = b.dim(op.getKey(), 3);
  valueDim = b.dim(op.getValue(), 3);
  state = b.scratch({keyDim, valueDim});
  delta = b.scratch({valueDim});
  row = b.scratch({valueDim});
  b.nest({b.dim(op.getValue(), 0), heads},
         [&](ValueRange ivs) { lowerHead(ivs[0], ivs[1]); });
}

void ScanLowering::lowerHead(Value batch, Value head) {
  b.nest({keyDim, valueDim}, [&](ValueRange ij) {
    b.store(b.load(op.getState(), {batch, head, ij[0], ij[1]}), state, ij);
  });
  b.loop(b.index(0), b.dim(op.getValue(), 1),
         [&](Value t) { step(batch, head, t); });
  b.nest({keyDim, valueDim}, [&](ValueRange ij) {
    b.store(b.load(state, ij), op.getState(), {batch, head, ij[0], ij[1]});
  });
}

void ScanLowering::step(Value batch, Value head, Value t) {
  Value zero = b.index(0);
  Value keyHead = b.divI(head, headsPerKey);
  auto key = [&](Value i) {
    return b.load(op.getKey(), {batch, t, keyHead, i});
  };
  Value headDecay;
  if (hasDecay && !perKey)
    headDecay = b.exp(b.load(op.getDecay(), {batch, t, head}));
  auto decay = [&](Value i) -> Value {
    if (perKey)
      return b.exp(b.load(op.getDecay(), {batch, t, head, i}));
    return headDecay;
  };
  auto value = [&](Value j) {
    return b.load(op.getValue(), {batch, t, head, j});
  };
  if (!hasBeta) {
    b.loop(zero, valueDim,
           [&](Value j) { b.store(value(j), delta, j); });
  } else {
    // The delta rules first read what the decayed state holds for this key.
    b.loop(zero, valueDim, [&](Value j) { b.store(b.real(0), row, j); });
    b.loop(zero, keyDim, [&](Value i) {
      Value k = key(i);
      Value g = hasDecay ? decay(i) : Value();
      b.loop(zero, valueDim, [&](Value j) {
        Value s = b.load(state, {i, j});
        if (g) {
          s = b.mul(s, g);
          b.store(s, state, {i, j});
        }
        b.store(b.add(b.load(row, j), b.mul(k, s)), row, j);
      });
    });
    auto betaType = cast<MemRefType>(op.getBeta().getType());
    bool shared = betaType.getDimSize(2) == 1;
    Value beta =
        b.load(op.getBeta(), {batch, t, shared ? b.index(0) : head});
    b.loop(zero, valueDim, [&](Value j) {
      b.store(b.mul(beta, b.sub(value(j), b.load(row, j))), delta, j);
    });
  }
  // Update, and read for the first output head in the same pass.
  bool decayHere = hasDecay && !hasBeta;
  Value scale = b.real(op.getScale().convertToDouble());
  b.loop(zero, outputsPerHead, [&](Value o) {
    Value output = b.addI(b.mulI(head, outputsPerHead), o);
    Value queryHead = b.divI(output, headsPerQuery);
    Value isFirst = b.cmpI(arith::CmpIPredicate::eq, o, zero);
    b.loop(zero, valueDim, [&](Value j) { b.store(b.real(0), row, j); });
    auto read = [&](bool update) {
      b.loop(zero, keyDim, [&](Value i) {
        Value q = b.load(op.getQuery(), {batch, t, queryHead, i});
        Value k = update ? key(i) : Value();
        Value g = update && decayHere ? decay(i) : Value();
        b.loop(zero, valueDim, [&](Value j) {
          Value s = b.load(state, {i, j});
          if (update) {
            if (g)
              s = b.mul(s, g);
            s = b.add(s, b.mul(k, b.load(delta, j)));
            b.store(s, state, {i, j});
          }
          b.store(b.add(b.load(row, j), b.mul(q, s)), row, j);
        });
      });
    };
    auto branch = scf::IfOp::create(b, isFirst, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    read(/*update=*/true);
    b.setInsertionPointToStart(branch.elseBlock());
    read(/*update=*/false);
    b.setInsertionPointAfter(branch);
    b.loop(zero, valueDim, [&](Value j) {
      b.store(b.mul(scale, b.load(row, j)), op.getInit(),
              {batch, t, output, j});
    });
  });
}

} // namespace

void lowerScan(ScanOp op) {
  ScanLowering(op).lower();
  op.erase();
}

} // namespace hybrid
