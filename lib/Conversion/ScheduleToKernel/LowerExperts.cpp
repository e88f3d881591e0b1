//===- LowerExperts.cpp - routers and products of experts -----------------===//
//
// Products: one expert after the other. Its rows are found among all, and for
// them the block's part of its matrix is read, which stays in the cache from
// row to row. What no row has chosen is never read.
//
// Routers: as often as experts are chosen, the best one that is left is
// searched among all: there are few to choose.
//
//===----------------------------------------------------------------------===//

#include "ThreadBuilder.h"

using namespace mlir;

namespace hybrid {
namespace {

/// Rows of one expert that share the loads of its matrix.
constexpr int64_t kRows = 4;
/// What shares the loads of rows: columns of a matrix by rows, which are summed
/// along their length, or vectors of neighbouring columns of a transposed one.
constexpr int64_t kColumns = 2;

class ExpertMatMulLowering {
public:
  ExpertMatMulLowering(ExpertMatMulOp op, unsigned vectorBits)
      : op(op), b(op, op.getInput().getType().getElementType()),
        lanes(std::max<int64_t>(
            1, vectorBits / b.getComputeType().getIntOrFloatBitWidth())) {}

  void lower();

private:
  using Rows = ArrayRef<Value>;
  Value getExpert(Value row);
  /// Emits the products with `expert` of its rows among all.
  void lowerExpert(Value expert);
  void lowerRows(Value expert, Rows rows);
  void lowerColumns(Value expert, Rows rows, Value first, int64_t count);
  void lowerNeighbours(Value expert, Rows rows, Value first, int64_t count);
  /// Sums over `h`, from `low` on, of the columns from `first` on by rows.
  SmallVector<Value> sumFrom(Value low, Value expert, Rows rows, Value first,
                             int64_t count, ValueRange init);
  SmallVector<Value> getWeightIndex(Value expert, Value column, Value h) {
    SmallVector<Value> index = {expert, column, h};
    if (op.getTransposed())
      std::swap(index[1], index[2]);
    return index;
  }
  SmallVector<Value> getInputIndex(Value row, Value h) {
    return {b.divI(row, b.index(op.getChosen())), h};
  }
  static bool isContiguous(Value memref) {
    return cast<MemRefType>(memref.getType()).isLastDimUnitStride();
  }

