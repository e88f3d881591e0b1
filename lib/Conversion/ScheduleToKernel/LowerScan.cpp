//===- LowerScan.cpp - the recurrence, step after step --------------------===//
//
// The sequential form: a loop over time that passes over the state once per
// step (for the delta rules once more to read it first), with the sums over key
// channels of several vectors of columns in registers.
//
//===----------------------------------------------------------------------===//

#include "ScanLowering.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace hybrid {

/// Vectors of columns whose sums stay in registers.
static constexpr int64_t kColumnVectors = 4;
/// Steps whose operands are loaded together. A head's rows lie pages apart, out
/// of reach of hardware prefetchers; loads that follow each other overlap.
static constexpr int64_t kStepBlock = 16;

ScanLowering::ScanLowering(ScanOp op, unsigned vectorBits)
    : op(op), b(op, op.getQuery().getType().getElementType()),
      lanes(std::max<int64_t>(
          1, vectorBits / b.getComputeType().getIntOrFloatBitWidth())),
      hasDecay(op.getDecay() != nullptr), hasBeta(op.getBeta() != nullptr),
      perKey(hasDecay &&
             cast<MemRefType>(op.getDecay().getType()).getRank() == 4) {}

/// Many steps pay for a copy: rows of a tile lie far apart in the state itself,
/// often a power of two, where few sets of the cache serve them.
bool ScanLowering::isStateInPlace() {
  auto type = cast<MemRefType>(op.getState().getType());
  if (getConstantIntValue(length) != 1)
    return false;
  SmallVector<int64_t> strides;
  int64_t offset;
  return type.getElementType() == b.getComputeType() && !type.isDynamicDim(3) &&
         type.getDimSize(3) % lanes == 0 &&
         succeeded(type.getStridesAndOffset(strides, offset)) &&
         strides.back() == 1;
}

Value ScanLowering::getOwnState() {
  auto type = cast<MemRefType>(op.getState().getType());
  OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets = {batch, head, zero, zero},
                            sizes = {one, one, getAsOpFoldResult(keyDim),
                                     getAsOpFoldResult(valueDim)},
                            strides(4, one);
  auto view = cast<MemRefType>(memref::SubViewOp::inferRankReducedResultType(
      type.getShape().take_back(2), type, offsets, sizes, strides));
  return memref::SubViewOp::create(b, view, op.getState(), offsets, sizes,
                                   strides);
}

void ScanLowering::lower() {
  Value heads = b.dim(op.getValue(), 2);
  outputsPerHead = b.divI(b.dim(op.getInit(), 2), heads);
  headsPerQuery = b.maxI(b.index(1), b.divI(heads, b.dim(op.getQuery(), 2)));
  headsPerKey = b.divI(heads, b.dim(op.getKey(), 2));
  length = b.dim(op.getValue(), 1);
  keyDim = b.dim(op.getKey(), 3);
  valueDim = b.dim(op.getValue(), 3);
  Value vector = b.index(lanes);
  paddedDim =
      b.mulI(b.divI(b.addI(valueDim, b.index(lanes - 1)), vector), vector);
  scale = b.real(op.getScale().convertToDouble());
  inPlace = isStateInPlace();
  if (!inPlace) {
    state = b.scratch({keyDim, paddedDim});
    b.nest({keyDim, paddedDim},
           [&](ValueRange ij) { b.store(b.real(0), state, ij); });
  }
  Value block = b.minI(length, b.index(kStepBlock));
  if (!getConstantIntValue(block))
    block = b.index(kStepBlock);
  keys = b.scratch({block, keyDim});
  queries = b.scratch({outputsPerHead, block, keyDim});
  if (hasDecay)
    decays = b.scratch({block, perKey ? keyDim : b.index(1)});
  deltas = b.scratch({block, paddedDim});
  row = b.scratch({paddedDim});
  // What pads the values stays zero.
  fillZero(deltas);
  allocate();
  b.nest({b.dim(op.getValue(), 0), heads}, [&](ValueRange ivs) {
    batch = ivs[0];
    head = ivs[1];
    keyHead = b.divI(head, headsPerKey);
    lowerHead();
  });
}

