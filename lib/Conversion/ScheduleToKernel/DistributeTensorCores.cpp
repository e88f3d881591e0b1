//===- DistributeTensorCores.cpp - products of 16-bit floats --------------===//
//
// Tiles of kRows × kSteps and kSteps × kColumns go through shared memory, where
// both lie with the steps contiguous; eight warps, four by two, multiply
// 32 × 32 of them each by mma.sync.m16n8k16 with float32 sums (fragments: PTX
// ISA, "Matrix Fragments for mma.m16n8k16 with floating point type"). The next
// tiles are loaded to registers meanwhile.
//
//===----------------------------------------------------------------------===//

#include "DistributeContractions.h"
#include "ThreadBuilder.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace hybrid {
namespace {

constexpr int64_t kRows = 128, kColumns = 64, kSteps = 32;
/// What a warp multiplies, in tiles of 16 rows and of 8 columns.
constexpr int64_t kWarpRows = 32, kWarpColumns = 32;
constexpr int64_t kRowTiles = kWarpRows / 16, kColumnTiles = kWarpColumns / 8;
constexpr int64_t kWarpsAcross = kColumns / kWarpColumns;
constexpr int64_t kThreads = kRows / kWarpRows * kWarpsAcross * kWarpSize;
/// Elements of a 16-byte load, and what keeps rows in different banks.
constexpr int64_t kWidth = 8, kPadding = 8;

class TensorCoreProduct {
public:
  TensorCoreProduct(RowsTimesMatrix theProduct, ThreadBuilder &b)
      : product(theProduct), b(b), element(getElementTypeOrSelf(product.rows)),
        rows(b.dim(product.result, 0)), columns(b.dim(product.result, 1)),
        steps(b.dim(product.rows, 1)) {}

  void lower();

private:
  SmallVector<Value> loadTiles(Value first);
  void storeTiles(ValueRange vectors);
  SmallVector<Value> multiplyTiles(ValueRange sums);
  /// Two neighbours along the steps as an operand of mma.sync.
  Value loadPair(Value tile, Value row, Value step);
  void storeSums(ValueRange sums);
  Value constant(int64_t value) { return b.index(value); }

  RowsTimesMatrix product;
  ThreadBuilder &b;
  Type element;
  Value rows, columns, steps;
  Value rowTile, columnTile;
};

/// The thread's vectors of both tiles. Beyond the last step rows are zero, and
/// the matrix is anything; beyond the last row and column they repeat.
SmallVector<Value> TensorCoreProduct::loadTiles(Value first) {
  Value thread = b.thread();
  int64_t chunks = kSteps / kWidth;
  SmallVector<Value> vectors;
  auto clamp = [&](Value at, Value limit, int64_t width) {
    return b.minI(at, b.subI(limit, constant(width)));
  };
  Type vectorType = VectorType::get({kWidth}, element);
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(vectorType));
  for (int64_t i = 0; i < kRows * chunks / kThreads; ++i) {
    Value number = b.addI(thread, constant(i * kThreads));
    Value row = clamp(b.divI(number, constant(chunks)), rows, 1);
    Value step = b.addI(
        first, b.mulI(b.remI(number, constant(chunks)), constant(kWidth)));
    Value inside = b.cmpI(arith::CmpIPredicate::ult, step, steps);
    Value vector = b.loadAlignedRaw(product.rows,
                                    {row, clamp(step, steps, kWidth)}, kWidth);
    vectors.push_back(b.select(inside, vector, zero));
  }
  for (int64_t i = 0; i < kColumns * chunks / kThreads; ++i) {
    Value number = b.addI(thread, constant(i * kThreads));
    if (product.isTransposed) {
      Value column = clamp(b.divI(number, constant(chunks)), columns, 1);
      Value step = b.addI(
          first, b.mulI(b.remI(number, constant(chunks)), constant(kWidth)));
      vectors.push_back(b.loadAlignedRaw(
          product.matrix, {column, clamp(step, steps, kWidth)}, kWidth));
      continue;
    }
    int64_t across = kColumns / kWidth;
    Value column = b.mulI(b.remI(number, constant(across)), constant(kWidth));
    Value step = b.addI(first, b.divI(number, constant(across)));
    vectors.push_back(b.loadAlignedRaw(
        product.matrix, {clamp(step, steps, 1), clamp(column, columns, kWidth)},
        kWidth));
  }
  return vectors;
}

