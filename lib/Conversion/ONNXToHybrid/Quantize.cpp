//===- Quantize.cpp - ONNX QuantizeLinear and its inverse to linalg -------===//

#include "Lowering.h"
#include "Scalars.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXQuantOps.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace hybrid;

namespace {
/// The tensor to (de)quantise and its parameters, shaped so that they broadcast
/// against it.
struct Aligned {
  Tensor input, scale, zero;
  /// To give the result before it gets the input's own shape.
  Shape shape;
};
} // namespace

static bool isQuantized(Type type) {
  return type.isInteger(8) || type.isInteger(16) || type.isInteger(32);
}

static LogicalResult reportParameters(Lowering &lowering, Operation *op) {
  return lowering.unsupported(
      op, "the shapes of scale and zero point don't fit the input",
      "one element, one per index of the axis, or one per block of block_size "
      "elements along a static axis work");
}

/// [n] along `axis` of a tensor of rank `rank`; one element broadcasts anyway.
static Tensor alignToAxis(Lowering &lowering, const Tensor &parameter,
                          int64_t axis, int64_t rank) {
  if (!parameter || parameter.getRank() == 0)
    return parameter;
  if (lowering.isOne(parameter.shape[0]))
    return lowering.reshape(parameter, {});
  Shape shape(rank - axis, lowering.fixed(1));
  shape[0] = parameter.shape[0];
  return lowering.reshape(parameter, shape);
}

/// Blocks become a dimension of their own.
static std::optional<Aligned> alignBlocks(Lowering &lowering, Aligned aligned,
                                          int64_t axis, int64_t blockSize) {
  AffineExpr block = lowering.fixed(blockSize);
  Shape blocked = aligned.input.shape, parameters = aligned.scale.shape;
  AffineExpr count = parameters[axis];
  if (!lowering.isEqual(lowering.product({count, block}), blocked[axis]))
    return std::nullopt;
  for (auto [i, pair] : llvm::enumerate(llvm::zip(blocked, parameters)))
    if (i != static_cast<size_t>(axis) &&
        !lowering.isEqual(std::get<0>(pair), std::get<1>(pair)))
      return std::nullopt;
  if (aligned.zero && !lowering.isEqual(aligned.zero.shape, parameters))
    return std::nullopt;
  blocked[axis] = count;
  blocked.insert(blocked.begin() + axis + 1, block);
  aligned.input = lowering.reshape(aligned.input, blocked);
  aligned.scale = lowering.unsqueeze(aligned.scale, axis + 1);
  if (aligned.zero)
    aligned.zero = lowering.unsqueeze(aligned.zero, axis + 1);
  aligned.shape = blocked;
  return aligned;
}

static FailureOr<Aligned> align(Operation *op, Lowering &lowering,
                                int64_t axisAttr, int64_t blockSize) {
  Aligned aligned = {lowering.get(op->getOperand(0)),
                     lowering.get(op->getOperand(1)),
                     lowering.get(op->getOperand(2)),
                     Shape(lowering.shape(op->getOperand(0)))};
  int64_t rank = aligned.input.getRank();
  bool isScalar = aligned.scale.getRank() == 0 ||
                  (aligned.scale.getRank() == 1 && blockSize == 0 &&
                   lowering.isOne(aligned.scale.shape[0]));
  std::optional<int64_t> axis = Lowering::normalizeAxis(axisAttr, rank);
  if (!axis && !isScalar)
    return lowering.unsupported(op, "axis " + Twine(axisAttr) +
                                        " is outside a tensor of rank " +
                                        Twine(rank));
  if (blockSize > 0) {
    std::optional<Aligned> blocks;
    if (axis && aligned.scale.getRank() == static_cast<unsigned>(rank))
      blocks = alignBlocks(lowering, aligned, *axis, blockSize);
    if (!blocks)
      return reportParameters(lowering, op);
    return *blocks;
  }
  if (aligned.scale.getRank() > 1 ||
      (aligned.zero && aligned.zero.getRank() > 1))
    return reportParameters(lowering, op);
  aligned.scale = alignToAxis(lowering, aligned.scale, axis.value_or(0), rank);
  aligned.zero = alignToAxis(lowering, aligned.zero, axis.value_or(0), rank);
  return aligned;
}

/// The nearest integer to x / scale, plus the zero point, as far as the type
/// goes.
static Value quantize(const Scalars &s, Value x, Value scale, Value zero,
                      Type type, bool isUnsigned) {
  Value quotient = s.div(x, scale);
  Value rounded = math::RoundEvenOp::create(s.b, s.loc, quotient);
  if (zero)
    rounded = s.add(rounded, zero);
  return s.convert(rounded, type, isUnsigned);
}

