//===- ONNXToHybrid.cpp - pass convert-onnx-to-hybrid ---------------------===//

#include "hybrid/Conversion/ONNXToHybrid/Passes.h"

#include "Attention.h"
#include "LoweringImpl.h"
#include "Signature.h"
#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/InputRole.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace hybrid {

#define GEN_PASS_DEF_CONVERTONNXTOHYBRIDPASS
#include "lib/Conversion/ONNXToHybrid/Passes.h.inc"

static const Registry &getRegistry() {
  static const Registry registry = [] {
    Registry registry;
    registerElementwise(registry);
    registerCast(registry);
    registerReduction(registry);
    registerMovement(registry);
    registerGather(registry);
    registerMatMul(registry);
    registerExperts(registry);
    registerEinsum(registry);
    registerConv(registry);
    registerSort(registry);
    registerSoftmax(registry);
    registerQuantize(registry);
    registerAttention(registry);
    registerScan(registry);
    registerNorm(registry);
    registerRope(registry);
    registerContrib(registry);
    registerContribQuant(registry);
    return registry;
  }();
  return registry;
}

/// No tensor of a model is this large: sizes then multiply without overflow.
static bool isTooLarge(ShapeRef shape) {
  constexpr int64_t kMaxElements = int64_t(1) << 40;
  int64_t elements = 1;
  for (AffineExpr dim : shape) {
    auto size = dyn_cast<AffineConstantExpr>(dim);
    if (!size || size.getValue() == 0)
      continue;
    if (size.getValue() < 0 || size.getValue() > kMaxElements / elements)
      return true;
    elements *= size.getValue();
  }
  return false;
}

/// Converts one entry function.
class EntryConverter {
public:
  EntryConverter(func::FuncOp source, onnx::SymbolicShapes &symbols,
                 int64_t context)
      : source(source), symbols(symbols), context(context),
        builder(source.getContext()), lowering(builder, symbols) {}

  LogicalResult run();

private:
  using Impl = Lowering::Impl;
  Impl &impl() { return *lowering.impl; }
  Block &graph() { return source.getBody().front(); }
  StringAttr getName(DictionaryAttr attrs) {
    return attrs ? attrs.getAs<StringAttr>(onnx::ONNXDialect::kNameAttr)
                 : StringAttr();
  }

  LogicalResult collectStates();
  LogicalResult collectState(BlockArgument past, DictionaryAttr attrs);
  LogicalResult declareState(const State &state, StringRef kind);
  LogicalResult createFunction();
  /// Operators without a lowering: by name, their nodes.
  using MissingOps = llvm::MapVector<StringRef, SmallVector<Operation *>>;
  /// One error that lists them all.
  void reportMissing(const MissingOps &missing);
  void findLive();
  LogicalResult lowerOps();
  LogicalResult lowerOp(Operation *op, const Registry::LowerFn &lower);
  LogicalResult checkShapes(Operation *op);
  LogicalResult finish();
  FailureOr<Tensor> getStateUpdate(State &state);

  func::FuncOp source, target;
  onnx::SymbolicShapes &symbols;
  int64_t context;
  OpBuilder builder;
  Lowering lowering;
  SmallVector<std::unique_ptr<State>> states;
  /// Result numbers of `source` that are states.
  llvm::SmallDenseSet<unsigned> stateResults;
};

//===----------------------------------------------------------------------===//
// States
//===----------------------------------------------------------------------===//

LogicalResult EntryConverter::collectStates() {
  for (BlockArgument arg : graph().getArguments())
    if (auto attrs = source.getArgAttrOfType<DictionaryAttr>(arg.getArgNumber(),
                                                             onnx::kStateAttr))
      if (failed(collectState(arg, attrs)))
        return failure();
  return success();
}

