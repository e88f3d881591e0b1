//===- HybridOps.cpp - destinations, effects and shapes -------------------===//
//
// What all computations have in common: which operands are destinations, what
// they do to memory, and the shapes of their results.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace hybrid;

#define GET_OP_CLASSES
#include "dialects/Hybrid/HybridOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Destinations
//===----------------------------------------------------------------------===//

MutableOperandRange AttentionOp::getDpsInitsMutable() {
  return getInitMutable();
}
MutableOperandRange ScanOp::getDpsInitsMutable() {
  return MutableOperandRange(*this, getNumOperands() - 2, 2);
}
MutableOperandRange CausalConvOp::getDpsInitsMutable() {
  return MutableOperandRange(*this, getNumOperands() - 2, 2);
}
MutableOperandRange RopeOp::getDpsInitsMutable() { return getInitMutable(); }
MutableOperandRange NormOp::getDpsInitsMutable() { return getInitMutable(); }
MutableOperandRange GatedNormOp::getDpsInitsMutable() {
  return getInitMutable();
}
MutableOperandRange CacheAppendOp::getDpsInitsMutable() {
  return getCacheMutable();
}
MutableOperandRange RingReadOp::getDpsInitsMutable() {
  return getInitMutable();
}
MutableOperandRange CumSumOp::getDpsInitsMutable() { return getInitMutable(); }
MutableOperandRange RouteOp::getDpsInitsMutable() {
  return MutableOperandRange(*this, getNumOperands() - 2, 2);
}
MutableOperandRange ExpertMatMulOp::getDpsInitsMutable() {
  return getInitMutable();
}
MutableOperandRange PackRowsOp::getDpsInitsMutable() {
  return getInitMutable();
}
MutableOperandRange MatmulOp::getDpsInitsMutable() { return getInitMutable(); }

/// Whether the kernel of `launch` reads the old value of destination `index`.
static bool kernelReads(LaunchOp launch, unsigned index) {
  auto kernel = SymbolTable::lookupNearestSymbolFrom<FunctionOpInterface>(
      launch, launch.getKernelAttr());
  unsigned parameter = launch.getInputs().size() + index;
  if (!kernel || parameter >= kernel.getNumArguments())
    return true;
  return !kernel.getArgAttr(parameter, "hybrid.writeonly");
}

bool hybrid::readsDestination(Operation *op, OpOperand &operand) {
  auto destination = cast<DestinationStyleOpInterface>(op);
  if (!destination.isDpsInit(&operand))
    return false;
  unsigned index = operand.getOperandNumber() -
                   destination.getDpsInits().getBeginOperandIndex();
  if (auto launch = dyn_cast<LaunchOp>(op))
    return kernelReads(launch, index);
  if (isa<ScanOp, CausalConvOp>(op))
    return index == 1;
  return isa<CacheAppendOp>(op);
}

//===----------------------------------------------------------------------===//
// Effects
//===----------------------------------------------------------------------===//

using Effects =
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

/// Reads of memref inputs and of destinations that are updated in place, writes
/// of memref destinations. Tensors have no effects.
static void getDestinationStyleEffects(DestinationStyleOpInterface op,
                                       Effects &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<BaseMemRefType>(operand.get().getType()))
      continue;
    bool isInit = op.isDpsInit(&operand);
    if (!isInit || readsDestination(op, operand))
      effects.emplace_back(MemoryEffects::Read::get(), &operand,
                           SideEffects::DefaultResource::get());
    if (isInit)
      effects.emplace_back(MemoryEffects::Write::get(), &operand,
                           SideEffects::DefaultResource::get());
  }
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

/// Results have the shapes of their destinations.
static LogicalResult reifyDestinations(DestinationStyleOpInterface op,
                                       OpBuilder &builder,
                                       ReifiedRankedShapedTypeDims &shapes) {
  if (op->getNumResults() == 0)
    return failure();
  for (Value init : op.getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, op.getLoc(), init));
  return success();
}

