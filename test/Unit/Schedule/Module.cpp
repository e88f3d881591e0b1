//===- Module.cpp - a module at level 3 from text -------------------------===//

#include "Module.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/ErrorHandling.h"

using namespace mlir;
using namespace hybrid;
using namespace hybrid::test;

Module::Module(const std::string &text) {
  context.loadDialect<HybridDialect, func::FuncDialect, arith::ArithDialect,
                      affine::AffineDialect, linalg::LinalgDialect,
                      math::MathDialect, tensor::TensorDialect>();
  module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    llvm::report_fatal_error("the test's module does not parse");
}

func::FuncOp Module::getFunction(StringRef name) const {
  return module.get().lookupSymbol<func::FuncOp>(name);
}

SmallVector<LaunchOp> Module::getLaunches() const {
  return llvm::to_vector(
      getFunction("main").getBody().front().getOps<LaunchOp>());
}

std::optional<LaunchCost>
Module::getCost(const llvm::StringMap<int64_t> &symbols, int64_t batch) {
  ShapeEvaluator entry(symbols, batch);
  return getLaunchCost(getLaunches().front(), entry, SymbolTable(*module));
}
