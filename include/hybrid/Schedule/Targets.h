//===- Targets.h - what devices can do, and times predicted -----*- C++ -*-===//

#ifndef HYBRID_SCHEDULE_TARGETS_H
#define HYBRID_SCHEDULE_TARGETS_H

#include "hybrid/Schedule/CostModel.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace hybrid {

/// The limits of a device; see lib/Schedule/targets.mlir.
struct DeviceLimits {
  std::string name, title, source;
  /// FLOP/s of products of matrices by the bits of their elements, and of all
  /// else; exponentials and bytes per second.
  double matrix32 = 0, matrix16 = 0, matrix8 = 0, vector = 0;
  double exponentials = 0, bandwidth = 0;
  /// Bytes of the last level of cache; cores; seconds of an empty launch.
  double cacheBytes = 0, cores = 0, launch = 0;

  double getMatrixRate(unsigned bits) const {
    return bits <= 8 ? matrix8 : bits <= 16 ? matrix16 : matrix32;
  }
};

/// The devices that are described, "cpu" first. `context` must be able to load
/// the DLTI dialect.
std::vector<DeviceLimits> loadDevices(mlir::MLIRContext *context);

/// Replaces limits by those measured in a JSON object: read_gb_per_second,
/// fma_gflops (as bench/limits.c prints them), exps_per_second,
/// empty_launch_microseconds (as hybrid-run --bench --json does), threads.
llvm::Error applyLimits(DeviceLimits &device, llvm::StringRef json);

/// What binds a launch.
enum class Limit { Compute, Bandwidth, Exponentials, Launch };
llvm::StringRef getName(Limit limit);

struct Prediction {
  double seconds = 0;
  Limit limit = Limit::Launch;
};

/// The time of a launch at the limits: the longest of its computing, its memory
/// traffic and its exponentials, and the launch itself.
Prediction predict(const LaunchCost &cost, const DeviceLimits &device);

} // namespace hybrid

#endif // HYBRID_SCHEDULE_TARGETS_H
