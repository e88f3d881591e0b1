//===- Module.h - a module at level 3 from text -----------------*- C++ -*-===//

#ifndef HYBRID_TEST_UNIT_SCHEDULE_MODULE_H
#define HYBRID_TEST_UNIT_SCHEDULE_MODULE_H

#include "hybrid/Schedule/CostModel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace hybrid::test {

/// A parsed module; aborts where `text` does not parse.
class Module {
public:
  explicit Module(const std::string &text);

  mlir::func::FuncOp getFunction(llvm::StringRef name) const;
  /// The launches of the function `main`, in order.
  llvm::SmallVector<LaunchOp> getLaunches() const;
  /// The cost of the first launch of `main` where the dimensions have these
  /// sizes; main's parameters have static shapes.
  std::optional<LaunchCost>
  getCost(const llvm::StringMap<int64_t> &symbols = {}, int64_t batch = 1);
  mlir::MLIRContext *getContext() { return &context; }

private:
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace hybrid::test

#endif // HYBRID_TEST_UNIT_SCHEDULE_MODULE_H
