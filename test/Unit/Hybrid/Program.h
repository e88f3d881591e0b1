//===- Program.h - one operation from text, and tensors for it ---*- C++
//-*-===//

#ifndef HYBRID_TEST_UNIT_HYBRID_PROGRAM_H
#define HYBRID_TEST_UNIT_HYBRID_PROGRAM_H

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/Hybrid/Reference/Evaluator.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include <functional>
#include <string>
#include <vector>

namespace hybrid::test {

/// A parsed function; a diagnostic's text is kept instead of printed.
class Program {
public:
  /// `text` is the function's parameter list, result types and body, as after
  /// `func.func @f`. Aborts where it does not parse.
  explicit Program(const std::string &text);

  /// What it returns; aborts where it cannot be evaluated.
  std::vector<RefTensor> run(std::vector<RefTensor> arguments);
  /// The message of the error that evaluation ends with; empty without one.
  std::string error(std::vector<RefTensor> arguments);

  /// The first operation of type `OpTy`.
  template <typename OpTy>
  OpTy find() {
    OpTy found;
    getFunction().walk([&](OpTy op) {
      if (!found)
        found = op;
    });
    return found;
  }
  mlir::func::FuncOp getFunction();

private:
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string message;
};

/// Numbers between -1 and 1, the same in every run of the tests.
RefTensor random(llvm::ArrayRef<int64_t> shape);
RefTensor filled(llvm::ArrayRef<int64_t> shape, double value);
/// The element at each index is `value(index)`.
RefTensor generate(llvm::ArrayRef<int64_t> shape,
                   const std::function<double(llvm::ArrayRef<int64_t>)> &value);
/// The part of `tensor` that starts at `offsets`.
RefTensor slice(const RefTensor &tensor, llvm::ArrayRef<int64_t> offsets,
                llvm::ArrayRef<int64_t> sizes);
/// Writes `part` into `tensor` at `offsets`.
void insert(RefTensor &tensor, const RefTensor &part,
            llvm::ArrayRef<int64_t> offsets);
/// Dimension i of the result is dimension `order[i]` of `tensor`.
RefTensor transpose(const RefTensor &tensor, llvm::ArrayRef<unsigned> order);

/// Checks shapes, and values up to 1e-12 of the largest one.
void expectNear(const RefTensor &actual, const RefTensor &expected);

} // namespace hybrid::test

#endif // HYBRID_TEST_UNIT_HYBRID_PROGRAM_H
