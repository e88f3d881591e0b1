//===- LowerQuantizedMatmul.cpp - products with quantised weights ---------===//
//
// A few rows, as decode steps have them, are multiplied with the integers as
// they are: with q in the highest bits of a mantissa a lane is 1 + q / 2^bits,
// so that a number costs a shift, a choice of bits and a multiply-add, and no
// conversion. Per block of rows of the weight
//
//   Σ x · (q - z) · s = 2^bits · s · (Σ x · (1 + q / 2^bits)
//                                     - (1 + z / 2^bits) · Σ x)
//
// and Σ x is computed once for all columns. The panel is one stream.
//
// Of more rows each reads the numbers again: LowerMatmul.cpp computes them for
// a part of a panel.
//
//===----------------------------------------------------------------------===//

#include "QuantizedWeight.h"
#include "hybrid/Schedule/CostModel.h"

#include <numeric>

using namespace mlir;

namespace hybrid {
namespace {

/// Rows up to which numbers are not computed.
constexpr int64_t kFewRows = 8;
/// Numbers of a row at most, which lies on the stack.
constexpr int64_t kMostNumbers = 1 << 15;
/// How far ahead of a panel's stream memory is asked for its bytes, as in
/// LowerMatmul.cpp.
constexpr int64_t kPrefetchBytes = 4 << 10;

class FewRowsLowering {
public:
  FewRowsLowering(MatmulOp op, unsigned vectorBits);
  void lower();

private:
  void copyRow(Value row, int64_t place);
  Value copyBlock(Value row, int64_t place, Value block, bool isMasked);
  void multiplyRows(int64_t count, Value firstRow);
  void prefetch(Value block, Value word);
  SmallVector<Value> multiplyBlock(int64_t count, Value block);
  void store(int64_t count, Value firstRow, Value column, ValueRange sums);

