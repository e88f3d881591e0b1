//===- DistributeThreads.cpp - a block's work for many threads ------------===//
//
// Every operation of a block is distributed by itself: the points of its
// parallel loops over the threads, or over warps whose lanes share a reduction
// where there are few points. A barrier stands behind each but the last.
//
//===----------------------------------------------------------------------===//

#include "DistributeContractions.h"
#include "ThreadBuilder.h"
#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_DISTRIBUTETHREADSPASS
#include "hybrid/Conversion/ScheduleToKernel/Passes.h.inc"

namespace {

//===----------------------------------------------------------------------===//
// linalg
//===----------------------------------------------------------------------===//

class LinalgDistribution {
public:
  LinalgDistribution(linalg::LinalgOp op, int64_t threads)
      : op(op), b(op, getElementTypeOrSelf(op->getOperands().back()), threads) {
  }
  void lower();

private:
  SmallVector<Value> getIndices(OpOperand &operand, ValueRange point);
  Value load(OpOperand &operand, ValueRange point) {
    if (!isa<MemRefType>(operand.get().getType()))
      return operand.get();
    return memref::LoadOp::create(b, operand.get(), getIndices(operand, point));
  }
  SmallVector<Value> evaluate(ValueRange point, ValueRange results);
  void computePoint(ValueRange place);
  Operation *getCombiner();
  bool reduceByWarps();
  Value combine(Operation *combiner, Value a, Value b);

  linalg::LinalgOp op;
  ThreadBuilder b;
  SmallVector<Value> sizes;
  SmallVector<unsigned> parallelDims, reductionDims;
};

SmallVector<Value> LinalgDistribution::getIndices(OpOperand &operand,
                                                  ValueRange point) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  SmallVector<OpFoldResult> place = getAsOpFoldResult(point);
  SmallVector<Value> indices;
  for (unsigned i = 0; i < map.getNumResults(); ++i)
    indices.push_back(getValueOrCreateConstantIndexOp(
        b, b.getLoc(),
        affine::makeComposedFoldedAffineApply(b, b.getLoc(), map.getSubMap({i}),
                                              place)));
  return indices;
}

/// The body at a point; `results` are the outputs' values so far, null where
/// the body does not read them.
SmallVector<Value> LinalgDistribution::evaluate(ValueRange point,
                                                ValueRange results) {
  Block *body = op.getBlock();
  IRMapping mapping;
  for (OpOperand *input : op.getDpsInputOperands()) {
    BlockArgument arg = op.getMatchingBlockArgument(input);
    if (!arg.use_empty())
      mapping.map(arg, load(*input, point));
  }
  for (auto [i, result] : llvm::enumerate(results))
    if (result)
      mapping.map(op.getRegionOutputArgs()[i], result);
  for (Operation &inner : body->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      mapping.map(index.getResult(), point[index.getDim()]);
      continue;
    }
    b.clone(inner, mapping);
  }
  SmallVector<Value> values;
  for (Value value : body->getTerminator()->getOperands())
    values.push_back(mapping.lookupOrDefault(value));
  return values;
}

/// All of the reduction for one point of the parallel loops.
void LinalgDistribution::computePoint(ValueRange place) {
  SmallVector<Value> point(sizes.size(), b.index(0));
  for (auto [dim, value] : llvm::zip_equal(parallelDims, place))
    point[dim] = value;
  auto outputs = llvm::to_vector(llvm::map_range(
      op.getDpsInitsMutable(), [](OpOperand &output) { return &output; }));
  std::function<SmallVector<Value>(unsigned, ValueRange)> reduce =
      [&](unsigned level, ValueRange carried) -> SmallVector<Value> {
    if (level == reductionDims.size())
      return evaluate(point, carried);
    return llvm::to_vector_of<Value>(
        b.reduce(b.index(0), sizes[reductionDims[level]], b.index(1), carried,
                 [&](Value iv, ValueRange inner) {
                   point[reductionDims[level]] = iv;
                   return reduce(level + 1, inner);
                 }));
  };
  SmallVector<Value> init;
  for (OpOperand *output : outputs) {
    bool isRead = !op.getMatchingBlockArgument(output).use_empty();
    if (!isRead && reductionDims.empty()) {
      init.push_back({});
      continue;
    }
    init.push_back(load(*output, point));
  }
  SmallVector<Value> results =
      reductionDims.empty() ? evaluate(point, init) : reduce(0, init);
  for (auto [output, value] : llvm::zip_equal(outputs, results))
    memref::StoreOp::create(b, value, output->get(),
                            getIndices(*output, point));
}

/// What combines the output so far with a term, if the body is term and
/// combination.
Operation *LinalgDistribution::getCombiner() {
  if (op.getNumDpsInits() != 1)
    return nullptr;
  Value yielded = op.getBlock()->getTerminator()->getOperand(0);
  Value out = op.getRegionOutputArgs()[0];
  Operation *combiner = yielded.getDefiningOp();
  if (!combiner || !out.hasOneUse() || combiner != *out.user_begin() ||
      combiner->getNumOperands() != 2)
    return nullptr;
  Type type = yielded.getType();
  if (!type.isF32() && !type.isInteger(32))
    return nullptr;
  return arith::getNeutralElement(combiner) ? combiner : nullptr;
}

