//===- SeparateDecode.cpp - kernels of decode by themselves ---------------===//

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "hybrid/Target/NVPTX/Passes.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_SEPARATEDECODEPASS
#include "hybrid/Target/NVPTX/Passes.h.inc"

namespace {

struct SeparateDecode : impl::SeparateDecodePassBase<SeparateDecode> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto decode = module.lookupSymbol<func::FuncOp>("decode");
    if (!decode || !decode->hasAttr(kEntryAttr))
      return;
    SymbolTable symbols(module);
    llvm::SetVector<StringAttr> shared;
    for (auto entry : module.getOps<func::FuncOp>())
      if (entry->hasAttr(kEntryAttr) && entry != decode)
        entry.walk([&](LaunchOp launch) {
          shared.insert(launch.getKernelAttr().getAttr());
        });
    llvm::DenseMap<StringAttr, func::FuncOp> own;
    decode.walk([&](LaunchOp launch) {
      StringAttr name = launch.getKernelAttr().getAttr();
      func::FuncOp &kernel = own[name];
      if (!kernel) {
        kernel = symbols.lookup<func::FuncOp>(name);
        if (shared.contains(name)) {
          func::FuncOp clone = kernel.clone();
          clone.setName((name.getValue() + "_decode").str());
          symbols.insert(clone, std::next(kernel->getIterator()));
          kernel = clone;
          ++numCloned;
        }
        kernel->setAttr(kFewRowsAttr, UnitAttr::get(&getContext()));
      }
      launch.setKernelAttr(FlatSymbolRefAttr::get(kernel));
    });
  }
};

} // namespace
} // namespace hybrid
