//===- NNShapes.cpp - Shapes of convolutions, pooling, recurrent nets -----===//

#include "ShapeInference.h"

using namespace mlir;
using namespace hybrid::onnx;

namespace {
/// The attributes that convolution and pooling share, one entry per axis.
struct Window {
  SmallVector<Expr> kernel;
  SmallVector<int64_t> strides, dilations, pads;
  bool ceil = false;
};
} // namespace

static FailureOr<Window> readWindow(OpShape &op, size_t axes,
                                    ArrayRef<Expr> weightKernel) {
  Window window;
  window.kernel.assign(weightKernel.begin(), weightKernel.end());
  if (auto given = op.list("kernel_shape")) {
    window.kernel.clear();
    for (int64_t size : *given)
      window.kernel.push_back(op.constant(size));
  }
  window.strides = op.list("strides").value_or(SmallVector<int64_t>(axes, 1));
  window.dilations =
      op.list("dilations").value_or(SmallVector<int64_t>(axes, 1));
  window.pads = op.list("pads").value_or(SmallVector<int64_t>(2 * axes, 0));
  window.ceil = op.integer("ceil_mode", 0) != 0;
  bool positive =
      llvm::all_of(window.strides, [](int64_t s) { return s > 0; }) &&
      llvm::all_of(window.dilations, [](int64_t d) { return d > 0; });
  if (window.kernel.size() != axes || window.strides.size() != axes ||
      window.dilations.size() != axes || window.pads.size() != 2 * axes ||
      !positive) {
    op.error() << "kernel_shape, strides, dilations or pads do not fit " << axes
               << " spatial axes";
    return failure();
  }
  return window;
}

/// Output size along spatial axis `i` of size `size`.
static Expr windowedSize(OpShape &op, const Window &window, size_t i,
                         Expr size) {
  SymbolicAlgebra &math = op.math;
  Expr one = op.constant(1), stride = op.constant(window.strides[i]);
  StringRef autoPad = op.string("auto_pad", "NOTSET");
  if (autoPad.starts_with("SAME"))
    return math.ceilDiv(size, stride);
  size_t axes = window.strides.size();
  Expr extent = math.add(math.mul(op.constant(window.dilations[i]),
                                  math.sub(window.kernel[i], one)),
                         one);
  Expr padded = size;
  if (autoPad != "VALID")
    padded = math.add(size, math.add(op.constant(window.pads[i]),
                                     op.constant(window.pads[i + axes])));
  Expr room = math.sub(padded, extent);
  if (!window.ceil)
    return math.add(math.floorDiv(room, stride), one);
  // A window that would start in the padding after the end does not count.
  Expr count = math.add(math.ceilDiv(room, stride), one);
  Expr before = math.sub(count, one);
  Expr start = math.mul(before, stride);
  Expr limit = math.add(size, op.constant(window.pads[i]));
  if (math.isAtLeast(start, limit))
    return before;
  return math.isAtLeast(limit, math.add(start, one)) ? count : Expr();
}

/// x [N, C, spatial…] → [N, channels, windows…]
static LogicalResult windowed(OpShape &op, const Shape &x, Expr channels,
                              ArrayRef<Expr> kernel) {
  if (x.size() < 3)
    return op.error() << "the input must have at least one spatial axis";
  FailureOr<Window> window = readWindow(op, x.size() - 2, kernel);
  if (failed(window))
    return failure();
  Shape result{x[0], channels};
  for (size_t i = 0; i + 2 < x.size(); ++i)
    result.push_back(windowedSize(op, *window, i, x[i + 2]));
  for (unsigned i = 0; i < op.results.size(); ++i)
    op.set(i, result);
  return success();
}

template <unsigned weight>
static LogicalResult conv(OpShape &op) {
  const Shape *x = op.shape(0), *w = op.shape(weight);
  if (!x || !w)
    return success();
  if (w->size() != x->size() || x->size() < 3)
    return op.error() << "input and weight must have the same rank, at least 3";
  Expr group = op.constant(op.integer("group", 1));
  if (failed(op.require((*x)[1], op.math.mul((*w)[1], group),
                        "channels of the input and of the weight times group")))
    return failure();
  return windowed(op, *x, (*w)[0], ArrayRef<Expr>(*w).drop_front(2));
}

