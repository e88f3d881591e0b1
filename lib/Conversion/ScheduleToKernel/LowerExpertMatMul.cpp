//===- LowerExpertMatMul.cpp - products of a mixture of experts -----------===//
//
// One expert after the other: its rows are found among all, and for them the
// block's part of its matrix is read, which stays in the cache from row to row.
// What no row has chosen is never read.
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

} // namespace

void lowerExpertMatMul(ExpertMatMulOp op) { ExpertMatMulLowering(op).lower(); }

} // namespace hybrid
