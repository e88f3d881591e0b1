//===- LowerTiledMatmul.cpp - products on matrix units --------------------===//
//
// Products of rows in tiles (hybrid.pack_rows) for the matrix units of x86-64,
// AMX: a tile is 16 rows of 64 bytes, a product of two adds 16 × 16 sums of 32
// products of bfloat16. Four tiles of sums stay in registers, 32 rows × 32
// columns, and four more hold factors.
//
// Numbers with more bits are sums of pieces, and products of them sums of the
// pieces' products (Henry, Tang and Heinecke, "Leveraging the bfloat16
// artificial intelligence datatype for higher-precision computations", ARITH
// 2019): six for float32, whose error is that of sums in float32. Weights are
// cut into pieces when they are used, part of a panel by part, for all rows of
// a block: in memory they stay as they are, since decoding is bound by their
// bytes.
//
//===----------------------------------------------------------------------===//

#include "QuantizedWeight.h"
#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "mlir/Dialect/AMX/AMXDialect.h"

using namespace mlir;

namespace hybrid {
namespace {

constexpr int64_t kStep = kTileStep, kGroup = kTileGroupRows, kTile = 16;
/// Bytes of a block's rows that stay in the L2 while panels pass over them.
constexpr int64_t kRowBytes = 1280 << 10;

/// The high halves of the lanes of the result are the pieces of `value`, a
/// vector of f32, in bfloat16; the low halves of the first are not zero. Not
/// rounding the first piece keeps what is no number, or near the largest.
SmallVector<Value> split(LoopBuilder &b, Value value, int64_t numPieces) {
  auto floats = cast<VectorType>(value.getType());
  VectorType integers = floats.clone(b.getI32Type());
  auto constant = [&](int32_t bits) -> Value {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(integers, b.getI32IntegerAttr(bits)));
  };
  SmallVector<Value> pieces;
  for (int64_t i = 0; i < numPieces; ++i) {
    Value bits = arith::BitcastOp::create(b, integers, value);
    if (i > 0)
      bits = arith::AddIOp::create(b, bits, constant(0x8000));
    if (i + 1 < numPieces) {
      bits = arith::AndIOp::create(b, bits, constant(0xffff0000));
      value = arith::SubFOp::create(b, value,
                                    arith::BitcastOp::create(b, floats, bits));
    }
    pieces.push_back(bits);
  }
  return pieces;
}

class PackRowsLowering {
public:
  explicit PackRowsLowering(PackRowsOp op)
      : op(op), b(op, op.getInput().getType().getElementType()),
        numPieces(getNumPieces(op.getInput().getType().getElementType())),
        length(op.getInput().getType().getDimSize(1)) {}

  void lower();

private:
  Value loadRow(Value row, Value column, int64_t offset, bool isWhole);
  void packStep(Value row, ArrayRef<Value> tileIndex, Value step, bool isWhole);
  void storeZeros(ArrayRef<Value> tileIndex, Value step);

