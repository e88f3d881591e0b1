//===- RaiseBranches.cpp - pass hybrid-raise-branches ---------------------===//
//
// A branch is what only one operand of a sum depends on: the operations that
// are found going backwards from one operand and from no other. The walk goes
// from the last operation to the first and stops at what all operands depend
// on, so that it visits no more than the branches.
//
//===----------------------------------------------------------------------===//

#include "Elementwise.h"
#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"

#include <queue>

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_RAISEBRANCHESPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

//===----------------------------------------------------------------------===//
// Combinations
//===----------------------------------------------------------------------===//

/// What combines tensors, and how.
struct Combination {
  /// Makes the result, and what it is made of otherwise, last to first.
  SmallVector<Operation *, 1> ops;
  Combine combine;
  SmallVector<Value> operands;
};

/// A term of a sum in the body of an elementwise operation: ± an operand.
struct Term {
  OpOperand *operand;
  bool isNegative;
};

/// Adds the terms of `scalar` to `terms`; false if it is no sum of elements of
/// operands in their order.
bool collectTerms(linalg::GenericOp op, Value scalar, bool isNegative,
                  SmallVectorImpl<Term> &terms) {
  scalar = skipRounding(scalar);
  if (auto sum = scalar.getDefiningOp<arith::AddFOp>())
    return collectTerms(op, sum.getLhs(), isNegative, terms) &&
           collectTerms(op, sum.getRhs(), isNegative, terms);
  if (auto difference = scalar.getDefiningOp<arith::SubFOp>())
    return collectTerms(op, difference.getLhs(), isNegative, terms) &&
           collectTerms(op, difference.getRhs(), !isNegative, terms);
  OpOperand *operand = getInput(op, scalar);
  if (!operand || !isInOrder(operand))
    return false;
  terms.push_back({operand, isNegative});
  return true;
}

/// The number that `scalar` is for every element of `op`.
std::optional<double> getNumber(linalg::GenericOp op, Value scalar) {
  scalar = skipRounding(scalar);
  FloatAttr number;
  if (matchPattern(scalar, m_Constant(&number)))
    return number.getValueAsDouble();
  SplatElementsAttr splat;
  OpOperand *operand = getInput(op, scalar);
  if (operand && matchPattern(operand->get(), m_Constant(&splat)) &&
      isa<FloatType>(splat.getElementType()))
    return FloatAttr::get(splat.getElementType(),
                          splat.getSplatValue<APFloat>())
        .getValueAsDouble();
  return std::nullopt;
}

/// `scalar` as a product of another one and a number; the number is 1 if it
/// isn't one.
std::pair<Value, double> splitFactor(linalg::GenericOp op, Value scalar) {
  scalar = skipRounding(scalar);
  if (auto quotient = scalar.getDefiningOp<arith::DivFOp>())
    if (auto number = getNumber(op, quotient.getRhs()); number && *number != 0)
      return {quotient.getLhs(), 1 / *number};
  if (auto product = scalar.getDefiningOp<arith::MulFOp>())
    for (unsigned i : {0, 1})
      if (auto number = getNumber(op, product->getOperand(i)))
        return {product->getOperand(1 - i), *number};
  return {scalar, 1};
}

bool isReciprocal(double factor, size_t count) {
  return std::abs(factor * double(count) - 1) < 1e-3;
}

std::optional<Combination> matchSum(linalg::GenericOp op) {
  if (!getElementwise(op->getResult(0)))
    return std::nullopt;
  auto [sum, factor] = splitFactor(op, getYielded(op));
  SmallVector<Term> terms;
  if (!collectTerms(op, sum, /*isNegative=*/false, terms) || terms.size() < 2 ||
      terms.size() > 32)
    return std::nullopt;
  Combination found{{op}, Combine::Add, {}};
  unsigned numNegative = 0;
  for (const Term &term : terms) {
    numNegative += term.isNegative;
    if (term.operand->get().getType() != op->getResult(0).getType())
      return std::nullopt;
    found.operands.push_back(term.operand->get());
  }
  if (factor != 1 && (!isReciprocal(factor, terms.size()) || numNegative > 0))
    return std::nullopt;
  if (factor != 1)
    found.combine = Combine::Mean;
  if (numNegative > 0)
    found.combine = Combine::Sub;
  // a - b - …: the first stays, all others are taken away.
  if (numNegative > 0 &&
      (terms.front().isNegative || numNegative + 1 != terms.size()))
    return std::nullopt;
  return found;
}