  MatmulOp op;
  LoopBuilder b;
  int64_t lanes;
  QuantizedWeight weight;
  int64_t numVectors, mostRows;
  /// Rows with zeros behind, and the sum of each block.
  Value rows, rowSums, panelIndex;
};

FewRowsLowering::FewRowsLowering(MatmulOp op, unsigned vectorBits)
    : op(op), b(op, op.getInit().getType().getElementType()),
      lanes(std::gcd<int64_t>(op.getPanel(), vectorBits / 32)),
      weight(b, op, lanes), numVectors(op.getPanel() / lanes),
      // As many as there are registers for sums of a block and of all.
      mostRows(vectorBits >= 512 ? 4 : 2) {}

/// Copies a block of a row; returns the vector of its sums.
Value FewRowsLowering::copyBlock(Value row, int64_t place, Value block,
                                 bool isMasked) {
  // Vectors may have more lanes than a block has rows.
  int64_t width = std::gcd(lanes, weight.getBlock());
  VectorType type =
      VectorType::get({width}, op.getInput().getType().getElementType());
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
  Value first = b.mulI(block, b.index(weight.getBlock())), sum;
  for (int64_t offset = 0; offset < weight.getBlock(); offset += width) {
    Value at = b.addI(first, b.index(offset)), numbers;
    if (isMasked) {
      Value rest = b.maxI(b.subI(b.dim(op.getInput(), 1), at), b.index(0));
      Value mask = vector::CreateMaskOp::create(b, type.clone(b.getI1Type()),
                                                ValueRange{rest});
      numbers = b.toCompute(vector::MaskedLoadOp::create(
          b, type, op.getInput(), ValueRange{row, at}, mask, zero));
    } else {
      numbers = b.loadVector(op.getInput(), {row, at}, width);
    }
    b.storeVector(numbers, rows, {b.index(place), at});
    sum = sum ? b.add(sum, numbers) : numbers;
  }
  return sum;
}

void FewRowsLowering::copyRow(Value row, int64_t place) {
  Value length = b.dim(op.getInput(), 1),
        blocks = b.index(weight.getNumBlocks());
  Value whole = b.divI(length, b.index(weight.getBlock()));
  auto copy = [&](Value low, Value high, bool isMasked) {
    b.loop(low, high, [&](Value block) {
      Value sum = vector::ReductionOp::create(
          b, vector::CombiningKind::ADD, copyBlock(row, place, block, isMasked),
          arith::FastMathFlags::reassoc);
      b.store(sum, rowSums, {b.index(place), block});
    });
  };
  copy(b.index(0), whole, /*isMasked=*/false);
  if (getConstantIntValue(whole) != weight.getNumBlocks())
    copy(whole, blocks, /*isMasked=*/true);
}

/// What the panel's stream reaches later, one line of the cache after another.
void FewRowsLowering::prefetch(Value block, Value word) {
  constexpr int64_t kLine = 64;
  int64_t wordBytes = 4 * op.getPanel();
  if (wordBytes % kLine)
    return;
  int64_t blocks = llvm::divideCeilSigned(
      kPrefetchBytes, op.getWeight().getType().getDimSize(2));
  Value ahead = b.addI(block, b.index(blocks));
  Value first = b.mulI(word, b.index(wordBytes));
  for (int64_t at = 0; at < wordBytes; at += kLine)
    memref::PrefetchOp::create(
        b, op.getWeight(),
        ValueRange{panelIndex, ahead, b.addI(first, b.index(at))},
        /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
}

/// What one block adds to the sums, without the factor 2^bits.
SmallVector<Value> FewRowsLowering::multiplyBlock(int64_t count, Value block) {
  // Sums beside each other, so that multiply-adds need not wait for another; as
  // many for any number of rows, so that a row's result is the same.
  constexpr int64_t numChains = 2;
  Value zero = b.splat(b.real(0), lanes);
  SmallVector<Value> zeros(count * numVectors * numChains, zero);
  auto at = [&](int64_t r, int64_t v, int64_t chain) {
    return (r * numVectors + v) * numChains + chain % numChains;
  };
  Value first = b.mulI(block, b.index(weight.getBlock()));
  auto result = b.reduce(
      b.index(0), b.index(weight.getWordsPerBlock()), b.index(1), zeros,
      [&](Value word, ValueRange carried) {
        SmallVector<Value> next(carried), words;
        prefetch(block, word);
        for (int64_t v = 0; v < numVectors; ++v)
          words.push_back(weight.loadWords(panelIndex, block, word, v * lanes));
        Value step =
            b.addI(first, b.mulI(word, b.index(weight.getRowsPerWord())));
        for (int64_t i = 0; i < weight.getRowsPerWord(); ++i) {
          SmallVector<Value> numbers;
          for (int64_t v = 0; v < numVectors; ++v)
            numbers.push_back(weight.getMantissas(words[v], i));
          for (int64_t r = 0; r < count; ++r) {
            Value factor = b.splat(
                b.load(rows, {b.index(r), b.addI(step, b.index(i))}), lanes);
            for (int64_t v = 0; v < numVectors; ++v) {
              Value &sum = next[at(r, v, i)];
              sum = b.fma(factor, numbers[v], sum);
            }
          }
        }
        return next;
      });
  SmallVector<Value> sums;
  double perInteger = 1.0 / (1 << op.getQuantizationAttr().getBits());
  for (int64_t v = 0; v < numVectors; ++v) {
    Value scales = weight.loadScales(panelIndex, block, v * lanes);
    Value zeros =
        b.fma(weight.loadZeros(panelIndex, block, v * lanes),
              b.splat(b.real(-perInteger), lanes), b.splat(b.real(-1), lanes));
    for (int64_t r = 0; r < count; ++r) {
      Value sum = result[at(r, v, 0)];
      for (int64_t chain = 1; chain < numChains; ++chain)
        sum = b.add(sum, result[at(r, v, chain)]);
      Value rowSum = b.splat(b.load(rowSums, {b.index(r), block}), lanes);
      sums.push_back(b.mul(b.fma(zeros, rowSum, sum), scales));
    }
  }
  return sums;
}

void FewRowsLowering::store(int64_t count, Value firstRow, Value column,
                            ValueRange sums) {
  Value columns = b.dim(op.getInit(), 1);
  std::optional<int64_t> known = getConstantIntValue(columns);
  bool isMasked = !known || *known % op.getPanel();
  Value factor =
      b.splat(b.real(1 << op.getQuantizationAttr().getBits()), lanes);
  for (int64_t v = 0; v < numVectors; ++v)
    for (int64_t r = 0; r < count; ++r) {
      Value value = b.mul(sums[v * count + r], factor);
      SmallVector<Value> at = {b.addI(firstRow, b.index(r)),
                               b.addI(column, b.index(v * lanes))};
      if (!isMasked) {
        b.storeVector(value, op.getInit(), at);
        continue;
      }
      Value rest = b.maxI(b.subI(columns, at[1]), b.index(0));
      Value mask = vector::CreateMaskOp::create(
          b, VectorType::get({lanes}, b.getI1Type()), ValueRange{rest});
      vector::MaskedStoreOp::create(b, op.getInit(), at, mask, value);
    }
}

/// `count` rows from `firstRow` on, all panels.
void FewRowsLowering::multiplyRows(int64_t count, Value firstRow) {
  for (int64_t r = 0; r < count; ++r)
    copyRow(b.addI(firstRow, b.index(r)), r);
  SmallVector<Value> zeros(count * numVectors, b.splat(b.real(0), lanes));
  b.loop(b.index(0), b.dim(op.getWeight(), 0), [&](Value panel) {
    panelIndex = panel;
    auto sums = b.reduce(b.index(0), b.index(weight.getNumBlocks()), b.index(1),
                         zeros, [&](Value block, ValueRange carried) {
                           SmallVector<Value> next;
                           for (auto [sum, more] :
                                llvm::zip(carried, multiplyBlock(count, block)))
                             next.push_back(b.add(sum, more));
                           return next;
                         });
    store(count, firstRow, b.mulI(panel, b.index(op.getPanel())), sums);
  });
}

void FewRowsLowering::lower() {
  int64_t blocks = weight.getNumBlocks();
  rows = b.scratch({b.index(mostRows), b.index(blocks * weight.getBlock())});
  rowSums = b.scratch({b.index(mostRows), b.index(blocks)});
  Value low = b.index(0), total = b.dim(op.getInit(), 0);
  std::optional<int64_t> known = getConstantIntValue(total);
  for (int64_t count = mostRows; count > 0; count /= 2) {
    if (known && count > *known)
      continue;
    Value times = b.divI(b.subI(total, low), b.index(count));
    Value high = b.addI(low, b.mulI(times, b.index(count)));
    b.loop(low, high, b.index(count),
           [&](Value row) { multiplyRows(count, row); });
    low = high;
  }
}

} // namespace

void lowerQuantizedMatmul(MatmulOp op, unsigned vectorBits) {
  LoopBuilder b(op, op.getInit().getType().getElementType());
  Value rows = b.dim(op.getInit(), 0);
  std::optional<int64_t> known = getConstantIntValue(rows);
  int64_t length = op.getWeight().getType().getDimSize(1) *
                   op.getQuantizationAttr().getBlock();
  // Whatever else is in the batch, a sequence takes one form.
  auto fewRows = op->getAttrOfType<BoolAttr>(kStepRowsAttr);
  bool areMany = fewRows ? !fewRows.getValue() : known && *known > kFewRows;
  if (length > kMostNumbers || areMany)
    return lowerMatmul(op, vectorBits);
  if (!known && !fewRows) {
    Value areFew = b.cmpI(arith::CmpIPredicate::ule, rows, b.index(kFewRows));
    auto choice = scf::IfOp::create(b, areFew, /*withElseRegion=*/true);
    b.setInsertionPointToStart(choice.elseBlock());
    lowerMatmul(cast<MatmulOp>(b.clone(*op)), vectorBits);
    op->moveBefore(choice.thenBlock(), choice.thenBlock()->begin());
  }
  FewRowsLowering(op, vectorBits).lower();
  op.erase();
}

} // namespace hybrid
