//===- LowerToAbi.cpp - signatures of the runtime's ABI -------------------===//
//
// Field offsets here mirror include/hybrid/Runtime/ABI.h; the static_asserts
// hold them together.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Runtime/ABI.h"
#include "hybrid/Target/CPU/Passes.h"
#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <cstddef>

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_LOWERTOABIPASS
#include "hybrid/Target/CPU/Passes.h.inc"

namespace {

static_assert(offsetof(HybridContext, launch) == 0);
static_assert(offsetof(HybridCall, arena) == 0);
static_assert(offsetof(HybridCall, weights) == 8);
static_assert(offsetof(HybridCall, dims) == 16);
static_assert(offsetof(HybridCall, inputs) == 24);
static_assert(offsetof(HybridCall, outputs) == 32);
static_assert(offsetof(HybridCall, states) == 40);

class Emitter : public ImplicitLocOpBuilder {
public:
  Emitter(Location loc, OpBuilder builder, const LLVMTypeConverter &types)
      : ImplicitLocOpBuilder(loc, builder), types(types),
        ptr(LLVM::LLVMPointerType::get(builder.getContext())) {}

  Value constant(int64_t value) {
    return LLVM::ConstantOp::create(*this, getI64Type(),
                                    getI64IntegerAttr(value));
  }
  /// *(type *)(base + 8 · slot)
  Value loadSlot(Type type, Value base, int64_t slot) {
    return LLVM::LoadOp::create(*this, type, address(base, slot));
  }
  void storeSlot(Value value, Value base, int64_t slot) {
    LLVM::StoreOp::create(*this, value, address(base, slot));
  }
  Value address(Value base, int64_t slot) {
    return LLVM::GEPOp::create(*this, ptr, getI64Type(), base,
                               ArrayRef<LLVM::GEPArg>{(int32_t)slot});
  }
  Value toIndex(Value i64) {
    return arith::IndexCastOp::create(*this, getIndexType(), i64);
  }
  Value toI64(Value value) {
    return value.getType().isIndex()
               ? arith::IndexCastOp::create(*this, getI64Type(), value)
                     .getResult()
               : value;
  }
  Value cast(Type type, Value value) {
    return UnrealizedConversionCastOp::create(*this, type, value).getResult(0);
  }

  const LLVMTypeConverter &types;
  LLVM::LLVMPointerType ptr;
};

/// Which 64-bit slots a memref contributes to a launch's arguments.
struct MemRefSlots {
  explicit MemRefSlots(MemRefType type) : type(type) {
    if (failed(type.getStridesAndOffset(strides, offset)))
      llvm_unreachable("operands of launches are strided");
    identity = type.getLayout().isIdentity();
  }
  bool passesOffset() const {
    return !identity && ShapedType::isDynamic(offset);
  }
  bool passesStride(unsigned i) const {
    return !identity && ShapedType::isDynamic(strides[i]);
  }

  MemRefType type;
  SmallVector<int64_t> strides;
  int64_t offset;
  bool identity;
};

struct LowerToAbi : impl::LowerToAbiPassBase<LowerToAbi> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(verifyLevel(module)))
      return signalPassFailure();
    LLVMTypeConverter types(&getContext());
    if (auto symbols = module->getAttrOfType<ArrayAttr>(kSymbolsAttr))
      for (auto [i, symbol] : llvm::enumerate(symbols))
        symbolIndex[llvm::cast<DictionaryAttr>(symbol)
                        .getAs<StringAttr>("name")
                        .getValue()] = i;
    unsigned nextKernel = 0;
    for (auto func : llvm::to_vector(module.getOps<func::FuncOp>()))
      if (func->hasAttr(kKernelAttr)) {
        kernelIndex[func.getSymNameAttr()] = nextKernel++;
        lowerKernel(func, types);
      }
    for (auto func : llvm::to_vector(module.getOps<func::FuncOp>()))
      if (func->hasAttr(kEntryAttr) &&
          (failed(emitShapes(func, types)) || failed(lowerEntry(func, types))))
        return signalPassFailure();
    for (auto state : llvm::make_early_inc_range(module.getOps<StateOp>()))
      state.erase();
  }

  LogicalResult verifyLevel(ModuleOp module);
  void lowerKernel(func::FuncOp kernel, const LLVMTypeConverter &types);
  void emitWrapper(func::FuncOp body, StringAttr name, ArrayRef<Type> params);
  void emitDeviceWrapper(func::FuncOp body, StringAttr name,
                         ArrayRef<Type> params);
  LogicalResult lowerEntry(func::FuncOp entry, const LLVMTypeConverter &types);
  LogicalResult emitShapes(func::FuncOp entry, const LLVMTypeConverter &types);
  void lowerLaunch(Emitter &b, LaunchOp launch, Value context, Value slots);

  llvm::DenseMap<StringAttr, unsigned> kernelIndex;
  /// Place of a symbol in the call's dims.
  llvm::StringMap<int64_t> symbolIndex;
};