/// Slices that fill a new tensor along the last dimension, one behind another.
std::optional<Combination> matchConcat(tensor::InsertSliceOp last) {
  if (llvm::any_of(last->getUsers(), [&](Operation *user) {
        auto next = dyn_cast<tensor::InsertSliceOp>(user);
        return next && next.getDest() == last.getResult();
      }))
    return std::nullopt;
  Combination found{{}, Combine::Concat, {}};
  int64_t rank = last.getType().getRank(),
          end = last.getType().getDimSize(rank - 1);
  Value dest = last.getResult();
  while (auto insert = dest.getDefiningOp<tensor::InsertSliceOp>()) {
    RankedTensorType type = insert.getSourceType();
    if (type.getRank() != rank || !insert.hasUnitStride() ||
        !isa<FloatType>(type.getElementType()) || found.operands.size() >= 32)
      return std::nullopt;
    for (int64_t dim = 0; dim + 1 < rank; ++dim)
      if (!isConstantIntValue(insert.getMixedOffsets()[dim], 0) ||
          type.getDimSize(dim) != last.getType().getDimSize(dim))
        return std::nullopt;
    std::optional<int64_t> offset =
        getConstantIntValue(insert.getMixedOffsets()[rank - 1]);
    if (!offset || *offset + type.getDimSize(rank - 1) != end)
      return std::nullopt;
    end = *offset;
    found.ops.push_back(insert);
    found.operands.insert(found.operands.begin(), insert.getSource());
    if (insert != last && !insert->hasOneUse())
      return std::nullopt;
    dest = insert.getDest();
  }
  if (end != 0 || found.operands.size() < 2 ||
      !dest.getDefiningOp<tensor::EmptyOp>())
    return std::nullopt;
  return found;
}