LogicalResult EntryConverter::collectState(BlockArgument past,
                                           DictionaryAttr attrs) {
  StringAttr name = getName(source.getArgAttrDict(past.getArgNumber()));
  auto present = attrs.getAs<StringAttr>("present");
  auto kind = attrs.getAs<StringAttr>("kind");
  if (!name || !present || !kind)
    return source.emitError() << "argument " << past.getArgNumber()
                              << ": onnx.state needs present and kind";
  auto state = std::make_unique<State>();
  state->name = name.getValue();
  state->present = present.getValue();
  state->past = past;
  state->elementType = lowering.elementType(past);
  if (auto axis = attrs.getAs<IntegerAttr>("length_axis"))
    state->lengthAxis = axis.getInt();

  auto terminator = cast<func::ReturnOp>(graph().getTerminator());
  for (unsigned i = 0; i < source.getNumResults(); ++i) {
    if (getName(source.getResultAttrDict(i)) != present)
      continue;
    state->presentValue = terminator.getOperand(i);
    stateResults.insert(i);
  }
  if (!state->presentValue)
    return source.emitError() << "state '" << state->name << "': no output '"
                              << state->present << "'";
  std::optional<ShapeRef> shape = symbols.getShape(past);
  if (!shape)
    return source.emitError()
           << "state '" << state->name << "' has no known rank";
  state->shape = Shape(*shape);
  int64_t rank = state->shape.size();
  if (state->lengthAxis >= rank || (state->lengthAxis == 0))
    return source.emitError()
           << "state '" << state->name
           << "': length_axis must be between 1 and " << rank - 1;
  if (state->lengthAxis > 0)
    state->shape[state->lengthAxis] = lowering.fixed(context);
  for (int64_t i = 1; i < rank; ++i)
    if (!lowering.getFixed(state->shape[i]))
      return source.emitError() << "state '" << state->name << "': dimension "
                                << i << " ('" << symbols.print(state->shape[i])
                                << "') has no fixed size; give it one (binding "
                                << symbols.print(state->shape[i]) << "=<size>)";
  if (failed(declareState(*state, kind.getValue())))
    return failure();

  impl().pasts[past] = state.get();
  Value value = state->presentValue;
  while (auto identity = value.getDefiningOp<onnx::IdentityOp>())
    value = identity.getInput();
  impl().presents[value] = state.get();
  states.push_back(std::move(state));
  return success();
}

LogicalResult EntryConverter::declareState(const State &state,
                                           StringRef kindName) {
  std::optional<StateKind> kind = symbolizeStateKind(kindName);
  if (!kind)
    return source.emitError()
           << "state '" << state.name << "': unknown kind '" << kindName << "'";
  auto module = source->getParentOfType<ModuleOp>();
  RankedTensorType type = lowering.type(state.shape, state.elementType);
  if (auto known = SymbolTable::lookupNearestSymbolFrom<StateOp>(
          module, builder.getStringAttr(state.name))) {
    if (known.getType() != type)
      return source.emitError()
             << "state '" << state.name << "' is " << type << " here and "
             << known.getType() << " in another entry";
    return success();
  }
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(source);
  IntegerAttr axis;
  if (state.lengthAxis >= 0)
    axis = builder.getI64IntegerAttr(state.lengthAxis);
  StateOp::create(builder, source.getLoc(), builder.getStringAttr(state.name),
                  StateKindAttr::get(builder.getContext(), *kind),
                  builder.getStringAttr(state.present), axis,
                  /*sink_prefix=*/IntegerAttr(), /*capacity=*/IntegerAttr(),
                  TypeAttr::get(type));
  return success();
}

/// The value of `state` after the call, where no op has updated it in place.
FailureOr<Tensor> EntryConverter::getStateUpdate(State &state) {
  Value present = state.presentValue;
  lowering.loc = present.getLoc();
  Tensor whole = lowering.readState(state);
  if (present == state.past)
    return whole;
  Tensor value = lowering.get(present);
  if (!value)
    return failure();
  if (value.getElementType() != state.elementType ||
      value.getRank() != state.shape.size()) {
    source.emitError() << "state '" << state.name << "' is "
                       << state.past.getType() << " and '" << state.present
                       << "' " << present.getType();
    return failure();
  }
  for (unsigned i = 0; i < value.getRank(); ++i) {
    if (static_cast<int64_t>(i) == state.lengthAxis ||
        lowering.isEqual(value.shape[i], state.shape[i]))
      continue;
    source.emitError() << "state '" << state.name << "' has "
                       << symbols.print(state.shape[i]) << " in dimension " << i
                       << ", and '" << state.present << "' "
                       << symbols.print(value.shape[i])
                       << "; compile without states";
    return failure();
  }
  if (state.lengthAxis < 0)
    return value;
  return lowering.insertSlice(value, whole,
                              Shape(value.getRank(), lowering.fixed(0)));
}

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

