//===- ContribQuant.cpp - com.microsoft block-quantised weights -----------===//
//
// Weights of 2, 4 or 8 bits in bytes, low bits first, in blocks along their
// last dimension with a scale and a zero point each: value = (q - zero) *
// scale.
//
//===----------------------------------------------------------------------===//

#include "BlockQuantized.h"
#include "Contraction.h"
#include "Scalars.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <algorithm>

using namespace mlir;

namespace hybrid {

/// Products of two sizes fit in 64 bits.
static constexpr int64_t kMaxSize = int64_t(1) << 28;

/// Number `which` of the values in the byte `packed`, as i32.
static Value unpack(OpBuilder &b, Location loc, Value packed, Value which,
                    int64_t bits) {
  Type i32 = b.getI32Type();
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  };
  Value wide = arith::ExtUIOp::create(b, loc, i32, packed);
  Value number = arith::IndexCastOp::create(b, loc, i32, which);
  Value shift = arith::MulIOp::create(b, loc, number, constant(bits));
  Value moved = arith::ShRUIOp::create(b, loc, wide, shift);
  return arith::AndIOp::create(b, loc, moved, constant((1 << bits) - 1));
}

/// bytes [rows, columns] as f32 [rows, columns * 8 / bits].
static Tensor unpackRows(Lowering &l, const Tensor &bytes, int64_t bits) {
  Shape shape = {bytes.shape[0], bytes.shape[1], l.fixed(8 / bits)};
  Tensor column = l.unsqueeze(bytes, 2);
  Tensor values = l.elementwise(
      {column}, shape, l.b.getF32Type(),
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Scalars s{b, loc};
        return s.convert(unpack(b, loc, args[0], s.loopIndex(2), bits),
                         b.getF32Type());
      });
  return l.reshape(values, {shape[0], l.product({shape[1], shape[2]})});
}

/// `tensor` [rows, n ≥ columns] without what exceeds `columns`.
static Tensor trimColumns(Lowering &l, const Tensor &tensor, int64_t columns) {
  return l.extractSlice(tensor, {l.fixed(0), l.fixed(0)},
                        {tensor.shape[0], l.fixed(columns)});
}

static bool isByte(const Tensor &tensor) {
  return tensor.getElementType().isInteger(8);
}

Tensor dequantizeRows(Lowering &l, const Tensor &bytes, const Tensor &scales,
                      const Tensor &zeros, int64_t bits, int64_t columns) {
  int64_t blocks = *l.getFixed(scales.shape[1]),
          block = *l.getFixed(bytes.shape[1]) * 8 / bits / blocks;
  AffineExpr rows = bytes.shape[0];
  Shape blocked = {rows, l.fixed(blocks), l.fixed(block)},
        perBlock = {rows, l.fixed(blocks), l.fixed(1)};
  SmallVector<Tensor> inputs = {l.reshape(unpackRows(l, bytes, bits), blocked),
                                l.reshape(scales, perBlock)};
  if (zeros)
    inputs.push_back(l.reshape(
        isByte(zeros) ? trimColumns(l, unpackRows(l, zeros, bits), blocks)
                      : zeros,
        perBlock));
  Type f32 = l.b.getF32Type();
  Tensor weights = l.elementwise(
      inputs, blocked, f32,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value zero = args.size() == 3 ? convertFloat(b, loc, args[2], f32)
                                      : l.scalar(f32, 1 << (bits - 1));
        Value centred = arith::SubFOp::create(b, loc, args[0], zero);
        Value scale = convertFloat(b, loc, args[1], f32);
        return arith::MulFOp::create(b, loc, centred, scale);
      });
  return trimColumns(l, l.reshape(weights, {rows, l.fixed(blocks * block)}),
                     columns);
}

//===----------------------------------------------------------------------===//
// MatMulNBits
//===----------------------------------------------------------------------===//

/// The weights [N, K] as integers that the file has; null if it has none.
static Tensor keepIntegers(onnx::MsMatMulNBitsOp op, Lowering &l) {
  int64_t rows = op.getN(), columns = op.getK(), block = op.getBlockSize();
  int64_t bits = op.getBits(), blocks = (columns + block - 1) / block;
  if (bits != 4 && bits != 8)
    return {};
  Type i8 = l.b.getI8Type();
  Value integers = l.getBytes(op.getB(), {rows, blocks * block * bits / 8}, i8);
  Value scales =
      l.getBytes(op.getScales(), {rows, blocks}, l.elementType(op.getScales()));
  Value zeros;
  bool hasZeros = !Lowering::isAbsent(op.getZeroPoints());
  if (hasZeros && l.elementType(op.getZeroPoints()).isInteger(8))
    zeros = l.getBytes(op.getZeroPoints(), {rows, (blocks * bits + 7) / 8}, i8);
  if (!integers || !scales || (hasZeros && !zeros) ||
      getElementTypeOrSelf(scales).getIntOrFloatBitWidth() > 32)
    return {};
  Shape shape = {l.fixed(rows), l.fixed(columns)};
  // Levels 3 and 4 allow rows in bfloat16 and in 8 bits.
  bool isRounded = op.getAccuracyLevel() >= 3;
  Value weight = DequantizeWeightOp::create(
      l.b, l.loc, l.type(shape, l.b.getF32Type()), integers, scales, zeros,
      bits, block, /*axis=*/1, int64_t(1) << (bits - 1), /*is_signed=*/false,
      isRounded);
  return {weight, shape};
}

