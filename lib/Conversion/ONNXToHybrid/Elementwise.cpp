//===- Elementwise.cpp - ONNX elementwise operators to linalg -------------===//
//
// Each operator is one loop over the broadcast shape. 16-bit floats are
// computed in f32 and rounded once.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "Scalars.h"

#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace hybrid;

namespace {
/// What the operands of an operator may be.
enum class Kind { Number, Float, Integer, Bool, Any };

using ScalarFn = llvm::function_ref<Value(const Scalars &, ValueRange)>;
using UnaryFn = Value (*)(const Scalars &, Value);
using BinaryFn = Value (*)(const Scalars &, Value, Value);
} // namespace

static bool isKind(Type type, Kind kind) {
  bool isBool = type.isInteger(1), isInteger = isa<IntegerType>(type);
  switch (kind) {
  case Kind::Number:
    return isa<FloatType>(type) || (isInteger && !isBool);
  case Kind::Float:
    return isa<FloatType>(type);
  case Kind::Integer:
    return isInteger && !isBool;
  case Kind::Bool:
    return isBool;
  case Kind::Any:
    return isa<FloatType>(type) || isInteger;
  }
  llvm_unreachable("all kinds are handled");
}

static StringRef getName(Kind kind) {
  switch (kind) {
  case Kind::Number:
    return "float or integer";
  case Kind::Float:
    return "float";
  case Kind::Integer:
    return "integer";
  case Kind::Bool:
    return "bool";
  case Kind::Any:
    return "float, integer or bool";
  }
  llvm_unreachable("all kinds are handled");
}

static LogicalResult checkOperands(Lowering &lowering, Operation *op,
                                   ValueRange operands, Kind kind) {
  if (operands.empty())
    return lowering.unsupported(op, "it has no inputs",
                                "at least one is required");
  Type first = lowering.elementType(operands[0]);
  for (Value operand : operands) {
    Type type = lowering.elementType(operand);
    if (!isKind(type, kind))
      return lowering.unsupported(
          op, "an input has an element type that the operator doesn't take",
          getName(kind) + " inputs work");
    if (type != first)
      return lowering.unsupported(op, "the inputs' element types differ",
                                  "insert a Cast");
  }
  return success();
}

namespace {
/// The operands of a loop. Constants of one element are not read from memory:
/// the body makes them.
struct Inputs {
  SmallVector<Tensor> tensors;
  /// Per operand, null for those in `tensors`.
  SmallVector<TypedAttr> constants;

  Inputs(Lowering &lowering, ValueRange operands) {
    for (Value operand : operands) {
      constants.push_back(getScalar(lowering, operand));
      if (!constants.back())
        tensors.push_back(lowering.get(operand));
    }
  }

  /// The scalars of all operands from those of `tensors`.
  SmallVector<Value> getScalars(OpBuilder &b, Location loc,
                                ValueRange args) const {
    SmallVector<Value> scalars;
    for (TypedAttr constant : constants) {
      if (constant) {
        scalars.push_back(arith::ConstantOp::create(b, loc, constant));
        continue;
      }
      scalars.push_back(args.front());
      args = args.drop_front();
    }
    return scalars;
  }

private:
  static TypedAttr getScalar(Lowering &lowering, Value operand) {
    std::optional<DenseElementsAttr> constant = lowering.constant(operand);
    if (!constant || constant->getNumElements() != 1)
      return {};
    return cast<TypedAttr>(*constant->getValues<Attribute>().begin());
  }
};
} // namespace

/// One loop that computes `result` from `operands`, which broadcast. The body
/// sees floats in their compute type and gives one, or an integer.
static void lowerPointwise(Lowering &lowering, Value result,
                           ValueRange operands, ScalarFn body) {
  Inputs inputs(lowering, operands);
  bool isUnsigned = lowering.isUnsigned(operands[0]);
  Type elementType = lowering.elementType(result);
  auto compute = [&](OpBuilder &b, Location loc, ValueRange args) {
    Scalars s{b, loc, isUnsigned};
    SmallVector<Value> scalars = inputs.getScalars(b, loc, args);
    for (Value &scalar : scalars)
      scalar = s.convert(scalar, getComputeType(scalar.getType()));
    return s.convert(body(s, scalars), elementType);
  };
  lowering.set(result,
               lowering.elementwise(inputs.tensors, lowering.shape(result),
                                    elementType, compute));
}

