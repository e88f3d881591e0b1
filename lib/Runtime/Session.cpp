//===- Session.cpp - sequences and their states ---------------------------===//

#include "Session.h"

#include <algorithm>
#include <cstring>

using namespace hybrid;

Session::Session(std::shared_ptr<const Module> module,
                 const HybridSessionOptions &options)
    : device(createDevice(module, options.device ? options.device : "",
                          options.threads)),
      owner(std::move(module)), manifest(owner->manifest()),
      fixedBatch(options.batch), whole(*owner),
      deviceName(options.device ? options.device : "") {
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
  boundBatch = fixedBatch;
  sequences.resize(size_t(numSequences(boundBatch)));
  findTokenInput();
  size_t offset = 0;
  for (const Value &output : manifest.outputs) {
    outputOffsets.push_back(offset);
    offset += output.dims.size();
  }
  outputShapes.resize(offset);
  arena = DeviceMemory::zeroed(*device, manifest.arenaBytes, "scratch memory");
  inputCopies.resize(manifest.inputs.size());
  outputCopies.resize(manifest.outputs.size());
  states.resize(manifest.states.size());
  stateBuffers.resize(manifest.states.size());
  statePointers.resize(manifest.states.size());
  inputBuffers.resize(manifest.inputs.size());
  inputPointers.resize(manifest.inputs.size());
  outputBuffers.resize(manifest.outputs.size());
  outputPointers.resize(manifest.outputs.size());
  pieceBuffers.resize(manifest.outputs.size());
  piecePointers.resize(manifest.outputs.size());
  lastOutputs.resize(manifest.outputs.size());
}

//===----------------------------------------------------------------------===//
// Sequences
//===----------------------------------------------------------------------===//

/// A model with states but without a batch works on one sequence.
int64_t Session::numSequences(int64_t batch) const {
  if (manifest.states.empty())
    return 0;
  return manifest.batchSymbol < 0 ? 1 : batch;
}

int64_t Session::position() const {
  int64_t most = 0;
  for (const Sequence &sequence : sequences)
    most = std::max(most, sequence.position);
  return most;
}

int64_t Session::position(int64_t sequence) const {
  if (sequence < 0 || sequence >= int64_t(sequences.size()))
    return -1;
  return sequences[size_t(sequence)].position;
}

bool Session::isUneven() const {
  for (const Sequence &sequence : sequences)
    if (sequence.position != sequences[0].position)
      return true;
  return false;
}

SessionPosition Session::positionOfAll() const {
  return {boundBatch, position(), isUneven(), /*some=*/false, lastOnly};
}

void Session::requireSequence(int64_t sequence) const {
  if (position(sequence) < 0)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "there is no sequence " + std::to_string(sequence) +
                           ", the session holds " +
                           std::to_string(sequences.size()));
}

void Session::reset() {
  for (DeviceMemory &state : states)
    state.clear();
  boundBatch = fixedBatch;
  sequences.assign(size_t(numSequences(boundBatch)), Sequence());
}

void Session::resetSequence(int64_t sequence) {
  requireSequence(sequence);
  // Positions of states with a length are written before they are read.
  visitFixedStates(
      sequence, [&](char *data, uint64_t bytes) { device->zero(data, bytes); });
  sequences[size_t(sequence)] = Sequence();
}

std::unique_ptr<Session> Session::fork() const {
  HybridSessionOptions options = {};
  options.threads = device->numThreads();
  options.device = deviceName.c_str();
  options.batch = fixedBatch;
  std::unique_ptr<Session> copy(new Session(owner, options));
  copy->boundBatch = boundBatch;
  copy->every = every;
  copy->lastOnly = lastOnly;
  copy->sequences.resize(sequences.size());
  copy->reserveStates(boundBatch);
  for (size_t i = 0; i < sequences.size(); ++i)
    copy->forkSequence(int64_t(i), *this, int64_t(i));
  return copy;
}

