//===- Decisions.h - the remarks of a compilation ---------------*- C++ -*-===//

#ifndef HYBRID_LIB_COMPILER_DECISIONS_H
#define HYBRID_LIB_COMPILER_DECISIONS_H

#include "mlir/IR/MLIRContext.h"

#include <string>
#include <vector>

namespace hybrid {

/// A remark: what a pass did, or did not do, to what, and why.
struct Decision {
  std::string pass, name, node, message;
  /// Whether it was done.
  bool done = true;
  /// How often the same was decided.
  unsigned count = 1;
};

/// Has the remarks of all passes that run in `context` from now on put into
/// `decisions`, which must outlive the context; each different one once.
void collectDecisions(mlir::MLIRContext &context,
                      std::vector<Decision> &decisions);

} // namespace hybrid

#endif // HYBRID_LIB_COMPILER_DECISIONS_H