//===----------------------------------------------------------------------===//
// Families
//===----------------------------------------------------------------------===//

template <typename OpTy>
static void addUnary(Registry &registry, Kind kind, UnaryFn fn) {
  registry.add<OpTy>([=](OpTy op, Lowering &lowering) -> LogicalResult {
    if (failed(checkOperands(lowering, op, op->getOperands(), kind)))
      return failure();
    lowerPointwise(lowering, op->getResult(0), op->getOperands(),
                   [&](const Scalars &s, ValueRange x) { return fn(s, x[0]); });
    return success();
  });
}

template <typename OpTy>
static void addBinary(Registry &registry, Kind kind, BinaryFn fn) {
  registry.add<OpTy>([=](OpTy op, Lowering &lowering) -> LogicalResult {
    if (failed(checkOperands(lowering, op, op->getOperands(), kind)))
      return failure();
    lowerPointwise(
        lowering, op->getResult(0), op->getOperands(),
        [&](const Scalars &s, ValueRange x) { return fn(s, x[0], x[1]); });
    return success();
  });
}

/// Operators on any number of inputs, combined from left to right.
template <typename OpTy>
static void addVariadic(Registry &registry, BinaryFn fn) {
  registry.add<OpTy>([=](OpTy op, Lowering &lowering) -> LogicalResult {
    if (failed(checkOperands(lowering, op, op->getOperands(), Kind::Number)))
      return failure();
    lowerPointwise(lowering, op->getResult(0), op->getOperands(),
                   [&](const Scalars &s, ValueRange x) {
                     Value result = x[0];
                     for (Value other : x.drop_front())
                       result = fn(s, result, other);
                     if (std::is_same_v<OpTy, onnx::MeanOp>)
                       result = s.div(result, s.like(result, x.size()));
                     return result;
                   });
    return success();
  });
}

/// Functions of one number with parameters from the node's attributes.
template <typename OpTy, typename Fn>
static void addParametric(Registry &registry, Fn fn) {
  registry.add<OpTy>([=](OpTy op, Lowering &lowering) -> LogicalResult {
    constexpr bool allowIntegers = std::is_same_v<OpTy, onnx::ShrinkOp>;
    Kind kind = allowIntegers ? Kind::Number : Kind::Float;
    if (failed(checkOperands(lowering, op, op->getOperands(), kind)))
      return failure();
    lowerPointwise(
        lowering, op->getResult(0), op->getOperands(),
        [&](const Scalars &s, ValueRange x) { return fn(op, s, x[0]); });
    return success();
  });
}

template <typename MathOp>
static Value apply(const Scalars &s, Value x) {
  return MathOp::create(s.b, s.loc, x);
}

//===----------------------------------------------------------------------===//
// Functions of one number
//===----------------------------------------------------------------------===//

static Value buildSign(const Scalars &s, Value x) {
  Value zero = s.like(x, 0.0), one = s.like(x, 1.0);
  Value positive = s.select(s.less(zero, x), one, x);
  if (s.isUnsigned)
    return positive;
  return s.select(s.less(x, zero), s.neg(one), positive);
}

static Value buildRound(const Scalars &s, Value x) {
  return math::RoundEvenOp::create(s.b, s.loc, x);
}

static Value buildReciprocal(const Scalars &s, Value x) {
  return s.div(s.like(x, 1.0), x);
}

static Value buildRelu(const Scalars &s, Value x) {
  return s.max(x, s.like(x, 0.0));
}

static Value buildSoftsign(const Scalars &s, Value x) {
  return s.div(x, s.add(s.like(x, 1.0), s.abs(x)));
}