std::optional<Combination> match(Operation *op) {
  if (auto generic = dyn_cast<linalg::GenericOp>(op);
      generic && generic->getNumResults() == 1)
    return matchSum(generic);
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
    return insert.getType().getRank() > 0 ? matchConcat(insert) : std::nullopt;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Branches
//===----------------------------------------------------------------------===//

/// Whether an operation lets tokens see others.
bool isMixer(Operation *op) {
  return isa<AttentionOp, ScanOp, CausalConvOp>(op);
}

bool hasMixer(Operation *op) {
  return op
      ->walk([](Operation *inner) {
        return isMixer(inner) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Values from outside that `op` and its regions use.
void collectUsed(Operation *op, llvm::SetVector<Value> &used) {
  used.insert(op->operand_begin(), op->operand_end());
  for (Region &region : op->getRegions())
    getUsedValuesDefinedAbove(region, used);
}

/// The operations of a branch, in order, and what is used elsewhere of their
/// results.
struct Branch {
  SmallVector<Operation *> ops;
  SmallVector<Value> others;
};
using Branches = SmallVector<Branch>;

class BranchRaiser {
public:
  explicit BranchRaiser(Block &body) : body(body) { number(); }

  /// The new operation, or null where the operands are no branches.
  ParallelOp raise(const Combination &found);

private:
  void number();
  bool isFree(Operation *op);
  std::optional<Branches> findBranches(const Combination &found);
  SmallVector<Value> getUsedOutside(const Combination &found,
                                    ArrayRef<Operation *> branch);
  ParallelOp build(const Combination &found, const Branches &branches);

  Block &body;
  DenseMap<Operation *, unsigned> order;
  DenseMap<Operation *, bool> free;
  /// Operations that may still be visited, in all: long sums of long chains
  /// would take time without end.
  int64_t budget = 20'000'000;
};

void BranchRaiser::number() {
  order.clear();
  for (auto [i, op] : llvm::enumerate(body))
    order[&op] = i;
}

/// Whether an operation is no work: a weight, a state, a size, or what is
/// computed from such sizes. None of them depends on a branch.
bool BranchRaiser::isFree(Operation *op) {
  if (auto it = free.find(op); it != free.end())
    return it->second;
  bool result =
      op->getNumRegions() == 0 &&
      llvm::all_of(op->getOperands(), [&](Value operand) {
        Operation *def = operand.getDefiningOp();
        return !isa<ShapedType>(operand.getType()) && (!def || isFree(def));
      });
  return free[op] = result;
}

/// Leaves where it is what does not depend on the `shared` operations:
/// positions and tables, which other layers may use, too.
void dropIndependent(SmallVectorImpl<Operation *> &branch,
                     llvm::SmallPtrSetImpl<Operation *> &shared) {
  llvm::SmallPtrSet<Operation *, 32> dependent;
  llvm::erase_if(branch, [&](Operation *op) {
    llvm::SetVector<Value> used;
    collectUsed(op, used);
    bool depends = llvm::any_of(used, [&](Value value) {
      Operation *def = value.getDefiningOp();
      // Of the entry's inputs, tokens and positions are integers.
      if (!def)
        return isa<FloatType>(getElementTypeOrSelf(value));
      return shared.contains(def) || dependent.contains(def);
    });
    if (depends)
      dependent.insert(op);
    return !depends;
  });
}

std::optional<Branches> BranchRaiser::findBranches(const Combination &found) {
  using Entry = std::pair<unsigned, Operation *>;
  std::priority_queue<Entry> open;
  DenseMap<Operation *, uint32_t> reachedFrom;
  const unsigned n = found.operands.size();
  const uint32_t all = n == 32 ? ~0u : (1u << n) - 1;
  // How many operations are open that not all operands depend on.
  int64_t numPartial = 0;
  auto reach = [&](Value value, uint32_t from) {
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != &body || isFree(op))
      return;
    auto [it, isNew] = reachedFrom.try_emplace(op, 0);
    bool wasPartial = !isNew && it->second != all;
    it->second |= from;
    numPartial += int64_t(it->second != all) - int64_t(wasPartial);
    if (isNew)
      open.emplace(order.lookup(op), op);
  };
  for (auto [i, operand] : llvm::enumerate(found.operands))
    reach(operand, 1u << i);
  Branches branches(n);
  llvm::SmallPtrSet<Operation *, 8> shared;
  while (numPartial > 0) {
    if (--budget == 0)
      remark::missed(found.ops.front()->getLoc(),
                     remark::RemarkOpts::name("branches")
                         .category("hybrid-raise-branches"))
          << "no branches are looked for from here on: sums of too long chains";
    if (budget <= 0)
      return std::nullopt;
    Operation *op = open.top().second;
    open.pop();
    uint32_t from = reachedFrom.lookup(op);
    // What is shared depends on shared operations only, even those that a
    // branch uses itself.
    if (from == all)
      shared.insert(op);
    else
      --numPartial;
    if (llvm::isPowerOf2_32(from))
      branches[llvm::Log2_32(from)].ops.push_back(op);
    llvm::SetVector<Value> used;
    collectUsed(op, used);
    for (Value value : used)
      reach(value, from);
  }
  for (; !open.empty(); open.pop())
    shared.insert(open.top().second);
  for (Branch &branch : branches) {
    std::reverse(branch.ops.begin(), branch.ops.end());
    dropIndependent(branch.ops, shared);
    if (llvm::none_of(branch.ops, hasMixer))
      return std::nullopt;
  }
  for (Branch &branch : branches) {
    branch.others = getUsedOutside(found, branch.ops);
    const char *reason = nullptr;
    if (!llvm::all_of(branch.ops, isMemoryEffectFree))
      reason = "one of them has a side effect";
    else if (!llvm::all_of(ValueRange(branch.others).getTypes(),
                           llvm::IsaPred<RankedTensorType>))
      reason = "a size that depends on one of them is used elsewhere";
    if (!reason)
      continue;
    remark::missed(
        found.ops.front()->getLoc(),
        remark::RemarkOpts::name("branches").category("hybrid-raise-branches"))
        << ("branches stay as they are: " + Twine(reason)).str();
    return std::nullopt;
  }
  return branches;
}

/// What is used elsewhere of what a branch computes.
SmallVector<Value> BranchRaiser::getUsedOutside(const Combination &found,
                                                ArrayRef<Operation *> branch) {
  SmallVector<Value> values;
  llvm::SmallPtrSet<Operation *, 32> inside(branch.begin(), branch.end());
  for (Operation *op : branch)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            Operation *ancestor = body.findAncestorOpInBlock(*user);
            return !inside.contains(ancestor) &&
                   !llvm::is_contained(found.ops, ancestor);
          }))
        values.push_back(result);
  return values;
}