void ScanLowering::lowerHead() {
  if (inPlace) {
    state = getOwnState();
    return emitTime();
  }
  b.nest({keyDim, valueDim}, [&](ValueRange ij) {
    b.store(b.load(op.getState(), {batch, head, ij[0], ij[1]}), state, ij);
  });
  emitTime();
  b.nest({keyDim, valueDim}, [&](ValueRange ij) {
    b.store(b.load(state, ij), op.getState(), {batch, head, ij[0], ij[1]});
  });
}

Value ScanLowering::decayAt(Value t, Value i) {
  return b.exp(perKey ? b.load(op.getDecay(), {batch, t, head, i})
                      : b.load(op.getDecay(), {batch, t, head}));
}

Value ScanLowering::betaAt(Value t) {
  bool shared = cast<MemRefType>(op.getBeta().getType()).getDimSize(2) == 1;
  return b.load(op.getBeta(), {batch, t, shared ? b.index(0) : head});
}

void ScanLowering::forOutputs(llvm::function_ref<void(Value, Value)> body) {
  b.loop(b.index(0), outputsPerHead,
         [&](Value o) { body(b.addI(b.mulI(head, outputsPerHead), o), o); });
}

void ScanLowering::storeOutput(Value t, Value output, Value factor,
                               Value buffer, ValueRange outer) {
  b.loop(b.index(0), valueDim, [&](Value j) {
    SmallVector<Value> from(outer);
    from.push_back(j);
    Value y = b.load(buffer, from);
    b.store(factor ? b.mul(factor, y) : y, op.getInit(), {batch, t, output, j});
  });
}

void ScanLowering::forColumns(llvm::function_ref<void(Value, int64_t)> body) {
  int64_t block = kColumnVectors * lanes;
  if (auto total = getConstantIntValue(paddedDim)) {
    int64_t full = *total - *total % block;
    if (full == block)
      body(b.index(0), kColumnVectors);
    else if (full > 0)
      b.loop(b.index(0), b.index(full), b.index(block),
             [&](Value j) { body(j, kColumnVectors); });
    if (full < *total)
      body(b.index(full), (*total - full) / lanes);
    return;
  }
  Value full = b.mulI(b.divI(paddedDim, b.index(block)), b.index(block));
  b.loop(b.index(0), full, b.index(block),
         [&](Value j) { body(j, kColumnVectors); });
  b.loop(full, paddedDim, b.index(lanes), [&](Value j) { body(j, 1); });
}

SmallVector<Value> ScanLowering::loadVectors(Value buffer, ValueRange outer,
                                             Value column, int64_t count) {
  SmallVector<Value> result, index(outer);
  index.push_back(Value());
  for (int64_t c = 0; c < count; ++c) {
    index.back() = b.addI(column, b.index(c * lanes));
    result.push_back(b.loadVector(buffer, index, lanes));
  }
  return result;
}

void ScanLowering::storeVectors(ValueRange vectors, Value buffer,
                                ValueRange outer, Value column) {
  SmallVector<Value> index(outer);
  index.push_back(Value());
  for (auto [c, vector] : llvm::enumerate(vectors)) {
    index.back() = b.addI(column, b.index(c * lanes));
    b.storeVector(vector, buffer, index);
  }
}

void ScanLowering::fillZero(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    sizes.push_back(b.dim(buffer, i));
  b.nest(sizes, [&](ValueRange ivs) { b.store(b.real(0), buffer, ivs); });
}

void ScanLowering::emitSteps(Value first, Value end) {
  Value zero = b.index(0);
  b.loop(first, end, b.dim(keys, 0), [&](Value start) {
    Value count = b.minI(b.dim(keys, 0), b.subI(end, start));
    loadSteps(start, count);
    b.loop(zero, count, [&](Value r) { emitStep(b.addI(start, r), r); });
  });
}

void ScanLowering::loadSteps(Value start, Value count) {
  auto at = [&](Value r) { return b.addI(start, r); };
  b.nest({count, keyDim},
         [&](ValueRange ri) { b.store(keyAt(at(ri[0]), ri[1]), keys, ri); });
  if (hasDecay)
    b.nest({count, b.dim(decays, 1)}, [&](ValueRange ri) {
      b.store(decayAt(at(ri[0]), ri[1]), decays, ri);
    });
  b.nest({count, valueDim}, [&](ValueRange rj) {
    b.store(valueAt(at(rj[0]), rj[1]), deltas, rj);
  });
  forOutputs([&](Value output, Value number) {
    b.nest({count, keyDim}, [&](ValueRange ri) {
      b.store(queryAt(at(ri[0]), output, ri[1]), queries,
              {number, ri[0], ri[1]});
    });
  });
}