static StringRef getRoleName(onnx::InputRole role) {
  switch (role) {
  case onnx::InputRole::Tokens:
    return "tokens";
  case onnx::InputRole::PositionIds:
    return "position_ids";
  case onnx::InputRole::AttentionMask:
    return "attention_mask";
  case onnx::InputRole::Data:
  case onnx::InputRole::State:
    break;
  }
  return "data";
}

LogicalResult EntryConverter::createFunction() {
  auto terminator = cast<func::ReturnOp>(graph().getTerminator());
  auto getType = [&](Value value, const Twine &what) -> FailureOr<Type> {
    auto tensor = dyn_cast<TensorType>(value.getType());
    if (!tensor || !tensor.getElementType().isIntOrFloat() ||
        !symbols.getShape(value)) {
      source.emitError() << what << " is " << value.getType()
                         << "; tensors of numbers with a known rank work";
      return failure();
    }
    if (isTooLarge(lowering.shape(value))) {
      source.emitError() << what << " has more than 2^40 elements";
      return failure();
    }
    return Type(
        lowering.type(lowering.shape(value), lowering.elementType(value)));
  };
  auto describe = [&](Value value, StringAttr name) {
    SmallVector<NamedAttribute> attrs{
        builder.getNamedAttr("hybrid.name",
                             name ? name : builder.getStringAttr("")),
        builder.getNamedAttr(
            "hybrid.dims",
            getDimsAttr(builder.getContext(), lowering.shape(value), symbols))};
    // Level 2 has signless integers; the signature keeps the file's type.
    Type element = cast<ShapedType>(value.getType()).getElementType();
    if (element.isUnsignedInteger())
      attrs.push_back(builder.getNamedAttr(
          "hybrid.dtype",
          builder.getStringAttr(
              "uint" + Twine(element.getIntOrFloatBitWidth()))));
    return attrs;
  };

  SmallVector<Type> inputs, results;
  SmallVector<DictionaryAttr> inputAttrs, resultAttrs;
  SmallVector<BlockArgument> kept;
  for (BlockArgument arg : graph().getArguments()) {
    if (impl().pasts.contains(arg))
      continue;
    StringAttr name = getName(source.getArgAttrDict(arg.getArgNumber()));
    FailureOr<Type> type =
        getType(arg, "input '" + (name ? name.getValue() : "") + "'");
    if (failed(type))
      return failure();
    kept.push_back(arg);
    inputs.push_back(*type);
    SmallVector<NamedAttribute> attrs = describe(arg, name);
    attrs.push_back(builder.getNamedAttr(
        "hybrid.role", builder.getStringAttr(getRoleName(
                           onnx::getInputRole(source, arg.getArgNumber())))));
    if (auto range = findInputRange(arg, symbols).range)
      attrs.push_back(builder.getNamedAttr(
          "hybrid.range",
          builder.getI64ArrayAttr({range->first, range->second})));
    inputAttrs.push_back(builder.getDictionaryAttr(attrs));
  }
  for (auto [i, value] : llvm::enumerate(terminator.getOperands())) {
    if (stateResults.contains(i))
      continue;
    StringAttr name = getName(source.getResultAttrDict(i));
    FailureOr<Type> type =
        getType(value, "output '" + (name ? name.getValue() : "") + "'");
    if (failed(type))
      return failure();
    for (AffineExpr dim : lowering.shape(value))
      if (symbols.dependsOnData(dim))
        return source.emitError()
               << "the size of output '" << (name ? name.getValue() : "")
               << "' depends on data (" << symbols.print(dim)
               << "); sizes must follow from the sizes of inputs";
    results.push_back(*type);
    resultAttrs.push_back(builder.getDictionaryAttr(describe(value, name)));
  }

  builder.setInsertionPoint(source);
  target = func::FuncOp::create(builder, source.getLoc(), source.getName(),
                                builder.getFunctionType(inputs, results));
  target.setAllArgAttrs(inputAttrs);
  target.setAllResultAttrs(resultAttrs);
  target->setAttr("hybrid.entry", builder.getUnitAttr());
  Block *body = target.addEntryBlock();
  impl().body = body;
  builder.setInsertionPointToEnd(body);
  for (auto [arg, newArg] : llvm::zip(kept, body->getArguments()))
    impl().values[arg] = {newArg, Shape(lowering.shape(arg))};
  return success();
}

