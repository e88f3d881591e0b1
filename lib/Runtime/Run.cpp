//===- Run.cpp - runs -----------------------------------------------------===//
//
// A run has two halves: first everything that can fail (binding, checks,
// reservations), then everything that changes the session. So a refused call
// leaves no trace.
//
// An entry point works on sequences that lie side by side in the states and,
// unless it takes the position of each, are at the same one. A run that is more
// than that is cut into pieces, each bound and executed like a run of its own,
// whose outputs are put together.
//
//===----------------------------------------------------------------------===//

#include "Session.h"
#include "Text.h"

#include <algorithm>
#include <cstring>
#include <numeric>

using namespace hybrid;

static bool isAligned(const void *data) {
  return reinterpret_cast<uintptr_t>(data) % HYBRID_BUFFER_ALIGNMENT == 0;
}

void Session::run(const HybridTensor *inputs, size_t numInputs,
                  HybridTensor *outputs, size_t numOutputs) {
  runRows(inputs, numInputs, outputs, numOutputs, /*some=*/false);
}

void Session::runSequences(const int64_t *ids, size_t numIds,
                           const HybridTensor *inputs, size_t numInputs,
                           HybridTensor *outputs, size_t numOutputs) {
  if (!numIds)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, "the call names no sequences");
  std::vector<bool> named(sequences.size());
  for (size_t i = 0; i < numIds; ++i) {
    requireSequence(ids[i]);
    if (named[size_t(ids[i])])
      throw RuntimeError(HYBRID_INVALID_ARGUMENT, "the call names sequence " +
                                                      std::to_string(ids[i]) +
                                                      " twice");
    named[size_t(ids[i])] = true;
  }
  for (size_t i = 0; i < numInputs; ++i)
    if (inputs[i].name && manifest.findState(inputs[i].name) >= 0)
      throw RuntimeError(HYBRID_BAD_INPUT,
                         "'" + std::string(inputs[i].name) +
                             "' is a state; it can be given to a call for all "
                             "sequences only");
  rows.assign(ids, ids + numIds);
  runRows(inputs, numInputs, outputs, numOutputs, /*some=*/true);
}

void Session::runRows(const HybridTensor *inputs, size_t numInputs,
                      HybridTensor *outputs, size_t numOutputs, bool some) {
  const Binding &binding = whole.binding;
  whole.binding.bindRun(positionOfRows(some), inputs, numInputs);
  if (!some) {
    // A session whose batch is not bound has no sequences that could be lost.
    sequences.resize(size_t(numSequences(binding.batch)));
    rows.resize(sequences.size());
    std::iota(rows.begin(), rows.end(), 0);
  }
  Pieces pieces;
  const bool atOnce = goesAtOnce();
  if (!atOnce)
    split(pieces);
  joinShapes(pieces);
  checkOutputs(outputs, numOutputs);
  reserveStates(some ? boundBatch : binding.batch);
  reserveOutputs(outputs, numOutputs);
  if (atOnce)
    reserveInputs(binding);
  else
    reserveJoined(pieces);

  // Nothing fails from here on.
  if (!some && !manifest.states.empty())
    boundBatch = binding.batch;
  loadStates(binding);
  if (binding.givesStates)
    takePositions(binding);
  placeOutputs(outputs, numOutputs);
  if (atOnce) {
    whole.sequence = rows.empty() ? 0 : rows[0];
    whole.rows = int64_t(rows.size());
    execute(whole, outputPointers.data());
  }
  for (const std::unique_ptr<Piece> &piece : pieces) {
    execute(*piece, piecePointers.data());
    joinOutputs(*piece);
  }
  fetchOutputs(outputs, numOutputs);
  retired.clear();
}

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

SessionPosition Session::positionOfRows(bool some) const {
  if (!some)
    return positionOfAll();
  SessionPosition at{int64_t(rows.size()), 0, false, /*some=*/true, lastOnly};
  for (int64_t row : rows)
    at.position = std::max(at.position, position(row));
  for (int64_t row : rows)
    at.uneven |= position(row) != at.position;
  return at;
}

