//===- Scalars.cpp - arith and math operations on doubles -----------------===//

#include "Scalars.h"

#include "Interpreter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace hybrid::test;

//===----------------------------------------------------------------------===//
// Numbers of a type
//===----------------------------------------------------------------------===//

/// `value` with `precision` bits, in the format whose smallest normal number is
/// 2^minExponent and whose largest one is `largest`.
static double roundFloat(double value, int precision, int minExponent,
                         double largest) {
  if (value == 0 || !std::isfinite(value))
    return value;
  int exponent = std::max(std::ilogb(value), minExponent);
  double unit = std::ldexp(1.0, exponent - precision + 1);
  double rounded = std::nearbyint(value / unit) * unit;
  return std::abs(rounded) > largest ? std::copysign(INFINITY, value) : rounded;
}

static unsigned getWidth(Type type) {
  return type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
}

/// Saturates, for bounds like 2^63 - 1 that are no doubles.
static int64_t toInt(double value) {
  if (value >= 0x1p63)
    return std::numeric_limits<int64_t>::max();
  if (!(value >= -0x1p63))
    return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

/// The lowest bits of `value`.
static uint64_t toUnsigned(Type type, int64_t value) {
  unsigned width = getWidth(type);
  return width == 64 ? value : value & ((uint64_t(1) << width) - 1);
}

static double wrap(Type type, int64_t value) {
  unsigned width = getWidth(type);
  if (width == 64)
    return value;
  if (width == 1)
    return value & 1;
  return static_cast<int64_t>(static_cast<uint64_t>(value) << (64 - width)) >>
         (64 - width);
}

double hybrid::test::roundTo(Type type, double value) {
  if (!isa<FloatType>(type))
    return wrap(type, toInt(value));
  if (type.isF16())
    return roundFloat(value, 11, -14, 65504);
  if (type.isBF16())
    return roundFloat(value, 8, -126, 0x1.fep127);
  return type.isF32() ? static_cast<float>(value) : value;
}

//===----------------------------------------------------------------------===//
// Comparisons
//===----------------------------------------------------------------------===//

template <typename T>
static bool compare(arith::CmpIPredicate predicate, T a, T b) {
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return a == b;
  case arith::CmpIPredicate::ne:
    return a != b;
  case arith::CmpIPredicate::slt:
  case arith::CmpIPredicate::ult:
    return a < b;
  case arith::CmpIPredicate::sle:
  case arith::CmpIPredicate::ule:
    return a <= b;
  case arith::CmpIPredicate::sgt:
  case arith::CmpIPredicate::ugt:
    return a > b;
  case arith::CmpIPredicate::sge:
  case arith::CmpIPredicate::uge:
    return a >= b;
  }
  llvm_unreachable("all predicates are above");
}

static ScalarFn getFunction(arith::CmpIOp op) {
  arith::CmpIPredicate predicate = op.getPredicate();
  Type type = op.getLhs().getType();
  bool isUnsigned = predicate >= arith::CmpIPredicate::ult;
  return [=](const double *x) -> double {
    int64_t a = toInt(x[0]), b = toInt(x[1]);
    if (isUnsigned)
      return compare(predicate, toUnsigned(type, a), toUnsigned(type, b));
    // An i1 of 1 is -1.
    bool isBool = type.isInteger(1);
    return compare(predicate, isBool ? -a : a, isBool ? -b : b);
  };
}

static bool compare(arith::CmpFPredicate predicate, double a, double b) {
  bool isUnordered = std::isnan(a) || std::isnan(b);
  switch (predicate) {
  case arith::CmpFPredicate::AlwaysFalse:
    return false;
  case arith::CmpFPredicate::OEQ:
    return a == b;
  case arith::CmpFPredicate::OGT:
    return a > b;
  case arith::CmpFPredicate::OGE:
    return a >= b;
  case arith::CmpFPredicate::OLT:
    return a < b;
  case arith::CmpFPredicate::OLE:
    return a <= b;
  case arith::CmpFPredicate::ONE:
    return !isUnordered && a != b;
  case arith::CmpFPredicate::ORD:
    return !isUnordered;
  case arith::CmpFPredicate::UEQ:
    return isUnordered || a == b;
  case arith::CmpFPredicate::UGT:
    return !(a <= b);
  case arith::CmpFPredicate::UGE:
    return !(a < b);
  case arith::CmpFPredicate::ULT:
    return !(a >= b);
  case arith::CmpFPredicate::ULE:
    return !(a > b);
  case arith::CmpFPredicate::UNE:
    return a != b;
  case arith::CmpFPredicate::UNO:
    return isUnordered;
  case arith::CmpFPredicate::AlwaysTrue:
    return true;
  }
  llvm_unreachable("all predicates are above");
}

