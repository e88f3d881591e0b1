//===- Rope.cpp - rotary position embeddings ------------------------------===//

#include "Rope.h"

#include "Positions.h"
#include "Signature.h"
#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace hybrid {

//===----------------------------------------------------------------------===//
// Positions
//===----------------------------------------------------------------------===//

Tensor limitPositions(Lowering &l, const Tensor &positions, AffineExpr rows) {
  Type i64 = l.b.getI64Type();
  Value count = l.index(rows);
  Tensor wide = l.cast(positions, i64);
  return l.elementwise(
      {wide}, wide.shape, i64,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value end = arith::IndexCastOp::create(b, loc, i64, count);
        Value last = arith::SubIOp::create(b, loc, end, l.scalarInt(i64, 1));
        Value low = arith::MinSIOp::create(b, loc, args.front(), last);
        return arith::MaxSIOp::create(b, loc, low, l.scalarInt(i64, 0));
      });
}

Tensor getPositions(Lowering &l, Value positions, AffineExpr rows) {
  Tensor tensor = l.get(positions);
  Value source = positions;
  while (isa_and_nonnull<onnx::ReshapeOp, onnx::UnsqueezeOp, onnx::SqueezeOp,
                         onnx::IdentityOp>(source.getDefiningOp()))
    source = source.getDefiningOp()->getOperand(0);
  if (isa<BlockArgument>(source)) {
    InputRange range = findInputRange(source, l.symbols);
    std::optional<int64_t> fixedRows = l.getFixed(rows);
    if (range.range && fixedRows && range.range->first >= 0 &&
        range.range->second < *fixedRows)
      return l.cast(tensor, l.b.getI64Type());
  }
  return limitPositions(l, tensor, rows);
}

//===----------------------------------------------------------------------===//
// The rotation
//===----------------------------------------------------------------------===//

std::optional<Heads> splitHeads(Lowering &l, const Tensor &input,
                                int64_t heads) {
  if (input.getRank() == 4)
    return Heads{input, HeadLayout::BHTD};
  if (input.getRank() != 3 || heads < 1)
    return std::nullopt;
  std::optional<int64_t> width = l.getFixed(input.shape[2]);
  if (!width || *width % heads)
    return std::nullopt;
  return Heads{l.reshape(input, {input.shape[0], input.shape[1], l.fixed(heads),
                                 l.fixed(*width / heads)}),
               HeadLayout::BTHD};
}

Tensor createRope(Lowering &l, const Heads &input, const Tensor &cos,
                  const Tensor &sin, const Tensor &positions, int64_t rotaryDim,
                  bool interleaved) {
  Tensor init = l.empty(input.tensor.shape, input.tensor.getElementType());
  auto rope =
      RopeOp::create(l.b, l.loc, TypeRange{init.value.getType()},
                     input.tensor.value, cos.value, sin.value, positions.value,
                     init.value, rotaryDim, interleaved, input.layout);
  return {rope.getResult(0), init.shape};
}

namespace {
/// The attributes that the three operators share.
struct RopeAttrs {
  Operation *op;
  Value input, output;
  int64_t heads, rotaryDim;
  bool interleaved;
};
} // namespace

/// Splits the input's heads and fills in what the attributes leave open;
/// `half` is the last dimension of the tables.
static FailureOr<Heads> prepare(RopeAttrs &a, AffineExpr half, Lowering &l) {
  Tensor input = l.get(a.input);
  std::optional<int64_t> columns = l.getFixed(half);
  if (input.getRank() == 3 && a.heads == 0 && columns && *columns > 0)
    if (std::optional<int64_t> width = l.getFixed(input.shape[2]))
      a.heads = *width / (2 * *columns);
  std::optional<Heads> heads = splitHeads(l, input, a.heads);
  std::optional<int64_t> headDim;
  if (heads)
    headDim = l.getFixed(heads->tensor.shape[3]);
  if (!headDim) {
    (void)l.unsupported(a.op,
                        "the input must be [B, H, T, D], or [B, T, H * D] "
                        "with num_heads = H");
    return failure();
  }
  if (a.rotaryDim == 0)
    a.rotaryDim = *headDim;
  if (a.rotaryDim < 2 || a.rotaryDim % 2 || a.rotaryDim > *headDim ||
      !columns || *columns < a.rotaryDim / 2) {
    (void)l.unsupported(a.op, "rotary_embedding_dim " + Twine(a.rotaryDim) +
                                  " must be even, at most the head size " +
                                  Twine(*headDim) +
                                  " and at most twice the width of the tables");
    return failure();
  }
  return *heads;
}