  ExpertMatMulOp op;
  LoopBuilder b;
  int64_t lanes;
  Value numExperts, length;
  /// Rows of an expert that wait for others.
  Value found;
};

/// The expert of `row`, whatever number the tensor has.
Value ExpertMatMulLowering::getExpert(Value row) {
  Value zero = b.index(0);
  Value expert = b.toIndex(memref::LoadOp::create(b, op.getExperts(), row));
  Value fromEnd = b.addI(expert, numExperts);
  expert = b.select(b.cmpI(arith::CmpIPredicate::slt, expert, zero), fromEnd,
                    expert);
  return b.maxI(zero, b.minI(expert, b.subI(numExperts, b.index(1))));
}

void ExpertMatMulLowering::lower() {
  numExperts = b.dim(op.getWeight(), 0);
  length = b.dim(op.getInput(), 1);
  found =
      memref::AllocaOp::create(b, MemRefType::get({kRows}, b.getIndexType()));
  b.loop(b.index(0), numExperts, [&](Value expert) { lowerExpert(expert); });
  op.erase();
}

void ExpertMatMulLowering::lowerExpert(Value expert) {
  Value zero = b.index(0), one = b.index(1);
  auto getFound = [&](Value i) -> Value {
    return memref::LoadOp::create(b, found, i);
  };
  Value numFound = b.reduce(
      zero, b.dim(op.getInit(), 0), one, zero,
      [&](Value row, ValueRange carried) {
        Value isOwn = b.cmpI(arith::CmpIPredicate::eq, getExpert(row), expert);
        auto own = scf::IfOp::create(b, b.getIndexType(), isOwn,
                                     /*withElseRegion=*/true);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(own.elseBlock());
        scf::YieldOp::create(b, carried);
        b.setInsertionPointToStart(own.thenBlock());
        memref::StoreOp::create(b, row, found, carried[0]);
        Value count = b.addI(carried[0], one);
        Value isFull = b.cmpI(arith::CmpIPredicate::eq, count, b.index(kRows));
        auto full = scf::IfOp::create(b, isFull, /*withElseRegion=*/false);
        scf::YieldOp::create(b, b.select(isFull, zero, count));
        b.setInsertionPointToStart(full.thenBlock());
        SmallVector<Value> rows;
        for (int64_t i = 0; i < kRows; ++i)
          rows.push_back(getFound(b.index(i)));
        lowerRows(expert, rows);
        return SmallVector<Value>{own.getResult(0)};
      })[0];
  b.loop(zero, numFound, [&](Value i) { lowerRows(expert, getFound(i)); });
}

void ExpertMatMulLowering::lowerRows(Value expert, Rows rows) {
  Value columns = b.dim(op.getInit(), 1), low = b.index(0);
  auto cover = [&](int64_t step, llvm::function_ref<void(Value)> body) {
    Value high = b.addI(low, b.mulI(b.divI(b.subI(columns, low), b.index(step)),
                                    b.index(step)));
    b.loop(low, high, b.index(step), body);
    low = high;
  };
  if (op.getTransposed() && isContiguous(op.getWeight()))
    for (int64_t count : {kColumns, int64_t(1)})
      cover(count * lanes,
            [&](Value first) { lowerNeighbours(expert, rows, first, count); });
  else
    cover(kColumns,
          [&](Value first) { lowerColumns(expert, rows, first, kColumns); });
  cover(1, [&](Value first) { lowerColumns(expert, rows, first, 1); });
}

SmallVector<Value> ExpertMatMulLowering::sumFrom(Value low, Value expert,
                                                 Rows rows, Value first,
                                                 int64_t count,
                                                 ValueRange init) {
  return llvm::to_vector_of<Value>(
      b.reduce(low, length, b.index(1), init, [&](Value h, ValueRange carried) {
        SmallVector<Value> weights, next;
        for (int64_t i = 0; i < count; ++i)
          weights.push_back(
              b.load(op.getWeight(),
                     getWeightIndex(expert, b.addI(first, b.index(i)), h)));
        for (auto [r, row] : llvm::enumerate(rows)) {
          Value x = b.load(op.getInput(), getInputIndex(row, h));
          for (auto [i, weight] : llvm::enumerate(weights))
            next.push_back(b.add(carried[r * count + i], b.mul(x, weight)));
        }
        return next;
      }));
}

/// Vectors along the rows of a matrix, and what is left of them.
void ExpertMatMulLowering::lowerColumns(Value expert, Rows rows, Value first,
                                        int64_t count) {
  SmallVector<Value> sums(rows.size() * count, b.real(0));
  Value low = b.index(0);
  if (!op.getTransposed() && isContiguous(op.getWeight()) &&
      isContiguous(op.getInput())) {
    Value step = b.index(lanes), high = b.mulI(b.divI(length, step), step);
    SmallVector<Value> zeros(sums.size(), b.splat(b.real(0), lanes));
    auto vectors =
        b.reduce(low, high, step, zeros, [&](Value h, ValueRange carried) {
          SmallVector<Value> weights, next;
          for (int64_t i = 0; i < count; ++i)
            weights.push_back(b.loadVector(
                op.getWeight(),
                getWeightIndex(expert, b.addI(first, b.index(i)), h), lanes));
          for (auto [r, row] : llvm::enumerate(rows)) {
            Value x = b.loadVector(op.getInput(), getInputIndex(row, h), lanes);
            for (auto [i, weight] : llvm::enumerate(weights))
              next.push_back(b.fma(x, weight, carried[r * count + i]));
          }
          return next;
        });
    for (auto [sum, vector] : llvm::zip(sums, vectors))
      sum = vector::ReductionOp::create(b, vector::CombiningKind::ADD, vector);
    low = high;
  }
  sums = sumFrom(low, expert, rows, first, count, sums);
  for (auto [r, row] : llvm::enumerate(rows))
    for (int64_t i = 0; i < count; ++i)
      b.store(sums[r * count + i], op.getInit(),
              {row, b.addI(first, b.index(i))});
}

/// Vectors of neighbouring columns of a transposed matrix.
void ExpertMatMulLowering::lowerNeighbours(Value expert, Rows rows, Value first,
                                           int64_t count) {
  auto getColumn = [&](int64_t i) { return b.addI(first, b.index(i * lanes)); };
  SmallVector<Value> zeros(rows.size() * count, b.splat(b.real(0), lanes));
  auto sums = b.reduce(
      b.index(0), length, b.index(1), zeros, [&](Value h, ValueRange carried) {
        SmallVector<Value> weights, next;
        for (int64_t i = 0; i < count; ++i)
          weights.push_back(b.loadVector(
              op.getWeight(), getWeightIndex(expert, getColumn(i), h), lanes));
        for (auto [r, row] : llvm::enumerate(rows)) {
          Value x =
              b.splat(b.load(op.getInput(), getInputIndex(row, h)), lanes);
          for (auto [i, weight] : llvm::enumerate(weights))
            next.push_back(b.fma(x, weight, carried[r * count + i]));
        }
        return next;
      });
  for (auto [r, row] : llvm::enumerate(rows))
    for (int64_t i = 0; i < count; ++i)
      for (int64_t lane = 0; lane < lanes; ++lane)
        b.store(vector::ExtractOp::create(b, sums[r * count + i],
                                          ArrayRef<int64_t>{lane}),
                op.getInit(), {row, b.addI(getColumn(i), b.index(lane))});
}

class RouteLowering {
public:
  /// `threads`: those of a device's block that share the rows; 0 for one that
  /// takes all.
  RouteLowering(RouteOp op, int64_t threads)
      : op(op), b(op, op.getLogits().getType().getElementType()),
        threads(threads) {}

