//===- PlanArena.cpp - places for all intermediate buffers ----------------===//
//
// Offline first fit by decreasing size ("greedy by size": Pisarchyk and Lee,
// arXiv 2001.03288): an entry is one straight line, so lives are intervals.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_PLANARENAPASS
#include "hybrid/Conversion/ScheduleToKernel/Passes.h.inc"

namespace {

/// The largest and smallest value of an index computation at the symbols'
/// capacities.
struct Interval {
  int64_t low, high;
};

class Bounds {
public:
  explicit Bounds(ModuleOp module) {
    if (auto symbols = module->getAttrOfType<ArrayAttr>(kSymbolsAttr))
      for (Attribute attr : symbols) {
        auto info = cast<DictionaryAttr>(attr);
        capacity[info.getAs<StringAttr>("name")] =
            info.getAs<IntegerAttr>("capacity").getInt();
      }
  }

  std::optional<Interval> get(Value value);

private:
  std::optional<Interval> get(AffineExpr expr, ArrayRef<Interval> operands,
                              unsigned numDims);
  llvm::DenseMap<Attribute, int64_t> capacity;
};

std::optional<Interval> Bounds::get(AffineExpr expr,
                                    ArrayRef<Interval> operands,
                                    unsigned numDims) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return Interval{constant.getValue(), constant.getValue()};
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return operands[dim.getPosition()];
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return operands[numDims + symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  auto l = get(binary.getLHS(), operands, numDims),
       r = get(binary.getRHS(), operands, numDims);
  if (!l || !r)
    return std::nullopt;
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return Interval{l->low + r->low, l->high + r->high};
  case AffineExprKind::Mul: {
    int64_t corners[] = {l->low * r->low, l->low * r->high, l->high * r->low,
                         l->high * r->high};
    return Interval{*std::min_element(corners, corners + 4),
                    *std::max_element(corners, corners + 4)};
  }
  case AffineExprKind::Mod:
    if (r->low <= 0)
      return std::nullopt;
    return Interval{0, l->low >= 0 ? std::min(l->high, r->high - 1)
                                   : r->high - 1};
  case AffineExprKind::FloorDiv:
    if (r->low <= 0)
      return std::nullopt;
    return Interval{
        llvm::divideFloorSigned(l->low, l->low < 0 ? r->low : r->high),
        llvm::divideFloorSigned(l->high, l->high < 0 ? r->high : r->low)};
  case AffineExprKind::CeilDiv:
    if (r->low <= 0)
      return std::nullopt;
    return Interval{
        llvm::divideCeilSigned(l->low, l->low < 0 ? r->low : r->high),
        llvm::divideCeilSigned(l->high, l->high < 0 ? r->high : r->low)};
  default:
    return std::nullopt;
  }
}

std::optional<Interval> Bounds::get(Value value) {
  if (auto constant = getConstantIntValue(value))
    return Interval{*constant, *constant};
  Operation *def = value.getDefiningOp();
  if (!def)
    return std::nullopt;
  if (auto dim = dyn_cast<DimOp>(def)) {
    auto it = capacity.find(dim.getNameAttr());
    if (it == capacity.end())
      return std::nullopt;
    return Interval{0, it->second};
  }
  SmallVector<Interval> operands;
  for (Value operand : def->getOperands()) {
    auto interval = get(operand);
    if (!interval)
      return std::nullopt;
    operands.push_back(*interval);
  }
  auto ofMap = [&](AffineMap map, bool isMax) -> std::optional<Interval> {
    std::optional<Interval> result;
    for (AffineExpr expr : map.getResults()) {
      auto interval = get(expr, operands, map.getNumDims());
      if (!interval)
        return std::nullopt;
      if (!result)
        result = interval;
      else if (isMax)
        result = Interval{std::max(result->low, interval->low),
                          std::max(result->high, interval->high)};
      else
        result = Interval{std::min(result->low, interval->low),
                          std::min(result->high, interval->high)};
    }
    return result;
  };
  if (auto apply = dyn_cast<affine::AffineApplyOp>(def))
    return ofMap(apply.getAffineMap(), false);
  if (auto min = dyn_cast<affine::AffineMinOp>(def))
    return ofMap(min.getMap(), false);
  if (auto max = dyn_cast<affine::AffineMaxOp>(def))
    return ofMap(max.getMap(), true);
  MLIRContext *context = value.getContext();
  AffineExpr s0 = getAffineSymbolExpr(0, context),
             s1 = getAffineSymbolExpr(1, context);
  if (isa<arith::AddIOp>(def))
    return get(s0 + s1, operands, 0);
  if (isa<arith::SubIOp>(def))
    return get(s0 - s1, operands, 0);
  if (isa<arith::MulIOp>(def))
    return get(s0 * s1, operands, 0);
  if (isa<arith::MinSIOp>(def))
    return Interval{std::min(operands[0].low, operands[1].low),
                    std::min(operands[0].high, operands[1].high)};
  if (isa<arith::MaxSIOp>(def))
    return Interval{std::max(operands[0].low, operands[1].low),
                    std::max(operands[0].high, operands[1].high)};
  return std::nullopt;
}