/// The position of a row before the run's tokens.
int64_t Session::startOfRow(size_t row) const {
  if (whole.binding.givesLength)
    return whole.binding.position;
  return position(rows[row]);
}

bool Session::rowsAreUneven() const {
  for (size_t row = 0; row < rows.size(); ++row)
    if (startOfRow(row) != startOfRow(0))
      return true;
  return false;
}

/// Whether entry points take rows at different positions: then what the caller
/// could say of positions is left to the runtime.
bool Session::takesUnevenRows() const {
  if (manifest.positionsInput < 0)
    return false;
  for (size_t i = 0; i < manifest.inputs.size(); ++i)
    if (whole.binding.input(i) && isFilledIn(manifest.inputs[i].role))
      return false;
  return true;
}

/// Whether `tokens` more tokens of the rows `first` to `row` fit in one piece.
bool Session::goesWith(size_t first, size_t row, int64_t tokens) const {
  const int64_t start = startOfRow(first), other = startOfRow(row);
  if (rows[row] != rows[first] + int64_t(row - first))
    return false;
  return start == other ||
         (takesUnevenRows() && tokensUntilCheckpoint(start, tokens) == tokens &&
          tokensUntilCheckpoint(other, tokens) == tokens);
}

bool Session::goesAtOnce() const {
  const int64_t tokens = whole.binding.tokens;
  for (size_t row = 0; row < rows.size(); ++row)
    if (!goesWith(0, row, tokens) ||
        tokensUntilCheckpoint(startOfRow(row), tokens) < tokens)
      return false;
  return true;
}

/// How many of `tokens` tokens go before a checkpoint is due.
int64_t Session::tokensUntilCheckpoint(int64_t position, int64_t tokens) const {
  if (!every || manifest.seqSymbol < 0)
    return tokens;
  return std::min(tokens, every - position % every);
}

void Session::split(Pieces &pieces) {
  const int64_t tokens = whole.binding.tokens;
  for (size_t row = 0, end; row < rows.size(); row = end) {
    int64_t start = startOfRow(row);
    for (end = row + 1; end < rows.size() && goesWith(row, end, tokens); ++end)
      start = std::max(start, startOfRow(end));
    for (int64_t token = 0, length; token < tokens; token += length) {
      length = tokensUntilCheckpoint(start + token, tokens - token);
      pieces.emplace_back(new Piece(*owner));
      Piece &piece = *pieces.back();
      piece.sequence = rows[row];
      piece.row = int64_t(row);
      piece.rows = int64_t(end - row);
      piece.token = token;
      cut(piece, start + token, length);
    }
  }
}

/// Gives a piece its part of the run's inputs.
void Session::cut(Piece &piece, int64_t start, int64_t tokens) {
  std::vector<int64_t> symbols(whole.binding.symbolValues(),
                               whole.binding.symbolValues() +
                                   manifest.symbols.size());
  const std::pair<int, int64_t> changed[] = {{manifest.batchSymbol, piece.rows},
                                             {manifest.seqSymbol, tokens},
                                             {manifest.pastSymbol, start},
                                             {manifest.fromSymbol, 0}};
  for (const auto &[symbol, value] : changed)
    if (symbol >= 0)
      symbols[size_t(symbol)] = value;
  int index;
  const Module::EntryPoint *entry = owner->entryFor(symbols.data(), index);
  if (!entry)
    throw RuntimeError(HYBRID_BAD_INPUT,
                       "the model has no entry point for the sequences one by "
                       "one");
  std::vector<int64_t> shapes(owner->numShapeDims());
  entry->shapes(symbols.data(), shapes.data());
  const int64_t *dims = shapes.data();
  for (size_t i = 0; i < manifest.inputs.size(); ++i) {
    if (whole.binding.input(i))
      cutInput(piece, i, dims);
    dims += manifest.inputs[i].dims.size();
  }
  piece.binding.bindRun({piece.rows, start, false, /*some=*/true, lastOnly},
                        piece.inputs.data(), piece.inputs.size());
}

