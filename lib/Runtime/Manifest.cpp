//===- Manifest.cpp - parsing and checking manifests ----------------------===//

#include "hybrid/Runtime/Manifest.h"
#include "ArtifactFormat.h"
#include "Text.h"
#include "hybrid/Runtime/ABI.h"

#define JSON_NO_IO
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>

using namespace hybrid;
using nlohmann::json;

namespace {

/// Bounds that no real model reaches; they keep products within 64 bits and
/// hostile manifests small.
constexpr size_t maxItems = 1 << 20;
constexpr int64_t maxDim = int64_t(1) << 40;

[[noreturn]] void fail(const std::string &message) {
  throw RuntimeError(HYBRID_BAD_FILE, "bad manifest: " + message);
}

/// A JSON value with the path to it, for messages.
class Node {
public:
  Node(const json &value, std::string path)
      : value(value), path(std::move(path)) {}

  bool has(const char *key) const {
    return value.is_object() && value.contains(key);
  }

  Node operator[](const char *key) const {
    const std::string inner = path.empty() ? key : path + "." + key;
    if (!has(key))
      fail("'" + inner + "' is missing");
    return Node(value[key], inner);
  }

  std::vector<Node> items() const {
    if (!value.is_array())
      fail("'" + path + "' is not an array");
    if (value.size() > maxItems)
      fail("'" + path + "' has too many items");
    std::vector<Node> result;
    for (size_t i = 0; i < value.size(); ++i)
      result.emplace_back(value[i], path + "[" + std::to_string(i) + "]");
    return result;
  }

  bool isInteger() const { return value.is_number_integer(); }

  /// An integer in [min, max].
  int64_t integer(int64_t min, int64_t max) const {
    bool fits = value.is_number_integer();
    if (value.is_number_unsigned())
      fits = value.get<uint64_t>() <= uint64_t(INT64_MAX);
    const int64_t number = fits ? value.get<int64_t>() : 0;
    if (!fits || number < min || number > max)
      fail("'" + path + "' is not an integer from " + std::to_string(min) +
           " to " + std::to_string(max));
    return number;
  }

  /// Without zero bytes, which the C API could not hand out.
  std::string string() const {
    if (!value.is_string())
      fail("'" + path + "' is not a string");
    std::string text = value.get<std::string>();
    if (text.find('\0') != std::string::npos)
      fail("'" + path + "' contains a zero byte");
    return text;
  }

  std::string nonEmptyString() const {
    std::string text = string();
    if (text.empty())
      fail("'" + path + "' is empty");
    return text;
  }

  const json &value;
  std::string path;
};

template <typename Enum>
Enum enumValue(const Node &node, Enum last, const char *(*name)(Enum)) {
  const std::string text = node.string();
  for (int i = 0; i <= int(last); ++i)
    if (text == name(Enum(i)))
      return Enum(i);
  fail("'" + node.path + "' is '" + text + "', which is not known");
}

HybridDtype dtypeValue(const Node &node) {
  HybridDtype dtype;
  const std::string text = node.string();
  if (!dtypeFromName(text, dtype))
    fail("'" + node.path + "' is '" + text + "', which is not a dtype");
  return dtype;
}

/// Reads one manifest; each member function one part.
class Parser {
public:
  explicit Parser(const Node &root) : root(root) {}

  Manifest parse() {
    versions();
    target();
    symbols();
    inputs();
    for (const Node &node : root["outputs"].items())
      manifest.outputs.push_back(value(node, /*isInput=*/false));
    for (const Node &node : root["states"].items())
      manifest.states.push_back(state(node));
    for (const Node &node : root["entries"].items())
      manifest.entries.push_back(entry(node));
    for (const Node &node : root["kernels"].items())
      manifest.kernels.push_back(node.nonEmptyString());
    if (manifest.target.device == "cuda")
      images();
    manifest.arenaBytes = root["arena_bytes"].integer(0, INT64_MAX / 2);
    manifest.weightsBytes = root["weights_bytes"].integer(0, INT64_MAX / 2);
    consistency();
    return std::move(manifest);
  }

private:
  void versions() {
    if (root["format"].string() != manifestFormat)
      fail("'format' is not '" + std::string(manifestFormat) + "'");
    manifest.compiler = root["compiler"].string();
    manifest.version = root["version"].integer(0, INT64_MAX);
    manifest.abi = root["abi"].integer(0, INT64_MAX);
    const std::string by = " (compiled by " + manifest.compiler +
                           "); compile the model again with a compiler of this "
                           "runtime's version";
    if (manifest.version != manifestVersion)
      throw RuntimeError(HYBRID_INCOMPATIBLE,
                         "the file has format version " +
                             std::to_string(manifest.version) +
                             ", this runtime reads version " +
                             std::to_string(manifestVersion) + by);
    if (manifest.abi != HYBRID_ABI_VERSION)
      throw RuntimeError(HYBRID_INCOMPATIBLE,
                         "the file has ABI version " +
                             std::to_string(manifest.abi) +
                             ", this runtime has version " +
                             std::to_string(HYBRID_ABI_VERSION) + by);
    const Node hashes = root["hashes"];
    manifest.codeHash = hashes["code"].string();
    manifest.weightsHash = hashes["weights"].string();
    manifest.modelName = root["model"]["name"].string();
  }

