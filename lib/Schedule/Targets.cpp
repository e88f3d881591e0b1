//===- Targets.cpp - what devices can do, and times predicted -------------===//

#include "hybrid/Schedule/Targets.h"

#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/JSON.h"

using namespace mlir;

namespace hybrid {

/// The text of targets.mlir.
static constexpr llvm::StringLiteral kTargets =
#include "lib/Schedule/targets.mlir.inc"
    ;

static DeviceLimits getLimits(StringRef name, TargetDeviceSpecAttr spec) {
  DeviceLimits limits;
  limits.name = name.str();
  auto number = [&](StringRef key) {
    auto id = StringAttr::get(spec.getContext(), key);
    auto value = dyn_cast_if_present<FloatAttr>(
        spec.getSpecForIdentifier(id).getValue());
    assert(value && "targets.mlir states every limit");
    return value.getValueAsDouble();
  };
  auto text = [&](StringRef key) {
    auto id = StringAttr::get(spec.getContext(), key);
    return cast<StringAttr>(spec.getSpecForIdentifier(id).getValue()).str();
  };
  limits.title = text("title");
  limits.source = text("source");
  limits.matrix32 = number("matrix_f32");
  limits.matrix16 = number("matrix_f16");
  limits.matrix8 = number("matrix_f8");
  limits.vector = number("vector_f32");
  limits.exponentials = number("exponentials");
  limits.bandwidth = number("bandwidth");
  limits.cacheBytes = number("cache");
  limits.cores = number("cores");
  limits.launch = number("launch");
  return limits;
}

std::vector<DeviceLimits> loadDevices(MLIRContext *context) {
  context->getOrLoadDialect<DLTIDialect>();
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(kTargets, context);
  assert(module && "targets.mlir is part of the compiler");
  auto system = (*module)->getAttrOfType<TargetSystemSpecAttr>(
      DLTIDialect::kTargetSystemDescAttrName);
  std::vector<DeviceLimits> devices;
  for (auto entry : system.getEntries())
    devices.push_back(
        getLimits(cast<StringAttr>(cast<Attribute>(entry.getKey())).getValue(),
                  cast<TargetDeviceSpecAttr>(entry.getValue())));
  return devices;
}

llvm::Error applyLimits(DeviceLimits &device, StringRef text) {
  auto value = llvm::json::parse(text);
  if (!value)
    return value.takeError();
  const llvm::json::Object *object = value->getAsObject();
  if (!object)
    return llvm::createStringError("it holds no JSON object");
  bool isAny = false;
  llvm::Error error = llvm::Error::success();
  auto take = [&](StringRef key, double scale, ArrayRef<double *> targets) {
    const llvm::json::Value *found = object->get(key);
    if (!found || error)
      return;
    std::optional<double> number = found->getAsNumber();
    if (!number || !(*number > 0)) {
      error = llvm::createStringError("'" + key + "' is not a positive number");
      return;
    }
    isAny = true;
    for (double *target : targets)
      *target = *number * scale;
  };
  take("read_gb_per_second", 1e9, {&device.bandwidth});
  take("fma_gflops", 1e9,
       {&device.matrix32, &device.matrix16, &device.matrix8, &device.vector});
  take("exps_per_second", 1, {&device.exponentials});
  take("empty_launch_microseconds", 1e-6, {&device.launch});
  take("threads", 1, {&device.cores});
  if (error)
    return error;
  if (!isAny)
    return llvm::createStringError(
        "it holds none of read_gb_per_second, fma_gflops, exps_per_second, "
        "empty_launch_microseconds, threads");
  device.source = "measured";
  return error;
}

StringRef getName(Limit limit) {
  switch (limit) {
  case Limit::Compute:
    return "compute";
  case Limit::Bandwidth:
    return "bandwidth";
  case Limit::Exponentials:
    return "exponentials";
  case Limit::Launch:
    return "launch";
  }
  llvm_unreachable("every limit is handled");
}

Prediction predict(const LaunchCost &cost, const DeviceLimits &device) {
  double rate = device.getMatrixRate(cost.matrixBits);
  double compute =
      cost.matrixFlops / rate + (cost.flops - cost.matrixFlops) / device.vector;
  Prediction prediction;
  auto consider = [&](double seconds, Limit limit) {
    if (seconds > prediction.seconds)
      prediction = {seconds, limit};
  };
  consider(compute, Limit::Compute);
  consider(cost.getBytes() / device.bandwidth, Limit::Bandwidth);
  consider(cost.exps / device.exponentials, Limit::Exponentials);
  if (prediction.seconds < device.launch)
    prediction.limit = Limit::Launch;
  prediction.seconds += device.launch;
  return prediction;
}

} // namespace hybrid