  void lower();

private:
  void lowerRow(Value row);
  /// Sets `scores`, and `left` to what chooses among them.
  void lowerScores(Value row);
  /// Takes the best of values [low, high) of `buffer` that is left there.
  Value choose(Value buffer, Value low, Value high);
  /// Takes experts of groups that are not chosen out of `left`.
  void hideGroups();
  /// Turns the values [0, count) of `buffer` into their softmax.
  void lowerSoftmax(Value buffer, Value count);

  RouteOp op;
  LoopBuilder b;
  int64_t threads;
  Value all, few, scores, left, chosen;
  /// What is left of a group, and what each group is worth.
  Value ofGroup, worth;
};

void RouteLowering::lower() {
  all = b.dim(op.getLogits(), 1);
  few = b.dim(op.getWeights(), 1);
  scores = b.scratch({all});
  left = b.scratch({all});
  chosen = b.scratch({few});
  if (op.getGroups() > 1) {
    ofGroup = b.scratch({all});
    worth = b.scratch({b.index(op.getGroups())});
  }
  Value first = threads
                    ? gpu::ThreadIdOp::create(b, gpu::Dimension::x).getResult()
                    : b.index(0);
  b.loop(first, b.dim(op.getLogits(), 0),
         b.index(std::max<int64_t>(threads, 1)),
         [&](Value row) { lowerRow(row); });
  op.erase();
}

void RouteLowering::lowerSoftmax(Value buffer, Value count) {
  Value zero = b.index(0), one = b.index(1);
  Value highest =
      b.reduce(zero, count, one, b.negInf(), [&](Value i, ValueRange carried) {
        return SmallVector<Value>{b.max(carried[0], b.load(buffer, i))};
      })[0];
  Value sum = b.sum(count, [&](Value i) {
    Value value = b.exp(b.sub(b.load(buffer, i), highest));
    b.store(value, buffer, i);
    return value;
  });
  b.loop(zero, count,
         [&](Value i) { b.store(b.div(b.load(buffer, i), sum), buffer, i); });
}

void RouteLowering::lowerScores(Value row) {
  b.loop(b.index(0), all, [&](Value e) {
    Value score = b.load(op.getLogits(), {row, e});
    if (op.getScore() == RouteScore::Sigmoid)
      score = b.sigmoid(score);
    b.store(score, scores, e);
  });
  if (op.getScore() == RouteScore::Softmax)
    lowerSoftmax(scores, all);
  b.loop(b.index(0), all, [&](Value e) {
    Value score = b.load(scores, e);
    if (Value bias = op.getBias())
      score = arith::AddFOp::create(b, score, b.load(bias, e));
    Value isNumber =
        arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, score, score);
    b.store(b.select(isNumber, score, b.negInf()), left, e);
  });
}

/// What was taken is no number in `buffer`.
Value RouteLowering::choose(Value buffer, Value low, Value high) {
  auto best = b.reduce(
      low, high, b.index(1), {b.index(-1), b.real(0)},
      [&](Value e, ValueRange carried) {
        Value value = b.load(buffer, e);
        Value isLeft =
            arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, value, value);
        Value isFirst =
            b.cmpI(arith::CmpIPredicate::slt, carried[0], b.index(0));
        Value isMore = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT,
                                             value, carried[1]);
        Value isBetter = arith::AndIOp::create(
            b, isLeft, arith::OrIOp::create(b, isFirst, isMore));
        return SmallVector<Value>{b.select(isBetter, e, carried[0]),
                                  b.select(isBetter, value, carried[1])};
      });
  b.store(b.real(std::numeric_limits<double>::quiet_NaN()), buffer, best[0]);
  return best[0];
}