/// What this pass relies on, see docs/levels.md.
LogicalResult LowerToAbi::verifyLevel(ModuleOp module) {
  for (auto func : module.getOps<func::FuncOp>()) {
    bool isEntry = func->hasAttr(kEntryAttr);
    if (!isEntry && !func->hasAttr(kKernelAttr))
      continue;
    if (!func.getBody().hasOneBlock() || func.getNumResults() > 0 ||
        !llvm::all_of(func.getArgumentTypes(),
                      llvm::IsaPred<MemRefType, IndexType>) ||
        (isEntry && !(func->getAttrOfType<ArrayAttr>(kInputsAttr) &&
                      func->getAttrOfType<ArrayAttr>(kOutputsAttr))))
      return func.emitError("entries and kernels have to be at level 4");
  }
  WalkResult result = module.walk([](LaunchOp launch) {
    if (launch.getGrid())
      return WalkResult::advance();
    launch.emitError("needs a grid");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// The body gets one parameter per slot, so that pointers can be marked
/// noalias; the wrapper with the ABI's signature calls it and is inlined into.
void LowerToAbi::lowerKernel(func::FuncOp kernel,
                             const LLVMTypeConverter &types) {
  Location loc = kernel.getLoc();
  StringAttr name = kernel.getSymNameAttr();
  Block &body = kernel.getBody().front();
  OpBuilder builder(kernel);
  Emitter b(loc, OpBuilder::atBlockBegin(&body), types);
  SmallVector<Type> params;
  SmallVector<bool> isPointer;
  auto addParam = [&](Type type) -> Value {
    params.push_back(type);
    isPointer.push_back(type == b.ptr);
    return body.addArgument(type, loc);
  };
  SmallVector<BlockArgument> old(body.getArguments());
  for (BlockArgument arg : old) {
    if (arg.getType().isIndex()) {
      arg.replaceAllUsesWith(b.toIndex(addParam(b.getI64Type())));
      continue;
    }
    MemRefSlots slots(llvm::cast<MemRefType>(arg.getType()));
    Value pointer = addParam(b.ptr);
    MemRefType type = slots.type;
    auto descriptor = MemRefDescriptor::poison(b, loc, types.convertType(type));
    descriptor.setAllocatedPtr(b, loc, pointer);
    descriptor.setAlignedPtr(b, loc, pointer);
    SmallVector<Value> sizes;
    for (int64_t i = 0; i < type.getRank(); ++i)
      sizes.push_back(type.isDynamicDim(i) ? addParam(b.getI64Type())
                                           : b.constant(type.getDimSize(i)));
    descriptor.setOffset(b, loc,
                         slots.passesOffset() ? addParam(b.getI64Type())
                         : slots.identity     ? b.constant(0)
                                              : b.constant(slots.offset));
    SmallVector<Value> strides(type.getRank());
    for (int64_t i = type.getRank(); i-- > 0;) {
      if (!ShapedType::isDynamic(slots.strides[i]))
        strides[i] = b.constant(slots.strides[i]);
      else if (slots.identity)
        strides[i] = LLVM::MulOp::create(b, strides[i + 1], sizes[i + 1]);
    }
    for (int64_t i = 0; i < type.getRank(); ++i) {
      if (slots.passesStride(i))
        strides[i] = addParam(b.getI64Type());
      descriptor.setSize(b, loc, i, sizes[i]);
      descriptor.setStride(b, loc, i, strides[i]);
    }
    arg.replaceAllUsesWith(b.cast(type, descriptor));
  }
  body.eraseArguments(0, old.size());
  kernel.setName((name.getValue() + ".body").str());
  kernel->removeAttr(kKernelAttr);
  kernel.setFunctionType(builder.getFunctionType(params, {}));
  kernel.removeArgAttrsAttr();
  // LLVM takes a barrier for a call that cannot touch what noalias pointers
  // point to, and would move accesses of other threads' results across it.
  bool hasBarriers =
      forDevice &&
      kernel.walk([](gpu::BarrierOp) { return WalkResult::interrupt(); })
          .wasInterrupted();
  for (auto [i, pointer] : llvm::enumerate(isPointer))
    if (pointer && !hasBarriers)
      kernel.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                        builder.getUnitAttr());
  auto internal =
      LLVM::LinkageAttr::get(builder.getContext(), LLVM::Linkage::Internal);
  kernel->setAttr("llvm.linkage", internal);
  kernel->setAttr("passthrough",
                  builder.getStrArrayAttr({"alwaysinline", "nounwind"}));

  if (forDevice)
    emitDeviceWrapper(kernel, name, params);
  else
    emitWrapper(kernel, name, params);
}

/// The function that the runtime's threads call.
void LowerToAbi::emitWrapper(func::FuncOp body, StringAttr name,
                             ArrayRef<Type> params) {
  OpBuilder builder(body);
  Type ptr = LLVM::LLVMPointerType::get(builder.getContext());
  auto wrapper = func::FuncOp::create(
      builder, body.getLoc(), name,
      builder.getFunctionType({ptr, builder.getI64Type()}, {}));
  wrapper->setAttr(
      "llvm.linkage",
      LLVM::LinkageAttr::get(builder.getContext(), LLVM::Linkage::Internal));
  wrapper->setAttr("passthrough", builder.getStrArrayAttr({"nounwind"}));
  Block *entry = wrapper.addEntryBlock();
  LLVMTypeConverter types(builder.getContext());
  Emitter w(body.getLoc(), OpBuilder::atBlockBegin(entry), types);
  SmallVector<Value> operands;
  for (auto [i, type] : llvm::enumerate(params.drop_back()))
    operands.push_back(w.loadSlot(type, entry->getArgument(0), i));
  operands.push_back(entry->getArgument(1));
  func::CallOp::create(w, body, operands);
  func::ReturnOp::create(w);
}

/// The kernel of a GPU: the argument array is its one parameter, by value; the
/// block's number is the hardware's.
void LowerToAbi::emitDeviceWrapper(func::FuncOp body, StringAttr name,
                                   ArrayRef<Type> params) {
  OpBuilder builder(body);
  MLIRContext *context = builder.getContext();
  Type ptr = LLVM::LLVMPointerType::get(context);
  auto wrapper = LLVM::LLVMFuncOp::create(
      builder, body.getLoc(), name,
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), {ptr}));
  auto array = LLVM::LLVMArrayType::get(builder.getI64Type(),
                                        std::max<size_t>(params.size() - 1, 1));
  wrapper.setArgAttr(0, LLVM::LLVMDialect::getByValAttrName(),
                     TypeAttr::get(array));
  wrapper.setArgAttr(0, LLVM::LLVMDialect::getAlignAttrName(),
                     builder.getI64IntegerAttr(8));
  wrapper->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                   builder.getUnitAttr());
  int64_t threads = 1;
  if (auto attr = body->getAttrOfType<IntegerAttr>(kThreadsAttr))
    threads = attr.getInt();
  wrapper->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                   builder.getDenseI32ArrayAttr({int32_t(threads)}));
  for (Operation *function : {body.getOperation(), wrapper.getOperation()})
    function->setAttr(kDeviceAttr, builder.getUnitAttr());
  Block *entry = wrapper.addEntryBlock(builder);
  LLVMTypeConverter types(context);
  Emitter w(body.getLoc(), OpBuilder::atBlockBegin(entry), types);
  SmallVector<Value> operands;
  for (auto [i, type] : llvm::enumerate(params.drop_back()))
    operands.push_back(w.loadSlot(type, entry->getArgument(0), i));
  Value block = NVVM::BlockIdXOp::create(w, builder.getI32Type());
  operands.push_back(LLVM::ZExtOp::create(w, builder.getI64Type(), block));
  func::CallOp::create(w, body, operands);
  LLVM::ReturnOp::create(w, ValueRange());
}

