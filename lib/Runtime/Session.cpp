//===- Session.cpp - states, buffers and runs -----------------------------===//
//
// A run has two halves: first everything that can fail (binding, checks,
// reservations), then everything that changes the session. So a refused call
// leaves no trace.
//
//===----------------------------------------------------------------------===//

#include "Session.h"
#include "StateLayout.h"
#include "Text.h"

#include <algorithm>
#include <cstring>

using namespace hybrid;

static bool isAligned(const void *data) {
  return reinterpret_cast<uintptr_t>(data) % HYBRID_BUFFER_ALIGNMENT == 0;
}

static HybridTensor describe(const std::string &name, HybridDtype dtype,
                             const int64_t *dims, size_t rank) {
  HybridTensor tensor = {};
  tensor.name = name.c_str();
  tensor.dtype = dtype;
  tensor.rank = int32_t(rank);
  std::copy(dims, dims + rank, tensor.dims);
  return tensor;
}

Session::Session(std::shared_ptr<const Module> module,
                 const HybridSessionOptions &options)
    : device(options.threads, module->manifest().kernels.size()),
      owner(std::move(module)), manifest(owner->manifest()),
      fixedBatch(options.batch), now{0, 0}, binding(*owner) {
  if (manifest.states.empty() || manifest.batchSymbol < 0)
    fixedBatch = 0;
  if (options.batch < 0)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, "the batch is negative");
  if (fixedBatch &&
      fixedBatch > manifest.symbols[manifest.batchSymbol].capacity)
    throw RuntimeError(
        HYBRID_OVER_CAPACITY,
        "the batch " + std::to_string(fixedBatch) +
            " is more than the model was compiled for: " +
            std::to_string(manifest.symbols[manifest.batchSymbol].capacity));
  now.batch = fixedBatch;
  arena = Mapping::zeroed(manifest.arenaBytes, "scratch memory");
  states.resize(manifest.states.size());
  stateBuffers.resize(manifest.states.size());
  statePointers.resize(manifest.states.size());
  inputBuffers.resize(manifest.inputs.size());
  inputPointers.resize(manifest.inputs.size());
  outputBuffers.resize(manifest.outputs.size());
  outputPointers.resize(manifest.outputs.size());
  outputSizes.resize(manifest.outputs.size());
  lastOutputs.resize(manifest.outputs.size());
}

std::unique_ptr<Session> Session::fork() const {
  HybridSessionOptions options = {};
  options.threads = device.numThreads();
  options.batch = fixedBatch;
  std::unique_ptr<Session> copy(new Session(owner, options));
  copy->now = now;
  copy->reserveStates(now.batch);
  for (size_t i = 0; i < states.size(); ++i)
    // States that no run has touched are zeros.
    if (states[i].data())
      visitState(manifest.states[i], now.batch, now.position,
                 [&](uint64_t offset, uint64_t bytes) {
                   std::memcpy(copy->states[i].data() + offset,
                               states[i].data() + offset, bytes);
                 });
  return copy;
}

void Session::reset() {
  for (Mapping &state : states)
    state.clear();
  now = {fixedBatch, 0};
}

const char *Session::entry() const {
  return lastEntry < 0 ? nullptr : manifest.entries[lastEntry].name.c_str();
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

void Session::run(const HybridTensor *inputs, size_t numInputs,
                  HybridTensor *outputs, size_t numOutputs) {
  binding.bindRun(now, inputs, numInputs);
  checkOutputs(outputs, numOutputs);
  reserveStates(binding.batch);
  reserveBuffers(outputs, numOutputs);

  // Nothing fails from here on.
  loadStates();
  placeOutputs(outputs, numOutputs);
  placeInputs();
  HybridCall call;
  call.arena = arena.data();
  call.weights = owner->weights();
  call.dims = binding.symbolValues();
  call.inputs = inputPointers.data();
  call.outputs = outputPointers.data();
  call.states = statePointers.data();
  binding.entry->run(&device, &call);
  lastEntry = binding.entryIndex;
  if (!manifest.states.empty())
    now = {binding.batch, binding.position + binding.tokens};
  fetchOutputs(outputs, numOutputs);
  retired.clear();
}

void Session::output(size_t index, HybridTensor &tensor) const {
  if (lastEntry < 0)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, "the session has not run yet");
  if (index >= lastOutputs.size())
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "there is no output " + std::to_string(index));
  tensor = lastOutputs[index];
}

void Session::readState(HybridTensor &tensor) {
  int index = manifest.findState(tensor.name);
  if (index < 0)
    index = manifest.findPresent(tensor.name);
  if (index < 0)
    throw RuntimeError(HYBRID_BAD_INPUT,
                       "there is no state '" + std::string(tensor.name) + "'");
  const State &state = manifest.states[index];
  if (state.hasBatch() && !now.batch)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "the session's batch is not bound yet, so its states "
                       "have no shape");
  const uint64_t bytes = valueBytes(state, now.batch, now.position);
  if (tensor.data && tensor.bytes < bytes)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "state '" + state.name + "' needs " +
                           std::to_string(bytes) + " bytes, " +
                           std::to_string(tensor.bytes) + " are given");
  reserveStates(now.batch);
  if (!tensor.data)
    reserve(stateBuffers[index], bytes, state.name);
  fetchState(size_t(index), tensor);
  retired.clear();
}