void Session::forkSequence(int64_t to, const Session &source, int64_t from) {
  if (owner != source.owner)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "the sessions belong to different modules");
  requireSequence(to);
  source.requireSequence(from);
  if (this == &source && to == from)
    return;
  Sequence copy = source.sequences[size_t(from)];
  reserveStates(boundBatch);
  resetSequence(to);
  for (size_t i = 0; i < states.size(); ++i) {
    const State &state = manifest.states[i];
    // States that no run has touched are zeros.
    if (!source.states[i].data())
      continue;
    char *const target = states[i].data() + sequenceOffset(state, to);
    const char *const origin =
        source.states[i].data() + sequenceOffset(state, from);
    visitState(state, 1, copy.position, [&](uint64_t offset, uint64_t bytes) {
      device->copy(target + offset, origin + offset, bytes);
    });
  }
  sequences[size_t(to)] = std::move(copy);
}

//===----------------------------------------------------------------------===//
// States
//===----------------------------------------------------------------------===//

void Session::reserveStates(int64_t batch) {
  for (size_t i = 0; i < states.size(); ++i) {
    const uint64_t bytes = manifest.states[i].bytes(batch);
    if (!states[i].data() || states[i].size() < bytes)
      states[i] = DeviceMemory::zeroed(
          *device, bytes, "state '" + manifest.states[i].name + "'");
  }
}

void Session::readState(HybridTensor &tensor) {
  int index = manifest.findState(tensor.name);
  if (index < 0)
    index = manifest.findPresent(tensor.name);
  if (index < 0)
    throw RuntimeError(HYBRID_BAD_INPUT,
                       "there is no state '" + std::string(tensor.name) + "'");
  const State &state = manifest.states[index];
  if (state.hasBatch() && !boundBatch)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "the session's batch is not bound yet, so its states "
                       "have no shape");
  if (state.lengthAxis >= 0 && isUneven())
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "the sequences are at different positions, so state '" +
                           state.name +
                           "' has no shape; fork one into a session of its "
                           "own to read it");
  const uint64_t bytes = valueBytes(state, boundBatch, position());
  if (tensor.data && tensor.bytes < bytes)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "state '" + state.name + "' needs " +
                           std::to_string(bytes) + " bytes, " +
                           std::to_string(tensor.bytes) + " are given");
  reserveStates(boundBatch);
  if (!tensor.data)
    reserve(stateBuffers[index], bytes, state.name);
  fetchState(size_t(index), tensor);
  retired.clear();
}

void Session::writeStates(const HybridTensor *tensors, size_t count) {
  Binding &binding = whole.binding;
  binding.bindStates(positionOfAll(), tensors, count);
  // While the batch is not bound, states that have it are empty; they get their
  // memory when it is.
  reserveStates(binding.batch);
  sequences.resize(size_t(numSequences(binding.batch)));
  boundBatch = binding.batch;
  loadStates(binding);
  takePositions(binding);
}

/// `binding` has given states: what was known of the sequences is over.
void Session::takePositions(const Binding &binding) {
  for (Sequence &sequence : sequences) {
    if (binding.givesLength)
      sequence.position = binding.position;
    sequence.forget();
  }
}

void Session::loadStates(const Binding &binding) {
  for (size_t i = 0; i < states.size(); ++i) {
    const HybridTensor *tensor = binding.state(i);
    const State &state = manifest.states[i];
    if (!tensor || !tensor->data)
      continue;
    const char *from = static_cast<const char *>(tensor->data);
    visitValue(state, binding.batch, binding.position,
               [&](uint64_t offset, uint64_t at, uint64_t bytes) {
                 device->write(states[i].data() + offset, from + at, bytes);
               });
  }
}

void Session::fetchState(size_t index, HybridTensor &tensor) {
  const State &state = manifest.states[index];
  const int64_t length = position();
  char *to = static_cast<char *>(tensor.data);
  if (!to)
    to = stateBuffers[index].mapping.data();
  tensor.dtype = state.dtype;
  tensor.rank = int32_t(state.dims.size());
  std::copy(state.dims.begin(), state.dims.end(), tensor.dims);
  tensor.data = to;
  tensor.bytes = valueBytes(state, boundBatch, length);
  if (state.hasBatch())
    tensor.dims[0] = boundBatch;
  if (state.lengthAxis >= 0)
    tensor.dims[state.lengthAxis] = length;
  // What a ring does not keep is zeros.
  if (state.isRing())
    std::memset(to, 0, tensor.bytes);
  visitValue(state, boundBatch, length,
             [&](uint64_t offset, uint64_t at, uint64_t bytes) {
               device->read(to + at, states[index].data() + offset, bytes);
             });
}