/// An op is live if somebody needs a result whose elements aren't known.
void EntryConverter::findLive() {
  for (Operation &op : llvm::reverse(graph())) {
    bool live =
        op.hasTrait<OpTrait::IsTerminator>() ||
        llvm::any_of(op.getResults(), [&](Value result) {
          return lowering.isNeeded(result) && !Impl::getKnown(symbols, result);
        });
    if (live)
      impl().live.insert(&op);
  }
}

LogicalResult EntryConverter::checkShapes(Operation *op) {
  auto check = [&](Value value) -> LogicalResult {
    if (Lowering::isAbsent(value))
      return success();
    auto tensor = dyn_cast<TensorType>(value.getType());
    if (!tensor || !tensor.getElementType().isIntOrFloat())
      return lowering.unsupported(op, "a value is not a tensor of numbers");
    std::optional<ShapeRef> shape = symbols.getShape(value);
    if (!shape)
      return lowering.unsupported(op, "the rank of a value is not known");
    for (AffineExpr dim : *shape)
      if (symbols.dependsOnData(dim))
        return lowering.unsupported(
            op, "a size depends on data: " + symbols.print(dim),
            "sizes must follow from the sizes of inputs");
    if (isTooLarge(*shape))
      return lowering.unsupported(op, "a value has more than 2^40 elements");
    return success();
  };
  for (Value operand : op->getOperands())
    if (failed(check(operand)))
      return failure();
  for (Value result : op->getResults())
    if (lowering.isNeeded(result) && failed(check(result)))
      return failure();
  return success();
}

LogicalResult EntryConverter::lowerOp(Operation *op,
                                      const Registry::LowerFn &lower) {
  // A concatenation with the past may be what updates a state.
  if (lowerCacheConcat(op, lowering))
    return success();
  return lower(op, lowering);
}

void EntryConverter::reportMissing(const MissingOps &missing) {
  if (missing.empty())
    return;
  InFlightDiagnostic error = source.emitError()
                             << "operators that cannot be compiled:";
  for (auto &[type, ops] : missing) {
    StringRef domain = onnx::getDomain(ops.front());
    error << "\n  " << (domain.empty() ? "ai.onnx" : domain) << "::" << type
          << " (opset " << onnx::getOpsetVersion(ops.front()) << "), "
          << ops.size() << (ops.size() == 1 ? " node:" : " nodes:");
    for (Operation *op : ops)
      error << " '" << onnx::getNodeName(op->getLoc()) << "'";
  }
}

LogicalResult EntryConverter::lowerOps() {
  llvm::SmallDenseSet<Operation *> failedOps;
  MissingOps missing;
  for (Operation &op : graph().without_terminator()) {
    if (!impl().live.contains(&op) ||
        isa<onnx::ConstantOp, onnx::InitializerOp, onnx::NoneOp>(op))
      continue;
    auto hasFailed = [&](Value operand) {
      Operation *producer = operand.getDefiningOp();
      return producer && failedOps.contains(producer);
    };
    const Registry::LowerFn *lower =
        getRegistry().lookup(op.getName().getStringRef());
    if (!lower) {
      missing[onnx::getOpType(&op)].push_back(&op);
      failedOps.insert(&op);
      continue;
    }
    if (llvm::any_of(op.getOperands(), hasFailed)) {
      failedOps.insert(&op);
      continue;
    }
    lowering.loc = op.getLoc();
    if (failed(checkShapes(&op)) || failed(lowerOp(&op, *lower)) ||
        impl().broken) {
      failedOps.insert(&op);
      impl().broken = false;
      continue;
    }
    for (Value result : op.getResults())
      if (lowering.isNeeded(result) && !impl().values.contains(result)) {
        (void)lowering.unsupported(
            &op, "its result " +
                     Twine(cast<OpResult>(result).getResultNumber()) +
                     " is not lowered");
        failedOps.insert(&op);
      }
  }
  reportMissing(missing);
  return success(failedOps.empty());
}

