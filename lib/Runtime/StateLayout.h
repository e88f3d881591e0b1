//===- StateLayout.h - where a state's value lies ---------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_STATELAYOUT_H
#define HYBRID_LIB_RUNTIME_STATELAYOUT_H

#include "hybrid/Runtime/Manifest.h"

namespace hybrid {

/// Bytes of the value of a state of `batch` sequences after `position` tokens,
/// at most its capacity.
inline uint64_t valueBytes(const State &state, int64_t batch,
                           int64_t position) {
  const uint64_t bytes = state.bytes(batch);
  // The capacity divides the bytes; it is 0 only when they are.
  if (state.lengthAxis < 0 || !bytes)
    return bytes;
  return bytes / uint64_t(state.dims[state.lengthAxis]) * uint64_t(position);
}

/// Calls `visit(offset, bytes)` for each run of bytes that holds the value of a
/// state of `batch` sequences after `position` tokens. One after another they
/// are the dense tensor; the rest of the state's memory is capacity.
template <typename Visit>
void visitState(const State &state, int64_t batch, int64_t position,
                Visit visit) {
  if (state.lengthAxis < 0)
    return visit(uint64_t(0), state.bytes(batch));
  const size_t axis = size_t(state.lengthAxis);
  uint64_t rows = 1, itemBytes = hybrid_dtype_size(state.dtype);
  for (size_t i = 0; i < axis; ++i)
    rows *= uint64_t(state.dims[i] < 0 ? batch : state.dims[i]);
  for (size_t i = axis + 1; i < state.dims.size(); ++i)
    itemBytes *= uint64_t(state.dims[i]);
  const uint64_t rowBytes = uint64_t(state.dims[axis]) * itemBytes;
  for (uint64_t row = 0; row < rows; ++row)
    visit(row * rowBytes, uint64_t(position) * itemBytes);
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