void Session::writeStates(const HybridTensor *tensors, size_t count) {
  binding.bindStates(now, tensors, count);
  // While the batch is not bound, states that have it are empty; they get their
  // memory when it is.
  reserveStates(binding.batch);
  loadStates();
  now = {binding.batch, binding.position};
}

//===----------------------------------------------------------------------===//
// The half that can fail
//===----------------------------------------------------------------------===//

void Session::checkOutputs(const HybridTensor *outputs, size_t count) {
  for (size_t i = 0; i < count; ++i)
    checkOutput(outputs[i]);
}

void Session::checkOutput(const HybridTensor &tensor) {
  if (!tensor.name)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, "an output has no name");
  const int index = manifest.findOutput(tensor.name);
  const int state = manifest.findPresent(tensor.name);
  if (index < 0 && state < 0) {
    std::vector<std::string> names;
    for (const Value &output : manifest.outputs)
      names.push_back("'" + output.name + "'");
    for (const State &item : manifest.states)
      if (!item.present.empty())
        names.push_back("'" + item.present + "'");
    throw RuntimeError(HYBRID_BAD_INPUT,
                       "there is no output '" + std::string(tensor.name) +
                           "'; the model's outputs are " + join(names, ", "));
  }
  const uint64_t bytes = index >= 0
                             ? binding.outputBytes(size_t(index))
                             : valueBytes(manifest.states[state], binding.batch,
                                          binding.position + binding.tokens);
  if (tensor.data && tensor.bytes < bytes)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "output '" + std::string(tensor.name) + "' needs " +
                           std::to_string(bytes) + " bytes, " +
                           std::to_string(tensor.bytes) + " are given");
}

void Session::reserveStates(int64_t batch) {
  for (size_t i = 0; i < states.size(); ++i) {
    const uint64_t bytes = manifest.states[i].bytes(batch);
    if (!states[i].data() || states[i].size() < bytes)
      states[i] =
          Mapping::zeroed(bytes, "state '" + manifest.states[i].name + "'");
    statePointers[i] = states[i].data();
  }
}

void Session::reserve(Buffer &buffer, uint64_t bytes, const std::string &name) {
  if (buffer.mapping.data() && buffer.mapping.size() >= bytes)
    return;
  // Shapes grow with the position; doubling keeps that rare.
  Mapping larger =
      Mapping::zeroed(std::max(bytes, 2 * buffer.mapping.size()), name);
  // The caller may still hand in what the old memory holds.
  retired.push_back(std::move(buffer.mapping));
  buffer.mapping = std::move(larger);
  buffer.ones = 0;
}

void Session::reserveBuffers(const HybridTensor *outputs, size_t count) {
  for (size_t i = 0; i < inputBuffers.size(); ++i)
    reserve(inputBuffers[i], binding.inputBytes(i), manifest.inputs[i].name);
  for (size_t i = 0; i < outputBuffers.size(); ++i)
    reserve(outputBuffers[i], binding.outputBytes(i), manifest.outputs[i].name);
  for (size_t i = 0; i < count; ++i) {
    const int state = manifest.findPresent(outputs[i].name);
    if (state >= 0 && !outputs[i].data)
      reserve(stateBuffers[state],
              valueBytes(manifest.states[state], binding.batch,
                         binding.position + binding.tokens),
              manifest.states[state].present);
  }
}

//===----------------------------------------------------------------------===//
// The half that changes the session
//===----------------------------------------------------------------------===//

void Session::loadStates() {
  for (size_t i = 0; i < states.size(); ++i) {
    const HybridTensor *tensor = binding.state(i);
    const State &state = manifest.states[i];
    if (!tensor || !tensor->data)
      continue;
    const char *from = static_cast<const char *>(tensor->data);
    visitState(state, binding.batch, binding.position,
               [&](uint64_t offset, uint64_t bytes) {
                 std::memcpy(states[i].data() + offset, from, bytes);
                 from += bytes;
               });
  }
}

void Session::placeOutputs(const HybridTensor *outputs, size_t count) {
  for (size_t i = 0; i < outputPointers.size(); ++i) {
    outputPointers[i] = outputBuffers[i].mapping.data();
    outputSizes[i] = binding.outputBytes(i);
  }
  for (size_t i = 0; i < count; ++i) {
    const int index = manifest.findOutput(outputs[i].name);
    if (index >= 0 && outputs[i].data && isAligned(outputs[i].data))
      outputPointers[index] = outputs[i].data;
  }
}

