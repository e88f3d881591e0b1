//===- Binding.cpp - what one call means ----------------------------------===//

#include "Binding.h"
#include "Text.h"

#include <algorithm>
#include <cstring>

using namespace hybrid;

[[noreturn]] static void badInput(const std::string &message) {
  throw RuntimeError(HYBRID_BAD_INPUT, message);
}

[[noreturn]] static void overCapacity(const std::string &message) {
  throw RuntimeError(HYBRID_OVER_CAPACITY, message);
}

/// "float32 [batch, 2, 0 … 4096, 16]".
static std::string typeText(const State &state, const Manifest &manifest) {
  std::string text = std::string(hybrid_dtype_name(state.dtype)) + " [";
  for (size_t i = 0; i < state.dims.size(); ++i) {
    text += i ? ", " : "";
    if (state.dims[i] < 0)
      text += manifest.symbols[manifest.batchSymbol].name;
    else
      text += (int(i) == state.lengthAxis ? "up to " : "") +
              std::to_string(state.dims[i]);
  }
  return text + "]";
}

/// All that may be given to a call, for messages.
static std::string expectation(const Manifest &manifest) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < manifest.numGivenInputs(); ++i) {
    const Value &input = manifest.inputs[i];
    parts.push_back("'" + input.name + "' " + input.typeText() +
                    (isFilledIn(input.role) ? " (may be left out)" : ""));
  }
  std::string text = parts.empty()
                         ? "the model has no inputs"
                         : "the model's inputs are " + join(parts, ", ");
  parts.clear();
  for (const State &state : manifest.states)
    parts.push_back("'" + state.name + "'");
  if (!parts.empty())
    text += "; its states, which may be given too, are " + join(parts, ", ");
  return text;
}

uint64_t hybrid::denseBytes(HybridDtype dtype, const int64_t *dims, size_t rank,
                            const char *name) {
  uint64_t bytes = hybrid_dtype_size(dtype);
  bool fits = true;
  for (size_t i = 0; i < rank; ++i)
    fits &= dims[i] >= 0 && multiply(bytes, uint64_t(dims[i]), bytes);
  if (!fits || bytes > uint64_t(INT64_MAX))
    overCapacity("'" + std::string(name) + "' would have the shape " +
                 shapeText(dims, int64_t(rank)) + ", which is too large");
  return bytes;
}

Binding::Binding(const Module &module)
    : module(module), manifest(module.manifest()) {
  inputs.resize(manifest.inputs.size());
  states.resize(manifest.states.size());
  symbols.resize(manifest.symbols.size());
  shapes.resize(module.numShapeDims());
  size_t offset = 0;
  for (const Value &input : manifest.inputs) {
    inputOffsets.push_back(offset);
    offset += input.dims.size();
  }
  for (const Value &output : manifest.outputs) {
    outputOffsets.push_back(offset);
    offset += output.dims.size();
  }
}

void Binding::bindRun(const SessionPosition &session,
                      const HybridTensor *tensors, size_t count) {
  match(tensors, count);
  requireInputs();
  takeStates(session);
  bindSymbols(session);
  bindFirstWanted(session.lastOnly);
  requireSymbols();
  checkLeast();
  computeShapes();
  compareShapes();
  countTokens();
  checkRoom();
  checkRanges();
}

void Binding::bindStates(const SessionPosition &session,
                         const HybridTensor *tensors, size_t count) {
  std::fill(states.begin(), states.end(), nullptr);
  for (size_t i = 0; i < count; ++i) {
    if (!tensors[i].name)
      throw RuntimeError(HYBRID_INVALID_ARGUMENT, "a state has no name");
    matchState(tensors[i]);
  }
  takeStates(session);
}

//===----------------------------------------------------------------------===//
// Names, dtypes, ranks
//===----------------------------------------------------------------------===//

static bool sane(const HybridTensor &tensor) {
  if (tensor.rank < 0 || tensor.rank > HYBRID_MAX_RANK)
    return false;
  for (int32_t i = 0; i < tensor.rank; ++i)
    if (tensor.dims[i] < 0)
      return false;
  return true;
}

/// `expected` gives the text of the type that the model wants; it is only
/// called on failure.
template <typename Text>
static void checkGiven(const HybridTensor &tensor, const char *what,
                       HybridDtype dtype, size_t rank, Text expected) {
  const auto name = [&] {
    return std::string(what) + " '" + tensor.name + "' ";
  };
  if (!sane(tensor))
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       name() + "has a rank or dimension that cannot be");
  if (tensor.dtype != dtype)
    badInput(name() + "has dtype " + hybrid_dtype_name(tensor.dtype) +
             ", expected " + expected());
  if (size_t(tensor.rank) != rank)
    badInput(name() + "has shape " + shapeText(tensor.dims, tensor.rank) +
             ", expected " + expected());
  if (!tensor.data && denseBytes(dtype, tensor.dims, rank, tensor.name))
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, name() + "has no data");
}