void TensorCoreProduct::storeTiles(ValueRange vectors) {
  Value thread = b.thread();
  int64_t chunks = kSteps / kWidth;
  auto place = [&](int64_t i, int64_t across) {
    Value number = b.addI(thread, constant(i * kThreads));
    return std::pair<Value, Value>(
        b.divI(number, constant(across)),
        b.mulI(b.remI(number, constant(across)), constant(kWidth)));
  };
  int64_t numRows = kRows * chunks / kThreads;
  for (int64_t i = 0; i < numRows; ++i) {
    auto [row, step] = place(i, chunks);
    b.storeAligned(vectors[i], rowTile, {row, step});
  }
  for (auto [i, vector] : llvm::enumerate(vectors.drop_front(numRows))) {
    if (product.isTransposed) {
      auto [column, step] = place(i, chunks);
      b.storeAligned(vector, columnTile, {column, step});
      continue;
    }
    auto [step, column] = place(i, kColumns / kWidth);
    for (int64_t j = 0; j < kWidth; ++j)
      memref::StoreOp::create(
          b,
          vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{j})
              .getResult(),
          columnTile, ValueRange{b.addI(column, constant(j)), step});
  }
}

Value TensorCoreProduct::loadPair(Value tile, Value row, Value step) {
  Value pair = b.loadAlignedRaw(tile, {row, step}, 2);
  if (element.isF16())
    return pair;
  Value word =
      vector::BitCastOp::create(b, VectorType::get({1}, b.getI32Type()), pair);
  return vector::ExtractOp::create(b, word, ArrayRef<int64_t>{0});
}

/// Sums of a warp: four of each of its tiles of 16 × 8, row tile by row tile.
SmallVector<Value> TensorCoreProduct::multiplyTiles(ValueRange sums) {
  Value group = b.divI(b.lane(), constant(4)),
        pair = b.mulI(b.remI(b.lane(), constant(4)), constant(2));
  Value row = b.addI(b.mulI(b.divI(b.warp(), constant(kWarpsAcross)),
                            constant(kWarpRows)),
                     group),
        column = b.addI(b.mulI(b.remI(b.warp(), constant(kWarpsAcross)),
                               constant(kWarpColumns)),
                        group);
  SmallVector<Value> next(sums);
  auto type = element.isF16() ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
  Type f32 = b.getF32Type();
  Type four =
      LLVM::LLVMStructType::getLiteral(b.getContext(), {f32, f32, f32, f32});
  for (int64_t k = 0; k < kSteps; k += 16) {
    SmallVector<SmallVector<Value>> lefts, rights;
    for (int64_t m = 0; m < kRowTiles; ++m) {
      lefts.emplace_back();
      for (int64_t part : {0, 1, 2, 3})
        lefts.back().push_back(
            loadPair(rowTile, b.addI(row, constant(m * 16 + part % 2 * 8)),
                     b.addI(pair, constant(k + part / 2 * 8))));
    }
    for (int64_t n = 0; n < kColumnTiles; ++n) {
      rights.emplace_back();
      for (int64_t part : {0, 1})
        rights.back().push_back(loadPair(columnTile,
                                         b.addI(column, constant(n * 8)),
                                         b.addI(pair, constant(k + part * 8))));
    }
    for (int64_t m = 0; m < kRowTiles; ++m)
      for (int64_t n = 0; n < kColumnTiles; ++n) {
        MutableArrayRef<Value> own =
            MutableArrayRef(next).slice((m * kColumnTiles + n) * 4, 4);
        Value result = NVVM::MmaOp::create(
            b, four, lefts[m], rights[n], ValueRange(ArrayRef<Value>(own)),
            ArrayRef<int64_t>{16, 8, 16}, std::nullopt, std::nullopt,
            std::array<NVVM::MMATypes, 2>{type, type},
            std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row,
                                           NVVM::MMALayout::col});
        for (auto [i, sum] : llvm::enumerate(own))
          sum = LLVM::ExtractValueOp::create(b, result,
                                             ArrayRef<int64_t>{int64_t(i)});
      }
  }
  return next;
}