/// Copies a block between dense tensors of `rank` dimensions: `sizes` elements
/// of `bytes` bytes, from `fromAt` in a tensor of size `fromDims` to `toAt` in
/// one of size `toDims`.
static void copyBlock(char *to, const int64_t *toDims, const int64_t *toAt,
                      const char *from, const int64_t *fromDims,
                      const int64_t *fromAt, const int64_t *sizes, size_t rank,
                      size_t bytes) {
  if (rank == 0) {
    std::memcpy(to, from, bytes);
    return;
  }
  size_t toStride = bytes, fromStride = bytes;
  for (size_t axis = 1; axis < rank; ++axis) {
    toStride *= size_t(toDims[axis]);
    fromStride *= size_t(fromDims[axis]);
  }
  to += size_t(toAt[0]) * toStride;
  from += size_t(fromAt[0]) * fromStride;
  if (rank == 1) {
    std::memcpy(to, from, size_t(sizes[0]) * bytes);
    return;
  }
  for (int64_t i = 0; i < sizes[0]; ++i)
    copyBlock(to + size_t(i) * toStride, toDims + 1, toAt + 1,
              from + size_t(i) * fromStride, fromDims + 1, fromAt + 1,
              sizes + 1, rank - 1, bytes);
}

void Session::cutInput(Piece &piece, size_t index, const int64_t *dims) {
  const Value &input = manifest.inputs[index];
  const HybridTensor &from = *whole.binding.input(index);
  const size_t rank = input.dims.size();
  int64_t at[HYBRID_MAX_RANK] = {}, zero[HYBRID_MAX_RANK] = {};
  for (size_t axis = 0; axis < rank; ++axis) {
    const int symbol = input.dims[axis].symbol;
    if (symbol >= 0 && symbol == manifest.batchSymbol)
      at[axis] = piece.row;
    else if (symbol >= 0 && symbol == manifest.seqSymbol)
      at[axis] = piece.token;
    else if (dims[axis] != from.dims[axis] && rowsAreUneven())
      throw RuntimeError(HYBRID_BAD_INPUT,
                         "input '" + input.name + "' " + input.typeText() +
                             " depends on the position, and the sequences are "
                             "at different ones; leave it out or run them one "
                             "by one");
    // What grows with the position: the start is what the piece sees.
  }
  HybridTensor part = from;
  std::copy(dims, dims + rank, part.dims);
  piece.copies.emplace_back(
      denseBytes(input.dtype, dims, rank, input.name.c_str()));
  std::vector<char> &memory = piece.copies.back();
  if (!memory.empty())
    copyBlock(memory.data(), dims, zero, static_cast<const char *>(from.data),
              from.dims, at, dims, rank, hybrid_dtype_size(input.dtype));
  part.data = memory.data();
  piece.inputs.push_back(part);
}

/// The shapes of the outputs of the whole run.
void Session::joinShapes(const Pieces &pieces) {
  int64_t *to = outputShapes.data();
  for (size_t i = 0; i < manifest.outputs.size(); ++i) {
    const Value &output = manifest.outputs[i];
    for (size_t axis = 0; axis < output.dims.size(); ++axis, ++to) {
      *to = whole.binding.outputDims(i)[axis];
      const int symbol = output.dims[axis].symbol;
      const bool isJoined = output.dims[axis].isWanted ||
                            (symbol >= 0 && (symbol == manifest.batchSymbol ||
                                             symbol == manifest.seqSymbol));
      if (isJoined || pieces.empty())
        continue;
      *to = pieces.back()->binding.outputDims(i)[axis];
      for (const std::unique_ptr<Piece> &piece : pieces)
        if (piece->binding.outputDims(i)[axis] != *to)
          throw RuntimeError(
              HYBRID_BAD_INPUT,
              "output '" + output.name + "' " + output.typeText() +
                  " has another shape at each position; run the sequences one "
                  "by one, without checkpoints");
    }
  }
}