void Binding::matchState(const HybridTensor &tensor) {
  int index = manifest.findState(tensor.name);
  if (index < 0)
    index = manifest.findPresent(tensor.name);
  if (index < 0)
    badInput("there is no state '" + std::string(tensor.name) + "'; " +
             expectation(manifest));
  if (states[index])
    badInput("state '" + std::string(tensor.name) + "' is given twice");
  const State &state = manifest.states[index];
  checkGiven(tensor, "state", state.dtype, state.dims.size(),
             [&] { return typeText(state, manifest); });
  states[index] = &tensor;
}

void Binding::match(const HybridTensor *tensors, size_t count) {
  std::fill(inputs.begin(), inputs.end(), nullptr);
  std::fill(states.begin(), states.end(), nullptr);
  for (size_t i = 0; i < count; ++i) {
    const HybridTensor &tensor = tensors[i];
    if (!tensor.name)
      throw RuntimeError(HYBRID_INVALID_ARGUMENT, "an input has no name");
    const int index = manifest.findInput(tensor.name);
    if (index < 0 && manifest.findState(tensor.name) >= 0) {
      matchState(tensor);
      continue;
    }
    if (index < 0)
      badInput("there is no input '" + std::string(tensor.name) + "'; " +
               expectation(manifest));
    if (inputs[index])
      badInput("input '" + std::string(tensor.name) + "' is given twice");
    const Value &input = manifest.inputs[index];
    checkGiven(tensor, "input", input.dtype, input.dims.size(),
               [&] { return input.typeText(); });
    inputs[index] = &tensor;
  }
}

void Binding::requireInputs() const {
  std::vector<std::string> missing;
  for (size_t i = 0; i < manifest.numGivenInputs(); ++i)
    if (!inputs[i] && !isFilledIn(manifest.inputs[i].role))
      missing.push_back("'" + manifest.inputs[i].name + "'");
  if (!missing.empty())
    badInput("missing input" + std::string(missing.size() > 1 ? "s " : " ") +
             join(missing, ", ") + "; " + expectation(manifest));
}

//===----------------------------------------------------------------------===//
// States
//===----------------------------------------------------------------------===//

void Binding::takeStates(const SessionPosition &session) {
  batch = session.batch;
  position = session.position;
  int64_t length = -1;
  size_t lengthFrom = 0;
  givesStates = false;
  for (size_t i = 0; i < states.size(); ++i)
    if (states[i]) {
      givesStates = true;
      takeState(i, length, lengthFrom);
    }
  givesLength = length >= 0;
  if (givesLength)
    takeLength(session, length, lengthFrom);
}

void Binding::takeState(size_t index, int64_t &length, size_t &lengthFrom) {
  const State &state = manifest.states[index];
  const HybridTensor &tensor = *states[index];
  const std::string name = "state '" + state.name + "' ";
  for (int axis = 0; axis < tensor.rank; ++axis) {
    const int64_t got = tensor.dims[axis];
    if (axis == state.lengthAxis) {
      if (got > state.dims[axis])
        overCapacity(name + "has length " + std::to_string(got) +
                     ", the model was compiled for up to " +
                     std::to_string(state.dims[axis]));
      continue;
    }
    if (state.dims[axis] >= 0 && got != state.dims[axis])
      badInput(name + "has shape " + shapeText(tensor.dims, tensor.rank) +
               ", expected " + typeText(state, manifest));
    if (state.dims[axis] >= 0)
      continue;
    const Symbol &symbol = manifest.symbols[manifest.batchSymbol];
    if (got < 1 || got > symbol.capacity)
      overCapacity(name + "has batch " + std::to_string(got) +
                   ", the model was compiled for 1 to " +
                   std::to_string(symbol.capacity));
    if (batch && got != batch)
      badInput(name + "has batch " + std::to_string(got) +
               ", but the session holds " + std::to_string(batch) +
               " sequences; reset it or use another session");
    batch = got;
  }
  if (state.lengthAxis < 0)
    return;
  const int64_t got = tensor.dims[state.lengthAxis];
  if (length >= 0 && got != length)
    badInput(name + "has length " + std::to_string(got) + ", but '" +
             manifest.states[lengthFrom].name + "' has length " +
             std::to_string(length));
  length = got;
  lengthFrom = index;
}

