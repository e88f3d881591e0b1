//===- WindowRings.cpp - caches that keep a window ------------------------===//
//
// A state becomes a ring where every use in every entry allows it: it is read
// once, appended to once at the sequences' positions, seen only by attention
// through one window, and written back. Attention needs its keys and its values
// in rings, so that a refusal spreads.
//
//===----------------------------------------------------------------------===//

#include "SequenceLengths.h"
#include "hybrid/Dialect/Hybrid/Transforms/Sizes.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_WINDOWRINGSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// How many positions before its own a query sees, itself among them, and how
/// many at the start.
struct Window {
  int64_t size = 0, sinks = 0;
  bool operator==(const Window &other) const {
    return size == other.size && sinks == other.sinks;
  }
};

/// One entry's use of a state.
struct Use {
  ReadStateOp read;
  CacheAppendOp append;
};

/// A state, and what it is used for in all entries.
struct Candidate {
  StateOp state;
  SmallVector<Use, 2> uses;
  llvm::SetVector<AttentionOp> attentions;
  std::optional<Window> window;
  bool isRefused = false;

  int64_t numSlots() const { return window->size + window->sinks; }
  int64_t capacity() {
    auto type = cast<RankedTensorType>(state.getType());
    return type.getDimSize(*state.getLengthAxis());
  }
};

bool isZero(Value index) { return isConstantIntValue(index, 0); }

struct WindowRings : impl::WindowRingsPassBase<WindowRings> {
  void runOnOperation() override {
    for (auto state : getOperation().getOps<StateOp>()) {
      auto type = cast<RankedTensorType>(state.getType());
      if (state.getKind() == StateKind::KV && type.getRank() == 4 &&
          *state.getLengthAxis() == 2)
        candidates[state.getSymNameAttr()].state = state;
    }
    auto entries = llvm::make_filter_range(
        getOperation().getOps<func::FuncOp>(),
        [](func::FuncOp func) { return func->hasAttr(kEntryAttr); });
    for (func::FuncOp entry : entries)
      entry.walk([&](ReadStateOp read) { searchRead(read); });
    spreadRefusals();
    for (auto &[name, candidate] : candidates)
      if (candidate.window && !candidate.isRefused)
        rewrite(candidate);
    for (AttentionOp attention : attentions)
      rewrite(attention);
  }

  void refuse(Candidate &candidate, Location loc, const Twine &reason);
  void searchRead(ReadStateOp read);
  void searchAttention(Candidate &candidate, const Use &use, AttentionOp op);
  void spreadRefusals();
  void rewrite(Candidate &candidate);
  void rewrite(AttentionOp op);
  Value rewriteCache(AttentionOp op, Value cache, OpFoldResult count);
  Candidate *find(Value cache);

  llvm::MapVector<Attribute, Candidate> candidates;
  /// Of states that have become rings.
  llvm::SetVector<AttentionOp> attentions;
};

/// Only what sees a window is worth a remark.
void WindowRings::refuse(Candidate &candidate, Location loc,
                         const Twine &reason) {
  bool hasWindow = candidate.window.has_value();
  for (AttentionOp op : candidate.attentions)
    hasWindow |= op.getWindowLeft() >= 0;
  if (hasWindow && !candidate.isRefused)
    remark::missed(
        loc, remark::RemarkOpts::name("ring").category("hybrid-window-rings"))
        << ("state '" + candidate.state.getSymName() +
            "' keeps all positions: " + reason)
               .str();
  candidate.isRefused = true;
}

void WindowRings::searchRead(ReadStateOp read) {
  auto it = candidates.find(read.getStateAttr().getAttr());
  if (it == candidates.end())
    return;
  Candidate &candidate = it->second;
  Location loc = read.getLoc();
  auto append = read->hasOneUse() ? dyn_cast<CacheAppendOp>(*read->user_begin())
                                  : CacheAppendOp();
  if (!append || append.getCache() != read.getResult())
    return refuse(candidate, loc, "it is not only appended to");
  Use use{read, append};
  for (Operation *user : append->getUsers())
    if (auto attention = dyn_cast<AttentionOp>(user))
      candidate.attentions.insert(attention);
  if (!append.getPositions() || !isZero(append.getPosition()))
    return refuse(candidate, loc, "the sequences of a call share one position");
  for (OpOperand &operand : append->getUses()) {
    Operation *user = operand.getOwner();
    auto write = dyn_cast<WriteStateOp>(user);
    if (write && write.getStateAttr() == read.getStateAttr())
      continue;
    auto attention = dyn_cast<AttentionOp>(user);
    if (!attention || (operand != attention.getKeyMutable() &&
                       operand != attention.getValueMutable()))
      return refuse(candidate, user->getLoc(),
                    "'" + user->getName().getStringRef() + "' uses it, too");
    searchAttention(candidate, use, attention);
    if (candidate.isRefused)
      return;
  }
  candidate.uses.push_back(use);
}