/// Puts a piece's outputs where they belong in the run's. Where the run wants
/// the last position only, pieces before the last one have nothing for it.
void Session::joinOutputs(const Piece &piece) {
  for (size_t i = 0; i < manifest.outputs.size(); ++i) {
    const Value &output = manifest.outputs[i];
    const int64_t *dims = piece.binding.outputDims(i);
    int64_t at[HYBRID_MAX_RANK] = {}, zero[HYBRID_MAX_RANK] = {};
    for (size_t axis = 0; axis < output.dims.size(); ++axis) {
      const int symbol = output.dims[axis].symbol;
      if (symbol >= 0 && symbol == manifest.batchSymbol)
        at[axis] = piece.row;
      else if (symbol >= 0 && symbol == manifest.seqSymbol)
        at[axis] = piece.token;
      else if (output.dims[axis].isWanted)
        at[axis] = piece.token + piece.binding.firstWanted() -
                   whole.binding.firstWanted();
    }
    const bool isWanted =
        std::all_of(at, at + HYBRID_MAX_RANK, [](int64_t i) { return i >= 0; });
    if (isWanted && piece.binding.outputBytes(i))
      copyBlock(static_cast<char *>(outputPointers[i]), outputDims(i), at,
                static_cast<const char *>(piecePointers[i]), dims, zero, dims,
                output.dims.size(), hybrid_dtype_size(output.dtype));
  }
}

//===----------------------------------------------------------------------===//
// The half that can fail
//===----------------------------------------------------------------------===//

uint64_t Session::outputBytes(size_t index) const {
  const Value &output = manifest.outputs[index];
  return denseBytes(output.dtype, outputDims(index), output.dims.size(),
                    output.name.c_str());
}

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
  if (index < 0)
    checkStateOutput(manifest.states[state]);
  const Binding &binding = whole.binding;
  const uint64_t bytes = index >= 0
                             ? outputBytes(size_t(index))
                             : valueBytes(manifest.states[state], binding.batch,
                                          binding.position + binding.tokens);
  if (tensor.data && tensor.bytes < bytes)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "output '" + std::string(tensor.name) + "' needs " +
                           std::to_string(bytes) + " bytes, " +
                           std::to_string(tensor.bytes) + " are given");
}

