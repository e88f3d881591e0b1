//===- Profile.cpp - measured times beside the predicted ones -------------===//

#include "CostReport.h"

#include "llvm/ADT/StringMap.h"

namespace json = llvm::json;

namespace hybrid {
namespace {

/// Seconds of a launch, by kernel, of one measured phase.
using LaunchTimes = llvm::StringMap<double>;

/// Whether what was measured is a call of the phase: its entry, and for
/// prefills as many tokens. The steps of a decode are taken at any position.
bool matches(const json::Object &measured, const CostPhase &phase) {
  if (measured.getString("entry") != llvm::StringRef(phase.entry))
    return false;
  auto tokens = measured.getInteger("tokens"),
       steps = measured.getInteger("steps");
  if (!tokens || !steps || *steps < 1)
    return false;
  return phase.isStep || *tokens == *steps * phase.tokens;
}

llvm::Error readTimes(const json::Object &measured, LaunchTimes &times) {
  const json::Array *kernels = measured.getArray("kernels");
  if (!kernels)
    return llvm::createStringError(
        "it has no times of kernels; hybrid-run needs --per-kernel, too");
  for (const json::Value &value : *kernels) {
    const json::Object *kernel = value.getAsObject();
    auto name = kernel ? kernel->getString("name") : std::nullopt;
    auto launches = kernel ? kernel->getNumber("launches") : std::nullopt;
    auto time = kernel ? kernel->getNumber("milliseconds") : std::nullopt;
    if (!name || !launches || !time)
      return llvm::createStringError(
          "a kernel of it has no name, launches or milliseconds");
    if (*launches > 0)
      times[*name] = *time * 1e-3 / *launches;
  }
  return llvm::Error::success();
}

/// Sums of rows have a time if all of their launches do.
void addTimes(CostPhase &phase, const LaunchTimes &times) {
  struct Sum {
    double seconds = 0;
    unsigned launches = 0;
  };
  llvm::StringMap<Sum> layers, kernels;
  Sum total;
  for (CostRow &row : phase.launches) {
    llvm::SmallVector<llvm::StringRef> names;
    llvm::StringRef(row.compiled).split(names, '+');
    double seconds = 0;
    if (!llvm::all_of(names, [&](llvm::StringRef name) {
          auto time = times.find(name);
          seconds += time == times.end() ? 0 : time->second;
          return time != times.end();
        }))
      continue;
    row.measured = seconds;
    for (Sum *sum : {&layers[row.layer], &kernels[row.kernel], &total}) {
      sum->seconds += seconds;
      ++sum->launches;
    }
  }
  auto set = [](CostRow &row, const Sum &sum) {
    if (sum.launches && sum.launches == row.launches)
      row.measured = sum.seconds;
  };
  for (CostRow &row : phase.layers)
    set(row, layers[row.layer]);
  for (CostRow &row : phase.kernels)
    set(row, kernels[row.kernel]);
  set(phase.total, total);
}

llvm::Error addText(CostReport &report, llvm::StringRef text) {
  auto value = json::parse(text);
  if (!value)
    return value.takeError();
  const json::Object *object = value->getAsObject();
  const json::Array *phases = object ? object->getArray("phases") : nullptr;
  if (!phases)
    return llvm::createStringError(
        "it is not what hybrid-run --bench --per-kernel --json prints");
  for (CostPhase &phase : report.phases)
    for (const json::Value &element : *phases) {
      const json::Object *measured = element.getAsObject();
      if (!measured || !matches(*measured, phase))
        continue;
      LaunchTimes times;
      if (auto error = readTimes(*measured, times))
        return error;
      addTimes(phase, times);
      break;
    }
  return llvm::Error::success();
}

} // namespace

llvm::Error addProfile(CostReport &report, llvm::StringRef file) {
  auto text = readText(file);
  if (!text)
    return text.takeError();
  if (auto error = addText(report, *text))
    return llvm::createStringError("the profile '" + file +
                                   "': " + toString(std::move(error)));
  return llvm::Error::success();
}

} // namespace hybrid