/// max(0, min(1, alpha x + beta))
static Value buildHardSigmoid(const Scalars &s, Value x, double alpha,
                              double beta) {
  Value line = s.add(s.mul(x, s.like(x, alpha)), s.like(x, beta));
  return s.max(s.min(line, s.like(x, 1.0)), s.like(x, 0.0));
}

static Value buildHardSwish(const Scalars &s, Value x) {
  return s.mul(x, buildHardSigmoid(s, x, 1.0 / 6.0, 0.5));
}

static Value buildMish(const Scalars &s, Value x) {
  return s.mul(x, s.tanh(s.softplus(x)));
}

/// x Φ(x), with the error function
static Value buildGelu(const Scalars &s, Value x) {
  Value cdf = s.add(s.like(x, 1.0), s.erf(s.mul(x, s.like(x, M_SQRT1_2))));
  return s.mul(s.mul(x, s.like(x, 0.5)), cdf);
}

/// x Φ(x), approximated: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))
static Value buildTanhGelu(const Scalars &s, Value x) {
  Value cube = s.mul(s.mul(x, x), x);
  Value inner = s.add(x, s.mul(cube, s.like(x, 0.044715)));
  Value t = s.tanh(s.mul(inner, s.like(x, M_2_SQRTPI * M_SQRT1_2)));
  return s.mul(s.mul(x, s.like(x, 0.5)), s.add(s.like(x, 1.0), t));
}

/// exp(x) - 1, used for x ≤ 0 only: elsewhere it may overflow, unused.
static Value buildExpm1(const Scalars &s, Value x) {
  return math::ExpM1Op::create(s.b, s.loc, x);
}

static Value buildElu(const Scalars &s, Value x, double alpha) {
  Value curve = s.mul(s.like(x, alpha), buildExpm1(s, x));
  return s.select(s.less(x, s.like(x, 0.0)), curve, x);
}

/// max(0, x) + min(0, alpha (exp(x / alpha) - 1))
static Value buildCelu(const Scalars &s, Value x, double alpha) {
  Value zero = s.like(x, 0.0), a = s.like(x, alpha);
  Value curve = s.mul(a, buildExpm1(s, s.div(x, a)));
  return s.add(s.max(x, zero), s.min(curve, zero));
}

static Value buildSwish(const Scalars &s, Value x, double alpha) {
  return s.mul(x, s.sigmoid(alpha == 1.0 ? x : s.mul(x, s.like(x, alpha))));
}

static Value buildThresholdedRelu(const Scalars &s, Value x, double alpha) {
  return s.select(s.less(s.like(x, alpha), x), x, s.like(x, 0.0));
}

static Value buildShrink(const Scalars &s, Value x, double bias,
                         double lambda) {
  Value b = s.like(x, bias);
  Value zero = s.like(x, 0.0);
  Value upper = s.select(s.less(s.like(x, lambda), x), s.sub(x, b), zero);
  return s.select(s.less(x, s.like(x, -lambda)), s.add(x, b), upper);
}

static double toDouble(const APFloat &value) { return value.convertToDouble(); }

//===----------------------------------------------------------------------===//
// Functions of several numbers
//===----------------------------------------------------------------------===//

static Value buildGreater(const Scalars &s, Value x, Value y) {
  return s.less(y, x);
}

static Value buildGreaterOrEqual(const Scalars &s, Value x, Value y) {
  return s.lessOrEqual(y, x);
}

static Value buildPRelu(const Scalars &s, Value x, Value slope) {
  return s.select(s.less(x, s.like(x, 0.0)), s.mul(x, slope), x);
}

/// x^y for an exponent that a few multiplications or a root do; null for
/// others.
static Value buildConstantPower(const Scalars &s, Value x, double y) {
  if (y == 1.0)
    return x;
  if (y == 2.0)
    return s.mul(x, x);
  if (y == 3.0)
    return s.mul(s.mul(x, x), x);
  if (y == 4.0) {
    Value square = s.mul(x, x);
    return s.mul(square, square);
  }
  if (!isa<FloatType>(x.getType()))
    return {};
  if (y == 0.5)
    return s.sqrt(x);
  if (y == -0.5)
    return buildReciprocal(s, s.sqrt(x));
  if (y == -1.0)
    return buildReciprocal(s, x);
  return {};
}

