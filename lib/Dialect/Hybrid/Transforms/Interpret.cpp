//===- Interpret.cpp - hybrid-interpret -----------------------------------===//
//
// Runs the reference evaluator over functions whose values are all constants.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/Reference/Evaluator.h"
#include "hybrid/Dialect/Hybrid/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/Format.h"

namespace hybrid {
#define GEN_PASS_DEF_INTERPRETPASS
#include "dialects/Hybrid/HybridPasses.h.inc"
} // namespace hybrid

using namespace mlir;
using namespace hybrid;

/// Prints the numbers of `tensor` from `next` on as nested lists.
static void printElements(llvm::raw_ostream &os, const RefTensor &tensor,
                          size_t dim, size_t &next) {
  if (dim == tensor.shape.size()) {
    os << llvm::format("%g", tensor.data[next++]);
    return;
  }
  os << "[";
  for (int64_t i = 0; i < tensor.shape[dim]; ++i) {
    if (i > 0)
      os << ", ";
    printElements(os, tensor, dim + 1, next);
  }
  os << "]";
}

namespace {
struct InterpretPass : hybrid::impl::InterpretPassBase<InterpretPass> {
  using InterpretPassBase::InterpretPassBase;

  /// The option `dims` as a map.
  FailureOr<llvm::StringMap<int64_t>> parseDims() {
    llvm::StringMap<int64_t> values;
    for (StringRef entry : dims) {
      auto [name, text] = entry.split('=');
      int64_t value;
      if (text.getAsInteger(10, value) || value < 0)
        return getOperation().emitError()
               << "dims must be given as name=value, but '" << entry
               << "' is not";
      values[name] = value;
    }
    return values;
  }

  void runOnOperation() override {
    FailureOr<llvm::StringMap<int64_t>> values = parseDims();
    if (failed(values))
      return signalPassFailure();
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isPrivate() || function.getNumArguments() != 0)
        continue;
      FailureOr<std::vector<RefTensor>> results =
          evaluateFunction(function, {}, *values);
      if (failed(results))
        return signalPassFailure();
      ++numFunctions;
      for (auto [number, result] : llvm::enumerate(*results)) {
        llvm::outs() << function.getName() << "#" << number << ": ";
        llvm::interleave(result.shape, llvm::outs(), "x");
        llvm::outs() << " ";
        size_t next = 0;
        printElements(llvm::outs(), result, 0, next);
        llvm::outs() << "\n";
      }
    }
    llvm::outs().flush();
    markAllAnalysesPreserved();
  }
};
} // namespace