  PackRowsOp op;
  LoopBuilder b;
  int64_t numPieces, length;
};

/// 16 numbers of a row, zeros beyond its length.
Value PackRowsLowering::loadRow(Value row, Value column, int64_t offset,
                                bool isWhole) {
  Value first = b.addI(column, b.index(offset));
  if (isWhole)
    return b.loadVector(op.getInput(), {row, first}, kTile);
  Type element = op.getInput().getType().getElementType();
  VectorType type = VectorType::get({kTile}, element);
  Value mask = vector::CreateMaskOp::create(
      b, type.clone(b.getI1Type()), ValueRange{b.subI(b.index(length), first)});
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
  return b.toCompute(vector::MaskedLoadOp::create(
      b, type, op.getInput(), ValueRange{row, first}, mask, zero));
}

/// Step `step` of `row`, all pieces. `tileIndex`: group, half and row of tile.
void PackRowsLowering::packStep(Value row, ArrayRef<Value> tileIndex,
                                Value step, bool isWhole) {
  Value column = b.mulI(step, b.index(kStep));
  for (int64_t offset = 0; offset < kStep; offset += kTile) {
    SmallVector<Value> pieces =
        split(b, loadRow(row, column, offset, isWhole), numPieces);
    for (auto [piece, bits] : llvm::enumerate(pieces)) {
      auto type = cast<VectorType>(bits.getType());
      Value shift = arith::ConstantOp::create(
          b, DenseElementsAttr::get(type, b.getI32IntegerAttr(16)));
      Value high =
          arith::TruncIOp::create(b, type.clone(b.getI16Type()),
                                  arith::ShRUIOp::create(b, bits, shift));
      b.storeVector(
          arith::BitcastOp::create(b, type.clone(b.getBF16Type()), high),
          op.getInit(),
          {tileIndex[0], step, b.addI(tileIndex[1], b.index(2 * piece)),
           tileIndex[2], b.index(offset)});
    }
  }
}

void PackRowsLowering::storeZeros(ArrayRef<Value> tileIndex, Value step) {
  auto type = VectorType::get({kStep}, b.getBF16Type());
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
  for (int64_t piece = 0; piece < numPieces; ++piece)
    b.storeVector(zero, op.getInit(),
                  {tileIndex[0], step, b.addI(tileIndex[1], b.index(2 * piece)),
                   tileIndex[2], b.index(0)});
}

void PackRowsLowering::lower() {
  Value rows = b.dim(op.getInput(), 0), zero = b.index(0);
  Value whole = b.index(length / kStep), steps = b.dim(op.getInit(), 1);
  b.nest({b.dim(op.getInit(), 0), b.index(2), b.index(kTile)},
         [&](ValueRange ivs) {
           SmallVector<Value> tileIndex(ivs);
           Value row = b.addI(b.mulI(b.addI(b.mulI(ivs[0], b.index(2)), ivs[1]),
                                     b.index(kTile)),
                              ivs[2]);
           Value exists = b.cmpI(arith::CmpIPredicate::ult, row, rows);
           auto choice = scf::IfOp::create(b, exists, /*withElseRegion=*/true);
           OpBuilder::InsertionGuard guard(b);
           b.setInsertionPointToStart(choice.thenBlock());
           b.loop(zero, whole, [&](Value step) {
             packStep(row, tileIndex, step, /*isWhole=*/true);
           });
           if (length % kStep)
             packStep(row, tileIndex, whole, /*isWhole=*/false);
           b.setInsertionPointToStart(choice.elseBlock());
           b.loop(zero, steps,
                  [&](Value step) { storeZeros(tileIndex, step); });
         });
}

class TiledMatmulLowering {
public:
  explicit TiledMatmulLowering(MatmulOp op);
  void lower();

private:
  using Pair = std::pair<int64_t, int64_t>;
  void packPart(Value panel, Value begin, Value numSteps);
  void packPair(Value panel, Value step, Value pair, Value row, int64_t count);
  void packWord(Value panel, Value word, Value firstPair);
  void storePair(ArrayRef<Value> even, ArrayRef<Value> odd, Value step,
                 int64_t half, Value pair);
  SmallVector<Value> splitWeight(Value value);
  std::pair<Value, Value> getPlace(Value pair, Value firstPair);
  void multiplyGroup(Value group, Value begin, Value numSteps);
  SmallVector<Value> multiplyStep(Value group, Value step, Value partStep,
                                  ValueRange sums);
  void writeGroup(Value group, Value column, bool isFirst);
  Value loadTile(Value memref, ValueRange index, Type element) {
    auto type =
        amx::TileType::get({kTile, element.isF32() ? kTile : kStep}, element);
    return amx::TileLoadOp::create(b, type, memref, index);
  }