  void target() {
    const Node node = root["target"];
    manifest.target.device = node["device"].string();
    manifest.target.triple = node["triple"].string();
    manifest.target.cpu = node["cpu"].string();
    for (const Node &feature : node["features"].items())
      manifest.target.features.push_back(feature.nonEmptyString());
    if (manifest.target.device == "cuda")
      manifest.target.arch = node["arch"].nonEmptyString();
  }

  /// Of a GPU.
  void images() {
    for (const Node &node : root["images"].items())
      manifest.images.push_back(
          {node["format"].nonEmptyString(), node["symbol"].nonEmptyString()});
    for (const Node &node : root["blocks"].items())
      manifest.blocks.push_back({node["threads"].integer(1, 1024),
                                 node["shared_bytes"].integer(0, 1 << 20)});
    if (manifest.blocks.size() != manifest.kernels.size())
      fail("'blocks' has " + std::to_string(manifest.blocks.size()) +
           " entries, 'kernels' has " +
           std::to_string(manifest.kernels.size()));
    if (manifest.images.empty())
      fail("'images' is empty");
  }

  void symbols() {
    for (const Node &node : root["symbols"].items()) {
      Symbol symbol;
      symbol.name = node["name"].nonEmptyString();
      symbol.role = enumValue(node["role"], SymbolRole::Dim, &symbolRoleName);
      symbol.capacity = node["capacity"].integer(0, maxDim);
      if (symbolIndex(symbol.name) >= 0)
        fail("'" + node.path + "': there are two symbols '" + symbol.name +
             "'");
      claimRole(symbol, node);
      manifest.symbols.push_back(symbol);
    }
    if (manifest.fromSymbol < 0)
      return;
    if (manifest.seqSymbol < 0)
      fail("there is a symbol of role 'from', but none of role 'seq'");
    if (manifest.symbols[manifest.fromSymbol].capacity <
        manifest.symbols[manifest.seqSymbol].capacity - 1)
      fail("the symbol of role 'from' has a smaller capacity than the last "
           "position of the symbol of role 'seq'");
  }

  void claimRole(const Symbol &symbol, const Node &node) {
    int *slots[] = {&manifest.batchSymbol, &manifest.seqSymbol,
                    &manifest.pastSymbol, &manifest.fromSymbol};
    if (symbol.role == SymbolRole::Dim)
      return;
    int &slot = *slots[int(symbol.role)];
    if (slot >= 0)
      fail("'" + node.path + "': there are two symbols of role '" +
           symbolRoleName(symbol.role) + "'");
    slot = int(manifest.symbols.size());
  }

  void inputs() {
    for (const Node &node : root["inputs"].items()) {
      if (manifest.positionsInput >= 0)
        fail("'" + node.path +
             "' follows the input of role 'positions', which must be the last");
      manifest.inputs.push_back(value(node, /*isInput=*/true));
      const Value &input = manifest.inputs.back();
      if (input.role != InputRole::Positions)
        continue;
      if (input.dtype != HYBRID_INT64 || input.dims.size() != 1 ||
          input.dims[0].symbol < 0 ||
          input.dims[0].symbol != manifest.batchSymbol)
        fail("'" + node.path +
             "' has the role 'positions', but is not int64 [batch]");
      manifest.positionsInput = int(manifest.inputs.size()) - 1;
    }
  }

  int symbolIndex(const std::string &name) const {
    for (size_t i = 0; i < manifest.symbols.size(); ++i)
      if (manifest.symbols[i].name == name)
        return int(i);
    return -1;
  }

  Dim dimension(const Node &node) const {
    Dim dim;
    if (node.isInteger()) {
      dim.value = node.integer(0, maxDim);
      dim.text = std::to_string(dim.value);
      return dim;
    }
    dim.text = node.nonEmptyString();
    dim.symbol = symbolIndex(dim.text);
    dim.isWanted = manifest.fromSymbol >= 0 &&
                   dim.text == manifest.symbols[manifest.seqSymbol].name +
                                   " - " +
                                   manifest.symbols[manifest.fromSymbol].name;
    return dim;
  }