static void finish(const RopeAttrs &a, const Heads &input, const Tensor &cos,
                   const Tensor &sin, const Tensor &positions, Lowering &l) {
  Tensor rotated =
      createRope(l, input, cos, sin, positions, a.rotaryDim, a.interleaved);
  l.set(a.output, l.reshape(rotated, l.get(a.input).shape));
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

static LogicalResult lowerRotary(onnx::RotaryEmbeddingOp op, Lowering &l) {
  RopeAttrs a{op,
              op.getX(),
              op.getY(),
              static_cast<int64_t>(op.getNumHeads().value_or(0)),
              static_cast<int64_t>(op.getRotaryEmbeddingDim()),
              op.getInterleaved() != 0};
  Tensor cos = l.get(op.getCosCache()), sin = l.get(op.getSinCache());
  bool indexed = !Lowering::isAbsent(op.getPositionIds());
  if (cos.getRank() != (indexed ? 2 : 3) || sin.getRank() != cos.getRank())
    return l.unsupported(op, indexed ? "with position_ids cos_cache and "
                                       "sin_cache must be of rank 2"
                                     : "without position_ids cos_cache and "
                                       "sin_cache must be of rank 3");
  if (indexed && l.rank(op.getPositionIds()) != 2)
    return l.unsupported(op, "position_ids must be of rank 2");
  FailureOr<Heads> input = prepare(a, cos.shape.back(), l);
  if (failed(input))
    return failure();
  Tensor positions;
  if (indexed)
    positions = getPositions(l, op.getPositionIds(), cos.shape[0]);
  finish(a, *input, cos, sin, positions, l);
  return success();
}

/// com.microsoft: position_ids may be one offset instead.
static LogicalResult lowerMsRotary(onnx::MsRotaryEmbeddingOp op, Lowering &l) {
  RopeAttrs a{op,
              op.getInput(),
              op.getOutput(),
              static_cast<int64_t>(op.getNumHeads().value_or(0)),
              static_cast<int64_t>(op.getRotaryEmbeddingDim().value_or(0)),
              op.getInterleaved().value_or(0) != 0};
  if (op.getIsPackedBatching().value_or(0) ||
      op.getScale().value_or(APFloat(1.0f)).convertToFloat() != 1)
    return l.unsupported(op, "is_packed_batching and scale other than 1");
  Tensor cos = l.get(op.getCosCache()), sin = l.get(op.getSinCache());
  unsigned positionRank = l.rank(op.getPositionIds());
  if (cos.getRank() != 2 || sin.getRank() != 2 || positionRank < 1 ||
      positionRank > 2)
    return l.unsupported(op, "cos_cache and sin_cache must be of rank 2 and "
                             "position_ids of rank 1 or 2");
  FailureOr<Heads> input = prepare(a, cos.shape.back(), l);
  if (failed(input))
    return failure();
  Tensor positions;
  if (positionRank == 2) {
    positions = getPositions(l, op.getPositionIds(), cos.shape[0]);
  } else {
    Tensor offset = l.cast(l.get(op.getPositionIds()), l.b.getI64Type());
    AffineExpr length =
        input->tensor.shape[input->layout == HeadLayout::BHTD ? 2 : 1];
    Tensor counted = l.elementwise(
        {l.reshape(offset, {l.fixed(1), l.fixed(1)})}, {l.fixed(1), length},
        l.b.getI64Type(),
        [](OpBuilder &b, Location loc, ValueRange args) -> Value {
          Value index = linalg::IndexOp::create(b, loc, 1);
          Value number =
              arith::IndexCastOp::create(b, loc, b.getI64Type(), index);
          return arith::AddIOp::create(b, loc, args.front(), number);
        });
    positions = limitPositions(l, counted, cos.shape[0]);
  }
  finish(a, *input, cos, sin, positions, l);
  return success();
}

/// The number of the position stream (time, height, width) that column `column`
/// of the tables uses.
static Value getSection(OpBuilder &b, Location loc, Value column,
                        ArrayRef<int64_t> sections, bool interleaved) {
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, loc, value);
  };
  auto less = [&](Value x, int64_t bound) -> Value {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, x,
                                 constant(bound));
  };
  auto select = [&](Value condition, Value x, Value y) -> Value {
    return arith::SelectOp::create(b, loc, condition, x, y);
  };
  if (!interleaved)
    return select(less(column, sections[0]), constant(0),
                  select(less(column, sections[0] + sections[1]), constant(1),
                         constant(2)));
  // Columns 1, 4, … are the height's up to 3 times its section, columns 2, 5, …
  // the width's; the time has the rest.
  Value phase = arith::RemUIOp::create(b, loc, column, constant(3));
  Value section = constant(0);
  for (int64_t stream : {1, 2}) {
    Value mine = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, phase,
                                       constant(stream));
    Value both =
        arith::AndIOp::create(b, loc, mine, less(column, 3 * sections[stream]));
    section = select(both, constant(stream), section);
  }
  return section;
}