  MatmulOp op;
  LoopBuilder b;
  int64_t length, steps, partSteps;
  int64_t inputPieces, weightPieces;
  /// Which pieces of both factors are multiplied, in an order in which
  /// neighbours share one.
  SmallVector<Pair> products;
  /// Four tiles of zeros, the sums of a group, the part of a panel.
  Value zeros, sums, part;
};

TiledMatmulLowering::TiledMatmulLowering(MatmulOp op)
    : op(op), b(op, op.getInit().getType().getElementType()),
      length(
          op.getWeight().getType().getDimSize(1) *
          (op.getQuantizationAttr() ? op.getQuantizationAttr().getBlock() : 1)),
      steps(op.getInput().getType().getDimSize(1)),
      inputPieces(op.getInput().getType().getDimSize(2) / 2),
      weightPieces(op.getNumWeightPieces()) {
  QuantizationAttr form = op.getQuantizationAttr();
  int64_t numPieces = form && form.getRoundedRows()
                          ? 1
                          : std::max(inputPieces, weightPieces);
  for (int64_t i = inputPieces; i-- > 0;) {
    SmallVector<Pair> row;
    for (int64_t j = 0; j < std::min(weightPieces, numPieces - i); ++j)
      row.emplace_back(i, j);
    // Starts with the piece of the weight that the row before ended with.
    if (!products.empty() && products.back().second != 0)
      std::reverse(row.begin(), row.end());
    llvm::append_range(products, row);
  }
  int64_t stepBytes =
      kMatrixUnitRows / kGroup * inputPieces * 2 * kTile * kStep * 2;
  int64_t most = std::max<int64_t>(kRowBytes / stepBytes, 1);
  partSteps = llvm::divideCeil(steps, llvm::divideCeil(steps, most));
}

/// The pieces of numbers of the weight.
SmallVector<Value> TiledMatmulLowering::splitWeight(Value value) {
  // One piece of a number that has more bits is the nearest.
  if (op.getQuantizationAttr() && weightPieces == 1) {
    auto floats = cast<VectorType>(value.getType());
    VectorType integers = floats.clone(b.getI32Type());
    Value half = arith::ConstantOp::create(
        b, DenseElementsAttr::get(integers, b.getI32IntegerAttr(0x8000)));
    value = arith::BitcastOp::create(
        b, floats,
        arith::AddIOp::create(b, arith::BitcastOp::create(b, integers, value),
                              half));
  }
  return split(b, value, weightPieces);
}

/// Stores the pieces of a row and, if there are some, of the one behind it, 16
/// columns each.
void TiledMatmulLowering::storePair(ArrayRef<Value> even, ArrayRef<Value> odd,
                                    Value step, int64_t half, Value pair) {
  VectorType integers = VectorType::get({kTile}, b.getI32Type());
  auto constant = [&](int32_t bits) -> Value {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(integers, b.getI32IntegerAttr(bits)));
  };
  for (int64_t piece = 0; piece < weightPieces; ++piece) {
    Value bits = arith::ShRUIOp::create(b, even[piece], constant(16));
    if (!odd.empty())
      bits = arith::OrIOp::create(
          b, bits, arith::AndIOp::create(b, odd[piece], constant(0xffff0000)));
    Value values = vector::BitCastOp::create(
        b, VectorType::get({kStep}, b.getBF16Type()), bits);
    b.storeVector(values, part,
                  {step, b.index(2 * piece + half), pair, b.index(0)});
  }
}

/// Rows `row` and, if `count` is 2, the one behind it, as pairs of columns.
void TiledMatmulLowering::packPair(Value panel, Value step, Value pair,
                                   Value row, int64_t count) {
  for (int64_t half = 0; half < 2; ++half) {
    auto getPieces = [&](int64_t i) {
      Value at = b.addI(row, b.index(i));
      return splitWeight(b.loadVector(
          op.getWeight(), {panel, at, b.index(half * kTile)}, kTile));
    };
    SmallVector<Value> even = getPieces(0), odd;
    if (count == 2)
      odd = getPieces(1);
    storePair(even, odd, step, half, pair);
  }
}