static ScalarFn getFunction(arith::CmpFOp op) {
  arith::CmpFPredicate predicate = op.getPredicate();
  return
      [=](const double *x) -> double { return compare(predicate, x[0], x[1]); };
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// NaN if one of them is.
static double maximum(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b);
}
static double minimum(double a, double b) { return -maximum(-a, -b); }

static ScalarFn getFloatFunction(Operation *op) {
  using In = const double *;
  return TypeSwitch<Operation *, ScalarFn>(op)
      .Case([](arith::AddFOp) { return [](In x) { return x[0] + x[1]; }; })
      .Case([](arith::SubFOp) { return [](In x) { return x[0] - x[1]; }; })
      .Case([](arith::MulFOp) { return [](In x) { return x[0] * x[1]; }; })
      .Case([](arith::DivFOp) { return [](In x) { return x[0] / x[1]; }; })
      .Case([](arith::RemFOp) {
        return [](In x) { return std::fmod(x[0], x[1]); };
      })
      .Case([](arith::NegFOp) { return [](In x) { return -x[0]; }; })
      .Case([](arith::MaximumFOp) {
        return [](In x) { return maximum(x[0], x[1]); };
      })
      .Case([](arith::MinimumFOp) {
        return [](In x) { return minimum(x[0], x[1]); };
      })
      .Case<arith::ExtFOp, arith::TruncFOp, arith::SIToFPOp>(
          [](auto) { return [](In x) { return x[0]; }; })
      .Case([](arith::UIToFPOp op) {
        Type type = op.getIn().getType();
        return [=](In x) -> double { return toUnsigned(type, toInt(x[0])); };
      })
      .Case([](math::AbsFOp) { return [](In x) { return std::abs(x[0]); }; })
      .Case([](math::ExpOp) { return [](In x) { return std::exp(x[0]); }; })
      .Case([](math::LogOp) { return [](In x) { return std::log(x[0]); }; })
      .Case([](math::Log1pOp) { return [](In x) { return std::log1p(x[0]); }; })
      .Case([](math::SqrtOp) { return [](In x) { return std::sqrt(x[0]); }; })
      .Case([](math::TanhOp) { return [](In x) { return std::tanh(x[0]); }; })
      .Case([](math::ErfOp) { return [](In x) { return std::erf(x[0]); }; })
      .Case([](math::SinOp) { return [](In x) { return std::sin(x[0]); }; })
      .Case([](math::CosOp) { return [](In x) { return std::cos(x[0]); }; })
      .Case([](math::PowFOp) {
        return [](In x) { return std::pow(x[0], x[1]); };
      })
      .Case([](math::FloorOp) { return [](In x) { return std::floor(x[0]); }; })
      .Case([](math::CeilOp) { return [](In x) { return std::ceil(x[0]); }; })
      .Case([](math::RoundEvenOp) {
        return [](In x) { return std::nearbyint(x[0]); };
      })
      .Default([](Operation *) { return nullptr; });
}