Value LinalgDistribution::combine(Operation *combiner, Value a, Value c) {
  IRMapping mapping;
  mapping.map(combiner->getOperand(0), a);
  mapping.map(combiner->getOperand(1), c);
  return b.clone(*combiner, mapping)->getResult(0);
}

/// With fewer points than threads lanes share the terms of a reduction.
bool LinalgDistribution::reduceByWarps() {
  Operation *combiner = getCombiner();
  if (!combiner || reductionDims.empty())
    return false;
  int64_t points = 1, terms = 1;
  for (unsigned dim : parallelDims)
    points *= getConstantIntValue(sizes[dim]).value_or(kWarpSize);
  for (unsigned dim : reductionDims)
    terms *= getConstantIntValue(sizes[dim]).value_or(kWarpSize);
  if (points > b.numThreads() || terms < kWarpSize)
    return false;
  SmallVector<Value> space, inner;
  for (unsigned dim : parallelDims)
    space.push_back(sizes[dim]);
  Value total = b.index(1);
  for (unsigned dim : reductionDims) {
    inner.push_back(sizes[dim]);
    total = b.mulI(total, sizes[dim]);
  }
  OpOperand &output = *op.getDpsInitsMutable().begin();
  b.warps(space, [&](ValueRange place) {
    SmallVector<Value> point(sizes.size(), b.index(0));
    for (auto [dim, value] : llvm::zip_equal(parallelDims, place))
      point[dim] = value;
    Value neutral =
        arith::ConstantOp::create(b, *arith::getNeutralElement(combiner));
    Value own =
        b.reduce(b.lane(), total, b.index(kWarpSize), neutral,
                 [&](Value number, ValueRange carried) {
                   SmallVector<Value> at = b.delinearize(number, inner);
                   SmallVector<Value> where(point);
                   for (auto [dim, value] : llvm::zip_equal(reductionDims, at))
                     where[dim] = value;
                   return evaluate(where, carried);
                 })[0];
    Value all = b.reduceLanes(
        own, [&](Value a, Value c) { return combine(combiner, a, c); });
    auto isFirst = scf::IfOp::create(
        b, b.cmpI(arith::CmpIPredicate::eq, b.lane(), b.index(0)),
        /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(isFirst.thenBlock());
    SmallVector<Value> indices = getIndices(output, point);
    Value before = memref::LoadOp::create(b, output.get(), indices);
    memref::StoreOp::create(b, combine(combiner, before, all), output.get(),
                            indices);
  });
  return true;
}

void LinalgDistribution::lower() {
  for (Range range : op.createLoopRanges(b, b.getLoc()))
    sizes.push_back(getValueOrCreateConstantIndexOp(b, b.getLoc(), range.size));
  op.getParallelDims(parallelDims);
  op.getReductionDims(reductionDims);
  if (!reduceByWarps()) {
    SmallVector<Value> space;
    for (unsigned dim : parallelDims)
      space.push_back(sizes[dim]);
    b.parallel(space, [&](ValueRange place) { computePoint(place); });
  }
  op->erase();
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

/// Whether nothing of the block follows `op`.
bool isLast(Operation *op) {
  for (; !isa<func::FuncOp>(op); op = op->getParentOp()) {
    if (isa<scf::ForOp, scf::WhileOp>(op))
      return false;
    for (Operation *next = op->getNextNode(); next; next = next->getNextNode())
      if (!next->hasTrait<OpTrait::IsTerminator>() && !isMemoryEffectFree(next))
        return false;
    if (isa<scf::ForallOp>(op))
      return true;
  }
  return true;
}

struct DistributeThreads : impl::DistributeThreadsPassBase<DistributeThreads> {
  using Base::Base;

  void runOnOperation() override {
    func::FuncOp kernel = getOperation();
    if (!kernel->hasAttr(kKernelAttr))
      return;
    kernel.walk([&](memref::AllocaOp buffer) {
      buffer->setAttr(kSharedAttr, UnitAttr::get(&getContext()));
    });
    SmallVector<Operation *> work;
    WalkResult result = kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<linalg::LinalgOp>(op) || (isa<HybridDialect>(op->getDialect()) &&
                                        isa<DestinationStyleOpInterface>(op))) {
        if (!cast<DestinationStyleOpInterface>(op).hasPureBufferSemantics()) {
          op->emitError("has to be bufferised before threads can share it");
          return WalkResult::interrupt();
        }
        work.push_back(op);
        return WalkResult::skip();
      }
      if (isa<memref::StoreOp>(op))
        work.push_back(op);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    for (Operation *op : work)
      if (failed(distribute(op)))
        return signalPassFailure();
    kernel->setAttr(kThreadsAttr,
                    IntegerAttr::get(IntegerType::get(&getContext(), 64),
                                     int64_t(threads)));
    if (failed(placeShared(kernel)))
      return signalPassFailure();
  }

  LogicalResult distribute(Operation *op);
  LogicalResult placeShared(func::FuncOp kernel);
};

LogicalResult DistributeThreads::distribute(Operation *op) {
  if (auto fill = dyn_cast<linalg::FillOp>(op); fill && foldIntoProduct(fill)) {
    op->erase();
    return success();
  }
  if (!isLast(op)) {
    OpBuilder builder(op->getContext());
    builder.setInsertionPointAfter(op);
    gpu::BarrierOp::create(builder, op->getLoc());
    ++numBarriers;
  }
  ++numDistributed;
  int64_t count = threads;
  if (auto store = dyn_cast<memref::StoreOp>(op)) {
    // All threads know the value; what they read for it must not change yet.
    ThreadBuilder b(op, store.getMemRefType().getElementType(), count);
    b.barrier();
    b.once([&] { b.clone(*op); });
    op->erase();
    return success();
  }
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    if (auto product = RowsTimesMatrix::match(op)) {
      distributeProduct(*product, count);
      ++numProducts;
      return success();
    }
    LinalgDistribution(linalgOp, count).lower();
    return success();
  }
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<AttentionOp>(
          [&](auto o) { return distributeAttention(o, count), success(); })
      .Case<ScanOp>([&](auto o) { return distributeScan(o, count), success(); })
      .Case<NormOp>([&](auto o) { return distributeNorm(o, count), success(); })
      .Case<GatedNormOp>(
          [&](auto o) { return distributeGatedNorm(o, count), success(); })
      .Case<CausalConvOp>(
          [&](auto o) { return distributeCausalConv(o, count), success(); })
      .Case<ExpertMatMulOp>(
          [&](auto o) { return distributeExpertMatMul(o, count), success(); })
      .Case<RouteOp>(
          [&](auto o) { return distributeRoute(o, count), success(); })
      .Case<RopeOp>([&](auto o) { return distributeRope(o, count), success(); })
      .Case<CumSumOp>(
          [&](auto o) { return distributeCumSum(o, count), success(); })
      .Case<CacheAppendOp>(
          [&](auto o) { return distributeCacheAppend(o, count), success(); })
      .Case<RingReadOp>(
          [&](auto o) { return distributeRingRead(o, count), success(); })
      .Default([](Operation *other) {
        return other->emitError("has no form for the threads of a device");
      });
}