void Binding::takeLength(const SessionPosition &session, int64_t length,
                         size_t lengthFrom) {
  position = length;
  if (length == session.position && !session.uneven)
    return;
  std::vector<std::string> others;
  for (size_t i = 0; i < states.size(); ++i)
    if (!states[i] && manifest.states[i].lengthAxis >= 0)
      others.push_back("'" + manifest.states[i].name + "'");
  if (!others.empty())
    badInput("state '" + manifest.states[lengthFrom].name + "' has length " +
             std::to_string(length) + ", but the session is at position " +
             std::to_string(session.position) + " and " + join(others, ", ") +
             " would stay at it; give all states of kind kv");
}

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

void Binding::bindSymbols(const SessionPosition &session) {
  std::fill(symbols.begin(), symbols.end(), -1);
  if (manifest.pastSymbol >= 0)
    symbols[manifest.pastSymbol] = position;
  if (manifest.batchSymbol >= 0 && batch)
    symbols[manifest.batchSymbol] = batch;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i])
      continue;
    const Value &input = manifest.inputs[i];
    for (size_t axis = 0; axis < input.dims.size(); ++axis)
      if (input.dims[axis].symbol >= 0)
        bindSymbol(session, input.dims[axis].symbol, inputs[i]->dims[axis],
                   input.name);
  }
}

/// Later appearances of a symbol are compared by compareShapes.
void Binding::bindSymbol(const SessionPosition &session, int symbol,
                         int64_t value, const std::string &input) {
  const Symbol &info = manifest.symbols[symbol];
  if (info.role == SymbolRole::Batch && batch && value != batch)
    badInput("input '" + input + "' has " + info.name + " = " +
             std::to_string(value) + ", but the " +
             (session.some ? "call names " : "session holds ") +
             std::to_string(batch) + " sequences" +
             (session.some ? "" : "; reset it or use another session"));
  if (symbols[symbol] >= 0)
    return;
  if (value > info.capacity)
    overCapacity("input '" + input + "' has " + info.name + " = " +
                 std::to_string(value) + ", the model was compiled for up to " +
                 std::to_string(info.capacity));
  symbols[symbol] = value;
}

/// Before the end of the call's positions, or 0 where there are none.
void Binding::bindFirstWanted(bool lastOnly) {
  if (manifest.fromSymbol < 0)
    return;
  const int64_t seq = symbols[size_t(manifest.seqSymbol)];
  symbols[size_t(manifest.fromSymbol)] =
      lastOnly ? std::max<int64_t>(seq - 1, 0) : 0;
}

void Binding::requireSymbols() const {
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (symbols[i] >= 0)
      continue;
    std::vector<std::string> sources;
    for (size_t input = 0; input < manifest.numGivenInputs(); ++input)
      for (const Dim &dim : manifest.inputs[input].dims)
        if (dim.symbol == int(i))
          sources.push_back("'" + manifest.inputs[input].name + "'");
    badInput("nothing given says what the dimension '" +
             manifest.symbols[i].name + "' is" +
             (sources.empty() ? "" : "; give " + join(sources, " or ")));
  }
}

/// Empty batches and calls would leave states half bound.
void Binding::checkLeast() const {
  if (manifest.states.empty())
    return;
  for (int symbol : {manifest.batchSymbol, manifest.seqSymbol})
    if (symbol >= 0 && symbols[symbol] < 1)
      badInput("the dimension '" + manifest.symbols[symbol].name +
               "' is 0; it must be at least 1");
  const int past = manifest.pastSymbol;
  if (past >= 0 && symbols[past] > manifest.symbols[past].capacity)
    overCapacity("the session is at position " + std::to_string(position) +
                 ", the model was compiled for up to " +
                 std::to_string(manifest.symbols[past].capacity));
}

/// "batch = 2, seq = 5".
std::string Binding::bindings() const {
  std::vector<std::string> parts;
  for (size_t i = 0; i < symbols.size(); ++i)
    parts.push_back(manifest.symbols[i].name + " = " +
                    std::to_string(symbols[i]));
  return join(parts, ", ");
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

void Binding::computeShapes() {
  entry = module.entryFor(symbols.data(), entryIndex);
  if (!entry)
    badInput("the model has no entry point for " + bindings());
  entry->shapes(symbols.data(), shapes.data());
  for (size_t i = 0; i < inputs.size(); ++i)
    inputBytes(i);
  for (size_t i = 0; i < manifest.outputs.size(); ++i)
    outputBytes(i);
}

uint64_t Binding::byteCount(const Value &value, const int64_t *dims) const {
  return denseBytes(value.dtype, dims, value.dims.size(), value.name.c_str());
}

uint64_t Binding::inputBytes(size_t index) const {
  return byteCount(manifest.inputs[index], inputDims(index));
}

uint64_t Binding::outputBytes(size_t index) const {
  return byteCount(manifest.outputs[index], outputDims(index));
}

void Binding::compareShapes() const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const HybridTensor *tensor = inputs[i];
    const int64_t *dims = inputDims(i);
    if (!tensor || std::equal(dims, dims + tensor->rank, tensor->dims))
      continue;
    const std::string because = bindings();
    badInput("input '" + manifest.inputs[i].name + "' has shape " +
             shapeText(tensor->dims, tensor->rank) + ", expected " +
             manifest.inputs[i].typeText() + " = " +
             shapeText(dims, tensor->rank) +
             (because.empty() ? "" : " with " + because));
  }
}