static LogicalResult lowerMRotary(onnx::MsMRotaryEmbeddingOp op, Lowering &l) {
  RopeAttrs a{op,
              op.getInput(),
              op.getOutput(),
              static_cast<int64_t>(op.getNumHeads().value_or(0)),
              static_cast<int64_t>(op.getRotaryEmbeddingDim().value_or(0)),
              op.getInterleaved().value_or(0) != 0};
  ArrayRef<int64_t> sections = op.getMropeSection();
  if (op.getIsPackedBatching().value_or(0) ||
      op.getScale().value_or(APFloat(1.0f)).convertToFloat() != 1 ||
      op.getMropeLayout().value_or(0) > 1)
    return l.unsupported(op, "is_packed_batching, scale other than 1 and "
                             "mrope_layout other than 0 and 1");
  Tensor cos = l.get(op.getCosCache()), sin = l.get(op.getSinCache());
  if (cos.getRank() != 2 || sin.getRank() != 2 ||
      l.rank(op.getPositionIds()) != 3 ||
      !l.isEqual(l.shape(op.getPositionIds())[0], l.fixed(3)))
    return l.unsupported(op, "cos_cache and sin_cache must be of rank 2 and "
                             "position_ids [3, B, T]");
  FailureOr<Heads> input = prepare(a, cos.shape.back(), l);
  if (failed(input))
    return failure();
  if (sections.size() != 3 ||
      llvm::any_of(sections, [](int64_t size) { return size < 0; }) ||
      sections[0] + sections[1] + sections[2] != a.rotaryDim / 2)
    return l.unsupported(op, "mrope_section must be three sizes whose sum is "
                             "half the rotary dimension, " +
                                 Twine(a.rotaryDim / 2));
  Tensor positions = getPositions(l, op.getPositionIds(), cos.shape[0]);
  Shape shape = {positions.shape[1], positions.shape[2],
                 l.fixed(a.rotaryDim / 2)};
  bool interleaved = op.getMropeLayout().value_or(0) == 1;
  auto gather = [&](const Tensor &table) {
    return l.elementwise(
        {}, shape, table.getElementType(),
        [&](OpBuilder &b, Location loc, ValueRange) -> Value {
          Value batch = linalg::IndexOp::create(b, loc, 0);
          Value time = linalg::IndexOp::create(b, loc, 1);
          Value column = linalg::IndexOp::create(b, loc, 2);
          Value section = getSection(b, loc, column, sections, interleaved);
          Value position = tensor::ExtractOp::create(
              b, loc, positions.value, ValueRange{section, batch, time});
          Value row =
              arith::IndexCastOp::create(b, loc, b.getIndexType(), position);
          return tensor::ExtractOp::create(b, loc, table.value,
                                           ValueRange{row, column});
        });
  };
  finish(a, *input, gather(cos), gather(sin), {}, l);
  return success();
}

void registerRope(Registry &registry) {
  registry.add<onnx::RotaryEmbeddingOp>(lowerRotary);
  registry.add<onnx::MsRotaryEmbeddingOp>(lowerMsRotary);
  registry.add<onnx::MsMRotaryEmbeddingOp>(lowerMRotary);
}

} // namespace hybrid
