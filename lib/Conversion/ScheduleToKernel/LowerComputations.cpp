//===- LowerComputations.cpp - hybrid computations to loops ---------------===//

#include "LoopBuilder.h"
#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_LOWERCOMPUTATIONSPASS
#include "hybrid/Conversion/ScheduleToKernel/Passes.h.inc"

namespace {

SmallVector<Value> getSizes(LoopBuilder &b, Value memref) {
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < cast<MemRefType>(memref.getType()).getRank(); ++i)
    sizes.push_back(b.dim(memref, i));
  return sizes;
}

/// The index of a tensor that broadcasts from the right against `index`.
SmallVector<Value> broadcastIndex(LoopBuilder &b, Value memref,
                                  ValueRange index) {
  auto type = cast<MemRefType>(memref.getType());
  SmallVector<Value> result;
  unsigned skip = index.size() - type.getRank();
  for (int64_t i = 0; i < type.getRank(); ++i)
    result.push_back(type.getDimSize(i) == 1 ? b.index(0) : index[skip + i]);
  return result;
}

void lowerRope(RopeOp op) {
  LoopBuilder b(op, op.getInput().getType().getElementType());
  Value input = op.getInput();
  int64_t half = op.getRotaryDim() / 2;
  auto tableType = cast<MemRefType>(op.getCos().getType());
  b.nest({b.dim(input, 0), b.dim(input, 1), b.dim(input, 2)},
         [&](ValueRange ivs) {
           Value batch = ivs[0], t = ivs[op.getTimeDim()];
           SmallVector<Value> table;
           if (Value positions = op.getPositions()) {
             auto type = cast<MemRefType>(positions.getType());
             Value position = b.toIndex(memref::LoadOp::create(
                 b, positions,
                 ValueRange{type.getDimSize(0) == 1 ? b.index(0) : batch, t}));
             // A position outside the table must not read outside it.
             Value last = b.subI(b.dim(op.getCos(), 0), b.index(1));
             table = {b.maxI(b.index(0), b.minI(position, last))};
           } else {
             table = {tableType.getDimSize(0) == 1 ? b.index(0) : batch, t};
           }
           auto at = [&](Value d) {
             return SmallVector<Value>{ivs[0], ivs[1], ivs[2], d};
           };
           b.loop(b.index(0), b.index(half), [&](Value m) {
             SmallVector<Value> entry(table);
             entry.push_back(m);
             Value c = b.load(op.getCos(), entry),
                   s = b.load(op.getSin(), entry);
             Value first = op.getInterleaved() ? b.mulI(m, b.index(2)) : m;
             Value second = b.addI(
                 first, b.index(op.getInterleaved() ? 1 : half));
             Value x1 = b.load(input, at(first)),
                   x2 = b.load(input, at(second));
             b.store(b.sub(b.mul(c, x1), b.mul(s, x2)), op.getInit(),
                     at(first));
             b.store(b.add(b.mul(s, x1), b.mul(c, x2)), op.getInit(),
                     at(second));
           });
           b.loop(b.index(2 * half), b.dim(input, 3), [&](Value d) {
             b.store(b.load(input, at(d)), op.getInit(), at(d));
           });
         });
  op.erase();
}

void lowerNorm(NormOp op) {
  LoopBuilder b(op, op.getInput().getType().getElementType());
  Value input = op.getInput();
  SmallVector<Value> sizes = getSizes(b, input);
  unsigned axis = op.getAxis();
  SmallVector<Value> outer(sizes.begin(), sizes.begin() + axis),
      inner(sizes.begin() + axis, sizes.end());
  // With groups the last dimension is two loops: group and place in it.
  Value groups = b.index(1), groupSize;
  if (op.getGroupSize() > 0) {
    groupSize = b.index(op.getGroupSize());
    groups = b.divI(inner.back(), groupSize);
    inner.back() = groupSize;
  }
  outer.push_back(groups);
  Value count = b.index(1);
  for (Value size : inner)
    count = b.mulI(count, size);
  count = arith::UIToFPOp::create(
      b, b.getComputeType(),
      arith::IndexCastOp::create(b, b.getI64Type(), count));
  b.nest(outer, [&](ValueRange o) {
    Value group = o.back();
    auto at = [&](ValueRange i) {
      SmallVector<Value> index(o.drop_back());
      llvm::append_range(index, i);
      if (groupSize)
        index.back() = b.addI(b.mulI(group, groupSize), index.back());
      return index;
    };
    // Sums over all the inner loops.
    auto sumOver = [&](llvm::function_ref<Value(ValueRange)> term) {
      SmallVector<Value> ivs;
      std::function<Value(unsigned)> level = [&](unsigned i) -> Value {
        if (i == inner.size())
          return term(ivs);
        return b.sum(inner[i], [&](Value iv) {
          ivs.push_back(iv);
          Value sum = level(i + 1);
          ivs.pop_back();
          return sum;
        });
      };
      return level(0);
    };
    Value mean;
    if (op.getKind() == NormKind::Layer)
      mean = b.div(sumOver([&](ValueRange i) { return b.load(input, at(i)); }),
                   count);
    auto centred = [&](ValueRange i) {
      Value x = b.load(input, at(i));
      return mean ? b.sub(x, mean) : x;
    };
    Value variance = b.div(sumOver([&](ValueRange i) {
                             Value x = centred(i);
                             return b.mul(x, x);
                           }),
                           count);
    Value inverse = b.rsqrt(
        b.add(variance, b.real(op.getEpsilon().convertToDouble())));
    b.nest(inner, [&](ValueRange i) {
      SmallVector<Value> index = at(i);
      Value n = b.roundTo(op.getInput().getType().getElementType(),
                          b.mul(centred(i), inverse));
      if (Value scale = op.getScale()) {
        Value s = b.load(scale, broadcastIndex(b, scale, index));
        if (op.getZeroCentered())
          s = b.add(s, b.real(1));
        n = b.mul(n, s);
      }
      if (Value bias = op.getBias())
        n = b.add(n, b.load(bias, broadcastIndex(b, bias, index)));
      b.store(n, op.getInit(), index);
    });
  });
  op.erase();
}

