//===- LowerMatmul.cpp - products with weights in panels ------------------===//
//
// Per panel of columns the reduction is cut into parts whose piece of the panel
// stays in the L1 while all rows of the tile pass over it; R rows × one panel
// of the output stay in registers meanwhile (Goto and van de Geijn, "Anatomy of
// high-performance matrix multiplication", with the weight packed beforehand).
// A single row reads the panel as one stream, which is all that decoding needs.
// Of a quantised weight the numbers of such a part are computed first.
//
//===----------------------------------------------------------------------===//

#include "QuantizedWeight.h"

#include <numeric>

using namespace mlir;

namespace hybrid {
namespace {

/// Bytes of a panel's part that stay in the L1 beside the rows.
constexpr int64_t kPartBytes = 32 << 10;
/// How far ahead of a panel's stream memory is asked for its bytes, where few
/// rows use them: as many as are under way during a miss, and enough to pass
/// the ends of pages, at which the hardware's own prefetching stops.
constexpr int64_t kPrefetchBytes = 4 << 10;
/// Rows up to which that pays.
constexpr int64_t kStreamedRows = 4;

class MatmulLowering {
public:
  MatmulLowering(MatmulOp op, unsigned vectorBits);
  void lower();

private:
  VectorType getVectorType() {
    return VectorType::get({lanes}, b.getComputeType());
  }
  Value outputColumn(int64_t v) { return b.addI(column, b.index(v * lanes)); }
  Value maskOf(int64_t v);
  SmallVector<Value> loadSums(int64_t rows, bool isMasked);
  void storeSums(int64_t rows, ValueRange sums, bool isMasked);
  void multiplyRows(bool isMasked);
  void multiplyBlock(int64_t rows, bool isMasked);
  void prefetch(Value step);
  Value loadWeights(Value step, int64_t v);
  void dequantizePart();

  MatmulOp op;
  LoopBuilder b;
  int64_t panel, lanes, numVectors, blockRows;
  /// The panel, its first column, the rows' first, and the part of the
  /// reduction.
  Value panelIndex, column, firstRow, begin, end;
  /// The numbers of the part, if the weight is quantised.
  Value part;
};

MatmulLowering::MatmulLowering(MatmulOp op, unsigned vectorBits)
    : op(op), b(op, op.getInit().getType().getElementType()),
      panel(op.getPanel()) {
  lanes = std::gcd<int64_t>(
      panel, vectorBits / b.getComputeType().getIntOrFloatBitWidth());
  numVectors = panel / lanes;
  // Registers for the sums, the panel's row and a factor.
  int64_t registers = vectorBits >= 512 ? 32 : 16;
  blockRows =
      std::max<int64_t>(1, (registers - numVectors - 1) / numVectors / 2 * 2);
}

/// The lanes of vector `v` that are columns of the output.
Value MatmulLowering::maskOf(int64_t v) {
  Value rest = b.subI(b.dim(op.getInit(), 1), outputColumn(v));
  return vector::CreateMaskOp::create(
      b, VectorType::get({lanes}, b.getI1Type()), ValueRange{rest});
}

/// The sums of the parts before; zeros for the first.
SmallVector<Value> MatmulLowering::loadSums(int64_t rows, bool isMasked) {
  VectorType type = getVectorType();
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
  SmallVector<Value> zeros(rows * numVectors, zero);
  if (matchPattern(begin, m_Zero()))
    return zeros;
  Value isFirst = b.cmpI(arith::CmpIPredicate::eq, begin, b.index(0));
  SmallVector<Type> types(zeros.size(), type);
  auto choice = scf::IfOp::create(b, types, isFirst, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b, zeros);
  b.setInsertionPointToStart(choice.elseBlock());
  SmallVector<Value> sums;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < numVectors; ++v) {
      SmallVector<Value> at = {b.addI(firstRow, b.index(r)), outputColumn(v)};
      sums.push_back(
          isMasked
              ? vector::MaskedLoadOp::create(b, type, op.getInit(), at,
                                             maskOf(v), zero)
                    .getResult()
              : vector::LoadOp::create(b, type, op.getInit(), at).getResult());
    }
  scf::YieldOp::create(b, sums);
  return llvm::to_vector_of<Value>(choice.getResults());
}

void MatmulLowering::storeSums(int64_t rows, ValueRange sums, bool isMasked) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < numVectors; ++v) {
      SmallVector<Value> at = {b.addI(firstRow, b.index(r)), outputColumn(v)};
      Value sum = sums[r * numVectors + v];
      if (isMasked)
        vector::MaskedStoreOp::create(b, op.getInit(), at, maskOf(v), sum);
      else
        b.storeVector(sum, op.getInit(), at);
    }
}

/// What the panel's stream reaches later, one line of the cache after another.
void MatmulLowering::prefetch(Value step) {
  if (part)
    return;
  constexpr int64_t kLine = 64;
  int64_t width = op.getWeight().getType().getElementTypeBitWidth() / 8;
  int64_t stepBytes = panel * width;
  if (stepBytes < kLine || stepBytes % kLine)
    return;
  Value ahead = b.addI(step, b.index(kPrefetchBytes / stepBytes));
  for (int64_t at = 0; at < panel; at += kLine / width)
    memref::PrefetchOp::create(b, op.getWeight(),
                               ValueRange{panelIndex, ahead, b.index(at)},
                               /*isWrite=*/false, /*localityHint=*/2,
                               /*isDataCache=*/true);
}

