//===- Scalars.h - Arithmetic on the elements of a loop ---------*- C++ -*-===//
//
// Builds the scalar arithmetic of loop bodies, on floats and integers alike.
// Nothing here traps or gives poison, whatever the operands are: a division by
// zero gives 0, a shift by too much gives 0, a float that no integer holds
// becomes the nearest one.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_CONVERSION_ONNXTOHYBRID_SCALARS_H
#define HYBRID_LIB_CONVERSION_ONNXTOHYBRID_SCALARS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"

namespace hybrid {

/// Operands of one call have one type, and so does the result unless stated
/// otherwise. `isUnsigned` says what signless integers mean.
struct Scalars {
  mlir::OpBuilder &b;
  mlir::Location loc;
  bool isUnsigned = false;

  using Value = mlir::Value;
  using Type = mlir::Type;

  /// A constant; `value` is rounded to an integer `type` toward zero.
  Value number(Type type, double value) const;
  Value integer(Type type, int64_t value) const;
  Value like(Value value, double number) const {
    return this->number(value.getType(), number);
  }
  /// The identity of max: the smallest value that `type` has, -inf for floats.
  Value lowest(Type type) const;
  /// The identity of min.
  Value highest(Type type) const;

  Value add(Value x, Value y) const;
  Value sub(Value x, Value y) const;
  Value mul(Value x, Value y) const;
  /// Integers: toward zero.
  Value div(Value x, Value y) const;
  /// The sign of x, like C (`fmod`).
  Value remainder(Value x, Value y) const;
  /// The sign of y, like Python.
  Value modulo(Value x, Value y) const;
  Value neg(Value x) const;
  Value abs(Value x) const;
  /// NaN if one is NaN.
  Value max(Value x, Value y) const;
  Value min(Value x, Value y) const;
  Value bitAnd(Value x, Value y) const;
  Value bitOr(Value x, Value y) const;
  Value bitXor(Value x, Value y) const;
  Value bitNot(Value x) const;
  Value shiftLeft(Value x, Value y) const;
  Value shiftRight(Value x, Value y) const;

  /// Comparisons give i1 and are false where one operand is NaN.
  Value equal(Value x, Value y) const;
  Value less(Value x, Value y) const;
  Value lessOrEqual(Value x, Value y) const;
  Value isNaN(Value x) const;
  Value isInf(Value x, bool positive, bool negative) const;
  Value select(Value condition, Value x, Value y) const;

  // Floats only.
  Value exp(Value x) const;
  Value log(Value x) const;
  Value sqrt(Value x) const;
  Value tanh(Value x) const;
  Value erf(Value x) const;
  Value pow(Value x, Value y) const;
  /// 1 / (1 + exp(-x))
  Value sigmoid(Value x) const;
  /// log(1 + exp(x))
  Value softplus(Value x) const;

  /// Between any of float, integer, i1 and index: ONNX Cast. Floats truncate
  /// toward zero; anything becomes i1 by ≠ 0; NaN becomes 0.
  Value convert(Value x, Type to, bool toUnsigned = false) const;

  /// The loop's induction variable number `dim`.
  Value loopIndex(unsigned dim) const;
  /// `index`, any integer, as an index in [0, size): negative ones count from
  /// the end, and what is outside goes to the nearest element. `size` ≥ 1.
  Value clampIndex(Value index, Value size) const;
  /// An element of a tensor from above the loop.
  Value extract(Value tensor, mlir::ValueRange indices) const;
};

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_ONNXTOHYBRID_SCALARS_H