/// The rows in word `word`, counted over all blocks, of a quantised panel.
void TiledMatmulLowering::packWord(Value panel, Value word, Value firstPair) {
  QuantizedWeight weight(b, op, kTile);
  Value perBlock = b.index(weight.getWordsPerBlock());
  Value block = b.divI(word, perBlock);
  Value inBlock = b.createOrFold<arith::RemUIOp>(word, perBlock);
  int64_t numPairs = weight.getRowsPerWord() / 2;
  for (int64_t half = 0; half < 2; ++half) {
    SmallVector<Value> numbers =
        weight.dequantize(weight.loadWords(panel, block, inBlock, half * kTile),
                          weight.loadScales(panel, block, half * kTile),
                          weight.loadZeros(panel, block, half * kTile));
    for (int64_t i = 0; i < numPairs; ++i) {
      auto [step, place] = getPlace(
          b.addI(b.mulI(word, b.index(numPairs)), b.index(i)), firstPair);
      storePair(splitWeight(numbers[2 * i]), splitWeight(numbers[2 * i + 1]),
                step, half, place);
    }
  }
}

/// Step and place of a pair in the part that starts with `firstPair`.
std::pair<Value, Value> TiledMatmulLowering::getPlace(Value pair,
                                                      Value firstPair) {
  Value own = b.subI(pair, firstPair), perStep = b.index(kStep / 2);
  return {b.divI(own, perStep), b.createOrFold<arith::RemUIOp>(own, perStep)};
}

/// Pieces of the rows of `panel` from step `begin` on, zeros beyond the last.
void TiledMatmulLowering::packPart(Value panel, Value begin, Value numSteps) {
  Value pairsPerStep = b.index(kStep / 2), zero = b.index(0);
  Value firstPair = b.mulI(begin, pairsPerStep);
  Value endPair = b.minI(b.mulI(b.addI(begin, numSteps), pairsPerStep),
                         b.index(length / 2));
  auto at = [&](Value pair) { return getPlace(pair, firstPair); };
  if (QuantizationAttr form = op.getQuantizationAttr()) {
    Value perWord = b.index(form.getRowsPerWord() / 2);
    b.loop(b.divI(firstPair, perWord), b.divI(endPair, perWord),
           [&](Value word) { packWord(panel, word, firstPair); });
  } else {
    b.loop(firstPair, endPair, [&](Value pair) {
      auto [step, place] = at(pair);
      packPair(panel, step, place, b.mulI(pair, b.index(2)), 2);
    });
  }
  if (length >= steps * kStep)
    return;
  // The last step has to be filled up; other parts do not reach there.
  Value isLast =
      b.cmpI(arith::CmpIPredicate::eq, b.addI(begin, numSteps), b.index(steps));
  auto rest = scf::IfOp::create(b, isLast, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(rest.thenBlock());
  auto type = VectorType::get({kStep}, b.getBF16Type());
  Value none = arith::ConstantOp::create(b, b.getZeroAttr(type));
  b.loop(endPair, b.index(steps * kStep / 2), [&](Value pair) {
    auto [step, place] = at(pair);
    for (int64_t i = 0; i < 2 * weightPieces; ++i)
      b.storeVector(none, part, {step, b.index(i), place, zero});
  });
  if (length % 2) {
    auto [step, place] = at(endPair);
    packPair(panel, step, place, b.index(length - 1), 1);
  }
}

/// The four tiles of sums with the products of one step added to them.
SmallVector<Value> TiledMatmulLowering::multiplyStep(Value group, Value step,
                                                     Value partStep,
                                                     ValueRange before) {
  Type bf16 = b.getBF16Type();
  Value zero = b.index(0);
  SmallVector<Value> next(before), rows(2), columns(2);
  Pair loaded = {-1, -1};
  for (Pair product : products) {
    for (int64_t half = 0; half < 2; ++half) {
      if (product.first != loaded.first)
        rows[half] = loadTile(
            op.getInput(),
            {group, step, b.index(2 * product.first + half), zero, zero}, bf16);
      if (product.second != loaded.second)
        columns[half] = loadTile(
            part, {partStep, b.index(2 * product.second + half), zero, zero},
            bf16);
    }
    loaded = product;
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t j = 0; j < 2; ++j) {
        Value &sum = next[2 * i + j];
        sum =
            amx::TileMulFOp::create(b, sum.getType(), rows[i], columns[j], sum);
      }
  }
  return next;
}

