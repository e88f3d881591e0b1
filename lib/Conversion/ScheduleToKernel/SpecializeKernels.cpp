//===- SpecializeKernels.cpp - kernels by operand layout ------------------===//

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_SPECIALIZEKERNELSPASS
#include "hybrid/Conversion/ScheduleToKernel/Passes.h.inc"

namespace {

RankedTensorType getTensorType(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  return RankedTensorType::get(type.getShape(), type.getElementType());
}

Value castTo(OpBuilder &builder, Location loc, Type type, Value tensor) {
  return tensor.getType() == type
             ? tensor
             : tensor::CastOp::create(builder, loc, type, tensor).getResult();
}

/// The launch may know a size that the kernel doesn't.
Value toTensor(OpBuilder &builder, Location loc, Type type, Value memref,
               bool writable) {
  Value tensor = bufferization::ToTensorOp::create(
      builder, loc, getTensorType(memref), memref, /*restrict=*/true, writable);
  return castTo(builder, loc, type, tensor);
}

struct SpecializeKernels : impl::SpecializeKernelsPassBase<SpecializeKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    llvm::StringMap<func::FuncOp> bySignature;
    llvm::MapVector<func::FuncOp, func::FuncOp> firstClone;
    WalkResult result = module.walk([&](LaunchOp launch) {
      auto kernel = symbols.lookup<func::FuncOp>(launch.getKernel());
      if (launch.getNumResults() > 0 || !kernel.getBody().hasOneBlock()) {
        launch.emitError("has to be on memrefs and of a kernel that is one "
                         "block");
        return WalkResult::interrupt();
      }
      std::string key;
      llvm::raw_string_ostream os(key);
      os << launch.getKernel() << launch.getOperandTypes();
      func::FuncOp &clone = bySignature[key];
      if (!clone) {
        clone = specialize(kernel, launch);
        if (!firstClone.insert({kernel, clone}).second)
          ++numClones;
        symbols.insert(clone);
      }
      launch.setKernelAttr(FlatSymbolRefAttr::get(clone));
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    // The first clone takes over the name.
    for (auto [kernel, clone] : firstClone) {
      StringAttr name = kernel.getSymNameAttr();
      symbols.erase(kernel);
      if (failed(symbols.rename(clone, name)))
        return signalPassFailure();
    }
    // Kernels that nobody launches any more.
    for (auto kernel : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      if (kernel->hasAttr(kKernelAttr) &&
          llvm::any_of(kernel.getArgumentTypes(), llvm::IsaPred<TensorType>))
        symbols.erase(kernel);
  }

  func::FuncOp specialize(func::FuncOp kernel, LaunchOp launch);
};

func::FuncOp SpecializeKernels::specialize(func::FuncOp kernel,
                                           LaunchOp launch) {
  OpBuilder builder(kernel);
  Location loc = kernel.getLoc();
  auto clone = func::FuncOp::create(
      builder, loc, kernel.getName(),
      builder.getFunctionType(launch.getOperandTypes(), {}));
  clone.setPrivate();
  clone->setAttr(kKernelAttr, builder.getUnitAttr());
  Block *block = clone.addEntryBlock();
  builder.setInsertionPointToStart(block);
  unsigned firstOut = launch.getInputs().size(),
           numOuts = launch.getInits().size();
  IRMapping mapping;
  for (BlockArgument arg : kernel.getArguments()) {
    unsigned i = arg.getArgNumber();
    Value param = block->getArgument(i);
    if (auto type = dyn_cast<RankedTensorType>(arg.getType()))
      param = toTensor(builder, loc, type, param,
                       /*writable=*/i >= firstOut && i < firstOut + numOuts);
    mapping.map(arg, param);
  }
  for (Operation &op : kernel.getBody().front().without_terminator())
    builder.clone(op, mapping);
  auto ret = cast<func::ReturnOp>(kernel.getBody().front().getTerminator());
  for (auto [i, value] : llvm::enumerate(ret.getOperands())) {
    Value param = block->getArgument(firstOut + i);
    bufferization::MaterializeInDestinationOp::create(
        builder, loc, Type(),
        castTo(builder, loc, getTensorType(param), mapping.lookup(value)),
        param, /*restrict=*/true, /*writable=*/true);
  }
  func::ReturnOp::create(builder, loc);
  return clone;
}

} // namespace
} // namespace hybrid
