//===- CodeGen.cpp - LLVM dialect to object code --------------------------===//

#include "SmallFloats.h"
#include "hybrid/Target/CPU/CPUTarget.h"
#include "mlir/Target/LLVMIR/Export.h"

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

std::string getFeatureString(const CPUTarget &target) {
  std::string text;
  for (const std::string &feature : target.features)
    text += (text.empty() ? "+" : ",+") + feature;
  return text;
}

Expected<std::unique_ptr<TargetMachine>>
createTargetMachine(const CPUTarget &target, unsigned optLevel) {
  static std::once_flag once;
  std::call_once(once, [] {
    InitializeAllTargetInfos();
    InitializeAllTargets();
    InitializeAllTargetMCs();
    InitializeAllAsmPrinters();
  });
  std::string error;
  Triple triple(target.triple);
  const Target *backend = TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return createStringError(error);
  TargetOptions options;
  // Kernels say by flags where products and sums may be contracted.
  options.AllowFPOpFusion = FPOpFusion::Standard;
  std::unique_ptr<TargetMachine> machine(backend->createTargetMachine(
      triple, target.cpu, getFeatureString(target), options, Reloc::PIC_,
      std::nullopt,
      optLevel == 0 ? CodeGenOptLevel::None : CodeGenOptLevel::Default));
  if (!machine)
    return createStringError("LLVM cannot generate code for " + target.triple);
  return std::move(machine);
}

} // namespace

Expected<std::unique_ptr<Module>> translateForCPU(mlir::ModuleOp module,
                                                  LLVMContext &context,
                                                  const CPUTarget &target,
                                                  unsigned optLevel) {
  auto machine = createTargetMachine(target, optLevel);
  if (!machine)
    return machine.takeError();
  auto llvmModule = mlir::translateModuleToLLVMIR(module, context, "hybrid");
  if (!llvmModule)
    return createStringError("translation to LLVM IR went wrong");
  llvmModule->setTargetTriple(Triple(target.triple));
  llvmModule->setDataLayout((*machine)->createDataLayout());
  accessBFloatsAsIntegers(*llvmModule);
  for (Function &function : *llvmModule) {
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", getFeatureString(target));
    function.addFnAttr("prefer-vector-width",
                       std::to_string(target.vectorBits));
  }
  if (optLevel > 0) {
    LoopAnalysisManager loops;
    FunctionAnalysisManager functions;
    CGSCCAnalysisManager sccs;
    ModuleAnalysisManager modules;
    PipelineTuningOptions tuning;
    tuning.LoopVectorization = true;
    tuning.SLPVectorization = true;
    PassBuilder builder(machine->get(), tuning);
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(sccs);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, sccs, modules);
    auto level = optLevel >= 3   ? OptimizationLevel::O3
                 : optLevel == 2 ? OptimizationLevel::O2
                                 : OptimizationLevel::O1;
    builder.buildPerModuleDefaultPipeline(level).run(*llvmModule, modules);
  }
  // Not before: calls of these appear in the backend only.
  if (Triple(target.triple).isX86() && !is_contained(target.features, "f16c"))
    defineHalfConversions(*llvmModule);
  return std::move(llvmModule);
}

Expected<SmallVector<char, 0>>
emitObject(Module &module, const CPUTarget &target, unsigned optLevel) {
  auto machine = createTargetMachine(target, optLevel);
  if (!machine)
    return machine.takeError();
  SmallVector<char, 0> object;
  raw_svector_ostream os(object);
  legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, os, nullptr,
                                      CodeGenFileType::ObjectFile))
    return createStringError("LLVM cannot write objects for " + target.triple);
  passes.run(module);
  return object;
}

} // namespace hybrid