static LogicalResult lowerQuantizeLinear(onnx::QuantizeLinearOp op,
                                         Lowering &lowering) {
  Value result = op.getY();
  Type from = lowering.elementType(op.getX());
  Type scaleType = lowering.elementType(op.getYScale());
  Type to = lowering.elementType(result);
  bool isValid = (isa<FloatType>(from) || from.isInteger(32)) &&
                 isa<FloatType>(scaleType) && isQuantized(to) &&
                 !to.isInteger(32);
  if (!isValid)
    return lowering.unsupported(op, "no conversion between these element types",
                                "floats to integers of 8 and 16 bits work");
  FailureOr<Aligned> aligned =
      align(op, lowering, op.getAxis(), op.getBlockSize());
  if (failed(aligned))
    return failure();
  Type compute = from.isF64() || scaleType.isF64()
                     ? Type(lowering.b.getF64Type())
                     : Type(lowering.b.getF32Type());
  bool isUnsigned = lowering.isUnsigned(result);
  SmallVector<Tensor> inputs = {aligned->input, aligned->scale};
  if (aligned->zero)
    inputs.push_back(aligned->zero);
  Tensor quantized = lowering.elementwise(
      inputs, aligned->shape, to,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc}, z{b, loc, isUnsigned};
        Value zero = args.size() > 2 ? z.convert(args[2], compute) : Value();
        return quantize(s, s.convert(args[0], compute),
                        s.convert(args[1], compute), zero, to, isUnsigned);
      });
  lowering.set(result, lowering.reshape(quantized, lowering.shape(result)));
  return success();
}

namespace {
/// Which numbers of a matrix share a scale, see hybrid.dequantize_weight.
struct Blocks {
  int64_t axis, size;
  /// Of scales and zero points.
  SmallVector<int64_t> shape;
};
} // namespace

static std::optional<Blocks> getBlocks(onnx::DequantizeLinearOp op,
                                       Lowering &lowering,
                                       ArrayRef<int64_t> matrix) {
  SmallVector<int64_t> scales;
  for (AffineExpr size : lowering.shape(op.getXScale())) {
    scales.push_back(lowering.getFixed(size).value_or(0));
    if (scales.back() < 1)
      return std::nullopt;
  }
  int64_t block = op.getBlockSize();
  std::optional<int64_t> axis = Lowering::normalizeAxis(op.getAxis(), 2);
  if (block == 0 && (scales.empty() || scales == ArrayRef<int64_t>{1}))
    return Blocks{1, std::max(matrix[0], matrix[1]), {1, 1}};
  if (!axis)
    return std::nullopt;
  if (block == 0) {
    if (scales != ArrayRef<int64_t>{matrix[*axis]})
      return std::nullopt;
    SmallVector<int64_t> shape = {1, 1};
    shape[*axis] = scales[0];
    return Blocks{1 - *axis, matrix[1 - *axis], shape};
  }
  SmallVector<int64_t> shape(matrix);
  shape[*axis] /= block;
  if (shape[*axis] * block != matrix[*axis] || scales != shape)
    return std::nullopt;
  return Blocks{*axis, block, shape};
}

/// A matrix of integers that the file has; null if there is none.
static Tensor keepIntegers(onnx::DequantizeLinearOp op, Lowering &lowering) {
  Type element = lowering.elementType(op.getX());
  Type scale = lowering.elementType(op.getXScale());
  if (!element.isInteger(4) && !element.isInteger(8))
    return {};
  int64_t bits = element.getIntOrFloatBitWidth();
  SmallVector<int64_t> matrix;
  for (AffineExpr size : lowering.shape(op.getX()))
    matrix.push_back(lowering.getFixed(size).value_or(0));
  if (matrix.size() != 2 || llvm::is_contained(matrix, 0) ||
      !lowering.elementType(op.getY()).isF32() || !isa<FloatType>(scale) ||
      scale.getIntOrFloatBitWidth() > 32)
    return {};
  std::optional<Blocks> blocks = getBlocks(op, lowering, matrix);
  if (!blocks)
    return {};
  // Rows in whole bytes.
  auto inBytes = [&](SmallVector<int64_t> shape) {
    bool isWhole = shape[1] * bits % 8 == 0 || shape[0] == 1;
    shape[1] = isWhole ? llvm::divideCeil(shape[1] * bits, 8) : 0;
    return shape;
  };
  Type i8 = lowering.b.getI8Type();
  bool hasZeros = !Lowering::isAbsent(op.getXZeroPoint());
  Value integers = lowering.getBytes(op.getX(), inBytes(matrix), i8), zeros;
  Value scales = lowering.getBytes(op.getXScale(), blocks->shape, scale);
  if (hasZeros)
    zeros = lowering.getBytes(op.getXZeroPoint(), inBytes(blocks->shape), i8);
  if (!integers || !scales || (hasZeros && !zeros))
    return {};
  Shape shape(lowering.shape(op.getX()));
  Value weight = DequantizeWeightOp::create(
      lowering.b, lowering.loc, lowering.type(shape, lowering.b.getF32Type()),
      integers, scales, zeros, bits, blocks->size, blocks->axis,
      /*zero_point=*/0, !lowering.isUnsigned(op.getX()),
      /*rounded_rows=*/false);
  return {weight, shape};
}