void TensorCoreProduct::storeSums(ValueRange sums) {
  Value group = b.divI(b.lane(), constant(4)),
        pair = b.mulI(b.remI(b.lane(), constant(4)), constant(2));
  Value row = b.addI(b.mulI(b.divI(b.warp(), constant(kWarpsAcross)),
                            constant(kWarpRows)),
                     group),
        column = b.addI(b.mulI(b.remI(b.warp(), constant(kWarpsAcross)),
                               constant(kWarpColumns)),
                        pair);
  for (int64_t m = 0; m < kRowTiles; ++m)
    for (int64_t n = 0; n < kColumnTiles; ++n)
      for (int64_t i = 0; i < 4; ++i) {
        Value r = b.addI(row, constant(m * 16 + i / 2 * 8)),
              c = b.addI(column, constant(n * 8 + i % 2));
        Value exists = arith::AndIOp::create(
            b, b.cmpI(arith::CmpIPredicate::ult, r, rows),
            b.cmpI(arith::CmpIPredicate::ult, c, columns));
        auto branch = scf::IfOp::create(b, exists, /*withElseRegion=*/false);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(branch.thenBlock());
        Value sum = sums[(m * kColumnTiles + n) * 4 + i];
        if (!product.isFromZero)
          sum = b.add(sum, b.load(product.result, {r, c}));
        b.store(sum, product.result, {r, c});
      }
}

void TensorCoreProduct::lower() {
  rowTile = b.shared({kRows, kSteps + kPadding}, element);
  columnTile = b.shared({kColumns, kSteps + kPadding}, element);
  int64_t numSums = kRowTiles * kColumnTiles * 4;
  SmallVector<Value> carried(numSums, b.real(0));
  llvm::append_range(carried, loadTiles(constant(0)));
  auto results = b.reduce(constant(0), steps, constant(kSteps), carried,
                          [&](Value first, ValueRange values) {
                            storeTiles(values.drop_front(numSums));
                            b.barrier();
                            SmallVector<Value> ahead =
                                loadTiles(b.addI(first, constant(kSteps)));
                            SmallVector<Value> next =
                                multiplyTiles(values.take_front(numSums));
                            b.barrier();
                            llvm::append_range(next, ahead);
                            return next;
                          });
  storeSums(results.take_front(numSums));
}

} // namespace

bool fitsTensorCores(const RowsTimesMatrix &product, int64_t threads) {
  Type element = getElementTypeOrSelf(product.rows);
  if (threads != kThreads || element != getElementTypeOrSelf(product.matrix) ||
      !(element.isF16() || element.isBF16()))
    return false;
  auto matrix = cast<MemRefType>(product.matrix.getType()),
       rows = cast<MemRefType>(product.rows.getType());
  int64_t steps = rows.getDimSize(1);
  if (ShapedType::isDynamic(steps) || steps % kWidth ||
      !ThreadBuilder::isAligned(product.rows, kWidth) ||
      !ThreadBuilder::isAligned(product.matrix, kWidth))
    return false;
  if (product.isTransposed)
    return true;
  // Of a tile that is cut off at the end, whole vectors are left.
  int64_t columns = matrix.getDimSize(1);
  if (auto view = product.matrix.getDefiningOp<memref::SubViewOp>())
    columns = cast<MemRefType>(view.getSource().getType()).getShape().back();
  return !ShapedType::isDynamic(columns) && columns % kWidth == 0;
}

void multiplyOnTensorCores(const RowsTimesMatrix &product, ThreadBuilder &b) {
  TensorCoreProduct(product, b).lower();
}

} // namespace hybrid