/// The type in which x^y is computed. Integers up to 2^53 are exact in f64.
static Type getPowerType(OpBuilder &b, Type x, Type y) {
  bool wide = !isa<FloatType>(x) || x.isF64() || y.isF64();
  return wide ? Type(b.getF64Type()) : Type(b.getF32Type());
}

static LogicalResult lowerPow(onnx::PowOp op, Lowering &lowering) {
  Type baseType = lowering.elementType(op.getX());
  Type exponentType = lowering.elementType(op.getY());
  if (!isKind(baseType, Kind::Number) || !isKind(exponentType, Kind::Number))
    return lowering.unsupported(op, "base or exponent is not a number",
                                "float and integer tensors work");
  Inputs inputs(lowering, {op.getX(), op.getY()});
  bool isUnsigned = lowering.isUnsigned(op.getX());
  bool exponentUnsigned = lowering.isUnsigned(op.getY());
  std::optional<double> constant = lowering.constantScalar(op.getY());
  auto body = [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
    SmallVector<Value> x = inputs.getScalars(b, loc, args);
    Scalars s{b, loc, isUnsigned};
    Scalars e{b, loc, exponentUnsigned};
    if (constant) {
      Value base = s.convert(x[0], getComputeType(baseType));
      if (Value power = buildConstantPower(s, base, *constant))
        return s.convert(power, baseType);
    }
    Type type = getPowerType(b, baseType, exponentType);
    Value power = s.pow(s.convert(x[0], type), e.convert(x[1], type));
    return s.convert(power, baseType, isUnsigned);
  };
  lowering.set(op.getZ(),
               lowering.elementwise(inputs.tensors, lowering.shape(op.getZ()),
                                    baseType, body));
  return success();
}

static LogicalResult lowerMod(onnx::ModOp op, Lowering &lowering) {
  if (failed(checkOperands(lowering, op, op->getOperands(), Kind::Number)))
    return failure();
  // Floats are required to have fmod = 1, and get it in any case.
  bool likeC =
      op.getFmod() != 0 || isa<FloatType>(lowering.elementType(op.getA()));
  lowerPointwise(lowering, op.getC(), op->getOperands(),
                 [&](const Scalars &s, ValueRange x) {
                   return likeC ? s.remainder(x[0], x[1])
                                : s.modulo(x[0], x[1]);
                 });
  return success();
}

static LogicalResult lowerBitShift(onnx::BitShiftOp op, Lowering &lowering) {
  if (failed(checkOperands(lowering, op, op->getOperands(), Kind::Integer)))
    return failure();
  StringRef direction = op.getDirection();
  if (direction != "LEFT" && direction != "RIGHT")
    return lowering.unsupported(op, "direction is \"" + direction + "\"",
                                "\"LEFT\" and \"RIGHT\" work");
  bool left = direction == "LEFT";
  lowerPointwise(lowering, op.getZ(), op->getOperands(),
                 [&](const Scalars &s, ValueRange x) {
                   return left ? s.shiftLeft(x[0], x[1])
                               : s.shiftRight(x[0], x[1]);
                 });
  return success();
}

static LogicalResult lowerClip(onnx::ClipOp op, Lowering &lowering) {
  SmallVector<Value> operands = {op.getInput()};
  bool hasMin = !Lowering::isAbsent(op.getMin());
  bool hasMax = !Lowering::isAbsent(op.getMax());
  if (hasMin)
    operands.push_back(op.getMin());
  if (hasMax)
    operands.push_back(op.getMax());
  if (failed(checkOperands(lowering, op, operands, Kind::Number)))
    return failure();
  lowerPointwise(lowering, op.getOutput(), operands,
                 [&](const Scalars &s, ValueRange x) {
                   Value result = x[0];
                   if (hasMin)
                     result = s.max(result, x[1]);
                   if (hasMax)
                     result = s.min(result, x.back());
                   return result;
                 });
  return success();
}

