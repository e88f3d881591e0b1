//===- FormKernels.cpp - all work of the entries into kernels -------------===//
//
// A group of operations becomes a function whose parameters are the tensors
// read, the destinations and the index sizes, and a launch of it. Functions
// with the same text are one kernel, so that everything after this pass costs
// time per different kernel, not per layer.
//
// A group is a root, what runs on its tiles behind it (the epilogue), and, in
// entries that take one token at a time, what its blocks compute for themselves
// before (the prologue): there a norm or a gate is less work than a launch.
//
//===----------------------------------------------------------------------===//

#include "Elementwise.h"
#include "hybrid/Dialect/Hybrid/Transforms/Products.h"
#include "hybrid/Dialect/Hybrid/Transforms/Sizes.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_FORMKERNELSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// The destinations of an operation that becomes a kernel's root: `outs`
/// operands, or the tensors that a loop carries.
SmallVector<Value> getDestinations(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return llvm::to_vector(loop.getInitArgs());
  return llvm::to_vector(cast<DestinationStyleOpInterface>(op).getDpsInits());
}

bool isWork(Operation *op) {
  if (isa<LaunchOp>(op))
    return false;
  if (isa<linalg::LinalgOp, scf::ForOp>(op))
    return true;
  return isa<HybridDialect>(op->getDialect()) &&
         isa<DestinationStyleOpInterface>(op);
}

/// A fill that only prepares destinations is part of the kernels that write
/// them.
bool isDestinationFill(Operation *op) {
  auto fill = dyn_cast<linalg::FillOp>(op);
  if (!fill || !fill.getOutputs()[0].getDefiningOp<tensor::EmptyOp>())
    return false;
  return llvm::all_of(op->getUses(), [](OpOperand &use) {
    auto dps = dyn_cast<DestinationStyleOpInterface>(use.getOwner());
    return dps && !isa<LaunchOp>(use.getOwner()) && isWork(use.getOwner()) &&
           dps.isDpsInit(&use);
  });
}

/// The elementwise operation that alone consumes the contraction `op`, point
/// by point, and can therefore run on its tiles; null if there is none.
linalg::GenericOp getEpilogue(Operation *op) {
  if (!isContraction(op) || !op->getResult(0).hasOneUse())
    return {};
  OpOperand &use = *op->getResult(0).use_begin();
  auto user = dyn_cast<linalg::GenericOp>(use.getOwner());
  if (!user || user->getBlock() != op->getBlock() ||
      user.getNumReductionLoops() > 0 || user->getNumResults() != 1 ||
      user.isDpsInit(&use))
    return {};
  if (!user.getMatchingIndexingMap(&use).isIdentity() ||
      !user.getIndexingMapsArray().back().isIdentity())
    return {};
  return user;
}

/// Whether blocks may compute `op` for themselves: little work per element, a
/// single result, nothing gathered.
bool isPrologue(Operation *op) {
  if (isa<NormOp, GatedNormOp, RopeOp>(op))
    return true;
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumReductionLoops() > 0 ||
      generic->getNumResults() != 1 ||
      !generic.getIndexingMapsArray().back().isIdentity() ||
      generic.payloadUsesValueFromOperand(generic.getDpsInitOperand(0)))
    return false;
  return !hasControlOrLoads(generic);
}

/// Bytes of the rows that a block of a contraction may compute for itself.
constexpr int64_t kMaxPrologueRowBytes = 16 * 1024;

/// Whether the blocks of the operation that reads `use` can compute it.
bool takesPrologue(OpOperand &use) {
  Operation *op = use.getOwner();
  auto destination = dyn_cast<DestinationStyleOpInterface>(op);
  if (!destination || !isWork(op) || destination.isDpsInit(&use))
    return false;
  auto type = dyn_cast<RankedTensorType>(use.get().getType());
  auto fitsBlock = [&] {
    return type.getRank() > 0 && !type.isDynamicDim(type.getRank() - 1) &&
           type.getDimSize(type.getRank() - 1) *
                   llvm::divideCeil(type.getElementTypeBitWidth(), 8) <=
               kMaxPrologueRowBytes;
  };
  // Rows, which each block of columns needs whole, but no columns.
  if (auto matmul = dyn_cast<MatmulOp>(op))
    return use == matmul.getInputMutable() && fitsBlock();
  if (isContraction(op)) {
    auto contraction = cast<linalg::LinalgOp>(op);
    AffineMap map = contraction.getMatchingIndexingMap(&use);
    AffineMap out = contraction.getIndexingMapsArray().back();
    unsigned columns = out.getNumResults() > 0
                           ? out.getDimPosition(out.getNumResults() - 1)
                           : 0;
    return !map.isFunctionOfDim(columns) && map.isProjectedPermutation() &&
           fitsBlock();
  }
  // What a block reads a part of; tables and scales are read whole.
  if (auto attention = dyn_cast<AttentionOp>(op))
    return use == attention.getQueryMutable();
  if (auto append = dyn_cast<CacheAppendOp>(op))
    return use == append.getInputMutable();
  if (auto norm = dyn_cast<NormOp>(op))
    return use == norm.getInputMutable();
  if (auto norm = dyn_cast<GatedNormOp>(op))
    return use == norm.getInputMutable() || use == norm.getGateMutable();
  if (auto rope = dyn_cast<RopeOp>(op))
    return use == rope.getInputMutable() || !rope.getPositions();
  if (isa<ScanOp>(op))
    return true;
  auto generic = dyn_cast<linalg::GenericOp>(op);
  return generic && generic.getNumReductionLoops() == 0 &&
         generic.getMatchingIndexingMap(&use).isProjectedPermutation();
}

