//===- VectorizeContractions.cpp - register-blocked matrix products -------===//
//
// Outer-product form: a block of R rows × C vectors of the output stays in
// registers while the reduction runs; per step one row of the right operand is
// loaded and R scalars of the left one are broadcast (the micro-kernel of
// Goto and van de Geijn, "Anatomy of high-performance matrix multiplication").
// Thin form, for few rows: what counts is to read the right operand once and in
// long runs, so the reduction is the outer loop, four rows of the right operand
// at a time, and the output stays in the L1 cache.
// Dot form: for operands that are both contiguous along the reduction.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "hybrid/Dialect/Hybrid/Transforms/Products.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_VECTORIZECONTRACTIONSPASS
#include "hybrid/Conversion/ScheduleToKernel/Passes.h.inc"

namespace {

bool isContiguousAlong(OpOperand *operand, AffineMap map, unsigned loop) {
  auto type = dyn_cast<MemRefType>(operand->get().getType());
  if (!type || map.getNumResults() == 0)
    return false;
  auto last = dyn_cast<AffineDimExpr>(map.getResults().back());
  SmallVector<int64_t> strides;
  int64_t offset;
  return last && last.getPosition() == loop &&
         succeeded(type.getStridesAndOffset(strides, offset)) &&
         strides.back() == 1;
}

/// Up to this many rows a product is bound by reading the right operand.
constexpr int64_t kThinRows = 16;
/// Rows of the right operand that the thin form reads at a time.
constexpr int64_t kThinSteps = 4;

bool uses(AffineMap map, unsigned loop) { return map.isFunctionOfDim(loop); }

/// Emits one contraction; `left` is broadcast, `right` read as vectors.
class ContractionEmitter {
public:
  ContractionEmitter(linalg::GenericOp op, unsigned vectorBits)
      : op(op), b(op.getLoc(), op),
        compute(cast<FloatType>(
            cast<MemRefType>(op.getDpsInits()[0].getType()).getElementType())),
        lanes(vectorBits / compute.getWidth()), wide(vectorBits >= 512) {}

  /// False if neither form applies.
  bool emit();

private:
  bool emitOuter();
  bool emitDots();

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }
  Value extent(unsigned loop);
  bool setSides(OpOperand *newLeft, OpOperand *newRight) {
    left = newLeft;
    right = newRight;
    return true;
  }
  AffineMap map(OpOperand *operand) {
    return op.getMatchingIndexingMap(operand);
  }
  OpOperand *output() { return op.getDpsInitOperand(0); }
  SmallVector<Value> at(OpOperand *operand) {
    SmallVector<Value> result;
    for (AffineExpr expr : map(operand).getResults())
      result.push_back(ivs[cast<AffineDimExpr>(expr).getPosition()]);
    return result;
  }
  VectorType vector(Type element) { return VectorType::get({lanes}, element); }
  Value loadVector(OpOperand *operand, Value mask);
  Value loadScalar(OpOperand *operand);
  Value extend(Value value, Type type) {
    return value.getType() == type
               ? value
               : arith::ExtFOp::create(b, type, value).getResult();
  }
  void loopOver(ArrayRef<unsigned> loops, function_ref<void()> body);
  SmallVector<Value> reduceOver(ArrayRef<unsigned> loops, ValueRange init,
                                function_ref<SmallVector<Value>(ValueRange)>);
  void forLoop(Value low, Value high, int64_t step,
               function_ref<void(Value)> body);
  /// The largest multiple of `step` that is not larger than `total`.
  Value roundDown(Value total, int64_t step) {
    return arith::SubIOp::create(b, total,
                                 arith::RemUIOp::create(b, total, index(step)));
  }
  /// The lanes from `begin` on that lie before `total`.
  Value maskFrom(Value begin, Value total) {
    return vector::CreateMaskOp::create(
        b, VectorType::get({lanes}, b.getI1Type()),
        ValueRange{arith::SubIOp::create(b, total, begin)});
  }
  void forVectors(int64_t block, function_ref<void(Value, Value)> body);
  void emitBlock(int64_t rows, int64_t columns, Value mask);
  void emitRows(int64_t columns, Value mask);
  void emitColumns();
  bool canBeThin();
  void emitThin();
  void emitThinSteps(Value first, int64_t count);
  void emitThinVector(ArrayRef<Value> steps, ArrayRef<Value> factors,
                      Value mask);

