//===- Scalars.h - arith and math operations on doubles ---------*- C++ -*-===//

#ifndef HYBRID_TEST_UNIT_COMPILER_SCALARS_H
#define HYBRID_TEST_UNIT_COMPILER_SCALARS_H

#include "mlir/IR/Operation.h"
#include <functional>

namespace hybrid::test {

/// Integers are signed (i1: 0 and 1) and exact up to 2^53.
using ScalarFn = std::function<double(const double *operands)>;

/// The meaning of an operation on scalars, null if it is none. With `exact`,
/// float32 results are not rounded.
ScalarFn getScalarFunction(mlir::Operation *op, bool exact);

} // namespace hybrid::test

#endif // HYBRID_TEST_UNIT_COMPILER_SCALARS_H
