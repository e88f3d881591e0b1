//===- Scalars.cpp - Arithmetic on the elements of a loop -----------------===//

#include "Scalars.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace hybrid;

static bool isFloat(Type type) { return isa<FloatType>(type); }
static bool isFloat(Value value) { return isFloat(value.getType()); }

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value Scalars::number(Type type, double value) const {
  auto floatType = dyn_cast<FloatType>(type);
  if (!floatType)
    return integer(type, static_cast<int64_t>(value));
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(floatType, value));
}

Value Scalars::integer(Type type, int64_t value) const {
  if (isFloat(type))
    return number(type, static_cast<double>(value));
  if (isa<IndexType>(type))
    return arith::ConstantOp::create(b, loc, b.getIndexAttr(value));
  APInt bits(64, static_cast<uint64_t>(value), /*isSigned=*/true);
  unsigned width = type.getIntOrFloatBitWidth();
  return arith::ConstantOp::create(
      b, loc, b.getIntegerAttr(type, bits.sextOrTrunc(width)));
}

Value Scalars::lowest(Type type) const {
  if (auto floatType = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(
        b, loc,
        b.getFloatAttr(floatType,
                       APFloat::getInf(floatType.getFloatSemantics(), true)));
  unsigned width = type.getIntOrFloatBitWidth();
  bool zero = isUnsigned || width == 1;
  return arith::ConstantOp::create(
      b, loc,
      b.getIntegerAttr(type, zero ? APInt::getZero(width)
                                  : APInt::getSignedMinValue(width)));
}

Value Scalars::highest(Type type) const {
  if (auto floatType = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(
        b, loc,
        b.getFloatAttr(floatType,
                       APFloat::getInf(floatType.getFloatSemantics())));
  unsigned width = type.getIntOrFloatBitWidth();
  bool ones = isUnsigned || width == 1;
  return arith::ConstantOp::create(
      b, loc,
      b.getIntegerAttr(type, ones ? APInt::getAllOnes(width)
                                  : APInt::getSignedMaxValue(width)));
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value Scalars::add(Value x, Value y) const {
  if (isFloat(x))
    return arith::AddFOp::create(b, loc, x, y);
  return arith::AddIOp::create(b, loc, x, y);
}

Value Scalars::sub(Value x, Value y) const {
  if (isFloat(x))
    return arith::SubFOp::create(b, loc, x, y);
  return arith::SubIOp::create(b, loc, x, y);
}

Value Scalars::mul(Value x, Value y) const {
  if (isFloat(x))
    return arith::MulFOp::create(b, loc, x, y);
  return arith::MulIOp::create(b, loc, x, y);
}

namespace {
/// A divisor that never traps, and which divisors it stands for.
struct SafeDivisor {
  Value value, isZero, isMinusOne;
};
} // namespace

/// Replaces 0, and for signed integers -1 (whose quotient may overflow), by 1.
static SafeDivisor makeSafe(const Scalars &s, Value divisor) {
  SafeDivisor result;
  Value one = s.integer(divisor.getType(), 1);
  result.isZero = s.equal(divisor, s.integer(divisor.getType(), 0));
  Value replace = result.isZero;
  if (!s.isUnsigned) {
    result.isMinusOne = s.equal(divisor, s.integer(divisor.getType(), -1));
    replace = s.bitOr(replace, result.isMinusOne);
  }
  result.value = s.select(replace, one, divisor);
  return result;
}

Value Scalars::div(Value x, Value y) const {
  if (isFloat(x))
    return arith::DivFOp::create(b, loc, x, y);
  SafeDivisor divisor = makeSafe(*this, y);
  Value zero = integer(x.getType(), 0);
  Value quotient;
  if (isUnsigned)
    quotient = arith::DivUIOp::create(b, loc, x, divisor.value);
  else
    quotient =
        select(divisor.isMinusOne, sub(zero, x),
               arith::DivSIOp::create(b, loc, x, divisor.value).getResult());
  return select(divisor.isZero, zero, quotient);
}

Value Scalars::remainder(Value x, Value y) const {
  if (isFloat(x))
    return arith::RemFOp::create(b, loc, x, y);
  // By 1 it is 0, which is also right for -1 and what division by 0 gives.
  SafeDivisor divisor = makeSafe(*this, y);
  if (isUnsigned)
    return arith::RemUIOp::create(b, loc, x, divisor.value);
  return arith::RemSIOp::create(b, loc, x, divisor.value);
}

Value Scalars::modulo(Value x, Value y) const {
  Value rest = remainder(x, y);
  if (isUnsigned)
    return rest;
  Value zero = integer(x.getType(), 0);
  Value otherSign = bitXor(less(rest, zero), less(y, zero));
  Value isZero = equal(rest, zero);
  Value adjusted = select(otherSign, add(rest, y), rest);
  return select(isZero, rest, adjusted);
}

Value Scalars::neg(Value x) const {
  if (isFloat(x))
    return arith::NegFOp::create(b, loc, x);
  return sub(integer(x.getType(), 0), x);
}

Value Scalars::abs(Value x) const {
  if (isFloat(x))
    return math::AbsFOp::create(b, loc, x);
  if (isUnsigned)
    return x;
  return select(less(x, integer(x.getType(), 0)), neg(x), x);
}

Value Scalars::max(Value x, Value y) const {
  if (isFloat(x))
    return arith::MaximumFOp::create(b, loc, x, y);
  if (isUnsigned || x.getType().isInteger(1))
    return arith::MaxUIOp::create(b, loc, x, y);
  return arith::MaxSIOp::create(b, loc, x, y);
}

Value Scalars::min(Value x, Value y) const {
  if (isFloat(x))
    return arith::MinimumFOp::create(b, loc, x, y);
  if (isUnsigned || x.getType().isInteger(1))
    return arith::MinUIOp::create(b, loc, x, y);
  return arith::MinSIOp::create(b, loc, x, y);
}

Value Scalars::bitAnd(Value x, Value y) const {
  return arith::AndIOp::create(b, loc, x, y);
}

Value Scalars::bitOr(Value x, Value y) const {
  return arith::OrIOp::create(b, loc, x, y);
}

Value Scalars::bitXor(Value x, Value y) const {
  return arith::XOrIOp::create(b, loc, x, y);
}

Value Scalars::bitNot(Value x) const {
  return bitXor(x, integer(x.getType(), -1));
}

/// Whether a shift by `amount` is defined.
static Value isShift(const Scalars &s, Value amount) {
  Type type = amount.getType();
  return arith::CmpIOp::create(s.b, s.loc, arith::CmpIPredicate::ult, amount,
                               s.integer(type, type.getIntOrFloatBitWidth()));
}

Value Scalars::shiftLeft(Value x, Value y) const {
  Value zero = integer(x.getType(), 0), defined = isShift(*this, y);
  Value amount = select(defined, y, zero);
  return select(defined, arith::ShLIOp::create(b, loc, x, amount).getResult(),
                zero);
}

Value Scalars::shiftRight(Value x, Value y) const {
  Value zero = integer(x.getType(), 0), defined = isShift(*this, y);
  Value amount = select(defined, y, zero);
  return select(defined, arith::ShRUIOp::create(b, loc, x, amount).getResult(),
                zero);
}

//===----------------------------------------------------------------------===//
// Comparisons
//===----------------------------------------------------------------------===//

Value Scalars::equal(Value x, Value y) const {
  if (isFloat(x))
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, y);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, y);
}

Value Scalars::less(Value x, Value y) const {
  if (isFloat(x))
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, y);
  bool noSign = isUnsigned || x.getType().isInteger(1);
  return arith::CmpIOp::create(
      b, loc, noSign ? arith::CmpIPredicate::ult : arith::CmpIPredicate::slt, x,
      y);
}

