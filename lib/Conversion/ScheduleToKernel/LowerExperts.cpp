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

#include "LoopBuilder.h"

using namespace mlir;

namespace hybrid {
namespace {

/// Output columns that share the loads of an input row: of a matrix by rows, of
/// which each is summed along its length, and of a transposed one, where they
/// are neighbours and make a vector.
constexpr int64_t kColumns = 4, kTransposedColumns = 16;

class ExpertMatMulLowering {
public:
  explicit ExpertMatMulLowering(ExpertMatMulOp op)
      : op(op), b(op, op.getInput().getType().getElementType()) {}

  void lower();

private:
  Value getExpert(Value row);
  void lowerRow(Value expert, Value row);
  void lowerColumns(Value expert, Value row, Value first, int64_t count);
  void lowerNeighbours(Value expert, Value row, Value first);
  Value getInput(Value row, Value h) {
    return b.load(op.getInput(), {b.divI(row, b.index(op.getChosen())), h});
  }

  ExpertMatMulOp op;
  LoopBuilder b;
  Value numExperts, length;
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
  Value rows = b.dim(op.getInit(), 0);
  b.nest({numExperts, rows}, [&](ValueRange ivs) {
    Value isChosen =
        b.cmpI(arith::CmpIPredicate::eq, getExpert(ivs[1]), ivs[0]);
    auto found = scf::IfOp::create(b, isChosen, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(found.thenBlock());
    lowerRow(ivs[0], ivs[1]);
  });
  op.erase();
}

void ExpertMatMulLowering::lowerRow(Value expert, Value row) {
  Value columns = b.dim(op.getInit(), 1);
  Value step = b.index(op.getTransposed() ? kTransposedColumns : kColumns);
  Value whole = b.mulI(b.divI(columns, step), step);
  b.loop(b.index(0), whole, step, [&](Value first) {
    if (op.getTransposed())
      lowerNeighbours(expert, row, first);
    else
      lowerColumns(expert, row, first, kColumns);
  });
  b.loop(whole, columns, b.index(1),
         [&](Value column) { lowerColumns(expert, row, column, 1); });
}

void ExpertMatMulLowering::lowerColumns(Value expert, Value row, Value first,
                                        int64_t count) {
  SmallVector<Value> columns;
  for (int64_t i = 0; i < count; ++i)
    columns.push_back(b.addI(first, b.index(i)));
  auto getWeight = [&](Value column, Value h) {
    SmallVector<Value> index = {expert, column, h};
    if (op.getTransposed())
      std::swap(index[1], index[2]);
    return b.load(op.getWeight(), index);
  };
  SmallVector<Value> zeros(count, b.real(0));
  auto sums = b.reduce(
      b.index(0), length, b.index(1), zeros, [&](Value h, ValueRange carried) {
        Value x = getInput(row, h);
        SmallVector<Value> next;
        for (auto [column, sum] : llvm::zip(columns, carried))
          next.push_back(b.add(sum, b.mul(x, getWeight(column, h))));
        return next;
      });
  for (auto [column, sum] : llvm::zip(columns, sums))
    b.store(sum, op.getInit(), {row, column});
}

void ExpertMatMulLowering::lowerNeighbours(Value expert, Value row,
                                           Value first) {
  Type stored = cast<MemRefType>(op.getWeight().getType()).getElementType();
  auto type = VectorType::get({kTransposedColumns}, b.getComputeType());
  Value sums = b.reduce(
      b.index(0), length, b.index(1), b.splat(b.real(0), kTransposedColumns),
      [&](Value h, ValueRange carried) {
        Value weights = vector::LoadOp::create(
            b, VectorType::get({kTransposedColumns}, stored), op.getWeight(),
            ValueRange{expert, h, first});
        if (stored.getIntOrFloatBitWidth() <
            b.getComputeType().getIntOrFloatBitWidth())
          weights = arith::ExtFOp::create(b, type, weights);
        else if (stored != b.getComputeType())
          weights = arith::TruncFOp::create(b, type, weights);
        Value x = b.splat(getInput(row, h), kTransposedColumns);
        return SmallVector<Value>{b.fma(x, weights, carried[0])};
      })[0];
  for (int64_t i = 0; i < kTransposedColumns; ++i)
    b.store(vector::ExtractOp::create(b, sums, ArrayRef<int64_t>{i}),
            op.getInit(), {row, b.addI(first, b.index(i))});
}

class RouteLowering {
public:
  explicit RouteLowering(RouteOp op)
      : op(op), b(op, op.getLogits().getType().getElementType()) {}

  void lower();

private:
  void lowerRow(Value row);
  /// Sets `scores`, and `left` to what chooses among them.
  void lowerScores(Value row);
  /// The best expert that is left.
  Value choose();
  /// Turns the values [0, count) of `buffer` into their softmax.
  void lowerSoftmax(Value buffer, Value count);

  RouteOp op;
  LoopBuilder b;
  Value all, few, scores, left, chosen;
};

void RouteLowering::lower() {
  all = b.dim(op.getLogits(), 1);
  few = b.dim(op.getWeights(), 1);
  scores = b.scratch({all});
  left = b.scratch({all});
  chosen = b.scratch({few});
  b.loop(b.index(0), b.dim(op.getLogits(), 0),
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

/// What was taken is no number in `left`.
Value RouteLowering::choose() {
  auto best = b.reduce(
      b.index(0), all, b.index(1), {b.index(-1), b.real(0)},
      [&](Value e, ValueRange carried) {
        Value value = b.load(left, e);
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
  b.store(b.real(std::numeric_limits<double>::quiet_NaN()), left, best[0]);
  return best[0];
}

void RouteLowering::lowerRow(Value row) {
  lowerScores(row);
  Value zero = b.index(0);
  b.loop(zero, few, [&](Value k) {
    Value expert = choose();
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

void lowerRoute(RouteOp op) { RouteLowering(op).lower(); }

void lowerExpertMatMul(ExpertMatMulOp op) { ExpertMatMulLowering(op).lower(); }

} // namespace hybrid