/// A state comes as one tensor of all sequences.
void Session::checkStateOutput(const State &state) const {
  if (rows.size() != sequences.size())
    throw RuntimeError(HYBRID_BAD_INPUT,
                       "'" + state.present +
                           "' is a state; it can be had from a call for all "
                           "sequences only");
  if (state.lengthAxis >= 0 && rowsAreUneven())
    throw RuntimeError(HYBRID_BAD_INPUT,
                       "the sequences are at different positions, so '" +
                           state.present + "' has no shape");
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

/// Room on the device for the inputs and outputs of a piece.
void Session::reserveOnDevice(const Binding &binding) {
  if (device->sharesMemory())
    return;
  const auto grow = [&](DeviceMemory &memory, uint64_t bytes,
                        const std::string &name) {
    if (!memory.data() || memory.size() < bytes)
      memory = DeviceMemory::zeroed(*device, std::max(bytes, 2 * memory.size()),
                                    name);
  };
  for (size_t i = 0; i < inputCopies.size(); ++i)
    grow(inputCopies[i], binding.inputBytes(i), manifest.inputs[i].name);
  for (size_t i = 0; i < outputCopies.size(); ++i)
    grow(outputCopies[i], binding.outputBytes(i), manifest.outputs[i].name);
}

void Session::reserveInputs(const Binding &binding) {
  reserveOnDevice(binding);
  for (size_t i = 0; i < inputBuffers.size(); ++i)
    reserve(inputBuffers[i], binding.inputBytes(i), manifest.inputs[i].name);
}

void Session::reserveOutputs(const HybridTensor *outputs, size_t count) {
  const Binding &binding = whole.binding;
  for (size_t i = 0; i < outputBuffers.size(); ++i)
    reserve(outputBuffers[i], outputBytes(i), manifest.outputs[i].name);
  for (size_t i = 0; i < count; ++i) {
    const int state = manifest.findPresent(outputs[i].name);
    if (state >= 0 && !outputs[i].data)
      reserve(stateBuffers[state],
              valueBytes(manifest.states[state], binding.batch,
                         binding.position + binding.tokens),
              manifest.states[state].present);
  }
}

void Session::reserveJoined(const Pieces &pieces) {
  for (const std::unique_ptr<Piece> &piece : pieces) {
    reserveInputs(piece->binding);
    for (size_t i = 0; i < pieceBuffers.size(); ++i)
      reserve(pieceBuffers[i], piece->binding.outputBytes(i),
              manifest.outputs[i].name);
  }
  for (size_t i = 0; i < pieceBuffers.size(); ++i)
    piecePointers[i] = pieceBuffers[i].mapping.data();
}

//===----------------------------------------------------------------------===//
// The half that changes the session
//===----------------------------------------------------------------------===//

void Session::execute(const Piece &piece, void *const *results) {
  const bool known = placeInputs(piece);
  for (size_t i = 0; i < states.size(); ++i) {
    const State &state = manifest.states[i];
    statePointers[i] = states[i].data() + sequenceOffset(state, piece.sequence);
  }
  HybridCall call;
  call.arena = arena.data();
  call.weights = device->weights();
  call.dims = piece.binding.symbolValues();
  call.inputs = inputPointers.data();
  call.outputs = results;
  call.states = statePointers.data();
  if (device->sharesMemory())
    piece.binding.entry->run(device.get(), &call);
  else
    executeOnDevice(piece, call);
  lastEntry = piece.binding.entryIndex;
  if (!manifest.states.empty())
    advance(piece, known);
}

/// The inputs go to the device and the outputs come back.
void Session::executeOnDevice(const Piece &piece, HybridCall call) {
  std::vector<void *> inputs, outputs;
  for (size_t i = 0; i < inputCopies.size(); ++i) {
    inputs.push_back(inputCopies[i].data());
    device->write(inputs[i], call.inputs[i], piece.binding.inputBytes(i));
  }
  for (const DeviceMemory &copy : outputCopies)
    outputs.push_back(copy.data());
  void *const *const results = call.outputs;
  call.inputs = inputs.data();
  call.outputs = outputs.data();
  piece.binding.entry->run(device.get(), &call);
  for (size_t i = 0; i < outputs.size(); ++i)
    device->read(results[i], outputs[i], piece.binding.outputBytes(i));
  device->synchronize();
}

void Session::placeOutputs(const HybridTensor *outputs, size_t count) {
  for (size_t i = 0; i < outputPointers.size(); ++i)
    outputPointers[i] = outputBuffers[i].mapping.data();
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
    if (begin < other + outputBytes(i) && other < begin + bytes)
      return true;
  }
  return false;
}

/// Returns whether the tokens alone say what the model sees: whether what else
/// is given is what would have been filled in.
bool Session::placeInputs(const Piece &piece) {
  const Binding &binding = piece.binding;
  bool known = true;
  for (size_t i = 0; i < inputPointers.size(); ++i) {
    Buffer &buffer = inputBuffers[i];
    const InputRole role = manifest.inputs[i].role;
    const HybridTensor *tensor = binding.input(i);
    const uint64_t bytes = binding.inputBytes(i);
    inputPointers[i] = buffer.mapping.data();
    if (role == InputRole::PositionIds) {
      fillPositions(piece, i, buffer.mapping.data());
      buffer.ones = 0;
    } else if (role == InputRole::AttentionMask) {
      fillMask(piece, i, buffer);
    } else if (role == InputRole::Positions) {
      fillStarts(piece, buffer.mapping.data());
    }
    if (!tensor || !bytes ||
        (isFilledIn(role) &&
         std::memcmp(buffer.mapping.data(), tensor->data, bytes) == 0))
      continue;
    known &= !isFilledIn(role);
    if (isAligned(tensor->data) && !overlapsOutput(tensor->data, bytes)) {
      inputPointers[i] = tensor->data;
      continue;
    }
    std::memcpy(buffer.mapping.data(), tensor->data, bytes);
    buffer.ones = 0;
  }
  return known;
}

template <typename T>
static void fillAscending(char *data, int64_t first, uint64_t length) {
  T *out = reinterpret_cast<T *>(data);
  for (uint64_t i = 0; i < length; ++i)
    *out++ = T(first + int64_t(i));
}