  linalg::GenericOp op;
  ImplicitLocOpBuilder b;
  FloatType compute;
  int64_t lanes;
  bool wide;
  OpOperand *left = nullptr, *right = nullptr;
  /// One value per loop of `op`.
  SmallVector<Value> ivs;
  SmallVector<unsigned> reductions;
  /// The loops over columns and rows; rows is -1 if there are none.
  int64_t column = -1, row = -1;
  Value rowIv, columnIv;
};

Value ContractionEmitter::extent(unsigned loop) {
  for (OpOperand &operand : op->getOpOperands())
    for (auto [i, expr] : llvm::enumerate(map(&operand).getResults()))
      if (expr == b.getAffineDimExpr(loop)) {
        auto type = cast<MemRefType>(operand.get().getType());
        return type.isDynamicDim(i)
                   ? memref::DimOp::create(b, operand.get(), i).getResult()
                   : index(type.getDimSize(i));
      }
  llvm_unreachable("every loop indexes an operand");
}

void ContractionEmitter::forLoop(Value low, Value high, int64_t step,
                                 function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(b, low, high, index(step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

void ContractionEmitter::loopOver(ArrayRef<unsigned> loops,
                                  function_ref<void()> body) {
  if (loops.empty())
    return body();
  forLoop(index(0), extent(loops.front()), 1, [&](Value iv) {
    ivs[loops.front()] = iv;
    loopOver(loops.drop_front(), body);
  });
}

SmallVector<Value> ContractionEmitter::reduceOver(
    ArrayRef<unsigned> loops, ValueRange init,
    function_ref<SmallVector<Value>(ValueRange)> body) {
  if (loops.empty())
    return body(init);
  auto loop =
      scf::ForOp::create(b, index(0), extent(loops.front()), index(1), init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  ivs[loops.front()] = loop.getInductionVar();
  SmallVector<Value> next =
      reduceOver(loops.drop_front(), loop.getRegionIterArgs(), body);
  scf::YieldOp::create(b, next);
  return llvm::to_vector_of<Value>(loop.getResults());
}

Value ContractionEmitter::loadVector(OpOperand *operand, Value mask) {
  Type element = cast<MemRefType>(operand->get().getType()).getElementType();
  VectorType type = vector(element);
  Value value;
  if (mask) {
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
    value = vector::MaskedLoadOp::create(b, type, operand->get(), at(operand),
                                         mask, zero);
  } else {
    value = vector::LoadOp::create(b, type, operand->get(), at(operand));
  }
  return extend(value, vector(compute));
}

Value ContractionEmitter::loadScalar(OpOperand *operand) {
  return extend(memref::LoadOp::create(b, operand->get(), at(operand)),
                compute);
}

/// The columns that blocks of `block` columns leave over (all of them if it is
/// 0): whole vectors, and a last one with a mask.
void ContractionEmitter::forVectors(int64_t block,
                                    function_ref<void(Value, Value)> body) {
  Value total = extent(column);
  Value begin = block ? roundDown(total, block) : index(0);
  Value end = roundDown(total, lanes);
  auto known = getConstantIntValue(total);
  if (!known || (block ? *known % block : *known) >= lanes)
    forLoop(begin, end, lanes, [&](Value iv) { body(iv, Value()); });
  if (!known || *known % lanes != 0)
    forLoop(end, total, lanes,
            [&](Value iv) { body(iv, maskFrom(iv, total)); });
}

/// rows × columns vectors of the output from (rowIv, columnIv) on; `mask`
/// covers the lanes of a last, incomplete vector.
void ContractionEmitter::emitBlock(int64_t rows, int64_t columns, Value mask) {
  auto moveTo = [&](int64_t r, int64_t c) {
    if (row >= 0)
      ivs[row] = arith::AddIOp::create(b, rowIv, index(r));
    ivs[column] = arith::AddIOp::create(b, columnIv, index(c * lanes));
  };
  SmallVector<Value> init;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      moveTo(r, c);
      init.push_back(loadVector(output(), mask));
    }
  SmallVector<Value> sums = reduceOver(
      reductions, init, [&](ValueRange carried) -> SmallVector<Value> {
        SmallVector<Value> columnsOfRight, next;
        for (int64_t c = 0; c < columns; ++c) {
          moveTo(0, c);
          columnsOfRight.push_back(loadVector(right, mask));
        }
        for (int64_t r = 0; r < rows; ++r) {
          moveTo(r, 0);
          Value factor =
              vector::BroadcastOp::create(b, vector(compute), loadScalar(left));
          for (int64_t c = 0; c < columns; ++c)
            next.push_back(vector::FMAOp::create(b, factor, columnsOfRight[c],
                                                 carried[r * columns + c]));
        }
        return next;
      });
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      moveTo(r, c);
      Value value = sums[r * columns + c];
      if (mask)
        vector::MaskedStoreOp::create(b, output()->get(), at(output()), mask,
                                      value);
      else
        vector::StoreOp::create(b, value, output()->get(), at(output()));
    }
}

/// All rows for `columns` vectors at columnIv: full blocks, then single rows.
void ContractionEmitter::emitRows(int64_t columns, Value mask) {
  if (row < 0)
    return emitBlock(1, columns, mask);
  Value total = extent(row);
  int64_t block = wide ? 6 : 4;
  if (auto known = getConstantIntValue(total))
    block = std::min(block, std::max<int64_t>(*known, 1));
  Value full = roundDown(total, block);
  if (block > 1)
    forLoop(index(0), full, block, [&](Value iv) {
      rowIv = iv;
      emitBlock(block, columns, mask);
    });
  else
    full = index(0);
  // As one block where their number is known: they share what they read.
  auto known = getConstantIntValue(total);
  int64_t rest = known && block > 1 ? *known % block : 1;
  if (rest == 0)
    return;
  forLoop(full, total, rest, [&](Value iv) {
    rowIv = iv;
    emitBlock(rest, columns, mask);
  });
}

bool ContractionEmitter::emitOuter() {
  AffineMap outMap = map(output());
  if (outMap.getNumResults() == 0)
    return false;
  auto last = dyn_cast<AffineDimExpr>(outMap.getResults().back());
  if (!last || !isContiguousAlong(output(), outMap, last.getPosition()))
    return false;
  column = last.getPosition();
  OpOperand *inputs[] = {op.getDpsInputOperand(0), op.getDpsInputOperand(1)};
  bool found = false;
  for (int i : {1, 0})
    if (!found && isContiguousAlong(inputs[i], map(inputs[i]), column) &&
        !uses(map(inputs[1 - i]), column))
      found = setSides(inputs[1 - i], inputs[i]);
  if (!found)
    return false;
  // Rows: the innermost output loop that only the left operand depends on.
  SmallVector<unsigned> outer;
  for (AffineExpr expr : llvm::reverse(outMap.getResults().drop_back())) {
    unsigned loop = cast<AffineDimExpr>(expr).getPosition();
    if (row < 0 && uses(map(left), loop) && !uses(map(right), loop))
      row = loop;
    else
      outer.insert(outer.begin(), loop);
  }
  loopOver(outer, [&] {
    if (!canBeThin())
      return emitColumns();
    Value rows = extent(row);
    if (auto known = getConstantIntValue(rows))
      return *known > 1 && *known <= kThinRows ? emitThin() : emitColumns();
    // One row alone keeps its sums in registers; below 1 wraps around.
    Value isThin = arith::CmpIOp::create(
        b, arith::CmpIPredicate::ult, arith::SubIOp::create(b, rows, index(2)),
        index(kThinRows - 1));
    auto choice = scf::IfOp::create(b, isThin, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    emitThin();
    b.setInsertionPointToStart(choice.elseBlock());
    emitColumns();
  });
  return true;
}

/// One reduction that runs over rows of the right operand, long enough to be
/// worth it.
bool ContractionEmitter::canBeThin() {
  if (row < 0 || reductions.size() != 1 || op->hasAttr(kInCacheAttr) ||
      uses(map(output()), reductions.front()))
    return false;
  auto known = getConstantIntValue(extent(reductions.front()));
  return known && *known >= kThinSteps * 8;
}

/// Adds rows `steps` of the right operand times `factors` to one vector of the
/// output.
void ContractionEmitter::emitThinVector(ArrayRef<Value> steps,
                                        ArrayRef<Value> factors, Value mask) {
  unsigned step = reductions.front();
  Value sum = loadVector(output(), mask);
  for (auto [iv, factor] : llvm::zip_equal(steps, factors)) {
    ivs[step] = iv;
    sum = vector::FMAOp::create(b, factor, loadVector(right, mask), sum);
  }
  if (mask)
    vector::MaskedStoreOp::create(b, output()->get(), at(output()), mask, sum);
  else
    vector::StoreOp::create(b, sum, output()->get(), at(output()));
}

/// Adds `count` rows of the right operand, from `first` on, times their factors
/// to all rows of the output.
void ContractionEmitter::emitThinSteps(Value first, int64_t count) {
  unsigned step = reductions.front();
  forLoop(index(0), extent(row), 1, [&](Value iv) {
    ivs[row] = iv;
    SmallVector<Value> steps, factors;
    for (int64_t i = 0; i < count; ++i) {
      steps.push_back(arith::AddIOp::create(b, first, index(i)));
      ivs[step] = steps.back();
      factors.push_back(
          vector::BroadcastOp::create(b, vector(compute), loadScalar(left)));
    }
    Value last = index(*getConstantIntValue(extent(step)) - 1);
    forVectors(/*block=*/0, [&](Value iv, Value mask) {
      ivs[column] = iv;
      emitThinVector(steps, factors, mask);
      // The next rows lie pages away, out of reach of hardware prefetchers.
      for (int64_t i = 0; count > 1 && i < count; ++i) {
        ivs[step] = arith::MinUIOp::create(
            b, arith::AddIOp::create(b, steps[i], index(count)), last);
        memref::PrefetchOp::create(b, right->get(), at(right),
                                   /*isWrite=*/false, /*localityHint=*/3,
                                   /*isDataCache=*/true);
      }
    });
  });
}

void ContractionEmitter::emitThin() {
  int64_t total = *getConstantIntValue(extent(reductions.front()));
  int64_t full = total - total % kThinSteps;
  forLoop(index(0), index(full), kThinSteps,
          [&](Value iv) { emitThinSteps(iv, kThinSteps); });
  if (full < total)
    forLoop(index(full), index(total), 1,
            [&](Value iv) { emitThinSteps(iv, 1); });
}

/// All columns of the output in blocks that stay in registers.
void ContractionEmitter::emitColumns() {
  int64_t unroll = wide ? 4 : 3;
  // A single row needs more independent sums to hide the FMA's latency.
  if (row < 0 || matchPattern(extent(row), m_One()))
    unroll = 8;
  int64_t block = unroll * lanes;
  Value total = extent(column);
  auto known = getConstantIntValue(total);
  if (!known || *known >= block)
    forLoop(index(0), roundDown(total, block), block, [&](Value iv) {
      columnIv = iv;
      emitRows(unroll, Value());
    });
  forVectors(block, [&](Value iv, Value mask) {
    columnIv = iv;
    emitRows(1, mask);
  });
}

bool ContractionEmitter::emitDots() {
  unsigned inner = reductions.back();
  for (OpOperand *input : op.getDpsInputOperands())
    if (!isContiguousAlong(input, map(input), inner))
      return false;
  setSides(op.getDpsInputOperand(0), op.getDpsInputOperand(1));
  SmallVector<unsigned> outer;
  for (AffineExpr expr : map(output()).getResults())
    outer.push_back(cast<AffineDimExpr>(expr).getPosition());
  // The last output loop is unrolled if it selects rows of the right operand.
  constexpr int64_t kUnroll = 4;
  int64_t unrolled = -1;
  if (!outer.empty() && uses(map(right), outer.back()) &&
      !uses(map(left), outer.back()))
    unrolled = outer.pop_back_val();
  auto emitDot = [&](int64_t count) {
    SmallVector<Value> init(
        count, arith::ConstantOp::create(b, b.getZeroAttr(vector(compute))));
    Value first = unrolled >= 0 ? ivs[unrolled] : Value();
    auto select = [&](int64_t i) {
      if (unrolled >= 0)
        ivs[unrolled] = arith::AddIOp::create(b, first, index(i));
    };
    ArrayRef<unsigned> outerReductions = ArrayRef(reductions).drop_back();
    SmallVector<Value> sums = reduceOver(
        outerReductions, init, [&](ValueRange carried) -> SmallVector<Value> {
          Value total = extent(inner);
          Value full = roundDown(total, lanes);
          auto accumulate = [&](Value iv, ValueRange sums, Value mask) {
            SmallVector<Value> next;
            ivs[inner] = iv;
            Value a = loadVector(left, mask);
            for (int64_t i = 0; i < count; ++i) {
              select(i);
              next.push_back(vector::FMAOp::create(
                  b, a, loadVector(right, mask), sums[i]));
            }
            return next;
          };
          auto loop =
              scf::ForOp::create(b, index(0), full, index(lanes), carried);
          {
            OpBuilder::InsertionGuard guard(b);
            b.setInsertionPointToStart(loop.getBody());
            scf::YieldOp::create(b,
                                 accumulate(loop.getInductionVar(),
                                            loop.getRegionIterArgs(), Value()));
          }
          auto known = getConstantIntValue(total);
          if (known && *known % lanes == 0)
            return llvm::to_vector_of<Value>(loop.getResults());
          return accumulate(full, loop.getResults(), maskFrom(full, total));
        });
    for (int64_t i = 0; i < count; ++i) {
      select(i);
      Value old = loadScalar(output());
      auto sum =
          vector::ReductionOp::create(b, vector::CombiningKind::ADD, sums[i],
                                      old, arith::FastMathFlags::reassoc);
      memref::StoreOp::create(b, sum, output()->get(), at(output()));
    }
  };
  loopOver(outer, [&] {
    if (unrolled < 0)
      return emitDot(1);
    Value total = extent(unrolled);
    Value full = roundDown(total, kUnroll);
    forLoop(index(0), full, kUnroll, [&](Value iv) {
      ivs[unrolled] = iv;
      emitDot(kUnroll);
    });
    forLoop(full, total, 1, [&](Value iv) {
      ivs[unrolled] = iv;
      emitDot(1);
    });
  });
  return true;
}

bool ContractionEmitter::emit() {
  ivs.resize(op.getNumLoops());
  for (auto [i, type] : llvm::enumerate(op.getIteratorTypesArray()))
    if (type == utils::IteratorType::reduction)
      reductions.push_back(i);
  return emitOuter() || emitDots();
}

bool isCandidate(linalg::GenericOp op) {
  if (!op.hasPureBufferSemantics() || op.getNumDpsInputs() != 2 ||
      op.getNumDpsInits() != 1 || op.getNumReductionLoops() == 0)
    return false;
  auto type = cast<MemRefType>(op.getDpsInits()[0].getType());
  if (!type.getElementType().isF32() && !type.getElementType().isF64())
    return false;
  for (OpOperand *input : op.getDpsInputOperands())
    if (!isa<MemRefType>(input->get().getType()))
      return false;
  return llvm::all_of(
             op.getIndexingMapsArray(),
             [](AffineMap map) { return map.isProjectedPermutation(); }) &&
         isMultiplyAdd(op);
}

struct VectorizeContractions
    : impl::VectorizeContractionsPassBase<VectorizeContractions> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<linalg::GenericOp> candidates;
    getOperation().walk([&](linalg::GenericOp op) {
      if (isCandidate(op))
        candidates.push_back(op);
    });
    for (linalg::GenericOp op : candidates) {
      auto options = remark::RemarkOpts::name("vector").category(
          "hybrid-vectorize-contractions");
      if (!ContractionEmitter(op, vectorBits).emit()) {
        ++numScalar;
        remark::missed(op.getLoc(), options)
            << "no operand is contiguous along the columns, nor both along "
               "the reduction";
        continue;
      }
      ++numVectorized;
      remark::passed(op.getLoc(), options) << "contraction in vector form";
      op.erase();
    }
  }
};

} // namespace
} // namespace hybrid