static LogicalResult lowerWhere(onnx::WhereOp op, Lowering &lowering) {
  if (failed(checkOperands(lowering, op, op.getCondition(), Kind::Bool)) ||
      failed(checkOperands(lowering, op, {op.getX(), op.getY()}, Kind::Any)))
    return failure();
  // A choice needs no arithmetic: 16-bit floats stay as they are.
  Inputs inputs(lowering, op->getOperands());
  auto body = [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
    SmallVector<Value> x = inputs.getScalars(b, loc, args);
    return arith::SelectOp::create(b, loc, x[0], x[1], x[2]);
  };
  Value result = op.getOutput();
  lowering.set(result,
               lowering.elementwise(inputs.tensors, lowering.shape(result),
                                    lowering.elementType(result), body));
  return success();
}

static LogicalResult lowerIsInf(onnx::IsInfOp op, Lowering &lowering) {
  if (failed(checkOperands(lowering, op, op.getX(), Kind::Float)))
    return failure();
  bool positive = op.getDetectPositive(), negative = op.getDetectNegative();
  lowerPointwise(lowering, op.getY(), op.getX(),
                 [&](const Scalars &s, ValueRange x) {
                   return s.isInf(x[0], positive, negative);
                 });
  return success();
}

static LogicalResult lowerGelu(onnx::GeluOp op, Lowering &lowering) {
  if (failed(checkOperands(lowering, op, op.getX(), Kind::Float)))
    return failure();
  StringRef approximate = op.getApproximate();
  if (approximate != "none" && approximate != "tanh")
    return lowering.unsupported(op, "approximate is \"" + approximate + "\"",
                                "\"none\" and \"tanh\" work");
  UnaryFn fn = approximate == "tanh" ? buildTanhGelu : buildGelu;
  lowerPointwise(lowering, op.getY(), op.getX(),
                 [&](const Scalars &s, ValueRange x) { return fn(s, x[0]); });
  return success();
}

/// Gelu of the sum of both inputs, the second of which may be missing.
template <typename OpTy>
static void addBiasedGelu(Registry &registry, UnaryFn gelu) {
  registry.add<OpTy>([=](OpTy op, Lowering &lowering) -> LogicalResult {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      if (!Lowering::isAbsent(operand))
        operands.push_back(operand);
    if (failed(checkOperands(lowering, op, operands, Kind::Float)))
      return failure();
    lowerPointwise(lowering, op->getResult(0), operands,
                   [&](const Scalars &s, ValueRange x) {
                     return gelu(s, x.size() > 1 ? s.add(x[0], x[1]) : x[0]);
                   });
    return success();
  });
}

static LogicalResult lowerIdentity(onnx::IdentityOp op, Lowering &lowering) {
  lowering.set(op.getOutput(), lowering.get(op.getInput()));
  return success();
}

/// Inference only: the data pass through, the mask is all true.
static LogicalResult lowerDropout(onnx::DropoutOp op, Lowering &lowering) {
  Value training = op.getTrainingMode();
  if (!Lowering::isAbsent(training) &&
      lowering.constantScalar(training) != 0.0) {
    std::optional<double> ratio;
    if (!Lowering::isAbsent(op.getRatio()))
      ratio = lowering.constantScalar(op.getRatio());
    if (ratio != 0.0)
      return lowering.unsupported(op, "training_mode is not a constant false",
                                  "export the model for inference");
  }
  lowering.set(op.getOutput(), lowering.get(op.getData()));
  if (lowering.isNeeded(op.getMask()))
    lowering.set(op.getMask(),
                 lowering.fill(lowering.shape(op.getMask()),
                               lowering.elementType(op.getMask()), 1.0));
  return success();
}

//===----------------------------------------------------------------------===//
// Registration
//===----------------------------------------------------------------------===//

/// Calls a member of Scalars.
template <Value (Scalars::*member)(Value) const>
static Value call(const Scalars &s, Value x) {
  return (s.*member)(x);
}

