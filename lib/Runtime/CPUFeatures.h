//===- CPUFeatures.h - what this CPU can do ---------------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_CPUFEATURES_H
#define HYBRID_LIB_RUNTIME_CPUFEATURES_H

#include <string>
#include <vector>

namespace hybrid {

enum class FeatureSupport { Yes, No, Unknown };

/// Whether this CPU (and its operating system) supports a feature, by LLVM's
/// name for it. Unknown: the runtime knows no such feature here.
FeatureSupport cpuSupports(const std::string &feature);

/// The features that the CPU name of a target stands for ("x86-64-v3"); empty
/// for names that say nothing beyond the baseline or are not levels.
std::vector<std::string> featuresOfLevel(const std::string &cpu);

/// "x86_64" or "aarch64".
const char *hostArchitecture();

/// ELF e_machine of this machine's shared objects.
unsigned hostElfMachine();

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_CPUFEATURES_H
