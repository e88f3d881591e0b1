//===- hybrid-opt.cpp - run any pass or pipeline --------------------------===//

#include "hybrid/Compiler/Pipelines.h"

#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::registerAllPasses();
  hybrid::registerAllPasses();
  mlir::DialectRegistry registry;
  hybrid::registerAllDialects(registry);
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "hybrid-opt: passes of the hybrid compiler\n", registry));
}