static void fillAscending(char *data, size_t size, int64_t first,
                          uint64_t length) {
  switch (size) {
  case 1:
    return fillAscending<uint8_t>(data, first, length);
  case 2:
    return fillAscending<uint16_t>(data, first, length);
  case 4:
    return fillAscending<uint32_t>(data, first, length);
  default:
    return fillAscending<uint64_t>(data, first, length);
  }
}

/// Along the last axis the positions ascend from that of the sequence.
void Session::fillPositions(const Piece &piece, size_t index,
                            char *data) const {
  const Value &input = manifest.inputs[index];
  const int64_t *dims = piece.binding.inputDims(index);
  const size_t rank = input.dims.size(), size = hybrid_dtype_size(input.dtype);
  const uint64_t length = rank ? uint64_t(dims[rank - 1]) : 1;
  uint64_t lines = 1, linesPerRow = 1;
  for (size_t axis = 0; axis + 1 < rank; ++axis) {
    lines *= uint64_t(dims[axis]);
    linesPerRow *= uint64_t(dims[axis]);
    if (input.dims[axis].symbol >= 0 &&
        input.dims[axis].symbol == manifest.batchSymbol)
      linesPerRow = 1;
  }
  for (uint64_t line = 0; line < lines; ++line) {
    const uint64_t row =
        line / linesPerRow % uint64_t(std::max<int64_t>(piece.rows, 1));
    const int64_t first = sequences.empty()
                              ? piece.binding.position
                              : position(piece.sequence + int64_t(row));
    fillAscending(data + line * length * size, size, first, length);
  }
}

/// The position of each sequence.
void Session::fillStarts(const Piece &piece, char *data) const {
  for (int64_t row = 0; row < piece.rows; ++row) {
    const int64_t start = position(piece.sequence + row);
    std::memcpy(data + size_t(row) * sizeof(start), &start, sizeof(start));
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

/// Ones for the positions of each sequence, and zeros behind. Masks grow by a
/// column each token, but ones stay ones: only what is new is written.
void Session::fillMask(const Piece &piece, size_t index, Buffer &buffer) const {
  const Value &input = manifest.inputs[index];
  const size_t size = hybrid_dtype_size(input.dtype);
  const uint64_t one = bitsOfOne(input.dtype);
  const uint64_t count = piece.binding.inputBytes(index) / size;
  for (; buffer.ones < count; ++buffer.ones)
    std::memcpy(buffer.mapping.data() + buffer.ones * size, &one, size);
  if (manifest.positionsInput < 0)
    return;
  const uint64_t columns = count / uint64_t(piece.rows);
  for (int64_t row = 0; row < piece.rows; ++row) {
    const int64_t behind =
        piece.binding.position - position(piece.sequence + row);
    // A mask that does not grow with the position is nobody's.
    const uint64_t zeros = std::min(uint64_t(behind), columns);
    const uint64_t first = uint64_t(row + 1) * columns - zeros;
    if (zeros == 0)
      continue;
    std::memset(buffer.mapping.data() + first * size, 0, zeros * size);
    buffer.ones = std::min(buffer.ones, first);
  }
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void Session::fetchOutputs(HybridTensor *outputs, size_t count) {
  for (size_t i = 0; i < lastOutputs.size(); ++i) {
    const Value &output = manifest.outputs[i];
    HybridTensor &tensor = lastOutputs[i];
    tensor = {};
    tensor.name = output.name.c_str();
    tensor.dtype = output.dtype;
    tensor.rank = int32_t(output.dims.size());
    std::copy(outputDims(i), outputDims(i) + output.dims.size(), tensor.dims);
    tensor.data = outputPointers[i];
    tensor.bytes = outputBytes(i);
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

void Session::output(size_t index, HybridTensor &tensor) const {
  if (lastEntry < 0)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, "the session has not run yet");
  if (index >= lastOutputs.size())
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "there is no output " + std::to_string(index));
  tensor = lastOutputs[index];
}

const char *Session::entry() const {
  return lastEntry < 0 ? nullptr : manifest.entries[lastEntry].name.c_str();
}
