//===- LowerDeviceOps.cpp - threads, barriers, shuffles -------------------===//

#include "hybrid/Target/NVPTX/Passes.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_LOWERDEVICEOPSPASS
#include "hybrid/Target/NVPTX/Passes.h.inc"

namespace {

constexpr unsigned kSharedSpace = 3;
constexpr llvm::StringLiteral kSharedName = "hybrid_shared";

struct LowerDeviceOps : impl::LowerDeviceOpsPassBase<LowerDeviceOps> {
  void runOnOperation() override {
    SmallVector<Operation *> work;
    getOperation().walk([&](Operation *op) {
      if (isa<gpu::GPUDialect>(op->getDialect()))
        work.push_back(op);
    });
    for (Operation *op : work) {
      if (failed(lower(op)))
        return signalPassFailure();
      ++numLowered;
    }
  }

private:
  LogicalResult lower(Operation *op);
  LogicalResult lowerShuffle(gpu::ShuffleOp op);
  LogicalResult lowerShared(gpu::DynamicSharedMemoryOp op);
  LLVM::GlobalOp getSharedMemory();
};

LogicalResult LowerDeviceOps::lower(Operation *op) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  if (auto thread = dyn_cast<gpu::ThreadIdOp>(op)) {
    if (thread.getDimension() != gpu::Dimension::x)
      return op->emitError("blocks have one dimension");
    Value number = NVVM::ThreadIdXOp::create(b, b.getI32Type());
    op->replaceAllUsesWith(
        arith::IndexCastUIOp::create(b, b.getIndexType(), number));
  } else if (isa<gpu::BarrierOp>(op)) {
    NVVM::Barrier0Op::create(b);
  } else if (auto shuffle = dyn_cast<gpu::ShuffleOp>(op)) {
    return lowerShuffle(shuffle);
  } else if (auto shared = dyn_cast<gpu::DynamicSharedMemoryOp>(op)) {
    return lowerShared(shared);
  } else {
    return op->emitError("is not known to this target");
  }
  op->erase();
  return success();
}

LogicalResult LowerDeviceOps::lowerShuffle(gpu::ShuffleOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  bool isXor = op.getMode() == gpu::ShuffleMode::XOR;
  if (!isXor && op.getMode() != gpu::ShuffleMode::IDX)
    return op.emitError("only xor and idx are known to this target");
  Value all = LLVM::ConstantOp::create(b, b.getI32Type(), -1),
        clamp = LLVM::ConstantOp::create(b, b.getI32Type(), 31);
  auto kind = isXor ? NVVM::ShflKind::bfly : NVVM::ShflKind::idx;
  auto move = [&](Value word) -> Value {
    return NVVM::ShflOp::create(b, word.getType(), all, word, op.getOffset(),
                                clamp, kind, UnitAttr());
  };
  Value value = op.getValue(), result;
  Type type = value.getType();
  unsigned bits = type.getIntOrFloatBitWidth();
  if (type.isF32() || type.isInteger(32)) {
    result = move(value);
  } else if (bits == 64) {
    Type words = VectorType::get({2}, b.getI32Type());
    Value both = LLVM::BitcastOp::create(b, words, value);
    Value moved = LLVM::PoisonOp::create(b, words);
    for (int i = 0; i < 2; ++i) {
      Value place = LLVM::ConstantOp::create(b, b.getI32Type(), i);
      Value word = move(LLVM::ExtractElementOp::create(b, both, place));
      moved = LLVM::InsertElementOp::create(b, moved, word, place);
    }
    result = LLVM::BitcastOp::create(b, type, moved);
  } else {
    return op.emitError("shuffles move 32 or 64 bits, not ") << type;
  }
  op.getShuffleResult().replaceAllUsesWith(result);
  op.erase();
  return success();
}

LLVM::GlobalOp LowerDeviceOps::getSharedMemory() {
  ModuleOp module = getOperation();
  if (auto known = module.lookupSymbol<LLVM::GlobalOp>(kSharedName))
    return known;
  OpBuilder builder(module.getBodyRegion());
  return LLVM::GlobalOp::create(
      builder, module.getLoc(),
      LLVM::LLVMArrayType::get(builder.getI8Type(), 0), /*isConstant=*/false,
      LLVM::Linkage::External, kSharedName, Attribute(), /*alignment=*/16,
      kSharedSpace);
}

/// Its users are casts to the generic address space.
LogicalResult LowerDeviceOps::lowerShared(gpu::DynamicSharedMemoryOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  LLVMTypeConverter types(&getContext());
  Value address = LLVM::AddressOfOp::create(b, getSharedMemory());
  Value pointer = LLVM::AddrSpaceCastOp::create(
      b, LLVM::LLVMPointerType::get(&getContext()), address);
  for (Operation *user : llvm::make_early_inc_range(op->getUsers())) {
    auto cast = dyn_cast<memref::MemorySpaceCastOp>(user);
    if (!cast)
      return user->emitError("uses shared memory without a cast");
    Type type = cast.getType();
    auto constant = [&](int64_t value) {
      return LLVM::ConstantOp::create(b, b.getI64Type(), value);
    };
    auto descriptor =
        MemRefDescriptor::poison(b, b.getLoc(), types.convertType(type));
    descriptor.setAllocatedPtr(b, b.getLoc(), pointer);
    descriptor.setAlignedPtr(b, b.getLoc(), pointer);
    descriptor.setOffset(b, b.getLoc(), constant(0));
    descriptor.setSize(b, b.getLoc(), 0, constant(INT64_MAX));
    descriptor.setStride(b, b.getLoc(), 0, constant(1));
    cast.replaceAllUsesWith(
        UnrealizedConversionCastOp::create(b, type, Value(descriptor))
            .getResult(0));
    cast.erase();
  }
  op.erase();
  return success();
}

} // namespace
} // namespace hybrid
