//===- Evaluator.h - the meaning of hybrid operations ------------*- C++
//-*-===//
//
// Plain loops in float64. Every lowering is compared with these.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_DIALECT_HYBRID_REFERENCE_EVALUATOR_H
#define HYBRID_DIALECT_HYBRID_REFERENCE_EVALUATOR_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include <cassert>
#include <cstdint>
#include <vector>

namespace mlir {
class Operation;
namespace func {
class FuncOp;
}
} // namespace mlir

namespace hybrid {

/// A row-major tensor of any element type; booleans are 0 and 1, integers exact
/// up to 2^53. Index values are of rank 0.
struct RefTensor {
  llvm::SmallVector<int64_t> shape;
  std::vector<double> data;

  RefTensor() = default;
  /// A tensor filled with `value`.
  explicit RefTensor(llvm::ArrayRef<int64_t> shape, double value = 0)
      : shape(shape), data(count(shape), value) {}

  static size_t count(llvm::ArrayRef<int64_t> shape) {
    size_t result = 1;
    for (int64_t size : shape)
      result *= size;
    return result;
  }

  double &at(llvm::ArrayRef<int64_t> index) { return data[offset(index)]; }
  double at(llvm::ArrayRef<int64_t> index) const { return data[offset(index)]; }

private:
  size_t offset(llvm::ArrayRef<int64_t> index) const {
    assert(index.size() == shape.size() && "one index per dimension");
    size_t result = 0;
    for (size_t dim = 0; dim < index.size(); ++dim) {
      assert(index[dim] >= 0 && index[dim] < shape[dim] && "out of bounds");
      result = result * shape[dim] + index[dim];
    }
    return result;
  }
};

/// The results of the computation `op`, one per destination, on concrete
/// operands: `operands` holds one tensor per shaped operand and `indices` one
/// value per index operand, both in operand order. For hybrid.parallel the
/// operands are the weights and then the branches' values. Operand values are
/// used as given and results are not rounded, except where the operation itself
/// says that it rounds (norm). Fails with a message at `op` when shapes violate
/// its constraints or an index leaves its operand.
mlir::FailureOr<std::vector<RefTensor>>
evaluate(mlir::Operation *op, llvm::ArrayRef<RefTensor> operands,
         llvm::ArrayRef<int64_t> indices);

/// What `function` returns for `arguments`, one per argument; `dims` holds the
/// values of hybrid.dim. Fails with a message at the operation that is not
/// known or cannot be evaluated; hybrid-interpret lists the known ones.
mlir::FailureOr<std::vector<RefTensor>>
evaluateFunction(mlir::func::FuncOp function,
                 llvm::ArrayRef<RefTensor> arguments,
                 const llvm::StringMap<int64_t> &dims = {});

} // namespace hybrid

#endif // HYBRID_DIALECT_HYBRID_REFERENCE_EVALUATOR_H
