//===- Conv.cpp - ONNX convolution to linalg ------------------------------===//
//
// A depthwise convolution with a short kernel is one loop over the output that
// reads the padded input through one view per element of the kernel. Any other
// one copies the windows next to each other and multiplies matrices.
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"
#include "Scalars.h"

#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"

using namespace mlir;
using namespace hybrid;

namespace {
/// A convolution with its attributes filled in. Input [N, C, in…], weights
/// [M, C/group, kernel…], output [N, M, out…].
struct Convolution {
  Tensor input, weights, bias;
  Shape shape;
  int64_t group = 1;
  /// Per spatial dimension.
  SmallVector<int64_t> kernel, strides, dilations;
  Shape before, after;
  /// C/group and M/group.
  int64_t channels = 0, features = 0;

  unsigned getNumSpatial() const { return kernel.size(); }
  int64_t getKernelSize() const {
    int64_t product = 1;
    for (int64_t size : kernel)
      product *= size;
    return product;
  }
};

/// Loops with more views than this are slower than a copy of the windows.
constexpr int64_t kMaxTaps = 16;
} // namespace

/// The attribute's values, or `count` ones.
static FailureOr<SmallVector<int64_t>>
getSteps(onnx::ConvOp op, Lowering &lowering, StringRef name,
         std::optional<ArrayRef<int64_t>> given, unsigned count) {
  SmallVector<int64_t> result(count, 1);
  if (given)
    result.assign(given->begin(), given->end());
  bool isValid = result.size() == count &&
                 llvm::all_of(result, [](int64_t step) { return step > 0; });
  if (!isValid)
    return lowering.unsupported(op, name + Twine(" does not fit ") +
                                        Twine(count) + " spatial dimensions");
  return result;
}

static LogicalResult getPads(onnx::ConvOp op, Lowering &lowering,
                             Convolution &conv) {
  unsigned count = conv.getNumSpatial();
  StringRef autoPad = op.getAutoPad();
  onnx::SymbolicShapes &symbols = lowering.symbols;
  AffineExpr zero = lowering.fixed(0);
  conv.before.assign(count, zero);
  conv.after.assign(count, zero);
  if (autoPad == "NOTSET" || autoPad.empty()) {
    std::optional<ArrayRef<int64_t>> pads = op.getPads();
    if (!pads)
      return success();
    bool isValid = pads->size() == 2 * count &&
                   llvm::all_of(*pads, [](int64_t pad) { return pad >= 0; });
    if (!isValid)
      return lowering.unsupported(op, "pads does not fit " + Twine(count) +
                                          " spatial dimensions");
    for (unsigned i = 0; i < count; ++i) {
      conv.before[i] = lowering.fixed((*pads)[i]);
      conv.after[i] = lowering.fixed((*pads)[i + count]);
    }
    return success();
  }
  if (autoPad == "VALID")
    return success();
  if (autoPad != "SAME_UPPER" && autoPad != "SAME_LOWER")
    return lowering.unsupported(op, "auto_pad is \"" + autoPad + "\"");
  for (unsigned i = 0; i < count; ++i) {
    // What the last window needs beyond the input, in equal parts.
    AffineExpr reach = (conv.shape[i + 2] - 1) * conv.strides[i] +
                       (conv.kernel[i] - 1) * conv.dilations[i] + 1;
    AffineExpr total =
        symbols.getMax(symbols.simplify(reach - conv.input.shape[i + 2]), zero);
    AffineExpr half = symbols.simplify(total.floorDiv(2));
    AffineExpr rest = symbols.simplify(total - half);
    conv.before[i] = autoPad == "SAME_UPPER" ? half : rest;
    conv.after[i] = autoPad == "SAME_UPPER" ? rest : half;
  }
  return success();
}

