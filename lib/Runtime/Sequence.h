//===- Sequence.h - what a session knows of one sequence --------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_SEQUENCE_H
#define HYBRID_LIB_RUNTIME_SEQUENCE_H

#include <cstdint>
#include <memory>
#include <vector>

namespace hybrid {

/// One sequence's conv, recurrent and kv-window states after `position` tokens:
/// those that cannot be cut. kv states need no checkpoint, they keep every
/// position.
struct Checkpoint {
  int64_t position;
  std::vector<char> bytes; ///< in the manifest's order, one after another
};

struct Sequence {
  int64_t position = 0; ///< tokens so far

  /// The token ids at the positions `known` to `position`. What came before is
  /// not known (states were loaded, or the call had inputs beside the tokens
  /// that are not theirs alone) and cannot be replayed.
  int64_t known = 0;
  std::vector<int64_t> tokens;

  /// By ascending position, shared between forks. The empty states at 0 need
  /// none.
  std::vector<std::shared_ptr<const Checkpoint>> checkpoints;

  /// Nothing before the current position can be replayed any more.
  void forget() {
    known = position;
    tokens.clear();
    checkpoints.clear();
  }
};

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_SEQUENCE_H