void LowerToAbi::lowerLaunch(Emitter &b, LaunchOp launch, Value context,
                             Value slots) {
  int64_t next = 0;
  auto push = [&](Value value) { b.storeSlot(value, slots, next++); };
  SmallVector<Value> operands(launch.getInputs());
  llvm::append_range(operands, launch.getInits());
  for (Value operand : operands) {
    auto type = llvm::cast<MemRefType>(operand.getType());
    MemRefSlots layout(type);
    MemRefDescriptor descriptor(b.cast(b.types.convertType(type), operand));
    push(descriptor.alignedPtr(b, b.getLoc()));
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (type.isDynamicDim(i))
        push(descriptor.size(b, b.getLoc(), i));
    if (layout.passesOffset())
      push(descriptor.offset(b, b.getLoc()));
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (layout.passesStride(i))
        push(descriptor.stride(b, b.getLoc(), i));
  }
  for (Value size : launch.getSizes())
    push(b.toI64(size));
  numSlots += next;
  auto kernelType = b.getFunctionType({b.ptr, b.getI64Type()}, {});
  // A GPU's kernels are known by their numbers.
  Value function =
      forDevice ? LLVM::ZeroOp::create(b, b.ptr).getResult()
                : b.cast(b.ptr, func::ConstantOp::create(
                                    b, kernelType, launch.getKernelAttr()));
  Value index =
      b.constant(kernelIndex.lookup(launch.getKernelAttr().getAttr()));
  Value callee = b.loadSlot(b.ptr, context, 0);
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()),
      {b.ptr, b.ptr, b.getI64Type(), b.getI64Type(), b.ptr, b.getI64Type()});
  LLVM::CallOp::create(b, type,
                       ValueRange{callee, context, function, index,
                                  b.toI64(launch.getGrid()), slots,
                                  b.constant(next)});
}