static FailureOr<Convolution> getConvolution(onnx::ConvOp op,
                                             Lowering &lowering) {
  Type elementType = lowering.elementType(op.getX());
  if (!isa<FloatType>(elementType) ||
      lowering.elementType(op.getW()) != elementType)
    return lowering.unsupported(op, "X and W are not of one float type");
  unsigned rank = lowering.rank(op.getX());
  if (rank < 3 || lowering.rank(op.getW()) != rank)
    return lowering.unsupported(
        op, "X and W are not both [N, C, …] with at least one more dimension");
  Convolution conv;
  conv.shape = Shape(lowering.shape(op.getY()));
  conv.group = op.getGroup();
  ShapeRef weightShape = lowering.shape(op.getW());
  for (AffineExpr size : weightShape)
    if (!lowering.getFixed(size))
      return lowering.unsupported(op, "the size of W is not static");
  for (AffineExpr size : weightShape.drop_front(2))
    conv.kernel.push_back(*lowering.getFixed(size));
  conv.channels = *lowering.getFixed(weightShape[1]);
  int64_t allFeatures = *lowering.getFixed(weightShape[0]);
  ShapeRef inputShape = lowering.shape(op.getX());
  bool groupsFit = conv.group > 0 && allFeatures % conv.group == 0 &&
                   lowering.isEqual(inputShape[1],
                                    lowering.fixed(conv.channels * conv.group));
  if (!groupsFit)
    return lowering.unsupported(op, "group = " + Twine(conv.group) +
                                        " does not fit the channels of X and "
                                        "W");
  conv.features = allFeatures / conv.group;
  FailureOr<SmallVector<int64_t>> strides =
      getSteps(op, lowering, "strides", op.getStrides(), rank - 2);
  if (failed(strides))
    return failure();
  FailureOr<SmallVector<int64_t>> dilations =
      getSteps(op, lowering, "dilations", op.getDilations(), rank - 2);
  if (failed(dilations))
    return failure();
  conv.strides = *strides;
  conv.dilations = *dilations;
  conv.input = lowering.get(op.getX());
  conv.weights = lowering.get(op.getW());
  conv.bias = lowering.get(op.getB());
  if (conv.bias && conv.bias.getRank() != 1)
    return lowering.unsupported(op, "B is not of rank 1");
  if (failed(getPads(op, lowering, conv)))
    return failure();
  return conv;
}

/// The input with zeros around it.
static Tensor padInput(Lowering &lowering, const Convolution &conv) {
  AffineExpr zero = lowering.fixed(0);
  Shape shape = conv.input.shape, offsets(shape.size(), zero);
  for (unsigned i = 0; i < conv.getNumSpatial(); ++i) {
    offsets[i + 2] = conv.before[i];
    shape[i + 2] = lowering.symbols.simplify(shape[i + 2] + conv.before[i] +
                                             conv.after[i]);
  }
  if (lowering.isEqual(shape, conv.input.shape))
    return conv.input;
  return lowering.insertSlice(
      conv.input, lowering.zeros(shape, conv.input.getElementType()), offsets);
}

/// Calls `fn` with the position of every element of the kernel, row-major.
static void forEachTap(ArrayRef<int64_t> kernel,
                       llvm::function_ref<void(ArrayRef<int64_t>)> fn) {
  SmallVector<int64_t> position(kernel.size(), 0);
  while (true) {
    fn(position);
    int64_t dim = kernel.size() - 1;
    while (dim >= 0 && ++position[dim] == kernel[dim])
      position[dim--] = 0;
    if (dim < 0)
      return;
  }
}

/// out[n, c, t…] = bias[c] + Σ_k input[n, c, t·stride + k·dilation…] w[c, k…]
static Tensor buildDepthwise(Lowering &lowering, const Convolution &conv,
                             Type elementType) {
  unsigned rank = conv.shape.size();
  OpBuilder &b = lowering.b;
  Tensor padded = padInput(lowering, conv);
  SmallVector<Tensor> inputs;
  SmallVector<AffineMap> maps;
  AffineMap identity = b.getMultiDimIdentityMap(rank);
  AffineMap perChannel =
      AffineMap::get(rank, 0, b.getAffineDimExpr(1), b.getContext());
  SmallVector<int64_t> steps = {1, 1};
  llvm::append_range(steps, conv.strides);
  forEachTap(conv.kernel, [&](ArrayRef<int64_t> tap) {
    Shape offsets(2, lowering.fixed(0)), weightOffsets(2, lowering.fixed(0));
    Shape one(conv.weights.getRank(), lowering.fixed(1));
    one[0] = conv.weights.shape[0];
    for (auto [k, dilation] : llvm::zip(tap, conv.dilations)) {
      offsets.push_back(lowering.fixed(k * dilation));
      weightOffsets.push_back(lowering.fixed(k));
    }
    inputs.push_back(lowering.extractSlice(padded, offsets, conv.shape, steps));
    maps.push_back(identity);
    Tensor weight = lowering.extractSlice(conv.weights, weightOffsets, one);
    inputs.push_back(lowering.reshape(weight, one[0]));
    maps.push_back(perChannel);
  });
  if (conv.bias) {
    inputs.push_back(conv.bias);
    maps.push_back(perChannel);
  }
  maps.push_back(identity);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  Type compute = getComputeType(elementType);
  return lowering.generic(
      inputs, lowering.empty(conv.shape, elementType), maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc};
        ValueRange operands = args.drop_back();
        Value sum = conv.bias ? s.convert(operands.back(), compute) : Value();
        for (int64_t i = 0, e = conv.getKernelSize(); i < e; ++i) {
          Value product = s.mul(s.convert(operands[2 * i], compute),
                                s.convert(operands[2 * i + 1], compute));
          sum = sum ? s.add(sum, product) : product;
        }
        return s.convert(sum, elementType);
      });
}