  Value value(const Node &node, bool isInput) const {
    Value value;
    value.name = node["name"].nonEmptyString();
    value.dtype = dtypeValue(node["dtype"]);
    const std::vector<Node> dims = node["dims"].items();
    if (dims.size() > HYBRID_MAX_RANK)
      fail("'" + node.path + ".dims' has more than " +
           std::to_string(HYBRID_MAX_RANK) + " dimensions");
    for (const Node &dim : dims)
      value.dims.push_back(dimension(dim));
    if (!isInput)
      return value;
    for (const Dim &dim : value.dims)
      if (dim.isWanted ||
          (dim.symbol >= 0 && dim.symbol == manifest.fromSymbol))
        fail("'" + node.path +
             ".dims' depends on the symbol of role 'from', which no input "
             "binds");
    if (node.has("role"))
      value.role = enumValue(node["role"], InputRole::Data, &inputRoleName);
    if (value.role == InputRole::PositionIds && !isInteger(value.dtype))
      fail("'" + node.path +
           "' has the role 'position_ids', but is not of an "
           "integer dtype");
    if (node.has("range"))
      range(node["range"], value);
    return value;
  }

  static bool isInteger(HybridDtype dtype) {
    return dtype >= HYBRID_INT8 && dtype <= HYBRID_UINT64;
  }

  static void range(const Node &node, Value &value) {
    const std::vector<Node> bounds = node.items();
    if (bounds.size() != 2)
      fail("'" + node.path + "' is not [min, max]");
    if (!isInteger(value.dtype))
      fail("'" + node.path +
           "' stands at a value that is not of an integer "
           "dtype");
    value.hasRange = true;
    value.min = bounds[0].integer(INT64_MIN, INT64_MAX);
    value.max = bounds[1].integer(INT64_MIN, INT64_MAX);
  }

  State state(const Node &node) const {
    State state;
    state.name = node["name"].nonEmptyString();
    state.present = node.has("present") ? node["present"].string() : "";
    state.kind = enumValue(node["kind"], CacheKind::Recurrent, &cacheKindName);
    state.dtype = dtypeValue(node["dtype"]);
    const std::vector<Node> dims = node["dims"].items();
    if (dims.size() > HYBRID_MAX_RANK)
      fail("'" + node.path + ".dims' has more than " +
           std::to_string(HYBRID_MAX_RANK) + " dimensions");
    for (size_t i = 0; i < dims.size(); ++i)
      state.dims.push_back(stateDimension(dims[i], i));
    stateLength(node, state);
    stateSize(node, state);
    return state;
  }

  int64_t stateDimension(const Node &node, size_t axis) const {
    if (node.isInteger())
      return node.integer(0, maxDim);
    if (axis != 0 || manifest.batchSymbol < 0 ||
        node.string() != manifest.symbols[manifest.batchSymbol].name)
      fail("'" + node.path +
           "' is neither a number nor, in front, the symbol "
           "of role 'batch'");
    return -1;
  }

  static void stateLength(const Node &node, State &state) {
    if (state.kind != CacheKind::KV && state.kind != CacheKind::KVWindow)
      return;
    state.lengthAxis =
        int(node["length_axis"].integer(0, int64_t(state.dims.size()) - 1));
    if (state.dims[state.lengthAxis] < 0)
      fail("'" + node.path + ".length_axis' is the batch");
    if (state.kind != CacheKind::KVWindow)
      return;
    const int64_t capacity = state.dims[state.lengthAxis];
    state.window = node["window"].integer(1, maxDim);
    state.sinks = node["sinks"].integer(0, maxDim);
    if (state.slots() > capacity)
      fail("'" + node.path + "' keeps more positions than its capacity");
  }

  void stateSize(const Node &node, const State &state) const {
    uint64_t bytes = hybrid_dtype_size(state.dtype);
    for (int64_t dim : state.dims) {
      const int64_t size =
          dim < 0 ? manifest.symbols[manifest.batchSymbol].capacity : dim;
      if (!multiply(bytes, uint64_t(size), bytes) || bytes > INT64_MAX / 2)
        fail("'" + node.path + "' is too large");
    }
  }

  Entry entry(const Node &node) const {
    Entry entry;
    entry.name = node["name"].nonEmptyString();
    entry.function = node["function"].nonEmptyString();
    entry.shapes = node["shapes"].nonEmptyString();
    if (!node.has("requires"))
      return entry;
    const Node conditions = node["requires"];
    if (!conditions.value.is_object())
      fail("'" + conditions.path + "' is not an object");
    for (const auto &item : conditions.value.items()) {
      const int symbol = symbolIndex(item.key());
      if (symbol < 0)
        fail("'" + conditions.path + "' names '" + item.key() +
             "', which is not a symbol");
      const Node number(item.value(), conditions.path + "." + item.key());
      entry.requirements.emplace_back(symbol, number.integer(0, maxDim));
    }
    return entry;
  }

