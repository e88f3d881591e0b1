//===- SmallFloats.cpp - 16-bit floats without instructions ---------------===//

#include "SmallFloats.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace hybrid {

//===----------------------------------------------------------------------===//
// bfloat
//===----------------------------------------------------------------------===//

static bool isBFloat(Type *type) { return type->getScalarType()->isBFloatTy(); }

/// The integer of the same bits, without a cast back and forth.
static Value *toInteger(IRBuilder<> &b, Value *value) {
  Type *type = value->getType()->getWithNewType(b.getInt16Ty());
  auto *cast = dyn_cast<BitCastInst>(value);
  if (cast && cast->getSrcTy() == type)
    return cast->getOperand(0);
  return b.CreateBitCast(value, type);
}

/// Loads integers instead and casts them.
static void replaceLoad(Instruction *load) {
  IRBuilder<> b(load);
  Type *type = load->getType()->getWithNewType(b.getInt16Ty());
  Instruction *bits;
  if (auto *masked = dyn_cast<IntrinsicInst>(load)) {
    Align alignment = masked->getParamAlign(0).valueOrOne();
    bits = b.CreateMaskedLoad(type, masked->getArgOperand(0), alignment,
                              masked->getArgOperand(1),
                              toInteger(b, masked->getArgOperand(2)));
  } else {
    bits = b.CreateAlignedLoad(type, getLoadStorePointerOperand(load),
                               getLoadStoreAlignment(load));
  }
  bits->copyMetadata(*load);
  load->replaceAllUsesWith(b.CreateBitCast(bits, load->getType()));
  load->eraseFromParent();
}

static void replaceStoredValue(Instruction *store) {
  IRBuilder<> b(store);
  store->setOperand(0, toInteger(b, store->getOperand(0)));
}

void accessBFloatsAsIntegers(Module &module) {
  SmallVector<Instruction *> loads, stores;
  for (Function &function : module)
    for (Instruction &instruction : instructions(function)) {
      auto *intrinsic = dyn_cast<IntrinsicInst>(&instruction);
      bool isMaskedLoad =
          intrinsic && intrinsic->getIntrinsicID() == Intrinsic::masked_load;
      if ((isMaskedLoad || isa<LoadInst>(instruction)) &&
          isBFloat(instruction.getType()))
        loads.push_back(&instruction);
      if (isa<StoreInst>(instruction) &&
          isBFloat(instruction.getOperand(0)->getType()))
        stores.push_back(&instruction);
    }
  llvm::for_each(loads, replaceLoad);
  llvm::for_each(stores, replaceStoredValue);
}

//===----------------------------------------------------------------------===//
// half
//===----------------------------------------------------------------------===//

static Function *create(Module &module, StringRef name, Type *result,
                        Type *parameter) {
  auto *function = Function::Create(
      FunctionType::get(result, {parameter}, /*isVarArg=*/false),
      GlobalValue::ExternalLinkage, name, module);
  function->setVisibility(GlobalValue::HiddenVisibility);
  function->setDoesNotThrow();
  BasicBlock::Create(module.getContext(), "", function);
  return function;
}

/// float __extendhfsf2(half)
static void defineExtension(Module &module) {
  LLVMContext &context = module.getContext();
  Type *f32 = Type::getFloatTy(context), *i32 = Type::getInt32Ty(context);
  Function *function =
      create(module, "__extendhfsf2", f32, Type::getHalfTy(context));
  IRBuilder<> b(&function->getEntryBlock());
  Value *bits =
      b.CreateZExt(b.CreateBitCast(function->getArg(0), b.getInt16Ty()), i32);
  Value *magnitude = b.CreateAnd(bits, 0x7fff);
  // The exponent's bias differs by 112; the product normalises denormals.
  Value *shifted = b.CreateShl(magnitude, 13);
  Value *finite = b.CreateBitCast(b.CreateFMul(b.CreateBitCast(shifted, f32),
                                               ConstantFP::get(f32, 0x1p112)),
                                  i32);
  Value *infinite = b.CreateOr(shifted, 0x7f800000);
  Value *result = b.CreateSelect(b.CreateICmpUGE(magnitude, b.getInt32(0x7c00)),
                                 infinite, finite);
  Value *sign = b.CreateShl(b.CreateAnd(bits, 0x8000), 16);
  b.CreateRet(b.CreateBitCast(b.CreateOr(result, sign), f32));
}

