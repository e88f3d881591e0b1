//===- CodeGen.cpp - LLVM dialect to PTX ----------------------------------===//

#include "hybrid/Target/NVPTX/GPUTarget.h"
#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <mutex>

using namespace llvm;

namespace hybrid {
namespace {

Expected<std::unique_ptr<TargetMachine>>
createTargetMachine(const GPUTarget &target, unsigned optLevel) {
  static std::once_flag once;
  std::call_once(once, [] {
    InitializeAllTargetInfos();
    InitializeAllTargets();
    InitializeAllTargetMCs();
    InitializeAllAsmPrinters();
  });
  std::string error;
  Triple triple("nvptx64-nvidia-cuda");
  const Target *backend = TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return createStringError("this LLVM cannot generate code for GPUs: " +
                             error);
  TargetOptions options;
  // Kernels say by flags where products and sums may be contracted.
  options.AllowFPOpFusion = FPOpFusion::Standard;
  std::unique_ptr<TargetMachine> machine(backend->createTargetMachine(
      triple, target.arch, "+ptx" + std::to_string(target.ptxVersion), options,
      Reloc::PIC_, std::nullopt,
      optLevel == 0 ? CodeGenOptLevel::None : CodeGenOptLevel::Aggressive));
  if (!machine)
    return createStringError("LLVM cannot generate code for " + target.arch);
  return std::move(machine);
}

void optimise(Module &module, TargetMachine &machine, unsigned optLevel) {
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager sccs;
  ModuleAnalysisManager modules;
  PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  auto level = optLevel >= 3   ? OptimizationLevel::O3
               : optLevel == 2 ? OptimizationLevel::O2
                               : OptimizationLevel::O1;
  // Bodies of kernels have to be inlined at every level.
  ModulePassManager passes =
      optLevel == 0 ? builder.buildO0DefaultPipeline(OptimizationLevel::O0)
                    : builder.buildPerModuleDefaultPipeline(level);
  passes.run(module, modules);
}

/// Nothing is linked to an image.
Error checkDefined(const Module &module) {
  SmallVector<StringRef> missing;
  for (const Function &function : module)
    if (function.isDeclaration() && !function.isIntrinsic() &&
        !function.use_empty())
      missing.push_back(function.getName());
  if (missing.empty())
    return Error::success();
  return createStringError("the GPU's code would need the functions " +
                           join(missing, ", ") +
                           ", which a GPU does not have; compile the model "
                           "for cpu");
}

} // namespace

Expected<std::string> emitPTX(mlir::ModuleOp module, const GPUTarget &target,
                              unsigned optLevel) {
  auto machine = createTargetMachine(target, optLevel);
  if (!machine)
    return machine.takeError();
  LLVMContext context;
  auto llvmModule = mlir::translateModuleToLLVMIR(module, context, "hybrid");
  if (!llvmModule)
    return createStringError("translation of the GPU's code to LLVM IR went "
                             "wrong");
  llvmModule->setTargetTriple(Triple("nvptx64-nvidia-cuda"));
  llvmModule->setDataLayout((*machine)->createDataLayout());
  if (Error error = checkDefined(*llvmModule))
    return error;
  optimise(*llvmModule, **machine, optLevel);
  SmallVector<char, 0> text;
  raw_svector_ostream os(text);
  legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, os, nullptr,
                                      CodeGenFileType::AssemblyFile))
    return createStringError("LLVM cannot write PTX for " + target.arch);
  passes.run(*llvmModule);
  return std::string(text.begin(), text.end());
}

} // namespace hybrid
