//===- DistributeScan.cpp - the recurrence with its state in registers ----===//
//
// Columns of a head's state do not depend on each other. The lanes of a warp
// are columns × parts: each holds the rows of one part of one column in
// registers over all steps, and sums over key channels end with shuffles
// between the parts. Columns of all the block's heads are numbered through, so
// that heads of a single column (Mamba-1) fill warps, too. The operands of a
// step are loaded while the step before is computed.
//
//===----------------------------------------------------------------------===//

#include "ThreadBuilder.h"

using namespace mlir;

namespace hybrid {
namespace {

/// Rows of a column in a lane's registers, at most if parts are to be had.
constexpr int64_t kLaneRows = 32;

class ScanDistribution {
public:
  ScanDistribution(ScanOp op, int64_t threads)
      : op(op), b(op, op.getQuery().getType().getElementType(), threads),
        hasDecay(op.getDecay() != nullptr), hasBeta(op.getBeta() != nullptr),
        perKey(hasDecay &&
               cast<MemRefType>(op.getDecay().getType()).getRank() == 4) {}
  void lower();

private:
  /// What a step reads: keys, values, decays, betas, queries per output.
  SmallVector<Value> loadStep(Value t);
  SmallVector<Value> loadRow(Value memref, ArrayRef<Value> outer);
  void lowerColumns(Value number);
  SmallVector<Value> emitStep(Value t, ValueRange state, ValueRange operands);
  Value sumParts(Value value) {
    for (int64_t distance = columns; distance < kWarpSize; distance *= 2)
      value = b.add(value, b.exchange(value, distance));
    return value;
  }

  ScanOp op;
  ThreadBuilder b;
  bool hasDecay, hasBeta, perKey;
  int64_t parts = 1, columns = kWarpSize, rows = 0, outputsPerHead = 1;
  Value length, heads, valueDim;
  /// The lane's place.
  Value batch, head, column, part, firstRow, keyHead, isReal, isFirstPart;
};

/// The lane's rows of `memref` at `outer`.
SmallVector<Value> ScanDistribution::loadRow(Value memref,
                                             ArrayRef<Value> outer) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t width = 16 * 8 / type.getElementTypeBitWidth();
  while (width > 1 && (rows % width || !b.isAligned(memref, width)))
    width /= 2;
  SmallVector<Value> values, index(outer);
  index.push_back({});
  for (int64_t i = 0; i < rows; i += width) {
    index.back() = b.addI(firstRow, b.index(i));
    if (width == 1) {
      values.push_back(b.load(memref, index));
      continue;
    }
    Value vector = b.loadAligned(memref, index, width);
    for (int64_t k = 0; k < width; ++k)
      values.push_back(
          vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{k}));
  }
  return values;
}

SmallVector<Value> ScanDistribution::loadStep(Value t) {
  SmallVector<Value> operands = loadRow(op.getKey(), {batch, t, keyHead});
  operands.push_back(b.load(op.getValue(), {batch, t, head, column}));
  if (perKey)
    llvm::append_range(operands, loadRow(op.getDecay(), {batch, t, head}));
  else if (hasDecay)
    operands.push_back(b.load(op.getDecay(), {batch, t, head}));
  if (hasBeta) {
    bool shared = cast<MemRefType>(op.getBeta().getType()).getDimSize(2) == 1;
    operands.push_back(
        b.load(op.getBeta(), {batch, t, shared ? b.index(0) : head}));
  }
  Value queryHeads = b.dim(op.getQuery(), 2);
  Value headsPerQuery = b.maxI(b.index(1), b.divI(heads, queryHeads));
  for (int64_t o = 0; o < outputsPerHead; ++o) {
    Value output = b.addI(b.mulI(head, b.index(outputsPerHead)), b.index(o));
    llvm::append_range(
        operands,
        loadRow(op.getQuery(), {batch, t, b.divI(output, headsPerQuery)}));
  }
  return operands;
}