/// The weights [N, K] in f32.
static FailureOr<Tensor> dequantize(onnx::MsMatMulNBitsOp op, Lowering &l) {
  int64_t rows = op.getN(), columns = op.getK(), block = op.getBlockSize();
  int64_t bits = op.getBits();
  Tensor packed = l.get(op.getB()), scales = l.get(op.getScales());
  Tensor zeros = l.get(op.getZeroPoints());
  auto error = [&](const Twine &why) -> FailureOr<Tensor> {
    (void)l.unsupported(op, why);
    return failure();
  };
  if ((bits != 2 && bits != 4 && bits != 8) || block < 16 ||
      (block & (block - 1)) || rows < 1 || columns < 1 ||
      std::max({block, rows, columns}) > kMaxSize)
    return error("bits must be 2, 4 or 8, block_size a power of 2 from 16 on, "
                 "and K and N positive");
  int64_t blocks = (columns + block - 1) / block;
  auto hasElements = [&](const Tensor &tensor, int64_t count) {
    return l.isEqual(l.product(tensor.shape), l.fixed(count));
  };
  if (!isByte(packed) || !hasElements(packed, rows * blocks * block * bits / 8))
    return error(
        "B must be uint8 [N, ceil(K / block_size), block_size * bits / "
        "8]");
  if (!hasElements(scales, rows * blocks))
    return error("scales must be [N, ceil(K / block_size)]");
  if (!Lowering::isAbsent(op.getGIdx()))
    return error("an order of the rows (g_idx) is not known; weights whose "
                 "blocks are in order work");
  if (Tensor kept = keepIntegers(op, l))
    return kept;

  bool arePacked = zeros && isByte(zeros);
  int64_t width = arePacked ? (blocks * bits + 7) / 8 : blocks;
  if (zeros && (!hasElements(zeros, rows * width) ||
                (!arePacked && !isa<FloatType>(zeros.getElementType()))))
    return error("zero_points must be uint8 [N, ceil(blocks * bits / 8)] or "
                 "floats [N, blocks]");
  auto toRows = [&](const Tensor &tensor, int64_t count) {
    return l.reshape(tensor, {l.fixed(rows), l.fixed(count)});
  };
  return dequantizeRows(l, toRows(packed, blocks * block * bits / 8),
                        toRows(scales, blocks),
                        zeros ? toRows(zeros, width) : Tensor(), bits, columns);
}

static LogicalResult lowerMatMulNBits(onnx::MsMatMulNBitsOp op, Lowering &l) {
  if (op.getWeightPrepacked())
    return l.unsupported(op,
                         "weight_prepacked = " + Twine(static_cast<int64_t>(
                                                     op.getWeightPrepacked())),
                         "portable weights (0) work");
  Tensor a = l.get(op.getA());
  if (a.getRank() < 1 ||
      !l.isEqual(a.shape.back(), l.fixed(static_cast<int64_t>(op.getK()))))
    return l.unsupported(op, "the last dimension of A must be K");
  FailureOr<Tensor> weights = dequantize(op, l);
  if (failed(weights))
    return failure();
  Shape rows(a.shape.begin(), a.shape.end() - 1);
  AffineExpr count = l.product(rows);
  Tensor matrix = l.reshape(a, {count, a.shape.back()});
  enum : Label { M, N, K };
  LabelSizes sizes;
  sizes[M] = count;
  sizes[N] = weights->shape[0];
  sizes[K] = weights->shape[1];
  Tensor product =
      contract(l, {matrix, {M, K}}, {*weights, {N, K}}, {M, N}, sizes);
  SmallVector<Tensor> terms = {product};
  if (Tensor bias = l.get(op.getBias()))
    terms.push_back(bias);
  Type type = l.elementType(op.getY());
  Tensor result = product;
  if (terms.size() == 2 || product.getElementType() != type)
    result = l.elementwise(
        terms, product.shape, type,
        [&](OpBuilder &b, Location loc, ValueRange args) {
          Value sum = args[0];
          if (args.size() == 2)
            sum = arith::AddFOp::create(
                b, loc, sum, convertFloat(b, loc, args[1], sum.getType()));
          return convertFloat(b, loc, sum, type);
        });
  l.set(op.getY(), l.reshape(result, l.shape(op.getY())));
  return success();
}

