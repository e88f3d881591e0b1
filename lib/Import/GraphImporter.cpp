//===- GraphImporter.cpp - Graphs and functions ---------------------------===//

#include "GraphImporter.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace hybrid;
using onnx::ONNXDialect;

//===----------------------------------------------------------------------===//
// Scope
//===----------------------------------------------------------------------===//

Value Scope::lookup(StringRef name) const {
  for (const Scope *scope = this; scope; scope = scope->parent)
    if (Value value = scope->values.lookup(name))
      return value;
  return Value();
}

const hybrid_onnx::Type *Scope::declaredType(StringRef name) const {
  return declared.lookup(name);
}

const BoundAttribute *Call::find(StringRef name) const {
  for (const auto &[key, bound] : attributes)
    if (key == name)
      return &bound;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// The model
//===----------------------------------------------------------------------===//

GraphImporter::GraphImporter(ImportContext &context,
                             const hybrid_onnx::Model &model, OpsetMap opsets)
    : context(context), model(model), builder(context.context) {
  top.opsets = std::move(opsets);
  collectFunctions();
}

static std::string functionKey(StringRef domain, StringRef name,
                               StringRef overload) {
  return (normalizeDomain(domain) + ":" + name + ":" + overload).str();
}

void GraphImporter::collectFunctions() {
  for (const hybrid_onnx::Function &function : model.functions()) {
    std::string key =
        functionKey(function.domain(), function.name(), function.overload());
    if (!functions.try_emplace(key, &function).second)
      context.emitError(context.fileLoc)
          << "the function '" << function.name() << "' of domain '"
          << function.domain() << "' is defined twice";
  }
}

const hybrid_onnx::Function *
GraphImporter::findFunction(const Call &call) const {
  return functions.lookup(
      functionKey(call.domain, call.node.op_type(), call.node.overload()));
}

void GraphImporter::importModel(ModuleOp module) {
  builder.setInsertionPointToEnd(module.getBody());
  const hybrid_onnx::Graph &graph = model.graph();
  Scope scope(nullptr);
  declareValues(graph, scope);
  func::FuncOp function = importSignature(scope);
  if (!graph.sparse_initializer().empty())
    context.emitError(context.fileLoc)
        << "the graph has sparse initializers, which are not supported; store "
           "them as dense tensors";
  importInitializers(graph, scope);
  importNodes(graph.node(), scope, top, "the graph");
  SmallVector<Value> outputs =
      importOutputs(graph, scope, context.fileLoc, "the graph");

  func::ReturnOp::create(builder, context.fileLoc, outputs);
  function.setType(builder.getFunctionType(function.getArgumentTypes(),
                                           ValueRange(outputs).getTypes()));
  for (int i = 0; i < graph.output_size(); ++i) {
    const hybrid_onnx::ValueInfo &output = graph.output(i);
    function.setResultAttr(i, ONNXDialect::kNameAttr,
                           builder.getStringAttr(output.name()));
    if (ArrayAttr dims = importDims(context, output.type()))
      function.setResultAttr(i, ONNXDialect::kDimsAttr, dims);
  }
}

/// The inputs that are no initializers become arguments.
func::FuncOp GraphImporter::importSignature(Scope &scope) {
  const hybrid_onnx::Graph &graph = model.graph();
  llvm::StringSet<> initializers;
  if (!context.options.overridableInitializers)
    for (const hybrid_onnx::Tensor &initializer : graph.initializer())
      initializers.insert(initializer.name());

  SmallVector<const hybrid_onnx::ValueInfo *> inputs;
  SmallVector<Type> types;
  for (const hybrid_onnx::ValueInfo &input : graph.input()) {
    if (initializers.contains(input.name()))
      continue;
    std::string what = "graph input '" + input.name() + "'";
    FailureOr<Type> type =
        importType(context, input.type(), what, context.fileLoc);
    if (succeeded(type) && !*type)
      context.emitError(context.fileLoc) << what << " has no type";
    inputs.push_back(&input);
    types.push_back(failed(type) || !*type ? builder.getNoneType() : *type);
  }
  auto function = func::FuncOp::create(builder, context.fileLoc,
                                       context.options.functionName,
                                       builder.getFunctionType(types, {}));
  entry = function.addEntryBlock();
  builder.setInsertionPointToEnd(entry);
  for (auto [index, input] : llvm::enumerate(inputs)) {
    function.setArgAttr(index, ONNXDialect::kNameAttr,
                        builder.getStringAttr(input->name()));
    if (ArrayAttr dims = importDims(context, input->type()))
      function.setArgAttr(index, ONNXDialect::kDimsAttr, dims);
    BlockArgument argument = entry->getArgument(index);
    argument.setLoc(NameLoc::get(builder.getStringAttr(input->name())));
    if (input->name().empty())
      context.emitError(context.fileLoc)
          << "graph input " << index << " has no name";
    define(scope, input->name(), argument, context.fileLoc);
  }
  return function;
}

void GraphImporter::declareValues(const hybrid_onnx::Graph &graph,
                                  Scope &scope) {
  for (const auto *list :
       {&graph.value_info(), &graph.output(), &graph.input()})
    for (const hybrid_onnx::ValueInfo &info : *list)
      if (info.has_type())
        scope.declared[info.name()] = &info.type();
}

void GraphImporter::define(Scope &scope, StringRef name, Value value,
                           Location loc) {
  if (name.empty())
    return;
  if (!scope.values.try_emplace(name, value).second)
    context.emitError(loc) << "the name '" << name
                           << "' is defined twice; names must be unique";
}

Value GraphImporter::getNone() {
  if (none)
    return none;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(entry);
  none = onnx::NoneOp::create(builder, builder.getUnknownLoc(),
                              builder.getNoneType());
  return none;
}

Value GraphImporter::makeConstant(ElementsAttr value, Location loc) {
  return onnx::ConstantOp::create(builder, loc, value.getType(), value);
}

Value GraphImporter::makeTensor(const ImportedTensor &tensor, StringRef name) {
  Location loc = NameLoc::get(builder.getStringAttr(name));
  if (tensor.value)
    return makeConstant(tensor.value, loc);
  return onnx::InitializerOp::create(
      builder, loc, tensor.type, builder.getStringAttr(name), tensor.source);
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

void GraphImporter::importInitializers(const hybrid_onnx::Graph &graph,
                                       Scope &scope) {
  for (const hybrid_onnx::Tensor &initializer : graph.initializer()) {
    if (context.hasTooManyErrors())
      return;
    StringRef name = initializer.name();
    Location loc = NameLoc::get(builder.getStringAttr(name));
    if (context.options.overridableInitializers && scope.values.contains(name))
      continue;
    FailureOr<ImportedTensor> tensor =
        importTensor(context, initializer, "initializer '" + name + "'", loc);
    if (succeeded(tensor))
      define(scope, name, makeTensor(*tensor, name), loc);
    else
      define(scope, name, getNone(), loc);
  }
}

void GraphImporter::importNodes(const NodeList &nodes, Scope &scope,
                                const FunctionFrame &frame,
                                const Twine &where) {
  SmallVector<int> order = orderNodes(nodes, [&](ArrayRef<int> cycle) {
    InFlightDiagnostic diagnostic = context.emitError(context.fileLoc);
    diagnostic << where << " has a cycle: ";
    constexpr size_t kMaxShown = 8;
    for (int node : cycle.take_front(kMaxShown))
      diagnostic << describeNode(nodes[node]) << " -> ";
    if (cycle.size() > kMaxShown)
      diagnostic << "... (" << cycle.size() - kMaxShown << " more) -> ";
    diagnostic << describeNode(nodes[cycle.front()]);
  });
  for (int node : order) {
    if (context.hasTooManyErrors())
      return;
    importNode(nodes[node], scope, frame);
  }
  if (order.size() == static_cast<size_t>(nodes.size()))
    return;
  // Those after a cycle have no values; one error is enough.
  for (const hybrid_onnx::Node &node : nodes)
    for (const std::string &name : node.output())
      scope.values.try_emplace(name, getNone());
}

SmallVector<Value> GraphImporter::importOutputs(const hybrid_onnx::Graph &graph,
                                                Scope &scope, Location loc,
                                                const Twine &where) {
  SmallVector<Value> outputs;
  for (const hybrid_onnx::ValueInfo &output : graph.output()) {
    Value value = scope.lookup(output.name());
    if (!value) {
      context.emitError(loc) << "the output '" << output.name() << "' of "
                             << where << " is not defined";
      value = getNone();
    }
    outputs.push_back(value);
  }
  return outputs;
}

void GraphImporter::importSubgraph(const BoundAttribute &bound,
                                   const hybrid_onnx::Graph &graph,
                                   Region &region, Location loc,
                                   ArrayRef<Type> fallback,
                                   const Twine &where) {
  OpBuilder::InsertionGuard guard(builder);
  Block &block = region.emplaceBlock();
  builder.setInsertionPointToEnd(&block);
  Scope scope(bound.scope);
  declareValues(graph, scope);
  for (auto [index, input] : llvm::enumerate(graph.input())) {
    std::string what = ("input '" + input.name() + "' of " + where).str();
    FailureOr<Type> type = importType(context, input.type(), what, loc);
    Type chosen = failed(type) ? Type() : *type;
    if (!chosen && index < fallback.size())
      chosen = fallback[index];
    if (!chosen)
      chosen = onnx::OpaqueType::get(context.context, "unknown");
    Location inputLoc = NameLoc::get(builder.getStringAttr(input.name()));
    define(scope, input.name(), block.addArgument(chosen, inputLoc), loc);
  }
  importInitializers(graph, scope);
  importNodes(graph.node(), scope, *bound.frame, where);
  SmallVector<Value> outputs = importOutputs(graph, scope, loc, where);
  onnx::YieldOp::create(builder, loc, outputs);
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// The body of `function` in place of the call.
void GraphImporter::importFunctionCall(Call &call,
                                       const hybrid_onnx::Function &function) {
  for (const FunctionFrame *frame = &call.frame; frame; frame = frame->caller)
    if (frame->function == &function) {
      error(call) << "the function '" << function.name()
                  << "' calls itself, which ONNX forbids";
      return importFailed(call);
    }
  if (call.node.input_size() > function.input_size() ||
      call.node.output_size() > function.output_size()) {
    error(call) << "has " << call.node.input_size() << " inputs and "
                << call.node.output_size() << " outputs, but the function has "
                << function.input_size() << " and " << function.output_size();
    return importFailed(call);
  }
  FailureOr<SmallVector<Value>> inputs = importInputs(call);
  if (failed(inputs))
    return importFailed(call);

  Scope scope(nullptr);
  for (const hybrid_onnx::ValueInfo &info : function.value_info())
    if (info.has_type())
      scope.declared[info.name()] = &info.type();
  while (static_cast<int>(inputs->size()) < function.input_size())
    inputs->push_back(getNone());
  for (auto [name, value] : llvm::zip_equal(function.input(), *inputs))
    define(scope, name, value, call.loc);

  FunctionFrame frame;
  frame.function = &function;
  frame.caller = &call.frame;
  frame.call = call.loc;
  frame.opsets = top.opsets;
  for (const hybrid_onnx::OperatorSet &opset : function.opset_import())
    frame.opsets[normalizeDomain(opset.domain())] = opset.version();
  for (const hybrid_onnx::Attribute &attribute : function.attribute_proto())
    frame.attributes[attribute.name()] = {&attribute, &scope, &frame};
  for (const auto &[name, bound] : call.attributes)
    frame.attributes[name] = bound;

  importNodes(function.node(), scope, frame,
              "the function '" + function.name() + "'");
  SmallVector<Value> outputs;
  for (const std::string &name : function.output()) {
    Value value = scope.lookup(name);
    if (!value) {
      error(call) << "the output '" << name << "' of the function '"
                  << function.name() << "' is not defined";
      value = getNone();
    }
    outputs.push_back(value);
  }
  defineOutputs(call, outputs);
}