static LogicalResult lowerDequantizeLinear(onnx::DequantizeLinearOp op,
                                           Lowering &lowering) {
  if (Tensor kept = keepIntegers(op, lowering)) {
    lowering.set(op.getY(), kept);
    return success();
  }
  Value result = op.getY();
  Type from = lowering.elementType(op.getX());
  Type to = lowering.elementType(result);
  Type scaleType = lowering.elementType(op.getXScale());
  bool isValid =
      isQuantized(from) && isa<FloatType>(to) && isa<FloatType>(scaleType);
  if (!isValid)
    return lowering.unsupported(op, "no conversion between these element types",
                                "integers of 8 to 32 bits to floats work");
  FailureOr<Aligned> aligned =
      align(op, lowering, op.getAxis(), op.getBlockSize());
  if (failed(aligned))
    return failure();
  bool isUnsigned = lowering.isUnsigned(op.getX());
  Type i32 = lowering.b.getI32Type();
  Type compute = getComputeType(scaleType);
  SmallVector<Tensor> inputs = {aligned->input, aligned->scale};
  if (aligned->zero)
    inputs.push_back(aligned->zero);
  Tensor values = lowering.elementwise(
      inputs, aligned->shape, to,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc, isUnsigned}, wide{b, loc};
        Value x = s.convert(args[0], i32);
        if (args.size() > 2)
          x = wide.sub(x, s.convert(args[2], i32));
        Value product =
            wide.mul(wide.convert(x, compute), wide.convert(args[1], compute));
        return wide.convert(product, to);
      });
  lowering.set(result, lowering.reshape(values, lowering.shape(result)));
  return success();
}

/// scale = (max(x, 0) - min(x, 0)) / 255, zero = round(-min / scale)
static LogicalResult
lowerDynamicQuantizeLinear(onnx::DynamicQuantizeLinearOp op,
                           Lowering &lowering) {
  if (!lowering.elementType(op.getX()).isF32())
    return lowering.unsupported(op, "its input is not f32");
  Tensor x = lowering.get(op.getX());
  OpBuilder &b = lowering.b;
  Type f32 = b.getF32Type(), i8 = b.getI8Type();
  SmallVector<int64_t> all =
      llvm::to_vector(llvm::seq<int64_t>(0, x.getRank()));
  Value none = lowering.scalar(f32, 0.0);
  Tensor largest = lowering.reduce(
      x, all, none, [](OpBuilder &b, Location loc, ValueRange args) {
        return Scalars{b, loc}.max(args[0], args[1]);
      });
  Tensor smallest = lowering.reduce(
      x, all, none, [](OpBuilder &b, Location loc, ValueRange args) {
        return Scalars{b, loc}.min(args[0], args[1]);
      });
  Tensor scale =
      lowering.elementwise({largest, smallest}, {}, f32,
                           [](OpBuilder &b, Location loc, ValueRange args) {
                             Scalars s{b, loc};
                             Value range = s.sub(args[0], args[1]);
                             return s.div(range, s.like(range, 255.0));
                           });
  Tensor zero = lowering.elementwise(
      {smallest, scale}, {}, i8,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc};
        return quantize(s, s.neg(args[0]), args[1], Value(), i8, true);
      });
  Tensor quantized = lowering.elementwise(
      {x, scale, zero}, x.shape, i8,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Scalars s{b, loc}, z{b, loc, /*isUnsigned=*/true};
        return quantize(s, args[0], args[1], z.convert(args[2], f32), i8, true);
      });
  lowering.set(op.getY(), quantized);
  lowering.set(op.getYScale(), scale);
  lowering.set(op.getYZeroPoint(), zero);
  return success();
}

void hybrid::registerQuantize(Registry &registry) {
  registry.add<onnx::QuantizeLinearOp>(lowerQuantizeLinear);
  registry.add<onnx::DequantizeLinearOp>(lowerDequantizeLinear);
  registry.add<onnx::DynamicQuantizeLinearOp>(lowerDynamicQuantizeLinear);
}