void lowerGatedNorm(GatedNormOp op) {
  LoopBuilder b(op, op.getInput().getType().getElementType());
  Value input = op.getInput();
  SmallVector<Value> outer = getSizes(b, input);
  Value channels = outer.pop_back_val();
  Value groupSize =
      op.getGroupSize() > 0 ? b.index(op.getGroupSize()) : channels;
  outer.push_back(b.divI(channels, groupSize));
  bool gateFirst = op.getOrder() == GateOrder::GateFirst;
  Value count = arith::UIToFPOp::create(
      b, b.getComputeType(),
      arith::IndexCastOp::create(b, b.getI64Type(), groupSize));
  b.nest(outer, [&](ValueRange o) {
    Value base = b.mulI(o.back(), groupSize);
    auto at = [&](Value i) {
      SmallVector<Value> index(o.drop_back());
      index.push_back(b.addI(base, i));
      return index;
    };
    auto gate = [&](Value i) {
      return b.activate(op.getActivation(), b.load(op.getGate(), at(i)));
    };
    auto gated = [&](Value i) {
      Value x = b.load(input, at(i));
      return gateFirst ? b.mul(x, gate(i)) : x;
    };
    Value variance = b.div(b.sum(groupSize,
                                 [&](Value i) {
                                   Value x = gated(i);
                                   return b.mul(x, x);
                                 }),
                           count);
    Value inverse = b.rsqrt(
        b.add(variance, b.real(op.getEpsilon().convertToDouble())));
    b.loop(b.index(0), groupSize, [&](Value i) {
      Value n = b.mul(gated(i), inverse);
      if (Value scale = op.getScale()) {
        bool perGroup = op.getGroupSize() > 0 &&
                        cast<MemRefType>(scale.getType()).getDimSize(0) ==
                            (int64_t)op.getGroupSize();
        n = b.mul(n, b.load(scale, perGroup ? i : b.addI(base, i)));
      }
      if (!gateFirst)
        n = b.mul(n, gate(i));
      b.store(n, op.getInit(), at(i));
    });
  });
  op.erase();
}

void lowerCumSum(CumSumOp op) {
  Type type = op.getInput().getType().getElementType();
  LoopBuilder b(op, type);
  bool isFloat = isa<FloatType>(type);
  SmallVector<Value> outer = getSizes(b, op.getInput());
  unsigned axis = op.getAxis();
  Value length = outer[axis], one = b.index(1);
  outer[axis] = one;
  Value zero = isFloat ? b.real(0)
                       : arith::ConstantOp::create(b, b.getIntegerAttr(type, 0))
                             .getResult();
  b.nest(outer, [&](ValueRange ivs) {
    b.reduce(b.index(0), length, one, zero, [&](Value i, ValueRange carried) {
      SmallVector<Value> index(ivs);
      index[axis] = op.getReverse() ? b.subI(b.subI(length, one), i) : i;
      Value x = b.load(op.getInput(), index);
      // A running sum must keep its order.
      Value next = isFloat ? arith::AddFOp::create(b, carried[0], x).getResult()
                           : b.addI(carried[0], x);
      Value result = op.getExclusive() ? carried[0] : next;
      if (isFloat)
        b.store(result, op.getInit(), index);
      else
        memref::StoreOp::create(b, result, op.getInit(), index);
      return SmallVector<Value>{next};
    });
  });
  op.erase();
}

struct LowerComputations : impl::LowerComputationsPassBase<LowerComputations> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<Operation *> work;
    getOperation().walk([&](DestinationStyleOpInterface op) {
      if (isa<HybridDialect>(op->getDialect()) && !isa<LaunchOp>(op))
        work.push_back(op);
    });
    for (Operation *op : work) {
      if (!cast<DestinationStyleOpInterface>(op).hasPureBufferSemantics()) {
        op->emitError("has to be bufferised before it can become loops");
        return signalPassFailure();
      }
      llvm::TypeSwitch<Operation *>(op)
          .Case([&](AttentionOp attention) {
            lowerAttention(attention, vectorBits);
          })
          .Case([&](ScanOp scan) { lowerScan(scan, vectorBits); })
          .Case(lowerCausalConv)
          .Case(lowerRope)
          .Case(lowerNorm)
          .Case(lowerGatedNorm)
          .Case(lowerCacheAppend)
          .Case(lowerRingRead)
          .Case(lowerCumSum)
          .Case([&](ExpertMatMulOp product) {
            lowerExpertMatMul(product, vectorBits);
          })
          .Case(lowerRoute)
          .Case(lowerPackRows)
          .Case([&](MatmulOp matmul) {
            if (matmul.getInput().getType().getRank() == 5)
              return lowerTiledMatmul(matmul);
            if (matmul.getQuantizationAttr())
              return lowerQuantizedMatmul(matmul, vectorBits);
            lowerMatmul(matmul, vectorBits);
          });
      ++numLowered;
    }
  }
};

} // namespace
} // namespace hybrid
