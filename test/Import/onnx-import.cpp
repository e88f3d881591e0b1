//===- onnx-import.cpp - Import a file, run passes, print -----------------===//
//
// For tests: `onnx-import model.onnx --pass-pipeline='builtin.module(…)'`.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/ONNX/Transforms/Passes.h"
#include "hybrid/Import/ONNXImport.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
namespace cl = llvm::cl;

static std::string print(ModuleOp module, bool locations) {
  std::string text;
  llvm::raw_string_ostream os(text);
  OpPrintingFlags flags;
  if (locations)
    flags.enableDebugInfo(true, /*prettyForm=*/false);
  module.print(os, flags);
  return text;
}

/// Prints, parses and prints again.
static bool survivesRoundTrip(ModuleOp module) {
  std::string first = print(module, /*locations=*/true);
  OwningOpRef<ModuleOp> parsed =
      parseSourceString<ModuleOp>(first, module.getContext());
  return parsed && print(*parsed, /*locations=*/true) == first;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  hybrid::onnx::registerONNXPasses();
  registerAsmPrinterCLOptions();
  registerMLIRContextCLOptions();
  PassPipelineCLParser passes("", "Passes to run");
  cl::opt<std::string> input(cl::Positional, cl::Required,
                             cl::desc("<model.onnx>"));
  cl::opt<bool> quiet("quiet", cl::desc("Don't print the module"));
  cl::opt<bool> roundTrip("round-trip",
                          cl::desc("Fail if printing and parsing changes it"));
  cl::opt<bool> locations("locations", cl::desc("Print locations"));
  cl::ParseCommandLineOptions(argc, argv, "ONNX importer under test\n");

  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<hybrid::onnx::ONNXDialect, func::FuncDialect>();
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler handler(sources, &context);
  OwningOpRef<ModuleOp> module = hybrid::importONNX(input, &context);
  if (!module)
    return 1;
  PassManager manager(&context);
  auto fail = [&](const Twine &message) {
    return emitError(UnknownLoc::get(&context), message);
  };
  if (failed(passes.addToPipeline(manager, fail)) ||
      failed(manager.run(*module)))
    return 1;
  if (roundTrip && !survivesRoundTrip(*module)) {
    llvm::errs() << "round trip fails\n";
    return 1;
  }
  if (!quiet)
    llvm::outs() << print(*module, locations);
  return 0;
}
