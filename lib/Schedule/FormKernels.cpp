//===- FormKernels.cpp - all work of the entries into kernels -------------===//
//
// A group of operations becomes a function whose parameters are the tensors
// read, the destinations and the index sizes, and a launch of it. Functions with the same text are one kernel, so that everything
// after this pass costs time per different kernel, not per layer.
//
//===----------------------------------------------------------------------===//

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

bool isContraction(Operation *op) {
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  return linalgOp && linalgOp.getNumReductionLoops() > 0 &&
         linalgOp.getNumDpsInputs() == 2 && op->getNumResults() == 1;
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
  kernel->print(os, OpPrintingFlags().printGenericOpForm(false));
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
  func::FuncOp unify(func::FuncOp kernel, Operation *root);

  llvm::StringMap<func::FuncOp> kernelByText;
  llvm::StringMap<unsigned> numByKind;
};

LogicalResult FormKernels::runOnEntry(func::FuncOp entry) {
  if (!entry.getBody().hasOneBlock())
    return entry.emitError("an entry has to be one block");
  Block &body = entry.getBody().front();
  SmallVector<SmallVector<Operation *, 2>> groups;
  DenseSet<Operation *> grouped;
  for (Operation &op : body) {
    if (!isWork(&op) || isDestinationFill(&op) || grouped.contains(&op))
      continue;
    auto &group = groups.emplace_back();
    group.push_back(&op);
    linalg::GenericOp epilogue = fuseEpilogues ? getEpilogue(&op) : nullptr;
    // The kernel is launched where its last operation stands. An operation
    // that joins two contractions goes with the first.
    if (epilogue && grouped.insert(epilogue).second) {
      group.push_back(epilogue);
      ++numEpilogues;
      remark::passed(op.getLoc(), remark::RemarkOpts::name("epilogue")
                                      .category("hybrid-form-kernels"))
          << "contraction runs its elementwise consumer on its tiles";
    }
  }
  OpBuilder kernels(&getContext());
  kernels.setInsertionPointToEnd(getOperation().getBody());
  for (auto &group : groups) {
    KernelBuilder kernelBuilder(group, kernels);
    auto kernel = kernelBuilder.build();
    if (failed(kernel))
      return failure();
    Operation *last = group.back();
    OpBuilder builder(last);
    LaunchOp launch = kernelBuilder.launch(builder, unify(*kernel, group[0]));
    last->replaceAllUsesWith(launch);
    for (Operation *op : llvm::reverse(group))
      op->erase();
    ++numLaunches;
  }
  // What only served destinations has moved.
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