template <Value (Scalars::*member)(Value, Value) const>
static Value call(const Scalars &s, Value x, Value y) {
  return (s.*member)(x, y);
}

static void registerFunctionsOfOne(Registry &r) {
  addUnary<onnx::AbsOp>(r, Kind::Number, call<&Scalars::abs>);
  addUnary<onnx::NegOp>(r, Kind::Number, call<&Scalars::neg>);
  addUnary<onnx::SignOp>(r, Kind::Number, buildSign);
  addUnary<onnx::ReluOp>(r, Kind::Number, buildRelu);
  addUnary<onnx::NotOp>(r, Kind::Bool, call<&Scalars::bitNot>);
  addUnary<onnx::BitwiseNotOp>(r, Kind::Integer, call<&Scalars::bitNot>);
  addUnary<onnx::IsNaNOp>(r, Kind::Float, call<&Scalars::isNaN>);

  addUnary<onnx::ExpOp>(r, Kind::Float, call<&Scalars::exp>);
  addUnary<onnx::LogOp>(r, Kind::Float, call<&Scalars::log>);
  addUnary<onnx::SqrtOp>(r, Kind::Float, call<&Scalars::sqrt>);
  addUnary<onnx::ReciprocalOp>(r, Kind::Float, buildReciprocal);
  addUnary<onnx::FloorOp>(r, Kind::Float, apply<math::FloorOp>);
  addUnary<onnx::CeilOp>(r, Kind::Float, apply<math::CeilOp>);
  addUnary<onnx::RoundOp>(r, Kind::Float, buildRound);
  addUnary<onnx::ErfOp>(r, Kind::Float, call<&Scalars::erf>);
  addUnary<onnx::SinOp>(r, Kind::Float, apply<math::SinOp>);
  addUnary<onnx::CosOp>(r, Kind::Float, apply<math::CosOp>);
  addUnary<onnx::TanOp>(r, Kind::Float, apply<math::TanOp>);
  addUnary<onnx::AsinOp>(r, Kind::Float, apply<math::AsinOp>);
  addUnary<onnx::AcosOp>(r, Kind::Float, apply<math::AcosOp>);
  addUnary<onnx::AtanOp>(r, Kind::Float, apply<math::AtanOp>);
  addUnary<onnx::SinhOp>(r, Kind::Float, apply<math::SinhOp>);
  addUnary<onnx::CoshOp>(r, Kind::Float, apply<math::CoshOp>);
  addUnary<onnx::TanhOp>(r, Kind::Float, call<&Scalars::tanh>);
  addUnary<onnx::AsinhOp>(r, Kind::Float, apply<math::AsinhOp>);
  addUnary<onnx::AcoshOp>(r, Kind::Float, apply<math::AcoshOp>);
  addUnary<onnx::AtanhOp>(r, Kind::Float, apply<math::AtanhOp>);
  addUnary<onnx::SigmoidOp>(r, Kind::Float, call<&Scalars::sigmoid>);
  addUnary<onnx::SoftplusOp>(r, Kind::Float, call<&Scalars::softplus>);
  addUnary<onnx::SoftsignOp>(r, Kind::Float, buildSoftsign);
  addUnary<onnx::HardSwishOp>(r, Kind::Float, buildHardSwish);
  addUnary<onnx::MishOp>(r, Kind::Float, buildMish);
  addUnary<onnx::MsGeluOp>(r, Kind::Float, buildGelu);

  addParametric<onnx::EluOp>(r, [](auto op, const Scalars &s, Value x) {
    return buildElu(s, x, toDouble(op.getAlpha()));
  });
  addParametric<onnx::SeluOp>(r, [](auto op, const Scalars &s, Value x) {
    Value curve = buildElu(s, x, toDouble(op.getAlpha()));
    return s.mul(curve, s.like(x, toDouble(op.getGamma())));
  });
  addParametric<onnx::CeluOp>(r, [](auto op, const Scalars &s, Value x) {
    return buildCelu(s, x, toDouble(op.getAlpha()));
  });
  addParametric<onnx::LeakyReluOp>(r, [](auto op, const Scalars &s, Value x) {
    return buildPRelu(s, x, s.like(x, toDouble(op.getAlpha())));
  });
  addParametric<onnx::HardSigmoidOp>(r, [](auto op, const Scalars &s, Value x) {
    return buildHardSigmoid(s, x, toDouble(op.getAlpha()),
                            toDouble(op.getBeta()));
  });
  addParametric<onnx::SwishOp>(r, [](auto op, const Scalars &s, Value x) {
    return buildSwish(s, x, toDouble(op.getAlpha()));
  });
  addParametric<onnx::MsQuickGeluOp>(r, [](auto op, const Scalars &s, Value x) {
    return buildSwish(s, x, toDouble(op.getAlpha()));
  });
  addParametric<onnx::ThresholdedReluOp>(
      r, [](auto op, const Scalars &s, Value x) {
        return buildThresholdedRelu(s, x, toDouble(op.getAlpha()));
      });
  addParametric<onnx::ShrinkOp>(r, [](auto op, const Scalars &s, Value x) {
    return buildShrink(s, x, toDouble(op.getBias()), toDouble(op.getLambd()));
  });
}

