//===- Cast.cpp - ONNX Cast, CastLike and BitCast to linalg ---------------===//

#include "Lowering.h"
#include "Scalars.h"

#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace hybrid;

/// f16 bf16 f32 f64, integers of whole bytes, bool.
static bool isSupported(Type type) {
  if (isa<IntegerType>(type)) {
    unsigned width = type.getIntOrFloatBitWidth();
    return width == 1 || width == 8 || width == 16 || width == 32 ||
           width == 64;
  }
  return type.isF16() || type.isBF16() || type.isF32() || type.isF64();
}

template <typename OpTy>
static LogicalResult lowerCast(OpTy op, Lowering &lowering) {
  Value input = op.getInput(), output = op.getOutput();
  Type from = lowering.elementType(input), to = lowering.elementType(output);
  if (!isSupported(from) || !isSupported(to)) {
    std::string types;
    llvm::raw_string_ostream(types) << from << " to " << to;
    return lowering.unsupported(op, "no conversion from " + types,
                                "f16, bf16, f32, f64, bool and integers of 8 "
                                "to 64 bits work");
  }
  lowering.set(output, lowering.cast(lowering.get(input), to,
                                     lowering.isUnsigned(input),
                                     lowering.isUnsigned(output)));
  return success();
}

/// Bits in memory: a bool takes a byte.
static unsigned getBitWidth(Type type) {
  return std::max(8u, type.getIntOrFloatBitWidth());
}

static LogicalResult lowerBitCast(onnx::BitCastOp op, Lowering &lowering) {
  Value input = op.getInput(), output = op.getOutput();
  Type from = lowering.elementType(input), to = lowering.elementType(output);
  if (!isSupported(from) || !isSupported(to) ||
      getBitWidth(from) != getBitWidth(to))
    return lowering.unsupported(op, "the element types differ in size",
                                "types of the same number of bits work");
  Tensor tensor = lowering.get(input);
  if (from.isInteger(1) || to.isInteger(1))
    tensor = lowering.cast(tensor, to);
  else if (from != to)
    tensor = lowering.elementwise(
        {tensor}, tensor.shape, to,
        [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
          return arith::BitcastOp::create(b, loc, to, args[0]);
        });
  lowering.set(output, tensor);
  return success();
}

void hybrid::registerCast(Registry &registry) {
  registry.add<onnx::CastOp>(lowerCast<onnx::CastOp>);
  registry.add<onnx::CastLikeOp>(lowerCast<onnx::CastLikeOp>);
  registry.add<onnx::BitCastOp>(lowerBitCast);
}