SmallVector<Value> ScanDistribution::emitStep(Value t, ValueRange state,
                                              ValueRange operands) {
  auto take = [&](int64_t count) {
    ValueRange taken = operands.take_front(count);
    operands = operands.drop_front(count);
    return taken;
  };
  ValueRange keys = take(rows);
  Value delta = take(1)[0];
  SmallVector<Value> decays;
  if (hasDecay)
    for (Value decay : take(perKey ? rows : 1))
      decays.push_back(b.exp(decay));
  SmallVector<Value> next(state);
  if (hasDecay)
    for (int64_t i = 0; i < rows; ++i)
      next[i] = b.mul(decays[perKey ? i : 0], next[i]);
  if (hasBeta) {
    Value beta = take(1)[0], held = b.real(0);
    for (int64_t i = 0; i < rows; ++i)
      held = b.add(held, b.mul(keys[i], next[i]));
    delta = b.mul(beta, b.sub(delta, sumParts(held)));
  }
  for (int64_t i = 0; i < rows; ++i)
    next[i] = b.add(next[i], b.mul(keys[i], delta));
  Value scale = b.real(op.getScale().convertToDouble());
  for (int64_t o = 0; o < outputsPerHead; ++o) {
    ValueRange queries = take(rows);
    Value sum = b.real(0);
    for (int64_t i = 0; i < rows; ++i)
      sum = b.add(sum, b.mul(queries[i], next[i]));
    sum = b.mul(sumParts(sum), scale);
    auto own = scf::IfOp::create(b, isFirstPart, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(own.thenBlock());
    Value output = b.addI(b.mulI(head, b.index(outputsPerHead)), b.index(o));
    b.store(sum, op.getInit(), {batch, t, output, column});
  }
  return next;
}

/// Columns `number` · columns … of the block's heads.
void ScanDistribution::lowerColumns(Value number) {
  Value lane = b.lane();
  Value item =
      b.addI(b.mulI(number, b.index(columns)), b.remI(lane, b.index(columns)));
  Value total = b.mulI(heads, valueDim);
  isReal = b.cmpI(arith::CmpIPredicate::ult, item, total);
  // Lanes beyond the end compute the last column, too, and store nothing.
  item = b.minI(item, b.subI(total, b.index(1)));
  head = b.divI(item, valueDim);
  column = b.remI(item, valueDim);
  part = b.divI(lane, b.index(columns));
  firstRow = b.mulI(part, b.index(rows));
  keyHead = b.divI(head, b.divI(heads, b.dim(op.getKey(), 2)));
  isFirstPart = arith::AndIOp::create(
      b, isReal, b.cmpI(arith::CmpIPredicate::eq, part, b.index(0)));
  SmallVector<Value> carried;
  auto stateIndex = [&](int64_t i) {
    return SmallVector<Value>{batch, head, b.addI(firstRow, b.index(i)),
                              column};
  };
  for (int64_t i = 0; i < rows; ++i)
    carried.push_back(b.load(op.getState(), stateIndex(i)));
  Value zero = b.index(0), one = b.index(1);
  if (isConstantIntValue(length, 1)) {
    carried = emitStep(zero, carried, loadStep(zero));
  } else {
    Value last = b.maxI(b.subI(length, one), zero);
    llvm::append_range(carried, loadStep(zero));
    auto results =
        b.reduce(zero, length, one, carried, [&](Value t, ValueRange values) {
          SmallVector<Value> ahead = loadStep(b.minI(b.addI(t, one), last));
          SmallVector<Value> next =
              emitStep(t, values.take_front(rows), values.drop_front(rows));
          llvm::append_range(next, ahead);
          return next;
        });
    carried.assign(results.begin(), results.begin() + rows);
  }
  auto own = scf::IfOp::create(b, isReal, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(own.thenBlock());
  for (int64_t i = 0; i < rows; ++i)
    b.store(carried[i], op.getState(), stateIndex(i));
}

void ScanDistribution::lower() {
  int64_t keyDim = cast<MemRefType>(op.getKey().getType()).getDimSize(3);
  while (parts < kWarpSize && keyDim % (2 * parts) == 0 &&
         (parts < 4 || keyDim / parts > kLaneRows))
    parts *= 2;
  columns = kWarpSize / parts;
  rows = keyDim / parts;
  Value value = op.getValue();
  length = b.dim(value, 1);
  heads = b.dim(value, 2);
  valueDim = b.dim(value, 3);
  auto outputs = getConstantIntValue(b.dim(op.getInit(), 2)),
       all = getConstantIntValue(heads);
  outputsPerHead = outputs && all ? *outputs / *all : 1;
  Value groups = b.divI(b.addI(b.mulI(heads, valueDim), b.index(columns - 1)),
                        b.index(columns));
  b.warps({b.dim(value, 0), groups}, [&](ValueRange place) {
    batch = place[0];
    lowerColumns(place[1]);
  });
  op.erase();
}

} // namespace

void distributeScan(ScanOp op, int64_t threads) {
  ScanDistribution(op, threads).lower();
}

} // namespace hybrid
