//===- DistributeContractions.cpp - products of matrices for threads ------===//
//
// Two ways, between which the number of rows decides when the block runs.
//
// Few rows (decoding): the matrix is read once, 16 bytes at a time, by all
// threads. Where it is contiguous along the columns a thread has a vector of
// neighbouring columns and some of the steps k, and sums over threads end in
// shared memory; where it is contiguous along k the lanes of a warp share a
// column.
//
// More rows: tiles of kRows × kSteps and kSteps × kColumns go through shared
// memory, each thread keeps 8 × 4 sums, and the next tiles are loaded to
// registers while the present ones are multiplied (Volkov and Demmel,
// "Benchmarking GPUs to tune dense linear algebra", SC 2008).
//
//===----------------------------------------------------------------------===//

#include "DistributeContractions.h"
#include "ThreadBuilder.h"
#include "hybrid/Dialect/Hybrid/Transforms/Products.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

using namespace mlir;

namespace hybrid {
namespace {

constexpr llvm::StringLiteral kFromZeroAttr = "hybrid.from_zero";

/// Rows that share a pass over the matrix where there are few, and up to how
/// many it is passed over again for the others.
constexpr int64_t kThinRows = 4, kMostThinRows = 16;
/// Loads of the matrix that a thread has under way.
constexpr int64_t kThinUnroll = 8;

/// Tiles in shared memory, and the sums of a thread.
constexpr int64_t kRows = 128, kColumns = 64, kSteps = 16;
constexpr int64_t kThreadRows = 8, kThreadColumns = 4;
/// Keeps vectors aligned and rows in different banks.
constexpr int64_t kPadding = 4;

class Product {
public:
  Product(RowsTimesMatrix theProduct, int64_t threads)
      : product(theProduct),
        b(product.op, Float32Type::get(product.rows.getContext()), threads),
        rows(b.dim(product.result, 0)), columns(b.dim(product.result, 1)),
        steps(b.dim(product.rows, 1)) {}

  void lower();

private:
  // Few rows.
  void lowerThin();
  void lowerThinRows(Value first, int64_t count);
  void lowerThinAcross(Value first, int64_t count);
  void lowerThinAlong(Value first, int64_t count);
  int64_t vectorWidth();
  Value loadRow(Value first, int64_t r, Value k) {
    Value row = b.minI(b.addI(first, b.index(r)), b.subI(rows, b.index(1)));
    return b.load(product.rows, {row, k});
  }
  void finish(Value sum, Value row, Value column);

  // More rows.
  void lowerTiled();
  SmallVector<Value> loadTiles(Value firstStep);
  void storeTiles(ValueRange values);
  SmallVector<Value> multiplyTiles(ValueRange sums);
  Value tileElement(Value memref, Value row, Value rowLimit, Value step,
                    bool isTransposed);