bool Session::overlapsOutput(const void *data, uint64_t bytes) const {
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data);
  for (size_t i = 0; i < outputPointers.size(); ++i) {
    const uintptr_t other = reinterpret_cast<uintptr_t>(outputPointers[i]);
    if (begin < other + outputSizes[i] && other < begin + bytes)
      return true;
  }
  return false;
}

void Session::placeInputs() {
  for (size_t i = 0; i < inputPointers.size(); ++i) {
    Buffer &buffer = inputBuffers[i];
    const HybridTensor *tensor = binding.input(i);
    const uint64_t bytes = binding.inputBytes(i);
    inputPointers[i] = buffer.mapping.data();
    if (!tensor && manifest.inputs[i].role == InputRole::PositionIds) {
      fillPositions(i, buffer.mapping.data());
    } else if (!tensor) {
      fillOnes(i, buffer);
    } else if (tensor->data && isAligned(tensor->data) &&
               !overlapsOutput(tensor->data, bytes)) {
      inputPointers[i] = tensor->data;
    } else if (bytes) {
      std::memcpy(buffer.mapping.data(), tensor->data, bytes);
      buffer.ones = 0;
    }
  }
}

template <typename T>
static void fillAscending(char *data, int64_t first, uint64_t rows,
                          uint64_t length) {
  T *out = reinterpret_cast<T *>(data);
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t i = 0; i < length; ++i)
      *out++ = T(first + int64_t(i));
}

void Session::fillPositions(size_t index, char *data) const {
  const Value &input = manifest.inputs[index];
  const int64_t *dims = binding.inputDims(index);
  const size_t rank = input.dims.size();
  const uint64_t length = rank ? uint64_t(dims[rank - 1]) : 1;
  uint64_t rows = 1;
  for (size_t axis = 0; axis + 1 < rank; ++axis)
    rows *= uint64_t(dims[axis]);
  switch (hybrid_dtype_size(input.dtype)) {
  case 1:
    return fillAscending<uint8_t>(data, binding.position, rows, length);
  case 2:
    return fillAscending<uint16_t>(data, binding.position, rows, length);
  case 4:
    return fillAscending<uint32_t>(data, binding.position, rows, length);
  default:
    return fillAscending<uint64_t>(data, binding.position, rows, length);
  }
}

/// The bits of 1 in a dtype.
static uint64_t bitsOfOne(HybridDtype dtype) {
  switch (dtype) {
  case HYBRID_FLOAT32:
    return 0x3f800000;
  case HYBRID_FLOAT16:
    return 0x3c00;
  case HYBRID_BFLOAT16:
    return 0x3f80;
  case HYBRID_FLOAT64:
    return 0x3ff0000000000000;
  default:
    return 1;
  }
}

/// Masks grow by a column each token, but ones stay ones: only what is new is
/// written.
void Session::fillOnes(size_t index, Buffer &buffer) const {
  const HybridDtype dtype = manifest.inputs[index].dtype;
  const size_t size = hybrid_dtype_size(dtype);
  const uint64_t one = bitsOfOne(dtype);
  const uint64_t count = binding.inputBytes(index) / size;
  for (; buffer.ones < count; ++buffer.ones)
    std::memcpy(buffer.mapping.data() + buffer.ones * size, &one, size);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void Session::fetchOutputs(HybridTensor *outputs, size_t count) {
  for (size_t i = 0; i < lastOutputs.size(); ++i) {
    const Value &output = manifest.outputs[i];
    lastOutputs[i] = describe(output.name, output.dtype, binding.outputDims(i),
                              output.dims.size());
    lastOutputs[i].data = outputPointers[i];
    lastOutputs[i].bytes = outputSizes[i];
  }
  for (size_t i = 0; i < count; ++i) {
    HybridTensor &tensor = outputs[i];
    const int index = manifest.findOutput(tensor.name);
    if (index < 0) {
      fetchState(size_t(manifest.findPresent(tensor.name)), tensor);
      continue;
    }
    void *const wanted = tensor.data;
    const char *const name = tensor.name;
    tensor = lastOutputs[index];
    tensor.name = name;
    if (!wanted || wanted == tensor.data)
      continue;
    std::memcpy(wanted, tensor.data, tensor.bytes);
    tensor.data = wanted;
  }
}

void Session::fetchState(size_t index, HybridTensor &tensor) {
  const State &state = manifest.states[index];
  const char *const name = tensor.name;
  char *to = static_cast<char *>(tensor.data);
  if (!to)
    to = stateBuffers[index].mapping.data();
  tensor =
      describe(state.name, state.dtype, state.dims.data(), state.dims.size());
  tensor.name = name;
  tensor.data = to;
  tensor.bytes = valueBytes(state, now.batch, now.position);
  if (state.hasBatch())
    tensor.dims[0] = now.batch;
  if (state.lengthAxis >= 0)
    tensor.dims[state.lengthAxis] = now.position;
  visitState(state, now.batch, now.position,
             [&](uint64_t offset, uint64_t bytes) {
               std::memcpy(to, states[index].data() + offset, bytes);
               to += bytes;
             });
}