//===----------------------------------------------------------------------===//
// Position
//===----------------------------------------------------------------------===//

void Binding::countTokens() {
  tokens = 0;
  if (manifest.batchSymbol >= 0)
    batch = symbols[manifest.batchSymbol];
  if (manifest.states.empty())
    return;
  if (manifest.seqSymbol >= 0) {
    tokens = symbols[manifest.seqSymbol];
    return;
  }
  // The manifest has been checked to have such an input.
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value &input = manifest.inputs[i];
    if (input.role == InputRole::Tokens && !input.dims.empty())
      tokens = inputDims(i)[input.dims.size() - 1];
  }
}

void Binding::checkRoom() const {
  for (const State &state : manifest.states) {
    if (state.lengthAxis < 0)
      continue;
    const int64_t room = state.dims[state.lengthAxis];
    if (tokens <= room - position)
      continue;
    overCapacity("the session is at position " + std::to_string(position) +
                 " and the call has " + std::to_string(tokens) +
                 (tokens == 1 ? " token" : " tokens") + ", but state '" +
                 state.name + "' was compiled for " + std::to_string(room) +
                 " positions");
  }
}

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

[[noreturn]] static void outOfRange(const Value &input, const int64_t *dims,
                                    uint64_t flat, const std::string &value) {
  std::vector<int64_t> index(input.dims.size());
  for (size_t axis = index.size(); axis-- > 0;) {
    index[axis] = int64_t(flat % uint64_t(dims[axis]));
    flat /= uint64_t(dims[axis]);
  }
  badInput("input '" + input.name + "' is " + value + " at " +
           shapeText(index.data(), int64_t(index.size())) +
           ", outside of the range from " + std::to_string(input.min) + " to " +
           std::to_string(input.max));
}

/// `data` may have any alignment.
template <typename T>
static void checkRange(const Value &input, const int64_t *dims,
                       const void *data, uint64_t count) {
  const char *bytes = static_cast<const char *>(data);
  for (uint64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
    // A uint64 beyond int64 is beyond every range.
    const bool huge = T(-1) > T(0) && uint64_t(value) > uint64_t(INT64_MAX);
    if (huge || int64_t(value) < input.min || int64_t(value) > input.max)
      outOfRange(input, dims, i, std::to_string(value));
  }
}

static void checkRange(const Value &input, const int64_t *dims,
                       const HybridTensor &tensor, uint64_t bytes) {
  const uint64_t count = bytes / hybrid_dtype_size(input.dtype);
  switch (input.dtype) {
  case HYBRID_INT8:
    return checkRange<int8_t>(input, dims, tensor.data, count);
  case HYBRID_INT16:
    return checkRange<int16_t>(input, dims, tensor.data, count);
  case HYBRID_INT32:
    return checkRange<int32_t>(input, dims, tensor.data, count);
  case HYBRID_INT64:
    return checkRange<int64_t>(input, dims, tensor.data, count);
  case HYBRID_UINT8:
    return checkRange<uint8_t>(input, dims, tensor.data, count);
  case HYBRID_UINT16:
    return checkRange<uint16_t>(input, dims, tensor.data, count);
  case HYBRID_UINT32:
    return checkRange<uint32_t>(input, dims, tensor.data, count);
  case HYBRID_UINT64:
    return checkRange<uint64_t>(input, dims, tensor.data, count);
  default:
    return; // the manifest allows ranges on integers only
  }
}

void Binding::checkRanges() const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value &input = manifest.inputs[i];
    if (!input.hasRange)
      continue;
    const int64_t *dims = inputDims(i);
    if (inputs[i]) {
      checkRange(input, dims, *inputs[i], inputBytes(i));
      continue;
    }
    if (input.role != InputRole::PositionIds)
      continue;
    const int64_t length = input.dims.empty() ? 1 : dims[input.dims.size() - 1];
    const int64_t last = position + length - 1;
    if (length && (position < input.min || last > input.max))
      overCapacity("the call's positions are " + std::to_string(position) +
                   " to " + std::to_string(last) + ", but input '" +
                   input.name + "' must lie in the range from " +
                   std::to_string(input.min) + " to " +
                   std::to_string(input.max));
  }
}