#define HYBRID_COMPUTE_OP(OP)                                                  \
  void OP::getEffects(Effects &effects) {                                      \
    getDestinationStyleEffects(*this, effects);                                \
  }                                                                            \
  LogicalResult OP::reifyResultShapes(OpBuilder &builder,                      \
                                      ReifiedRankedShapedTypeDims &shapes) {   \
    return reifyDestinations(*this, builder, shapes);                          \
  }
HYBRID_COMPUTE_OP(AttentionOp)
HYBRID_COMPUTE_OP(ScanOp)
HYBRID_COMPUTE_OP(CausalConvOp)
HYBRID_COMPUTE_OP(RopeOp)
HYBRID_COMPUTE_OP(NormOp)
HYBRID_COMPUTE_OP(GatedNormOp)
HYBRID_COMPUTE_OP(CacheAppendOp)
HYBRID_COMPUTE_OP(RingReadOp)
HYBRID_COMPUTE_OP(CumSumOp)
HYBRID_COMPUTE_OP(RouteOp)
HYBRID_COMPUTE_OP(ExpertMatMulOp)
HYBRID_COMPUTE_OP(PackRowsOp)
HYBRID_COMPUTE_OP(MatmulOp)
#undef HYBRID_COMPUTE_OP

void LaunchOp::getEffects(Effects &effects) {
  getDestinationStyleEffects(*this, effects);
}

/// The size of dimension `dim` of `value` as seen outside of `branches`; null
/// where only the branch knows it.
static OpFoldResult getSizeOutside(OpBuilder &builder, Location loc,
                                   Operation *parallel, Value value,
                                   int64_t dim) {
  auto type = cast<RankedTensorType>(value.getType());
  if (!type.isDynamicDim(dim))
    return builder.getIndexAttr(type.getDimSize(dim));
  if (!parallel->isAncestor(value.getParentBlock()->getParentOp()))
    return tensor::getMixedSize(builder, loc, value, dim);
  auto definingOp = value.getDefiningOp<DestinationStyleOpInterface>();
  if (!definingOp)
    return {};
  Value init = definingOp.getTiedOpOperand(cast<OpResult>(value))->get();
  return getSizeOutside(builder, loc, parallel, init, dim);
}

LogicalResult
ParallelOp::reifyResultShapes(OpBuilder &builder,
                              ReifiedRankedShapedTypeDims &shapes) {
  int64_t rank = cast<RankedTensorType>(getResult().getType()).getRank();
  SmallVector<OpFoldResult> sizes(rank);
  for (int64_t dim = 0; dim < rank; ++dim) {
    bool isSum = getCombine() == Combine::Concat && dim == rank - 1;
    SmallVector<OpFoldResult> branchSizes;
    for (Region &branch : getBranches()) {
      Value value = branch.front().getTerminator()->getOperand(0);
      OpFoldResult size = getSizeOutside(builder, getLoc(), *this, value, dim);
      if (size)
        branchSizes.push_back(size);
      else if (isSum)
        return failure();
    }
    if (branchSizes.empty())
      return failure();
    sizes[dim] = branchSizes.front();
    if (!isSum)
      continue;
    AffineExpr sum = builder.getAffineConstantExpr(0);
    for (unsigned i = 0, e = branchSizes.size(); i != e; ++i)
      sum = sum + builder.getAffineSymbolExpr(i);
    sizes[dim] = affine::makeComposedFoldedAffineApply(
        builder, getLoc(), AffineMap::get(0, branchSizes.size(), sum),
        branchSizes);
  }
  shapes.push_back(std::move(sizes));
  for (Region &branch : getBranches())
    for (Value value :
         branch.front().getTerminator()->getOperands().drop_front()) {
      SmallVector<OpFoldResult> &known = shapes.emplace_back();
      int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
      for (int64_t dim = 0; dim < rank; ++dim)
        if (OpFoldResult size =
                getSizeOutside(builder, getLoc(), *this, value, dim))
          known.push_back(size);
        else
          return failure();
    }
  return success();
}
