//===- NodeImporter.cpp - Nodes and their attributes ----------------------===//

#include "GraphImporter.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace hybrid;
using onnx::ONNXDialect;
using onnx::OperatorInfo;

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

static Location makeLoc(MLIRContext *context, const hybrid_onnx::Node &node,
                        const FunctionFrame &frame) {
  std::string name = node.name();
  if (name.empty()) {
    name = node.op_type();
    for (const std::string &output : node.output())
      if (!output.empty()) {
        name += ":" + output;
        break;
      }
  }
  Location loc = NameLoc::get(StringAttr::get(context, name));
  return frame.call ? Location(CallSiteLoc::get(loc, *frame.call)) : loc;
}

Call GraphImporter::makeCall(const hybrid_onnx::Node &node, Scope &scope,
                             const FunctionFrame &frame) {
  StringRef domain = normalizeDomain(node.domain());
  Call call{node,   scope,
            frame,  makeLoc(context.context, node, frame),
            domain, frame.opsets.lookup(domain),
            {}};
  for (const hybrid_onnx::Attribute &attribute : node.attribute()) {
    BoundAttribute bound{&attribute, &scope, &frame};
    if (!attribute.ref_attr_name().empty()) {
      auto found = frame.attributes.find(attribute.ref_attr_name());
      if (found == frame.attributes.end())
        continue;
      bound = found->second;
    }
    if (call.find(attribute.name()))
      error(call) << "has the attribute '" << attribute.name() << "' twice";
    else
      call.attributes.emplace_back(attribute.name(), bound);
  }
  return call;
}

InFlightDiagnostic GraphImporter::error(const Call &call) {
  InFlightDiagnostic diagnostic = context.emitError(call.loc);
  diagnostic << "node '" << onnx::getNodeName(call.loc) << "' (";
  if (!call.domain.empty())
    diagnostic << call.domain << ".";
  diagnostic << call.node.op_type() << ", operator set " << call.opset << "): ";
  return diagnostic;
}

void GraphImporter::importNode(const hybrid_onnx::Node &node, Scope &scope,
                               const FunctionFrame &frame) {
  Call call = makeCall(node, scope, frame);
  if (++numNodes > context.options.maxNodes) {
    // Stop for good: what would follow is more of the same.
    if (numNodes == context.options.maxNodes + 1)
      error(call) << "the graph has more than " << context.options.maxNodes
                  << " nodes once its functions are inlined";
    return importFailed(call);
  }
  if (depth > kMaxImportDepth) {
    error(call) << "subgraphs and functions nest more than " << kMaxImportDepth
                << " deep";
    return importFailed(call);
  }
  ++depth;
  llvm::scope_exit leave([&] { --depth; });

  const OperatorInfo *info = nullptr;
  if (node.overload().empty())
    info = OperatorInfo::lookup(call.domain, node.op_type());
  std::string reason = info ? whyUnknown(call, *info)
                            : "the operator is not known to the dialect";
  if (reason.empty())
    return importKnown(call, *info);
  if (const hybrid_onnx::Function *function = findFunction(call))
    return importFunctionCall(call, *function);
  importUnknown(call, reason);
}

/// Why the node does not fit the op of its operator; empty if it does.
std::string GraphImporter::whyUnknown(const Call &call,
                                      const OperatorInfo &info) {
  if (call.domain.empty() && call.opset < info.layoutSince)
    return llvm::formatv("version {0} of the operator is another one",
                         call.opset);
  size_t numInputs = call.node.input_size();
  if (numInputs > info.inputs.size() && !info.hasVariadicInput())
    return llvm::formatv("has {0} inputs; {1} are known", numInputs,
                         info.inputs.size());
  size_t numOutputs = call.node.output_size();
  if (numOutputs > info.outputs.size() && !info.hasVariadicOutput())
    return llvm::formatv("has {0} outputs; {1} are known", numOutputs,
                         info.outputs.size());
  for (const auto &[name, bound] : call.attributes) {
    bool moved = llvm::any_of(
        info.moved, [name = name](auto &m) { return m.name == name; });
    if (!moved && !info.getAttribute(name))
      return llvm::formatv("its attribute '{0}' is not known", name);
  }
  return "";
}

/// The values of the inputs, a none value for each that is left out.
FailureOr<SmallVector<Value>> GraphImporter::importInputs(Call &call) {
  SmallVector<Value> inputs;
  bool complete = true;
  for (auto [index, name] : llvm::enumerate(call.node.input())) {
    Value value = name.empty() ? getNone() : call.scope.lookup(name);
    if (!value) {
      error(call) << "input " << index << ", '" << name << "', is not defined";
      complete = false;
    }
    inputs.push_back(value);
  }
  if (!complete)
    return failure();
  return inputs;
}

