//===- GroupLaunches.cpp - independent launches side by side --------------===//
//
// List scheduling of a straight line: each launch joins the earliest group
// behind everything it depends on, within a window that bounds how much longer
// buffers live. Launches of a group become one (hybrid-merge-launches), whose
// blocks are those of all: projections of one input, the rotations and appends
// behind them, branches of a layer.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/Transforms/Views.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_GROUPLAUNCHESPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// Orders the operations of one entry.
class Scheduler {
public:
  Scheduler(Block &body, unsigned maxParts, unsigned window)
      : body(body), maxParts(maxParts), window(window) {}

  /// Returns the groups with more than one launch, in order.
  SmallVector<SmallVector<LaunchOp>> run();

private:
  void place(LaunchOp launch);
  unsigned firstGroupFor(LaunchOp launch, ArrayRef<BranchAttr> branches);
  void reorder();
  /// The first group in which the value is there: 0 for what no launch makes.
  unsigned readyIn(Operation *op) const {
    auto it = ready.find(op);
    return it == ready.end() ? 0 : it->second;
  }

  Block &body;
  unsigned maxParts, window;
  SmallVector<SmallVector<LaunchOp>> groups;
  DenseMap<Operation *, unsigned> ready;
  /// By parallel operation and branch, the first group behind all launches of
  /// the branch so far.
  DenseMap<std::pair<int64_t, int64_t>, unsigned> endOfBranch;
  /// The last groups in which a tensor is read, and is updated in place: a
  /// later update stands behind both, a later read behind the updates.
  DenseMap<Value, unsigned> lastRead, lastWrite;
};

/// The branches, one after another, of which `loc` says that they made it; of
/// each parallel operation at most one: what has parts of several is of none.
SmallVector<BranchAttr> getBranches(Location loc) {
  SmallVector<BranchAttr> branches;
  llvm::SmallDenseSet<int64_t> mixed;
  loc->walk([&](Location inner) {
    auto fused = dyn_cast<FusedLocWith<BranchAttr>>(inner);
    if (!fused)
      return WalkResult::advance();
    BranchAttr branch = fused.getMetadata();
    for (BranchAttr other : branches)
      if (other.getParallel() == branch.getParallel() && other != branch)
        mixed.insert(branch.getParallel());
    if (!llvm::is_contained(branches, branch))
      branches.push_back(branch);
    return WalkResult::advance();
  });
  llvm::erase_if(branches, [&](BranchAttr branch) {
    return mixed.contains(branch.getParallel());
  });
  return branches;
}

unsigned Scheduler::firstGroupFor(LaunchOp launch,
                                  ArrayRef<BranchAttr> branches) {
  unsigned first = 0;
  for (BranchAttr branch : branches)
    for (int64_t other = 0; other < branch.getNumber(); ++other)
      first =
          std::max(first, endOfBranch.lookup({branch.getParallel(), other}));
  for (OpOperand &operand : launch->getOpOperands()) {
    if (Operation *def = operand.get().getDefiningOp())
      first = std::max(first, readyIn(def));
    Value root = skipViews(operand.get());
    auto after = [&](const DenseMap<Value, unsigned> &map) {
      auto it = map.find(root);
      if (it != map.end())
        first = std::max(first, it->second + 1);
    };
    if (!isa<RankedTensorType>(root.getType()))
      continue;
    if (!launch.isDpsInit(&operand)) {
      after(lastWrite);
    } else if (readsDestination(launch, operand)) {
      after(lastWrite);
      after(lastRead);
    }
  }
  return first;
}

void Scheduler::place(LaunchOp launch) {
  SmallVector<BranchAttr> branches = getBranches(launch.getLoc());
  unsigned first = firstGroupFor(launch, branches);
  if (groups.size() > window)
    first = std::max<unsigned>(first, groups.size() - window);
  unsigned group = first;
  while (group < groups.size() && groups[group].size() >= maxParts)
    ++group;
  if (group == groups.size())
    groups.emplace_back();
  groups[group].push_back(launch);
  ready[launch] = group + 1;
  for (BranchAttr branch : branches) {
    unsigned &end = endOfBranch[{branch.getParallel(), branch.getNumber()}];
    end = std::max(end, group + 1);
  }
  for (OpOperand &operand : launch->getOpOperands()) {
    Value root = skipViews(operand.get());
    if (!isa<RankedTensorType>(root.getType()))
      continue;
    bool isWritten = launch.isDpsInit(&operand);
    if (isWritten && !readsDestination(launch, operand))
      continue;
    unsigned &last = (isWritten ? lastWrite : lastRead)[root];
    last = std::max(last, group);
  }
}

/// By group; what is computed from a group's results stands behind it.
void Scheduler::reorder() {
  SmallVector<std::pair<unsigned, Operation *>> order;
  for (Operation &op : body.without_terminator()) {
    bool isLaunch = isa<LaunchOp>(op);
    order.emplace_back(2 * readyIn(&op) + (isLaunch ? 0 : 1), &op);
  }
  llvm::stable_sort(
      order, [](const auto &a, const auto &b) { return a.first < b.first; });
  for (auto &[key, op] : order)
    op->moveBefore(body.getTerminator());
}

SmallVector<SmallVector<LaunchOp>> Scheduler::run() {
  for (Operation &op : body.without_terminator()) {
    if (auto launch = dyn_cast<LaunchOp>(op)) {
      place(launch);
      continue;
    }
    unsigned latest = 0;
    op.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (Operation *def = operand.getDefiningOp())
          latest = std::max(latest, readyIn(def));
    });
    ready[&op] = latest;
  }
  reorder();
  llvm::erase_if(groups, [](const auto &group) { return group.size() < 2; });
  return std::move(groups);
}

struct GroupLaunches : impl::GroupLaunchesPassBase<GroupLaunches> {
  using Base::Base;

  void runOnOperation() override {
    Builder builder(&getContext());
    int64_t number = 0;
    for (auto entry : getOperation().getOps<func::FuncOp>()) {
      if (!entry->hasAttr(kEntryAttr) || !entry.getBody().hasOneBlock())
        continue;
      Scheduler scheduler(entry.getBody().front(), maxParts, window);
      for (SmallVector<LaunchOp> &group : scheduler.run()) {
        for (LaunchOp launch : group)
          launch->setAttr(kGroupAttr, builder.getI64IntegerAttr(number));
        ++number;
        ++numGroups;
        numGrouped += group.size();
        std::string names;
        llvm::raw_string_ostream os(names);
        llvm::interleaveComma(
            group, os, [&](LaunchOp launch) { os << launch.getKernel(); });
        remark::passed(
            group.front().getLoc(),
            remark::RemarkOpts::name("group").category("hybrid-group-launches"))
            << ("independent launches run side by side: " + names);
      }
    }
  }
};

} // namespace
} // namespace hybrid