/// half __truncsfhf2(float), to the nearest, ties to even
static Function *defineTruncation(Module &module) {
  LLVMContext &context = module.getContext();
  Type *f32 = Type::getFloatTy(context), *f16 = Type::getHalfTy(context);
  Function *function = create(module, "__truncsfhf2", f16, f32);
  IRBuilder<> b(&function->getEntryBlock());
  Value *bits = b.CreateBitCast(function->getArg(0), b.getInt32Ty());
  Value *magnitude = b.CreateAnd(bits, 0x7fffffff);
  // Normal halfs: round at bit 13, whose value decides ties, and rebias.
  Value *odd = b.CreateAnd(b.CreateLShr(magnitude, 13), 1);
  Value *rounded = b.CreateAdd(b.CreateAdd(magnitude, b.getInt32(0xfff)), odd);
  Value *normal = b.CreateLShr(b.CreateSub(rounded, b.getInt32(112 << 23)), 13);
  // Denormals: 0.5 has their unit, 2^-24, in its last place.
  Value *half = ConstantFP::get(f32, 0.5);
  Value *sum = b.CreateFAdd(b.CreateBitCast(magnitude, f32), half);
  Value *denormal =
      b.CreateSub(b.CreateBitCast(sum, b.getInt32Ty()), b.getInt32(0x3f000000));
  Value *nan = b.CreateOr(b.CreateAnd(b.CreateLShr(magnitude, 13), 0x3ff),
                          b.getInt32(0x7e00));
  auto atLeast = [&](uint32_t bound) {
    return b.CreateICmpUGE(magnitude, b.getInt32(bound));
  };
  Value *result = b.CreateSelect(atLeast(113 << 23), normal, denormal);
  result = b.CreateSelect(atLeast(143 << 23), b.getInt32(0x7c00), result);
  result = b.CreateSelect(atLeast(0x7f800001), nan, result);
  Value *sign = b.CreateAnd(b.CreateLShr(bits, 16), 0x8000);
  b.CreateRet(b.CreateBitCast(
      b.CreateTrunc(b.CreateOr(result, sign), b.getInt16Ty()), f16));
  return function;
}

/// half __truncdfhf2(double): by float, rounded to odd so that the second
/// rounding sees on which side of a tie the number was.
static void defineDoubleTruncation(Module &module, Function *truncation) {
  LLVMContext &context = module.getContext();
  Type *f32 = Type::getFloatTy(context), *f64 = Type::getDoubleTy(context);
  Function *function =
      create(module, "__truncdfhf2", Type::getHalfTy(context), f64);
  IRBuilder<> b(&function->getEntryBlock());
  Value *exact = function->getArg(0);
  Value *nearest = b.CreateFPTrunc(exact, f32);
  Value *bits = b.CreateBitCast(nearest, b.getInt32Ty());
  Value *back = b.CreateFPExt(nearest, f64);
  // One step towards the number where the rounding passed it; what is odd then
  // is between two neighbours. Infinity and NaN stay.
  Value *passed =
      b.CreateFCmpOGT(b.CreateUnaryIntrinsic(Intrinsic::fabs, back),
                      b.CreateUnaryIntrinsic(Intrinsic::fabs, exact));
  Value *inexact = b.CreateFCmpONE(back, exact);
  Value *truncated = b.CreateSub(bits, b.CreateZExt(passed, b.getInt32Ty()));
  Value *odd = b.CreateOr(truncated, b.CreateZExt(inexact, b.getInt32Ty()));
  b.CreateRet(b.CreateCall(truncation, {b.CreateBitCast(odd, f32)}));
}

static bool hasHalfs(Module &module) {
  return llvm::any_of(module, [](Function &function) {
    return llvm::any_of(instructions(function), [](Instruction &instruction) {
      auto isHalf = [](Value *value) {
        return value->getType()->getScalarType()->isHalfTy();
      };
      return isHalf(&instruction) ||
             llvm::any_of(instruction.operands(), isHalf);
    });
  });
}

void defineHalfConversions(Module &module) {
  if (!hasHalfs(module))
    return;
  defineExtension(module);
  defineDoubleTruncation(module, defineTruncation(module));
}

} // namespace hybrid
