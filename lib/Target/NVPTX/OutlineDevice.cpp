//===- OutlineDevice.cpp - a GPU's kernels in a module of their own -------===//

#include "hybrid/Target/CPU/Passes.h"
#include "hybrid/Target/NVPTX/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_OUTLINEDEVICEPASS
#include "hybrid/Target/NVPTX/Passes.h.inc"

namespace {

struct OutlineDevice : impl::OutlineDevicePassBase<OutlineDevice> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<Operation *> functions;
    for (Operation &function : *module.getBody())
      if (function.hasAttr(kDeviceAttr))
        functions.push_back(&function);
    OpBuilder builder(module.getBodyRegion());
    auto device = ModuleOp::create(builder, module.getLoc(), kDeviceModule);
    SymbolTable symbols(module);
    for (Operation *function : functions) {
      function->removeAttr(kDeviceAttr);
      function->moveBefore(device.getBody(), device.getBody()->end());
      ++numOutlined;
      function->walk([&](memref::GetGlobalOp use) {
        OpBuilder inside = OpBuilder::atBlockBegin(device.getBody());
        if (!device.lookupSymbol(use.getName()))
          inside.clone(*symbols.lookup(use.getName()));
      });
    }
  }
};

} // namespace
} // namespace hybrid