/// Gives the block-local buffers places behind each other.
LogicalResult DistributeThreads::placeShared(func::FuncOp kernel) {
  SmallVector<memref::AllocaOp> buffers;
  kernel.walk([&](memref::AllocaOp buffer) {
    if (buffer->hasAttr(kSharedAttr))
      buffers.push_back(buffer);
  });
  int64_t bytes = 0;
  Value memory;
  for (memref::AllocaOp buffer : buffers) {
    MemRefType type = buffer.getType();
    if (buffer.use_empty()) {
      buffer.erase();
      continue;
    }
    OpBuilder b(buffer);
    Location loc = buffer.getLoc();
    if (!memory) {
      // In front of all views, whose order walk() gives.
      b.setInsertionPointToStart(&kernel.getBody().front());
      auto space = gpu::AddressSpaceAttr::get(
          &getContext(), gpu::GPUDialect::getWorkgroupAddressSpace());
      Type byte = b.getI8Type();
      Value all = gpu::DynamicSharedMemoryOp::create(
          b, loc,
          MemRefType::get({ShapedType::kDynamic}, byte, AffineMap(), space));
      memory = memref::MemorySpaceCastOp::create(
          b, loc, MemRefType::get({ShapedType::kDynamic}, byte), all);
      b.setInsertionPoint(buffer);
    }
    if (!type.hasStaticShape())
      return buffer.emitError("a block-local buffer needs static sizes: ")
             << type;
    Value offset = arith::ConstantIndexOp::create(b, loc, bytes);
    Value view =
        memref::ViewOp::create(b, loc, type, memory, offset, ValueRange());
    int64_t size = (type.getElementTypeBitWidth() + 7) / 8;
    bytes = llvm::alignTo(bytes + size * type.getNumElements(), 16);
    buffer.replaceAllUsesWith(view);
    buffer.erase();
    ++numShared;
  }
  if (bytes > int64_t(maxShared))
    return kernel.emitError("a block needs ")
           << bytes << " bytes of shared memory, the device has "
           << int64_t(maxShared) << ": smaller tiles are needed";
  kernel->setAttr(kSharedBytesAttr,
                  IntegerAttr::get(IntegerType::get(&getContext(), 64), bytes));
  sharedBytes += bytes;
  remark::passed(kernel.getLoc(), remark::RemarkOpts::name("threads").category(
                                      "hybrid-distribute-threads"))
      << "blocks of " << std::to_string(threads) << " threads, "
      << std::to_string(bytes) << " bytes of shared memory";
  return success();
}

} // namespace
} // namespace hybrid