void ScanLowering::emitChunks(int64_t chunk,
                              llvm::function_ref<void(Value, Value)> body) {
  Value size = b.index(chunk);
  b.loop(b.index(0), length, size, [&](Value first) {
    Value steps = b.minI(size, b.subI(length, first));
    int64_t below = std::min(op.getSequentialBelow().value_or(0), chunk);
    if (below <= 1)
      return body(first, steps);
    auto branch = scf::IfOp::create(
        b, b.cmpI(arith::CmpIPredicate::sge, steps, b.index(below)),
        /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    body(first, steps);
    b.setInsertionPointToStart(branch.elseBlock());
    emitSteps(first, b.addI(first, steps));
  });
}

/// Step `t`, whose operands are rows `r` of the buffers.
void ScanLowering::emitStep(Value t, Value r) {
  Value zero = b.index(0), one = b.index(1);
  Value headDecay;
  if (hasDecay && !perKey)
    headDecay = b.load(decays, {r, zero});
  auto factor = [&](Value i) {
    return perKey ? b.load(decays, {r, i}) : headDecay;
  };
  auto splat = [&](Value scalar) { return b.splat(scalar, lanes); };
  auto zeros = [&](int64_t count) {
    return SmallVector<Value>(count, splat(b.real(0)));
  };
  if (hasBeta) {
    // The delta rules first read what the decayed state holds for this key.
    Value beta = splat(betaAt(t));
    forColumns([&](Value column, int64_t count) {
      auto held = b.reduce(
          zero, keyDim, one, zeros(count), [&](Value i, ValueRange sums) {
            Value k = b.load(keys, {r, i});
            if (hasDecay)
              k = b.mul(k, factor(i));
            SmallVector<Value> next;
            for (auto [s, sum] :
                 llvm::zip_equal(loadVectors(state, {i}, column, count), sums))
              next.push_back(b.fma(splat(k), s, sum));
            return next;
          });
      SmallVector<Value> values = loadVectors(deltas, {r}, column, count);
      for (auto [value, h] : llvm::zip_equal(values, held))
        value = b.mul(beta, b.sub(value, h));
      storeVectors(values, deltas, {r}, column);
    });
  }
  // Update, and read for the first output head in the same pass.
  auto read = [&](Value number, bool update) {
    forColumns([&](Value column, int64_t count) {
      SmallVector<Value> added;
      if (update)
        added = loadVectors(deltas, {r}, column, count);
      auto sums = b.reduce(
          zero, keyDim, one, zeros(count), [&](Value i, ValueRange carried) {
            SmallVector<Value> s = loadVectors(state, {i}, column, count);
            if (update) {
              Value k = splat(b.load(keys, {r, i}));
              Value g = hasDecay ? splat(factor(i)) : Value();
              for (auto [column, d] : llvm::zip_equal(s, added))
                column = b.fma(k, d, g ? b.mul(g, column) : column);
              storeVectors(s, state, {i}, column);
            }
            Value q = splat(b.load(queries, {number, r, i}));
            SmallVector<Value> next;
            for (auto [column, sum] : llvm::zip_equal(s, carried))
              next.push_back(b.fma(q, column, sum));
            return next;
          });
      storeVectors(sums, row, {}, column);
    });
  };
  forOutputs([&](Value output, Value number) {
    if (matchPattern(outputsPerHead, m_One())) {
      read(number, /*update=*/true);
    } else {
      auto branch =
          scf::IfOp::create(b, b.cmpI(arith::CmpIPredicate::eq, number, zero),
                            /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      read(number, /*update=*/true);
      b.setInsertionPointToStart(branch.elseBlock());
      read(number, /*update=*/false);
    }
    storeOutput(t, output, scale, row, {});
  });
}

void lowerScan(ScanOp op, unsigned vectorBits) {
  switch (op.getForm().value_or(ScanForm::Sequential)) {
  case ScanForm::Sequential:
    ScanLowering(op, vectorBits).lower();
    break;
  case ScanForm::Chunked:
    lowerChunkedScan(op, vectorBits);
    break;
  case ScanForm::Associative:
    lowerAssociativeScan(op, vectorBits);
    break;
  }
  op.erase();
}

} // namespace hybrid