Value Scalars::lessOrEqual(Value x, Value y) const {
  if (isFloat(x))
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLE, x, y);
  bool noSign = isUnsigned || x.getType().isInteger(1);
  return arith::CmpIOp::create(
      b, loc, noSign ? arith::CmpIPredicate::ule : arith::CmpIPredicate::sle, x,
      y);
}

Value Scalars::isNaN(Value x) const {
  if (!isFloat(x))
    return integer(b.getI1Type(), 0);
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
}

Value Scalars::isInf(Value x, bool positive, bool negative) const {
  if (!isFloat(x) || (!positive && !negative))
    return integer(b.getI1Type(), 0);
  if (positive && negative)
    return equal(abs(x), highest(x.getType()));
  return equal(x, positive ? highest(x.getType()) : lowest(x.getType()));
}

Value Scalars::select(Value condition, Value x, Value y) const {
  return arith::SelectOp::create(b, loc, condition, x, y);
}

//===----------------------------------------------------------------------===//
// Functions of floats
//===----------------------------------------------------------------------===//

Value Scalars::exp(Value x) const { return math::ExpOp::create(b, loc, x); }
Value Scalars::log(Value x) const { return math::LogOp::create(b, loc, x); }
Value Scalars::sqrt(Value x) const { return math::SqrtOp::create(b, loc, x); }
Value Scalars::tanh(Value x) const { return math::TanhOp::create(b, loc, x); }
Value Scalars::erf(Value x) const { return math::ErfOp::create(b, loc, x); }