/// On signed operands; the result is wrapped by the caller.
static std::function<int64_t(int64_t, int64_t)> getIntFunction(Operation *op) {
  using Int = int64_t;
  Type type = op->getNumOperands() ? op->getOperand(0).getType() : Type();
  auto onUnsigned = [type](auto fn) {
    return [=](Int a, Int b) -> Int {
      return fn(toUnsigned(type, a), toUnsigned(type, b));
    };
  };
  return TypeSwitch<Operation *, std::function<Int(Int, Int)>>(op)
      .Case([](arith::AddIOp) { return [](Int a, Int b) { return a + b; }; })
      .Case([](arith::SubIOp) { return [](Int a, Int b) { return a - b; }; })
      .Case([](arith::MulIOp) { return [](Int a, Int b) { return a * b; }; })
      .Case([](arith::DivSIOp) { return [](Int a, Int b) { return a / b; }; })
      .Case([](arith::RemSIOp) { return [](Int a, Int b) { return a % b; }; })
      .Case([&](arith::DivUIOp) {
        return onUnsigned([](uint64_t a, uint64_t b) { return a / b; });
      })
      .Case([&](arith::RemUIOp) {
        return onUnsigned([](uint64_t a, uint64_t b) { return a % b; });
      })
      .Case([](arith::AndIOp) { return [](Int a, Int b) { return a & b; }; })
      .Case([](arith::OrIOp) { return [](Int a, Int b) { return a | b; }; })
      .Case([](arith::XOrIOp) { return [](Int a, Int b) { return a ^ b; }; })
      .Case([&](arith::ShLIOp) {
        return onUnsigned([](uint64_t a, uint64_t b) { return a << b; });
      })
      .Case([&](arith::ShRUIOp) {
        return onUnsigned([](uint64_t a, uint64_t b) { return a >> b; });
      })
      .Case([](arith::MaxSIOp) {
        return [](Int a, Int b) { return std::max(a, b); };
      })
      .Case([](arith::MinSIOp) {
        return [](Int a, Int b) { return std::min(a, b); };
      })
      .Case([&](arith::MaxUIOp) {
        return onUnsigned(
            [](uint64_t a, uint64_t b) { return std::max(a, b); });
      })
      .Case([&](arith::MinUIOp) {
        return onUnsigned(
            [](uint64_t a, uint64_t b) { return std::min(a, b); });
      })
      .Case<arith::TruncIOp, arith::IndexCastOp, arith::ExtSIOp>([&](auto op) {
        bool isBool = type.isInteger(1) && !isa<arith::TruncIOp>(op);
        return [=](Int a, Int) { return isBool ? -a : a; };
      })
      .Case<arith::ExtUIOp, arith::IndexCastUIOp>([&](auto) {
        return onUnsigned([](uint64_t a, uint64_t) { return a; });
      })
      .Default([](Operation *) { return nullptr; });
}

/// The float whose bits are an integer's, and the reverse.
static ScalarFn getFunction(arith::BitcastOp op) {
  Type from = op.getIn().getType(), to = op.getType();
  if (auto type = dyn_cast<FloatType>(to)) {
    if (!isa<IntegerType>(from))
      return nullptr;
    return [=](const double *x) {
      llvm::APInt bits(getWidth(from), toUnsigned(from, toInt(x[0])));
      llvm::APFloat value(type.getFloatSemantics(), bits);
      bool losesInfo;
      value.convert(llvm::APFloat::IEEEdouble(),
                    llvm::APFloat::rmNearestTiesToEven, &losesInfo);
      return value.convertToDouble();
    };
  }
  auto type = dyn_cast<FloatType>(from);
  if (!type || !isa<IntegerType>(to))
    return nullptr;
  return [=](const double *x) {
    llvm::APFloat value(x[0]);
    bool losesInfo;
    value.convert(type.getFloatSemantics(),
                  llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    return wrap(to, value.bitcastToAPInt().getSExtValue());
  };
}

ScalarFn hybrid::test::getScalarFunction(Operation *op, bool exact) {
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return [](const double *x) { return x[0] != 0 ? x[1] : x[2]; };
  if (auto cmp = dyn_cast<arith::CmpIOp>(op))
    return getFunction(cmp);
  if (auto cmp = dyn_cast<arith::CmpFOp>(op))
    return getFunction(cmp);
  if (auto cast = dyn_cast<arith::BitcastOp>(op))
    return getFunction(cast);
  if (op->getNumResults() != 1)
    return nullptr;
  Type type = op->getResult(0).getType();
  if (isa<arith::FPToSIOp, arith::FPToUIOp>(op))
    return [=](const double *x) { return wrap(type, toInt(std::trunc(x[0]))); };
  if (ScalarFn fn = getFloatFunction(op)) {
    if (type.isF64() || (exact && type.isF32()))
      return fn;
    return [=](const double *x) { return roundTo(type, fn(x)); };
  }
  if (auto fn = getIntFunction(op)) {
    bool isBinary = op->getNumOperands() > 1;
    return [=](const double *x) {
      return wrap(type, fn(toInt(x[0]), isBinary ? toInt(x[1]) : 0));
    };
  }
  return nullptr;
}
