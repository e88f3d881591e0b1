//===- Rewind.cpp - checkpoints, and back to an earlier position ----------===//
//
// States with a length (kv) keep every position and are cut. The others hold a
// digest of all tokens: they come from the last checkpoint, or are empty, and
// the tokens from there on are replayed.
//
//===----------------------------------------------------------------------===//

#include "Session.h"

#include <algorithm>
#include <cstring>
#include <new>

using namespace hybrid;

/// One sequence on its way back.
struct Session::Rewinding {
  int64_t sequence;
  int64_t position;                             ///< the goal
  int64_t start;                                ///< where the replay starts
  std::shared_ptr<const Checkpoint> checkpoint; ///< null: empty states
  Pieces pieces;
};

bool Session::hasFixedStates() const {
  return std::any_of(manifest.states.begin(), manifest.states.end(),
                     [](const State &state) { return !state.keepsAll(); });
}

/// Calls can be replayed when token ids are all that they are given, but for
/// what the runtime fills in by itself.
void Session::findTokenInput() {
  for (size_t i = 0; i < manifest.numGivenInputs(); ++i) {
    const Value &input = manifest.inputs[i];
    if (isFilledIn(input.role))
      continue;
    bool isPlain = input.role == InputRole::Tokens && tokenInput < 0 &&
                   !input.dims.empty();
    for (size_t axis = 0; isPlain && axis + 1 < input.dims.size(); ++axis) {
      const Dim &dim = input.dims[axis];
      isPlain = dim.value == 1 ||
                (dim.symbol >= 0 && dim.symbol == manifest.batchSymbol);
    }
    if (!isPlain) {
      tokenInput = -1;
      return;
    }
    tokenInput = int(i);
  }
}

void Session::checkpointEvery(int64_t tokens) {
  if (tokens < 0)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT,
                       "the distance of checkpoints is negative");
  every = hasFixedStates() ? tokens : 0;
}

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

/// The sequences of a piece have taken its tokens; `known`: which say all.
void Session::advance(const Piece &piece, bool known) {
  const int64_t tokens = piece.binding.tokens;
  for (int64_t row = 0; row < piece.rows; ++row) {
    Sequence &sequence = sequences[size_t(piece.sequence + row)];
    // Without memory for them the tokens are not known, which is no error.
    try {
      if (known && tokenInput >= 0)
        remember(piece, row, sequence);
    } catch (const std::bad_alloc &) {
      known = false;
    }
    sequence.position += tokens;
    if (!known || tokenInput < 0)
      sequence.forget();
    if (every && sequence.position % every == 0)
      keepCheckpoint(piece.sequence + row);
  }
}

void Session::remember(const Piece &piece, int64_t row, Sequence &sequence) {
  const HybridTensor &tensor = *piece.binding.input(size_t(tokenInput));
  const size_t size = hybrid_dtype_size(tensor.dtype);
  const size_t tokens = size_t(piece.binding.tokens);
  const char *from =
      static_cast<const char *>(tensor.data) + size_t(row) * tokens * size;
  const size_t before = sequence.tokens.size();
  sequence.tokens.resize(before + tokens);
  // The low bytes of each id (both sides are little-endian).
  for (size_t i = 0; i < tokens; ++i)
    std::memcpy(&sequence.tokens[before + i], from + i * size, size);
}

void Session::keepCheckpoint(int64_t sequence) {
  Sequence &owner = sequences[size_t(sequence)];
  uint64_t total = 0;
  visitFixedStates(sequence,
                   [&](const char *, uint64_t bytes) { total += bytes; });
  // A checkpoint that cannot be had makes crop() replay more.
  try {
    auto checkpoint = std::make_shared<Checkpoint>();
    checkpoint->position = owner.position;
    checkpoint->bytes.reserve(total);
    visitFixedStates(sequence, [&](const char *from, uint64_t bytes) {
      const size_t at = checkpoint->bytes.size();
      checkpoint->bytes.resize(at + bytes);
      device->read(&checkpoint->bytes[at], from, bytes);
    });
    owner.checkpoints.push_back(std::move(checkpoint));
  } catch (const std::bad_alloc &) {
  }
}

//===----------------------------------------------------------------------===//
// Back
//===----------------------------------------------------------------------===//

void Session::crop(int64_t sequence, int64_t position) {
  if (manifest.states.empty())
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, "the model has no states");
  if (sequence != -1)
    requireSequence(sequence);
  std::vector<Rewinding> plans;
  for (int64_t i = 0; i < int64_t(sequences.size()); ++i)
    if (sequence == -1 || sequence == i)
      plans.push_back(planCrop(i, position));
  reserveStates(boundBatch);

  // Nothing fails from here on.
  for (Rewinding &plan : plans)
    rewind(plan);
  retired.clear();
}