Value Scalars::pow(Value x, Value y) const {
  return math::PowFOp::create(b, loc, x, y);
}

Value Scalars::sigmoid(Value x) const {
  Value one = like(x, 1.0);
  return div(one, add(one, exp(neg(x))));
}

Value Scalars::softplus(Value x) const {
  // exp never overflows in max(x, 0) + log1p(exp(-|x|)).
  Value tail = math::Log1pOp::create(b, loc, exp(neg(abs(x))));
  return add(max(x, like(x, 0.0)), tail);
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

/// f64 to f32 so that rounding the result once more, to 16 bits, is as good as
/// rounding x: where bits are lost the last one that remains is set.
static Value roundToOdd(const Scalars &s, Value x) {
  OpBuilder &b = s.b;
  Type i32 = b.getI32Type();
  Value nearest = arith::TruncFOp::create(b, s.loc, b.getF32Type(), x);
  Value back = arith::ExtFOp::create(b, s.loc, x.getType(), nearest);
  Value bits = arith::BitcastOp::create(b, s.loc, i32, nearest);
  Value one = s.integer(i32, 1);
  Value isEven = s.equal(s.bitAnd(bits, one), s.integer(i32, 0));
  Value isInexact =
      arith::CmpFOp::create(b, s.loc, arith::CmpFPredicate::ONE, back, x);
  // The neighbour on x's side: its bits are one more if |x| is larger.
  Value isLarger = s.less(s.abs(back), s.abs(x));
  Value odd = s.select(isLarger, s.add(bits, one), s.sub(bits, one));
  bits = s.select(s.bitAnd(isInexact, isEven), odd, bits);
  return arith::BitcastOp::create(b, s.loc, b.getF32Type(), bits);
}

static Value convertFloats(const Scalars &s, Value x, FloatType to) {
  auto from = cast<FloatType>(x.getType());
  if (from == to)
    return x;
  if (from.getWidth() == 64 && to.getWidth() == 16)
    x = roundToOdd(s, x);
  if (from.getWidth() < to.getWidth())
    return arith::ExtFOp::create(s.b, s.loc, to, x);
  if (from.getWidth() > to.getWidth())
    return arith::TruncFOp::create(s.b, s.loc, to, x);
  // f16 and bf16: neither holds all values of the other.
  Value wide = arith::ExtFOp::create(s.b, s.loc, s.b.getF32Type(), x);
  return arith::TruncFOp::create(s.b, s.loc, to, wide);
}

static Value convertFloatToInt(const Scalars &s, Value x, IntegerType to,
                               bool toUnsigned) {
  // 16-bit floats don't hold the bounds of the integers.
  if (x.getType().getIntOrFloatBitWidth() < 32)
    x = arith::ExtFOp::create(s.b, s.loc, s.b.getF32Type(), x);
  Type from = x.getType();
  unsigned width = to.getWidth();
  // Powers of two (and 0) are exact in every float type. Truncation lets
  // values just below the lower bound through, unless the float type is too
  // coarse to have any; those are clamped, which gives the same.
  double lower = toUnsigned ? 0.0 : -std::ldexp(1.0, width - 1);
  double upper = std::ldexp(1.0, toUnsigned ? width : width - 1);
  Value lowerBound = s.number(from, lower), upperBound = s.number(from, upper);
  Value isTooSmall = s.less(x, lowerBound);
  Value isTooBig = s.lessOrEqual(upperBound, x);
  Value outside = s.bitOr(s.bitOr(isTooSmall, isTooBig), s.isNaN(x));
  Value inside = s.select(outside, s.number(from, 0.0), x);
  Value converted;
  if (toUnsigned)
    converted = arith::FPToUIOp::create(s.b, s.loc, to, inside);
  else
    converted = arith::FPToSIOp::create(s.b, s.loc, to, inside);
  Scalars target{s.b, s.loc, toUnsigned};
  converted = s.select(isTooSmall, target.lowest(to), converted);
  return s.select(isTooBig, target.highest(to), converted);
}

Value Scalars::convert(Value x, Type to, bool toUnsigned) const {
  Type from = x.getType();
  if (from == to)
    return x;
  if (to.isInteger(1)) {
    if (isFloat(from))
      return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, x,
                                   number(from, 0.0));
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, x,
                                 integer(from, 0));
  }
  bool noSign = isUnsigned || from.isInteger(1);
  if (isa<IndexType>(from) || isa<IndexType>(to)) {
    if (isFloat(to) || isFloat(from)) {
      Value wide = convert(x, b.getI64Type());
      return convert(wide, to, toUnsigned);
    }
    if (noSign)
      return arith::IndexCastUIOp::create(b, loc, to, x);
    return arith::IndexCastOp::create(b, loc, to, x);
  }
  if (auto floatType = dyn_cast<FloatType>(to)) {
    if (isFloat(from))
      return convertFloats(*this, x, floatType);
    if (noSign)
      return arith::UIToFPOp::create(b, loc, to, x);
    return arith::SIToFPOp::create(b, loc, to, x);
  }
  if (isFloat(from))
    return convertFloatToInt(*this, x, cast<IntegerType>(to), toUnsigned);
  unsigned fromWidth = from.getIntOrFloatBitWidth();
  unsigned toWidth = to.getIntOrFloatBitWidth();
  if (fromWidth > toWidth)
    return arith::TruncIOp::create(b, loc, to, x);
  if (noSign)
    return arith::ExtUIOp::create(b, loc, to, x);
  return arith::ExtSIOp::create(b, loc, to, x);
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

Value Scalars::loopIndex(unsigned dim) const {
  return linalg::IndexOp::create(b, loc, dim);
}

Value Scalars::clampIndex(Value index, Value size) const {
  Scalars s{b, loc};
  Value i = s.convert(index, b.getIndexType());
  Value zero = s.integer(i.getType(), 0);
  Value last = s.sub(size, s.integer(i.getType(), 1));
  i = s.select(s.less(i, zero), s.add(i, size), i);
  // The lower bound comes last: it holds even where size is 0.
  return s.max(s.min(i, last), zero);
}

Value Scalars::extract(Value tensor, ValueRange indices) const {
  return tensor::ExtractOp::create(b, loc, tensor, indices);
}