static LogicalResult convTranspose(OpShape &op) {
  const Shape *x = op.shape(0), *w = op.shape(1);
  if (!x || !w || x->size() < 3 || w->size() != x->size())
    return success();
  size_t axes = x->size() - 2;
  FailureOr<Window> window =
      readWindow(op, axes, ArrayRef<Expr>(*w).drop_front(2));
  if (failed(window))
    return failure();
  SymbolicAlgebra &math = op.math;
  auto outputShape = op.list("output_shape");
  SmallVector<int64_t> outputPads =
      op.list("output_padding").value_or(SmallVector<int64_t>(axes, 0));
  if (outputPads.size() != axes || (outputShape && outputShape->size() != axes))
    return op.error() << "output_shape or output_padding do not fit " << axes
                      << " spatial axes";
  Shape result{(*x)[0], math.mul((*w)[1], op.constant(op.integer("group", 1)))};
  bool same = op.string("auto_pad", "NOTSET").starts_with("SAME");
  for (size_t i = 0; i < axes; ++i) {
    Expr size = (*x)[i + 2];
    Expr stride = op.constant(window->strides[i]);
    if (outputShape) {
      result.push_back(op.constant((*outputShape)[i]));
      continue;
    }
    if (same) {
      result.push_back(math.mul(size, stride));
      continue;
    }
    Expr extent = math.mul(op.constant(window->dilations[i]),
                           math.sub(window->kernel[i], op.constant(1)));
    Expr spread = math.mul(math.sub(size, op.constant(1)), stride);
    Expr pads = math.add(op.constant(window->pads[i]),
                         op.constant(window->pads[i + axes]));
    Expr extra = math.add(op.constant(outputPads[i]), op.constant(1));
    result.push_back(math.add(math.add(spread, extent), math.sub(extra, pads)));
  }
  op.set(0, std::move(result));
  return success();
}

static LogicalResult pool(OpShape &op) {
  const Shape *x = op.shape(0);
  if (!x)
    return success();
  if (x->size() < 3)
    return op.error() << "the input must have at least one spatial axis";
  return windowed(op, *x, (*x)[1], {});
}

static LogicalResult globalPool(OpShape &op) {
  const Shape *x = op.shape(0);
  if (!x || x->size() < 2)
    return success();
  Shape result = *x;
  for (size_t i = 2; i < result.size(); ++i)
    result[i] = op.constant(1);
  op.set(0, std::move(result));
  return success();
}

/// RNN, GRU, LSTM.
static LogicalResult recurrent(OpShape &op) {
  const Shape *x = op.shape(0);
  if (!x || x->size() != 3)
    return success();
  bool batchFirst = op.integer("layout", 0) != 0;
  Expr steps = (*x)[batchFirst], batch = (*x)[!batchFirst];
  Expr directions =
      op.constant(op.string("direction", "forward") == "bidirectional" ? 2 : 1);
  Expr hidden;
  if (const Shape *r = op.shape(2); r && r->size() == 3)
    hidden = (*r)[2];
  if (std::optional<int64_t> size = op.maybeInteger("hidden_size"))
    hidden = op.constant(*size);
  if (batchFirst) {
    op.set(0, Shape{batch, steps, directions, hidden});
    op.set(1, Shape{batch, directions, hidden});
    op.set(2, Shape{batch, directions, hidden});
    return success();
  }
  op.set(0, Shape{steps, directions, batch, hidden});
  op.set(1, Shape{directions, batch, hidden});
  op.set(2, Shape{directions, batch, hidden});
  return success();
}

void hybrid::onnx::addNNShapes(ShapeFunctions &functions) {
  functions["Conv"] = conv<1>;
  functions["ConvInteger"] = conv<1>;
  functions["QLinearConv"] = conv<3>;
  functions["ConvTranspose"] = convTranspose;
  for (StringRef name : {"AveragePool", "LpPool", "MaxPool"})
    functions[name] = pool;
  for (StringRef name : {"GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"})
    functions[name] = globalPool;
  for (StringRef name : {"RNN", "GRU", "LSTM"})
    functions[name] = recurrent;
}
