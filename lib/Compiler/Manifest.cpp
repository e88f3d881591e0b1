//===- Manifest.cpp - the artifact's manifest -----------------------------===//

#include "Manifest.h"

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"

using namespace mlir;
namespace json = llvm::json;

namespace hybrid {
// llvm::json holds a StringRef without copying it: strings are copied here.
namespace {

/// The manifest's name of a storage type; empty if it has none.
StringRef getDtypeName(Type type) {
  if (type.isF32())
    return "float32";
  if (type.isF16())
    return "float16";
  if (type.isBF16())
    return "bfloat16";
  if (type.isF64())
    return "float64";
  if (type.isInteger(1))
    return "bool";
  if (type.isInteger(8))
    return type.isUnsignedInteger() ? "uint8" : "int8";
  if (type.isInteger(16))
    return type.isUnsignedInteger() ? "uint16" : "int16";
  if (type.isInteger(32))
    return type.isUnsignedInteger() ? "uint32" : "int32";
  if (type.isInteger(64))
    return type.isUnsignedInteger() ? "uint64" : "int64";
  return "";
}

json::Array toJSON(ArrayAttr attr) {
  json::Array array;
  for (Attribute element : attr) {
    if (auto integer = dyn_cast<IntegerAttr>(element))
      array.push_back(integer.getInt());
    else
      array.push_back(cast<StringAttr>(element).str());
  }
  return array;
}

llvm::Expected<json::Object> describeValue(DictionaryAttr value) {
  auto name = value.getAs<StringAttr>("hybrid.name");
  Type element =
      cast<ShapedType>(value.getAs<TypeAttr>("hybrid.type").getValue())
          .getElementType();
  StringRef dtype = getDtypeName(element);
  if (auto stated = value.getAs<StringAttr>("hybrid.dtype"))
    dtype = stated.getValue();
  if (!name || dtype.empty())
    return llvm::createStringError(
        "an input or output has no name or a type that artifacts cannot hold");
  json::Object object{{"name", name.str()},
                      {"dtype", dtype.str()},
                      {"dims", toJSON(value.getAs<ArrayAttr>("hybrid.dims"))}};
  if (auto role = value.getAs<StringAttr>("hybrid.role"))
    object["role"] = role.str();
  if (auto range = value.getAs<ArrayAttr>("hybrid.range"))
    object["range"] = toJSON(range);
  else if (auto range = value.getAs<DenseI64ArrayAttr>("hybrid.range"))
    object["range"] = json::Array(range.asArrayRef());
  return object;
}

std::string getKindName(StateOp state) {
  std::string kind = stringifyStateKind(state.getKind()).str();
  std::replace(kind.begin(), kind.end(), '_', '-');
  return kind;
}

json::Object describeState(StateOp state, StringRef batch) {
  auto type = cast<RankedTensorType>(state.getType());
  auto axis = state.getLengthAxis();
  json::Array dims;
  for (auto [i, size] : llvm::enumerate(type.getShape())) {
    if (ShapedType::isDynamic(size))
      dims.push_back(batch.str());
    else
      dims.push_back(axis == int64_t(i) ? state.getCapacity().value_or(size)
                                        : size);
  }
  json::Object object{{"name", state.getSymName().str()},
                      {"present", state.getPresent().str()},
                      {"kind", getKindName(state)},
                      {"dtype", getDtypeName(type.getElementType()).str()},
                      {"dims", std::move(dims)}};
  if (axis)
    object["length_axis"] = *axis;
  if (state.getKind() == StateKind::KVWindow) {
    object["sinks"] = *state.getSinkPrefix();
    object["window"] = type.getDimSize(*axis) - *state.getSinkPrefix();
  }
  return object;
}

} // namespace

std::map<std::string, int64_t> getStateBytes(ModuleOp module,
                                             std::optional<int64_t> length) {
  std::map<std::string, int64_t> bytes;
  for (auto state : module.getOps<StateOp>()) {
    auto type = cast<RankedTensorType>(state.getType());
    auto axis = state.getLengthAxis();
    int64_t size = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
    for (auto [i, dim] : llvm::enumerate(type.getShape())) {
      if (ShapedType::isDynamic(dim))
        continue;
      bool isLength = length && axis && *axis == int64_t(i);
      size *= isLength ? std::min(dim, *length) : dim;
    }
    bytes[getKindName(state)] += size;
  }
  return bytes;
}

std::map<std::string, int64_t> countQuantizedWeights(ModuleOp module) {
  std::map<std::string, int64_t> counts;
  auto weights = module->getAttrOfType<ArrayAttr>(kWeightsAttr);
  for (Attribute weight : weights ? weights.getValue() : ArrayRef<Attribute>())
    if (auto form =
            cast<DictionaryAttr>(weight).getAs<DictionaryAttr>("quantized"))
      ++counts["q" + std::to_string(form.getAs<IntegerAttr>("bits").getInt())];
  return counts;
}

llvm::Expected<json::Object> buildManifest(ModuleOp module,
                                           const CPUTarget &target,
                                           const std::optional<GPUTarget> &gpu,
                                           json::Object model) {
  json::Object manifest;
  manifest["compiler"] = "0.1.0";
  manifest["model"] = std::move(model);
  json::Object machine{{"device", gpu ? "cuda" : "cpu"},
                       {"triple", target.triple},
                       {"cpu", target.cpu},
                       {"features", json::Array(target.features)}};
  if (gpu)
    machine["arch"] = gpu->arch;
  manifest["target"] = std::move(machine);
  std::string batch = "batch", seq;
  json::Array symbols;
  if (auto attr = module->getAttrOfType<ArrayAttr>(kSymbolsAttr))
    for (Attribute element : attr) {
      auto info = cast<DictionaryAttr>(element);
      StringRef name = info.getAs<StringAttr>("name").getValue();
      StringRef role = info.getAs<StringAttr>("role").getValue();
      if (role == "batch")
        batch = name.str();
      if (role == "seq")
        seq = name.str();
      symbols.push_back(json::Object{
          {"name", name.str()},
          {"role", role.str()},
          {"capacity", info.getAs<IntegerAttr>("capacity").getInt()}});
    }
  manifest["symbols"] = std::move(symbols);

  json::Array states;
  for (auto state : module.getOps<StateOp>())
    states.push_back(describeState(state, batch));
  manifest["states"] = std::move(states);

  // All entries have the same signature up to specialised sizes; the most
  // general one, which comes last, describes it.
  json::Array entries, inputs, outputs, kernels, blocks;
  SmallVector<func::FuncOp> entryOps;
  for (auto func : module.getOps<func::FuncOp>()) {
    if (func->hasAttr(kEntryAttr))
      entryOps.push_back(func);
    if (!func->hasAttr(kKernelAttr))
      continue;
    kernels.push_back(func.getName().str());
    auto threads = func->getAttrOfType<IntegerAttr>(kThreadsAttr),
         shared = func->getAttrOfType<IntegerAttr>(kSharedBytesAttr);
    if (threads && shared)
      blocks.push_back(json::Object{{"threads", threads.getInt()},
                                    {"shared_bytes", shared.getInt()}});
  }
  // decode first: the runtime takes the first whose requirements hold.
  llvm::stable_sort(entryOps, [](func::FuncOp a, func::FuncOp b) {
    return (a.getName() == "decode") > (b.getName() == "decode");
  });
  for (func::FuncOp entry : entryOps) {
    json::Object requires_;
    if (entry.getName() == "decode")
      requires_[seq] = 1;
    std::string function = ("hybrid_" + entry.getName()).str();
    entries.push_back(json::Object{{"name", entry.getName().str()},
                                   {"function", function},
                                   {"shapes", function + "_shapes"},
                                   {"requires", std::move(requires_)}});
    inputs.clear();
    outputs.clear();
    for (StringRef list : {kInputsAttr, kOutputsAttr})
      for (Attribute value : entry->getAttrOfType<ArrayAttr>(list)) {
        auto object = describeValue(cast<DictionaryAttr>(value));
        if (!object)
          return object.takeError();
        (list == kInputsAttr ? inputs : outputs).push_back(std::move(*object));
      }
  }
  manifest["entries"] = std::move(entries);
  manifest["inputs"] = std::move(inputs);
  manifest["outputs"] = std::move(outputs);
  manifest["kernels"] = std::move(kernels);
  if (gpu)
    manifest["blocks"] = std::move(blocks);
  json::Object quantized;
  for (auto &[form, count] : countQuantizedWeights(module))
    quantized[form] = count;
  if (!quantized.empty())
    manifest["quantized_weights"] = std::move(quantized);
  manifest["arena_bytes"] =
      module->getAttrOfType<IntegerAttr>(kArenaBytesAttr).getInt();
  return manifest;
}

} // namespace hybrid