LogicalResult EntryConverter::finish() {
  auto terminator = cast<func::ReturnOp>(graph().getTerminator());
  lowering.loc = source.getLoc();
  SmallVector<Value> results;
  for (auto [i, value] : llvm::enumerate(terminator.getOperands()))
    if (!stateResults.contains(i)) {
      Tensor tensor = lowering.get(value);
      if (!tensor)
        return failure();
      results.push_back(tensor.value);
    }
  for (std::unique_ptr<State> &state : states) {
    if (state->written)
      continue;
    FailureOr<Tensor> update = getStateUpdate(*state);
    if (failed(update))
      return failure();
    lowering.writeState(*state, *update);
  }
  for (auto &[state, tensor] : impl().writes) {
    RankedTensorType wanted = lowering.type(state->shape, state->elementType);
    Value value = tensor.value;
    if (value.getType() != wanted)
      value = tensor::CastOp::create(builder, source.getLoc(), wanted, value);
    WriteStateOp::create(builder, source.getLoc(), value, state->name);
  }
  // The type of an output is the one its value was made with.
  SmallVector<Type> types;
  for (Value result : results)
    types.push_back(result.getType());
  target.setFunctionType(
      builder.getFunctionType(target.getFunctionType().getInputs(), types));
  func::ReturnOp::create(builder, source.getLoc(), results);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*impl().body)))
    if (isOpTriviallyDead(&op))
      op.erase();
  return success(!impl().broken);
}

LogicalResult EntryConverter::run() {
  impl().graph = &graph();
  if (!source.getBody().hasOneBlock())
    return source.emitError() << "expected one block";
  if (failed(collectStates()))
    return failure();
  if (failed(createFunction())) {
    // Often because of an operator that nothing is known about.
    MissingOps missing;
    for (Operation &op : graph().without_terminator())
      if (!isa<onnx::ConstantOp, onnx::InitializerOp, onnx::NoneOp>(op) &&
          !getRegistry().lookup(op.getName().getStringRef()))
        missing[onnx::getOpType(&op)].push_back(&op);
    reportMissing(missing);
    return failure();
  }
  findLive();
  if (failed(lowerOps()) || failed(finish())) {
    target.erase();
    return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
class ConvertONNXToHybrid
    : public impl::ConvertONNXToHybridPassBase<ConvertONNXToHybrid> {
public:
  using ConvertONNXToHybridPassBase::ConvertONNXToHybridPassBase;

  void runOnOperation() override {
    Capacities capacities;
    if (failed(readOptions(capacities)))
      return signalPassFailure();
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> sources;
    for (auto func : module.getOps<func::FuncOp>())
      if (!func.isDeclaration() && func.isPublic())
        sources.push_back(func);

    SmallVector<onnx::SymbolicShapes> shapes;
    int64_t context = capacities.context;
    for (func::FuncOp func : sources) {
      FailureOr<onnx::SymbolicShapes> symbols = analyze(func);
      if (failed(symbols))
        return signalPassFailure();
      context = std::min(context, findMaxPositions(func, *symbols));
      shapes.push_back(std::move(*symbols));
    }
    SymbolTableBuilder symbolTable(capacities);
    for (auto [func, symbols] : llvm::zip(sources, shapes)) {
      if (failed(EntryConverter(func, symbols, context).run()))
        return signalPassFailure();
      symbolTable.add(func, symbols, context);
    }
    for (func::FuncOp func : sources)
      func.erase();
    module->setAttr("hybrid.symbols", symbolTable.build(&getContext()));
  }

private:
  LogicalResult readOptions(Capacities &capacities) {
    capacities.batch = maxBatch;
    capacities.seq = maxSeq;
    capacities.context = maxContext;
    if (maxBatch < 1 || maxSeq < 1 || maxContext < 1)
      return getOperation().emitError() << "a capacity must be at least 1";
    for (StringRef text : dims) {
      auto [name, number] = text.rsplit(':');
      int64_t capacity;
      if (name.empty() || number.getAsInteger(10, capacity) || capacity < 1)
        return getOperation().emitError()
               << "expected name:capacity, not '" << text << "'";
      capacities.byName[name] = capacity;
    }
    return success();
  }

  FailureOr<onnx::SymbolicShapes> analyze(func::FuncOp func) {
    onnx::SymbolicShapeOptions options;
    if (auto bindings =
            func->getAttrOfType<DictionaryAttr>(onnx::kBindingsAttr))
      for (NamedAttribute binding : bindings)
        if (auto text = dyn_cast<StringAttr>(binding.getValue()))
          options.bindings[binding.getName().str()] = text.str();
    return onnx::SymbolicShapes::compute(func, options);
  }
};
} // namespace

} // namespace hybrid