  void consistency() const {
    if (manifest.entries.empty())
      fail("'entries' is empty");
    std::vector<std::string> names;
    for (const Value &input : manifest.inputs)
      names.push_back(input.name);
    for (const State &state : manifest.states)
      names.push_back(state.name);
    unique(names, "inputs and states");
    names.clear();
    for (const Value &output : manifest.outputs)
      names.push_back(output.name);
    for (const State &state : manifest.states)
      if (!state.present.empty())
        names.push_back(state.present);
    unique(names, "outputs and present states");
    tokensAreCounted();
  }

  static void unique(std::vector<std::string> &names, const char *what) {
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end())
      fail("two " + std::string(what) + " are called '" + *twice + "'");
  }

  /// The position of a session must be able to advance.
  void tokensAreCounted() const {
    if (manifest.states.empty() || manifest.seqSymbol >= 0)
      return;
    for (const Value &input : manifest.inputs)
      if (input.role == InputRole::Tokens && !input.dims.empty())
        return;
    fail("there are states, but neither a symbol of role 'seq' nor an input of "
         "role 'tokens' says how many tokens a call has");
  }

  const Node &root;
  Manifest manifest;
};

} // namespace

std::string hybrid::statedManifestHash(const std::string &text) {
  const json document =
      json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || !document.contains("hashes"))
    return {};
  const json &hashes = document["hashes"];
  if (!hashes.is_object() || !hashes.contains("manifest") ||
      !hashes["manifest"].is_string())
    return {};
  return hashes["manifest"].get<std::string>();
}

Manifest hybrid::parseManifest(const std::string &text) {
  const json document =
      json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded() || !document.is_object())
    fail("it is not a JSON object");
  const Node root(document, "");
  return Parser(root).parse();
}

//===----------------------------------------------------------------------===//
// Queries
//===----------------------------------------------------------------------===//

std::string Value::typeText() const {
  std::vector<std::string> texts;
  for (const Dim &dim : dims)
    texts.push_back(dim.text);
  return std::string(hybrid_dtype_name(dtype)) + " [" + join(texts, ", ") + "]";
}

uint64_t State::bytes(int64_t batch) const {
  uint64_t bytes = hybrid_dtype_size(dtype);
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t size = int(i) == lengthAxis ? slots() : dims[i];
    bytes *= uint64_t(size < 0 ? batch : size);
  }
  return bytes;
}

template <typename T>
static int findNamed(const std::vector<T> &items, const char *name,
                     std::string T::*member) {
  for (size_t i = 0; i < items.size(); ++i)
    if (!(items[i].*member).empty() && items[i].*member == name)
      return int(i);
  return -1;
}

int Manifest::findInput(const char *name) const {
  const int index = findNamed(inputs, name, &Value::name);
  return index < int(numGivenInputs()) ? index : -1;
}
int Manifest::findOutput(const char *name) const {
  return findNamed(outputs, name, &Value::name);
}
int Manifest::findState(const char *name) const {
  return findNamed(states, name, &State::name);
}
int Manifest::findPresent(const char *name) const {
  return findNamed(states, name, &State::present);
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

const char *hybrid::cacheKindName(CacheKind kind) {
  static const char *const names[] = {"kv", "kv-window", "conv", "recurrent"};
  return names[int(kind)];
}

const char *hybrid::inputRoleName(InputRole role) {
  static const char *const names[] = {"tokens", "position_ids",
                                      "attention_mask", "positions", "data"};
  return names[int(role)];
}

const char *hybrid::symbolRoleName(SymbolRole role) {
  static const char *const names[] = {"batch", "seq", "past", "from", "dim"};
  return names[int(role)];
}

static const struct {
  const char *name;
  size_t size;
} dtypes[] = {{"float32", 4}, {"float16", 2}, {"bfloat16", 2}, {"float64", 8},
              {"int8", 1},    {"int16", 2},   {"int32", 4},    {"int64", 8},
              {"uint8", 1},   {"uint16", 2},  {"uint32", 4},   {"uint64", 8},
              {"bool", 1}};

static bool isDtype(HybridDtype dtype) {
  return int(dtype) >= 0 && int(dtype) <= int(HYBRID_BOOL);
}

bool hybrid::dtypeFromName(const std::string &name, HybridDtype &dtype) {
  for (int i = 0; i <= int(HYBRID_BOOL); ++i)
    if (name == dtypes[i].name) {
      dtype = HybridDtype(i);
      return true;
    }
  return false;
}

size_t hybrid_dtype_size(HybridDtype dtype) {
  return isDtype(dtype) ? dtypes[dtype].size : 0;
}

const char *hybrid_dtype_name(HybridDtype dtype) {
  return isDtype(dtype) ? dtypes[dtype].name : "?";
}
