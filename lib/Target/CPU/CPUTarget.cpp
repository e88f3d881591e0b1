//===- CPUTarget.cpp - what code is generated for -------------------------===//

#include "hybrid/Target/CPU/CPUTarget.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace llvm;

namespace hybrid {
namespace {

struct Level {
  StringRef name;
  /// What the level adds to the one before.
  std::vector<std::string> features;
};

/// The levels of the x86-64 psABI.
const std::vector<Level> &getX86Levels() {
  static const std::vector<Level> levels = {
      {"x86-64", {"sse2"}},
      {"x86-64-v2", {"cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"}},
      {"x86-64-v3",
       {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}},
      {"x86-64-v4",
       {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}}};
  return levels;
}

/// Features beyond the levels that our kernels or LLVM make use of.
constexpr StringLiteral kExtras[] = {"avx512vnni", "avx512bf16", "avxvnni",
                                     "amx-tile", "amx-bf16"};

bool has(const CPUTarget &target, StringRef feature) {
  return is_contained(target.features, feature);
}

void finish(CPUTarget &target) {
  llvm::sort(target.features);
  target.vectorBits = has(target, "avx512f") ? 512
                      : has(target, "avx")   ? 256
                                             : 128;
}

CPUTarget getNative() {
  CPUTarget target;
  Triple triple(sys::getDefaultTargetTriple());
  target.triple = triple.str();
  if (triple.getArch() != Triple::x86_64) {
    target.cpu = "generic";
    finish(target);
    return target;
  }
  StringMap<bool> host = sys::getHostCPUFeatures();
  for (const Level &level : getX86Levels()) {
    if (!llvm::all_of(level.features, [&](const std::string &feature) {
          return host.lookup(feature);
        }))
      break;
    target.cpu = level.name.str();
    llvm::append_range(target.features, level.features);
  }
  for (StringRef extra : kExtras)
    if (host.lookup(extra))
      target.features.push_back(extra.str());
  finish(target);
  return target;
}

} // namespace

bool CPUTarget::hasMatrixUnit() const {
  return vectorBits >= 512 && has(*this, "amx-tile") && has(*this, "amx-bf16");
}

Expected<CPUTarget> CPUTarget::parse(StringRef spec) {
  SmallVector<StringRef> parts;
  spec.split(parts, ',', -1, /*KeepEmpty=*/false);
  CPUTarget target;
  StringRef base =
      parts.empty() || parts[0].starts_with("+") || parts[0].starts_with("-")
          ? StringRef("native")
          : parts[0];
  if (base == "native") {
    target = getNative();
  } else if (base == "aarch64") {
    target.triple = "aarch64-unknown-linux-gnu";
    target.cpu = "generic";
  } else {
    target.triple = "x86_64-unknown-linux-gnu";
    bool found = false;
    for (const Level &level : getX86Levels()) {
      llvm::append_range(target.features, level.features);
      if ((found = level.name == base))
        break;
    }
    if (!found)
      return createStringError("unknown CPU '" + base +
                               "': use native, x86-64, x86-64-v2, x86-64-v3, "
                               "x86-64-v4 or aarch64");
    target.cpu = base.str();
  }
  for (StringRef part : parts) {
    if (part.consume_front("+"))
      target.features.push_back(part.str());
    else if (part.consume_front("-"))
      llvm::erase(target.features, part.str());
    else if (part != base)
      return createStringError("'" + part +
                               "' in the target is neither +feature nor "
                               "-feature");
  }
  finish(target);
  return target;
}

} // namespace hybrid
