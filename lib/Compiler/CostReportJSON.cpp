//===- CostReportJSON.cpp - the report as JSON, and as a page -------------===//
//
// The contract of docs/report.md. llvm::json holds a StringRef without copying
// it: strings are copied here.
//
//===----------------------------------------------------------------------===//

#include "CostReport.h"

#include "llvm/Support/FormatVariadic.h"

namespace json = llvm::json;

namespace hybrid {

static json::Object toJSON(const CostRow &row, double total) {
  json::Object object{{"launches", row.launches},
                      {"kernels", row.parts},
                      {"flops", row.cost.flops},
                      {"matrix_flops", row.cost.matrixFlops},
                      {"exps", row.cost.exps},
                      {"bytes_read", row.cost.bytesRead},
                      {"bytes_written", row.cost.bytesWritten},
                      {"weight_bytes", row.cost.weightBytes},
                      {"state_bytes", row.cost.stateBytes},
                      {"predicted_seconds", row.prediction.seconds},
                      {"share", total > 0 ? row.prediction.seconds / total : 0},
                      {"limit", getName(row.prediction.limit).str()}};
  auto add = [&](llvm::StringRef key, const std::string &text) {
    if (!text.empty())
      object[key] = text;
  };
  add("kernel", row.kernel);
  add("compiled", row.compiled);
  add("layer", row.layer);
  add("node", row.node);
  if (row.measured)
    object["measured_seconds"] = *row.measured;
  return object;
}

static json::Object toJSON(const CostPhase &phase) {
  const double total = phase.total.prediction.seconds;
  auto list = [&](const std::vector<CostRow> &rows) {
    json::Array array;
    for (const CostRow &row : rows)
      array.push_back(toJSON(row, total));
    return array;
  };
  json::Object symbols, devices;
  for (auto &[name, value] : phase.symbols)
    symbols[name] = value;
  for (auto &[name, seconds] : phase.devices)
    devices[name] = seconds;
  return json::Object{{"name", phase.name},
                      {"entry", phase.entry},
                      {"tokens", phase.tokens},
                      {"symbols", std::move(symbols)},
                      {"total", toJSON(phase.total, total)},
                      {"devices", std::move(devices)},
                      {"layers", list(phase.layers)},
                      {"kernels", list(phase.kernels)},
                      {"launches", list(phase.launches)},
                      {"unknown", json::Array(phase.unknown)}};
}

static json::Object toJSON(const DeviceLimits &device) {
  return json::Object{{"name", device.name},
                      {"title", device.title},
                      {"source", device.source},
                      {"matrix_f32_flops", device.matrix32},
                      {"matrix_f16_flops", device.matrix16},
                      {"matrix_f8_flops", device.matrix8},
                      {"vector_f32_flops", device.vector},
                      {"exps_per_second", device.exponentials},
                      {"bytes_per_second", device.bandwidth},
                      {"cache_bytes", device.cacheBytes},
                      {"cores", device.cores},
                      {"launch_seconds", device.launch}};
}

/// Decisions by pass, in the order in which passes first decide.
static json::Array toJSON(const std::vector<Decision> &decisions) {
  json::Array passes;
  llvm::StringMap<size_t> indices;
  for (const Decision &decision : decisions) {
    auto [known, isNew] = indices.try_emplace(decision.pass, indices.size());
    if (isNew)
      passes.push_back(
          json::Object{{"pass", decision.pass}, {"decisions", json::Array()}});
    passes[known->second]
        .getAsObject()
        ->getArray("decisions")
        ->push_back(json::Object{{"name", decision.name},
                                 {"done", decision.done},
                                 {"node", decision.node},
                                 {"message", decision.message},
                                 {"count", decision.count}});
  }
  return passes;
}

json::Object CostReport::toJSON() const {
  json::Array deviceList, stateList, phaseList;
  for (const DeviceLimits &limits : devices)
    deviceList.push_back(hybrid::toJSON(limits));
  for (const StateBytes &bytes : states) {
    json::Object kinds;
    for (auto &[kind, size] : bytes.kinds)
      kinds[kind] = size;
    stateList.push_back(
        json::Object{{"length", bytes.length}, {"bytes", std::move(kinds)}});
  }
  for (const CostPhase &phase : phases)
    phaseList.push_back(hybrid::toJSON(phase));
  return json::Object{{"format", "hybrid-report"},
                      {"version", 1},
                      {"model", model},
                      {"device", devices[device].name},
                      {"devices", std::move(deviceList)},
                      {"weights_bytes", weightBytes},
                      {"states", std::move(stateList)},
                      {"phases", std::move(phaseList)},
                      {"passes", hybrid::toJSON(decisions)}};
}

/// report.html, in which one line stands for the data.
static constexpr llvm::StringLiteral kPage =
#include "lib/Compiler/report.html.inc"
    ;

std::string CostReport::toHTML() const {
  std::string data;
  llvm::raw_string_ostream(data) << json::Value(toJSON());
  // Names in the data must not end the element that holds it.
  std::string escaped;
  for (char c : data)
    escaped += c == '<' ? std::string("\\u003c") : std::string(1, c);
  auto [before, after] = kPage.split("@DATA@");
  return (before + escaped + after).str();
}

} // namespace hybrid