ParallelOp BranchRaiser::build(const Combination &found,
                               const Branches &branches) {
  OpBuilder builder(found.ops.front());
  Location loc = found.ops.front()->getLoc();
  SmallVector<Type> types = {found.ops.front()->getResult(0).getType()};
  for (const Branch &branch : branches)
    llvm::append_range(types, ValueRange(branch.others).getTypes());
  auto parallel =
      ParallelOp::create(builder, loc, types, ValueRange(), found.combine,
                         BranchFormAttr(), branches.size());
  unsigned next = 1;
  for (auto [n, branch] : llvm::enumerate(branches)) {
    Block *block = builder.createBlock(&parallel.getBranches()[n]);
    for (Operation *op : branch.ops)
      op->moveBefore(block, block->end());
    builder.setInsertionPointToEnd(block);
    SmallVector<Value> yielded = {found.operands[n]};
    llvm::append_range(yielded, branch.others);
    YieldOp::create(builder, loc, yielded);
    for (Value value : branch.others)
      value.replaceUsesWithIf(parallel->getResult(next++), [&](OpOperand &use) {
        return !parallel->isAncestor(use.getOwner());
      });
  }
  found.ops.front()->getResult(0).replaceAllUsesWith(parallel.getResult());
  for (Operation *op : found.ops)
    op->erase();
  return parallel;
}

ParallelOp BranchRaiser::raise(const Combination &found) {
  std::optional<Branches> branches = findBranches(found);
  if (!branches)
    return nullptr;
  ParallelOp parallel = build(found, *branches);
  // Users of the other results may have stood in front of the sum.
  bool isSorted = sortTopologically(&body);
  assert(isSorted && "a branch depends on what it is used for");
  (void)isSorted;
  number();
  return parallel;
}

//===----------------------------------------------------------------------===//
// Factors
//===----------------------------------------------------------------------===//

/// Takes the division of a sum of all branches by their number, the only use of
/// the sum, into `op`.
void takeMean(ParallelOp op) {
  if (op.getCombine() != Combine::Add || !op.getResult().hasOneUse())
    return;
  auto user = dyn_cast<linalg::GenericOp>(*op.getResult().user_begin());
  if (!user || user->getNumResults() != 1 ||
      user->getBlock() != op->getBlock() ||
      user->getResult(0).getType() != op.getResult().getType() ||
      !getElementwise(user->getResult(0)))
    return;
  auto [scalar, factor] = splitFactor(user, getYielded(user));
  OpOperand *operand = getInput(user, skipRounding(scalar));
  if (!operand || operand->get() != op.getResult() || !isInOrder(operand) ||
      !isReciprocal(factor, op.getBranches().size()))
    return;
  op.setCombine(Combine::Mean);
  user->getResult(0).replaceAllUsesWith(op.getResult());
  user->erase();
}