void GraphImporter::defineOutputs(Call &call, ValueRange values) {
  for (auto [name, value] : llvm::zip(call.node.output(), values))
    define(call.scope, name, value, call.loc);
}

void GraphImporter::importFailed(Call &call) {
  for (const std::string &name : call.node.output())
    if (!name.empty())
      call.scope.values.try_emplace(name, getNone());
}

/// Marks an op whose operator set is not the module's.
void GraphImporter::setOpset(const Call &call, NamedAttrList &attributes) {
  if (call.opset != 0 && call.opset != top.opsets.lookup(call.domain))
    attributes.set(ONNXDialect::kOpsetAttr,
                   builder.getI64IntegerAttr(call.opset));
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

/// The letter of the operator table for what an attribute holds; '?' for kinds
/// that no operator of the table has.
static char kindOf(const hybrid_onnx::Attribute &attribute) {
  static constexpr StringLiteral kKinds = "?fistgFIS";
  if (attribute.type() > 0 &&
      attribute.type() < static_cast<int>(kKinds.size()))
    return kKinds[attribute.type()];
  if (attribute.type() != 0)
    return '?';
  // Very old files leave the type out.
  if (attribute.has_f())
    return 'f';
  if (attribute.has_i())
    return 'i';
  if (attribute.has_s())
    return 's';
  if (attribute.has_t())
    return 't';
  if (attribute.has_g())
    return 'g';
  if (attribute.floats_size())
    return 'F';
  if (attribute.ints_size())
    return 'I';
  return attribute.strings_size() ? 'S' : '?';
}

static StringRef kindName(char kind) {
  switch (kind) {
  case 'f':
    return "a float";
  case 'i':
    return "an integer";
  case 's':
    return "a string";
  case 't':
    return "a tensor";
  case 'g':
    return "a graph";
  case 'F':
    return "a list of floats";
  case 'I':
    return "a list of integers";
  case 'S':
    return "a list of strings";
  default:
    return "of another kind";
  }
}

template <typename T, typename List>
static SmallVector<T> toVector(const List &list) {
  return SmallVector<T>(list.begin(), list.end());
}

FailureOr<Attribute>
GraphImporter::importAttribute(Call &call, StringRef name,
                               const hybrid_onnx::Attribute &attribute,
                               bool valueNeeded) {
  switch (kindOf(attribute)) {
  case 'f':
    return Attribute(builder.getF32FloatAttr(attribute.f()));
  case 'i':
    return Attribute(builder.getI64IntegerAttr(attribute.i()));
  case 's':
    return Attribute(builder.getStringAttr(attribute.s()));
  case 'F':
    return Attribute(
        builder.getDenseF32ArrayAttr(toVector<float>(attribute.floats())));
  case 'I':
    return Attribute(
        builder.getDenseI64ArrayAttr(toVector<int64_t>(attribute.ints())));
  case 'S':
    return Attribute(
        builder.getStrArrayAttr(toVector<StringRef>(attribute.strings())));
  case 't': {
    std::string what = "node '" + onnx::getNodeName(call.loc) + "' (" +
                       call.node.op_type() + "): attribute '" + name.str() +
                       "'";
    FailureOr<ImportedTensor> tensor =
        importTensor(context, attribute.t(), what, call.loc, valueNeeded);
    if (failed(tensor))
      return failure();
    if (tensor->value)
      return Attribute(tensor->value);
    return Attribute(
        builder.getArrayAttr({tensor->source, TypeAttr::get(tensor->type)}));
  }
  default:
    return Attribute(builder.getStringAttr("(not imported)"));
  }
}

FailureOr<NamedAttrList>
GraphImporter::importAttributes(Call &call, const OperatorInfo &info) {
  NamedAttrList result;
  bool complete = true;
  for (const auto &[name, bound] : call.attributes) {
    const OperatorInfo::Attribute *known = info.getAttribute(name);
    if (!known || known->kind == 'g')
      continue;
    char kind = kindOf(*bound.proto);
    if (kind != known->kind) {
      error(call) << "the attribute '" << name << "' is " << kindName(kind)
                  << "; it must be " << kindName(known->kind);
      complete = false;
      continue;
    }
    FailureOr<Attribute> value =
        importAttribute(call, name, *bound.proto, /*valueNeeded=*/true);
    if (failed(value))
      complete = false;
    else
      result.set(name, *value);
  }
  for (const OperatorInfo::Attribute &known : info.attributes) {
    if (!known.required || call.find(known.name))
      continue;
    error(call) << "the attribute '" << known.name << "' ("
                << kindName(known.kind) << ") is missing";
    complete = false;
  }
  if (!complete)
    return failure();
  // The default changed with operator set 13.
  bool isSoftmax = info.name == "Softmax" || info.name == "LogSoftmax" ||
                   info.name == "Hardmax";
  if (isSoftmax && !result.get("axis"))
    result.set("axis", builder.getI64IntegerAttr(call.opset < 13 ? 1 : -1));
  setOpset(call, result);
  return result;
}

/// The tensor for an attribute that the newest version takes as an input.
ElementsAttr GraphImporter::movedValue(const BoundAttribute &bound,
                                       const OperatorInfo &info,
                                       Type dataType) {
  const hybrid_onnx::Attribute &attribute = *bound.proto;
  Type i64 = builder.getI64Type();
  switch (kindOf(attribute)) {
  case 'I': {
    SmallVector<int64_t> values = toVector<int64_t>(attribute.ints());
    auto type =
        RankedTensorType::get({static_cast<int64_t>(values.size())}, i64);
    return DenseElementsAttr::get(type, ArrayRef<int64_t>(values));
  }
  case 'i': {
    // TopK takes a list of one, all others a scalar.
    SmallVector<int64_t> shape;
    if (info.name == "TopK")
      shape.push_back(1);
    return DenseElementsAttr::get(RankedTensorType::get(shape, i64),
                                  attribute.i());
  }
  case 'f': {
    auto type =
        dyn_cast_or_null<FloatType>(onnx::getElementTypeOrNull(dataType));
    if (!type || info.name == "Dropout")
      type = builder.getF32Type();
    APFloat value(attribute.f());
    bool losesInfo;
    value.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    return DenseElementsAttr::get(RankedTensorType::get({}, type), value);
  }
  default:
    return ElementsAttr();
  }
}

LogicalResult GraphImporter::moveAttributes(Call &call,
                                            const OperatorInfo &info,
                                            SmallVectorImpl<Value> &inputs) {
  for (const OperatorInfo::MovedAttribute &moved : info.moved) {
    const BoundAttribute *bound = call.find(moved.name);
    if (!bound)
      continue;
    ElementsAttr value = movedValue(
        *bound, info, inputs.empty() ? Type() : inputs.front().getType());
    if (!value)
      return error(call) << "the attribute '" << moved.name << "' is "
                         << kindName(kindOf(*bound->proto))
                         << ", which it must not be";
    if (inputs.size() <= moved.input)
      inputs.resize(moved.input + 1, getNone());
    if (!onnx::isAbsent(inputs[moved.input]))
      return error(call) << "has both the attribute '" << moved.name
                         << "' and the input '" << info.inputs[moved.input].name
                         << "'";
    inputs[moved.input] = makeConstant(value, call.loc);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Known operators
//===----------------------------------------------------------------------===//

LogicalResult GraphImporter::checkInputs(Call &call, const OperatorInfo &info,
                                         ValueRange inputs) {
  bool complete = true;
  for (auto [index, formal] : llvm::enumerate(info.inputs)) {
    if (formal.optional || formal.variadic || !onnx::isAbsent(inputs[index]))
      continue;
    // A value that failed to import is a none value too, and was reported.
    bool named = static_cast<int>(index) < call.node.input_size() &&
                 !call.node.input(index).empty();
    if (!named)
      error(call) << "the input '" << formal.name << "' (number " << index
                  << ") is missing";
    complete = false;
  }
  // Only Loop may leave out values between others.
  for (size_t i = info.inputs.size() - info.hasVariadicInput();
       i < inputs.size() && info.name != "Loop"; ++i) {
    if (!onnx::isAbsent(inputs[i]))
      continue;
    if (call.node.input(i).empty())
      error(call) << "input number " << i << " is missing";
    complete = false;
  }
  return success(complete);
}

/// The type of a result: as declared in the file, or else of `element`s with
/// unknown shape.
FailureOr<Type> GraphImporter::resultType(Call &call, StringRef name,
                                          Type element) {
  Type type;
  if (const hybrid_onnx::Type *declared = call.scope.declaredType(name)) {
    std::string what = "value '" + name.str() + "'";
    FailureOr<Type> imported = importType(context, *declared, what, call.loc);
    if (failed(imported))
      return failure();
    type = *imported;
  }
  Type declaredElement = onnx::getElementTypeOrNull(type);
  if (element && declaredElement && element != declaredElement) {
    error(call) << "the file declares elements of " << declaredElement
                << " for the output '" << name << "', but the operator gives "
                << element;
    return failure();
  }
  if (type)
    return type;
  if (element)
    return Type(UnrankedTensorType::get(element));
  return Type(onnx::OpaqueType::get(context.context, "unknown"));
}

/// The types of what a control-flow op yields that are its results.
static SmallVector<Type> yieldedTypes(const OperationState &state,
                                      const OperatorInfo &info) {
  SmallVector<Type> types;
  for (Value value : state.regions.front()->front().back().getOperands())
    types.push_back(value.getType());
  if (info.name == "Loop" && !types.empty())
    types.erase(types.begin()); // the condition
  return types;
}

FailureOr<SmallVector<Type>>
GraphImporter::resultTypes(Call &call, const OperatorInfo &info,
                           const OperationState &state) {
  SmallVector<Type> yielded;
  if (!state.regions.empty())
    yielded = yieldedTypes(state, info);
  SmallVector<Type> operands;
  for (Value operand : state.operands)
    operands.push_back(operand.getType());

  SmallVector<Type> types;
  size_t count = info.outputs.size();
  if (info.hasVariadicOutput())
    count = std::max<size_t>(count - 1, call.node.output_size());
  for (size_t i = 0; i < count; ++i) {
    StringRef name;
    if (i < static_cast<size_t>(call.node.output_size()))
      name = call.node.output(i);
    bool optional = i < info.outputs.size() && info.outputs[i].optional;
    if (name.empty() && optional) {
      types.push_back(builder.getNoneType());
      continue;
    }
    Type element;
    if (state.regions.empty())
      element = onnx::inferElementType(info, i, operands, state.attributes,
                                       context.context);
    else if (i < yielded.size())
      element = onnx::getElementTypeOrNull(yielded[i]);
    FailureOr<Type> type = resultType(call, name, element);
    if (failed(type))
      return failure();
    types.push_back(*type);
  }
  return types;
}

/// The subgraphs of If, Loop and Scan.
void GraphImporter::importRegions(Call &call, OperationState &state) {
  SmallVector<StringRef, 2> names;
  SmallVector<Type> fallback;
  StringRef op = call.node.op_type();
  if (op == "If")
    names = {"then_branch", "else_branch"};
  else if (op == "Loop" || op == "Scan")
    names = {"body"};
  if (op == "Loop") {
    fallback.push_back(RankedTensorType::get({}, builder.getI64Type()));
    fallback.push_back(RankedTensorType::get({}, builder.getI1Type()));
  }
  if (op == "Loop" || op == "Scan")
    for (Value operand :
         ArrayRef<Value>(state.operands).drop_front(op == "Loop" ? 2 : 0)) {
      Type element = onnx::getElementTypeOrNull(operand.getType());
      fallback.push_back(element ? Type(UnrankedTensorType::get(element))
                                 : Type());
    }
  for (StringRef name : names) {
    const BoundAttribute &bound = *call.find(name);
    std::string where = "the subgraph '" + name.str() + "' of node '" +
                        onnx::getNodeName(call.loc) + "'";
    importSubgraph(bound, bound.proto->g(), *state.addRegion(), call.loc,
                   fallback, where);
  }
}

void GraphImporter::importKnown(Call &call, const OperatorInfo &info) {
  if (info.name == "Constant")
    return importConstant(call);
  FailureOr<SmallVector<Value>> inputs = importInputs(call);
  FailureOr<NamedAttrList> attributes = importAttributes(call, info);
  if (failed(inputs) || failed(attributes) ||
      failed(moveAttributes(call, info, *inputs)))
    return importFailed(call);
  size_t fixed = info.inputs.size() - info.hasVariadicInput();
  if (inputs->size() < fixed)
    inputs->resize(fixed, getNone());
  if (failed(checkInputs(call, info, *inputs)))
    return importFailed(call);

  OperationState state(call.loc, info.opName, *inputs, TypeRange(),
                       *attributes);
  for (const OperatorInfo::Attribute &attribute : info.attributes)
    if (attribute.kind == 'g' &&
        kindOf(*call.find(attribute.name)->proto) != 'g') {
      error(call) << "the attribute '" << attribute.name << "' is no graph";
      return importFailed(call);
    }
  importRegions(call, state);
  FailureOr<SmallVector<Type>> types = resultTypes(call, info, state);
  if (failed(types))
    return importFailed(call);
  state.addTypes(*types);
  defineOutputs(call, builder.create(state)->getResults());
}

/// A Constant node has its value in one of several attributes.
void GraphImporter::importConstant(Call &call) {
  if (call.node.output_size() != 1 || call.attributes.size() != 1) {
    error(call) << "must have one output and one attribute with the value";
    return importFailed(call);
  }
  const auto &[name, bound] = call.attributes.front();
  const hybrid_onnx::Attribute &attribute = *bound.proto;
  StringRef output = call.node.output(0);
  if (kindOf(attribute) == 't') {
    std::string what = "node '" + onnx::getNodeName(call.loc) +
                       "' (Constant): attribute '" + name.str() + "'";
    FailureOr<ImportedTensor> tensor =
        importTensor(context, attribute.t(), what, call.loc);
    if (failed(tensor))
      return importFailed(call);
    return defineOutputs(call, makeTensor(*tensor, output));
  }
  auto listType = [&](int size, Type element) {
    return RankedTensorType::get({static_cast<int64_t>(size)}, element);
  };
  auto scalarType = [&](Type element) {
    return RankedTensorType::get({}, element);
  };
  Type stringType = onnx::StringType::get(context.context);
  ElementsAttr value;
  switch (kindOf(attribute)) {
  case 'f':
    value =
        DenseElementsAttr::get(scalarType(builder.getF32Type()), attribute.f());
    break;
  case 'i':
    value =
        DenseElementsAttr::get(scalarType(builder.getI64Type()), attribute.i());
    break;
  case 's':
    value = DenseStringElementsAttr::get(scalarType(stringType),
                                         {StringRef(attribute.s())});
    break;
  case 'F':
    value = DenseElementsAttr::get(
        listType(attribute.floats_size(), builder.getF32Type()),
        ArrayRef<float>(toVector<float>(attribute.floats())));
    break;
  case 'I':
    value = DenseElementsAttr::get(
        listType(attribute.ints_size(), builder.getI64Type()),
        ArrayRef<int64_t>(toVector<int64_t>(attribute.ints())));
    break;
  case 'S':
    value = DenseStringElementsAttr::get(
        listType(attribute.strings_size(), stringType),
        toVector<StringRef>(attribute.strings()));
    break;
  default:
    error(call) << "the attribute '" << name << "' is no value";
    return importFailed(call);
  }
  defineOutputs(call, makeConstant(value, call.loc));
}

//===----------------------------------------------------------------------===//
// Unknown operators
//===----------------------------------------------------------------------===//

void GraphImporter::importUnknown(Call &call, const Twine &reason) {
  FailureOr<SmallVector<Value>> inputs = importInputs(call);
  if (failed(inputs))
    return importFailed(call);
  NamedAttrList nodeAttributes;
  SmallVector<StringRef> regionNames;
  OperationState state(call.loc, onnx::UnknownOp::getOperationName());
  for (const auto &[name, bound] : call.attributes) {
    SmallVector<const hybrid_onnx::Graph *> graphs;
    if (bound.proto->has_g())
      graphs.push_back(&bound.proto->g());
    for (const hybrid_onnx::Graph &graph : bound.proto->graphs())
      graphs.push_back(&graph);
    for (const hybrid_onnx::Graph *graph : graphs) {
      regionNames.push_back(name);
      std::string where = "the subgraph '" + name.str() + "' of node '" +
                          onnx::getNodeName(call.loc) + "'";
      importSubgraph(bound, *graph, *state.addRegion(), call.loc, {}, where);
    }
    if (!graphs.empty())
      continue;
    FailureOr<Attribute> value =
        importAttribute(call, name, *bound.proto, /*valueNeeded=*/false);
    if (failed(value))
      return importFailed(call);
    nodeAttributes.set(name, *value);
  }
  state.addOperands(*inputs);
  NamedAttrList attributes;
  attributes.set("domain", builder.getStringAttr(call.domain));
  attributes.set("op_type", builder.getStringAttr(call.node.op_type()));
  if (!nodeAttributes.empty())
    attributes.set("node_attributes",
                   nodeAttributes.getDictionary(context.context));
  if (!regionNames.empty())
    attributes.set("region_names", builder.getStrArrayAttr(regionNames));
  attributes.set("reason", builder.getStringAttr(reason));
  setOpset(call, attributes);
  state.addAttributes(attributes);
  for (const std::string &name : call.node.output()) {
    if (name.empty()) {
      state.addTypes(builder.getNoneType());
      continue;
    }
    FailureOr<Type> type = resultType(call, name, Type());
    if (failed(type))
      return importFailed(call);
    state.addTypes(*type);
  }
  defineOutputs(call, builder.create(state)->getResults());
}