Session::Rewinding Session::planCrop(int64_t index, int64_t position) {
  const Sequence &sequence = sequences[size_t(index)];
  const std::string who = "sequence " + std::to_string(index) + " ";
  if (position < 0 || position > sequence.position)
    throw RuntimeError(HYBRID_BAD_INPUT, who + "is at position " +
                                             std::to_string(sequence.position) +
                                             " and cannot be cropped to " +
                                             std::to_string(position));
  Rewinding plan{index, position, position, nullptr, {}};
  if (position == sequence.position || position == 0 || !hasFixedStates())
    return plan;
  plan.start = 0;
  for (const auto &checkpoint : sequence.checkpoints)
    if (checkpoint->position <= position) {
      plan.checkpoint = checkpoint;
      plan.start = checkpoint->position;
    }
  if (plan.start == position)
    return plan;
  if (tokenInput < 0)
    throw RuntimeError(HYBRID_BAD_INPUT,
                       who + "cannot be replayed to position " +
                           std::to_string(position) +
                           ": the model has inputs beside its token ids; only "
                           "positions of checkpoints can be had");
  if (plan.start < sequence.known)
    throw RuntimeError(
        HYBRID_BAD_INPUT,
        who + "cannot be replayed to position " + std::to_string(position) +
            ": its tokens before position " + std::to_string(sequence.known) +
            " are not known (states were loaded, or a call was given "
            "position_ids or an attention_mask of its own), and there is no "
            "checkpoint");
  planReplay(plan);
  return plan;
}

/// Binds the calls that take the tokens from `start` to `position` again.
void Session::planReplay(Rewinding &plan) {
  const Value &input = manifest.inputs[size_t(tokenInput)];
  const size_t size = hybrid_dtype_size(input.dtype);
  const Dim &last = input.dims.back();
  const Sequence &sequence = sequences[size_t(plan.sequence)];
  for (int64_t at = plan.start, length; at < plan.position; at += length) {
    length = plan.position - at;
    if (manifest.seqSymbol >= 0)
      length = std::min(length, manifest.symbols[manifest.seqSymbol].capacity);
    if (last.value >= 0)
      length = last.value;
    length = tokensUntilCheckpoint(at, length);
    if (length < 1 || length > plan.position - at)
      throw RuntimeError(HYBRID_BAD_INPUT, "the model takes " +
                                               std::to_string(last.value) +
                                               " tokens a call, so position " +
                                               std::to_string(plan.position) +
                                               " cannot be replayed");
    plan.pieces.emplace_back(new Piece(*owner));
    Piece &piece = *plan.pieces.back();
    piece.sequence = plan.sequence;
    piece.rows = 1;
    piece.copies.emplace_back(size_t(length) * size);
    const int64_t *ids = &sequence.tokens[size_t(at - sequence.known)];
    for (int64_t i = 0; i < length; ++i)
      std::memcpy(piece.copies[0].data() + size_t(i) * size, &ids[i], size);
    HybridTensor tensor = {};
    tensor.name = input.name.c_str();
    tensor.dtype = input.dtype;
    tensor.rank = int32_t(input.dims.size());
    std::fill(tensor.dims, tensor.dims + tensor.rank, 1);
    tensor.dims[tensor.rank - 1] = length;
    tensor.data = piece.copies[0].data();
    piece.inputs = {tensor};
    const int64_t rows = manifest.batchSymbol >= 0 ? 1 : 0;
    // Nobody reads the outputs.
    piece.binding.bindRun({rows, at, false, /*some=*/true, /*lastOnly=*/true},
                          piece.inputs.data(), 1);
  }
  reserveJoined(plan.pieces);
}

void Session::rewind(Rewinding &plan) {
  Sequence &sequence = sequences[size_t(plan.sequence)];
  if (plan.position == sequence.position)
    return;
  const char *from = plan.checkpoint ? plan.checkpoint->bytes.data() : nullptr;
  visitFixedStates(plan.sequence, [&](char *to, uint64_t bytes) {
    if (!from) {
      device->zero(to, bytes);
      return;
    }
    device->write(to, from, bytes);
    from += bytes;
  });
  sequence.position = plan.start;
  sequence.known = std::min(sequence.known, plan.start);
  sequence.tokens.resize(size_t(plan.start - sequence.known));
  while (!sequence.checkpoints.empty() &&
         sequence.checkpoints.back()->position > plan.start)
    sequence.checkpoints.pop_back();
  for (const std::unique_ptr<Piece> &piece : plan.pieces)
    execute(*piece, piecePointers.data());
}