/// Sums of the part for all rows of `group`, into the buffer of sums.
void TiledMatmulLowering::multiplyGroup(Value group, Value begin,
                                        Value numSteps) {
  Value zero = b.index(0);
  SmallVector<Value> init;
  // Zeros from memory: copies of one zeroed register would go there and back.
  for (int64_t i = 0; i < 4; ++i)
    init.push_back(loadTile(zeros, {b.index(i * kTile), zero}, b.getF32Type()));
  auto result = b.reduce(
      zero, numSteps, b.index(1), init, [&](Value step, ValueRange carried) {
        return multiplyStep(group, b.addI(begin, step), step, carried);
      });
  for (int64_t i = 0; i < 4; ++i)
    amx::TileStoreOp::create(
        b, sums, ValueRange{b.index(i / 2 * kTile), b.index(i % 2 * kTile)},
        result[i]);
}

/// Sets the group's rows of the output, or adds to them.
void TiledMatmulLowering::writeGroup(Value group, Value column, bool isFirst) {
  Value first = b.mulI(group, b.index(kGroup));
  Value rows = b.minI(b.subI(b.dim(op.getInit(), 0), first), b.index(kGroup));
  Value columns = b.dim(op.getInit(), 1);
  std::optional<int64_t> known = getConstantIntValue(columns);
  bool isMasked = !known || *known % (2 * kTile);
  VectorType type = VectorType::get({kTile}, b.getComputeType());
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
  b.loop(b.index(0), rows, [&](Value row) {
    for (int64_t half = 0; half < 2; ++half) {
      Value offset = b.index(half * kTile);
      Value value = b.loadVector(sums, {row, offset}, kTile), mask;
      SmallVector<Value> at = {b.addI(first, row), b.addI(column, offset)};
      if (isMasked)
        mask = vector::CreateMaskOp::create(b, type.clone(b.getI1Type()),
                                            ValueRange{b.subI(columns, at[1])});
      if (!isFirst)
        value =
            b.add(value, isMasked ? vector::MaskedLoadOp::create(
                                        b, type, op.getInit(), at, mask, zero)
                                        .getResult()
                                  : b.loadVector(op.getInit(), at, kTile));
      if (isMasked)
        vector::MaskedStoreOp::create(b, op.getInit(), at, mask, value);
      else
        b.storeVector(value, op.getInit(), at);
    }
  });
}

void TiledMatmulLowering::lower() {
  auto allocate = [&](ArrayRef<int64_t> shape, Type element) {
    return memref::AllocaOp::create(b, MemRefType::get(shape, element),
                                    b.getI64IntegerAttr(64));
  };
  zeros = allocate({4 * kTile, kTile}, b.getF32Type());
  sums = allocate({kGroup, 2 * kTile}, b.getF32Type());
  part = allocate({partSteps, 2 * weightPieces, kTile, kStep}, b.getBF16Type());
  b.loop(b.index(0), b.index(4 * kTile), [&](Value row) {
    b.storeVector(b.splat(b.real(0), kTile), zeros, {row, b.index(0)});
  });
  for (int64_t begin = 0; begin < steps; begin += partSteps) {
    Value numSteps = b.index(std::min(partSteps, steps - begin));
    b.loop(b.index(0), b.dim(op.getWeight(), 0), [&](Value panel) {
      packPart(panel, b.index(begin), numSteps);
      Value column = b.mulI(panel, b.index(2 * kTile));
      b.loop(b.index(0), b.dim(op.getInput(), 0), [&](Value group) {
        multiplyGroup(group, b.index(begin), numSteps);
        writeGroup(group, column, /*isFirst=*/begin == 0);
      });
    });
  }
}

} // namespace

void lowerPackRows(PackRowsOp op) {
  PackRowsLowering(op).lower();
  op.erase();
}

void lowerTiledMatmul(MatmulOp op) {
  TiledMatmulLowering(op).lower();
  op.erase();
}

} // namespace hybrid