//===----------------------------------------------------------------------===//
// GatherBlockQuantized
//===----------------------------------------------------------------------===//

static LogicalResult
lowerGatherBlockQuantized(onnx::MsGatherBlockQuantizedOp op, Lowering &l) {
  Tensor data = l.get(op.getData()), scales = l.get(op.getScales());
  Tensor indices = l.get(op.getIndices()), zeros = l.get(op.getZeroPoints());
  int64_t bits = op.getBits(), block = op.getBlockSize();
  std::optional<int64_t> gatherAxis = Lowering::normalizeAxis(
      static_cast<int64_t>(op.getGatherAxis()), data.getRank());
  std::optional<int64_t> blockAxis = Lowering::normalizeAxis(
      static_cast<int64_t>(op.getQuantizeAxis()), data.getRank());
  if (data.getRank() != 2 || !isByte(data) || !l.isUnsigned(op.getData()) ||
      gatherAxis != 0 || blockAxis != 1 || scales.getRank() != 2 ||
      (zeros && zeros.getRank() != 2))
    return l.unsupported(op, "data must be uint8 of rank 2, gathered along "
                             "dimension 0 and quantised along dimension 1");
  if ((bits != 2 && bits != 4 && bits != 8) || block < 16 || block > kMaxSize)
    return l.unsupported(op,
                         "bits must be 2, 4 or 8 and block_size at least 16");
  std::optional<int64_t> rows = l.getFixed(data.shape[0]);
  std::optional<int64_t> bytes = l.getFixed(data.shape[1]);
  int64_t perByte = 8 / bits;
  int64_t width = bytes ? *bytes * perByte : 0;
  int64_t blocks = (width + block - 1) / block;
  auto fits = [&](const Tensor &table, int64_t columns) {
    return rows && l.isEqual(table.shape[0], data.shape[0]) &&
           l.getFixed(table.shape[1]) == columns;
  };
  if (!rows || *rows < 1 || !fits(scales, blocks) ||
      (zeros &&
       (!isByte(zeros) || !fits(zeros, (blocks + perByte - 1) / perByte))))
    return l.unsupported(op, "scales must be [rows, blocks], and zero_points "
                             "packed like data");

  Shape shape = indices.shape;
  shape.push_back(l.fixed(width));
  Type type = l.elementType(op.getOutput()), f32 = l.b.getF32Type();
  Value count = l.index(data.shape[0]);
  Tensor result = l.elementwise(
      {l.unsqueeze(indices, indices.getRank())}, shape, type,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Scalars s{b, loc};
        auto constant = [&](int64_t value) -> Value {
          return arith::ConstantIndexOp::create(b, loc, value);
        };
        auto divide = [&](Value x, int64_t by) -> Value {
          return arith::DivUIOp::create(b, loc, x, constant(by));
        };
        auto modulo = [&](Value x, int64_t by) -> Value {
          return arith::RemUIOp::create(b, loc, x, constant(by));
        };
        Value row = s.clampIndex(args[0], count);
        Value column = s.loopIndex(indices.getRank());
        Value here = divide(column, block);
        Value q = unpack(b, loc,
                         s.extract(data.value, {row, divide(column, perByte)}),
                         modulo(column, perByte), bits);
        Value zero =
            zeros ? unpack(b, loc,
                           s.extract(zeros.value, {row, divide(here, perByte)}),
                           modulo(here, perByte), bits)
                  : l.scalarInt(b.getI32Type(), int64_t(1) << (bits - 1));
        Value centred = s.convert(arith::SubIOp::create(b, loc, q, zero), f32);
        Value scale =
            convertFloat(b, loc, s.extract(scales.value, {row, here}), f32);
        Value value = arith::MulFOp::create(b, loc, centred, scale);
        // An index outside the table gives zeros.
        Value index =
            arith::IndexCastOp::create(b, loc, b.getIndexType(), args[0]);
        Value low = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge,
                                          index, constant(-*rows));
        Value high = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                           index, constant(*rows));
        Value inside = arith::AndIOp::create(b, loc, low, high);
        value =
            arith::SelectOp::create(b, loc, inside, value, l.scalar(f32, 0));
        return convertFloat(b, loc, value, type);
      });
  l.set(op.getOutput(), result);
  return success();
}

void registerContribQuant(Registry &registry) {
  registry.add<onnx::MsMatMulNBitsOp>(lowerMatMulNBits);
  registry.add<onnx::MsGatherBlockQuantizedOp>(lowerGatherBlockQuantized);
}

} // namespace hybrid
