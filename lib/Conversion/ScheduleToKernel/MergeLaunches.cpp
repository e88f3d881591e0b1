//===- MergeLaunches.cpp - launches of a group as one ---------------------===//
//
// The grids of the parts lie one behind another; the block's number says which
// part it belongs to. That parts are independent is checked again on buffers,
// where bufferisation may have put two tensors into one.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_MERGELAUNCHESPASS
#include "hybrid/Conversion/ScheduleToKernel/Passes.h.inc"

namespace {

/// The buffer that `value` is a view of.
Value getBuffer(Value value) {
  while (auto view = value.getDefiningOp<ViewLikeOpInterface>())
    value = view.getViewSource();
  return value;
}

/// Whether one of two launches writes what the other touches.
bool conflict(LaunchOp a, LaunchOp b) {
  auto writes = [](LaunchOp writer, LaunchOp other) {
    for (Value init : writer.getInits())
      for (Value operand : other->getOperands())
        if (isa<MemRefType>(operand.getType()) &&
            getBuffer(init) == getBuffer(operand))
          return true;
    return false;
  };
  return writes(a, b) || writes(b, a);
}

/// Clones the body of the kernel `part`. What it has on the stack goes to the
/// start of `body`: the stack must not depend on the block.
void inlinePart(OpBuilder &builder, Block *body, func::FuncOp part,
                ArrayRef<Value> arguments, Value block) {
  IRMapping mapping;
  ValueRange parameters = part.getArguments();
  mapping.map(parameters.drop_back(), ValueRange(arguments));
  mapping.map(parameters.back(), block);
  for (Operation &op : part.getBody().front().without_terminator()) {
    auto alloca = dyn_cast<memref::AllocaOp>(op);
    if (alloca && alloca.getType().hasStaticShape()) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(body);
      builder.clone(op, mapping);
      continue;
    }
    builder.clone(op, mapping);
  }
}

struct MergeLaunches : impl::MergeLaunchesPassBase<MergeLaunches> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto entry : llvm::to_vector(module.getOps<func::FuncOp>()))
      if (entry->hasAttr(kEntryAttr))
        runOnEntry(entry);
    SymbolTable symbols(module);
    for (func::FuncOp part : parts)
      if (SymbolTable::symbolKnownUseEmpty(part, module))
        symbols.erase(part);
  }

  void runOnEntry(func::FuncOp entry);
  void merge(ArrayRef<LaunchOp> group);
  func::FuncOp getKernel(LaunchOp launch) {
    return getOperation().lookupSymbol<func::FuncOp>(launch.getKernelAttr());
  }
  func::FuncOp buildKernel(ArrayRef<LaunchOp> group);

  llvm::StringMap<func::FuncOp> kernels;
  llvm::SetVector<func::FuncOp> parts;
  unsigned numKernels = 0;
};

void MergeLaunches::runOnEntry(func::FuncOp entry) {
  SmallVector<LaunchOp> launches(entry.getBody().front().getOps<LaunchOp>());
  for (size_t i = 0; i < launches.size();) {
    Attribute number = launches[i]->getAttr(kGroupAttr);
    SmallVector<LaunchOp> group = {launches[i++]};
    for (; number && i < launches.size() &&
           launches[i]->getAttr(kGroupAttr) == number &&
           llvm::none_of(
               group,
               [&](LaunchOp other) { return conflict(other, launches[i]); });
         ++i)
      group.push_back(launches[i]);
    for (LaunchOp launch : group)
      launch->removeAttr(kGroupAttr);
    if (group.size() > 1)
      merge(group);
  }
}