StringRef getKernelKind(Operation *root) {
  if (isa<HybridDialect>(root->getDialect()))
    return root->getName().stripDialect();
  if (isContraction(root))
    return "matmul";
  if (isa<scf::ForOp>(root))
    return "loop";
  if (isa<linalg::FillOp>(root))
    return "fill";
  return cast<linalg::LinalgOp>(root).getNumReductionLoops() ? "reduce" : "map";
}

/// Builds one kernel and its launch.
class KernelBuilder {
public:
  KernelBuilder(ArrayRef<Operation *> group, OpBuilder &kernels)
      : group(group), last(group.back()), kernels(kernels) {}

  /// The new function, not yet named, at the insertion point of `kernels`.
  FailureOr<func::FuncOp> build();
  LaunchOp launch(OpBuilder &builder, func::FuncOp kernel);

private:
  LogicalResult collect();
  LogicalResult addOperand(Value value);
  bool isInternal(Value value) const {
    Operation *def = value.getDefiningOp();
    return def && (llvm::is_contained(group, def) || cloned.contains(def));
  }

  ArrayRef<Operation *> group;
  Operation *last;
  OpBuilder &kernels;
  /// Cheap operations repeated in the kernel: constants, fills, empties.
  llvm::SetVector<Operation *> cloned;
  llvm::SetVector<Value> inputs, sizes;
  SmallVector<Value> destinations;
  SmallVector<bool> writeOnly;
};

LogicalResult KernelBuilder::addOperand(Value value) {
  if (isInternal(value) || inputs.contains(value) || sizes.contains(value))
    return success();
  if (isa<RankedTensorType>(value.getType())) {
    Operation *def = value.getDefiningOp();
    if (def && isDestinationFill(def)) {
      for (Value operand : def->getOperands())
        if (failed(addOperand(operand)))
          return failure();
      cloned.insert(def);
      return success();
    }
    if (def && isa<tensor::EmptyOp>(def)) {
      for (Value operand : def->getOperands())
        if (failed(addOperand(operand)))
          return failure();
      cloned.insert(def);
      return success();
    }
    inputs.insert(value);
    return success();
  }
  Operation *def = value.getDefiningOp();
  if (def && def->hasTrait<OpTrait::ConstantLike>()) {
    cloned.insert(def);
    return success();
  }
  if (value.getType().isIndex()) {
    sizes.insert(value);
    return success();
  }
  // A scalar computed from sizes travels as its computation.
  if (!def || !isPure(def) || def->getNumRegions() > 0)
    return emitError(value.getLoc())
           << "a scalar that a kernel uses is not computed from sizes";
  for (Value operand : def->getOperands())
    if (failed(addOperand(operand)))
      return failure();
  cloned.insert(def);
  return success();
}

LogicalResult KernelBuilder::collect() {
  destinations = getDestinations(last);
  for (Value destination : destinations) {
    Operation *def = destination.getDefiningOp();
    bool fresh =
        def && (isa<tensor::EmptyOp>(def) || isDestinationFill(def)) &&
        !isa<scf::ForOp>(last);
    bool readsInit = false;
    if (auto linalgOp = dyn_cast<linalg::LinalgOp>(last))
      for (OpOperand &init : linalgOp.getDpsInitsMutable())
        readsInit |=
            init.get() == destination && linalgOp.payloadUsesValueFromOperand(&init);
    if (def && isDestinationFill(def)) {
      for (Value operand : def->getOperands())
        if (!isa<RankedTensorType>(operand.getType()) &&
            failed(addOperand(operand)))
          return failure();
      cloned.insert(def);
      writeOnly.push_back(fresh);
      continue;
    }
    writeOnly.push_back(fresh && !readsInit);
  }
  for (Operation *op : group) {
    SetVector<Value> used(op->operand_begin(), op->operand_end());
    for (Region &region : op->getRegions())
      getUsedValuesDefinedAbove(region, used);
    for (Value value : used) {
      if (op == last && llvm::is_contained(destinations, value))
        continue;
      if (failed(addOperand(value)))
        return failure();
    }
  }
  return success();
}

