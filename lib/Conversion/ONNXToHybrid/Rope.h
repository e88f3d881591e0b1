//===- Rope.h - Heads and their rotation ------------------------*- C++ -*-===//

#ifndef HYBRID_LIB_CONVERSION_ONNXTOHYBRID_ROPE_H
#define HYBRID_LIB_CONVERSION_ONNXTOHYBRID_ROPE_H

#include "Lowering.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"

#include <optional>

namespace hybrid {

/// A tensor of rank 4 with heads.
struct Heads {
  Tensor tensor;
  HeadLayout layout = HeadLayout::BHTD;

  unsigned getTimeDim() const { return layout == HeadLayout::BHTD ? 2 : 1; }
  unsigned getHeadDim() const { return layout == HeadLayout::BHTD ? 1 : 2; }
};

/// [B, H, T, D] as it is, [B, T, H * D] split in `heads` heads: [B, T, H, D].
/// nullopt where the rank or the last dimension doesn't fit.
std::optional<Heads> splitHeads(Lowering &l, const Tensor &input,
                                int64_t heads);

/// hybrid.rope. `cos` and `sin` are [P, R/2] and `positions` i64 [B, T] or
/// [1, T]; or they are [B, T, R/2] or [1, T, R/2] and `positions` is null.
Tensor createRope(Lowering &l, const Heads &input, const Tensor &cos,
                  const Tensor &sin, const Tensor &positions, int64_t rotaryDim,
                  bool interleaved);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_ONNXTOHYBRID_ROPE_H