/// Upstream's expand-strided-metadata (LLVM 22.1) crashes on a dimension that
/// becomes two dynamic ones, so expansions are written out here.
void lowerExpandShape(memref::ExpandShapeOp expand) {
  ImplicitLocOpBuilder b(expand.getLoc(), expand);
  auto metadata = memref::ExtractStridedMetadataOp::create(b, expand.getSrc());
  auto type = cast<MemRefType>(expand.getType());
  SmallVector<OpFoldResult> sizes = expand.getMixedOutputShape();
  SmallVector<Value> strideValues(type.getRank());
  for (auto [i, group] : llvm::enumerate(expand.getReassociationIndices())) {
    Value stride = metadata.getStrides()[i];
    for (int64_t dim : llvm::reverse(group)) {
      strideValues[dim] = stride;
      stride = b.createOrFold<arith::MulIOp>(
          stride, getValueOrCreateConstantIndexOp(b, b.getLoc(), sizes[dim]));
    }
  }
  SmallVector<int64_t> staticStrides;
  int64_t staticOffset;
  if (failed(type.getStridesAndOffset(staticStrides, staticOffset)))
    llvm_unreachable("views are strided");
  auto mix = [&](int64_t known, Value value) {
    return ShapedType::isDynamic(known) ? OpFoldResult(value)
                                        : OpFoldResult(b.getIndexAttr(known));
  };
  SmallVector<OpFoldResult> strides;
  for (auto [known, value] : llvm::zip(staticStrides, strideValues))
    strides.push_back(mix(known, value));
  Value view = memref::ReinterpretCastOp::create(
      b, type, metadata.getBaseBuffer(),
      mix(staticOffset, metadata.getOffset()), sizes, strides);
  expand.replaceAllUsesWith(view);
  expand.erase();
}

int64_t countSlots(LaunchOp launch) {
  int64_t count = launch.getSizes().size();
  for (Value operand : launch->getOperands())
    if (auto type = dyn_cast<MemRefType>(operand.getType()))
      count += 2 + 2 * type.getRank();
  return count;
}