func::FuncOp MergeLaunches::buildKernel(ArrayRef<LaunchOp> group) {
  std::string key;
  for (LaunchOp launch : group)
    key += launch.getKernel().str() + "+";
  func::FuncOp &kernel = kernels[key];
  if (kernel)
    return kernel;
  OpBuilder builder(getKernel(group.front()));
  Location loc = LaunchOp(group.front()).getLoc();
  Type index = builder.getIndexType();
  // Inputs of all, destinations of all, sizes of all, their grids, the block.
  SmallVector<Type> types;
  auto add = [&](ValueRange values) {
    llvm::append_range(types, values.getTypes());
  };
  for (LaunchOp launch : group)
    add(launch.getInputs());
  for (LaunchOp launch : group)
    add(launch.getInits());
  for (LaunchOp launch : group)
    add(launch.getSizes());
  types.append(group.size() + 1, index);
  std::string name;
  do
    name = ("group_" + Twine(numKernels++)).str();
  while (getOperation().lookupSymbol(name));
  kernel = func::FuncOp::create(builder, loc, name,
                                builder.getFunctionType(types, {}));
  kernel.setPrivate();
  kernel->setAttr(kKernelAttr, builder.getUnitAttr());
  // A block does the work of one part only.
  for (StringRef name : {kThreadsAttr, kSharedBytesAttr})
    for (LaunchOp launch : group)
      if (auto own = getKernel(launch)->getAttrOfType<IntegerAttr>(name)) {
        auto most = kernel->getAttrOfType<IntegerAttr>(name);
        if (!most || most.getInt() < own.getInt())
          kernel->setAttr(name, own);
      }
  Block *body = kernel.addEntryBlock();
  builder.setInsertionPointToStart(body);

  // The parameters of each part, in its own order.
  SmallVector<SmallVector<Value>> arguments(group.size());
  unsigned next = 0;
  auto take = [&](auto getCount) {
    for (auto [part, launch] : llvm::enumerate(group))
      for (unsigned i = 0, n = getCount(launch); i < n; ++i)
        arguments[part].push_back(body->getArgument(next++));
  };
  take([](LaunchOp launch) { return launch.getInputs().size(); });
  take([](LaunchOp launch) { return launch.getInits().size(); });
  take([](LaunchOp launch) { return launch.getSizes().size(); });
  Value block = body->getArguments().back();
  func::ReturnOp::create(builder, loc);
  builder.setInsertionPoint(body->getTerminator());
  for (auto [part, launch] : llvm::enumerate(group)) {
    func::FuncOp callee = getKernel(launch);
    if (part + 1 == group.size()) {
      inlinePart(builder, body, callee, arguments[part], block);
      break;
    }
    Value grid = body->getArgument(next + part);
    Value isMine = arith::CmpIOp::create(
        builder, loc, arith::CmpIPredicate::ult, block, grid);
    auto branch = scf::IfOp::create(builder, loc, isMine, /*else=*/true);
    builder.setInsertionPointToStart(branch.thenBlock());
    inlinePart(builder, body, callee, arguments[part], block);
    builder.setInsertionPointToStart(branch.elseBlock());
    block = arith::SubIOp::create(builder, loc, block, grid);
  }
  return kernel;
}

void MergeLaunches::merge(ArrayRef<LaunchOp> group) {
  func::FuncOp kernel = buildKernel(group);
  OpBuilder builder(group.back());
  Location loc = LaunchOp(group.front()).getLoc();
  SmallVector<Value> inputs, inits, sizes, grids;
  Value total;
  for (LaunchOp launch : group) {
    parts.insert(getKernel(launch));
    llvm::append_range(inputs, launch.getInputs());
    llvm::append_range(inits, launch.getInits());
    llvm::append_range(sizes, launch.getSizes());
    Value grid = launch.getGrid();
    grids.push_back(grid);
    total = total ? arith::AddIOp::create(builder, loc, total, grid).getResult()
                  : grid;
  }
  llvm::append_range(sizes, grids);
  LaunchOp::create(builder, loc, TypeRange(), FlatSymbolRefAttr::get(kernel),
                   inputs, inits, sizes, total);
  for (LaunchOp launch : group)
    launch.erase();
  numMerged += group.size();
}

} // namespace
} // namespace hybrid