  RowsTimesMatrix product;
  ThreadBuilder b;
  Value rows, columns, steps;
  Value rowTile, columnTile;
};

/// result[row, column] (+)= sum.
void Product::finish(Value sum, Value row, Value column) {
  if (!product.isFromZero)
    sum = b.add(sum, b.load(product.result, {row, column}));
  b.store(sum, product.result, {row, column});
}

//===----------------------------------------------------------------------===//
// Few rows
//===----------------------------------------------------------------------===//

/// Elements of the matrix in a load; 1 if vectors would not be aligned.
int64_t Product::vectorWidth() {
  auto type = cast<MemRefType>(product.matrix.getType());
  int64_t width = 16 * 8 / type.getElementTypeBitWidth();
  auto inner = getConstantIntValue(product.isTransposed ? steps : columns);
  while (width > 1 &&
         ((inner && *inner % width) || !b.isAligned(product.matrix, width)))
    width /= 2;
  // Parts of a row that the tile cuts off have to be whole vectors, too.
  if (!inner && !product.isTransposed) {
    auto view = product.matrix.getDefiningOp<memref::SubViewOp>();
    auto whole =
        view ? cast<MemRefType>(view.getSource().getType()).getShape().back()
             : ShapedType::kDynamic;
    while (width > 1 && (ShapedType::isDynamic(whole) || whole % width))
      width /= 2;
  }
  return width;
}

void Product::lowerThinRows(Value first, int64_t count) {
  if (product.isTransposed)
    lowerThinAlong(first, count);
  else
    lowerThinAcross(first, count);
}

/// Rows first … first + count - 1 (the last one again where there are fewer) of
/// a matrix that is contiguous along the columns.
void Product::lowerThinAcross(Value first, int64_t count) {
  int64_t width = vectorWidth();
  // The threads are groups of columns × parts of the steps.
  int64_t most = kColumns;
  auto bound = ValueBoundsConstraintSet::computeConstantBound(
      presburger::BoundType::UB,
      ValueBoundsConstraintSet::Variable(product.result, 1),
      /*stopCondition=*/nullptr, /*closedUB=*/true);
  if (succeeded(bound))
    most = std::clamp<int64_t>(*bound, 1, most);
  int64_t groups = 1;
  while (groups * width < most && groups < kWarpSize)
    groups *= 2;
  int64_t parts = b.numThreads() / groups, perPass = groups * width;
  Value group = b.remI(b.thread(), b.index(groups)),
        part = b.divI(b.thread(), b.index(groups));
  Value scratch = b.shared({b.numWarps(), count * perPass}, b.getF32Type());
  b.loop(b.index(0), columns, b.index(perPass), [&](Value pass) {
    Value column = b.addI(pass, b.mulI(group, b.index(width)));
    Value inside = b.minI(column, b.subI(columns, b.index(width)));
    auto multiply = [&](Value k, ValueRange sums) {
      SmallVector<Value> next;
      SmallVector<Value> weights;
      if (width > 1) {
        Value vector = b.loadAligned(product.matrix, {k, inside}, width);
        for (int64_t i = 0; i < width; ++i)
          weights.push_back(
              vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{i}));
      } else {
        weights.push_back(b.load(product.matrix, {k, inside}));
      }
      for (int64_t r = 0; r < count; ++r) {
        Value x = loadRow(first, r, k);
        for (int64_t i = 0; i < width; ++i)
          next.push_back(b.add(sums[r * width + i], b.mul(x, weights[i])));
      }
      return next;
    };
    SmallVector<Value> zeros(count * width, b.real(0));
    Value stride = b.index(parts * kThinUnroll);
    // Whole rounds of all parts, then what is left.
    Value whole = b.mulI(b.divI(steps, stride), stride);
    auto sums =
        b.reduce(part, whole, stride, zeros, [&](Value k, ValueRange carried) {
          SmallVector<Value> now(carried);
          for (int64_t u = 0; u < kThinUnroll; ++u)
            now = multiply(b.addI(k, b.index(u * parts)), now);
          return now;
        });
    sums = b.reduce(b.addI(whole, part), steps, b.index(parts), sums, multiply);
    // Lanes with the same columns, then warps.
    SmallVector<Value> own(sums);
    for (Value &sum : own)
      for (int64_t distance = groups; distance < kWarpSize; distance *= 2)
        sum = b.add(sum, b.exchange(sum, distance));
    b.barrier();
    auto writes = scf::IfOp::create(
        b, b.cmpI(arith::CmpIPredicate::ult, b.lane(), b.index(groups)),
        /*withElseRegion=*/false);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(writes.thenBlock());
      for (int64_t r = 0; r < count; ++r)
        for (int64_t i = 0; i < width; ++i)
          b.store(own[r * width + i], scratch,
                  {b.warp(), b.addI(b.index(r * perPass + i),
                                    b.mulI(group, b.index(width)))});
    }
    b.barrier();
    b.parallel({b.index(count), b.index(perPass)}, [&](ValueRange place) {
      Value row = b.addI(first, place[0]), at = b.addI(pass, place[1]);
      Value exists =
          arith::AndIOp::create(b, b.cmpI(arith::CmpIPredicate::ult, row, rows),
                                b.cmpI(arith::CmpIPredicate::ult, at, columns));
      auto branch = scf::IfOp::create(b, exists, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      Value sum = b.real(0);
      for (int64_t w = 0; w < b.numWarps(); ++w)
        sum = b.add(
            sum, b.load(scratch,
                        {b.index(w), b.addI(b.mulI(place[0], b.index(perPass)),
                                            place[1])}));
      finish(sum, row, at);
    });
  });
}

/// The same for a matrix that is contiguous along the steps.
void Product::lowerThinAlong(Value first, int64_t count) {
  int64_t width = vectorWidth();
  Value lane = b.lane();
  int64_t together = 2;
  // Columns in pairs, so that a lane has two loads under way and more.
  Value pairs =
      b.divI(b.addI(columns, b.index(together - 1)), b.index(together));
  b.warps({pairs}, [&](ValueRange place) {
    SmallVector<Value> at;
    for (int64_t c = 0; c < together; ++c)
      at.push_back(
          b.minI(b.addI(b.mulI(place[0], b.index(together)), b.index(c)),
                 b.subI(columns, b.index(1))));
    SmallVector<Value> zeros(count * together, b.real(0));
    auto multiply = [&](int64_t size, Value k, ValueRange sums) {
      SmallVector<Value> next(sums);
      SmallVector<Value> xs;
      for (int64_t r = 0; r < count; ++r)
        for (int64_t i = 0; i < size; ++i)
          xs.push_back(loadRow(first, r, b.addI(k, b.index(i))));
      for (int64_t c = 0; c < together; ++c) {
        Value vector;
        if (size > 1)
          vector = b.loadAligned(product.matrix, {at[c], k}, size);
        for (int64_t i = 0; i < size; ++i) {
          Value weight =
              size > 1
                  ? vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{i})
                        .getResult()
                  : b.load(product.matrix, {at[c], k});
          for (int64_t r = 0; r < count; ++r) {
            Value &sum = next[c * count + r];
            sum = b.add(sum, b.mul(xs[r * size + i], weight));
          }
        }
      }
      return next;
    };
    Value stride = b.index(kWarpSize * width);
    Value whole = b.mulI(b.divI(steps, b.index(width)), b.index(width));
    auto sums = b.reduce(b.mulI(lane, b.index(width)), whole, stride, zeros,
                         [&](Value k, ValueRange carried) {
                           return multiply(width, k, carried);
                         });
    if (width > 1)
      sums = b.reduce(
          b.addI(whole, lane), steps, b.index(kWarpSize), sums,
          [&](Value k, ValueRange carried) { return multiply(1, k, carried); });
    for (int64_t c = 0; c < together; ++c)
      for (int64_t r = 0; r < count; ++r) {
        Value sum = b.sumLanes(sums[c * count + r]);
        Value row = b.addI(first, b.index(r));
        Value column = b.addI(b.mulI(place[0], b.index(together)), b.index(c));
        Value isOwn = arith::AndIOp::create(
            b, b.cmpI(arith::CmpIPredicate::eq, lane, b.index(0)),
            arith::AndIOp::create(
                b, b.cmpI(arith::CmpIPredicate::ult, row, rows),
                b.cmpI(arith::CmpIPredicate::ult, column, columns)));
        auto branch = scf::IfOp::create(b, isOwn, /*withElseRegion=*/false);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(branch.thenBlock());
        finish(sum, row, column);
      }
  });
}