FailureOr<func::FuncOp> KernelBuilder::build() {
  if (failed(collect()))
    return failure();
  SmallVector<Type> types;
  for (Value input : inputs)
    types.push_back(input.getType());
  for (Value destination : destinations)
    types.push_back(destination.getType());
  types.append(sizes.size(), kernels.getIndexType());

  Location loc = last->getLoc();
  auto kernel = func::FuncOp::create(
      kernels, loc, "kernel",
      kernels.getFunctionType(types, TypeRange(last->getResultTypes())));
  kernel.setPrivate();
  kernel->setAttr(kKernelAttr, kernels.getUnitAttr());
  OpBuilder::InsertionGuard guard(kernels);
  Block *block = kernel.addEntryBlock();
  kernels.setInsertionPointToStart(block);

  IRMapping mapping;
  unsigned next = 0;
  for (Value input : inputs)
    mapping.map(input, block->getArgument(next++));
  IRMapping destinationMapping;
  for (auto [destination, fresh] : llvm::zip(destinations, writeOnly)) {
    if (fresh)
      kernel.setArgAttr(next, kWriteOnlyAttr, kernels.getUnitAttr());
    destinationMapping.map(destination, block->getArgument(next++));
  }
  for (Value size : sizes)
    mapping.map(size, block->getArgument(next++));

  // Dominance order: cloned operations may use each other.
  auto before = [](Operation *a, Operation *b) {
    return a->isBeforeInBlock(b);
  };
  SmallVector<Operation *> prologue = cloned.takeVector();
  llvm::sort(prologue, before);
  for (Operation *op : prologue) {
    // The fill of a destination writes the kernel's parameter.
    auto fill = dyn_cast<linalg::FillOp>(op);
    if (fill && destinationMapping.contains(fill.getResult(0))) {
      IRMapping local(mapping);
      local.map(fill.getOutputs()[0],
                destinationMapping.lookup(fill.getResult(0)));
      Operation *copy = kernels.clone(*op, local);
      destinationMapping.map(fill.getResult(0), copy->getResult(0));
      continue;
    }
    Operation *copy = kernels.clone(*op, mapping);
    mapping.map(op->getResults(), copy->getResults());
  }
  for (Operation *op : group) {
    if (op == last)
      for (Value destination : destinations)
        mapping.map(destination, destinationMapping.lookup(destination));
    Operation *copy = kernels.clone(*op, mapping);
    mapping.map(op->getResults(), copy->getResults());
  }
  func::ReturnOp::create(kernels, loc,
                         llvm::map_to_vector(last->getResults(), [&](Value v) {
                           return mapping.lookup(v);
                         }));
  return kernel;
}

LaunchOp KernelBuilder::launch(OpBuilder &builder, func::FuncOp kernel) {
  SmallVector<Value> outs;
  for (Value destination : destinations) {
    auto fill = destination.getDefiningOp<linalg::FillOp>();
    outs.push_back(fill && isDestinationFill(fill) ? fill.getOutputs()[0]
                                                   : destination);
  }
  return LaunchOp::create(builder, last->getLoc(), last->getResultTypes(),
                          FlatSymbolRefAttr::get(kernel), inputs.getArrayRef(),
                          outs, sizes.getArrayRef(), /*grid=*/Value());
}

/// The function's text without its name and locations.
std::string getText(func::FuncOp kernel) {
  std::string text;
  llvm::raw_string_ostream os(text);
  // Aliases would be looked for in the whole module.
  kernel->print(os, OpPrintingFlags().useLocalScope());
  return text;
}

struct FormKernels : impl::FormKernelsPassBase<FormKernels> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto entry : llvm::to_vector(module.getOps<func::FuncOp>()))
      if (entry->hasAttr(kEntryAttr) && failed(runOnEntry(entry)))
        return signalPassFailure();
    numKernels += kernelByText.size();
  }

  LogicalResult runOnEntry(func::FuncOp entry);
  DenseSet<Operation *> findPrologues(Block &body);
  void addPrologues(SmallVectorImpl<Operation *> &group,
                    const DenseSet<Operation *> &prologues);
  bool hasSequence(func::FuncOp entry);
  func::FuncOp unify(func::FuncOp kernel, Operation *root);

  llvm::StringMap<func::FuncOp> kernelByText;
  llvm::StringMap<unsigned> numByKind;
};

/// Whether the entry's work grows with the number of tokens of a call.
bool FormKernels::hasSequence(func::FuncOp entry) {
  StringRef batch = findSymbolName(getOperation(), "batch"),
            past = findSymbolName(getOperation(), "past");
  WalkResult result = entry.walk([&](DimOp dim) {
    return dim.getName() == batch || dim.getName() == past
               ? WalkResult::advance()
               : WalkResult::interrupt();
  });
  return result.wasInterrupted();
}