void WindowRings::searchAttention(Candidate &candidate, const Use &use,
                                  AttentionOp op) {
  Location loc = op.getLoc();
  if (!op.getCausal() || op.getWindowLeft() < 0 || op.getMask())
    return refuse(candidate, loc,
                  "an attention without a window, or with a mask, sees it");
  Window window{op.getWindowLeft() + 1, int64_t(op.getSinkPrefix())};
  if (candidate.window && !(*candidate.window == window))
    return refuse(candidate, loc, "it is seen through different windows");
  candidate.window = window;
  if (candidate.numSlots() >= candidate.capacity())
    return refuse(candidate, loc, "its capacity is not above the window");
  Value queries = op.getInit();
  CacheAppendOp append = use.append;
  std::optional<OpFoldResult> count, appended, asked;
  if (op.getLengths())
    count = matchLengths(op.getLengths(), append.getPositions());
  appended = findSize(append.getInput(), append.getTimeDim());
  asked = findSize(queries, op.getQueryTimeDim());
  if (!count || !appended || !asked || !isZero(op.getQOffset()) ||
      !isEqualConstantIntOrValue(*count, *appended) ||
      !isEqualConstantIntOrValue(*count, *asked))
    refuse(candidate, loc, "the queries are not those of the new positions");
}

Candidate *WindowRings::find(Value cache) {
  auto append = cache.getDefiningOp<CacheAppendOp>();
  auto read =
      append ? append.getCache().getDefiningOp<ReadStateOp>() : ReadStateOp();
  auto it =
      read ? candidates.find(read.getStateAttr().getAttr()) : candidates.end();
  return it == candidates.end() ? nullptr : &it->second;
}

void WindowRings::spreadRefusals() {
  for (bool changed = true; changed;) {
    changed = false;
    for (auto &[name, candidate] : candidates) {
      if (candidate.isRefused)
        continue;
      for (AttentionOp op : candidate.attentions)
        for (Value cache : {op.getKey(), op.getValue()}) {
          Candidate *other = find(cache);
          if (candidate.isRefused || (other && !other->isRefused))
            continue;
          refuse(candidate, op.getLoc(),
                 "the keys or values beside it are in no ring");
          changed = true;
        }
    }
  }
}

void WindowRings::rewrite(Candidate &candidate) {
  Builder b(&getContext());
  StateOp state = candidate.state;
  auto type = cast<RankedTensorType>(state.getType());
  int64_t capacity = candidate.capacity(), slots = candidate.numSlots(),
          sinks = candidate.window->sinks;
  auto makeRing = [&](Type type) {
    auto tensor = cast<RankedTensorType>(type);
    SmallVector<int64_t> shape(tensor.getShape());
    shape[2] = slots;
    return RankedTensorType::get(shape, tensor.getElementType());
  };
  state.setKind(StateKind::KVWindow);
  state.setType(makeRing(type));
  state.setSinkPrefix(sinks);
  state.setCapacity(capacity);
  for (Use &use : candidate.uses) {
    use.read.getResult().setType(makeRing(use.read.getType()));
    use.append.setRing(true);
    use.append.setSinkPrefix(sinks);
    Value result = use.append->getResult(0);
    result.setType(makeRing(result.getType()));
  }
  attentions.insert(candidate.attentions.begin(), candidate.attentions.end());
  ++numRings;
  remark::passed(state.getLoc(), remark::RemarkOpts::name("ring").category(
                                     "hybrid-window-rings"))
      << ("state '" + state.getSymName() + "' is a ring of " + Twine(slots) +
          " positions instead of " + Twine(capacity))
             .str();
}

/// What of a ring an attention with `count` queries sees: after the append, if
/// that overwrites nothing which is in sight, else before it.
Value WindowRings::rewriteCache(AttentionOp op, Value cache,
                                OpFoldResult count) {
  if (isConstantIntValue(count, 1))
    return cache;
  auto append = cache.getDefiningOp<CacheAppendOp>();
  Value ring = append.getCache();
  OpBuilder b(append);
  Location loc = op.getLoc();
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, ring);
  int64_t slots = cast<RankedTensorType>(ring.getType()).getDimSize(2);
  sizes[0] = *findSize(op.getInit(), 0);
  sizes[2] = affine::makeComposedFoldedAffineApply(b, loc, s0 + slots, count);
  Type element = cast<RankedTensorType>(ring.getType()).getElementType();
  Value init = tensor::EmptyOp::create(b, loc, sizes, element);
  return RingReadOp::create(b, loc, TypeRange{init.getType()}, ring,
                            append.getInput(), append.getPositions(), init,
                            append.getLayoutAttr(), append.getSinkPrefixAttr())
      ->getResult(0);
}

void WindowRings::rewrite(AttentionOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  auto append = op.getKey().getDefiningOp<CacheAppendOp>();
  Value positions = append.getPositions();
  OpFoldResult count = *matchLengths(op.getLengths(), positions);
  int64_t slots =
      cast<RankedTensorType>(append.getCache().getType()).getDimSize(2);
  bool isOne = isConstantIntValue(count, 1);
  for (OpOperand *cache : {&op.getKeyMutable(), &op.getValueMutable()})
    cache->set(rewriteCache(op, cache->get(), count));
  // The window's oldest position makes room for the one query: it sees all
  // that is left. Otherwise positions are counted from what was kept on.
  int64_t most = slots;
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  OpFoldResult length = b.getIndexAttr(slots);
  if (isOne) {
    op.setCausal(false);
    op.setWindowLeft(-1);
    op.setSinkPrefix(0);
    most = slots - 1;
  } else {
    length = affine::makeComposedFoldedAffineApply(b, loc, s0 + slots, count);
  }
  Value batch =
      getValueOrCreateConstantIndexOp(b, loc, *findSize(op.getLengths(), 0));
  op.getLengthsMutable().assign(
      createLengths(b, loc, positions, batch, count, most));
  op.getKvLengthMutable().assign(
      getValueOrCreateConstantIndexOp(b, loc, length));
}

} // namespace
} // namespace hybrid
