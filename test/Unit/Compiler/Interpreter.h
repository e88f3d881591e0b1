//===- Interpreter.h - the meaning of level-2 programs ----------*- C++ -*-===//
//
// Evaluates an entry function as docs/levels.md describes level 2: hybrid
// computations by the reference evaluator, linalg.generic element by element,
// views and loops directly. Results are rounded to 16-bit types where the
// program stores them or computes in them; sums in float32 are exact.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_TEST_UNIT_COMPILER_INTERPRETER_H
#define HYBRID_TEST_UNIT_COMPILER_INTERPRETER_H

#include "hybrid/Dialect/Hybrid/Reference/Evaluator.h"
#include "mlir/IR/Types.h"
#include <map>
#include <string>

namespace hybrid::test {

/// `value` as the nearest number of the element type `type`. Integers wrap.
double roundTo(mlir::Type type, double value);

/// What a call of an entry works on.
struct CallData {
  /// The values of hybrid.dim.
  llvm::StringMap<int64_t> dims;
  /// By name; write_state changes them.
  std::map<std::string, RefTensor> states;
  /// By the weight's name.
  std::map<std::string, RefTensor> weights;
};

/// What `entry` returns. Fails with a message at an operation that level 2
/// does not contain.
mlir::FailureOr<std::vector<RefTensor>>
interpret(mlir::func::FuncOp entry, llvm::ArrayRef<RefTensor> arguments,
          CallData &data);

} // namespace hybrid::test

#endif // HYBRID_TEST_UNIT_COMPILER_INTERPRETER_H