struct Buffer {
  memref::AllocOp alloc;
  int64_t bytes = 0, first = 0, last = 0, offset = 0;
};

struct PlanArena : impl::PlanArenaPassBase<PlanArena> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    Bounds bounds(module);
    int64_t arena = 0;
    for (auto entry : module.getOps<func::FuncOp>())
      if (entry->hasAttr(kEntryAttr) && failed(plan(entry, bounds, arena)))
        return signalPassFailure();
    arenaBytes = arena;
    module->setAttr(kArenaBytesAttr,
                    Builder(module).getI64IntegerAttr(arena));
  }

  LogicalResult plan(func::FuncOp entry, Bounds &bounds, int64_t &arena);
  FailureOr<int64_t> getBytes(memref::AllocOp alloc, Bounds &bounds);
};

FailureOr<int64_t> PlanArena::getBytes(memref::AllocOp alloc, Bounds &bounds) {
  MemRefType type = alloc.getType();
  int64_t bytes = (type.getElementTypeBitWidth() + 7) / 8;
  unsigned nextDynamic = 0;
  for (int64_t size : type.getShape()) {
    if (ShapedType::isDynamic(size)) {
      auto interval = bounds.get(alloc.getDynamicSizes()[nextDynamic++]);
      if (!interval)
        return alloc.emitError("a buffer of type ")
               << type << " has no bound at the symbols' capacities";
      size = std::max<int64_t>(interval->high, 0);
    }
    if (llvm::MulOverflow<int64_t>(bytes, size, bytes) ||
        bytes > (int64_t(1) << 46))
      return alloc.emitError("a buffer of type ")
             << type
             << " would exceed 64 TiB at the symbols' capacities; compile with "
                "smaller ones";
  }
  return llvm::alignTo(std::max<int64_t>(bytes, 1), 64);
}

/// The position of the last use of the buffer or any view of it.
int64_t getLastUse(Value buffer, const llvm::DenseMap<Operation *, int64_t> &at,
                   Block &body) {
  int64_t last = 0;
  SmallVector<Value> worklist = {buffer};
  while (!worklist.empty()) {
    for (Operation *user : worklist.pop_back_val().getUsers()) {
      Operation *ancestor = body.findAncestorOpInBlock(*user);
      last = std::max(last, at.lookup(ancestor));
      for (Value result : user->getResults())
        if (isa<MemRefType>(result.getType()))
          worklist.push_back(result);
    }
  }
  return last;
}

LogicalResult PlanArena::plan(func::FuncOp entry, Bounds &bounds,
                              int64_t &arena) {
  if (!entry.getBody().hasOneBlock() ||
      entry.getNumArguments() < kFirstBufferParam)
    return entry.emitError("an entry has to be one block with an arena");
  Block &body = entry.getBody().front();
  llvm::DenseMap<Operation *, int64_t> at;
  int64_t position = 0;
  for (Operation &op : body)
    at[&op] = ++position;
  SmallVector<Buffer> buffers;
  for (auto alloc : body.getOps<memref::AllocOp>()) {
    auto bytes = getBytes(alloc, bounds);
    if (failed(bytes))
      return failure();
    buffers.push_back({alloc, *bytes, at[alloc],
                       getLastUse(alloc.getResult(), at, body)});
    unplannedBytes += *bytes;
  }
  numBuffers += buffers.size();
  SmallVector<Buffer *> bySize;
  for (Buffer &buffer : buffers)
    bySize.push_back(&buffer);
  llvm::stable_sort(bySize,
                    [](Buffer *a, Buffer *b) { return a->bytes > b->bytes; });
  SmallVector<Buffer *> placed; // By offset.
  for (Buffer *buffer : bySize) {
    int64_t offset = 0;
    for (Buffer *other : placed) {
      if (other->last < buffer->first || buffer->last < other->first)
        continue;
      if (offset + buffer->bytes <= other->offset)
        break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    buffer->offset = offset;
    arena = std::max(arena, offset + buffer->bytes);
    placed.insert(llvm::upper_bound(placed, buffer,
                                    [](Buffer *a, Buffer *b) {
                                      return a->offset < b->offset;
                                    }),
                  buffer);
  }
  for (Buffer &buffer : buffers) {
    OpBuilder builder(buffer.alloc);
    Location loc = buffer.alloc.getLoc();
    Value offset = arith::ConstantIndexOp::create(builder, loc, buffer.offset);
    Value view = memref::ViewOp::create(builder, loc, buffer.alloc.getType(),
                                        entry.getArgument(kArenaParam), offset,
                                        buffer.alloc.getDynamicSizes());
    buffer.alloc.getResult().replaceAllUsesWith(view);
    buffer.alloc.erase();
  }
  return success();
}

} // namespace
} // namespace hybrid
