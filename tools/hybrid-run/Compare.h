//===- Compare.h - differences of arrays ------------------------*- C++ -*-===//

#ifndef HYBRID_TOOLS_RUN_COMPARE_H
#define HYBRID_TOOLS_RUN_COMPARE_H

#include "Model.h"

namespace hybrid {

/// How one value differs from what was expected.
struct Difference {
  std::string name;
  std::string problem; ///< why the values cannot be compared; else empty
  uint64_t elements = 0; ///< that were compared
  uint64_t outside = 0; ///< elements beyond the tolerance
  /// The element that exceeds its tolerance most, or differs most if none does.
  double maxAbs = 0;
  std::vector<int64_t> where;
  double got = 0, want = 0;

  bool ok() const { return problem.empty() && outside == 0; }
  std::string text() const;
  Json json() const;
};

/// Elementwise |got - want| <= atol + rtol |want|; NaN equals NaN only, and an
/// infinity the same infinity only. Any two floating point dtypes compare;
/// otherwise dtypes must agree. Where `got` is the value of a `state` that keeps
/// a window, the positions that it does not keep are left out.
Difference compareValues(const HybridTensor &got, const NpyArray &want,
                         double rtol, double atol,
                         const HybridStateInfo *state = nullptr);

} // namespace hybrid

#endif // HYBRID_TOOLS_RUN_COMPARE_H