void Product::lowerThin() {
  if (isConstantIntValue(rows, 1))
    return lowerThinRows(b.index(0), 1);
  auto isOne =
      scf::IfOp::create(b, b.cmpI(arith::CmpIPredicate::eq, rows, b.index(1)),
                        /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(isOne.thenBlock());
  lowerThinRows(b.index(0), 1);
  b.setInsertionPointToStart(isOne.elseBlock());
  b.loop(b.index(0), rows, b.index(kThinRows),
         [&](Value first) { lowerThinRows(first, kThinRows); });
}

//===----------------------------------------------------------------------===//
// More rows
//===----------------------------------------------------------------------===//

/// memref[row, step] or, transposed, memref[step, row] as float32; zero beyond
/// the last step, the last row again beyond that.
Value Product::tileElement(Value memref, Value row, Value rowLimit, Value step,
                           bool isTransposed) {
  Value one = b.index(1);
  Value isInside = b.cmpI(arith::CmpIPredicate::ult, step, steps);
  row = b.minI(row, b.subI(rowLimit, one));
  step = b.minI(step, b.subI(steps, one));
  Value value =
      isTransposed ? b.load(memref, {step, row}) : b.load(memref, {row, step});
  return b.select(isInside, value, b.real(0));
}

/// The thread's part of the tiles from `firstStep` on.
SmallVector<Value> Product::loadTiles(Value firstStep) {
  SmallVector<Value> values;
  int64_t threads = b.numThreads();
  for (int64_t i = 0; i < kRows * kSteps / threads; ++i) {
    Value number = b.addI(b.thread(), b.index(i * threads));
    Value step = b.remI(number, b.index(kSteps)),
          row = b.divI(number, b.index(kSteps));
    values.push_back(
        tileElement(product.rows, row, rows, b.addI(firstStep, step), false));
  }
  for (int64_t i = 0; i < kColumns * kSteps / threads; ++i) {
    Value number = b.addI(b.thread(), b.index(i * threads));
    Value step, column;
    if (product.isTransposed) {
      step = b.remI(number, b.index(kSteps));
      column = b.divI(number, b.index(kSteps));
    } else {
      column = b.remI(number, b.index(kColumns));
      step = b.divI(number, b.index(kColumns));
    }
    values.push_back(tileElement(product.matrix, column, columns,
                                 b.addI(firstStep, step),
                                 !product.isTransposed));
  }
  return values;
}

/// Both tiles lie step by step.
void Product::storeTiles(ValueRange values) {
  int64_t threads = b.numThreads();
  for (int64_t i = 0; i < kRows * kSteps / threads; ++i) {
    Value number = b.addI(b.thread(), b.index(i * threads));
    b.store(values[i], rowTile,
            {b.remI(number, b.index(kSteps)), b.divI(number, b.index(kSteps))});
  }
  values = values.drop_front(kRows * kSteps / threads);
  for (int64_t i = 0; i < kColumns * kSteps / threads; ++i) {
    Value number = b.addI(b.thread(), b.index(i * threads));
    if (product.isTransposed)
      b.store(
          values[i], columnTile,
          {b.remI(number, b.index(kSteps)), b.divI(number, b.index(kSteps))});
    else
      b.store(values[i], columnTile,
              {b.divI(number, b.index(kColumns)),
               b.remI(number, b.index(kColumns))});
  }
}

SmallVector<Value> Product::multiplyTiles(ValueRange sums) {
  int64_t across = kColumns / kThreadColumns;
  Value column = b.mulI(b.remI(b.thread(), b.index(across)),
                        b.index(kThreadColumns)),
        row = b.mulI(b.divI(b.thread(), b.index(across)), b.index(kThreadRows));
  return llvm::to_vector_of<Value>(b.reduce(
      b.index(0), b.index(kSteps), b.index(1), sums,
      [&](Value k, ValueRange carried) {
        SmallVector<Value> xs, ws, next;
        auto take = [&](Value tile, Value first, int64_t count,
                        SmallVector<Value> &to) {
          for (int64_t i = 0; i < count; i += 4) {
            Value four = b.loadAligned(tile, {k, b.addI(first, b.index(i))}, 4);
            for (int64_t j = 0; j < 4; ++j)
              to.push_back(
                  vector::ExtractOp::create(b, four, ArrayRef<int64_t>{j}));
          }
        };
        take(rowTile, row, kThreadRows, xs);
        take(columnTile, column, kThreadColumns, ws);
        for (int64_t r = 0; r < kThreadRows; ++r)
          for (int64_t c = 0; c < kThreadColumns; ++c)
            next.push_back(
                b.add(carried[r * kThreadColumns + c], b.mul(xs[r], ws[c])));
        return next;
      }));
}

void Product::lowerTiled() {
  rowTile = b.shared({kSteps, kRows + kPadding}, b.getF32Type());
  columnTile = b.shared({kSteps, kColumns + kPadding}, b.getF32Type());
  int64_t numSums = kThreadRows * kThreadColumns;
  SmallVector<Value> carried(numSums, b.real(0));
  llvm::append_range(carried, loadTiles(b.index(0)));
  auto results = b.reduce(b.index(0), steps, b.index(kSteps), carried,
                          [&](Value first, ValueRange values) {
                            storeTiles(values.drop_front(numSums));
                            b.barrier();
                            SmallVector<Value> ahead =
                                loadTiles(b.addI(first, b.index(kSteps)));
                            SmallVector<Value> next =
                                multiplyTiles(values.take_front(numSums));
                            b.barrier();
                            llvm::append_range(next, ahead);
                            return next;
                          });
  int64_t across = kColumns / kThreadColumns;
  Value column = b.mulI(b.remI(b.thread(), b.index(across)),
                        b.index(kThreadColumns)),
        row = b.mulI(b.divI(b.thread(), b.index(across)), b.index(kThreadRows));
  for (int64_t r = 0; r < kThreadRows; ++r)
    for (int64_t c = 0; c < kThreadColumns; ++c) {
      Value m = b.addI(row, b.index(r)), n = b.addI(column, b.index(c));
      Value exists =
          arith::AndIOp::create(b, b.cmpI(arith::CmpIPredicate::ult, m, rows),
                                b.cmpI(arith::CmpIPredicate::ult, n, columns));
      auto branch = scf::IfOp::create(b, exists, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      finish(results[r * kThreadColumns + c], m, n);
    }
}

void Product::lower() {
  auto known = getConstantIntValue(rows);
  if (known && *known <= kMostThinRows) {
    lowerThin();
  } else {
    auto isThin = scf::IfOp::create(
        b, b.cmpI(arith::CmpIPredicate::ule, rows, b.index(kMostThinRows)),
        /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(isThin.thenBlock());
    lowerThin();
    b.setInsertionPointToStart(isThin.elseBlock());
    if (fitsTensorCores(product, b.numThreads()))
      multiplyOnTensorCores(product, b);
    else
      lowerTiled();
  }
}

} // namespace

std::optional<RowsTimesMatrix> RowsTimesMatrix::match(Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumLoops() != 3 ||
      generic.getNumReductionLoops() != 1 || generic.getNumDpsInputs() != 2 ||
      generic.getNumDpsInits() != 1 || generic.hasIndexSemantics() ||
      !isMultiplyAdd(generic))
    return std::nullopt;
  Value result = generic.getDpsInits()[0];
  if (!getElementTypeOrSelf(result).isF32())
    return std::nullopt;
  AffineMap out = generic.getIndexingMapsArray().back();
  if (out.getNumResults() != 2 || !out.isProjectedPermutation())
    return std::nullopt;
  MLIRContext *context = op->getContext();
  AffineExpr m = out.getResult(0), n = out.getResult(1), k;
  for (auto [loop, type] : llvm::enumerate(generic.getIteratorTypesArray()))
    if (type == utils::IteratorType::reduction)
      k = getAffineDimExpr(loop, context);
  auto isMap = [&](unsigned input, AffineExpr first, AffineExpr second) {
    return generic.getIndexingMapsArray()[input] ==
           AffineMap::get(3, 0, {first, second}, context);
  };
  for (unsigned rows : {0, 1}) {
    unsigned matrix = 1 - rows;
    bool isTransposed = isMap(matrix, n, k);
    if (isMap(rows, m, k) && (isTransposed || isMap(matrix, k, n)))
      return RowsTimesMatrix{generic,
                             generic.getDpsInputs()[rows],
                             generic.getDpsInputs()[matrix],
                             result,
                             isTransposed,
                             op->hasAttr(kFromZeroAttr)};
  }
  return std::nullopt;
}

void distributeProduct(const RowsTimesMatrix &product, int64_t threads) {
  Product(product, threads).lower();
  Operation *op = RowsTimesMatrix(product).op;
  op->erase();
}

bool foldIntoProduct(linalg::FillOp fill) {
  if (!matchPattern(fill.getInputs()[0], m_AnyZeroFloat()))
    return false;
  Operation *next = fill->getNextNode();
  while (next && isMemoryEffectFree(next))
    next = next->getNextNode();
  auto product = next ? RowsTimesMatrix::match(next) : std::nullopt;
  if (!product || product->result != fill.getOutputs()[0])
    return false;
  next->setAttr(kFromZeroAttr, UnitAttr::get(fill.getContext()));
  return true;
}

} // namespace hybrid