/// The windows of the padded input, [N, group, C/group, kernel…, out…].
static Tensor gatherWindows(Lowering &lowering, const Convolution &conv) {
  unsigned spatial = conv.getNumSpatial();
  Shape shape = {conv.shape[0], lowering.fixed(conv.group),
                 lowering.fixed(conv.channels)};
  for (int64_t size : conv.kernel)
    shape.push_back(lowering.fixed(size));
  llvm::append_range(shape, ShapeRef(conv.shape).drop_front(2));
  Tensor source = padInput(lowering, conv);
  Type elementType = source.getElementType();
  return lowering.elementwise(
      {}, shape, elementType, [&](OpBuilder &b, Location loc, ValueRange) {
        Scalars s{b, loc};
        Type index = b.getIndexType();
        Value channel =
            s.add(s.mul(s.loopIndex(1), s.integer(index, conv.channels)),
                  s.loopIndex(2));
        SmallVector<Value> position = {s.loopIndex(0), channel};
        for (unsigned i = 0; i < spatial; ++i)
          position.push_back(s.add(
              s.mul(s.loopIndex(3 + spatial + i),
                    s.integer(index, conv.strides[i])),
              s.mul(s.loopIndex(3 + i), s.integer(index, conv.dilations[i]))));
        return s.extract(source.value, position);
      });
}

/// Whether every window is one element, and in its place.
static bool isPointwise(Lowering &lowering, const Convolution &conv) {
  auto isOne = [](int64_t size) { return size == 1; };
  return llvm::all_of(conv.kernel, isOne) &&
         llvm::all_of(conv.strides, isOne) &&
         lowering.isEqual(ShapeRef(conv.shape).drop_front(2),
                          ShapeRef(conv.input.shape).drop_front(2));
}

/// out[n, g, m, o] = Σ_{c, k} w[g, m, c, k] windows[n, g, c, k, o]
static Tensor buildDense(Lowering &lowering, const Convolution &conv,
                         Type elementType) {
  enum : Label { kBatch, kGroup, kFeature, kInner, kPlace };
  Tensor gathered =
      isPointwise(lowering, conv) ? conv.input : gatherWindows(lowering, conv);
  LabeledTensor weights, windows;
  if (conv.group == 1) {
    weights.labels = {kFeature, kInner};
    windows.labels = {kBatch, kInner, kPlace};
  } else {
    weights.labels = {kGroup, kFeature, kInner};
    windows.labels = {kBatch, kGroup, kInner, kPlace};
  }
  LabelSizes sizes;
  sizes[kBatch] = conv.shape[0];
  sizes[kGroup] = lowering.fixed(conv.group);
  sizes[kFeature] = lowering.fixed(conv.features);
  sizes[kInner] = lowering.fixed(conv.channels * conv.getKernelSize());
  sizes[kPlace] = lowering.product(ShapeRef(conv.shape).drop_front(2));
  auto getShape = [&](ArrayRef<Label> labels) {
    Shape shape;
    for (Label label : labels)
      shape.push_back(sizes[label]);
    return shape;
  };
  weights.tensor = lowering.reshape(conv.weights, getShape(weights.labels));
  windows.tensor = lowering.reshape(gathered, getShape(windows.labels));
  Labels output = windows.labels;
  output[output.size() - 2] = kFeature;
  Tensor product = contract(lowering, weights, windows, output, sizes);
  product = lowering.reshape(product, conv.shape);
  if (!conv.bias)
    return lowering.cast(product, elementType);
  Shape aligned(conv.shape.size() - 1, lowering.fixed(1));
  aligned[0] = conv.bias.shape[0];
  return lowering.elementwise(
      {product, lowering.reshape(conv.bias, aligned)}, conv.shape, elementType,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc};
        Value sum = s.add(args[0], s.convert(args[1], args[0].getType()));
        return s.convert(sum, elementType);
      });
}

static LogicalResult lowerConv(onnx::ConvOp op, Lowering &lowering) {
  FailureOr<Convolution> conv = getConvolution(op, lowering);
  if (failed(conv))
    return failure();
  Value result = op.getY();
  Type elementType = lowering.elementType(result);
  bool isDepthwise = conv->channels == 1 && conv->features == 1 &&
                     conv->getKernelSize() <= kMaxTaps &&
                     conv->getKernelSize() > 0;
  lowering.set(result, isDepthwise
                           ? buildDepthwise(lowering, *conv, elementType)
                           : buildDense(lowering, *conv, elementType));
  return success();
}

void hybrid::registerConv(Registry &registry) {
  registry.add<onnx::ConvOp>(lowerConv);
}
