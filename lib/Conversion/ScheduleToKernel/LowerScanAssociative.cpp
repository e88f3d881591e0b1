//===- LowerScanAssociative.cpp - the recurrence as a prefix sum ----------===//
//
// A step of the rules linear and gated maps row n of the state by
// S → a(n) S + k(n) v. Two such maps compose to (a₂ a₁, a₂ x₁ + x₂): a prefix
// sum over the steps of a chunk gives all its states, row by row of the state
// so that one row of Q states is all that is stored. The prefix sum is Brent
// and Kung's: 2 Q combinations in 2 log₂ Q levels, in each of which they do not
// depend on each other. The state before the chunk is the first step's operand.
//
//===----------------------------------------------------------------------===//

#include "ScanLowering.h"

using namespace mlir;

namespace hybrid {
namespace {

class AssociativeScan : public ScanLowering {
public:
  AssociativeScan(ScanOp op, unsigned vectorBits)
      : ScanLowering(op, vectorBits), steps(*op.getChunk()) {}

protected:
  void allocate() override;
  void emitTime() override {
    emitChunks(steps,
               [&](Value first, Value count) { emitChunk(first, count); });
  }

private:
  void emitChunk(Value first, Value count);
  void emitRow(Value first, Value count, Value n);
  void emitPrefixSum(Value count);
  void combine(Value count, int64_t begin, int64_t step, int64_t distance);

  int64_t steps;
  /// Per step: a, and x or S of one row; the values; the sums per output.
  Value factors, rows, values, sums;
};

void AssociativeScan::allocate() {
  Value size = b.index(steps);
  factors = b.scratch({size});
  rows = b.scratch({size, paddedDim});
  values = b.scratch({size, paddedDim});
  fillZero(values);
  sums = b.scratch({outputsPerHead, size, paddedDim});
}

/// For i = begin, begin + step, …: element i takes in element i - distance.
void AssociativeScan::combine(Value count, int64_t begin, int64_t step,
                              int64_t distance) {
  b.loop(b.index(begin), count, b.index(step), [&](Value i) {
    Value before = b.subI(i, b.index(distance));
    Value a = b.load(factors, i);
    b.store(b.mul(a, b.load(factors, before)), factors, i);
    forColumns([&](Value column, int64_t vectors) {
      SmallVector<Value> x = loadVectors(rows, {i}, column, vectors);
      for (auto [mine, earlier] :
           llvm::zip_equal(x, loadVectors(rows, {before}, column, vectors)))
        mine = b.fma(b.splat(a, lanes), earlier, mine);
      storeVectors(x, rows, {i}, column);
    });
  });
}

void AssociativeScan::emitPrefixSum(Value count) {
  int64_t distance = 1;
  for (; 2 * distance <= steps; distance *= 2)
    combine(count, 2 * distance - 1, 2 * distance, distance);
  for (distance /= 2; distance >= 1; distance /= 2)
    combine(count, 3 * distance - 1, 2 * distance, distance);
}

/// All the chunk's states of key channel `n`, added to the outputs.
void AssociativeScan::emitRow(Value first, Value count, Value n) {
  Value zero = b.index(0), one = b.index(1);
  b.loop(zero, count, [&](Value i) {
    Value t = b.addI(first, i);
    b.store(hasDecay ? decayAt(t, n) : b.real(1), factors, i);
    Value key = b.splat(keyAt(t, n), lanes);
    forColumns([&](Value column, int64_t vectors) {
      SmallVector<Value> x = loadVectors(values, {i}, column, vectors);
      for (Value &each : x)
        each = b.mul(key, each);
      storeVectors(x, rows, {i}, column);
    });
  });
  auto a = b.splat(b.load(factors, zero), lanes);
  forColumns([&](Value column, int64_t vectors) {
    SmallVector<Value> x = loadVectors(rows, {zero}, column, vectors);
    for (auto [each, s] :
         llvm::zip_equal(x, loadVectors(state, {n}, column, vectors)))
      each = b.fma(a, s, each);
    storeVectors(x, rows, {zero}, column);
  });
  emitPrefixSum(count);
  forOutputs([&](Value output, Value number) {
    b.loop(zero, count, [&](Value i) {
      Value query = b.splat(queryAt(b.addI(first, i), output, n), lanes);
      forColumns([&](Value column, int64_t vectors) {
        SmallVector<Value> y = loadVectors(sums, {number, i}, column, vectors);
        for (auto [sum, s] :
             llvm::zip_equal(y, loadVectors(rows, {i}, column, vectors)))
          sum = b.fma(query, s, sum);
        storeVectors(y, sums, {number, i}, column);
      });
    });
  });
  forColumns([&](Value column, int64_t vectors) {
    storeVectors(loadVectors(rows, {b.subI(count, one)}, column, vectors),
                 state, {n}, column);
  });
}

void AssociativeScan::emitChunk(Value first, Value count) {
  Value zero = b.index(0);
  b.nest({count, valueDim}, [&](ValueRange ij) {
    b.store(valueAt(b.addI(first, ij[0]), ij[1]), values, ij);
  });
  fillZero(sums);
  b.loop(zero, keyDim, [&](Value n) { emitRow(first, count, n); });
  forOutputs([&](Value output, Value number) {
    b.loop(zero, count, [&](Value i) {
      storeOutput(b.addI(first, i), output, scale, sums, {number, i});
    });
  });
}

} // namespace

void lowerAssociativeScan(ScanOp op, unsigned vectorBits) {
  AssociativeScan(op, vectorBits).lower();
}

} // namespace hybrid