static void registerFunctionsOfMany(Registry &r) {
  addBinary<onnx::AddOp>(r, Kind::Number, call<&Scalars::add>);
  addBinary<onnx::SubOp>(r, Kind::Number, call<&Scalars::sub>);
  addBinary<onnx::MulOp>(r, Kind::Number, call<&Scalars::mul>);
  addBinary<onnx::DivOp>(r, Kind::Number, call<&Scalars::div>);
  addBinary<onnx::PReluOp>(r, Kind::Number, buildPRelu);
  addBinary<onnx::EqualOp>(r, Kind::Any, call<&Scalars::equal>);
  addBinary<onnx::LessOp>(r, Kind::Number, call<&Scalars::less>);
  addBinary<onnx::LessOrEqualOp>(r, Kind::Number, call<&Scalars::lessOrEqual>);
  addBinary<onnx::GreaterOp>(r, Kind::Number, buildGreater);
  addBinary<onnx::GreaterOrEqualOp>(r, Kind::Number, buildGreaterOrEqual);
  addBinary<onnx::AndOp>(r, Kind::Bool, call<&Scalars::bitAnd>);
  addBinary<onnx::OrOp>(r, Kind::Bool, call<&Scalars::bitOr>);
  addBinary<onnx::XorOp>(r, Kind::Bool, call<&Scalars::bitXor>);
  addBinary<onnx::BitwiseAndOp>(r, Kind::Integer, call<&Scalars::bitAnd>);
  addBinary<onnx::BitwiseOrOp>(r, Kind::Integer, call<&Scalars::bitOr>);
  addBinary<onnx::BitwiseXorOp>(r, Kind::Integer, call<&Scalars::bitXor>);
  addVariadic<onnx::SumOp>(r, call<&Scalars::add>);
  addVariadic<onnx::MeanOp>(r, call<&Scalars::add>);
  addVariadic<onnx::MaxOp>(r, call<&Scalars::max>);
  addVariadic<onnx::MinOp>(r, call<&Scalars::min>);
}

void hybrid::registerElementwise(Registry &registry) {
  registerFunctionsOfOne(registry);
  registerFunctionsOfMany(registry);
  registry.add<onnx::PowOp>(lowerPow);
  registry.add<onnx::ModOp>(lowerMod);
  registry.add<onnx::BitShiftOp>(lowerBitShift);
  registry.add<onnx::ClipOp>(lowerClip);
  registry.add<onnx::WhereOp>(lowerWhere);
  registry.add<onnx::IsInfOp>(lowerIsInf);
  registry.add<onnx::GeluOp>(lowerGelu);
  addBiasedGelu<onnx::MsBiasGeluOp>(registry, buildGelu);
  addBiasedGelu<onnx::MsFastGeluOp>(registry, buildTanhGelu);
  registry.add<onnx::IdentityOp>(lowerIdentity);
  registry.add<onnx::DropoutOp>(lowerDropout);
}