void RouteLowering::hideGroups() {
  Value zero = b.index(0), groups = b.index(op.getGroups());
  Value size = b.divI(all, groups);
  b.loop(zero, all, [&](Value e) { b.store(b.load(left, e), ofGroup, e); });
  b.loop(zero, groups, [&](Value g) {
    Value low = b.mulI(g, size), high = b.addI(low, size), sum = b.real(0);
    for (int64_t i = 0; i < op.getGroupBest(); ++i)
      sum = b.add(sum, b.load(left, choose(ofGroup, low, high)));
    Value isNumber =
        arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, sum, sum);
    b.store(b.select(isNumber, sum, b.negInf()), worth, g);
  });
  b.loop(zero, b.index(op.getChosenGroups()),
         [&](Value) { choose(worth, zero, groups); });
  Value others =
      op.getOthers() ? b.real(op.getOthers()->convertToDouble()) : b.negInf();
  b.loop(zero, all, [&](Value e) {
    Value value = b.load(worth, b.divI(e, size));
    Value isHidden =
        arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, value, value);
    b.store(b.select(isHidden, others, b.load(left, e)), left, e);
  });
}

void RouteLowering::lowerRow(Value row) {
  lowerScores(row);
  if (op.getGroups() > 1)
    hideGroups();
  Value zero = b.index(0);
  b.loop(zero, few, [&](Value k) {
    Value expert = choose(left, zero, all);
    b.store(b.load(scores, expert), chosen, k);
    Value number = arith::IndexCastOp::create(b, b.getI64Type(), expert);
    memref::StoreOp::create(b, number, op.getExperts(), ValueRange{row, k});
  });
  if (op.getWeight() == RouteWeight::Softmax)
    lowerSoftmax(chosen, few);
  Value divisor;
  if (op.getWeight() == RouteWeight::Share)
    divisor = b.add(b.sum(few, [&](Value k) { return b.load(chosen, k); }),
                    b.real(op.getEpsilon().convertToDouble()));
  b.loop(zero, few, [&](Value k) {
    Value weight = b.load(chosen, k);
    if (divisor)
      weight = b.div(weight, divisor);
    weight = b.mul(weight, b.real(op.getScale().convertToDouble()));
    b.store(weight, op.getWeights(), {row, k});
  });
}

} // namespace

void lowerRoute(RouteOp op) { RouteLowering(op, /*threads=*/0).lower(); }

void distributeRoute(RouteOp op, int64_t threads) {
  RouteLowering(op, threads).lower();
}

void lowerExpertMatMul(ExpertMatMulOp op, unsigned vectorBits) {
  ExpertMatMulLowering(op, vectorBits).lower();
}

} // namespace hybrid