/// A branch's result as another one times a weight of rank 0 or 1.
struct Weighted {
  Value value, weight;
};

std::optional<Weighted> matchWeight(ParallelOp op, Value yielded) {
  linalg::GenericOp product = getElementwise(yielded);
  if (!product || !yielded.hasOneUse() ||
      product->getParentOp() != op.getOperation())
    return std::nullopt;
  auto isBranch = [&](OpOperand *operand) {
    return operand && isInOrder(operand) &&
           operand->get().getType() == yielded.getType();
  };
  auto [scalar, factor] = splitFactor(product, getYielded(product));
  if (OpOperand *operand = getInput(product, skipRounding(scalar));
      factor != 1 && isBranch(operand)) {
    OpBuilder builder(op);
    auto type = RankedTensorType::get({}, builder.getF32Type());
    Value weight = arith::ConstantOp::create(
        builder, product.getLoc(), DenseElementsAttr::get(type, float(factor)));
    return Weighted{operand->get(), weight};
  }
  std::optional<Product> factors = getProduct(product);
  if (!factors)
    return std::nullopt;
  for (auto [value, weight] : {std::pair(factors->left, factors->right),
                               std::pair(factors->right, factors->left)}) {
    auto type = cast<RankedTensorType>(weight->get().getType());
    AffineMap map = product.getMatchingIndexingMap(weight);
    bool isVector = type.getRank() == 1 && map.isMinorIdentity();
    if (isBranch(value) && (type.getRank() == 0 || isVector) &&
        isa<FloatType>(type.getElementType()) &&
        !op->isAncestor(weight->get().getParentBlock()->getParentOp()))
      return Weighted{value->get(), weight->get()};
  }
  return std::nullopt;
}

/// Takes the factors of a sum's branches, if all have one, into `op`.
void takeWeights(ParallelOp op) {
  if (op.getCombine() != Combine::Add)
    return;
  SmallVector<Weighted> all;
  for (Region &branch : op.getBranches()) {
    Value yielded = branch.front().getTerminator()->getOperand(0);
    std::optional<Weighted> found = matchWeight(op, yielded);
    if (!found)
      return;
    all.push_back(*found);
  }
  op.setCombine(Combine::Weighted);
  for (auto [branch, weighted] : llvm::zip(op.getBranches(), all)) {
    Operation *yield = branch.front().getTerminator();
    Operation *product = yield->getOperand(0).getDefiningOp();
    yield->setOperand(0, weighted.value);
    op.getWeightsMutable().append(weighted.weight);
    product->erase();
  }
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

struct RaiseBranches : impl::RaiseBranchesPassBase<RaiseBranches> {
  void runOnOperation() override {
    func::FuncOp entry = getOperation();
    if (!entry->hasAttr(kEntryAttr) || !entry.getBody().hasOneBlock())
      return;
    Block &body = entry.getBody().front();
    SmallVector<Operation *> candidates;
    for (Operation &op : body)
      if (isa<linalg::GenericOp, tensor::InsertSliceOp>(op))
        candidates.push_back(&op);
    BranchRaiser raiser(body);
    SmallVector<ParallelOp> raised;
    // In their order: inner combinations first.
    for (Operation *op : candidates)
      if (std::optional<Combination> found = match(op))
        if (ParallelOp parallel = raiser.raise(*found))
          raised.push_back(parallel);
    for (ParallelOp op : raised) {
      takeMean(op);
      takeWeights(op);
      ++numRaised;
      remark::passed(op.getLoc(), remark::RemarkOpts::name("branches")
                                      .category("hybrid-raise-branches"))
          << "branches side by side"
          << remark::metric("combine", stringifyCombine(op.getCombine()))
          << remark::metric("branches", op.getBranches().size());
    }
  }
};

} // namespace
} // namespace hybrid
