//===- ThreadBuilder.cpp - loops over the threads of a block --------------===//

#include "ThreadBuilder.h"

using namespace mlir;

namespace hybrid {

SmallVector<Value> ThreadBuilder::delinearize(Value number,
                                              ArrayRef<Value> sizes) {
  // 32-bit divisions are several times faster than 64-bit ones.
  auto cast = [&](Type type, Value value) {
    return createOrFold<arith::IndexCastUIOp>(type, value);
  };
  SmallVector<Value> place(sizes.size());
  Value rest = cast(getI32Type(), number);
  bool isLast = true;
  for (unsigned i = sizes.size(); i-- > 0;) {
    if (isConstantIntValue(sizes[i], 1)) {
      place[i] = index(0);
      continue;
    }
    bool isFirst = llvm::all_of(sizes.take_front(i), [](Value size) {
      return isConstantIntValue(size, 1);
    });
    if (isFirst) {
      place[i] = isLast ? number : cast(getIndexType(), rest);
      rest = arith::ConstantIntOp::create(*this, 0, 32);
      isLast = false;
      continue;
    }
    isLast = false;
    Value size = cast(getI32Type(), sizes[i]);
    place[i] = cast(getIndexType(), createOrFold<arith::RemUIOp>(rest, size));
    rest = createOrFold<arith::DivUIOp>(rest, size);
  }
  return place;
}

void ThreadBuilder::strided(Value first, int64_t step, ArrayRef<Value> sizes,
                            llvm::function_ref<void(ValueRange)> body) {
  Value total = index(1);
  for (Value size : sizes)
    total = mulI(total, size);
  auto known = getConstantIntValue(total);
  if (known && *known <= step) {
    OpBuilder::InsertionGuard guard(*this);
    if (*known < step) {
      auto branch = scf::IfOp::create(
          *this, cmpI(arith::CmpIPredicate::ult, first, total),
          /*withElseRegion=*/false);
      setInsertionPointToStart(branch.thenBlock());
      body(delinearize(first, sizes));
      return;
    }
  }
  loop(first, total, index(step),
       [&](Value number) { body(delinearize(number, sizes)); });
}

void ThreadBuilder::once(llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(
      *this, cmpI(arith::CmpIPredicate::eq, thread(), index(0)),
      /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  body();
}

Value ThreadBuilder::shuffle(Value value, Value offset, gpu::ShuffleMode mode) {
  Value width = arith::ConstantIntOp::create(*this, kWarpSize, 32);
  // The instruction moves 32 bits; the runtime of wider ones is two of them.
  return gpu::ShuffleOp::create(*this, value, offset, width, mode).getResult(0);
}

Value ThreadBuilder::exchange(Value value, int64_t distance) {
  return shuffle(value, arith::ConstantIntOp::create(*this, distance, 32),
                 gpu::ShuffleMode::XOR);
}

Value ThreadBuilder::broadcast(Value value, Value from) {
  return shuffle(value, createOrFold<arith::IndexCastUIOp>(getI32Type(), from),
                 gpu::ShuffleMode::IDX);
}

Value ThreadBuilder::reduceLanes(Value value, Combine combine, int64_t width) {
  for (int64_t distance = width / 2; distance > 0; distance /= 2)
    value = combine(value, exchange(value, distance));
  return value;
}

Value ThreadBuilder::reduceBlock(Value value, Combine combine, Value scratch) {
  value = reduceLanes(value, combine);
  if (numWarps() == 1)
    return value;
  auto store = [&](Value at) {
    memref::StoreOp::create(*this, value, scratch, at);
  };
  // The scratch may still be read.
  barrier();
  auto isFirst =
      scf::IfOp::create(*this, cmpI(arith::CmpIPredicate::eq, lane(), index(0)),
                        /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(isFirst.thenBlock());
    store(warp());
  }
  barrier();
  // All warps read the same few words: no bank serves two of them.
  Value own = memref::LoadOp::create(
      *this, scratch, ValueRange{remI(lane(), index(numWarps()))});
  return reduceLanes(own, combine, numWarps());
}

/// Whether an offset is a multiple of `width`: a number, or the start of a
/// tile.
static bool isMultiple(OpFoldResult offset, int64_t width) {
  if (auto known = getConstantIntValue(offset))
    return *known % width == 0;
  auto arg = dyn_cast<BlockArgument>(cast<Value>(offset));
  auto forall =
      arg ? dyn_cast<scf::ForallOp>(arg.getOwner()->getParentOp()) : nullptr;
  if (!forall || arg.getArgNumber() >= forall.getRank())
    return false;
  auto low =
           getConstantIntValue(forall.getMixedLowerBound()[arg.getArgNumber()]),
       step = getConstantIntValue(forall.getMixedStep()[arg.getArgNumber()]);
  return low && step && *low % width == 0 && *step % width == 0;
}

bool ThreadBuilder::isAligned(Value memref, int64_t width) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  if (type.getRank() == 0 || bytes == 0 || width * bytes > 16)
    return false;
  // The element type's own place, where all indices are multiples of `width`.
  auto stridesFit = [&](MemRefType type) {
    if (type.getLayout().isIdentity())
      return type.getRank() < 2 || (!type.isDynamicDim(type.getRank() - 1) &&
                                    type.getShape().back() % width == 0);
    SmallVector<int64_t> strides;
    int64_t offset;
    return succeeded(type.getStridesAndOffset(strides, offset)) &&
           strides.back() == 1 &&
           llvm::all_of(ArrayRef(strides).drop_back(), [&](int64_t stride) {
             return !ShapedType::isDynamic(stride) && stride % width == 0;
           });
  };
  if (!stridesFit(type))
    return false;
  if (auto arg = dyn_cast<BlockArgument>(memref)) {
    SmallVector<int64_t> strides;
    int64_t offset;
    return isa<func::FuncOp>(arg.getOwner()->getParentOp()) &&
           succeeded(type.getStridesAndOffset(strides, offset)) &&
           !ShapedType::isDynamic(offset) && offset % width == 0;
  }
  Operation *def = memref.getDefiningOp();
  if (auto subview = dyn_cast<memref::SubViewOp>(def)) {
    // Dropped dimensions do not matter: all strides of the source fit.
    return isMultiple(subview.getMixedOffsets().back(), width) &&
           subview.hasUnitStride() && isAligned(subview.getSource(), width);
  }
  if (auto cast = dyn_cast<memref::CastOp>(def))
    return isAligned(cast.getSource(), width);
  if (auto view = dyn_cast<memref::ReinterpretCastOp>(def))
    return getConstantIntValue(view.getMixedOffsets()[0]) == 0 &&
           isAligned(view.getSource(), width);
  return isa<memref::AllocaOp>(def);
}

Value ThreadBuilder::loadAlignedRaw(Value memref, ValueRange indices,
                                    int64_t width) {
  Type stored = getElementTypeOrSelf(memref);
  int64_t bytes = width * stored.getIntOrFloatBitWidth() / 8;
  return vector::LoadOp::create(*this, VectorType::get({width}, stored), memref,
                                indices, /*nontemporal=*/false,
                                llvm::MaybeAlign(bytes));
}

void ThreadBuilder::storeAligned(Value vector, Value memref,
                                 ValueRange indices) {
  auto type = cast<VectorType>(vector.getType());
  int64_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
  vector::StoreOp::create(*this, vector, memref, indices,
                          /*nontemporal=*/false, llvm::MaybeAlign(bytes));
}

Value ThreadBuilder::shared(ArrayRef<int64_t> shape, Type element) {
  OpBuilder::InsertionGuard guard(*this);
  auto function = getInsertionBlock()->getParentOp();
  if (!isa<func::FuncOp>(function))
    function = function->getParentOfType<func::FuncOp>();
  setInsertionPointToStart(&function->getRegion(0).front());
  auto buffer = memref::AllocaOp::create(*this, MemRefType::get(shape, element),
                                         ValueRange(), getI64IntegerAttr(16));
  buffer->setAttr(kSharedAttr, getUnitAttr());
  return buffer;
}

} // namespace hybrid
