//===- StateLayout.h - where a state's value lies ---------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_STATELAYOUT_H
#define HYBRID_LIB_RUNTIME_STATELAYOUT_H

#include "hybrid/Runtime/Manifest.h"

#include <algorithm>

namespace hybrid {

/// Bytes of one position of one row (whatever stands before the length), and
/// the number of rows of `batch` sequences. For states with a length.
struct StateRows {
  uint64_t positionBytes, rows = 1;

  StateRows(const State &state, int64_t batch)
      : positionBytes(hybrid_dtype_size(state.dtype)) {
    for (size_t i = 0; i < state.dims.size(); ++i) {
      const int64_t size = state.dims[i] < 0 ? batch : state.dims[i];
      if (int(i) < state.lengthAxis)
        rows *= uint64_t(size);
      else if (int(i) > state.lengthAxis)
        positionBytes *= uint64_t(size);
    }
  }
};

/// How many slots a state has filled after `position` tokens, at most its
/// capacity.
inline int64_t filledSlots(const State &state, int64_t position) {
  return state.isRing() ? std::min(position, state.slots()) : position;
}

/// Bytes of the value of a state of `batch` sequences after `position` tokens,
/// at most its capacity: those of the dense tensor with all positions.
inline uint64_t valueBytes(const State &state, int64_t batch,
                           int64_t position) {
  if (state.lengthAxis < 0)
    return state.bytes(batch);
  const StateRows shape(state, batch);
  return shape.rows * shape.positionBytes * uint64_t(position);
}

/// Bytes that hold a state of `batch` sequences after `position` tokens.
inline uint64_t filledBytes(const State &state, int64_t batch,
                            int64_t position) {
  return valueBytes(state, batch, filledSlots(state, position));
}

/// Calls `visit(offset, bytes)` for each run of bytes that holds a state of
/// `batch` sequences after `position` tokens; the rest of its memory is
/// capacity.
template <typename Visit>
void visitState(const State &state, int64_t batch, int64_t position,
                Visit visit) {
  if (state.lengthAxis < 0)
    return visit(uint64_t(0), state.bytes(batch));
  const StateRows shape(state, batch);
  const uint64_t rowBytes = uint64_t(state.slots()) * shape.positionBytes;
  const uint64_t filled =
      uint64_t(filledSlots(state, position)) * shape.positionBytes;
  for (uint64_t row = 0; row < shape.rows; ++row)
    visit(row * rowBytes, filled);
}

/// Calls `visit(offset, at, bytes)` for each run of bytes that is kept of a
/// state of `batch` sequences after `position` tokens: at `offset` of its
/// memory, and at `at` of its dense value. A position behind the sinks lies in
/// the slot that `hybrid.cache_append` with `ring` gives it.
template <typename Visit>
void visitValue(const State &state, int64_t batch, int64_t position,
                Visit visit) {
  if (state.lengthAxis < 0)
    return visit(uint64_t(0), uint64_t(0), state.bytes(batch));
  const StateRows shape(state, batch);
  const uint64_t size = shape.positionBytes;
  const int64_t first =
      state.isRing() ? std::min(position, state.sinks) : position;
  for (uint64_t row = 0; row < shape.rows; ++row) {
    const uint64_t memory = row * uint64_t(state.slots()),
                   value = row * uint64_t(position);
    visit(memory * size, value * size, uint64_t(first) * size);
    for (int64_t i = std::max(first, position - state.window);
         state.isRing() && i < position; ++i) {
      const int64_t slot = first + (i - first) % state.window;
      visit((memory + uint64_t(slot)) * size, (value + uint64_t(i)) * size,
            size);
    }
  }
}

/// Where a sequence starts in a state; a state without a batch belongs to
/// sequence 0.
inline uint64_t sequenceOffset(const State &state, int64_t sequence) {
  return state.hasBatch() ? uint64_t(sequence) * state.bytes(1) : 0;
}

/// visitState for one sequence of a state. The offsets count from the start of
/// the state.
template <typename Visit>
void visitSequence(const State &state, int64_t sequence, int64_t position,
                   Visit visit) {
  const uint64_t start = sequenceOffset(state, sequence);
  visitState(state, 1, position, [&](uint64_t offset, uint64_t bytes) {
    visit(start + offset, bytes);
  });
}

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_STATELAYOUT_H