/// Operations all of whose users compute them for themselves.
DenseSet<Operation *> FormKernels::findPrologues(Block &body) {
  // How many kernels compute an operation, if its users' kernels do.
  constexpr unsigned kMaxKernels = 8;
  DenseMap<Operation *, unsigned> numKernels;
  DenseSet<Operation *> epilogues;
  if (fuseEpilogues)
    for (Operation &op : body)
      epilogues.insert(getEpilogue(&op));
  for (Operation &op : llvm::reverse(body)) {
    if (!isWork(&op) || !isPrologue(&op) || op.use_empty() ||
        epilogues.contains(&op))
      continue;
    unsigned count = 0;
    for (OpOperand &use : op.getUses()) {
      auto it = numKernels.find(use.getOwner());
      count += it == numKernels.end() ? 1 : it->second;
      if (use.getOwner()->getBlock() != &body || !takesPrologue(use))
        count += kMaxKernels;
    }
    if (count <= kMaxKernels)
      numKernels[&op] = count;
  }
  DenseSet<Operation *> prologues;
  for (auto &[op, count] : numKernels)
    prologues.insert(op);
  return prologues;
}

/// Adds to a group what its operations read of `prologues`, in order.
void FormKernels::addPrologues(SmallVectorImpl<Operation *> &group,
                               const DenseSet<Operation *> &prologues) {
  llvm::SetVector<Operation *> all(group.begin(), group.end());
  for (size_t i = 0; i < all.size(); ++i)
    for (Value operand : all[i]->getOperands())
      if (Operation *def = operand.getDefiningOp(); prologues.contains(def))
        all.insert(def);
  if (all.size() == group.size())
    return;
  ++numPrologues;
  remark::passed(group.front()->getLoc(),
                 remark::RemarkOpts::name("prologue")
                     .category("hybrid-form-kernels"))
      << "blocks compute what they read for themselves"
      << remark::metric("operations", unsigned(all.size() - group.size()));
  group = all.takeVector();
  llvm::sort(group, [](Operation *a, Operation *b) {
    return a->isBeforeInBlock(b);
  });
}

LogicalResult FormKernels::runOnEntry(func::FuncOp entry) {
  if (!entry.getBody().hasOneBlock())
    return entry.emitError("an entry has to be one block");
  Block &body = entry.getBody().front();
  DenseSet<Operation *> prologues, grouped;
  if (fusePrologues && !hasSequence(entry))
    prologues = findPrologues(body);
  SmallVector<SmallVector<Operation *>> groups;
  SmallVector<Operation *> roots;
  for (Operation &op : body) {
    if (!isWork(&op) || isDestinationFill(&op) || grouped.contains(&op) ||
        prologues.contains(&op))
      continue;
    auto &group = groups.emplace_back();
    group.push_back(&op);
    roots.push_back(&op);
    linalg::GenericOp epilogue = fuseEpilogues ? getEpilogue(&op) : nullptr;
    // The kernel is launched where its last operation stands. An operation
    // that joins two contractions goes with the first.
    if (epilogue && !prologues.contains(epilogue) &&
        grouped.insert(epilogue).second) {
      group.push_back(epilogue);
      ++numEpilogues;
      remark::passed(op.getLoc(), remark::RemarkOpts::name("epilogue")
                                      .category("hybrid-form-kernels"))
          << "contraction runs its elementwise consumer on its tiles";
    }
    addPrologues(group, prologues);
  }
  OpBuilder kernels(&getContext());
  kernels.setInsertionPointToEnd(getOperation().getBody());
  for (auto [group, root] : llvm::zip(groups, roots)) {
    KernelBuilder kernelBuilder(group, kernels);
    auto kernel = kernelBuilder.build();
    if (failed(kernel))
      return failure();
    Operation *last = group.back();
    OpBuilder builder(last);
    LaunchOp launch = kernelBuilder.launch(builder, unify(*kernel, root));
    last->replaceAllUsesWith(launch);
    ++numLaunches;
  }
  // What has moved, and what only served destinations.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
    if (isOpTriviallyDead(&op))
      op.erase();
  return success();
}

func::FuncOp FormKernels::unify(func::FuncOp kernel, Operation *root) {
  auto [it, isNew] = kernelByText.try_emplace(getText(kernel), kernel);
  if (!isNew) {
    kernel.erase();
    return it->second;
  }
  StringRef kind = getKernelKind(root);
  std::string name;
  do // A state may have any name.
    name = (kind + "_" + Twine(numByKind[kind]++)).str();
  while (getOperation().lookupSymbol(name));
  kernel.setName(name);
  return kernel;
}

} // namespace
} // namespace hybrid