Value MatmulLowering::loadWeights(Value step, int64_t v) {
  Value offset = b.index(v * lanes);
  if (part)
    return b.loadVector(part, {b.subI(step, begin), offset}, lanes);
  return b.loadVector(op.getWeight(), {panelIndex, step, offset}, lanes);
}

/// The numbers of all blocks between `begin`, where a block starts, and `end`.
void MatmulLowering::dequantizePart() {
  QuantizedWeight weight(b, op, lanes);
  Value size = b.index(weight.getBlock());
  Value last = b.divI(b.subI(end, b.index(1)), size);
  b.loop(b.divI(begin, size), b.addI(last, b.index(1)), [&](Value block) {
    Value first = b.subI(b.mulI(block, size), begin);
    for (int64_t v = 0; v < numVectors; ++v) {
      Value scales = weight.loadScales(panelIndex, block, v * lanes);
      Value zeros = weight.loadZeros(panelIndex, block, v * lanes);
      b.loop(b.index(0), b.index(weight.getWordsPerBlock()), [&](Value word) {
        Value words = weight.loadWords(panelIndex, block, word, v * lanes);
        Value row =
            b.addI(first, b.mulI(word, b.index(weight.getRowsPerWord())));
        for (auto [i, numbers] :
             llvm::enumerate(weight.dequantize(words, scales, zeros)))
          b.storeVector(numbers, part,
                        {b.addI(row, b.index(i)), b.index(v * lanes)});
      });
    }
  });
}

/// `rows` rows from firstRow on.
void MatmulLowering::multiplyBlock(int64_t rows, bool isMasked) {
  SmallVector<Value> init = loadSums(rows, isMasked);
  auto loop = scf::ForOp::create(b, begin, end, b.index(1), init);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value step = loop.getInductionVar();
    SmallVector<Value> weights, next;
    if (rows <= kStreamedRows)
      prefetch(step);
    for (int64_t v = 0; v < numVectors; ++v)
      weights.push_back(loadWeights(step, v));
    for (int64_t r = 0; r < rows; ++r) {
      Value row = b.addI(firstRow, b.index(r));
      Value factor = b.splat(b.load(op.getInput(), {row, step}), lanes);
      for (int64_t v = 0; v < numVectors; ++v)
        next.push_back(b.fma(factor, weights[v],
                             loop.getRegionIterArgs()[r * numVectors + v]));
    }
    scf::YieldOp::create(b, next);
  }
  storeSums(rows, loop.getResults(), isMasked);
}

/// All rows in blocks, then those left over in smaller ones.
void MatmulLowering::multiplyRows(bool isMasked) {
  Value low = b.index(0), total = b.dim(op.getInit(), 0);
  std::optional<int64_t> known = getConstantIntValue(total);
  for (int64_t rows :
       {blockRows, std::min<int64_t>(blockRows, 4), int64_t(1)}) {
    if (known && rows > *known)
      continue;
    Value count = b.divI(b.subI(total, low), b.index(rows));
    Value high = b.addI(low, b.mulI(count, b.index(rows)));
    auto loop = scf::ForOp::create(b, low, high, b.index(rows));
    low = high;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    firstRow = loop.getInductionVar();
    multiplyBlock(rows, isMasked);
  }
}

void MatmulLowering::lower() {
  QuantizationAttr form = op.getQuantizationAttr();
  Type element =
      form ? b.getComputeType() : op.getWeight().getType().getElementType();
  int64_t bytes = std::max<int64_t>(element.getIntOrFloatBitWidth() / 8, 1);
  int64_t partSteps = std::max<int64_t>(kPartBytes / (panel * bytes), 1);
  if (form) {
    partSteps = llvm::alignTo(partSteps, form.getBlock());
    part = b.scratch({b.index(partSteps), b.index(panel)});
  }
  Value length = b.dim(op.getInput(), 1), columns = b.dim(op.getInit(), 1);
  b.loop(b.index(0), b.dim(op.getWeight(), 0), [&](Value iv) {
    panelIndex = iv;
    column = b.mulI(iv, b.index(panel));
    auto parts = scf::ForOp::create(b, b.index(0), length, b.index(partSteps));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(parts.getBody());
    begin = parts.getInductionVar();
    end = b.minI(b.addI(begin, b.index(partSteps)), length);
    if (part)
      dequantizePart();
    std::optional<int64_t> known = getConstantIntValue(columns);
    if (known && *known % panel == 0)
      return multiplyRows(/*isMasked=*/false);
    Value isFull = b.cmpI(arith::CmpIPredicate::ule,
                          b.addI(column, b.index(panel)), columns);
    auto choice = scf::IfOp::create(b, isFull, /*withElseRegion=*/true);
    b.setInsertionPointToStart(choice.thenBlock());
    multiplyRows(/*isMasked=*/false);
    b.setInsertionPointToStart(choice.elseBlock());
    multiplyRows(/*isMasked=*/true);
  });
}

} // namespace

void lowerMatmul(MatmulOp op, unsigned vectorBits) {
  MatmulLowering(op, vectorBits).lower();
  op.erase();
}

} // namespace hybrid
