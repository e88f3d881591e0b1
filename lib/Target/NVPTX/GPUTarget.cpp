//===- GPUTarget.cpp - what code is generated for -------------------------===//

#include "hybrid/Target/NVPTX/GPUTarget.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace hybrid {
namespace {

struct Architecture {
  StringLiteral name;
  unsigned ptxVersion;
  int64_t maxShared;
};

/// Shared memory per block: CUDA C++ programming guide, "Technical
/// Specifications per Compute Capability", opt-in maximum.
constexpr Architecture kArchitectures[] = {
    {"sm_80", 80, 163 << 10},   {"sm_86", 80, 99 << 10},
    {"sm_89", 80, 99 << 10},    {"sm_90", 80, 227 << 10},
    {"sm_90a", 80, 227 << 10},  {"sm_100", 86, 227 << 10},
    {"sm_100a", 86, 227 << 10}, {"sm_120", 87, 99 << 10},
};

} // namespace

Expected<GPUTarget> GPUTarget::parse(StringRef spec) {
  for (const Architecture &known : kArchitectures)
    if (known.name == spec)
      return GPUTarget{known.name.str(), known.ptxVersion, known.maxShared};
  auto names = map_range(kArchitectures,
                         [](const Architecture &known) { return known.name; });
  return createStringError((spec.empty()
                                ? "the target cuda needs an architecture"
                                : "unknown GPU '" + spec + "'") +
                           ": use " + join(names, ", "));
}

} // namespace hybrid