LogicalResult LowerToAbi::lowerEntry(func::FuncOp entry,
                                     const LLVMTypeConverter &types) {
  Block &body = entry.getBody().front();
  Location loc = entry.getLoc();
  unsigned numOld = body.getNumArguments();
  unsigned numInputs = entry->getAttrOfType<ArrayAttr>(kInputsAttr).size();
  unsigned numOutputs = entry->getAttrOfType<ArrayAttr>(kOutputsAttr).size();
  Emitter b(loc, OpBuilder::atBlockBegin(&body), types);
  Value context = body.addArgument(b.ptr, loc);
  Value call = body.addArgument(b.ptr, loc);

  for (auto expand :
       llvm::make_early_inc_range(body.getOps<memref::ExpandShapeOp>()))
    lowerExpandShape(expand);
  int64_t maxSlots = 1;
  SmallVector<LaunchOp> launches(body.getOps<LaunchOp>());
  for (LaunchOp launch : launches)
    maxSlots = std::max(maxSlots, countSlots(launch));
  Value slots =
      LLVM::AllocaOp::create(b, b.ptr, b.getI64Type(), b.constant(maxSlots));
  Value dims = b.loadSlot(b.ptr, call, 2);
  // A byte buffer needs no size: views carry their own.
  auto wrap = [&](Value pointer, Type type) {
    auto descriptor = MemRefDescriptor::poison(b, loc, types.convertType(type));
    descriptor.setAllocatedPtr(b, loc, pointer);
    descriptor.setAlignedPtr(b, loc, pointer);
    descriptor.setConstantOffset(b, loc, 0);
    descriptor.setSize(b, loc, 0, b.constant(INT64_MAX));
    descriptor.setConstantStride(b, loc, 0, 1);
    return b.cast(type, descriptor);
  };
  for (unsigned i = 0; i < numOld; ++i) {
    BlockArgument arg = body.getArgument(i);
    if (arg.use_empty())
      continue;
    Value pointer;
    if (i == kArenaParam || i == kWeightsParam) {
      pointer = b.loadSlot(b.ptr, call, i == kArenaParam ? 0 : 1);
    } else {
      unsigned n = i - kFirstBufferParam;
      int64_t table = 3;
      if (n >= numInputs) {
        n -= numInputs;
        table = 4;
        if (n >= numOutputs) {
          n -= numOutputs;
          table = 5;
        }
      }
      pointer = b.loadSlot(b.ptr, b.loadSlot(b.ptr, call, table), n);
    }
    arg.replaceAllUsesWith(wrap(pointer, arg.getType()));
  }
  for (DimOp dim : llvm::make_early_inc_range(body.getOps<DimOp>())) {
    auto it = symbolIndex.find(dim.getName());
    if (it == symbolIndex.end())
      return dim.emitError("symbol is not in the module's hybrid.symbols");
    b.setInsertionPoint(dim);
    dim.replaceAllUsesWith(
        b.toIndex(b.loadSlot(b.getI64Type(), dims, it->second)));
    dim.erase();
  }
  for (LaunchOp launch : launches) {
    b.setInsertionPoint(launch);
    lowerLaunch(b, launch, context, slots);
    launch.erase();
  }
  body.eraseArguments(0, numOld);
  entry.setFunctionType(b.getFunctionType({b.ptr, b.ptr}, {}));
  entry.setName(("hybrid_" + entry.getName()).str());
  entry.setPublic();
  for (StringRef attr : {kEntryAttr, kInputsAttr, kOutputsAttr})
    entry->removeAttr(attr);
  return success();
}

LogicalResult LowerToAbi::emitShapes(func::FuncOp entry,
                                     const LLVMTypeConverter &types) {
  OpBuilder builder(entry);
  Emitter outer(entry.getLoc(), builder, types);
  auto func = func::FuncOp::create(
      builder, entry.getLoc(), ("hybrid_" + entry.getName() + "_shapes").str(),
      builder.getFunctionType({outer.ptr, outer.ptr}, {}));
  Block *body = func.addEntryBlock();
  Emitter b(entry.getLoc(), OpBuilder::atBlockBegin(body), types);
  int64_t next = 0;
  for (StringRef attr : {kInputsAttr, kOutputsAttr})
    for (Attribute description : entry->getAttrOfType<ArrayAttr>(attr)) {
      auto sizes =
          buildDims(b, b.getLoc(),
                    llvm::cast<DictionaryAttr>(description)
                        .getAs<ArrayAttr>("hybrid.dims"),
                    [&](StringRef name) -> Value {
                      auto it = symbolIndex.find(name);
                      if (it == symbolIndex.end())
                        return {};
                      return b.toIndex(b.loadSlot(
                          b.getI64Type(), body->getArgument(0), it->second));
                    });
      if (failed(sizes))
        return failure();
      for (OpFoldResult size : *sizes)
        b.storeSlot(
            b.toI64(getValueOrCreateConstantIndexOp(b, b.getLoc(), size)),
            body->getArgument(1), next++);
    }
  func::ReturnOp::create(b);
  return success();
}

} // namespace
} // namespace hybrid
