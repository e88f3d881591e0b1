//===- LowerCausalConv.cpp - depthwise convolutions over time -------------===//
//
// The innermost loop runs over what is contiguous in the layout: time for
// channels of tokens (bct), channels for tokens of channels (btc). Outputs come
// first, then the state, which they read.
//
//===----------------------------------------------------------------------===//

#include "LoopBuilder.h"

using namespace mlir;

namespace hybrid {
namespace {

class CausalConvLowering {
public:
  explicit CausalConvLowering(CausalConvOp op)
      : op(op), b(op, op.getInput().getType().getElementType()),
        isChannelLast(op.getLayout() == ConvLayout::BTC) {}

  void lower();

private:
  void computeOutput(Value channel, Value t,
                     llvm::function_ref<Value(Value)> column);
  Value loadInput(Value channel, Value t) {
    return b.load(op.getInput(), inputIndex(channel, t));
  }
  Value loadColumn(Value channel, Value column);
  SmallVector<Value> inputIndex(Value channel, Value t) {
    SmallVector<Value> index = {batch, channel, t};
    if (isChannelLast)
      std::swap(index[1], index[2]);
    return index;
  }
  void updateState(Value channel);

  CausalConvOp op;
  LoopBuilder b;
  bool isChannelLast;
  /// The state has taps - 1 columns, the input `length`.
  Value batch, length, taps, width, zero;
  /// The weights tap by tap, so that channels are contiguous; the new state.
  Value weight, columns;
};

void CausalConvLowering::lower() {
  zero = b.index(0);
  length = b.dim(op.getInput(), op.getTimeDim());
  taps = b.dim(op.getWeight(), 1);
  width = b.dim(op.getState(), 2);
  Value channels = b.dim(op.getInput(), op.getChannelDim());
  columns = b.scratch({width});
  if (isChannelLast) {
    weight = b.scratch({taps, channels});
    b.nest({channels, taps}, [&](ValueRange ck) {
      b.store(b.load(op.getWeight(), ck), weight, {ck[1], ck[0]});
    });
  }
  b.loop(zero, b.dim(op.getInput(), 0), [&](Value iv) {
    batch = iv;
    Value border = b.minI(width, length);
    auto anyColumn = [&](Value channel) {
      return [&, channel](Value column) { return loadColumn(channel, column); };
    };
    auto inside = [&](Value channel) {
      return [&, channel](Value column) {
        return loadInput(channel, b.subI(column, width));
      };
    };
    if (isChannelLast) {
      auto outputs = [&](Value low, Value high, auto column) {
        b.loop(low, high, [&](Value t) {
          b.loop(zero, channels, [&](Value channel) {
            computeOutput(channel, t, column(channel));
          });
        });
      };
      outputs(zero, border, anyColumn);
      outputs(border, length, inside);
      b.loop(zero, channels, [&](Value channel) { updateState(channel); });
      return;
    }
    b.loop(zero, channels, [&](Value channel) {
      b.loop(zero, border,
             [&](Value t) { computeOutput(channel, t, anyColumn(channel)); });
      b.loop(border, length,
             [&](Value t) { computeOutput(channel, t, inside(channel)); });
      updateState(channel);
    });
  });
}

/// The sum of the taps over `column`, which gives columns of concat(state,
/// input).
void CausalConvLowering::computeOutput(
    Value channel, Value t, llvm::function_ref<Value(Value)> column) {
  auto product = [&](Value k) {
    Value w = isChannelLast ? b.load(weight, {k, channel})
                            : b.load(op.getWeight(), {channel, k});
    return b.mul(w, column(b.addI(t, k)));
  };
  Value sum;
  // Few taps are written out, so that the loop around them is the inner one.
  std::optional<int64_t> count = getConstantIntValue(taps);
  if (isChannelLast && count && *count <= 8) {
    sum = b.real(0);
    for (int64_t k = 0; k < *count; ++k)
      sum = b.add(sum, product(b.index(k)));
  } else {
    sum = b.sum(taps, product);
  }
  if (op.getBias())
    sum = b.add(sum, b.load(op.getBias(), channel));
  b.store(b.activate(op.getActivation(), sum), op.getInit(),
          inputIndex(channel, t));
}

/// A column of concat(state, input).
Value CausalConvLowering::loadColumn(Value channel, Value column) {
  Value inState = b.cmpI(arith::CmpIPredicate::ult, column, width);
  auto branch =
      scf::IfOp::create(b, TypeRange{b.getComputeType()}, inState, true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, b.load(op.getState(), {batch, channel, column}));
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, loadInput(channel, b.subI(column, width)));
  return branch.getResult(0);
}

void CausalConvLowering::updateState(Value channel) {
  b.loop(zero, width, [&](Value i) {
    b.store(loadColumn(channel, b.addI(i, length)), columns, i);
  });
  b.loop(zero, width, [&](Value i) {
    b.store(b.load(columns, i), op.getState(), {batch, channel, i});
  });
}

} // namespace

void lowerCausalConv(CausalConvOp op) {
  CausalConvLowering(op).lower();
  op.erase();
}

} // namespace hybrid
